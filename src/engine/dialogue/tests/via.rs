//! A session that speaks for another client: a PROXY header, or XCLIENT.

use super::*;
use crate::message::template::{Part, Value};
use crate::scenario::Table;
use crate::scenario::security::TlsUse;
use crate::scenario::via::{Carrier, ClientAddress, Via};
use crate::smtp::proxy::Version;
use crate::smtp::xclient::Attribute;

const SHORT: &str = "hello\nQUIT";

fn column(column: usize) -> Template {
    Template::new(vec![Part::Value(Value::Column { table: 0, column })])
}

/// A plan whose sessions have their address from the first column of a table with this one row.
fn plan_via(carrier: Carrier, script: &str, row: &[&str]) -> Plan {
    let mut plan = plan(script, 1, 1);
    plan.scenario.tables = vec![Table {
        name: "clients".into(),
        columns: vec!["ip".into(), "other".into()],
        rows: vec![row.iter().map(|cell| (*cell).into()).collect()],
        pick: Pick::RoundRobin,
    }];
    let step = plan.scenario.steps.intern("xclient").unwrap();
    let address = ClientAddress::Template(column(0));
    plan.scenario.via = Some(Via { carrier, address, port: None, attributes: Vec::new(), step });
    plan
}

fn via(plan: &mut Plan) -> &mut Via {
    plan.scenario.via.as_mut().unwrap()
}

#[test]
fn xclient_follows_the_first_ehlo_and_begins_again() {
    play(
        &plan_via(Carrier::Xclient, PIPELINED, &["192.0.2.7"]),
        "S: 220 hi
         C: EHLO me.test
         S: 250-hi|250-PIPELINING|250 XCLIENT NAME ADDR
         C: XCLIENT ADDR=192.0.2.7
         S: 220 hi again
         C: EHLO me.test
         S: 250-hi|250 XCLIENT NAME ADDR
         C: MAIL FROM:<from@sender.test>
         S: 250 ok
         C: RCPT TO:<to@recipient.test>
         S: 250 ok
         C: DATA
         S: 354 go
         C: <data .>
         S: 250 ok
         C: QUIT
         S: 221 bye
         closed: 1 accepted",
    );
}

#[test]
fn only_what_is_offered_is_said() {
    let mut plan = plan_via(Carrier::Xclient, SHORT, &["2001:db8::1", "a=b c"]);
    via(&mut plan).port = Some(Template::text("99"));
    via(&mut plan).attributes = vec![
        (Attribute::Name, column(1)),
        (Attribute::Helo, Template::text("")),
        (Attribute::Proto, Template::text("SMTP")),
        (Attribute::Login, Template::text("me")),
    ];
    let talk = |offered: &str, said: &str| {
        format!(
            "S: 220 hi
             C: EHLO me.test
             S: 250-hi|250 XCLIENT {offered}
             C: XCLIENT {said}
             S: 220-hi|220 again
             C: EHLO me.test
             S: 250 hi
             C: QUIT
             S: 221 bye
             closed:"
        )
    };
    play(&plan, &talk("addr", "ADDR=IPV6:2001:db8::1"));
    let said = "ADDR=IPV6:2001:db8::1 PORT=99 NAME=a+3Db+20c HELO=[UNAVAILABLE] LOGIN=me";
    play(&plan, &talk("NAME ADDR PORT HELO LOGIN", said));
}

#[test]
fn what_is_not_known_is_said_to_be_unavailable() {
    for cell in ["", "[unavailable]", " "] {
        play(
            &plan_via(Carrier::Xclient, SHORT, &[cell]),
            "S: 220 hi
             C: EHLO me.test
             S: 250-hi|250 XCLIENT ADDR
             C: XCLIENT ADDR=[UNAVAILABLE]
             S: 220 hi
             C: EHLO me.test
             S: 250 hi
             C: QUIT
             S: 221 bye
             closed:",
        );
    }
}

#[test]
fn without_xclient_no_mail_is_sent() {
    for offer in ["250 hi", "250-hi|250 XCLIENT", "250-hi|250 XCLIENT NAME PORT"] {
        let talk = format!(
            "S: 220 hi
             C: EHLO me.test
             S: {offer}
             C: QUIT
             S: 221 bye
             closed:"
        );
        play(&plan_via(Carrier::Xclient, PLAIN, &["192.0.2.7"]), &talk);
    }
    play(
        &plan_via(Carrier::Xclient, PLAIN, &["192.0.2.7"]),
        "S: 220 hi
         C: EHLO me.test
         S: 502 what
         C: HELO me.test
         S: 250 ok
         C: QUIT
         S: 221 bye
         closed:",
    );
    play(
        &plan_via(Carrier::Xclient, PLAIN, &["192.0.2.7"]),
        "S: 220 hi
         C: EHLO me.test
         S: 451 later
         C: QUIT
         S: 221 bye
         closed:",
    );
}

#[test]
fn a_refused_xclient_ends_the_session() {
    for reply in ["550 5.7.0 not you", "501 what", "503 no", "250 odd", "421 bye"] {
        let end = if reply.starts_with("421") { "" } else { "C: QUIT\nS: 221 bye\n" };
        let talk = format!(
            "S: 220 hi
             C: EHLO me.test
             S: 250-hi|250 XCLIENT ADDR
             C: XCLIENT ADDR=192.0.2.7
             S: {reply}
             {end}
             closed:"
        );
        play(&plan_via(Carrier::Xclient, PLAIN, &["192.0.2.7"]), &talk);
    }
}

#[test]
fn bytes_behind_the_220_are_nobodys_reply() {
    play(
        &plan_via(Carrier::Xclient, PLAIN, &["192.0.2.7"]),
        "S: 220 hi
         C: EHLO me.test
         S: 250-hi|250 XCLIENT ADDR
         C: XCLIENT ADDR=192.0.2.7
         S: 220 hi|250 injected
         closed:",
    );
}

#[test]
fn an_lmtp_server_is_told_by_lhlo() {
    let mut plan = plan_via(Carrier::Xclient, SHORT, &["192.0.2.7"]);
    plan.targets[0].url = TargetUrl::parse("lmtp://127.0.0.1:24").unwrap();
    play(
        &plan,
        "S: 220 hi
         C: LHLO me.test
         S: 250-hi|250 XCLIENT ADDR
         C: XCLIENT ADDR=192.0.2.7
         S: 220 hi
         C: LHLO me.test
         S: 250 hi
         C: QUIT
         S: 221 bye
         closed:",
    );
}

#[test]
fn addresses_are_taken_in_turn() {
    let mut plan = plan_via(Carrier::Xclient, SHORT, &["x"]);
    via(&mut plan).address = ClientAddress::List(vec![[192, 0, 2, 9].into(), [0, 0, 0, 0].into()]);
    play(
        &plan,
        "S: 220 hi
         C: EHLO me.test
         S: 250-hi|250 XCLIENT ADDR
         C: XCLIENT ADDR=192.0.2.9
         S: 220 hi
         C: EHLO me.test
         S: 250 hi
         C: QUIT
         S: 221 bye
         closed:",
    );
}

/// The first action and its bytes, for a session number.
fn first_write(plan: &Plan, ends: Ends) -> (Action, Vec<u8>) {
    let now = clock::now();
    let layout = Arc::new(Layout::new(plan));
    let recorder = Recorder::new(layout, 0, now, Duration::from_secs(86_400));
    let mut desk = Desk::new(plan, 0, now, recorder, &NumberSource::of_loads(plan));
    let mut dialogue = Dialogue::new(plan, 0, 0, rows_of(plan, 0, 0), now);
    dialogue.start(plan, &mut desk, now);
    dialogue.note_ends(ends);
    dialogue.connected(plan, &mut desk, now);
    let action = dialogue.next(plan, &mut desk, now);
    (action, desk.out.bytes().to_vec())
}

const ENDS: (&str, &str) = ("127.0.0.1:40000", "127.0.0.1:25");

#[test]
fn a_header_is_the_first_thing_that_is_written() {
    let ends = Ends { local: ENDS.0.parse().ok(), peer: ENDS.1.parse().ok() };
    let check = |version, row: &str, port: Option<&str>, ends, want: &[u8]| {
        let mut plan = plan_via(Carrier::Proxy(version), SHORT, &[row]);
        via(&mut plan).port = port.map(Template::text);
        let (action, bytes) = first_write(&plan, ends);
        assert_eq!(action, Action::Write(None));
        assert_eq!(bytes, want, "{}", bytes.escape_ascii());
    };
    let line = |version, row, port, ends, want: &str| {
        check(version, row, port, ends, want.as_bytes());
    };
    let v1 = Version::V1;
    line(v1, "192.0.2.7", None, ends, "PROXY TCP4 192.0.2.7 127.0.0.1 40000 25\r\n");
    line(v1, "192.0.2.7", Some("7"), ends, "PROXY TCP4 192.0.2.7 127.0.0.1 7 25\r\n");
    line(v1, "::1", Some("7"), ends, "PROXY TCP6 ::1 ::ffff:127.0.0.1 7 25\r\n");
    line(v1, "", None, ends, "PROXY UNKNOWN\r\n");
    line(v1, "192.0.2.7", None, Ends::default(), "PROXY TCP4 192.0.2.7 0.0.0.0 0 0\r\n");
    line(v1, "::1", None, Ends::default(), "PROXY TCP6 ::1 :: 0 0\r\n");
    check(
        Version::V2,
        "192.0.2.7",
        Some("7"),
        ends,
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x07\x7f\0\0\x01\0\x07\0\x19",
    );
    check(Version::V2, "[UNAVAILABLE]", None, ends, b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0");
}

#[test]
fn the_greeting_is_read_behind_the_header() {
    play(
        &plan_via(Carrier::Proxy(Version::V1), PLAIN, &[""]),
        "C: PROXY UNKNOWN
         S: 220 hi
         C: EHLO me.test
         S: 250 hi
         C: MAIL FROM:<from@sender.test>
         S: 250 ok
         C: RCPT TO:<to@recipient.test>
         S: 250 ok
         C: DATA
         S: 354 go
         C: <data .>
         S: 250 ok
         C: QUIT
         S: 221 bye
         closed: 1 accepted",
    );
}

#[test]
fn a_server_that_takes_the_header_for_a_command_is_left() {
    // The 500 is the header's; the reply to EHLO comes where the one to QUIT is owed.
    play(
        &plan_via(Carrier::Proxy(Version::V1), PLAIN, &[""]),
        "C: PROXY UNKNOWN
         S: 220 hi
         C: EHLO me.test
         S: 500 what
         C: QUIT
         S: 250 hi
         closed:",
    );
    play(
        &plan_via(Carrier::Proxy(Version::V1), PLAIN, &[""]),
        "C: PROXY UNKNOWN
         S: 220 hi|500 what
         closed:",
    );
    for end in ["S: <closed>", "S: <silence>"] {
        play(
            &plan_via(Carrier::Proxy(Version::V1), PLAIN, &[""]),
            &format!("C: PROXY UNKNOWN\n{end}\nclosed:"),
        );
    }
}

#[test]
fn an_address_that_is_none_ends_the_session_and_is_our_fault() {
    for bad in ["192.0.2.777", "a.test", "192.0.2.1 192.0.2.2", "IPV6:::1", "\u{202e}"] {
        let plan = plan_via(Carrier::Proxy(Version::V1), PLAIN, &[bad]);
        play(&plan, "closed:");
        let plan = plan_via(Carrier::Xclient, PLAIN, &[bad]);
        play(
            &plan,
            "S: 220 hi
             C: EHLO me.test
             S: 250-hi|250 XCLIENT ADDR
             closed:",
        );
    }
    let mut plan = plan_via(Carrier::Proxy(Version::V2), PLAIN, &["192.0.2.1"]);
    via(&mut plan).port = Some(Template::text("65536"));
    play(&plan, "closed:");
}

#[test]
fn an_xclient_line_over_512_bytes_is_not_sent() {
    let talk = |end: &str| {
        format!(
            "S: 220 hi
             C: EHLO me.test
             S: 250-hi|250 XCLIENT ADDR LOGIN
             {end}
             closed:"
        )
    };
    let mut plan = plan_via(Carrier::Xclient, SHORT, &["192.0.2.1"]);
    let fixed = "XCLIENT ADDR=192.0.2.1 LOGIN=\r\n".len();
    via(&mut plan).attributes = vec![(Attribute::Login, Template::text(&"x".repeat(513 - fixed)))];
    play(&plan, &talk(""));
    let login = "x".repeat(512 - fixed);
    via(&mut plan).attributes = vec![(Attribute::Login, Template::text(&login))];
    let rest = format!("C: XCLIENT ADDR=192.0.2.1 LOGIN={login}\nS: 550 no\nC: QUIT\nS: 221 bye");
    play(&plan, &talk(&rest));
}

#[test]
fn a_script_may_say_xclient_itself() {
    check(
        "hello\nXCLIENT ADDR=192.0.2.1 NAME=[UNAVAILABLE]\nhello\nQUIT",
        1,
        1,
        "S: 220 hi
         C: EHLO me.test
         S: 250 hi
         C: XCLIENT ADDR=192.0.2.1 NAME=[UNAVAILABLE]
         S: 220 hi
         C: EHLO me.test
         S: 250 hi
         C: QUIT
         S: 221 bye
         closed:",
    );
}

#[test]
fn tls_comes_between_a_header_and_the_greeting_or_before_xclient() {
    let mut header = plan_via(Carrier::Proxy(Version::V1), SHORT, &[""]);
    header.targets[0].url = TargetUrl::parse("smtps://127.0.0.1:465").unwrap();
    play(
        &header,
        "C: PROXY UNKNOWN
         TLS
         S: 220 hi
         C: EHLO me.test
         S: 250 hi
         C: QUIT
         S: 221 bye
         closed:",
    );
    let mut plan = plan_via(Carrier::Xclient, SHORT, &["192.0.2.7"]);
    plan.targets[0].security.tls = TlsUse::Starttls;
    play(
        &plan,
        "S: 220 hi
         C: EHLO me.test
         S: 250-hi|250-XCLIENT ADDR|250 STARTTLS
         C: STARTTLS
         S: 220 go
         TLS
         C: EHLO me.test
         S: 250-hi|250 XCLIENT ADDR
         C: XCLIENT ADDR=192.0.2.7
         S: 220 hi
         C: EHLO me.test
         S: 250 hi
         C: QUIT
         S: 221 bye
         closed:",
    );
    play(
        &plan,
        "S: 220 hi
         C: EHLO me.test
         S: 250-hi|250 XCLIENT ADDR
         C: QUIT
         S: 221 bye
         closed:",
    );
}

#[test]
fn xclient_is_not_forgotten_where_tls_is_refused_and_need_not_be() {
    let mut plan = plan_via(Carrier::Xclient, SHORT, &["192.0.2.7"]);
    plan.targets[0].security.tls = TlsUse::Opportunistic;
    play(
        &plan,
        "S: 220 hi
         C: EHLO me.test
         S: 250-hi|250-XCLIENT ADDR|250 STARTTLS
         C: STARTTLS
         S: 454 not now
         C: XCLIENT ADDR=192.0.2.7
         S: 220 hi
         C: EHLO me.test
         S: 250 hi
         C: QUIT
         S: 221 bye
         closed:",
    );
}

#[test]
fn mail_that_the_script_sends_before_xclient_could_be_offered_stays_here() {
    let mail = "transaction pipelined\nMAIL FROM:<a@b>\nRCPT TO:<c@d>\nDATA\nend\nQUIT";
    let plan = plan_via(Carrier::Xclient, mail, &["192.0.2.7"]);
    play(&plan, "S: 220 hi\nC: QUIT\nS: 221 bye\nclosed:");
    let plan = plan_via(Carrier::Xclient, &format!("HELO me.test\n{mail}"), &["192.0.2.7"]);
    let summary = play(
        &plan,
        "S: 220 hi
         C: HELO me.test
         S: 250 ok
         C: QUIT
         S: 221 bye
         closed:",
    );
    let [row] = summary.failures.as_slice() else { panic!("{:?}", summary.failures) };
    assert_eq!((row.failure, row.count), (Failure::XclientNotOffered, 1));
    assert_eq!(row.detail, b"HELO learns of no XCLIENT: say EHLO");
}

#[test]
fn what_was_never_written_took_no_time() {
    for (carrier, step, talk) in [
        (Carrier::Proxy(Version::V1), "greeting", "closed:"),
        (
            Carrier::Xclient,
            "xclient",
            "S: 220 hi\nC: EHLO me.test\nS: 250-hi|250 XCLIENT ADDR\nclosed:",
        ),
    ] {
        let summary = play(&plan_via(carrier, SHORT, &["nowhere"]), talk);
        assert!(!summary.latency.iter().any(|row| row.step == step), "{:?}", summary.latency);
        let [row] = summary.failures.as_slice() else { panic!("{:?}", summary.failures) };
        assert_eq!((row.step.as_str(), row.failure), (step, Failure::Internal));
    }
}
