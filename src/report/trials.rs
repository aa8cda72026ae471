//! Runs of one load at several rates: a row a run, as CSV and in a line, and the curve over them.

use std::fmt::Write as _;

use super::chart::{Chart, Point, Series};
use super::csv::{ends, estimate, number, optional, share, table};
use super::margin;
use super::text::{percent, threshold_value};
use crate::measure::histogram::Estimate;
use crate::measure::outcome::Clock;
use crate::measure::summary::{StepRow, Summary};
use crate::measure::validity::Verdict;
use crate::report::escape::cell;
use crate::stats::binomial::as_f64;
use crate::stats::rate::Rate;
use crate::stats::share::Share;
use crate::units::ArrivalUnit;

/// Columns of every run.
const COLUMNS: &[&str] = &[
    "folder",
    "rate",
    "unit",
    "verdict",
    "failed_conditions",
    "achieved_share",
    "messages_per_s",
    "messages_per_s_low",
    "messages_per_s_high",
    "accepted_share",
    "accepted_share_low",
    "accepted_share_high",
    "response_us_p50",
    "response_us_p50_low",
    "response_us_p50_high",
    "response_us_p95",
    "response_us_p95_low",
    "response_us_p95_high",
    "response_us_p99",
    "response_us_p99_low",
    "response_us_p99_high",
    "service_us_p50",
    "service_us_p50_low",
    "service_us_p50_high",
    "service_us_p95",
    "service_us_p95_low",
    "service_us_p95_high",
    "service_us_p99",
    "service_us_p99_low",
    "service_us_p99_high",
    "lag_us_p99",
    "lag_us_p99_low",
    "lag_us_p99_high",
];

/// One run among several at different rates.
#[derive(Clone, Debug, PartialEq)]
pub struct TrialRow {
    /// Its folder, beside the table.
    pub folder: String,
    /// Offered, a second.
    pub rate: f64,
    /// What arrived.
    pub unit: ArrivalUnit,
    /// What it is worth; valid, whatever its thresholds say.
    pub validity: Verdict,
    /// The conditions that did not hold, each with what was measured, and a rule that ended the run.
    pub failed: Vec<String>,
    /// Started of what was due.
    pub achieved: Option<f64>,
    /// Accepted messages a second.
    pub messages_per_s: Option<f64>,
    /// The same with its interval.
    pub messages_rate: Option<Rate>,
    /// Of attempted messages.
    pub accepted: Option<Share>,
    /// Transactions from their intended start (sessions where there are none): p50, p95, p99.
    pub response: [Option<Estimate>; 3],
    /// The same from their actual start.
    pub service: [Option<Estimate>; 3],
    /// Actual minus intended start: p99.
    pub lag_p99: Option<Estimate>,
}

impl TrialRow {
    /// The row of a run.
    #[must_use]
    pub fn new(folder: &str, rate: f64, unit: ArrivalUnit, summary: &Summary) -> Self {
        let missed = summary.thresholds.iter().filter(|row| !row.passed);
        let missed = missed.map(|row| format!("{} ({})", row.threshold, threshold_value(row)));
        let stopped = summary.stopped.iter().map(|stopped| format!("stopped: {stopped}"));
        let total = summary.totals.first();
        let arrivals = summary.arrivals.filter(|arrivals| arrivals.due > 0);
        Self {
            folder: folder.to_owned(),
            rate,
            unit,
            validity: summary.validity.verdict,
            failed: missed.chain(stopped).collect(),
            achieved: arrivals.map(|arrivals| as_f64(arrivals.started) / as_f64(arrivals.due)),
            messages_per_s: total.and_then(|total| total.messages_per_s),
            messages_rate: summary.rate(),
            accepted: total.and_then(|total| total.accepted),
            response: percentiles(summary, Clock::Response),
            service: percentiles(summary, Clock::Service),
            lag_p99: percentiles(summary, Clock::Lag)[2],
        }
    }

    /// Whether every condition held in a run that may be believed.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.validity == Verdict::Valid && self.failed.is_empty()
    }

    /// `held`, `missed`, or why it says nothing.
    #[must_use]
    pub fn verdict(&self) -> &'static str {
        match self.validity {
            Verdict::Valid if self.failed.is_empty() => "held",
            Verdict::Valid => "missed",
            other => other.name(),
        }
    }

    /// The offered rate in words.
    #[must_use]
    pub fn offered(&self) -> String {
        in_words(self.rate, self.unit)
    }

    /// What was measured, in a few words.
    #[must_use]
    pub fn figures(&self) -> String {
        let [p50, _, p99] = self.response.map(margin::estimate);
        format!(
            "{} messages a second accepted ({}), response p50 {p50}, p99 {p99}",
            self.accepted_per_s(),
            self.accepted.map_or("-".to_owned(), margin::share),
        )
    }

    fn accepted_per_s(&self) -> String {
        let rate = self.messages_per_s.map(|rate| margin::rate(rate, self.messages_rate));
        rate.unwrap_or_else(|| "-".to_owned())
    }

    /// All of it in a line.
    #[must_use]
    pub fn line(&self) -> String {
        let mut line = format!("{}: {}, {}", self.offered(), self.verdict(), self.figures());
        for failed in &self.failed {
            line.push_str("; ");
            line.push_str(failed);
        }
        line
    }

    /// Rows for a person.
    #[must_use]
    pub fn table(rows: &[Self]) -> String {
        let mut text = format!(
            "{:>10}{:>10}{:>15}{:>15}{:>16}{:>16}{:>16}  verdict",
            "offered/s",
            "achieved",
            "accepted/s",
            "accepted",
            "response p50",
            "response p99",
            "lag p99"
        );
        for row in rows {
            let _ = write!(
                text,
                "\n{:>10}{:>10}{:>15}{:>15}{:>16}{:>16}{:>16}  {}",
                short(row.rate),
                row.achieved.map_or("-".to_owned(), percent),
                row.accepted_per_s(),
                row.accepted.map_or("-".to_owned(), margin::share),
                margin::estimate(row.response[0]),
                margin::estimate(row.response[2]),
                margin::estimate(row.lag_p99),
                row.verdict(),
            );
        }
        text
    }

    fn cells(&self) -> Vec<String> {
        let mut cells = vec![
            cell(self.folder.as_bytes()),
            number(self.rate),
            self.unit.to_string(),
            self.verdict().to_owned(),
            cell(self.failed.join("; ").as_bytes()),
            optional(self.achieved.map(number)),
            optional(self.messages_per_s.map(number)),
        ];
        cells.extend(ends(self.messages_rate));
        cells.extend(share(self.accepted));
        for one in self.response.into_iter().chain(self.service).chain([self.lag_p99]) {
            cells.extend(estimate(one));
        }
        cells
    }
}

/// A rate in words: `500 messages a second`.
#[must_use]
pub fn in_words(rate: f64, unit: ArrivalUnit) -> String {
    let (rate, unit) = (short(rate), unit.to_string());
    let unit = if rate == "1" { unit.trim_end_matches('s') } else { &unit };
    format!("{rate} {unit} a second")
}

/// A rate as it would be written: without decimals where it has none.
#[must_use]
pub fn short(rate: f64) -> String {
    number(rate)
}

/// p50, p95 and p99 of transactions, or of sessions where there are none.
fn percentiles(summary: &Summary, clock: Clock) -> [Option<Estimate>; 3] {
    let find = |step: &str| {
        let mut rows = summary.steps.iter();
        rows.find(|row: &&StepRow| row.clock == clock && row.step == step && row.figures.count > 0)
    };
    match find("transaction").or_else(|| find("session")) {
        Some(row) => [row.figures.p50, row.figures.p95, row.figures.p99],
        None => [None; 3],
    }
}

/// `find-max.csv`: a row a trial, with `search`, or `confirm` where it is to hold a second time.
#[must_use]
pub fn find_max_csv(trials: &[(TrialRow, &str)]) -> Vec<u8> {
    let header: Vec<&str> = ["trial", "purpose"].iter().chain(COLUMNS).copied().collect();
    let rows = trials.iter().zip(1..).map(|((row, purpose), number): (_, u32)| {
        let mut cells = vec![number.to_string(), (*purpose).to_owned()];
        cells.extend(row.cells());
        cells
    });
    table(&header, rows)
}

/// `sweep.csv`: a row a rate.
#[must_use]
pub fn sweep_csv(rows: &[TrialRow]) -> Vec<u8> {
    table(COLUMNS, rows.iter().map(TrialRow::cells))
}

/// `sweep.svg`: response p50 and p99 against the offered rate.
#[must_use]
pub fn sweep_svg(name: &str, rows: &[TrialRow]) -> Vec<u8> {
    let mut sorted: Vec<&TrialRow> = rows.iter().collect();
    sorted.sort_by(|a, b| a.rate.total_cmp(&b.rate));
    let point = |row: &&TrialRow, index: usize| {
        let one = row.response[index]?;
        let low = one.low.unwrap_or(one.value);
        let high = one.high.unwrap_or(one.value);
        let [low, value, high] = [low, one.value, high].map(as_f64);
        Some(Point { x: row.rate, y: value, low, high, hollow: !row.holds() })
    };
    let series =
        |name, index| Series { name, points: sorted.iter().map(|row| point(row, index)).collect() };
    let unit = rows.first().map_or(ArrivalUnit::Messages, |row| row.unit);
    let chart = Chart {
        title: format!("{name}: response time against load"),
        subtitle:
            "from the intended start to the last reply; bars: 95 % intervals; hollow: did not hold"
                .to_owned(),
        x_label: format!("offered rate, {unit} a second"),
        y_label: "response time (logarithmic)".to_owned(),
        series: vec![series("p50", 0), series("p99", 2)],
    };
    chart.svg().into_bytes()
}

#[cfg(test)]
mod tests;
