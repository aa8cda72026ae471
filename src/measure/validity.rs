//! Whether a result may be believed: the generator doubts itself.

use std::fmt;

use crate::clock::Duration;
use crate::measure::accounting::Accounting;
use crate::measure::outcome::{Failure, Fate};
use crate::measure::tally::ArrivalTally;
use crate::plan::Plan;
use crate::scenario::target::TargetUrl;
use crate::stats::binomial::as_f64;

/// CPU time over wall time of a worker above which it had no time left: what is left goes to the kernel's own
/// wake-ups, so nothing reaches 1.
pub const CEILING: f64 = 0.9;

/// What only those who ran the load know.
#[derive(Clone, Debug, PartialEq)]
pub struct EndOfRun {
    /// Whether it goes on, came to its end, or was cut short.
    pub state: RunState,
    /// From the start of the run.
    pub finished_at: Duration,
    /// End of the judged stage's window, from the start of the run: its planned end; under a bound, the time of
    /// the last completion; cut short, the moment of that.
    pub window_end: Duration,
    /// What was left of each closed load that a number of messages bounds.
    pub bounds: Vec<BoundEnd>,
    /// When the warm-up ended, where the run decided that.
    pub warmup_end: Option<Duration>,
    /// Workers that ended without their last snapshot.
    pub workers_lost: usize,
    /// CPU time over wall time of each worker, 1 for a whole core; empty where it is not known.
    pub worker_cpu: Vec<f64>,
    /// File descriptors wanted and allowed, where they are fewer than wanted.
    pub descriptors_short: Option<(u64, u64)>,
    /// Messages a second that the generator sends at best on this machine, where a self-test measured that.
    pub generator_ceiling: Option<f64>,
    /// The program was built with optimisation.
    pub optimised: bool,
}

impl EndOfRun {
    /// Messages of closed loads with a bound that no script took up.
    #[must_use]
    pub fn messages_left(&self) -> u64 {
        self.bounds.iter().map(|bound| bound.messages_not_started).sum()
    }

    /// A run that is still going on at `now` (from its start): for results saved under way.
    #[must_use]
    pub fn running(now: Duration) -> Self {
        Self {
            state: RunState::Running,
            finished_at: now,
            window_end: now,
            bounds: Vec::new(),
            warmup_end: None,
            workers_lost: 0,
            worker_cpu: Vec::new(),
            descriptors_short: None,
            generator_ceiling: None,
            optimised: cfg!(not(debug_assertions)),
        }
    }

    /// A run that came to its end at `finished_at`, with its window up to `window_end`.
    #[must_use]
    pub fn finished(finished_at: Duration, window_end: Duration) -> Self {
        Self { state: RunState::Finished, window_end, ..Self::running(finished_at) }
    }
}

/// What was left of a closed load with a bound when it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BoundEnd {
    /// Its judged stage.
    pub stage: u8,
    /// The bound.
    pub planned: u64,
    /// Messages that no script took up.
    pub messages_not_started: u64,
    /// Their recipients.
    pub recipients_not_started: u64,
}

/// How far a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunState {
    /// It goes on.
    Running,
    /// It came to its end.
    Finished,
    /// The user cut it short.
    Interrupted,
    /// It gave up: for so long no session came to a message, and nothing else would have ended it.
    Stalled(Duration),
}

/// What a result is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It may be believed.
    Valid,
    /// The generator was the limit.
    GeneratorLimited,
    /// Something is missing: a worker, or messages in the accounting, or the rest of the run.
    Incomplete,
    /// The user cut it short.
    Interrupted,
}

impl Verdict {
    /// Its name in result files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::GeneratorLimited => "generator-limited",
            Self::Incomplete => "incomplete",
            Self::Interrupted => "interrupted",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// What speaks for and against a result.
#[derive(Clone, Debug, PartialEq)]
pub struct Validity {
    /// What it is worth.
    pub verdict: Verdict,
    /// Why it is not valid: sentences without a full stop. Empty where it is.
    pub reasons: Vec<String>,
    /// CPU time over wall time of each worker.
    pub worker_cpu: Vec<f64>,
    /// Workers that were lost.
    pub workers_lost: usize,
    /// Steps of the judged stage that failed for want of a file descriptor.
    pub descriptor_failures: u64,
    /// Steps of the judged stage that failed for want of a local port or address.
    pub port_failures: u64,
    /// Other failures of our own in the judged stage.
    pub internal_failures: u64,
}

/// Share of late starts above which a plan was not kept.
const LATE_MAX: f64 = 0.05;
/// Fewer late starts than this are a hiccup of the machine, whatever their share.
const LATE_COUNT_MIN: u64 = 10;
/// Share of what is due that has to be started for a plan to be kept.
const ACHIEVED_MIN: f64 = 0.99;

/// Whether an open load fell behind its plan, by whosever fault.
pub(super) fn is_behind(arrivals: &ArrivalTally) -> bool {
    arrivals.due > 0 && as_f64(arrivals.started) < ACHIEVED_MIN * as_f64(arrivals.due)
}

/// Whether so many starts were late by our own fault that the plan was not kept.
pub(super) fn starts_late(arrivals: &ArrivalTally) -> bool {
    let ArrivalTally { due, late, .. } = *arrivals;
    late >= LATE_COUNT_MIN && as_f64(late) > LATE_MAX * as_f64(due)
}

/// In what the generator did not keep the plan of an open load. That sessions were busy is the target's doing, unless
/// a worker had no time left; against the sink inside this process that is how it always ends.
pub(super) fn plan_not_kept(plan: &Plan, end: &EndOfRun, arrivals: &ArrivalTally) -> Vec<String> {
    let ArrivalTally { due, started, late, .. } = *arrivals;
    let mut reasons = Vec::new();
    let share = |count: u64| as_f64(count) / as_f64(due.max(1));
    if starts_late(arrivals) {
        let percent = share(late) * 100.0;
        reasons.push(format!(
            "{late} of {due} starts ({percent:.1} %) were over 1 ms late though a session was free"
        ));
    }
    let embedded = plan.targets.iter().any(|target| target.url == TargetUrl::Embedded);
    let busiest = end.worker_cpu.iter().copied().fold(0.0, f64::max);
    if is_behind(arrivals) && busiest > CEILING && !embedded && !plan.spins() {
        let (percent, core) = (share(started) * 100.0, busiest * 100.0);
        reasons.push(format!(
            "{started} of {due} starts ({percent:.1} %) were made, and a worker used {core:.0} % of a core"
        ));
    }
    reasons
}

/// Judges a run; `arrivals` (of each load) and `failures` are those of the judged stages.
pub(super) fn judge(
    plan: &Plan,
    end: &EndOfRun,
    accounting: &Accounting,
    arrivals: &[ArrivalTally],
    failures: impl Fn(Failure) -> u64,
) -> Validity {
    let mut validity = Validity {
        verdict: Verdict::Valid,
        reasons: Vec::new(),
        worker_cpu: end.worker_cpu.clone(),
        workers_lost: end.workers_lost,
        descriptor_failures: failures(Failure::NoDescriptors),
        port_failures: failures(Failure::NoPorts),
        internal_failures: failures(Failure::Internal),
    };
    let mut blame = |verdict: Verdict, reason: String| {
        // The graver verdict stays; every reason is told.
        if validity.verdict == Verdict::Valid {
            validity.verdict = verdict;
        }
        validity.reasons.push(reason);
    };
    match end.state {
        RunState::Interrupted => blame(Verdict::Interrupted, "the run was cut short".to_owned()),
        RunState::Running => blame(Verdict::Incomplete, "the run has not ended".to_owned()),
        RunState::Finished | RunState::Stalled(_) => {}
    }
    if end.workers_lost > 0 {
        let lost = end.workers_lost;
        blame(Verdict::Incomplete, format!("{lost} of the workers were lost"));
    }
    for fault in &accounting.faults {
        blame(Verdict::Incomplete, format!("the accounting does not close: {fault}"));
    }
    for (failure, what) in [
        (Failure::NoDescriptors, "no file descriptor was left"),
        (Failure::NoPorts, "no local port or address was left"),
        (Failure::Internal, "of a fault of our own"),
    ] {
        let count = failures(failure);
        if count > 0 {
            let times = if count == 1 { "step" } else { "steps" };
            blame(Verdict::GeneratorLimited, format!("{count} {times} failed: {what}"));
        }
    }
    // Load by load: a slow one may not hide behind a fast one.
    for reason in arrivals.iter().flat_map(|of_load| plan_not_kept(plan, end, of_load)) {
        blame(Verdict::GeneratorLimited, reason);
    }
    let failed = accounting.messages.fates.of(Fate::GeneratorFailed);
    if failed > 0 {
        blame(Verdict::GeneratorLimited, format!("{failed} messages failed on our own side"));
    }
    if let RunState::Stalled(waited) = end.state {
        let (waited, left) = (waited.as_secs(), end.messages_left());
        let reason = format!("no message began for {waited} s, and {left} were not started");
        blame(Verdict::Incomplete, reason);
    }
    validity
}
