//! How an amount is read against a limit.

use std::fmt;

use crate::clock::Duration;
use crate::measure::evidence::Amount;
use crate::scenario::threshold::{Metric, Statistic};
use crate::stats::binomial::as_f64;
use crate::stats::quantile::Quantile;

/// What a value is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// A fraction from 0 to 1.
    Share,
    /// Microseconds.
    Microseconds,
    /// Messages a second.
    PerSecond,
    /// Messages an hour.
    PerHour,
}

impl Unit {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Share, Self::Microseconds, Self::PerSecond, Self::PerHour];

    /// Its name in result files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Share => "share",
            Self::Microseconds => "us",
            Self::PerSecond => "per_s",
            Self::PerHour => "per_h",
        }
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// What is read off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gauge {
    Share,
    PerSecond,
    PerHour,
    Time(Statistic),
}

/// A value, or why there is none.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Reading {
    NoSamples,
    /// Beyond what a histogram holds, and so beyond every limit that a rule may name.
    Over,
    Value(f64),
}

impl Gauge {
    /// What `metric` is read by.
    pub(super) fn of(metric: Metric) -> Self {
        match metric {
            Metric::Share(_) | Metric::Replies { .. } | Metric::AchievedRate => Self::Share,
            Metric::Step { statistic, .. } | Metric::Lag(statistic) => Self::Time(statistic),
            Metric::MessagesPerSecond => Self::PerSecond,
            Metric::MessagesPerHour => Self::PerHour,
        }
    }

    /// The unit of its values.
    pub(super) fn unit(self) -> Unit {
        match self {
            Self::Share => Unit::Share,
            Self::PerSecond => Unit::PerSecond,
            Self::PerHour => Unit::PerHour,
            Self::Time(_) => Unit::Microseconds,
        }
    }

    /// The percentile and the samples of `amount`, where those are too few for an interval.
    pub(super) fn estimate_of(self, amount: &Amount) -> Option<(Quantile, u64)> {
        let (Self::Time(Statistic::Percentile(number)), Amount::Times(samples)) = (self, amount)
        else {
            return None;
        };
        let (quantile, count) = (Quantile::new(number)?, samples.samples());
        (count > 0 && quantile.interval(count).is_none()).then_some((quantile, count))
    }

    /// Reads `amount`, which took `time`.
    pub(super) fn read(self, amount: &Amount, time: Duration) -> Reading {
        let rate = |count: u64, seconds: f64| match time.as_secs_f64() {
            0.0 => Reading::NoSamples,
            length => Reading::Value(as_f64(count) * seconds / length),
        };
        match (self, amount) {
            (Self::Share, Amount::Share { base: 0, .. }) => Reading::NoSamples,
            (Self::Share, Amount::Share { hits, base }) => {
                Reading::Value(as_f64(*hits) / as_f64(*base))
            }
            (Self::PerSecond, Amount::Count(count)) => rate(*count, 1.0),
            (Self::PerHour, Amount::Count(count)) => rate(*count, 3600.0),
            // In a window in which nothing happened, no message was accepted.
            (Self::PerSecond | Self::PerHour, Amount::Nothing) => rate(0, 1.0),
            (Self::Time(statistic), Amount::Times(samples)) => {
                let samples = samples.to_histogram();
                let value = match statistic {
                    _ if samples.is_empty() => return Reading::NoSamples,
                    Statistic::Min => samples.min(),
                    Statistic::Mean => samples.mean(),
                    Statistic::Max => samples.max(),
                    Statistic::Percentile(number) => match Quantile::new(number) {
                        Some(quantile) => samples.estimate(quantile),
                        None => return Reading::NoSamples,
                    },
                };
                value.map_or(Reading::Over, |us| Reading::Value(as_f64(us)))
            }
            _ => Reading::NoSamples,
        }
    }
}

impl Reading {
    /// What is compared with a limit.
    pub(super) fn compared(self) -> Option<f64> {
        match self {
            Self::NoSamples => None,
            Self::Over => Some(f64::INFINITY),
            Self::Value(value) => Some(value),
        }
    }
}
