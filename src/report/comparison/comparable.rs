//! Whether runs may be compared: what has to be the same, so that a difference is the target's.

use super::counts;
use super::metrics::View;
use crate::measure::outcome::Fate;
use crate::measure::validity::Verdict;
use crate::report::record::{PlanFacts, TlsAsked};
use crate::report::text::grouped;
use crate::smtp::text::printable;
use crate::stats::binomial::as_f64;
use crate::units::ByteSize;

/// Generated messages vary in size; their mean over a run does not by this much.
const SIZE_TOLERANCE: f64 = 0.1;

/// Something that should be the same and is not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// What it is: `scenario`, `load`, `TLS` …
    pub what: &'static str,
    pub baseline: String,
    pub candidate: String,
}

impl Mismatch {
    /// In words.
    #[must_use]
    pub fn words(&self) -> String {
        let Self { what, baseline, candidate } = self;
        match *what {
            VERDICT => format!("not all runs are valid: {baseline} against {candidate}"),
            what => format!("{what} differs: {baseline} against {candidate}"),
        }
    }
}

/// Everything that differs between the first run of the baseline and any other; each once.
pub(super) fn mismatches(baseline: &[View<'_>], candidate: &[View<'_>]) -> Vec<Mismatch> {
    let mut found: Vec<Mismatch> = Vec::new();
    let Some((first, others)) = baseline.split_first() else { return found };
    for other in others.iter().chain(candidate) {
        for one in between(first, other) {
            if !found.iter().any(|known| known.what == one.what) {
                found.push(one);
            }
        }
    }
    // The first of the baseline has to count as much as any other.
    if !counts(first.summary().validity.verdict) && !found.iter().any(|one| one.what == VERDICT) {
        let verdict = first.summary().validity.verdict.name().to_owned();
        found.push(Mismatch { what: VERDICT, baseline: verdict, candidate: "valid".to_owned() });
    }
    found
}

const VERDICT: &str = "verdict";

/// Why a run has no verdict at all.
pub(super) fn no_verdict(view: &View<'_>) -> Option<String> {
    let verdict = view.summary().validity.verdict;
    let cut = matches!(verdict, Verdict::Interrupted | Verdict::Incomplete);
    let unfinished = view.record().facts.exit_code.is_none();
    match (cut, unfinished) {
        (true, _) => Some(format!("a run is {}", verdict.name())),
        (_, true) => Some("a run has not ended".to_owned()),
        _ => None,
    }
}

fn between(first: &View<'_>, other: &View<'_>) -> Vec<Mismatch> {
    let mut found = Vec::new();
    let mut same = |what, baseline: String, candidate: String| {
        if baseline != candidate {
            found.push(Mismatch { what, baseline, candidate });
        }
    };
    let (a, b) = (first.record(), other.record());
    let scenario = |record: &crate::report::record::Record| {
        let hash: String = record.scenario.sha256.chars().take(12).collect();
        format!("{} ({hash})", printable(record.scenario.name.as_bytes()))
    };
    same("scenario", scenario(a), scenario(b));
    let (loads_a, loads_b) = load_words(&a.plan, &b.plan);
    same("load", loads_a, loads_b);
    let tls = |view: &View<'_>| view.target().tls.as_ref().map_or("none".to_owned(), tls_words);
    same("TLS", tls(first), tls(other));
    let limits = |plan: &PlanFacts| {
        let steps = plan.step_timeouts.iter().map(|(step, limit)| format!(", {step} {limit}"));
        format!("{}{}", plan.step_timeout, steps.collect::<String>())
    };
    same("step limits", limits(&a.plan), limits(&b.plan));
    let tool = |record: &crate::report::record::Record| {
        let tool = &record.tool;
        let text = format!("smtpbench {}, {} build", tool.version, tool.build_profile);
        printable(text.as_bytes())
    };
    same("tool", tool(a), tool(b));
    let host = |record: &crate::report::record::Record| {
        let host = &record.facts.host;
        let cpus = host.cpu_count;
        let text = format!("{} {}, {cpus} processors, by {}", host.os, host.kernel, host.driver);
        printable(text.as_bytes())
    };
    same("host", host(a), host(b));
    if let (Some(x), Some(y)) = (mail_bytes(first), mail_bytes(other))
        && (x - y).abs() > SIZE_TOLERANCE * x.max(y)
    {
        let words = |bytes: f64| format!("{} a message", ByteSize(whole(bytes)));
        same("mail data", words(x), words(y));
    }
    let verdict = |view: &View<'_>| view.summary().validity.verdict;
    if !counts(verdict(other)) {
        // Of two that are cut, both are told.
        let (baseline, candidate) = (verdict(first).name(), verdict(other).name());
        let (baseline, candidate) = (baseline.to_owned(), candidate.to_owned());
        found.push(Mismatch { what: VERDICT, baseline, candidate });
    }
    found
}

/// Both plans in words that differ where the plans do.
fn load_words(a: &PlanFacts, b: &PlanFacts) -> (String, String) {
    let words = |plan: &PlanFacts| {
        let of = |load: &crate::report::load::LoadFacts| {
            let kind = match &load.open {
                None => format!("{} sessions", grouped(u64::from(load.sessions_max))),
                Some(open) => {
                    let rates = open.rates.iter().map(|rate| {
                        let (from, to) = (rate.per_s_from, rate.per_s_to);
                        if from == to { format!("{to}") } else { format!("{from} to {to}") }
                    });
                    let rates: Vec<String> = rates.collect();
                    format!("{} {} a second, {}", rates.join(", "), open.unit, open.arrivals)
                }
            };
            let length = load.length.as_ref().map(|length| format!(" for {length}"));
            let bound = load.messages.map(|messages| format!(", {} messages", grouped(messages)));
            format!("{kind}{}{}", length.unwrap_or_default(), bound.unwrap_or_default())
        };
        let loads: Vec<String> = plan.loads.iter().map(of).collect();
        printable(loads.join("; ").as_bytes())
    };
    let (mut x, mut y) = (words(a), words(b));
    if x == y && (a.loads != b.loads || a.scripts != b.scripts) {
        // Warm-up, drain, overload, scripts: run.json has it in full.
        x.push_str(" (plan.loads and plan.scripts of run.json differ)");
        y.push_str(" (as well, not the same)");
    }
    (x, y)
}

fn tls_words(tls: &TlsAsked) -> String {
    let verified = if tls.verified { "verified" } else { "not verified" };
    let resumed = if tls.resumption { ", resumed" } else { "" };
    let text = format!("{} for {} of sessions, {verified}{resumed}", tls.tls_use, tls.share);
    printable(text.as_bytes())
}

/// Mail data of an accepted message, in the mean.
fn mail_bytes(view: &View<'_>) -> Option<f64> {
    let summary = view.summary();
    let accepted = summary.accounting.messages.fates.of(Fate::Accepted);
    (accepted > 0).then(|| as_f64(summary.accepted_bytes) / as_f64(accepted))
}

fn whole(value: f64) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a mean of sizes is not negative"
    )]
    let whole = value.round() as u64;
    whole
}
