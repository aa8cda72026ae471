//! What to do next: the operations of a script, one after the other.

use super::message::{Leave, Message};
use super::parameters::Terms;
use super::tickets::Ticket;
use super::turns::Turns;
use super::{Action, Dialogue, Role, Todo, Upload};
use crate::clock::{Duration, Instant};
use crate::engine::desk::Desk;
use crate::engine::upload::UploadPart;
use crate::measure::outcome::{Failure, Fate, Outcome};
use crate::message::seed::{Purpose, choice, uniform};
use crate::plan::Plan;
use crate::scenario::load::Hold;
use crate::scenario::script::{Bdat, Command, Cut, Data, Op, Verb};
use crate::scenario::step::StepId;
use crate::smtp::Protocol;
use crate::smtp::command::LineEndInCommand;

/// The end of data behind a body that ends in CRLF (RFC 5321 section 4.1.1.4).
const DOT: &[u8] = b".\r\n";

/// What an operation led to: an action, or the next operation.
type Step = Option<Action>;

impl Dialogue {
    /// What to do now. `Desk::out` is empty when this is called, and holds what a [`Action::Write`] sends after it.
    pub fn next(&mut self, plan: &Plan, desk: &mut Desk, now: Instant) -> Action {
        loop {
            if let Some(Action::Close { reset }) = self.closing {
                return Action::Close { reset };
            }
            if !self.collecting {
                if self.wire.owed() > 0 {
                    self.turns.wait();
                    return Action::Read;
                }
                self.turns.settle();
                if self.holds(plan) && self.hold(plan, desk, now) {
                    return Action::Hold;
                }
            }
            let step = match std::mem::replace(&mut self.todo, Todo::Op) {
                Todo::Op => self.run_op(plan, desk, now),
                Todo::Header => self.put_header(plan, desk, now),
                Todo::Xclient { hello } => self.xclient(plan, desk, now, hello),
                Todo::Hello { op } => self.hello_again(plan, desk, now, op),
                Todo::Fallback { op } => self.fall_back(plan, desk, now, op),
                Todo::StartTls { op } => Some(self.write_starttls(plan, desk, now, op)),
                Todo::Handshake { again } => Some(self.handshake(plan, now, again)),
                Todo::Respond { op } => Some(self.respond(plan, desk, now, op)),
                Todo::CancelLogin { op } => Some(self.cancel_login(plan, desk, now, op)),
                Todo::Upload { op } => self.upload(plan, desk, now, op),
                Todo::LoneDot { op } => {
                    desk.out.raw(DOT);
                    self.owe(plan, now, StepId::EOD, Role::LoneDot, op);
                    Some(Action::Write(None))
                }
                Todo::Rset => {
                    desk.out.raw(b"RSET\r\n");
                    self.owe(plan, now, StepId::RSET, Role::OwnRset, self.at);
                    self.todo = Todo::EndTransaction;
                    Some(Action::Write(None))
                }
                Todo::EndTransaction => {
                    self.leave_transaction(plan, desk, now);
                    None
                }
                Todo::Quit => Some(self.quit(plan, desk, now)),
            };
            if let Some(action) = step {
                if matches!(action, Action::Write(_)) {
                    self.turns.write();
                }
                return action;
            }
        }
    }

    /// Whether the session is as far as its load lets it go.
    fn holds(&self, plan: &Plan) -> bool {
        let load = &plan.scenario.loads[usize::from(self.load)];
        let Some(hold) = load.hold.filter(|_| self.todo == Todo::Op) else { return false };
        let message = self.message.as_ref().filter(|message| !message.ended);
        match hold {
            Hold::Greeting => true,
            Hold::Ehlo => self.welcomed,
            Hold::Auth => self.logged_in,
            Hold::Mail => message.is_some_and(|message| message.open),
            Hold::Rcpt => message.is_some_and(|message| message.taken > 0),
        }
    }

    /// Holds the session; false once its load is over: then it says QUIT, whatever it had begun.
    fn hold(&mut self, plan: &Plan, desk: &mut Desk, now: Instant) -> bool {
        self.fruitful = true;
        if !desk.is_draining(self.load) {
            return true;
        }
        self.end_message(plan, desk, now, Fate::Abandoned, None);
        self.todo = Todo::Quit;
        false
    }

    fn run_op(&mut self, plan: &Plan, desk: &mut Desk, now: Instant) -> Step {
        if let Some(leave) = self.leaving() {
            self.todo = leave;
            return None;
        }
        if self.gives_up_late(plan, desk, now) {
            return None;
        }
        let index = self.at;
        let Some(op) = self.script(plan).ops.get(index) else {
            self.finish(plan, desk, now);
            return None;
        };
        let draining = desk.is_draining(self.load);
        if draining && !self.collecting && self.message.is_none() && !is_quit(op) {
            self.todo = Todo::Quit;
            return None;
        }
        self.at += 1;
        match op {
            Op::Command(command) => self.command(plan, desk, now, index, command),
            Op::Auth(auth) => self.log_in(plan, desk, now, index, auth),
            Op::Data(data) => self.data(plan, desk, now, index, data),
            Op::Bdat(bdat) => self.bdat(plan, desk, now, index, bdat),
            Op::Raw(bytes) => {
                desk.out.raw(bytes);
                (!self.collecting).then_some(Action::Write(None))
            }
            Op::Await { step, .. } => {
                self.owe(plan, now, *step, Role::Other, index);
                None
            }
            Op::Pause(range) => Some(Action::Sleep(self.pause(plan, range))),
            Op::GroupStart { when_offered } => {
                self.collecting = !when_offered || self.capabilities.pipelining;
                if let Some(message) = &mut self.message {
                    message.pipelined |= self.collecting;
                    message.not_pipelined |= !self.collecting;
                }
                None
            }
            Op::GroupEnd => {
                let was = std::mem::take(&mut self.collecting);
                (was && !desk.out.bytes().is_empty()).then_some(Action::Write(None))
            }
            Op::RepeatStart { count, depth } => {
                self.repeats[usize::from(*depth)] = *count;
                None
            }
            Op::RepeatEnd { start, depth } => {
                let left = &mut self.repeats[usize::from(*depth)];
                *left = left.saturating_sub(1);
                if *left > 0 {
                    self.at = *start as usize + 1;
                }
                None
            }
            Op::TransactionStart { end } => {
                self.start_transaction(plan, desk, now, index, *end as usize)
            }
            Op::TransactionEnd { .. } if self.message.as_ref().is_some_and(|m| m.open) => {
                // A block that ends without mail data: the next MAIL would meet a transaction under way.
                self.todo = Todo::Rset;
                None
            }
            Op::TransactionEnd { start } => {
                self.end_transaction(plan, desk, now, *start as usize);
                None
            }
            Op::Drop => {
                self.break_off(plan, desk, now, false);
                None
            }
            Op::Abort => {
                self.break_off(plan, desk, now, true);
                None
            }
        }
    }

    /// How the transaction is left, where a refusal says so; not in the middle of a group.
    fn leaving(&self) -> Option<Todo> {
        let leave = self.message.as_ref().filter(|_| !self.collecting)?.leave?;
        Some(match leave {
            Leave::Straight => Todo::EndTransaction,
            Leave::Rset => Todo::Rset,
        })
    }

    pub(super) fn command(
        &mut self,
        plan: &Plan,
        desk: &mut Desk,
        now: Instant,
        index: usize,
        command: &Command,
    ) -> Step {
        let each = command.each_recipient && self.message.is_some();
        if each && self.message.as_ref().is_some_and(|message| message.each == 0) {
            return None;
        }
        if command.verb == Verb::Starttls && !self.security.is_encrypted() {
            self.start_tls(plan, desk, now, index);
            return None;
        }
        if command.verb == Verb::Mail
            && (self.stops_clear_text(plan, desk, now) || self.stops_wrong_name(plan, desk, now))
        {
            return None;
        }
        let role = match command.verb {
            Verb::Ehlo => Role::Ehlo,
            Verb::Mail => Role::Mail,
            Verb::Rcpt => Role::Rcpt,
            Verb::Quit => Role::Quit,
            Verb::Helo => Role::Helo,
            Verb::Starttls => Role::StartTls,
            Verb::Rset | Verb::Other => Role::Other,
        };
        // RFC 2033 section 4.1: the same greeting under another name.
        let lhlo = role == Role::Ehlo && plan.protocol() == Protocol::Lmtp;
        let step = if lhlo { StepId::LHLO } else { command.step };
        let asked = &plan.scenario.extensions;
        loop {
            let Desk { out, date, scratch, .. } = desk;
            let begins = out.bytes().len();
            let mut terms = Terms::default();
            let rendered = out.line(|out| {
                let start = out.len();
                self.put_line(plan, date, &command.line, out);
                match role {
                    Role::Mail if asked.adds_to_mail() => {
                        terms = self.put_mail_parameters(plan, date, scratch, start, out);
                    }
                    Role::Rcpt if asked.adds_to_rcpt() => {
                        self.put_rcpt_parameters(plan, start, out);
                    }
                    _ => {}
                }
                if let Some(verb) = out.get_mut(start..start + 4).filter(|_| lhlo) {
                    verb.copy_from_slice(b"LHLO");
                }
            });
            if let Err(error) = rendered {
                return self.cannot_render(plan, desk, now, error);
            }
            if role == Role::Mail {
                self.attempt(desk);
                self.go_on_terms(desk, terms);
            }
            let left_out = role == Role::Rcpt && self.leaves_out(plan, desk, begins);
            if !left_out {
                self.owe(plan, now, step, role, index);
            }
            if !each {
                break;
            }
            // One RCPT a recipient: the operation stays until the last one is out.
            let Some(message) = self.message.as_mut() else { break };
            message.recipient += 1;
            let last = message.recipient >= message.each;
            if last {
                // The next line that names `{{recipient}}` begins with the first one again.
                message.recipient = 0;
                break;
            }
            if !self.collecting && !left_out {
                self.at = index;
                break;
            }
        }
        (!self.collecting && !desk.out.bytes().is_empty()).then_some(Action::Write(None))
    }

    /// A line that would have become two: nothing of it is sent.
    fn cannot_render(
        &mut self,
        plan: &Plan,
        desk: &mut Desk,
        now: Instant,
        error: LineEndInCommand,
    ) -> Step {
        desk.out.clear();
        self.collecting = false;
        self.handle_failure(plan, desk, now, Failure::Internal, &error.to_string());
        None
    }

    /// MAIL is being written: from here on the message counts.
    pub(super) fn attempt(&mut self, desk: &mut Desk) {
        if let Some(message) = self.message.as_mut().filter(|message| !message.attempted) {
            message.attempted = true;
            if matches!(message.ticket, Ticket::Arrival(_)) {
                desk.recorder.arrival_started(message.stage);
            }
            desk.recorder.message_started(message.stage, self.script, message.planned);
            if message.not_pipelined {
                desk.recorder.not_pipelined(message.stage);
            }
        }
    }

    fn start_transaction(
        &mut self,
        plan: &Plan,
        desk: &mut Desk,
        now: Instant,
        index: usize,
        end: usize,
    ) -> Step {
        desk.end_load(plan, self.load, now);
        if self.is_cut_short(plan, desk, now) {
            self.at = end + 1;
            return None;
        }
        if let Some(wait) = desk.must_wait(self.load, now).filter(|_| !desk.is_draining(self.load))
        {
            self.at = index;
            return Some(Action::Sleep(wait));
        }
        let next = match self.next_message(plan, desk, now) {
            Ok(next) => {
                desk.starts(self.load, now);
                next
            }
            Err(None) => {
                self.at = end + 1;
                return None;
            }
            Err(wait) => {
                self.at = index;
                return wait;
            }
        };
        self.transactions_left -= 1;
        let seq = next.seq;
        let script = self.script(plan);
        let (mail, identity) = (&plan.scenario.mail, &plan.identity);
        let named = script.ops[self.at..end].iter().find_map(|op| match op {
            Op::Data(data) => data.message,
            Op::Bdat(bdat) => bdat.message,
            _ => None,
        });
        let kind = named.unwrap_or_else(|| mail.kind_of(identity, seq));
        let each = mail.recipients_of(identity, seq);
        let planned = script.recipients(each);
        self.message = Some(Message::new(next, kind, now, each, planned));
        self.turns = Turns::default();
        self.stops_unmet(plan, desk, now);
        None
    }

    fn end_transaction(&mut self, plan: &Plan, desk: &mut Desk, now: Instant, start: usize) {
        let fate = self.message.as_ref().map_or(Fate::Abandoned, Message::fate_without_data);
        self.end_message(plan, desk, now, fate, None);
        self.message = None;
        if self.transactions_left > 0 && !desk.is_draining(self.load) {
            self.at = start;
        }
    }

    /// Goes to the end of the transaction, wherever in it the script is.
    fn leave_transaction(&mut self, plan: &Plan, desk: &mut Desk, now: Instant) {
        let ops = &self.script(plan).ops;
        let end = ops.iter().enumerate().find_map(|(index, op)| match op {
            Op::TransactionEnd { start } => Some((index, *start as usize)),
            _ => None,
        });
        if let Some((index, start)) = end {
            self.at = index + 1;
            self.end_transaction(plan, desk, now, start);
        }
    }

    fn data(&mut self, plan: &Plan, desk: &mut Desk, now: Instant, index: usize, _: &Data) -> Step {
        if self.nobody_left() {
            self.todo = Todo::Rset;
            return None;
        }
        desk.out.raw(b"DATA\r\n");
        self.owe(plan, now, StepId::DATA, Role::Data, index);
        (!self.collecting).then_some(Action::Write(None))
    }

    /// Every recipient was refused, against what the script expects, and the replies are known.
    fn nobody_left(&self) -> bool {
        !self.collecting && self.message.as_ref().is_some_and(Message::is_hopeless)
    }

    /// Mail data after a 354.
    fn upload(&mut self, plan: &Plan, desk: &mut Desk, now: Instant, op: usize) -> Step {
        let Op::Data(data) = self.op(plan, op) else { return None };
        let Desk { out, date, .. } = desk;
        let start = out.bytes().len();
        let body = out.raw_with(|out| self.put_head(plan, date, true, out));
        let head = (out.bytes().len() - start) as u64;
        let total = head + plan.scenario.mail.body_bytes(body, true);
        let mut part = UploadPart { body, stuffed: true, range: 0..total - head, end: DOT };
        let mut upload = Upload { began: now, whole: true, bytes: total, cut: None, step: true };
        match &data.cut {
            None => self.owe(plan, now, StepId::EOD, Role::Eod, op),
            Some(cut) => {
                let bytes = self.cut_at(plan, cut, total);
                out.raw_with(|out| {
                    out.truncate(start + usize::try_from(bytes.min(head)).unwrap_or(usize::MAX));
                });
                part.range = 0..bytes.saturating_sub(head);
                part.end = b"";
                upload.whole = false;
                upload.bytes = bytes;
                upload.cut = Some(cut.abort);
            }
        }
        self.upload = Some(upload);
        Some(Action::Write(Some(part)))
    }

    /// After how many of `total` bytes the script breaks off.
    fn cut_at(&self, plan: &Plan, cut: &Cut, total: u64) -> u64 {
        let number = self.message.as_ref().map_or(0, |message| message.id.seq);
        let random = choice(plan.identity.seed, Purpose::Cut, number, 0);
        // Steps of a millionth of the range.
        #[expect(clippy::cast_precision_loss, reason = "below 2^53")]
        let turn = uniform(0..=1_000_000, random) as f64 / 1e6;
        let share = cut.at.start() + (cut.at.end() - cut.at.start()) * turn;
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a share of a size below 2^53; the cast saturates"
        )]
        let bytes = (total as f64 * share) as u64;
        bytes.min(total)
    }

    /// One chunk of mail data (RFC 3030); the operation stays until the last one is out.
    fn bdat(
        &mut self,
        plan: &Plan,
        desk: &mut Desk,
        now: Instant,
        index: usize,
        bdat: &Bdat,
    ) -> Step {
        if self.nobody_left() {
            self.todo = Todo::Rset;
            return None;
        }
        let Desk { out, date, scratch, .. } = desk;
        scratch.clear();
        let mut body = self.put_head(plan, date, false, scratch);
        let message = self.message.as_mut()?;
        message.bdat = true;
        if message.binary {
            body = body.binary();
        }
        let head = scratch.len() as u64;
        let total = head + plan.scenario.mail.body_bytes(body, false);
        let from = message.chunked.min(total);
        let to = bdat.chunk.map_or(total, |chunk| total.min(from.saturating_add(chunk)));
        message.chunked = to;
        let last = to == total;
        out.raw_with(|out| {
            use std::io::Write as _;
            // Writing to a Vec cannot fail.
            let _ = write!(out, "BDAT {}{}\r\n", to - from, if last { " LAST" } else { "" });
            let index = |offset: u64| usize::try_from(offset.min(head)).unwrap_or(usize::MAX);
            out.extend_from_slice(&scratch[index(from)..index(to)]);
        });
        let range = from.saturating_sub(head)..to.saturating_sub(head);
        let part = UploadPart { body, stuffed: false, range, end: b"" };
        let (step, role) =
            if last { (StepId::EOD, Role::Eod) } else { (StepId::BDAT, Role::Chunk) };
        self.owe(plan, now, step, role, index);
        if !last {
            self.at = index;
        }
        self.upload =
            Some(Upload { began: now, whole: last, bytes: to - from, cut: None, step: false });
        Some(Action::Write(Some(part)))
    }

    fn fall_back(&mut self, plan: &Plan, desk: &mut Desk, now: Instant, index: usize) -> Step {
        // EHLO's own line, with the other verb: the name may be anything that the script says.
        let Op::Command(command) = self.op(plan, index) else { return None };
        let Desk { out, date, .. } = desk;
        let rendered = out.line(|out| {
            let start = out.len();
            self.put_line(plan, date, &command.line, out);
            if let Some(verb) = out.get_mut(start..start + 4) {
                verb.copy_from_slice(b"HELO");
            }
        });
        if let Err(error) = rendered {
            return self.cannot_render(plan, desk, now, error);
        }
        self.owe(plan, now, StepId::HELO, Role::Fallback, index);
        Some(Action::Write(None))
    }

    fn quit(&mut self, plan: &Plan, desk: &mut Desk, now: Instant) -> Action {
        // A message that the session took up is not lost with it.
        let outcome = (self.outcome != Outcome::Accepted).then_some(self.outcome);
        self.end_message(plan, desk, now, Fate::Failed, outcome);
        desk.out.raw(b"QUIT\r\n");
        self.at = self.script(plan).ops.len();
        self.owe(plan, now, StepId::QUIT, Role::OwnQuit, 0);
        Action::Write(None)
    }

    /// The script ran to its end.
    fn finish(&mut self, plan: &Plan, desk: &mut Desk, now: Instant) {
        self.fruitful |= self.outcome == Outcome::Accepted;
        let outcome = self.outcome;
        self.end(plan, desk, now, outcome);
    }

    fn pause(&mut self, plan: &Plan, range: &std::ops::RangeInclusive<Duration>) -> Duration {
        self.pauses += 1;
        let micros = |duration: &Duration| u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        let random = choice(plan.identity.seed, Purpose::Pause, self.number, self.pauses);
        Duration::from_micros(uniform(micros(range.start())..=micros(range.end()), random))
    }
}

fn is_quit(op: &Op) -> bool {
    matches!(op, Op::Command(command) if command.verb == Verb::Quit)
}
