//! What trackers of benchmarks read: Bencher Metric Format, the custom formats of github-action-benchmark, and a history
//! as CSV, a row a run, as Apache Otava reads it.

use std::collections::BTreeMap;

use serde::Serialize;

use super::csv::{number, table};
use super::escape::cell;
use super::metrics::{Metric, MetricUnit, metrics};
use super::record::Record;

/// Bencher Metric Format: the scenario is the benchmark, its figures are the measures.
#[must_use]
pub fn bencher(records: &[&Record]) -> Vec<u8> {
    #[derive(Serialize)]
    struct Value {
        value: f64,
        #[serde(skip_serializing_if = "Option::is_none")]
        lower_value: Option<f64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        upper_value: Option<f64>,
    }
    let mut benchmarks: BTreeMap<&str, BTreeMap<String, Value>> = BTreeMap::new();
    for record in records {
        let measures = benchmarks.entry(&record.scenario.name).or_default();
        for Metric { name, value, low, high, .. } in metrics(record) {
            measures.insert(name, Value { value, lower_value: low, upper_value: high });
        }
    }
    json(&benchmarks)
}

/// github-action-benchmark: `customBiggerIsBetter` or `customSmallerIsBetter`, which has half of the figures each.
#[must_use]
pub fn github(records: &[&Record], bigger_is_better: bool) -> Vec<u8> {
    #[derive(Serialize)]
    struct Entry {
        name: String,
        unit: &'static str,
        value: f64,
        #[serde(skip_serializing_if = "Option::is_none")]
        range: Option<String>,
    }
    let mut entries = Vec::new();
    for record in records {
        let wanted = metrics(record).into_iter();
        for Metric { name, unit, value, low, high } in
            wanted.filter(|metric| metric.unit.bigger_is_better() == bigger_is_better)
        {
            let range =
                low.zip(high).map(|(low, high)| format!("{} .. {}", number(low), number(high)));
            let name = format!("{} {name}", record.scenario.name);
            entries.push(Entry { name, unit: unit.name(), value, range });
        }
    }
    json(&entries)
}

fn json(value: &impl Serialize) -> Vec<u8> {
    let mut bytes =
        serde_json::to_vec_pretty(value).expect("keys are strings, and memory takes every byte");
    bytes.push(b'\n');
    bytes
}

/// Columns of a history before those of the figures.
const HISTORY: [&str; 3] = ["time", "commit", "scenario"];

/// A history: a row a run, in the order of their start. `commit` is what was measured. A figure that a run does not
/// have is an empty cell.
#[must_use]
pub fn history(records: &[&Record], commit: &str) -> Vec<u8> {
    let mut records = records.to_vec();
    records.sort_by_key(|record| record.facts.started);
    let rows: Vec<(&Record, Vec<Metric>)> =
        records.into_iter().map(|record| (record, metrics(record))).collect();
    let mut names: Vec<String> = Vec::new();
    for metric in rows.iter().flat_map(|(_, metrics)| metrics) {
        let name = column(metric);
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let header: Vec<&str> = HISTORY.into_iter().chain(names.iter().map(String::as_str)).collect();
    let cells = |(record, metrics): &(&Record, Vec<Metric>)| {
        let time = record.facts.started.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let mut row = vec![time, cell(commit.as_bytes()), cell(record.scenario.name.as_bytes())];
        for name in &names {
            let found = metrics.iter().find(|metric| column(metric) == *name);
            row.push(found.map_or_else(String::new, |metric| number(metric.value)));
        }
        row
    };
    table(&header, rows.iter().map(cells))
}

/// A name with its unit, as in the other CSV files.
fn column(metric: &Metric) -> String {
    let name = metric.name.replace(['.', '-'], "_");
    match metric.unit {
        MetricUnit::PerSecond => name,
        MetricUnit::ShareOfGood | MetricUnit::ShareOfBad => format!("{name}_share"),
        MetricUnit::Microseconds => match name.rsplit_once("_p") {
            Some((step, percentile)) => format!("{step}_us_p{percentile}"),
            None => format!("{name}_us"),
        },
    }
}
