//! The client's side of every mechanism: challenges in, responses out.
//!
//! [`Client::initial`] gives what the client says first, where it does; [`Client::step`] answers a challenge;
//! [`Client::finish`] is asked when the server reports success. What the server sends can be anything: it is answered or
//! is a [`ClientFault`].

use std::fmt;

use super::hash::{KeyCache, hmac_md5};
use super::scram::{Flag, ScramClient, escape_name};
use super::{ChannelBinding, Mechanism, Mechanisms, Secret};

/// Who logs in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// The user's name.
    pub user: String,
    /// The password, or the token.
    pub secret: Secret,
}

/// What is known of the server and of the channel to it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Peer<'a> {
    /// Its name, for OAUTHBEARER (RFC 7628 section 3.1).
    pub host: Option<&'a str>,
    /// Its port.
    pub port: Option<u16>,
    /// What it offers.
    pub offered: Mechanisms,
    /// Channel bindings of this session, the preferred one first; none without TLS.
    pub bindings: &'a [ChannelBinding],
}

/// Why credentials cannot be used with a mechanism.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CredentialError(pub(super) String);

impl fmt::Display for CredentialError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for CredentialError {}

/// What a server did wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientFault {
    /// A challenge where the mechanism has no more.
    Surplus,
    /// A challenge that the mechanism does not have; says what is wrong with it.
    Malformed(&'static str),
    /// An iteration count of none, or over [`ITERATIONS_MAX`](super::ITERATIONS_MAX).
    Iterations(u64),
    /// A nonce that does not begin with the client's: an answer to somebody else.
    Nonce,
    /// A signature that somebody without the password made.
    Signature,
    /// Success without a signature: whoever that is does not know the password.
    Unproven,
}

impl ClientFault {
    /// Whether the server failed to show that it knows the password, rather than to keep the form.
    #[must_use]
    pub fn is_lie(self) -> bool {
        matches!(self, Self::Nonce | Self::Signature | Self::Unproven)
    }
}

impl fmt::Display for ClientFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Surplus => f.write_str("a challenge where the mechanism has no more"),
            Self::Malformed(what) => write!(f, "a challenge {what}"),
            Self::Iterations(count) => {
                write!(f, "an iteration count of {count}, not from 1 to {}", super::ITERATIONS_MAX)
            }
            Self::Nonce => f.write_str("the server's nonce does not begin with ours"),
            Self::Signature => f.write_str("the server's signature is wrong"),
            Self::Unproven => f.write_str("success without the server's signature"),
        }
    }
}

impl std::error::Error for ClientFault {}

/// One exchange.
#[derive(Debug)]
pub struct Client {
    mechanism: Mechanism,
    kind: Kind,
    /// The client's first message was given out.
    begun: bool,
    /// Challenges that were answered.
    rounds: u32,
}

#[derive(Debug)]
enum Kind {
    /// One message says everything.
    Single(Secret),
    /// As `Single`; an error comes as a challenge, which takes this answer (RFC 7628 section 3.2.3).
    Token(Secret, &'static [u8]),
    Login(Credentials),
    CramMd5(Credentials),
    Scram(Box<ScramClient>),
}

impl Client {
    /// An exchange of `mechanism` for `credentials`. `nonce` is used once, printable and without a comma.
    ///
    /// # Errors
    /// When the mechanism cannot carry the credentials, or binds to a channel that has no binding.
    pub fn new(
        mechanism: Mechanism,
        credentials: Credentials,
        peer: &Peer<'_>,
        nonce: String,
    ) -> Result<Self, CredentialError> {
        let Credentials { user, secret } = &credentials;
        let kind = match mechanism {
            Mechanism::Plain => {
                refuse(&credentials, '\0', "PLAIN")?;
                Kind::Single(Secret::new(format!("\0{user}\0{}", secret.expose())))
            }
            Mechanism::Login => Kind::Login(credentials),
            Mechanism::CramMd5 => Kind::CramMd5(credentials),
            Mechanism::XOauth2 => {
                refuse(&credentials, '\x01', "XOAUTH2")?;
                let token = secret.expose();
                Kind::Token(Secret::new(format!("user={user}\x01auth=Bearer {token}\x01\x01")), b"")
            }
            Mechanism::OauthBearer => {
                refuse(&credentials, '\x01', "OAUTHBEARER")?;
                let mut text = format!("n,a={},\x01", escape_name(user));
                if let Some(host) = peer.host {
                    text += &format!("host={host}\x01");
                }
                if let Some(port) = peer.port {
                    text += &format!("port={port}\x01");
                }
                text += &format!("auth=Bearer {}\x01\x01", secret.expose());
                Kind::Token(Secret::new(text), b"\x01")
            }
            Mechanism::ScramSha1
            | Mechanism::ScramSha256
            | Mechanism::ScramSha1Plus
            | Mechanism::ScramSha256Plus => {
                let flag = flag(mechanism, peer)?;
                Kind::Scram(Box::new(ScramClient::new(mechanism, &credentials, flag, nonce)?))
            }
        };
        Ok(Self { mechanism, kind, begun: false, rounds: 0 })
    }

    /// Its mechanism.
    #[must_use]
    pub fn mechanism(&self) -> Mechanism {
        self.mechanism
    }

    /// What the client says before any challenge; `None` where the server begins. With it in the AUTH command, do not
    /// wait for an empty challenge; without it, that is the first one.
    pub fn initial(&mut self) -> Option<Vec<u8>> {
        let first = match &self.kind {
            Kind::Single(text) | Kind::Token(text, _) => text.expose().as_bytes().to_vec(),
            Kind::Scram(scram) => scram.first().into_bytes(),
            Kind::Login(_) | Kind::CramMd5(_) => return None,
        };
        self.begun = true;
        Some(first)
    }

    /// Takes back what [`Client::initial`] gave: it does not fit into the AUTH command, and waits for a challenge.
    pub fn withhold_initial(&mut self) {
        self.begun = false;
    }

    /// Answers a challenge.
    ///
    /// # Errors
    /// When it is not what the mechanism has here: the exchange is to be cancelled.
    pub fn step(&mut self, challenge: &[u8], keys: &mut KeyCache) -> Result<Vec<u8>, ClientFault> {
        if !self.begun
            && let Some(first) = self.initial()
        {
            return match challenge.is_empty() {
                true => Ok(first),
                false => Err(ClientFault::Malformed("that is not empty before the first response")),
            };
        }
        let round = self.rounds;
        self.rounds += 1;
        match &mut self.kind {
            Kind::Single(_) => Err(ClientFault::Surplus),
            Kind::Token(_, answer) if round == 0 => Ok(answer.to_vec()),
            Kind::Token(..) => Err(ClientFault::Surplus),
            // What it asks for is prose, in whatever words: first the user, then the password.
            Kind::Login(credentials) => match round {
                0 => Ok(credentials.user.clone().into_bytes()),
                1 => Ok(credentials.secret.expose().as_bytes().to_vec()),
                _ => Err(ClientFault::Surplus),
            },
            Kind::CramMd5(credentials) if round == 0 => Ok(cram_md5(credentials, challenge)),
            Kind::CramMd5(_) => Err(ClientFault::Surplus),
            Kind::Scram(scram) => scram.step(challenge, keys),
        }
    }

    /// Whether success may be believed.
    ///
    /// # Errors
    /// When the mechanism has the server prove itself and it did not.
    pub fn finish(&self) -> Result<(), ClientFault> {
        match &self.kind {
            Kind::Scram(scram) if !scram.is_proven() => Err(ClientFault::Unproven),
            _ => Ok(()),
        }
    }
}

/// RFC 5802 section 6: `p` binds; a client that could bind says `y` where the server seems unable to, so that a server
/// that can knows that somebody took its offer away; `n` where the client cannot bind, or was told not to.
fn flag(mechanism: Mechanism, peer: &Peer<'_>) -> Result<Flag, CredentialError> {
    let binding = peer.bindings.first();
    let offered = mechanism.bound().is_some_and(|bound| peer.offered.has(bound));
    match (mechanism.binds(), binding) {
        (true, Some(binding)) => Ok(Flag::Bound(binding.clone())),
        (true, None) => {
            Err(CredentialError(format!("{mechanism} needs TLS with a channel binding")))
        }
        (false, Some(_)) if !offered => Ok(Flag::NotOffered),
        (false, _) => Ok(Flag::None),
    }
}

fn refuse(
    credentials: &Credentials,
    separator: char,
    mechanism: &str,
) -> Result<(), CredentialError> {
    let Credentials { user, secret } = credentials;
    let what = if user.contains(separator) {
        "user"
    } else if secret.expose().contains(separator) {
        "password"
    } else {
        return Ok(());
    };
    let code = u32::from(separator);
    Err(CredentialError(format!("the {what} holds U+{code:04X}, which {mechanism} cannot carry")))
}

/// RFC 2195 section 2.
fn cram_md5(credentials: &Credentials, challenge: &[u8]) -> Vec<u8> {
    let digest = hmac_md5(credentials.secret.expose().as_bytes(), challenge);
    format!("{} {}", credentials.user, hexadecimal(&digest)).into_bytes()
}

pub(super) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
