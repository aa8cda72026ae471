//! OpenSMTPD: it delivers to a maildir, whose files are counted.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use smtpbench::clock;
use tempfile::TempDir;

use crate::probe;
use crate::program::Smtpbench;
use crate::root::{Missing, POLL, Recipe, Root, Running, here};
use crate::ways::{Certificate, MESSAGES, Sending, Tls, offers, send, way};

const RECIPE: Recipe<'_> = Recipe { name: "opensmtpd", packages: &["opensmtpd"], answers: "" };

const START_LIMIT: Duration = Duration::from_secs(60);
/// Its scheduler delivers behind the reply.
const DELIVERY_LIMIT: Duration = Duration::from_secs(90);

const CONFIGURATION: &str = "\
pki peer cert \"/peer/certificate.pem\"
pki peer key \"/peer/key.pem\"
table anybody { \"@\" = \"mail\" }
smtp max-message-size 100M
listen on lo port {clear} tls pki peer hostname peer.test
action \"keep\" maildir \"/peer/mail\" virtual <anybody>
match from any for any action \"keep\"
";

const START: &str = "\
set -e
mkdir -p /peer/mail /var/spool/smtpd
chmod 711 /var/spool/smtpd
chown mail:mail /peer/mail
chmod 600 /peer/key.pem
cp /peer/smtpd.conf /etc/smtpd.conf
exec smtpd -d -f /etc/smtpd.conf > /peer/log 2>&1
";

struct OpenSmtpd {
    clear: SocketAddr,
    running: Running,
}

impl OpenSmtpd {
    fn start() -> Result<Self, Missing> {
        let root = Root::install(&RECIPE)?;
        let certificate = Certificate::make();
        let clear = probe::free_address()?;
        let configuration = CONFIGURATION.replace("{clear}", &clear.port().to_string());
        let running = root.start(&[
            ("smtpd.conf", &configuration),
            ("certificate.pem", &certificate.certificate),
            ("key.pem", &certificate.key),
            ("start", START),
        ])?;
        let mut peer = Self { clear, running };
        let waited = peer.running.wait(START_LIMIT, || probe::greets(clear));
        waited.map_err(|Missing(why)| Missing(format!("{why}\n{}", peer.log())))?;
        Ok(peer)
    }

    fn log(&self) -> String {
        fs::read_to_string(self.running.shared().join("log")).unwrap_or_default()
    }

    /// Files in the mailbox, once there are so many.
    fn settled(&self, messages: u64) -> u64 {
        let mailbox: PathBuf = self.running.shared().join("mail/new");
        let start = clock::now();
        loop {
            let files = fs::read_dir(&mailbox).into_iter().flatten().count() as u64;
            if files >= messages || start.elapsed() > DELIVERY_LIMIT {
                return files;
            }
            std::thread::sleep(POLL);
        }
    }
}

/// OpenSMTPD 6.8 in clear text: neither PIPELINING nor CHUNKING.
const OFFERS: &[&str] =
    &["8BITMIME", "DSN", "ENHANCEDSTATUSCODES", "HELP", "SIZE 104857600", "STARTTLS"];

#[test]
fn opensmtpd_delivers_what_is_sent_in_every_way_it_offers() {
    let Some(peer) = here("opensmtpd", OpenSmtpd::start()) else { return };
    let got = offers(peer.clear, way(Tls::Clear, None, Sending::Data), "");
    assert_eq!(got[0], OFFERS, "{}", peer.log());
    let mut count = 0;
    // PIPELINING is not offered, so the second way is the same as the first (RFC 2920 section 3.1).
    for sending in [Sending::Data, Sending::PipelinedData] {
        let way = way(Tls::Clear, None, sending);
        send(peer.clear, way, "", "somebody@recipient.test");
        count += MESSAGES;
        assert_eq!(peer.settled(count), count, "{way:?}\n{}", peer.log());
    }
}

/// Debian 12's package cannot sign a handshake: OpenSMTPD 6.8 keeps its keys in a process of their own by an interface
/// that OpenSSL 3 took away (its issues 1171 and 1239). What a user of it sees is named.
#[test]
fn opensmtpd_that_cannot_speak_tls_is_met_by_an_alert() {
    let Some(peer) = here("opensmtpd", OpenSmtpd::start()) else { return };
    let folder = TempDir::new().unwrap();
    let (file, out) = (folder.path().join("alert.toml"), folder.path().join("out"));
    let text = format!(
        "[target]\nurl = \"smtp://{}\"\ntls = \"starttls\"\nverify = false\n\
         [load]\nsessions = 1\nmessages = 1\n",
        peer.clear
    );
    fs::write(&file, text).unwrap();
    let finished =
        Smtpbench::new(&["run", "--quiet"]).arg(&file).arg("--out").arg(&out).run().code(&[69]);
    assert!(
        finished.stderr.contains("tls_alert: received fatal alert: InternalError"),
        "{finished}"
    );
}
