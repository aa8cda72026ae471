//! Judges thresholds on what was measured in the judged stage.

use crate::measure::histogram::Histogram;
use crate::measure::outcome::Fate;
use crate::measure::tally::MessageTally;
use crate::scenario::step::StepId;
use crate::scenario::threshold::{Comparison, MessageShare, Metric, Statistic, Threshold};
use crate::stats::binomial::as_f64;
use crate::stats::quantile::Quantile;

/// A threshold and how it came out.
#[derive(Clone, Debug, PartialEq)]
pub struct ThresholdRow {
    /// As written.
    pub threshold: String,
    /// What was measured; `None` without samples, and where it lies over what a histogram holds.
    pub value: Option<f64>,
    /// What was allowed, in the same unit.
    pub limit: f64,
    /// Of value and limit.
    pub unit: Unit,
    /// Whether it was kept.
    pub passed: bool,
    /// Why not, where the value alone does not tell.
    pub reason: Option<&'static str>,
    /// The percentile and its samples, where those are too few for an interval.
    pub estimate_of: Option<(Quantile, u64)>,
}

/// What a value is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// A fraction from 0 to 1.
    Share,
    /// Microseconds.
    Microseconds,
}

/// Judges one threshold. `samples` gives a step's accepted and timed-out samples.
pub(super) fn judge(
    threshold: &Threshold,
    messages: &MessageTally,
    samples: impl Fn(StepId) -> Histogram,
) -> ThresholdRow {
    let mut row = ThresholdRow {
        threshold: threshold.text.clone(),
        value: None,
        limit: threshold.limit,
        unit: Unit::Share,
        passed: false,
        reason: None,
        estimate_of: None,
    };
    match threshold.metric {
        Metric::Share(share) => {
            row.value = (messages.attempted > 0)
                .then(|| as_f64(messages.fates.of(fate(share))) / as_f64(messages.attempted));
            if row.value.is_none() {
                row.reason = Some("no samples");
            }
        }
        Metric::Step { step, statistic } => {
            row.unit = Unit::Microseconds;
            judge_step(&mut row, statistic, &samples(step));
        }
    }
    // Over the limit of the histograms is over every limit a threshold may name.
    let value = match row.reason {
        Some(OVER) => Some(f64::INFINITY),
        _ => row.value,
    };
    row.passed = value.is_some_and(|value| holds(value, threshold.comparison, threshold.limit));
    row
}

const OVER: &str = "over 15 min";

fn judge_step(row: &mut ThresholdRow, statistic: Statistic, samples: &Histogram) {
    if samples.is_empty() {
        row.reason = Some("no samples");
        return;
    }
    let value = match statistic {
        Statistic::Min => samples.min(),
        Statistic::Mean => samples.mean(),
        Statistic::Max => samples.max(),
        Statistic::Percentile(number) => {
            let Some(quantile) = Quantile::new(number) else {
                row.reason = Some("no such percentile");
                return;
            };
            if quantile.interval(samples.samples()).is_none() {
                row.estimate_of = Some((quantile, samples.samples()));
            }
            samples.estimate(quantile)
        }
    };
    row.value = value.map(as_f64);
    if value.is_none() {
        row.reason = Some(OVER);
    }
}

fn holds(value: f64, comparison: Comparison, limit: f64) -> bool {
    match comparison {
        Comparison::Less => value < limit,
        Comparison::LessOrEqual => value <= limit,
        Comparison::Greater => value > limit,
        Comparison::GreaterOrEqual => value >= limit,
    }
}

fn fate(share: MessageShare) -> Fate {
    match share {
        MessageShare::Accepted => Fate::Accepted,
        MessageShare::Rejected => Fate::Rejected,
        MessageShare::Deferred => Fate::Deferred,
        MessageShare::Failed => Fate::Failed,
        MessageShare::InDoubt => Fate::InDoubt,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Duration;

    #[track_caller]
    fn check(
        metric: Metric,
        comparison: Comparison,
        limit: f64,
        samples_us: &[u64],
        want: (Option<f64>, bool, Option<&str>),
    ) -> ThresholdRow {
        let threshold = Threshold { text: "t".to_owned(), metric, comparison, limit };
        let mut messages = MessageTally { attempted: 200, ..MessageTally::default() };
        messages.fates.count(Fate::Accepted, 198);
        messages.fates.count(Fate::InDoubt, 2);
        let row = judge(&threshold, &messages, |_| {
            let mut histogram = Histogram::default();
            for us in samples_us {
                histogram.record(Duration::from_micros(*us));
            }
            histogram
        });
        assert_eq!((row.value, row.passed, row.reason), want);
        row
    }

    #[test]
    fn shares_are_of_the_attempted() {
        let accepted = Metric::Share(MessageShare::Accepted);
        check(accepted, Comparison::Greater, 0.99, &[], (Some(0.99), false, None));
        check(accepted, Comparison::GreaterOrEqual, 0.99, &[], (Some(0.99), true, None));
        let in_doubt = Metric::Share(MessageShare::InDoubt);
        check(in_doubt, Comparison::Less, 0.001, &[], (Some(0.01), false, None));
    }

    #[test]
    fn steps_without_samples_fail() {
        let p99 = Metric::Step { step: StepId::EOD, statistic: Statistic::Percentile(99_000) };
        check(p99, Comparison::Less, 1e6, &[], (None, false, Some("no samples")));
        check(p99, Comparison::Greater, 0.0, &[], (None, false, Some("no samples")));
    }

    #[test]
    fn few_samples_are_judged_on_the_estimate() {
        let p99 = Metric::Step { step: StepId::EOD, statistic: Statistic::Percentile(99_000) };
        let row = check(p99, Comparison::Less, 100.0, &[1, 2, 50], (Some(50.0), true, None));
        assert_eq!(row.estimate_of, Some((Quantile::P99, 3)));
        let row = check(p99, Comparison::Less, 100.0, &[7; 600], (Some(7.0), true, None));
        assert_eq!(row.estimate_of, None);
    }

    #[test]
    fn a_value_over_the_histogram_is_over_every_limit() {
        let max = Metric::Step { step: StepId::EOD, statistic: Statistic::Max };
        let long = &[901_000_000];
        check(max, Comparison::Less, 1e12, long, (None, false, Some("over 15 min")));
        check(max, Comparison::Greater, 1e6, long, (None, true, Some("over 15 min")));
    }
}
