//! TLS: STARTTLS and the second EHLO, TLS from the first byte, and never clear text where TLS is wanted.

use std::sync::Arc;

use super::{Desk, Dialogue, PLAIN, plan, play};
use crate::clock::Instant;
use crate::measure::tls::{Certificate, TlsFacts};
use crate::net::tls::Secured;
use crate::plan::Plan;
use crate::scenario::security::TlsUse;
use crate::scenario::target::TargetUrl;

/// What a driver does with [`super::Action::Handshake`].
pub(super) fn shake(
    dialogue: &mut Dialogue,
    plan: &Plan,
    desk: &mut Desk,
    now: Instant,
    got: &mut Vec<String>,
) {
    got.push("TLS".to_owned());
    dialogue.secured(plan, desk, now, &secured());
}

/// What a handshake agreed on.
pub(super) fn secured() -> Secured {
    let certificate = Arc::new(Certificate {
        subject: "CN=test".to_owned(),
        issuer: "CN=test".to_owned(),
        names: Vec::new(),
        not_before: String::new(),
        not_after: String::new(),
        key: String::new(),
        sha256: String::new(),
        end_point: Vec::new(),
    });
    let facts = TlsFacts {
        version: "TLSv1.3",
        cipher_suite: String::new(),
        group: String::new(),
        resumed: false,
        certificate,
    };
    Secured { facts, exporter: None }
}

#[track_caller]
fn check(tls: TlsUse, script: &str, talk: &str) {
    let mut plan = plan(script, 1, 1);
    if tls == TlsUse::Implicit {
        plan.targets[0].url = TargetUrl::parse("smtps://127.0.0.1:465").unwrap();
    } else {
        plan.targets[0].security.tls = tls;
    }
    play(&plan, talk);
}

#[test]
fn after_starttls_comes_a_second_ehlo_and_the_first_is_forgotten() {
    check(
        TlsUse::Starttls,
        "hello\ntransaction pipelined\nMAIL FROM:<a@b>\nRCPT TO:<c@d>\nDATA\nend\nQUIT",
        "S: 220 hi
         C: EHLO me.test
         S: 250-ok
         S: 250-PIPELINING
         S: 250 STARTTLS
         C: STARTTLS
         S: 220 go
         TLS
         C: EHLO me.test
         S: 250 ok
         C: MAIL FROM:<a@b>
         S: 250 ok
         C: RCPT TO:<c@d>
         S: 250 ok
         C: DATA
         S: 354 go
         C: <data .>
         S: 250 taken
         C: QUIT
         S: 221 bye
         closed: 1 accepted",
    );
}

#[test]
fn implicit_tls_comes_before_the_greeting() {
    check(
        TlsUse::Implicit,
        "hello\nQUIT",
        "TLS
         S: 220 hi
         C: EHLO me.test
         S: 250-ok
         S: 250 STARTTLS
         C: QUIT
         S: 221 bye
         closed:",
    );
}

#[test]
fn starttls_that_is_not_offered_is_a_failure_and_no_downgrade() {
    check(
        TlsUse::Starttls,
        PLAIN,
        "S: 220 hi
         C: EHLO me.test
         S: 250 ok
         C: QUIT
         S: 221 bye
         closed:",
    );
}

#[test]
fn starttls_that_is_refused_is_a_failure_and_no_downgrade() {
    check(
        TlsUse::Starttls,
        PLAIN,
        "S: 220 hi
         C: EHLO me.test
         S: 250-ok
         S: 250 STARTTLS
         C: STARTTLS
         S: 454 not now
         C: QUIT
         S: 221 bye
         closed:",
    );
}

#[test]
fn a_server_without_ehlo_has_no_tls() {
    check(
        TlsUse::Starttls,
        PLAIN,
        "S: 220 hi
         C: EHLO me.test
         S: 502 what
         C: HELO me.test
         S: 250 ok
         C: QUIT
         S: 221 bye
         closed:",
    );
}

#[test]
fn opportunistic_tls_makes_do_with_clear_text() {
    for offer in ["S: 250 ok", "S: 250-ok\nS: 250 STARTTLS\nC: STARTTLS\nS: 454 not now"] {
        check(
            TlsUse::Opportunistic,
            "hello\nNOOP\nQUIT",
            &format!(
                "S: 220 hi\nC: EHLO me.test\n{offer}\nC: NOOP\nS: 250 ok\nC: QUIT\nS: 221 bye\nclosed:"
            ),
        );
    }
}

#[test]
fn a_written_starttls_is_followed_by_what_the_script_says() {
    check(
        TlsUse::Starttls,
        "EHLO one\nSTARTTLS\nEHLO two\nQUIT",
        "S: 220 hi
         C: EHLO one
         S: 250-ok
         S: 250 STARTTLS
         C: STARTTLS
         S: 220 go
         TLS
         C: EHLO two
         S: 250 ok
         C: QUIT
         S: 221 bye
         closed:",
    );
}

#[test]
fn mail_never_goes_out_before_the_starttls_of_its_script() {
    check(
        TlsUse::Starttls,
        "EHLO one\ntransaction\nMAIL FROM:<a@b>\nRCPT TO:<c@d>\nDATA\nend\nSTARTTLS\nQUIT",
        "S: 220 hi
         C: EHLO one
         S: 250-ok
         S: 250 STARTTLS
         C: QUIT
         S: 221 bye
         closed:",
    );
}

#[test]
fn a_reply_behind_the_220_is_an_injection() {
    check(
        TlsUse::Starttls,
        PLAIN,
        "S: 220 hi
         C: EHLO me.test
         S: 250-ok
         S: 250 STARTTLS
         C: STARTTLS
         S: 220 go|250 injected
         closed:",
    );
}

#[test]
fn what_a_group_gathered_is_not_waited_for_where_clear_text_is_refused() {
    check(
        TlsUse::Starttls,
        "HELO me.test\ntransaction pipelined\nMAIL FROM:<a@b>\nRCPT TO:<c@d>\nDATA\nend\nQUIT",
        "S: 220 hi
         C: HELO me.test
         S: 250 ok
         C: QUIT
         S: 221 bye
         closed:",
    );
    check(
        TlsUse::Starttls,
        "pipeline\nHELO me.test\nNOOP\nMAIL FROM:<a@b>\nend\nQUIT",
        "S: 220 hi
         C: QUIT
         S: 221 bye
         closed:",
    );
}

#[test]
fn a_go_ahead_that_the_script_does_not_expect_ends_the_session_without_a_word() {
    check(
        TlsUse::Starttls,
        "EHLO me.test\nSTARTTLS => 454\nQUIT",
        "S: 220 hi
         C: EHLO me.test
         S: 250-ok
         S: 250 STARTTLS
         C: STARTTLS
         S: 220 go
         closed:",
    );
}

#[test]
fn a_second_starttls_is_a_command_like_any_other_but_for_its_220() {
    let talk = |end: &str| {
        format!(
            "S: 220 hi
             C: EHLO me.test
             S: 250-ok
             S: 250 STARTTLS
             C: STARTTLS
             S: 220 go
             TLS
             C: EHLO me.test
             S: 250 ok
             C: STARTTLS
             {end}
             closed:"
        )
    };
    let goes_on = "\nC: NOOP\nS: 250 ok\nC: QUIT\nS: 221 bye";
    check(
        TlsUse::Starttls,
        "EHLO me.test\nSTARTTLS\nEHLO me.test\nSTARTTLS => 503\nNOOP\nQUIT",
        &talk(&format!("S: 503 what{goes_on}")),
    );
    check(
        TlsUse::Starttls,
        "EHLO me.test\nSTARTTLS\nEHLO me.test\nSTARTTLS\nNOOP\nQUIT",
        &talk(&format!("S: 503 what{goes_on}")),
    );
    check(
        TlsUse::Starttls,
        "EHLO me.test\nSTARTTLS\nEHLO me.test\nSTARTTLS => 503\nNOOP\nQUIT",
        &talk("S: 220 go"),
    );
}

#[test]
fn a_session_is_counted_once_as_encrypted_clear_or_neither() {
    let counted = |tls: TlsUse, script: &str, talk: &str| {
        let mut plan = plan(script, 1, 1);
        plan.targets[0].security.tls = tls;
        let tls = play(&plan, talk).tls;
        (tls.encrypted(), tls.clear, tls.failed)
    };
    use TlsUse::{Opportunistic, Starttls};
    let helo = "S: 220 hi\nC: HELO me\nS: 250 ok\nC: QUIT\nS: 221 bye\nclosed:";
    assert_eq!(counted(Opportunistic, "HELO me\nQUIT", helo), (0, 1, 0));
    let late = "S: 220 hi\nC: EHLO me\nS: 250 ok\nC: EHLO me\nS: 250-ok|250 STARTTLS\nC: STARTTLS\nS: 220 go\nTLS
                C: EHLO me\nS: 250 ok\nC: QUIT\nS: 221 bye\nclosed:";
    assert_eq!(counted(Opportunistic, "EHLO me\nEHLO me\nQUIT", late), (1, 0, 0));
    let busy = "S: 220 hi\nC: EHLO me\nS: 451 later\nC: QUIT\nS: 221 bye\nclosed:";
    assert_eq!(counted(Opportunistic, "EHLO me\nQUIT", busy), (0, 1, 0));
    assert_eq!(counted(Starttls, "EHLO me\nQUIT", busy), (0, 0, 1));
    let none = "S: 220 hi\nC: EHLO me\nS: 250 ok\nC: QUIT\nS: 221 bye\nclosed:";
    assert_eq!(counted(Starttls, "EHLO me\nQUIT", none), (0, 0, 1));
    assert_eq!(counted(TlsUse::None, "EHLO me\nQUIT", none), (0, 0, 0));
    assert_eq!(
        counted(Starttls, "EHLO me\nQUIT", "S: 554 no\nC: QUIT\nS: 221 bye\nclosed:"),
        (0, 0, 1)
    );
}
