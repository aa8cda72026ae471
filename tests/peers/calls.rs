//! System calls a round trip: by epoll a read and a write, and a share of one wait for all sessions; by io_uring a share of
//! one call for many.

use smtpbench::behavior::Behavior;
use smtpbench::net::ring::Ring;
use smtpbench::sink::{Capture, ListenAddress, Sink, SinkOptions, Trust};
use smtpbench::smtp::Protocol;
use tempfile::TempDir;

use crate::root::{Missing, here};
use crate::strace;

/// Read and write are two; what is above is waiting, which sessions share, and what goes on besides.
const CALLS_MAX: f64 = 2.2;
/// So many that a wait is shared by several also where the machine gives the sink a turn after every reply.
const SESSIONS: u64 = 40;

#[test]
fn a_round_trip_takes_two_system_calls() {
    let Some(calls) = calls("epoll") else { return };
    assert!(calls <= CALLS_MAX, "{calls:.2} system calls a round trip");
    assert!(calls >= 1.0, "{calls:.2} system calls a round trip: they are not seen");
}

#[test]
fn many_sessions_share_their_system_calls() {
    if let Err(error) = Ring::new() {
        return eprintln!("skipped: no io_uring here: {error}");
    }
    let Some(calls) = calls("auto") else { return };
    // Half of what each would take by itself, and most often a quarter.
    assert!(calls > 0.0 && calls <= 1.0, "{calls:.2} system calls a round trip");
}

/// Of a round trip, where strace is here.
fn calls(driver: &str) -> Option<f64> {
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
    .unwrap();
    let folder = TempDir::new().unwrap();
    let url = format!("smtp://{}", sink.addresses()[0]);
    let counted = strace::calls_a_round_trip(folder.path(), &url, driver, SESSIONS, 500);
    let counted = counted.map_err(|error| Missing(error.to_string()));
    here("strace", counted)
}
