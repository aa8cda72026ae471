//! What was recorded, and how thresholds on it come out.

use std::sync::Arc;

use super::*;
use crate::clock;
use crate::measure::layout::Layout;
use crate::measure::outcome::{Clock, Fate, Outcome};
use crate::measure::recorder::Recorder;
use crate::measure::tally::{RecipientFates, ReplyKind};
use crate::measure::testing::{STEADY, place, plan, recorders};
use crate::scenario::fault::Faults;
use crate::scenario::script::{Data, Expect, Op};
use crate::scenario::step::{StepId, StepNames};
use crate::scenario::threshold::{RuleNames, parse_threshold};
use crate::smtp::reply::ReplyCode;

const SECOND: Duration = Duration::from_secs(1);

fn rule(text: &str) -> Threshold {
    let steps = StepNames::default();
    let names = RuleNames { steps: &steps, stages: None, scripts: None, targets: None };
    let mut faults = Faults::default();
    parse_threshold(text, None, &names, &mut faults).unwrap_or_else(|| panic!("{faults:?}"))
}

/// Two scripts, of which the second expects its messages to be refused.
fn plan_with(rules: &[&str]) -> Plan {
    let mut plan = plan(&["submit", "odd"], rules.iter().map(|text| rule(text)).collect());
    let refused = Data {
        message: None,
        expect_data: Expect::codes(&[354, 550]),
        expect_eod: Expect::codes(&[550]),
        cut: None,
    };
    plan.scenario.scripts[1].ops.push(Op::Data(refused));
    plan
}

/// Judges these rules on what `fill` records; each as its verdict, its value and what is said besides.
#[track_caller]
fn check(rules: &[&str], fill: impl FnOnce(&mut Recorder), want: &[&str]) {
    let rows = judged(&plan_with(rules), fill);
    let shown = rows.iter().map(|row| {
        let verdict = if row.passed { "pass" } else { "fail" };
        let value = row.value.map_or("-".to_owned(), |value| value.to_string());
        let estimate =
            row.estimate_of.map(|(quantile, samples)| format!("{quantile} of {samples}"));
        let said = row.reason.map(str::to_owned).or(estimate).unwrap_or_default();
        format!("{verdict} {} {value} {} {said}", row.threshold, row.unit).trim_end().to_owned()
    });
    assert_eq!(shown.collect::<Vec<_>>(), want);
}

fn judged(plan: &Plan, fill: impl FnOnce(&mut Recorder)) -> Vec<ThresholdRow> {
    let (layout, started) = (Arc::new(Layout::new(plan)), clock::now());
    let mut recorder = recorders(&layout, started, 1).remove(0);
    let mut collector = Collector::new(layout, SECOND, 1);
    fill(&mut recorder);
    collector.add(recorder.finish(started + 10 * SECOND));
    judge(&Evidence {
        collector: &collector,
        plan,
        stages: &plan.stages,
        judged: &[STEADY],
        window_end: 10 * SECOND,
    })
}

fn message(recorder: &mut Recorder, stage: u8, script: u16, fate: Fate) {
    recorder.message_started(stage, script, 1);
    let mut recipients = RecipientFates::default();
    recipients.count(fate, 1);
    recorder.message_ended(stage, script, fate, &recipients, Some(stage), 100);
}

fn reply(recorder: &mut Recorder, script: u16, step: StepId, code: u16, outcome: Outcome) {
    let kind = ReplyKind { code: ReplyCode::new(code).unwrap(), enhanced: None, outcome };
    recorder.count_reply(place(STEADY, script, step), kind, || b"text".to_vec());
}

fn sample(recorder: &mut Recorder, step: StepId, clock: Clock, outcome: Outcome, us: u64) {
    recorder.sample(place(STEADY, 0, step), clock, outcome, Duration::from_micros(us));
}

#[test]
fn shares_are_of_the_attempted() {
    check(
        &["accepted > 99%", "accepted >= 99%", "in_doubt < 0.1%", "failed <= 0%"],
        |recorder| {
            (0..198).for_each(|_| message(recorder, STEADY, 0, Fate::Accepted));
            (0..2).for_each(|_| message(recorder, STEADY, 1, Fate::InDoubt));
            (0..50).for_each(|_| message(recorder, 0, 0, Fate::Failed));
        },
        &[
            "fail accepted > 99% 0.99 share",
            "pass accepted >= 99% 0.99 share",
            "fail in_doubt < 0.1% 0.01 share",
            "pass failed <= 0% 0 share",
        ],
    );
}

#[test]
fn without_samples_every_rule_is_missed() {
    check(
        &[
            "accepted > 0%",
            "eod.p99 < 1s",
            "eod.p99 > 0s",
            "eod.rejected.p99 < 1s",
            "transaction.response.p99 < 1s",
            "lag.p99 < 1s",
            "replies.5xx < 1%",
            "replies.any.5xx < 1%",
            "achieved_rate > 1%",
            "messages_per_s > 1",
            "messages_per_s >= 0",
        ],
        |_| {},
        &[
            "fail accepted > 0% - share no samples",
            "fail eod.p99 < 1s - us no samples",
            "fail eod.p99 > 0s - us no samples",
            "fail eod.rejected.p99 < 1s - us no samples",
            "fail transaction.response.p99 < 1s - us no samples",
            "fail lag.p99 < 1s - us no samples",
            "fail replies.5xx < 1% - share no samples",
            "fail replies.any.5xx < 1% - share no samples",
            "fail achieved_rate > 1% - share no samples",
            "fail messages_per_s > 1 0 per_s",
            "pass messages_per_s >= 0 0 per_s",
        ],
    );
}

#[test]
fn a_step_is_read_over_accepted_and_timed_out_samples_unless_said() {
    check(
        &["eod.max < 20us", "eod.mean < 20us", "eod.rejected.max < 20us", "eod.timeout.min > 1ms"],
        |recorder| {
            let eod = StepId::EOD;
            sample(recorder, eod, Clock::Service, Outcome::Accepted, 10);
            sample(recorder, eod, Clock::Service, Outcome::Timeout, 30);
            sample(recorder, eod, Clock::Service, Outcome::Rejected, 2);
            sample(recorder, eod, Clock::Response, Outcome::Accepted, 900);
        },
        &[
            "fail eod.max < 20us 30 us",
            "fail eod.mean < 20us 20 us",
            "pass eod.rejected.max < 20us 2 us",
            "fail eod.timeout.min > 1ms 30 us",
        ],
    );
}

#[test]
fn clocks_are_told_apart_and_lag_falls_back_on_sessions() {
    let rules = [
        "transaction.max < 1s",
        "transaction.response.max < 1s",
        "transaction.service.max < 1s",
        "session.lag.max < 1s",
        "lag.max < 1s",
    ];
    let of_sessions = |recorder: &mut Recorder| {
        sample(recorder, StepId::TRANSACTION, Clock::Service, Outcome::Accepted, 10);
        sample(recorder, StepId::TRANSACTION, Clock::Response, Outcome::Accepted, 500);
        sample(recorder, StepId::SESSION, Clock::Lag, Outcome::Rejected, 40);
    };
    let want = [
        "pass transaction.max < 1s 500 us",
        "pass transaction.response.max < 1s 500 us",
        "pass transaction.service.max < 1s 10 us",
        "pass session.lag.max < 1s 40 us",
        "pass lag.max < 1s 40 us",
    ];
    check(&rules, of_sessions, &want);
    let of_both = |recorder: &mut Recorder| {
        of_sessions(recorder);
        sample(recorder, StepId::TRANSACTION, Clock::Lag, Outcome::Accepted, 7);
    };
    check(&["lag.max < 1s"], of_both, &["pass lag.max < 1s 7 us"]);
}

#[test]
fn where_there_is_a_schedule_transactions_and_sessions_are_response_times() {
    let both = |recorder: &mut Recorder, stage, step, us| {
        let outcomes = [Outcome::Accepted, Outcome::Rejected];
        for (outcome, clock) in outcomes.iter().flat_map(|one| Clock::ALL.map(|two| (*one, two))) {
            let us = us + u64::from(outcome == Outcome::Rejected);
            let us = if clock == Clock::Response { us * 10 } else { us };
            recorder.sample(place(stage, 0, step), clock, outcome, Duration::from_micros(us));
        }
    };
    check(
        &[
            "transaction.max < 1s",
            "transaction.rejected.max < 1s",
            "transaction.service.max < 1s",
            "transaction.max{stage=\"warmup\"} < 1s",
            "session.max < 1s",
            "eod.max < 1s",
        ],
        |recorder| {
            both(recorder, STEADY, StepId::TRANSACTION, 20);
            both(recorder, STEADY, StepId::EOD, 20);
            let closed = place(0, 0, StepId::TRANSACTION);
            recorder.sample(closed, Clock::Service, Outcome::Accepted, Duration::from_micros(7));
            sample(recorder, StepId::SESSION, Clock::Service, Outcome::Accepted, 9);
        },
        &[
            "pass transaction.max < 1s 200 us",
            "pass transaction.rejected.max < 1s 210 us",
            "pass transaction.service.max < 1s 20 us",
            "pass transaction.max{stage=\"warmup\"} < 1s 7 us",
            "pass session.max < 1s 9 us",
            "pass eod.max < 1s 20 us",
        ],
    );
}

#[test]
fn refusals_that_the_script_asks_for_are_left_out() {
    let (submit, odd) = (0, 1);
    let fill = |recorder: &mut Recorder| {
        (0..6).for_each(|_| reply(recorder, submit, StepId::MAIL, 250, Outcome::Accepted));
        reply(recorder, submit, StepId::RCPT, 550, Outcome::Rejected);
        reply(recorder, submit, StepId::EOD, 550, Outcome::Rejected);
        reply(recorder, submit, StepId::RCPT, 450, Outcome::Deferred);
        reply(recorder, submit, StepId::QUIT, 354, Outcome::Unexpected);
        // `=> 550` on a command, and on DATA for its end of data, which never counts as accepted.
        (0..5).for_each(|_| reply(recorder, odd, StepId::RCPT, 550, Outcome::Accepted));
        (0..4).for_each(|_| reply(recorder, odd, StepId::EOD, 550, Outcome::Rejected));
        reply(recorder, odd, StepId::EOD, 552, Outcome::Rejected);
    };
    check(
        &[
            "replies.5xx < 1%",
            "replies.550 < 1%",
            "replies.450 < 1%",
            "replies.250 > 1%",
            "replies.any.5xx < 1%",
            "replies.any.552 < 1%",
            "replies.5xx{script=\"submit\"} < 1%",
            "replies.5xx{script=\"odd\"} < 1%",
        ],
        fill,
        &[
            // Six accepted, three refused by submit, one odd, and 552.
            &format!("fail replies.5xx < 1% {} share", 3.0 / 11.0),
            &format!("fail replies.550 < 1% {} share", 2.0 / 11.0),
            &format!("fail replies.450 < 1% {} share", 1.0 / 11.0),
            &format!("pass replies.250 > 1% {} share", 6.0 / 11.0),
            "fail replies.any.5xx < 1% 0.6 share",
            "fail replies.any.552 < 1% 0.05 share",
            "fail replies.5xx{script=\"submit\"} < 1% 0.2 share",
            "fail replies.5xx{script=\"odd\"} < 1% 1 share",
        ],
    );
}

#[test]
fn labels_narrow_to_stage_script_and_target() {
    let fill = |recorder: &mut Recorder| {
        (0..3).for_each(|_| message(recorder, STEADY, 0, Fate::Accepted));
        message(recorder, STEADY, 1, Fate::Rejected);
        (0..4).for_each(|_| message(recorder, 0, 0, Fate::Accepted));
    };
    check(
        &[
            "accepted > 50%",
            "accepted{script=\"odd\"} > 50%",
            "accepted{stage=\"warmup\"} > 99%",
            "accepted{stage=\"warmup\", script=\"odd\"} > 99%",
            "accepted{target=\"target\", script=\"submit\"} > 99%",
            "accepted{target=\"elsewhere\"} > 99%",
            "messages_per_s{stage=\"warmup\"} > 1",
            "messages_per_s < 1",
            "messages_per_h > 1k",
        ],
        fill,
        &[
            "pass accepted > 50% 0.75 share",
            "fail accepted{script=\"odd\"} > 50% 0 share",
            "pass accepted{stage=\"warmup\"} > 99% 1 share",
            "fail accepted{stage=\"warmup\", script=\"odd\"} > 99% - share no samples",
            "pass accepted{target=\"target\", script=\"submit\"} > 99% 1 share",
            // One second of warm-up, nine of the judged stage.
            "pass messages_per_s{stage=\"warmup\"} > 1 4 per_s",
            &format!("pass messages_per_s < 1 {} per_s", 3.0 / 9.0),
            "pass messages_per_h > 1k 1200 per_h",
        ],
    );
}

#[test]
fn few_samples_are_judged_on_the_estimate() {
    let times = |samples: u64| {
        move |recorder: &mut Recorder| {
            for us in 1..=samples {
                sample(recorder, StepId::EOD, Clock::Service, Outcome::Accepted, us);
            }
        }
    };
    check(&["eod.p99 < 100us"], times(3), &["pass eod.p99 < 100us 3 us p99 of 3"]);
    check(&["eod.p50 < 1ms"], times(600), &["pass eod.p50 < 1ms 300 us"]);
}

#[test]
fn a_value_over_the_histogram_is_over_every_limit() {
    let long = |recorder: &mut Recorder| {
        sample(recorder, StepId::EOD, Clock::Service, Outcome::Accepted, 901_000_000);
    };
    check(
        &["eod.max < 300d", "eod.max > 1s"],
        long,
        &["fail eod.max < 300d - us over 15 min", "pass eod.max > 1s - us over 15 min"],
    );
}

#[test]
fn the_achieved_rate_is_over_what_was_offered() {
    let plan = plan_with(&["achieved_rate > 99%", "achieved_rate{stage=\"warmup\"} > 99%"]);
    let rows = judged(&plan, |recorder| {
        for (stage, started) in [(0, 200), (STEADY, 197)] {
            (0..200).for_each(|_| recorder.arrival_due(stage, 1));
            (0..started).for_each(|_| recorder.arrival_started(stage));
        }
    });
    assert_eq!((rows[0].value, rows[0].passed), (Some(0.985), false));
    assert_eq!((rows[1].value, rows[1].passed), (Some(1.0), true));
}

#[test]
fn time_that_stages_share_counts_once() {
    let stage = |start, end: Option<u64>| Stage {
        name: "s".to_owned(),
        start: start * SECOND,
        end: end.map(Duration::from_secs),
        load: 0,
        judged: true,
        ramp: false,
    };
    let stages = [
        stage(0, Some(4)),
        stage(2, Some(6)),
        stage(8, Some(10)),
        stage(3, Some(5)),
        stage(9, None),
        stage(30, Some(40)),
    ];
    let plan = plan(&["submit"], Vec::new());
    let check = |indices: &[u8], want| {
        assert_eq!(covered(&plan, indices, &stages, 20 * SECOND), want);
    };
    check(&[], Duration::ZERO);
    check(&[0], 4 * SECOND);
    check(&[1, 0], 6 * SECOND);
    check(&[0, 1, 2, 3], 8 * SECOND);
    check(&[4, 2], 12 * SECOND);
    check(&[5], Duration::ZERO);
}
