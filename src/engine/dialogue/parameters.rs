//! Extensions in a session: the parameters of MAIL and RCPT, mail that may not go without them, and LIMITS.

use super::{Dialogue, Todo};
use crate::clock::Instant;
use crate::engine::desk::Desk;
use crate::measure::extensions::Shortfall;
use crate::measure::outcome::{Failure, Fate, Outcome};
use crate::message::render::put_number;
use crate::plan::Plan;
use crate::scenario::extensions::{Dsn, EightBitMime, Hold};
use crate::scenario::script::{Op, Verb};
use crate::scenario::step::StepId;
use crate::smtp::capabilities::FutureRelease;
use crate::smtp::parameters::{Extension, Parameters, domain_of, packed_utc, put_xtext};

/// On which terms a message goes out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Terms {
    pub(super) shortfall: Shortfall,
    /// MAIL says BODY=BINARYMIME.
    pub(super) binary: bool,
}

impl Dialogue {
    /// Whether the message under way has to stay unsent: it counts as failed, and the session ends, since this server
    /// cannot take it.
    pub(super) fn stops_unmet(&mut self, plan: &Plan, desk: &mut Desk, now: Instant) -> bool {
        let asked = &plan.scenario.extensions;
        let failure = if !asked.is_strict() {
            None
        } else if asked.requiretls && !self.security.is_encrypted() {
            Some(Failure::RequiretlsInClear)
        } else if asked.requiretls && !self.capabilities.requiretls {
            Some(Failure::RequiretlsNotOffered)
        } else {
            let utf8 = asked.smtputf8 && asked.beyond_ascii && self.needs_utf8(plan, desk);
            self.message.iter_mut().for_each(|message| message.utf8 = utf8);
            (utf8 && !self.capabilities.smtputf8).then_some(Failure::Smtputf8NotOffered)
        };
        let Some(failure) = failure else { return false };
        self.attempt(desk);
        let place = self.place(StepId::MAIL, self.stage_of(plan, desk, now));
        desk.recorder.failure(place, failure, "");
        self.failure.get_or_insert(failure);
        self.end_message(plan, desk, now, Fate::Failed, None);
        self.outcome = Outcome::Lost;
        self.todo = Todo::Quit;
        true
    }

    /// Whether an address or the header of the message under way is not ASCII (RFC 6531 section 3.4).
    fn needs_utf8(&mut self, plan: &Plan, desk: &mut Desk) -> bool {
        let Desk { date, scratch, .. } = desk;
        scratch.clear();
        let body = self.put_head(plan, date, false, scratch);
        let file = plan.scenario.mail.file_of(body);
        if !scratch.is_ascii() || file.is_some_and(|file| file.utf8_header) {
            return true;
        }
        let each = self.message.as_ref().map_or(0, |message| message.each);
        for op in &self.script(plan).ops[self.at..] {
            let command = match op {
                Op::Command(command) if matches!(command.verb, Verb::Mail | Verb::Rcpt) => command,
                Op::TransactionEnd { .. } => break,
                _ => continue,
            };
            for recipient in 0..if command.each_recipient { each } else { 1 } {
                self.message.iter_mut().for_each(|message| message.recipient = recipient);
                scratch.clear();
                self.put_line(plan, date, &command.line, scratch);
                self.message.iter_mut().for_each(|message| message.recipient = 0);
                if !scratch.is_ascii() {
                    return true;
                }
            }
        }
        false
    }

    /// Adds what is asked for and offered to the MAIL line that begins at `start` of `out`.
    pub(super) fn put_mail_parameters(
        &self,
        plan: &Plan,
        date: &str,
        scratch: &mut Vec<u8>,
        start: usize,
        out: &mut Vec<u8>,
    ) -> Terms {
        let (asked, offered) = (&plan.scenario.extensions, &self.capabilities);
        let mut terms = Terms::default();
        let Some(mut line) = Parameters::of(out, start) else { return terms };
        let Shortfall { without, beyond } = &mut terms.shortfall;
        let mut may = |extension| {
            let there = offered.offers(extension);
            if !there {
                without.insert(extension);
            }
            there
        };
        let written_body = line.has("BODY");
        terms.binary = asked.binary_mime && may(Extension::BinaryMime) && !written_body;
        if let Some(message) = &self.message {
            let (bytes, eight_bit) = if asked.depends_on_message() {
                self.nature(plan, date, terms.binary, scratch)
            } else {
                (0, false)
            };
            if asked.size && may(Extension::Size) {
                line.add("SIZE", |out| put_number(bytes, out));
                if offered.size.is_some_and(|limit| limit > 0 && bytes > limit) {
                    beyond.insert(Extension::Size);
                }
            }
            let says_so = match asked.eight_bit_mime {
                EightBitMime::Never => false,
                EightBitMime::WhereNeeded => eight_bit,
                EightBitMime::Always => true,
            };
            if terms.binary {
                line.add("BODY", |out| out.extend_from_slice(b"BINARYMIME"));
            } else if says_so && !written_body && may(Extension::EightBitMime) {
                line.add("BODY", |out| out.extend_from_slice(b"8BITMIME"));
            }
            if message.utf8 {
                line.add_bare("SMTPUTF8");
            }
        }
        if asked.requiretls && offered.requiretls && self.security.is_encrypted() {
            line.add_bare("REQUIRETLS");
        }
        if let Some(dsn) = &asked.dsn
            && may(Extension::Dsn)
        {
            self.put_dsn(plan, date, dsn, &mut line);
        }
        if let Some(hold) = &asked.hold
            && may(Extension::FutureRelease)
        {
            match hold {
                Hold::For(seconds) => line.add("HOLDFOR", |out| put_number(*seconds, out)),
                Hold::Until(time) => {
                    line.add("HOLDUNTIL", |out| out.extend_from_slice(time.as_bytes()));
                }
            }
            if offered.future_release.is_some_and(|most| is_too_far(hold, most)) {
                beyond.insert(Extension::FutureRelease);
            }
        }
        if let Some(priority) = asked.mt_priority
            && may(Extension::MtPriority)
        {
            line.add("MT-PRIORITY", |out| out.extend_from_slice(priority.to_string().as_bytes()));
        }
        terms
    }

    fn put_dsn(&self, plan: &Plan, date: &str, dsn: &Dsn, line: &mut Parameters<'_>) {
        if let Some(ret) = dsn.ret {
            line.add("RET", |out| out.extend_from_slice(ret.as_bytes()));
        }
        if let Some(envid) = &dsn.envid {
            let mut value = Vec::new();
            self.put_line(plan, date, envid, &mut value);
            line.add("ENVID", |out| put_xtext(&value, out));
        }
    }

    /// The same for the RCPT line that begins at `start` of `out`.
    pub(super) fn put_rcpt_parameters(&self, plan: &Plan, start: usize, out: &mut Vec<u8>) {
        let Some(dsn) = &plan.scenario.extensions.dsn else { return };
        let Some(mut line) = Parameters::of(out, start).filter(|_| self.capabilities.dsn) else {
            return;
        };
        if let Some(notify) = &dsn.notify {
            line.add("NOTIFY", |out| out.extend_from_slice(notify.as_bytes()));
        }
        if dsn.orcpt {
            line.add_original_recipient();
        }
    }

    /// Bytes of the message under way before transparency, and whether some are above 127.
    fn nature(&self, plan: &Plan, date: &str, binary: bool, scratch: &mut Vec<u8>) -> (u64, bool) {
        scratch.clear();
        let mail = &plan.scenario.mail;
        let body = self.put_head(plan, date, false, scratch);
        let body = if binary { body.binary() } else { body };
        let eight_bit =
            !scratch.is_ascii() || mail.file_of(body).is_some_and(|file| file.eight_bit);
        (scratch.len() as u64 + mail.body_bytes(body, false), eight_bit)
    }

    /// MAIL is being written on these terms.
    pub(super) fn go_on_terms(&mut self, desk: &mut Desk, terms: Terms) {
        let Some(message) = self.message.as_mut() else { return };
        self.mails = self.mails.saturating_add(1);
        message.binary = terms.binary;
        if terms.shortfall != Shortfall::default() {
            desk.recorder.fell_short(message.stage, terms.shortfall);
        }
    }

    /// Whether the server takes no more transactions in this session (MAILMAX, RFC 9422 section 4), and there are more
    /// to send.
    pub(super) fn is_cut_short(&self, plan: &Plan, desk: &mut Desk, now: Instant) -> bool {
        let limit = self.capabilities.limits.mail_max.filter(|_| plan.scenario.extensions.limits);
        if limit.is_none_or(|limit| self.mails < limit.get()) {
            return false;
        }
        let cut = self.transactions_left > 0 && desk.any_left(plan, self.load, now);
        if cut {
            desk.recorder.session_cut(desk.stage_at(plan, self.load, now));
        }
        cut
    }

    /// Whether the recipient of the RCPT line that begins at `start` of `out` is one too many for RCPTMAX or
    /// RCPTDOMAINMAX (RFC 9422 section 4). It counts as abandoned then, and the line is taken back.
    pub(super) fn leaves_out(&mut self, plan: &Plan, desk: &mut Desk, start: usize) -> bool {
        let limits = &self.capabilities.limits;
        if !plan.scenario.extensions.limits
            || (limits.rcpt_max.is_none() && limits.rcpt_domain_max.is_none())
        {
            return false;
        }
        let Some(message) = self.message.as_mut() else { return false };
        let mut too_many = limits.rcpt_max.is_some_and(|limit| message.asked >= limit.get());
        if let Some(limit) = limits.rcpt_domain_max.filter(|_| !too_many) {
            let limit = usize::try_from(limit.get()).unwrap_or(usize::MAX);
            let domain = desk.out.raw_with(|out| {
                Parameters::of(out, start).map(|line| domain_of(line.path()).to_ascii_lowercase())
            });
            if let Some(domain) = domain.filter(|domain| !message.domains.contains(domain)) {
                too_many = message.domains.len() >= limit;
                if !too_many {
                    message.domains.push(domain);
                }
            }
        }
        if too_many {
            message.note_recipient(Some(Fate::Abandoned));
            desk.recorder.recipient_left_out(message.stage);
            desk.out.raw_with(|out| out.truncate(start));
        } else {
            message.asked += 1;
        }
        too_many
    }
}

/// Whether `hold` lies beyond what the server announces.
fn is_too_far(hold: &Hold, most: FutureRelease) -> bool {
    match hold {
        Hold::For(seconds) => most.interval.is_some_and(|limit| *seconds > limit),
        Hold::Until(time) => match (packed_utc(time.as_bytes()), most.until) {
            (Some(time), Some(limit)) => time > limit,
            _ => false,
        },
    }
}
