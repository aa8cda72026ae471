//! smtp-sink, Postfix's own test server: takes everything and counts what it took.

use std::fs;
use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use smtpbench::clock;

use crate::postfix::RECIPE;
use crate::probe;
use crate::root::{Missing, POLL, Root, Running};

const START_LIMIT: Duration = Duration::from_secs(20);
/// The counter is written before the client sees the reply; this is for a machine that is busy.
const COUNT_LIMIT: Duration = Duration::from_secs(10);

/// A running smtp-sink.
#[derive(Debug)]
pub(crate) struct SmtpSink {
    address: SocketAddr,
    running: Running,
}

impl SmtpSink {
    /// Starts it on a free port of loopback.
    pub(crate) fn start() -> Result<Self, Missing> {
        let root = Root::install(&RECIPE)?;
        let address = probe::free_address()?;
        let start =
            format!("exec smtp-sink -4 -c -m 1000 -u postfix {address} 1000 >/peer/counters\n");
        let mut running = root.start(&[("start", &start)])?;
        running.wait(START_LIMIT, || probe::greets(address))?;
        Ok(Self { address, running })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many messages it took: waits until there are so many, then lets it settle so that one too many is
    /// seen as well.
    pub(crate) fn settled(&self, messages: u64) -> u64 {
        let start = clock::now();
        while self.messages() < messages && start.elapsed() < COUNT_LIMIT {
            thread::sleep(POLL);
        }
        thread::sleep(25 * POLL);
        self.messages()
    }

    /// Its last line of counters, `sess=1 quit=1 mesg=20`; it writes them over each other with CR.
    fn messages(&self) -> u64 {
        let counters = fs::read(self.running.shared().join("counters")).unwrap_or_default();
        let counters = String::from_utf8_lossy(&counters);
        // The last piece may be cut; the one before it is whole.
        let mut pieces = counters.rsplit('\r');
        let cut = pieces.next().filter(|piece| piece.is_empty());
        let whole = cut.and_then(|_| pieces.next()).unwrap_or_default();
        let count = whole.split_once("mesg=").map_or("0", |(_, count)| count.trim());
        count.parse().unwrap_or_default()
    }
}
