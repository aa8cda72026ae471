//! The loads of a plan: their stages on the common clock, and the timetable of each open one.

use std::ops::{Range, RangeInclusive};
use std::sync::Arc;
use std::time::Duration;

use crate::message::seed::{self, Purpose, choice};
use crate::message::trace::Trace;
use crate::scenario::load::{ArrivalSource, ArrivalUnit, Bound, Drive, Load, RateStage, Warmup};
use crate::scenario::{MESSAGES_MAX, Scenario};
use crate::schedule::arrivals::{Arrival, Arrivals, Pattern, RateSpan};
use crate::schedule::cap::{Cap, Gate};
use crate::schedule::trace::TraceArrivals;
use crate::schedule::{MAIN, Stage, WARMUP};

/// The longest warm-up that waits for steady figures; the load is judged from there on, with a note.
pub const STEADY_MAX: Duration = Duration::from_secs(60);

/// A load, resolved.
#[derive(Clone, Debug)]
pub struct LoadPlan {
    /// Its stages, as indices into [`super::Plan::stages`]; at least one, in order of time.
    pub stages: Range<usize>,
    /// Numbers of its slots, each a place for one session at a time; no two loads share one.
    pub slots: Range<u64>,
    /// How many messages its judged stages send at most.
    pub messages: Option<u64>,
    /// When things start; `None` under closed load.
    pub timetable: Option<Timetable>,
    /// Messages a second that may start at most under closed load; an open one has that in its timetable.
    pub max_rate: Option<f64>,
}

impl LoadPlan {
    /// Lets no more than so many messages a second start.
    pub(super) fn cap_at(&mut self, per_second: f64) {
        match &mut self.timetable {
            Some(timetable) => timetable.cap = Some(Cap::per_second(per_second)),
            None => self.max_rate = Some(per_second),
        }
    }
}

impl super::Plan {
    /// Index of the script that session `number` of load `load` runs, by weight.
    #[must_use]
    pub fn script_of(&self, load: u8, number: u64) -> u16 {
        let scripts = &self.scenario.loads[usize::from(load)].scripts;
        let index = match scripts.as_slice() {
            [_] => 0,
            scripts => seed::weighted(
                scripts.iter().map(|script| self.scenario.scripts[usize::from(*script)].weight),
                choice(self.identity.seed, Purpose::Script, number, u64::from(load)),
            ),
        };
        scripts.get(index).copied().unwrap_or(0)
    }
}

/// The loads of `scenario`, and the stages of all of them.
pub(super) fn resolve(scenario: &Scenario) -> (Vec<LoadPlan>, Vec<Stage>) {
    let (mut loads, mut stages, mut slots) = (Vec::new(), Vec::new(), 0);
    let streams = scenario.loads.len() as u64;
    for (index, load) in (0..).zip(&scenario.loads) {
        let first = stages.len();
        stages.extend(stages_of(load, index));
        let messages = match load.bound {
            None => None,
            Some(Bound::Messages(count)) => Some(count),
            Some(Bound::EachOnce) => Some(scenario.mail.files()),
        };
        let slots_end = slots + u64::from(load.sessions_max());
        loads.push(LoadPlan {
            stages: first..stages.len(),
            slots: slots..slots_end,
            messages,
            timetable: Timetable::of(load, index, streams, messages),
            max_rate: None,
        });
        slots = slots_end;
    }
    (loads, stages)
}

fn stages_of(load: &Load, index: u8) -> Vec<Stage> {
    let mut stages = Vec::new();
    let mut start = load.start;
    let mut push = |stage: &str, length: Option<Duration>, judged: bool, ramp: bool| {
        let end = length.map(|length| start + length);
        stages.push(Stage { name: load.stage_name(stage), load: index, start, end, judged, ramp });
        start = end.unwrap_or(start);
    };
    let warmup = match load.warmup {
        Warmup::For(length) => length,
        Warmup::Steady => STEADY_MAX,
    };
    if !warmup.is_zero() {
        push(WARMUP, Some(warmup), false, false);
    }
    match &load.drive {
        Drive::Open(open) => match &open.source {
            ArrivalSource::Rate { stages, .. } => {
                for stage in stages {
                    push(&stage.name, stage.span.length, true, stage.is_ramp());
                }
            }
            ArrivalSource::Trace { .. } => push(MAIN, load.length(), true, false),
        },
        Drive::Closed { length, .. } => push(MAIN, *length, true, false),
    }
    stages
}

/// When the sessions or messages of an open load are meant to start: a pure function of scenario and seed.
#[derive(Clone, Debug)]
pub struct Timetable {
    /// What arrives.
    pub unit: ArrivalUnit,
    source: Source,
    /// At what rate the warm-up runs, where there is one.
    warmup: Option<RateSpan>,
    /// Messages of one arrival.
    messages_each: RangeInclusive<u64>,
    /// Messages of the judged stages at most.
    bound: Option<u64>,
    /// What the target lets start at most.
    cap: Option<Cap>,
    /// Index of the load, and how many there are: keeps random choices and message numbers of loads apart.
    load: u64,
    loads: u64,
}

#[derive(Clone, Debug)]
enum Source {
    Rate { pattern: Pattern, spans: Vec<RateSpan> },
    Trace { trace: Arc<Trace>, speed: f64 },
}

/// An arrival with what it brings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// From 0, in the warm-up and behind it.
    pub index: u64,
    /// Its intended start, from the begin of the warm-up, or of the first stage behind it.
    pub offset: Duration,
    /// Index among the stages behind the warm-up; 0 in it.
    pub span: usize,
    /// Its messages, counted over the load; none of them where its script sends none.
    pub messages: Range<u64>,
    /// It lies above what the target lets start: it never does.
    pub capped: bool,
}

impl Timetable {
    fn of(load: &Load, index: u8, loads: u64, bound: Option<u64>) -> Option<Self> {
        let open = load.open()?;
        let steady = |stage: &RateStage| RateSpan {
            from: stage.span.to,
            to: stage.span.to,
            length: match load.warmup {
                Warmup::For(length) => Some(length),
                Warmup::Steady => Some(STEADY_MAX),
            },
        };
        let (source, warmup) = match &open.source {
            ArrivalSource::Rate { pattern, stages } => (
                Source::Rate {
                    pattern: *pattern,
                    spans: stages.iter().map(|stage| stage.span).collect(),
                },
                stages.first().map(steady).filter(|span| span.length != Some(Duration::ZERO)),
            ),
            ArrivalSource::Trace { trace, speed } => {
                (Source::Trace { trace: Arc::clone(trace), speed: *speed }, None)
            }
        };
        let messages_each = match open.unit {
            ArrivalUnit::Messages => 1..=1,
            ArrivalUnit::Sessions => load.messages_per_session.clone().unwrap_or(1..=1),
        };
        let load = u64::from(index);
        Some(Self { unit: open.unit, source, warmup, messages_each, bound, cap: None, load, loads })
    }

    /// The arrivals of the warm-up, where there is one.
    #[must_use]
    pub fn warmup(&self, seed: u64) -> Option<Itinerary> {
        let Source::Rate { pattern, .. } = &self.source else { return None };
        let span = self.warmup?;
        // A stream of its own, so that the judged stages are the same with and without.
        let arrivals = Arrivals::new(vec![span], *pattern, seed, self.loads + self.load);
        Some(self.itinerary(ArrivalsOf::Rate(arrivals), seed, None, self.cap.map(Gate::new)))
    }

    /// The arrivals of the judged stages.
    #[must_use]
    pub fn judged(&self, seed: u64) -> Itinerary {
        let arrivals = match &self.source {
            Source::Rate { pattern, spans } => {
                ArrivalsOf::Rate(Arrivals::new(spans.clone(), *pattern, seed, self.load))
            }
            Source::Trace { trace, speed } => ArrivalsOf::Trace(trace.arrivals(*speed)),
        };
        // What the warm-up started last counts on.
        let gate = match self.warmup {
            Some(_) => Gate::after_load,
            None => Gate::new,
        };
        self.itinerary(arrivals, seed, self.bound, self.cap.map(gate))
    }

    fn itinerary(
        &self,
        arrivals: ArrivalsOf,
        seed: u64,
        bound: Option<u64>,
        gate: Option<Gate>,
    ) -> Itinerary {
        Itinerary {
            arrivals,
            messages_each: self.messages_each.clone(),
            stream: seed::scramble(seed ^ self.load),
            next_message: 0,
            bound,
            gate,
        }
    }

    /// The number of message `message` of this load in the plan: the same for every target and shard, and no other
    /// load's. A warm-up's messages have numbers behind all others.
    #[must_use]
    pub fn number_of(&self, message: u64, warmup: bool) -> u64 {
        number_of(message, self.load, self.loads, warmup)
    }
}

/// Interleaves the messages of several loads. A warm-up's numbers lie behind [`MESSAGES_MAX`].
pub(crate) fn number_of(message: u64, load: u64, loads: u64, warmup: bool) -> u64 {
    let base = if warmup { MESSAGES_MAX } else { 0 };
    base.saturating_add(message.saturating_mul(loads)).saturating_add(load)
}

#[derive(Clone, Debug)]
enum ArrivalsOf {
    Rate(Arrivals),
    Trace(TraceArrivals),
}

impl Iterator for ArrivalsOf {
    type Item = Arrival;

    fn next(&mut self) -> Option<Arrival> {
        match self {
            Self::Rate(arrivals) => arrivals.next(),
            Self::Trace(arrivals) => arrivals.next(),
        }
    }
}

/// The arrivals of a load in order of time.
#[derive(Clone, Debug)]
pub struct Itinerary {
    arrivals: ArrivalsOf,
    messages_each: RangeInclusive<u64>,
    stream: u64,
    next_message: u64,
    bound: Option<u64>,
    gate: Option<Gate>,
}

impl Iterator for Itinerary {
    type Item = Due;

    fn next(&mut self) -> Option<Due> {
        let first = self.next_message;
        if self.bound.is_some_and(|bound| first >= bound) {
            return None;
        }
        let Arrival { index, span, offset } = self.arrivals.next()?;
        let rng = choice(self.stream, Purpose::MessagesPerSession, index, 0);
        let count = seed::uniform(self.messages_each.clone(), rng);
        let end = first.saturating_add(count).min(self.bound.unwrap_or(u64::MAX));
        self.next_message = end;
        let capped = self.gate.as_mut().is_some_and(|gate| !gate.admit(offset, end - first));
        Some(Due { index, offset, span, messages: first..end, capped })
    }
}
