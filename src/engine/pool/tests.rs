use std::sync::Arc;

use super::*;
use crate::clock;
use crate::measure::collector::Collector;
use crate::measure::layout::Layout;
use crate::measure::tally::ArrivalTally;
use crate::measure::testing;
use crate::measure::validity::EndOfRun;
use crate::scenario::load::{ArrivalSource, Bound, Drive, Load, Open, Pacing, RateStage, Warmup};
use crate::scenario::script::Op;
use crate::schedule::arrivals::{Pattern, RateSpan};

const MS: Duration = Duration::from_millis(1);

/// A plan of ten arrivals a second for so many seconds, over at most two sessions.
fn plan(unit: ArrivalUnit, overload: Overload, seconds: u64, warmup: u64, workers: usize) -> Plan {
    let known = testing::plan(&["submit"], Vec::new());
    let mut scenario = known.scenario;
    scenario.scripts[0].ops =
        vec![Op::TransactionStart { end: 1 }, Op::TransactionEnd { start: 0 }];
    let span = RateSpan::steady(10.0, Some(Duration::from_secs(seconds)));
    scenario.loads = vec![Load {
        drive: Drive::Open(Open {
            unit,
            source: ArrivalSource::Rate {
                pattern: Pattern::Even,
                stages: vec![RateStage { name: "main".to_owned(), span }],
            },
            max_sessions: 2,
            overload,
            pacing: Pacing::Timer,
        }),
        warmup: Warmup::For(Duration::from_secs(warmup)),
        ..Load::closed(1, None, 1)
    }];
    Plan::new(scenario, known.targets[0].clone(), known.identity, workers)
}

/// The same plan with a bound of ten messages.
fn bounded(plan: Plan) -> Plan {
    let bound = Some(Bound::Messages(10));
    let load = Load { bound, ..plan.scenario.loads[0].clone() };
    plan.under(vec![load])
}

/// A pool under test, with the time in milliseconds from the start of the run.
struct Rig {
    plan: Plan,
    pool: Pool,
    recorder: Recorder,
    layout: Arc<Layout>,
    started: Instant,
}

impl Rig {
    fn new(plan: Plan) -> Self {
        let (layout, started) = (Arc::new(Layout::new(&plan)), clock::now());
        let recorder = Recorder::new(Arc::clone(&layout), 0, started, Duration::from_secs(3600));
        let pool = Pool::new(&plan, 0, 0, started).unwrap();
        Self { plan, pool, recorder, layout, started }
    }

    fn at(&self, ms: u32) -> Instant {
        self.started + MS * ms
    }

    fn advance(&mut self, ms: u32) {
        let now = self.at(ms);
        self.pool.advance(&self.plan, &mut self.recorder, now);
    }

    /// Index of the arrival that a session which is free takes up.
    fn take(&mut self, ms: u32) -> Option<u64> {
        let now = self.at(ms);
        self.pool.take(&self.plan, &mut self.recorder, now).map(|start| start.due.index)
    }

    /// What slots that are to be made are given.
    fn made(&mut self) -> Vec<String> {
        self.pool.take_new().iter().map(shown).collect()
    }

    fn tallies(mut self) -> Vec<ArrivalTally> {
        self.pool.close(&self.plan, &mut self.recorder);
        self.pool.finish(&self.plan, &mut self.recorder);
        let mut collector = Collector::new(self.layout, Duration::from_secs(3600), 1);
        collector.add(self.recorder.finish(self.started));
        let summary = collector.summary(&self.plan, &EndOfRun::running(Duration::ZERO));
        summary.stages.into_iter().map(|row| row.arrivals).collect()
    }
}

fn shown(work: &Work) -> String {
    match work {
        Work::Arrival(start) => format!("arrival {}", start.due.index),
        Work::Open => "open".to_owned(),
        Work::Leave => "leave".to_owned(),
    }
}

fn given(seat: &Rc<Seat>) -> Option<String> {
    seat.take().as_ref().map(shown)
}

#[test]
fn a_message_is_given_to_the_session_that_waited_longest() {
    let mut rig = Rig::new(plan(ArrivalUnit::Messages, Overload::Queue, 1, 0, 1));
    let seats = [Rc::new(Seat::default()), Rc::new(Seat::default())];
    seats.iter().for_each(|seat| rig.pool.wait_for_message(seat));
    rig.advance(0);
    rig.advance(99);
    assert_eq!(seats.each_ref().map(given), [Some("arrival 0".into()), None]);
    assert_eq!(rig.pool.next_due(), Some(rig.at(100)));
    rig.advance(100);
    assert_eq!(seats.each_ref().map(given), [None, Some("arrival 1".into())]);
}

#[test]
fn connections_are_opened_for_messages_that_wait_and_no_more() {
    let mut rig = Rig::new(plan(ArrivalUnit::Messages, Overload::Queue, 1, 0, 1));
    rig.advance(0);
    assert_eq!(rig.made(), ["open"]);
    rig.advance(100);
    assert_eq!(rig.made(), ["open"]);
    // Both slots are in use: the third message waits.
    rig.advance(200);
    assert!(rig.made().is_empty());
    assert_eq!(
        [rig.take(210), rig.take(210), rig.take(210), rig.take(210)],
        [Some(0), Some(1), Some(2), None]
    );
}

#[test]
fn a_session_that_comes_free_takes_the_oldest_that_waits() {
    let mut rig = Rig::new(plan(ArrivalUnit::Sessions, Overload::Queue, 1, 0, 1));
    rig.advance(450);
    assert_eq!(rig.made(), ["arrival 0", "arrival 1"]);
    let seat = Rc::new(Seat::default());
    let mut next = Vec::new();
    let now = rig.at(460);
    while let Some(work) = rig.pool.park(&rig.plan, &mut rig.recorder, now, &seat) {
        next.push(shown(&work));
    }
    assert_eq!(next, ["arrival 2", "arrival 3", "arrival 4"]);
    // The slot is parked now, and the next arrival is its.
    rig.advance(500);
    assert_eq!(given(&seat), Some("arrival 5".into()));
}

#[test]
fn drop_starts_what_it_can_at_once_and_counts_the_rest() {
    let mut rig = Rig::new(plan(ArrivalUnit::Sessions, Overload::Drop, 1, 0, 1));
    rig.advance(950);
    assert_eq!(rig.made(), ["arrival 0", "arrival 1"]);
    assert_eq!(rig.take(960), None);
    let tally = rig.tallies()[0];
    assert_eq!((tally.due, tally.dropped, tally.left), (10, 8, 0));
    assert_eq!((tally.messages, tally.messages_not_started), (10, 8));
}

#[test]
fn drop_keeps_a_message_while_a_connection_is_opened_for_it() {
    let mut rig = Rig::new(plan(ArrivalUnit::Messages, Overload::Drop, 1, 0, 1));
    rig.advance(250);
    assert_eq!(rig.made(), ["open", "open"]);
    assert_eq!([rig.take(260), rig.take(260), rig.take(260)], [Some(0), Some(1), None]);
    assert_eq!(rig.tallies()[0].dropped, 1);
}

#[test]
fn drop_keeps_a_message_for_a_connection_that_is_on_its_way_for_none() {
    let mut rig = Rig::new(plan(ArrivalUnit::Messages, Overload::Drop, 1, 0, 1));
    rig.advance(0);
    assert_eq!(rig.made(), ["open"]);
    // A session that came free sends the message that the connection was opened for.
    assert_eq!(rig.take(50), Some(0));
    rig.advance(100);
    assert!(rig.made().is_empty(), "one is enough");
    assert_eq!(rig.take(110), Some(1));
    assert_eq!(rig.tallies()[0].dropped, 0);
}

#[test]
fn shed_gives_up_what_waited_too_long() {
    let limit = Overload::ShedAfter(Duration::from_millis(300));
    let mut rig = Rig::new(plan(ArrivalUnit::Messages, limit, 1, 0, 1));
    rig.advance(500);
    // 0 and 1 are older than 300 ms; 2 is exactly that.
    assert_eq!(rig.take(500), Some(2));
    let tally = rig.tallies()[0];
    assert_eq!((tally.due, tally.shed, tally.left), (6, 2, 3));
    assert_eq!(tally.messages_not_started, 5);
}

#[test]
fn what_was_given_back_is_next() {
    let mut rig = Rig::new(plan(ArrivalUnit::Messages, Overload::Queue, 1, 0, 1));
    rig.advance(200);
    let now = rig.at(200);
    let start = rig.pool.take(&rig.plan, &mut rig.recorder, now).unwrap();
    rig.pool.give_back(start);
    assert_eq!([rig.take(210), rig.take(210)], [Some(0), Some(1)]);
}

#[test]
fn what_was_given_back_is_looked_at_by_a_session_that_waits() {
    let mut rig = Rig::new(plan(ArrivalUnit::Messages, Overload::Queue, 1, 0, 1));
    let seats = [Rc::new(Seat::default()), Rc::new(Seat::default())];
    seats.iter().for_each(|seat| rig.pool.wait_for_message(seat));
    rig.advance(0);
    let Some(Work::Arrival(start)) = seats[0].take() else { panic!("nothing was given") };
    // Its session is gone; the other one need not wait for a new connection, nor for the next arrival.
    rig.pool.give_back(start);
    assert_eq!(given(&seats[1]), Some("open".into()));
    assert_eq!(rig.take(1), Some(0));
    // It had to wait, so that it is late is not the fault of who gives it out.
    assert_eq!(rig.tallies()[0].late, 0);
}

#[test]
fn slots_that_have_nothing_to_do_leave_with_the_last_arrival() {
    let mut rig = Rig::new(bounded(plan(ArrivalUnit::Messages, Overload::Queue, 1, 0, 1)));
    let seats = [Rc::new(Seat::default()), Rc::new(Seat::default())];
    let now = rig.at(0);
    assert!(rig.pool.park(&rig.plan, &mut rig.recorder, now, &seats[0]).is_none());
    rig.advance(900);
    assert_eq!(given(&seats[0]), Some("open".into()));
    assert_eq!(rig.made(), ["open", "open"]);
    // It comes to no connection and waits for another; the session beside it sends everything.
    rig.pool.opened();
    rig.pool.parked.push(Rc::clone(&seats[0]));
    (0..10).for_each(|index| assert_eq!(rig.take(900), Some(index)));
    let now = rig.at(901);
    let left = rig.pool.park(&rig.plan, &mut rig.recorder, now, &seats[1]);
    assert_eq!(left.as_ref().map(shown), Some("leave".into()));
    assert_eq!(given(&seats[0]), Some("leave".into()));
}

#[test]
fn a_pool_with_a_bound_is_exhausted_when_all_is_taken() {
    let mut rig = Rig::new(bounded(plan(ArrivalUnit::Messages, Overload::Queue, 1, 0, 1)));
    rig.advance(2000);
    assert!(!rig.pool.is_exhausted());
    (0..10).for_each(|index| assert_eq!(rig.take(2000), Some(index)));
    assert!(rig.pool.is_exhausted());
    let seat = Rc::new(Seat::default());
    rig.pool.wait_for_message(&seat);
    assert_eq!(given(&seat), Some("leave".into()));
    assert_eq!(rig.pool.next_due(), None);
}

#[test]
fn a_pool_that_the_clock_ends_waits_for_it() {
    let mut rig = Rig::new(plan(ArrivalUnit::Messages, Overload::Queue, 1, 0, 1));
    rig.advance(2000);
    (0..10).for_each(|index| assert_eq!(rig.take(2000), Some(index)));
    let seat = Rc::new(Seat::default());
    rig.pool.wait_for_message(&seat);
    assert_eq!((rig.pool.is_exhausted(), given(&seat)), (false, None));
    rig.pool.close(&rig.plan, &mut rig.recorder);
    assert_eq!(given(&seat), Some("leave".into()));
}

#[test]
fn a_closed_pool_starts_nothing_and_counts_what_is_left() {
    let mut rig = Rig::new(plan(ArrivalUnit::Messages, Overload::Queue, 1, 0, 1));
    rig.advance(450);
    let seat = Rc::new(Seat::default());
    rig.pool.close(&rig.plan, &mut rig.recorder);
    rig.pool.wait_for_message(&seat);
    assert_eq!(given(&seat), Some("leave".into()));
    rig.advance(900);
    assert_eq!(rig.take(900), None);
    let tally = rig.tallies()[0];
    assert_eq!((tally.due, tally.left, tally.messages_not_started), (5, 5, 5));
}

#[test]
fn no_backlog_of_the_warm_up_leaks_into_what_is_judged() {
    let mut rig = Rig::new(plan(ArrivalUnit::Messages, Overload::Queue, 1, 1, 1));
    rig.advance(999);
    assert_eq!(rig.take(999), Some(0));
    assert_eq!(rig.pool.judged_from(), Some(rig.at(1000)));
    let base = rig.at(1000);
    rig.pool.rebase(&rig.plan, &mut rig.recorder, base);
    assert_eq!(rig.pool.next_due(), Some(base));
    rig.advance(1000);
    let now = rig.at(1000);
    let start = rig.pool.take(&rig.plan, &mut rig.recorder, now).unwrap();
    assert_eq!((start.due.index, start.stage, start.warmup), (0, 1, false));
    assert_eq!(start.intended, base);
    let tallies = rig.tallies();
    assert_eq!((tallies[0].due, tallies[0].left), (10, 9));
    assert_eq!((tallies[1].due, tallies[1].left), (1, 0));
}

#[test]
fn workers_share_every_arrival_once() {
    let plan = plan(ArrivalUnit::Messages, Overload::Queue, 10, 0, 2);
    let started = clock::now();
    let mut seen = Vec::new();
    for worker in 0..2 {
        let layout = Arc::new(Layout::new(&plan));
        let mut recorder = Recorder::new(layout, worker, started, Duration::from_secs(3600));
        let mut pool = Pool::new(&plan, 0, worker, started).unwrap();
        let now = started + Duration::from_secs(20);
        pool.advance(&plan, &mut recorder, now);
        while let Some(start) = pool.take(&plan, &mut recorder, now) {
            seen.push(start.due.messages.start);
        }
    }
    seen.sort_unstable();
    assert_eq!(seen, (0..100).collect::<Vec<_>>());
}

#[test]
fn a_late_dispatcher_is_our_own_fault_and_a_busy_pool_is_not() {
    let mut rig = Rig::new(plan(ArrivalUnit::Messages, Overload::Queue, 1, 0, 1));
    (0..2).for_each(|index| rig.advance(index * 100));
    // Nobody is free: they wait for the target, also those that were looked at 50 ms late.
    rig.advance(350);
    (0..4).for_each(|index| assert_eq!(rig.take(350), Some(index)));
    let seat = Rc::new(Seat::default());
    rig.pool.wait_for_message(&seat);
    // Somebody is: that it was looked at late is our own doing.
    rig.advance(450);
    assert_eq!(given(&seat), Some("arrival 4".into()));
    assert_eq!(rig.tallies()[0].late, 1);
}

#[test]
fn arrivals_above_the_cap_are_never_started_and_the_others_keep_their_times() {
    let plan = plan(ArrivalUnit::Messages, Overload::Queue, 2, 0, 1);
    let mut target = plan.targets[0].clone();
    target.max_rate = Some(5.0);
    let capped = Plan::new(plan.scenario.clone(), target, plan.identity.clone(), 1);
    let mut rig = Rig::new(capped);
    rig.advance(2000);
    // Ten a second, of which the first five of each second may start.
    let taken: Vec<u64> = std::iter::from_fn(|| rig.take(2000)).collect();
    assert_eq!(taken, [0, 1, 2, 3, 4, 10, 11, 12, 13, 14]);
    let tally = rig.tallies()[0];
    assert_eq!((tally.due, tally.capped, tally.left), (20, 10, 0));
    assert_eq!((tally.allowed(), tally.messages_not_started), (10, 10));
}

#[test]
fn arrivals_lie_in_the_turns_of_their_target() {
    for side in 0..2 {
        let turns = Turns::new(3, Duration::from_secs(1), side, 2);
        let plan = plan(ArrivalUnit::Messages, Overload::Queue, 4, 2, 1);
        let plan = plan.beside(side, Some(turns.clone()));
        let mut rig = Rig::new(plan);
        let mut due = Vec::new();
        while let Some(next) = rig.pool.next_due() {
            due.push(next - rig.started);
            let now = next;
            rig.pool.advance(&rig.plan, &mut rig.recorder, now);
            if rig.pool.judged_from().is_some_and(|base| now >= base) {
                rig.pool.rebase(&rig.plan, &mut rig.recorder, now);
            }
        }
        due.dedup();
        assert_eq!(due.len(), 60, "20 in the warm-up, 40 behind it: {due:?}");
        for (index, at) in (0..).zip(&due) {
            assert!(turns.span_at(*at).2, "{at:?} is this target's turn");
            assert_eq!(turns.active(*at), MS * 100 * index, "even in its own time");
        }
        let stages = &rig.plan.stages;
        assert_eq!(rig.plan.own_time(stages[1].start, stages[1].end.unwrap()), MS * 4000);
    }
}
