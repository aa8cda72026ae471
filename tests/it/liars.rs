//! Servers whose EHLO reply is a lie, and servers that turn on a client which says whom it speaks for.

use crate::hostile::{IMPATIENT, PATIENT, calm, run_with};
use crate::support::peer::Peer;
use crate::support::program::Finished;
use crate::support::results::Results;

const XCLIENT: &str = "[client]\nvia = \"xclient\"\naddress = \"192.0.2.1-192.0.2.9\"";
const PROXY: &str = "[client]\nvia = \"proxy\"\naddress = \"192.0.2.1-192.0.2.9\"";

/// The load against a peer that answers with this script, from clients as `client` has it.
#[track_caller]
fn play(script: &str, step_limit: &str, client: &str) -> (Peer, Finished, Results) {
    let peer = Peer::play(script);
    let (finished, results) = run_with(&peer.url(), step_limit, &[0, 69], client);
    (peer, finished, results)
}

/// What a server offers does not keep mail from going out.
#[track_caller]
fn mail_goes_out(offer: &str) {
    let script = format!("S: 220 peer.test ESMTP\nC: EHLO\n{offer}\nserve");
    let (_, finished, results) = play(&script, PATIENT, "");
    assert_eq!(finished.code, Some(0), "{finished}");
    assert!(results.messages("accepted") > 0, "{finished}");
    assert_eq!(results.messages("accepted"), results.replies("eod", "250"), "{finished}");
    assert_eq!(results.table("failures.csv").sum("count", &[]), 0, "{finished}");
}

#[test]
fn a_size_that_no_number_holds() {
    mail_goes_out("S: 250-peer.test\nS: 250-SIZE 99999999999999999999\nS: 250 SIZE -1");
}

#[test]
fn limits_that_make_no_sense() {
    mail_goes_out(
        "S: 250-peer.test\nS: 250-LIMITS\nS: 250-LIMITS RCPTMAX=x MAILMAX=99999999999999999999 =1 ===\n\
         S: 250 LIMITS RCPTMAX= RCPTMAX",
    );
}

#[test]
fn keywords_of_any_bytes() {
    mail_goes_out(
        "S: 250-peer.test\nraw 250-\\x00\\x01\\xff SIZE\\r\\n\nS: 250-\nS: 250-  \nS: 250 PIPELINING=no",
    );
}

#[test]
fn a_thousand_lines_of_capabilities() {
    mail_goes_out("lines 1000 250 PIPELINING and much more");
}

#[test]
fn an_xclient_that_takes_nothing() {
    for offer in ["250 XCLIENT", "250 XCLIENT ADDR=1 ADDRESS", "250 XCLIENT\t", "250 XCLIENTADDR"] {
        let script = format!("S: 220 peer.test\nC: EHLO\nS: 250-peer.test\nS: {offer}\nserve");
        let (peer, finished, results) = play(&script, PATIENT, XCLIENT);
        calm(&peer);
        assert!(results.failures("xclient", "xclient_not_offered") > 0, "{offer}: {finished}");
        assert_eq!(results.replies("mail", "250"), 0, "{offer}: {finished}");
        assert_eq!(results.messages("accepted"), 0, "{offer}: {finished}");
    }
}

const UP_TO_XCLIENT: &str = "
    S: 220 peer.test ESMTP
    C: EHLO
    S: 250-peer.test
    S: 250-PIPELINING
    S: 250 XCLIENT ADDR
    C: XCLIENT ADDR=192.0.2.
";

#[test]
fn replies_injected_behind_the_220_of_xclient() {
    // In one segment: they must not be taken for the replies to EHLO and MAIL.
    let script =
        format!("{UP_TO_XCLIENT}S: 220 peer.test\nS: 250 peer.test\nS: 250 2.1.0 injected\nserve");
    let (peer, finished, results) = play(&script, PATIENT, XCLIENT);
    calm(&peer);
    assert!(results.failures("unsolicited", "unsolicited") > 0, "{finished}");
    assert_eq!(results.messages("accepted"), 0, "{finished}");
    assert_eq!(results.replies("mail", "250"), 0, "{finished}");
}

#[test]
fn an_xclient_that_is_refused() {
    for code in ["550", "501", "503", "450"] {
        let script = format!("{UP_TO_XCLIENT}S: {code} no\nC: QUIT\nS: 221 bye");
        let (peer, finished, results) = play(&script, PATIENT, XCLIENT);
        calm(&peer);
        assert!(results.replies("xclient", code) > 0, "{code}: {finished}");
        assert_eq!(results.replies("quit", "221"), results.replies("xclient", code), "{finished}");
        assert_eq!(results.messages("accepted"), 0, "{finished}");
    }
}

#[test]
fn an_xclient_that_is_never_answered() {
    let (peer, finished, results) = play(&format!("{UP_TO_XCLIENT}stall"), IMPATIENT, XCLIENT);
    calm(&peer);
    assert!(results.failures("xclient", "timed_out") > 0, "{finished}");
}

#[test]
fn an_ehlo_that_is_refused_after_xclient() {
    let script =
        format!("{UP_TO_XCLIENT}S: 220 peer.test\nC: EHLO\nS: 502 what\nC: HELO\nS: 250 ok\nserve");
    let (_, finished, results) = play(&script, PATIENT, XCLIENT);
    // It offered pipelining to somebody else; HELO offers nothing, and the mail goes out.
    assert_eq!(finished.code, Some(0), "{finished}");
    assert!(results.messages("accepted") > 0, "{finished}");
}

#[test]
fn a_reset_in_answer_to_a_header() {
    let header = PROXY.replace("proxy", "proxy-v1");
    let (peer, finished, results) = play("C: PROXY TCP4 192.0.2.\nreset", PATIENT, &header);
    calm(&peer);
    assert!(results.failures("greeting", "reset") > 0, "{finished}");
    // At once, before the header could be read, and in the middle of connecting.
    let (peer, finished, results) = play("reset", PATIENT, PROXY);
    calm(&peer);
    let failures = results.table("failures.csv");
    let reset = failures.sum("count", &[("failure", "reset"), ("fault", "network")]);
    assert!(reset > 0, "{failures}\n{finished}");
    assert_eq!(reset, failures.sum("count", &[]), "{failures}\n{finished}");
}

#[test]
fn silence_in_answer_to_a_header() {
    let (peer, finished, results) = play("stall", IMPATIENT, PROXY);
    calm(&peer);
    assert!(results.failures("greeting", "timed_out") > 0, "{finished}");
}
