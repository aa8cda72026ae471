//! Open load: from rates, stages, a shape or a trace to what is due when.

use std::ops::Range;
use std::time::Duration;

use super::table::{ArrivalsRead, StageRead, Wanted};
use super::{Frame, LENGTH_HINT, Reader};
use crate::scenario::load::{ArrivalSource, ArrivalUnit, Open, Overload, Pacing, RateStage};
use crate::schedule::arrivals::{Pattern, RateSpan, expected};
use crate::schedule::{MAIN, WARMUP};
use crate::units::DURATION_MAX;

impl Reader<'_> {
    pub(super) fn open_load(&mut self, wanted: &Wanted, frame: &Frame<'_, '_>) -> Option<Open> {
        let (unit, source) = match wanted.trace() {
            Some((trace, speed)) => {
                let source = ArrivalSource::Trace { trace: trace.clone(), speed: *speed };
                (ArrivalUnit::Messages, source)
            }
            None => {
                let (unit, stages) = self.rate_stages(wanted, frame)?;
                let pattern = match wanted.arrivals {
                    Some(ArrivalsRead::Pattern(pattern)) => pattern,
                    _ => Pattern::Even,
                };
                (unit, ArrivalSource::Rate { pattern, stages })
            }
        };
        let max_sessions = wanted.max_sessions.unwrap_or(Open::max_sessions(unit));
        Some(Open {
            unit,
            source,
            max_sessions,
            overload: wanted.overload.unwrap_or(Overload::Queue),
            pacing: wanted.pacing.unwrap_or(Pacing::Timer),
        })
    }

    fn rate_stages(
        &mut self,
        wanted: &Wanted,
        frame: &Frame<'_, '_>,
    ) -> Option<(ArrivalUnit, Vec<RateStage>)> {
        let (unit, stages) = match &wanted.stages {
            Some(stages) => (self.one_unit(stages)?, self.written_stages(stages)?),
            None => self.single_rate(wanted, frame)?,
        };
        let spans: Vec<RateSpan> = stages.iter().map(|stage| stage.span).collect();
        let place = |name: &str| {
            let field = frame.section.and_then(|section| section.field(name));
            field.map(|field| field.span)
        };
        let span = place("stages").or_else(|| place("rate")).unwrap_or_else(|| frame.span());
        let endless = spans.iter().any(|span| span.length.is_none() && span.from > 0.0);
        if !endless && expected(&spans).unwrap_or(0.0) <= 0.0 {
            let message = "nothing arrives: every rate is 0";
            self.faults.add(span, message, "write a rate above 0 in one stage at least");
            return None;
        }
        let mut lengths = spans.iter().filter_map(|span| span.length);
        let total = lengths.try_fold(Duration::ZERO, Duration::checked_add);
        if total.is_none_or(|total| total > DURATION_MAX) {
            self.faults.add(span, "the stages take over a year", "write shorter ones");
            return None;
        }
        Some((unit, stages))
    }

    /// The stages of `rate`, with or without a shape.
    fn single_rate(
        &mut self,
        wanted: &Wanted,
        frame: &Frame<'_, '_>,
    ) -> Option<(ArrivalUnit, Vec<RateStage>)> {
        let (shown, span) = (frame.shown(), frame.span());
        let Some(rate) = wanted.rate else {
            let hint = "write rate = \"500 messages/s\": the shape goes by it";
            self.lacking(span, format!("{shown} `shape` without `rate`"), hint);
            return None;
        };
        let Some(shape) = wanted.shape else {
            if wanted.length.is_none() && wanted.bound.is_none() {
                let message = format!("{shown} neither `for` nor `messages`");
                self.lacking(span, message, LENGTH_HINT);
                return None;
            }
            let span = RateSpan::steady(rate.per_second, wanted.length);
            return Some((rate.unit, vec![RateStage { name: MAIN.to_owned(), span }]));
        };
        let Some(length) = wanted.length else {
            let hint = "write for = \"10m\": the stages share it";
            self.lacking(span, format!("{shown} `shape` without `for`"), hint);
            return None;
        };
        let stages = shape.stages(rate.per_second, length);
        let stage = |(name, span): (&str, RateSpan)| RateStage { name: name.to_owned(), span };
        Some((rate.unit, stages.into_iter().map(stage).collect()))
    }

    /// What arrives in all of `stages`.
    fn one_unit(&mut self, stages: &[StageRead]) -> Option<ArrivalUnit> {
        let unit = stages.first()?.rate.unit;
        let mut good = true;
        for stage in stages.iter().filter(|stage| stage.rate.unit != unit) {
            let message = format!("a rate of {}, but the first is of {unit}", stage.rate.unit);
            let hint = "write all stages of a load in the same unit; [loads.NAME] has others";
            self.faults.add(stage.rate_place.clone(), message, hint);
            good = false;
        }
        good.then_some(unit)
    }

    /// `stages`, each with its ramp before it.
    fn written_stages(&mut self, stages: &[StageRead]) -> Option<Vec<RateStage>> {
        let mut out: Vec<RateStage> = Vec::new();
        let mut good = true;
        let mut from = 0.0;
        for stage in stages {
            let to = stage.rate.per_second;
            let mut put = |name: String, from, length| {
                let named = self.stage_name(&name, &out, stage.place.clone());
                good &= named.is_some();
                out.push(RateStage { name, span: RateSpan { from, to, length: Some(length) } });
            };
            if let Some(ramp) = stage.ramp {
                put(format!("{}-ramp", stage.name), from, ramp);
            }
            if let Some(length) = stage.length {
                put(stage.name.clone(), to, length);
            }
            from = to;
        }
        good.then_some(out)
    }

    fn stage_name(&mut self, name: &str, others: &[RateStage], place: Range<usize>) -> Option<()> {
        let message = if name == WARMUP || name == "all" {
            format!("`{name}` is no name for a stage: results use it themselves")
        } else if others.iter().any(|other| other.name == name) {
            format!("a second stage named `{name}`")
        } else {
            return Some(());
        };
        self.faults.add(place, message, "write another name");
        None
    }
}
