//! SASL (RFC 4422) as SMTP uses it (RFC 4954): the client's side and, for the built-in sink, the server's.
//!
//! Pure: a nonce is handed in, and so are the channel bindings of TLS. Messages are bytes before base64; the lines
//! around them belong to the caller, and [`encode`] and [`decode`] turn one into the other.
//!
//! Written on the RustCrypto primitives and not on a SASL framework: `rsasl` 2 has no CRAM-MD5, keeps its values behind
//! callbacks and boxes that every session would pay for, and derives the salted password anew at each login, so that a
//! generator would measure its own hashing. Here a [`KeyCache`] of the worker remembers it.

mod client;
mod hash;
mod nonce;
mod prep;
mod scram;
mod secret;
mod server;
#[cfg(test)]
mod tests;
mod users;

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

pub use client::{Client, ClientFault, CredentialError, Credentials, Peer};
pub use hash::KeyCache;
pub use nonce::fresh_nonce;
pub use prep::{PrepError, prepare};
pub use secret::Secret;
pub use server::{Server, Verdict};
pub use users::Users;

/// The longest AUTH command, and the longest line of its exchange, in octets with CRLF (RFC 4954 section 4).
pub const LINE_MAX: usize = 12_288;
/// The longest password or token, in bytes: encoded, and with a user of the same length beside it, it fits into a line.
pub const SECRET_BYTES_MAX: usize = 8 << 10;
/// The most rounds of PBKDF2 that a server may ask for. Servers use 4096 (RFC 7677 section 4) to 600,000 (the advice for
/// stored passwords); a million is above that and still below a second of one core, so that a server that lies cannot
/// have the generator compute for minutes.
pub const ITERATIONS_MAX: u32 = 1_000_000;

/// A mechanism.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Mechanism {
    /// RFC 4616.
    Plain,
    /// draft-murchison-sasl-login; never a standard, offered nearly everywhere.
    Login,
    /// RFC 2195.
    CramMd5,
    /// RFC 5802.
    ScramSha1,
    /// RFC 7677.
    ScramSha256,
    /// RFC 5802, bound to the TLS channel.
    ScramSha1Plus,
    /// RFC 7677, bound to the TLS channel.
    ScramSha256Plus,
    /// A bearer token, as Google and Microsoft take it.
    XOauth2,
    /// RFC 7628: a bearer token (RFC 6750).
    OauthBearer,
}

impl Mechanism {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Plain,
        Self::Login,
        Self::CramMd5,
        Self::ScramSha1,
        Self::ScramSha256,
        Self::ScramSha1Plus,
        Self::ScramSha256Plus,
        Self::XOauth2,
        Self::OauthBearer,
    ];

    /// What `auth = "best"` tries, the strongest first. A channel binding outweighs nothing but its own hash: it keeps a
    /// man in the middle out, a stronger hash keeps the password safe if it fails. The token mechanisms are not among
    /// them: only the user knows whether the secret is a token, and a password is not shown to a server as one.
    pub const BY_STRENGTH: [Self; 7] = [
        Self::ScramSha256Plus,
        Self::ScramSha256,
        Self::ScramSha1Plus,
        Self::ScramSha1,
        Self::CramMd5,
        Self::Plain,
        Self::Login,
    ];

    /// Its name on the wire.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::Login => "LOGIN",
            Self::CramMd5 => "CRAM-MD5",
            Self::ScramSha1 => "SCRAM-SHA-1",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::ScramSha1Plus => "SCRAM-SHA-1-PLUS",
            Self::ScramSha256Plus => "SCRAM-SHA-256-PLUS",
            Self::XOauth2 => "XOAUTH2",
            Self::OauthBearer => "OAUTHBEARER",
        }
    }

    /// The mechanism of that name, in any case.
    #[must_use]
    pub fn from_name(name: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|known| name.eq_ignore_ascii_case(known.name().as_bytes()))
    }

    /// Whether the password or token itself goes over the wire: who listens has it.
    #[must_use]
    pub fn discloses(self) -> bool {
        matches!(self, Self::Plain | Self::Login | Self::XOauth2 | Self::OauthBearer)
    }

    /// Whether it is bound to the TLS channel.
    #[must_use]
    pub fn binds(self) -> bool {
        matches!(self, Self::ScramSha1Plus | Self::ScramSha256Plus)
    }

    /// The same mechanism, bound to the TLS channel, where there is one.
    #[must_use]
    pub fn bound(self) -> Option<Self> {
        match self {
            Self::ScramSha1 | Self::ScramSha1Plus => Some(Self::ScramSha1Plus),
            Self::ScramSha256 | Self::ScramSha256Plus => Some(Self::ScramSha256Plus),
            _ => None,
        }
    }
}

impl fmt::Display for Mechanism {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A set of mechanisms. Small, because every session keeps one.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Mechanisms(u16);

impl Mechanisms {
    /// All that are known here.
    #[must_use]
    pub fn all() -> Self {
        Mechanism::ALL.into_iter().collect()
    }

    /// Adds one.
    pub fn insert(&mut self, mechanism: Mechanism) {
        self.0 |= 1 << mechanism as u8;
    }

    /// Whether it is among them.
    #[must_use]
    pub fn has(self, mechanism: Mechanism) -> bool {
        self.0 & (1 << mechanism as u8) != 0
    }

    /// The mechanisms in the order of [`Mechanism::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Mechanism> {
        Mechanism::ALL.into_iter().filter(move |mechanism| self.has(*mechanism))
    }
}

impl FromIterator<Mechanism> for Mechanisms {
    fn from_iter<I: IntoIterator<Item = Mechanism>>(mechanisms: I) -> Self {
        let mut set = Self::default();
        mechanisms.into_iter().for_each(|mechanism| set.insert(mechanism));
        set
    }
}

impl fmt::Display for Mechanisms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, mechanism) in self.iter().enumerate() {
            write!(f, "{}{mechanism}", if index == 0 { "" } else { " " })?;
        }
        Ok(())
    }
}

impl fmt::Debug for Mechanisms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

/// What ties a login to its TLS channel (RFC 5056).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelBinding {
    /// How the bytes were made.
    pub kind: BindingKind,
    /// The same on both sides of one channel.
    pub data: Box<[u8]>,
}

/// How a channel binding is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BindingKind {
    /// RFC 9266: 32 bytes of exported keying material.
    TlsExporter,
    /// RFC 5929 section 4: a hash of the server's certificate.
    TlsServerEndPoint,
}

impl BindingKind {
    /// Its name in a GS2 header.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::TlsExporter => "tls-exporter",
            Self::TlsServerEndPoint => "tls-server-end-point",
        }
    }
}

/// A message as it stands in a line.
#[must_use]
pub fn encode(message: &[u8]) -> String {
    STANDARD.encode(message)
}

/// The message of a line; `None` where that is no base64 (RFC 4648 section 4, with its padding).
#[must_use]
pub fn decode(line: &[u8]) -> Option<Vec<u8>> {
    STANDARD.decode(line).ok()
}
