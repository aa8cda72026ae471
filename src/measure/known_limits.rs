//! Limits of well-known servers that show in what they say, so that a limit that was met is not taken for a broken
//! server.

use crate::measure::collector::Collector;
use crate::measure::outcome::{Clock, Outcome};
use crate::stats::quantile::Quantile;

/// A limit, and the setting that it comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KnownLimit {
    /// Postfix, `smtpd_client_connection_count_limit` or `smtpd_client_connection_rate_limit`.
    PostfixConnections,
    /// Postfix, `smtpd_hard_error_limit`.
    PostfixErrors,
    /// Postfix, `smtpd_error_sleep_time` above `smtpd_soft_error_limit`.
    PostfixPauses,
}

/// Refusals that are this slow were held back: Postfix's pause is a second unless it is told otherwise.
const PAUSE_US: u64 = 990_000;
/// How many of them show it.
const PAUSES_MIN: u64 = 10;

impl KnownLimit {
    /// Its name in `run.json`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::PostfixConnections => "postfix_connection_limit",
            Self::PostfixErrors => "postfix_hard_error_limit",
            Self::PostfixPauses => "postfix_error_pauses",
        }
    }

    /// What is the matter: a lower-case fragment.
    #[must_use]
    pub fn what(self) -> &'static str {
        match self {
            Self::PostfixConnections => {
                "Postfix refused connections: it takes 50 at once from one client address"
            }
            Self::PostfixErrors => {
                "Postfix ended sessions after too many errors: 20 in one session"
            }
            Self::PostfixPauses => {
                "Postfix answered refusals with a pause: after 10 errors in one session it waits a second"
            }
        }
    }

    /// What to do about it: a lower-case fragment.
    #[must_use]
    pub fn advice(self) -> &'static str {
        match self {
            Self::PostfixConnections => {
                "raise smtpd_client_connection_count_limit, or take several `source` addresses under [client]"
            }
            Self::PostfixErrors => {
                "raise smtpd_hard_error_limit, or send fewer messages in a session"
            }
            Self::PostfixPauses => {
                "set smtpd_error_sleep_time = 0, or raise smtpd_soft_error_limit, to measure the refusals themselves"
            }
        }
    }

    /// The limit that a reply speaks of.
    fn of_text(text: &[u8]) -> Option<Self> {
        let says = |words: &str| memchr::memmem::find(text, words.as_bytes()).is_some();
        if says("Error: too many connections from") {
            Some(Self::PostfixConnections)
        } else if says("Error: too many errors") {
            Some(Self::PostfixErrors)
        } else {
            None
        }
    }
}

/// The limits that a run met.
pub(super) fn found(collector: &Collector) -> Vec<KnownLimit> {
    let mut found: Vec<KnownLimit> = Vec::new();
    let mut postfix = false;
    for (_, _, sample) in collector.replies.values().flat_map(|tally| tally.sorted()) {
        postfix |= memchr::memmem::find(sample.text(), b"ESMTP Postfix").is_some();
        let limit = KnownLimit::of_text(sample.text());
        found.extend(limit.filter(|limit| !found.contains(limit)));
    }
    if postfix && pauses(collector) {
        found.push(KnownLimit::PostfixPauses);
    }
    found
}

/// Whether refusals of any step were mostly slow, and about equally so.
fn pauses(collector: &Collector) -> bool {
    collector.series.iter().any(|(series, histogram)| {
        let Some((_, clock, outcome)) = collector.layout.series_parts(*series) else {
            return false;
        };
        let refused = matches!(outcome, Outcome::Rejected | Outcome::Deferred);
        let slow = |quantile| histogram.estimate(quantile).is_some_and(|us| us >= PAUSE_US);
        refused
            && clock == Clock::Service
            && histogram.samples() >= PAUSES_MIN
            && slow(Quantile::P75)
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::clock::{self, Duration};
    use crate::measure::layout::Layout;
    use crate::measure::recorder::Recorder;
    use crate::measure::tally::ReplyKind;
    use crate::measure::testing::{STEADY, place, plan, recorders};
    use crate::scenario::step::StepId;
    use crate::smtp::reply::ReplyCode;

    fn limits(fill: impl FnOnce(&mut Recorder)) -> Vec<KnownLimit> {
        let plan = plan(&["submit"], Vec::new());
        let (layout, started) = (Arc::new(Layout::new(&plan)), clock::now());
        let mut recorder = recorders(&layout, started, 1).remove(0);
        fill(&mut recorder);
        let mut collector = Collector::new(layout, Duration::from_secs(1), 1);
        collector.add(recorder.finish(started));
        found(&collector)
    }

    fn say(recorder: &mut Recorder, step: StepId, code: u16, text: &str) {
        let kind = ReplyKind {
            code: ReplyCode::new(code).unwrap(),
            enhanced: None,
            outcome: Outcome::Deferred,
        };
        recorder.count_reply(place(STEADY, 0, step), kind, || text.as_bytes().to_vec());
    }

    #[test]
    fn postfix_says_what_it_has_too_many_of() {
        let connections = limits(|recorder| {
            let text = "4.7.0 mx.test Error: too many connections from 127.0.0.1";
            say(recorder, StepId::GREETING, 421, text);
            say(recorder, StepId::EHLO, 421, text);
        });
        assert_eq!(connections, [KnownLimit::PostfixConnections]);
        let errors = limits(|recorder| {
            say(recorder, StepId::RCPT, 421, "4.7.0 mx.test Error: too many errors");
        });
        assert_eq!(errors, [KnownLimit::PostfixErrors]);
        assert!(limits(|recorder| say(recorder, StepId::RCPT, 450, "4.2.0 greylisted")).is_empty());
    }

    #[test]
    fn refusals_that_take_a_second_are_postfix_pauses_only_of_postfix() {
        let refuse = |recorder: &mut Recorder, ms| {
            let rcpt = place(STEADY, 0, StepId::RCPT);
            for _ in 0..PAUSES_MIN {
                let took = Duration::from_millis(ms);
                recorder.sample(rcpt, Clock::Service, Outcome::Rejected, took);
            }
        };
        let greet = |recorder: &mut Recorder| {
            say(recorder, StepId::GREETING, 220, "mx.test ESMTP Postfix (Debian)");
        };
        let slow = limits(|recorder| {
            greet(recorder);
            refuse(recorder, 1_001);
        });
        assert_eq!(slow, [KnownLimit::PostfixPauses]);
        let quick = limits(|recorder| {
            greet(recorder);
            refuse(recorder, 2);
        });
        assert!(quick.is_empty());
        assert!(limits(|recorder| refuse(recorder, 1_001)).is_empty());
    }
}
