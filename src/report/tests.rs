//! Known values in, files out.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;

use expect_test::expect;
use jiff::Timestamp;

use super::folder::ResultFolder;
use super::generator_limits::{Ceiling, FloorStep, GeneratorLimits, LimitsHost};
use super::record::{Record, TargetRecord};
use super::saved::Saved;
use super::{HostFacts, RunFacts, csv, manifest, text};
use crate::clock::{self, Duration};
use crate::measure::collector::Collector;
use crate::measure::histogram::Histogram;
use crate::measure::layout::{Layout, Place};
use crate::measure::outcome::{Clock, Failure, Fate, Outcome};
use crate::measure::recorder::Recorder;
use crate::measure::summary::{Figures, Summary};
use crate::measure::tally::{RecipientFates, ReplyKind};
use crate::measure::testing::{place, plan, recorders};
use crate::measure::validity::EndOfRun;
use crate::plan::{Address, Destination, Plan};
use crate::scenario::step::StepId;
use crate::scenario::threshold::{
    Comparison, MessageShare, Metric, Narrowing, Statistic, Threshold,
};
use crate::smtp::reply::{EnhancedCode, ReplyCode};

mod formats;
mod saved;

const SECOND: Duration = Duration::from_secs(1);

fn facts() -> RunFacts {
    let started = Timestamp::from_second(1_700_000_000).unwrap();
    RunFacts {
        started,
        ended: Some(Timestamp::from_second(1_700_000_010).unwrap()),
        exit_code: Some(90),
        host: HostFacts {
            os: "linux".to_owned(),
            kernel: "6.1".to_owned(),
            driver: "epoll".to_owned(),
            cpu_count: 2,
            descriptor_limit: Some(1024),
        },
        generator_limits: Some(generator_limits()),
    }
}

fn generator_limits() -> GeneratorLimits {
    let host = LimitsHost { name: "bench".to_owned(), cpu_count: 2, ..LimitsHost::default() };
    let floor = vec![FloorStep { step: "eod".to_owned(), count: 9, us_p50: 20, us_p99: 40 }];
    let ceiling = Ceiling {
        message_bytes: 1024,
        one_worker_messages_per_s: 1000.5,
        workers: 2,
        all_workers_messages_per_s: 1500.0,
    };
    GeneratorLimits::new(host, Timestamp::UNIX_EPOCH, floor, ceiling)
}

fn record(plan: &Plan, summary: Summary) -> Record {
    let greeting = Some("220 mx.test ESMTP\u{1b}".to_owned());
    let capabilities = vec!["PIPELINING".to_owned()];
    Record::new(plan, &facts(), vec![TargetRecord::new(plan, greeting, capabilities, summary)])
}

fn end() -> EndOfRun {
    EndOfRun { optimised: true, ..EndOfRun::finished(10 * SECOND, 10 * SECOND) }
}

fn known_plan() -> Plan {
    let rule = |text: &str, metric, comparison, limit| Threshold {
        text: text.to_owned(),
        metric,
        narrowing: Narrowing::default(),
        comparison,
        limit,
        sustained: None,
    };
    let eod = |percentile| Metric::Step {
        step: StepId::EOD,
        clock: None,
        outcome: None,
        statistic: Statistic::Percentile(percentile),
    };
    let (p99, p999) = (eod(99_000), eod(99_900));
    plan(
        &["submit"],
        vec![
            rule(
                "accepted > 99%",
                Metric::Share(MessageShare::Accepted),
                Comparison::Greater,
                0.99,
            ),
            rule("eod.p99 < 500ms", p99, Comparison::Less, 500_000.0),
            rule("eod.p99.9 < 500ms", p999, Comparison::Less, 500_000.0),
        ],
    )
}

/// What one worker sends in one second: 40 accepted messages and a rejected one.
fn send(recorder: &mut Recorder, worker: u64, second: u64) {
    let stage = u8::from(second > 0);
    let at = |step| place(stage, 0, step);
    if second == 0 {
        recorder.session_opened(0);
    }
    for n in 0..41_u64 {
        let (fate, outcome) = match n {
            40 => (Fate::Rejected, Outcome::Rejected),
            _ => (Fate::Accepted, Outcome::Accepted),
        };
        recorder.message_started(stage, 0, 1);
        let us = (1_000 + 100 * n + 7 * second) * (worker + 1);
        recorder.sample(at(StepId::EOD), Clock::Service, outcome, Duration::from_micros(us));
        let (code, text) = match fate {
            Fate::Accepted => (250, "2.0.0 queued"),
            _ => (550, "5.7.1 =no\x1b[2J"),
        };
        let kind = ReplyKind {
            code: ReplyCode::new(code).unwrap(),
            enhanced: EnhancedCode::parse(text.as_bytes()),
            outcome,
        };
        recorder.count_reply(at(StepId::EOD), kind, || text.as_bytes().to_vec());
        let mut recipients = RecipientFates::default();
        recipients.count(fate, 1);
        recorder.message_ended(stage, 0, fate, &recipients, Some(stage), 4096);
        recorder.bytes_sent(stage, 4500);
    }
    recorder.sample(at(StepId::NOOP), Clock::Service, Outcome::Timeout, 1_000 * SECOND);
    recorder.failure(at(StepId::NOOP), Failure::TimedOut, "=1+1");
}

/// A run of two workers over ten seconds.
fn known_run(mut each: impl FnMut(&mut Collector)) -> (Plan, Collector) {
    let plan = known_plan();
    let (layout, started) = (Arc::new(Layout::new(&plan)), clock::now());
    let mut workers = recorders(&layout, started, 2);
    let mut collector = Collector::new(layout, SECOND, 2);
    for second in 0..10_u32 {
        for (worker, recorder) in workers.iter_mut().enumerate() {
            send(recorder, worker as u64, u64::from(second));
            let now = started + (second + 1) * SECOND;
            collector.add(if second == 9 { recorder.finish(now) } else { recorder.take(now) });
        }
        each(&mut collector);
    }
    (plan, collector)
}

fn file<'a>(files: &'a [(&str, Vec<u8>)], name: &str) -> &'a str {
    let (_, bytes) = files.iter().find(|(known, _)| *known == name).unwrap();
    str::from_utf8(bytes).unwrap()
}

#[test]
fn the_log_adds_up_to_the_latency_table() {
    let outer = tempfile::tempdir().unwrap();
    let path = outer.path().join("results");
    let mut folder = ResultFolder::create(&path).unwrap();
    folder.begin(facts().started).unwrap();
    let (plan, mut collector) = known_run(|collector| {
        let spans = collector.take_completed();
        assert_eq!(spans.len(), 1);
        folder.log(collector.layout(), &spans).unwrap();
    });
    folder.log(&Layout::new(&plan), &collector.take_rest()).unwrap();
    let record = record(&plan, collector.summary(&plan, &end()));
    folder.save(&record).unwrap();
    folder.finish(&record).unwrap();
    let mut names: Vec<_> =
        fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(
        names,
        [
            "addresses.csv",
            "failures.csv",
            "histograms.hlog",
            "intervals.csv",
            "latency.csv",
            "outcomes.csv",
            "replies.csv",
            "report.html",
            "run.json",
            "summary.csv",
            "thresholds.csv"
        ]
    );

    let saved = Saved::read(&path).unwrap();
    let (layout, series) = (&saved.layouts[0], &saved.series[0]);
    let mut rows = BTreeMap::new();
    for row in &record.targets[0].summary.latency {
        let (Some(script), Some(outcome)) = (&row.script, row.outcome) else { continue };
        let (target, stage, step) = (&row.target, &row.stage, &row.step);
        let (clock, outcome) = (row.clock.name(), outcome.name());
        let tag = format!(
            "target={target}|stage={stage}|script={script}|step={step}|clock={clock}|outcome={outcome}"
        );
        rows.insert(layout.of_tag(&tag).unwrap(), &row.figures);
    }
    assert_eq!(series.sums.keys().collect::<Vec<_>>(), rows.keys().collect::<Vec<_>>());
    for (id, histogram) in &series.sums {
        assert_eq!(Figures::of(histogram), *rows[id], "{}", layout.tag(*id));
    }
    assert_eq!(series.sums.values().map(Histogram::count).sum::<u64>(), 2 * 10 * 41);
    let eod = place(1, 0, StepId::EOD);
    let eod = layout.series(eod, Clock::Service, Outcome::Accepted);
    assert_eq!(rows[&eod].count, 720);
    assert!(rows[&eod].p99.is_some() && rows[&eod].p99_9.is_none());
    let slices = saved.judged_slices(0, "eod", Clock::Service);
    assert_eq!((slices.len(), slices[0].start, slices[0].length), (9, SECOND, SECOND));
    assert_eq!(slices, series.slices[&eod]);
    assert_eq!(slices.iter().map(|slice| slice.samples.samples()).sum::<u64>(), 720);
    assert!(saved.judged_slices(0, "mail", Clock::Service).is_empty());
    assert!(saved.judged_slices(0, "nonsense", Clock::Service).is_empty());
}

#[test]
fn headers_are_the_promised_ones() {
    let (plan, collector) = known_run(|_| {});
    let files = csv::files(&record(&plan, collector.summary(&plan, &end())));
    let mut headers = String::new();
    for (name, bytes) in &files {
        let first = str::from_utf8(bytes).unwrap().lines().next().unwrap();
        headers.push_str(&format!("{name}: {first}\n"));
    }
    expect![[r#"
        summary.csv: target,verdict,messages_per_s,messages_per_s_low,messages_per_s_high,messages_per_h,accepted_share,accepted_share_low,accepted_share_high,eod_us_p50,eod_us_p50_low,eod_us_p50_high,eod_us_p99,eod_us_p99_low,eod_us_p99_high
        latency.csv: target,stage,script,step,clock,outcome,count,overflow_count,us_min,us_mean,us_stddev,us_p50,us_p75,us_p90,us_p95,us_p99,us_p99_9,us_p99_99,us_max,us_p50_low,us_p50_high,us_p95_low,us_p95_high,us_p99_low,us_p99_high
        replies.csv: target,stage,script,step,reply_code,enhanced_code,outcome,count,share,share_low,share_high,sample_text
        outcomes.csv: target,stage,script,unit,outcome,count,base,share,share_low,share_high
        failures.csv: target,stage,script,step,failure,fault,count,detail
        addresses.csv: target,stage,number,host,address,preference,sessions,connect_failures,attempted,accepted,deferred,rejected,failed,in_doubt,unfinished,connect_us_p50,connect_us_p50_low,connect_us_p50_high,connect_us_p99,connect_us_p99_low,connect_us_p99_high,greeting_us_p50,greeting_us_p50_low,greeting_us_p50_high,greeting_us_p99,greeting_us_p99_low,greeting_us_p99_high,eod_us_p50,eod_us_p50_low,eod_us_p50_high,eod_us_p99,eod_us_p99_low,eod_us_p99_high
        intervals.csv: target,stage,second,offered,started,accepted,deferred,rejected,failed,in_doubt,unfinished,abandoned,generator_failed,open_sessions,replies_2yz,replies_4yz,replies_5yz,messages_per_s,bytes_per_s,lag_us_p99,eod_us_p50,eod_us_p99
        thresholds.csv: target,threshold,value,limit,verdict
    "#]]
    .assert_eq(&headers);
}

#[test]
fn rows_are_the_known_values() {
    let (plan, collector) = known_run(|_| {});
    let files = csv::files(&record(&plan, collector.summary(&plan, &end())));
    let mut shown = String::new();
    for (name, first, count) in [
        ("summary.csv", 1, 1),
        ("latency.csv", 9, 5),
        ("replies.csv", 1, 4),
        ("outcomes.csv", 23, 6),
        ("failures.csv", 1, 2),
        ("intervals.csv", 1, 2),
        ("thresholds.csv", 1, 3),
    ] {
        for row in file(&files, name).lines().skip(first).take(count) {
            shown.push_str(row);
            shown.push('\n');
        }
    }
    expect![[r#"
        target,valid,80,80,80,288000,0.97561,0.961777,0.984517,3963,3807,4163,9831,9671,9903
        target,warmup,submit,noop,service,all,0,2,,,,,,,,,,,,,,,,,
        target,warmup,submit,noop,service,timeout,0,2,,,,,,,,,,,,,,,,,
        target,steady,all,eod,service,all,738,0,1007,4553,2409,4043,6071,8519,9327,10031,,,10127,3843,4251,9071,9631,9871,10103
        target,steady,all,eod,service,accepted,720,0,1007,4478,2358,3963,5927,8327,9127,9831,,,9927,3807,4163,8887,9447,9671,9903
        target,steady,all,eod,service,rejected,18,0,5004,7553,2518,5063,,,,,,,10127,5035,10071,,,,
        target,warmup,submit,eod,250,2.0.0,accepted,80,0.97561,0.915366,0.993286,2.0.0 queued
        target,warmup,submit,eod,550,5.7.1,rejected,2,0.02439,0.006714,0.084634,5.7.1 =no\x1b[2J
        target,steady,submit,eod,250,2.0.0,accepted,720,0.97561,0.961777,0.984517,2.0.0 queued
        target,steady,submit,eod,550,5.7.1,rejected,18,0.02439,0.015483,0.038223,5.7.1 =no\x1b[2J
        target,steady,submit,message,offered,738,,,,
        target,steady,submit,message,not_started,0,738,0,0,0.004065
        target,steady,submit,message,attempted,738,738,1,0.995935,1
        target,steady,submit,message,accepted,720,738,0.97561,0.961777,0.984517
        target,steady,submit,message,rejected,18,738,0.02439,0.015483,0.038223
        target,steady,submit,message,deferred,0,738,0,0,0.004065
        target,warmup,submit,noop,timed_out,peer,2,'=1+1
        target,steady,submit,noop,timed_out,peer,18,'=1+1
        target,warmup,0,,82,80,0,2,0,0,0,0,0,2,80,0,2,80,369000,,3901,
        target,steady,1,,82,80,0,2,0,0,0,0,0,2,80,0,2,80,369000,,3907,
        target,accepted > 99%,0.97561,0.99,fail
        target,eod.p99 < 500ms,9831,500000,pass
        target,eod.p99.9 < 500ms,9927,500000,pass
    "#]].assert_eq(&shown);
}

#[test]
fn every_column_is_explained() {
    let explained = include_str!("../../results/README.md");
    let (plan, summary) = empty();
    for (name, bytes) in csv::files(&record(&plan, summary)) {
        let start = explained.find(&format!("\n## {name}")).expect(name);
        let section = explained[start + 1..].split("\n## ").next().unwrap();
        for column in str::from_utf8(&bytes).unwrap().lines().next().unwrap().split(',') {
            assert!(section.contains(&format!("`{column}`")), "{name}: {column}");
        }
    }
}

/// A run in which nothing happened at all.
fn empty() -> (Plan, Summary) {
    let plan = known_plan();
    let layout = Arc::new(Layout::new(&plan));
    let collector = Collector::new(layout, SECOND, 2);
    let nothing = EndOfRun { optimised: true, ..EndOfRun::finished(Duration::ZERO, SECOND) };
    let summary = collector.summary(&plan, &nothing);
    (plan, summary)
}

#[test]
fn nothing_measured_is_empty_cells() {
    let (plan, summary) = empty();
    let record = record(&plan, summary);
    let files = csv::files(&record);
    assert_eq!(file(&files, "summary.csv").lines().nth(1), Some("target,valid,,,,,,,,,,,,,"));
    assert_eq!(
        file(&files, "thresholds.csv"),
        "target,threshold,value,limit,verdict\ntarget,accepted > 99%,,0.99,fail\n\
         target,eod.p99 < 500ms,,500000,fail\ntarget,eod.p99.9 < 500ms,,500000,fail\n"
    );
    let shown = text::render(&record, false);
    let run = String::from_utf8(manifest::write(&record)).unwrap();
    let tables = files.iter().map(|(_, bytes)| str::from_utf8(bytes).unwrap());
    for written in tables.chain([shown.as_str(), run.as_str()]) {
        assert!(!written.contains("NaN") && !written.contains("inf,"), "{written}");
    }
    assert!(shown.contains("no samples") && shown.contains("nothing was attempted"), "{shown}");
}

#[test]
fn a_person_reads_the_verdict_first() {
    let (plan, collector) = known_run(|_| {});
    let shown = text::render(&record(&plan, collector.summary(&plan, &end())), false);
    assert!(shown.lines().all(|line| line.chars().count() <= 100), "{shown}");
    assert!(!shown.contains('\x1b'));
    expect![[r#"
        known against smtp://127.0.0.1:2525
        2 sessions, stage steady, seed 42

        verdict      valid
        thresholds   FAIL  accepted > 99%                           97.56 %
                     pass  eod.p99 < 500ms                          9.83 ms
                     pass  eod.p99.9 < 500ms                        9.93 ms (estimate, 720 samples)

        messages     80.0 a second (80.0 to 80.0), 288,000 an hour: 720 accepted in 9.00 s
        accepted     97.56 % (96.18 % to 98.45 %) of 738 attempted
        rejected     18, 2.44 % (1.55 % to 3.82 %)
        mail data    2.8 MiB of accepted messages
        accounting   closes; messages: 738 offered = 0 not started + 720 accepted + 18 rejected
                     recipients: 738 offered = 0 not started + 720 accepted + 18 rejected

        step                 count             p50             p95      p99  95 % interval of p99        max
        eod                    720   3.96 ms ±5.0%   9.13 ms ±3.5%  9.83 ms  9.67 ms .. 9.90 ms      9.93 ms
        noop                    18               -               -        -  -                       >15 min

        reply to         code enhanced  outcome          count            share  text of the first
        eod               550 5.7.1     rejected            18      2.44 % ±1.4  5.7.1 =no\x1b[2J
        eod               250 2.0.0     accepted           720     97.56 % ±1.4  2.0.0 queued

        failure of      what            fault             count  detail of the first
        noop            timed_out       peer                 18  =1+1

        note         target and generator share this machine, and so its processors; generate the load on
                     another machine for absolute figures
        note         `eod.p99.9 < 500ms` was judged on 720 samples, too few for an interval of p99.9; run on
                     until there are 5570
        note         20 samples over 15.0 min are counted, but not in the histograms; set a step limit below
                     that under [timeouts]
    "#]].assert_eq(&shown);
}

#[test]
fn colours_are_there_only_where_asked_for() {
    let (plan, summary) = empty();
    let record = record(&plan, summary);
    assert!(text::render(&record, true).contains("\x1b[32mvalid\x1b[0m"));
    assert!(!text::render(&record, false).contains('\x1b'));
}

#[test]
fn the_manifest_tells_what_was_run() {
    let (plan, collector) = known_run(|_| {});
    let bytes = manifest::write(&record(&plan, collector.summary(&plan, &end())));
    let run: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
    let check = |pointer: &str, want: serde_json::Value| {
        assert_eq!(run.pointer(pointer), Some(&want), "{pointer}");
    };
    check("/schema_version", 3.into());
    check("/exit_code", 90.into());
    check("/generator_limits/ceiling/one_worker_messages_per_s", 1000.5.into());
    check("/started", "2023-11-14T22:13:20Z".into());
    check("/ended", "2023-11-14T22:13:30Z".into());
    check("/seed", 42.into());
    check("/targets/0/greeting", "220 mx.test ESMTP\\x1b".into());
    check("/targets/0/capabilities/0", "PIPELINING".into());
    check("/targets/0/validity/verdict", "valid".into());
    check("/targets/0/validity/accounting_closes", true.into());
    check("/targets/0/thresholds/0/verdict", "fail".into());
    check("/targets/0/tallies/messages/fates/accepted", 720.into());
    check("/targets/0/tallies/overflow/1/count", 18.into());
    check("/plan/stages/1/end_s", 10.0.into());
    let sha256 = run.pointer("/scenario/sha256").and_then(|sha256| sha256.as_str());
    assert_eq!(sha256.map(str::len), Some(64));
}

#[test]
fn several_addresses_have_a_block_and_one_has_none() {
    let shown = |hosts: &[(&str, u16)]| {
        let mut plan = known_plan();
        let one = |(host, preference): &(&str, u16)| Destination {
            address: Address::Tcp("[2001:db8:1234:5678:9abc:def0:1234:5678]:25".parse().unwrap()),
            host: Some((*host).to_owned()),
            preference: *preference,
        };
        plan.targets[0].addresses = hosts.iter().map(one).collect();
        let layout = Arc::new(Layout::new(&plan));
        let mut recorder = Recorder::new(Arc::clone(&layout), 0, clock::now(), SECOND);
        let connect = Place { stage: 1, script: 0, step: StepId::CONNECT };
        recorder.address_failed(connect, 0, Failure::Refused, Duration::from_millis(1));
        for _ in 0..9 {
            let last = u16::try_from(hosts.len() - 1).unwrap();
            recorder.address_connected(connect, last, Duration::from_micros(250));
        }
        let mut collector = Collector::new(layout, SECOND, 1);
        collector.add(recorder.finish(clock::now()));
        text::render(&record(&plan, collector.summary(&plan, &end())), false)
    };
    let two = shown(&[("mx1.a-rather-long-domain.test", 10), ("b.test", 20)]);
    assert!(two.lines().all(|line| line.chars().count() <= 100), "{two}");
    let block: Vec<&str> = two.lines().skip_while(|line| !line.starts_with("address")).collect();
    assert!(block[1].starts_with("mx1.a-rather-long-domain.test… "), "{two}");
    let cells = |row: &'static str| row.split_whitespace().collect::<Vec<_>>();
    assert_eq!(
        block[2].split_whitespace().collect::<Vec<_>>()[2..],
        cells("9 0 0 250 µs ±0% - -"),
        "{two}"
    );
    assert_eq!(block[1].split_whitespace().collect::<Vec<_>>()[1..], cells("0 1 0 - - -"), "{two}");
    assert!(!shown(&[("mx1.test", 10)]).contains("address  "));
}
