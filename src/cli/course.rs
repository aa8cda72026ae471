//! What is decided while a run goes on: that its warm-up is over, that a rule ends it, that it gets nowhere.

use std::sync::Arc;

use crate::clock::{Duration, Instant};
use crate::engine::worker::Control;
use crate::measure::collector::Collector;
use crate::measure::layout::Layout;
use crate::measure::stall::Stall;
use crate::measure::steady::Steady;
use crate::measure::watch::Watch;
use crate::plan::Plan;
use crate::plan::loads::STEADY_MAX;
use crate::scenario::targets::TARGET_NAME;

use super::say;

/// How far ahead the end of a warm-up is announced: some ticks of the workers.
const WARMUP_NOTICE: Duration = Duration::from_millis(200);

/// Where the run against one target is on its way.
pub(super) struct Course {
    pub(super) started: Instant,
    /// What was measured so far.
    pub(super) collector: Collector,
    layout: Arc<Layout>,
    control: Arc<Control>,
    stall: Stall,
    /// Watches a warm-up that lasts until it is steady.
    steady: Option<Steady>,
    /// What came of it.
    pub(super) turns: Turns,
}

/// What was decided.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Turns {
    /// For how long no message had begun when the run gave up.
    pub(super) gave_up: Option<Duration>,
    /// A rule ended the load.
    pub(super) stopped: bool,
    /// When the warm-up ended, from the start of the run.
    pub(super) warmup_end: Option<Duration>,
}

impl Course {
    pub(super) fn new(plan: &Plan, started: Instant) -> Self {
        let layout = Arc::new(Layout::new(plan));
        let collector = Collector::new(Arc::clone(&layout), plan.interval, plan.workers)
            .watched_by(Watch::new(plan, &layout));
        Self {
            started,
            collector,
            layout,
            control: Arc::default(),
            stall: Stall::new(plan, started),
            steady: plan.warms_up_until_steady().then(Steady::default),
            turns: Turns::default(),
        }
    }

    /// What ends its load.
    pub(super) fn control(&self) -> Arc<Control> {
        Arc::clone(&self.control)
    }

    /// What is counted under which name.
    pub(super) fn layout(&self) -> Arc<Layout> {
        Arc::clone(&self.layout)
    }

    /// Looks at what is known now.
    pub(super) fn heed(&mut self, now: Instant, plan: &Plan) {
        let Self { collector, .. } = self;
        if let Some(rule) = collector.stopped().filter(|_| !self.turns.stopped) {
            self.turns.stopped = true;
            self.control.drain();
            say(&format!("stopped: {}{rule}", of_target(plan)));
        }
        if self.turns.gave_up.is_none()
            && let Some(waited) = self.stall.look(now, &collector.progress())
        {
            let waited_s = waited.as_secs();
            say(&format!(
                "giving up: {}no session came to a message for {waited_s} s",
                of_target(plan)
            ));
            self.control.drain();
            self.turns.gave_up = Some(waited);
        }
        if self.steady.as_mut().is_some_and(|steady| steady.look(collector)) {
            self.steady = None;
            let end = now.saturating_duration_since(self.started) + WARMUP_NOTICE;
            // Later than that it ends by itself.
            if end < STEADY_MAX {
                self.turns.warmup_end = Some(end);
                self.control.end_warmup(end);
                collector.warmup_ended(plan, end);
            }
        }
    }
}

/// Which target is spoken of, where the scenario gave it a name.
fn of_target(plan: &Plan) -> String {
    match plan.targets.first() {
        Some(target) if target.name != TARGET_NAME => format!("{}: ", target.name),
        _ => String::new(),
    }
}
