//! Whether a run that only its messages bound still gets anywhere.
//!
//! Nothing but the clock, the bound or the user ends a run. One that has no clock and cannot come nearer to its bound, since
//! no session gets as far as a message, would go on for ever: it gives up.

use crate::clock::{Duration, Instant};
use crate::measure::collector::Progress;
use crate::plan::Plan;
use crate::scenario::script::Op;

/// Shortest time without a message after which a run gives up: a server that is restarted is back by then.
pub const PATIENCE_MIN: Duration = Duration::from_secs(10);
/// How often every slot has to have failed in that time, on average.
const ROUNDS: u64 = 2;

/// Watches the progress of a run.
#[derive(Debug)]
pub struct Stall {
    /// `None` where the clock ends the run, or nothing but the user.
    patience: Option<Duration>,
    sessions: u64,
    /// When a message began or ended last, and what the counts were then.
    since: Instant,
    attempted: u64,
    ended: u64,
    sessions_over: u64,
}

impl Stall {
    /// Watches the run of `plan` that starts at `now`.
    #[must_use]
    pub fn new(plan: &Plan, now: Instant) -> Self {
        let bounded = plan.messages().is_some();
        let timed = plan.stages.iter().all(|stage| stage.end.is_some());
        Self {
            patience: (bounded && !timed).then(|| patience(plan)),
            sessions: plan.scenario.sessions_max(),
            since: now,
            attempted: 0,
            ended: 0,
            sessions_over: 0,
        }
    }

    /// For how long no message has begun, once that is too long.
    pub fn look(&mut self, now: Instant, progress: &Progress) -> Option<Duration> {
        let patience = self.patience?;
        let (attempted, ended) = (progress.attempted, progress.fates.sum());
        if (attempted, ended) != (self.attempted, self.ended) || attempted > ended {
            (self.since, self.sessions_over) = (now, progress.sessions_over);
            (self.attempted, self.ended) = (attempted, ended);
            return None;
        }
        let waited = now.saturating_duration_since(self.since);
        let over = progress.sessions_over.saturating_sub(self.sessions_over);
        (waited >= patience && over >= ROUNDS * self.sessions).then_some(waited)
    }
}

/// As long as the longest step may take, with all the pauses that scripts make.
fn patience(plan: &Plan) -> Duration {
    let scenario = &plan.scenario;
    let limits = scenario.timeouts.by_step.iter().map(|(_, limit)| *limit);
    let step = limits.fold(scenario.timeouts.step, Duration::max);
    let pauses = scenario.scripts.iter().flat_map(|script| &script.ops).filter_map(|op| match op {
        Op::Pause(range) => Some(*range.end()),
        _ => None,
    });
    pauses.fold(step.max(PATIENCE_MIN), Duration::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;
    use crate::measure::outcome::Fate;
    use crate::measure::testing;
    use crate::scenario::{Bound, Load};

    fn progress(attempted: u64, ended: u64, sessions_over: u64) -> Progress {
        let mut progress = Progress { attempted, sessions_over, ..Progress::default() };
        progress.fates.count(Fate::Accepted, ended);
        progress
    }

    fn plan(messages: Option<u64>, length: Option<Duration>) -> Plan {
        let mut plan = testing::plan(&["script"], Vec::new());
        plan.scenario.timeouts.step = Duration::from_secs(20);
        let bound = messages.map(Bound::Messages);
        plan.under(vec![Load { bound, ..Load::closed(3, length, 1) }])
    }

    #[test]
    fn a_run_that_gets_nowhere_gives_up() {
        let start = clock::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut stall = Stall::new(&plan(Some(100), None), start);
        assert_eq!(stall.look(at(19), &progress(0, 0, 50)), None);
        assert_eq!(stall.look(at(20), &progress(0, 0, 5)), None, "slots still wait");
        assert_eq!(stall.look(at(20), &progress(0, 0, 6)), Some(Duration::from_secs(20)));
        // A message under way is waited for, and what comes of it begins the time anew.
        assert_eq!(stall.look(at(30), &progress(1, 0, 50)), None);
        assert_eq!(stall.look(at(90), &progress(1, 0, 100)), None);
        assert_eq!(stall.look(at(91), &progress(1, 1, 100)), None);
        assert_eq!(stall.look(at(110), &progress(1, 1, 150)), None);
        assert_eq!(stall.look(at(111), &progress(1, 1, 105)), None);
        assert_eq!(stall.look(at(111), &progress(1, 1, 106)), Some(Duration::from_secs(20)));
    }

    #[test]
    fn the_clock_and_the_user_end_other_runs() {
        let start = clock::now();
        let late = start + Duration::from_secs(100_000);
        for (messages, length) in [(Some(1), Some(Duration::from_secs(1))), (None, None)] {
            let mut stall = Stall::new(&plan(messages, length), start);
            assert_eq!(stall.look(late, &progress(0, 0, 1_000_000)), None);
        }
    }

    #[test]
    fn short_limits_leave_a_server_time_to_restart() {
        let mut plan = plan(Some(1), None);
        plan.scenario.timeouts.step = Duration::from_millis(1);
        assert_eq!(patience(&plan), PATIENCE_MIN);
    }
}
