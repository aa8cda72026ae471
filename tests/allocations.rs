//! A round trip in steady state allocates nothing: the worker's thread is counted, with everything on that a run has.
//!
//! Each case runs a worker for so many messages and for twice as many. What sessions, recorder and buffers take once is in
//! both, so the difference is what the further messages cost. A program of its own, since an allocator belongs to the whole of one.

#![allow(
    clippy::unwrap_used,
    reason = "a test program: clippy.toml exempts only functions marked as tests"
)]
#![expect(unsafe_code, reason = "an allocator can be counted by one that stands before it only")]

use std::alloc::{GlobalAlloc, Layout as Block, System};
use std::backtrace::Backtrace;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::thread;

use smtpbench::behavior::Behavior;
use smtpbench::clock::{self, Duration};
use smtpbench::engine::desk::NumberSource;
use smtpbench::engine::worker::{self, Assignment};
use smtpbench::measure::layout::Layout;
use smtpbench::message::render::RunIdentity;
use smtpbench::net::tls::{TlsIdentity, TlsServer};
use smtpbench::plan::{Address, Plan, Target};
use smtpbench::scenario::target::TargetUrl;
use smtpbench::scenario::{self, Bound, Overrides, Source};
use smtpbench::sink::{Capture, ListenAddress, Sink, SinkOptions, SinkTls, Trust};
use smtpbench::smtp::Protocol;

/// Messages of the shorter run, and so those that are counted.
const MESSAGES: u64 = 2_000;
/// Of all sessions together. A reply that is slow for the first time, or a socket whose buffer is full for the first time,
/// may allocate once more in the longer run.
const CHANCE: u64 = 20;
/// Where something is allocated, that many frames of the call are shown.
const FRAMES: usize = 24;

thread_local! {
    static COUNTED: Cell<Option<u64>> = const { Cell::new(None) };
    static TRACED: Cell<bool> = const { Cell::new(false) };
    static TRACES: RefCell<HashMap<String, u64>> = RefCell::default();
}

/// The system's allocator, which counts on the threads that ask for it.
struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// SAFETY: every call goes on to the system's allocator as it came; what is counted lies in cells of the thread.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, block: Block) -> *mut u8 {
        count();
        // SAFETY: the caller's promise, handed on.
        unsafe { System.alloc(block) }
    }

    unsafe fn dealloc(&self, at: *mut u8, block: Block) {
        // SAFETY: the caller's promise, handed on.
        unsafe { System.dealloc(at, block) }
    }

    unsafe fn realloc(&self, at: *mut u8, block: Block, bytes: usize) -> *mut u8 {
        count();
        // SAFETY: the caller's promise, handed on.
        unsafe { System.realloc(at, block, bytes) }
    }
}

fn count() {
    let Ok(Some(so_far)) = COUNTED.try_with(Cell::get) else { return };
    COUNTED.set(Some(so_far + 1));
    if TRACED.get() {
        // What tracing allocates is not looked at.
        let held = COUNTED.take();
        let trace = Backtrace::force_capture().to_string();
        let ours = trace.lines().filter(|line| {
            ["smtpbench::", "tokio", "rustls"].iter().any(|name| line.contains(name))
        });
        let frames: Vec<&str> = ours.take(FRAMES).map(str::trim).collect();
        TRACES.with_borrow_mut(|traces| *traces.entry(frames.join("\n")).or_default() += 1);
        COUNTED.set(held);
    }
}

/// What a case sends, and over what.
#[derive(Clone, Copy)]
struct Case<'a> {
    /// A scenario: its load, scripts and messages.
    scenario: &'a str,
    tls: bool,
    /// How often a message may allocate: for what is beyond our reach.
    each: u64,
}

/// A run of `messages`: how often its worker allocated, and from where if that is `traced`.
fn run(case: Case<'_>, messages: u64, traced: bool) -> (u64, HashMap<String, u64>) {
    let identity = TlsIdentity::make(&["localhost"]).unwrap();
    let tls = SinkTls { server: TlsServer::new(&identity).unwrap(), implicit: true };
    let mut sink = Sink::start(SinkOptions {
        listen: vec![ListenAddress::Tcp(([127, 0, 0, 1], 0).into())],
        behavior: Behavior::default(),
        protocol: Protocol::Smtp,
        hostname: "sink.test".into(),
        trust: Trust::default(),
        threads: 1,
        tls: case.tls.then_some(tls),
        logins: None,
        capture: Capture::default(),
    })
    .unwrap();
    let ListenAddress::Tcp(address) = sink.addresses()[0] else { panic!("it listens by TCP") };
    let plan = Arc::new(plan(case, Address::Tcp(address), messages));
    let layout = Arc::new(Layout::new(&plan));
    let (sender, snapshots) = sync_channel(64);
    let assignment = Assignment {
        index: 0,
        layout,
        numbers: NumberSource::of_loads(&plan),
        control: Arc::default(),
        started: clock::now(),
        snapshots: sender,
        plan,
    };
    let worker = thread::spawn(move || {
        COUNTED.set(Some(0));
        TRACED.set(traced);
        let report = worker::run(assignment).unwrap();
        let counted = COUNTED.take().unwrap();
        let unused: u64 = report.unused.iter().map(|load| load.len() as u64).sum();
        assert_eq!(unused, 0, "messages were not sent");
        (counted, TRACES.take())
    });
    assert!(snapshots.iter().count() > 0);
    let counted = worker.join().unwrap();
    sink.stop();
    assert_eq!(sink.counts().messages, messages, "the sink took another number of messages");
    counted
}

fn plan(case: Case<'_>, address: Address, messages: u64) -> Plan {
    let text = format!("target = {{ url = \"embedded:\", verify = false }}\n{}", case.scenario);
    let overrides = Overrides { messages: Some(Bound::Messages(messages)), ..Overrides::default() };
    let scenario = scenario::read(&Source { path: None, text }, &overrides).unwrap();
    let spec = scenario.target().unwrap();
    let Address::Tcp(socket) = address else { panic!("it listens by TCP") };
    let target = Target {
        name: "target".into(),
        url: TargetUrl::Tcp {
            protocol: Protocol::Smtp,
            host: "localhost".into(),
            port: socket.port(),
            implicit_tls: case.tls,
        },
        security: spec.security.clone(),
        login: None,
        max_rate: None,
        addresses: vec![address.into()],
    };
    let identity = RunIdentity { run_id: "0".repeat(16), seed: 1 };
    let mut plan = Plan::new(scenario, target, identity, 1);
    // An interval that ends takes histograms of its own: no matter of the round trips in it.
    plan.interval = Duration::from_secs(3600);
    plan
}

/// How often `MESSAGES` further messages allocate.
fn cost(case: Case<'_>) -> u64 {
    run(case, 2 * MESSAGES, false).0.saturating_sub(run(case, MESSAGES, false).0)
}

/// Holds further messages to no allocation but those of the case, and shows from where they come otherwise.
#[track_caller]
fn check(case: Case<'_>) {
    let more = cost(case);
    if more > case.each * MESSAGES + CHANCE {
        let ((short, once), (long, twice)) =
            (run(case, MESSAGES, true), run(case, 2 * MESSAGES, true));
        let mut grown: Vec<_> = twice
            .iter()
            .map(|(trace, count)| (count.saturating_sub(*once.get(trace).unwrap_or(&0)), trace))
            .collect();
        grown.sort_unstable_by(|a, b| b.cmp(a));
        let shown: Vec<_> =
            grown.iter().take(6).map(|(n, t)| format!("{n} times from\n{t}")).collect();
        panic!(
            "{MESSAGES} further messages allocate {more} times (traced {}):\n{}",
            long.saturating_sub(short),
            shown.join("\n\n")
        );
    }
}

const KEPT_OPEN: &str = "[load]\nsessions = 10\n[[messages]]\nsize = \"1KiB\"\n";

#[test]
fn lock_step_on_kept_open_sessions() {
    check(Case { scenario: KEPT_OPEN, tls: false, each: 0 });
}

#[test]
fn bodies_of_100_kib() {
    let scenario = "[load]\nsessions = 10\n[[messages]]\nsize = \"100KiB\"\n";
    check(Case { scenario, tls: false, each: 0 });
}

#[test]
fn templates_with_random_values() {
    let scenario = concat!(
        "[load]\nsessions = 10\n",
        "[senders]\npattern = \"bench+{{seq}}.{{1..99}}@sender.test\"\n",
        "[recipients]\npattern = \"user{{1..100000}}@{{domain}}\"\nper_message = \"1..5\"\n",
        "domains = { \"a.test\" = 3, \"b.test\" = 1 }\n",
        "[[messages]]\nname = \"one\"\nsize = \"1KiB..8KiB\"\nheaders = { X-Bench = \"{{seq}}-{{1..9}}\" }\n",
        "[[messages]]\nname = \"other\"\nsize = { p50 = \"2KiB\", p99 = \"20KiB\" }\n",
    );
    check(Case { scenario, tls: false, each: 0 });
}

/// rustls takes a buffer for every record that it reads or writes, and none else is taken: nine of a message, since the header and
/// the body are written at once and become two.
#[test]
fn under_tls() {
    check(Case { scenario: KEPT_OPEN, tls: true, each: 9 });
}

const PIPELINED: &str = r#"
[load]
sessions = 10
[[messages]]
size = "1KiB"
[[scripts]]
name = "main"
steps = '''
hello
transaction pipelined
  MAIL FROM:<{{sender}}>
  RCPT TO:<{{recipient}}>
  DATA
end
QUIT
'''
"#;

#[test]
fn pipelined() {
    check(Case { scenario: PIPELINED, tls: false, each: 0 });
}

#[test]
fn chunks_in_lock_step() {
    let scenario = PIPELINED.replace(" pipelined", "").replace("DATA", "BDAT chunk 300B");
    check(Case { scenario: &scenario, tls: false, each: 0 });
}

#[test]
fn a_whole_transaction_in_one_write() {
    let scenario = PIPELINED.replace("DATA", "BDAT");
    check(Case { scenario: &scenario, tls: false, each: 0 });
}

/// The control: a session a message allocates, and the counter sees it.
#[test]
fn sessions_do_allocate() {
    let scenario =
        "[load]\nsessions = 10\nmessages_per_session = 1\n[[messages]]\nsize = \"1KiB\"\n";
    let more = cost(Case { scenario, tls: false, each: 0 });
    assert!(more >= MESSAGES, "only {more} allocations of {MESSAGES} further sessions were seen");
}
