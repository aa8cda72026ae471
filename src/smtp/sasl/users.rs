//! Who may log in to the built-in sink.

use std::collections::HashMap;
use std::sync::OnceLock;

use super::hash::{Hash, Keys};
use super::{Secret, fresh_nonce, prepare};

/// Rounds of PBKDF2 for SCRAM: what RFC 7677 section 4 asks for at least, so that a sink under load spends little on it.
const ITERATIONS: u32 = 4096;

/// Users with their passwords; the password is the token of the token mechanisms as well.
#[derive(Debug, Default)]
pub struct Users(HashMap<String, User>);

#[derive(Debug)]
pub(super) struct User {
    pub(super) password: Secret,
    sha1: OnceLock<Verifier>,
    sha256: OnceLock<Verifier>,
}

/// What a SCRAM server keeps of a password.
#[derive(Debug)]
pub(super) struct Verifier {
    pub(super) salt: Vec<u8>,
    pub(super) iterations: u32,
    pub(super) stored_key: Vec<u8>,
    pub(super) server_key: Vec<u8>,
}

impl Users {
    /// These users; of several with one name the last.
    #[must_use]
    pub fn new(users: impl IntoIterator<Item = (String, Secret)>) -> Self {
        let user = |(name, password): (String, Secret)| {
            // As SCRAM clients send it.
            let name = prepare(&name).map(std::borrow::Cow::into_owned).unwrap_or(name);
            (name, User { password, sha1: OnceLock::new(), sha256: OnceLock::new() })
        };
        Self(users.into_iter().map(user).collect())
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn find(&self, name: &str) -> Option<&User> {
        self.0.get(prepare(name).as_deref().unwrap_or(name))
    }
}

impl User {
    /// What SCRAM needs; worked out at the first login.
    pub(super) fn verifier(&self, hash: Hash) -> &Verifier {
        let verifier = match hash {
            Hash::Sha1 => &self.sha1,
            Hash::Sha256 => &self.sha256,
        };
        verifier.get_or_init(|| {
            let salt = fresh_nonce().into_bytes()[..16].to_vec();
            let password = self.password.expose();
            let password = prepare(password).unwrap_or(password.into());
            let keys = Keys::derive(hash, &password, &salt, ITERATIONS);
            let stored_key = hash.digest(&keys.client);
            Verifier { salt, iterations: ITERATIONS, stored_key, server_key: keys.server }
        })
    }
}
