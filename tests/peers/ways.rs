//! What the tests of real servers share: every way in which one takes mail, tried with the same 500 messages: in clear text, by STARTTLS,
//! by TLS from the first byte, with a login, by DATA, by BDAT, pipelined or not.

use std::fs;
use std::net::SocketAddr;
use std::time::Duration;

use base64::Engine as _;
use hmac::{Hmac, KeyInit as _, Mac as _};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use sha2::Sha256;
use tempfile::TempDir;

use crate::program::Smtpbench;
use crate::table::Table;

pub(crate) const MESSAGES: u64 = 500;
/// Who may log in.
pub(crate) const USER: &str = "bench";
/// With a character that SASL, base64 and XML take each in their own way.
pub(crate) const PASSWORD: &str = "pencil&4=five";
const LIMIT: Duration = Duration::from_secs(120);

/// A server's certificate for `localhost` and 127.0.0.1, its key, and the authority that signed it; PEM.
pub(crate) struct Certificate {
    pub(crate) authority: String,
    pub(crate) certificate: String,
    pub(crate) key: String,
}

impl Certificate {
    pub(crate) fn make() -> Self {
        let mut authority = CertificateParams::new(Vec::new()).unwrap();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority.distinguished_name.push(DnType::CommonName, "peers.test");
        let authority_key = KeyPair::generate().unwrap();
        let root = authority.self_signed(&authority_key).unwrap().pem();
        let issuer = Issuer::new(authority, authority_key);
        let key = KeyPair::generate().unwrap();
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let params = CertificateParams::new(names).unwrap();
        let certificate = params.signed_by(&key, &issuer).unwrap().pem();
        Self { authority: root, certificate, key: key.serialize_pem() }
    }
}

/// How a session is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tls {
    Clear,
    Starttls,
    Implicit,
}

/// How mail data is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sending {
    Data,
    PipelinedData,
    Bdat,
    PipelinedBdat,
}

impl Sending {
    fn transaction(self) -> (&'static str, &'static str) {
        match self {
            Self::Data => ("transaction", "DATA"),
            Self::PipelinedData => ("transaction pipelined", "DATA"),
            Self::Bdat => ("transaction", "BDAT note chunk 1KiB"),
            Self::PipelinedBdat => ("transaction pipelined", "BDAT note chunk 1KiB"),
        }
    }
}

/// One way of sending, with the mechanism of its login, if any.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Way {
    pub(crate) tls: Tls,
    pub(crate) auth: Option<&'static str>,
    pub(crate) sending: Sending,
}

pub(crate) const fn way(tls: Tls, auth: Option<&'static str>, sending: Sending) -> Way {
    Way { tls, auth, sending }
}

fn scenario(address: SocketAddr, way: Way, recipient: &str, steps: &str) -> String {
    let scheme = if way.tls == Tls::Implicit { "smtps" } else { "smtp" };
    let tls = match way.tls {
        Tls::Starttls => "tls = \"starttls\"\nca = \"authority.pem\"",
        Tls::Implicit => "ca = \"authority.pem\"",
        Tls::Clear => "",
    };
    let auth = way.auth.map_or_else(String::new, |mechanism| {
        let secret = if mechanism.contains("oauth") { "token" } else { "password" };
        format!("auth = \"{mechanism}\"\nuser = \"{USER}\"\npassword_file = \"{secret}\"")
    });
    format!(
        "name = \"ways\"\n[target]\nurl = \"{scheme}://{address}\"\n{tls}\n{auth}\n\
         [load]\nsessions = 5\nmessages = {MESSAGES}\nmessages_per_session = 20\n\
         [recipients]\naddresses = [\"{recipient}\"]\n\
         [[messages]]\nname = \"note\"\nsize = \"3KiB\"\n\
         [[scripts]]\nname = \"way\"\nsteps = '''\n{steps}\n'''\n"
    )
}

fn prepare(authority: &str) -> TempDir {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("authority.pem"), authority).unwrap();
    fs::write(folder.path().join("password"), PASSWORD).unwrap();
    fs::write(folder.path().join("token"), token()).unwrap();
    folder
}

/// Sends [`MESSAGES`] to `recipient`; each is accepted, and the sessions were what `way` says.
#[track_caller]
pub(crate) fn send(address: SocketAddr, way: Way, authority: &str, recipient: &str) {
    let folder = prepare(authority);
    let (file, out) = (folder.path().join("ways.toml"), folder.path().join("out"));
    let (transaction, data) = way.sending.transaction();
    let steps = format!(
        "hello\n{transaction}\nMAIL FROM:<{{{{sender}}}}>\nRCPT TO:<{{{{recipient}}}}>\n{data}\nend\nQUIT"
    );
    fs::write(&file, scenario(address, way, recipient, &steps)).unwrap();
    let finished = Smtpbench::new(&["run", "--quiet"])
        .arg(&file)
        .arg("--out")
        .arg(&out)
        .limit(LIMIT)
        .run()
        .code(&[0]);
    let outcomes = Table::read(&out, "outcomes.csv");
    let accepted = [("unit", "message"), ("outcome", "accepted")];
    assert_eq!(outcomes.sum("count", &accepted), MESSAGES, "{way:?}\n{finished}");
    let latency = Table::read(&out, "latency.csv");
    let samples = |step| {
        let row =
            [("step", step), ("script", "all"), ("clock", "service"), ("outcome", "accepted")];
        latency.sum("count", &row)
    };
    let sessions = samples("greeting");
    let when = |yes: bool| if yes { sessions } else { 0 };
    assert_eq!(samples("tls"), when(way.tls != Tls::Clear), "{way:?}\n{finished}");
    assert_eq!(samples("starttls"), when(way.tls == Tls::Starttls), "{way:?}\n{finished}");
    assert_eq!(samples("auth"), when(way.auth.is_some()), "{way:?}\n{finished}");
}

/// What the server says to each EHLO of a session of this way, without the first lines, sorted.
pub(crate) fn offers(address: SocketAddr, way: Way, authority: &str) -> Vec<Vec<String>> {
    let folder = prepare(authority);
    let file = folder.path().join("ways.toml");
    let steps = "hello\ntransaction\nMAIL FROM:<a@b.test>\nRSET\nend\nQUIT";
    fs::write(&file, scenario(address, way, "a@b.test", steps)).unwrap();
    let finished = Smtpbench::new(&["once"]).arg(&file).limit(LIMIT).run();
    let mut offers: Vec<Vec<String>> = Vec::new();
    let mut listening = false;
    for line in finished.stdout.lines() {
        if line.contains("-> ") {
            listening = line.contains("-> EHLO");
            if listening {
                offers.push(Vec::new());
            }
        } else if let Some((_, reply)) = line.split_once("<- 250").filter(|_| listening) {
            offers.last_mut().unwrap().push(reply[1..].to_owned());
        }
    }
    let wanted = if way.tls == Tls::Starttls { 2 } else { 1 };
    assert_eq!(offers.len(), wanted, "{finished}");
    for offer in &mut offers {
        assert!(!offer.is_empty(), "{finished}");
        offer.remove(0);
        offer.sort();
    }
    offers
}

const TOKEN_SECRET: &[u8] = b"a secret of the peers that signs tokens";

/// The key that [`token`] is signed with, in base64.
pub(crate) fn token_key() -> String {
    base64::engine::general_purpose::STANDARD.encode(TOKEN_SECRET)
}

/// A signed token of [`USER`] (RFC 7519, by HMAC with SHA-256), valid for ever.
fn token() -> String {
    let encode = |bytes: &[u8]| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes);
    let head = encode(br#"{"alg":"HS256","typ":"JWT"}"#);
    let claims =
        format!(r#"{{"sub":"{USER}","iat":1700000000,"nbf":1700000000,"exp":4102444800}}"#);
    let signed = format!("{head}.{}", encode(claims.as_bytes()));
    let mut mac = Hmac::<Sha256>::new_from_slice(TOKEN_SECRET).unwrap();
    mac.update(signed.as_bytes());
    format!("{signed}.{}", encode(&mac.finalize().into_bytes()))
}
