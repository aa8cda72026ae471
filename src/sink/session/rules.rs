//! Where a session asks the playbook.

use std::sync::Arc;
use std::time::Instant;

use super::{Close, Greeted, SinkSession, Transaction};
use crate::behavior::SinkVerb;
use crate::sink::arguments;

impl SinkSession {
    /// Whether the reply to `verb` may be given now. If not, it is due later and nothing goes on until then.
    pub(super) fn may_answer(&mut self, verb: SinkVerb, argument: &[u8], now: Instant) -> bool {
        if self.service.playbook.is_plain(verb) || std::mem::take(&mut self.waited) {
            return true;
        }
        let in_turn = self.is_in_turn(verb, argument);
        let Some(case) = &mut self.case else { return true };
        let due = self.service.playbook.judge(case, verb, in_turn, now);
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

    /// Whether a rule has a reply to `verb`, which is under way.
    pub(super) fn is_ruled(&self, verb: SinkVerb) -> bool {
        let verdict = self.case.as_ref().and_then(|case| case.verdict);
        verdict.is_some_and(|(of, index)| of == verb && self.service.playbook.has_reply(index))
    }

    /// What the rule that was found for `verb` says in place of `own`; the first digit of that.
    pub(super) fn answer_by_rule(
        &mut self,
        verb: SinkVerb,
        own: &[u8],
        out: &mut Vec<u8>,
    ) -> Option<u8> {
        let (of, index) = self.case.as_ref()?.verdict?;
        if of != verb {
            return None;
        }
        let service = Arc::clone(&self.service);
        let entry = service.playbook.play(index);
        let fixed = || service.repertoire.fixed_reply(verb).unwrap_or(own);
        let reply = entry.line.as_deref().unwrap_or_else(fixed);
        self.say(reply, out);
        if entry.effects.reply.as_ref().is_some_and(|reply| reply.refuses()) {
            service.tally.refused_by_rule.add(1);
        }
        if reply.starts_with(b"421") {
            self.close = Some(Close::Hangup);
        }
        reply.first().copied()
    }
}
