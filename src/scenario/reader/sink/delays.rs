//! Delays: a duration, a range, a law, or several by share.

use std::time::Duration;

use toml::de::DeValue;

use crate::behavior::Delay;
use crate::scenario::keys::{Kind, ODDS};
use crate::scenario::reader::Reader;
use crate::scenario::reader::section::{Field, Section};
use crate::units::UnitError;

impl Reader<'_> {
    pub(super) fn delay(&mut self, field: &Field<'_>) -> Option<Delay> {
        match field.value {
            DeValue::Table(_) => self.law(field),
            DeValue::Array(_) => self.odds(field),
            DeValue::String(_) => {
                let text = self.text(field)?;
                self.unit(&text, Delay::parse_simple)
            }
            // For what it says about a bare number.
            _ => self.duration(field, true).map(Delay::Fixed),
        }
    }

    fn law(&mut self, field: &Field<'_>) -> Option<Delay> {
        let section = self.open_table(field)?;
        let mut time =
            |name| self.optional(&section, name, |reader, field| reader.duration(field, true));
        let (mean, p50, p99) = (time("mean"), time("p50"), time("p99"));
        let (first, most) = (time("first"), time("most"));
        let factor = self.optional(&section, "factor", Self::growth);
        let (mean, p50, p99, first, most) = (mean?, p50?, p99?, first?, most?);
        let law = match (mean, p50, first) {
            (Some(mean), None, None) => {
                self.stray(&section, &["p99", "factor", "most"], "mean");
                return Some(Delay::Exponential { mean });
            }
            (None, Some(p50), None) => {
                self.stray(&section, &["factor", "most"], "p50");
                Delay::log_normal(p50, self.partner(&section, "p99", p99)?)
            }
            (None, None, Some(first)) => {
                self.stray(&section, &["p99"], "first");
                let most = self.partner(&section, "most", most)?;
                Delay::growing(first, factor?.unwrap_or(2.0), most)
            }
            // None of them or several: said already.
            _ => return None,
        };
        self.taken(field, law)
    }

    fn odds(&mut self, field: &Field<'_>) -> Option<Delay> {
        static KIND: Kind = ODDS;
        let list = Field {
            name: field.name,
            kind: &KIND,
            value: field.value,
            key_span: field.key_span.clone(),
            span: field.span.clone(),
        };
        let odds: Vec<_> = self
            .open_tables(&list)
            .into_iter()
            .map(|section| {
                let share = section.field("share").map(|field| self.share(&field));
                let delay = section.field("delay").map(|field| self.delay(&field));
                Some((share??, delay??))
            })
            .collect();
        let odds = odds.into_iter().collect::<Option<Vec<_>>>()?;
        self.taken(field, Delay::odds(odds))
    }

    fn growth(&mut self, field: &Field<'_>) -> Option<f64> {
        let number = match field.value {
            DeValue::Float(number) => number.as_str().parse().ok(),
            DeValue::Integer(number) => number.as_str().parse().ok(),
            _ => None,
        };
        if number.is_none() {
            self.wrong_type(field, "a number");
        }
        number
    }

    /// What has to stand beside another key.
    fn partner(
        &mut self,
        section: &Section<'_>,
        name: &str,
        there: Option<Duration>,
    ) -> Option<Duration> {
        if there.is_none() {
            let message = format!("{} has no `{name}`", section.shown());
            self.lacking(section.span.clone(), message, format!("write {name} = \"200ms\" there"));
        }
        there
    }

    /// Says which keys have no meaning beside `main`.
    fn stray(&mut self, section: &Section<'_>, names: &[&str], main: &str) {
        for field in names.iter().filter_map(|name| section.field(name)) {
            let message = format!("`{}` beside `{main}` in {}", field.name, section.shown());
            self.faults.add(field.key_span.clone(), message, "leave one of them out");
        }
    }

    /// The value of `field`, or a fault there.
    pub(super) fn taken<T>(&mut self, field: &Field<'_>, value: Result<T, UnitError>) -> Option<T> {
        value.map_err(|error| self.faults.add(field.span.clone(), error.message, error.hint)).ok()
    }
}
