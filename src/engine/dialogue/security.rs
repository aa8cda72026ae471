//! TLS in a session: when it goes over to it, and what may not happen without it.

use super::{Action, Dialogue, Role, Todo};
use crate::clock::Instant;
use crate::engine::desk::Desk;
use crate::measure::outcome::{Clock, Failure, Fate, Outcome};
use crate::measure::tls::Unsecured;
use crate::message::seed::{Purpose, choice, uniform};
use crate::net::tls::Secured;
use crate::plan::Plan;
use crate::scenario::script::{Op, Verb};
use crate::scenario::security::TlsUse;
use crate::scenario::step::StepId;
use crate::smtp::capabilities::Capabilities;
use crate::smtp::sasl::{BindingKind, ChannelBinding};
use crate::smtp::session::Session;

/// Steps of the choice whether a session is in the share that goes over to TLS.
const SHARES: u64 = 1_000_000;

/// How a session is protected.
#[derive(Debug)]
pub(super) struct SessionSecurity {
    /// When this session goes over to TLS.
    pub(super) tls: TlsUse,
    /// The scenario asks for TLS, be it for a share of the sessions.
    asked: bool,
    /// A handshake was begun.
    began: bool,
    /// The server refused STARTTLS.
    declined: bool,
    /// What was agreed, once it is under TLS.
    pub(super) secured: Option<Box<Secured>>,
    /// What ties a login to the channel, the preferred one first.
    pub(super) bindings: Vec<ChannelBinding>,
}

impl SessionSecurity {
    pub(super) fn new(plan: &Plan, number: u64) -> Self {
        let tls = plan.tls_use();
        let share = plan.targets.first().map_or(1.0, |target| target.security.share);
        let chosen = tls == TlsUse::None || share >= 1.0 || {
            let rng = choice(plan.identity.seed, Purpose::Tls, number, 0);
            #[expect(clippy::cast_precision_loss, reason = "numbers up to a million are exact")]
            let drawn = uniform(0..=SHARES - 1, rng) as f64;
            drawn < share * SHARES as f64
        };
        let tls = if chosen { tls } else { TlsUse::None };
        let asked = plan.tls_use() != TlsUse::None;
        Self { tls, asked, began: false, declined: false, secured: None, bindings: Vec::new() }
    }

    /// Whether the session is under TLS.
    pub(super) fn is_encrypted(&self) -> bool {
        self.secured.is_some()
    }

    /// How a session that is not under TLS counts, where the scenario asks for TLS.
    pub(super) fn unsecured(&self) -> Option<Unsecured> {
        let may_stay = !self.began && matches!(self.tls, TlsUse::None | TlsUse::Opportunistic);
        let counts = self.asked && !self.is_encrypted();
        counts.then_some(if may_stay { Unsecured::Clear } else { Unsecured::Failed })
    }

    /// Whether it may not go on in clear text.
    fn is_due(&self) -> bool {
        self.tls == TlsUse::Starttls && !self.is_encrypted()
    }
}

impl Dialogue {
    /// Whether a TLS handshake was begun and has not come to its end.
    #[must_use]
    pub fn is_in_handshake(&self) -> bool {
        self.security.began && !self.security.is_encrypted()
    }

    /// What follows from the capabilities that the EHLO at `op` was answered with.
    pub(super) fn after_ehlo(&mut self, plan: &Plan, desk: &mut Desk, now: Instant, op: usize) {
        if !self.security.is_encrypted() && !self.writes_starttls(plan) {
            self.start_tls(plan, desk, now, op);
        }
    }

    /// Whether the script says STARTTLS itself.
    fn writes_starttls(&self, plan: &Plan) -> bool {
        let is_starttls = |op: &Op| matches!(op, Op::Command(c) if c.verb == Verb::Starttls);
        self.script(plan).ops.iter().any(is_starttls)
    }

    /// Whether TLS is still to come, where the script says when.
    pub(super) fn awaits_tls(&self, plan: &Plan) -> bool {
        let wanted = match self.security.tls {
            TlsUse::Starttls => true,
            TlsUse::Opportunistic => self.capabilities.starttls && !self.security.declined,
            TlsUse::None | TlsUse::Implicit => false,
        };
        wanted && !self.security.is_encrypted() && self.writes_starttls(plan)
    }

    /// Has STARTTLS come next, where it is asked for and offered.
    pub(super) fn start_tls(&mut self, plan: &Plan, desk: &mut Desk, now: Instant, op: usize) {
        match self.security.tls {
            TlsUse::Starttls | TlsUse::Opportunistic if self.capabilities.starttls => {
                self.todo = Todo::StartTls { op };
            }
            TlsUse::Starttls => self.refuse_clear_text(plan, desk, now),
            TlsUse::None | TlsUse::Opportunistic | TlsUse::Implicit => {}
        }
    }

    /// The server offers no STARTTLS, and nothing may go on without: QUIT.
    fn refuse_clear_text(&mut self, plan: &Plan, desk: &mut Desk, now: Instant) {
        let place = self.place(StepId::STARTTLS, self.stage_of(plan, desk, now));
        desk.recorder.failure(place, Failure::TlsNotOffered, "");
        self.failure.get_or_insert(Failure::TlsNotOffered);
        self.collecting = false;
        self.outcome = Outcome::Lost;
        self.todo = Todo::Quit;
    }

    /// Whether the session is about to send mail in clear text although it must not.
    pub(super) fn stops_clear_text(&mut self, plan: &Plan, desk: &mut Desk, now: Instant) -> bool {
        let stops = self.security.is_due();
        if stops {
            self.forget_gathered(desk);
            self.refuse_clear_text(plan, desk, now);
        }
        stops
    }

    /// What a group has gathered so far does not go out, so no reply to it is owed.
    pub(super) fn forget_gathered(&mut self, desk: &mut Desk) {
        desk.out.clear();
        self.wire = Session::default();
        self.collecting = false;
    }

    /// The reply to STARTTLS, but for bytes behind it.
    pub(super) fn handle_starttls(
        &mut self,
        plan: &Plan,
        desk: &mut Desk,
        now: Instant,
        op: usize,
        outcome: Outcome,
        code: u16,
    ) {
        if self.security.is_encrypted() {
            // TLS within TLS is not to be had, and a server that begins it hears nothing else any more.
            if code == 220 {
                self.end_message(plan, desk, now, Fate::Failed, Some(Outcome::Unexpected));
                self.end(plan, desk, now, Outcome::Unexpected);
            }
            return;
        }
        self.security.declined = code != 220;
        if code == 220 && outcome == Outcome::Accepted {
            let again = matches!(self.op(plan, op), Op::Command(c) if c.verb == Verb::Ehlo);
            self.todo = Todo::Handshake { again: again.then_some(op) };
        } else if code == 220 {
            // The script wants another reply, and the server waits for a handshake: QUIT in clear would be taken for one.
            self.end_message(plan, desk, now, Fate::Failed, Some(outcome));
            self.end(plan, desk, now, outcome);
        } else if self.security.tls != TlsUse::Opportunistic && outcome != Outcome::Accepted {
            self.outcome = outcome;
            self.todo = Todo::Quit;
        }
    }

    pub(super) fn write_starttls(
        &mut self,
        plan: &Plan,
        desk: &mut Desk,
        now: Instant,
        op: usize,
    ) -> Action {
        desk.out.raw(b"STARTTLS\r\n");
        self.owe(plan, now, StepId::STARTTLS, Role::StartTls, op);
        Action::Write(None)
    }

    pub(super) fn handshake(&mut self, plan: &Plan, now: Instant, again: Option<usize>) -> Action {
        self.security.began = true;
        self.owe(plan, now, StepId::TLS, Role::Handshake, again.unwrap_or(usize::MAX));
        Action::Handshake
    }

    /// The handshake is done: what was said before it is forgotten (RFC 3207 section 4.2).
    pub fn secured(&mut self, plan: &Plan, desk: &mut Desk, now: Instant, secured: &Secured) {
        let Some(owed) = self.wire.give_up() else { return };
        let step = if secured.facts.resumed { StepId::TLS_RESUMED } else { StepId::TLS };
        let place = self.place(step, self.stage_of(plan, desk, owed.sent));
        let took = now.saturating_duration_since(owed.sent);
        desk.recorder.sample(place, Clock::Service, Outcome::Accepted, took);
        desk.recorder.secured(&secured.facts);
        self.wire = Session::default();
        self.capabilities = Capabilities::default();
        self.security.secured = Some(Box::new(secured.clone()));
        self.security.bindings = bindings(secured);
        // Who logged in before that did so to whoever was listening.
        self.logged_in = false;
        if self.security.tls == TlsUse::Implicit {
            self.owe(plan, now, StepId::GREETING, Role::Greeting, 0);
        } else if owed.what.op != usize::MAX {
            self.at = owed.what.op;
        }
    }
}

/// What a login can be tied to. `tls-exporter` is what RFC 9266 asks for under TLS 1.3; a server that knows neither refuses.
fn bindings(secured: &Secured) -> Vec<ChannelBinding> {
    let bound = |kind, data: &[u8]| ChannelBinding { kind, data: data.into() };
    let exporter = secured.exporter.map(|material| bound(BindingKind::TlsExporter, &material));
    let end_point = Some(&secured.facts.certificate.end_point).filter(|hash| !hash.is_empty());
    let end_point = end_point.map(|hash| bound(BindingKind::TlsServerEndPoint, hash));
    exporter.into_iter().chain(end_point).collect()
}
