//! What the sessions of one worker share: what the sink says, what it was told to do, and what it counts.

use std::sync::Arc;

use super::Phase;
use crate::behavior::Behavior;
use crate::net::tls::TlsServer;
use crate::sink::clients::{Clients, Trust};
use crate::sink::counts::{SinkCounts, Tally};
use crate::sink::logins::Logins;
use crate::sink::playbook::Playbook;
use crate::sink::repertoire::Repertoire;
use crate::sink::store::Store;
use crate::smtp::Protocol;
use crate::smtp::xclient::Attribute;

/// What the sessions of a worker share.
#[derive(Debug)]
pub struct Service {
    pub(super) repertoire: Arc<Repertoire>,
    pub(in crate::sink) playbook: Arc<Playbook>,
    /// Where messages are kept, if they are.
    pub(in crate::sink) store: Option<Store>,
    pub(super) tls: Option<SinkTls>,
    pub(super) logins: Option<Arc<Logins>>,
    pub(super) tally: Tally,
    pub(in crate::sink) trust: Trust,
    pub(in crate::sink) clients: Clients,
}

impl Service {
    /// The service of one worker, for a server that calls itself `hostname` and speaks `protocol`.
    #[must_use]
    pub fn new(hostname: &str, behavior: &Behavior, protocol: Protocol) -> Self {
        let repertoire = Arc::new(Repertoire::new(hostname, behavior, protocol));
        Self {
            repertoire,
            playbook: Arc::new(Playbook::new(behavior)),
            store: None,
            tls: None,
            logins: None,
            tally: Tally::default(),
            trust: Trust::default(),
            clients: Clients::default(),
        }
    }

    /// The same with TLS.
    #[must_use]
    pub fn with_tls(self, tls: Option<SinkTls>) -> Self {
        Self { tls, ..self }
    }

    /// What it says about TLS, if it speaks any.
    pub(in crate::sink) fn tls(&self) -> Option<&SinkTls> {
        self.tls.as_ref()
    }

    /// The same service, believing so much of what clients say of themselves.
    #[must_use]
    pub fn believing(mut self, trust: Trust) -> Self {
        if trust.xclient {
            let names = Attribute::NAMES.iter().map(|(name, _)| *name).collect::<Vec<_>>();
            Arc::make_mut(&mut self.repertoire).offer(&format!("XCLIENT {}", names.join(" ")));
        }
        Self { trust, ..self }
    }

    /// The same service, keeping messages there.
    #[must_use]
    pub(in crate::sink) fn keeping(self, store: Option<Store>) -> Self {
        Self { store, ..self }
    }

    /// Whether anybody wants to know where a connection comes from.
    pub(in crate::sink) fn asks_for_peers(&self) -> bool {
        self.trust.is_any() || self.playbook.asks_client || self.store.is_some()
    }

    /// What comes first on a connection, but for a PROXY header.
    pub(super) fn first_phase(&self) -> Phase {
        let implicit = self.tls.as_ref().is_some_and(|tls| tls.implicit);
        if implicit { Phase::Handshake } else { Phase::Greeting }
    }

    /// The same service with AUTH.
    #[must_use]
    pub fn with_logins(self, logins: Option<Arc<Logins>>) -> Self {
        Self { logins, ..self }
    }

    /// The same service for another worker, with counts of its own.
    #[must_use]
    pub fn for_another_worker(&self) -> Self {
        Self {
            repertoire: Arc::clone(&self.repertoire),
            playbook: Arc::clone(&self.playbook),
            store: self.store.clone(),
            tls: self.tls.clone(),
            logins: self.logins.clone(),
            tally: Tally::default(),
            trust: self.trust,
            clients: Clients::default(),
        }
    }

    /// What its sessions counted so far; any thread may ask.
    #[must_use]
    pub fn counts(&self) -> SinkCounts {
        self.tally.read()
    }
}

/// How a sink speaks TLS.
#[derive(Clone, Debug)]
pub struct SinkTls {
    /// Key and certificate.
    pub server: TlsServer,
    /// From the first byte (RFC 8314 section 3), not by STARTTLS.
    pub implicit: bool,
}
