//! What one worker does of an open load: which arrivals are due, who starts them, and what becomes of those that
//! nobody can start. No clock and no socket: `now` comes in, seats are woken.
//!
//! Arrivals that wait are not stored: they are the part of the timetable between what has started and what is due,
//! so a backlog of millions takes no memory.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::iter::Peekable;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use crate::clock::{Duration, Instant};
use crate::measure::recorder::Recorder;
use crate::measure::tally::Unstarted;
use crate::plan::Plan;
use crate::plan::loads::{Due, Itinerary, Timetable};
use crate::scenario::load::{ArrivalUnit, Overload};
use crate::schedule::blocks::Turns;

/// A start that is so much behind its intended time, with a session free for it, is late by our own fault.
pub const LATE: Duration = Duration::from_millis(1);

/// A session's place in the pool, while it waits for something to do.
#[derive(Debug, Default)]
pub struct Seat {
    work: RefCell<Option<Work>>,
    waker: RefCell<Option<Waker>>,
}

/// What a seat is given.
#[derive(Debug)]
pub enum Work {
    /// This arrival.
    Arrival(Start),
    /// A connection to be opened, for a message that waits; to a session that is connected: to look for one.
    Open,
    /// Nothing comes any more.
    Leave,
}

/// An arrival that is being started.
#[derive(Clone, Debug)]
pub struct Start {
    pub due: Due,
    /// When it was to start.
    pub intended: Instant,
    /// Index of its stage in the plan.
    pub stage: u8,
    /// It lies in the warm-up.
    pub warmup: bool,
    /// A session was free when it became due.
    pub at_once: bool,
}

impl Seat {
    /// What it was given, if anything.
    pub fn take(&self) -> Option<Work> {
        self.work.borrow_mut().take()
    }

    /// Waits until it is given something.
    pub async fn given(&self) -> Work {
        poll_fn(|cx| self.poll(cx)).await
    }

    /// The same, for those who wait for something else as well.
    pub fn poll(&self, cx: &mut Context<'_>) -> Poll<Work> {
        match self.take() {
            Some(work) => Poll::Ready(work),
            None => {
                *self.waker.borrow_mut() = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    /// Gives it something to do.
    pub fn give(&self, work: Work) {
        *self.work.borrow_mut() = Some(work);
        let waker = self.waker.borrow_mut().take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// The share of one worker in an open load.
#[derive(Debug)]
pub struct Pool {
    load: u8,
    unit: ArrivalUnit,
    overload: Overload,
    timetable: Timetable,
    phase: Phase,
    /// What follows the warm-up.
    judged: Option<Phase>,
    /// Arrivals that are due and not started.
    backlog: u64,
    /// The same, where they are kept one by one: under [`Overload::Drop`] those that a connection is opened for.
    waiting: VecDeque<Start>,
    /// Arrivals that were started and could not be attempted.
    returned: Vec<Start>,
    /// Connections that are being opened for messages that wait.
    opening: u64,
    /// Connected sessions that wait for a message.
    ready: VecDeque<Rc<Seat>>,
    /// Slots without a session.
    parked: Vec<Rc<Seat>>,
    /// Slots that were never used.
    unused: u64,
    /// Work for slots that are to be made.
    to_make: Vec<Work>,
    /// The clock ends it, not its last arrival.
    lasts: bool,
    closed: bool,
}

/// The arrivals of the warm-up, or of the judged stages.
#[derive(Debug)]
struct Phase {
    /// When its offsets begin.
    base: Instant,
    /// The turns of the target, with the start of the run and the active time of the base, where targets take turns.
    turns: Option<(Turns, Instant, Duration)>,
    /// Stage of its first span.
    first_stage: usize,
    warmup: bool,
    /// What is due next.
    due: Peekable<Share>,
    /// What starts next.
    start: Share,
}

/// Every arrival whose index is `worker` modulo `workers`.
#[derive(Clone, Debug)]
struct Share {
    itinerary: Itinerary,
    worker: u64,
    workers: u64,
}

impl Iterator for Share {
    type Item = Due;

    fn next(&mut self) -> Option<Due> {
        let Self { itinerary, worker, workers } = self;
        itinerary.find(|due| due.index % *workers == *worker)
    }
}

impl Pool {
    /// The share of worker `worker` in load `load`; `None` for a closed one. `started` is the start of the run.
    #[must_use]
    pub fn new(plan: &Plan, load: u8, worker: usize, started: Instant) -> Option<Self> {
        let resolved = &plan.loads[usize::from(load)];
        let timetable = resolved.timetable.clone()?;
        let open = plan.scenario.loads[usize::from(load)].open()?;
        let seed = plan.identity.seed;
        let phase = |itinerary: Itinerary, warmup: bool, stage: usize| {
            let (worker, workers) = (worker as u64, plan.workers as u64);
            let share = Share { itinerary, worker, workers };
            let start = plan.stages[stage].start;
            let turns = plan.turns.as_ref();
            Phase {
                base: started + start,
                turns: turns.map(|turns| (turns.clone(), started, turns.active(start))),
                first_stage: stage,
                warmup,
                due: share.clone().peekable(),
                start: share,
            }
        };
        let first = resolved.stages.start;
        let warmup = timetable.warmup(seed).map(|itinerary| phase(itinerary, true, first));
        let behind = first + usize::from(warmup.is_some());
        let judged = phase(timetable.judged(seed), false, behind);
        let (phase, judged) = match warmup {
            Some(warmup) => (warmup, Some(judged)),
            None => (judged, None),
        };
        let slots = resolved.slots.end - resolved.slots.start;
        Some(Self {
            load,
            unit: timetable.unit,
            overload: open.overload,
            timetable,
            phase,
            judged,
            backlog: 0,
            waiting: VecDeque::new(),
            returned: Vec::new(),
            opening: 0,
            ready: VecDeque::new(),
            parked: Vec::new(),
            unused: slots_of(slots, worker, plan.workers),
            to_make: Vec::new(),
            lasts: resolved.messages.is_none()
                && plan.stages[resolved.stages.clone()].iter().all(|stage| stage.end.is_some()),
            closed: false,
        })
    }

    /// What arrives.
    #[must_use]
    pub fn unit(&self) -> ArrivalUnit {
        self.unit
    }

    /// When the next arrival is due, or the warm-up over.
    pub fn next_due(&mut self) -> Option<Instant> {
        if self.closed {
            return None;
        }
        let next = self.phase.due.peek().map(|due| due.offset);
        let next = next.map(|offset| self.phase.at(offset));
        next.or_else(|| self.judged_from())
    }

    /// Starts what is due at `now`, as far as sessions are free for it.
    pub fn advance(&mut self, plan: &Plan, recorder: &mut Recorder, now: Instant) {
        while let Some(offset) = self.phase.due.peek().map(|due| due.offset)
            && self.phase.at(offset) <= now
        {
            let Some(due) = self.phase.due.next().filter(|_| !self.closed) else { break };
            let capped = due.capped;
            let start = self.phase.start_of(due);
            recorder.arrival_due(start.stage, self.messages_of(plan, &start));
            if capped {
                self.not_started(plan, recorder, &start, Unstarted::Capped);
                continue;
            }
            let own_fault = now.saturating_duration_since(start.intended) > LATE;
            self.arrive(plan, recorder, start, now, own_fault);
        }
        // Nobody waits for what will not come.
        if self.is_exhausted() {
            self.dismiss();
        }
    }

    fn arrive(
        &mut self,
        plan: &Plan,
        recorder: &mut Recorder,
        start: Start,
        now: Instant,
        own_fault: bool,
    ) {
        let keeps = self.overload == Overload::Drop;
        let seat = match self.unit {
            ArrivalUnit::Messages => self.ready.pop_front(),
            ArrivalUnit::Sessions => self.parked.pop(),
        };
        let opens = self.unit == ArrivalUnit::Sessions || self.opening <= self.backlog;
        let room = opens && (self.unused > 0 || !self.parked.is_empty());
        // Where no session is free it waits anyway, whoever looks at it when.
        if own_fault && (seat.is_some() || room) {
            recorder.arrival_late(start.stage);
        }
        if let Some(seat) = seat {
            let index = start.due.index;
            self.note_waiting(keeps.then_some(start));
            // The first in line, which is this one unless a session came free just now.
            if let Some(mut start) = self.take(plan, recorder, now) {
                // One that is late already is not counted as late once more, nor is one that had to wait.
                start.at_once = !own_fault && start.due.index == index;
                seat.give(Work::Arrival(start));
            } else {
                match self.unit {
                    ArrivalUnit::Messages => self.ready.push_back(seat),
                    ArrivalUnit::Sessions => self.parked.push(seat),
                }
            }
            return;
        }
        if room {
            let work = match self.unit {
                ArrivalUnit::Sessions => {
                    self.note_waiting(keeps.then_some(start));
                    let Some(mut start) = self.take(plan, recorder, now) else { return };
                    start.at_once = !own_fault;
                    Work::Arrival(start)
                }
                ArrivalUnit::Messages => {
                    self.note_waiting(keeps.then_some(start));
                    self.opening += 1;
                    Work::Open
                }
            };
            match self.parked.pop() {
                Some(seat) => seat.give(work),
                None => {
                    self.unused -= 1;
                    self.to_make.push(work);
                }
            }
        } else if keeps && opens {
            self.not_started(plan, recorder, &start, Unstarted::Dropped);
        } else if keeps {
            // A connection is on its way whose message another session has taken up.
            self.note_waiting(Some(start));
        } else {
            self.backlog += 1;
        }
    }

    fn note_waiting(&mut self, kept: Option<Start>) {
        self.backlog += 1;
        self.waiting.extend(kept);
    }

    /// The arrival that starts next; `None` where none is due.
    pub fn take(&mut self, plan: &Plan, recorder: &mut Recorder, now: Instant) -> Option<Start> {
        if self.closed {
            return None;
        }
        let limit = match self.overload {
            Overload::ShedAfter(limit) => limit,
            Overload::Queue | Overload::Drop => Duration::MAX,
        };
        // What could not end in time is not begun.
        let limit = limit.min(plan.scenario.timeouts.plan.unwrap_or(Duration::MAX));
        loop {
            let start = self.next_waiting()?;
            if now.saturating_duration_since(start.intended) <= limit {
                return Some(start);
            }
            self.not_started(plan, recorder, &start, Unstarted::Shed);
        }
    }

    fn next_waiting(&mut self) -> Option<Start> {
        if let Some(start) = self.returned.pop() {
            return Some(start);
        }
        if self.backlog == 0 {
            return None;
        }
        self.backlog -= 1;
        if self.overload == Overload::Drop {
            return self.waiting.pop_front();
        }
        let due = self.phase.start.find(|due| !due.capped)?;
        Some(self.phase.start_of(due))
    }

    /// Takes an arrival back whose message was not attempted.
    pub fn give_back(&mut self, start: Start) {
        self.returned.push(start);
        if let Some(seat) = self.ready.pop_front() {
            seat.give(Work::Open);
        }
    }

    /// A connected session has nothing to do.
    pub fn wait_for_message(&mut self, seat: &Rc<Seat>) {
        self.ready.push_back(Rc::clone(seat));
        if self.closed || self.is_exhausted() {
            self.dismiss();
        }
    }

    /// A session that waited does so no more.
    pub fn stop_waiting(&mut self, seat: &Rc<Seat>) {
        self.ready.retain(|waiting| !Rc::ptr_eq(waiting, seat));
    }

    /// A connection that was opened for a message that waits stands, or could not be had.
    pub fn opened(&mut self) {
        self.opening = self.opening.saturating_sub(1);
    }

    /// A slot is free. What it has to do at once, if anything.
    pub fn park(
        &mut self,
        plan: &Plan,
        recorder: &mut Recorder,
        now: Instant,
        seat: &Rc<Seat>,
    ) -> Option<Work> {
        if self.closed {
            return Some(Work::Leave);
        }
        match self.unit {
            ArrivalUnit::Sessions => {
                if let Some(start) = self.take(plan, recorder, now) {
                    return Some(Work::Arrival(start));
                }
            }
            ArrivalUnit::Messages => {
                if self.backlog + self.returned.len() as u64 > self.opening {
                    self.opening += 1;
                    return Some(Work::Open);
                }
            }
        }
        if self.is_exhausted() {
            self.dismiss();
            return Some(Work::Leave);
        }
        self.parked.push(Rc::clone(seat));
        None
    }

    /// Work for slots that are to be made.
    pub fn take_new(&mut self) -> Vec<Work> {
        std::mem::take(&mut self.to_make)
    }

    /// Nothing is due any more, now or later, and no clock says that the load goes on.
    #[must_use]
    pub fn is_exhausted(&mut self) -> bool {
        self.judged.is_none()
            && self.backlog == 0
            && self.returned.is_empty()
            && !self.lasts
            && self.phase.due.peek().is_none()
    }

    /// The warm-up ends, and the judged stages begin at `base`: what has not started of it never does.
    pub fn rebase(&mut self, plan: &Plan, recorder: &mut Recorder, base: Instant) {
        self.advance(plan, recorder, base);
        let Some(judged) = self.judged.take() else { return };
        self.leave_unstarted(plan, recorder);
        self.phase = Phase { base, ..judged };
    }

    /// When the warm-up ends, as planned.
    #[must_use]
    pub fn judged_from(&self) -> Option<Instant> {
        self.judged.as_ref().map(|judged| judged.base)
    }

    /// Starts nothing more. What is due and has not started counts as not started.
    pub fn close(&mut self, plan: &Plan, recorder: &mut Recorder) {
        if std::mem::replace(&mut self.closed, true) {
            return;
        }
        self.leave_unstarted(plan, recorder);
        self.dismiss();
    }

    /// The worker ends: what was given back since the close, or never taken up, counts as not started.
    pub fn finish(&mut self, plan: &Plan, recorder: &mut Recorder) {
        for work in self.take_new() {
            if let Work::Arrival(start) = work {
                self.returned.push(start);
            }
        }
        self.leave_unstarted(plan, recorder);
    }

    fn leave_unstarted(&mut self, plan: &Plan, recorder: &mut Recorder) {
        while let Some(start) = self.next_waiting() {
            self.not_started(plan, recorder, &start, Unstarted::Left);
        }
    }

    fn dismiss(&mut self) {
        for seat in self.ready.drain(..).chain(self.parked.drain(..)) {
            seat.give(Work::Leave);
        }
    }

    /// An arrival will not be started.
    pub fn not_started(&self, plan: &Plan, recorder: &mut Recorder, start: &Start, why: Unstarted) {
        recorder.arrival_not_started(start.stage, why);
        self.leave_messages(plan, recorder, start);
    }

    /// The messages of an arrival will not be attempted.
    pub fn leave_messages(&self, plan: &Plan, recorder: &mut Recorder, start: &Start) {
        let script = self.script(plan, start);
        let first = start.due.messages.start;
        for message in first..first + self.messages_of(plan, start) {
            let number = self.timetable.number_of(message, start.warmup);
            let each = plan.scenario.mail.recipients_of(&plan.identity, number);
            let recipients = plan.scenario.scripts[usize::from(script)].recipients(each);
            recorder.message_not_started(start.stage, recipients);
        }
    }

    /// How many messages an arrival brings: none where its script sends none.
    fn messages_of(&self, plan: &Plan, start: &Start) -> u64 {
        let script = self.script(plan, start);
        match plan.scenario.scripts[usize::from(script)].has_transaction() {
            true => start.due.messages.end - start.due.messages.start,
            false => 0,
        }
    }

    /// The script that an arrival runs; of a message, which any session may take up, the first that sends some.
    fn script(&self, plan: &Plan, start: &Start) -> u16 {
        if self.unit == ArrivalUnit::Sessions {
            return plan.script_of(self.load, start.due.index);
        }
        let scripts = &plan.scenario.loads[usize::from(self.load)].scripts;
        let sends = |script: &&u16| plan.scenario.scripts[usize::from(**script)].has_transaction();
        scripts.iter().find(sends).or(scripts.first()).copied().unwrap_or(0)
    }
}

impl Phase {
    /// When what lies at `offset` is due.
    fn at(&self, offset: Duration) -> Instant {
        match &self.turns {
            None => self.base + offset,
            Some((turns, started, base)) => *started + turns.wall(*base + offset),
        }
    }

    fn start_of(&self, due: Due) -> Start {
        let stage = u8::try_from(self.first_stage + due.span).unwrap_or(u8::MAX);
        let intended = self.at(due.offset);
        Start { due, intended, stage, warmup: self.warmup, at_once: false }
    }
}

/// How many of `slots` a worker has.
fn slots_of(slots: u64, worker: usize, workers: usize) -> u64 {
    let (worker, workers) = (worker as u64, workers as u64);
    slots / workers + u64::from(worker < slots % workers)
}

#[cfg(test)]
mod tests;
