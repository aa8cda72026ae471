//! Postfix and Dovecot as they stand behind a submission port: STARTTLS and TLS from the first byte, logins by
//! Dovecot's users, and Dovecot's own submission service that hands mail on to Postfix.

use std::fs;
use std::net::SocketAddr;
use std::time::Duration;

use smtpbench::clock;

use crate::postfix::Counts;
use crate::probe;
use crate::root::{Missing, POLL, Recipe, Root, Running, here};
use crate::ways::{self, Certificate, MESSAGES, PASSWORD, Sending, Tls, USER, offers, send, way};

const RECIPE: Recipe<'_> = Recipe {
    name: "submission",
    packages: &["postfix", "dovecot-core", "dovecot-submissiond"],
    answers: "postfix postfix/main_mailer_type select No configuration\n",
};

const START_LIMIT: Duration = Duration::from_secs(60);
const LOG_LIMIT: Duration = Duration::from_secs(30);

const POSTFIX: &str = "\
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
default_transport = discard:
relay_transport = discard:
local_transport = discard:
virtual_transport = discard:
smtpd_relay_restrictions = permit_mynetworks, reject
maillog_file_prefixes = /peer
maillog_file = /peer/maillog
enable_long_queue_ids = yes
smtpd_client_connection_count_limit = 0
smtpd_client_event_limit_exceptions = 127.0.0.0/8
smtpd_tls_chain_files = /peer/key.pem, /peer/certificate.pem
smtpd_tls_security_level = may
smtpd_sasl_type = dovecot
smtpd_sasl_path = private/auth
smtpd_sasl_security_options = noanonymous
";

const SERVICES: &str = "\
{open} inet n - n - - smtpd
{login} inet n - n - - smtpd -o smtpd_sasl_auth_enable=yes -o smtpd_relay_restrictions=permit_sasl_authenticated,reject -o smtpd_recipient_restrictions=permit_sasl_authenticated,reject
{implicit} inet n - n - - smtpd -o smtpd_tls_wrappermode=yes -o smtpd_sasl_auth_enable=yes -o smtpd_relay_restrictions=permit_sasl_authenticated,reject
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
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

const DOVECOT: &str = "\
log_path = /peer/dovecot.log
protocols = submission
listen = 127.0.0.1
ssl = yes
ssl_cert = </peer/certificate.pem
ssl_key = </peer/key.pem
hostname = peer.test
first_valid_uid = 1
mail_location = maildir:/peer/mail/%n
disable_plaintext_auth = no
auth_mechanisms = plain login cram-md5 scram-sha-1 scram-sha-256 oauthbearer xoauth2
passdb {
  driver = passwd-file
  args = username_format=%n /peer/users
}
passdb {
  driver = oauth2
  mechanisms = oauthbearer xoauth2
  args = /peer/oauth2.conf
}
userdb {
  driver = static
  args = uid=mail gid=mail home=/peer/mail/%n
}
submission_relay_host = 127.0.0.1
submission_relay_port = {relay}
submission_relay_trusted = no
service auth {
  client_limit = 2000
  unix_listener /var/spool/postfix/private/auth {
    mode = 0666
  }
}
service submission-login {
  inet_listener submission {
    address = 127.0.0.1
    port = {submission}
  }
}
service submission {
  process_limit = 200
}
";

/// Tokens are verified by their signature, without asking anybody.
const OAUTH2: &str = "\
introspection_mode = local
local_validation_key_dict = fs:posix:prefix=/peer/keys/
username_attribute = sub
";

const START: &str = "\
set -e
mkdir -p /peer/mail /peer/keys/default/HS256
cp /peer/token.key /peer/keys/default/HS256/default
chown mail:mail /peer/mail
cp /peer/main.cf /peer/master.cf /etc/postfix/
chmod 644 /etc/postfix/main.cf /etc/postfix/master.cf
chmod 600 /peer/key.pem
dovecot -F -c /peer/dovecot.conf &
exec postfix start-fg
";

struct Submission {
    /// Postfix for this machine; no login.
    open: SocketAddr,
    /// Postfix with a login.
    login: SocketAddr,
    /// Postfix under TLS, with a login.
    implicit: SocketAddr,
    /// Dovecot, with a login.
    dovecot: SocketAddr,
    authority: String,
    running: Running,
}

impl Submission {
    fn start() -> Result<Self, Missing> {
        let root = Root::install(&RECIPE)?;
        let certificate = Certificate::make();
        let [open, login, implicit, dovecot] = [(); 4].map(|()| probe::free_address().unwrap());
        let services = SERVICES
            .replace("{open}", &open.to_string())
            .replace("{login}", &login.to_string())
            .replace("{implicit}", &implicit.to_string());
        let configuration = DOVECOT
            .replace("{relay}", &open.port().to_string())
            .replace("{submission}", &dovecot.port().to_string());
        let running = root.start(&[
            ("main.cf", POSTFIX),
            ("master.cf", &services),
            ("dovecot.conf", &configuration),
            ("users", &format!("{USER}:{{PLAIN}}{PASSWORD}\n")),
            ("oauth2.conf", OAUTH2),
            ("token.key", &ways::token_key()),
            ("certificate.pem", &certificate.certificate),
            ("key.pem", &certificate.key),
            ("start", START),
        ])?;
        let authority = certificate.authority;
        let mut peer = Self { open, login, implicit, dovecot, authority, running };
        let waited = peer.running.wait(START_LIMIT, || {
            probe::greets(open) && probe::greets(login) && probe::greets(dovecot)
        });
        waited.map_err(|Missing(why)| Missing(format!("{why}\n{}", peer.logs())))?;
        Ok(peer)
    }

    fn logs(&self) -> String {
        let read = |name| fs::read_to_string(self.running.shared().join(name)).unwrap_or_default();
        format!("{}\n{}", read("maillog"), read("dovecot.log"))
    }

    /// What Postfix counts, once it has got as far as `messages`.
    fn settled(&self, messages: u64) -> u64 {
        let start = clock::now();
        loop {
            let log = fs::read_to_string(self.running.shared().join("maillog")).unwrap_or_default();
            let counted = Counts::of(&log).messages;
            if counted >= messages || start.elapsed() > LOG_LIMIT {
                return counted;
            }
            std::thread::sleep(POLL);
        }
    }
}

/// Postfix 3.7 in clear text; under TLS without STARTTLS.
const POSTFIX_OFFERS: &[&str] = &[
    "8BITMIME",
    "CHUNKING",
    "DSN",
    "ENHANCEDSTATUSCODES",
    "ETRN",
    "PIPELINING",
    "SIZE 10240000",
    "SMTPUTF8",
    "STARTTLS",
    "VRFY",
];

/// Dovecot 2.3's submission service in clear text.
const DOVECOT_OFFERS: &[&str] = &[
    "8BITMIME",
    "AUTH PLAIN LOGIN CRAM-MD5 SCRAM-SHA-1 SCRAM-SHA-256 OAUTHBEARER XOAUTH2",
    "BURL imap",
    "CHUNKING",
    "ENHANCEDSTATUSCODES",
    "PIPELINING",
    "SIZE",
    "STARTTLS",
];

#[test]
fn postfix_takes_mail_by_starttls_and_tls_with_every_login_it_offers() {
    let Some(peer) = here("submission", Submission::start()) else { return };
    let clear = way(Tls::Starttls, None, Sending::Data);
    let under_tls: Vec<_> = POSTFIX_OFFERS.iter().filter(|word| **word != "STARTTLS").collect();
    let got = offers(peer.open, clear, &peer.authority);
    assert_eq!(got[0], POSTFIX_OFFERS, "{}", peer.logs());
    assert_eq!(got[1].iter().collect::<Vec<_>>(), under_tls);
    let got = offers(peer.login, clear, &peer.authority);
    let auth = got[1].iter().find(|line| line.starts_with("AUTH ")).cloned();
    let mechanisms = "AUTH PLAIN LOGIN CRAM-MD5 SCRAM-SHA-1 SCRAM-SHA-256 OAUTHBEARER XOAUTH2";
    assert_eq!(auth.as_deref(), Some(mechanisms), "{got:?}");

    let mut count = peer.settled(0);
    let mut check = |address, way| {
        send(address, way, &peer.authority, "somebody@recipient.test");
        count += MESSAGES;
        assert_eq!(peer.settled(count), count, "{way:?}");
    };
    use Sending::{Bdat, Data, PipelinedBdat, PipelinedData};
    for sending in [Data, PipelinedData, Bdat, PipelinedBdat] {
        check(peer.open, way(Tls::Starttls, None, sending));
    }
    for mechanism in ["plain", "login", "cram-md5", "scram-sha-1", "scram-sha-256", "best"] {
        check(peer.login, way(Tls::Starttls, Some(mechanism), PipelinedData));
    }
    check(peer.login, way(Tls::Clear, Some("best"), Data));
    check(peer.implicit, way(Tls::Implicit, Some("best"), PipelinedBdat));
    check(peer.implicit, way(Tls::Implicit, Some("plain"), Data));
}

#[test]
fn dovecot_submission_hands_on_what_it_takes() {
    let Some(peer) = here("submission", Submission::start()) else { return };
    let clear = way(Tls::Starttls, Some("plain"), Sending::Data);
    let got = offers(peer.dovecot, clear, &peer.authority);
    let under_tls: Vec<_> = DOVECOT_OFFERS.iter().filter(|word| **word != "STARTTLS").collect();
    assert_eq!(got[0], DOVECOT_OFFERS, "{}", peer.logs());
    assert_eq!(got[1].iter().collect::<Vec<_>>(), under_tls);
    let mut count = peer.settled(0);
    use Sending::{Bdat, Data, PipelinedBdat, PipelinedData};
    let ways = [
        way(Tls::Clear, Some("plain"), Data),
        way(Tls::Starttls, Some("plain"), PipelinedData),
        way(Tls::Starttls, Some("login"), Bdat),
        way(Tls::Starttls, Some("cram-md5"), PipelinedBdat),
        way(Tls::Starttls, Some("scram-sha-1"), PipelinedData),
        way(Tls::Starttls, Some("scram-sha-256"), PipelinedData),
        way(Tls::Starttls, Some("oauthbearer"), PipelinedData),
        way(Tls::Starttls, Some("xoauth2"), PipelinedData),
        way(Tls::Starttls, Some("best"), PipelinedData),
    ];
    for way in ways {
        send(peer.dovecot, way, &peer.authority, "somebody@recipient.test");
        count += MESSAGES;
        assert_eq!(peer.settled(count), count, "{way:?}");
    }
}
