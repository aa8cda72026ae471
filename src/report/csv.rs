//! The CSV files of a result folder. Their columns are explained in `results/README.md`.

use super::beside::{accepted_in_all, cpu_us_per_message};
use crate::clock::Duration;
use crate::measure::histogram::Estimate;
use crate::measure::outcome::Fate;
use crate::measure::pairs::PairRow;
use crate::measure::summary::{Figures, Summary};
use crate::measure::thresholds::Unit;
use crate::report::escape::cell;
use crate::report::record::{Record, TargetRecord};
use crate::stats::share::Share;

const SUMMARY: &[&str] = &[
    "target",
    "verdict",
    "messages_per_s",
    "messages_per_h",
    "accepted_share",
    "accepted_share_low",
    "accepted_share_high",
    "eod_us_p50",
    "eod_us_p50_low",
    "eod_us_p50_high",
    "eod_us_p99",
    "eod_us_p99_low",
    "eod_us_p99_high",
];
const LATENCY: &[&str] = &[
    "target",
    "stage",
    "script",
    "step",
    "clock",
    "outcome",
    "count",
    "overflow_count",
    "us_min",
    "us_mean",
    "us_stddev",
    "us_p50",
    "us_p75",
    "us_p90",
    "us_p95",
    "us_p99",
    "us_p99_9",
    "us_p99_99",
    "us_max",
    "us_p50_low",
    "us_p50_high",
    "us_p95_low",
    "us_p95_high",
    "us_p99_low",
    "us_p99_high",
];
const REPLIES: &[&str] = &[
    "target",
    "stage",
    "script",
    "step",
    "reply_code",
    "enhanced_code",
    "outcome",
    "count",
    "share",
    "sample_text",
];
const OUTCOMES: &[&str] = &[
    "target",
    "stage",
    "script",
    "unit",
    "outcome",
    "count",
    "base",
    "share",
    "share_low",
    "share_high",
];
const FAILURES: &[&str] =
    &["target", "stage", "script", "step", "failure", "fault", "count", "detail"];
const INTERVALS: &[&str] = &[
    "target",
    "stage",
    "second",
    "offered",
    "started",
    "accepted",
    "deferred",
    "rejected",
    "failed",
    "in_doubt",
    "unfinished",
    "abandoned",
    "generator_failed",
    "open_sessions",
    "replies_2yz",
    "replies_4yz",
    "replies_5yz",
    "messages_per_s",
    "bytes_per_s",
    "lag_us_p99",
    "eod_us_p50",
    "eod_us_p99",
];
const ADDRESSES: &[&str] = &[
    "target",
    "stage",
    "number",
    "host",
    "address",
    "preference",
    "sessions",
    "connect_failures",
    "attempted",
    "accepted",
    "deferred",
    "rejected",
    "failed",
    "in_doubt",
    "unfinished",
    "connect_us_p50",
    "connect_us_p50_low",
    "connect_us_p50_high",
    "connect_us_p99",
    "connect_us_p99_low",
    "connect_us_p99_high",
    "greeting_us_p50",
    "greeting_us_p50_low",
    "greeting_us_p50_high",
    "greeting_us_p99",
    "greeting_us_p99_low",
    "greeting_us_p99_high",
    "eod_us_p50",
    "eod_us_p50_low",
    "eod_us_p50_high",
    "eod_us_p99",
    "eod_us_p99_low",
    "eod_us_p99_high",
];
const SERVER: &[&str] = &[
    "target",
    "messages",
    "cpu_us_user",
    "cpu_us_system",
    "cpu_us_per_message",
    "rss_bytes_peak",
    "rss_bytes_end",
];
const PAIRS: &[&str] = &[
    "first",
    "second",
    "metric",
    "unit",
    "first_value",
    "second_value",
    "difference",
    "difference_low",
    "difference_high",
    "parts",
    "verdict",
];
const THRESHOLDS: &[&str] = &["target", "threshold", "value", "limit", "verdict"];

/// Every CSV file with its name. The rows of all targets are in the same files.
#[must_use]
pub fn files(record: &Record) -> Vec<(&'static str, Vec<u8>)> {
    type Rows = fn(&Summary) -> Vec<Vec<String>>;
    let files: [(&str, &[&str], Rows); 8] = [
        ("summary.csv", SUMMARY, totals),
        ("latency.csv", LATENCY, latency),
        ("replies.csv", REPLIES, replies),
        ("outcomes.csv", OUTCOMES, outcomes),
        ("failures.csv", FAILURES, failures),
        ("addresses.csv", ADDRESSES, addresses),
        ("intervals.csv", INTERVALS, intervals),
        ("thresholds.csv", THRESHOLDS, thresholds),
    ];
    let file = |(name, header, rows): (&'static str, &[&str], Rows)| {
        (name, table(header, record.summaries().flat_map(rows)))
    };
    let mut files: Vec<_> = files.into_iter().map(file).collect();
    // What most runs do not have.
    if record.targets.iter().any(|target| target.cost.is_some()) {
        files.push(("server.csv", table(SERVER, record.targets.iter().map(server))));
    }
    if record.targets.len() > 1 {
        files.push(("pairs.csv", table(PAIRS, record.pairs.iter().map(pair))));
    }
    files
}

fn server(target: &TargetRecord) -> Vec<String> {
    let us = |time: Duration| time.as_micros();
    let cost = target.cost;
    vec![
        cell(target.name.as_bytes()),
        accepted_in_all(&target.summary).to_string(),
        optional(cost.map(|cost| us(cost.cpu_user))),
        optional(cost.map(|cost| us(cost.cpu_system))),
        optional(cpu_us_per_message(target).map(number)),
        optional(cost.map(|cost| cost.rss_bytes_peak)),
        optional(cost.map(|cost| cost.rss_bytes_end)),
    ]
}

fn pair(row: &PairRow) -> Vec<String> {
    vec![
        cell(row.first.as_bytes()),
        cell(row.second.as_bytes()),
        row.metric.clone(),
        row.unit.name().to_owned(),
        optional(row.first_value.map(number)),
        optional(row.second_value.map(number)),
        optional(row.difference.map(|difference| number(difference.value))),
        optional(row.difference.map(|difference| number(difference.low))),
        optional(row.difference.map(|difference| number(difference.high))),
        row.parts.to_string(),
        row.verdict.name().to_owned(),
    ]
}

/// A header row, always, and the rows.
pub(super) fn table(header: &[&str], rows: impl Iterator<Item = Vec<String>>) -> Vec<u8> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let written = writer
        .write_record(header)
        .and_then(|()| rows.into_iter().try_for_each(|row| writer.write_record(row)));
    written.expect("every row has as many cells as the header, and memory takes them");
    writer.into_inner().expect("memory takes every byte")
}

fn totals(summary: &Summary) -> Vec<Vec<String>> {
    let rows = summary.totals.iter().map(|row| {
        let mut cells = vec![
            cell(row.target.as_bytes()),
            summary.validity.verdict.to_string(),
            optional(row.messages_per_s.map(number)),
            optional(row.messages_per_s.map(|rate| number(rate * 3600.0))),
        ];
        cells.extend(share(row.accepted));
        cells.extend(estimate(row.eod_p50));
        cells.extend(estimate(row.eod_p99));
        cells
    });
    rows.collect()
}

fn latency(summary: &Summary) -> Vec<Vec<String>> {
    let rows = summary.latency.iter().map(|row| {
        let mut cells = vec![
            cell(row.target.as_bytes()),
            cell(row.stage.as_bytes()),
            cell(row.script.as_deref().unwrap_or("all").as_bytes()),
            cell(row.step.as_bytes()),
            row.clock.name().to_owned(),
            row.outcome.map_or("all", |outcome| outcome.name()).to_owned(),
        ];
        cells.extend(figures(&row.figures));
        cells
    });
    rows.collect()
}

/// From `count` to the end of a row of `latency.csv`.
fn figures(figures: &Figures) -> Vec<String> {
    let value = |estimate: Option<Estimate>| optional(estimate.map(|estimate| estimate.value));
    let mut cells = vec![
        figures.count.to_string(),
        figures.overflow_count.to_string(),
        optional(figures.us_min),
        optional(figures.us_mean),
        optional(figures.us_stddev),
        value(figures.p50),
        value(figures.p75),
        value(figures.p90),
        value(figures.p95),
        value(figures.p99),
        value(figures.p99_9),
        value(figures.p99_99),
        optional(figures.us_max),
    ];
    for percentile in [figures.p50, figures.p95, figures.p99] {
        let [_, low, high] = estimate(percentile);
        cells.extend([low, high]);
    }
    cells
}

fn replies(summary: &Summary) -> Vec<Vec<String>> {
    let rows = summary.replies.iter().map(|row| {
        vec![
            cell(row.target.as_bytes()),
            cell(row.stage.as_bytes()),
            cell(row.script.as_bytes()),
            cell(row.step.as_bytes()),
            row.reply_code.to_string(),
            optional(row.enhanced_code.as_deref()),
            row.outcome.name().to_owned(),
            row.count.to_string(),
            number(row.share),
            cell(&row.sample_text),
        ]
    });
    rows.collect()
}

fn outcomes(summary: &Summary) -> Vec<Vec<String>> {
    let rows = summary.outcomes.iter().map(|row| {
        let mut cells = vec![
            cell(row.target.as_bytes()),
            cell(row.stage.as_bytes()),
            cell(row.script.as_deref().unwrap_or_default().as_bytes()),
            row.unit.name().to_owned(),
            row.outcome.to_owned(),
            row.count.to_string(),
            optional(row.base),
        ];
        cells.extend(share(row.share));
        cells
    });
    rows.collect()
}

fn failures(summary: &Summary) -> Vec<Vec<String>> {
    let rows = summary.failures.iter().map(|row| {
        vec![
            cell(row.target.as_bytes()),
            cell(row.stage.as_bytes()),
            cell(row.script.as_bytes()),
            cell(row.step.as_bytes()),
            row.failure.name().to_owned(),
            row.failure.fault().name().to_owned(),
            row.count.to_string(),
            cell(&row.detail),
        ]
    });
    rows.collect()
}

fn intervals(summary: &Summary) -> Vec<Vec<String>> {
    let rows = summary.intervals.iter().map(|row| {
        vec![
            cell(row.target.as_bytes()),
            cell(row.stage.as_bytes()),
            number(row.second),
            optional(row.offered),
            row.started.to_string(),
            row.fates.of(Fate::Accepted).to_string(),
            row.fates.of(Fate::Deferred).to_string(),
            row.fates.of(Fate::Rejected).to_string(),
            row.fates.of(Fate::Failed).to_string(),
            row.fates.of(Fate::InDoubt).to_string(),
            row.fates.of(Fate::Unfinished).to_string(),
            row.fates.of(Fate::Abandoned).to_string(),
            row.fates.of(Fate::GeneratorFailed).to_string(),
            row.open_sessions.to_string(),
            row.replies_2yz.to_string(),
            row.replies_4yz.to_string(),
            row.replies_5yz.to_string(),
            optional(row.messages_per_s.map(number)),
            optional(row.bytes_per_s.map(number)),
            optional(row.lag_us_p99),
            optional(row.eod_us_p50),
            optional(row.eod_us_p99),
        ]
    });
    rows.collect()
}

fn addresses(summary: &Summary) -> Vec<Vec<String>> {
    let rows = summary.addresses.iter().map(|row| {
        let (one, fates) = (&row.destination, &row.tally.fates);
        let mut cells = vec![
            cell(row.target.as_bytes()),
            cell(row.stage.as_bytes()),
            row.number.to_string(),
            cell(one.host.as_deref().unwrap_or_default().as_bytes()),
            cell(one.address.to_string().as_bytes()),
            optional(one.host.as_ref().map(|_| one.preference)),
            row.tally.sessions.to_string(),
            row.tally.connect_failures.to_string(),
            fates.sum().to_string(),
            fates.of(Fate::Accepted).to_string(),
            fates.of(Fate::Deferred).to_string(),
            fates.of(Fate::Rejected).to_string(),
            fates.of(Fate::Failed).to_string(),
            fates.of(Fate::InDoubt).to_string(),
            fates.of(Fate::Unfinished).to_string(),
        ];
        for times in [row.connect, row.greeting, row.eod] {
            cells.extend(estimate(times.p50));
            cells.extend(estimate(times.p99));
        }
        cells
    });
    rows.collect()
}

fn thresholds(summary: &Summary) -> Vec<Vec<String>> {
    let rows = summary.thresholds.iter().map(|row| {
        let in_unit = |value: f64| match row.unit {
            Unit::Share | Unit::PerSecond | Unit::PerHour => number(value),
            Unit::Microseconds => format!("{value:.0}"),
        };
        vec![
            cell(summary.target.as_bytes()),
            cell(row.threshold.as_bytes()),
            optional(row.value.map(in_unit)),
            in_unit(row.limit),
            if row.passed { "pass" } else { "fail" }.to_owned(),
        ]
    });
    rows.collect()
}

pub(super) fn share(share: Option<Share>) -> [String; 3] {
    [share.map(|s| s.value), share.map(|s| s.low), share.map(|s| s.high)]
        .map(|value| optional(value.map(number)))
}

pub(super) fn estimate(estimate: Option<Estimate>) -> [String; 3] {
    [
        optional(estimate.map(|estimate| estimate.value)),
        optional(estimate.and_then(|estimate| estimate.low)),
        optional(estimate.and_then(|estimate| estimate.high)),
    ]
}

/// Empty is "not measured", and never 0.
pub(super) fn optional(value: Option<impl ToString>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

/// Six digits after the point, without zeros at the end; nothing for what is no number.
pub(super) fn number(value: f64) -> String {
    if !value.is_finite() {
        return String::new();
    }
    let text = format!("{value:.6}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
