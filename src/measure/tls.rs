//! What was agreed in TLS handshakes: facts that are counted, not timed.

use std::sync::Arc;

/// What one certificate says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// Its subject, as RFC 4514 writes it.
    pub subject: String,
    /// Who signed it.
    pub issuer: String,
    /// The names and addresses that it is for (RFC 5280 section 4.2.1.6).
    pub names: Vec<String>,
    /// Start of its validity, RFC 3339.
    pub not_before: String,
    /// End of its validity, RFC 3339.
    pub not_after: String,
    /// Kind and size of its key: `RSA 2048`.
    pub key: String,
    /// SHA-256 of its DER form, in hex.
    pub sha256: String,
    /// The channel binding `tls-server-end-point` (RFC 5929 section 4.1).
    pub end_point: Vec<u8>,
}

/// What a handshake agreed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFacts {
    /// `TLSv1.3`.
    pub version: &'static str,
    /// As IANA names it.
    pub cipher_suite: String,
    /// Group of the key exchange; empty where a resumed session had none.
    pub group: String,
    /// Whether it resumed an earlier session (RFC 8446 section 2.2).
    pub resumed: bool,
    /// The server's own certificate.
    pub certificate: Arc<Certificate>,
}

/// How sessions went, where the scenario asks for TLS.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsTally {
    /// Sessions that went on in clear text.
    pub clear: u64,
    /// Handshakes by what they agreed on; few kinds.
    pub handshakes: Vec<(TlsFacts, u64)>,
}

impl TlsTally {
    /// Counts `count` handshakes.
    pub fn count(&mut self, facts: &TlsFacts, count: u64) {
        match self.handshakes.iter_mut().find(|(known, _)| known == facts) {
            Some((_, sum)) => *sum += count,
            None => self.handshakes.push((facts.clone(), count)),
        }
    }

    /// Adds all of `other`.
    pub fn add(&mut self, other: &Self) {
        self.clear += other.clear;
        for (facts, count) in &other.handshakes {
            self.count(facts, *count);
        }
    }

    /// Sessions that went over to TLS.
    #[must_use]
    pub fn encrypted(&self) -> u64 {
        self.handshakes.iter().map(|(_, count)| count).sum()
    }

    /// Whether nothing was counted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.clear == 0 && self.handshakes.is_empty()
    }
}
