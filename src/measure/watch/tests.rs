//! Intervals as workers send them, and when a rule is met.

use std::sync::Arc;

use super::*;
use crate::clock::{self, Instant};
use crate::measure::collector::Collector;
use crate::measure::outcome::{Clock, Fate, Outcome};
use crate::measure::recorder::Recorder;
use crate::measure::summary::Summary;
use crate::measure::tally::{RecipientFates, ReplyKind};
use crate::measure::testing::{STEADY, place, plan, recorders};
use crate::measure::validity::EndOfRun;
use crate::plan::Address;
use crate::scenario::fault::Faults;
use crate::scenario::step::{StepId, StepNames};
use crate::scenario::threshold::{
    DEFAULT_STOP_RULES, RuleNames, Sustained, parse_stop_rule, parse_threshold,
};
use crate::smtp::reply::ReplyCode;

const SECOND: Duration = Duration::from_secs(1);

/// A run of nine judged seconds behind a warm-up of one, with two workers.
struct Bench {
    plan: Plan,
    collector: Collector,
    recorders: Vec<Recorder>,
    started: Instant,
}

impl Bench {
    fn new(stop_on: &[&str], thresholds: Vec<Threshold>) -> Self {
        Self::of(plan(&["submit", "odd"], thresholds), stop_on)
    }

    fn of(mut plan: Plan, stop_on: &[&str]) -> Self {
        let rule = |text: &&str| parse_stop_rule(text, None, &mut Faults::default()).unwrap();
        plan.scenario.stop_on = Some(stop_on.iter().map(rule).collect());
        let (layout, started) = (Arc::new(Layout::new(&plan)), clock::now());
        let recorders = recorders(&layout, started, 2);
        let watch = Watch::new(&plan, &layout);
        let collector = Collector::new(layout, SECOND, 2).watched_by(watch);
        Self { plan, collector, recorders, started }
    }

    /// What both workers do in one second, from 0.
    fn second(&mut self, second: u32, act: impl Fn(&mut Recorder)) {
        for worker in 0..2 {
            act(&mut self.recorders[worker]);
            self.take(worker, second + 1);
        }
    }

    /// A worker's interval ends.
    fn take(&mut self, worker: usize, second: u32) {
        let snapshot = self.recorders[worker].take(self.started + SECOND * second);
        self.collector.add(snapshot);
    }

    /// The second in which a window was over that stopped the run.
    fn stopped(&self) -> Option<u64> {
        self.collector.stopped().map(|stopped| stopped.at.as_secs())
    }

    fn summary(&mut self) -> Summary {
        for worker in 0..2 {
            let last = self.recorders[worker].finish(self.started + SECOND * 10);
            self.collector.add(last);
        }
        let end = EndOfRun::finished(10 * SECOND, 10 * SECOND);
        self.collector.summary(&self.plan, &end)
    }
}

fn sustained(rule: &str, over: u64, abort: bool) -> Threshold {
    let steps = StepNames::default();
    let names = RuleNames { steps: &steps, stages: None, scripts: None, targets: None };
    let threshold = parse_threshold(rule, None, &names, &mut Faults::default()).unwrap();
    let sustained = Some(Sustained { over: Duration::from_secs(over), abort });
    Threshold { sustained, ..threshold }
}

fn replies(recorder: &mut Recorder, stage: u8, code: u16, count: u32) {
    let code = ReplyCode::new(code).unwrap();
    let kind = ReplyKind { code, enhanced: None, outcome: Outcome::Accepted };
    let place = place(stage, 0, StepId::MAIL);
    (0..count).for_each(|_| recorder.count_reply(place, kind, || b"text".to_vec()));
}

fn messages(recorder: &mut Recorder, stage: u8, fate: Fate, count: u32) {
    for _ in 0..count {
        recorder.message_started(stage, 0, 1);
        let mut recipients = RecipientFates::default();
        recipients.count(fate, 1);
        recorder.message_ended(stage, 0, fate, &recipients, Some(stage), 1);
    }
}

fn eod(recorder: &mut Recorder, stage: u8, took: Duration) {
    let eod = place(stage, 0, StepId::EOD);
    recorder.sample(eod, Clock::Service, Outcome::Accepted, took);
}

#[test]
fn a_share_of_replies_over_the_window_stops_the_run() {
    let mut bench = Bench::new(&["421 > 5% over 3s", "4xx > 90% over 1s"], Vec::new());
    // The warm-up counts, too: the target does not know that it is one.
    for second in 0..3 {
        bench.second(second, |recorder| {
            replies(recorder, u8::from(second > 0), 250, 95);
            replies(recorder, u8::from(second > 0), 421, 5);
        });
        assert_eq!(bench.stopped(), None, "five of a hundred is not above 5 %");
    }
    bench.second(3, |recorder| {
        replies(recorder, STEADY, 250, 94);
        replies(recorder, STEADY, 421, 6);
    });
    let want = Stopped {
        rule: "421 > 5% over 3s".to_owned(),
        safety: true,
        at: 4 * SECOND,
        over: 3 * SECOND,
        value: 32.0 / 600.0,
        unit: Unit::Share,
    };
    assert_eq!(bench.collector.stopped(), Some(&want));
    assert_eq!(
        want.to_string(),
        "the safety stop `421 > 5% over 3s` ended the run after 4s: 5.3 % in 3s"
    );
    assert_eq!(bench.summary().stopped, Some(want));
}

#[test]
fn a_few_replies_are_no_distress() {
    let few = u32::try_from(WINDOW_SAMPLES_MIN / 2).unwrap();
    for (count, want) in [(few - 1, None), (few, Some(1))] {
        let mut bench = Bench::new(&["5xx > 50% over 1s"], Vec::new());
        for second in 0..3 {
            bench.second(second, |recorder| replies(recorder, STEADY, 550, count));
        }
        assert_eq!(bench.stopped(), want);
    }
}

#[test]
fn messages_are_shares_of_those_that_ended() {
    let run = |rule: &str| {
        let mut bench = Bench::new(&[rule], Vec::new());
        for second in 0..3 {
            bench.second(second, |recorder| {
                messages(recorder, STEADY, Fate::Accepted, 40);
                messages(recorder, STEADY, Fate::InDoubt, 10);
                recorder.message_started(STEADY, 0, 1);
                let lost = place(STEADY, 0, StepId::TRANSACTION);
                (0..5).for_each(|_| {
                    recorder.sample(lost, Clock::Service, Outcome::Lost, SECOND);
                });
            });
        }
        bench.collector.stopped().map(|stopped| stopped.value)
    };
    assert_eq!(run("in_doubt > 19.9% over 2s"), Some(0.2));
    assert_eq!(run("in_doubt > 20% over 2s"), None);
    assert_eq!(run("lost > 9% over 2s"), Some(0.1));
    assert_eq!(run("failed > 0% over 2s"), None);
}

#[test]
fn a_worker_that_says_nothing_is_waited_for_and_not_for_ever() {
    let mut bench = Bench::new(&["421 > 5% over 2s"], Vec::new());
    // The newest interval of the other is by so many ahead of the window.
    let waited = u32::try_from(BEHIND_MAX).unwrap() + 2;
    for second in 0..=waited {
        assert_eq!(bench.stopped(), None, "{second}");
        replies(&mut bench.recorders[0], STEADY, 421, 50);
        bench.take(0, second + 1);
    }
    assert_eq!(bench.stopped(), Some(2));
}

#[test]
fn a_threshold_that_lasts_too_long_is_missed_and_may_abort() {
    let run = |over: u64, abort: bool| {
        let mut bench = Bench::new(&[], vec![sustained("eod.p99 > 2s", over, abort)]);
        for second in 0..9 {
            // Two slow seconds in the warm-up and at the start of the judged stage, two more later on.
            let slow = [0, 1, 5, 6].contains(&second);
            let took = if slow { 3 * SECOND } else { SECOND / 1000 };
            bench.second(second, |recorder| eod(recorder, u8::from(second > 0), took));
        }
        let stopped = bench.stopped();
        (stopped, bench.summary().thresholds.remove(0))
    };
    let (stopped, row) = run(2, false);
    assert_eq!((stopped, row.passed, row.unit), (None, false, Unit::Microseconds));
    assert!(row.value.is_some_and(|us| us > 2.9e6 && us < 3.1e6), "{row:?}");
    // The first window is that of seconds 1 and 2: the warm-up is not judged.
    let (stopped, row) = run(2, true);
    assert_eq!((stopped, row.passed), (Some(3), false));
    // The whole is longer than the run.
    let (stopped, row) = run(10, true);
    assert_eq!((stopped, row.passed, row.value), (None, false, None));
    assert_eq!(row.reason, Some("no whole window"));
}

#[test]
fn a_threshold_that_never_lasted_is_kept() {
    let rules = vec![
        sustained("eod.min > 2s", 3, true),
        sustained("messages_per_s < 1", 2, true),
        sustained("rejected > 10%", 2, true),
        sustained("eod.p99{script=\"odd\"} > 2s", 2, true),
        sustained("eod.p99{target=\"other\"} > 2s", 2, true),
    ];
    let mut bench = Bench::new(&[], rules);
    for second in 0..9 {
        let took = if second % 3 == 0 { SECOND / 1000 } else { 3 * SECOND };
        bench.second(second, |recorder| {
            messages(recorder, u8::from(second > 0), Fate::Accepted, 2);
            eod(recorder, u8::from(second > 0), took);
        });
    }
    assert_eq!(bench.stopped(), None);
    let rows = bench.summary().thresholds;
    let shown: Vec<_> = rows.iter().map(|row| (row.passed, row.value, row.reason)).collect();
    assert_eq!(
        shown,
        [
            (true, Some(1000.0), None),
            // The slowest window.
            (true, Some(4.0), None),
            (true, Some(0.0), None),
            (false, None, Some("no samples")),
        ]
    );
}

#[test]
fn a_stalled_server_is_found_by_what_it_does_not_take() {
    let mut bench = Bench::new(&[], vec![sustained("messages_per_s < 1", 3, true)]);
    for second in 0..9 {
        let count = u32::from(second < 3) * 5;
        bench.second(second, |recorder| {
            messages(recorder, u8::from(second > 0), Fate::Accepted, count);
        });
    }
    assert_eq!(bench.stopped(), Some(6));
    let told = bench.collector.stopped().unwrap().to_string();
    assert!(told.contains("`messages_per_s < 1` ended the run after 6s: 0.0 a second"), "{told}");
}

#[test]
fn a_target_is_not_slow_while_it_is_anothers_turn() {
    let turns = Turns::new(1, SECOND, 0, 2);
    let mut plan = plan(&["submit", "odd"], vec![sustained("messages_per_s < 90", 2, true)]);
    plan.turns = Some(turns.clone());
    let mut bench = Bench::of(plan, &[]);
    for second in 0..10 {
        let own = turns.span_at(SECOND * second).2;
        bench.second(second, |recorder| {
            messages(recorder, STEADY, Fate::Accepted, if own && second > 0 { 50 } else { 0 });
        });
    }
    assert_eq!(bench.stopped(), None);
    let row = bench.summary().thresholds.remove(0);
    assert!(row.passed && row.value == Some(100.0), "{row:?}");
}

#[test]
fn every_rule_is_judged_up_to_where_the_first_ends_the_run() {
    let rules = vec![sustained("rejected > 50%", 2, true), sustained("eod.max > 2s", 3, false)];
    let mut bench = Bench::new(&["rejected > 50% over 3s"], rules);
    for second in 0..3 {
        bench.second(second, |recorder| messages(recorder, STEADY, Fate::Rejected, 10));
    }
    // At once; the safety stop is what is told.
    let stopped = bench.collector.stopped().unwrap();
    assert_eq!((stopped.rule.as_str(), stopped.at), ("rejected > 50% over 3s", 3 * SECOND));
    for second in 3..9 {
        bench.second(second, |recorder| eod(recorder, STEADY, 3 * SECOND));
    }
    let rows = bench.summary().thresholds;
    assert_eq!((rows[0].passed, rows[0].value), (false, Some(1.0)));
    assert_eq!(rows[1].reason, Some("no whole window"), "what comes behind it is not judged");
}

#[test]
fn a_load_that_the_user_ended_says_nothing_of_the_server() {
    let mut bench = Bench::new(&[], vec![sustained("messages_per_s < 1", 2, true)]);
    for second in 0..9 {
        let count = u32::from(second < 5);
        if second == 5 {
            bench.collector.load_ended();
        }
        bench.second(second, |recorder| {
            messages(recorder, u8::from(second > 0), Fate::Accepted, count);
        });
    }
    assert_eq!(bench.stopped(), None);
}

#[test]
fn a_window_does_not_reach_beyond_its_stage() {
    // After its end nothing is accepted any more, which says nothing of the server.
    let mut bench = Bench::new(&[], vec![sustained("messages_per_s < 1", 2, true)]);
    for second in 0..20 {
        let count = u32::from(second < 10);
        bench.second(second, |recorder| {
            messages(recorder, u8::from(second > 0), Fate::Accepted, count);
        });
    }
    assert_eq!(bench.stopped(), None);
}

#[test]
fn distress_stops_a_run_whose_mail_leaves_the_machine() {
    let mut plan = plan(&["submit"], Vec::new());
    let rules = |plan: &Plan| -> Vec<String> {
        plan.stop_rules().into_iter().map(|rule| rule.text).collect()
    };
    assert!(rules(&plan).is_empty());
    plan.targets[0].addresses.push(Address::Tcp(([192, 0, 2, 1], 25).into()).into());
    assert_eq!(rules(&plan), DEFAULT_STOP_RULES);
    // The window of the shortest rule, ten seconds, slides by one.
    assert_eq!(plan.watch_interval(), Duration::from_secs(1));
    plan.scenario.stop_on = Some(Vec::new());
    assert!(rules(&plan).is_empty());
    assert!(plan.watch_interval() > Duration::from_secs(1_000_000));
    let minute = parse_stop_rule("421 > 5% over 1m", None, &mut Faults::default());
    plan.scenario.stop_on = minute.map(|rule| vec![rule]);
    assert_eq!(rules(&plan), ["421 > 5% over 1m"]);
    assert_eq!(plan.watch_interval(), Duration::from_secs(6));
}

#[test]
fn the_spans_of_stages() {
    let stage = |start, end: Option<u64>| Stage {
        name: "s".to_owned(),
        start: Duration::from_millis(start),
        end: end.map(Duration::from_millis),
        load: 0,
        judged: true,
        ramp: false,
    };
    let stages = [stage(0, Some(1500)), stage(1500, Some(9700)), stage(9700, None)];
    assert_eq!(span(&[0], &stages, SECOND), (0, 1));
    assert_eq!(span(&[1], &stages, SECOND), (2, 9));
    assert_eq!(span(&[0, 1], &stages, SECOND), (0, 9));
    assert_eq!(span(&[1, 2], &stages, SECOND), (2, u64::MAX));
    assert_eq!(intervals(Duration::from_millis(2500), SECOND), 3);
}
