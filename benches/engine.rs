//! The whole engine against the built-in sink, beside a bare client that measures nothing: what does measuring cost?
//!
//! Both send the same messages over the same number of kept-open sessions to the same sink, in turn, so that a noisy
//! machine hits both. The bare client is one blocking thread a session and has no parser, histogram or time limit; if the
//! engine is slower than it by a large factor, something is wrong with the engine.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::thread;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use smtpbench::behavior::Behavior;
use smtpbench::clock;
use smtpbench::engine::Engine;
use smtpbench::measure::layout::Layout;
use smtpbench::message::render::RunIdentity;
use smtpbench::plan::{Address, Plan, Target};
use smtpbench::scenario::target::TargetUrl;
use smtpbench::scenario::{Bound, Overrides, Scenario};
use smtpbench::sink::{Capture, ListenAddress, Sink, SinkOptions, Trust};
use smtpbench::smtp::Protocol;

const SESSIONS: u32 = 20;
const MESSAGES: u64 = 2_000;
const SIZE: usize = 1024;

fn plan(address: SocketAddr, pipelining: bool) -> Arc<Plan> {
    let overrides = Overrides {
        sessions: Some(SESSIONS),
        messages: Some(Bound::Messages(MESSAGES)),
        size: Some(SIZE.to_string()),
        pipelining,
        ..Overrides::default()
    };
    let scenario = Scenario::quick(&overrides).expect("the quick form has defaults");
    let target = Target {
        name: "target".into(),
        url: TargetUrl::Embedded,
        security: Default::default(),
        login: None,
        max_rate: None,
        addresses: vec![Address::Tcp(address).into()],
    };
    let identity = RunIdentity { run_id: "0".repeat(16), seed: 1 };
    Arc::new(Plan::new(scenario, target, identity, 1))
}

fn run(plan: &Arc<Plan>) {
    let layout = Arc::new(Layout::new(plan));
    let (sender, snapshots) = sync_channel(64);
    let engine = Engine::start(plan, &layout, &Arc::default(), clock::now(), &sender);
    drop(sender);
    assert!(snapshots.iter().count() > 0);
    let ending = engine.finish();
    let left: u64 = ending.bounds.iter().map(|bound| bound.messages_not_started).sum();
    assert_eq!((left, ending.workers_lost.len()), (0, 0));
}

fn bare_client(address: SocketAddr) {
    let body = "x".repeat(SIZE) + "\r\n.\r\n";
    thread::scope(|scope| {
        for _ in 0..SESSIONS {
            scope.spawn(|| {
                let mut stream = TcpStream::connect(address).expect("the sink listens");
                stream.set_nodelay(true).expect("a socket option");
                let mut replies = BufReader::new(stream.try_clone().expect("a second handle"));
                let mut line = String::new();
                let mut reply = || loop {
                    line.clear();
                    replies.read_line(&mut line).expect("a reply");
                    if line.as_bytes().get(3) != Some(&b'-') {
                        return;
                    }
                };
                reply();
                stream.write_all(b"EHLO bare.test\r\n").expect("a write");
                reply();
                for _ in 0..MESSAGES / u64::from(SESSIONS) {
                    for step in [
                        "MAIL FROM:<a@sender.test>\r\n",
                        "RCPT TO:<b@recipient.test>\r\n",
                        "DATA\r\n",
                        &body,
                    ] {
                        stream.write_all(step.as_bytes()).expect("a write");
                        reply();
                    }
                }
            });
        }
    });
}

fn engine(c: &mut Criterion) {
    let sink = Sink::start(SinkOptions {
        listen: vec![ListenAddress::Tcp(([127, 0, 0, 1], 0).into())],
        behavior: Behavior::default(),
        protocol: Protocol::Smtp,
        hostname: "sink.test".into(),
        trust: Trust::default(),
        threads: 1,
        tls: None,
        logins: None,
        capture: Capture::default(),
    })
    .expect("loopback can be listened on");
    let ListenAddress::Tcp(address) = sink.addresses()[0] else { return };
    let mut group = c.benchmark_group("2000 messages over 20 sessions");
    group.throughput(Throughput::Elements(MESSAGES)).sample_size(10);
    for (name, pipelining) in [("lock-step", false), ("pipelined", true)] {
        let plan = plan(address, pipelining);
        group.bench_function(BenchmarkId::new("smtpbench", name), |b| b.iter(|| run(&plan)));
    }
    group.bench_function("control: bare client", |b| b.iter(|| bare_client(address)));
    group.finish();
}

criterion_group!(benches, engine);
criterion_main!(benches);
