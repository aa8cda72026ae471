//! The harness itself: a server counts what a known client sent, and leaves nothing behind.

use std::net::TcpStream;

use crate::postfix::{Counts, DEFERRED, Postfix, REJECTED};
use crate::probe::Probe;
use crate::root::here;

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
