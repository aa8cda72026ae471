//! What a user is told where a run does not do what was asked: the scheme to write, what went otherwise, that it gave up.

use std::fs;
use std::time::Duration;

use rustix::process::Signal;
use smtpbench::behavior::Behavior;
use smtpbench::sink::{Capture, ListenAddress, Sink, SinkOptions, Trust};
use smtpbench::smtp::Protocol;
use tempfile::TempDir;

use crate::support::peer::Peer;
use crate::support::program::{Finished, Smtpbench};
use crate::support::results::Results;

const LIMIT: Duration = Duration::from_secs(60);

/// Runs `text` with this target, in the folder that it gives.
fn run(url: &str, text: &str, codes: &[i32]) -> (Finished, TempDir) {
    let folder = TempDir::new().unwrap();
    let scenario = folder.path().join("told.toml");
    fs::write(&scenario, format!("thresholds = []\n{text}")).unwrap();
    let finished = Smtpbench::new(&["run", "--target", url])
        .arg(&scenario)
        .arg("--out")
        .arg(folder.path().join("out"))
        .limit(LIMIT)
        .run()
        .code(codes);
    (finished, folder)
}

/// A preflight that is refused with `hint`.
#[track_caller]
fn refused(url: &str, hint: &str) {
    let (finished, folder) = run(url, "[load]\nsessions = 1\nmessages = 1\n", &[69]);
    finished.stderr_has(&format!("hint: {hint}"));
    assert!(!folder.path().join("out").exists());
}

#[test]
fn a_server_of_the_other_protocol_names_the_scheme_to_write() {
    for greeting in ["220 peer.test ESMTP", "220 peer.test"] {
        let peer = Peer::play(&format!(
            "S: {greeting}\nC: LHLO\nS: 500 5.5.1 unknown\nC: QUIT\nS: 221 bye"
        ));
        let hint = match greeting.contains("ESMTP") {
            true => "the server says that it speaks SMTP: write an smtp:// URL",
            false => {
                "the server does not know LHLO: is it an SMTP server? Then write an smtp:// URL"
            }
        };
        refused(&peer.url().replace("smtp://", "lmtp://"), hint);
    }
    let silent = Peer::play(
        "S: 220 peer.test\nC: EHLO\nS: 500 what\nC: HELO\nS: 500 what\nC: QUIT\nS: 221 bye",
    );
    let hint =
        "the server knows neither EHLO nor HELO: is it an LMTP server? Then write an lmtp:// URL";
    refused(&silent.url(), hint);
    // One that knows it, and does not like our name, is told of no other scheme.
    let picky = Peer::play(
        "S: 220 peer.test\nC: EHLO\nS: 550 5.7.1 who?\nC: HELO\nS: 550 5.7.1 who?\nC: QUIT\nS: 221 bye",
    );
    refused(&picky.url(), "mend what it refuses");
    let sink = Sink::start(SinkOptions {
        listen: vec![ListenAddress::Tcp(([127, 0, 0, 1], 0).into())],
        behavior: Behavior::default(),
        protocol: Protocol::Lmtp,
        hostname: "sink.test".to_owned(),
        trust: Trust::default(),
        threads: 1,
        tls: None,
        logins: None,
        capture: Capture::default(),
    })
    .unwrap();
    let ListenAddress::Tcp(address) = &sink.addresses()[0] else { panic!("a TCP sink") };
    refused(
        &format!("smtp://{address}"),
        "the server says that it speaks LMTP: write an lmtp:// URL",
    );
}

#[test]
fn a_run_without_a_clock_gives_up_where_no_session_may_send() {
    let peer = Peer::play("S: 220 peer.test\nC: EHLO\nS: 250 peer.test\nC: QUIT\nS: 221 bye");
    let text = "preflight = false\n[target]\nurl = \"embedded:\"\ntls = \"starttls\"\nverify = false\n\
                [load]\nsessions = 3\nmessages = 100\n[timeouts]\nstep = \"2s\"\n";
    let (finished, folder) = run(&peer.url(), text, &[69]);
    let finished = finished
        .stderr_has("giving up: no session came to a message for 1")
        .stdout_has("the run gave up: no session came to a message for 1");
    let words = finished.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("and 100 messages were not started"), "{finished}");
    let results = Results::keep(folder, "out").add_up();
    let failures = results.failures("starttls", "tls_not_offered");
    // Slots wait for up to a second between their sessions.
    assert!((10..150).contains(&failures), "{failures} {finished}");
    assert_eq!(results.messages("not_started"), 100, "{finished}");
}

#[test]
fn mail_that_goes_out_in_no_groups_for_want_of_pipelining_is_told() {
    let peer = Peer::play("S: 220 peer.test\nC: EHLO\nS: 250 peer.test\nserve");
    let load = "[load]\nsessions = 1\nmessages = 3\n";
    let script = "[[scripts]]\nname = \"a\"\nsteps = '''\nhello\ntransaction pipelined\nMAIL FROM:<a@b.test>\n\
                  RCPT TO:<c@d.test>\nDATA\nend\n'''\n";
    let (finished, _) = run(&peer.url(), &format!("{load}{script}"), &[0]);
    finished.stdout_has("3 messages went command by command: the server does not offer PIPELINING");
    let (finished, _) = run(&peer.url(), load, &[0]);
    assert!(!finished.stdout.contains("command by command"), "{finished}");
}

#[test]
fn replies_to_several_scripts_are_told_apart_and_a_step_that_is_only_refused_has_a_row() {
    let peer = Peer::good();
    let script = |name: &str, line: &str| {
        format!("[[scripts]]\nname = \"{name}\"\nsteps = '''\nhello\n{line}\n'''\n")
    };
    let scripts = script("odd", "XYZZY => 251") + &script("even", "XYZZY 2 => 5xx");
    let load = "[load]\nsessions = 4\nfor = \"500ms\"\n";
    let (finished, _) = run(&peer.url(), &format!("{load}{scripts}"), &[0]);
    let line = |start: &str| finished.stdout.lines().filter(|line| line.starts_with(start)).count();
    for name in ["odd", "even"] {
        assert!(line(&format!("{name:11}xyzzy")) > 0, "{finished}");
    }
    let only = script("odd", "XYZZY => 251");
    let (finished, _) = run(&peer.url(), &format!("{load}{only}"), &[0]);
    let row = finished.stdout.lines().find(|line| line.starts_with("xyzzy"));
    let row = row.unwrap_or_else(|| panic!("no row: {finished}"));
    let words: Vec<&str> = row.split_whitespace().collect();
    assert_eq!(words[..5], ["xyzzy", "0", "-", "-", "-"], "{row}");
}

#[test]
fn once_prints_what_is_said_as_it_is_said() {
    // A server that is asked to greet, and never answers what follows.
    let peer = Peer::play("S: 220 peer.test\nC: EHLO\nstall");
    let finished = Smtpbench::new(&["once", "--target", &peer.url()])
        .signal(Duration::from_secs(1), Signal::INT)
        .limit(LIMIT)
        .run()
        .code(&[130])
        .stdout_has("<- 220 peer.test")
        .stdout_has("-> EHLO client-0.test");
    assert!(finished.elapsed < Duration::from_secs(30), "{finished}");
}
