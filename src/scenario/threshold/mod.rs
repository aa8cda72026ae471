//! Thresholds: rules that decide pass or fail, as the user wrote them, and the rules that stop a run. They are judged
//! in `measure`.

mod metric;
mod narrowing;
mod parse;
mod stop;
#[cfg(test)]
mod tests;

use std::fmt;
use std::time::Duration;

use super::step::{StepId, StepNames};
pub use parse::parse_threshold;
pub use stop::{DEFAULT_STOP_RULES, Distress, STOP_RULES_MAX, StopRule, parse_stop_rule};

/// What counts where a scenario has no `thresholds`.
pub const DEFAULT_THRESHOLDS: &[&str] = &["accepted > 99%", "in_doubt < 0.1%"];
/// Most thresholds of a scenario.
pub const THRESHOLDS_MAX: usize = 100;

/// One rule: `eod.p99 < 500ms`, `accepted{stage="peak"} > 99%`.
#[derive(Clone, Debug, PartialEq)]
pub struct Threshold {
    /// As written; with [`Threshold::sustained`], `if RULE for DURATION`.
    pub text: String,
    /// What is looked at.
    pub metric: Metric,
    /// Where.
    pub narrowing: Narrowing,
    /// How it is compared with the limit.
    pub comparison: Comparison,
    /// Shares as fractions from 0 to 1, times in microseconds, rates in messages.
    pub limit: f64,
    /// What must not hold over any such span of the run; without it, what must hold over the whole of it.
    pub sustained: Option<Sustained>,
}

impl fmt::Display for Threshold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl Threshold {
    /// What may surprise of it in a run against one of `targets`, under open load or not.
    pub(super) fn remark(&self, open: bool, targets: &[&str]) -> Option<String> {
        let text = self.text.trim();
        if let (Some(name), [one]) = (&self.narrowing.target, targets)
            && name != one
        {
            return Some(format!("`{text}` is not judged: the run is not for target {name}"));
        }
        let scheduled = match self.metric {
            Metric::Lag(_) | Metric::AchievedRate => true,
            Metric::Step { clock, .. } => {
                matches!(clock, Some(StepClock::Response | StepClock::Lag))
            }
            _ => false,
        };
        if scheduled && !open {
            return Some(format!(
                "`{text}` will be missed: a closed load has no schedule, and so no offered rate, lag or response time"
            ));
        }
        match self.metric {
            Metric::Step { step, .. }
                if scheduled && ![StepId::TRANSACTION, StepId::SESSION].contains(&step) =>
            {
                let what = "only transaction and session have a lag and a response time";
                Some(format!("`{text}` will be missed: {what}"))
            }
            _ => None,
        }
    }
}

/// `{ if = "eod.p99 > 2s", for = "10s", abort = true }`: a threshold that says what is bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sustained {
    /// Length of the sliding window.
    pub over: Duration,
    /// Whether the run ends when it holds.
    pub abort: bool,
}

/// What a threshold looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metric {
    /// Share of the attempted messages.
    Share(MessageShare),
    /// A figure of a step.
    Step {
        /// The step.
        step: StepId,
        /// Which time; without it the service time, but for `transaction` and `session` under open load the response
        /// time.
        clock: Option<StepClock>,
        /// Samples of this outcome; without it the accepted and the timed-out ones.
        outcome: Option<StepOutcome>,
        /// The figure.
        statistic: Statistic,
    },
    /// A figure of the lag of transactions; of sessions where no transaction has one.
    Lag(Statistic),
    /// Share of replies with these codes.
    Replies {
        /// Which.
        codes: Codes,
        /// Of all replies; otherwise of those that are no refusal which a `=>` asks for.
        any: bool,
    },
    /// Achieved over offered rate; open load only.
    AchievedRate,
    /// Messages accepted within the window, a second.
    MessagesPerSecond,
    /// The same, an hour.
    MessagesPerHour,
}

/// Shares of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageShare {
    Accepted,
    Rejected,
    Deferred,
    Failed,
    InDoubt,
}

/// Times of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepClock {
    Service,
    Response,
    Lag,
}

/// How a step may end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepOutcome {
    Accepted,
    Deferred,
    Rejected,
    Unexpected,
    Timeout,
    Lost,
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

/// Reply codes: one, or all with the same first digit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Codes {
    first: u16,
    last: u16,
}

impl Codes {
    /// Reads `450` or `4xx`; `None` where it is neither.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let [digit @ b'2'..=b'5', rest @ ..] = text.as_bytes() else { return None };
        let hundreds = u16::from(digit - b'0') * 100;
        match rest {
            b"xx" => Some(Self { first: hundreds, last: hundreds + 99 }),
            [tens @ b'0'..=b'9', ones @ b'0'..=b'9'] => {
                let code = hundreds + u16::from(tens - b'0') * 10 + u16::from(ones - b'0');
                Some(Self { first: code, last: code })
            }
            _ => None,
        }
    }

    /// Whether `code` is one of them.
    #[must_use]
    pub fn contains(self, code: u16) -> bool {
        (self.first..=self.last).contains(&code)
    }
}

/// `{stage="peak", script="submit", target="ses"}`: all of them must fit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Narrowing {
    /// Name of the stage; all stages that are judged without it.
    pub stage: Option<String>,
    /// Name of the script.
    pub script: Option<String>,
    /// Name of the target.
    pub target: Option<String>,
}

/// Comparison with the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Comparison {
    /// Whether `value` compares so with `limit`.
    #[must_use]
    pub fn holds(self, value: f64, limit: f64) -> bool {
        match self {
            Self::Less => value < limit,
            Self::LessOrEqual => value <= limit,
            Self::Greater => value > limit,
            Self::GreaterOrEqual => value >= limit,
        }
    }
}

/// The names that a rule may use. A list that is not known while the scenario is read is `None`, and its names are
/// not looked at.
#[derive(Clone, Copy, Debug)]
pub struct RuleNames<'a> {
    /// Of the scripts.
    pub steps: &'a StepNames,
    /// Of the load.
    pub stages: Option<&'a [String]>,
    /// Of the scenario.
    pub scripts: Option<&'a [String]>,
    /// Of the scenario.
    pub targets: Option<&'a [String]>,
}
