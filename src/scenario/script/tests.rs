//! Scripts as text, and what becomes of them as text.

mod auth;
mod faults;
mod groups;
mod properties;

use expect_test::{Expect as Want, expect};

use super::*;
use crate::message::template::{Part, Value};
use crate::scenario::fault::{Faults, Place};
use crate::scenario::names::Names;
use crate::scenario::step::StepNames;

/// Where the script stands in its scenario.
const OFFSET: usize = 100;

fn names() -> Names {
    Names {
        tables: vec![("users".to_owned(), vec!["name".to_owned()])],
        messages: vec!["newsletter".to_owned(), "receipt".to_owned()],
    }
}

fn parse(text: &str, steps: &mut StepNames, faults: &mut Faults) -> Option<Script> {
    parse_script(text, OFFSET, "test", 1, &names(), steps, faults)
}

/// Compiles `text` and compares its operations, a line each.
#[track_caller]
fn check(text: &str, want: &Want) {
    let (mut steps, mut faults) = (StepNames::default(), Faults::default());
    let script = parse(text, &mut steps, &mut faults);
    let script = script.unwrap_or_else(|| panic!("{faults:#?}"));
    assert_eq!(script.verify_shape(), Ok(()));
    want.assert_eq(&dump(&script, &steps));
}

/// Compiles `text` and compares its faults: the word at fault, and what is said about it.
#[track_caller]
fn check_faults(text: &str, want: &Want) {
    let mut faults = Faults::default();
    let script = parse(text, &mut StepNames::default(), &mut faults);
    let mut got = String::new();
    for fault in faults.iter() {
        let Place::Scenario(span) = &fault.place else { panic!("{fault:?}") };
        let word = &text[span.start - OFFSET..span.end - OFFSET];
        let hint = fault.hint.as_deref().map(|hint| format!(" ({hint})")).unwrap_or_default();
        got += &format!("{word:?}: {}{hint}\n", fault.message);
    }
    want.assert_eq(&got);
    assert!(script.is_none());
}

fn dump(script: &Script, steps: &StepNames) -> String {
    let mut out = String::new();
    let mut depth = 0_usize;
    for (index, op) in script.ops.iter().enumerate() {
        let ends = matches!(op, Op::GroupEnd | Op::RepeatEnd { .. } | Op::TransactionEnd { .. });
        depth -= usize::from(ends);
        out += &format!("{index:02} {}{}\n", "  ".repeat(depth), dump_op(op, steps));
        let starts = matches!(
            op,
            Op::GroupStart { .. } | Op::RepeatStart { .. } | Op::TransactionStart { .. }
        );
        depth += usize::from(starts);
    }
    if script.fixed_recipients + script.recipient_lines > 0 {
        let (fixed, lines) = (script.fixed_recipients, script.recipient_lines);
        out += &format!("recipients: {fixed} fixed, {lines} lines\n");
    }
    out
}

fn dump_op(op: &Op, steps: &StepNames) -> String {
    match op {
        Op::Command(Command { verb, step, line, expect, each_recipient }) => {
            let each = if *each_recipient { " each" } else { "" };
            let (line, expect, step) = (dump_line(line), dump_expect(expect), steps.name(*step));
            format!("{verb:?}/{step}{each} {line:?} => {expect}")
        }
        Op::Data(Data { message, expect_data, expect_eod, cut }) => {
            let (data, eod) = (dump_expect(expect_data), dump_expect(expect_eod));
            let cut = cut.as_ref().map(|cut| format!(" {cut:?}")).unwrap_or_default();
            format!("Data {message:?}{cut} => {data} => {eod}")
        }
        Op::Bdat(Bdat { message, chunk, expect }) => {
            format!("Bdat {message:?} chunk {chunk:?} => {}", dump_expect(expect))
        }
        Op::Raw(bytes) => format!("Raw \"{}\"", bytes.escape_ascii()),
        Op::Await { step, expect } => {
            format!("Await/{} {}", steps.name(*step), dump_expect(expect))
        }
        other => format!("{other:?}"),
    }
}

fn dump_line(line: &Template) -> String {
    line.parts()
        .iter()
        .map(|part| match part {
            Part::Text(text) => String::from_utf8_lossy(text).into_owned(),
            Part::Value(Value::Uniform { low, high, draw }) => format!("<{low}..{high}#{draw}>"),
            Part::Value(value) => format!("<{value:?}>"),
        })
        .collect()
}

fn dump_expect(expect: &Expect) -> String {
    let ranges = expect.as_ranges().iter();
    let ranges = ranges.map(|range| match (range.start(), range.end()) {
        (low, high) if low == high => low.to_string(),
        (low, high) => format!("{low}-{high}"),
    });
    ranges.collect::<Vec<_>>().join("|")
}

#[test]
fn the_default_script() {
    let mut steps = StepNames::default();
    let script = default_script(&mut steps, None);
    assert_eq!((script.name.as_str(), script.weight), ("default", 1));
    assert_eq!(steps, StepNames::default());
    expect![[r#"
        00 Ehlo/ehlo "EHLO <Client>" => 250
        01 TransactionStart { end: 5 }
        02   Mail/mail "MAIL FROM:<<Sender>>" => 250
        03   Rcpt/rcpt each "RCPT TO:<<Recipient>>" => 250|251
        04   Data None => 354 => 250
        05 TransactionEnd { start: 1 }
        06 Quit/quit "QUIT" => 221
        recipients: 0 fixed, 1 lines
    "#]]
    .assert_eq(&dump(&script, &steps));
}

#[test]
fn a_script_with_everything() {
    check(
        "
# A comment line.
hello => 250 | 5xx   # and one behind a step
EHLO {{client}}
  HELO bench-{{1..9}}.test\r
VRFY postmaster#here                 => 252 | 250 | 502
mail from:<a=>b>
XFOO {{users.name}} {{1..9}}
repeat 3
\tNOOP
\tpause 100ms..2s
\trepeat 2
\t\tpause 1s
\tend
end
send \"HELP # => \\r\\n\"  # bytes
expect 214 | 5xx
transaction
  MAIL FROM:<{{sender}}> SIZE={{message.size}}
  RCPT TO:<{{recipient}}> => 250 | 251
  RCPT TO:<fixed@example.test>
  DATA newsletter
end
RSET
",
        &expect![[r#"
            00 Ehlo/ehlo "EHLO <Client>" => 250|500-599
            01 Ehlo/ehlo "EHLO <Client>" => 250
            02 Helo/helo "HELO bench-<1..9#65536>.test" => 250
            03 Other/vrfy "VRFY postmaster#here" => 252|250|502
            04 Mail/mail "mail from:<a=>b>" => 250
            05 Other/xfoo "XFOO <Column { table: 0, column: 0 }> <1..9#65537>" => 200-299
            06 RepeatStart { count: 3, depth: 0 }
            07   Other/noop "NOOP" => 250
            08   Pause(100ms..=2s)
            09   RepeatStart { count: 2, depth: 1 }
            10     Pause(1s..=1s)
            11   RepeatEnd { start: 9, depth: 1 }
            12 RepeatEnd { start: 6, depth: 0 }
            13 Raw "HELP # => \r\n"
            14 Await/expect 214|500-599
            15 TransactionStart { end: 20 }
            16   Mail/mail "MAIL FROM:<<Sender>> SIZE=<MessageSize>" => 250
            17   Rcpt/rcpt each "RCPT TO:<<Recipient>>" => 250|251
            18   Rcpt/rcpt "RCPT TO:<fixed@example.test>" => 250|251
            19   Data Some(0) => 354 => 250
            20 TransactionEnd { start: 15 }
            21 Rset/rset "RSET" => 250
            22 Quit/quit "QUIT" => 221
            recipients: 1 fixed, 1 lines
        "#]],
    );
}

#[test]
fn quit_is_added_only_where_the_session_is_open() {
    check(
        "NOOP\nQUIT",
        &expect![[r#"
            00 Other/noop "NOOP" => 250
            01 Quit/quit "QUIT" => 221
        "#]],
    );
    check(
        "quit => 221 | 250",
        &expect![[r#"
            00 Quit/quit "quit" => 221|250
        "#]],
    );
    check(
        "NOOP\ndrop",
        &expect![[r#"
            00 Other/noop "NOOP" => 250
            01 Drop
        "#]],
    );
    check(
        "NOOP\nabort # at once",
        &expect![[r#"
            00 Other/noop "NOOP" => 250
            01 Abort
        "#]],
    );
    check(
        "pipeline\nNOOP\nQUIT\nend",
        &expect![[r#"
            00 GroupStart { when_offered: false }
            01   Other/noop "NOOP" => 250
            02   Quit/quit "QUIT" => 221
            03 GroupEnd
        "#]],
    );
    check(
        "transaction\nMAIL FROM:<>\nQUIT\nend",
        &expect![[r#"
            00 TransactionStart { end: 3 }
            01   Mail/mail "MAIL FROM:<>" => 250
            02   Quit/quit "QUIT" => 221
            03 TransactionEnd { start: 0 }
            04 Quit/quit "QUIT" => 221
        "#]],
    );
    check(
        "transaction\nMAIL FROM:<>\ndrop\nend\nNOOP",
        &expect![[r#"
            00 TransactionStart { end: 3 }
            01   Mail/mail "MAIL FROM:<>" => 250
            02   Drop
            03 TransactionEnd { start: 0 }
            04 Other/noop "NOOP" => 250
            05 Quit/quit "QUIT" => 221
        "#]],
    );
}

#[test]
fn verbs_expect_the_success_codes_of_the_standard() {
    check(
        "helo x\nMAIL FROM:<>\nrcpt TO:<x>\nRSET\nnoop\nvrfy x\nexpn x\nhelp\nETRN x\nConnect\nQuit",
        &expect![[r#"
            00 Helo/helo "helo x" => 250
            01 Mail/mail "MAIL FROM:<>" => 250
            02 Rcpt/rcpt "rcpt TO:<x>" => 250|251
            03 Rset/rset "RSET" => 250
            04 Other/noop "noop" => 250
            05 Other/vrfy "vrfy x" => 250|251|252
            06 Other/expn "expn x" => 250|252
            07 Other/help "help" => 211|214
            08 Other/etrn "ETRN x" => 200-299
            09 Other/verb_connect "Connect" => 200-299
            10 Quit/quit "Quit" => 221
        "#]],
    );
}

#[test]
fn data_takes_codes_for_both_of_its_replies() {
    let mut got = String::new();
    for line in [
        "DATA",
        "DATA receipt => 250 | 4xx | 552",
        "data => 5xx",
        "DATA => 35x",
        "DATA drop at 10%..90%",
        "DATA newsletter abort at 100% => 250",
        "BDAT",
        "BDAT receipt chunk 4 KiB => 250|552",
        "bdat chunk 1",
    ] {
        let text = format!("transaction\nMAIL FROM:<>\n{line}\nend");
        let mut steps = StepNames::default();
        let script = parse(&text, &mut steps, &mut Faults::default()).unwrap();
        got += &format!("{line}: {}\n", dump_op(&script.ops[2], &steps));
    }
    expect![[r#"
        DATA: Data None => 354 => 250
        DATA receipt => 250 | 4xx | 552: Data Some(1) => 354|400-499|552 => 250|400-499|552
        data => 5xx: Data None => 354|500-599 => 500-599
        DATA => 35x: Data None => 354|350-359 => 250
        DATA drop at 10%..90%: Data None Cut { abort: false, at: 0.1..=0.9 } => 354 => 250
        DATA newsletter abort at 100% => 250: Data Some(0) Cut { abort: true, at: 1.0..=1.0 } => 354 => 250
        BDAT: Bdat None chunk None => 250
        BDAT receipt chunk 4 KiB => 250|552: Bdat Some(1) chunk Some(4096) => 250|552
        bdat chunk 1: Bdat None chunk Some(1) => 250
    "#]].assert_eq(&got);
}
