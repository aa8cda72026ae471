//! The slots of a worker: each a place for one session at a time, kept full under closed load and filled as arrivals
//! come under open load.

use std::cell::RefCell;
use std::rc::Rc;

use crate::clock;
use crate::engine::dialogue::{Dialogue, rows_of};
use crate::engine::driver::{Bench, SessionRun, Timer};
use crate::engine::pool::{Seat, Start, Work};
use crate::schedule;

/// A place for one session at a time; which one is in it is seen from outside when the run is cut.
#[derive(Clone, Debug)]
pub struct Slot {
    /// Index of its load.
    pub load: u8,
    /// No two slots of a run share one.
    pub number: u64,
    /// Its session.
    pub dialogue: Rc<RefCell<Dialogue>>,
    /// Where it waits for arrivals, in an open load.
    pub seat: Option<Rc<Seat>>,
}

impl Slot {
    /// A slot that had no session yet.
    #[must_use]
    pub fn new(bench: &Bench, load: u8, number: u64) -> Self {
        let dialogue = Dialogue::new(&bench.plan, load, number, Box::new([]), clock::now());
        let dialogue = Rc::new(RefCell::new(dialogue));
        Self { load, number, dialogue, seat: None }
    }

    /// Keeps one session open, again and again.
    pub async fn keep_open(self, bench: Rc<Bench>) {
        let mut sessions = Sessions::new(&bench, self);
        loop {
            let left = {
                let mut desk = bench.desk.borrow_mut();
                desk.any_left(&bench.plan, sessions.slot.load, clock::now())
            };
            if !left {
                return;
            }
            sessions.admit(None);
            sessions.run().await;
            Box::pin(sessions.wait()).await;
        }
    }

    /// Does what is on its seat, then what the load's pool has for it, until that says to leave.
    pub async fn serve(self, bench: Rc<Bench>) {
        let Some(seat) = self.seat.clone() else { return };
        let load = usize::from(self.load);
        let mut sessions = Sessions::new(&bench, self);
        loop {
            match seat.given().await {
                Work::Leave => return,
                Work::Open => {
                    sessions.admit(None);
                    sessions.run().await;
                    // Arrivals are tried at their time whatever became of the last one; a pool that cannot connect
                    // is not in a hurry.
                    Box::pin(sessions.wait()).await;
                }
                Work::Arrival(start) => {
                    sessions.admit(Some(start));
                    sessions.run().await;
                    // The connection is closed before another opens: a ring does that in its own turn.
                    tokio::task::yield_now().await;
                }
            }
            let next = {
                let mut desk = bench.desk.borrow_mut();
                let desk = &mut *desk;
                let Some(pool) = &mut desk.loads[load].pool else { return };
                pool.park(&bench.plan, &mut desk.recorder, clock::now(), &seat)
            };
            if let Some(work) = next {
                seat.give(work);
            }
        }
    }
}

/// The sessions of one slot, one after the other.
struct Sessions<'a> {
    bench: &'a Bench,
    slot: Slot,
    timer: Timer,
    /// How many there were.
    count: u64,
    /// How many of the last ones in a row completed nothing.
    fruitless: u32,
}

impl<'a> Sessions<'a> {
    fn new(bench: &'a Bench, slot: Slot) -> Self {
        Self { bench, slot, timer: Timer::default(), count: 0, fruitless: 0 }
    }

    /// Makes a session for `start`, or for whatever there is to do. Not a part of [`Sessions::run`]: what that holds while it
    /// waits is the memory of every session.
    fn admit(&mut self, start: Option<Start>) {
        let (bench, slot) = (self.bench, &self.slot);
        let plan = &bench.plan;
        let turn = self.count;
        self.count += 1;
        let slots = plan.scenario.sessions_max();
        let pooled = plan.loads[usize::from(slot.load)].timetable.as_ref();
        let number = match &start {
            Some(start) => start.due.index,
            None => slot.number + turn * slots,
        };
        let rows = rows_of(plan, slot.number, number);
        let mut dialogue = Dialogue::new(plan, slot.load, number, rows, clock::now());
        if let Some(start) = start {
            dialogue = dialogue.arriving(start);
        } else {
            if pooled.is_none() {
                bench.desk.borrow_mut().promise(slot.load);
            }
            dialogue = dialogue.opening();
        }
        *slot.dialogue.borrow_mut() = dialogue;
    }

    /// Has the session that was admitted last.
    async fn run(&mut self) {
        if !Box::pin(self.may_connect()).await {
            return;
        }
        let target = &self.bench.plan.targets[0];
        // Slots begin with different addresses and go round, each in its own turn.
        let turn = usize::try_from(self.slot.number + self.count - 1).unwrap_or(0);
        let mut session = SessionRun {
            bench: self.bench,
            dialogue: &self.slot.dialogue,
            timer: &mut self.timer,
            seat: self.slot.seat.as_ref(),
            transcript: None,
        };
        session.run(target, turn).await;
        let fruitful = self.slot.dialogue.borrow().was_fruitful();
        self.fruitless = if fruitful { 0 } else { self.fruitless + 1 };
    }

    /// Waits for the turn to connect, where the load limits how many do in a second; false where it ended first.
    async fn may_connect(&self) -> bool {
        let (bench, load) = (self.bench, self.slot.load);
        let now = clock::now();
        let at = bench.desk.borrow_mut().book_connect(load, now);
        if at > now {
            tokio::select! {
                () = bench.timers.sleep_until(at) => {}
                () = bench.draining[usize::from(load)].notified() => {}
            }
        }
        let (mut desk, mut dialogue) = (bench.desk.borrow_mut(), self.slot.dialogue.borrow_mut());
        if at > now && desk.is_draining(load) {
            dialogue.cut(&bench.plan, &mut desk, now, false);
            return false;
        }
        if at > now {
            dialogue.held_up();
        }
        true
    }

    /// Waits as long as a slot does whose sessions complete nothing.
    async fn wait(&self) {
        let wait = schedule::restart_wait(self.fruitless);
        if wait.is_zero() {
            // Others get their turn also where a peer answers at once, every time.
            tokio::task::yield_now().await;
            return;
        }
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = self.bench.draining[usize::from(self.slot.load)].notified() => {}
        }
    }
}
