//! `run.json`: what was run, where, and what came of it. With `histograms.hlog` it rebuilds every CSV file.

use std::fmt::Write as _;

use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::{extensions, load, tls};
use crate::measure::accounting::Balance;
use crate::measure::addresses::AddressRow;
use crate::measure::outcome::Fate;
use crate::measure::summary::{LatencyRow, Summary};
use crate::measure::tally::FateCounts;
use crate::plan::Plan;
use crate::report::RunFacts;
use crate::report::generator_limits::{GeneratorLimits, build_profile};
use crate::smtp::text::printable;
use crate::units::format_duration;

/// Goes up with every change of a result file's format.
pub const SCHEMA_VERSION: u32 = 3;

/// The bytes of `run.json`.
#[must_use]
pub fn manifest(summary: &Summary, plan: &Plan, facts: &RunFacts) -> Vec<u8> {
    let manifest = Manifest {
        schema_version: SCHEMA_VERSION,
        tool: "smtpbench",
        version: env!("CARGO_PKG_VERSION"),
        build_profile: build_profile(),
        run_id: &plan.identity.run_id,
        seed: plan.identity.seed,
        started: facts.started.to_string(),
        ended: facts.ended.map(|ended| ended.to_string()),
        exit_code: facts.exit_code,
        scenario: scenario(plan),
        plan: resolved(plan, summary),
        host: Host {
            os: &facts.host.os,
            kernel: &facts.host.kernel,
            cpu_count: facts.host.cpu_count,
            descriptor_limit: facts.host.descriptor_limit,
        },
        generator_limits: facts.generator_limits.as_ref(),
        targets: targets(plan, facts, summary),
        validity: validity(summary),
        notes: summary
            .notes
            .iter()
            .map(|note| Note { name: note.name(), what: note.what(), advice: note.advice() })
            .collect(),
        stopped: summary.stopped.as_ref().map(|stopped| Stopped {
            by: if stopped.safety { "stop_on" } else { "threshold" },
            rule: &stopped.rule,
            at_s: stopped.at.as_secs_f64(),
            over_s: stopped.over.as_secs_f64(),
            // Over what a histogram holds: no number.
            value: Some(stopped.value).filter(|value| value.is_finite()),
            unit: stopped.unit.name(),
        }),
        thresholds: thresholds(summary),
        tallies: tallies(summary),
    };
    let mut bytes = serde_json::to_vec_pretty(&manifest)
        .expect("the manifest has string keys, and memory takes every byte");
    bytes.push(b'\n');
    bytes
}

#[derive(Serialize)]
struct Manifest<'a> {
    schema_version: u32,
    tool: &'static str,
    version: &'static str,
    build_profile: &'static str,
    run_id: &'a str,
    seed: u64,
    started: String,
    ended: Option<String>,
    exit_code: Option<u8>,
    scenario: ScenarioText<'a>,
    plan: Resolved<'a>,
    host: Host<'a>,
    /// What the generator can do at best there, where a self-test measured that.
    generator_limits: Option<&'a GeneratorLimits>,
    targets: Vec<TargetFacts<'a>>,
    validity: Validity<'a>,
    notes: Vec<Note>,
    stopped: Option<Stopped<'a>>,
    thresholds: Vec<Threshold<'a>>,
    tallies: Tallies<'a>,
}

#[derive(Serialize)]
struct ScenarioText<'a> {
    name: &'a str,
    path: Option<String>,
    text: &'a str,
    sha256: String,
}

#[derive(Serialize)]
struct Resolved<'a> {
    workers: usize,
    loads: Vec<load::LoadFacts<'a>>,
    stop_on: Vec<String>,
    preflight: bool,
    step_timeout: String,
    step_timeouts: Vec<(&'a str, String)>,
    scripts: Vec<Script<'a>>,
    stages: Vec<Stage>,
}

#[derive(Serialize)]
struct Script<'a> {
    name: &'a str,
    weight: u32,
}

#[derive(Serialize)]
struct Stage {
    name: String,
    start_s: f64,
    end_s: Option<f64>,
    judged: bool,
}

#[derive(Serialize)]
struct Host<'a> {
    os: &'a str,
    kernel: &'a str,
    cpu_count: usize,
    descriptor_limit: Option<u64>,
}

#[derive(Serialize)]
struct TargetFacts<'a> {
    name: &'a str,
    url: String,
    addresses: Vec<String>,
    greeting: Option<String>,
    capabilities: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tls: Option<tls::TlsFacts<'a>>,
}

#[derive(Serialize)]
struct Validity<'a> {
    verdict: &'static str,
    reasons: &'a [String],
    worker_cpu: &'a [f64],
    workers_lost: usize,
    descriptor_failures: u64,
    port_failures: u64,
    internal_failures: u64,
    accounting_closes: bool,
}

#[derive(Serialize)]
struct Note {
    name: &'static str,
    what: String,
    advice: String,
}

#[derive(Serialize)]
struct Threshold<'a> {
    threshold: &'a str,
    value: Option<f64>,
    limit: f64,
    unit: &'static str,
    verdict: &'static str,
    reason: Option<&'static str>,
}

/// The rule that ended the run before its time.
#[derive(Serialize)]
struct Stopped<'a> {
    by: &'static str,
    rule: &'a str,
    at_s: f64,
    over_s: f64,
    value: Option<f64>,
    unit: &'static str,
}

/// Counts that no histogram holds.
#[derive(Serialize)]
struct Tallies<'a> {
    judged_stages: &'a [String],
    arrivals: Vec<load::ArrivalFacts<'a>>,
    window_s: f64,
    interval_s: f64,
    accepted_in_window: u64,
    accepted_bytes: u64,
    messages: Books,
    recipients: Books,
    round_trips: Vec<extensions::RoundTripFacts>,
    extensions: Vec<extensions::ExtensionFacts>,
    limits: extensions::LimitFacts,
    overflow: Vec<Overflow<'a>>,
    outcomes: Vec<Outcome<'a>>,
    replies: Vec<Reply<'a>>,
    failures: Vec<Failure<'a>>,
    addresses: Vec<AddressTally<'a>>,
    intervals: Vec<Interval<'a>>,
}

#[derive(Serialize)]
struct Books {
    offered: u64,
    not_started: u64,
    attempted: u64,
    fates: Fates,
}

#[derive(Serialize)]
struct Fates {
    accepted: u64,
    rejected: u64,
    deferred: u64,
    failed: u64,
    in_doubt: u64,
    abandoned: u64,
    unfinished: u64,
    generator_failed: u64,
}

#[derive(Serialize)]
struct Overflow<'a> {
    stage: &'a str,
    script: &'a str,
    step: &'a str,
    clock: &'static str,
    outcome: &'static str,
    count: u64,
}

#[derive(Serialize)]
struct Outcome<'a> {
    stage: &'a str,
    script: Option<&'a str>,
    unit: &'static str,
    outcome: &'static str,
    count: u64,
    base: Option<u64>,
}

#[derive(Serialize)]
struct Reply<'a> {
    stage: &'a str,
    script: &'a str,
    step: &'a str,
    reply_code: u16,
    enhanced_code: Option<&'a str>,
    outcome: &'static str,
    count: u64,
    sample_text: String,
}

#[derive(Serialize)]
struct Failure<'a> {
    stage: &'a str,
    script: &'a str,
    step: &'a str,
    failure: &'static str,
    count: u64,
    detail: String,
}

#[derive(Serialize)]
struct AddressTally<'a> {
    stage: &'a str,
    number: usize,
    host: Option<&'a str>,
    address: String,
    preference: Option<u16>,
    sessions: u64,
    connect_failures: u64,
    fates: Fates,
}

#[derive(Serialize)]
struct Interval<'a> {
    stage: &'a str,
    second: f64,
    offered: Option<u64>,
    started: u64,
    fates: Fates,
    open_sessions: u64,
    replies_2yz: u64,
    replies_4yz: u64,
    replies_5yz: u64,
    messages_per_s: Option<f64>,
    bytes_per_s: Option<f64>,
}

fn scenario(plan: &Plan) -> ScenarioText<'_> {
    let text = plan.scenario.text.as_str();
    let mut sha256 = String::with_capacity(64);
    for byte in Sha256::digest(text.as_bytes()) {
        let _ = write!(sha256, "{byte:02x}");
    }
    let path = plan.scenario.path.as_ref().map(|path| path.display().to_string());
    ScenarioText { name: &plan.scenario.name, path, text, sha256 }
}

fn resolved<'a>(plan: &'a Plan, summary: &Summary) -> Resolved<'a> {
    let scenario = &plan.scenario;
    Resolved {
        workers: plan.workers,
        loads: load::facts(plan),
        stop_on: plan.stop_rules().into_iter().map(|rule| rule.text).collect(),
        preflight: scenario.preflight,
        step_timeout: format_duration(scenario.timeouts.step),
        step_timeouts: scenario
            .timeouts
            .by_step
            .iter()
            .map(|(step, limit)| (scenario.steps.name(*step), format_duration(*limit)))
            .collect(),
        scripts: scenario
            .scripts
            .iter()
            .map(|script| Script { name: &script.name, weight: script.weight })
            .collect(),
        stages: plan
            .timeline(summary.warmup_end)
            .into_iter()
            .map(|stage| Stage {
                name: stage.name,
                start_s: stage.start.as_secs_f64(),
                end_s: stage.end.map(|end| end.as_secs_f64()),
                judged: stage.judged,
            })
            .collect(),
    }
}

fn targets<'a>(plan: &'a Plan, facts: &RunFacts, summary: &'a Summary) -> Vec<TargetFacts<'a>> {
    let target = |target: &'a crate::plan::Target| TargetFacts {
        name: &target.name,
        url: target.url.to_string(),
        addresses: target.addresses.iter().map(|one| one.address.to_string()).collect(),
        greeting: facts.greeting.as_ref().map(|text| printable(text.as_bytes())),
        capabilities: facts.capabilities.iter().map(|text| printable(text.as_bytes())).collect(),
        tls: tls::facts(plan, summary),
    };
    plan.targets.iter().map(target).collect()
}

fn validity(summary: &Summary) -> Validity<'_> {
    let validity = &summary.validity;
    Validity {
        verdict: validity.verdict.name(),
        reasons: &validity.reasons,
        worker_cpu: &validity.worker_cpu,
        workers_lost: validity.workers_lost,
        descriptor_failures: validity.descriptor_failures,
        port_failures: validity.port_failures,
        internal_failures: validity.internal_failures,
        accounting_closes: summary.accounting.closes,
    }
}

fn thresholds(summary: &Summary) -> Vec<Threshold<'_>> {
    let rows = summary.thresholds.iter();
    rows.map(|row| Threshold {
        threshold: &row.threshold,
        value: row.value,
        limit: row.limit,
        unit: row.unit.name(),
        verdict: if row.passed { "pass" } else { "fail" },
        reason: row.reason,
    })
    .collect()
}

fn tallies(summary: &Summary) -> Tallies<'_> {
    Tallies {
        judged_stages: &summary.judged_stages,
        arrivals: load::arrivals(summary),
        window_s: summary.window.as_secs_f64(),
        interval_s: summary.interval.as_secs_f64(),
        accepted_in_window: summary.totals.iter().map(|row| row.accepted_in_window).sum(),
        accepted_bytes: summary.accepted_bytes,
        messages: books(&summary.accounting.messages),
        recipients: books(&summary.accounting.recipients),
        round_trips: extensions::round_trips(summary),
        extensions: extensions::extensions(summary),
        limits: extensions::limits(summary),
        overflow: summary.latency.iter().filter_map(overflow).collect(),
        outcomes: summary
            .outcomes
            .iter()
            .map(|row| Outcome {
                stage: &row.stage,
                script: row.script.as_deref(),
                unit: row.unit.name(),
                outcome: row.outcome,
                count: row.count,
                base: row.base,
            })
            .collect(),
        replies: summary
            .replies
            .iter()
            .map(|row| Reply {
                stage: &row.stage,
                script: &row.script,
                step: &row.step,
                reply_code: row.reply_code,
                enhanced_code: row.enhanced_code.as_deref(),
                outcome: row.outcome.name(),
                count: row.count,
                sample_text: printable(&row.sample_text),
            })
            .collect(),
        failures: summary
            .failures
            .iter()
            .map(|row| Failure {
                stage: &row.stage,
                script: &row.script,
                step: &row.step,
                failure: row.failure.name(),
                count: row.count,
                detail: printable(&row.detail),
            })
            .collect(),
        addresses: summary.addresses.iter().map(address).collect(),
        intervals: intervals(summary),
    }
}

fn address(row: &AddressRow) -> AddressTally<'_> {
    let one = &row.destination;
    AddressTally {
        stage: &row.stage,
        number: row.number,
        host: one.host.as_deref(),
        address: one.address.to_string(),
        preference: one.host.as_ref().map(|_| one.preference),
        sessions: row.tally.sessions,
        connect_failures: row.tally.connect_failures,
        fates: fates(&row.tally.fates),
    }
}

fn intervals(summary: &Summary) -> Vec<Interval<'_>> {
    summary
        .intervals
        .iter()
        .map(|row| Interval {
            stage: &row.stage,
            second: row.second,
            offered: row.offered,
            started: row.started,
            fates: fates(&row.fates),
            open_sessions: row.open_sessions,
            replies_2yz: row.replies_2yz,
            replies_4yz: row.replies_4yz,
            replies_5yz: row.replies_5yz,
            messages_per_s: row.messages_per_s,
            bytes_per_s: row.bytes_per_s,
        })
        .collect()
}

/// Of the rows that are no sums.
fn overflow(row: &LatencyRow) -> Option<Overflow<'_>> {
    let (script, outcome) = (row.script.as_deref()?, row.outcome?);
    (row.figures.overflow_count > 0).then(|| Overflow {
        stage: &row.stage,
        script,
        step: &row.step,
        clock: row.clock.name(),
        outcome: outcome.name(),
        count: row.figures.overflow_count,
    })
}

fn books(balance: &Balance) -> Books {
    Books {
        offered: balance.offered,
        not_started: balance.not_started,
        attempted: balance.attempted,
        fates: fates(&balance.fates),
    }
}

fn fates(counts: &FateCounts) -> Fates {
    let of = |fate: Fate| counts.of(fate);
    Fates {
        accepted: of(Fate::Accepted),
        rejected: of(Fate::Rejected),
        deferred: of(Fate::Deferred),
        failed: of(Fate::Failed),
        in_doubt: of(Fate::InDoubt),
        abandoned: of(Fate::Abandoned),
        unfinished: of(Fate::Unfinished),
        generator_failed: of(Fate::GeneratorFailed),
    }
}
