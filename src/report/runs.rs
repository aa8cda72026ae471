//! Repeated runs of one scenario: a row a run, and how far they spread.

use std::fmt::Write as _;

use super::csv::{ends, estimate, number, optional, share, table};
use super::escape::cell;
use super::margin;
use super::text::{cut, decimal, micros, percent, threshold_value};
use crate::measure::histogram::Estimate;
use crate::measure::outcome::Clock;
use crate::measure::summary::Summary;
use crate::measure::validity::Verdict;
use crate::stats::binomial::as_f64;
use crate::stats::quantile::Quantile;
use crate::stats::rate::Rate;
use crate::stats::share::Share;

const COLUMNS: &[&str] = &[
    "folder",
    "target",
    "verdict",
    "exit_code",
    "failed_conditions",
    "achieved_share",
    "messages_per_s",
    "messages_per_s_low",
    "messages_per_s_high",
    "accepted_share",
    "accepted_share_low",
    "accepted_share_high",
    "eod_us_p50",
    "eod_us_p50_low",
    "eod_us_p50_high",
    "eod_us_p95",
    "eod_us_p95_low",
    "eod_us_p95_high",
    "eod_us_p99",
    "eod_us_p99_low",
    "eod_us_p99_high",
    "transaction_clock",
    "transaction_us_p50",
    "transaction_us_p50_low",
    "transaction_us_p50_high",
    "transaction_us_p95",
    "transaction_us_p95_low",
    "transaction_us_p95_high",
    "transaction_us_p99",
    "transaction_us_p99_low",
    "transaction_us_p99_high",
];

/// One of several runs of the same.
#[derive(Clone, Debug, PartialEq)]
pub struct RunRow {
    /// Its folder, beside the table.
    pub folder: String,
    /// The name of its target.
    pub target: String,
    /// What it is worth.
    pub verdict: Verdict,
    /// Its own exit code.
    pub exit_code: u8,
    /// The conditions that did not hold, each with what was measured.
    pub failed: Vec<String>,
    /// Started of what was due; `None` under closed load.
    pub achieved: Option<f64>,
    /// Accepted messages a second.
    pub messages_per_s: Option<f64>,
    /// The same with its interval.
    pub messages_rate: Option<Rate>,
    /// Of attempted messages.
    pub accepted: Option<Share>,
    /// End of data: p50, p95, p99.
    pub eod: [Option<Estimate>; 3],
    /// What `transaction` is from: its intended start under open load, else its own.
    pub clock: Clock,
    /// Transactions: the same.
    pub transaction: [Option<Estimate>; 3],
}

impl RunRow {
    /// The row of a run at one of its targets.
    #[must_use]
    pub fn new(folder: &str, target: &str, exit_code: u8, summary: &Summary) -> Self {
        let percentiles = |step: &str, clock: Clock| {
            let mut rows = summary.steps.iter();
            let row = rows.find(|row| row.step == step && row.clock == clock)?;
            Some([row.figures.p50, row.figures.p95, row.figures.p99])
        };
        let missed = summary.thresholds.iter().filter(|row| !row.passed);
        let total = summary.totals.first();
        let arrivals = summary.arrivals.filter(|arrivals| arrivals.due > 0);
        let response = percentiles("transaction", Clock::Response);
        let clock = if response.is_some() { Clock::Response } else { Clock::Service };
        let transaction = response.or_else(|| percentiles("transaction", Clock::Service));
        Self {
            folder: folder.to_owned(),
            target: target.to_owned(),
            verdict: summary.validity.verdict,
            exit_code,
            failed: missed
                .map(|row| format!("{} ({})", row.threshold, threshold_value(row)))
                .collect(),
            achieved: arrivals.map(|arrivals| as_f64(arrivals.started) / as_f64(arrivals.due)),
            messages_per_s: total.and_then(|total| total.messages_per_s),
            messages_rate: summary.rate(),
            accepted: total.and_then(|total| total.accepted),
            eod: percentiles("eod", Clock::Service).unwrap_or_default(),
            clock,
            transaction: transaction.unwrap_or_default(),
        }
    }

    /// The run in a line.
    #[must_use]
    pub fn line(&self) -> String {
        let [p50, _, p99] = self.eod.map(margin::estimate);
        let mut line = format!(
            "{} {}: {}, {} messages a second accepted ({}), eod p50 {p50}, p99 {p99}",
            self.folder,
            self.target,
            self.verdict.name(),
            self.messages_per_s
                .map_or("-".to_owned(), |rate| margin::rate(rate, self.messages_rate)),
            self.accepted.map_or("-".to_owned(), margin::share),
        );
        for failed in &self.failed {
            line.push_str("; ");
            line.push_str(failed);
        }
        line
    }

    fn cells(&self) -> Vec<String> {
        let mut cells = vec![
            cell(self.folder.as_bytes()),
            cell(self.target.as_bytes()),
            self.verdict.name().to_owned(),
            self.exit_code.to_string(),
            cell(self.failed.join("; ").as_bytes()),
            optional(self.achieved.map(number)),
            optional(self.messages_per_s.map(number)),
        ];
        cells.extend(ends(self.messages_rate));
        cells.extend(share(self.accepted));
        cells.extend(self.eod.into_iter().flat_map(estimate));
        cells.push(self.clock.name().to_owned());
        cells.extend(self.transaction.into_iter().flat_map(estimate));
        cells
    }
}

/// `runs.csv`: a row a run.
#[must_use]
pub fn runs_csv(rows: &[RunRow]) -> Vec<u8> {
    table(COLUMNS, rows.iter().map(RunRow::cells))
}

/// How far the runs spread, for a person: of each figure the median of the runs with its 95 % interval, the least and
/// the most; a table a target.
#[must_use]
pub fn spread(rows: &[RunRow]) -> String {
    let mut targets: Vec<&str> = Vec::new();
    for row in rows.iter().filter(|row| !row.target.is_empty()) {
        if !targets.contains(&row.target.as_str()) {
            targets.push(&row.target);
        }
    }
    let of_target = |target: &&str| -> String {
        let rows: Vec<&RunRow> = rows.iter().filter(|row| row.target == *target).collect();
        let heading = match targets.len() {
            1 => "over the runs".to_owned(),
            _ => cut(&format!("over the runs, {target}"), 26),
        };
        spread_of(&heading, &rows)
    };
    targets.iter().map(of_target).collect::<Vec<_>>().join("\n\n")
}

fn spread_of(heading: &str, rows: &[&RunRow]) -> String {
    let mut text = format!(
        "{:26}{:>6}{:>12}  {:25}{:>12}{:>12}{:>9}",
        heading, "runs", "median", "95 % interval of it", "least", "most", "spread"
    );
    let transaction = match rows.first().map(|row| row.clock) {
        Some(Clock::Response) => "transaction.response",
        _ => "transaction",
    };
    let mut line =
        |name: &str, show: &dyn Fn(f64) -> String, of: &dyn Fn(&RunRow) -> Option<f64>| {
            let mut values: Vec<f64> = rows.iter().filter_map(|row| of(row)).collect();
            values.sort_by(f64::total_cmp);
            if let Some(figures) = Spread::of(&values) {
                let interval = match figures.interval {
                    Some((low, high)) => format!("{} .. {}", show(low), show(high)),
                    None => format!("- (from {} runs on)", Quantile::P50.samples_needed()),
                };
                let _ = write!(
                    text,
                    "\n{name:26}{:>6}{:>12}  {interval:25}{:>12}{:>12}{:>9}",
                    values.len(),
                    show(figures.median),
                    show(figures.least),
                    show(figures.most),
                    figures.relative().map_or("-".to_owned(), percent_of),
                );
            }
        };
    line("messages_per_s", &|rate| format!("{}/s", decimal(rate)), &|row| row.messages_per_s);
    line("accepted", &percent, &|row| row.accepted.map(|share| share.value));
    line("achieved_rate", &percent, &|row| row.achieved);
    let value = |one: Option<Estimate>| one.map(|one| as_f64(one.value));
    for (index, quantile) in ["p50", "p95", "p99"].iter().enumerate() {
        line(&format!("eod.{quantile}"), &micros, &|row| value(row.eod[index]));
    }
    for (index, quantile) in ["p50", "p95", "p99"].iter().enumerate() {
        line(&format!("{transaction}.{quantile}"), &micros, &|row| value(row.transaction[index]));
    }
    text
}

/// A figure over several runs.
struct Spread {
    median: f64,
    /// Of the median.
    interval: Option<(f64, f64)>,
    least: f64,
    most: f64,
}

impl Spread {
    /// Of sorted values; `None` without any.
    fn of(values: &[f64]) -> Option<Self> {
        let (least, most) = (*values.first()?, *values.last()?);
        let last = values.len() - 1;
        let at = |rank: u64| values.get(usize::try_from(rank).ok()?.checked_sub(1)?).copied();
        let ranks = Quantile::P50.interval(u64::try_from(values.len()).ok()?);
        let interval = ranks.and_then(|ranks| Some((at(ranks.low?)?, at(ranks.high)?)));
        let median = f64::midpoint(values[last / 2], values[last.div_ceil(2)]);
        Some(Self { median, interval, least, most })
    }

    /// From the least to the most, as a share of the median.
    fn relative(&self) -> Option<f64> {
        (self.median > 0.0).then(|| (self.most - self.least) / self.median)
    }
}

fn percent_of(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(number: u32) -> RunRow {
        let us = u64::from(1_000 + 10 * number);
        let one = Some(Estimate { value: us, low: Some(us - 5), high: Some(us + 5) });
        RunRow {
            folder: format!("run-{number}"),
            target: "target".to_owned(),
            verdict: Verdict::Valid,
            exit_code: 0,
            failed: Vec::new(),
            achieved: None,
            messages_per_s: Some(100.0 + f64::from(number)),
            messages_rate: None,
            accepted: Share::of(1_000, 1_000),
            eod: [one, one, None],
            clock: Clock::Service,
            transaction: [one; 3],
        }
    }

    #[test]
    fn the_spread_is_that_of_the_runs() {
        let rows: Vec<RunRow> = (0..10).map(row).collect();
        let text = spread(&rows);
        let line =
            |name: &str| text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
        // Of ten values the second and the ninth enclose the median with 97.9 %.
        let rate: Vec<&str> = line("messages_per_s").split_whitespace().collect();
        let want =
            ["messages_per_s", "10", "105/s", "101/s", "..", "108/s", "100/s", "109/s", "8.6", "%"];
        assert_eq!(rate, want, "{text}");
        assert!(line("eod.p50").contains("1.04 ms"), "{text}");
        assert_eq!(line("eod.p99"), "", "{text}");
        assert_eq!(line("achieved_rate"), "", "{text}");
        let few = spread(&rows[..3]);
        assert!(few.contains("from 9 runs on"), "{few}");
        assert_eq!(spread(&[]), "");
        let beside = RunRow { target: "other".to_owned(), ..row(3) };
        let both = spread(&[rows, vec![beside]].concat());
        assert!(both.contains("over the runs, other"), "{both}");
    }

    #[test]
    fn every_run_has_a_row() {
        let rows: Vec<RunRow> = (1..4).map(row).collect();
        let bytes = runs_csv(&rows);
        let mut reader = csv::Reader::from_reader(bytes.as_slice());
        let read: Vec<csv::StringRecord> = reader.records().collect::<Result<_, _>>().unwrap();
        assert_eq!(read.len(), 3);
        assert_eq!((&read[2][0], &read[2][12], &read[2][18]), ("run-3", "1030", ""));
    }
}
