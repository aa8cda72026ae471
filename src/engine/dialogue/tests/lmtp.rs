//! LMTP (RFC 2033): another greeting, and a reply to the mail data for every recipient that was accepted.

use super::{PIPELINED, PLAIN, plan, play};
use crate::scenario::target::TargetUrl;

/// As `check`, for a target that speaks LMTP.
#[track_caller]
fn check_lmtp(script: &str, messages: u64, recipients: u32, talk: &str) {
    let mut plan = plan(script, messages, recipients);
    plan.targets[0].url = TargetUrl::parse("lmtp://127.0.0.1:24").unwrap();
    play(&plan, talk);
}

#[test]
fn every_recipient_has_a_reply_and_a_fate() {
    check_lmtp(
        PLAIN,
        1,
        3,
        "S: 220 hi
         C: LHLO me.test
         S: 250 ok
         C: MAIL FROM:<from@sender.test>
         S: 250 ok
         C: RCPT TO:<to@recipient.test>
         S: 250 ok
         C: RCPT TO:<to@recipient.test>
         S: 550 no
         C: RCPT TO:<to@recipient.test>
         S: 250 ok
         C: DATA
         S: 354 go
         C: <data .>
         S: 452 mailbox full
         S: 250 taken
         C: QUIT
         S: 221 bye
         closed: 1 accepted",
    );
}

#[test]
fn all_replies_may_come_at_once_and_none_is_left_over() {
    check_lmtp(
        PIPELINED,
        2,
        2,
        "S: 220 hi
         C: LHLO me.test
         S: 250-ok|250 PIPELINING
         C: MAIL FROM:<from@sender.test> / RCPT TO:<to@recipient.test> / RCPT TO:<to@recipient.test> / DATA
         S: 250 ok|250 ok|250 ok|354 go
         C: <data .>
         S: 550 no|452 later
         C: MAIL FROM:<from@sender.test> / RCPT TO:<to@recipient.test> / RCPT TO:<to@recipient.test> / DATA
         S: 250 ok|250 ok|250 ok|354 go
         C: <data .>
         S: 550 no|550 no
         C: QUIT
         S: 221 bye
         closed: 1 rejected, 1 deferred",
    );
}

#[test]
fn chunks_are_answered_for_each_recipient_too() {
    check_lmtp(
        "hello\ntransaction pipelined\nMAIL FROM:<{{sender}}>\nRCPT TO:<{{recipient}}>\nBDAT\nend",
        1,
        2,
        "S: 220 hi
         C: LHLO me.test
         S: 250 ok
         C: MAIL FROM:<from@sender.test>
         S: 250 ok
         C: RCPT TO:<to@recipient.test>
         S: 250 ok
         C: RCPT TO:<to@recipient.test>
         S: 250 ok
         C: BDAT 500 LAST <data>
         S: 250 taken
         S: 250 taken
         C: QUIT
         S: 221 bye
         closed: 1 accepted",
    );
}

#[test]
fn what_is_lost_between_two_replies_is_in_doubt() {
    check_lmtp(
        PLAIN,
        1,
        2,
        "S: 220 hi
         C: LHLO me.test
         S: 250 ok
         C: MAIL FROM:<from@sender.test>
         S: 250 ok
         C: RCPT TO:<to@recipient.test>
         S: 250 ok
         C: RCPT TO:<to@recipient.test>
         S: 250 ok
         C: DATA
         S: 354 go
         C: <data .>
         S: 550 no
         S: <closed>
         closed: 1 in_doubt",
    );
}

#[test]
fn a_refused_lhlo_is_not_followed_by_helo() {
    check_lmtp(
        PLAIN,
        1,
        1,
        "S: 220 hi
         C: LHLO me.test
         S: 500 what
         C: QUIT
         S: 221 bye
         closed:",
    );
}

const CHUNKS: &str = "hello\ntransaction pipelined\nMAIL FROM:<{{sender}}>\nRCPT TO:<{{recipient}}>\nBDAT chunk 400\nend";

/// A message of two chunks to two recipients, of which the first chunk is refused; `replies` are those to the last one and
/// to what follows it.
#[track_caller]
fn check_refused_chunk(replies: &str) {
    check_lmtp(
        CHUNKS,
        1,
        2,
        &format!(
            "S: 220 hi
             C: LHLO me.test
             S: 250-ok|250 PIPELINING
             C: MAIL FROM:<from@sender.test> / RCPT TO:<to@recipient.test> / RCPT TO:<to@recipient.test> / BDAT 400 <data>
             C: BDAT 100 LAST <data>
             S: 250 ok|250 ok|250 ok|452 full
             {replies}
             C: QUIT
             S: 221 bye
             closed: 1 deferred"
        ),
    );
}

#[test]
fn behind_a_refused_chunk_the_last_one_may_have_one_reply_or_one_a_recipient() {
    check_refused_chunk("S: 503 no\nC: RSET\nS: 250 ok");
    check_refused_chunk("S: 503 no|503 no\nC: RSET\nS: 250 ok");
    check_refused_chunk("S: 503 no\nC: RSET\nS: 503 no|250 ok");
    check_refused_chunk("S: 503 no\nC: RSET\nS: 503 no\nS: 250 ok");
}

#[test]
fn a_reply_more_than_there_are_recipients_ends_the_session_all_the_same() {
    check_lmtp(
        CHUNKS,
        1,
        2,
        "S: 220 hi
         C: LHLO me.test
         S: 250-ok|250 PIPELINING
         C: MAIL FROM:<from@sender.test> / RCPT TO:<to@recipient.test> / RCPT TO:<to@recipient.test> / BDAT 400 <data>
         C: BDAT 100 LAST <data>
         S: 250 ok|250 ok|250 ok|452 full
         S: 503 no|503 no|503 no
         closed: 1 deferred",
    );
}
