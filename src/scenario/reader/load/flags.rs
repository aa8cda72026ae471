//! Flags and variables over what the file says of its load.

use std::time::Duration;

use super::Reader;
use super::table::{ArrivalsRead, Wanted};
use crate::scenario::{Bound, MESSAGES_MAX, Overrides, SESSIONS_MAX, Warmup};
use crate::units::{DURATION_MAX, RATE_MAX, Rate};

impl Reader<'_> {
    /// Flags have the limits of the keys they stand for.
    pub(super) fn check_load_flags(&mut self, overrides: &Overrides) {
        let counts = 1..=MESSAGES_MAX;
        for (flag, sessions) in
            [("--sessions", overrides.sessions), ("--max-sessions", overrides.max_sessions)]
        {
            if let Some(sessions) = sessions.filter(|count| !(1..=SESSIONS_MAX).contains(count)) {
                self.flag_fault(flag, format!("`{sessions}` is not from 1 to {SESSIONS_MAX}"), "");
            }
        }
        if overrides.length.is_some_and(|length| length.is_zero() || length > DURATION_MAX) {
            self.flag_fault("--for", "the duration is zero or over a year", "");
        }
        if matches!(overrides.warmup, Some(Warmup::For(length)) if length > DURATION_MAX) {
            self.flag_fault("--warmup", "the duration is over a year", "");
        }
        if let Some(Bound::Messages(count)) = overrides.messages
            && !counts.contains(&count)
        {
            let message = format!("`{count}` is not from 1 to {MESSAGES_MAX}");
            self.flag_fault("--messages", message, "");
        }
        if let Some(range) = &overrides.messages_per_session {
            let inside = counts.contains(range.start()) && counts.contains(range.end());
            if !inside || range.is_empty() {
                let message = format!("the range is not within 1 to {MESSAGES_MAX}");
                self.flag_fault("--messages-per-session", message, "");
            }
        }
        if overrides.rate.is_some_and(|rate| !may_be_asked_for(&rate)) {
            self.flag_fault("--rate", "the rate is zero or over 10 million a second", "");
        }
        if overrides.rate.is_some() && overrides.sessions.is_some() {
            let hint =
                "give --sessions for a closed load, --rate for an open one (with --max-sessions)";
            self.flag_fault("--rate", "`--rate` beside `--sessions`", hint);
        }
    }

    /// Refuses flags that do not say which of several loads they mean.
    pub(super) fn refuse_load_flags(&mut self, overrides: &Overrides) {
        for (flag, given) in [
            ("--sessions", overrides.sessions.is_some()),
            ("--rate", overrides.rate.is_some()),
            ("--arrivals", overrides.arrivals.is_some()),
            ("--max-sessions", overrides.max_sessions.is_some()),
            ("--for", overrides.length.is_some()),
            ("--warmup", overrides.warmup.is_some()),
            ("--messages", overrides.messages.is_some()),
            ("--messages-per-session", overrides.messages_per_session.is_some()),
        ] {
            if given {
                let hint = "write it under [loads.NAME] of the file";
                self.flag_fault(flag, "the scenario has several loads", hint);
            }
        }
    }

    /// `file` with the flags over it.
    pub(super) fn put_flags(&mut self, file: Wanted, overrides: &Overrides) -> Option<Wanted> {
        let mut wanted = file;
        if overrides.sessions.is_some() {
            wanted = closed(wanted);
            wanted.sessions = overrides.sessions;
        }
        if let Some(rate) = overrides.rate.filter(|_| overrides.sessions.is_none()) {
            // A faulty one is a fault already.
            Some(rate).filter(may_be_asked_for)?;
            self.put_rate(&mut wanted, rate)?;
        }
        self.put_open_flags(&mut wanted, overrides)?;
        self.put_end(&mut wanted, overrides)?;
        if overrides.warmup.is_some() {
            if wanted.trace().is_some() {
                let hint = "leave it out: each row is played once";
                self.flag_fault("--warmup", "the scenario plays a trace", hint);
                return None;
            }
            wanted.warmup = overrides.warmup;
        }
        wanted.messages_per_session =
            overrides.messages_per_session.clone().or(wanted.messages_per_session);
        Some(wanted)
    }

    /// `--rate`: a closed load becomes an open one, whose sessions are its most.
    fn put_rate(&mut self, wanted: &mut Wanted, rate: Rate) -> Option<()> {
        if wanted.trace().is_some() {
            let hint = "give --sessions, or change `arrivals` in the file";
            self.flag_fault("--rate", "the scenario plays a trace", hint);
            return None;
        }
        match wanted.stages.as_deref_mut() {
            Some([stage]) => stage.rate = rate,
            Some(_) => {
                let hint = "change the rates in the file, or take `shape` with one `rate`";
                self.flag_fault("--rate", "the scenario has several stages", hint);
                return None;
            }
            None => wanted.rate = Some(rate),
        }
        wanted.max_sessions = wanted.max_sessions.or(wanted.sessions.take());
        Some(())
    }

    /// Flags of open load alone.
    fn put_open_flags(&mut self, wanted: &mut Wanted, overrides: &Overrides) -> Option<()> {
        let mut good = true;
        for (flag, given) in [
            ("--arrivals", overrides.arrivals.is_some()),
            ("--max-sessions", overrides.max_sessions.is_some()),
        ] {
            if given && !wanted.is_open() {
                self.flag_fault(flag, "the load is a closed one", "give --rate as well");
                good = false;
            }
        }
        if let Some(pattern) = overrides.arrivals {
            if wanted.trace().is_some() {
                let hint = "change `arrivals` in the file";
                self.flag_fault("--arrivals", "the scenario plays a trace", hint);
                good = false;
            }
            wanted.arrivals = Some(ArrivalsRead::Pattern(pattern));
        }
        wanted.max_sessions = overrides.max_sessions.or(wanted.max_sessions);
        good.then_some(())
    }

    /// `--for` and `--messages`.
    fn put_end(&mut self, wanted: &mut Wanted, overrides: &Overrides) -> Option<()> {
        let (trace, stages) = (wanted.trace().is_some(), wanted.stages.is_some());
        let shape = wanted.shape.is_some();
        let mut good = true;
        for (flag, given, fits) in [
            ("--for", overrides.length.is_some(), !trace && !stages),
            ("--messages", overrides.messages.is_some(), !trace && !stages && !shape),
        ] {
            if given && !fits {
                let hint =
                    "give --sessions or change the file: this load ends with its last stage or row";
                self.flag_fault(flag, "the load has an end of its own", hint);
                good = false;
            }
        }
        wanted.length = overrides.length.or(wanted.length);
        wanted.bound = overrides.messages.or(wanted.bound);
        good.then_some(())
    }
}

fn may_be_asked_for(rate: &Rate) -> bool {
    rate.per_second > 0.0 && rate.per_second <= RATE_MAX
}

/// `wanted` without what makes it open: it is as long as it was.
fn closed(wanted: Wanted) -> Wanted {
    let of_stages = wanted.stages.as_ref().map(|stages| {
        let lengths = stages.iter().flat_map(|stage| [stage.ramp, stage.length]).flatten();
        lengths.fold(Duration::ZERO, Duration::saturating_add)
    });
    let of_trace = wanted.trace().map(|(trace, speed)| trace.length(*speed));
    Wanted {
        length: wanted.length.or(of_stages).or(of_trace),
        rate: None,
        arrivals: None,
        stages: None,
        shape: None,
        max_sessions: None,
        overload: None,
        pacing: None,
        ..wanted
    }
}
