//! Exim 4: what it takes it queues, and says so in its log, which is counted.

use std::fs;
use std::net::SocketAddr;
use std::time::Duration;

use smtpbench::clock;

use crate::probe;
use crate::root::{Missing, POLL, Recipe, Root, Running, here};
use crate::ways::{Certificate, MESSAGES, PASSWORD, Sending, Tls, USER, offers, send, way};

const RECIPE: Recipe<'_> = Recipe { name: "exim", packages: &["exim4-daemon-heavy"], answers: "" };

const START_LIMIT: Duration = Duration::from_secs(60);
const LOG_LIMIT: Duration = Duration::from_secs(60);

const CONFIGURATION: &str = "\
primary_hostname = peer.test
daemon_smtp_ports = {clear} : {implicit}
keep_environment =
local_interfaces = <; 127.0.0.1.{clear} ; 127.0.0.1.{implicit}
tls_on_connect_ports = {implicit}
tls_advertise_hosts = *
tls_certificate = /peer/certificate.pem
tls_privatekey = /peer/key.pem
auth_advertise_hosts = *
chunking_advertise_hosts = *
pipelining_advertise_hosts = *
prdr_enable = true
smtp_accept_max = 100
smtp_accept_max_per_connection = 1000000
smtp_accept_queue = 0
smtp_accept_queue_per_connection = 0
smtp_enforce_sync = true
message_size_limit = 100M
host_lookup =
rfc1413_hosts =
log_file_path = /peer/log/%slog
log_selector = +received_recipients
spool_directory = /peer/spool
queue_only = true
never_users =
acl_smtp_rcpt = accept
acl_smtp_data = accept

begin routers
all:
  driver = accept
  transport = none

begin transports
none:
  driver = autoreply

begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_condition = ${if and {{eq{$auth2}{{user}}}{eq{$auth3}{{password}}}}}
  server_set_id = $auth2
login:
  driver = plaintext
  public_name = LOGIN
  server_prompts = <| Username: | Password:
  server_condition = ${if and {{eq{$auth1}{{user}}}{eq{$auth2}{{password}}}}}
  server_set_id = $auth1
cram:
  driver = cram_md5
  public_name = CRAM-MD5
  server_secret = ${if eq{$auth1}{{user}}{{password}}fail}
  server_set_id = $auth1
";

const START: &str = "\
set -e
mkdir -p /peer/log /peer/spool
chown -R Debian-exim:Debian-exim /peer/log /peer/spool
chown Debian-exim /peer/key.pem
chown root:root /peer/exim.conf
chmod 644 /peer/exim.conf
cp /peer/exim.conf /etc/exim4/exim4.conf
exec /usr/sbin/exim4 -bdf -C /etc/exim4/exim4.conf
";

struct Exim {
    clear: SocketAddr,
    implicit: SocketAddr,
    authority: String,
    running: Running,
}

impl Exim {
    fn start() -> Result<Self, Missing> {
        let root = Root::install(&RECIPE)?;
        let certificate = Certificate::make();
        let [clear, implicit] = [(); 2].map(|()| probe::free_address().unwrap());
        let configuration = CONFIGURATION
            .replace("{clear}", &clear.port().to_string())
            .replace("{implicit}", &implicit.port().to_string())
            .replace("{user}", USER)
            .replace("{password}", PASSWORD);
        let running = root.start(&[
            ("exim.conf", &configuration),
            ("certificate.pem", &certificate.certificate),
            ("key.pem", &certificate.key),
            ("start", START),
        ])?;
        let mut exim = Self { clear, implicit, authority: certificate.authority, running };
        let waited = exim.running.wait(START_LIMIT, || probe::greets(clear));
        waited.map_err(|Missing(why)| Missing(format!("{why}\n{}", exim.log())))?;
        Ok(exim)
    }

    fn log(&self) -> String {
        let read = |name| fs::read_to_string(self.running.shared().join(name)).unwrap_or_default();
        format!("{}{}", read("log/mainlog"), read("log/paniclog"))
    }

    /// Messages that it says it has received, once there are so many.
    fn settled(&self, messages: u64) -> u64 {
        let start = clock::now();
        loop {
            let received = self.log().lines().filter(|line| line.contains(" <= ")).count() as u64;
            if received >= messages || start.elapsed() > LOG_LIMIT {
                return received;
            }
            std::thread::sleep(POLL);
        }
    }
}

/// Exim 4.96 in clear text; PRDR is there, and nobody asks for it.
const OFFERS: &[&str] = &[
    "8BITMIME",
    "AUTH PLAIN LOGIN CRAM-MD5",
    "CHUNKING",
    "HELP",
    "PIPECONNECT",
    "PIPELINING",
    "PRDR",
    "SIZE 104857600",
    "SMTPUTF8",
    "STARTTLS",
];

#[test]
fn exim_receives_what_is_sent_in_every_way_it_offers() {
    let Some(exim) = here("exim", Exim::start()) else { return };
    let got = offers(exim.clear, way(Tls::Starttls, None, Sending::Data), &exim.authority);
    assert_eq!(got[0], OFFERS, "{}", exim.log());
    let under_tls: Vec<_> = OFFERS.iter().filter(|word| **word != "STARTTLS").collect();
    assert_eq!(got[1].iter().collect::<Vec<_>>(), under_tls);
    use Sending::{Bdat, Data, PipelinedBdat, PipelinedData};
    let ways = [
        way(Tls::Clear, None, Data),
        way(Tls::Clear, None, PipelinedData),
        way(Tls::Clear, None, Bdat),
        way(Tls::Clear, None, PipelinedBdat),
        way(Tls::Starttls, None, PipelinedData),
        way(Tls::Starttls, None, PipelinedBdat),
        way(Tls::Implicit, None, PipelinedData),
        way(Tls::Starttls, Some("plain"), PipelinedData),
        way(Tls::Starttls, Some("login"), Data),
        way(Tls::Clear, Some("cram-md5"), PipelinedData),
        way(Tls::Starttls, Some("best"), PipelinedBdat),
    ];
    let mut count = exim.settled(0);
    for way in ways {
        let address = if way.tls == Tls::Implicit { exim.implicit } else { exim.clear };
        send(address, way, &exim.authority, "somebody@recipient.test");
        count += MESSAGES;
        assert_eq!(exim.settled(count), count, "{way:?}");
    }
}
