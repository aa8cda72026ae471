//! Rows of `tallies` in `run.json`.

use serde::{Deserialize, Serialize};

use crate::measure::accounting::Balance;
use crate::measure::addresses::{AddressRow, Times};
use crate::measure::extensions::{RoundTrips, Sending};
use crate::measure::histogram::Estimate;
use crate::measure::outcome::Fate;
use crate::measure::summary::{FailureRow, IntervalRow, LatencyRow, OutcomeRow, ReplyRow, Summary};
use crate::measure::tally::{ArrivalTally, FateCounts};
use crate::smtp::parameters::Extension;
use crate::smtp::text::printable;

/// Counts that no histogram holds, and what is read off histograms that the log does not have.
#[derive(Serialize, Deserialize)]
pub(super) struct Tallies {
    pub(super) judged_stages: Vec<String>,
    pub(super) arrivals: Vec<Arrivals>,
    pub(super) window_s: f64,
    pub(super) interval_s: f64,
    pub(super) accepted_in_window: u64,
    pub(super) messages_per_s: Option<f64>,
    pub(super) accepted_bytes: u64,
    pub(super) messages: Books,
    pub(super) recipients: Books,
    pub(super) round_trips: Vec<RoundTripCounts>,
    pub(super) extensions: Vec<ExtensionCounts>,
    pub(super) not_pipelined: u64,
    pub(super) limits: LimitCounts,
    pub(super) samples: u64,
    pub(super) overflow: Vec<Overflow>,
    pub(super) outcomes: Vec<Outcome>,
    pub(super) replies: Vec<Reply>,
    pub(super) failures: Vec<Failure>,
    pub(super) addresses: Vec<Address>,
    pub(super) intervals: Vec<Interval>,
}

/// What a schedule brought in one stage, or in all that are judged.
#[derive(Serialize, Deserialize)]
pub(super) struct Arrivals {
    pub(super) stage: Option<String>,
    pub(super) due: u64,
    pub(super) started: u64,
    pub(super) late: u64,
    pub(super) dropped: u64,
    pub(super) shed: u64,
    pub(super) left: u64,
    /// Above the target's `max_rate`.
    #[serde(default)]
    pub(super) capped: u64,
    pub(super) messages: u64,
    pub(super) messages_not_started: u64,
    pub(super) recipients_not_started: u64,
    pub(super) window_s: f64,
    pub(super) messages_per_s: Option<f64>,
    pub(super) response_us_p50: Option<u64>,
    pub(super) response_us_p99: Option<u64>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Books {
    pub(super) offered: u64,
    pub(super) not_started: u64,
    pub(super) attempted: u64,
    pub(super) fates: Fates,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Fates {
    accepted: u64,
    rejected: u64,
    deferred: u64,
    failed: u64,
    in_doubt: u64,
    abandoned: u64,
    unfinished: u64,
    generator_failed: u64,
}

/// A way of sending.
#[derive(Serialize, Deserialize)]
pub(super) struct RoundTripCounts {
    pub(super) sending: String,
    pub(super) transactions: u64,
    pub(super) round_trips: u64,
    pub(super) round_trips_min: u32,
    pub(super) round_trips_max: u32,
}

/// An extension that was asked for and could not be had.
#[derive(Serialize, Deserialize)]
pub(super) struct ExtensionCounts {
    pub(super) extension: String,
    pub(super) messages_without: u64,
    pub(super) messages_beyond: u64,
}

/// The server's LIMITS (RFC 9422).
#[derive(Serialize, Deserialize)]
pub(super) struct LimitCounts {
    pub(super) sessions_cut: u64,
    pub(super) recipients_left_out: u64,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Overflow {
    pub(super) stage: String,
    pub(super) script: String,
    pub(super) step: String,
    pub(super) clock: String,
    pub(super) outcome: String,
    pub(super) count: u64,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Outcome {
    pub(super) stage: String,
    pub(super) script: Option<String>,
    pub(super) unit: String,
    pub(super) outcome: String,
    pub(super) count: u64,
    pub(super) base: Option<u64>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Reply {
    pub(super) stage: String,
    pub(super) script: String,
    pub(super) step: String,
    pub(super) reply_code: u16,
    pub(super) enhanced_code: Option<String>,
    pub(super) outcome: String,
    pub(super) count: u64,
    pub(super) sample_text: String,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Failure {
    pub(super) stage: String,
    pub(super) script: String,
    pub(super) step: String,
    pub(super) failure: String,
    pub(super) count: u64,
    pub(super) detail: String,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Address {
    pub(super) stage: String,
    pub(super) number: usize,
    pub(super) host: Option<String>,
    pub(super) address: String,
    pub(super) preference: Option<u16>,
    pub(super) sessions: u64,
    pub(super) connect_failures: u64,
    pub(super) fates: Fates,
    pub(super) connect: Percentiles,
    pub(super) greeting: Percentiles,
    pub(super) eod: Percentiles,
}

/// Those of one address; microseconds with the ends of their intervals.
#[derive(Serialize, Deserialize)]
pub(super) struct Percentiles {
    us_p50: Option<[Option<u64>; 3]>,
    us_p99: Option<[Option<u64>; 3]>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Interval {
    pub(super) stage: String,
    pub(super) second: f64,
    pub(super) offered: Option<u64>,
    pub(super) started: u64,
    pub(super) fates: Fates,
    pub(super) open_sessions: u64,
    pub(super) replies_2yz: u64,
    pub(super) replies_4yz: u64,
    pub(super) replies_5yz: u64,
    pub(super) messages_per_s: Option<f64>,
    pub(super) bytes_per_s: Option<f64>,
    pub(super) lag_us_p99: Option<u64>,
    pub(super) eod_us_p50: Option<u64>,
    pub(super) eod_us_p99: Option<u64>,
}

impl Tallies {
    pub(super) fn of(summary: &Summary) -> Self {
        let total = summary.totals.first();
        let extensions = &summary.extensions;
        Self {
            judged_stages: summary.judged_stages.clone(),
            arrivals: Arrivals::all(summary),
            window_s: summary.window.as_secs_f64(),
            interval_s: summary.interval.as_secs_f64(),
            accepted_in_window: total.map_or(0, |total| total.accepted_in_window),
            messages_per_s: total.and_then(|total| total.messages_per_s),
            accepted_bytes: summary.accepted_bytes,
            messages: Books::of(&summary.accounting.messages),
            recipients: Books::of(&summary.accounting.recipients),
            round_trips: summary.round_trips.used().map(RoundTripCounts::of).collect(),
            extensions: ExtensionCounts::all(summary),
            not_pipelined: extensions.not_pipelined,
            limits: LimitCounts {
                sessions_cut: extensions.sessions_cut,
                recipients_left_out: extensions.recipients_left_out,
            },
            samples: parts(summary).map(|row| row.figures.count).sum(),
            overflow: parts(summary).filter_map(Overflow::of).collect(),
            outcomes: summary.outcomes.iter().map(Outcome::of).collect(),
            replies: summary.replies.iter().map(Reply::of).collect(),
            failures: summary.failures.iter().map(Failure::of).collect(),
            addresses: summary.addresses.iter().map(Address::of).collect(),
            intervals: summary.intervals.iter().map(Interval::of).collect(),
        }
    }
}

/// The rows that are no sums of others.
fn parts(summary: &Summary) -> impl Iterator<Item = &LatencyRow> {
    summary.latency.iter().filter(|row| row.script.is_some() && row.outcome.is_some())
}

impl Arrivals {
    /// Of all judged stages together, then of each stage.
    fn all(summary: &Summary) -> Vec<Self> {
        let rate = summary.totals.first().and_then(|total| total.messages_per_s);
        let all = summary.arrivals.iter().map(|tally| Self {
            window_s: summary.window.as_secs_f64(),
            messages_per_s: rate,
            ..Self::of(tally)
        });
        let stages = summary.stages.iter().map(|row| Self {
            stage: Some(row.stage.clone()),
            window_s: row.window.as_secs_f64(),
            messages_per_s: row.messages_per_s,
            response_us_p50: row.response_p50.map(|estimate| estimate.value),
            response_us_p99: row.response_p99.map(|estimate| estimate.value),
            ..Self::of(&row.arrivals)
        });
        all.chain(stages).collect()
    }

    fn of(tally: &ArrivalTally) -> Self {
        Self {
            stage: None,
            due: tally.due,
            started: tally.started,
            late: tally.late,
            dropped: tally.dropped,
            shed: tally.shed,
            left: tally.left,
            capped: tally.capped,
            messages: tally.messages,
            messages_not_started: tally.messages_not_started,
            recipients_not_started: tally.recipients_not_started,
            window_s: 0.0,
            messages_per_s: None,
            response_us_p50: None,
            response_us_p99: None,
        }
    }

    pub(super) fn tally(&self) -> ArrivalTally {
        ArrivalTally {
            due: self.due,
            started: self.started,
            late: self.late,
            dropped: self.dropped,
            shed: self.shed,
            left: self.left,
            capped: self.capped,
            messages: self.messages,
            messages_not_started: self.messages_not_started,
            recipients_not_started: self.recipients_not_started,
        }
    }
}

impl Books {
    fn of(balance: &Balance) -> Self {
        Self {
            offered: balance.offered,
            not_started: balance.not_started,
            attempted: balance.attempted,
            fates: Fates::of(&balance.fates),
        }
    }

    pub(super) fn balance(&self) -> Balance {
        Balance {
            offered: self.offered,
            not_started: self.not_started,
            attempted: self.attempted,
            fates: self.fates.counts(),
        }
    }
}

impl Fates {
    fn of(counts: &FateCounts) -> Self {
        let of = |fate: Fate| counts.of(fate);
        Self {
            accepted: of(Fate::Accepted),
            rejected: of(Fate::Rejected),
            deferred: of(Fate::Deferred),
            failed: of(Fate::Failed),
            in_doubt: of(Fate::InDoubt),
            abandoned: of(Fate::Abandoned),
            unfinished: of(Fate::Unfinished),
            generator_failed: of(Fate::GeneratorFailed),
        }
    }

    pub(super) fn counts(&self) -> FateCounts {
        let mut counts = FateCounts::default();
        for fate in Fate::ALL {
            let count = match fate {
                Fate::Accepted => self.accepted,
                Fate::Rejected => self.rejected,
                Fate::Deferred => self.deferred,
                Fate::Failed => self.failed,
                Fate::InDoubt => self.in_doubt,
                Fate::Abandoned => self.abandoned,
                Fate::Unfinished => self.unfinished,
                Fate::GeneratorFailed => self.generator_failed,
            };
            counts.count(fate, count);
        }
        counts
    }
}

impl RoundTripCounts {
    fn of((sending, trips): (Sending, &RoundTrips)) -> Self {
        Self {
            sending: sending.name().to_owned(),
            transactions: trips.transactions,
            round_trips: trips.sum,
            round_trips_min: trips.min,
            round_trips_max: trips.max,
        }
    }
}

impl ExtensionCounts {
    fn all(summary: &Summary) -> Vec<Self> {
        let tally = &summary.extensions;
        let counts = Extension::ALL.into_iter().map(|extension| Self {
            extension: extension.keyword().to_owned(),
            messages_without: tally.without(extension),
            messages_beyond: tally.beyond(extension),
        });
        counts.filter(|counts| counts.messages_without + counts.messages_beyond > 0).collect()
    }
}

impl Overflow {
    fn of(row: &LatencyRow) -> Option<Self> {
        let (script, outcome) = (row.script.clone()?, row.outcome?);
        (row.figures.overflow_count > 0).then(|| Self {
            stage: row.stage.clone(),
            script,
            step: row.step.clone(),
            clock: row.clock.name().to_owned(),
            outcome: outcome.name().to_owned(),
            count: row.figures.overflow_count,
        })
    }
}

impl Outcome {
    fn of(row: &OutcomeRow) -> Self {
        Self {
            stage: row.stage.clone(),
            script: row.script.clone(),
            unit: row.unit.name().to_owned(),
            outcome: row.outcome.to_owned(),
            count: row.count,
            base: row.base,
        }
    }
}

impl Reply {
    fn of(row: &ReplyRow) -> Self {
        Self {
            stage: row.stage.clone(),
            script: row.script.clone(),
            step: row.step.clone(),
            reply_code: row.reply_code,
            enhanced_code: row.enhanced_code.clone(),
            outcome: row.outcome.name().to_owned(),
            count: row.count,
            sample_text: printable(&row.sample_text),
        }
    }
}

impl Failure {
    fn of(row: &FailureRow) -> Self {
        Self {
            stage: row.stage.clone(),
            script: row.script.clone(),
            step: row.step.clone(),
            failure: row.failure.name().to_owned(),
            count: row.count,
            detail: printable(&row.detail),
        }
    }
}

impl Address {
    fn of(row: &AddressRow) -> Self {
        let one = &row.destination;
        Self {
            stage: row.stage.clone(),
            number: row.number,
            host: one.host.clone(),
            address: one.address.to_string(),
            preference: one.host.as_ref().map(|_| one.preference),
            sessions: row.tally.sessions,
            connect_failures: row.tally.connect_failures,
            fates: Fates::of(&row.tally.fates),
            connect: Percentiles::of(&row.connect),
            greeting: Percentiles::of(&row.greeting),
            eod: Percentiles::of(&row.eod),
        }
    }
}

impl Percentiles {
    fn of(times: &Times) -> Self {
        let ends = |estimate: Estimate| [Some(estimate.value), estimate.low, estimate.high];
        Self { us_p50: times.p50.map(ends), us_p99: times.p99.map(ends) }
    }

    pub(super) fn times(&self) -> Times {
        let estimate =
            |[value, low, high]: [Option<u64>; 3]| value.map(|value| Estimate { value, low, high });
        Times { p50: self.us_p50.and_then(estimate), p99: self.us_p99.and_then(estimate) }
    }
}

impl Interval {
    fn of(row: &IntervalRow) -> Self {
        Self {
            stage: row.stage.clone(),
            second: row.second,
            offered: row.offered,
            started: row.started,
            fates: Fates::of(&row.fates),
            open_sessions: row.open_sessions,
            replies_2yz: row.replies_2yz,
            replies_4yz: row.replies_4yz,
            replies_5yz: row.replies_5yz,
            messages_per_s: row.messages_per_s,
            bytes_per_s: row.bytes_per_s,
            lag_us_p99: row.lag_us_p99,
            eod_us_p50: row.eod_us_p50,
            eod_us_p99: row.eod_us_p99,
        }
    }

    pub(super) fn row(&self, target: &str) -> IntervalRow {
        IntervalRow {
            target: target.to_owned(),
            stage: self.stage.clone(),
            second: self.second,
            offered: self.offered,
            started: self.started,
            fates: self.fates.counts(),
            open_sessions: self.open_sessions,
            replies_2yz: self.replies_2yz,
            replies_4yz: self.replies_4yz,
            replies_5yz: self.replies_5yz,
            messages_per_s: self.messages_per_s,
            bytes_per_s: self.bytes_per_s,
            lag_us_p99: self.lag_us_p99,
            eod_us_p50: self.eod_us_p50,
            eod_us_p99: self.eod_us_p99,
        }
    }
}
