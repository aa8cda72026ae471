//! What must not get slow, held by what no noise of the machine touches: memory a session, and no wait of the 40 ms that a
//! delayed acknowledgement takes. System calls are counted in tests/peers, allocations in tests/allocations.rs.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use smtpbench::clock;
use tempfile::TempDir;

use crate::support::program::Smtpbench;
use crate::support::results::Results;
use crate::support::serving::Serving;

/// More than half of what Nagle's algorithm waits for, and far more than a reply takes.
const STALL: Duration = Duration::from_millis(20);
const LIMIT: Duration = Duration::from_secs(60);
/// Bytes that a held session may take in a debug build, whose futures are larger than those that are measured in benches/.
const SESSION_BYTES: u64 = 6 * 1024;

#[test]
fn one_session_waits_for_no_acknowledgement() {
    no_stall(1);
}

#[test]
fn ten_sessions_wait_for_no_acknowledgement() {
    no_stall(10);
}

/// Nine in ten of the replies to every step come at once. Two writes without TCP_NODELAY would hold up each body.
#[track_caller]
fn no_stall(sessions: u32) {
    let sink = Serving::start(&[]);
    let temporary = TempDir::new().unwrap();
    Smtpbench::new(&["run", "--quiet", "--size", "3KiB", "--messages", "500"])
        .args(&["--target", &format!("smtp://{}", sink.address)])
        .args(&["--sessions", &sessions.to_string()])
        .arg("--out")
        .arg(temporary.path().join("out"))
        .run()
        .code(&[0]);
    let results = Results::keep(temporary, "out");
    for step in ["mail", "rcpt", "data", "upload", "eod"] {
        let wanted = [("step", step), ("script", "all"), ("clock", "service"), ("outcome", "all")];
        let latency = results.table("latency.csv");
        let us: u64 = latency.cells("us_p90", &wanted)[0].parse().unwrap();
        assert!(Duration::from_micros(us) < STALL, "{step}: {us} µs at p90\n{latency}");
    }
}

/// The control: with Nagle's algorithm on, a body whose header was written apart waits for the acknowledgement.
#[test]
fn two_writes_without_nodelay_do_wait() {
    let sink = Serving::start(&[]);
    let mut stream = TcpStream::connect(&sink.address).unwrap();
    let mut replies = BufReader::new(stream.try_clone().unwrap());
    let mut reply = || loop {
        let mut line = String::new();
        assert!(replies.read_line(&mut line).unwrap() > 0, "the sink has closed");
        if line.as_bytes()[3] == b' ' {
            return;
        }
    };
    reply();
    stream.write_all(b"EHLO nagle.test\r\n").unwrap();
    reply();
    let mut waits = Vec::new();
    for _ in 0..20 {
        for command in ["MAIL FROM:<a@sender.test>", "RCPT TO:<b@recipient.test>", "DATA"] {
            stream.write_all(format!("{command}\r\n").as_bytes()).unwrap();
            reply();
        }
        let start = clock::now();
        stream.write_all(b"Subject: in two writes\r\n\r\n").unwrap();
        stream.write_all(b"the body\r\n.\r\n").unwrap();
        reply();
        waits.push(start.elapsed());
    }
    waits.sort_unstable();
    assert!(waits[waits.len() / 2] >= STALL, "nothing waited for an acknowledgement: {waits:?}");
}

#[test]
fn a_held_session_takes_little_memory() {
    let (few, many) = (200, 2_000);
    let (low, high) = (resident(few), resident(many));
    let each = high.saturating_sub(low) / (many - few);
    assert!(each <= SESSION_BYTES, "{each} bytes a session: {low} with {few}, {high} with {many}");
    assert!(each >= 100, "{each} bytes a session: the memory of sessions is not seen");
}

/// Resident memory of a run that holds so many sessions, in bytes.
#[track_caller]
fn resident(sessions: u64) -> u64 {
    let sink = Serving::start(&["--http", "127.0.0.1:0"]);
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("hold.toml");
    let text = format!(
        "thresholds = []\ntarget = {{ url = \"smtp://{}\" }}\n\
         load = {{ sessions = {sessions}, hold = \"ehlo\", for = \"300s\" }}\n",
        sink.address
    );
    fs::write(&file, text).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_smtpbench"))
        .args(["run", "--quiet", "--no-preflight", "--out"])
        .arg(folder.path().join("out"))
        .arg(&file)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let start = clock::now();
    // Each session has said EHLO and nothing else.
    while commands(sink.http.as_ref().unwrap()) < sessions {
        assert!(child.try_wait().unwrap().is_none(), "the run has ended");
        assert!(start.elapsed() < LIMIT, "the sessions do not open");
        thread::sleep(Duration::from_millis(20));
    }
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    let kib: u64 = line.split_whitespace().next().unwrap().parse().unwrap();
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    child.wait().unwrap();
    kib * 1024
}

/// Command lines that a sink took so far.
#[track_caller]
fn commands(http: &str) -> u64 {
    let mut stream = TcpStream::connect(http).unwrap();
    stream.write_all(b"GET /counts HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    let counts: serde_json::Value = serde_json::from_str(body).unwrap();
    counts["commands"].as_u64().unwrap()
}
