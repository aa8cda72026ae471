//! Dialogues on a virtual clock: the script's side is real, the peer's is written out.

use std::sync::Arc;

use super::*;
use crate::behavior::Behavior;
use crate::clock;
use crate::engine::desk::NumberSource;
use crate::measure::collector::Collector;
use crate::measure::layout::Layout;
use crate::measure::outcome::{Fate, Fault};
use crate::measure::recorder::Recorder;
use crate::measure::summary::Summary;
use crate::measure::validity::EndOfRun;
use crate::message::render::RunIdentity;
use crate::message::template::Template;
use crate::message::{AddressSource, Addresses, Content, Mail, MessageKind, SizeRule};
use crate::plan::{Address, Target};
use crate::scenario::extensions::Extensions;
use crate::scenario::fault::Faults;
use crate::scenario::names::Names;
use crate::scenario::script::parse_script;
use crate::scenario::step::StepNames;
use crate::scenario::target::TargetUrl;
use crate::scenario::{Bound, Load, Scenario, Timeouts};

mod auth;
mod extensions;
mod lmtp;
mod mail_data;
mod open_load;
mod pipelining;
mod security;
mod turns;
mod via;

/// Actions after which a dialogue is taken to run for ever.
const ACTIONS_MAX: usize = 200;

fn plan(steps_text: &str, messages: u64, recipients: u32) -> Plan {
    let (mut steps, mut faults) = (StepNames::default(), Faults::default());
    let names = Names { tables: Vec::new(), messages: vec!["note".into()] };
    let script = parse_script(steps_text, 0, "script", 1, &names, &mut steps, &mut faults);
    let list = |address: &str| Addresses {
        source: AddressSource::List(vec![address.into()]),
        domains: Vec::new(),
    };
    let scenario = Scenario {
        name: "test".into(),
        path: None,
        text: String::new(),
        seed: None,
        targets: Vec::new(),
        interleave: None,
        preflight: false,
        loads: vec![Load { bound: Some(Bound::Messages(messages)), ..Load::closed(1, None, 1) }],
        scripts: vec![script.unwrap_or_else(|| panic!("{faults:?}"))],
        steps,
        client: Some(Template::text("me.test")),
        sources: Vec::new(),
        via: None,
        mail: Mail {
            senders: list("from@sender.test"),
            recipients: list("to@recipient.test"),
            per_message: recipients..=recipients,
            kinds: vec![MessageKind {
                name: "note".into(),
                weight: 1,
                content: Content::Generated { size: SizeRule::Fixed(500), headers: Vec::new() },
            }],
            trace: None,
        },
        tables: Vec::new(),
        timeouts: Timeouts::default(),
        extensions: Extensions::default(),
        thresholds: Vec::new(),
        stop_on: None,
        sink: Behavior::default(),
    };
    let target = Target {
        name: "target".into(),
        url: TargetUrl::Embedded,
        security: Default::default(),
        login: None,
        max_rate: None,
        addresses: vec![Address::Tcp(([127, 0, 0, 1], 25).into()).into()],
    };
    Plan::new(scenario, target, RunIdentity { run_id: "0".repeat(16), seed: 1 }, 1)
}

/// Plays `talk` against `script`: `S:` lines are the peer's, `C:` lines are what must come from us, in order. One
/// `C:` line a command; lines of one write are joined by ` / `; mail data shows as `<data N>`. `S: <closed>` and
/// `S: <silence>` are no lines. The last line is the way it ended and the fates.
#[track_caller]
fn check(script: &str, messages: u64, recipients: u32, talk: &str) {
    let _ = play(&plan(script, messages, recipients), talk);
}

#[track_caller]
fn play(plan: &Plan, talk: &str) -> Summary {
    let want: Vec<&str> = talk.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let start = clock::now();
    let mut now = start;
    let layout = Arc::new(Layout::new(plan));
    let recorder = Recorder::new(Arc::clone(&layout), 0, start, Duration::from_secs(86_400));
    let mut desk = Desk::new(plan, 0, start, recorder, &NumberSource::of_loads(plan));
    let mut dialogue = Dialogue::new(plan, 0, 0, rows_of(plan, 0, 0), now);
    let mut got: Vec<String> = Vec::new();
    let mut peer = want.iter().filter(|line| line.starts_with("S:"));
    dialogue.start(plan, &mut desk, now);
    dialogue.connected(plan, &mut desk, now);
    for count in 0.. {
        assert!(count < ACTIONS_MAX, "the dialogue does not end: {got:#?}");
        now += Duration::from_millis(1);
        desk.out.clear();
        match dialogue.next(plan, &mut desk, now) {
            Action::Write(part) => {
                got.push(format!("C: {}", shown(&desk, part.as_ref())));
                dialogue.written(plan, &mut desk, now);
            }
            Action::Sleep(length) => now += length,
            Action::Await | Action::Hold => panic!("a closed load waits for nothing: {got:#?}"),
            Action::Handshake => security::shake(&mut dialogue, plan, &mut desk, now, &mut got),
            Action::Read => match peer.next().copied() {
                Some(line @ "S: <closed>") => {
                    got.push(line.into());
                    dialogue.handle_failure(plan, &mut desk, now, Failure::Closed, "");
                }
                Some(line @ "S: <silence>") => {
                    got.push(line.into());
                    now = dialogue.deadline().unwrap();
                    dialogue.handle_timeout(plan, &mut desk, now);
                }
                Some(line) => {
                    got.push(line.into());
                    let wire = line[2..].trim_start().replace('|', "\r\n") + "\r\n";
                    dialogue.handle_input(plan, &mut desk, now, wire.as_bytes());
                }
                None => panic!("the peer has nothing to say: {got:#?}"),
            },
            Action::Close { reset } => {
                let end = if reset { "reset" } else { "closed" };
                let mut collector = Collector::new(layout, Duration::from_secs(86_400), 1);
                collector.add(desk.recorder.finish(now));
                let progress = collector.progress();
                let fates: Vec<String> = Fate::ALL
                    .into_iter()
                    .filter(|fate| progress.fates.of(*fate) > 0)
                    .map(|fate| format!("{} {}", progress.fates.of(fate), fate.name()))
                    .collect();
                assert_eq!(progress.attempted, progress.fates.sum(), "accounting");
                assert_eq!(progress.open_sessions, 0);
                got.push(format!("{end}: {}", fates.join(", ")).trim_end().to_owned());
                assert_eq!(got, want, "\n{}", got.join("\n"));
                return collector.summary(plan, &EndOfRun::running(now - start));
            }
        }
    }
    unreachable!("the loop ends by itself or panics")
}

fn shown(desk: &Desk, part: Option<&UploadPart>) -> String {
    let text = String::from_utf8_lossy(desk.out.bytes()).into_owned();
    let text = match text.find("X-Smtpbench") {
        Some(at) => text[..at].to_owned(),
        None => text,
    };
    let mut text = text.trim_end().replace("\r\n", " / ");
    if let Some(part) = part {
        let end = if part.end.is_empty() { "" } else { " ." };
        text = format!("{text} <data{end}>").trim_start().to_owned();
    }
    text
}

const PLAIN: &str =
    "hello\ntransaction\nMAIL FROM:<{{sender}}>\nRCPT TO:<{{recipient}}>\nDATA\nend\nQUIT";
const PIPELINED: &str = "hello\ntransaction pipelined\nMAIL FROM:<{{sender}}>\nRCPT TO:<{{recipient}}>\nDATA\nend\nQUIT";

#[test]
fn a_message_is_sent_step_by_step() {
    check(
        PLAIN,
        1,
        1,
        "S: 220 hi
         C: EHLO me.test
         S: 250 ok
         C: MAIL FROM:<from@sender.test>
         S: 250 ok
         C: RCPT TO:<to@recipient.test>
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
fn refused_ehlo_falls_back_to_helo_once() {
    check(
        "hello\nQUIT",
        1,
        1,
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
fn refused_mail_goes_to_the_next_transaction() {
    check(
        PLAIN,
        2,
        1,
        "S: 220 hi
         C: EHLO me.test
         S: 250 ok
         C: MAIL FROM:<from@sender.test>
         S: 451 later
         C: MAIL FROM:<from@sender.test>
         S: 550 never
         C: QUIT
         S: 221 bye
         closed: 1 rejected, 1 deferred",
    );
}

#[test]
fn refused_recipients_are_passed_over_and_rset_where_none_is_left() {
    check(
        PLAIN,
        2,
        2,
        "S: 220 hi
         C: EHLO me.test
         S: 250 ok
         C: MAIL FROM:<from@sender.test>
         S: 250 ok
         C: RCPT TO:<to@recipient.test>
         S: 550 no
         C: RCPT TO:<to@recipient.test>
         S: 250 ok
         C: DATA
         S: 354 go
         C: <data .>
         S: 250 taken
         C: MAIL FROM:<from@sender.test>
         S: 250 ok
         C: RCPT TO:<to@recipient.test>
         S: 550 no
         C: RCPT TO:<to@recipient.test>
         S: 452 full
         C: RSET
         S: 250 ok
         C: QUIT
         S: 221 bye
         closed: 1 accepted, 1 deferred",
    );
}

#[test]
fn refused_data_is_reset() {
    check(
        PLAIN,
        1,
        1,
        "S: 220 hi
         C: EHLO me.test
         S: 250 ok
         C: MAIL FROM:<from@sender.test>
         S: 250 ok
         C: RCPT TO:<to@recipient.test>
         S: 250 ok
         C: DATA
         S: 554 no
         C: RSET
         S: 250 ok
         C: QUIT
         S: 221 bye
         closed: 1 rejected",
    );
}

#[test]
fn what_the_script_expects_is_followed_as_written() {
    check(
        "hello\ntransaction\nMAIL FROM:<{{sender}}>\nRCPT TO:<x@y.test> => 550\nDATA => 554\nend\nQUIT",
        1,
        1,
        "S: 220 hi
         C: EHLO me.test
         S: 250 ok
         C: MAIL FROM:<from@sender.test>
         S: 250 ok
         C: RCPT TO:<x@y.test>
         S: 550 no
         C: DATA
         S: 554 nobody
         C: RSET
         S: 250 ok
         C: QUIT
         S: 221 bye
         closed: 1 rejected",
    );
}

#[test]
fn peer_closes_after_final_dot() {
    check(
        PLAIN,
        1,
        1,
        "S: 220 hi
         C: EHLO me.test
         S: 250 ok
         C: MAIL FROM:<from@sender.test>
         S: 250 ok
         C: RCPT TO:<to@recipient.test>
         S: 250 ok
         C: DATA
         S: 354 go
         C: <data .>
         S: <closed>
         closed: 1 in_doubt",
    );
}

#[test]
fn peer_closes_before_the_mail_data() {
    check(
        PLAIN,
        1,
        1,
        "S: 220 hi
         C: EHLO me.test
         S: 250 ok
         C: MAIL FROM:<from@sender.test>
         S: 250 ok
         C: RCPT TO:<to@recipient.test>
         S: <closed>
         closed: 1 failed",
    );
}

#[test]
fn silence_ends_at_the_limit() {
    check(
        PLAIN,
        1,
        1,
        "S: 220 hi
         C: EHLO me.test
         S: 250 ok
         C: MAIL FROM:<from@sender.test>
         S: <silence>
         closed: 1 failed",
    );
}

#[test]
fn a_421_closes_the_session_and_defers_the_message() {
    check(
        PLAIN,
        1,
        1,
        "S: 220 hi
         C: EHLO me.test
         S: 250 ok
         C: MAIL FROM:<from@sender.test>
         S: 421 too busy
         closed: 1 deferred",
    );
}

#[test]
fn gibberish_instead_of_greeting() {
    check(PLAIN, 1, 1, "S: SSH-2.0-OpenSSH\nclosed:");
}

#[test]
fn a_refusing_greeting_gets_quit() {
    check(
        PLAIN,
        1,
        1,
        "S: 554 no
         C: QUIT
         S: 221 bye
         closed:",
    );
}

#[test]
fn a_reply_nobody_asked_for_ends_the_session() {
    check(
        PLAIN,
        1,
        1,
        "S: 220 hi
         C: EHLO me.test
         S: 250 ok|250 and more
         closed:",
    );
}

#[test]
fn a_script_may_expect_a_reply_to_nothing() {
    let script = "hello\nsend \"NO\"\nsend \"OP\\r\\n\"\nexpect 250\nQUIT";
    check(
        script,
        1,
        1,
        "S: 220 hi
         C: EHLO me.test
         S: 250 ok
         C: NO
         C: OP
         S: 250 ok
         C: QUIT
         S: 221 bye
         closed:",
    );
}

#[test]
fn repeats_run_their_turns() {
    check(
        "hello\nrepeat 2\nNOOP\nrepeat 2\nVRFY x => 252\nend\nend\nQUIT",
        1,
        1,
        "S: 220 hi
         C: EHLO me.test
         S: 250 ok
         C: NOOP
         S: 250 ok
         C: VRFY x
         S: 252 perhaps
         C: VRFY x
         S: 252 perhaps
         C: NOOP
         S: 250 ok
         C: VRFY x
         S: 252 perhaps
         C: VRFY x
         S: 252 perhaps
         C: QUIT
         S: 221 bye
         closed:",
    );
}
