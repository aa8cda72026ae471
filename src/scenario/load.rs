//! `[load]` and `[loads.NAME]`: what starts when, and how much of it.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use crate::message::trace::Trace;
use crate::schedule::arrivals::{Pattern, RateSpan};
use crate::schedule::{MAIN, WARMUP};
pub use crate::units::ArrivalUnit;

/// One of the loads that run side by side.
#[derive(Clone, Debug, PartialEq)]
pub struct Load {
    /// After `loads.`; `None` for `[load]`, which is the only one.
    pub name: Option<String>,
    /// `start`: its begin, from the start of the run.
    pub start: Duration,
    /// `scripts`: indices of the scripts that it runs, by their weights; at least one.
    pub scripts: Vec<u16>,
    /// What makes it start things.
    pub drive: Drive,
    /// A stage before the others, left out of summary and thresholds.
    pub warmup: Warmup,
    /// How long transactions under way may take to end.
    pub drain: Duration,
    /// `messages`: ends the load when so many were sent, the warm-up's not counted.
    pub bound: Option<Bound>,
    /// Transactions of one session, uniform between the ends; no limit where there is none.
    pub messages_per_session: Option<RangeInclusive<u64>>,
    /// `hold`: how far sessions go; there they stay until the load ends.
    pub hold: Option<Hold>,
    /// `connects_per_s`: most connections that are begun in a second.
    pub connects_per_s: Option<f64>,
}

/// What makes a load start things.
#[derive(Clone, Debug, PartialEq)]
pub enum Drive {
    /// So many sessions are kept open; the next thing starts when the last one is done.
    Closed {
        /// 1 to [`super::SESSIONS_MAX`].
        sessions: u32,
        /// `for`: how long transactions start, after the warm-up. With a bound it is an upper limit; one of the
        /// two is always there.
        length: Option<Duration>,
    },
    /// A schedule says when; it does not wait for the server.
    Open(Open),
}

/// Open load.
#[derive(Clone, Debug, PartialEq)]
pub struct Open {
    /// What arrives.
    pub unit: ArrivalUnit,
    /// When.
    pub source: ArrivalSource,
    /// Most sessions that are open at once; 1 to [`super::SESSIONS_MAX`].
    pub max_sessions: u32,
    /// What becomes of an arrival for which no session is free.
    pub overload: Overload,
    /// How arrivals are waited for.
    pub pacing: Pacing,
}

/// When arrivals are due.
#[derive(Clone, Debug, PartialEq)]
pub enum ArrivalSource {
    /// At a rate, stage by stage.
    Rate {
        /// How they follow one another.
        pattern: Pattern,
        /// At least one.
        stages: Vec<RateStage>,
    },
    /// As recorded.
    Trace {
        /// What was recorded.
        trace: Arc<Trace>,
        /// How much faster than recorded.
        speed: f64,
    },
}

/// A stage of an open load.
#[derive(Clone, Debug, PartialEq)]
pub struct RateStage {
    /// Its name in result files.
    pub name: String,
    /// Its rate, in units a second, and its length.
    pub span: RateSpan,
}

impl RateStage {
    /// Whether the rate changes within it: then it is a curve and has no rate of its own.
    #[must_use]
    #[expect(clippy::float_cmp, reason = "both were read or copied, not computed")]
    pub fn is_ramp(&self) -> bool {
        self.span.from != self.span.to
    }
}

/// What becomes of an arrival for which no session is free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overload {
    /// It waits.
    Queue,
    /// It is not started, and counted as dropped.
    Drop,
    /// It waits so long, then it is not started, and counted as shed.
    ShedAfter(Duration),
}

/// How arrivals are waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pacing {
    /// By a timer.
    Timer,
    /// By asking the clock again and again: a worker then takes a whole core.
    Spin,
}

/// The stage before the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Warmup {
    /// So long; none where that is nothing.
    For(Duration),
    /// Until rate and times no longer change.
    Steady,
}

/// How far a session goes under `hold`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// It has read the greeting.
    Greeting,
    /// EHLO (or HELO, LHLO) was accepted, after STARTTLS where the target asks for it.
    Ehlo,
    /// It has logged in.
    Auth,
    /// MAIL was accepted.
    Mail,
    /// A RCPT was accepted.
    Rcpt,
}

/// A run bounded by work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// So many messages.
    Messages(u64),
    /// Every file of the scenario's message folders once.
    EachOnce,
}

impl Open {
    /// Most sessions that are open at once, unless the scenario says otherwise: a relay's pool of connections, or as
    /// many as a thousand a second that take ten seconds each.
    #[must_use]
    pub fn max_sessions(unit: ArrivalUnit) -> u32 {
        match unit {
            ArrivalUnit::Messages => 100,
            ArrivalUnit::Sessions => 10_000,
        }
    }
}

impl Load {
    /// How long transactions under way may take to end, unless the scenario says otherwise: what a slow reply to a
    /// whole message may take.
    pub const DRAIN: Duration = Duration::from_secs(30);

    /// A closed load of every script among `scripts` of them, without warm-up and bound.
    #[must_use]
    pub fn closed(sessions: u32, length: Option<Duration>, scripts: usize) -> Self {
        Self {
            name: None,
            start: Duration::ZERO,
            scripts: Vec::new(),
            drive: Drive::Closed { sessions, length },
            warmup: Warmup::For(Duration::ZERO),
            drain: Self::DRAIN,
            bound: None,
            messages_per_session: None,
            hold: None,
            connects_per_s: None,
        }
        .of_scripts(scripts)
    }

    /// The same load of all scripts among `scripts` of them.
    #[must_use]
    pub fn of_scripts(mut self, scripts: usize) -> Self {
        self.scripts = (0..=u16::MAX).take(scripts).collect();
        self
    }

    /// Its stage, where it has a single one of one rate: what it takes to run it at other rates.
    #[must_use]
    pub fn one_rate(&self) -> Option<&RateStage> {
        let ArrivalSource::Rate { stages, .. } = &self.open()?.source else { return None };
        stages.first().filter(|stage| stages.len() == 1 && !stage.is_ramp())
    }

    /// The same load at `rate` arrivals a second, where it has one rate.
    #[must_use]
    pub fn at_rate(&self, rate: f64) -> Self {
        let mut load = self.clone();
        if let Drive::Open(Open { source: ArrivalSource::Rate { stages, .. }, .. }) =
            &mut load.drive
            && let [stage] = stages.as_mut_slice()
        {
            stage.span = RateSpan::steady(rate, stage.span.length);
        }
        load
    }

    /// The name in result files of one of its stages.
    #[must_use]
    pub fn stage_name(&self, stage: &str) -> String {
        match &self.name {
            Some(load) => format!("{load}.{stage}"),
            None => stage.to_owned(),
        }
    }

    /// The names of its stages, in order.
    #[must_use]
    pub fn stage_names(&self) -> Vec<String> {
        let warmup = (self.warmup != Warmup::For(Duration::ZERO)).then_some(WARMUP);
        let judged = match &self.drive {
            Drive::Open(Open { source: ArrivalSource::Rate { stages, .. }, .. }) => {
                stages.iter().map(|stage| stage.name.as_str()).collect()
            }
            _ => vec![MAIN],
        };
        warmup.into_iter().chain(judged).map(|stage| self.stage_name(stage)).collect()
    }

    /// Most sessions that it has open at once.
    #[must_use]
    pub fn sessions_max(&self) -> u32 {
        match &self.drive {
            Drive::Closed { sessions, .. } => *sessions,
            Drive::Open(open) => open.max_sessions,
        }
    }

    /// How many it is likely to have open at once: all of a closed load, and of an open one as many as its highest rate
    /// brings in ten seconds.
    #[must_use]
    pub fn sessions_expected(&self) -> u64 {
        const SESSION_SECONDS: f64 = 10.0;
        let max = u64::from(self.sessions_max());
        let Some(Open { source: ArrivalSource::Rate { stages, .. }, .. }) = self.open() else {
            return max;
        };
        let rates = stages.iter().map(|stage| stage.span.from.max(stage.span.to));
        let top = rates.fold(0.0, f64::max) * SESSION_SECONDS;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "at least 1; the cast saturates"
        )]
        let expected = top.ceil().max(1.0) as u64;
        expected.min(max)
    }

    /// Whether a schedule drives it.
    #[must_use]
    pub fn open(&self) -> Option<&Open> {
        match &self.drive {
            Drive::Closed { .. } => None,
            Drive::Open(open) => Some(open),
        }
    }

    /// How long transactions start after the warm-up; `None` where only the number of messages says.
    #[must_use]
    pub fn length(&self) -> Option<Duration> {
        match &self.drive {
            Drive::Closed { length, .. } => *length,
            Drive::Open(open) => match &open.source {
                ArrivalSource::Rate { stages, .. } => {
                    stages.iter().map(|stage| stage.span.length).sum()
                }
                ArrivalSource::Trace { trace, speed } => Some(trace.length(*speed)),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_sessions_are_likely_as_ten_seconds_bring() {
        let check = |per_second, unit, want| {
            let span = RateSpan::steady(per_second, Some(Duration::from_secs(1)));
            let stages = vec![RateStage { name: MAIN.to_owned(), span }];
            let source = ArrivalSource::Rate { pattern: Pattern::Even, stages };
            let (max_sessions, pacing) = (Open::max_sessions(unit), Pacing::Timer);
            let overload = Overload::Queue;
            let drive = Drive::Open(Open { unit, source, max_sessions, overload, pacing });
            let load = Load { drive, ..Load::closed(1, None, 1) };
            assert_eq!(load.sessions_expected(), want, "{per_second} {unit:?}");
        };
        check(0.01, ArrivalUnit::Sessions, 1);
        check(10.0, ArrivalUnit::Sessions, 100);
        check(5000.0, ArrivalUnit::Sessions, 10_000);
        check(5000.0, ArrivalUnit::Messages, 100);
        assert_eq!(Load::closed(70, None, 1).sessions_expected(), 70);
    }
}
