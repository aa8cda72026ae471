//! Adds up what the workers measured. One a run; fed by snapshots in any order.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::clock::Duration;
use crate::measure::addresses::AddressTally;
use crate::measure::histogram::Histogram;
use crate::measure::intervals::{IntervalCounts, IntervalRows};
use crate::measure::layout::{Layout, PlaceId, ScriptId, SeriesId};
use crate::measure::outcome::{Clock, Fate, Outcome};
use crate::measure::recorder::Snapshot;
use crate::measure::series::SeriesSums;
use crate::measure::summary::Summary;
use crate::measure::tables;
use crate::measure::tally::{
    ArrivalTally, FailureTally, FateCounts, MessageTally, ReplyTally, StageTally,
};
use crate::measure::tls::TlsTally;
use crate::measure::validity::EndOfRun;
use crate::measure::watch::{Stopped, Watch};
use crate::plan::Plan;
use crate::scenario::step::StepId;
use crate::smtp::reply::Severity;
use crate::stats::quantile::Quantile;

/// How many unfinished spans are held for the histogram log. Beyond it the two oldest become one: a worker that
/// stopped answering, or a log that nobody writes, costs resolution and not memory.
const SPANS_MAX: usize = 8;

/// The sum of all snapshots so far.
#[derive(Debug)]
pub struct Collector {
    pub(super) layout: Arc<Layout>,
    pub(super) interval: Duration,
    pub(super) series: BTreeMap<SeriesId, Histogram>,
    pub(super) replies: BTreeMap<PlaceId, ReplyTally>,
    pub(super) failures: BTreeMap<PlaceId, FailureTally>,
    pub(super) messages: Vec<MessageTally>,
    pub(super) stages: Vec<StageTally>,
    pub(super) tls: TlsTally,
    /// By index of stage and address.
    pub(super) addresses: Vec<AddressTally>,
    pub(super) rows: IntervalRows,
    pub(super) watch: Watch,
    /// Of each worker: it has nothing more to say of intervals below this.
    until: Vec<u64>,
    /// By first interval; they do not overlap.
    spans: BTreeMap<u64, Span>,
    /// Intervals below this went out with [`Collector::take_completed`].
    logged: u64,
}

/// Histograms of consecutive intervals that are not yet in the log.
#[derive(Debug)]
struct Span {
    until: u64,
    series: BTreeMap<SeriesId, Histogram>,
}

/// What all workers together measured in a span of time: rows for the histogram log.
#[derive(Clone, Debug, PartialEq)]
pub struct CompletedInterval {
    /// From the start of the run.
    pub start: Duration,
    /// Its length.
    pub length: Duration,
    /// What was touched in it.
    pub series: Vec<(SeriesId, Histogram)>,
}

/// How a run is getting on: totals so far over all stages.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Progress {
    /// Messages whose MAIL was written.
    pub attempted: u64,
    /// What became of those that ended.
    pub fates: FateCounts,
    /// Replies 2yz.
    pub replies_2yz: u64,
    /// Replies 4yz.
    pub replies_4yz: u64,
    /// Replies 5yz.
    pub replies_5yz: u64,
    /// Steps without a usable reply.
    pub failures: u64,
    /// What the schedules of open loads brought.
    pub arrivals: ArrivalTally,
    /// Sessions whose connection stands.
    pub open_sessions: u64,
    /// Sessions that have ended, and those that came to no connection.
    pub sessions_over: u64,
    /// Messages accepted a second in the last slice of which every worker has reported; `None` before the first.
    pub accepted_per_s: Option<f64>,
    /// End of data, accepted and timed-out samples; `None` where they are too few.
    pub eod_us_p50: Option<u64>,
    /// The same; needs some 560 samples.
    pub eod_us_p99: Option<u64>,
}

impl Progress {
    /// Adds how another target of the run is getting on; percentiles of several are none.
    pub fn add(&mut self, other: &Self) {
        let alone = *self == Self::default();
        self.attempted += other.attempted;
        self.fates.add(&other.fates);
        self.replies_2yz += other.replies_2yz;
        self.replies_4yz += other.replies_4yz;
        self.replies_5yz += other.replies_5yz;
        self.failures += other.failures;
        self.arrivals.add(&other.arrivals);
        self.open_sessions += other.open_sessions;
        self.sessions_over += other.sessions_over;
        self.accepted_per_s = match (self.accepted_per_s, other.accepted_per_s) {
            (Some(a), Some(b)) => Some(a + b),
            (a, b) => a.or(b),
        };
        let percentiles = (other.eod_us_p50, other.eod_us_p99);
        (self.eod_us_p50, self.eod_us_p99) = if alone { percentiles } else { (None, None) };
    }
}

/// What a slice of the time series says of how fast it went.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SliceFigures {
    /// Messages accepted in it.
    pub accepted: f64,
    /// Median of the end of data, accepted and timed out; 0 without samples.
    pub eod_us_p50: f64,
}

impl Collector {
    /// A collector for so many workers. `interval` is that of the recorders.
    #[must_use]
    pub fn new(layout: Arc<Layout>, interval: Duration, workers: usize) -> Self {
        Self {
            interval: interval.max(Duration::from_millis(1)),
            series: BTreeMap::new(),
            replies: BTreeMap::new(),
            failures: BTreeMap::new(),
            messages: vec![MessageTally::default(); layout.script_count()],
            stages: vec![StageTally::default(); layout.stages().len()],
            tls: TlsTally::default(),
            addresses: vec![AddressTally::default(); layout.address_count()],
            rows: IntervalRows::new(),
            watch: Watch::default(),
            until: vec![0; workers],
            spans: BTreeMap::new(),
            logged: 0,
            layout,
        }
    }

    /// Has the rules of `watch` looked at as snapshots come.
    #[must_use]
    pub fn watched_by(self, watch: Watch) -> Self {
        Self { watch, ..self }
    }

    /// The rule that ended the run, if one did: then nothing more is to be started.
    #[must_use]
    pub fn stopped(&self) -> Option<&Stopped> {
        self.watch.stopped()
    }

    /// The warm-up of `plan` is to end at `end` and not as planned: rules look at what follows.
    pub fn warmup_ended(&mut self, plan: &Plan, end: Duration) {
        self.watch.warmup_ended(&plan.timeline(Some(end)), self.interval);
    }

    /// The load was ended by something else than its rules: they are not looked at any more.
    pub fn load_ended(&mut self) {
        self.watch.end();
    }

    /// Adds a snapshot. Their order does not matter.
    pub fn add(&mut self, snapshot: Snapshot) {
        self.watch.add(&self.layout, &snapshot);
        self.add_intervals(&snapshot);
        if let Some(until) = self.until.get_mut(snapshot.worker) {
            *until = snapshot.until.max(*until);
        }
        for (script, tally) in &snapshot.messages {
            self.messages[script.index()].add(tally);
        }
        self.tls.add(&snapshot.tls);
        for (index, tally) in &snapshot.addresses {
            self.addresses[*index].add(tally);
        }
        for (sum, tally) in self.stages.iter_mut().zip(&snapshot.stages) {
            sum.add(tally);
        }
        for (place, tally) in snapshot.replies {
            self.replies.entry(place).or_default().add(tally);
        }
        for (place, tally) in snapshot.failures {
            self.failures.entry(place).or_default().add(tally);
        }
        for (series, histogram) in &snapshot.series {
            self.series.entry(*series).or_default().add(histogram);
        }
        if !snapshot.series.is_empty() {
            self.add_span(snapshot.interval, snapshot.series);
        }
        self.watch.judge(self.complete(), self.interval);
    }

    /// Takes what the histogram log can have now: the spans that no worker will add to.
    pub fn take_completed(&mut self) -> Vec<CompletedInterval> {
        let complete = self.complete();
        self.take_spans(|until| until <= complete)
    }

    /// Takes all that the histogram log has not had. Call it at the end: a worker that was lost completes nothing.
    pub fn take_rest(&mut self) -> Vec<CompletedInterval> {
        self.take_spans(|_| true)
    }

    /// Whether every message that open loads brought in their judged stages was attempted, so far.
    #[must_use]
    pub fn all_started(&self, plan: &Plan) -> bool {
        self.stage_tally(&plan.judged_stages()).arrivals.messages_not_started == 0
    }

    /// How the run is getting on.
    #[must_use]
    pub fn progress(&self) -> Progress {
        let mut progress = Progress::default();
        for tally in &self.messages {
            progress.attempted += tally.attempted;
            progress.fates.add(&tally.fates);
        }
        for tally in self.replies.values() {
            progress.replies_2yz += tally.of_severity(Severity::Completed);
            progress.replies_4yz += tally.of_severity(Severity::Transient);
            progress.replies_5yz += tally.of_severity(Severity::Permanent);
        }
        progress.failures = self.failures.values().map(FailureTally::sum).sum();
        for tally in &self.stages {
            progress.arrivals.add(&tally.arrivals);
        }
        let opened: u64 = self.stages.iter().map(|tally| tally.opened).sum();
        let closed: u64 = self.stages.iter().map(|tally| tally.closed).sum();
        progress.open_sessions = opened.saturating_sub(closed);
        let unconnected = self.failures.iter();
        let unconnected = unconnected
            .filter(|(place, _)| self.layout.place_parts(**place).step == StepId::CONNECT)
            .map(|(_, tally)| tally.sum());
        progress.sessions_over = closed + unconnected.sum::<u64>();
        progress.accepted_per_s = self.latest_rate();
        let stages: Vec<u8> = self.layout.stage_indices().collect();
        let eod = self.judged_samples(&stages, StepId::EOD, Clock::Service);
        progress.eod_us_p50 = eod.quantile(Quantile::P50).map(|estimate| estimate.value);
        progress.eod_us_p99 = eod.quantile(Quantile::P99).map(|estimate| estimate.value);
        progress
    }

    /// All that is known, as the rows of every result file.
    #[must_use]
    pub fn summary(&self, plan: &Plan, end: &EndOfRun) -> Summary {
        tables::summary(self, plan, end)
    }

    /// The layout it counts by.
    #[must_use]
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Its histograms, with the names of their series.
    pub(super) fn sums(&self) -> SeriesSums<'_> {
        SeriesSums { layout: &self.layout, histograms: &self.series }
    }

    /// The accepted and timed-out samples of a step in some stages.
    pub(super) fn judged_samples(&self, stages: &[u8], step: StepId, clock: Clock) -> Histogram {
        self.sums().judged_samples(stages, step, clock)
    }

    /// Sessions, bytes and arrivals of some stages together.
    pub(super) fn stage_tally(&self, stages: &[u8]) -> StageTally {
        let mut sum = StageTally::default();
        for tally in stages.iter().filter_map(|stage| self.stages.get(usize::from(*stage))) {
            sum.add(tally);
        }
        sum
    }

    /// The messages of some stages over all scripts.
    pub(super) fn stage_messages(&self, stages: &[u8]) -> MessageTally {
        let mut sum = MessageTally::default();
        for stage in stages {
            for script in self.layout.script_indices() {
                sum.add(&self.messages[self.layout.script(*stage, script).index()]);
            }
        }
        sum
    }

    /// The slices from number `from` on that no worker will add to, as long as a slice is one interval.
    pub(super) fn complete_slices(&self, from: u64) -> Vec<SliceFigures> {
        let scale = self.rows.scale();
        let figures = |slice: u64| {
            let (mut accepted, mut eod) = (0, Histogram::default());
            for counts in self.rows.of(slice) {
                accepted += counts.fates.of(Fate::Accepted);
                eod.add(&counts.eod.to_histogram());
            }
            let p50 = eod.estimate(Quantile::P50).unwrap_or(0);
            #[expect(clippy::cast_precision_loss, reason = "figures to be compared")]
            SliceFigures { accepted: accepted as f64, eod_us_p50: p50 as f64 }
        };
        (from..self.complete() / scale).map(figures).collect()
    }

    fn latest_rate(&self) -> Option<f64> {
        let scale = self.rows.scale();
        // A worker that finished says no more of any interval; the rest decide what the last one is.
        let last = self.rows.iter().map(|(row, ..)| (row + 1) * scale).max()?;
        let row = (self.complete().min(last) / scale).checked_sub(1)?;
        let accepted: u64 = self.rows.of(row).map(|counts| counts.fates.of(Fate::Accepted)).sum();
        #[expect(clippy::cast_precision_loss, reason = "a rate for the eye")]
        let (accepted, intervals) = (accepted as f64, scale as f64);
        Some(accepted / (self.interval.as_secs_f64() * intervals))
    }

    /// Intervals below this are complete.
    fn complete(&self) -> u64 {
        self.until.iter().copied().min().unwrap_or(u64::MAX)
    }

    fn add_intervals(&mut self, snapshot: &Snapshot) {
        let mut counts = vec![IntervalCounts::default(); self.stages.len()];
        let mut of_stage = |stage: u8, add: &mut dyn FnMut(&mut IntervalCounts)| {
            add(&mut counts[usize::from(stage)]);
        };
        for (script, tally) in &snapshot.messages {
            of_stage(self.layout.script_parts(*script).0, &mut |counts| {
                counts.started += tally.attempted;
                counts.fates.add(&tally.fates);
            });
        }
        for (place, tally) in &snapshot.replies {
            let severities = [Severity::Completed, Severity::Transient, Severity::Permanent];
            of_stage(self.layout.place_parts(*place).stage, &mut |counts| {
                for (sum, severity) in counts.replies.iter_mut().zip(severities) {
                    *sum += tally.of_severity(severity);
                }
            });
        }
        for (series, histogram) in &snapshot.series {
            let Some((place, clock, outcome)) = self.layout.series_parts(*series) else { continue };
            let judged = matches!(outcome, Outcome::Accepted | Outcome::Timeout);
            of_stage(place.stage, &mut |counts| match (place.step, clock) {
                (StepId::EOD, Clock::Service) if judged => counts.eod.add(&histogram.to_sparse()),
                (StepId::TRANSACTION, Clock::Lag) => counts.lag.add(&histogram.to_sparse()),
                _ => {}
            });
        }
        for (counts, tally) in counts.iter_mut().zip(&snapshot.stages) {
            counts.opened += tally.opened;
            counts.closed += tally.closed;
            counts.bytes_sent += tally.bytes_sent;
            counts.offered += tally.arrivals.messages;
        }
        for (stage, counts) in self.layout.stage_indices().zip(&counts) {
            if *counts != IntervalCounts::default() {
                self.rows.add(snapshot.interval, stage, counts);
            }
        }
    }

    fn add_span(&mut self, interval: u64, series: Vec<(SeriesId, Box<Histogram>)>) {
        let covering = self.spans.range(..=interval).next_back();
        let first = match covering.filter(|(_, span)| interval < span.until) {
            Some((first, _)) => *first,
            None => self.open_span(interval),
        };
        let span = self
            .spans
            .entry(first)
            .or_insert_with(|| Span { until: interval + 1, series: BTreeMap::new() });
        for (id, histogram) in series {
            match span.series.entry(id) {
                std::collections::btree_map::Entry::Vacant(empty) => {
                    empty.insert(*histogram);
                }
                std::collections::btree_map::Entry::Occupied(mut sum) => {
                    sum.get_mut().add(&histogram);
                }
            }
        }
        while self.spans.len() > SPANS_MAX {
            self.join_oldest();
        }
    }

    /// Opens a span for `interval`, as long as a slice of the time series where its neighbours leave room.
    fn open_span(&mut self, interval: u64) -> u64 {
        let scale = self.rows.scale();
        let aligned = interval / scale * scale;
        let before = self.spans.range(..=interval).next_back().map_or(0, |(_, span)| span.until);
        let after = self.spans.range(interval..).next().map_or(u64::MAX, |(first, _)| *first);
        let first = aligned.max(before).max(self.logged.min(interval));
        let until = (aligned + scale).min(after);
        self.spans.insert(first, Span { until, series: BTreeMap::new() });
        first
    }

    fn join_oldest(&mut self) {
        let Some((first, mut oldest)) = self.spans.pop_first() else { return };
        let Some((_, next)) = self.spans.pop_first() else { return };
        for (id, histogram) in next.series {
            oldest.series.entry(id).or_default().add(&histogram);
        }
        oldest.until = next.until;
        self.spans.insert(first, oldest);
    }

    fn take_spans(&mut self, complete: impl Fn(u64) -> bool) -> Vec<CompletedInterval> {
        let mut taken = Vec::new();
        while let Some((first, span)) = self.spans.pop_first() {
            if !complete(span.until) {
                self.spans.insert(first, span);
                break;
            }
            self.logged = self.logged.max(span.until);
            taken.push(CompletedInterval {
                start: self.offset(first),
                length: self.offset(span.until - first),
                series: span.series.into_iter().collect(),
            });
        }
        taken
    }

    /// So many intervals as time.
    pub(super) fn offset(&self, intervals: u64) -> Duration {
        self.interval.saturating_mul(u32::try_from(intervals).unwrap_or(u32::MAX))
    }

    pub(super) fn script_parts(&self, index: usize) -> (u8, u16) {
        self.layout.script_parts(ScriptId::from_index(index))
    }
}
