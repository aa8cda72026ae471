//! Numbers that are used once.

use std::fmt::Write as _;
use std::hash::{BuildHasher as _, RandomState};

/// A nonce: 192 bits in printable characters without a comma (RFC 5802 section 5.1).
///
/// From the keys that the system gives to hash maps, through their keyed hash. It does not come from the seed of a run:
/// it shapes no load, and a server that could foretell it could answer with a proof that it recorded.
#[must_use]
pub fn fresh_nonce() -> String {
    let state = RandomState::new();
    let mut nonce = String::with_capacity(48);
    for turn in 0..3_u8 {
        // Writing to a String cannot fail.
        let _ = write!(nonce, "{:016x}", state.hash_one(turn));
    }
    nonce
}
