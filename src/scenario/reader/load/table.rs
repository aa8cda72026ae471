//! One table of load: its keys as they are written, and which of them may not stand beside each other.

use std::ops::{Range, RangeInclusive};
use std::sync::Arc;
use std::time::Duration;

use toml::de::DeValue;

use super::super::section::{Field, Section};
use super::Reader;
use crate::message::trace::Trace;
use crate::scenario::load::{Hold, Overload, Pacing};
use crate::scenario::{Bound, Warmup};
use crate::schedule::arrivals::Pattern;
use crate::schedule::shape::Shape;
use crate::units::{Rate, parse_rate};

/// What a table says; nothing is settled by it yet.
#[derive(Clone, Debug, Default)]
pub(super) struct Wanted {
    pub(super) sessions: Option<u32>,
    pub(super) rate: Option<Rate>,
    pub(super) arrivals: Option<ArrivalsRead>,
    pub(super) stages: Option<Vec<StageRead>>,
    pub(super) shape: Option<Shape>,
    pub(super) length: Option<Duration>,
    pub(super) warmup: Option<Warmup>,
    pub(super) drain: Option<Duration>,
    pub(super) bound: Option<Bound>,
    pub(super) messages_per_session: Option<RangeInclusive<u64>>,
    pub(super) max_sessions: Option<u32>,
    pub(super) overload: Option<Overload>,
    pub(super) pacing: Option<Pacing>,
    pub(super) hold: Option<Hold>,
    pub(super) connects_per_s: Option<f64>,
}

impl Wanted {
    /// What was recorded, where arrivals are as recorded.
    pub(super) fn trace(&self) -> Option<&(Arc<Trace>, f64)> {
        match &self.arrivals {
            Some(ArrivalsRead::Trace(trace)) => Some(trace),
            _ => None,
        }
    }

    /// Whether a schedule drives it.
    pub(super) fn is_open(&self) -> bool {
        let scheduled = self.rate.is_some() || self.stages.is_some() || self.shape.is_some();
        scheduled || self.trace().is_some()
    }
}

/// `arrivals`.
#[derive(Clone, Debug)]
pub(super) enum ArrivalsRead {
    Pattern(Pattern),
    /// As recorded, so many times as fast.
    Trace((Arc<Trace>, f64)),
}

/// One of `stages`.
#[derive(Clone, Debug)]
pub(super) struct StageRead {
    pub(super) name: String,
    pub(super) rate: Rate,
    pub(super) length: Option<Duration>,
    pub(super) ramp: Option<Duration>,
    /// Where its name stands, or the stage.
    pub(super) place: Range<usize>,
    /// Where its rate stands.
    pub(super) rate_place: Range<usize>,
}

const OPEN_OR_CLOSED: &str =
    "write `sessions` for a closed load, or `rate` (or `stages`) for an open one";
const OPEN_ONLY: &str = "it is for open load: leave it out, or write `rate` instead of `sessions`";
const OF_EACH_STAGE: &str = "leave it out: each stage has its own";
const LAST_STAGE: &str = "leave it out: the load ends with its last stage";

/// Keys that contradict each other, with what to do about the first.
const CONTRADICTIONS: &[(&str, &str, &str)] = &[
    ("rate", "sessions", OPEN_OR_CLOSED),
    ("stages", "sessions", OPEN_OR_CLOSED),
    ("shape", "sessions", OPEN_OR_CLOSED),
    ("arrivals", "sessions", OPEN_ONLY),
    ("max_sessions", "sessions", OPEN_ONLY),
    ("overload", "sessions", OPEN_ONLY),
    ("pacing", "sessions", OPEN_ONLY),
    ("rate", "stages", OF_EACH_STAGE),
    ("for", "stages", OF_EACH_STAGE),
    ("shape", "stages", "write one of them"),
    ("messages", "stages", LAST_STAGE),
    ("messages", "shape", LAST_STAGE),
];

/// Keys that a trace leaves nothing to say for.
const NOT_WITH_TRACE: &[(&str, &str)] = &[
    ("rate", "leave it out: the trace says when"),
    ("stages", "leave it out: the trace says when"),
    ("shape", "leave it out: the trace says when"),
    ("for", "leave it out: the load ends with the last row"),
    ("messages", "leave it out: the load ends with the last row"),
    ("warmup", "leave it out: each row is played once"),
];

/// Limits of `connects_per_s`.
const CONNECTS_PER_S: RangeInclusive<f64> = 0.001..=1e6;
/// Limits of `speed`.
const SPEED: RangeInclusive<f64> = 0.001..=1000.0;

impl Reader<'_> {
    /// Reads the keys of `[load]` or `[loads.NAME]`.
    pub(super) fn load_table(&mut self, section: &Section<'_>) -> Option<Wanted> {
        self.contradictions(section);
        let sessions = self.optional(section, "sessions", Self::session_count);
        let max_sessions = self.optional(section, "max_sessions", Self::session_count);
        let rate = self.optional(section, "rate", Self::rate);
        let arrivals = self.optional(section, "arrivals", Self::arrivals);
        let stages = self.optional(section, "stages", Self::stages);
        let shape =
            self.optional(section, "shape", |reader, field| reader.choice(field, Shape::NAMES));
        let length = self.optional(section, "for", |reader, field| reader.duration(field, false));
        let warmup = self.optional(section, "warmup", Self::warmup);
        let drain = self.optional(section, "drain", |reader, field| reader.duration(field, true));
        let bound = self.optional(section, "messages", Self::bound);
        let per_session = self.optional(section, "messages_per_session", Self::count_range);
        let overload = self.optional(section, "overload", Self::overload);
        let pacing = self.optional(section, "pacing", |reader, field| {
            reader.choice(field, &[("timer", Pacing::Timer), ("spin", Pacing::Spin)])
        });
        let hold = self.optional(section, "hold", Self::hold_at);
        let connects = self.optional(section, "connects_per_s", |reader, field| {
            reader.number(field, CONNECTS_PER_S)
        });
        Some(Wanted {
            sessions: sessions?,
            rate: rate?,
            arrivals: arrivals?,
            stages: stages?,
            shape: shape?,
            length: length?,
            warmup: warmup?,
            drain: drain?,
            bound: bound?,
            messages_per_session: per_session?,
            max_sessions: max_sessions?,
            overload: overload?,
            pacing: pacing?,
            hold: hold?,
            connects_per_s: connects?,
        })
    }

    fn contradictions(&mut self, section: &Section<'_>) {
        let shown = section.shown();
        let mut refuse = |name: &str, beside: &str, hint: &str| {
            if let Some(field) = section.field(name) {
                let message = format!("`{name}` beside {beside} in {shown}");
                self.faults.add(field.key_span, message, hint);
            }
        };
        for (name, other, hint) in CONTRADICTIONS {
            if section.field(other).is_some() {
                refuse(name, &format!("`{other}`"), hint);
            }
        }
        let arrivals = section.field("arrivals");
        let table = arrivals.as_ref().and_then(|field| field.value.as_table());
        if table.is_some_and(|entries| entries.contains_key("csv")) {
            for (name, hint) in NOT_WITH_TRACE {
                refuse(name, "a trace", hint);
            }
        }
    }

    fn session_count(&mut self, field: &Field<'_>) -> Option<u32> {
        self.count(field).and_then(|count| u32::try_from(count).ok())
    }

    pub(in crate::scenario::reader) fn rate(&mut self, field: &Field<'_>) -> Option<Rate> {
        if let DeValue::Integer(_) | DeValue::Float(_) = field.value {
            let number = self.text.get(field.span.clone()).unwrap_or_default();
            let message = format!("rate `{number}` does not say what arrives and how often");
            let hint = format!("write {} = \"{number} messages/s\"", field.name);
            self.faults.add(field.span.clone(), message, hint);
            return None;
        }
        let text = self.text(field)?;
        self.unit(&text, parse_rate)
    }

    fn arrivals(&mut self, field: &Field<'_>) -> Option<ArrivalsRead> {
        if !field.value.is_table() {
            let words = [("even", Pattern::Even), ("poisson", Pattern::Poisson)];
            return self.choice(field, &words).map(ArrivalsRead::Pattern);
        }
        let section = self.open_table(field)?;
        let bursts = self.optional(&section, "bursts", Self::count);
        let speed = self.optional(&section, "speed", |reader, field| reader.number(field, SPEED));
        let csv = section.field("csv");
        if let (Some(speed), None) = (section.field("speed"), &csv) {
            let message = "`speed` means something only with `csv`";
            self.faults.add(speed.key_span, message, "leave it out");
        }
        if let Some(size) = bursts? {
            return Some(ArrivalsRead::Pattern(Pattern::Bursts(u32::try_from(size).ok()?)));
        }
        let text = self.text(&csv?)?;
        let speed = speed?.unwrap_or(1.0);
        let trace = self.trace(&text, speed)?;
        Some(ArrivalsRead::Trace((Arc::new(trace), speed)))
    }

    fn stages(&mut self, field: &Field<'_>) -> Option<Vec<StageRead>> {
        let sections = self.open_tables(field);
        if field.value.as_array().is_some_and(|items| items.is_empty()) {
            let hint = "write [{ rate = \"100 sessions/s\", for = \"1m\" }]";
            self.lacking(field.span.clone(), "`stages` has no stage", hint);
        }
        let stages: Vec<_> = (1..)
            .zip(&sections)
            .filter_map(|(number, section)| self.stage(section, number))
            .collect();
        (!stages.is_empty() && stages.len() == sections.len()).then_some(stages)
    }

    fn stage(&mut self, section: &Section<'_>, number: usize) -> Option<StageRead> {
        let name = self.optional(section, "name", Self::name);
        let length = self.optional(section, "for", |reader, field| reader.duration(field, false));
        let ramp = self.optional(section, "ramp", |reader, field| reader.duration(field, false));
        if section.field("for").is_none() && section.field("ramp").is_none() {
            let message = "a stage with neither `for` nor `ramp`";
            self.lacking(section.span.clone(), message, "write for = \"1m\"");
        }
        let place = section.field("name").map_or(section.span.clone(), |field| field.span);
        let field = section.field("rate")?;
        let rate = self.rate(&field);
        Some(StageRead {
            name: name?.unwrap_or_else(|| format!("stage-{number}")),
            rate: rate?,
            length: length?,
            ramp: ramp?,
            place,
            rate_place: field.span,
        })
    }

    fn warmup(&mut self, field: &Field<'_>) -> Option<Warmup> {
        if field.value.as_str() == Some("steady") {
            return Some(Warmup::Steady);
        }
        self.duration(field, true).map(Warmup::For)
    }

    fn bound(&mut self, field: &Field<'_>) -> Option<Bound> {
        let DeValue::String(text) = field.value else {
            return self.count(field).map(Bound::Messages);
        };
        if text.contains("${") && !text.starts_with("each") {
            return self.count(field).map(Bound::Messages);
        }
        self.choice(field, &[("each-once", Bound::EachOnce)])
    }

    fn overload(&mut self, field: &Field<'_>) -> Option<Overload> {
        if !field.value.is_table() {
            return self.choice(field, &[("queue", Overload::Queue), ("drop", Overload::Drop)]);
        }
        let section = self.open_table(field)?;
        let after = self.duration(&section.field("shed_after")?, false)?;
        Some(Overload::ShedAfter(after))
    }

    fn hold_at(&mut self, field: &Field<'_>) -> Option<Hold> {
        let words = [
            ("greeting", Hold::Greeting),
            ("ehlo", Hold::Ehlo),
            ("auth", Hold::Auth),
            ("mail", Hold::Mail),
            ("rcpt", Hold::Rcpt),
        ];
        self.choice(field, &words)
    }
}
