//! Logging in (RFC 4954): the choice of a mechanism, its rounds, and a server that cannot be believed.
//!
//! All rounds are one sample of the step `auth`, from the AUTH command to the reply that ends it. The first login of a
//! user on a worker has the derivation of SCRAM's keys in it; later ones find them in [`Desk::keys`].

use super::{Action, Debt, Dialogue, Role, Todo};
use crate::clock::Instant;
use crate::engine::desk::Desk;
use crate::engine::hidden::stars;
use crate::measure::outcome::{Clock, Failure, Outcome};
use crate::message::template::Template;
use crate::plan::Plan;
use crate::scenario::login::Method;
use crate::scenario::script::Auth;
use crate::scenario::step::StepId;
use crate::smtp::reply::{Reply, Severity};
use crate::smtp::sasl::{
    self, Client, CredentialError, Credentials, Mechanism, Peer, Secret, fresh_nonce,
};
use crate::smtp::session::Owed;

/// RFC 4954 section 4: another round follows.
const CHALLENGE: u16 = 334;
/// RFC 4954 section 6: logged in.
const LOGGED_IN: u16 = 235;

/// A login under way.
#[derive(Debug)]
pub(super) struct Exchange {
    client: Client,
    /// What goes out next, in base64.
    response: Secret,
}

impl Dialogue {
    /// Whether a login was refused or failed.
    #[must_use]
    pub fn failed_to_log_in(&self) -> bool {
        self.login_failed
    }

    /// When the step of `debt` began, where that was before its last command.
    pub(super) fn began(&self, debt: Debt) -> Option<Instant> {
        matches!(debt.role, Role::Auth | Role::AuthCancel).then_some(self.login_began)
    }

    /// What may be shown of bytes that are no reply: during a login they may repeat it, also in pieces too short to
    /// tell.
    pub(super) fn presentable(&self, failure: Failure, detail: &str) -> String {
        let quotes = matches!(
            failure,
            Failure::Garbage
                | Failure::LineTooLong
                | Failure::ReplyTooLong
                | Failure::TimedOut
                | Failure::Unsolicited
                | Failure::ClearTextAfterStarttls
        );
        let unclear = self.exchange.is_some() && !detail.is_empty();
        match quotes && (unclear || self.hidden.is_in(detail.as_bytes())) {
            true => stars(detail.len()),
            false => detail.to_owned(),
        }
    }

    /// Begins a login.
    pub(super) fn log_in(
        &mut self,
        plan: &Plan,
        desk: &mut Desk,
        now: Instant,
        index: usize,
        auth: &Auth,
    ) -> Option<Action> {
        if auth.implied && self.logged_in || self.stops_clear_text(plan, desk, now) {
            return None;
        }
        let login = plan.targets.first().and_then(|target| target.login.as_ref());
        let method = auth.method.or(login.map(|login| login.method)).unwrap_or(Method::None);
        let (user, password) = match (&auth.credentials, login) {
            (Some((user, password)), _) => (user, password),
            (None, Some(login)) => (&login.user, &login.password),
            // Compiled scripts have none such.
            (None, None) => return None,
        };
        let mechanism = match self.choose(plan, method) {
            Ok(mechanism) => mechanism,
            Err(detail) => {
                self.give_up_login(plan, desk, now, Failure::AuthNotOffered, &detail, Todo::Quit);
                return None;
            }
        };
        let credentials = Credentials {
            user: self.rendered(plan, user),
            secret: Secret::new(self.rendered(plan, password.expose())),
        };
        self.hidden.add(credentials.secret.expose().as_bytes());
        let mut client = match self.client(plan, mechanism, credentials) {
            Ok(client) => client,
            Err(error) => {
                let detail = error.to_string();
                self.give_up_login(plan, desk, now, Failure::Internal, &detail, Todo::Quit);
                return None;
            }
        };
        let mut line = format!("AUTH {mechanism}");
        if login.is_none_or(|login| login.initial_response)
            && let Some(first) = client.initial()
        {
            let token = sasl::encode(&first);
            // RFC 4954 section 4: what does not fit waits for an empty challenge.
            if line.len() + 1 + token.len() + 2 > sasl::LINE_MAX {
                client.withhold_initial();
            } else {
                line.push(' ');
                // No mechanism here begins with nothing, which would be written `=`.
                line.push_str(&token);
                self.hidden.add(token.as_bytes());
            }
        }
        desk.out.raw(line.as_bytes());
        desk.out.raw(b"\r\n");
        let response = Secret::new("");
        self.exchange = Some(Box::new(Exchange { client, response }));
        self.login_began = now;
        self.owe(plan, now, StepId::AUTH, Role::Auth, index);
        Some(Action::Write(None))
    }

    fn client(
        &self,
        plan: &Plan,
        mechanism: Mechanism,
        credentials: Credentials,
    ) -> Result<Client, CredentialError> {
        let (host, port) = self.server(plan);
        let offered = self.capabilities.auth.unwrap_or_default();
        let peer = Peer { host, port, offered, bindings: &self.security.bindings };
        Client::new(mechanism, credentials, &peer, fresh_nonce())
    }

    /// The mechanism to use, or why there is none.
    fn choose(&self, plan: &Plan, method: Method) -> Result<Mechanism, String> {
        let Some(offered) = self.capabilities.auth else {
            return Err("the server offers no AUTH".to_owned());
        };
        let private = self.security.is_encrypted() || plan.stays_here();
        let usable = |mechanism: &Mechanism| {
            offered.has(*mechanism)
                && (private || !mechanism.discloses())
                && (!mechanism.binds() || !self.security.bindings.is_empty())
        };
        let list = match offered.to_string() {
            list if list.is_empty() => "none that is known here".to_owned(),
            list => list,
        };
        let wanted = match method {
            Method::Named(mechanism) if usable(&mechanism) => return Ok(mechanism),
            Method::Named(mechanism) if !offered.has(mechanism) => {
                return Err(format!("{mechanism} is not offered; offered: {list}"));
            }
            Method::Named(mechanism) if mechanism.binds() => {
                return Err(format!("{mechanism} needs TLS with a channel binding"));
            }
            Method::Named(mechanism) => mechanism.name(),
            Method::Best | Method::None => match Mechanism::BY_STRENGTH.into_iter().find(usable) {
                Some(mechanism) => return Ok(mechanism),
                None if private => {
                    return Err(format!("no mechanism for a password is offered; offered: {list}"));
                }
                None => &list,
            },
        };
        Err(format!("{wanted} would send the password in the clear: this session has no TLS"))
    }

    fn rendered(&self, plan: &Plan, template: &Template) -> String {
        let mut out = Vec::new();
        self.put_line(plan, "", template, &mut out);
        String::from_utf8_lossy(&out).into_owned()
    }

    /// The next response.
    pub(super) fn respond(
        &mut self,
        plan: &Plan,
        desk: &mut Desk,
        now: Instant,
        op: usize,
    ) -> Action {
        if let Some(exchange) = &mut self.exchange {
            let response = std::mem::replace(&mut exchange.response, Secret::new(""));
            self.hidden.add(response.expose().as_bytes());
            desk.out.raw(response.expose().as_bytes());
        }
        desk.out.raw(b"\r\n");
        self.owe(plan, now, StepId::AUTH, Role::Auth, op);
        Action::Write(None)
    }

    /// Ends an exchange without its end (RFC 4954 section 4).
    pub(super) fn cancel_login(
        &mut self,
        plan: &Plan,
        desk: &mut Desk,
        now: Instant,
        op: usize,
    ) -> Action {
        desk.out.raw(b"*\r\n");
        self.owe(plan, now, StepId::AUTH, Role::AuthCancel, op);
        Action::Write(None)
    }

    /// A reply of a login.
    pub(super) fn handle_auth(
        &mut self,
        plan: &Plan,
        desk: &mut Desk,
        now: Instant,
        owed: Owed<Debt>,
        reply: &Reply<'_>,
    ) {
        let (debt, code) = (owed.what, reply.code());
        let began = self.began(debt).unwrap_or(owed.sent);
        let place = self.place(StepId::AUTH, self.stage_of(plan, desk, began));
        let text = reply.lines().collect::<Vec<_>>().join(&b'\n');
        let Some(exchange) = self.exchange.as_mut().filter(|_| debt.role == Role::Auth) else {
            // The reply to `*`; why it was sent is told already.
            let outcome = self.judge(plan, debt, code);
            desk.recorder.reply(place, outcome, reply, |text| self.hidden.clean(text));
            self.todo = Todo::Quit;
            return;
        };
        if code.number() == CHALLENGE {
            let shown = |text: Vec<u8>| stars(text.len()).into_bytes();
            desk.recorder.reply(place, Outcome::Accepted, reply, shown);
            let step = match sasl::decode(text.trim_ascii()) {
                None => Err((Failure::AuthChallenge, "a challenge that is no base64".to_owned())),
                Some(challenge) => {
                    exchange.client.step(&challenge, &mut desk.keys).map_err(|fault| {
                        let failure = if fault.is_lie() {
                            Failure::AuthProof
                        } else {
                            Failure::AuthChallenge
                        };
                        (failure, fault.to_string())
                    })
                }
            };
            let step = step.map(|response| sasl::encode(&response)).and_then(|response| {
                match response.len() + 2 > sasl::LINE_MAX {
                    true => Err((Failure::Internal, "a response over 12288 octets".to_owned())),
                    false => Ok(response),
                }
            });
            match step {
                Ok(response) => {
                    exchange.response = Secret::new(response);
                    self.todo = Todo::Respond { op: debt.op };
                }
                Err((failure, detail)) => {
                    let cancel = Todo::CancelLogin { op: debt.op };
                    self.give_up_login(plan, desk, now, failure, &detail, cancel);
                }
            }
            return;
        }
        let proven = exchange.client.finish();
        let outcome = self.judge(plan, debt, code);
        desk.recorder.reply(place, outcome, reply, |text| self.hidden.clean(text));
        self.seen |= 1 << outcome as u8;
        if code.severity() == Severity::Completed
            && let Err(fault) = proven
        {
            let detail = fault.to_string();
            self.give_up_login(plan, desk, now, Failure::AuthProof, &detail, Todo::Quit);
            return;
        }
        let took = now.saturating_duration_since(began);
        desk.recorder.sample(place, Clock::Service, outcome, took);
        self.exchange = None;
        self.logged_in |= code.number() == LOGGED_IN;
        if outcome != Outcome::Accepted {
            self.login_failed = true;
            self.outcome = outcome;
            self.todo = Todo::Quit;
        }
    }

    /// The login ends here, and with it the session, by way of `then`.
    fn give_up_login(
        &mut self,
        plan: &Plan,
        desk: &mut Desk,
        now: Instant,
        failure: Failure,
        detail: &str,
        then: Todo,
    ) {
        let began = self.exchange.take().map(|_| self.login_began);
        let place = self.place(StepId::AUTH, self.stage_of(plan, desk, began.unwrap_or(now)));
        // What was never written took no time.
        if let Some(began) = began {
            let took = now.saturating_duration_since(began);
            desk.recorder.sample(place, Clock::Service, failure.outcome(), took);
        }
        desk.recorder.failure(place, failure, detail);
        self.remark = Some(format!("{}: {detail}", failure.name()));
        self.failure.get_or_insert(failure);
        self.login_failed = true;
        self.outcome = failure.outcome();
        self.todo = then;
    }
}
