//! The figures that trackers follow over many runs, each by one name: rates, shares and percentiles of a target.

use super::record::Record;
use crate::measure::histogram::Estimate;
use crate::measure::outcome::{Clock, Fate};
use crate::measure::summary::{StepRow, Summary};
use crate::stats::binomial::as_f64;
use crate::stats::share::Share;

/// A figure of one target.
#[derive(Clone, Debug, PartialEq)]
pub struct Metric {
    /// As a threshold names it: `eod.p99`, `accepted`, `messages_per_s`. Behind its target's where there are several.
    pub name: String,
    pub unit: MetricUnit,
    pub value: f64,
    /// Ends of its interval, where it has one.
    pub low: Option<f64>,
    pub high: Option<f64>,
}

/// What a figure is in, and so which way it is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricUnit {
    /// Messages a second.
    PerSecond,
    /// A fraction that is better when it is larger.
    ShareOfGood,
    /// A fraction that is better when it is smaller.
    ShareOfBad,
    Microseconds,
}

impl MetricUnit {
    /// Its name in files of trackers.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::PerSecond => "messages/s",
            Self::ShareOfGood | Self::ShareOfBad => "share",
            Self::Microseconds => "us",
        }
    }

    /// Whether more is better.
    #[must_use]
    pub fn bigger_is_better(self) -> bool {
        matches!(self, Self::PerSecond | Self::ShareOfGood)
    }
}

/// The figures of a run, target by target. What was not measured is left out.
#[must_use]
pub fn metrics(record: &Record) -> Vec<Metric> {
    let several = record.targets.len() > 1;
    let mut metrics = Vec::new();
    for target in &record.targets {
        let prefix = if several { format!("{}.", target.name) } else { String::new() };
        let named = of_target(&target.summary, record.plan.is_open()).into_iter();
        metrics.extend(named.map(|one| Metric { name: format!("{prefix}{}", one.name), ..one }));
    }
    metrics
}

fn of_target(summary: &Summary, open: bool) -> Vec<Metric> {
    let mut metrics = Vec::new();
    let mut push = |name: String, unit, value: Option<f64>, low, high| {
        metrics.extend(value.map(|value| Metric { name, unit, value, low, high }));
    };
    for total in &summary.totals {
        let (name, rate) = ("messages_per_s".to_owned(), total.messages_per_s);
        push(name, MetricUnit::PerSecond, rate, None, None);
    }
    let books = &summary.accounting.messages;
    for fate in [Fate::Accepted, Fate::Rejected, Fate::Deferred, Fate::Failed, Fate::InDoubt] {
        let good = fate == Fate::Accepted;
        let unit = if good { MetricUnit::ShareOfGood } else { MetricUnit::ShareOfBad };
        let share = Share::of(books.fates.of(fate), books.attempted);
        let [value, low, high] = [
            share.map(|share| share.value),
            share.map(|share| share.low),
            share.map(|share| share.high),
        ];
        push(fate.name().to_owned(), unit, value, low, high);
    }
    for StepRow { step, clock, figures } in &summary.steps {
        let step = match clock {
            // A rule on these means response time under open load.
            Clock::Service if open && (step == "transaction" || step == "session") => {
                format!("{step}.service")
            }
            Clock::Service => step.clone(),
            clock => format!("{step}.{}", clock.name()),
        };
        for (name, estimate) in [("p50", figures.p50), ("p95", figures.p95), ("p99", figures.p99)] {
            let us = |pick: fn(Estimate) -> Option<u64>| estimate.and_then(pick).map(as_f64);
            let (value, low, high) = (us(|e| Some(e.value)), us(|e| e.low), us(|e| e.high));
            push(format!("{step}.{name}"), MetricUnit::Microseconds, value, low, high);
        }
    }
    metrics
}
