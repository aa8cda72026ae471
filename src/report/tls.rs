//! TLS: what was asked for, and what was agreed, in words.

use std::fmt::Write as _;

use super::record::{PlanFacts, TargetRecord, TlsAsked};
use crate::measure::tls::Certificate;
use crate::plan::Plan;
use crate::scenario::security::TlsUse;
use crate::smtp::text::printable;

/// The TLS that `plan` asks for; nothing where no session was to go over to it.
pub(super) fn asked(plan: &Plan) -> Option<TlsAsked> {
    let tls_use = plan.tls_use();
    let security = &plan.targets.first()?.security;
    (tls_use != TlsUse::None).then(|| TlsAsked {
        tls_use: tls_use.name().to_owned(),
        share: security.share,
        verified: security.verifies(),
        server_name: security.server_name.clone(),
        resumption: security.resumption,
    })
}

/// Handshakes and certificates that are told in words; `run.json` has more.
const KINDS_SHOWN: usize = 8;
/// Characters of what a certificate says that are told in words.
const TEXT_SHOWN: usize = 200;

/// The same in words, a line each.
pub(super) fn words(plan: &PlanFacts, target: &TargetRecord) -> Vec<String> {
    let tally = &target.summary.tls;
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
    let verifies = target.tls.as_ref().is_some_and(|tls| tls.verified);
    let verified = if verifies { "verified" } else { "not verified" };
    let certificates = tally.certificates();
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
