//! What is compared: the metrics that both sides have, and the samples behind them.

use super::{Method, Rules, Side, Unit};
use crate::measure::accounting::Balance;
use crate::measure::histogram::{Estimate, VALUE_MAX};
use crate::measure::outcome::{Clock, Fate};
use crate::measure::summary::{Figures, IntervalRow, Summary};
use crate::report::record::Record;
use crate::report::saved::Saved;
use crate::stats::binomial::as_f64;
use crate::stats::bootstrap::Scale;
use crate::stats::comparison::{Better, Lack, Parts, Question, Sample};
use crate::stats::quantile::Quantile;
use crate::stats::series::{Cumulated, Series};
use crate::units::Microseconds;

/// Which percentiles of a step are compared.
const QUANTILES: [Quantile; 3] = [Quantile::P50, Quantile::P95, Quantile::P99];
/// Fates that a target decides; a script's own drops and our own faults are none of its.
const FATES: [Fate; 6] =
    [Fate::Accepted, Fate::Rejected, Fate::Deferred, Fate::Failed, Fate::InDoubt, Fate::Unfinished];
/// Times are floats of seconds, and the edges of intervals meet those of stages.
const EDGE_S: f64 = 1e-3;

/// A target of one run.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    saved: &'a Saved,
    target: usize,
}

/// A metric that is asked for.
pub(super) struct Asked {
    pub(super) name: String,
    pub(super) unit: Unit,
    pub(super) question: Question,
    pub(super) baseline: Option<f64>,
    pub(super) candidate: Option<f64>,
}

/// All of them.
pub(super) struct AllAsked {
    pub(super) metrics: Vec<Asked>,
    pub(super) left_out: usize,
}

/// What can be compared.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Metric {
    MessagesPerS,
    Fate(Fate),
    Achieved,
    Time(String, Clock, Quantile),
}

pub(super) fn views(side: &Side, target: usize) -> Vec<View<'_>> {
    side.runs.iter().map(|saved| View { saved, target }).collect()
}

/// The metrics of both sides, with what they stand on.
pub(super) fn ask(
    first: &[View<'_>],
    second: &[View<'_>],
    method: Method,
    rules: &Rules,
) -> AllAsked {
    let mut asked = AllAsked { metrics: Vec::new(), left_out: 0 };
    for metric in known(first, second) {
        let name = metric.name();
        if !rules.only.is_empty() && !rules.only.contains(&name) {
            continue;
        }
        let values = |views: &[View<'_>]| -> Vec<Result<f64, Lack>> {
            views.iter().map(|view| view.value(&metric)).collect()
        };
        let (a, b) = (values(first), values(second));
        if rules.only.is_empty() && a.iter().chain(&b).all(Result::is_err) {
            asked.left_out += 1;
            continue;
        }
        let sample = match method {
            Method::Runs => of_runs(&a, &b),
            Method::Intervals | Method::Paired => {
                let paired = method == Method::Paired;
                of_intervals(&metric, (&first[0], &a[0]), (&second[0], &b[0]), paired)
            }
        };
        asked.metrics.push(Asked {
            unit: metric.unit(),
            question: metric.question(sample, rules),
            baseline: median(&a),
            candidate: median(&b),
            name,
        });
    }
    asked
}

/// The names of all metrics that two sides have: what can be asked for.
pub(super) fn names(first: &[View<'_>], second: &[View<'_>]) -> Vec<String> {
    known(first, second).iter().map(Metric::name).collect()
}

/// Every metric that one of the runs has, in the order of the reports.
fn known(first: &[View<'_>], second: &[View<'_>]) -> Vec<Metric> {
    let views = || first.iter().chain(second);
    let mut metrics = vec![Metric::MessagesPerS];
    if views().any(|view| view.record().plan.is_open()) {
        metrics.push(Metric::Achieved);
    }
    for fate in FATES {
        if fate == Fate::Accepted || views().any(|view| view.books().fates.of(fate) > 0) {
            metrics.push(Metric::Fate(fate));
        }
    }
    for view in views() {
        let steps = &view.summary().steps;
        for row in steps.iter().filter(|row| row.clock != Clock::Lag) {
            // Under a schedule the response time is what a sender feels, and holds the service time.
            let felt = row.clock == Clock::Service
                && steps.iter().any(|o| o.step == row.step && o.clock == Clock::Response);
            let times = QUANTILES.map(|q| Metric::Time(row.step.clone(), row.clock, q));
            if !felt && !metrics.contains(&times[0]) {
                metrics.extend(times);
            }
        }
    }
    metrics
}

fn of_runs(first: &[Result<f64, Lack>], second: &[Result<f64, Lack>]) -> Sample {
    if let Some(lack) = [first, second].into_iter().find_map(all_lack) {
        return Sample::Missing(lack);
    }
    let some = |side: &[Result<f64, Lack>]| side.iter().map(|value| value.ok()).collect();
    Sample::Runs { baseline: some(first), candidate: some(second) }
}

/// Why a side has no value at all.
fn all_lack(side: &[Result<f64, Lack>]) -> Option<Lack> {
    if side.iter().any(Result::is_ok) { None } else { side.iter().find_map(|one| one.err()) }
}

fn of_intervals(
    metric: &Metric,
    (first, a): (&View<'_>, &Result<f64, Lack>),
    (second, b): (&View<'_>, &Result<f64, Lack>),
    paired: bool,
) -> Sample {
    let (a, b) = match (a, b) {
        (Ok(a), Ok(b)) => (*a, *b),
        (Err(lack), _) | (_, Err(lack)) => return Sample::Missing(*lack),
    };
    let series = match metric {
        Metric::Fate(fate) => {
            return Sample::Parts { baseline: first.fates(*fate), candidate: second.fates(*fate) };
        }
        Metric::MessagesPerS => [first.accepted_per_s(), second.accepted_per_s()],
        Metric::Achieved => [first.started_of_offered(), second.started_of_offered()],
        Metric::Time(step, clock, quantile) => {
            [first, second].map(|view| view.times(step, *clock, *quantile))
        }
    };
    let [first, second] = series;
    Sample::Intervals { baseline: (first, a), candidate: (second, b), paired }
}

impl Metric {
    fn name(&self) -> String {
        match self {
            Self::MessagesPerS => "messages_per_s".to_owned(),
            Self::Achieved => "achieved_rate".to_owned(),
            Self::Fate(fate) => fate.name().to_owned(),
            Self::Time(step, Clock::Service, quantile) => format!("{step}.{quantile}"),
            Self::Time(step, clock, quantile) => format!("{step}.{}.{quantile}", clock.name()),
        }
    }

    fn unit(&self) -> Unit {
        match self {
            Self::MessagesPerS => Unit::PerSecond,
            Self::Achieved | Self::Fate(_) => Unit::Share,
            Self::Time(..) => Unit::Microseconds,
        }
    }

    fn question(&self, sample: Sample, rules: &Rules) -> Question {
        let better = match self {
            Self::MessagesPerS | Self::Achieved | Self::Fate(Fate::Accepted) => Better::Higher,
            Self::Fate(_) | Self::Time(..) => Better::Lower,
        };
        let (scale, margin) = match self.unit() {
            Unit::Share => (Scale::Difference, rules.min_points),
            // What is lost of a rate is a share of it: 5 % less is a ratio of 0.95.
            Unit::PerSecond => (Scale::Ratio, -(1.0 - rules.min_effect).ln()),
            Unit::Microseconds => (Scale::Ratio, rules.min_effect.ln_1p()),
        };
        Question { sample, scale, better, margin, rounded: self.unit() == Unit::Microseconds }
    }
}

impl<'a> View<'a> {
    pub(super) fn record(&self) -> &'a Record {
        &self.saved.record
    }

    pub(super) fn summary(&self) -> &'a Summary {
        &self.saved.record.targets[self.target].summary
    }

    pub(super) fn target(&self) -> &'a crate::report::record::TargetRecord {
        &self.saved.record.targets[self.target]
    }

    fn books(&self) -> &'a Balance {
        &self.summary().accounting.messages
    }

    fn value(&self, metric: &Metric) -> Result<f64, Lack> {
        let summary = self.summary();
        let known = match metric {
            Metric::MessagesPerS => summary.totals.first().and_then(|row| row.messages_per_s),
            Metric::Achieved => summary.arrivals.and_then(|arrivals| {
                (arrivals.due > 0).then(|| as_f64(arrivals.started) / as_f64(arrivals.due))
            }),
            Metric::Fate(fate) => {
                let books = self.books();
                let share = || as_f64(books.fates.of(*fate)) / as_f64(books.attempted);
                (books.attempted > 0).then(share)
            }
            Metric::Time(step, clock, quantile) => return self.time(step, *clock, *quantile),
        };
        known.ok_or(Lack::NotMeasured)
    }

    fn figures(&self, step: &str, clock: Clock) -> Option<&'a Figures> {
        let mut rows = self.summary().steps.iter();
        rows.find(|row| row.step == step && row.clock == clock).map(|row| &row.figures)
    }

    fn time(&self, step: &str, clock: Clock, quantile: Quantile) -> Result<f64, Lack> {
        let figures = self.figures(step, clock).ok_or(Lack::NotMeasured)?;
        let estimate = match quantile {
            Quantile::P50 => figures.p50,
            Quantile::P95 => figures.p95,
            _ => figures.p99,
        };
        let least = figures.count.saturating_add(figures.overflow_count);
        match estimate {
            Some(Estimate { value, .. }) => Ok(as_f64(value.max(1))),
            None if least == 0 => Err(Lack::NotMeasured),
            None => Err(Lack::Samples { least, needed: quantile.samples_needed() }),
        }
    }

    /// Start and length of what is judged, and the length of an interval, in seconds.
    fn window(&self) -> (f64, f64, f64) {
        let (summary, plan) = (self.summary(), &self.record().plan);
        let judged = plan.stages.iter().filter(|stage| summary.judged_stages.contains(&stage.name));
        let planned = judged.map(|stage| stage.start_s).fold(f64::INFINITY, f64::min);
        let start = summary.warmup_end.map_or(planned, |end| end.as_secs_f64());
        let start = if start.is_finite() { start } else { 0.0 };
        (start, summary.window.as_secs_f64(), summary.interval.as_secs_f64().max(EDGE_S))
    }

    /// The samples of a step by interval of the window; what lies behind it belongs to its last one.
    fn times(&self, step: &str, clock: Clock, quantile: Quantile) -> Series {
        let (start, length, interval) = self.window();
        let mut bins =
            vec![crate::measure::histogram::Sparse::default(); count(length / interval).max(1)];
        let last = bins.len() - 1;
        for slice in self.saved.judged_slices(self.target, step, clock) {
            let place = (slice.start.as_secs_f64() - start + EDGE_S) / interval;
            bins[count(place).min(last)].add(&slice.samples);
        }
        let mut bins: Vec<Vec<(u64, u64)>> = bins.iter().map(|bin| bin.values().to_vec()).collect();
        let overflow = self.figures(step, clock).map_or(0, |figures| figures.overflow_count);
        if overflow > 0 {
            // The log has no place for it: above all others, wherever it was.
            let Microseconds(longest) = Microseconds::from_duration(VALUE_MAX);
            bins[last].push((longest + 1, overflow));
        }
        Series::Quantile { samples: Cumulated::new(&bins), quantile }
    }

    fn rows(&self) -> impl Iterator<Item = &'a IntervalRow> {
        let summary = self.summary();
        summary.intervals.iter().filter(|row| summary.judged_stages.contains(&row.stage))
    }

    /// Two counts by interval that lies whole in the window; an interval in which nothing happened is one, too.
    fn whole_intervals(&self, of: impl Fn(&IntervalRow) -> (f64, f64)) -> Vec<(f64, f64)> {
        let (start, length, interval) = self.window();
        let first = count(((start - EDGE_S) / interval).ceil());
        let end = count((start + length + EDGE_S) / interval);
        let mut counts = vec![(0.0, 0.0); end.saturating_sub(first)];
        for row in self.rows() {
            let place = count((row.second + EDGE_S) / interval).checked_sub(first);
            if let Some(sum) = place.and_then(|place| counts.get_mut(place)) {
                let (one, other) = of(row);
                *sum = (sum.0 + one, sum.1 + other);
            }
        }
        counts
    }

    fn accepted_per_s(&self) -> Series {
        let (.., interval) = self.window();
        let counts = self.whole_intervals(|row| (as_f64(row.fates.of(Fate::Accepted)), 0.0));
        let bases = vec![interval; counts.len()];
        Series::Ratio { parts: counts.into_iter().map(|(accepted, _)| accepted).collect(), bases }
    }

    fn started_of_offered(&self) -> Series {
        let of = |row: &IntervalRow| (as_f64(row.started), as_f64(row.offered.unwrap_or(0)));
        let (parts, bases) = self.whole_intervals(of).into_iter().unzip();
        Series::Ratio { parts, bases }
    }

    /// Messages of one fate by the interval that they ended in.
    fn fates(&self, fate: Fate) -> Parts {
        let mut parts = Parts::default();
        let mut second = f64::NAN;
        for row in self.rows() {
            if row.second != second {
                second = row.second;
                parts.counts.push(0.0);
                parts.bases.push(0.0);
            }
            if let (Some(count), Some(base)) = (parts.counts.last_mut(), parts.bases.last_mut()) {
                *count += as_f64(row.fates.of(fate));
                *base += as_f64(row.fates.sum());
            }
        }
        parts
    }
}

/// The middle of the values that there are.
fn median(values: &[Result<f64, Lack>]) -> Option<f64> {
    let mut known: Vec<f64> = values.iter().filter_map(|value| value.ok()).collect();
    known.sort_by(f64::total_cmp);
    let last = known.len().checked_sub(1)?;
    Some(f64::midpoint(known[last / 2], known[last.div_ceil(2)]))
}

/// A number of intervals.
fn count(value: f64) -> usize {
    // More than a run has, so that a damaged file asks for no memory.
    const INTERVALS_MAX: f64 = 1e5;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "clamped to what fits; not a number turns into 0"
    )]
    let count = value.clamp(0.0, INTERVALS_MAX) as usize;
    count
}
