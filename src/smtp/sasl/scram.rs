//! SCRAM (RFC 5802, RFC 7677), the client's side, and the words that both sides share.

use super::client::{ClientFault, CredentialError, Credentials};
use super::hash::{Hash, KeyCache};
use super::{ChannelBinding, ITERATIONS_MAX, Mechanism, Secret, decode, encode, prepare};

/// The hash of a SCRAM mechanism.
pub(super) fn hash_of(mechanism: Mechanism) -> Hash {
    match mechanism {
        Mechanism::ScramSha1 | Mechanism::ScramSha1Plus => Hash::Sha1,
        _ => Hash::Sha256,
    }
}

/// What a client says about channel binding (RFC 5802 section 6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Flag {
    /// `n`: it does not bind.
    None,
    /// `y`: it could, and the server seems not to.
    NotOffered,
    /// `p`: it binds to this.
    Bound(ChannelBinding),
}

impl Flag {
    /// The GS2 header, without an identity to act for.
    fn header(&self) -> String {
        match self {
            Self::None => "n,,".to_owned(),
            Self::NotOffered => "y,,".to_owned(),
            Self::Bound(binding) => format!("p={},,", binding.kind.name()),
        }
    }

    fn data(&self) -> &[u8] {
        match self {
            Self::Bound(binding) => &binding.data,
            Self::None | Self::NotOffered => &[],
        }
    }
}

/// The value of `c=`: GS2 header and channel binding.
pub(super) fn channel(header: &str, data: &[u8]) -> String {
    encode(&[header.as_bytes(), data].concat())
}

/// A name in a message: without the characters that separate (RFC 5802 section 5.1, `saslname`).
pub(super) fn escape_name(name: &str) -> String {
    name.replace('=', "=3D").replace(',', "=2C")
}

/// The name behind `saslname`; `None` where an `=` begins nothing.
pub(super) fn unescape_name(name: &str) -> Option<String> {
    let whole = name.replace("=2C", "").replace("=3D", "");
    (!whole.contains(['=', ','])).then(|| name.replace("=2C", ",").replace("=3D", "="))
}

/// The value of attribute `name` at the start of `attribute`.
pub(super) fn value(attribute: Option<&str>, name: char) -> Option<&str> {
    attribute?.strip_prefix(name)?.strip_prefix('=')
}

pub(super) fn xor(a: &[u8], b: &[u8]) -> Vec<u8> {
    a.iter().zip(b).map(|(a, b)| a ^ b).collect()
}

/// One exchange.
#[derive(Debug)]
pub(super) struct ScramClient {
    hash: Hash,
    /// Prepared.
    user: String,
    /// Prepared.
    password: Secret,
    flag: Flag,
    nonce: String,
    state: State,
}

#[derive(Debug, PartialEq, Eq)]
enum State {
    /// The server's first message is due.
    First,
    /// Its last one, with this signature.
    Last(Vec<u8>),
    /// It knows the password.
    Proven,
    /// It said that it refuses: a refusal has to follow.
    Refused,
}

impl ScramClient {
    pub(super) fn new(
        mechanism: Mechanism,
        credentials: &Credentials,
        flag: Flag,
        nonce: String,
    ) -> Result<Self, CredentialError> {
        let prepared = |what: &str, text: &str| {
            prepare(text)
                .map(std::borrow::Cow::into_owned)
                .map_err(|error| CredentialError(format!("the {what} {error}")))
        };
        Ok(Self {
            hash: hash_of(mechanism),
            user: prepared("user", &credentials.user)?,
            password: Secret::new(prepared("password", credentials.secret.expose())?),
            flag,
            nonce,
            state: State::First,
        })
    }

    /// `client-first-message`.
    pub(super) fn first(&self) -> String {
        self.flag.header() + &self.bare()
    }

    fn bare(&self) -> String {
        format!("n={},r={}", escape_name(&self.user), self.nonce)
    }

    /// Answers the server's first message with the proof, and its last one with nothing.
    pub(super) fn step(
        &mut self,
        challenge: &[u8],
        keys: &mut KeyCache,
    ) -> Result<Vec<u8>, ClientFault> {
        let text = std::str::from_utf8(challenge)
            .map_err(|_| ClientFault::Malformed("that is not UTF-8"))?;
        match &self.state {
            State::First => self.prove(text, keys),
            State::Last(signature) => {
                self.state = match value(text.split(',').next(), 'v') {
                    Some(theirs) if decode(theirs.as_bytes()).as_ref() == Some(signature) => {
                        State::Proven
                    }
                    Some(_) => return Err(ClientFault::Signature),
                    None if text.starts_with("e=") => State::Refused,
                    None => return Err(ClientFault::Malformed("without a signature")),
                };
                Ok(Vec::new())
            }
            State::Proven | State::Refused => Err(ClientFault::Surplus),
        }
    }

    /// `client-final-message`.
    fn prove(&mut self, server_first: &str, keys: &mut KeyCache) -> Result<Vec<u8>, ClientFault> {
        let malformed = ClientFault::Malformed;
        let mut attributes = server_first.split(',');
        let first = attributes.next();
        if value(first, 'm').is_some() {
            // RFC 5802 section 5.1: who does not know it must not go on.
            return Err(malformed("with a mandatory extension that is not known here"));
        }
        let nonce = value(first, 'r').ok_or(malformed("without a nonce"))?;
        if nonce.len() <= self.nonce.len() || !nonce.starts_with(&self.nonce) {
            return Err(ClientFault::Nonce);
        }
        let salt = value(attributes.next(), 's').and_then(|salt| decode(salt.as_bytes()));
        let salt = salt.ok_or(malformed("without a salt in base64"))?;
        let digits = value(attributes.next(), 'i').filter(|digits| is_number(digits));
        let digits = digits.ok_or(malformed("without an iteration count"))?;
        let count = digits.parse().unwrap_or(u64::MAX);
        let iterations = u32::try_from(count)
            .ok()
            .filter(|count| (1..=ITERATIONS_MAX).contains(count))
            .ok_or(ClientFault::Iterations(count))?;
        let hash = self.hash;
        let keys = keys.keys(hash, &self.user, self.password.expose(), &salt, iterations);
        let without_proof =
            format!("c={},r={nonce}", channel(&self.flag.header(), self.flag.data()));
        let signed = format!("{},{server_first},{without_proof}", self.bare());
        let stored = hash.digest(&keys.client);
        let proof = xor(&keys.client, &hash.hmac(&stored, signed.as_bytes()));
        self.state = State::Last(hash.hmac(&keys.server, signed.as_bytes()));
        Ok(format!("{without_proof},p={}", encode(&proof)).into_bytes())
    }

    /// Whether the server has shown that it knows the password.
    pub(super) fn is_proven(&self) -> bool {
        self.state == State::Proven
    }
}

fn is_number(digits: &str) -> bool {
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}
