//! Targets side by side: a column each, how they differ two by two, and what only some of them offer.

use std::fmt::Write as _;

use super::text::{cut, decimal, grouped, micros, percent, time};
use crate::measure::outcome::Clock;
use crate::measure::pairs::{PairRow, PairVerdict};
use crate::measure::summary::{MailUnit, Summary};
use crate::measure::thresholds::Unit;
use crate::report::record::{Record, TargetRecord};
use crate::smtp::text::printable;
use crate::units::ByteSize;

/// Columns of the words at the left, and of each target.
const LABEL: usize = 20;
const COLUMN: usize = 16;
/// Targets in one table: five fit a line of 100 columns.
const COLUMNS_MAX: usize = 5;
/// Most differences that are told one by one; `pairs.csv` has them all.
const LINES_MAX: usize = 24;

/// How many messages a target accepted in the whole run, in all stages.
pub(super) fn accepted_in_all(summary: &Summary) -> u64 {
    let rows = summary.outcomes.iter();
    rows.filter(|row| row.unit == MailUnit::Message && row.outcome == "accepted")
        .map(|row| row.count)
        .sum()
}

/// Processor time of a server for each message, where it was started for the run.
pub(super) fn cpu_us_per_message(target: &TargetRecord) -> Option<f64> {
    let cost = target.cost?;
    let accepted = accepted_in_all(&target.summary);
    let cpu = cost.cpu_user + cost.cpu_system;
    #[expect(clippy::cast_precision_loss, reason = "a mean for the eye")]
    (accepted > 0).then(|| cpu.as_secs_f64() * 1e6 / accepted as f64)
}

/// A table with a column a target; nothing where there is only one.
pub(super) fn table(record: &Record) -> Vec<String> {
    let mut lines = Vec::new();
    if record.targets.len() < 2 {
        return lines;
    }
    for targets in record.targets.chunks(COLUMNS_MAX) {
        let row = |label: &str, cell: &dyn Fn(&TargetRecord) -> String| {
            let mut line = format!("{label:LABEL$}");
            for target in targets {
                let _ = write!(line, "{:>COLUMN$}", cut(&cell(target), COLUMN - 1));
            }
            line
        };
        lines.push(row("target", &|target| target.name.clone()));
        lines.push(row("verdict", &|target| target.summary.validity.verdict.to_string()));
        lines.push(row("thresholds", &|target| thresholds(&target.summary)));
        lines.push(row("messages a second", &|target| {
            let rate = target.summary.totals.first().and_then(|total| total.messages_per_s);
            rate.map_or("-".to_owned(), decimal)
        }));
        lines.push(row("accepted", &|target| {
            let share = target.summary.totals.first().and_then(|total| total.accepted);
            share.map_or("-".to_owned(), |share| percent(share.value))
        }));
        for step in ["connect", "eod"] {
            for (name, high) in [("p50", false), ("p99", true)] {
                let label = format!("{step} {name}");
                let cell = |target: &TargetRecord| step_time(&target.summary, step, high);
                if targets.iter().any(|target| cell(target) != "-") {
                    lines.push(row(&label, &cell));
                }
            }
        }
        if targets.iter().any(|target| target.cost.is_some()) {
            lines.push(row("CPU a message", &|target| {
                cpu_us_per_message(target).map_or("-".to_owned(), micros)
            }));
            lines.push(row("memory, peak", &|target| {
                let peak = target.cost.map(|cost| ByteSize(cost.rss_bytes_peak).to_string());
                peak.unwrap_or("-".to_owned())
            }));
        }
        lines.push(String::new());
    }
    lines.pop();
    lines
}

fn thresholds(summary: &Summary) -> String {
    let passed = summary.thresholds.iter().filter(|row| row.passed).count();
    match summary.thresholds.len() {
        0 => "-".to_owned(),
        all if all == passed => "pass".to_owned(),
        all => format!("{} of {all} FAIL", all - passed),
    }
}

fn step_time(summary: &Summary, step: &str, high: bool) -> String {
    let service =
        |row: &&crate::measure::summary::StepRow| row.step == step && row.clock == Clock::Service;
    let figures = summary.steps.iter().find(service).map(|row| &row.figures);
    let of = figures.and_then(|figures| if high { figures.p99 } else { figures.p50 });
    time(of.map(|estimate| estimate.value))
}

/// What can be said of each two of them, as lines.
pub(super) fn differences(record: &Record) -> Vec<String> {
    let mut lines = Vec::new();
    let different =
        record.pairs.iter().filter(|row| row.verdict == PairVerdict::Different).collect::<Vec<_>>();
    for row in different.iter().take(LINES_MAX) {
        lines.push(difference_words(row));
    }
    if different.len() > LINES_MAX {
        lines.push(format!("… and {} more in pairs.csv", different.len() - LINES_MAX));
    }
    let mut named: Vec<(&str, &str)> = Vec::new();
    for row in &record.pairs {
        let pair = (row.first.as_str(), row.second.as_str());
        if !named.contains(&pair) {
            named.push(pair);
        }
    }
    for (first, second) in named.into_iter().take(LINES_MAX) {
        let of_pair = |row: &&PairRow| row.first == first && row.second == second;
        for (verdict, what) in [
            (PairVerdict::NotTold, "cannot be told apart by"),
            (PairVerdict::TooFew, "have too little to compare of"),
        ] {
            let rows = record.pairs.iter().filter(of_pair).filter(|row| row.verdict == verdict);
            let metrics: Vec<String> = rows.map(could_see).collect();
            if !metrics.is_empty() {
                lines.push(format!("{first} and {second} {what} {}", metrics.join(", ")));
            }
        }
    }
    lines
}

/// A metric that tells nothing, with the interval in which the difference lies, where there is one.
fn could_see(row: &PairRow) -> String {
    match &row.difference {
        None => row.metric.clone(),
        Some(one) => {
            format!("{} ({} to {})", row.metric, signed(one.low), signed(one.high))
        }
    }
}

fn difference_words(row: &PairRow) -> String {
    let PairRow { first, second, metric, unit, .. } = row;
    let value = |value: Option<f64>| match (value, unit) {
        (None, _) => "-".to_owned(),
        (Some(value), Unit::Share) => percent(value),
        (Some(value), Unit::Microseconds) => micros(value),
        (Some(value), Unit::PerSecond | Unit::PerHour) => decimal(value),
    };
    let values = format!(
        "{metric}: {first} {}, {second} {}",
        value(row.first_value),
        value(row.second_value)
    );
    let points = if *unit == Unit::Share { " points" } else { "" };
    match &row.difference {
        None => values,
        Some(one) => format!(
            "{values}, {}{points} [{}, {}]",
            signed(one.value),
            signed(one.low),
            signed(one.high)
        ),
    }
}

fn signed(share: f64) -> String {
    format!("{:+.1} %", share * 100.0)
}

/// What only some of those offer that were asked, a line a target.
pub(super) fn capabilities(record: &Record) -> Vec<String> {
    let asked: Vec<&TargetRecord> =
        record.targets.iter().filter(|target| target.greeting.is_some()).collect();
    let all_have = |line: &String| {
        asked.iter().all(|target| target.capabilities.iter().any(|one| one == line))
    };
    let mut lines = Vec::new();
    for target in asked.iter().filter(|_| asked.len() > 1) {
        let own: Vec<String> = target
            .capabilities
            .iter()
            .filter(|line| !all_have(line))
            .map(|line| printable(line.as_bytes()))
            .collect();
        if !own.is_empty() {
            lines.push(format!("{}: {}", target.name, own.join(", ")));
        }
    }
    lines
}

/// What servers took that were started for the run, in words.
pub(super) fn server_words(target: &TargetRecord) -> Option<String> {
    let cost = target.cost?;
    let time = |time: crate::clock::Duration| format!("{:.2} s", time.as_secs_f64());
    let each = cpu_us_per_message(target).map_or(String::new(), |us| {
        format!(
            " ({} for each of {} messages)",
            micros(us),
            grouped(accepted_in_all(&target.summary))
        )
    });
    let (peak, end) = (ByteSize(cost.rss_bytes_peak), ByteSize(cost.rss_bytes_end));
    Some(format!(
        "CPU {} in the program and {} in the system{each}; memory {peak} at most, {end} at the end",
        time(cost.cpu_user),
        time(cost.cpu_system)
    ))
}
