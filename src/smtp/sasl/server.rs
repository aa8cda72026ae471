//! The server's side of every mechanism, for the built-in sink.

use super::client::hexadecimal;
use super::hash::hmac_md5;
use super::scram::{channel, hash_of, unescape_name, value, xor};
use super::{ChannelBinding, Mechanism, Users, decode, encode};

/// What follows a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Another challenge.
    Challenge(Vec<u8>),
    /// The client is who it says.
    Accepted,
    /// It is not, or its message is none of the mechanism's.
    Refused,
}

/// One exchange. Feed it every response, the initial one too.
#[derive(Debug)]
pub struct Server {
    mechanism: Mechanism,
    nonce: String,
    bindings: Vec<ChannelBinding>,
    state: State,
}

#[derive(Debug)]
enum State {
    /// The first response is due.
    First,
    /// LOGIN: the password of this user is due.
    Password(String),
    /// SCRAM: the proof is due.
    Proof(Box<ScramFirst>),
    /// SCRAM: the empty answer to the signature is due; success follows.
    Signed,
    /// A token was refused: whatever comes, the refusal follows.
    Failed,
}

/// What was said up to the proof.
#[derive(Debug)]
struct ScramFirst {
    user: String,
    header: String,
    /// `client-first-message-bare`.
    bare: String,
    nonce: String,
    server_first: String,
}

impl Server {
    /// An exchange of `mechanism`; `nonce` is used once. `bindings` are those of the channel: with any, the mechanisms
    /// that bind are on offer.
    #[must_use]
    pub fn new(mechanism: Mechanism, nonce: String, bindings: &[ChannelBinding]) -> Self {
        Self { mechanism, nonce, bindings: bindings.to_vec(), state: State::First }
    }

    /// The challenge to a client that sent no initial response.
    #[must_use]
    pub fn first_challenge(&self) -> Vec<u8> {
        match self.mechanism {
            Mechanism::Login => b"Username:".to_vec(),
            Mechanism::CramMd5 => self.cram_challenge(),
            _ => Vec::new(),
        }
    }

    /// Whether a client may not speak first: what it says before the challenge answers nothing.
    #[must_use]
    pub fn begins(&self) -> bool {
        self.mechanism == Mechanism::CramMd5
    }

    fn cram_challenge(&self) -> Vec<u8> {
        format!("<{}@sink.test>", self.nonce).into_bytes()
    }

    /// Judges a response.
    pub fn step(&mut self, response: &[u8], users: &Users) -> Verdict {
        match std::mem::replace(&mut self.state, State::Failed) {
            State::First => self.first(response, users).unwrap_or(Verdict::Refused),
            State::Password(user) => {
                let good = users.find(&user).is_some_and(|known| known.password.is(response));
                verdict(good)
            }
            State::Proof(first) => self.proof(&first, response, users).unwrap_or(Verdict::Refused),
            State::Signed => verdict(response.is_empty()),
            State::Failed => Verdict::Refused,
        }
    }

    fn first(&mut self, response: &[u8], users: &Users) -> Option<Verdict> {
        match self.mechanism {
            Mechanism::Plain => plain(response, users),
            Mechanism::Login => {
                self.state = State::Password(std::str::from_utf8(response).ok()?.to_owned());
                Some(Verdict::Challenge(b"Password:".to_vec()))
            }
            Mechanism::CramMd5 => {
                let (user, digest) = std::str::from_utf8(response).ok()?.rsplit_once(' ')?;
                let password = &users.find(user)?.password;
                let want = hmac_md5(password.expose().as_bytes(), &self.cram_challenge());
                Some(verdict(digest == hexadecimal(&want)))
            }
            Mechanism::XOauth2 => Some(match xoauth2(response, users) {
                Some(true) => Verdict::Accepted,
                _ => Verdict::Challenge(b"{\"status\":\"401\",\"schemes\":\"bearer\"}".to_vec()),
            }),
            // RFC 7628 section 3.2.2.
            Mechanism::OauthBearer => Some(match oauthbearer(response, users) {
                Some(true) => Verdict::Accepted,
                _ => Verdict::Challenge(b"{\"status\":\"invalid_token\"}".to_vec()),
            }),
            _ => self.scram_first(response, users),
        }
    }

    fn scram_first(&mut self, response: &[u8], users: &Users) -> Option<Verdict> {
        let text = std::str::from_utf8(response).ok()?;
        let mut parts = text.splitn(3, ',');
        let (flag, identity, bare) = (parts.next()?, parts.next()?, parts.next()?);
        let flag_fits = match flag {
            "n" => !self.mechanism.binds(),
            // RFC 5802 section 6: the client saw no -PLUS though it was offered. Somebody took it away.
            "y" => !self.mechanism.binds() && self.bindings.is_empty(),
            _ => self.mechanism.binds() && self.binding(flag).is_some(),
        };
        let mut attributes = bare.split(',');
        let user = unescape_name(value(attributes.next(), 'n')?)?;
        let theirs = value(attributes.next(), 'r').filter(|nonce| !nonce.is_empty())?;
        let acts_for_itself =
            identity.is_empty() || value(Some(identity), 'a').and_then(unescape_name)? == user;
        if !flag_fits || !acts_for_itself {
            return None;
        }
        let verifier = users.find(&user)?.verifier(hash_of(self.mechanism));
        let nonce = format!("{theirs}{}", self.nonce);
        let server_first =
            format!("r={nonce},s={},i={}", encode(&verifier.salt), verifier.iterations);
        let challenge = server_first.clone().into_bytes();
        let (header, bare) = (format!("{flag},{identity},"), bare.to_owned());
        self.state = State::Proof(Box::new(ScramFirst { user, header, bare, nonce, server_first }));
        Some(Verdict::Challenge(challenge))
    }

    fn proof(&mut self, first: &ScramFirst, response: &[u8], users: &Users) -> Option<Verdict> {
        let text = std::str::from_utf8(response).ok()?;
        let (without_proof, proof) = text.rsplit_once(",p=")?;
        let mut attributes = without_proof.split(',');
        let theirs = value(attributes.next(), 'c')?;
        let data = first.header.split(',').next().and_then(|flag| self.binding(flag));
        let data = data.map_or(&[][..], |binding| &binding.data);
        let same_channel = theirs == channel(&first.header, data);
        let same_nonce = value(attributes.next(), 'r')? == first.nonce;
        let hash = hash_of(self.mechanism);
        let verifier = users.find(&first.user)?.verifier(hash);
        let signed = format!("{},{},{without_proof}", first.bare, first.server_first);
        let signature = hash.hmac(&verifier.stored_key, signed.as_bytes());
        let client_key = xor(&decode(proof.as_bytes())?, &signature);
        let known = hash.digest(&client_key) == verifier.stored_key;
        if !(same_channel && same_nonce && known) {
            return None;
        }
        self.state = State::Signed;
        let signature = hash.hmac(&verifier.server_key, signed.as_bytes());
        Some(Verdict::Challenge(format!("v={}", encode(&signature)).into_bytes()))
    }

    /// The binding that a `p=` flag names.
    fn binding(&self, flag: &str) -> Option<&ChannelBinding> {
        let name = value(Some(flag), 'p')?;
        self.bindings.iter().find(|binding| binding.kind.name() == name)
    }
}

fn verdict(good: bool) -> Verdict {
    if good { Verdict::Accepted } else { Verdict::Refused }
}

/// RFC 4616 section 2.
fn plain(response: &[u8], users: &Users) -> Option<Verdict> {
    let mut parts = response.split(|byte| *byte == 0);
    let (identity, user, password) = (parts.next()?, parts.next()?, parts.next()?);
    let whole = parts.next().is_none() && (identity.is_empty() || identity == user);
    let known = users.find(std::str::from_utf8(user).ok()?)?;
    Some(verdict(whole && known.password.is(password)))
}

/// `user=NAME ^A auth=Bearer TOKEN ^A ^A`.
fn xoauth2(response: &[u8], users: &Users) -> Option<bool> {
    let text = std::str::from_utf8(response).ok()?.strip_suffix("\x01\x01")?;
    let (user, auth) = text.strip_prefix("user=")?.split_once('\x01')?;
    Some(users.find(user)?.password.is(auth.strip_prefix("auth=Bearer ")?.as_bytes()))
}

/// RFC 7628 section 3.1.
fn oauthbearer(response: &[u8], users: &Users) -> Option<bool> {
    let text = std::str::from_utf8(response).ok()?.strip_suffix("\x01\x01")?;
    let (header, pairs) = text.split_once('\x01')?;
    let user = unescape_name(header.strip_prefix("n,a=")?.strip_suffix(',')?)?;
    let token = pairs.split('\x01').find_map(|pair| pair.strip_prefix("auth=Bearer "))?;
    Some(users.find(&user)?.password.is(token.as_bytes()))
}
