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

/// What [`TlsFacts::version`] may be; empty where it is none that is known here.
pub const VERSIONS: [&str; 3] = ["TLSv1.2", "TLSv1.3", ""];

/// What a handshake agreed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFacts {
    /// One of [`VERSIONS`].
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

/// Most kinds of handshakes that are told apart. A server may show another certificate every time, and that may fill
/// neither the memory nor the report.
pub const KINDS_MAX: usize = 64;

/// How a session ended that did not go over to TLS, where the scenario asks for TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unsecured {
    /// It could have, and went on in clear text.
    Clear,
    /// It had to, and came to nothing: no offer, a refusal, a handshake that failed, or the end before all that.
    Failed,
}

/// How sessions went, where the scenario asks for TLS: each that was opened counts once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsTally {
    /// Sessions that went on in clear text.
    pub clear: u64,
    /// Sessions that had to go over to TLS and did not.
    pub failed: u64,
    /// Handshakes by what they agreed on, in order: at most [`KINDS_MAX`] kinds.
    pub handshakes: Vec<(TlsFacts, u64)>,
    /// Handshakes of further kinds.
    pub others: u64,
}

impl TlsTally {
    /// Counts `count` handshakes.
    pub fn count(&mut self, facts: &TlsFacts, count: u64) {
        if let Some((_, sum)) = self.handshakes.iter_mut().find(|(known, _)| known == facts) {
            *sum += count;
            return;
        }
        // The kinds that come first in their order are kept, whatever order they come in: so merging is order-free.
        let at = self.handshakes.partition_point(|(known, _)| known.order() < facts.order());
        self.handshakes.insert(at, (facts.clone(), count));
        if self.handshakes.len() > KINDS_MAX
            && let Some((_, last)) = self.handshakes.pop()
        {
            self.others += last;
        }
    }

    /// Counts a session that is over and was not under TLS.
    pub fn count_unsecured(&mut self, how: Unsecured) {
        match how {
            Unsecured::Clear => self.clear += 1,
            Unsecured::Failed => self.failed += 1,
        }
    }

    /// Adds all of `other`.
    pub fn add(&mut self, other: &Self) {
        self.clear += other.clear;
        self.failed += other.failed;
        self.others += other.others;
        for (facts, count) in &other.handshakes {
            self.count(facts, *count);
        }
    }

    /// Sessions that went over to TLS.
    #[must_use]
    pub fn encrypted(&self) -> u64 {
        self.handshakes.iter().map(|(_, count)| count).sum::<u64>() + self.others
    }

    /// Every certificate once.
    #[must_use]
    pub fn certificates(&self) -> Vec<&Certificate> {
        let mut found: Vec<&Certificate> = Vec::new();
        for (facts, _) in &self.handshakes {
            if !found.iter().any(|known| known.sha256 == facts.certificate.sha256) {
                found.push(&facts.certificate);
            }
        }
        found
    }

    /// Whether nothing was counted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl TlsFacts {
    fn order(&self) -> impl Ord + use<'_> {
        let Self { version, cipher_suite, group, resumed, certificate } = self;
        (version, cipher_suite, group, resumed, &certificate.sha256)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(number: usize, resumed: bool) -> TlsFacts {
        let certificate = Arc::new(Certificate {
            subject: format!("CN={number}"),
            issuer: String::new(),
            names: Vec::new(),
            not_before: String::new(),
            not_after: String::new(),
            key: String::new(),
            sha256: format!("{number:064x}"),
            end_point: Vec::new(),
        });
        let (cipher_suite, group) = ("TLS_AES_256_GCM_SHA384".to_owned(), "X25519".to_owned());
        TlsFacts { version: "TLSv1.3", cipher_suite, group, resumed, certificate }
    }

    #[test]
    fn kinds_are_bounded_and_merging_is_order_free() {
        let kinds = |range: std::ops::Range<usize>| {
            let mut tally = TlsTally { clear: 1, failed: 2, ..TlsTally::default() };
            range.for_each(|number| tally.count(&facts(number * 7 % 101, number % 2 == 0), 3));
            tally
        };
        let parts = [kinds(0..40), kinds(40..90), kinds(20..101)];
        let sum = |order: [usize; 3]| {
            let mut sum = TlsTally::default();
            order.iter().for_each(|part| sum.add(&parts[*part]));
            sum
        };
        let all = sum([0, 1, 2]);
        assert_eq!(all.handshakes.len(), KINDS_MAX);
        assert_eq!(all.encrypted(), 3 * (40 + 50 + 81));
        assert_eq!((all.clear, all.failed), (3, 6));
        for order in [[1, 0, 2], [2, 1, 0], [2, 0, 1]] {
            assert_eq!(sum(order), all);
        }
    }

    #[test]
    fn a_kind_at_the_limit_is_counted_and_one_above_it_is_another() {
        let mut tally = TlsTally::default();
        (0..KINDS_MAX).for_each(|number| tally.count(&facts(number, false), 1));
        tally.count(&facts(KINDS_MAX - 1, false), 1);
        assert_eq!((tally.others, tally.encrypted()), (0, KINDS_MAX as u64 + 1));
        tally.count(&facts(KINDS_MAX, false), 1);
        assert_eq!((tally.handshakes.len(), tally.others), (KINDS_MAX, 1));
    }
}
