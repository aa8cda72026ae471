//! Mail data: taken in, and the reply to its end.

use std::time::Instant;

use super::{Phase, SinkSession, Transaction};
use crate::behavior::SinkVerb;
use crate::sink::repertoire::{CHUNK_OK, MESSAGE_OK, TOO_LARGE};
use crate::smtp::Protocol;

impl SinkSession {
    pub(super) fn take_data(&mut self, rest: &[u8]) -> Option<usize> {
        if rest.is_empty() {
            return None;
        }
        let mut bytes = 0;
        let feed = self.unstuffer.feed(rest, |piece| bytes += piece.len() as u64);
        self.message_bytes = self.message_bytes.saturating_add(bytes);
        if feed.finished {
            self.phase = Phase::EndOfData;
        }
        Some(feed.consumed)
    }

    pub(super) fn end_data(&mut self, now: Instant, out: &mut Vec<u8>) -> Option<usize> {
        if !self.may_answer(SinkVerb::Eod, &[], now) {
            return None;
        }
        self.phase = Phase::Command;
        self.end_message(out);
        Some(0)
    }

    /// Takes as much of a chunk as there is; answers when it is whole.
    pub(super) fn take_chunk(
        &mut self,
        now: Instant,
        rest: &[u8],
        out: &mut Vec<u8>,
    ) -> Option<usize> {
        let Phase::Chunk { left, last, refusal } = self.phase else {
            return None;
        };
        if left > 0 {
            if rest.is_empty() {
                return None;
            }
            let taken = usize::try_from(left).unwrap_or(usize::MAX).min(rest.len());
            self.phase = Phase::Chunk { left: left - taken as u64, last, refusal };
            if refusal.is_none() {
                self.message_bytes = self.message_bytes.saturating_add(taken as u64);
            }
            return Some(taken);
        }
        let verb = if last { SinkVerb::Eod } else { SinkVerb::Bdat };
        if !self.may_answer(verb, &[], now) {
            return None;
        }
        self.phase = Phase::Command;
        match refusal {
            Some(refusal) if last => {
                self.answer_each(out, |session, out| session.say(refusal, out));
            }
            Some(refusal) => self.say(refusal, out),
            None if last => self.end_message(out),
            None => self.end_chunk(out),
        }
        Some(0)
    }

    fn end_chunk(&mut self, out: &mut Vec<u8>) {
        let taken = if self.is_too_large() {
            self.say(TOO_LARGE, out);
            false
        } else {
            self.accept(SinkVerb::Bdat, CHUNK_OK, out)
        };
        if !taken {
            self.service.tally.refused_messages.add(1);
            self.transaction = Transaction::Failed;
        }
    }

    /// Takes or refuses the message; the transaction is over either way.
    fn end_message(&mut self, out: &mut Vec<u8>) {
        let taken = if self.is_too_large() {
            // RFC 1870 section 6.3.
            self.answer_each(out, |session, out| session.say(TOO_LARGE, out));
            false
        } else {
            self.answer_each(out, |session, out| session.accept(SinkVerb::Eod, MESSAGE_OK, out))
        };
        let tally = &self.service.tally;
        if taken {
            tally.messages.add(1);
            tally.recipients.add(u64::from(self.recipients));
            tally.bytes.add(self.message_bytes);
            self.errors = 0;
            self.note_client();
        } else {
            tally.refused_messages.add(1);
        }
        self.reset();
    }

    /// Replies to the end of mail data: once, in LMTP once a recipient that was accepted (RFC 2033 section 4.2).
    fn answer_each<T>(
        &mut self,
        out: &mut Vec<u8>,
        mut answer: impl FnMut(&mut Self, &mut Vec<u8>) -> T,
    ) -> T {
        if self.service.repertoire.protocol() == Protocol::Lmtp {
            for _ in 1..self.recipients {
                answer(self, out);
            }
        }
        answer(self, out)
    }

    pub(super) fn is_chunk_refused(&self) -> bool {
        matches!(self.phase, Phase::Chunk { refusal: Some(_), .. })
    }

    pub(super) fn is_too_large(&self) -> bool {
        self.message_bytes > self.service.repertoire.size_limit()
    }

    /// Forgets the transaction.
    pub(super) fn reset(&mut self) {
        self.transaction = Transaction::None;
        self.recipients = 0;
        self.message_bytes = 0;
        self.utf8 = false;
        self.binary = false;
        self.domains.clear();
        if let Some(case) = &mut self.case {
            case.end_message();
        }
    }
}
