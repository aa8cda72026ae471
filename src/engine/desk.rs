//! What a worker lends to the dialogue that is moving: recorder, message numbers, a buffer for what goes out.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::clock::{self, Duration, Instant};
use crate::engine::pool::Pool;
use crate::measure::recorder::{Recorder, Snapshot};
use crate::plan::loads::number_of;
use crate::plan::{LoadPlan, Plan};
use crate::schedule::blocks::Turns;
use crate::schedule::cap::{Cap, Gate};
use crate::schedule::{self, Stage};
use crate::smtp::command::CommandBuffer;
use crate::smtp::sasl::KeyCache;

/// One a worker; nothing in it is shared with another, but for the counters that message numbers come from.
#[derive(Debug)]
pub struct Desk {
    /// Start of the run.
    pub started: Instant,
    pub recorder: Recorder,
    /// One for each load of the plan.
    pub loads: Vec<LoadDesk>,
    /// The plan's stages, as the end of a warm-up moved them.
    stages: Vec<Stage>,
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
    /// Keys of SCRAM logins, once derived.
    pub keys: KeyCache,
    /// Where several targets take turns.
    turn: Option<Turn>,
}

/// What a worker has of one load.
#[derive(Debug)]
pub struct LoadDesk {
    /// Message numbers, where the load is closed.
    pub numbers: Numbers,
    /// Arrivals, where it is open.
    pub pool: Option<Pool>,
    /// No transaction may start any more.
    pub draining: bool,
    /// Sessions of a closed load that were opened and have not taken up a message yet.
    promised: usize,
    /// When the next connection may begin, where the load limits that.
    next_connect: Option<Instant>,
    /// Least time between two of them.
    connect_every: Duration,
    /// What the target lets start of a closed load.
    cap: Option<Gate>,
}

/// Whose turn it is, as long as nothing changes.
#[derive(Debug)]
struct Turn {
    turns: Turns,
    from: Duration,
    until: Duration,
    is_own: bool,
}

impl Desk {
    /// The desk of worker `worker` at the start of a run.
    #[must_use]
    pub fn new(
        plan: &Plan,
        worker: usize,
        started: Instant,
        recorder: Recorder,
        sources: &[Arc<NumberSource>],
    ) -> Self {
        let load = |(index, source): (u8, &Arc<NumberSource>)| {
            let per_second = plan.scenario.loads[usize::from(index)].connects_per_s;
            let workers = u32::try_from(plan.workers).unwrap_or(u32::MAX);
            LoadDesk {
                numbers: Numbers::new(Arc::clone(source)),
                pool: Pool::new(plan, index, worker, started),
                draining: false,
                promised: 0,
                next_connect: None,
                cap: plan.loads[usize::from(index)]
                    .max_rate
                    .map(|rate| Gate::new(Cap::per_second(rate).share(plan.workers))),
                connect_every: per_second.map_or(Duration::ZERO, |per_second| {
                    Duration::from_secs_f64(1.0 / per_second) * workers
                }),
            }
        };
        Self {
            started,
            recorder,
            loads: (0..).zip(sources).map(load).collect(),
            stages: plan.stages.clone(),
            out: CommandBuffer::default(),
            scratch: Vec::new(),
            date: date_field(),
            snapshots: Vec::new(),
            last_ended: None,
            keys: KeyCache::default(),
            turn: plan.turns.clone().map(|turns| {
                let (from, until, is_own) = turns.span_at(Duration::ZERO);
                Turn { turns, from, until, is_own }
            }),
        }
    }

    /// Whether a load starts nothing any more.
    #[must_use]
    pub fn is_draining(&self, load: u8) -> bool {
        self.loads[usize::from(load)].draining
    }

    /// The stage of a load at `now`; the first one before its begin, the last one after its end.
    #[must_use]
    pub fn stage_at(&self, plan: &Plan, load: u8, now: Instant) -> u8 {
        let stages = &plan.loads[usize::from(load)].stages;
        let offset = now.saturating_duration_since(self.started);
        let early = self.stages.get(stages.start).is_some_and(|first| offset < first.start);
        let edge = if early { stages.start } else { stages.end - 1 };
        let edge = u8::try_from(edge).unwrap_or(u8::MAX);
        self.planned_stage(plan, load, now).unwrap_or(edge)
    }

    /// Whether `now` lies before the stages of a load that are judged.
    #[must_use]
    pub fn warms_up(&self, plan: &Plan, load: u8, now: Instant) -> bool {
        !self.stages[usize::from(self.stage_at(plan, load, now))].judged
    }

    /// Ends the interval if it is over, so that a slice holds what happened in it; the worker sends it on.
    pub fn end_interval(&mut self, plan: &Plan, now: Instant) {
        // One by one, also where several have passed since anyone looked: what was due in an interval is offered in it.
        while self.recorder.due(now) {
            let boundary = self.recorder.boundary();
            // Its last instant; the boundary itself belongs to the next.
            let last = boundary.checked_sub(Duration::from_nanos(1)).unwrap_or(boundary);
            self.advance(plan, last);
            self.snapshots.push(self.recorder.take(boundary));
            self.date = date_field();
        }
    }

    /// Starts what is due at `now`.
    pub fn advance(&mut self, plan: &Plan, now: Instant) {
        for load in &mut self.loads {
            if let Some(pool) = &mut load.pool {
                if let Some(base) = pool.judged_from().filter(|base| now >= *base) {
                    pool.rebase(plan, &mut self.recorder, base);
                }
                pool.advance(plan, &mut self.recorder, now);
            }
        }
    }

    /// When the next arrival of any load is due.
    pub fn next_due(&mut self) -> Option<Instant> {
        let pools = self.loads.iter_mut().filter_map(|load| load.pool.as_mut());
        pools.filter_map(Pool::next_due).min()
    }

    /// A session of a closed load is opened to send a message.
    pub fn promise(&mut self, load: u8) {
        self.loads[usize::from(load)].promised += 1;
    }

    /// A session that was opened to send a message has come to that, or never will.
    pub fn keep_promise(&mut self, load: u8) {
        let load = &mut self.loads[usize::from(load)];
        match &mut load.pool {
            Some(pool) => pool.opened(),
            None => load.promised = load.promised.saturating_sub(1),
        }
    }

    /// Whether an open load may start more.
    #[must_use]
    pub fn expects_arrivals(&mut self) -> bool {
        let pools = self.loads.iter_mut().filter(|load| !load.draining);
        pools.filter_map(|load| load.pool.as_mut()).any(|pool| !pool.is_exhausted())
    }

    /// The warm-up of `load` ends so long after the start of the run, instead of when it was planned to.
    pub fn end_warmup(&mut self, plan: &Plan, load: u8, offset: Duration) {
        let index = usize::from(load);
        schedule::rebase(&mut self.stages[plan.loads[index].stages.clone()], offset);
        if let Some(pool) = &mut self.loads[index].pool {
            pool.rebase(plan, &mut self.recorder, self.started + offset);
        }
    }

    /// Starts nothing more of `load`.
    pub fn drain(&mut self, plan: &Plan, load: u8, now: Instant) {
        self.advance(plan, now);
        let load = &mut self.loads[usize::from(load)];
        load.draining = true;
        if let Some(pool) = &mut load.pool {
            pool.close(plan, &mut self.recorder);
        }
    }

    /// Starts nothing more of a load once its last stage is over.
    pub fn end_load(&mut self, plan: &Plan, load: u8, now: Instant) {
        let index = usize::from(load);
        if !self.loads[index].draining && self.load_end(plan, load).is_some_and(|end| now >= end) {
            self.drain(plan, load, now);
        }
    }

    /// When the last stage of a load ends; `None` where only its work ends it.
    #[must_use]
    pub fn load_end(&self, plan: &Plan, load: u8) -> Option<Instant> {
        let last = plan.loads[usize::from(load)].stages.end - 1;
        self.stages[last].end.map(|end| self.started + end)
    }

    /// The stage of a load in whose window `now` lies: none once it drains, whoever ended it.
    #[must_use]
    pub fn window_at(&self, plan: &Plan, load: u8, now: Instant) -> Option<u8> {
        self.planned_stage(plan, load, now).filter(|_| !self.is_draining(load))
    }

    /// How long the next transaction of a closed load has to wait at `now`: for the target's turn, and for its cap.
    pub fn must_wait(&mut self, load: u8, now: Instant) -> Option<Duration> {
        let load = &self.loads[usize::from(load)];
        // What an open load starts, its timetable has put into the target's turns and below its cap.
        if load.pool.is_some() || (self.turn.is_none() && load.cap.is_none()) {
            return None;
        }
        let offset = now.saturating_duration_since(self.started);
        let free = load.cap.as_ref().map_or(offset, |gate| gate.next(offset));
        let wait = self.next_turn(free).saturating_sub(offset);
        (!wait.is_zero()).then_some(wait)
    }

    /// A transaction of a load starts: it counts against the cap.
    pub fn starts(&mut self, load: u8, now: Instant) {
        let offset = now.saturating_duration_since(self.started);
        if let Some(gate) = &mut self.loads[usize::from(load)].cap {
            gate.admit(offset, 1);
        }
    }

    /// The first time from `offset` on that is the target's turn.
    fn next_turn(&mut self, offset: Duration) -> Duration {
        let Some(turn) = &mut self.turn else { return offset };
        if !(turn.from..turn.until).contains(&offset) {
            (turn.from, turn.until, turn.is_own) = turn.turns.span_at(offset);
        }
        if turn.is_own { offset } else { turn.turns.next_turn(offset) }
    }

    /// Books the next connection of a load; when it may begin.
    pub fn book_connect(&mut self, load: u8, now: Instant) -> Instant {
        let offset = now.saturating_duration_since(self.started);
        let closed = self.loads[usize::from(load)].pool.is_none();
        let now = if closed { now + (self.next_turn(offset).saturating_sub(offset)) } else { now };
        let load = &mut self.loads[usize::from(load)];
        if load.connect_every.is_zero() {
            return now;
        }
        let at = load.next_connect.map_or(now, |next| next.max(now));
        load.next_connect = Some(at + load.connect_every);
        at
    }

    /// Whether a session of a load would find work.
    pub fn any_left(&mut self, plan: &Plan, load: u8, now: Instant) -> bool {
        let warmup = self.warms_up(plan, load, now);
        let load = &mut self.loads[usize::from(load)];
        match &mut load.pool {
            Some(pool) => !load.draining && !pool.is_exhausted(),
            None => !load.draining && load.numbers.any_left(warmup, load.promised),
        }
    }

    fn planned_stage(&self, plan: &Plan, load: u8, now: Instant) -> Option<u8> {
        let offset = now.saturating_duration_since(self.started);
        let range = plan.loads[usize::from(load)].stages.clone();
        let stage = schedule::stage_at(&self.stages[range.clone()], offset)?;
        u8::try_from(range.start + stage).ok()
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
    /// How many messages the load has; no end where there is none.
    bound: Option<u64>,
    lease: u64,
    /// Which load of how many: keeps the numbers of several apart.
    load: u64,
    loads: u64,
}

impl NumberSource {
    /// A source for each load of `plan`, with numbers from 0 up to its bound.
    #[must_use]
    pub fn of_loads(plan: &Plan) -> Vec<Arc<Self>> {
        let source = |(load, resolved): (u64, &LoadPlan)| {
            // An open load has its numbers from its timetable.
            let bound = if resolved.timetable.is_some() { Some(0) } else { resolved.messages };
            Arc::new(Self {
                next: AtomicU64::new(0),
                next_of_warmup: AtomicU64::new(bound.unwrap_or(0)),
                bound,
                lease: schedule::lease_size(bound.unwrap_or(u64::MAX), plan.workers),
                load,
                loads: plan.loads.len() as u64,
            })
        };
        (0..).zip(&plan.loads).map(source).collect()
    }

    /// The number in the plan of message `message` of this load.
    #[must_use]
    pub fn number_of(&self, message: u64) -> u64 {
        number_of(message, self.load, self.loads, false)
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

    /// The next message, in the warm-up or behind it, counted over the load; `None` once there is none.
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

    /// The number in the plan of message `message` of this load.
    #[must_use]
    pub fn number_of(&self, message: u64) -> u64 {
        self.source.number_of(message)
    }

    /// Whether there is work left for a new session, besides `promised` others that will take up one message each.
    pub fn any_left(&mut self, warmup: bool, promised: usize) -> bool {
        let warmup = warmup && self.source.bound.is_some();
        let lease = if warmup { &mut self.warmup } else { &mut self.judged };
        let held =
            |lease: &Lease| lease.returned.len() as u64 + lease.block.end - lease.block.start;
        while held(lease) <= promised as u64 {
            let block = self.source.take_block(warmup);
            if block.is_empty() {
                return false;
            }
            // The last one is taken first.
            lease.returned.splice(0..0, block.rev());
        }
        true
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
        Arc::new(NumberSource { next, next_of_warmup, bound, lease: 4, load: 0, loads: 1 })
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
        assert!(numbers.any_left(true, 0));
        assert!(!numbers.any_left(false, 0));
        assert_eq!(numbers.unused(), Vec::<u64>::new());
    }

    #[test]
    fn what_is_promised_to_one_session_is_not_left_for_another() {
        let mut numbers = Numbers::new(source(Some(6)));
        assert!(numbers.any_left(false, 5));
        assert!(!numbers.any_left(false, 6));
        let taken: Vec<u64> = std::iter::from_fn(|| numbers.take(false)).collect();
        assert_eq!(taken, [0, 1, 2, 3, 4, 5]);
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
