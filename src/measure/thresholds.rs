//! Judges thresholds on what was measured in the judged stages, once, at the end.

use crate::clock::Duration;
use crate::measure::collector::Collector;
use crate::measure::evidence::{Amount, Asked, Lens, MessageBase, Scope};
pub use crate::measure::gauge::Unit;
use crate::measure::gauge::{Gauge, Reading};
use crate::measure::watch::Found;
use crate::plan::Plan;
use crate::scenario::threshold::Threshold;
use crate::schedule::Stage;
use crate::stats::quantile::Quantile;

/// A threshold and how it came out.
#[derive(Clone, Debug, PartialEq)]
pub struct ThresholdRow {
    /// As written.
    pub threshold: String,
    /// What was measured, in the worst window where there are windows; `None` without samples, and where it lies over
    /// what a histogram holds.
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

/// What thresholds are judged on.
pub(super) struct Evidence<'a> {
    pub(super) collector: &'a Collector,
    pub(super) plan: &'a Plan,
    /// The plan's stages, as the end of a warm-up moved them.
    pub(super) stages: &'a [Stage],
    /// Indices of the stages that count where a rule names none.
    pub(super) judged: &'a [u8],
    /// Where the windows of the stages end that have not ended before.
    pub(super) window_end: Duration,
}

const OVER: &str = "over 15 min";
const NO_SAMPLES: &str = "no samples";
const NO_WINDOW: &str = "no whole window";
/// Every reason that a row may have.
pub const REASONS: [&str; 3] = [OVER, NO_SAMPLES, NO_WINDOW];

/// The thresholds that are for the target, judged.
pub(super) fn judge(evidence: &Evidence<'_>) -> Vec<ThresholdRow> {
    let Evidence { collector, plan, judged, .. } = evidence;
    let asked = Asked::of(plan);
    let mut rows = Vec::new();
    for (index, threshold) in plan.scenario.thresholds.iter().enumerate() {
        let layout = collector.layout();
        let Some(scope) = Scope::new(layout, &threshold.narrowing, judged) else { continue };
        if threshold.sustained.is_some() {
            rows.push(row_of_windows(threshold, collector.watch.found(index).unwrap_or_default()));
            continue;
        }
        let time = covered(plan, scope.stages(), evidence.stages, evidence.window_end);
        let lens = Lens::new(threshold.metric, scope);
        let amount = lens.look(layout, &asked, *collector, MessageBase::Attempted);
        rows.push(row(threshold, &amount, time));
    }
    rows
}

/// The row of a threshold that holds for the whole run.
fn row(threshold: &Threshold, amount: &Amount, time: Duration) -> ThresholdRow {
    let gauge = Gauge::of(threshold.metric);
    let reading = gauge.read(amount, time);
    let (value, reason) = match reading {
        Reading::NoSamples => (None, Some(NO_SAMPLES)),
        Reading::Over => (None, Some(OVER)),
        Reading::Value(value) => (Some(value), None),
    };
    let holds = |value| threshold.comparison.holds(value, threshold.limit);
    ThresholdRow {
        threshold: threshold.text.clone(),
        value,
        limit: threshold.limit,
        unit: gauge.unit(),
        passed: reading.compared().is_some_and(holds),
        reason,
        estimate_of: gauge.estimate_of(amount),
    }
}

/// The row of a threshold that says what is bad over any window.
fn row_of_windows(threshold: &Threshold, found: Found) -> ThresholdRow {
    let reason = match found {
        Found { whole: false, .. } => Some(NO_WINDOW),
        Found { worst: None, .. } => Some(NO_SAMPLES),
        Found { worst: Some(worst), .. } if worst.is_infinite() => Some(OVER),
        Found { .. } => None,
    };
    ThresholdRow {
        threshold: threshold.text.clone(),
        value: found.worst.filter(|worst| worst.is_finite()),
        limit: threshold.limit,
        unit: Gauge::of(threshold.metric).unit(),
        passed: found.worst.is_some() && !found.met,
        reason,
        estimate_of: None,
    }
}

/// How much of the target's time these stages cover, up to `window_end`; what two of them share counts once.
pub(super) fn covered(
    plan: &Plan,
    indices: &[u8],
    stages: &[Stage],
    window_end: Duration,
) -> Duration {
    let stages = indices.iter().filter_map(|index| stages.get(usize::from(*index)));
    let mut spans: Vec<_> = stages
        .map(|stage| (stage.start, stage.end.map_or(window_end, |end| end.min(window_end))))
        .collect();
    spans.sort_unstable();
    let (mut sum, mut until) = (Duration::ZERO, Duration::ZERO);
    for (start, end) in spans {
        sum += plan.own_time(start.max(until), end);
        until = until.max(end);
    }
    sum
}

#[cfg(test)]
mod tests;
