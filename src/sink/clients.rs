//! Whom the sink takes its clients for: what a proxy or an XCLIENT says counts, where the sink was told to believe it.

use std::collections::HashSet;
use std::fmt;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Addresses that one worker tells apart; more are counted as this many.
const ADDRESSES_MAX: usize = 1 << 20;

/// What the sink believes of its clients.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Trust {
    /// Every connection has to begin with a header of the PROXY protocol, of either version.
    pub proxy: bool,
    /// XCLIENT is offered to everybody.
    pub xclient: bool,
}

impl Trust {
    /// Whether clients may be others than those who connect.
    pub(super) fn is_any(self) -> bool {
        self.proxy || self.xclient
    }
}

/// Whom a sink took messages from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClientCounts {
    /// Different addresses of clients that a message was accepted from.
    pub addresses: usize,
    /// Connections closed for want of a PROXY header: another start, a faulty one, or none in time.
    pub headers_refused: u64,
}

impl fmt::Display for ClientCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { addresses, headers_refused } = self;
        write!(
            f,
            "{addresses} client addresses believed, {headers_refused} connections closed without a PROXY header"
        )
    }
}

/// The clients of one worker.
///
/// Locked at the first message that a session gets from an address, by the one worker that writes, and only where
/// [`Trust::is_any`]; a reader may wait for that, a command never for another worker.
#[derive(Debug, Default)]
pub(super) struct Clients(Mutex<Book>);

#[derive(Debug, Default)]
struct Book {
    addresses: HashSet<IpAddr>,
    headers_refused: u64,
}

impl Clients {
    /// A message was accepted from `address`.
    pub(super) fn note(&self, address: IpAddr) {
        let mut book = self.book();
        if book.addresses.len() < ADDRESSES_MAX {
            book.addresses.insert(address.to_canonical());
        }
    }

    /// A connection did not begin with a PROXY header.
    pub(super) fn refuse_header(&self) {
        self.book().headers_refused += 1;
    }

    /// The counts over several workers.
    pub(super) fn count<'c>(all: impl Iterator<Item = &'c Self>) -> ClientCounts {
        let mut sum = Book::default();
        for clients in all {
            let book = clients.book();
            sum.addresses.extend(&book.addresses);
            sum.headers_refused += book.headers_refused;
        }
        ClientCounts { addresses: sum.addresses.len(), headers_refused: sum.headers_refused }
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        // A set is whole whatever happened to whoever held it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_counts_once_whoever_saw_it() {
        let workers = [Clients::default(), Clients::default()];
        for (worker, address) in [
            (0, "192.0.2.1"),
            (0, "192.0.2.1"),
            (1, "192.0.2.1"),
            (1, "::ffff:192.0.2.1"),
            (1, "2001:db8::1"),
        ] {
            workers[worker].note(address.parse().unwrap());
        }
        workers[1].refuse_header();
        let want = ClientCounts { addresses: 2, headers_refused: 1 };
        assert_eq!(Clients::count(workers.iter()), want);
    }
}
