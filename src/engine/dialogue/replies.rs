//! What a reply means: for the figures, for the message, and for what comes next.

use super::message::Leave;
use super::{Debt, Dialogue, Role, Todo};
use crate::clock::Instant;
use crate::engine::desk::Desk;
use crate::measure::outcome::{Clock, Failure, Fate, Outcome};
use crate::plan::Plan;
use crate::scenario::script::{Op, Verb};
use crate::scenario::security::TlsUse;
use crate::scenario::step::StepId;
use crate::smtp::Protocol;
use crate::smtp::capabilities::Capabilities;
use crate::smtp::parser::ReplyFault;
use crate::smtp::reply::{Reply, ReplyCode, Severity};
use crate::smtp::session::{Event, Owed};

/// The server closes the connection after it (RFC 5321 section 3.8).
const CLOSING: u16 = 421;
/// Bytes of what was no reply that a failure shows.
const DETAIL_MAX: usize = 120;

impl Dialogue {
    /// Takes bytes that were read, also while a write is under way.
    pub fn handle_input(&mut self, plan: &Plan, desk: &mut Desk, now: Instant, mut input: &[u8]) {
        desk.end_interval(plan, now);
        let mut wire = std::mem::take(&mut self.wire);
        while self.closing.is_none() {
            if wire.owed() == 0 && !input.is_empty() {
                self.expect_await(plan, &mut wire, now);
            }
            match wire.next_event(&mut input) {
                None => break,
                Some(Event::Reply(owed, reply))
                    if owed.what.role == Role::StartTls
                        && reply.code().number() == 220
                        && !input.is_empty() =>
                {
                    // Whoever put these bytes there wants them taken for the server's, under TLS.
                    let detail = self.excerpt(input);
                    let failure = Failure::ClearTextAfterStarttls;
                    self.lose(plan, desk, now, Some(owed), failure, &detail);
                }
                Some(Event::Reply(owed, reply)) => {
                    if self.handle_reply(plan, desk, now, owed, &reply) {
                        wire.owe_again(owed);
                    }
                }
                Some(Event::Unsolicited(reply)) if self.is_spare(reply.code()) => {
                    self.handle_spare(desk, &reply);
                }
                Some(Event::Unsolicited(reply)) => self.handle_unsolicited(plan, desk, now, &reply),
                Some(Event::Fault(owed, fault)) => {
                    let detail = match fault {
                        ReplyFault::MixedCodes => "lines of one reply with different codes: ",
                        ReplyFault::Garbage => "no SMTP reply: ",
                        ReplyFault::LineTooLong | ReplyFault::ReplyTooLong => "",
                    };
                    let detail = format!("{detail}{}", self.excerpt(wire.partial()));
                    self.lose(plan, desk, now, owed, failure_of(fault), &detail);
                }
            }
        }
        self.wire = wire;
    }

    /// A script that says `expect` next is owed what comes now.
    fn expect_await(
        &mut self,
        plan: &Plan,
        wire: &mut crate::smtp::session::Session<Debt>,
        now: Instant,
    ) {
        if self.todo != Todo::Op || self.collecting {
            return;
        }
        if let Some(Op::Await { step, .. }) = self.script(plan).ops.get(self.at) {
            let debt = Debt { step: *step, role: Role::Other, op: self.at };
            wire.owe(debt, now, plan.scenario.timeouts.limit(*step));
            self.at += 1;
        }
    }

    /// Whether the same command is owed another reply.
    fn handle_reply(
        &mut self,
        plan: &Plan,
        desk: &mut Desk,
        now: Instant,
        owed: Owed<Debt>,
        reply: &Reply<'_>,
    ) -> bool {
        let debt = owed.what;
        self.turns.answer();
        if matches!(debt.role, Role::Auth | Role::AuthCancel) {
            self.handle_auth(plan, desk, now, owed, reply);
            self.heed_closing(plan, desk, now, reply.code());
            return false;
        }
        if debt.role == Role::OwnRset && self.is_spare(reply.code()) {
            self.handle_spare(desk, reply);
            return true;
        }
        let lmtp = plan.protocol() == Protocol::Lmtp;
        let mut again = false;
        let outcome = self.judge(plan, debt, reply.code());
        let place = self.place(debt.step, self.stage_of(plan, desk, owed.sent));
        let took = now.saturating_duration_since(owed.sent);
        desk.recorder.sample(place, Clock::Service, outcome, took);
        desk.recorder.address_sample(place, self.attempt.address, outcome, took);
        desk.recorder.reply(place, outcome, reply, |text| self.hidden.clean(text));
        let makes_do = match debt.role {
            Role::Ehlo => !lmtp,
            Role::StartTls => self.security.tls == TlsUse::Opportunistic,
            _ => false,
        };
        if !makes_do {
            self.seen |= 1 << outcome as u8;
        }
        if debt.step == StepId::RSET || debt.role == Role::Eod {
            self.message.iter_mut().for_each(|message| message.open = false);
        }
        if matches!(debt.role, Role::Ehlo | Role::Helo | Role::Fallback) {
            self.welcomed |= outcome == Outcome::Accepted;
            // RFC 5321 section 4.2.4: what it knows and does not like has other codes.
            self.unwelcome = matches!(reply.code().number(), 500 | 502);
        }
        match debt.role {
            Role::Greeting => {
                if outcome != Outcome::Accepted {
                    // RFC 5321 section 3.1: after a 554 the client may only QUIT.
                    self.outcome = outcome;
                    self.todo = Todo::Quit;
                }
            }
            Role::Ehlo if outcome == Outcome::Accepted => {
                self.capabilities = Capabilities::from_ehlo(reply);
                self.greeted(plan, desk, now, debt.op);
            }
            Role::StartTls => {
                self.handle_starttls(plan, desk, now, debt.op, outcome, reply.code().number());
                self.introduce(plan, desk, now);
            }
            // LMTP knows no other greeting to fall back to. A server that takes PROXY headers knows EHLO; one that does
            // not answers the header so.
            Role::Ehlo if lmtp || Self::begins_with_header(plan) => {
                if !lmtp {
                    let what = "a server that expects no PROXY header answers it so";
                    self.remark = Some(what.to_owned());
                }
                self.outcome = outcome;
                self.todo = Todo::Quit;
            }
            Role::Ehlo if outcome == Outcome::Rejected && !self.collecting => {
                self.todo = Todo::Fallback { op: debt.op };
            }
            Role::Ehlo if self.awaits_xclient(plan) => {
                self.outcome = outcome;
                self.todo = Todo::Quit;
            }
            Role::Xclient => self.handle_xclient(outcome, debt.op),
            Role::Mail => self.handle_mail(plan, desk, now, outcome, reply.code()),
            Role::Rcpt => self.handle_rcpt(outcome, reply.code()),
            Role::Data => self.handle_data(plan, desk, now, debt, outcome, reply.code()),
            Role::Chunk => self.handle_chunk(plan, desk, now, outcome, reply.code()),
            Role::Eod => again = self.handle_eod(plan, desk, now, outcome, reply.code()),
            Role::Quit | Role::OwnQuit => {
                // Whatever it said, the connection has done its work.
                let outcome = self.outcome;
                self.fruitful |= outcome == Outcome::Accepted && debt.role == Role::Quit;
                self.end(plan, desk, now, outcome);
            }
            Role::Fallback => {
                self.capabilities = Capabilities::default();
                self.greeted(plan, desk, now, debt.op);
            }
            Role::Helo if outcome == Outcome::Accepted => {
                self.capabilities = Capabilities::default();
                self.greeted(plan, desk, now, debt.op);
            }
            Role::Ehlo
            | Role::Helo
            | Role::Handshake
            | Role::LoneDot
            | Role::OwnRset
            | Role::Other => {}
            // Dealt with above.
            Role::Auth | Role::AuthCancel => {}
        }
        self.heed_closing(plan, desk, now, reply.code());
        again
    }

    /// EHLO or HELO, the operation `hello`, is through: TLS may be next, or XCLIENT.
    fn greeted(&mut self, plan: &Plan, desk: &mut Desk, now: Instant, hello: usize) {
        self.hello = hello;
        self.after_ehlo(plan, desk, now, hello);
        self.introduce(plan, desk, now);
    }

    /// The beginning of what the peer sent, without what may not be shown.
    fn excerpt(&self, bytes: &[u8]) -> String {
        let mut shown = self.hidden.clean(bytes.to_vec());
        shown.truncate(DETAIL_MAX);
        String::from_utf8_lossy(&shown).into_owned()
    }

    fn heed_closing(&mut self, plan: &Plan, desk: &mut Desk, now: Instant, code: ReplyCode) {
        if code.number() == CLOSING {
            self.end_message(plan, desk, now, Fate::Deferred, Some(Outcome::Deferred));
            self.end(plan, desk, now, Outcome::Deferred);
        }
    }

    /// How a reply fits its step.
    pub(super) fn judge(&self, plan: &Plan, debt: Debt, code: ReplyCode) -> Outcome {
        let op = |index| self.op(plan, index);
        let expected = match (debt.role, code.number()) {
            (Role::Greeting | Role::Xclient, code) => code == 220,
            (Role::Fallback | Role::OwnRset | Role::Chunk, code) => code == 250,
            // Nobody is to have the empty message: taking it is not what was hoped for.
            (Role::LoneDot, _) => false,
            (Role::OwnQuit, code) => code == 221,
            // RFC 4954 section 4.
            (Role::AuthCancel, code) => code == 501,
            _ => match (op(debt.op), debt.role) {
                (Op::Command(command), Role::StartTls) if command.verb == Verb::Ehlo => {
                    code.number() == 220
                }
                (Op::Command(command), _) => command.expect.accepts(code),
                (Op::Auth(auth), _) => auth.expect.accepts(code),
                (Op::Data(data), Role::Data) => data.expect_data.accepts(code),
                (Op::Data(data), _) => data.expect_eod.accepts(code),
                (Op::Bdat(bdat), _) => bdat.expect.accepts(code),
                (Op::Await { expect, .. }, _) => expect.accepts(code),
                _ => false,
            },
        };
        match code.severity() {
            // A refused message is never among the accepted ones, also where the script wants it refused.
            Severity::Transient if debt.role == Role::Eod => Outcome::Deferred,
            Severity::Permanent if debt.role == Role::Eod => Outcome::Rejected,
            _ if expected => Outcome::Accepted,
            Severity::Transient => Outcome::Deferred,
            Severity::Permanent => Outcome::Rejected,
            Severity::Completed | Severity::Intermediate => Outcome::Unexpected,
        }
    }

    fn handle_mail(
        &mut self,
        plan: &Plan,
        desk: &mut Desk,
        now: Instant,
        outcome: Outcome,
        code: ReplyCode,
    ) {
        let Some(message) = self.message.as_mut() else { return };
        let Some(fate) = refusal(code) else {
            message.open = true;
            return;
        };
        message.mail_refused = Some(fate);
        if outcome != Outcome::Accepted {
            message.refused = true;
            message.leave = Some(Leave::Straight);
            self.end_message(plan, desk, now, fate, Some(outcome));
        }
    }

    fn handle_rcpt(&mut self, outcome: Outcome, code: ReplyCode) {
        let Some(message) = self.message.as_mut() else { return };
        let fate = refusal(code);
        message.refused |= fate.is_some() && outcome != Outcome::Accepted;
        message.note_recipient(fate);
    }

    fn handle_data(
        &mut self,
        plan: &Plan,
        desk: &mut Desk,
        now: Instant,
        debt: Debt,
        outcome: Outcome,
        code: ReplyCode,
    ) {
        let Some(message) = self.message.as_mut() else { return };
        let nobody = message.is_hopeless();
        if code.severity() == Severity::Intermediate {
            // RFC 2920 section 3.1: a 354 although nobody is left is answered with nothing but the dot.
            self.todo = match nobody {
                true => Todo::LoneDot { op: debt.op },
                false => Todo::Upload { op: debt.op },
            };
            if nobody {
                message.leave = Some(Leave::Straight);
                self.end_message(plan, desk, now, Fate::Abandoned, Some(outcome));
            }
            return;
        }
        if outcome != Outcome::Accepted {
            message.leave = Some(Leave::Rset);
        }
        let fate = refusal(code).unwrap_or(Fate::Failed);
        self.end_message(plan, desk, now, fate, Some(outcome));
    }

    fn handle_chunk(
        &mut self,
        plan: &Plan,
        desk: &mut Desk,
        now: Instant,
        outcome: Outcome,
        code: ReplyCode,
    ) {
        let (Some(message), Some(fate)) = (self.message.as_mut(), refusal(code)) else { return };
        message.leave = Some(Leave::Rset);
        self.end_message(plan, desk, now, fate, Some(outcome));
    }

    /// The reply to mail data; whether it is one of several, and not the last.
    fn handle_eod(
        &mut self,
        plan: &Plan,
        desk: &mut Desk,
        now: Instant,
        outcome: Outcome,
        code: ReplyCode,
    ) -> bool {
        let fate = match code.severity() {
            Severity::Completed => Fate::Accepted,
            // 3yz settles nothing: the message may have been taken.
            Severity::Intermediate => Fate::InDoubt,
            Severity::Transient => Fate::Deferred,
            Severity::Permanent => Fate::Rejected,
        };
        if plan.protocol() == Protocol::Lmtp
            && let Some(message) = self.message.as_mut()
        {
            if message.ended {
                // A chunk of it was refused. Whether its last one then gets a reply for each recipient (RFC 2033 section
                // 4.2) or one, servers differ.
                message.spare = message.taken.saturating_sub(1);
            } else if message.note_answer(fate) {
                return true;
            }
        }
        self.end_message(plan, desk, now, fate, Some(outcome));
        false
    }

    /// Whether a reply is one of those that may come behind the one to mail data of which a chunk was refused: a refusal,
    /// where the RSET that follows is never refused.
    fn is_spare(&self, code: ReplyCode) -> bool {
        let spare = self.message.as_ref().map_or(0, |message| message.spare);
        spare > 0 && code.number() != CLOSING && is_refusal(code)
    }

    /// Such a reply is counted and not timed: it was owed to nobody.
    fn handle_spare(&mut self, desk: &mut Desk, reply: &Reply<'_>) {
        let Some(message) = self.message.as_mut() else { return };
        message.spare -= 1;
        let outcome = match reply.code().severity() {
            Severity::Permanent => Outcome::Rejected,
            _ => Outcome::Deferred,
        };
        let stage = message.stage;
        let place = self.place(StepId::EOD, stage);
        desk.recorder.reply(place, outcome, reply, |text| self.hidden.clean(text));
    }

    /// A reply that nobody was owed: which command the next one belongs to is not known any more.
    fn handle_unsolicited(
        &mut self,
        plan: &Plan,
        desk: &mut Desk,
        now: Instant,
        reply: &Reply<'_>,
    ) {
        let step = StepId::UNSOLICITED;
        let place = self.place(step, self.stage_of(plan, desk, now));
        let by_severity = match reply.code().severity() {
            Severity::Transient => Outcome::Deferred,
            Severity::Permanent => Outcome::Rejected,
            Severity::Completed | Severity::Intermediate => Outcome::Unexpected,
        };
        desk.recorder.reply(place, by_severity, reply, |text| self.hidden.clean(text));
        let detail = self.excerpt(reply.raw());
        self.lose(plan, desk, now, None, Failure::Unsolicited, &detail);
    }
}

fn is_refusal(code: ReplyCode) -> bool {
    matches!(code.severity(), Severity::Transient | Severity::Permanent)
}

fn failure_of(fault: ReplyFault) -> Failure {
    match fault {
        ReplyFault::Garbage | ReplyFault::MixedCodes => Failure::Garbage,
        ReplyFault::LineTooLong => Failure::LineTooLong,
        ReplyFault::ReplyTooLong => Failure::ReplyTooLong,
    }
}

/// What a reply to MAIL, RCPT, DATA or a chunk means for who it is about; `None` for 2yz.
fn refusal(code: ReplyCode) -> Option<Fate> {
    match code.severity() {
        Severity::Completed => None,
        Severity::Intermediate => Some(Fate::Failed),
        Severity::Transient => Some(Fate::Deferred),
        Severity::Permanent => Some(Fate::Rejected),
    }
}
