//! One message under way: whom it goes to, and what has become of it so far.

use super::tickets::{Next, Ticket};
use crate::clock::Instant;
use crate::measure::outcome::Fate;
use crate::measure::tally::RecipientFates;
use crate::message::render::MessageId;

/// A message from its number to its fate.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) id: MessageId,
    /// Where it goes back to if MAIL is never written.
    pub(super) ticket: Ticket,
    /// When it was to start, under open load.
    pub(super) intended: Option<Instant>,
    /// First command of the transaction; then the stage it belongs to.
    pub(super) started: Instant,
    pub(super) stage: u8,
    /// Recipients that a RCPT line with `{{recipient}}` is sent for.
    pub(super) each: u32,
    /// Recipients of all RCPT lines.
    pub(super) planned: u32,
    /// The one whose RCPT line is next.
    pub(super) recipient: u32,
    /// Recipients whose RCPT got a positive reply.
    pub(super) taken: u32,
    /// Recipients that the replies to the mail data have spoken of (LMTP).
    pub(super) answered: u32,
    /// Replies to the end of mail data that may come, and need not (LMTP).
    pub(super) spare: u32,
    /// Recipients that have a fate already.
    pub(super) fates: RecipientFates,
    /// What refused all of it: MAIL's reply.
    pub(super) mail_refused: Option<Fate>,
    /// MAIL or a RCPT was refused, against what the script expects.
    pub(super) refused: bool,
    /// The script is not followed further: the transaction ends as soon as no reply is owed.
    pub(super) leave: Option<Leave>,
    /// Bytes of mail data that BDAT chunks have taken.
    pub(super) chunked: u64,
    /// MAIL was written.
    pub(super) attempted: bool,
    /// The server has the transaction open: it took MAIL, and neither mail data nor RSET has ended that.
    pub(super) open: bool,
    /// The end of data was written whole.
    pub(super) data_written: bool,
    /// It has its fate.
    pub(super) ended: bool,
    /// Bytes of mail data that were written.
    pub(super) bytes: u64,
    /// RCPT commands that were written, where the server limits them.
    pub(super) asked: u32,
    /// Domains of those, where the server limits them.
    pub(super) domains: Vec<Vec<u8>>,
    /// It needs SMTPUTF8.
    pub(super) utf8: bool,
    /// MAIL said BODY=BINARYMIME.
    pub(super) binary: bool,
    /// Commands of it went out in groups.
    pub(super) pipelined: bool,
    /// They would have, if the server offered to take them so.
    pub(super) not_pipelined: bool,
    /// It goes out by BDAT.
    pub(super) bdat: bool,
}

/// How a transaction is left before its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leave {
    /// The server has no transaction open.
    Straight,
    /// RSET first.
    Rset,
}

/// What is recorded of a message that has ended.
pub(super) struct Ending {
    pub(super) fate: Fate,
    pub(super) recipients: RecipientFates,
}

impl Message {
    pub(super) fn new(next: Next, kind: usize, started: Instant, each: u32, planned: u32) -> Self {
        let Next { seq, ticket, stage, intended } = next;
        Self {
            id: MessageId { seq, kind },
            ticket,
            intended,
            started,
            stage,
            each,
            planned,
            recipient: 0,
            taken: 0,
            answered: 0,
            spare: 0,
            fates: RecipientFates::default(),
            mail_refused: None,
            refused: false,
            leave: None,
            chunked: 0,
            attempted: false,
            open: false,
            data_written: false,
            ended: false,
            bytes: 0,
            asked: 0,
            domains: Vec::new(),
            utf8: false,
            binary: false,
            pipelined: false,
            not_pipelined: false,
            bdat: false,
        }
    }

    /// Nobody is left to send to, against what the script expects.
    pub(super) fn is_hopeless(&self) -> bool {
        self.refused && (self.taken == 0 || self.mail_refused.is_some())
    }

    /// Notes what RCPT said of one recipient.
    pub(super) fn note_recipient(&mut self, fate: Option<Fate>) {
        match fate {
            None => self.taken += 1,
            Some(fate) if self.fates.sum() < self.planned => self.fates.count(fate, 1),
            Some(_) => {}
        }
    }

    /// Notes what the mail data's reply for one recipient said (RFC 2033 section 4.2); whether another one is to come.
    pub(super) fn note_answer(&mut self, fate: Fate) -> bool {
        if self.answered < self.taken && self.fates.sum() < self.planned {
            self.fates.count(fate, 1);
        }
        self.answered += 1;
        self.answered < self.taken
    }

    /// Ends the message: recipients without a fate of their own get `rest`; the message follows from them.
    pub(super) fn end(&mut self, rest: Fate) -> Ending {
        self.ended = true;
        // What refused MAIL refused everything; the replies to RCPT then only say that there was no MAIL.
        let (mut recipients, rest) = match self.mail_refused {
            Some(fate) => (RecipientFates::default(), fate),
            None => (self.fates, rest),
        };
        let left = self.planned.saturating_sub(recipients.sum());
        recipients.count(rest, left);
        let refusal = || {
            let later = recipients.of(Fate::Deferred) > 0;
            if later { Fate::Deferred } else { Fate::Rejected }
        };
        let fate = match rest {
            // One is enough, whatever became of the others and of the session.
            _ if recipients.of(Fate::Accepted) > 0 => Fate::Accepted,
            _ if recipients.of(Fate::InDoubt) > 0 => Fate::InDoubt,
            // A message without recipients has only the reply to itself.
            Fate::Rejected | Fate::Deferred if recipients.sum() > 0 => refusal(),
            _ if left == 0 && recipients.sum() > 0 => match recipients.of(Fate::Failed) {
                0 => refusal(),
                _ => Fate::Failed,
            },
            fate => fate,
        };
        Ending { fate, recipients }
    }

    /// The fate of a message whose script ends without a reply to mail data.
    pub(super) fn fate_without_data(&self) -> Fate {
        self.mail_refused.unwrap_or(Fate::Abandoned)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    fn message(planned: u32) -> Message {
        let next = Next { seq: 0, ticket: Ticket::Numbered(0), stage: 0, intended: None };
        Message::new(next, 0, clock::now(), planned, planned)
    }

    #[track_caller]
    fn check(planned: u32, refused: &[Fate], rest: Fate, fate: Fate, recipients: &[(Fate, u32)]) {
        let mut message = message(planned);
        for fate in refused {
            message.note_recipient(Some(*fate));
        }
        let ending = message.end(rest);
        assert_eq!(ending.fate, fate);
        for (fate, count) in recipients {
            assert_eq!(ending.recipients.of(*fate), *count, "{fate:?}");
        }
        assert_eq!(ending.recipients.sum(), planned);
    }

    #[test]
    fn a_message_is_accepted_if_one_recipient_is() {
        use Fate::{Accepted, Rejected};
        check(3, &[Rejected, Rejected], Accepted, Accepted, &[(Accepted, 1), (Rejected, 2)]);
    }

    #[test]
    fn it_is_rejected_if_every_refusal_is_5yz_else_deferred() {
        use Fate::{Abandoned, Deferred, Rejected};
        check(2, &[Rejected, Rejected], Abandoned, Rejected, &[(Rejected, 2)]);
        check(2, &[Rejected, Deferred], Abandoned, Deferred, &[(Rejected, 1), (Deferred, 1)]);
        check(2, &[Deferred], Rejected, Deferred, &[(Rejected, 1), (Deferred, 1)]);
        check(0, &[], Rejected, Rejected, &[]);
    }

    #[test]
    fn refused_recipients_stay_refused_when_the_rest_is_lost() {
        use Fate::{Failed, InDoubt, Rejected};
        check(3, &[Rejected], InDoubt, InDoubt, &[(Rejected, 1), (InDoubt, 2)]);
        check(1, &[], Failed, Failed, &[(Failed, 1)]);
    }

    #[test]
    fn lmtp_answers_for_each_recipient() {
        use Fate::{Accepted, Deferred, InDoubt, Rejected};
        let play = |answers: &[Fate], rest| {
            let mut message = message(4);
            message.note_recipient(Some(Rejected));
            (0..3).for_each(|_| message.note_recipient(None));
            for (index, fate) in answers.iter().enumerate() {
                assert_eq!(message.note_answer(*fate), index < 2);
            }
            let ending = message.end(rest);
            assert_eq!(ending.recipients.sum(), 4);
            let counts = [Accepted, Deferred, Rejected, InDoubt];
            (ending.fate, counts.map(|fate| ending.recipients.of(fate)))
        };
        assert_eq!(play(&[Rejected, Accepted, Deferred], Deferred), (Accepted, [1, 1, 2, 0]));
        assert_eq!(play(&[Rejected, Deferred, Rejected], Rejected), (Deferred, [0, 1, 3, 0]));
        assert_eq!(play(&[Rejected, Rejected, Rejected], Rejected), (Rejected, [0, 0, 4, 0]));
        // Lost after the first answer: the others are in doubt.
        assert_eq!(play(&[Accepted], InDoubt), (Accepted, [1, 0, 1, 2]));
        assert_eq!(play(&[Rejected], InDoubt), (InDoubt, [0, 0, 2, 2]));
    }

    #[test]
    fn a_refused_mail_refuses_everything() {
        let mut message = message(2);
        message.mail_refused = Some(Fate::Deferred);
        message.note_recipient(Some(Fate::Rejected));
        let ending = message.end(Fate::Rejected);
        assert_eq!(ending.fate, Fate::Deferred);
        assert_eq!(ending.recipients.of(Fate::Deferred), 2);
    }
}
