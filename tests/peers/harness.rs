//! The harness itself: a server counts what a known client sent, and leaves nothing behind.

use std::net::TcpStream;

use crate::aiosmtpd::{Aiosmtpd, Taken, sha256};
use crate::postfix::{Counts, DEFERRED, Postfix, REJECTED};
use crate::probe::Probe;
use crate::root::here;
use crate::smtp_sink::SmtpSink;

#[test]
fn postfix_counts_what_the_probe_sent() {
    let Some(postfix) = here("postfix", Postfix::start()) else { return };
    for _ in 0..4 {
        let mut probe = Probe::open(postfix.address()).unwrap();
        for _ in 0..5 {
            probe.message("somebody@recipient.test", b"Subject: probe\r\n\r\nhello\r\n").unwrap();
        }
        probe.command("MAIL FROM:<probe@sender.test>", "250").unwrap();
        probe.command(&format!("RCPT TO:<{REJECTED}>"), "550 5.1.1").unwrap();
        probe.command(&format!("RCPT TO:<{DEFERRED}>"), "450 4.2.0").unwrap();
        probe.command("RSET", "250").unwrap();
        probe.quit().unwrap();
    }
    // A message whose data never ends is not counted.
    let mut probe = Probe::open(postfix.address()).unwrap();
    probe.command("MAIL FROM:<probe@sender.test>", "250").unwrap();
    probe.command("RCPT TO:<somebody@recipient.test>", "250").unwrap();
    probe.command("DATA", "354").unwrap();
    probe.write(b"Subject: cut\r\n\r\nhell").unwrap();
    drop(probe);

    let want = Counts { messages: 20, recipients: 20, rejected: 4, deferred: 4 };
    assert_eq!(postfix.settled(20), want, "log:\n{}", postfix.log());

    let address = postfix.address();
    postfix.end();
    assert!(TcpStream::connect(address).is_err(), "something still listens at {address}");
}

#[test]
fn smtp_sink_counts_what_the_probe_sent() {
    let Some(sink) = here("smtp-sink", SmtpSink::start()) else { return };
    for _ in 0..4 {
        let mut probe = Probe::open(sink.address()).unwrap();
        for _ in 0..5 {
            probe.message("somebody@recipient.test", b"Subject: probe\r\n\r\nhello\r\n").unwrap();
        }
        probe.quit().unwrap();
    }
    // A message whose data never ends is not counted.
    let mut probe = Probe::open(sink.address()).unwrap();
    probe.command("MAIL FROM:<probe@sender.test>", "250").unwrap();
    probe.command("RCPT TO:<somebody@recipient.test>", "250").unwrap();
    probe.command("DATA", "354").unwrap();
    probe.write(b"Subject: cut\r\n\r\nhell").unwrap();
    drop(probe);
    assert_eq!(sink.settled(20), 20);
}

#[test]
fn aiosmtpd_says_which_bytes_the_probe_sent() {
    let Some(sink) = here("aiosmtpd", Aiosmtpd::start()) else { return };
    let mut probe = Probe::open(sink.address()).unwrap();
    let long = "x".repeat(9_000);
    let wire = format!("Subject: probe\r\n\r\n..\r\n...dots\r\n{long}\r\n\u{e9}\r\n");
    probe.message("somebody@recipient.test", wire.as_bytes()).unwrap();
    probe.quit().unwrap();

    let content = format!("Subject: probe\r\n\r\n.\r\n..dots\r\n{long}\r\n\u{e9}\r\n");
    let got = sink.settled(1);
    let want = Taken {
        sha256: sha256(content.as_bytes()),
        size: u64::try_from(content.len()).unwrap(),
        mail_from: "probe@sender.test".to_owned(),
        rcpt_tos: vec!["somebody@recipient.test".to_owned()],
    };
    assert_eq!(got, [want]);
}
