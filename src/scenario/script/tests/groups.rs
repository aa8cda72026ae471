//! Pipelines, pipelined transactions and recipients.

use expect_test::expect;

use super::*;

#[test]
fn a_pipeline_is_one_group() {
    check(
        "pipeline\nEHLO a\nrepeat 2\nNOOP\nend\nsend \"RSET\\r\\n\"\nend\nexpect 250\n\
         transaction\npipeline\nMAIL FROM:<>\nRCPT TO:<{{recipient}}>\nDATA\nend\nNOOP\nend",
        &expect![[r#"
            00 GroupStart { when_offered: false }
            01   Ehlo/ehlo "EHLO a" => 250
            02   RepeatStart { count: 2, depth: 0 }
            03     Other/noop "NOOP" => 250
            04   RepeatEnd { start: 2, depth: 0 }
            05   Raw "RSET\r\n"
            06 GroupEnd
            07 Await/expect 250
            08 TransactionStart { end: 15 }
            09   GroupStart { when_offered: false }
            10     Mail/mail "MAIL FROM:<>" => 250
            11     Rcpt/rcpt each "RCPT TO:<<Recipient>>" => 250|251
            12     Data None => 354 => 250
            13   GroupEnd
            14   Other/noop "NOOP" => 250
            15 TransactionEnd { start: 8 }
            16 Quit/quit "QUIT" => 221
            recipients: 0 fixed, 1 lines
        "#]],
    );
}

#[test]
fn recipients_are_counted_once_a_turn() {
    check(
        "transaction\nMAIL FROM:<>\nrepeat 3\nRCPT TO:<u{{1..9}}@{{domain}}>\nrepeat 2\n\
         RCPT TO:<{{recipient}}>\nend\nend\nRCPT TO:<x>\nend\nRCPT TO:<outside>",
        &expect![[r#"
            00 TransactionStart { end: 9 }
            01   Mail/mail "MAIL FROM:<>" => 250
            02   RepeatStart { count: 3, depth: 0 }
            03     Rcpt/rcpt "RCPT TO:<u<1..9#65536>@<Domain>>" => 250|251
            04     RepeatStart { count: 2, depth: 1 }
            05       Rcpt/rcpt each "RCPT TO:<<Recipient>>" => 250|251
            06     RepeatEnd { start: 4, depth: 1 }
            07   RepeatEnd { start: 2, depth: 0 }
            08   Rcpt/rcpt "RCPT TO:<x>" => 250|251
            09 TransactionEnd { start: 0 }
            10 Rcpt/rcpt "RCPT TO:<outside>" => 250|251
            11 Quit/quit "QUIT" => 221
            recipients: 4 fixed, 6 lines
        "#]],
    );
}

#[test]
fn a_pipelined_transaction_has_groups_up_to_data() {
    check(
        "transaction pipelined\nRSET\nMAIL FROM:<{{sender}}>\nRCPT TO:<{{recipient}}>\n\
         RCPT TO:<x>\nDATA\nRSET\nNOOP\nend",
        &expect![[r#"
            00 TransactionStart { end: 12 }
            01   GroupStart { when_offered: true }
            02     Rset/rset "RSET" => 250
            03     Mail/mail "MAIL FROM:<<Sender>>" => 250
            04     Rcpt/rcpt each "RCPT TO:<<Recipient>>" => 250|251
            05     Rcpt/rcpt "RCPT TO:<x>" => 250|251
            06     Data None => 354 => 250
            07   GroupEnd
            08   GroupStart { when_offered: true }
            09     Rset/rset "RSET" => 250
            10     Other/noop "NOOP" => 250
            11   GroupEnd
            12 TransactionEnd { start: 0 }
            13 Quit/quit "QUIT" => 221
            recipients: 1 fixed, 1 lines
        "#]],
    );
}

#[test]
fn a_pipelined_transaction_with_bdat_is_one_group() {
    check(
        "transaction pipelined\nMAIL FROM:<>\nrepeat 3\nRCPT TO:<x>\nend\nBDAT chunk 1KiB\nend",
        &expect![[r#"
            00 TransactionStart { end: 8 }
            01   GroupStart { when_offered: true }
            02     Mail/mail "MAIL FROM:<>" => 250
            03     RepeatStart { count: 3, depth: 0 }
            04       Rcpt/rcpt "RCPT TO:<x>" => 250|251
            05     RepeatEnd { start: 3, depth: 0 }
            06     Bdat None chunk Some(1024) => 250
            07   GroupEnd
            08 TransactionEnd { start: 0 }
            09 Quit/quit "QUIT" => 221
            recipients: 3 fixed, 0 lines
        "#]],
    );
}

#[test]
fn what_waits_stands_between_groups() {
    check(
        "transaction pipelined\nMAIL FROM:<>\npause 1s\nRCPT TO:<a>\nrepeat 2\nRCPT TO:<b>\n\
         RCPT TO:<c>\npause 1ms\nend\nRCPT TO:<d>\nsend \"x\"\nexpect 500\nVRFY x\nRCPT TO:<e>\n\
         drop\nend",
        &expect![[r#"
            00 TransactionStart { end: 19 }
            01   Mail/mail "MAIL FROM:<>" => 250
            02   Pause(1s..=1s)
            03   Rcpt/rcpt "RCPT TO:<a>" => 250|251
            04   RepeatStart { count: 2, depth: 0 }
            05     GroupStart { when_offered: true }
            06       Rcpt/rcpt "RCPT TO:<b>" => 250|251
            07       Rcpt/rcpt "RCPT TO:<c>" => 250|251
            08     GroupEnd
            09     Pause(1ms..=1ms)
            10   RepeatEnd { start: 4, depth: 0 }
            11   GroupStart { when_offered: true }
            12     Rcpt/rcpt "RCPT TO:<d>" => 250|251
            13     Raw "x"
            14   GroupEnd
            15   Await/expect 500
            16   Other/vrfy "VRFY x" => 250|251|252
            17   Rcpt/rcpt "RCPT TO:<e>" => 250|251
            18   Drop
            19 TransactionEnd { start: 0 }
            20 Quit/quit "QUIT" => 221
            recipients: 7 fixed, 0 lines
        "#]],
    );
}

#[test]
fn a_repeat_too_large_for_one_write_has_groups_of_its_own() {
    check(
        "transaction pipelined\nMAIL FROM:<>\nRSET\nMAIL FROM:<>\nrepeat 10001\nRSET\nRSET\nend\nend",
        &expect![[r#"
            00 TransactionStart { end: 12 }
            01   GroupStart { when_offered: true }
            02     Mail/mail "MAIL FROM:<>" => 250
            03     Rset/rset "RSET" => 250
            04     Mail/mail "MAIL FROM:<>" => 250
            05   GroupEnd
            06   RepeatStart { count: 10001, depth: 0 }
            07     GroupStart { when_offered: true }
            08       Rset/rset "RSET" => 250
            09       Rset/rset "RSET" => 250
            10     GroupEnd
            11   RepeatEnd { start: 6, depth: 0 }
            12 TransactionEnd { start: 0 }
            13 Quit/quit "QUIT" => 221
        "#]],
    );
}

#[test]
fn the_flag_pipelines_like_the_word() {
    const BODY: &str = "MAIL FROM:<>\nRCPT TO:<{{recipient}}>\nDATA\nend\nNOOP";
    let compile =
        |text: String| parse(&text, &mut StepNames::default(), &mut Faults::default()).unwrap();
    let word = compile(format!("hello\ntransaction pipelined\n{BODY}"));
    let mut flag = compile(format!("hello\ntransaction\n{BODY}"));
    flag.pipeline_transaction();
    assert_eq!(flag, word);
    flag.pipeline_transaction();
    assert_eq!(flag, word, "a second time changes nothing");

    let inner =
        "hello\ntransaction\npipeline\nMAIL FROM:<>\nRCPT TO:<{{recipient}}>\nend\nDATA\nend\nNOOP";
    let mut inner = compile(inner.to_owned());
    inner.pipeline_transaction();
    assert_eq!(inner, word, "groups of its own are dissolved");

    let mut without = compile("NOOP".to_owned());
    without.pipeline_transaction();
    assert_eq!(without, compile("NOOP".to_owned()));
}
