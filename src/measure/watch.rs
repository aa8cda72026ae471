//! Rules that are looked at while the run goes on: the safety stop, and thresholds that say for how long something
//! must not last. Fed with the intervals of every worker; says when a rule has been met.

use std::fmt;

use crate::clock::Duration;
use crate::measure::evidence::{Amount, Asked, Lens, MessageBase, Scope};
use crate::measure::gauge::{Gauge, Unit};
use crate::measure::layout::Layout;
use crate::measure::recorder::Snapshot;
use crate::measure::window::Window;
use crate::plan::Plan;
use crate::scenario::threshold::{Comparison, StopRule, Threshold};
use crate::schedule::Stage;
use crate::schedule::blocks::Turns;
use crate::units::{Microseconds, format_duration};

/// The fewest replies or messages in a window that the safety stop makes a share of: one that goes wrong is no sign of
/// distress.
pub const WINDOW_SAMPLES_MIN: u64 = 20;
/// Intervals that windows wait for a worker that says nothing. Beyond it they are looked at without it, so that what
/// is held stays bounded, and a run that is half lost still stops.
const BEHIND_MAX: u64 = 8;

/// All rules of a run, and what became of them.
#[derive(Clone, Debug, Default)]
pub struct Watch {
    asked: Asked,
    rules: Vec<Rule>,
    /// The newest interval of which anything is known.
    latest: u64,
    /// Windows that end before this interval have been looked at.
    judged: u64,
    /// The load was ended otherwise: what comes now says nothing of the server.
    over: bool,
    stopped: Option<Stopped>,
    /// Where several targets take turns.
    turns: Option<Turns>,
}

/// One rule.
#[derive(Clone, Debug)]
struct Rule {
    text: String,
    /// Index into the scenario's thresholds; `None` for one of the safety stop.
    threshold: Option<usize>,
    /// Whether the run ends when it is met.
    stops: bool,
    lens: Lens,
    gauge: Gauge,
    comparison: Comparison,
    limit: f64,
    window: Window,
    found: Found,
}

/// What the windows of a rule held.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Found {
    /// A window was over.
    pub(super) whole: bool,
    /// The value nearest to what the rule says is bad, or furthest into it; infinite where it is over what a
    /// histogram holds.
    pub(super) worst: Option<f64>,
    /// It was met.
    pub(super) met: bool,
}

/// A rule ended the run.
#[derive(Clone, Debug, PartialEq)]
pub struct Stopped {
    /// Which, as written.
    pub rule: String,
    /// It is one of the safety stop; otherwise a threshold with `abort`.
    pub safety: bool,
    /// End of the window in which it was met, from the start of the run.
    pub at: Duration,
    /// Length of that window.
    pub over: Duration,
    /// What was measured in it; infinite where it is over what a histogram holds.
    pub value: f64,
    /// Of the value.
    pub unit: Unit,
}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rule, safety, at, over, value, unit } = self;
        let what = if *safety { "the safety stop" } else { "the threshold" };
        let value = match unit {
            Unit::Share => format!("{:.1} %", value * 100.0),
            Unit::Microseconds if value.is_infinite() => "over 15 min".to_owned(),
            Unit::Microseconds => Microseconds::from_duration(Duration::from_micros(
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "a time from a histogram: 0 to fifteen minutes"
                )]
                {
                    value.round() as u64
                },
            ))
            .to_string(),
            Unit::PerSecond => format!("{value:.1} a second"),
            Unit::PerHour => format!("{value:.0} an hour"),
        };
        let (at, over) = (format_duration(*at), format_duration(*over));
        write!(f, "{what} `{}` ended the run after {at}: {value} in {over}", rule.trim())
    }
}

impl Watch {
    /// The rules of `plan` that are looked at under way.
    #[must_use]
    pub fn new(plan: &Plan, layout: &Layout) -> Self {
        let interval = plan.interval;
        let everywhere: Vec<u8> = layout.stage_indices().collect();
        // First those of the safety stop: met together with a threshold, they are what is told.
        let stops = plan.stop_rules();
        let mut rules: Vec<Rule> =
            stops.iter().map(|rule| stop_rule(rule, plan, everywhere.clone())).collect();
        let judged = plan.judged_stages();
        for (index, threshold) in plan.scenario.thresholds.iter().enumerate() {
            let Some(sustained) = threshold.sustained else { continue };
            let Some(scope) = Scope::new(layout, &threshold.narrowing, &judged) else { continue };
            let (first, limit) = span(scope.stages(), &plan.stages, interval);
            let Threshold { metric, comparison, limit: bound, text, .. } = threshold;
            rules.push(Rule {
                text: text.clone(),
                threshold: Some(index),
                stops: sustained.abort,
                lens: Lens::new(*metric, scope),
                gauge: Gauge::of(*metric),
                comparison: *comparison,
                limit: *bound,
                window: Window::new(intervals(sustained.over, interval), first, limit),
                found: Found::default(),
            });
        }
        let (asked, turns) = (Asked::of(plan), plan.turns.clone());
        Self { asked, rules, latest: 0, judged: 0, over: false, stopped: None, turns }
    }

    /// Adds what one worker did in one interval.
    pub(super) fn add(&mut self, layout: &Layout, snapshot: &Snapshot) {
        self.latest = self.latest.max(snapshot.interval);
        for rule in &mut self.rules {
            let amount = rule.lens.look(layout, &self.asked, snapshot, MessageBase::Ended);
            rule.window.add(snapshot.interval, &amount);
        }
    }

    /// Looks at the windows that are over, now that all intervals below `complete` are known.
    pub(super) fn judge(&mut self, complete: u64, interval: Duration) {
        // Once every worker has ended, the last interval is what it was cut to.
        let known = if complete == u64::MAX { self.latest } else { complete };
        let known = known.max(self.latest.saturating_sub(BEHIND_MAX));
        // Interval by interval, so that the first rule that is met ends the run, and all are judged up to there.
        while self.stopped.is_none() && !self.over && self.judged < known {
            self.judged += 1;
            for rule in &mut self.rules {
                if let Some((end, amount)) = rule.window.next_due(self.judged) {
                    let stopped = rule.judge(end, &amount, interval, self.turns.as_ref());
                    self.stopped = self.stopped.take().or(stopped);
                }
            }
        }
    }

    /// The warm-up was ended early: the stages of `timeline` follow.
    pub(super) fn warmup_ended(&mut self, timeline: &[Stage], interval: Duration) {
        for rule in &mut self.rules {
            let (first, limit) = span(rule.lens.scope.stages(), timeline, interval);
            match rule.threshold {
                Some(_) => rule.window.move_to(first, limit),
                None => rule.window.move_to(0, limit),
            }
        }
    }

    /// The load was ended by something else: nothing more is judged.
    pub(super) fn end(&mut self) {
        self.over = true;
    }

    /// The rule that ended the run, if one did.
    pub(super) fn stopped(&self) -> Option<&Stopped> {
        self.stopped.as_ref()
    }

    /// What was found for the threshold of that index.
    pub(super) fn found(&self, threshold: usize) -> Option<Found> {
        let rule = self.rules.iter().find(|rule| rule.threshold == Some(threshold));
        rule.map(|rule| rule.found)
    }
}

impl Rule {
    /// Looks at the window that ends before interval `end`; says if it ends the run.
    fn judge(
        &mut self,
        end: u64,
        amount: &Amount,
        interval: Duration,
        turns: Option<&Turns>,
    ) -> Option<Stopped> {
        let (length, at) = (time_of(self.window.intervals(), interval), time_of(end, interval));
        // A target is not slow while it is another's turn.
        let own = turns.map_or(length, |turns| {
            turns.active(at).saturating_sub(turns.active(at.saturating_sub(length)))
        });
        if own.is_zero() {
            return None;
        }
        self.found.whole = true;
        let few = matches!(amount, Amount::Share { base, .. } if *base < WINDOW_SAMPLES_MIN);
        if few && self.threshold.is_none() {
            return None;
        }
        let value = self.gauge.read(amount, own).compared()?;
        let worse = |worst: f64| match self.comparison {
            Comparison::Less | Comparison::LessOrEqual => worst.min(value),
            Comparison::Greater | Comparison::GreaterOrEqual => worst.max(value),
        };
        self.found.worst = Some(self.found.worst.map_or(value, worse));
        if !self.comparison.holds(value, self.limit) {
            return None;
        }
        self.found.met = true;
        self.stops.then(|| Stopped {
            rule: self.text.clone(),
            safety: self.threshold.is_none(),
            at,
            over: length,
            value,
            unit: self.gauge.unit(),
        })
    }
}

fn stop_rule(rule: &StopRule, plan: &Plan, stages: Vec<u8>) -> Rule {
    let (_, limit) = span(&stages, &plan.stages, plan.interval);
    Rule {
        text: rule.text.clone(),
        threshold: None,
        stops: true,
        lens: Lens::of_distress(rule.distress, stages),
        gauge: Gauge::Share,
        comparison: Comparison::Greater,
        limit: rule.limit,
        window: Window::new(intervals(rule.over, plan.interval), 0, limit),
        found: Found::default(),
    }
}

/// The intervals that lie in these stages: the first, and the one behind the last.
fn span(indices: &[u8], stages: &[Stage], interval: Duration) -> (u64, u64) {
    let of = || indices.iter().filter_map(|index| stages.get(usize::from(*index)));
    let nanos = interval.as_nanos().max(1);
    let whole = |count: u128| u64::try_from(count).unwrap_or(u64::MAX);
    let first = of().map(|stage| stage.start).min().unwrap_or_default();
    // A stage that only its work ends has no limit.
    let last =
        of().map(|stage| stage.end).try_fold(Duration::ZERO, |last, end| Some(last.max(end?)));
    let limit = last.map_or(u64::MAX, |last| whole(last.as_nanos() / nanos));
    (whole(first.as_nanos().div_ceil(nanos)), limit)
}

/// How many intervals a window of that length takes.
fn intervals(over: Duration, interval: Duration) -> u64 {
    u64::try_from(over.as_nanos().div_ceil(interval.as_nanos().max(1))).unwrap_or(u64::MAX)
}

fn time_of(intervals: u64, interval: Duration) -> Duration {
    interval.saturating_mul(u32::try_from(intervals).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests;
