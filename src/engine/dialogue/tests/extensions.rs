//! Extensions: parameters where they are offered, mail that stays unsent without, LIMITS, and round trips.

use super::{PIPELINED, PLAIN, plan, play};
use crate::measure::extensions::RoundTrips;
use crate::measure::summary::Summary;
use crate::message::template::Template;
use crate::message::{AddressSource, Content, MailFile, Mark, Pick};
use crate::plan::Plan;
use crate::scenario::extensions::{Dsn, EightBitMime, Extensions, Hold};
use crate::scenario::target::TargetUrl;
use crate::smtp::parameters::Extension;

const BDAT: &str =
    "hello\ntransaction\nMAIL FROM:<{{sender}}>\nRCPT TO:<{{recipient}}>\nBDAT\nend\nQUIT";
const BDAT_PIPELINED: &str = "hello\ntransaction pipelined\nMAIL FROM:<{{sender}}>\nRCPT TO:<{{recipient}}>\nBDAT\nend\nQUIT";

/// Ehlo keywords of a server that offers everything.
const ALL: &str = "250-ok|250-SIZE 1000|250-8BITMIME|250-SMTPUTF8|250-DSN|250-BINARYMIME|250-CHUNKING|\
                   250-FUTURERELEASE 100 2029-12-31T00:00:00Z|250 MT-PRIORITY";

fn asking(script: &str, recipients: u32, extensions: Extensions) -> Plan {
    let mut plan = plan(script, 1, recipients);
    plan.scenario.extensions = extensions;
    plan
}

fn recipients(plan: &mut Plan, addresses: &[&str]) {
    let list = addresses.iter().map(|address| (*address).into()).collect();
    plan.scenario.mail.recipients.source = AddressSource::List(list);
}

fn file(plan: &mut Plan, data: &[u8]) {
    let file = MailFile {
        path: "a.eml".into(),
        data: data.into(),
        stuffed: data.into(),
        binary: Some(b"binary"[..].into()),
        eight_bit: !data.is_ascii(),
        utf8_header: false,
    };
    plan.scenario.mail.kinds[0].content =
        Content::Files { files: vec![file], pick: Pick::RoundRobin, mark: Mark::None };
    plan.scenario.extensions.beyond_ascii = !data.is_ascii();
}

/// One message in one session; `ehlo` is the reply to EHLO, `mail` and `rcpt` are the lines that have to come.
#[track_caller]
fn one(plan: &Plan, ehlo: &str, mail: &str, rcpt: &str) -> Summary {
    let talk = format!(
        "S: 220 hi
         C: EHLO me.test
         S: {ehlo}
         C: {mail}
         S: 250 ok
         C: {rcpt}
         S: 250 ok
         C: DATA
         S: 354 go
         C: <data .>
         S: 250 taken
         C: QUIT
         S: 221 bye
         closed: 1 accepted"
    );
    play(plan, &talk)
}

const MAIL: &str = "MAIL FROM:<from@sender.test>";
const RCPT: &str = "RCPT TO:<to@recipient.test>";

fn everything() -> Extensions {
    Extensions {
        size: true,
        eight_bit_mime: EightBitMime::Always,
        dsn: Some(Dsn {
            notify: Some("SUCCESS,DELAY".into()),
            ret: Some("HDRS"),
            envid: Some(Template::text("a+b c")),
            orcpt: true,
        }),
        hold: Some(Hold::For(60)),
        mt_priority: Some(-3),
        ..Extensions::default()
    }
}

#[test]
fn what_is_asked_for_and_offered_is_said() {
    let mail =
        format!("{MAIL} SIZE=500 BODY=8BITMIME RET=HDRS ENVID=a+2Bb+20c HOLDFOR=60 MT-PRIORITY=-3");
    let rcpt = format!("{RCPT} NOTIFY=SUCCESS,DELAY ORCPT=rfc822;to@recipient.test");
    let summary = one(&asking(PLAIN, 1, everything()), ALL, &mail, &rcpt);
    for extension in Extension::ALL {
        assert_eq!(summary.extensions.without(extension), 0, "{extension:?}");
        assert_eq!(summary.extensions.beyond(extension), 0, "{extension:?}");
    }
}

#[test]
fn what_is_not_offered_is_left_out_and_counted() {
    let summary = one(&asking(PLAIN, 1, everything()), "250 ok", MAIL, RCPT);
    let without: Vec<_> = Extension::ALL
        .into_iter()
        .filter(|extension| summary.extensions.without(*extension) == 1)
        .map(Extension::keyword)
        .collect();
    assert_eq!(without, ["SIZE", "8BITMIME", "DSN", "FUTURERELEASE", "MT-PRIORITY"]);
    let noted = summary.notes.iter().filter(|note| note.name == "not_offered").count();
    assert_eq!(noted, 5, "{:?}", summary.notes);
}

#[test]
fn nothing_is_said_that_nobody_asked_for() {
    one(&asking(PLAIN, 1, Extensions::default()), ALL, MAIL, RCPT);
}

#[test]
fn what_the_script_writes_stays() {
    let script = "hello\ntransaction\nMAIL FROM:<{{sender}}> SIZE=5 body=7BIT\n\
                  RCPT TO:<{{recipient}}> NOTIFY=NEVER\nDATA\nend\nQUIT";
    let extensions = Extensions { hold: None, mt_priority: None, ..everything() };
    let mail = format!("{MAIL} SIZE=5 body=7BIT RET=HDRS ENVID=a+2Bb+20c");
    let rcpt = format!("{RCPT} NOTIFY=NEVER ORCPT=rfc822;to@recipient.test");
    one(&asking(script, 1, extensions), ALL, &mail, &rcpt);
}

#[test]
fn beyond_what_the_server_announces_is_sent_and_counted() {
    let until = Hold::Until("2030-01-01T00:00:00Z".into());
    let extensions = Extensions { size: true, hold: Some(until), ..Extensions::default() };
    let ehlo = "250-ok|250-SIZE 499|250 FUTURERELEASE 100 2029-12-31T00:00:00Z";
    let mail = format!("{MAIL} SIZE=500 HOLDUNTIL=2030-01-01T00:00:00Z");
    let summary = one(&asking(PLAIN, 1, extensions), ehlo, &mail, RCPT);
    assert_eq!(summary.extensions.beyond(Extension::Size), 1);
    assert_eq!(summary.extensions.beyond(Extension::FutureRelease), 1);
}

#[test]
fn eight_bit_mail_says_so_where_it_is_offered() {
    let mut plan = asking(PLAIN, 1, Extensions::default());
    file(&mut plan, "A: b\r\n\r\nä\r\n".as_bytes());
    one(&plan, ALL, &format!("{MAIL} BODY=8BITMIME"), RCPT);
    let summary = one(&plan, "250 ok", MAIL, RCPT);
    assert_eq!(summary.extensions.without(Extension::EightBitMime), 1);
    plan.scenario.extensions.eight_bit_mime = EightBitMime::Never;
    one(&plan, ALL, MAIL, RCPT);
    file(&mut plan, b"A: b\r\n\r\na\r\n");
    plan.scenario.extensions.eight_bit_mime = EightBitMime::WhereNeeded;
    one(&plan, ALL, MAIL, RCPT);
}

#[test]
fn binary_mail_goes_out_as_it_is() {
    let extensions = Extensions { size: true, binary_mime: true, ..Extensions::default() };
    let mut plan = asking(BDAT, 1, extensions);
    file(&mut plan, b"mended file\r\n");
    let talk = |ehlo: &str, mail: &str, bdat: &str| {
        format!(
            "S: 220 hi
             C: EHLO me.test
             S: {ehlo}
             C: {MAIL}{mail}
             S: 250 ok
             C: {RCPT}
             S: 250 ok
             C: BDAT {bdat} LAST <data>
             S: 250 taken
             C: QUIT
             S: 221 bye
             closed: 1 accepted"
        )
    };
    play(&plan, &talk(ALL, " SIZE=6 BODY=BINARYMIME", "6"));
    // Without CHUNKING the keyword means nothing (RFC 3030 section 3).
    let summary = play(&plan, &talk("250-ok|250-SIZE|250 BINARYMIME", " SIZE=13", "13"));
    assert_eq!(summary.extensions.without(Extension::BinaryMime), 1);
}

#[test]
fn smtputf8_is_said_where_it_is_needed() {
    let extensions = Extensions { smtputf8: true, beyond_ascii: true, ..Extensions::default() };
    let mut plan = asking(PLAIN, 1, extensions);
    one(&plan, ALL, MAIL, RCPT);
    recipients(&mut plan, &["ü@recipient.test"]);
    // The address is in the To field as well, so the mail data is not ASCII either.
    let mail = format!("{MAIL} BODY=8BITMIME SMTPUTF8");
    one(&plan, ALL, &mail, "RCPT TO:<ü@recipient.test>");
    plan.scenario.extensions.dsn = Some(Dsn { orcpt: true, ..Dsn::default() });
    let rcpt = "RCPT TO:<ü@recipient.test> ORCPT=utf-8;\\x{FC}@recipient.test";
    one(&plan, ALL, &mail, rcpt);
}

#[test]
fn mail_that_needs_smtputf8_is_not_sent_without() {
    let extensions = Extensions { smtputf8: true, beyond_ascii: true, ..Extensions::default() };
    for script in [PLAIN, PIPELINED] {
        let mut plan = asking(script, 2, extensions.clone());
        recipients(&mut plan, &["to@recipient.test", "ü@recipient.test"]);
        let summary = play(
            &plan,
            "S: 220 hi
             C: EHLO me.test
             S: 250-ok|250 PIPELINING
             C: QUIT
             S: 221 bye
             closed: 1 failed",
        );
        let failures: Vec<_> =
            summary.failures.iter().map(|row| (row.step.as_str(), row.failure.name())).collect();
        assert_eq!(failures, [("mail", "smtputf8_not_offered")]);
    }
}

#[test]
fn requiretls_is_said_under_tls_or_nothing_is_sent() {
    let extensions = Extensions { requiretls: true, ..Extensions::default() };
    let mut plan = asking(PLAIN, 1, extensions);
    let failed = |plan: &Plan, talk: &str, failure: &str| {
        let summary = play(plan, talk);
        let failures: Vec<_> = summary.failures.iter().map(|row| row.failure.name()).collect();
        assert_eq!(failures, [failure]);
    };
    failed(
        &plan,
        "S: 220 hi
         C: EHLO me.test
         S: 250-ok|250 REQUIRETLS
         C: QUIT
         S: 221 bye
         closed: 1 failed",
        "requiretls_in_clear",
    );
    plan.targets[0].url = TargetUrl::parse("smtps://127.0.0.1:465").unwrap();
    failed(
        &plan,
        "TLS
         S: 220 hi
         C: EHLO me.test
         S: 250 ok
         C: QUIT
         S: 221 bye
         closed: 1 failed",
        "requiretls_not_offered",
    );
    let talk = format!(
        "TLS
         S: 220 hi
         C: EHLO me.test
         S: 250-ok|250 REQUIRETLS
         C: {MAIL} REQUIRETLS
         S: 250 ok
         C: {RCPT}
         S: 250 ok
         C: DATA
         S: 354 go
         C: <data .>
         S: 250 taken
         C: QUIT
         S: 221 bye
         closed: 1 accepted"
    );
    play(&plan, &talk);
}

#[test]
fn mailmax_ends_the_session() {
    let script = "hello\ntransaction\nMAIL FROM:<{{sender}}> => 550\nend\nQUIT";
    let talk = |rest: &str| {
        format!(
            "S: 220 hi
             C: EHLO me.test
             S: 250-ok|250 LIMITS MAILMAX=2
             C: {MAIL}
             S: 550 no
             C: {MAIL}
             S: 550 no
             {rest}C: QUIT
             S: 221 bye
             closed: "
        )
    };
    let mut plan = plan(script, 3, 1);
    let summary = play(&plan, &(talk("") + "2 rejected"));
    assert_eq!(summary.extensions.sessions_cut, 1);
    plan.scenario.extensions.limits = false;
    let third = format!("C: {MAIL}\nS: 550 no\n");
    let summary = play(&plan, &(talk(&third) + "3 rejected"));
    assert_eq!(summary.extensions.sessions_cut, 0);
    // A session that ends by itself there is not cut.
    plan.scenario.extensions.limits = true;
    plan.loads[0].messages = Some(2);
    assert_eq!(play(&plan, &(talk("") + "2 rejected")).extensions.sessions_cut, 0);
}

#[test]
fn recipients_beyond_the_limits_are_left_out() {
    let check = |script: &str, limits: &str, rcpt: &[&str], left_out: u64| {
        let mut plan = plan(script, 1, 4);
        recipients(&mut plan, &["a@x.test", "b@Y.test", "c@y.test", "d@z.test"]);
        let lines: Vec<_> = rcpt.iter().map(|to| format!("RCPT TO:<{to}>")).collect();
        let envelope = match script {
            PIPELINED => {
                let replies = "250 ok|".repeat(lines.len() + 1);
                format!("C: {MAIL} / {} / DATA\nS: {replies}354 go", lines.join(" / "))
            }
            _ => {
                let lines: Vec<_> =
                    lines.iter().map(|line| format!("C: {line}\nS: 250 ok")).collect();
                format!("C: {MAIL}\nS: 250 ok\n{}\nC: DATA\nS: 354 go", lines.join("\n"))
            }
        };
        let summary = play(
            &plan,
            &format!(
                "S: 220 hi
                 C: EHLO me.test
                 S: 250-ok|250-PIPELINING|250 LIMITS {limits}
                 {envelope}
                 C: <data .>
                 S: 250 taken
                 C: QUIT
                 S: 221 bye
                 closed: 1 accepted"
            ),
        );
        assert_eq!(summary.extensions.recipients_left_out, left_out, "{limits}");
        let recipients = &summary.accounting.recipients;
        assert_eq!(recipients.fates.of(super::Fate::Abandoned), left_out, "{limits}");
        assert_eq!(recipients.fates.sum(), 4);
        let noted = summary.notes.iter().any(|note| note.name == "limits_obeyed");
        assert_eq!(noted, left_out > 0, "{limits}");
    };
    for script in [PLAIN, PIPELINED] {
        check(script, "RCPTMAX=2", &["a@x.test", "b@Y.test"], 2);
        check(script, "RCPTDOMAINMAX=2", &["a@x.test", "b@Y.test", "c@y.test"], 1);
        check(script, "RCPTDOMAINMAX=1 RCPTMAX=3", &["a@x.test"], 3);
        check(script, "RCPTMAX=4", &["a@x.test", "b@Y.test", "c@y.test", "d@z.test"], 0);
    }
}

#[test]
fn round_trips_are_counted_by_the_way_of_sending() {
    let check = |script: &str, envelope: &str, way: &str, trips: u32| {
        let plan = plan(script, 1, 1);
        let summary = play(
            &plan,
            &format!(
                "S: 220 hi
                 C: EHLO me.test
                 S: 250-ok|250-PIPELINING|250 CHUNKING
                 {envelope}
                 C: QUIT
                 S: 221 bye
                 closed: 1 accepted"
            ),
        );
        let used: Vec<_> =
            summary.round_trips.used().map(|(way, trips)| (way.name(), *trips)).collect();
        let sum = u64::from(trips);
        assert_eq!(used, [(way, RoundTrips { transactions: 1, sum, min: trips, max: trips })]);
    };
    let lines = format!("C: {MAIL}\nS: 250 ok\nC: {RCPT}\nS: 250 ok\n");
    let data = "DATA\nS: 354 go\nC: <data .>\nS: 250 taken";
    check(PLAIN, &format!("{lines}C: {data}"), "data", 4);
    let group = format!("C: {MAIL} / {RCPT} / DATA");
    let end = "C: <data .>\nS: 250 taken";
    check(PIPELINED, &format!("{group}\nS: 250 ok|250 ok|354 go\n{end}"), "data_pipelined", 2);
    // Replies in several segments are one turn.
    let apart = "S: 250 ok\nS: 250 ok\nS: 354 go";
    check(PIPELINED, &format!("{group}\n{apart}\n{end}"), "data_pipelined", 2);
    let last = "BDAT 500 LAST <data>\nS: 250 taken";
    check(BDAT, &format!("{lines}C: {last}"), "bdat", 3);
    let group = format!("C: {MAIL} / {RCPT} / BDAT 500 LAST <data>");
    let replies = "S: 250 ok|250 ok|250 taken";
    check(BDAT_PIPELINED, &format!("{group}\n{replies}"), "bdat_pipelined", 1);
    let chunks = BDAT_PIPELINED.replace("BDAT", "BDAT chunk 300");
    let group = format!("C: {MAIL} / {RCPT} / BDAT 300 <data>\nC: BDAT 200 LAST <data>");
    check(&chunks, &format!("{group}\n{replies}|250 taken"), "bdat_pipelined", 1);
    let chunks = BDAT.replace("BDAT", "BDAT chunk 300");
    let first = "BDAT 300 <data>\nS: 250 ok\nC: BDAT 200 LAST <data>\nS: 250 taken";
    check(&chunks, &format!("{lines}C: {first}"), "bdat", 4);
}
