//! When things start and start again. Pure functions of indices and offsets: no clock, no sleep.
//!
//! The plan is a schedule also where the load is closed: stages with their spans, and the waits between the
//! sessions of a slot.

pub mod arrivals;
pub mod shape;
pub mod trace;

use std::time::Duration;

/// The stage before the one that is judged.
pub const WARMUP: &str = "warmup";
/// The stage that is judged.
pub const MAIN: &str = "main";

/// First wait of a slot whose session completed nothing.
pub const RESTART_WAIT_MIN: Duration = Duration::from_millis(10);
/// Longest wait of such a slot.
pub const RESTART_WAIT_MAX: Duration = Duration::from_secs(1);

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

/// The stages of a closed load: a warm-up, where there is one, and the main stage of `length`.
#[must_use]
pub fn closed_stages(warmup: Duration, length: Option<Duration>) -> Vec<Stage> {
    let main = Stage {
        name: MAIN.to_owned(),
        start: warmup,
        end: length.map(|length| warmup + length),
        judged: true,
    };
    if warmup.is_zero() {
        return vec![main];
    }
    let start = Duration::ZERO;
    vec![Stage { name: WARMUP.to_owned(), start, end: Some(warmup), judged: false }, main]
}

/// The stage at `offset` from the start of the run: its first instant is in it, its last is not. `None` once all
/// are over.
#[must_use]
pub fn stage_at(stages: &[Stage], offset: Duration) -> Option<usize> {
    stages
        .iter()
        .position(|stage| stage.start <= offset && stage.end.is_none_or(|end| offset < end))
}

/// How long a slot waits before its next session, after `fruitless` sessions in a row that completed nothing.
#[must_use]
pub fn restart_wait(fruitless: u32) -> Duration {
    match fruitless.checked_sub(1) {
        None => Duration::ZERO,
        Some(doublings) => (RESTART_WAIT_MIN * (1 << doublings.min(16))).min(RESTART_WAIT_MAX),
    }
}

/// How many message numbers a worker takes at a time from a bound of `messages`: few enough that the last ones are
/// spread over the `workers`, many enough that taking them costs nothing.
#[must_use]
pub fn lease_size(messages: u64, workers: usize) -> u64 {
    const LEASES_A_WORKER: u64 = 64;
    const LEASE_MAX: u64 = 256;
    (messages / (LEASES_A_WORKER * workers.max(1) as u64)).clamp(1, LEASE_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_stage_has_its_first_instant_and_not_its_last() {
        let stages = closed_stages(2 * SECOND, Some(10 * SECOND));
        let name = |offset| stage_at(&stages, offset).map(|at| stages[at].name.as_str());
        assert_eq!(name(Duration::ZERO), Some("warmup"));
        assert_eq!(name(2 * SECOND), Some("main"));
        assert_eq!(name(12 * SECOND - Duration::from_nanos(1)), Some("main"));
        assert_eq!(name(12 * SECOND), None);
    }

    #[test]
    fn a_run_bounded_by_work_has_no_end() {
        let stages = closed_stages(Duration::ZERO, None);
        assert_eq!(stages.len(), 1);
        assert_eq!(stage_at(&stages, Duration::from_secs(1 << 30)), Some(0));
    }

    #[test]
    fn waits_double_from_10_ms_to_a_second() {
        let waits: Vec<u128> = (0..9).map(|n| restart_wait(n).as_millis()).collect();
        assert_eq!(waits, [0, 10, 20, 40, 80, 160, 320, 640, 1000]);
        assert_eq!(restart_wait(u32::MAX), RESTART_WAIT_MAX);
    }

    #[test]
    fn leases_are_never_empty_and_never_all() {
        assert_eq!(lease_size(0, 2), 1);
        assert_eq!(lease_size(100, 2), 1);
        assert_eq!(lease_size(2_000, 2), 15);
        assert_eq!(lease_size(u64::MAX, 0), 256);
    }
}
