//! A target in `run.json`: what it is, and all that was measured of it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::beside::ServerFacts;
use super::rows::Tallies;
use crate::clock::Duration;
use crate::measure::note::Remark;
use crate::measure::summary::Summary;
use crate::measure::thresholds::{self, ThresholdRow, Unit};
use crate::measure::tls::{self, Certificate, TlsTally};
use crate::measure::validity::{self, Verdict};
use crate::measure::watch;
use crate::report::record::{TargetRecord, TlsAsked};
use crate::smtp::text::{from_printable, printable};
use crate::stats::quantile::Quantile;

#[derive(Serialize, Deserialize)]
pub(super) struct TargetFacts {
    pub(super) name: String,
    pub(super) url: String,
    pub(super) addresses: Vec<String>,
    greeting: Option<String>,
    capabilities: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tls: Option<TlsFacts>,
    /// Messages a second that could start there at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) max_rate: Option<f64>,
    /// What its server took, where that was started for the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) server: Option<ServerFacts>,
    /// Where the run decided that.
    pub(super) warmup_end_s: Option<f64>,
    pub(super) validity: Validity,
    notes: Vec<Note>,
    stopped: Option<Stopped>,
    thresholds: Vec<Threshold>,
    pub(super) tallies: Tallies,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Validity {
    verdict: String,
    reasons: Vec<String>,
    worker_cpu: Vec<f64>,
    workers_lost: usize,
    descriptor_failures: u64,
    port_failures: u64,
    internal_failures: u64,
    pub(super) accounting_closes: bool,
    pub(super) accounting_faults: Vec<String>,
}

#[derive(Serialize, Deserialize)]
struct Note {
    name: String,
    what: String,
    advice: String,
}

#[derive(Serialize, Deserialize)]
struct Threshold {
    threshold: String,
    value: Option<f64>,
    limit: f64,
    unit: String,
    verdict: String,
    reason: Option<String>,
    /// The percentile and its samples, where those are too few for an interval.
    estimate: Option<EstimateOf>,
}

#[derive(Serialize, Deserialize)]
struct EstimateOf {
    percentile: String,
    samples: u64,
}

/// The rule that ended the run before its time.
#[derive(Serialize, Deserialize)]
struct Stopped {
    by: String,
    rule: String,
    at_s: f64,
    over_s: f64,
    /// `None` over what a histogram holds.
    value: Option<f64>,
    unit: String,
}

/// TLS: what was asked for, and what was agreed.
#[derive(Serialize, Deserialize)]
struct TlsFacts {
    #[serde(flatten)]
    asked: TlsAsked,
    sessions_encrypted: u64,
    sessions_clear: u64,
    sessions_failed: u64,
    handshakes: Vec<Handshake>,
    handshakes_of_other_kinds: u64,
    certificates: Vec<CertificateFacts>,
}

#[derive(Serialize, Deserialize)]
struct Handshake {
    version: String,
    cipher_suite: String,
    key_exchange_group: Option<String>,
    resumed: bool,
    certificate_sha256: String,
    count: u64,
}

#[derive(Serialize, Deserialize)]
struct CertificateFacts {
    subject: String,
    issuer: String,
    names: Vec<String>,
    not_before: String,
    not_after: String,
    key: String,
    sha256: String,
}

/// What of a target's summary stands beside its tallies.
pub(super) struct Judged {
    pub(super) warmup_end: Option<Duration>,
    pub(super) validity: validity::Validity,
    pub(super) notes: Vec<Remark>,
    pub(super) stopped: Option<watch::Stopped>,
    pub(super) thresholds: Vec<ThresholdRow>,
    pub(super) tls: TlsTally,
}

/// What stands for a value of `all` by its name.
pub(super) fn named<T: Copy>(
    all: impl IntoIterator<Item = T>,
    name: impl Fn(T) -> &'static str,
    text: &str,
    what: &str,
) -> Result<T, String> {
    let found = all.into_iter().find(|one| name(*one) == text);
    found.ok_or_else(|| format!("`{}` is no {what}", printable(text.as_bytes())))
}

/// So many seconds.
pub(super) fn seconds(value: f64) -> Result<Duration, String> {
    Duration::try_from_secs_f64(value).map_err(|_| format!("{value} s is no length of time"))
}

impl TargetFacts {
    pub(super) fn of(target: &TargetRecord) -> Self {
        let summary = &target.summary;
        let tls = target.tls.as_ref().map(|asked| TlsFacts::of(asked, &summary.tls));
        Self {
            name: target.name.clone(),
            url: target.url.clone(),
            addresses: target.addresses.clone(),
            greeting: target.greeting.as_ref().map(|text| printable(text.as_bytes())),
            capabilities: target
                .capabilities
                .iter()
                .map(|text| printable(text.as_bytes()))
                .collect(),
            tls,
            max_rate: target.max_rate,
            server: target.cost.as_ref().map(ServerFacts::of),
            warmup_end_s: summary.warmup_end.map(|end| end.as_secs_f64()),
            validity: Validity::of(summary),
            notes: summary
                .notes
                .iter()
                .map(|Remark { name, what, advice }| Note {
                    name: name.clone(),
                    what: what.clone(),
                    advice: advice.clone(),
                })
                .collect(),
            stopped: summary.stopped.as_ref().map(Stopped::of),
            thresholds: summary.thresholds.iter().map(Threshold::of).collect(),
            tallies: Tallies::of(summary),
        }
    }

    pub(super) fn greeting(&self) -> Option<String> {
        self.greeting.as_deref().map(as_sent)
    }

    pub(super) fn capabilities(&self) -> Vec<String> {
        self.capabilities.iter().map(|line| as_sent(line)).collect()
    }

    pub(super) fn tls_asked(&self) -> Option<TlsAsked> {
        self.tls.as_ref().map(|tls| tls.asked.clone())
    }

    pub(super) fn judged(&self) -> Result<Judged, String> {
        Ok(Judged {
            warmup_end: self.warmup_end_s.map(seconds).transpose()?,
            validity: self.validity.read()?,
            notes: self
                .notes
                .iter()
                .map(|Note { name, what, advice }| Remark {
                    name: name.clone(),
                    what: what.clone(),
                    advice: advice.clone(),
                })
                .collect(),
            stopped: self.stopped.as_ref().map(Stopped::read).transpose()?,
            thresholds: self.thresholds.iter().map(Threshold::read).collect::<Result<_, _>>()?,
            tls: self.tls.as_ref().map(TlsFacts::read).transpose()?.unwrap_or_default(),
        })
    }
}

fn as_sent(text: &str) -> String {
    String::from_utf8_lossy(&from_printable(text)).into_owned()
}

impl Validity {
    fn of(summary: &Summary) -> Self {
        let validity = &summary.validity;
        Self {
            verdict: validity.verdict.name().to_owned(),
            reasons: validity.reasons.clone(),
            worker_cpu: validity.worker_cpu.clone(),
            workers_lost: validity.workers_lost,
            descriptor_failures: validity.descriptor_failures,
            port_failures: validity.port_failures,
            internal_failures: validity.internal_failures,
            accounting_closes: summary.accounting.closes,
            accounting_faults: summary.accounting.faults.clone(),
        }
    }

    fn read(&self) -> Result<validity::Validity, String> {
        Ok(validity::Validity {
            verdict: named(Verdict::ALL, Verdict::name, &self.verdict, "verdict")?,
            reasons: self.reasons.clone(),
            worker_cpu: self.worker_cpu.clone(),
            workers_lost: self.workers_lost,
            descriptor_failures: self.descriptor_failures,
            port_failures: self.port_failures,
            internal_failures: self.internal_failures,
        })
    }
}

impl Threshold {
    fn of(row: &ThresholdRow) -> Self {
        Self {
            threshold: row.threshold.clone(),
            value: row.value,
            limit: row.limit,
            unit: row.unit.name().to_owned(),
            verdict: if row.passed { "pass" } else { "fail" }.to_owned(),
            reason: row.reason.map(str::to_owned),
            estimate: row.estimate_of.map(|(quantile, samples)| EstimateOf {
                percentile: quantile.to_string(),
                samples,
            }),
        }
    }

    fn read(&self) -> Result<ThresholdRow, String> {
        let reason = |text: &String| named(thresholds::REASONS, |known| known, text, "reason");
        let estimate_of = |of: &EstimateOf| {
            let quantile = Quantile::parse(&of.percentile)
                .ok_or_else(|| format!("`{}` is no percentile", of.percentile))?;
            Ok::<_, String>((quantile, of.samples))
        };
        Ok(ThresholdRow {
            threshold: self.threshold.clone(),
            value: self.value,
            limit: self.limit,
            unit: named(Unit::ALL, Unit::name, &self.unit, "unit")?,
            passed: named(["pass", "fail"], |known| known, &self.verdict, "verdict")? == "pass",
            reason: self.reason.as_ref().map(reason).transpose()?,
            estimate_of: self.estimate.as_ref().map(estimate_of).transpose()?,
        })
    }
}

impl Stopped {
    fn of(stopped: &watch::Stopped) -> Self {
        Self {
            by: if stopped.safety { "stop_on" } else { "threshold" }.to_owned(),
            rule: stopped.rule.clone(),
            at_s: stopped.at.as_secs_f64(),
            over_s: stopped.over.as_secs_f64(),
            value: Some(stopped.value).filter(|value| value.is_finite()),
            unit: stopped.unit.name().to_owned(),
        }
    }

    fn read(&self) -> Result<watch::Stopped, String> {
        let by = named(["stop_on", "threshold"], |known| known, &self.by, "kind of rule")?;
        Ok(watch::Stopped {
            rule: self.rule.clone(),
            safety: by == "stop_on",
            at: seconds(self.at_s)?,
            over: seconds(self.over_s)?,
            value: self.value.unwrap_or(f64::INFINITY),
            unit: named(Unit::ALL, Unit::name, &self.unit, "unit")?,
        })
    }
}

impl TlsFacts {
    fn of(asked: &TlsAsked, tally: &TlsTally) -> Self {
        let handshakes = tally.handshakes.iter().map(|(facts, count)| Handshake {
            version: facts.version.to_owned(),
            cipher_suite: facts.cipher_suite.clone(),
            key_exchange_group: Some(facts.group.clone()).filter(|group| !group.is_empty()),
            resumed: facts.resumed,
            certificate_sha256: facts.certificate.sha256.clone(),
            count: *count,
        });
        let certificates = tally.certificates().into_iter().map(|certificate| CertificateFacts {
            subject: certificate.subject.clone(),
            issuer: certificate.issuer.clone(),
            names: certificate.names.clone(),
            not_before: certificate.not_before.clone(),
            not_after: certificate.not_after.clone(),
            key: certificate.key.clone(),
            sha256: certificate.sha256.clone(),
        });
        Self {
            asked: asked.clone(),
            sessions_encrypted: tally.encrypted(),
            sessions_clear: tally.clear,
            sessions_failed: tally.failed,
            handshakes: handshakes.collect(),
            handshakes_of_other_kinds: tally.others,
            certificates: certificates.collect(),
        }
    }

    fn read(&self) -> Result<TlsTally, String> {
        let certificates: Vec<Arc<Certificate>> = self
            .certificates
            .iter()
            .map(|facts| {
                Arc::new(Certificate {
                    subject: facts.subject.clone(),
                    issuer: facts.issuer.clone(),
                    names: facts.names.clone(),
                    not_before: facts.not_before.clone(),
                    not_after: facts.not_after.clone(),
                    key: facts.key.clone(),
                    sha256: facts.sha256.clone(),
                    // Of use while a session is open only.
                    end_point: Vec::new(),
                })
            })
            .collect();
        let mut tally = TlsTally {
            clear: self.sessions_clear,
            failed: self.sessions_failed,
            handshakes: Vec::new(),
            others: self.handshakes_of_other_kinds,
        };
        for handshake in &self.handshakes {
            let sha256 = &handshake.certificate_sha256;
            let certificate = certificates.iter().find(|one| one.sha256 == *sha256);
            let facts = tls::TlsFacts {
                version: named(tls::VERSIONS, |known| known, &handshake.version, "TLS version")?,
                cipher_suite: handshake.cipher_suite.clone(),
                group: handshake.key_exchange_group.clone().unwrap_or_default(),
                resumed: handshake.resumed,
                certificate: Arc::clone(certificate.ok_or("a handshake without its certificate")?),
            };
            tally.handshakes.push((facts, handshake.count));
        }
        Ok(tally)
    }
}
