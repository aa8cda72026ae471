//! Mail data: taken in, and the reply to its end.

use std::time::Instant;

use super::{Phase, SinkSession, Transaction};
use crate::behavior::SinkVerb;
use crate::sink::repertoire::{CHUNK_OK, MESSAGE_OK, TOO_LARGE};
use crate::smtp::Protocol;

impl SinkSession {
    pub(super) fn take_data(&mut self, now: Instant, rest: &[u8]) -> Option<usize> {
        if rest.is_empty() {
            return None;
        }
        let (mut bytes, limit) = (0, self.service.repertoire.size_limit());
        let readable = self.readable(rest.len());
        let mut draft = self.notes.as_mut().and_then(|notes| notes.draft());
        let feed = self.unstuffer.feed(&rest[..readable], |piece| {
            bytes += piece.len() as u64;
            if let Some(draft) = &mut draft {
                draft.take_in(piece, limit);
            }
        });
        self.message_bytes = self.message_bytes.saturating_add(bytes);
        self.rest_after(feed.consumed, now);
        if feed.finished {
            self.phase = Phase::EndOfData;
        }
        Some(feed.consumed)
    }

    pub(super) fn end_data(&mut self, now: Instant, out: &mut Vec<u8>) -> Option<usize> {
        self.note_end_of_data(now);
        if !self.may_answer(SinkVerb::Eod, &[], now) {
            return None;
        }
        self.phase = Phase::Command;
        self.end_message(now, out);
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
            let taken = self.readable(taken);
            self.rest_after(taken, now);
            let limit = self.service.repertoire.size_limit();
            self.phase = Phase::Chunk { left: left - taken as u64, last, refusal };
            if refusal.is_none() {
                self.message_bytes = self.message_bytes.saturating_add(taken as u64);
                if let Some(draft) = self.notes.as_mut().and_then(|notes| notes.draft()) {
                    draft.take_in(&rest[..taken], limit);
                }
            }
            return Some(taken);
        }
        let verb = if last { SinkVerb::Eod } else { SinkVerb::Bdat };
        if last {
            self.note_end_of_data(now);
        }
        if !self.may_answer(verb, &[], now) {
            return None;
        }
        self.phase = Phase::Command;
        match refusal {
            Some(refusal) if last => {
                self.answer_each(out, |session, out| {
                    session.say(refusal, out);
                    false
                });
            }
            Some(refusal) => self.say(refusal, out),
            None if last => self.end_message(now, out),
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
    fn end_message(&mut self, now: Instant, out: &mut Vec<u8>) {
        let entry = self.entry(SinkVerb::Eod);
        let taken = if self.is_too_large() {
            // RFC 1870 section 6.3.
            self.answer_each(out, |session, out| {
                session.say(TOO_LARGE, out);
                false
            })
        } else {
            self.answer_each(out, |session, out| session.accept(SinkVerb::Eod, MESSAGE_OK, out))
        };
        let is_silent = self.close.is_some() && entry.as_ref().is_some_and(|it| it.is_silent());
        let fate = entry.as_ref().map(|entry| &entry.effects.fate);
        let tally = &self.service.tally;
        if taken {
            tally.messages.add(1);
            tally.recipients.add(u64::from(self.recipients));
            tally.bytes.add(self.message_bytes);
            self.errors = 0;
            self.note_client();
        } else if !is_silent {
            tally.refused_messages.add(1);
        } else if fate.is_some_and(|fate| !fate.lose) {
            tally.unanswered.add(1);
        }
        if taken || is_silent {
            self.keep(fate, taken, now);
        }
        self.reset();
    }

    /// Replies to the end of mail data: once, in LMTP once a recipient that was accepted (RFC 2033 section 4.2). Gives
    /// whether one of them was good.
    fn answer_each(
        &mut self,
        out: &mut Vec<u8>,
        mut answer: impl FnMut(&mut Self, &mut Vec<u8>) -> bool,
    ) -> bool {
        let replies = match self.service.repertoire.protocol() {
            Protocol::Lmtp => self.recipients.max(1),
            Protocol::Smtp => 1,
        };
        (0..replies).fold(false, |good, _| answer(self, out) | good)
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
        self.manner.read_rate = 0;
        if let Some(notes) = &mut self.notes {
            notes.forget();
        }
        if let Some(case) = &mut self.case {
            case.end_message();
        }
    }
}
