//! Exit codes: one documented enum, away from 1 and 2, which shells, `make` and panics use.

use std::fmt;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Valid run, thresholds met.
    Good = 0,
    /// Wrong arguments.
    Usage = 64,
    /// Faulty scenario or input file; runs that may not be compared.
    Scenario = 65,
    /// Target unreachable or preflight refused: nothing could be measured.
    Unreachable = 69,
    /// A bug in smtpbench.
    Bug = 70,
    /// Results cannot be written.
    Results = 73,
    /// The safety guard refused the target.
    Guard = 77,
    /// A threshold was missed, or the self-test did not find what was planted.
    Missed = 90,
    /// Regression against the baseline.
    Regression = 91,
    /// The run is invalid: the generator was the limit, a worker was lost, the accounting did not close, or it gave up.
    Invalid = 92,
    /// Safety stop: the target showed distress that the scenario agreed to respect.
    Distress = 94,
    /// The comparison shows neither a regression nor that there is none.
    Inconclusive = 95,
    /// Interrupted by Ctrl-C: partial results, no verdict.
    Interrupted = 130,
    /// Ended by SIGTERM: partial results, no verdict.
    Terminated = 143,
}

impl Exit {
    /// What wins where several apply, strongest first.
    const ORDER: [Self; 14] = [
        Self::Bug,
        Self::Results,
        Self::Guard,
        Self::Interrupted,
        Self::Terminated,
        Self::Distress,
        Self::Invalid,
        Self::Unreachable,
        Self::Missed,
        Self::Regression,
        Self::Inconclusive,
        Self::Scenario,
        Self::Usage,
        Self::Good,
    ];

    /// The number.
    #[must_use]
    pub fn code(self) -> u8 {
        self as u8
    }

    /// The stronger of two.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        let rank = |exit| Self::ORDER.iter().position(|known| *known == exit);
        if rank(self) <= rank(other) { self } else { other }
    }
}

/// For `--help`.
pub(super) const EXIT_CODES_HELP: &str = "\
Exit codes:
    0  valid run, thresholds met
   64  wrong arguments
   65  faulty scenario or input file; runs that may not be compared
   69  target unreachable or preflight refused: nothing could be measured
   70  a bug in smtpbench
   73  results cannot be written
   77  the safety guard refused the target
   90  a threshold missed (one with no samples counts as missed); find-max: no rate held;
       selftest: a planted fault not found
   91  regression against the baseline (--fail-on regression)
   92  run invalid: the generator was the limit, a worker was lost, the accounting did not close,
       or a run without --for gave up, since messages could not be sent any more
   94  safety stop: the target showed distress that the scenario agreed to respect
   95  comparison inconclusive (--fail-on inconclusive)
  130  interrupted (143 by SIGTERM): partial results, no verdict";

/// Why a command ends early: what is said on stderr, and the code.
#[derive(Debug)]
pub(super) struct Stop {
    /// The code.
    pub exit: Exit,
    /// What, where and what to do; printed behind `error: `, unless it is rendered already.
    pub message: String,
    /// The message is a rendered report of its own.
    pub rendered: bool,
}

impl Stop {
    /// Ends with a message: a lower-case fragment, hints on lines of their own.
    pub(super) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), rendered: false }
    }

    /// What is the matter, in one line.
    pub(super) fn in_short(&self) -> String {
        let told = self.to_string();
        let line = told.lines().find_map(|line| line.strip_prefix("error: "));
        line.or_else(|| told.lines().next()).unwrap_or_default().to_owned()
    }

    /// Ends with a report that is printed as it is.
    pub(super) fn rendered(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), rendered: true }
    }
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.rendered {
            return f.write_str(&self.message);
        }
        let mut lines = self.message.lines();
        write!(f, "error: {}", lines.next().unwrap_or_default())?;
        lines.try_for_each(|line| write!(f, "\n  hint: {line}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stronger_code_wins() {
        assert_eq!(Exit::Good.or(Exit::Missed), Exit::Missed);
        assert_eq!(Exit::Invalid.or(Exit::Missed), Exit::Invalid);
        assert_eq!(Exit::Invalid.or(Exit::Interrupted), Exit::Interrupted);
        assert_eq!(Exit::Distress.or(Exit::Invalid), Exit::Distress);
        assert_eq!(Exit::Distress.or(Exit::Interrupted), Exit::Interrupted);
        assert_eq!(Exit::Unreachable.or(Exit::Missed), Exit::Unreachable);
        assert_eq!(Exit::Bug.or(Exit::Interrupted), Exit::Bug);
        assert_eq!(Exit::Regression.or(Exit::Missed), Exit::Missed);
        assert_eq!(Exit::Inconclusive.or(Exit::Regression), Exit::Regression);
        assert_eq!(Exit::Good.or(Exit::Inconclusive), Exit::Inconclusive);
    }

    #[test]
    fn the_help_names_every_code() {
        for exit in Exit::ORDER {
            assert!(EXIT_CODES_HELP.contains(&exit.code().to_string()), "{exit:?}");
        }
    }
}
