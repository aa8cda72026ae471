//! The client side of one session: it walks a script, judges the replies, keeps the rules of a good client, and
//! says what to do next. No socket and no clock: bytes and `now` in, [`Action`]s out.
//!
//! Contract: call [`Dialogue::connected`], then [`Dialogue::next`] and do what it says, again and again until it
//! says [`Action::Close`]. After a write that went through whole, call [`Dialogue::written`]; feed everything that
//! is read to [`Dialogue::handle_input`], also while a write is under way; report what goes wrong by
//! [`Dialogue::handle_timeout`] and [`Dialogue::handle_failure`].

mod address;
mod auth;
mod ending;
mod message;
mod parameters;
mod replies;
mod security;
mod steps;
mod tickets;
mod todo;
mod turns;
mod values;
mod via;

use crate::clock::{Duration, Instant};
use crate::engine::desk::Desk;
use crate::engine::hidden::Hidden;
use crate::engine::pool::{LATE, Start};
use crate::engine::upload::UploadPart;
use crate::measure::layout::Place;
use crate::measure::outcome::{Clock, Failure, Outcome};
use crate::message::Pick;
use crate::message::seed::{self, Purpose, choice};
use crate::plan::Plan;
use crate::scenario::script::{Op, REPEAT_DEPTH_MAX, Script};
use crate::scenario::security::TlsUse;
use crate::scenario::step::StepId;
use crate::smtp::capabilities::Capabilities;
use crate::smtp::session::Session;
use address::Attempt;
use auth::Exchange;
use message::Message;
use security::SessionSecurity;
use todo::{Debt, Role, Todo};
use turns::Turns;
pub use via::Ends;

/// What the driver does next.
#[derive(Debug, PartialEq)]
pub enum Action {
    /// Write `Desk::out`, then the part of mail data; then call [`Dialogue::written`].
    Write(Option<UploadPart>),
    /// Read until something comes or [`Dialogue::deadline`] has passed.
    Read,
    /// Wait.
    Sleep(Duration),
    /// Wait for the next message of an open load: one that [`Dialogue::hand`] gives, or none at all.
    Await,
    /// Stay as it is until the load ends, or the server ends the session.
    Hold,
    /// Go over to TLS; then call [`Dialogue::secured`].
    Handshake,
    /// Close the connection; the session is over.
    Close {
        /// With a TCP reset.
        reset: bool,
    },
}

/// One session.
#[derive(Debug)]
pub struct Dialogue {
    number: u64,
    /// Index of its load.
    load: u8,
    script: u16,
    wire: Session<Debt>,
    at: usize,
    /// The operation whose EHLO or HELO was accepted last.
    hello: usize,
    todo: Todo,
    /// In a pipeline group: commands are gathered, replies wait.
    collecting: bool,
    capabilities: Capabilities,
    security: SessionSecurity,
    ends: Ends,
    /// EHLO or HELO was accepted.
    welcomed: bool,
    /// The server does not know the command of the last one.
    unwelcome: bool,
    /// XCLIENT was taken.
    introduced: bool,
    /// What a transcript should say and no bytes on the wire show.
    remark: Option<String>,
    repeats: [u32; REPEAT_DEPTH_MAX],
    transactions_left: u64,
    /// What it arrived as, where sessions arrive by a schedule.
    arrival: Option<Box<Start>>,
    /// The message that it was handed and has not begun.
    handed: Option<Start>,
    /// It was opened to send a message, and has not taken one up yet.
    opening: bool,
    message: Option<Message>,
    /// Transactions so far whose MAIL was written.
    mails: u32,
    /// Round trips of the transaction.
    turns: Turns,
    /// What `written` has to note: when mail data began, and whether its end is in it.
    upload: Option<Upload>,
    rows: Box<[usize]>,
    started: Instant,
    stage: u8,
    /// It was started, and counts as open until it is over.
    open: bool,
    closing: Option<Action>,
    outcome: Outcome,
    fruitful: bool,
    /// Outcomes of replies so far, a bit each; a refused EHLO that HELO makes good is not in it.
    seen: u8,
    connected: bool,
    attempt: Attempt,
    failure: Option<Failure>,
    pauses: u64,
    exchange: Option<Box<Exchange>>,
    /// When the last login began.
    login_began: Instant,
    /// What the logins so far may not have shown, whoever repeats it.
    hidden: Hidden,
    logged_in: bool,
    login_failed: bool,
}

/// Mail data that is being written.
#[derive(Clone, Copy, Debug)]
struct Upload {
    began: Instant,
    /// The end of data is in this part.
    whole: bool,
    /// Bytes of mail data in this part.
    bytes: u64,
    /// The script breaks off behind it.
    cut: Option<bool>,
    /// Counts as the step `upload` (DATA), not as part of a chunk.
    step: bool,
}

impl Dialogue {
    /// Session `number` of a load, with the script that the seed gives it; `rows` are its rows of the data tables.
    #[must_use]
    pub fn new(plan: &Plan, load: u8, number: u64, rows: Box<[usize]>, now: Instant) -> Self {
        let seed = plan.identity.seed;
        let transactions_left = match &plan.scenario.loads[usize::from(load)].messages_per_session {
            None => u64::MAX,
            Some(range) => {
                let rng = choice(seed, Purpose::MessagesPerSession, number, 0);
                seed::uniform(range.clone(), rng)
            }
        };
        Self {
            number,
            load,
            script: plan.script_of(load, number),
            wire: Session::default(),
            at: 0,
            hello: 0,
            todo: Todo::Op,
            collecting: false,
            capabilities: Capabilities::default(),
            security: SessionSecurity::new(plan, number),
            ends: Ends::default(),
            welcomed: false,
            unwelcome: false,
            introduced: false,
            remark: None,
            repeats: [0; REPEAT_DEPTH_MAX],
            transactions_left,
            arrival: None,
            handed: None,
            opening: false,
            message: None,
            mails: 0,
            turns: Turns::default(),
            upload: None,
            rows,
            started: now,
            stage: 0,
            open: false,
            closing: None,
            outcome: Outcome::Accepted,
            fruitful: false,
            seen: 0,
            connected: false,
            attempt: Attempt { address: 0, began: now },
            failure: None,
            pauses: 0,
            exchange: None,
            login_began: now,
            hidden: Hidden::default(),
            logged_in: false,
            login_failed: false,
        }
    }

    /// The session begins: connecting starts now.
    pub fn start(&mut self, plan: &Plan, desk: &mut Desk, now: Instant) {
        self.started = now;
        self.open = true;
        let Some(arrival) = &self.arrival else {
            self.stage = desk.stage_at(plan, self.load, now);
            return;
        };
        self.stage = arrival.stage;
        desk.recorder.arrival_started(arrival.stage);
        if arrival.at_once && now.saturating_duration_since(arrival.intended) > LATE {
            desk.recorder.arrival_late(arrival.stage);
        }
    }

    /// The session is opened to send a message: one that waits, or is counted as its.
    #[must_use]
    pub fn opening(mut self) -> Self {
        self.opening = true;
        self
    }

    /// The connection stands: the greeting is owed from here on.
    pub fn connected(&mut self, plan: &Plan, desk: &mut Desk, now: Instant) {
        self.connected = true;
        desk.recorder.session_opened(self.stage);
        self.address_connected(desk, now);
        let place = self.place(StepId::CONNECT, self.stage);
        let took = now.saturating_duration_since(self.started);
        desk.recorder.sample(place, Clock::Service, Outcome::Accepted, took);
        if Self::begins_with_header(plan) {
            self.todo = Todo::Header;
        } else {
            self.begin(plan, now);
        }
    }

    /// What comes first on a connection, but for a PROXY header: TLS, or the greeting.
    fn begin(&mut self, plan: &Plan, now: Instant) {
        if self.security.tls == TlsUse::Implicit {
            self.todo = Todo::Handshake { again: None };
        } else {
            self.owe(plan, now, StepId::GREETING, Role::Greeting, 0);
        }
    }

    /// There is no connection.
    pub fn not_connected(
        &mut self,
        plan: &Plan,
        desk: &mut Desk,
        now: Instant,
        failure: Failure,
        detail: &str,
    ) {
        let place = self.place(StepId::CONNECT, self.stage);
        let took = now.saturating_duration_since(self.started);
        desk.recorder.sample(place, Clock::Service, failure.outcome(), took);
        desk.recorder.failure(place, failure, detail);
        self.failure.get_or_insert(failure);
        self.end(plan, desk, now, failure.outcome());
    }

    /// When the driver has waited long enough for what it waits for.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.wire.deadline()
    }

    /// Whether a message is under way: attempted, and without a fate.
    #[must_use]
    pub fn has_message(&self) -> bool {
        self.message.as_ref().is_some_and(|message| message.attempted && !message.ended)
    }

    /// Index of its load.
    #[must_use]
    pub fn load(&self) -> u8 {
        self.load
    }

    /// Whether the session is over.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.closing.is_some()
    }

    /// Whether the session did something: a message was taken, or its script ran to the end.
    #[must_use]
    pub fn was_fruitful(&self) -> bool {
        self.fruitful
    }

    /// How the session ended: accepted where its script ran to the end.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        self.outcome
    }

    /// Whether a reply had this outcome.
    #[must_use]
    pub fn saw(&self, outcome: Outcome) -> bool {
        self.seen & (1 << outcome as u8) != 0
    }

    /// Why there was no usable reply, where that ended the session.
    #[must_use]
    pub fn failure(&self) -> Option<Failure> {
        self.failure
    }

    /// What happened since the last call that the bytes on the wire do not show, if anything.
    pub fn take_remark(&mut self) -> Option<String> {
        self.remark.take()
    }

    /// Whether a connection stood.
    #[must_use]
    pub fn was_connected(&self) -> bool {
        self.connected
    }

    /// What was written whole: notes when, and what follows from it.
    pub fn written(&mut self, plan: &Plan, desk: &mut Desk, now: Instant) {
        let Some(upload) = self.upload.take() else { return };
        let place = self.place(StepId::UPLOAD, self.stage_of(plan, desk, now));
        if upload.step {
            let took = now.saturating_duration_since(upload.began);
            desk.recorder.sample(place, Clock::Service, Outcome::Accepted, took);
        }
        desk.recorder.bytes_sent(place.stage, upload.bytes);
        if let Some(message) = &mut self.message {
            message.bytes += upload.bytes;
            message.data_written |= upload.whole;
        }
        if upload.whole {
            self.wire.resend_last(now, |debt| debt.role == Role::Eod);
        }
        if let Some(reset) = upload.cut {
            self.break_off(plan, desk, now, reset);
        }
    }

    /// The write was broken off, since what was read meanwhile ended the session: mail data that did not go out whole
    /// is no accepted upload.
    pub fn not_written(&mut self, plan: &Plan, desk: &mut Desk, now: Instant) {
        let Some(upload) = self.upload.take().filter(|upload| upload.step) else { return };
        let place = self.place(StepId::UPLOAD, self.stage_of(plan, desk, now));
        let took = now.saturating_duration_since(upload.began);
        let outcome = match self.outcome {
            Outcome::Accepted => Outcome::Lost,
            outcome => outcome,
        };
        desk.recorder.sample(place, Clock::Service, outcome, took);
    }

    /// The time limit of what is owed, or of a write that does not move, has passed.
    pub fn handle_timeout(&mut self, plan: &Plan, desk: &mut Desk, now: Instant) {
        let owed = self.wire.handle_timeout(now).or_else(|| self.wire.give_up());
        let detail = String::from_utf8_lossy(self.wire.partial()).into_owned();
        self.lose(plan, desk, now, owed, Failure::TimedOut, &detail);
    }

    /// The connection is gone.
    pub fn handle_failure(
        &mut self,
        plan: &Plan,
        desk: &mut Desk,
        now: Instant,
        failure: Failure,
        detail: &str,
    ) {
        if self.closing.is_some() {
            return;
        }
        let owed = self.wire.give_up();
        self.lose(plan, desk, now, owed, failure, detail);
    }

    fn script<'p>(&self, plan: &'p Plan) -> &'p Script {
        &plan.scenario.scripts[usize::from(self.script)]
    }

    fn op<'p>(&self, plan: &'p Plan, index: usize) -> &'p Op {
        &self.script(plan).ops[index]
    }

    fn place(&self, step: StepId, stage: u8) -> Place {
        Place { stage, script: self.script, step }
    }

    /// The stage of what begins at `began`: that of the message under way, else that of the clock.
    fn stage_of(&self, plan: &Plan, desk: &Desk, began: Instant) -> u8 {
        match &self.message {
            Some(message) => message.stage,
            None if self.arrival.is_some() => self.stage,
            None => desk.stage_at(plan, self.load, began),
        }
    }

    fn owe(&mut self, plan: &Plan, now: Instant, step: StepId, role: Role, op: usize) {
        self.wire.owe(Debt { step, role, op }, now, plan.scenario.timeouts.limit(step));
    }
}

/// The rows that session `number` of slot `slot` has of the tables of `plan`.
#[must_use]
pub fn rows_of(plan: &Plan, slot: u64, number: u64) -> Box<[usize]> {
    let row = |(index, table): (usize, &crate::scenario::Table)| {
        let rows = table.rows.len() as u64;
        let row = match table.pick {
            // A slot has one session at a time, so its row is leased to one open session.
            Pick::Unique => slot % rows,
            Pick::RoundRobin | Pick::EachOnce => number % rows,
            Pick::Random => {
                let rng = choice(plan.identity.seed, Purpose::Row, number, index as u64);
                seed::uniform(0..=rows - 1, rng)
            }
        };
        usize::try_from(row).unwrap_or(0)
    };
    plan.scenario.tables.iter().enumerate().map(row).collect()
}

#[cfg(test)]
mod tests;
