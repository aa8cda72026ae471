//! A comparison as JSON: the rows of `compare.csv` with what they stand on.

use serde::Serialize;

use super::csv::{change_unit, reason, unit};
use super::{Comparison, Row, SideFacts, words};

/// Goes up with every change of the format.
const SCHEMA_VERSION: u32 = 1;

/// The bytes of `compare.json`.
///
/// # Panics
/// Never: the rows have string keys, and memory takes every byte.
#[must_use]
pub fn json(comparisons: &[Comparison]) -> Vec<u8> {
    let file = File {
        schema_version: SCHEMA_VERSION,
        tool: "smtpbench",
        version: env!("CARGO_PKG_VERSION"),
        comparisons: comparisons.iter().map(block).collect(),
    };
    let mut bytes = serde_json::to_vec_pretty(&file)
        .expect("the rows have string keys, and memory takes every byte");
    bytes.push(b'\n');
    bytes
}

#[derive(Serialize)]
struct File<'a> {
    schema_version: u32,
    tool: &'static str,
    version: &'static str,
    comparisons: Vec<Block<'a>>,
}

#[derive(Serialize)]
struct Block<'a> {
    target: Option<&'a str>,
    conclusion: &'static str,
    no_verdict: Option<&'a str>,
    method: &'static str,
    min_effect: f64,
    min_effect_share: f64,
    baseline: OneSide<'a>,
    candidate: OneSide<'a>,
    mismatches: Vec<Mismatch<'a>>,
    left_out: usize,
    metrics: Vec<Metric<'a>>,
}

#[derive(Serialize)]
struct OneSide<'a> {
    name: &'a str,
    url: &'a str,
    runs: usize,
    version: &'a str,
    started: &'a str,
}

#[derive(Serialize)]
struct Mismatch<'a> {
    what: &'a str,
    baseline: &'a str,
    candidate: &'a str,
}

#[derive(Serialize)]
struct Metric<'a> {
    metric: &'a str,
    unit: &'static str,
    baseline: Option<f64>,
    candidate: Option<f64>,
    change: Option<f64>,
    change_low: Option<f64>,
    change_high: Option<f64>,
    change_unit: &'static str,
    p_adjusted: Option<f64>,
    word: &'static str,
    worse_ruled_out: bool,
    smallest_seen: Option<f64>,
    runs_needed: Option<u64>,
    reason: Option<&'static str>,
}

fn block(comparison: &Comparison) -> Block<'_> {
    let mismatches = comparison.mismatches.iter();
    Block {
        target: comparison.target.as_deref(),
        conclusion: comparison.conclusion().name(),
        no_verdict: comparison.no_verdict.as_deref(),
        method: comparison.method.name(),
        min_effect: comparison.rules.min_effect,
        min_effect_share: comparison.rules.min_points,
        baseline: side(&comparison.baseline),
        candidate: side(&comparison.candidate),
        mismatches: mismatches
            .map(|super::Mismatch { what, baseline, candidate }| Mismatch {
                what,
                baseline,
                candidate,
            })
            .collect(),
        left_out: comparison.left_out,
        metrics: comparison.rows.iter().map(|row| metric(comparison, row)).collect(),
    }
}

fn side(facts: &SideFacts) -> OneSide<'_> {
    let SideFacts { name, url, runs, version, started } = facts;
    OneSide { name, url, runs: *runs, version, started }
}

fn metric<'a>(comparison: &Comparison, row: &'a Row) -> Metric<'a> {
    let answer = &row.answer;
    let finite = |value: Option<f64>| value.filter(|value| value.is_finite());
    let change = |value: Option<f64>| finite(value.map(|value| words::readable(row.unit, value)));
    let interval = answer.difference.and_then(|difference| difference.interval);
    Metric {
        metric: &row.metric,
        unit: unit(row.unit),
        baseline: row.baseline,
        candidate: row.candidate,
        change: change(answer.difference.map(|difference| difference.value)),
        change_low: change(interval.map(|(low, _)| low)),
        change_high: change(interval.map(|(_, high)| high)),
        change_unit: change_unit(row.unit),
        p_adjusted: finite(answer.difference.map(|difference| difference.p)),
        word: match comparison.no_verdict {
            Some(_) => "no_verdict",
            None => words::word_name(answer.word),
        },
        worse_ruled_out: answer.ruled_out,
        smallest_seen: finite(words::smallest(row)),
        runs_needed: answer.runs_needed,
        reason: answer.lack.map(reason),
    }
}
