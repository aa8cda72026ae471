//! When things start and start again. Pure functions of indices and offsets: no clock, no sleep.
//!
//! The plan is a schedule also where the load is closed: stages with their spans, and the waits between the
//! sessions of a slot.

pub mod arrivals;
pub mod blocks;
pub mod cap;
pub mod search;
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
    /// Index of the load whose stage it is.
    pub load: u8,
    /// Offset from the start of the run.
    pub start: Duration,
    /// Offset from the start of the run; `None` where only the work bounds it.
    pub end: Option<Duration>,
    /// Whether it counts in summary and thresholds.
    pub judged: bool,
    /// Its rate changes: it is a curve, and has no rate of its own.
    pub ramp: bool,
}

/// The stage among `stages`, those of one load, at `offset` from the start of the run: its first instant is in it, its
/// last is not. `None` before the first and once all are over.
#[must_use]
pub fn stage_at(stages: &[Stage], offset: Duration) -> Option<usize> {
    stages
        .iter()
        .position(|stage| stage.start <= offset && stage.end.is_none_or(|end| offset < end))
}

/// Ends the first of `stages`, those of one load, at `offset` from the start of the run; the others move with it.
pub fn rebase(stages: &mut [Stage], offset: Duration) {
    let Some((first, rest)) = stages.split_first_mut() else { return };
    let planned = first.end.unwrap_or(offset);
    first.end = Some(offset);
    let moved = |time: Duration| (time + offset).saturating_sub(planned);
    for stage in rest {
        stage.start = moved(stage.start);
        stage.end = stage.end.map(moved);
    }
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

    fn stages(warmup: u32, length: Option<u32>) -> Vec<Stage> {
        let stage = |name: &str, start, end, judged| Stage {
            name: name.to_owned(),
            load: 0,
            start,
            end,
            judged,
            ramp: false,
        };
        let (begin, warm) = (Duration::ZERO, warmup * SECOND);
        let end = length.map(|length| warm + length * SECOND);
        vec![stage(WARMUP, begin, Some(warm), false), stage(MAIN, warm, end, true)]
    }

    #[test]
    fn a_stage_has_its_first_instant_and_not_its_last() {
        let stages = stages(2, Some(10));
        let name = |offset| stage_at(&stages, offset).map(|at| stages[at].name.as_str());
        assert_eq!(name(Duration::ZERO), Some("warmup"));
        assert_eq!(name(2 * SECOND), Some("main"));
        assert_eq!(name(12 * SECOND - Duration::from_nanos(1)), Some("main"));
        assert_eq!(name(12 * SECOND), None);
    }

    #[test]
    fn a_run_bounded_by_work_has_no_end() {
        assert_eq!(stage_at(&stages(0, None), Duration::from_secs(1 << 30)), Some(1));
    }

    #[test]
    fn a_warm_up_that_ends_early_or_late_moves_what_follows() {
        for (at, want) in [(5 * SECOND, (5, 15)), (30 * SECOND, (30, 40))] {
            let mut stages = stages(20, Some(10));
            rebase(&mut stages, at);
            assert_eq!(stages[0].end, Some(at));
            assert_eq!((stages[1].start, stages[1].end), (want.0 * SECOND, Some(want.1 * SECOND)));
        }
        let mut endless = stages(20, None);
        rebase(&mut endless, SECOND);
        assert_eq!((endless[1].start, endless[1].end), (SECOND, None));
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
