//! Recorders, collector and summary together.

use std::sync::Arc;

use proptest::prelude::*;
use proptest::sample::Index;

use super::collector::{Collector, Progress};
use super::layout::{Layout, Place};
use super::note::{Note, Remark};
use super::outcome::{Clock, Failure, Fate, Outcome};
use super::recorder::Snapshot;
use super::summary::{MailUnit, Summary};
use super::tally::{RecipientFates, ReplyKind};
use super::testing::{STEADY, place, plan, recorders};
use super::validity::{BoundEnd, EndOfRun, RunState, Verdict};
use crate::clock::{self, Duration, Instant};
use crate::plan::LoadPlan;
use crate::scenario::step::StepId;
use crate::smtp::reply::{EnhancedCode, ReplyCode};

const SECOND: Duration = Duration::from_secs(1);

/// One thing that happens in the run of a property test.
#[derive(Clone, Debug)]
struct Event {
    at_ms: u64,
    worker: usize,
    script: u16,
    step: u16,
    outcome: usize,
    fate: usize,
    value_us: u64,
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let value = prop_oneof![0..5_000_u64, 899_000_000..901_000_000_u64];
    let event = (0..9_999_u64, 0..3_usize, 0..2_u16, 4..12_u16, 0..6_usize, 0..8_usize, value)
        .prop_map(|(at_ms, worker, script, step, outcome, fate, value_us)| Event {
            at_ms,
            worker,
            script,
            step,
            outcome,
            fate,
            value_us,
        });
    prop::collection::vec(event, 0..80).prop_map(|mut events| {
        events.sort_by_key(|event| event.at_ms);
        events
    })
}

/// Records the events, each with the worker that `worker` names.
fn record(
    layout: &Arc<Layout>,
    started: Instant,
    events: &[Event],
    worker: impl Fn(&Event) -> usize,
) -> Vec<Snapshot> {
    let mut recorders = recorders(layout, started, 3);
    let mut snapshots = Vec::new();
    for event in events {
        let now = started + Duration::from_millis(event.at_ms);
        let recorder = &mut recorders[worker(event)];
        if recorder.due(now) {
            snapshots.push(recorder.take(now));
        }
        let stage = u8::from(event.at_ms >= 1000);
        let (place, outcome) =
            (place(stage, event.script, StepId(event.step)), Outcome::ALL[event.outcome]);
        recorder.session_opened(stage);
        recorder.sample(place, Clock::Service, outcome, Duration::from_micros(event.value_us));
        let connect = Place { step: StepId::CONNECT, ..place };
        let took = Duration::from_micros(event.value_us);
        match event.outcome {
            4 => recorder.address_failed(connect, event.script, Failure::TimedOut, took),
            _ => recorder.address_connected(connect, event.script, took),
        }
        recorder.address_message(stage, event.script, Fate::ALL[event.fate]);
        let kind = ReplyKind {
            code: ReplyCode::new([250, 451, 550][event.outcome % 3]).unwrap(),
            enhanced: EnhancedCode::parse(b"2.1.5 x").filter(|_| event.fate % 2 == 0),
            outcome,
        };
        recorder.count_reply(place, kind, || b"text".to_vec());
        recorder.failure(place, Failure::Reset, "detail");
        recorder.message_started(stage, event.script, 2);
        let mut fates = RecipientFates::default();
        fates.count(Fate::ALL[event.fate], 2);
        let window = (event.at_ms < 9_000).then_some(stage);
        recorder.message_ended(stage, event.script, Fate::ALL[event.fate], &fates, window, 99);
        recorder.bytes_sent(stage, event.value_us);
        recorder.session_closed(stage);
    }
    snapshots.extend(recorders.iter_mut().map(|recorder| recorder.finish(started + 10 * SECOND)));
    snapshots
}

fn finished() -> EndOfRun {
    EndOfRun { optimised: true, ..EndOfRun::finished(10 * SECOND, 10 * SECOND) }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn order_and_partition_of_snapshots_change_nothing(
        events in events(),
        order in prop::collection::vec(any::<Index>(), 64),
    ) {
        let mut plan = plan(&["submit", "odd"], Vec::new());
        let second = crate::plan::Address::Tcp(([127, 0, 0, 2], 25).into());
        plan.targets[0].addresses.push(second.into());
        let (layout, started) = (Arc::new(Layout::new(&plan)), clock::now());
        let sum = |snapshots: Vec<Snapshot>| {
            let mut collector = Collector::new(Arc::clone(&layout), SECOND, 3);
            for snapshot in snapshots {
                collector.add(snapshot);
            }
            let logged: u64 = collector
                .take_rest()
                .iter()
                .flat_map(|span| &span.series)
                .map(|(_, histogram)| histogram.samples())
                .sum();
            (collector.summary(&plan, &finished()), logged)
        };
        let want = sum(record(&layout, started, &events, |event| event.worker));
        let mut shuffled = record(&layout, started, &events, |event| event.worker);
        for (n, index) in order.iter().enumerate().take(shuffled.len()) {
            let other = index.index(shuffled.len());
            shuffled.swap(n, other);
        }
        prop_assert_eq!(&sum(shuffled), &want);
        prop_assert_eq!(&sum(record(&layout, started, &events, |_| 0)), &want);
        // Each once more by its address.
        prop_assert_eq!(want.1, 2 * events.len() as u64);

        let summary = want.0;
        prop_assert!(summary.accounting.closes, "{:?}", summary.accounting.faults);
        let by_address: u64 = summary.addresses.iter().map(|row| row.tally.fates.sum()).sum();
        prop_assert_eq!(by_address, events.len() as u64);
        let tried = summary.addresses.iter().map(|row| row.tally);
        let tried: u64 = tried.map(|tally| tally.sessions + tally.connect_failures).sum();
        prop_assert_eq!(tried, events.len() as u64);
        let started: u64 = summary.intervals.iter().map(|row| row.started).sum();
        prop_assert_eq!(started, events.len() as u64);
        let replies: u64 = summary.replies.iter().map(|row| row.count).sum();
        let sliced: u64 = summary
            .intervals
            .iter()
            .map(|row| row.replies_2yz + row.replies_4yz + row.replies_5yz)
            .sum();
        prop_assert_eq!(replies, sliced);
    }
}

/// What a run of these recordings sums up to; the recordings are all made in interval 2.
fn summary_of(
    fill: impl FnOnce(&mut super::recorder::Recorder),
    end: impl FnOnce(&mut EndOfRun),
) -> Summary {
    let plan = plan(&["submit"], Vec::new());
    let (layout, started) = (Arc::new(Layout::new(&plan)), clock::now());
    let mut recorder = recorders(&layout, started, 1).remove(0);
    let mut collector = Collector::new(layout, SECOND, 1);
    collector.add(recorder.take(started + 2 * SECOND));
    fill(&mut recorder);
    collector.add(recorder.finish(started + 10 * SECOND));
    let mut facts = finished();
    end(&mut facts);
    collector.summary(&plan, &facts)
}

fn send(recorder: &mut super::recorder::Recorder, fate: Fate) {
    recorder.message_started(STEADY, 0, 1);
    let mut recipients = RecipientFates::default();
    recipients.count(fate, 1);
    recorder.message_ended(STEADY, 0, fate, &recipients, Some(STEADY), 1000);
}

#[track_caller]
fn check_verdict(summary: &Summary, verdict: Verdict, reason: &str) {
    assert_eq!(summary.validity.verdict, verdict, "{:?}", summary.validity);
    let told = summary.validity.reasons.join("\n");
    assert!(told.contains(reason), "{told:?} does not say {reason:?}");
}

#[test]
fn a_message_without_a_fate_is_noticed() {
    let summary = summary_of(|recorder| recorder.message_started(STEADY, 0, 1), |_| {});
    assert!(!summary.accounting.closes);
    check_verdict(&summary, Verdict::Incomplete, "attempted and their fates: 1 is not 0");
    assert_eq!(summary.accounting.faults.len(), 2, "messages and recipients");
}

#[test]
fn a_recipient_without_a_fate_is_noticed() {
    let fill = |recorder: &mut super::recorder::Recorder| {
        recorder.message_started(STEADY, 0, 2);
        let mut one = RecipientFates::default();
        one.count(Fate::Accepted, 1);
        recorder.message_ended(STEADY, 0, Fate::Accepted, &one, Some(STEADY), 10);
    };
    check_verdict(&summary_of(fill, |_| {}), Verdict::Incomplete, "recipients");
}

#[test]
fn a_plan_that_was_not_offered_is_noticed() {
    let fill = |recorder: &mut super::recorder::Recorder| send(recorder, Fate::Accepted);
    let bound = |left| BoundEnd {
        stage: STEADY,
        planned: 3,
        messages_not_started: left,
        recipients_not_started: left,
    };
    let summary = summary_of(fill, |end| end.bounds = vec![bound(0)]);
    check_verdict(&summary, Verdict::Incomplete, "stage steady, and offered: 3 is not 1");
    let summary = summary_of(fill, |end| {
        end.bounds = vec![bound(2)];
    });
    check_verdict(&summary, Verdict::Valid, "");
}

#[test]
fn verdicts_tell_whose_fault_it_was() {
    let fill = |recorder: &mut super::recorder::Recorder| send(recorder, Fate::Accepted);
    check_verdict(&summary_of(fill, |_| {}), Verdict::Valid, "");
    let lost = summary_of(fill, |end| end.workers_lost = 1);
    check_verdict(&lost, Verdict::Incomplete, "workers were lost");
    let cut = summary_of(fill, |end| end.state = RunState::Interrupted);
    check_verdict(&cut, Verdict::Interrupted, "cut short");
    let connect = place(STEADY, 0, StepId::CONNECT);
    let limited = summary_of(|r| r.failure(connect, Failure::NoDescriptors, "EMFILE"), |_| {});
    check_verdict(&limited, Verdict::GeneratorLimited, "no file descriptor");
    let refused = summary_of(|r| r.failure(connect, Failure::Refused, "ECONNREFUSED"), |_| {});
    check_verdict(&refused, Verdict::Valid, "");
    let busy = summary_of(fill, |end| end.worker_cpu = vec![0.5, 0.97]);
    check_verdict(&busy, Verdict::Valid, "");
    assert!(busy.notes.contains(&Remark::from(&Note::WorkerAtCeiling { worker: 1, share: 0.97 })));
}

#[test]
fn a_load_that_is_always_late_does_not_hide_behind_a_fast_one() {
    let mut plan = plan(&["submit"], Vec::new());
    // The two stages become those of two loads, and both count.
    plan.stages[0].judged = true;
    plan.loads = vec![
        LoadPlan { stages: 0..1, slots: 0..1, messages: None, timetable: None, max_rate: None },
        LoadPlan { stages: 1..2, slots: 1..2, messages: None, timetable: None, max_rate: None },
    ];
    let judged = |late: u64| {
        let layout = Arc::new(Layout::new(&plan));
        let mut recorder = recorders(&layout, clock::now(), 1).remove(0);
        for (stage, starts) in [(0, 10_000), (STEADY, 40)] {
            (0..starts).for_each(|_| recorder.arrival_due(stage, 0));
            (0..starts).for_each(|_| recorder.arrival_started(stage));
        }
        (0..late).for_each(|_| recorder.arrival_late(STEADY));
        let mut collector = Collector::new(layout, SECOND, 1);
        collector.add(recorder.finish(clock::now()));
        collector.summary(&plan, &finished())
    };
    check_verdict(&judged(20), Verdict::GeneratorLimited, "20 of 40 starts (50.0 %)");
    check_verdict(&judged(9), Verdict::Valid, "");
}

#[test]
fn the_warm_up_is_told_and_not_judged() {
    let fill = |recorder: &mut super::recorder::Recorder| {
        let eod = |stage| place(stage, 0, StepId::EOD);
        for _ in 0..600 {
            recorder.sample(eod(0), Clock::Service, Outcome::Accepted, SECOND);
            recorder.sample(eod(STEADY), Clock::Service, Outcome::Accepted, SECOND / 1000);
            recorder.sample(eod(STEADY), Clock::Service, Outcome::Rejected, SECOND / 1_000_000);
        }
        recorder.sample(eod(STEADY), Clock::Service, Outcome::Timeout, 60 * SECOND);
    };
    let summary = summary_of(fill, |_| {});
    let eod = &summary.steps[0];
    assert_eq!((eod.step.as_str(), eod.figures.count), ("eod", 601));
    assert_eq!(eod.figures.us_min, Some(1000));
    assert_eq!(eod.figures.us_max.map(|us| us / 100_000), Some(600));
    assert_eq!(eod.figures.p99.map(|p99| p99.value), Some(1000));
    assert_eq!(summary.latency.iter().filter(|row| row.stage == "warmup").count(), 4);
}

#[test]
fn messages_in_the_drain_count_but_not_in_the_rate() {
    let fill = |recorder: &mut super::recorder::Recorder| {
        (0..90).for_each(|_| send(recorder, Fate::Accepted));
        recorder.message_started(STEADY, 0, 1);
        let mut one = RecipientFates::default();
        one.count(Fate::Accepted, 1);
        recorder.message_ended(STEADY, 0, Fate::Accepted, &one, None, 10);
        send(recorder, Fate::Rejected);
    };
    let summary = summary_of(fill, |_| {});
    assert_eq!(summary.totals[0].messages_per_s, Some(10.0));
    let accepted = summary.outcomes.iter().find(|row| {
        row.outcome == "accepted" && row.unit == MailUnit::Message && row.stage == "steady"
    });
    assert_eq!(accepted.map(|row| (row.count, row.base)), Some((91, Some(92))));
}

#[test]
fn an_idle_slice_is_a_row_of_zeros() {
    let summary = summary_of(|recorder| send(recorder, Fate::Accepted), |_| {});
    let steady: Vec<(f64, u64, Option<f64>)> = summary
        .intervals
        .iter()
        .filter(|row| row.stage == "steady")
        .map(|row| (row.second, row.fates.of(Fate::Accepted), row.messages_per_s))
        .collect();
    assert_eq!(steady.len(), 9);
    assert_eq!(steady[0], (1.0, 0, Some(0.0)));
    assert_eq!(steady[1], (2.0, 1, Some(1.0)));
}

#[test]
fn not_started_belongs_to_no_script_where_there_are_several() {
    let plan = plan(&["submit", "odd"], Vec::new());
    let layout = Arc::new(Layout::new(&plan));
    let collector = Collector::new(layout, SECOND, 1);
    let bound =
        BoundEnd { stage: STEADY, planned: 5, messages_not_started: 5, recipients_not_started: 7 };
    let end = EndOfRun { bounds: vec![bound], ..finished() };
    let summary = collector.summary(&plan, &end);
    let rows: Vec<_> = summary.outcomes.iter().filter(|row| row.count > 0).collect();
    assert_eq!(rows.len(), 4);
    assert!(rows.iter().all(|row| row.script.is_none() && row.stage == "steady"));
    assert_eq!(rows.iter().map(|row| row.count).sum::<u64>(), 24);
}

#[test]
fn progress_is_the_total_so_far() {
    let plan = plan(&["submit"], Vec::new());
    let (layout, started) = (Arc::new(Layout::new(&plan)), clock::now());
    let mut recorder = recorders(&layout, started, 1).remove(0);
    let mut collector = Collector::new(layout, SECOND, 1);
    assert_eq!(collector.progress(), Progress::default());
    recorder.session_opened(0);
    send(&mut recorder, Fate::Accepted);
    send(&mut recorder, Fate::Deferred);
    assert!(!recorder.due(started + SECOND / 2));
    assert!(recorder.due(started + SECOND));
    collector.add(recorder.take(started + SECOND));
    let progress = collector.progress();
    assert_eq!((progress.attempted, progress.open_sessions), (2, 1));
    assert_eq!(progress.fates.of(Fate::Deferred), 1);
    assert_eq!(progress.accepted_per_s, Some(1.0));
}

#[test]
fn the_log_waits_for_every_worker_but_not_for_ever() {
    let plan = plan(&["submit"], Vec::new());
    let (layout, started) = (Arc::new(Layout::new(&plan)), clock::now());
    let mut workers = recorders(&layout, started, 2);
    let mut collector = Collector::new(Arc::clone(&layout), SECOND, 2);
    let noop = place(STEADY, 0, StepId::NOOP);
    for second in 1..=3 {
        workers[0].sample(noop, Clock::Service, Outcome::Accepted, SECOND);
        collector.add(workers[0].take(started + second * SECOND));
    }
    assert_eq!(collector.take_completed(), Vec::new());
    workers[1].sample(noop, Clock::Service, Outcome::Accepted, SECOND);
    collector.add(workers[1].take(started + 2 * SECOND));
    let spans = collector.take_completed();
    assert_eq!(spans.len(), 2);
    assert_eq!(spans[0].series[0].1.count(), 2);
    assert_eq!((spans[1].start, spans[1].length), (SECOND, SECOND));
    // The second worker says nothing more: the oldest spans are joined, and nothing is lost.
    for second in 4..=60 {
        workers[0].sample(noop, Clock::Service, Outcome::Accepted, SECOND);
        collector.add(workers[0].take(started + second * SECOND));
    }
    let rest = collector.take_rest();
    assert_eq!(rest.len(), 8);
    let count: u64 = rest.iter().map(|span| span.series[0].1.count()).sum();
    assert_eq!(count, 58);
    assert!(rest.windows(2).all(|two| two[0].start + two[0].length <= two[1].start));
}

#[test]
fn logins_that_all_failed_are_noted() {
    let auth = |stage| place(stage, 0, StepId::AUTH);
    let note = |logins| Note::EveryLoginFailed { logins };
    let refused = |recorder: &mut super::recorder::Recorder| {
        recorder.sample(auth(0), Clock::Service, Outcome::Rejected, SECOND);
        recorder.sample(auth(STEADY), Clock::Service, Outcome::Lost, SECOND);
        recorder.failure(auth(STEADY), Failure::AuthProof, "");
        recorder.failure(auth(STEADY), Failure::AuthNotOffered, "");
    };
    assert!(summary_of(refused, |_| {}).notes.contains(&Remark::from(&note(3))));
    let one_good = |recorder: &mut super::recorder::Recorder| {
        refused(recorder);
        recorder.sample(auth(0), Clock::Service, Outcome::Accepted, SECOND);
    };
    let of_logins = |note: &Remark| note.name == "every_login_failed";
    assert!(!summary_of(one_good, |_| {}).notes.iter().any(of_logins));
    assert!(!summary_of(|_| {}, |_| {}).notes.iter().any(of_logins));
}

#[test]
fn each_address_has_times_of_its_own_and_a_single_one_those_of_the_target() {
    let rows = |addresses: u16| {
        let mut plan = plan(&["submit"], Vec::new());
        let address = |last: u16| crate::plan::Address::Tcp(([127, 0, 0, 1], last).into()).into();
        plan.targets[0].addresses = (0..addresses).map(address).collect();
        let (layout, started) = (Arc::new(Layout::new(&plan)), clock::now());
        let mut recorder = recorders(&layout, started, 1).remove(0);
        let eod = place(STEADY, 0, StepId::EOD);
        for n in 0..200_u16 {
            let address = n % addresses;
            let outcome = if n < 190 { Outcome::Accepted } else { Outcome::Rejected };
            let took = Duration::from_millis(1 + u64::from(address) * 10);
            recorder.sample(eod, Clock::Service, outcome, took);
            recorder.address_sample(eod, address, outcome, took);
            // A descriptor that we lack is not the address's fault.
            recorder.address_failed(
                place(STEADY, 0, StepId::CONNECT),
                address,
                Failure::NoDescriptors,
                took,
            );
        }
        let mut collector = Collector::new(layout, SECOND, 1);
        collector.add(recorder.finish(started + 10 * SECOND));
        let summary = collector.summary(&plan, &finished());
        let judged = summary.addresses.into_iter().filter(|row| row.stage == "steady");
        judged.collect::<Vec<_>>()
    };
    let medians = |rows: &[super::addresses::AddressRow]| {
        rows.iter().map(|row| row.eod.p50.map(|p50| p50.value)).collect::<Vec<_>>()
    };
    assert_eq!(medians(&rows(2)), [Some(1_000), Some(11_007)]);
    assert_eq!(medians(&rows(1)), [Some(1_000)]);
    let two = rows(2);
    assert_eq!((two[0].number, two[1].number), (1, 2));
    assert!(two.iter().all(|row| row.tally.connect_failures == 0 && row.connect.p50.is_none()));
}
