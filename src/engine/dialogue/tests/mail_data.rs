//! Mail data: in chunks, broken off, and answered oddly.

use super::{PLAIN, check};

#[test]
fn a_script_may_break_off_in_the_mail_data() {
    check(
        "hello\ntransaction\nMAIL FROM:<>\nRCPT TO:<x@y.test>\nDATA note abort at 50%\nend",
        1,
        1,
        "S: 220 hi
         C: EHLO me.test
         S: 250 ok
         C: MAIL FROM:<>
         S: 250 ok
         C: RCPT TO:<x@y.test>
         S: 250 ok
         C: DATA
         S: 354 go
         C: <data>
         reset: 1 abandoned",
    );
}

#[test]
fn chunks_are_announced_by_their_size() {
    check(
        "hello\ntransaction\nMAIL FROM:<>\nRCPT TO:<x@y.test>\nBDAT note chunk 300\nend\nQUIT",
        1,
        1,
        "S: 220 hi
         C: EHLO me.test
         S: 250 ok
         C: MAIL FROM:<>
         S: 250 ok
         C: RCPT TO:<x@y.test>
         S: 250 ok
         C: BDAT 300 <data>
         S: 250 ok
         C: BDAT 200 LAST <data>
         S: 250 taken
         C: QUIT
         S: 221 bye
         closed: 1 accepted",
    );
}

#[test]
fn an_unusable_reply_to_mail_data_leaves_it_in_doubt() {
    for (reply, fate) in
        [("354 more", "1 in_doubt"), ("451 later", "1 deferred"), ("552 big", "1 rejected")]
    {
        check(
            PLAIN,
            1,
            1,
            &format!(
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
                 S: {reply}
                 C: QUIT
                 S: 221 bye
                 closed: {fate}"
            ),
        );
    }
}
