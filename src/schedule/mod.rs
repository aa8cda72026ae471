//! When things start and start again. Pure functions of indices and offsets: no clock, no sleep.

use std::time::Duration;

/// A span of a run with one load rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stage {
    /// Its name in result files.
    pub name: String,
    /// Offset from the start of the run.
    pub start: Duration,
    /// Offset from the start of the run; `None` where only the work bounds it.
    pub end: Option<Duration>,
    /// Whether it counts in summary and thresholds.
    pub judged: bool,
}
