//! Single values: from what TOML says to the types of the scenario. A faulty value is a fault and `None`.

use std::ops::RangeInclusive;
use std::time::Duration;

use toml::de::{DeInteger, DeValue};

use super::Reader;
use super::section::{Field, nearest};
use super::text::Text;
use crate::units::{self, UnitError};

impl Reader<'_> {
    /// The text of `field`, variables put in.
    pub(super) fn text(&mut self, field: &Field<'_>) -> Option<Text> {
        self.text_with_gaps(field).filter(Text::is_whole)
    }

    /// The same, also where a variable has no value: that is a fault already.
    pub(super) fn text_with_gaps(&mut self, field: &Field<'_>) -> Option<Text> {
        if let DeValue::String(decoded) = field.value {
            let span = field.span.clone();
            let environment = self.environment;
            return Some(Text::scenario(self.text, span, decoded, environment, &mut self.faults));
        }
        self.wrong_type(field, "text in quotes");
        None
    }

    /// A list of texts.
    pub(super) fn texts(&mut self, field: &Field<'_>) -> Option<Vec<Text>> {
        let DeValue::Array(items) = field.value else {
            self.wrong_type(field, "a list of texts");
            return None;
        };
        let item = |item: &toml::Spanned<DeValue<'_>>, reader: &mut Self| {
            reader.text(&Field {
                name: field.name,
                kind: field.kind,
                value: item.get_ref(),
                key_span: field.key_span.clone(),
                span: item.span(),
            })
        };
        let texts: Vec<_> = items.iter().filter_map(|value| item(value, self)).collect();
        (texts.len() == items.len()).then_some(texts)
    }

    /// A name for result files.
    pub(super) fn name(&mut self, field: &Field<'_>) -> Option<String> {
        /// Longest name in bytes: it becomes a part of a file name.
        const NAME_MAX: usize = 64;
        let text = self.text(field)?;
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
        let fault = if text.value.is_empty() {
            text.fault(format!("`{}` is empty", field.name), "")
        } else if text.value.len() > NAME_MAX {
            text.fault(format!("`{}` is over {NAME_MAX} bytes long", field.name), "")
        } else if !text.value.chars().all(allowed) {
            let hint = "a name holds letters, digits, `_`, `.` and `-`";
            text.fault(format!("`{}` is not a name", text.value), hint)
        } else {
            return Some(text.value);
        };
        self.faults.push(fault);
        None
    }

    pub(super) fn flag(&mut self, field: &Field<'_>) -> Option<bool> {
        if let DeValue::Boolean(value) = field.value {
            return Some(*value);
        }
        self.wrong_type(field, "true or false");
        None
    }

    /// A duration; zero is a fault unless `zero` says otherwise.
    pub(super) fn duration(&mut self, field: &Field<'_>, zero: bool) -> Option<Duration> {
        if let DeValue::Integer(number) = field.value {
            let message = format!("duration `{number}` has no unit");
            let hint = format!("write {} = \"{number}s\"", field.name);
            self.faults.add(field.span.clone(), message, hint);
            return None;
        }
        let text = self.text(field)?;
        let duration = self.unit(&text, units::parse_duration)?;
        if duration.is_zero() && !zero {
            let message = format!("`{}` is zero", field.name);
            self.faults.push(text.fault(message, "write a duration above it: 10s"));
            return None;
        }
        Some(duration)
    }

    /// A size in bytes within the limits of the field's kind.
    pub(super) fn size(&mut self, field: &Field<'_>) -> Option<u64> {
        if let DeValue::Integer(number) = field.value {
            return self.whole(field, number);
        }
        if !field.value.is_str() {
            self.wrong_type(field, "a size");
            return None;
        }
        let text = self.text(field)?;
        let size = self.unit(&text, units::parse_size)?;
        self.within(field, &text, size)
    }

    /// A whole number within the limits of the field's kind.
    pub(super) fn count(&mut self, field: &Field<'_>) -> Option<u64> {
        if let DeValue::Integer(number) = field.value {
            return self.whole(field, number);
        }
        // As text only where a variable stands for the number.
        if field.value.is_str() {
            let text = self.text(field)?;
            if text.has_variable() {
                let count = self.unit(&text, units::parse_count)?;
                return self.within(field, &text, count);
            }
        }
        self.wrong_type(field, "a whole number");
        None
    }

    /// A number within `limits`.
    pub(super) fn number(&mut self, field: &Field<'_>, limits: RangeInclusive<f64>) -> Option<f64> {
        let parsed: Option<f64> = match field.value {
            DeValue::Integer(number) => number.to_string().parse().ok(),
            DeValue::Float(number) => number.as_str().replace('_', "").parse().ok(),
            // As text only where a variable stands for the number.
            DeValue::String(_) => {
                let text = self.text(field)?;
                if !text.has_variable() {
                    self.wrong_type(field, "a number");
                    return None;
                }
                text.value.parse().ok()
            }
            _ => {
                self.wrong_type(field, "a number");
                return None;
            }
        };
        let number = parsed.filter(|number| limits.contains(number));
        if number.is_none() {
            let (name, low, high) = (field.name, limits.start(), limits.end());
            let message = format!("`{name}` is not a number from {low} to {high}");
            self.faults.add(field.span.clone(), message, "");
        }
        number
    }

    /// A whole number or `a..b` within the limits of the field's kind.
    pub(super) fn count_range(&mut self, field: &Field<'_>) -> Option<RangeInclusive<u64>> {
        if let DeValue::Integer(number) = field.value {
            return self.whole(field, number).map(|count| count..=count);
        }
        if !field.value.is_str() {
            self.wrong_type(field, "a whole number or `a..b`");
            return None;
        }
        let text = self.text(field)?;
        let range = self.unit(&text, |text| units::parse_range(text, units::parse_count))?;
        self.within(field, &text, *range.start())?;
        self.within(field, &text, *range.end())?;
        Some(range)
    }

    /// What stands behind the word of `field` in `words`, which are those of its kind.
    pub(super) fn choice<T: Copy>(&mut self, field: &Field<'_>, words: &[(&str, T)]) -> Option<T> {
        debug_assert!(
            field.kind.words().unwrap_or_default().iter().eq(words.iter().map(|(word, _)| word)),
            "`{}` has other words in keys.rs",
            field.name,
        );
        let text = self.text(field)?;
        if let Some((_, value)) = words.iter().find(|(word, _)| *word == text.value) {
            return Some(*value);
        }
        let names = words.iter().map(|(word, _)| *word);
        let hint = match nearest(&text.value, names.clone()) {
            Some(near) if !text.has_variable() => format!("did you mean \"{near}\"?"),
            _ => format!("write one of {}", names.collect::<Vec<_>>().join(", ")),
        };
        let message = format!("`{}` is not a value of `{}`", text.value, field.name);
        self.faults.push(text.fault(message, hint));
        None
    }

    /// The value of `text` by `parse`.
    pub(super) fn unit<T>(
        &mut self,
        text: &Text,
        parse: impl FnOnce(&str) -> Result<T, UnitError>,
    ) -> Option<T> {
        parse(&text.value)
            .map_err(|error| self.faults.push(text.fault(error.message, error.hint)))
            .ok()
    }

    /// Says that `field` holds another type than `wanted`.
    pub(super) fn wrong_type(&mut self, field: &Field<'_>, wanted: &str) {
        let found = match field.value {
            DeValue::String(_) => "text",
            DeValue::Integer(_) => "a whole number",
            DeValue::Float(_) => "a number",
            DeValue::Boolean(_) => "true or false",
            DeValue::Datetime(_) => "a date",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        };
        let message = format!("`{}` needs {wanted}, not {found}", field.name);
        let hint = format!("write {} = {}", field.name, field.kind.example());
        self.faults.add(field.span.clone(), message, hint);
    }

    fn whole(&mut self, field: &Field<'_>, number: &DeInteger<'_>) -> Option<u64> {
        let (min, max) = field.kind.limits()?;
        let value = u64::from_str_radix(number.as_str(), number.radix()).ok();
        let inside = value.filter(|value| (min..=max).contains(value));
        if inside.is_none() {
            let message = format!("`{}` is {number}, not from {min} to {max}", field.name);
            self.faults.add(field.span.clone(), message, "");
        }
        inside
    }

    fn within(&mut self, field: &Field<'_>, text: &Text, value: u64) -> Option<u64> {
        let (min, max) = field.kind.limits()?;
        if (min..=max).contains(&value) {
            return Some(value);
        }
        let message = format!("`{}` is `{}`, not from {min} to {max}", field.name, text.value);
        self.faults.push(text.fault(message, ""));
        None
    }
}
