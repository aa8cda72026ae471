//! Who the client is: the PROXY header before the greeting, and XCLIENT.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::{Close, Greeted, IDLE_MAX, Phase, SinkSession, Transaction};
use crate::behavior::SinkVerb;
use crate::sink::repertoire::{BAD_ARGUMENT, NESTED_MAIL};
use crate::smtp::proxy::{self, Header};
use crate::smtp::xclient::{self, Claim};

/// How long a connection may take to send its PROXY header: the proxy writes it at once, and a client that waits for
/// a greeting would wait for ever.
pub(super) const HEADER_TIME_MAX: Duration = Duration::from_secs(3);

/// The client as the session knows it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Client {
    /// Its address; none where a UNIX socket, or who speaks for it, has none.
    address: Option<IpAddr>,
    /// The address is among those that messages came from.
    noted: bool,
}

impl Client {
    /// Its address, where it has one.
    pub(super) fn address(&self) -> Option<IpAddr> {
        self.address
    }
}

impl SinkSession {
    /// The same session with a client at `address`, before anything is said.
    #[must_use]
    pub fn with_peer(mut self, address: Option<IpAddr>, now: Instant) -> Self {
        self.client = Client { address, noted: false };
        if self.service.trust.proxy {
            self.phase = Phase::Header;
            self.idle = now + HEADER_TIME_MAX;
        }
        self
    }

    /// Takes the PROXY header off. Nothing is said to a connection without one: it is closed, as the specification
    /// has it.
    pub(super) fn take_header(&mut self, now: Instant, rest: &[u8]) -> Option<usize> {
        match proxy::decode(rest) {
            Ok(None) => None,
            Ok(Some((header, used))) => {
                if let Header::Tcp(ends) = header {
                    self.client.address = Some(ends.source().ip());
                }
                self.phase = self.service.first_phase();
                self.idle = now + IDLE_MAX;
                Some(used)
            }
            Err(_) => {
                self.refuse_header();
                None
            }
        }
    }

    /// How many bytes may be read at once: where TLS begins right behind the header, not one of those behind it.
    #[must_use]
    pub fn input_max(&self) -> usize {
        let exact = self.phase == Phase::Header && self.service.first_phase() == Phase::Handshake;
        if exact { proxy::missing(&self.held) } else { usize::MAX }
    }

    /// Closes a connection that does not begin with a header.
    pub(super) fn refuse_header(&mut self) {
        self.service.clients.refuse_header();
        self.close = Some(Close::Hangup);
    }

    /// Another client from here on: the session begins again with a greeting.
    pub(super) fn xclient(&mut self, argument: &[u8], out: &mut Vec<u8>) {
        if self.transaction != Transaction::None {
            return self.fault(NESTED_MAIL, out);
        }
        let Some(claim) = xclient::parse(argument) else {
            return self.fault(BAD_ARGUMENT, out);
        };
        let service = std::sync::Arc::clone(&self.service);
        let greeting = service.repertoire.hello(SinkVerb::Greeting, false);
        if self.accept(SinkVerb::Xclient, greeting, out) {
            match claim {
                Claim::Same => {}
                Claim::Unknown => self.client = Client::default(),
                Claim::Address(address) => {
                    self.client = Client { address: Some(address), noted: false };
                }
            }
            self.reset();
            self.greeted = Greeted::No;
        }
    }

    /// A message of the client was accepted.
    pub(super) fn note_client(&mut self) {
        if self.service.trust.is_any() && !self.client.noted {
            self.client.noted = true;
            self.client.address.iter().for_each(|address| self.service.clients.note(*address));
        }
    }
}
