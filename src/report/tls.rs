//! What was agreed under TLS: for `run.json`, and in words.

use std::fmt::Write as _;

use serde::Serialize;

use crate::measure::summary::Summary;
use crate::measure::tls::{Certificate, TlsTally};
use crate::plan::Plan;
use crate::scenario::security::TlsUse;
use crate::smtp::text::printable;

/// TLS of a target in `run.json`.
#[derive(Serialize)]
pub(super) struct TlsFacts<'a> {
    #[serde(rename = "use")]
    tls_use: &'static str,
    share: f64,
    verified: bool,
    server_name: Option<&'a str>,
    resumption: bool,
    sessions_encrypted: u64,
    sessions_clear: u64,
    sessions_failed: u64,
    handshakes: Vec<Handshake<'a>>,
    handshakes_of_other_kinds: u64,
    certificates: Vec<CertificateFacts<'a>>,
}

#[derive(Serialize)]
struct Handshake<'a> {
    version: &'a str,
    cipher_suite: &'a str,
    key_exchange_group: Option<&'a str>,
    resumed: bool,
    certificate_sha256: &'a str,
    count: u64,
}

#[derive(Serialize)]
struct CertificateFacts<'a> {
    subject: &'a str,
    issuer: &'a str,
    names: &'a [String],
    not_before: &'a str,
    not_after: &'a str,
    key: &'a str,
    sha256: &'a str,
}

/// TLS of the target; nothing where no session was to go over to it.
pub(super) fn facts<'a>(plan: &'a Plan, summary: &'a Summary) -> Option<TlsFacts<'a>> {
    let tls_use = plan.tls_use();
    if tls_use == TlsUse::None {
        return None;
    }
    let security = &plan.targets.first()?.security;
    let handshakes = summary.tls.handshakes.iter().map(|(facts, count)| Handshake {
        version: facts.version,
        cipher_suite: &facts.cipher_suite,
        key_exchange_group: Some(facts.group.as_str()).filter(|group| !group.is_empty()),
        resumed: facts.resumed,
        certificate_sha256: &facts.certificate.sha256,
        count: *count,
    });
    let certificates = certificates(&summary.tls).into_iter().map(|certificate| CertificateFacts {
        subject: &certificate.subject,
        issuer: &certificate.issuer,
        names: &certificate.names,
        not_before: &certificate.not_before,
        not_after: &certificate.not_after,
        key: &certificate.key,
        sha256: &certificate.sha256,
    });
    Some(TlsFacts {
        tls_use: tls_use.name(),
        share: security.share,
        verified: security.verifies(),
        server_name: security.server_name.as_deref(),
        resumption: security.resumption,
        sessions_encrypted: summary.tls.encrypted(),
        sessions_clear: summary.tls.clear,
        sessions_failed: summary.tls.failed,
        handshakes: handshakes.collect(),
        handshakes_of_other_kinds: summary.tls.others,
        certificates: certificates.collect(),
    })
}

/// Every certificate once.
fn certificates(tally: &TlsTally) -> Vec<&Certificate> {
    let mut found: Vec<&Certificate> = Vec::new();
    for (facts, _) in &tally.handshakes {
        if !found.iter().any(|known| known.sha256 == facts.certificate.sha256) {
            found.push(&facts.certificate);
        }
    }
    found
}

/// Handshakes and certificates that are told in words; `run.json` has more.
const KINDS_SHOWN: usize = 8;
/// Characters of what a certificate says that are told in words.
const TEXT_SHOWN: usize = 200;

/// The same in words, a line each.
pub(super) fn words(plan: &Plan, tally: &TlsTally) -> Vec<String> {
    if tally.is_empty() {
        return Vec::new();
    }
    let of = |resumed: bool| {
        let kinds = tally.handshakes.iter().filter(|(facts, _)| facts.resumed == resumed);
        kinds.map(|(_, count)| count).sum::<u64>()
    };
    let mut sessions = format!(
        "{} sessions under TLS ({} full handshakes, {} resumed",
        tally.encrypted(),
        of(false),
        of(true)
    );
    if tally.others > 0 {
        // Whether it is resumed is part of the kind.
        let _ = write!(sessions, ", {} of other kinds", tally.others);
    }
    let _ = write!(sessions, "), {} in clear text", tally.clear);
    if tally.failed > 0 {
        let _ = write!(sessions, ", {} that did not get so far", tally.failed);
    }
    if plan.stages.len() > 1 {
        sessions.push_str(", in all stages");
    }
    let mut lines = vec![sessions];
    for (facts, count) in tally.handshakes.iter().take(KINDS_SHOWN) {
        let how = if facts.resumed { ", resumed" } else { "" };
        let group =
            if facts.group.is_empty() { String::new() } else { format!(" {}", facts.group) };
        lines.push(format!("{} {}{group}{how}: {count}", facts.version, facts.cipher_suite));
    }
    let verifies = plan.targets.first().is_some_and(|target| target.security.verifies());
    let verified = if verifies { "verified" } else { "not verified" };
    let certificates = certificates(tally);
    for certificate in certificates.iter().take(KINDS_SHOWN) {
        let Certificate { subject, issuer, key, not_after, .. } = certificate;
        let (subject, issuer) = (shown(subject), shown(issuer));
        let names = match shown(&certificate.names.join(", ")) {
            none if none.is_empty() => none,
            names => format!(" for {names}"),
        };
        lines.push(format!(
            "certificate of {subject}{names}, by {issuer}, {key}, until {not_after}, {verified}"
        ));
    }
    let left = tally.handshakes.len().max(certificates.len()).saturating_sub(KINDS_SHOWN);
    if left > 0 {
        lines.push("… and more in run.json".to_owned());
    }
    lines
}

/// What a certificate says, made safe: whoever made it may have put anything in.
fn shown(text: &str) -> String {
    let safe = printable(text.as_bytes());
    match safe.char_indices().nth(TEXT_SHOWN) {
        Some((end, _)) => format!("{}…", &safe[..end]),
        None => safe,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_certificate_says_cannot_deceive_or_flood_a_terminal() {
        assert_eq!(shown("CN=a\x1b[2J\u{202e}b\nc"), "CN=a\\x1b[2J\\u{202e}b\\nc");
        assert_eq!(shown(&"x".repeat(TEXT_SHOWN)), "x".repeat(TEXT_SHOWN));
        assert_eq!(shown(&"ü".repeat(TEXT_SHOWN + 1)), "ü".repeat(TEXT_SHOWN) + "…");
    }
}
