//! The summary as JSON, for programs: a document that does not change its shape without `schema_version`.

use serde::Serialize;
use serde_json::{Value, json};

use super::judged;
use super::metrics::metrics;
use super::record::{Record, TargetRecord};
use crate::measure::histogram::Estimate;
use crate::measure::outcome::Fate;
use crate::measure::summary::StepRow;
use crate::smtp::text::printable;
use crate::stats::share::Share;

/// Goes up with every change of the document.
const VERSION: u32 = 1;
/// What holds for it.
const SCHEMA: &str = include_str!("document.schema.json");

/// The JSON Schema of the document.
#[must_use]
pub fn schema() -> &'static str {
    SCHEMA
}

/// An array of one document a run, or the document of the only one.
#[must_use]
pub fn render(records: &[&Record]) -> Vec<u8> {
    let documents: Vec<Value> = records.iter().map(|record| document(record)).collect();
    let value = match <[Value; 1]>::try_from(documents) {
        Ok([only]) => only,
        Err(several) => Value::Array(several),
    };
    let mut bytes =
        serde_json::to_vec_pretty(&value).expect("keys are strings, and memory takes every byte");
    bytes.push(b'\n');
    bytes
}

fn document(record: &Record) -> Value {
    let facts = &record.facts;
    let metrics = metrics(record);
    json!({
        "document": "smtpbench-summary",
        "schema_version": VERSION,
        "version": record.tool.version,
        "run_id": record.run_id,
        "seed": record.seed,
        "scenario": { "name": record.scenario.name, "sha256": record.scenario.sha256 },
        "started": facts.started.to_string(),
        "ended": facts.ended.map(|ended| ended.to_string()),
        "exit_code": facts.exit_code,
        "host": facts.host,
        "targets": record.targets.iter().map(target).collect::<Vec<_>>(),
        "metrics": metrics.iter().map(|one| json!({
            "name": one.name,
            "unit": one.unit.name(),
            "value": one.value,
            "low": one.low,
            "high": one.high,
            "better": if one.unit.bigger_is_better() { "bigger" } else { "smaller" },
        })).collect::<Vec<_>>(),
    })
}

fn target(target: &TargetRecord) -> Value {
    let summary = &target.summary;
    let total = summary.totals.first();
    json!({
        "name": target.name,
        "url": target.url,
        "verdict": summary.validity.verdict.name(),
        "reasons": summary.validity.reasons,
        "stopped": summary.stopped.as_ref().map(|stopped| printable(stopped.to_string().as_bytes())),
        "thresholds": summary.thresholds.iter().map(|row| json!({
            "threshold": row.threshold,
            "value": row.value,
            "limit": row.limit,
            "unit": row.unit.name(),
            "passed": row.passed,
            "reason": row.reason,
        })).collect::<Vec<_>>(),
        "window_s": summary.window.as_secs_f64(),
        "messages_per_s": total.and_then(|total| total.messages_per_s),
        "steps": summary.steps.iter().map(step).collect::<Vec<_>>(),
        "replies": judged::replies(summary).iter().map(|row| json!({
            "script": row.script,
            "step": row.step,
            "reply_code": row.reply_code,
            "enhanced_code": row.enhanced_code,
            "outcome": row.outcome.name(),
            "count": row.count,
            "share": row.share,
            "sample_text": printable(&row.sample_text),
        })).collect::<Vec<_>>(),
        "failures": judged::failures(summary).iter().map(|row| json!({
            "script": row.script,
            "step": row.step,
            "failure": row.failure.name(),
            "fault": row.failure.fault().name(),
            "count": row.count,
            "detail": printable(&row.detail),
        })).collect::<Vec<_>>(),
        "messages": books(&summary.accounting.messages),
        "recipients": books(&summary.accounting.recipients),
        "accounting_closes": summary.accounting.closes,
        "notes": summary.notes.iter().map(|note| json!({
            "name": note.name,
            "what": note.what,
            "advice": note.advice,
        })).collect::<Vec<_>>(),
    })
}

/// Microseconds with the ends of their interval.
#[derive(Serialize)]
struct Percentile {
    us: u64,
    us_low: Option<u64>,
    us_high: Option<u64>,
}

fn step(row: &StepRow) -> Value {
    let percentile = |estimate: Option<Estimate>| {
        estimate.map(|Estimate { value, low, high }| Percentile {
            us: value,
            us_low: low,
            us_high: high,
        })
    };
    let figures = &row.figures;
    json!({
        "step": row.step,
        "clock": row.clock.name(),
        "count": figures.count,
        "overflow_count": figures.overflow_count,
        "us_mean": figures.us_mean,
        "us_max": figures.us_max,
        "p50": percentile(figures.p50),
        "p95": percentile(figures.p95),
        "p99": percentile(figures.p99),
        "p99_9": percentile(figures.p99_9),
    })
}

fn books(balance: &crate::measure::accounting::Balance) -> Value {
    let fate = |fate: Fate| {
        let count = balance.fates.of(fate);
        let share = Share::of(count, balance.attempted);
        json!({
            "outcome": fate.name(),
            "count": count,
            "share": share.map(|share| share.value),
            "share_low": share.map(|share| share.low),
            "share_high": share.map(|share| share.high),
        })
    };
    json!({
        "offered": balance.offered,
        "not_started": balance.not_started,
        "attempted": balance.attempted,
        "outcomes": Fate::ALL.map(fate),
    })
}
