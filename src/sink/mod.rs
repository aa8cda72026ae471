//! The built-in ESMTP server: takes mail, throws it away, and behaves as its [`Behavior`] says.
//!
//! [`session::SinkSession`] is one dialogue without I/O; `connection` moves its bytes; this module has the sockets and
//! threads. Each worker is a thread with its own event loop; nothing is shared between them on the path of a command.

mod arguments;
mod clients;
mod connection;
mod counts;
mod limiter;
pub mod logins;
mod parameters;
mod playbook;
mod repertoire;
pub mod session;
mod stream;
#[cfg(test)]
mod tests;
mod worker;

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::sync::oneshot;

use crate::behavior::Behavior;
pub use crate::net::listen::ListenAddress;
use crate::net::listen::{bound_address, listen};
use crate::smtp::Protocol;

use self::clients::Clients;
pub use self::clients::{ClientCounts, Trust};
pub use self::counts::SinkCounts;
use self::logins::Logins;
use self::session::Service;
pub use self::session::SinkTls;

/// Workers that a sink may have; more threads than any machine has cores only get in each other's way.
pub const THREADS_MAX: usize = 1024;

/// What a sink is.
#[derive(Clone, Debug)]
pub struct SinkOptions {
    /// Where it listens, all at once.
    pub listen: Vec<ListenAddress>,
    /// What it does.
    pub behavior: Behavior,
    /// What it speaks.
    pub protocol: Protocol,
    /// What it calls itself.
    pub hostname: String,
    /// What it believes of its clients.
    pub trust: Trust,
    /// Workers, from 1 to [`THREADS_MAX`].
    pub threads: usize,
    /// TLS, if it speaks any.
    pub tls: Option<SinkTls>,
    /// Who may log in; AUTH is not offered where there is none.
    pub logins: Option<Arc<Logins>>,
}

/// A running sink. It stops when it is dropped.
#[derive(Debug)]
pub struct Sink {
    addresses: Vec<ListenAddress>,
    services: Vec<Arc<Service>>,
    workers: Vec<(oneshot::Sender<()>, JoinHandle<()>)>,
}

impl Sink {
    /// Binds every address and starts the workers; clients can connect when it returns.
    ///
    /// # Errors
    /// When an option makes no sense, an address cannot be bound, or no thread or descriptor is left.
    pub fn start(options: SinkOptions) -> io::Result<Self> {
        check(&options)?;
        let SinkOptions {
            listen: asked,
            behavior,
            protocol,
            hostname,
            trust,
            threads,
            tls,
            logins,
        } = options;
        let mut sink = Self { addresses: Vec::new(), services: Vec::new(), workers: Vec::new() };
        let mut listeners = Vec::new();
        for asked in asked {
            let listener = listen(&asked)
                .map_err(|error| io::Error::new(error.kind(), format!("{asked}: {error}")))?;
            // Kept from here on, so that a failure below removes the socket files that were made.
            sink.addresses.push(bound_address(&listener, &asked)?);
            listeners.push(listener);
        }
        let first = Service::new(&hostname, &behavior, protocol).with_tls(tls).believing(trust);
        let first = first.with_logins(logins);
        let others = (1..threads).map(|_| first.for_another_worker()).collect::<Vec<_>>();
        sink.services = std::iter::once(first).chain(others).map(Arc::new).collect();
        sink.workers = worker::start(&sink.services, listeners)?;
        Ok(sink)
    }

    /// Where it listens, in the order of the options, with the ports that the system chose.
    #[must_use]
    pub fn addresses(&self) -> &[ListenAddress] {
        &self.addresses
    }

    /// What it counted so far, over all workers.
    #[must_use]
    pub fn counts(&self) -> SinkCounts {
        self.services
            .iter()
            .map(|service| service.counts())
            .fold(SinkCounts::default(), |sum, counts| sum + counts)
    }

    /// How often each rule of its behaviour was used so far, in their order.
    #[must_use]
    pub fn rule_counts(&self) -> Vec<u64> {
        self.services.first().map(|service| service.playbook.hits()).unwrap_or_default()
    }

    /// Whom it took messages from so far; `None` where it believes nobody, and so does not look.
    #[must_use]
    pub fn clients(&self) -> Option<ClientCounts> {
        let all = || self.services.iter().map(|service| &service.clients);
        let trusts = self.services.iter().any(|service| service.trust.is_any());
        trusts.then(|| Clients::count(all()))
    }

    /// Closes listeners and connections and removes socket files. The counts stay. A second call does nothing.
    pub fn stop(&mut self) {
        for (stop, thread) in self.workers.drain(..) {
            // A worker that is gone already needs no telling.
            let _ = stop.send(());
            let _ = thread.join();
        }
        for address in self.addresses.drain(..) {
            if let ListenAddress::Unix(path) = address {
                let _ = std::fs::remove_file(path);
            }
        }
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.stop();
    }
}

fn check(options: &SinkOptions) -> io::Result<()> {
    let fault = |message: &str| Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    if !(1..=THREADS_MAX).contains(&options.threads) {
        return fault("the sink needs from 1 to 1024 threads");
    }
    if options.hostname.is_empty() || !options.hostname.bytes().all(|byte| byte.is_ascii_graphic())
    {
        return fault("the sink's host name must be printable ASCII without spaces");
    }
    if options.listen.is_empty() {
        return fault("the sink has no address to listen at");
    }
    Ok(())
}
