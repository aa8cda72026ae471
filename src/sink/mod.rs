//! The built-in ESMTP server: takes mail, throws it away, and behaves as its [`Behavior`] says.
//!
//! [`session::SinkSession`] is one dialogue without I/O; `connection` moves its bytes; this module has the sockets and
//! threads. Each worker is a thread with its own event loop; nothing is shared between them on the path of a command.

mod arguments;
mod clients;
mod connection;
mod counts;
mod entry;
mod http;
mod limiter;
pub mod logins;
mod parameters;
mod playbook;
mod repertoire;
pub mod session;
mod store;
mod stream;
#[cfg(test)]
mod tests;
mod worker;

use std::io;
use std::net::SocketAddr;
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
use self::http::Http;
use self::logins::Logins;
use self::session::Service;
pub use self::session::SinkTls;
pub use self::store::Capture;
use self::store::Keeper;

/// Workers that a sink may have; more threads than any machine has cores only get in each other's way.
pub const THREADS_MAX: usize = 1024;

/// Largest message where messages are kept, unless the behaviour says another: they are in memory on their way.
const CAPTURED_SIZE_LIMIT: u64 = 64 << 20;

/// What the system may take in from a client of a sink that reads slowly.
const SLOW_READER_BUFFER: usize = 4096;

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
    /// Where it keeps what it takes.
    pub capture: Capture,
}

/// A running sink. It stops when it is dropped.
#[derive(Debug)]
pub struct Sink {
    addresses: Vec<ListenAddress>,
    services: Vec<Arc<Service>>,
    workers: Vec<(oneshot::Sender<()>, JoinHandle<()>)>,
    keeper: Option<Keeper>,
    http: Option<Http>,
    /// The first error of keeping messages.
    fault: Option<io::Error>,
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
            mut behavior,
            protocol,
            hostname,
            trust,
            threads,
            tls,
            logins,
            capture,
        } = options;
        let mut sink = Self {
            addresses: Vec::new(),
            services: Vec::new(),
            workers: Vec::new(),
            keeper: None,
            http: None,
            fault: None,
        };
        let mut listeners = Vec::new();
        if capture.is_any() || behavior.bounces() {
            behavior.size_limit.get_or_insert(CAPTURED_SIZE_LIMIT);
        }
        for asked in asked {
            let listener = listen(&asked)
                .map_err(|error| io::Error::new(error.kind(), format!("{asked}: {error}")))?;
            if behavior.reads_slowly() {
                // Or the system would read on without the sink; connections inherit it.
                listener.set_recv_buffer_size(SLOW_READER_BUFFER)?;
            }
            // Kept from here on, so that a failure below removes the socket files that were made.
            sink.addresses.push(bound_address(&listener, &asked)?);
            listeners.push(listener);
        }
        let first = Service::new(&hostname, &behavior, protocol).with_tls(tls).believing(trust);
        let first = first.with_logins(logins);
        let (store, keeper) = match capture.is_any() || behavior.bounces() {
            true => Keeper::start(&capture, behavior.bounces_to, &hostname)
                .map(|(store, it)| (Some(store), Some(it)))?,
            false => (None, None),
        };
        sink.keeper = keeper;
        let first = first.keeping(store);
        let others = (1..threads).map(|_| first.for_another_worker()).collect::<Vec<_>>();
        sink.services = std::iter::once(first).chain(others).map(Arc::new).collect();
        sink.workers = worker::start(&sink.services, listeners)?;
        if let Some(address) = capture.http {
            let recent = sink.keeper.as_ref().map(|keeper| Arc::clone(&keeper.recent));
            let started = Http::start(address, &sink.services, recent);
            let named =
                |error: io::Error| io::Error::new(error.kind(), format!("{address}: {error}"));
            sink.http = Some(started.map_err(named)?);
        }
        Ok(sink)
    }

    /// Where it listens, in the order of the options, with the ports that the system chose.
    #[must_use]
    pub fn addresses(&self) -> &[ListenAddress] {
        &self.addresses
    }

    /// Where it tells of itself over HTTP.
    #[must_use]
    pub fn http_address(&self) -> Option<SocketAddr> {
        self.http.as_ref().map(|http| http.address)
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

    /// What went wrong in keeping messages, once it is stopped.
    #[must_use]
    pub fn fault(&self) -> Option<&io::Error> {
        self.fault.as_ref()
    }

    /// Closes listeners and connections, writes what was kept, and removes socket files. The counts stay. A second call does nothing.
    pub fn stop(&mut self) {
        for (stop, thread) in self.workers.drain(..) {
            // A worker that is gone already needs no telling.
            let _ = stop.send(());
            let _ = thread.join();
        }
        if let Some(http) = self.http.take() {
            http.stop();
        }
        if let Some(Err(error)) = self.keeper.take().map(Keeper::finish) {
            self.fault = Some(error);
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
    if options.capture.http.is_some_and(|address| !address.ip().is_loopback()) {
        return fault("the sink tells of itself on this machine only: give --http 127.0.0.1:PORT");
    }
    if options.listen.is_empty() {
        return fault("the sink has no address to listen at");
    }
    Ok(())
}
