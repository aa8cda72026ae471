//! Commands in groups (RFC 2920): one write, replies in order.

use super::{PIPELINED, check};

#[test]
fn a_pipeline_waits_for_nothing_where_it_is_offered() {
    check(
        PIPELINED,
        1,
        2,
        "S: 220 hi
         C: EHLO me.test
         S: 250-me|250 PIPELINING
         C: MAIL FROM:<from@sender.test> / RCPT TO:<to@recipient.test> / RCPT TO:<to@recipient.test> / DATA
         S: 250 ok|550 no|250 ok|354 go
         C: <data .>
         S: 250 taken
         C: QUIT
         S: 221 bye
         closed: 1 accepted",
    );
}

#[test]
fn a_pipelined_transaction_is_lock_step_where_it_is_not_offered() {
    check(
        PIPELINED,
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
fn a_354_with_no_recipient_left_gets_a_lone_dot() {
    check(
        PIPELINED,
        1,
        1,
        "S: 220 hi
         C: EHLO me.test
         S: 250-me|250 PIPELINING
         C: MAIL FROM:<from@sender.test> / RCPT TO:<to@recipient.test> / DATA
         S: 250 ok|550 no|354 go
         C: .
         S: 554 no valid recipients
         C: QUIT
         S: 221 bye
         closed: 1 rejected",
    );
}

#[test]
fn a_pipelined_mail_that_is_refused_names_the_message() {
    check(
        PIPELINED,
        1,
        1,
        "S: 220 hi
         C: EHLO me.test
         S: 250-me|250 PIPELINING
         C: MAIL FROM:<from@sender.test> / RCPT TO:<to@recipient.test> / DATA
         S: 451 later|503 no mail|503 no rcpt
         C: RSET
         S: 250 ok
         C: QUIT
         S: 221 bye
         closed: 1 deferred",
    );
}

#[test]
fn a_refused_ehlo_of_a_group_falls_back_to_helo_behind_it() {
    check(
        "pipeline\nEHLO me.test\nNOOP\nend\ntransaction\nMAIL FROM:<a@b>\nRCPT TO:<c@d>\nDATA\nend\nQUIT",
        1,
        1,
        "S: 220 hi
         C: EHLO me.test / NOOP
         S: 502 what|250 ok
         C: HELO me.test
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
