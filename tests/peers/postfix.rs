//! Postfix: takes mail for everybody from loopback, discards it, and says in its log what it took.

use std::collections::HashSet;
use std::fs;
use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use smtpbench::clock;

use crate::probe;
use crate::root::{Missing, POLL, Recipe, Root, Running};

/// What Debian's package needs to install and start nothing. Has smtp-sink, too.
pub(crate) const RECIPE: Recipe<'_> = Recipe {
    name: "postfix",
    packages: &["postfix"],
    answers: "postfix postfix/main_mailer_type select No configuration\n",
};

/// Postfix checks its whole installation before it greets.
const START_LIMIT: Duration = Duration::from_secs(60);
/// The log is written behind the reply: by the queue manager through the log daemon.
const LOG_LIMIT: Duration = Duration::from_secs(20);

/// A recipient that is refused for good.
pub(crate) const REJECTED: &str = "rejected@recipient.test";
/// A recipient that is refused for now.
pub(crate) const DEFERRED: &str = "deferred@recipient.test";

const MAIN: &str = "\
compatibility_level = 3.6
myhostname = peer.test
mydestination =
inet_interfaces = loopback-only
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
smtpd_banner = peer.test ESMTP
smtpd_peername_lookup = no
alias_maps =
alias_database =
local_recipient_maps =
# Whatever is taken is thrown away.
default_transport = discard:
relay_transport = discard:
local_transport = discard:
virtual_transport = discard:
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_recipient_restrictions =
    check_recipient_access inline:{
        { rejected@recipient.test = 550 5.1.1 no such mailbox },
        { deferred@recipient.test = 450 4.2.0 come again later } }
    permit_mynetworks, reject
# The log is what the tests count.
maillog_file_prefixes = /peer
maillog_file = /peer/maillog
enable_long_queue_ids = yes
# No limit of its own may come between the tool and the figures.
default_process_limit = 120
smtpd_client_connection_count_limit = 0
smtpd_client_connection_rate_limit = 0
smtpd_client_event_limit_exceptions = 127.0.0.0/8
smtpd_error_sleep_time = 0
smtpd_soft_error_limit = 1000000
smtpd_hard_error_limit = 1000000
smtpd_junk_command_limit = 1000000
in_flow_delay = 0
message_size_limit = 104857600
";

const SERVICES: &str = "\
{address} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000 0 flush
proxymap unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
";

const START: &str = "\
set -e
cp /peer/main.cf /peer/master.cf /etc/postfix/
chmod 644 /etc/postfix/main.cf /etc/postfix/master.cf
exec postfix start-fg
";

/// A running Postfix.
#[derive(Debug)]
pub(crate) struct Postfix {
    address: SocketAddr,
    running: Running,
}

impl Postfix {
    /// Installs it where that was not done yet, and starts it on a free port of loopback.
    pub(crate) fn start() -> Result<Self, Missing> {
        Self::start_with("", "")
    }

    /// The same with more lines in main.cf and master.cf; of two lines of main.cf with one name the later counts.
    pub(crate) fn start_with(main: &str, more_services: &str) -> Result<Self, Missing> {
        let root = Root::install(&RECIPE)?;
        let address = probe::free_address()?;
        let services = SERVICES.replace("{address}", &address.to_string()) + more_services;
        let main = MAIN.to_owned() + main;
        let mut running =
            root.start(&[("main.cf", &main), ("master.cf", &services), ("start", START)])?;
        let waited = running.wait(START_LIMIT, || probe::greets(address));
        let postfix = Self { address, running };
        match waited {
            Ok(()) => Ok(postfix),
            Err(Missing(why)) => Err(Missing(format!("{why}\n{}", postfix.log()))),
        }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its log so far.
    pub(crate) fn log(&self) -> String {
        let log = fs::read(self.running.shared().join("maillog")).unwrap_or_default();
        String::from_utf8_lossy(&log).into_owned()
    }

    /// Waits until the log holds `messages` accepted ones (or gives up waiting), lets it settle so that one too
    /// many is seen as well, and counts.
    pub(crate) fn settled(&self, messages: u64) -> Counts {
        let start = clock::now();
        while Counts::of(&self.log()).messages < messages && start.elapsed() < LOG_LIMIT {
            thread::sleep(POLL);
        }
        let mut before = self.log().len();
        while start.elapsed() < LOG_LIMIT + LOG_LIMIT {
            thread::sleep(25 * POLL);
            let now = self.log().len();
            if now == before {
                break;
            }
            before = now;
        }
        Counts::of(&self.log())
    }

    /// Ends it now instead of when it is dropped.
    pub(crate) fn end(mut self) {
        self.running.end();
    }
}

/// What a log of Postfix says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Messages that entered the queue, that is those for which the end of data was answered with 250.
    pub(crate) messages: u64,
    /// Recipients of these.
    pub(crate) recipients: u64,
    /// Recipients refused with 550.
    pub(crate) rejected: u64,
    /// Recipients refused with 450.
    pub(crate) deferred: u64,
}

impl Counts {
    /// Counts each queue id once: the queue manager repeats its line when a message is tried again.
    /// The lines of smtpd and cleanup would not do: they come before the end of data.
    pub(crate) fn of(log: &str) -> Self {
        let mut counts = Self::default();
        let mut seen = HashSet::new();
        for line in log.lines() {
            if let Some((_, text)) = line.split_once("]: ") {
                let service = line.split_once("]: ").map_or("", |(head, _)| head);
                if service.contains("postfix/qmgr[") {
                    if let Some((id, rest)) = text.split_once(": from=<")
                        && let Some((_, count)) = rest.split_once(", nrcpt=")
                        && seen.insert(id.to_owned())
                    {
                        counts.messages += 1;
                        let count = count.split(' ').next().unwrap_or_default();
                        counts.recipients += count.parse::<u64>().unwrap();
                    }
                } else if let Some((_, reply)) = text.split_once(": reject: RCPT from ") {
                    counts.rejected += u64::from(reply.contains("]: 550 5.1.1 "));
                    counts.deferred += u64::from(reply.contains("]: 450 4.2.0 "));
                }
            }
        }
        counts
    }
}

#[test]
fn a_log_is_counted_by_queue_id() {
    let log = "\
Nov 24 00:00:00 peer postfix/smtpd[9]: connect from unknown[127.0.0.1]
Nov 24 00:00:00 peer postfix/smtpd[9]: 4fZ: client=unknown[127.0.0.1]
Nov 24 00:00:00 peer postfix/cleanup[10]: 4fZ: message-id=<a@b>
Nov 24 00:00:00 peer postfix/smtpd[9]: 4fZ: reject: RCPT from unknown[127.0.0.1]: 550 5.1.1 <x@y>: no
Nov 24 00:00:00 peer postfix/smtpd[9]: NOQUEUE: reject: RCPT from unknown[127.0.0.1]: 450 4.2.0 <x@y>: no
Nov 24 00:00:00 peer postfix/qmgr[8]: 4fZ: from=<a@b>, size=9, nrcpt=2 (queue active)
Nov 24 00:00:01 peer postfix/qmgr[8]: 4fZ: from=<a@b>, size=9, nrcpt=2 (queue active)
Nov 24 00:00:01 peer postfix/qmgr[8]: 4fZ: removed
";
    let want = Counts { messages: 1, recipients: 2, rejected: 1, deferred: 1 };
    assert_eq!(Counts::of(log), want);
}
