//! What `run.json` holds of targets that ran side by side: how they differ, and what their servers took.

use serde::{Deserialize, Serialize};

use super::target::named;
use crate::clock::Duration;
use crate::measure::pairs::{Difference, PairRow, PairVerdict};
use crate::measure::thresholds::Unit;
use crate::server::Cost;

/// One figure of two targets.
#[derive(Serialize, Deserialize)]
pub(super) struct Pair {
    first: String,
    second: String,
    metric: String,
    unit: String,
    first_value: Option<f64>,
    second_value: Option<f64>,
    difference: Option<f64>,
    difference_low: Option<f64>,
    difference_high: Option<f64>,
    parts: usize,
    verdict: String,
}

/// What a server took that was started for the run.
#[derive(Serialize, Deserialize)]
pub(super) struct ServerFacts {
    cpu_us_user: u64,
    cpu_us_system: u64,
    rss_bytes_peak: u64,
    rss_bytes_end: u64,
}

impl Pair {
    pub(super) fn of(row: &PairRow) -> Self {
        Self {
            first: row.first.clone(),
            second: row.second.clone(),
            metric: row.metric.clone(),
            unit: row.unit.name().to_owned(),
            first_value: row.first_value,
            second_value: row.second_value,
            difference: row.difference.map(|difference| difference.value),
            difference_low: row.difference.map(|difference| difference.low),
            difference_high: row.difference.map(|difference| difference.high),
            parts: row.parts,
            verdict: row.verdict.name().to_owned(),
        }
    }

    pub(super) fn read(&self) -> Result<PairRow, String> {
        let ends = (self.difference, self.difference_low, self.difference_high);
        let difference = match ends {
            (Some(value), Some(low), Some(high)) => Some(Difference { value, low, high }),
            _ => None,
        };
        Ok(PairRow {
            first: self.first.clone(),
            second: self.second.clone(),
            metric: self.metric.clone(),
            unit: named(Unit::ALL, Unit::name, &self.unit, "unit")?,
            first_value: self.first_value,
            second_value: self.second_value,
            difference,
            parts: self.parts,
            verdict: named(
                PairVerdict::ALL,
                PairVerdict::name,
                &self.verdict,
                "verdict of a pair",
            )?,
        })
    }
}

impl ServerFacts {
    pub(super) fn of(cost: &Cost) -> Self {
        let us = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        Self {
            cpu_us_user: us(cost.cpu_user),
            cpu_us_system: us(cost.cpu_system),
            rss_bytes_peak: cost.rss_bytes_peak,
            rss_bytes_end: cost.rss_bytes_end,
        }
    }

    pub(super) fn read(&self) -> Cost {
        Cost {
            cpu_user: Duration::from_micros(self.cpu_us_user),
            cpu_system: Duration::from_micros(self.cpu_us_system),
            rss_bytes_peak: self.rss_bytes_peak,
            rss_bytes_end: self.rss_bytes_end,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_is_read_as_it_was_written() {
        let row = PairRow {
            first: "old".to_owned(),
            second: "new".to_owned(),
            metric: "eod.p50".to_owned(),
            unit: Unit::Microseconds,
            first_value: Some(1920.0),
            second_value: Some(2310.0),
            difference: Some(Difference { value: 0.203, low: 0.171, high: 0.236 }),
            parts: 30,
            verdict: PairVerdict::Different,
        };
        let none = PairRow {
            first_value: None,
            difference: None,
            verdict: PairVerdict::TooFew,
            ..row.clone()
        };
        for row in [row, none] {
            assert_eq!(Pair::of(&row).read(), Ok(row));
        }
    }

    #[test]
    fn what_no_run_writes_is_refused() {
        let text = r#"{"first":"a","second":"b","metric":"m","unit":"us","first_value":1,
            "second_value":2,"difference":null,"difference_low":0,"difference_high":1,
            "parts":8,"verdict":"too_few"}"#;
        let read = |text: &str| serde_json::from_str::<Pair>(text).unwrap().read();
        assert_eq!(read(text).unwrap().difference, None);
        assert!(read(&text.replace("too_few", "equal")).unwrap_err().contains("`equal`"));
        assert!(read(&text.replace("\"us\"", "\"ns\"")).unwrap_err().contains("`ns`"));
    }

    #[test]
    fn a_cost_is_read_as_it_was_written() {
        let cost = Cost {
            cpu_user: Duration::from_micros(1_230_000),
            cpu_system: Duration::from_micros(450_000),
            rss_bytes_peak: 1 << 30,
            rss_bytes_end: 1 << 20,
        };
        assert_eq!(ServerFacts::of(&cost).read(), cost);
    }
}
