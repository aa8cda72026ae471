//! Two sides of a comparison, each of one run or of several: whether they may be compared, what is compared, and how it
//! came out. Judged by `stats::comparison`; rendered by one file a format.

mod comparable;
mod csv;
mod html;
mod json;
mod markdown;
mod metrics;
#[cfg(test)]
mod tests;
mod text;
mod words;

pub use self::comparable::Mismatch;
pub use self::csv::csv;
pub use self::html::html;
pub use self::json::json;
pub use self::markdown::markdown;
pub use self::text::text;

use super::saved::Saved;
use crate::measure::validity::Verdict;
use crate::stats::comparison::{Answer, Better, Word, judge};

/// Fixes what is drawn, so that a comparison comes out the same every time.
const SEED: u64 = 5321;

/// One side as it was read.
#[derive(Clone, Debug)]
pub struct Side {
    /// What the user calls it: its folder.
    pub name: String,
    /// Its runs; at least one.
    pub runs: Vec<Saved>,
}

/// What counts.
#[derive(Clone, Debug, PartialEq)]
pub struct Rules {
    /// The smallest change of a time or rate that counts, as a share of it.
    pub min_effect: f64,
    /// The smallest change of a share that counts, as a difference of shares.
    pub min_points: f64,
    /// Names of the metrics that are judged; all of them where there is none.
    pub only: Vec<String>,
}

/// What came of a comparison of two targets.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// The name of the target on both sides, where a side has several.
    pub target: Option<String>,
    pub baseline: SideFacts,
    pub candidate: SideFacts,
    pub rules: Rules,
    /// What should be the same and is not; shown where a comparison was forced.
    pub mismatches: Vec<Mismatch>,
    /// Why nothing is called: a run that was cut has no verdict.
    pub no_verdict: Option<String>,
    pub rows: Vec<Row>,
    /// Percentiles that neither side has the samples for.
    pub left_out: usize,
    pub method: Method,
}

/// A side in short.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SideFacts {
    pub name: String,
    pub url: String,
    pub runs: usize,
    pub version: String,
    /// When its first run began.
    pub started: String,
}

/// What differences stand on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Values of several runs a side: Mann-Whitney.
    Runs,
    /// One run a side: its intervals, drawn in blocks.
    Intervals,
    /// Two targets of one run: the same intervals of both.
    Paired,
}

/// A metric.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    pub metric: String,
    pub unit: Unit,
    pub better: Better,
    /// Of the run, or the median of the runs.
    pub baseline: Option<f64>,
    pub candidate: Option<f64>,
    pub answer: Answer,
}

/// What a metric is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    Microseconds,
    PerSecond,
    /// From 0 to 1.
    Share,
}

/// What is said of all metrics together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conclusion {
    /// A metric is worse.
    Regression,
    /// None is shown to be worse, and not all could have been.
    Inconclusive,
    /// Whatever changed for the worse is smaller than what counts.
    NoRegression,
    /// The runs have no verdict to compare.
    NoVerdict,
}

impl Method {
    /// In words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Runs => "Mann-Whitney over the runs",
            Self::Intervals => "block bootstrap over the intervals of one run a side",
            Self::Paired => "paired block bootstrap over the intervals of one run",
        }
    }

    /// Its name in files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Runs => "mann_whitney",
            Self::Intervals => "block_bootstrap",
            Self::Paired => "paired_block_bootstrap",
        }
    }
}

impl Conclusion {
    /// Its name in files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Regression => "regression",
            Self::Inconclusive => "inconclusive",
            Self::NoRegression => "no_regression",
            Self::NoVerdict => "no_verdict",
        }
    }
}

impl Comparison {
    /// Compares the target number `first` of `baseline` with number `second` of `candidate`.
    ///
    /// # Panics
    /// When a side has no runs, or no such target.
    #[must_use]
    pub fn of(
        (baseline, first): (&Side, usize),
        (candidate, second): (&Side, usize),
        rules: &Rules,
    ) -> Self {
        let (a, b) = (metrics::views(baseline, first), metrics::views(candidate, second));
        let method = match (a.as_slice(), b.as_slice()) {
            ([a], [b]) if a.record().run_id == b.record().run_id => Method::Paired,
            ([_], [_]) => Method::Intervals,
            _ => Method::Runs,
        };
        let asked = metrics::ask(&a, &b, method, rules);
        let questions: Vec<_> = asked.metrics.iter().map(|one| one.question.clone()).collect();
        let answers = judge(&questions, SEED);
        let no_verdict = a.iter().chain(&b).find_map(|view| comparable::no_verdict(view));
        let row = |(one, answer): (metrics::Asked, Answer)| Row {
            metric: one.name,
            unit: one.unit,
            better: one.question.better,
            baseline: one.baseline,
            candidate: one.candidate,
            answer,
        };
        Self {
            target: (baseline.runs[0].record.targets.len() > 1)
                .then(|| baseline.runs[0].record.targets[first].name.clone()),
            mismatches: comparable::mismatches(&a, &b),
            baseline: SideFacts::of(baseline, first),
            candidate: SideFacts::of(candidate, second),
            rules: rules.clone(),
            no_verdict,
            rows: asked.metrics.into_iter().zip(answers).map(row).collect(),
            left_out: asked.left_out,
            method,
        }
    }

    /// What is said of all metrics together.
    #[must_use]
    pub fn conclusion(&self) -> Conclusion {
        let any = |fits: fn(&Row) -> bool| self.rows.iter().any(fits);
        match () {
            () if self.no_verdict.is_some() => Conclusion::NoVerdict,
            () if any(|row| row.answer.word == Word::Worse) => Conclusion::Regression,
            () if self.rows.is_empty() || any(|row| !row.answer.ruled_out) => {
                Conclusion::Inconclusive
            }
            () => Conclusion::NoRegression,
        }
    }
}

impl SideFacts {
    fn of(side: &Side, target: usize) -> Self {
        let record = &side.runs[0].record;
        Self {
            name: side.name.clone(),
            url: record.targets[target].url.clone(),
            runs: side.runs.len(),
            version: record.tool.version.clone(),
            started: record.facts.started.to_string(),
        }
    }
}

/// The pairs of targets that two sides have in common, by index: those of one name, or the only ones.
///
/// # Panics
/// When a side has no runs.
#[must_use]
pub fn targets(baseline: &Side, candidate: &Side) -> Vec<(usize, usize)> {
    let (first, second) = (&baseline.runs[0].record.targets, &candidate.runs[0].record.targets);
    if let ([_], [_]) = (first.as_slice(), second.as_slice()) {
        return vec![(0, 0)];
    }
    let named = first.iter().enumerate().filter_map(|(index, target)| {
        Some((index, second.iter().position(|other| other.name == target.name)?))
    });
    named.collect()
}

/// The names of all metrics that these targets of two sides have.
///
/// # Panics
/// When a side has no such target.
#[must_use]
pub fn known_metrics(
    (baseline, first): (&Side, usize),
    (candidate, second): (&Side, usize),
) -> Vec<String> {
    metrics::names(&metrics::views(baseline, first), &metrics::views(candidate, second))
}

/// Whether a run's figures say something of its target.
fn counts(verdict: Verdict) -> bool {
    verdict == Verdict::Valid
}
