//! What is refused, at which word, and the limits.

use expect_test::expect;

use super::*;
use crate::scenario::step::STEP_NAMES_MAX;

#[test]
fn control_words_are_spelled_out() {
    check_faults(
        "hallo\ntransacton\nhello me\nmali from:<>\nwait 1s\nend\nsend\"x\"\nstarttls\nAUTH PLAIN\nLhlo x",
        &expect![[r#"
            "hallo": unknown control word `hallo` (did you mean `hello`?)
            "transacton": unknown control word `transacton` (did you mean `transaction`?)
            "me": `hello` takes nothing behind it (to send another name write `EHLO name`)
            "mali": unknown control word `mali` (did you mean `mail`?)
            "wait": unknown control word `wait` (control words: hello, transaction, repeat, pipeline, end, pause, drop, abort, send, expect; commands begin with an upper-case verb)
            "end": `end` closes nothing (take it out)
            "send\"x\"": unknown control word `send"x"` (control words: hello, transaction, repeat, pipeline, end, pause, drop, abort, send, expect; commands begin with an upper-case verb)
            "AUTH": AUTH without user and password (write user and password under [target], or behind the mechanism: AUTH plain {{users.name}} {{users.password}})
        "#]],
    );
}

#[test]
fn expectations_stand_behind_commands() {
    check_faults(
        "=> 250\nNOOP =>\nNOOP => 25\nNOOP => 250 | 6xx # why\nNOOP => 250 => 251\npause 1s => 250\n\
         expect\nexpect 99\nexpect 250 => 250\nhello => ok",
        &expect![[r#"
            "=> 250": an expectation without a command (write `=>` behind a command, on its line)
            "=>": `=>` names no reply code (write `=> 250 | 4xx`)
            "25": `25` is not a reply code (write reply codes like 250, 25x or 4xx with `|` between them)
            "6xx": `6xx` is not a reply code (write reply codes like 250, 25x or 4xx with `|` between them)
            "250 => 251": `250 => 251` is not a reply code (write reply codes like 250, 25x or 4xx with `|` between them)
            "=> 250": `pause` owes no reply to expect (take the expectation out)
            "expect": `expect` names no reply code (write `expect 250 | 4xx`)
            "99": `99` is not a reply code (write reply codes like 250, 25x or 4xx with `|` between them)
            "=> 250": `expect` owes no reply to expect (take the expectation out)
            "ok": `ok` is not a reply code (write reply codes like 250, 25x or 4xx with `|` between them)
        "#]],
    );
}

#[test]
fn blocks_are_paired() {
    check_faults(
        "end",
        &expect![[r#"
        "end": `end` closes nothing (take it out)
    "#]],
    );
    check_faults(
        "repeat 2\nNOOP\npipeline\nNOOP",
        &expect![[r#"
        "repeat": `repeat` is never closed (write `end` below its last line)
        "pipeline": `pipeline` is never closed (write `end` below its last line)
    "#]],
    );
    check_faults(
        "repeat 2\nend\npipeline # nothing\nend\ntransaction\nend",
        &expect![[r#"
        "repeat": this repeat is empty (put a line into it)
        "pipeline": this pipeline is empty (put a line into it)
        "transaction": this transaction is empty (put a line into it)
    "#]],
    );
    check_faults(
        "repeat 2\npipeline\nend\nend",
        &expect![[r#"
        "pipeline": this pipeline is empty (put a line into it)
    "#]],
    );
    check_faults(
        "pipeline\nNOPE\u{e9}\nend x",
        &expect![[r#"
        "x": `end` takes nothing behind it
    "#]],
    );
    check_faults(
        "repeat 1\nrepeat 1\nrepeat 1\nrepeat 1\nrepeat 1\nNOOP\nend\nend\nend\nend\nend",
        &expect![[r#"
            "repeat": `repeat` nests deeper than 4 levels
        "#]],
    );
}

#[test]
fn transactions_do_not_nest_and_come_once() {
    const BODY: &str = "MAIL FROM:<>\nend";
    check_faults(
        &format!("transaction\n{BODY}\ntransaction slowly\n{BODY}"),
        &expect![[r#"
        "transaction": a second transaction in one script (it runs again and again by itself; write another script for other mail)
        "slowly": `slowly` has no meaning behind `transaction` (write `transaction` or `transaction pipelined`)
    "#]],
    );
    check_faults(
        &format!("repeat 2\ntransaction\n{BODY}\nend\npipeline\ntransaction\n{BODY}\nend"),
        &expect![[r#"
            "transaction": a transaction cannot stand in a repeat (`messages_per_session` says how often it runs)
            "transaction": `transaction` cannot stand in a pipeline (a pipeline is one write; put this in front of it or behind it)
        "#]],
    );
    check_faults(
        &format!("transaction\ntransaction\n{BODY}\n{BODY}"),
        &expect![[r#"
        "transaction": a transaction cannot stand in a transaction (`messages_per_session` says how often it runs)
    "#]],
    );
}

#[test]
fn a_transaction_has_one_message() {
    check_faults(
        "transaction\nNOOP\nRCPT TO:<x>\nend",
        &expect![[r#"
        "transaction": this transaction has no MAIL (write `MAIL FROM:<{{sender}}>` as its first line)
    "#]],
    );
    check_faults(
        "transaction\nRCPT TO:<x>\nMAIL FROM:<>\nDATA\nBDAT\nDATA\nend\nDATA\nBDAT",
        &expect![[r#"
            "BDAT": a second DATA or BDAT in one transaction (a message is counted once a transaction)
            "DATA": a second DATA or BDAT in one transaction (a message is counted once a transaction)
            "RCPT": this line needs a MAIL before it (move MAIL up)
            "DATA": DATA outside a transaction (a message is counted only inside `transaction … end`)
            "BDAT": BDAT outside a transaction (a message is counted only inside `transaction … end`)
        "#]],
    );
    check_faults(
        "transaction\nrepeat 2\nMAIL FROM:<>\nDATA\nend\nend",
        &expect![[r#"
        "MAIL": MAIL in a repeat (`messages_per_session` says how often the transaction runs)
        "DATA": DATA in a repeat (`messages_per_session` says how often the transaction runs)
    "#]],
    );
    check_faults(
        "transaction\nMAIL FROM:<>\nrepeat 1000000\nrepeat 1000000\nrepeat 1000000\nrepeat 1000000\n\
         RCPT TO:<{{recipient}}>\nend\nend\nend\nend\nend",
        &expect![[r#"
            "RCPT": more than 10000 recipients in one transaction (repeat RCPT less often)
        "#]],
    );
}

#[test]
fn values_of_a_message_outside_its_transaction() {
    check_faults(
        "MAIL FROM:<{{sender}}>\nVRFY {{recipient}} {{ client }}\ntransaction\nMAIL FROM:<{{sendr}}>\n\
         RCPT TO:<{{\nDATA\nend\nNOOP {{seq}}",
        &expect![[r#"
            "sender": `{{sender}}` has no meaning outside a transaction (only inside a transaction)
            "recipient": `{{recipient}}` has no meaning outside a transaction (only inside a transaction)
            "sendr": unknown value `sendr` (did you mean `sender`?)
            "{{": `{{` is never closed (write `}}` behind the name)
            "seq": `{{seq}}` has no meaning outside a transaction (only inside a transaction)
        "#]],
    );
}

#[test]
fn mail_data_is_broken_off_at_a_share() {
    for (line, want) in [
        (
            "DATA newslettr",
            expect![[r#"
            "newslettr": unknown message `newslettr` (did you mean `newsletter`?)
        "#]],
        ),
        (
            "DATA x y",
            expect![[r#"
            "x": unknown message `x` (messages of this scenario: newsletter, receipt)
        "#]],
        ),
        (
            "DATA receipt now",
            expect![[r#"
            "now": `now` has no meaning behind DATA (write `DATA name drop at 10%..90%`)
        "#]],
        ),
        (
            "DATA drop",
            expect![[r#"
            "drop": `drop` does not say where it breaks off (write `drop at 50%` or `drop at 10%..90%`)
        "#]],
        ),
        (
            "DATA drop at",
            expect![[r#"
            "drop": `drop` does not say where it breaks off (write `drop at 50%` or `drop at 10%..90%`)
        "#]],
        ),
        (
            "DATA drop after 5%",
            expect![[r#"
            "after": `drop` does not say where it breaks off (write `drop at 50%` or `drop at 10%..90%`)
        "#]],
        ),
        (
            "DATA drop at 50",
            expect![[r#"
            "50": `50` has no percent sign (write `drop at 50%` or `drop at 10%..90%`)
        "#]],
        ),
        (
            "DATA drop at 10..90%",
            expect![[r#"
            "10..90%": `10..90%` has no percent sign (write `drop at 50%` or `drop at 10%..90%`)
        "#]],
        ),
        (
            "DATA drop at 90%..10%",
            expect![[r#"
            "90%..10%": range `90%..10%` runs backwards (write the smaller end first: 1..10)
        "#]],
        ),
        (
            "DATA abort at 101%",
            expect![[r#"
            "101%": `101%` is not a share (write a percentage: 99.9%)
        "#]],
        ),
        (
            "DATA abort at NaN%",
            expect![[r#"
            "NaN%": `NaN%` is not a share (write a percentage: 99.9%)
        "#]],
        ),
        (
            "BDAT nothing",
            expect![[r#"
            "nothing": unknown message `nothing` (messages of this scenario: newsletter, receipt)
        "#]],
        ),
        (
            "BDAT chunk",
            expect![[r#"
            "chunk": `chunk` has no size (write `chunk 64KiB`)
        "#]],
        ),
        (
            "BDAT chunk 0",
            expect![[r#"
            "0": a chunk has at least one byte
        "#]],
        ),
        (
            "BDAT chunk many",
            expect![[r#"
            "many": `many` is not a size (write bytes or a number and a unit: 4096, 4KiB, 1MiB, 64kB, 10MB)
        "#]],
        ),
        (
            "BDAT receipt drop at 5%",
            expect![[r#"
            "drop": `drop` has no meaning behind BDAT (write `BDAT name chunk 64KiB`)
        "#]],
        ),
    ] {
        check_faults(&format!("transaction\nMAIL FROM:<>\n{line}\nend"), &want);
    }
}

#[test]
fn pauses_and_repeats_are_bounded() {
    check(
        "pause 0s\npause 1d\npause 24h..1d\nrepeat 1000000\nNOOP\nend",
        &expect![[r#"
            00 Pause(0ns..=0ns)
            01 Pause(86400s..=86400s)
            02 Pause(86400s..=86400s)
            03 RepeatStart { count: 1000000, depth: 0 }
            04   Other/noop "NOOP" => 250
            05 RepeatEnd { start: 3, depth: 0 }
            06 Quit/quit "QUIT" => 221
        "#]],
    );
    check_faults(
        "pause\npause 5\npause 2s..1s\npause 1.1d\nrepeat\nNOOP\nend\nrepeat 0\nNOOP\nend\n\
         repeat 1000001\nNOOP\nend\nrepeat -1 # back\nNOOP\nend",
        &expect![[r#"
            "pause": `pause` does not say how long (write `pause 1s` or `pause 100ms..2s`)
            "5": duration `5` has no unit (write a number and a unit: 250us, 20ms, 1.5s, 10m, 2h, 1d)
            "2s..1s": range `2s..1s` runs backwards (write the smaller end first: 1..10)
            "1.1d": a pause of more than a day
            "repeat": `repeat` takes a whole number from 1 to 1000000 (write `repeat 3`)
            "0": `repeat` takes a whole number from 1 to 1000000 (write `repeat 3`)
            "1000001": `repeat` takes a whole number from 1 to 1000000 (write `repeat 3`)
            "-1": `repeat` takes a whole number from 1 to 1000000 (write `repeat 3`)
        "#]],
    );
}

#[test]
fn a_pipeline_holds_what_one_write_can() {
    check_faults(
        "pipeline\npause 1s\ndrop\nexpect 250\npipeline\nNOOP\nend\nrepeat 2\nabort\nend\nend",
        &expect![[r#"
            "pause": `pause` cannot stand in a pipeline (a pipeline is one write; put this in front of it or behind it)
            "drop": `drop` cannot stand in a pipeline (a pipeline is one write; put this in front of it or behind it)
            "expect": `expect` cannot stand in a pipeline (a pipeline is one write; put this in front of it or behind it)
            "pipeline": `pipeline` cannot stand in a pipeline (a pipeline is one write; put this in front of it or behind it)
            "abort": `abort` cannot stand in a pipeline (a pipeline is one write; put this in front of it or behind it)
        "#]],
    );
    check_faults(
        "transaction\nMAIL FROM:<>\npipeline\nDATA\nRSET\nNOOP\nend\nend",
        &expect![[r#"
            "RSET": DATA must be the last command of a pipeline (close the pipeline behind DATA)
        "#]],
    );
    check_faults(
        "transaction pipelined\nMAIL FROM:<>\npipeline\nDATA\nend\nend",
        &expect![[r#"
            "pipeline": a pipeline in a pipelined transaction (take one of the two out: the whole transaction is pipelined already)
        "#]],
    );
    check_faults(
        "pipeline\nrepeat 10001\nNOOP\nend\nend",
        &expect![[r#"
        "pipeline": this pipeline has more than 10000 commands or 16777216 bytes, repeats written out (put the `repeat` around a smaller pipeline)
    "#]],
    );
}

#[test]
fn lines_behind_the_end_of_the_session() {
    check_faults(
        "drop\nNOOP\nNOOP",
        &expect![[r#"
        "NOOP": this line is never reached (the session has ended above; take the lines behind that out)
    "#]],
    );
    check_faults(
        "QUIT\ntransaction\nMAIL FROM:<>\nend",
        &expect![[r#"
        "transaction": this line is never reached (the session has ended above; take the lines behind that out)
    "#]],
    );
    check_faults(
        "repeat 2\nabort\nNOOP\nend\nNOOP",
        &expect![[r#"
        "NOOP": this line is never reached (the session has ended above; take the lines behind that out)
    "#]],
    );
    check_faults(
        "pipeline\nQUIT\nNOOP\nend\nNOOP",
        &expect![[r#"
        "NOOP": this line is never reached (the session has ended above; take the lines behind that out)
    "#]],
    );
    check_faults(
        "transaction\nMAIL FROM:<>\ndrop\nRSET\nend\ndrop\nNOOP",
        &expect![[r#"
        "RSET": this line is never reached (the session has ended above; take the lines behind that out)
        "NOOP": this line is never reached (the session has ended above; take the lines behind that out)
    "#]],
    );
}

#[test]
fn odd_bytes() {
    check(
        "NOOP \0\u{1b}[31m \u{202e}é\u{a0}# no comment",
        &expect![[r#"
            00 Other/noop "NOOP \0\u{1b}[31m \u{202e}é\u{a0}# no comment" => 250
            01 Quit/quit "QUIT" => 221
        "#]],
    );
    check_faults(
        "NOOP a\rb # c\rd\nNOOP # a\rb\nsend \"\r\"",
        &expect![[r#"
        "\r": a bare CR in a line (write it with `send "…\r…"`)
        "\r": a bare CR in a line (write it with `send "…\r…"`)
    "#]],
    );
    check_faults(
        "send\nsend x\nsend \"a\nsend \"\\q\"\nsend \"a\" => 250",
        &expect![[r#"
            "send": `send` needs bytes in double quotes (write send "bytes"; escapes: \r \n \t \0 \\ \" \xNN)
            "x": `send` needs bytes in double quotes (write send "bytes"; escapes: \r \n \t \0 \\ \" \xNN)
            "\"": this quote is never closed (write send "bytes"; escapes: \r \n \t \0 \\ \" \xNN)
            "\\q": unknown escape `\q` (write send "bytes"; escapes: \r \n \t \0 \\ \" \xNN)
            "=> 250": `send` takes nothing behind its bytes (`send` owes no reply; wait for one with `expect`)
        "#]],
    );
    check_faults(
        "\n  # nothing\n",
        &expect![[r#"
        "\n  # nothing\n": this script has no steps (leave `[[scripts]]` out for hello, a transaction of MAIL, RCPT, DATA, and QUIT)
    "#]],
    );
    check_faults(
        "",
        &expect![[r#"
        "": this script has no steps (leave `[[scripts]]` out for hello, a transaction of MAIL, RCPT, DATA, and QUIT)
    "#]],
    );
}

/// At the limit a script is taken, above it refused.
#[test]
fn limits_hold() {
    let sound =
        |text: &str| parse(text, &mut StepNames::default(), &mut Faults::default()).is_some();
    assert!(sound(&"NOOP\n".repeat(OPS_MAX)));
    assert!(!sound(&"NOOP\n".repeat(OPS_MAX + 1)));
    assert!(sound(&format!("NOOP {}", "x".repeat(12 * 1024 - 5))));
    assert!(!sound(&format!("NOOP {}", "x".repeat(12 * 1024 - 4))));
    assert!(sound("pipeline\nrepeat 10000\nNOOP\nend\nend"));
    let recipients =
        |count: u32| format!("transaction\nMAIL FROM:<>\nrepeat {count}\nRCPT TO:<x>\nend\nend");
    assert!(sound(&recipients(10_000)) && !sound(&recipients(10_001)));
    let verbs = |count: usize| (0..count).map(|n| format!("X{n}\n")).collect::<String>();
    let free = STEP_NAMES_MAX - StepNames::default().count();
    assert!(sound(&verbs(free)) && !sound(&verbs(free + 1)));
}

/// Faults beyond those that are kept still refuse the script.
#[test]
fn a_full_list_of_faults_hides_none() {
    let mut faults = Faults::default();
    let many: String = (0..200).map(|n| format!("what{n}\n")).collect();
    assert!(parse(&many, &mut StepNames::default(), &mut faults).is_none());
    assert!(parse("what", &mut StepNames::default(), &mut faults).is_none());
    assert!(parse("NOOP", &mut StepNames::default(), &mut faults).is_some());
}
