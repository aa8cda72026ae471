//! Thresholds: rules that decide pass or fail, as the user wrote them. They are judged in `measure`.

use super::step::StepId;

/// One rule: `eod.p99 < 500ms`, `accepted > 99%`.
#[derive(Clone, Debug, PartialEq)]
pub struct Threshold {
    /// As written.
    pub text: String,
    /// What is looked at.
    pub metric: Metric,
    /// How it is compared with the limit.
    pub comparison: Comparison,
    /// Shares as fractions from 0 to 1, times in microseconds.
    pub limit: f64,
}

/// What a threshold looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metric {
    /// Share of the attempted messages.
    Share(MessageShare),
    /// A figure of a step's service time over accepted and timed-out samples.
    Step {
        /// The step.
        step: StepId,
        /// The figure.
        statistic: Statistic,
    },
}

/// Shares a threshold may name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageShare {
    Accepted,
    Rejected,
    Deferred,
    Failed,
    InDoubt,
}

/// Figures of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Statistic {
    Min,
    Mean,
    Max,
    /// In thousandths of a percent: `p99.9` is 99_900.
    Percentile(u32),
}

/// Comparison with the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// What counts where a scenario has no `thresholds`.
pub const DEFAULT_THRESHOLDS: &[&str] = &["accepted > 99%", "in_doubt < 0.1%"];
