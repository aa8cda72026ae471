//! Servers that misbehave: each is a line in a result file, and the run goes on or ends with its code.

use std::fs;
use std::net::TcpListener;
use std::time::Duration;

use tempfile::TempDir;

use crate::support::peer::Peer;
use crate::support::program::{Finished, Smtpbench};
use crate::support::results::Results;

/// The load is over after a second, the drain after a second more; the rest is for a busy machine.
const LIMIT: Duration = Duration::from_secs(20);
/// A step's limit where the peer answers: never reached.
pub(crate) const PATIENT: &str = "10s";
/// A step's limit where the peer does not answer.
pub(crate) const IMPATIENT: &str = "300ms";
const SESSIONS: usize = 5;

/// Greets and takes an envelope.
const UP_TO_DATA: &str = "
    S: 220 peer.test ESMTP
    C: EHLO
    S: 250 peer.test
    C: MAIL
    S: 250 2.1.0 ok
    C: RCPT
    S: 250 2.1.5 ok
    C: DATA
";

/// Ends within its time, with one of `codes`, and with results that add up.
#[track_caller]
fn run(url: &str, step_limit: &str, codes: &[i32]) -> (Finished, Results) {
    run_with(url, step_limit, codes, "")
}

/// The same with `more` at the end of the scenario.
#[track_caller]
pub(crate) fn run_with(
    url: &str,
    step_limit: &str,
    codes: &[i32],
    more: &str,
) -> (Finished, Results) {
    let folder = TempDir::new().unwrap();
    let (scenario, out) = (folder.path().join("hostile.toml"), folder.path().join("out"));
    // Sessions that wait for their limit have time for a second one, also on a busy machine.
    let length = if step_limit == IMPATIENT { "2s" } else { "1s" };
    let text = format!(
        r#"
name = "hostile"
preflight = false
thresholds = []

[target]
url = "{url}"

[load]
sessions = {SESSIONS}
for = "{length}"
drain = "1s"

[timeouts]
step = "{step_limit}"

{more}
"#
    );
    fs::write(&scenario, text).unwrap();
    let finished = Smtpbench::new(&["run"])
        .arg(&scenario)
        .arg("--out")
        .arg(&out)
        .limit(LIMIT)
        .run()
        .code(codes);
    let results = Results::keep(folder, "out").add_up();
    (finished, results)
}

/// The load against a peer that answers with this script. The scenario has no thresholds: the run is valid (0), or
/// nothing could be measured (69).
#[track_caller]
fn play(script: &str, step_limit: &str) -> (Peer, Finished, Results) {
    let peer = Peer::play(script);
    let (finished, results) = run(&peer.url(), step_limit, &[0, 69]);
    (peer, finished, results)
}

/// Slots whose session completed nothing wait 10 ms, doubling to 1 s: within two seconds at most 9 a slot.
#[track_caller]
pub(crate) fn calm(peer: &Peer) {
    let most = SESSIONS * 12;
    assert!(peer.connections() <= most, "{} connections: it spins", peer.connections());
    assert!(peer.connections() > SESSIONS, "{} connections: it gave up", peer.connections());
}

#[test]
fn a_good_server_is_not_reported() {
    let (peer, finished, results) = play("S: 220 peer.test\nserve", PATIENT);
    assert_eq!(finished.code, Some(0), "{finished}");
    assert!(results.messages("accepted") > 0, "{finished}");
    assert_eq!(results.messages("accepted"), results.replies("eod", "250"), "{finished}");
    assert_eq!(results.table("failures.csv").sum("count", &[]), 0, "{finished}");
    assert_eq!(peer.connections(), SESSIONS, "sessions are kept open");
}

#[test]
fn a_rejected_message_is_never_accepted() {
    let script = format!("{UP_TO_DATA}S: 354 go on\nC: .\nS: 554 5.7.1 spam\nserve");
    let peer = Peer::play(&script);
    let (finished, results) = run(&peer.url(), PATIENT, &[0]);
    // The first message of a session is rejected, all later ones are taken.
    assert_eq!(results.messages("rejected"), results.replies("eod", "554"), "{finished}");
    assert!(results.messages("rejected") >= 1, "{finished}");
    assert_eq!(results.messages("accepted"), results.replies("eod", "250"), "{finished}");
    assert_eq!(results.messages("accepted"), results.accepted_samples("eod"), "{finished}");
}

#[test]
fn a_server_that_rejects_everything_accepts_nothing() {
    let script = format!("{UP_TO_DATA}S: 554 5.7.1 no\nC: RSET\nS: 250 ok\nC: QUIT\nS: 221 bye");
    let (_, finished, results) = play(&script, PATIENT);
    assert_eq!(results.messages("accepted"), 0, "{finished}");
    assert!(results.messages("rejected") > 0, "{finished}");
    assert_eq!(results.accepted_samples("eod"), 0, "{finished}");
    let row = [("step", "data"), ("reply_code", "554"), ("enhanced_code", "5.7.1")];
    let outcomes = results.table("replies.csv");
    assert!(outcomes.cells("outcome", &row).iter().all(|outcome| *outcome == "rejected"));
    assert!(results.replies("data", "554") > 0, "{outcomes}");
}

#[test]
fn peer_closes_instead_of_a_reply() {
    let (peer, finished, results) =
        play("S: 220 peer.test\nC: EHLO\nS: 250 peer.test\nC: MAIL\nclose", PATIENT);
    assert!(results.failures("mail", "closed") > 0, "{finished}");
    assert!(results.messages("failed") > 0, "{finished}");
    assert_eq!(results.messages("accepted"), 0, "{finished}");
    calm(&peer);
}

#[test]
fn peer_closes_after_final_dot() {
    let (_, finished, results) = play(&format!("{UP_TO_DATA}S: 354 go on\nC: .\nclose"), PATIENT);
    assert!(results.failures("eod", "closed") > 0, "{finished}");
    // RFC 1047: the peer may have taken it.
    assert!(results.messages("in_doubt") > 0, "{finished}");
    assert_eq!(results.messages("accepted") + results.messages("failed"), 0, "{finished}");
}

#[test]
fn peer_resets() {
    let (_, finished, results) =
        play("S: 220 peer.test\nC: EHLO\nS: 250 peer.test\nC: MAIL\nreset", PATIENT);
    assert!(results.failures("mail", "reset") > 0, "{finished}");
    let faults = results.table("failures.csv");
    assert!(faults.sum("count", &[("fault", "network")]) > 0, "{faults}");
    assert_eq!(faults.sum("count", &[("fault", "generator")]), 0, "{faults}");
}

#[test]
fn peer_resets_in_the_middle_of_the_upload() {
    // Any mail data is longer than nothing: the reset meets the upload or its end.
    let (_, finished, results) = play(&format!("{UP_TO_DATA}S: 354 go on\nreset"), PATIENT);
    let failures = results.table("failures.csv");
    assert!(failures.sum("count", &[]) > 0, "{finished}");
    assert!(results.messages("failed") + results.messages("in_doubt") > 0, "{finished}");
    assert_eq!(results.messages("accepted"), 0, "{finished}");
}

#[test]
fn peer_stalls_in_the_dialogue() {
    let (_, finished, results) =
        play("S: 220 peer.test\nC: EHLO\nS: 250 peer.test\nC: MAIL\nstall", IMPATIENT);
    assert!(results.failures("mail", "timed_out") > 0, "{finished}");
    assert!(results.messages("failed") > 0, "{finished}");
}

#[test]
fn peer_stalls_after_final_dot() {
    let script = format!("{UP_TO_DATA}S: 354 go on\nC: .\nstall");
    let (_, finished, results) = play(&script, IMPATIENT);
    assert!(results.failures("eod", "timed_out") > 0, "{finished}");
    assert!(results.messages("in_doubt") > 0, "{finished}");
    assert_eq!(results.messages("accepted"), 0, "{finished}");
}

#[test]
fn peer_stalls_past_the_drain() {
    let script = format!("{UP_TO_DATA}S: 354 go on\nC: .\nstall");
    let (_, finished, results) = play(&script, PATIENT);
    // Cut at the drain limit: the step's own limit is far away.
    let cut = results.messages("unfinished") + results.messages("in_doubt");
    assert!(cut >= 1, "{finished}");
    assert!(
        finished.elapsed < Duration::from_secs(9),
        "it waited for the step's limit\n{finished}"
    );
}

#[test]
fn peer_answers_byte_by_byte() {
    let script = "drip 220 peer.test
        C: EHLO
        drip 250-peer.test
        drip 250 8BITMIME
        C: MAIL
        drip 250 2.1.0 ok
        C: RCPT
        drip 250 2.1.5 ok
        C: DATA
        drip 354 go on
        C: .
        drip 250 2.0.0 taken
        serve";
    let (_, finished, results) = play(script, PATIENT);
    assert_eq!(finished.code, Some(0), "{finished}");
    assert!(results.messages("accepted") > 0, "{finished}");
    assert_eq!(results.table("failures.csv").sum("count", &[]), 0, "{finished}");
}

#[test]
fn control_characters_in_a_reply() {
    let script = "S: 220 peer.test
        C: EHLO
        S: 250 peer.test
        C: MAIL
        raw 550 5.1.0 \\x1b[31m\\x07\\x00\\x7f=cmd\\xff\\xfe\\r\\n
        serve";
    let (_, finished, results) = play(script, PATIENT);
    // That no control character is in any file holds for every run; here that the row is there.
    assert!(results.replies("mail", "550") > 0, "{finished}");
    let output = format!("{}{}", finished.stdout, finished.stderr);
    assert!(!output.contains(|c: char| c.is_control() && c != '\n'), "{output:?}");
}

#[test]
fn gibberish_instead_of_greeting() {
    let (peer, finished, results) =
        play("raw \\x00\\x01\\xff\\xfe\\x80gibberish\\r\\nstall", PATIENT);
    assert!(results.failures("greeting", "garbage") > 0, "{finished}");
    calm(&peer);
}

#[test]
fn no_smtp_at_all() {
    let script = "S: HTTP/1.1 400 Bad Request\nS: Connection: close\nraw \\r\\n\nclose";
    let (peer, finished, results) = play(script, PATIENT);
    assert!(results.failures("greeting", "garbage") > 0, "{finished}");
    assert_eq!(results.table("replies.csv").sum("count", &[("step", "greeting")]), 0);
    calm(&peer);
}

#[test]
fn gibberish_instead_of_a_reply() {
    let script = "S: 220 peer.test\nC: EHLO\nS: 250 peer.test\nC: MAIL\nS: fine, go on\nstall";
    let (_, finished, results) = play(script, PATIENT);
    assert!(results.failures("mail", "garbage") > 0, "{finished}");
    assert!(results.messages("failed") > 0, "{finished}");
}

#[test]
fn a_reply_of_200_lines() {
    let script = "S: 220 peer.test
        C: EHLO
        lines 200 250 X-EXTENSION-OF-THE-PEER
        serve";
    let (_, finished, results) = play(script, PATIENT);
    let counted = results.replies("ehlo", "250") + results.failures("ehlo", "reply_too_long");
    assert!(counted > 0, "{finished}");
}

#[test]
fn a_reply_without_end() {
    let script = "S: 220 peer.test
        C: EHLO
        lines 100000 250 X-EXTENSION-OF-THE-PEER
        serve";
    let (_, finished, results) = play(script, PATIENT);
    assert!(results.failures("ehlo", "reply_too_long") > 0, "{finished}");
    assert_eq!(results.messages("accepted"), 0, "{finished}");
}

#[test]
fn a_reply_line_of_100_kb() {
    let script =
        "S: 220 peer.test\nC: EHLO\nS: 250 peer.test\nC: MAIL\nlong 100000 250 2.1.0 \nserve";
    let (_, finished, results) = play(script, PATIENT);
    assert!(results.failures("mail", "line_too_long") > 0, "{finished}");
    assert_eq!(results.messages("accepted"), 0, "{finished}");
}

#[test]
fn a_reply_that_nobody_asked_for() {
    // Both lines come in one write: the second is there before the next command.
    let script = "S: 220 peer.test
        C: EHLO
        S: 250 peer.test
        C: MAIL
        S: 250 2.1.0 ok
        S: 250 2.1.5 and one more
        serve";
    let (_, finished, results) = play(script, PATIENT);
    let failures = results.table("failures.csv");
    let unsolicited = failures.sum("count", &[("failure", "unsolicited")]);
    let counted =
        unsolicited + results.table("replies.csv").sum("count", &[("step", "unsolicited")]);
    assert!(counted > 0, "{failures}\n{finished}");
}

#[test]
fn silence_instead_of_a_greeting() {
    let (_, finished, results) = play("stall", IMPATIENT);
    assert!(results.failures("greeting", "timed_out") > 0, "{finished}");
    assert_eq!(results.table("replies.csv").sum("count", &[]), 0, "{finished}");
}

#[test]
fn a_greeting_that_refuses() {
    let (peer, finished, results) = play("S: 554 5.3.2 not today\nC: QUIT\nS: 221 bye", PATIENT);
    assert!(results.replies("greeting", "554") > 0, "{finished}");
    assert_eq!(results.messages("accepted"), 0, "{finished}");
    calm(&peer);
}

#[test]
fn closing_421_after_three_messages() {
    let script = "S: 220 peer.test\nmessages 3\nC: MAIL\nS: 421 4.7.0 enough for now\nclose";
    let (peer, finished, results) = play(script, PATIENT);
    assert_eq!(finished.code, Some(0), "{finished}");
    assert!(results.replies("mail", "421") > 0, "{finished}");
    assert_eq!(results.messages("deferred"), results.replies("mail", "421"), "{finished}");
    // Three a connection, but for those that the end of the run met in between.
    let (accepted, most) = (results.messages("accepted"), peer.connections() * 3);
    assert!(accepted >= 3 && accepted <= u64::try_from(most).unwrap(), "{accepted} of {most}");
    assert!(peer.connections() > SESSIONS, "ended sessions are replaced");
}

#[test]
fn a_port_where_nobody_listens() {
    let free = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap();
    let (finished, results) = run(&format!("smtp://{free}"), PATIENT, &[69]);
    let refused = results.failures("connect", "refused");
    // Tried again with a growing wait: not once only, and not as fast as it can.
    let most = u64::try_from(SESSIONS * 12).unwrap();
    assert!(refused > u64::try_from(SESSIONS).unwrap() && refused <= most, "{refused}\n{finished}");
    let note = format!("{SESSIONS} sessions were asked for, and 0 connections were made in all");
    let finished = finished.stdout_has(&note);
    assert_eq!(results.messages("accepted"), 0, "{finished}");
}

#[test]
fn preflight_shows_the_transcript_of_a_refusal() {
    let peer = Peer::play(
        "S: 220 peer.test
        C: EHLO
        S: 250 peer.test
        C: MAIL
        S: 550 5.7.1 not from you
        serve",
    );
    let folder = TempDir::new().unwrap();
    Smtpbench::new(&["run", "--sessions", "5", "--for", "1s", "--target"])
        .arg(peer.url())
        .arg("--out")
        .arg(folder.path().join("out"))
        .limit(LIMIT)
        .run()
        .code(&[69])
        .stderr_has("550 5.7.1 not from you");
    assert_eq!(peer.connections(), 1, "no load after a refused preflight");
}

#[test]
fn preflight_sends_no_mail_data() {
    // After the preflight's RSET and QUIT the peer closes; each later connection is a session of the load.
    let peer = Peer::good();
    let folder = TempDir::new().unwrap();
    let out = folder.path().join("out");
    Smtpbench::new(&["run", "--sessions", "2", "--messages", "20", "--target"])
        .arg(peer.url())
        .arg("--out")
        .arg(&out)
        .limit(LIMIT)
        .run()
        .code(&[0]);
    let results = Results::read(&out).add_up();
    assert_eq!(results.messages("accepted"), 20);
    assert_eq!(results.replies("eod", "250"), 20);
    // On a busy machine the first session may have sent everything before the second one begins.
    assert!((2..=3).contains(&peer.connections()), "one preflight and up to two sessions");
}
