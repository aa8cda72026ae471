//! What was agreed under TLS: for `run.json`, and in words.

use serde::Serialize;

use crate::measure::summary::Summary;
use crate::measure::tls::{Certificate, TlsTally};
use crate::plan::Plan;
use crate::scenario::security::TlsUse;

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
    handshakes: Vec<Handshake<'a>>,
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
        handshakes: handshakes.collect(),
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

/// The same in words, a line each.
pub(super) fn words(plan: &Plan, tally: &TlsTally) -> Vec<String> {
    if tally.is_empty() {
        return Vec::new();
    }
    let resumed: u64 =
        tally.handshakes.iter().filter(|(facts, _)| facts.resumed).map(|(_, count)| count).sum();
    let encrypted = tally.encrypted();
    let mut lines = vec![format!(
        "{encrypted} sessions under TLS ({} full handshakes, {resumed} resumed), {} in clear text",
        encrypted - resumed,
        tally.clear
    )];
    for (facts, count) in &tally.handshakes {
        let how = if facts.resumed { ", resumed" } else { "" };
        let group =
            if facts.group.is_empty() { String::new() } else { format!(" {}", facts.group) };
        lines.push(format!("{} {}{group}{how}: {count}", facts.version, facts.cipher_suite));
    }
    let verifies = plan.targets.first().is_some_and(|target| target.security.verifies());
    let verified = if verifies { "verified" } else { "not verified" };
    for certificate in certificates(tally) {
        let Certificate { subject, issuer, key, not_after, .. } = certificate;
        let names = certificate.names.join(", ");
        lines.push(format!(
            "certificate of {subject} for {names}, by {issuer}, {key}, until {not_after}, {verified}"
        ));
    }
    lines
}
