//! Sessions of an open load: messages that are waited for, handed over and given back, sessions that arrive with some,
//! limits from the plan, sessions that are held.

use super::*;
use crate::engine::pool::{Pool, Seat, Work};
use crate::measure::tally::ArrivalTally;
use crate::scenario::load::{
    ArrivalSource, ArrivalUnit, Drive, Hold, Open, Overload, Pacing, RateStage,
};
use crate::schedule::arrivals::{Pattern, RateSpan};
use std::rc::Rc;

const MS: Duration = Duration::from_millis(1);
/// Greeting and EHLO.
const WELCOME: [&str; 2] = ["220 hi", "250 ok"];
/// MAIL, RCPT, DATA and the mail data.
const TAKEN: [&str; 4] = ["250 ok", "250 ok", "354 go", "250 taken"];

/// Ten arrivals a second in a stage of a second, then as many in another.
fn load(unit: ArrivalUnit) -> Load {
    let span = RateSpan::steady(10.0, Some(Duration::from_secs(1)));
    let stages = ["first", "second"].map(|name| RateStage { name: name.into(), span });
    let source = ArrivalSource::Rate { pattern: Pattern::Even, stages: stages.to_vec() };
    let overload = Overload::Queue;
    let open = Open { unit, source, max_sessions: 4, overload, pacing: Pacing::Timer };
    Load { drive: Drive::Open(open), ..Load::closed(1, None, 1) }
}

/// A worker's desk and the sessions at it, with the time in milliseconds from the start of the run.
struct Rig {
    plan: Plan,
    desk: Desk,
    layout: Arc<Layout>,
    start: Instant,
    now: Instant,
    /// What the last session that was driven wrote.
    wrote: Vec<String>,
}

impl Rig {
    fn new(plan: Plan) -> Self {
        let (layout, start) = (Arc::new(Layout::new(&plan)), clock::now());
        let recorder = Recorder::new(Arc::clone(&layout), 0, start, Duration::from_secs(3600));
        let desk = Desk::new(&plan, 0, start, recorder, &NumberSource::of_loads(&plan));
        Self { plan, desk, layout, start, now: start, wrote: Vec::new() }
    }

    fn messages() -> Self {
        Self::new(super::plan(PLAIN, 1, 1).under(vec![load(ArrivalUnit::Messages)]))
    }

    fn pool(&mut self) -> &mut Pool {
        self.desk.loads[0].pool.as_mut().unwrap()
    }

    fn at(&mut self, ms: u32) {
        self.now = self.start + MS * ms;
        self.desk.advance(&self.plan, self.now);
    }

    /// What a slot that is to be made is given.
    fn made(&mut self) -> Work {
        self.pool().take_new().remove(0)
    }

    /// A session that was opened for a message which waits, up to its first message or its wait for one.
    fn opened(&mut self) -> Dialogue {
        assert!(matches!(self.made(), Work::Open));
        let dialogue = Dialogue::new(&self.plan, 0, 0, Box::new([]), self.now).opening();
        self.connect(dialogue)
    }

    /// The session that is due now, after EHLO.
    fn arrived(&mut self, ms: u32) -> Dialogue {
        self.at(ms);
        let Work::Arrival(start) = self.made() else { panic!("no session arrived") };
        let number = start.due.index;
        let dialogue = Dialogue::new(&self.plan, 0, number, Box::new([]), self.now);
        self.connect(dialogue.arriving(start))
    }

    fn connect(&mut self, mut dialogue: Dialogue) -> Dialogue {
        dialogue.start(&self.plan, &mut self.desk, self.now);
        dialogue.connected(&self.plan, &mut self.desk, self.now);
        dialogue
    }

    /// Goes on until there is something else to do than to write and to read these replies.
    fn drive(&mut self, dialogue: &mut Dialogue, replies: &[&str]) -> Action {
        self.wrote.clear();
        let mut replies = replies.iter();
        for _ in 0..ACTIONS_MAX {
            self.desk.out.clear();
            let (plan, desk) = (&self.plan, &mut self.desk);
            match dialogue.next(plan, desk, self.now) {
                Action::Write(part) => {
                    self.wrote.push(shown(desk, part.as_ref()));
                    dialogue.written(plan, desk, self.now);
                }
                Action::Read => match replies.next() {
                    Some(reply) => {
                        let wire = format!("{reply}\r\n");
                        dialogue.handle_input(plan, desk, self.now, wire.as_bytes());
                    }
                    None => return Action::Read,
                },
                action => {
                    assert_eq!(replies.next(), None, "replies are left; {:?}", self.wrote);
                    return action;
                }
            }
        }
        panic!("the dialogue does not end: {:?}", self.wrote);
    }

    /// Hands over what is on a seat.
    fn hand(&mut self, dialogue: &mut Dialogue, seat: &Rc<Seat>) {
        let Some(Work::Arrival(start)) = seat.take() else { panic!("the seat is empty") };
        dialogue.hand(start);
    }

    /// The load ends; what was counted, with the arrivals of each stage.
    fn end(mut self) -> (Summary, Vec<ArrivalTally>) {
        self.desk.drain(&self.plan, 0, self.now);
        let Desk { loads, recorder, .. } = &mut self.desk;
        loads[0].pool.as_mut().unwrap().finish(&self.plan, recorder);
        let mut collector = Collector::new(self.layout, Duration::from_secs(3600), 1);
        collector.add(self.desk.recorder.finish(self.now));
        let took = self.now - self.start;
        let summary = collector.summary(&self.plan, &EndOfRun::finished(took, took));
        assert!(summary.accounting.closes, "{:?}", summary.accounting.faults);
        let arrivals = summary.stages.iter().map(|row| row.arrivals).collect();
        (summary, arrivals)
    }
}

/// Samples of a step in a stage, over all scripts, with the largest of them in milliseconds.
fn samples(
    summary: &Summary,
    stage: &str,
    step: &str,
    clock: Clock,
    outcome: Outcome,
) -> (u64, u64) {
    let row = summary.latency.iter().find(|row| {
        let place = (row.stage.as_str(), row.step.as_str(), row.script.is_none());
        place == (stage, step, true) && (row.clock, row.outcome) == (clock, Some(outcome))
    });
    row.map_or((0, 0), |row| {
        let max = row.figures.us_max.unwrap_or(0);
        // Three digits are kept.
        (row.figures.count, (max + 500) / 1000)
    })
}

const CLOSED: Action = Action::Close { reset: false };

#[test]
fn a_session_sends_what_waits_then_waits_and_is_handed_more() {
    let mut rig = Rig::messages();
    rig.at(0);
    let mut session = rig.opened();
    rig.at(30);
    let all = [&WELCOME[..], &TAKEN].concat();
    assert_eq!(rig.drive(&mut session, &all), Action::Await);
    let seat = Rc::new(Seat::default());
    rig.pool().wait_for_message(&seat);
    rig.at(100);
    rig.hand(&mut session, &seat);
    rig.at(140);
    assert_eq!(rig.drive(&mut session, &TAKEN), Action::Await);
    // The load ends: a session that waits says QUIT.
    rig.desk.drain(&rig.plan, 0, rig.now);
    assert_eq!(rig.drive(&mut session, &["221 bye"]), CLOSED);
    assert_eq!(rig.wrote, ["QUIT"]);
    let (summary, arrivals) = rig.end();
    assert_eq!((arrivals[0].due, arrivals[0].started, arrivals[0].left), (2, 2, 0));
    // The first waited for its connection, which is nobody's fault; the second was begun 40 ms late by us.
    assert_eq!(arrivals[0].late, 1);
    let of = |clock| samples(&summary, "first", "transaction", clock, Outcome::Accepted);
    assert_eq!((of(Clock::Lag), of(Clock::Response)), ((2, 40), (2, 40)));
}

#[test]
fn a_sample_belongs_to_the_stage_of_its_intended_start() {
    let mut rig = Rig::messages();
    rig.at(900);
    let mut session = rig.opened();
    rig.drive(&mut session, &WELCOME);
    // Ten are due; the second stage has begun when the first of them ends.
    rig.at(1050);
    for _ in 0..9 {
        assert_eq!(rig.drive(&mut session, &TAKEN), Action::Read);
    }
    let (plan, desk) = (&rig.plan, &mut rig.desk);
    session.cut(plan, desk, rig.now, true);
    let (summary, arrivals) = rig.end();
    let of = |stage, clock, outcome| samples(&summary, stage, "transaction", clock, outcome).0;
    assert_eq!(of("first", Clock::Response, Outcome::Accepted), 9);
    // Cut at the drain limit it is unfinished, and its wait is a time-out by every clock.
    for clock in Clock::ALL {
        assert_eq!(of("first", clock, Outcome::Timeout), 1, "{clock:?}");
        assert_eq!(of("second", clock, Outcome::Accepted), 0, "{clock:?}");
    }
    assert_eq!((arrivals[0].due, arrivals[0].started), (10, 10));
    assert_eq!((arrivals[1].due, arrivals[1].started, arrivals[1].left), (1, 0, 1));
}

#[test]
fn a_message_whose_mail_was_never_written_is_sent_by_another_session() {
    let script = PLAIN.replace("MAIL", "pause 1s\nMAIL");
    let plan = super::plan(&script, 1, 1).under(vec![load(ArrivalUnit::Messages)]);
    let mut rig = Rig::new(plan);
    rig.at(0);
    let mut session = rig.opened();
    assert_eq!(rig.drive(&mut session, &WELCOME), Action::Sleep(Duration::from_secs(1)));
    session.handle_failure(&rig.plan, &mut rig.desk, rig.now, Failure::Closed, "");
    let Desk { loads, recorder, .. } = &mut rig.desk;
    let pool = loads[0].pool.as_mut().unwrap();
    let again = pool.take(&rig.plan, recorder, rig.now).unwrap();
    assert_eq!(again.due.index, 0);
    // One that was handed over and not begun comes back as well.
    let mut session = Dialogue::new(&rig.plan, 0, 1, Box::new([]), rig.now);
    session = rig.connect(session);
    session.hand(again);
    session.handle_failure(&rig.plan, &mut rig.desk, rig.now, Failure::Reset, "");
    let (summary, arrivals) = rig.end();
    assert_eq!((arrivals[0].due, arrivals[0].started, arrivals[0].left), (1, 0, 1));
    assert_eq!(summary.accounting.messages.not_started, 1);
}

#[test]
fn what_a_session_arrived_with_and_did_not_send_is_not_started() {
    let load = Load { messages_per_session: Some(3..=3), ..load(ArrivalUnit::Sessions) };
    let mut rig = Rig::new(super::plan(PLAIN, 1, 2).under(vec![load]));
    let mut session = rig.arrived(0);
    rig.at(20);
    let taken = ["250 ok", "250 ok", "250 ok", "354 go", "250 taken"];
    let all = [&WELCOME[..], &taken, &["421 enough"]].concat();
    assert_eq!(rig.drive(&mut session, &all), CLOSED);
    let (summary, arrivals) = rig.end();
    assert_eq!((arrivals[0].due, arrivals[0].started), (1, 1));
    assert_eq!((arrivals[0].messages, arrivals[0].messages_not_started), (3, 1));
    assert_eq!(arrivals[0].recipients_not_started, 2);
    assert_eq!(summary.accounting.messages.attempted, 2);
    let of = |step, clock| samples(&summary, "first", step, clock, Outcome::Deferred);
    assert_eq!(of("session", Clock::Response), (1, 20));
    assert_eq!(of("session", Clock::Lag), (1, 0));
}

#[test]
fn a_session_that_never_started_is_left_with_all_it_brought() {
    let load = Load { messages_per_session: Some(3..=3), ..load(ArrivalUnit::Sessions) };
    let mut rig = Rig::new(super::plan(PLAIN, 1, 1).under(vec![load]));
    rig.at(0);
    let Work::Arrival(start) = rig.made() else { panic!("no session arrived") };
    let mut session = Dialogue::new(&rig.plan, 0, 0, Box::new([]), rig.now).arriving(start);
    session.cut(&rig.plan, &mut rig.desk, rig.now, false);
    let (_, arrivals) = rig.end();
    assert_eq!((arrivals[0].due, arrivals[0].started, arrivals[0].left), (1, 0, 1));
    assert_eq!(arrivals[0].messages_not_started, 3);
}

#[test]
fn late_by_the_limit_on_connections_is_nobodys_fault() {
    for (held_up, late) in [(false, 1), (true, 0)] {
        let mut rig = Rig::new(super::plan(PLAIN, 1, 1).under(vec![load(ArrivalUnit::Sessions)]));
        rig.at(0);
        let Work::Arrival(start) = rig.made() else { panic!("no session arrived") };
        let mut session = Dialogue::new(&rig.plan, 0, 0, Box::new([]), rig.now).arriving(start);
        if held_up {
            session.held_up();
        }
        rig.now += MS * 50;
        let mut session = rig.connect(session);
        session.cut(&rig.plan, &mut rig.desk, rig.now, false);
        assert_eq!(rig.end().1[0].late, late);
    }
}

#[test]
fn a_server_that_stops_answering_before_any_mail_is_not_left_out_of_the_figures() {
    let cut = |replies: &[&str]| {
        let mut rig = Rig::new(super::plan(PLAIN, 1, 1).under(vec![load(ArrivalUnit::Sessions)]));
        let mut session = rig.arrived(0);
        let end = rig.drive(&mut session, replies);
        assert_eq!(end, Action::Read);
        rig.at(60);
        session.cut(&rig.plan, &mut rig.desk, rig.now, true);
        let summary = rig.end().0;
        let steps: Vec<String> = summary.failures.iter().map(|row| row.step.clone()).collect();
        let session = samples(&summary, "first", "session", Clock::Response, Outcome::Timeout);
        (steps, session, summary.accounting.messages.not_started)
    };
    assert_eq!(cut(&[]), (vec!["greeting".to_owned()], (1, 60), 1));
    assert_eq!(cut(&WELCOME[..1]), (vec!["ehlo".to_owned()], (1, 60), 1));
    let all = [&WELCOME[..], &TAKEN].concat();
    // It had two seconds to say goodbye, and that is all that it still owed.
    assert_eq!(cut(&all), (vec![], (1, 60), 0));
    // A message under way is a time-out of its own, told once.
    assert_eq!(cut(&all[..3]), (vec!["rcpt".to_owned()], (1, 60), 0));
}

#[test]
fn a_message_past_the_limit_from_its_plan_is_given_up_outside_of_its_data() {
    let late = |(at_mail, mail): (u32, &[&str]), (at_data, data): (u32, &[&str])| {
        let mut rig = Rig::messages();
        rig.plan.scenario.timeouts.plan = Some(MS * 80);
        rig.at(0);
        let mut session = rig.opened();
        rig.drive(&mut session, &WELCOME);
        rig.at(at_mail);
        rig.drive(&mut session, mail);
        rig.at(at_data);
        let wrote = rig.wrote.clone();
        assert_eq!(rig.drive(&mut session, data), Action::Await);
        let wrote = [wrote, rig.wrote.clone()].concat();
        session.cut(&rig.plan, &mut rig.desk, rig.now, false);
        (wrote, rig.end().0)
    };
    let of = |summary: &Summary, clock, outcome| {
        samples(summary, "first", "transaction", clock, outcome)
    };
    let (wrote, summary) = late((81, &["250 ok"]), (81, &["250 reset"]));
    assert_eq!(wrote, ["RSET"]);
    assert_eq!(summary.accounting.messages.fates.of(Fate::Failed), 1);
    assert_eq!(of(&summary, Clock::Response, Outcome::Timeout), (1, 81));
    let failed: Vec<_> = summary.failures.iter().map(|row| (row.failure, row.count)).collect();
    assert_eq!(failed, [(Failure::PlanLimit, 1)]);
    // Mail data that may be sent already goes out, however late it is.
    let (wrote, summary) = late((79, &TAKEN[..3]), (95, &["250 taken"]));
    assert_eq!(wrote[2], "<data .>");
    assert_eq!(of(&summary, Clock::Response, Outcome::Accepted), (1, 95));
}

#[test]
fn a_held_session_stays_until_its_load_ends() {
    for (hold, replies) in [(Hold::Ehlo, 2), (Hold::Mail, 3), (Hold::Rcpt, 4)] {
        let load = Load { hold: Some(hold), ..load(ArrivalUnit::Sessions) };
        let mut rig = Rig::new(super::plan(PLAIN, 1, 1).under(vec![load]));
        let mut session = rig.arrived(0);
        let all = [&WELCOME[..], &TAKEN].concat();
        assert_eq!(rig.drive(&mut session, &all[..replies]), Action::Hold, "{hold:?}");
        rig.at(50);
        assert_eq!(rig.drive(&mut session, &[]), Action::Hold, "{hold:?}");
        rig.desk.drain(&rig.plan, 0, rig.now);
        assert_eq!(rig.drive(&mut session, &["221 bye"]), CLOSED, "{hold:?}");
        assert_eq!(rig.wrote, ["QUIT"]);
        let (summary, arrivals) = rig.end();
        let Counted { abandoned, not_started } = Counted::of(&summary);
        assert_eq!(abandoned + not_started, 1, "{hold:?}");
        assert_eq!(abandoned, u64::from(replies > 2), "{hold:?}");
        assert_eq!((arrivals[0].due, arrivals[0].started), (1, 1));
    }
}

struct Counted {
    abandoned: u64,
    not_started: u64,
}

impl Counted {
    fn of(summary: &Summary) -> Self {
        let messages = &summary.accounting.messages;
        let abandoned = messages.fates.of(Fate::Abandoned);
        Self { abandoned, not_started: messages.not_started }
    }
}
