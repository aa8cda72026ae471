//! The hashes of the mechanisms, and what a worker remembers of them.

use std::collections::HashMap;
use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest as _, Sha256};

/// Most keys that a worker remembers; above that it begins anew. A server that names another salt at every login may not
/// fill the memory.
const KEYS_MAX: usize = 1 << 16;

/// The hash of a SCRAM mechanism.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hash {
    Sha1,
    Sha256,
}

impl Hash {
    /// `H` of RFC 5802 section 2.2.
    pub(super) fn digest(self, text: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha1 => Sha1::digest(text).to_vec(),
            Self::Sha256 => Sha256::digest(text).to_vec(),
        }
    }

    /// `HMAC`.
    pub(super) fn hmac(self, key: &[u8], text: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha1 => mac::<Hmac<Sha1>>(key, text),
            Self::Sha256 => mac::<Hmac<Sha256>>(key, text),
        }
    }

    /// `Hi`: PBKDF2 with one block of output.
    fn salt(self, password: &[u8], salt: &[u8], iterations: u32) -> Vec<u8> {
        match self {
            Self::Sha1 => {
                let mut out = vec![0; 20];
                pbkdf2::pbkdf2_hmac::<Sha1>(password, salt, iterations, &mut out);
                out
            }
            Self::Sha256 => {
                let mut out = vec![0; 32];
                pbkdf2::pbkdf2_hmac::<Sha256>(password, salt, iterations, &mut out);
                out
            }
        }
    }
}

/// The answer of CRAM-MD5 (RFC 2195 section 2), before its hexadecimal digits.
pub(super) fn hmac_md5(key: &[u8], text: &[u8]) -> Vec<u8> {
    mac::<Hmac<Md5>>(key, text)
}

fn mac<M: Mac + KeyInit>(key: &[u8], text: &[u8]) -> Vec<u8> {
    // HMAC takes keys of every length, so there is always one.
    let Ok(mut mac) = <M as KeyInit>::new_from_slice(key) else { return Vec::new() };
    mac.update(text);
    mac.finalize().into_bytes().to_vec()
}

/// What both sides of SCRAM make of a password (RFC 5802 section 3).
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Keys {
    pub(super) client: Vec<u8>,
    pub(super) server: Vec<u8>,
}

impl Keys {
    pub(super) fn derive(hash: Hash, password: &str, salt: &[u8], iterations: u32) -> Self {
        let salted = hash.salt(password.as_bytes(), salt, iterations);
        Self {
            client: hash.hmac(&salted, b"Client Key"),
            server: hash.hmac(&salted, b"Server Key"),
        }
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// The keys of SCRAM logins, by user, password, salt and iteration count.
///
/// PBKDF2 costs milliseconds a login, thousands of times what the rest of it does, and a generator that computed it
/// anew for every session would measure itself. RFC 5802 section 5.1 allows a client to keep the keys. They are found by
/// a hash, so that no password is kept here.
#[derive(Default)]
pub struct KeyCache(HashMap<[u8; 32], Keys>);

impl KeyCache {
    pub(super) fn keys(
        &mut self,
        hash: Hash,
        user: &str,
        password: &str,
        salt: &[u8],
        iterations: u32,
    ) -> Keys {
        let mut id = Sha256::new();
        id.update([hash as u8]);
        for part in [user.as_bytes(), password.as_bytes(), salt] {
            id.update(part.len().to_be_bytes());
            id.update(part);
        }
        id.update(iterations.to_be_bytes());
        let id: [u8; 32] = id.finalize().into();
        if self.0.len() >= KEYS_MAX && !self.0.contains_key(&id) {
            self.0.clear();
        }
        self.0.entry(id).or_insert_with(|| Keys::derive(hash, password, salt, iterations)).clone()
    }

    /// How many it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for KeyCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyCache({})", self.0.len())
    }
}
