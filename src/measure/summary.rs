//! The summary of a run as plain data: the rows of every result file. `None` means "not measured".

use crate::clock::Duration;
use crate::measure::accounting::Accounting;
use crate::measure::addresses::AddressRow;
use crate::measure::extensions::{ExtensionTally, RoundTripTally};
use crate::measure::histogram::{Estimate, Histogram};
use crate::measure::note::Remark;
use crate::measure::outcome::{Clock, Failure, Outcome};
use crate::measure::tally::{ArrivalTally, FateCounts};
use crate::measure::thresholds::ThresholdRow;
use crate::measure::tls::TlsTally;
use crate::measure::validity::{Validity, Verdict};
use crate::measure::watch::Stopped;
use crate::stats::quantile::Quantile;
use crate::stats::share::Share;

/// The rows of every result file, and what a person reads first.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// Name of the target.
    pub target: String,
    /// Names of the stages that summary and thresholds read.
    pub judged_stages: Vec<String>,
    /// When the warm-up ended, where the run decided that.
    pub warmup_end: Option<Duration>,
    /// Length of their windows: what rates are over.
    pub window: Duration,
    /// Length of a slice in `intervals`.
    pub interval: Duration,
    /// Mail data of the messages accepted in the judged stage, in bytes.
    pub accepted_bytes: u64,
    /// Extensions in the judged stage that were asked for and could not be had.
    pub extensions: ExtensionTally,
    /// Round trips of the accepted transactions of the judged stage.
    pub round_trips: RoundTripTally,
    /// A row a target.
    pub totals: Vec<TotalRow>,
    /// A row a stage, under open load.
    pub stages: Vec<StageRow>,
    /// What the schedule brought in the judged stages; `None` under closed load.
    pub arrivals: Option<ArrivalTally>,
    /// Every histogram.
    pub latency: Vec<LatencyRow>,
    /// Steps of the judged stages over all scripts: accepted and timed-out samples.
    pub steps: Vec<StepRow>,
    /// Every kind of reply.
    pub replies: Vec<ReplyRow>,
    /// What became of messages and recipients.
    pub outcomes: Vec<OutcomeRow>,
    /// Every kind of failure.
    pub failures: Vec<FailureRow>,
    /// What was agreed under TLS, over all stages.
    pub tls: TlsTally,
    /// The target's addresses.
    pub addresses: Vec<AddressRow>,
    /// The time series.
    pub intervals: Vec<IntervalRow>,
    /// The thresholds, judged.
    pub thresholds: Vec<ThresholdRow>,
    /// The rule that ended the run before its time, if one did.
    pub stopped: Option<Stopped>,
    /// Whether the books close.
    pub accounting: Accounting,
    /// What the result is worth.
    pub validity: Validity,
    /// Remarks with advice.
    pub notes: Vec<Remark>,
}

impl Summary {
    /// Nothing could be measured, for this reason.
    pub fn unreached(&mut self, why: &str) {
        self.validity.verdict = Verdict::Incomplete;
        self.validity.reasons.insert(0, why.to_owned());
        self.intervals.clear();
        self.totals.iter_mut().for_each(|row| row.messages_per_s = None);
        self.stages.iter_mut().for_each(|row| row.messages_per_s = None);
    }

    /// Whether every threshold was kept.
    #[must_use]
    pub fn thresholds_met(&self) -> bool {
        self.thresholds.iter().all(|row| row.passed)
    }
}

/// A target in short.
#[derive(Clone, Debug, PartialEq)]
pub struct TotalRow {
    /// Its name.
    pub target: String,
    /// Messages accepted inside the window.
    pub accepted_in_window: u64,
    /// The same over the window; `None` without a window.
    pub messages_per_s: Option<f64>,
    /// The accepted of the attempted messages.
    pub accepted: Option<Share>,
    /// End of data, accepted and timed-out samples.
    pub eod_p50: Option<Estimate>,
    /// The same.
    pub eod_p99: Option<Estimate>,
}

/// One histogram.
#[derive(Clone, Debug, PartialEq)]
pub struct LatencyRow {
    pub target: String,
    pub stage: String,
    /// `None` for all scripts together.
    pub script: Option<String>,
    pub step: String,
    pub clock: Clock,
    /// `None` for all outcomes together.
    pub outcome: Option<Outcome>,
    pub figures: Figures,
}

/// A stage of an open load.
#[derive(Clone, Debug, PartialEq)]
pub struct StageRow {
    pub stage: String,
    /// Its rate changes: a curve, which only the time series shows.
    pub ramp: bool,
    /// Whether it counts in summary and thresholds.
    pub judged: bool,
    /// Its length, as far as it came.
    pub window: Duration,
    /// What its schedule brought.
    pub arrivals: ArrivalTally,
    /// Messages accepted inside the window over the window; `None` of a ramp.
    pub messages_per_s: Option<f64>,
    /// Transactions from their intended start, accepted and timed out.
    pub response_p50: Option<Estimate>,
    /// The same.
    pub response_p99: Option<Estimate>,
    /// How late transactions began, of the same.
    pub lag_p99: Option<Estimate>,
}

/// A step in the judged stages.
#[derive(Clone, Debug, PartialEq)]
pub struct StepRow {
    pub step: String,
    pub clock: Clock,
    pub figures: Figures,
}

/// What is told of a histogram; times in microseconds. A percentile whose samples are too few is `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Samples in the histogram.
    pub count: u64,
    /// Samples over fifteen minutes, which are not in it.
    pub overflow_count: u64,
    pub us_min: Option<u64>,
    pub us_mean: Option<u64>,
    pub us_stddev: Option<u64>,
    pub p50: Option<Estimate>,
    pub p75: Option<Estimate>,
    pub p90: Option<Estimate>,
    pub p95: Option<Estimate>,
    pub p99: Option<Estimate>,
    pub p99_9: Option<Estimate>,
    pub p99_99: Option<Estimate>,
    pub us_max: Option<u64>,
}

impl Figures {
    /// Those of `histogram`.
    #[must_use]
    pub fn of(histogram: &Histogram) -> Self {
        Self {
            count: histogram.count(),
            overflow_count: histogram.overflow(),
            us_min: histogram.min(),
            us_mean: histogram.mean(),
            us_stddev: histogram.stddev(),
            p50: histogram.quantile(Quantile::P50),
            p75: histogram.quantile(Quantile::P75),
            p90: histogram.quantile(Quantile::P90),
            p95: histogram.quantile(Quantile::P95),
            p99: histogram.quantile(Quantile::P99),
            p99_9: histogram.quantile(Quantile::P99_9),
            p99_99: histogram.quantile(Quantile::P99_99),
            us_max: histogram.max(),
        }
    }
}

/// Replies of one kind.
#[derive(Clone, Debug, PartialEq)]
pub struct ReplyRow {
    pub target: String,
    pub stage: String,
    pub script: String,
    pub step: String,
    pub reply_code: u16,
    /// As `2.1.5`.
    pub enhanced_code: Option<String>,
    pub outcome: Outcome,
    pub count: u64,
    /// Of all replies to this step in this stage and script, from 0 to 1.
    pub share: f64,
    /// The text of the first of them, as the peer sent it: any bytes.
    pub sample_text: Vec<u8>,
}

/// Messages or recipients of one outcome.
#[derive(Clone, Debug, PartialEq)]
pub struct OutcomeRow {
    pub target: String,
    pub stage: String,
    /// `None` for messages that no script took up.
    pub script: Option<String>,
    pub unit: MailUnit,
    /// `offered`, `not_started`, `attempted` or the name of a fate.
    pub outcome: &'static str,
    pub count: u64,
    /// What it is a share of: offered for `not_started` and `attempted`, attempted for fates; `offered` has none.
    pub base: Option<u64>,
    pub share: Option<Share>,
}

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailUnit {
    Message,
    Recipient,
}

impl MailUnit {
    /// Its name in result files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Message => "message",
            Self::Recipient => "recipient",
        }
    }
}

/// Failures of one kind.
#[derive(Clone, Debug, PartialEq)]
pub struct FailureRow {
    pub target: String,
    pub stage: String,
    pub script: String,
    pub step: String,
    pub failure: Failure,
    pub count: u64,
    /// Of the first of them: any bytes.
    pub detail: Vec<u8>,
}

/// A slice of the time series in one stage.
#[derive(Clone, Debug, PartialEq)]
pub struct IntervalRow {
    pub target: String,
    pub stage: String,
    /// Start of the slice in seconds from the start of the run.
    pub second: f64,
    /// Messages whose intended start lies in it; `None` under closed load, which has no schedule.
    pub offered: Option<u64>,
    /// Messages whose MAIL was written in it.
    pub started: u64,
    /// Messages that met their fate in it.
    pub fates: FateCounts,
    /// At its end, of all stages together.
    pub open_sessions: u64,
    pub replies_2yz: u64,
    pub replies_4yz: u64,
    pub replies_5yz: u64,
    /// Messages accepted over the part of the slice that lies in the run.
    pub messages_per_s: Option<f64>,
    /// Bytes written over the same.
    pub bytes_per_s: Option<f64>,
    pub lag_us_p99: Option<u64>,
    pub eod_us_p50: Option<u64>,
    pub eod_us_p99: Option<u64>,
}
