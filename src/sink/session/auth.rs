//! AUTH and its rounds (RFC 4954).

use std::sync::Arc;
use std::time::Instant;

use memchr::memchr;

use super::{Greeted, Phase, SinkSession, Transaction};
use crate::behavior::SinkVerb;
use crate::sink::repertoire::*;
use crate::smtp::sasl::{self, ChannelBinding, Mechanism, Server, Verdict, fresh_nonce};

impl SinkSession {
    /// The connection has these channel bindings: mechanisms that bind are on offer.
    pub fn bind(&mut self, bindings: Vec<ChannelBinding>) {
        self.bindings = bindings;
    }

    /// Whether MAIL has to wait for a login.
    pub(super) fn lacks_login(&self) -> bool {
        !self.logged_in && self.service.logins.as_ref().is_some_and(|logins| logins.required)
    }

    /// The longest line that `rest` may begin with.
    pub(super) fn line_max(rest: &[u8]) -> usize {
        match rest.get(..4) {
            Some(verb) if verb.eq_ignore_ascii_case(b"AUTH") => sasl::LINE_MAX,
            _ => super::COMMAND_LINE_MAX,
        }
    }

    /// AUTH itself.
    pub(super) fn auth(&mut self, argument: &[u8], out: &mut Vec<u8>) {
        let service = Arc::clone(&self.service);
        let Some(logins) = &service.logins else {
            return match service.repertoire.fixed_reply(SinkVerb::Auth) {
                Some(_) => _ = self.accept(SinkVerb::Auth, UNKNOWN, out),
                None => self.command(SinkVerb::Unknown, argument, out),
            };
        };
        if self.greeted != Greeted::Yes {
            return self.fault(HELLO_FIRST, out);
        }
        if self.logged_in {
            return self.fault(LOGGED_IN, out);
        }
        if self.transaction != Transaction::None {
            return self.fault(NESTED_AUTH, out);
        }
        let mut words = argument.split(|byte| *byte == b' ').filter(|word| !word.is_empty());
        let (name, initial) = match (words.next(), words.next(), words.next()) {
            (Some(name), initial, None) => (name, initial),
            _ => return self.fault(BAD_ARGUMENT, out),
        };
        let offered = logins.offered(&self.bindings);
        let Some(mechanism) = Mechanism::from_name(name).filter(|known| offered.has(*known)) else {
            return self.fault(NO_MECHANISM, out);
        };
        // Only where -PLUS is on offer does a client that denies it show that somebody took it away.
        let binds = mechanism.bound().is_some_and(|bound| offered.has(bound));
        let bindings = if binds { &self.bindings[..] } else { &[] };
        let server = Server::new(mechanism, fresh_nonce(), bindings);
        match initial {
            None => {
                let challenge = server.first_challenge();
                self.exchange = Some(Box::new(server));
                self.challenge(&challenge, out);
            }
            Some(_) if server.begins() => self.fault(NOT_FIRST, out),
            Some(initial) => {
                self.exchange = Some(Box::new(server));
                // RFC 4954 section 4: `=` is a response of no bytes.
                let initial = if initial == b"=" { &[] } else { initial };
                self.response(initial, out);
            }
        }
    }

    /// Takes one line of an exchange.
    pub(super) fn take_response(
        &mut self,
        now: Instant,
        rest: &[u8],
        out: &mut Vec<u8>,
    ) -> Option<usize> {
        let window = &rest[..rest.len().min(sasl::LINE_MAX)];
        let Some(end) = memchr(b'\n', window) else {
            if window.len() < sasl::LINE_MAX {
                return None;
            }
            self.exchange = None;
            self.phase = Phase::LongLine;
            return Some(sasl::LINE_MAX);
        };
        if !self.may_answer(SinkVerb::Auth, &[], now) {
            return None;
        }
        self.phase = Phase::Command;
        match &rest[..end] {
            [line @ .., b'\r'] => self.response(line, out),
            _ => {
                self.exchange = None;
                self.fault(BARE_LF, out);
            }
        }
        Some(end + 1)
    }

    fn response(&mut self, line: &[u8], out: &mut Vec<u8>) {
        let (service, exchange) = (Arc::clone(&self.service), self.exchange.take());
        let (Some(logins), Some(mut server)) = (&service.logins, exchange) else { return };
        if line == b"*" {
            return self.fault(AUTH_CANCELLED, out);
        }
        let Some(response) = sasl::decode(line) else {
            return self.fault(BAD_BASE64, out);
        };
        match server.step(&response, &logins.users) {
            Verdict::Challenge(challenge) => {
                self.exchange = Some(server);
                self.challenge(&challenge, out);
            }
            Verdict::Accepted => {
                self.logged_in = self.answer(SinkVerb::Auth, AUTH_OK, out) == b'2';
                if self.logged_in {
                    self.service.tally.logins.add(1);
                }
            }
            Verdict::Refused => self.fault(BAD_CREDENTIALS, out),
        }
    }

    fn challenge(&mut self, challenge: &[u8], out: &mut Vec<u8>) {
        self.phase = Phase::Auth;
        self.say(format!("334 {}\r\n", sasl::encode(challenge)).as_bytes(), out);
    }
}
