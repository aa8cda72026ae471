//! What a worker lends to the dialogue that is moving: recorder, message numbers, a buffer for what goes out.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::clock::{self, Instant};
use crate::measure::recorder::{Recorder, Snapshot};
use crate::plan::Plan;
use crate::schedule;
use crate::smtp::command::CommandBuffer;
use crate::smtp::sasl::KeyCache;

/// One a worker; nothing in it is shared with another, but for the counter that message numbers come from.
#[derive(Debug)]
pub struct Desk {
    /// Start of the run.
    pub started: Instant,
    pub recorder: Recorder,
    pub numbers: Numbers,
    /// What goes out next.
    pub out: CommandBuffer,
    /// For headers that are rendered only to be measured or cut.
    pub scratch: Vec<u8>,
    /// Text of Date fields.
    pub date: String,
    /// Intervals that are over and not yet sent on.
    pub snapshots: Vec<Snapshot>,
    /// When the last message ended.
    pub last_ended: Option<Instant>,
    /// No transaction may start any more.
    pub draining: bool,
    /// Keys of SCRAM logins, once derived.
    pub keys: KeyCache,
}

impl Desk {
    /// A desk at the start of a run.
    #[must_use]
    pub fn new(started: Instant, recorder: Recorder, numbers: Numbers) -> Self {
        Self {
            started,
            recorder,
            numbers,
            out: CommandBuffer::default(),
            scratch: Vec::new(),
            date: date_field(),
            snapshots: Vec::new(),
            last_ended: None,
            draining: false,
            keys: KeyCache::default(),
        }
    }

    /// The stage at `now`; the last one after the end.
    #[must_use]
    pub fn stage_at(&self, plan: &Plan, now: Instant) -> u8 {
        let last = u8::try_from(plan.stages.len() - 1).unwrap_or(u8::MAX);
        self.planned_stage(plan, now).unwrap_or(last)
    }

    /// Whether `now` lies before the stage that is judged.
    #[must_use]
    pub fn warms_up(&self, plan: &Plan, now: Instant) -> bool {
        !plan.stages[usize::from(self.stage_at(plan, now))].judged
    }

    /// Ends the interval if it is over, so that a slice holds what happened in it; the worker sends it on.
    pub fn end_interval(&mut self, now: Instant) {
        if self.recorder.due(now) {
            self.snapshots.push(self.recorder.take(now));
            self.date = date_field();
        }
    }

    /// Starts nothing more once the last stage is over.
    pub fn end_load(&mut self, plan: &Plan, now: Instant) {
        self.draining |= self.planned_stage(plan, now).is_none();
    }

    /// The stage in whose window `now` lies: none once the run drains, whoever ended it.
    #[must_use]
    pub fn window_at(&self, plan: &Plan, now: Instant) -> Option<u8> {
        self.planned_stage(plan, now).filter(|_| !self.draining)
    }

    fn planned_stage(&self, plan: &Plan, now: Instant) -> Option<u8> {
        let offset = now.saturating_duration_since(self.started);
        schedule::stage_at(&plan.stages, offset).and_then(|stage| u8::try_from(stage).ok())
    }
}

/// The text of a Date field, now (RFC 5322 section 3.3).
#[must_use]
pub fn date_field() -> String {
    clock::wall().strftime("%a, %d %b %Y %H:%M:%S +0000").to_string()
}

/// Where the workers' message numbers come from.
///
/// The messages of a bound are `0..bound`, and the judged stage sends them. A warm-up sends others, with numbers
/// behind the bound, so that the bound is kept whole for what is measured.
#[derive(Debug)]
pub struct NumberSource {
    next: AtomicU64,
    next_of_warmup: AtomicU64,
    /// How many messages the run has; no end where there is none.
    bound: Option<u64>,
    lease: u64,
}

impl NumberSource {
    /// Numbers from 0 up to the bound of `plan`.
    #[must_use]
    pub fn new(plan: &Plan) -> Arc<Self> {
        let bound = plan.messages;
        Arc::new(Self {
            next: AtomicU64::new(0),
            next_of_warmup: AtomicU64::new(bound.unwrap_or(0)),
            bound,
            lease: schedule::lease_size(bound.unwrap_or(u64::MAX), plan.workers),
        })
    }

    /// The numbers that nobody has taken; none where there is no bound.
    #[must_use]
    pub fn untaken(&self) -> Range<u64> {
        let end = self.bound.unwrap_or(0);
        self.next.load(Ordering::Relaxed).min(end)..end
    }

    fn take_block(&self, warmup: bool) -> Range<u64> {
        let (next, end) = match self.bound {
            Some(_) if warmup => (&self.next_of_warmup, u64::MAX),
            bound => (&self.next, bound.unwrap_or(u64::MAX)),
        };
        let start = next.fetch_add(self.lease, Ordering::Relaxed);
        start.min(end)..start.saturating_add(self.lease).min(end)
    }
}

/// A worker's message numbers: leased in blocks, so that the shared counter is touched seldom.
#[derive(Debug)]
pub struct Numbers {
    source: Arc<NumberSource>,
    judged: Lease,
    warmup: Lease,
}

/// Numbers that one worker holds.
#[derive(Debug, Default)]
struct Lease {
    block: Range<u64>,
    /// Numbers of transactions that ended before MAIL.
    returned: Vec<u64>,
}

impl Numbers {
    /// Numbers from `source`.
    #[must_use]
    pub fn new(source: Arc<NumberSource>) -> Self {
        Self { source, judged: Lease::default(), warmup: Lease::default() }
    }

    /// The number of the next message, in the warm-up or behind it; `None` once there is none.
    pub fn take(&mut self, warmup: bool) -> Option<u64> {
        // Without a bound one supply serves both.
        let warmup = warmup && self.source.bound.is_some();
        let lease = if warmup { &mut self.warmup } else { &mut self.judged };
        if let Some(number) = lease.returned.pop() {
            return Some(number);
        }
        if lease.block.is_empty() {
            lease.block = self.source.take_block(warmup);
        }
        lease.block.next()
    }

    /// Gives a number back: its message was not attempted.
    pub fn give_back(&mut self, number: u64) {
        let warmup = self.source.bound.is_some_and(|bound| number >= bound);
        let lease = if warmup { &mut self.warmup } else { &mut self.judged };
        lease.returned.push(number);
    }

    /// Whether there is work left for a new session.
    pub fn any_left(&mut self, warmup: bool) -> bool {
        self.take(warmup).map(|number| self.give_back(number)).is_some()
    }

    /// The numbers below the bound that this worker holds and has not used.
    #[must_use]
    pub fn unused(&self) -> Vec<u64> {
        if self.source.bound.is_none() {
            return Vec::new();
        }
        self.judged.block.clone().chain(self.judged.returned.iter().copied()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(bound: Option<u64>) -> Arc<NumberSource> {
        let (next, next_of_warmup) = (AtomicU64::new(0), AtomicU64::new(bound.unwrap_or(0)));
        Arc::new(NumberSource { next, next_of_warmup, bound, lease: 4 })
    }

    #[test]
    fn two_workers_use_every_number_of_a_bound_once() {
        let source = source(Some(10));
        let mut workers = [Numbers::new(Arc::clone(&source)), Numbers::new(Arc::clone(&source))];
        let mut taken = Vec::new();
        while let Some(number) = workers[taken.len() % 2].take(false) {
            taken.push(number);
        }
        let rest: Vec<u64> =
            workers.iter().flat_map(Numbers::unused).chain(source.untaken()).collect();
        taken.extend(rest);
        taken.sort_unstable();
        assert_eq!(taken, (0..10).collect::<Vec<_>>());
    }

    #[test]
    fn a_warm_up_takes_nothing_from_the_bound() {
        let source = source(Some(2));
        let mut numbers = Numbers::new(Arc::clone(&source));
        let warm = numbers.take(true).unwrap();
        assert!(warm >= 2);
        numbers.give_back(warm);
        assert_eq!(numbers.take(false), Some(0));
        numbers.give_back(0);
        assert_eq!(
            (numbers.take(false), numbers.take(false), numbers.take(false)),
            (Some(0), Some(1), None)
        );
        assert!(numbers.any_left(true));
        assert!(!numbers.any_left(false));
        assert_eq!(numbers.unused(), Vec::<u64>::new());
    }

    #[test]
    fn without_a_bound_there_is_no_end_and_nothing_is_left_over() {
        let source = source(None);
        let mut numbers = Numbers::new(Arc::clone(&source));
        assert_eq!((numbers.take(true), numbers.take(false)), (Some(0), Some(1)));
        assert!(numbers.unused().is_empty());
        assert!(source.untaken().is_empty());
    }
}
