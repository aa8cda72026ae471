//! What one step costs beside the network: reply parser, rendering of a command and of a header, recorder, schedule.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use smtpbench::clock::{self, Duration};
use smtpbench::measure::layout::{Layout, Place};
use smtpbench::measure::outcome::{Clock, Outcome};
use smtpbench::measure::recorder::Recorder;
use smtpbench::message::render::{MessageId, RunIdentity};
use smtpbench::scenario::step::{StepId, StepNames};
use smtpbench::scenario::{Overrides, Scenario};
use smtpbench::schedule::arrivals::{Arrivals, Pattern, RateSpan};
use smtpbench::smtp::command::CommandBuffer;
use smtpbench::smtp::parser::ReplyParser;
use smtpbench::smtp::transparency::{Unstuffer, stuff};

const EHLO: &[u8] =
    b"250-mail.test\r\n250-PIPELINING\r\n250-SIZE 10240000\r\n250-8BITMIME\r\n250 SMTPUTF8\r\n";

fn parser(c: &mut Criterion) {
    let mut group = c.benchmark_group("parser");
    for (name, wire) in [("one line", &b"250 2.1.5 recipient ok\r\n"[..]), ("ehlo", EHLO)] {
        group.throughput(Throughput::Bytes(wire.len() as u64));
        group.bench_function(name, |b| {
            let mut parser = ReplyParser::default();
            b.iter(|| {
                let mut input = black_box(wire);
                parser.feed(&mut input).is_ok_and(|reply| reply.is_some())
            });
        });
    }
    group.finish();
}

fn rendering(c: &mut Criterion) {
    let overrides =
        Overrides { to: Some("user{{1..1000}}@recipient.test".into()), ..Overrides::default() };
    let scenario = Scenario::quick(&overrides).expect("the quick form has defaults");
    let identity = RunIdentity { run_id: "0".repeat(16), seed: 1 };
    let mut group = c.benchmark_group("rendering");
    let mut out = CommandBuffer::default();
    let mut seq = 0;
    group.bench_function("rcpt", |b| {
        b.iter(|| {
            seq += 1;
            out.clear();
            let rendered = out.line(|out| {
                out.extend_from_slice(b"RCPT TO:<");
                scenario.mail.put_recipient(&identity, seq, 0, out);
                out.push(b'>');
            });
            black_box(rendered)
        });
    });
    group.bench_function("header", |b| {
        let mut head = Vec::new();
        b.iter(|| {
            seq += 1;
            head.clear();
            let id = MessageId { seq, kind: 0 };
            let date = "Mon, 01 Jan 2024 00:00:00 +0000";
            black_box(scenario.mail.put_head(&identity, id, true, date, |_, _, _| {}, &mut head))
        });
    });
    group.finish();
}

fn recorder(c: &mut Criterion) {
    let layout = Layout::from_names(
        "target",
        vec!["main".into()],
        vec!["default".into()],
        StepNames::default(),
    );
    let layout = Arc::new(layout);
    let mut recorder = Recorder::new(layout, 0, clock::now(), Duration::from_secs(3600));
    let place = Place { stage: 0, script: 0, step: StepId::RCPT };
    let mut parser = ReplyParser::default();
    let mut us = 0;
    let mut group = c.benchmark_group("recorder");
    group.bench_function("sample and reply", |b| {
        b.iter(|| {
            us = (us + 17) % 5_000;
            recorder.sample(place, Clock::Service, Outcome::Accepted, Duration::from_micros(us));
            let mut input = &b"250 2.1.5 recipient ok\r\n"[..];
            if let Ok(Some(reply)) = parser.feed(&mut input) {
                recorder.reply(place, Outcome::Accepted, &reply, |text| text);
            }
        });
    });
    // The control: reading the clock, which every step does as well.
    group.bench_function("control: clock", |b| b.iter(clock::now));
    group.finish();
}

fn transparency(c: &mut Criterion) {
    let text = "a line of mail that is neither short nor long, and has no dot\r\n".repeat(1600);
    let stuffed = [stuff(text.as_bytes()), b".\r\n".to_vec()].concat();
    let mut group = c.benchmark_group("transparency");
    group.throughput(Throughput::Bytes(text.len() as u64));
    group.bench_function("stuff", |b| b.iter(|| stuff(black_box(text.as_bytes()))));
    group.bench_function("unstuff", |b| {
        b.iter(|| {
            let mut bytes = 0;
            Unstuffer::default().feed(black_box(&stuffed), |piece| bytes += piece.len());
            bytes
        });
    });
    group.finish();
}

fn schedule(c: &mut Criterion) {
    let steady = RateSpan::steady(1000.0, None);
    // No run is as long as this ramp.
    let year = Duration::from_secs(366 * 24 * 3600);
    let ramp = RateSpan { from: 0.0, to: 1e6, length: Some(year) };
    let mut group = c.benchmark_group("schedule");
    for (name, span, pattern) in [
        ("even", steady, Pattern::Even),
        ("poisson", steady, Pattern::Poisson),
        ("poisson in a ramp", ramp, Pattern::Poisson),
    ] {
        group.bench_function(name, |b| {
            let mut arrivals = Arrivals::new(vec![span], pattern, 1, 0);
            b.iter(|| arrivals.next());
        });
    }
    group.finish();
}

criterion_group!(benches, parser, rendering, recorder, transparency, schedule);
criterion_main!(benches);
