//! `[timeouts]`: how long each step may take.

use std::time::Duration;

use toml::de::DeValue;

use super::Reader;
use super::section::{Field, Section, nearest};
use crate::scenario::Timeouts;
use crate::scenario::step::{STANDARD_STEPS, StepId};
use crate::units::UnitError;

/// Limits of RFC 5321 section 4.5.3.2 that differ from [`OTHER_STEPS`].
const STANDARD_LIMITS: &[(StepId, Duration)] = &[
    (StepId::DATA, Duration::from_mins(2)),
    (StepId::UPLOAD, Duration::from_mins(3)),
    (StepId::BDAT, Duration::from_mins(3)),
    (StepId::EOD, Duration::from_mins(10)),
];
/// RFC 5321 section 4.5.3.2: greeting, MAIL and RCPT; the RFC says nothing of the rest.
const OTHER_STEPS: Duration = Duration::from_mins(5);
/// Names of steps that are sums of others, or nobody waits for.
const WITHOUT_LIMIT: &[StepId] = &[StepId::TRANSACTION, StepId::SESSION, StepId::UNSOLICITED];
/// Factors that may be asked for: below a thousandth no server answers in time.
const FACTOR_MIN: f64 = 0.001;
const FACTOR_MAX: f64 = 100.0;

impl Reader<'_> {
    /// After the scripts: their verbs are steps, too.
    pub(super) fn timeouts(&mut self, top: &Section<'_>) -> Option<Timeouts> {
        let Some(field) = top.field("timeouts") else {
            return Some(Timeouts::default());
        };
        let section = self.open_table(&field)?;
        let step = self.optional(&section, "step", |reader, field| reader.duration(field, false));
        let scale = self.optional(&section, "scale", Self::factor);
        if let (Some(_), Some(field)) = (section.field("step"), section.field("scale")) {
            let message = "`scale` beside `step`";
            self.faults.add(field.key_span, message, "write one of them");
        }
        let plan = self.optional(&section, "plan", |reader, field| reader.duration(field, false));
        let named = self.named_limits(&section);
        let (step, scale, plan, mut by_step) = (step?, scale?, plan?, named?);
        let Some(factor) = scale else {
            return Some(Timeouts { step: step.unwrap_or(Timeouts::DEFAULT), by_step, plan });
        };
        // Named limits are found first.
        by_step.extend(STANDARD_LIMITS.iter().map(|(id, limit)| (*id, limit.mul_f64(factor))));
        Some(Timeouts { step: OTHER_STEPS.mul_f64(factor), by_step, plan })
    }

    fn named_limits(&mut self, section: &Section<'_>) -> Option<Vec<(StepId, Duration)>> {
        let fields = section.rest();
        let mut limits = Vec::new();
        for field in &fields {
            let step = self.timed_step(field);
            let limit = self.duration(field, false);
            limits.extend(step.zip(limit));
        }
        (limits.len() == fields.len()).then_some(limits)
    }

    fn timed_step(&mut self, field: &Field<'_>) -> Option<StepId> {
        let name = field.name;
        let step = self.steps.find(&name.to_ascii_lowercase());
        let (message, hint) = match step {
            Some(step) if WITHOUT_LIMIT.contains(&step) => (
                format!("`{name}` has no limit of its own"),
                "give one to its steps, or drain to [load]".to_owned(),
            ),
            Some(step) => return Some(step),
            None => {
                let timed = |(id, _): &(StepId, &str)| !WITHOUT_LIMIT.contains(id);
                let known = self.steps.iter().filter(timed).map(|(_, name)| name);
                let hint = match nearest(name, known) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!(
                        "write step, scale, a verb of a script, or one of {}",
                        STANDARD_STEPS[..usize::from(StepId::TRANSACTION.0)].join(", ")
                    ),
                };
                (format!("no step is named `{name}`"), hint)
            }
        };
        self.faults.add(field.key_span.clone(), message, hint);
        None
    }

    /// A factor, or a percentage.
    fn factor(&mut self, field: &Field<'_>) -> Option<f64> {
        let (value, shown) = match field.value {
            DeValue::Integer(number) => (number.to_string().parse().ok(), number.to_string()),
            DeValue::Float(number) => (number.as_str().parse().ok(), number.to_string()),
            DeValue::String(_) => {
                let text = self.text(field)?;
                let (number, unit) = match text.value.strip_suffix('%') {
                    Some(number) => (number.trim_end(), 100.0),
                    None => (text.value.as_str(), 1.0),
                };
                let parsed = number.parse().ok().map(|number: f64| number / unit);
                let checked = parsed.filter(|factor| (FACTOR_MIN..=FACTOR_MAX).contains(factor));
                return self.unit(&text, |_| checked.ok_or_else(factor_error));
            }
            _ => {
                self.wrong_type(field, "a factor or a percentage");
                return None;
            }
        };
        let checked = value.filter(|factor| (FACTOR_MIN..=FACTOR_MAX).contains(factor));
        if checked.is_none() {
            let error = factor_error();
            let message = format!("{}: {shown}", error.message);
            self.faults.add(field.span.clone(), message, error.hint);
        }
        checked
    }
}

fn factor_error() -> UnitError {
    UnitError {
        message: format!("`scale` is not from {FACTOR_MIN} to {FACTOR_MAX}"),
        hint: "write a factor or a percentage: 0.1 or \"10%\"".to_owned(),
    }
}
