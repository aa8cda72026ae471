//! Books that do not close.

use crate::cli::selftest::probe::{Check, Probe, Setup};
use crate::measure::validity::Verdict;

pub(super) const PROBES: &[Probe] = &[Probe {
    name: "books",
    plants: "a message in the run's own books that never ended",
    scenario: "load = { sessions = 2, messages = 50 }",
    setup: Setup::Ghost,
    checks: &[
        Check::fault(
            "books do not close",
            |_| 1.0,
            |found| Some(f64::from(u8::from(!found.summary.accounting.closes))),
        ),
        Check::fault(
            "verdict incomplete",
            |_| 1.0,
            |found| {
                let verdict = found.summary.validity.verdict;
                Some(f64::from(u8::from(verdict == Verdict::Incomplete)))
            },
        ),
    ],
}];
