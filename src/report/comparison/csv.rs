//! `compare.csv`: a row a metric of every comparison.

use super::{Comparison, Row, Unit, words};
use crate::report::csv::{number, optional, table};
use crate::report::escape::cell;
use crate::stats::comparison::Lack;

const COLUMNS: &[&str] = &[
    "baseline",
    "candidate",
    "target",
    "metric",
    "unit",
    "baseline_value",
    "candidate_value",
    "change",
    "change_low",
    "change_high",
    "change_unit",
    "p_adjusted",
    "word",
    "worse_ruled_out",
    "smallest_seen",
    "runs_needed",
    "reason",
];

/// The bytes of `compare.csv`.
#[must_use]
pub fn csv(comparisons: &[Comparison]) -> Vec<u8> {
    let rows = comparisons.iter().flat_map(|one| one.rows.iter().map(move |row| cells(one, row)));
    table(COLUMNS, rows)
}

fn cells(comparison: &Comparison, row: &Row) -> Vec<String> {
    let answer = &row.answer;
    let figure = |value: Option<f64>| optional(value.map(number));
    let change = |value: Option<f64>| figure(value.map(|value| words::readable(row.unit, value)));
    let difference = answer.difference;
    let interval = difference.and_then(|difference| difference.interval);
    let word = match comparison.no_verdict {
        Some(_) => "no_verdict",
        None => words::word_name(answer.word),
    };
    vec![
        cell(comparison.baseline.name.as_bytes()),
        cell(comparison.candidate.name.as_bytes()),
        cell(comparison.target.as_deref().unwrap_or_default().as_bytes()),
        cell(row.metric.as_bytes()),
        unit(row.unit).to_owned(),
        figure(row.baseline),
        figure(row.candidate),
        change(difference.map(|difference| difference.value)),
        change(interval.map(|(low, _)| low)),
        change(interval.map(|(_, high)| high)),
        change_unit(row.unit).to_owned(),
        figure(difference.map(|difference| difference.p)),
        word.to_owned(),
        answer.ruled_out.to_string(),
        figure(words::smallest(row)),
        optional(answer.runs_needed),
        answer.lack.map(reason).unwrap_or_default().to_owned(),
    ]
}

/// What values are in.
pub(super) fn unit(unit: Unit) -> &'static str {
    match unit {
        Unit::Microseconds => "us",
        Unit::PerSecond => "per_s",
        Unit::Share => "share",
    }
}

/// What differences are in.
pub(super) fn change_unit(unit: Unit) -> &'static str {
    match unit {
        Unit::Microseconds | Unit::PerSecond => "percent",
        Unit::Share => "points",
    }
}

/// Why there is not enough.
pub(super) fn reason(lack: Lack) -> &'static str {
    match lack {
        Lack::NotMeasured => "not_measured",
        Lack::Samples { .. } => "too_few_samples",
        Lack::Intervals { .. } => "too_few_intervals",
        Lack::Runs { .. } => "too_few_runs",
        Lack::NoRatio => "no_ratio",
    }
}
