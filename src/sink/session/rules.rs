//! Where a session asks the playbook, and does what it says.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rand::Rng as _;

use super::{Close, Greeted, SinkSession, Transaction};
use crate::behavior::{End, Nonsense, SinkVerb};
use crate::sink::arguments;
use crate::sink::entry::{Entry, Parties};

/// How often a slow reader reads.
const READS_A_SECOND: u64 = 20;

/// What a session does from some rule on.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Manner {
    /// Its replies go out in writes of so many bytes.
    pub(super) pieces: Option<NonZeroU32>,
    /// It reads mail data at so many bytes a second; as they come, where that is 0.
    pub(super) read_rate: u64,
    /// It rests from reading, until the reply that is due.
    pub(super) rests: bool,
}

impl SinkSession {
    /// In writes of how many bytes its replies have to go out; at once, where there is none.
    #[must_use]
    pub fn pieces(&self) -> Option<usize> {
        self.manner.pieces.and_then(|pieces| usize::try_from(pieces.get()).ok())
    }

    /// Whether the reply to `verb` may be given now. If not, it is due later and nothing goes on until then.
    pub(super) fn may_answer(&mut self, verb: SinkVerb, argument: &[u8], now: Instant) -> bool {
        if self.service.playbook.is_plain(verb, argument) {
            if let Some(case) = &mut self.case {
                // What was found for an earlier one of its kind.
                case.verdict = None;
            }
            return true;
        }
        if std::mem::take(&mut self.waited) {
            return true;
        }
        let service = Arc::clone(&self.service);
        let mut case = self.case.take().unwrap_or_else(|| service.playbook.case(self.number));
        let due = if self.is_in_turn(verb, argument) {
            let named = match verb {
                SinkVerb::Mail => arguments::reverse_path(argument),
                SinkVerb::Rcpt => arguments::rcpt(argument, self.utf8).ok(),
                _ => None,
            };
            let parties = Parties { client: self.client.address(), named };
            service.playbook.judge(&mut case, verb, parties, now)
        } else {
            service.playbook.delay(&mut case, verb, now)
        };
        self.case = Some(case);
        if due <= now {
            return true;
        }
        self.due = Some(due);
        false
    }

    /// Whether the sink itself would take the command, as far as order and syntax go.
    fn is_in_turn(&self, verb: SinkVerb, argument: &[u8]) -> bool {
        if self.greeted == Greeted::Refused {
            return verb == SinkVerb::Quit;
        }
        match verb {
            SinkVerb::Ehlo | SinkVerb::Helo => arguments::is_client_name(argument),
            SinkVerb::Mail => {
                self.greeted == Greeted::Yes
                    && !self.lacks_login()
                    && self.transaction == Transaction::None
                    && arguments::mail(argument, self.encrypted).is_ok()
            }
            SinkVerb::Rcpt => {
                self.transaction == Transaction::Mail
                    && arguments::rcpt(argument, self.utf8).is_ok()
            }
            SinkVerb::Data => {
                self.transaction == Transaction::Mail
                    && !self.binary
                    && self.recipients > 0
                    && argument.is_empty()
            }
            SinkVerb::Eod | SinkVerb::Bdat => !self.is_too_large() && !self.is_chunk_refused(),
            _ => true,
        }
    }

    /// What is done at `verb`, which is under way, beside what the sink always does.
    pub(super) fn entry(&self, verb: SinkVerb) -> Option<Arc<Entry>> {
        self.case.as_ref()?.entry(verb).cloned()
    }

    /// Does what the rule that was found for `verb` says; gives the first digit of its reply, 0 without one.
    pub(super) fn answer_by_rule(
        &mut self,
        verb: SinkVerb,
        own: &[u8],
        out: &mut Vec<u8>,
    ) -> Option<u8> {
        let entry = self.entry(verb)?;
        if self.close.is_some() {
            // A rule has ended the connection in the middle of the replies to one command.
            return Some(b'0');
        }
        entry.hits.fetch_add(1, Ordering::Relaxed);
        let (service, effects) = (Arc::clone(&self.service), &entry.effects);
        let (tally, own) = (&service.tally, service.repertoire.fixed_reply(verb).unwrap_or(own));
        self.manner.read_rate = effects.read_rate.unwrap_or(self.manner.read_rate);
        self.manner.pieces = effects.pieces.or(self.manner.pieces);
        let reply = entry.line.as_deref().unwrap_or(own);
        let is_silent = entry.is_silent();
        match &effects.nonsense {
            _ if is_silent => {}
            None => self.say(reply, out),
            Some(nonsense) => {
                tally.nonsense.add(1);
                self.utter(nonsense, reply, out);
            }
        }
        if entry.line.is_some() && matches!(reply[0], b'4' | b'5') {
            tally.refused_by_rule.add(1);
        }
        if let Some(extra) = effects.extra.as_ref().filter(|_| !is_silent) {
            tally.nonsense.add(1);
            out.extend_from_slice(&extra.line());
        }
        self.close = match effects.end {
            Some(End::Drop) => Some(Close::Hangup),
            Some(End::Abort) => Some(Close::Abort),
            // RFC 5321 section 3.8: the server that says 421 closes.
            None if reply.starts_with(b"421") => Some(Close::Hangup),
            None => None,
        };
        if effects.end.is_some() {
            tally.ended_by_rule.add(1);
        }
        Some(if is_silent { b'0' } else { reply[0] })
    }

    /// Says what is no reply instead of `reply`.
    fn utter(&mut self, nonsense: &Nonsense, reply: &[u8], out: &mut Vec<u8>) {
        let bytes = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
        match nonsense {
            Nonsense::Raw(raw) => out.extend_from_slice(raw),
            Nonsense::Garbage(count) => {
                let from = out.len();
                out.resize(from + bytes(*count), 0);
                if let Some(case) = &mut self.case {
                    case.rng.fill_bytes(&mut out[from..]);
                }
                // One line, so that how many there are does not depend on what was drawn.
                out[from..].iter_mut().filter(|byte| **byte == b'\n').for_each(|byte| *byte = 0);
                out.extend_from_slice(b"\r\n");
            }
            Nonsense::Long(count) => {
                let line = reply.strip_suffix(b"\r\n").unwrap_or(reply);
                out.extend_from_slice(line);
                out.resize(out.len() + bytes(*count).saturating_sub(reply.len()), b'x');
                out.extend_from_slice(b"\r\n");
            }
        }
    }

    /// How much of the mail data is read at once: all, or as much as a slow reader reads before it rests.
    pub(super) fn readable(&self, length: usize) -> usize {
        let rate = self.manner.read_rate;
        if rate == 0 {
            return length;
        }
        usize::try_from((rate / READS_A_SECOND).max(1)).unwrap_or(usize::MAX).min(length)
    }

    /// A slow reader rests after so many bytes that it read at `now`.
    pub(super) fn rest_after(&mut self, length: usize, now: Instant) {
        let rate = self.manner.read_rate;
        if rate > 0 && length > 0 {
            let nanos = length as u64 * 1_000_000_000 / rate;
            self.manner.rests = true;
            self.due = Some(now + Duration::from_nanos(nanos));
        }
    }
}
