//! Dovecot's LMTP: delivers to the mailboxes of a few users and refuses everybody else.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::time::Duration;

use crate::probe;
use crate::root::{Missing, Recipe, Root, Running};

const RECIPE: Recipe<'_> = Recipe { name: "dovecot", packages: &["dovecot-lmtpd"], answers: "" };

const START_LIMIT: Duration = Duration::from_secs(60);
/// Longer than it takes for any reply.
const REPLY_LIMIT: Duration = Duration::from_secs(20);

/// How many users have a mailbox: `user1@recipient.test` and on.
pub(crate) const USERS: usize = 6;

const CONFIGURATION: &str = "\
log_path = /peer/maillog
protocols = lmtp
listen = 127.0.0.1
ssl = no
hostname = peer.test
first_valid_uid = 1
mail_location = maildir:/peer/mail/%n
passdb {
  driver = passwd-file
  args = username_format=%n /peer/users
}
userdb {
  driver = passwd-file
  args = username_format=%n /peer/users
}
service anvil {
  client_limit = 1000
}
service auth {
  client_limit = 2000
}
service lmtp {
  process_limit = 200
  inet_listener lmtp {
    address = 127.0.0.1
    port = {port}
  }
  unix_listener /peer/lmtp {
    mode = 0666
  }
}
";

const START: &str = "\
set -e
mkdir /peer/mail
chown mail:mail /peer/mail
exec dovecot -F -c /peer/dovecot.conf
";

/// A running Dovecot.
#[derive(Debug)]
pub(crate) struct Dovecot {
    address: SocketAddr,
    running: Running,
}

impl Dovecot {
    /// Installs it where that was not done yet, and starts it on a free port of loopback and on a UNIX socket.
    pub(crate) fn start() -> Result<Self, Missing> {
        let root = Root::install(&RECIPE)?;
        let address = probe::free_address()?;
        let configuration = CONFIGURATION.replace("{port}", &address.port().to_string());
        let mut users = String::new();
        for user in 1..=USERS {
            let _ = writeln!(users, "user{user}:{{PLAIN}}secret:8:8::/peer/mail/user{user}::");
        }
        let files = [("dovecot.conf", &*configuration), ("users", &users), ("start", START)];
        let mut running = root.start(&files)?;
        let waited = running.wait(START_LIMIT, || capabilities(address).is_ok());
        let dovecot = Self { address, running };
        waited.map_err(|Missing(why)| {
            let log = fs::read_to_string(dovecot.running.shared().join("maillog"));
            Missing(format!("{why}\n{}", log.unwrap_or_default()))
        })?;
        Ok(dovecot)
    }

    /// Its targets, over TCP and over a UNIX socket.
    pub(crate) fn urls(&self) -> [String; 2] {
        let socket = self.running.shared().join("lmtp");
        [format!("lmtp://{}", self.address), format!("lmtp+unix://{}", socket.display())]
    }

    /// What it answers to LHLO, without the first line.
    pub(crate) fn capabilities(&self) -> io::Result<Vec<String>> {
        capabilities(self.address)
    }

    /// Messages in all mailboxes. Dovecot answers once they are there, so nothing needs to settle.
    pub(crate) fn delivered(&self) -> u64 {
        let entries = |path: PathBuf| fs::read_dir(path).into_iter().flatten().flatten();
        let mailboxes = entries(self.running.shared().join("mail"));
        let files = mailboxes.flat_map(|mailbox| entries(mailbox.path().join("new")));
        u64::try_from(files.count()).unwrap()
    }
}

/// Says LHLO at `address`.
fn capabilities(address: SocketAddr) -> io::Result<Vec<String>> {
    let mut stream = BufReader::new(TcpStream::connect(address)?);
    stream.get_ref().set_read_timeout(Some(REPLY_LIMIT))?;
    let mut reply = || {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line)? == 0 {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
            }
            let more = line.as_bytes().get(3) == Some(&b'-');
            lines.push(line.get(4..).unwrap_or_default().trim_end().to_owned());
            if !more {
                break;
            }
        }
        Ok((lines, stream.get_mut().write_all(b"LHLO probe.test\r\n")?))
    };
    reply()?;
    let (mut lines, ()) = reply()?;
    lines.remove(0);
    Ok(lines)
}
