//! `[senders]` and `[recipients]`: who writes to whom.

use std::ops::RangeInclusive;

use super::Reader;
use super::section::{Field, Section};
use super::text::Text;
use crate::message::template::{Part, Template, Value};
use crate::message::{AddressSource, Addresses};
use crate::scenario::Overrides;
use crate::scenario::template::TemplateUse;

/// Longest address in bytes: a local part of 64, `@` and a domain of 255 (RFC 5321 section 4.5.3.1).
const ADDRESS_MAX: usize = 320;
/// Longest domain in bytes.
const DOMAIN_MAX: usize = 255;
/// Columns that are taken for addresses unless `column` names one.
const ADDRESS_COLUMNS: &[&str] = &["address", "email", "recipient"];

const DEFAULT_SENDER: &str = "bench@sender.test";
const DEFAULT_RECIPIENT: &str = "user{{1..1000}}@recipient.test";

impl Reader<'_> {
    pub(super) fn senders(
        &mut self,
        top: &Section<'_>,
        overrides: &Overrides,
    ) -> Option<Addresses> {
        let file = match top.field("senders") {
            None => self.pattern_alone(&Text::flag("", DEFAULT_SENDER)),
            Some(field) => {
                let section = self.open_table(&field)?;
                self.addresses(&section)
            }
        };
        self.flag_pattern("--from", overrides.from.as_deref(), file)
    }

    /// Forward-paths, and how many one message has.
    pub(super) fn recipients(
        &mut self,
        top: &Section<'_>,
        overrides: &Overrides,
    ) -> Option<(Addresses, RangeInclusive<u32>)> {
        let mut per_message = Some(1..=1);
        let file = match top.field("recipients") {
            None => self.pattern_alone(&Text::flag("", DEFAULT_RECIPIENT)),
            Some(field) => {
                let section = self.open_table(&field)?;
                if let Some(field) = section.field("per_message") {
                    per_message = self.count_range(&field).and_then(|range| {
                        let (low, high) = range.into_inner();
                        Some(u32::try_from(low).ok()?..=u32::try_from(high).ok()?)
                    });
                }
                self.addresses(&section)
            }
        };
        let addresses = self.flag_pattern("--to", overrides.to.as_deref(), file);
        Some((addresses?, per_message?))
    }

    /// What a flag puts in place of the file's addresses; those are checked nevertheless.
    fn flag_pattern(
        &mut self,
        flag: &'static str,
        pattern: Option<&str>,
        file: Option<Addresses>,
    ) -> Option<Addresses> {
        let Some(pattern) = pattern else { return file };
        let addresses = self.pattern_alone(&Text::flag(flag, pattern));
        file.and(addresses)
    }

    fn pattern_alone(&mut self, text: &Text) -> Option<Addresses> {
        let template = self.pattern(text, &[])?;
        Some(Addresses { source: AddressSource::Pattern(template), domains: Vec::new() })
    }

    fn addresses(&mut self, section: &Section<'_>) -> Option<Addresses> {
        let domains = self.optional(section, "domains", Self::domains);
        let pattern = section.field("pattern");
        if let (Some(field), None) = (section.field("column"), section.field("csv")) {
            let message = format!("`column` without `csv` in {}", section.shown());
            self.faults.add(field.key_span, message, "it names a column of that file");
        }
        if let (Some(field), None) = (section.field("domains"), &pattern) {
            let message = format!("`domains` without `pattern` in {}", section.shown());
            self.faults.add(field.key_span, message, "they are for {{domain}} in a pattern");
        }
        if let Some(field) = pattern {
            let text = self.text(&field)?;
            let has_domains = section.field("domains").is_some();
            let domains = domains?.unwrap_or_default();
            let template = self.pattern_with(&text, &domains, has_domains)?;
            return Some(Addresses { source: AddressSource::Pattern(template), domains });
        }
        let list = match (section.field("addresses"), section.field("csv")) {
            (Some(field), _) => self.address_list(&field)?,
            (None, Some(field)) => self.address_column(&field, section)?,
            (None, None) => return None,
        };
        domains?;
        Some(Addresses { source: AddressSource::List(list), domains: Vec::new() })
    }

    fn pattern_with(
        &mut self,
        text: &Text,
        domains: &[(String, u32)],
        has_domains: bool,
    ) -> Option<Template> {
        let template = self.pattern(text, domains)?;
        if has_domains && !template.has(|value| *value == Value::Domain) {
            let hint = "write user{{1..1000}}@{{domain}}";
            self.faults.push(text.fault("`domains` for a pattern without `{{domain}}`", hint));
            return None;
        }
        Some(template)
    }

    /// A pattern each of whose renderings is an address.
    fn pattern(&mut self, text: &Text, domains: &[(String, u32)]) -> Option<Template> {
        let template = self.template(text, TemplateUse::AddressPattern)?;
        if domains.is_empty() && template.has(|value| *value == Value::Domain) {
            let hint = "add domains = { \"example.test\" = 1 }";
            self.faults.push(text.fault("`{{domain}}` without `domains`", hint));
            return None;
        }
        if let Err(message) = check_address(&longest(&template, domains)) {
            self.faults.push(text.fault(format!("`{}` {message}", text.shown), ADDRESS_HINT));
            return None;
        }
        Some(template)
    }

    fn domains(&mut self, field: &Field<'_>) -> Option<Vec<(String, u32)>> {
        let fields = self.open_table(field)?.rest();
        let mut domains = Vec::new();
        for field in &fields {
            let name = field.name;
            let wrong = |c: char| c.is_whitespace() || c.is_control() || "<>@\"".contains(c);
            if name.is_empty() || name.len() > DOMAIN_MAX || name.contains(wrong) {
                let message = format!("`{name}` is not a domain");
                self.faults.add(field.key_span.clone(), message, "write \"example.test\" = 1");
                continue;
            }
            let weight = self.count(field).and_then(|weight| u32::try_from(weight).ok());
            domains.extend(weight.map(|weight| (name.to_owned(), weight)));
        }
        if fields.is_empty() {
            let message = "`domains` has no domain";
            self.faults.add(field.span.clone(), message, "write { \"example.test\" = 1 }");
        }
        (!domains.is_empty() && domains.len() == fields.len()).then_some(domains)
    }

    fn address_list(&mut self, field: &Field<'_>) -> Option<Vec<Box<str>>> {
        let texts = self.texts(field)?;
        if texts.is_empty() {
            self.faults.add(field.span.clone(), "`addresses` has no address", ADDRESS_HINT);
        }
        let mut addresses = Vec::with_capacity(texts.len());
        for text in &texts {
            match check_address(text.value.as_bytes()) {
                Ok(()) => addresses.push(text.value.as_str().into()),
                Err(message) => {
                    let message = format!("address `{}` {message}", text.shown);
                    self.faults.push(text.fault(message, ADDRESS_HINT));
                }
            }
        }
        (!addresses.is_empty() && addresses.len() == texts.len()).then_some(addresses)
    }

    fn address_column(
        &mut self,
        field: &Field<'_>,
        section: &Section<'_>,
    ) -> Option<Vec<Box<str>>> {
        let text = self.text(field)?;
        let wanted = self.optional(section, "column", Self::text);
        let file = self.csv_file(&text)?;
        let find = |name: &str| file.columns.iter().position(|column| column == name);
        let index = match &wanted? {
            Some(column) => find(&column.value).ok_or_else(|| {
                column.fault(
                    format!("`{}` has no column `{}`", text.shown, column.shown),
                    format!("its columns: {}", file.columns.join(", ")),
                )
            }),
            None if file.columns.len() == 1 => Ok(0),
            None => ADDRESS_COLUMNS.iter().find_map(|name| find(name)).ok_or_else(|| {
                text.fault(
                    format!("`{}` has no column {}", text.shown, ADDRESS_COLUMNS.join(", ")),
                    format!("write column = \"…\"; its columns: {}", file.columns.join(", ")),
                )
            }),
        };
        let index = index.map_err(|fault| self.faults.push(fault)).ok()?;
        let mut addresses = Vec::with_capacity(file.rows.len());
        let mut faults = 0;
        for (line, row) in &file.rows {
            match check_address(row[index].as_bytes()) {
                Ok(()) => addresses.push(row[index].clone()),
                Err(message) if faults < ADDRESS_FAULTS_MAX => {
                    faults += 1;
                    self.file_fault(&file.path, *line, format!("`{}` {message}", row[index]));
                }
                Err(_) => break,
            }
        }
        (faults == 0).then_some(addresses)
    }
}

/// Faulty addresses that are shown of one file.
const ADDRESS_FAULTS_MAX: usize = 10;

const ADDRESS_HINT: &str = "write local@domain, without angle brackets; spaces only in \"…\"";

/// Whether `address` may stand between `<` and `>` of a command. The error is a fragment that follows it.
pub(super) fn check_address(address: &[u8]) -> Result<(), &'static str> {
    if address.is_empty() {
        return Err("is empty: an empty reverse-path is written in the script, MAIL FROM:<>");
    }
    if address.len() > ADDRESS_MAX {
        return Err("is over 320 bytes long");
    }
    let mut bytes = address.iter();
    let mut quoted = false;
    while let Some(byte) = bytes.next() {
        match byte {
            b'<' | b'>' => return Err("holds an angle bracket"),
            0..=31 | 127 => return Err("holds a control character"),
            b' ' if !quoted => return Err("holds a space outside of quotes"),
            b'"' => quoted = !quoted,
            // RFC 5321 section 4.1.2: the next byte stands for itself.
            b'\\' if quoted => match bytes.next() {
                Some(32..=126) => {}
                _ => return Err("has a `\\` before nothing"),
            },
            _ => {}
        }
    }
    if quoted { Err("has an open quote") } else { Ok(()) }
}

/// The longest address that `template` can give.
fn longest(template: &Template, domains: &[(String, u32)]) -> Vec<u8> {
    let mut address = Vec::new();
    for part in template.parts() {
        match part {
            Part::Text(text) => address.extend_from_slice(text),
            Part::Value(Value::Domain) => {
                let domain = domains.iter().map(|(name, _)| name).max_by_key(|name| name.len());
                address.extend(domain.into_iter().flat_map(|name| name.bytes()));
            }
            Part::Value(Value::Uniform { high, .. }) => {
                address.extend_from_slice(high.to_string().as_bytes());
            }
            Part::Value(_) => address.extend_from_slice(u64::MAX.to_string().as_bytes()),
        }
    }
    address
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_fit_between_angle_brackets() {
        for good in
            ["a@b.test", "postmaster", "\"a b\"@c", "\"a\\\"b\"@c", "ü@example.test", "a@[::1]"]
        {
            assert_eq!(check_address(good.as_bytes()), Ok(()), "{good}");
        }
        for bad in
            ["", "a b@c", "<a@b>", "a@b\r\n", "a\u{7f}@b", "\"a@b", "\"a\\", "\"a\\\u{1}\"@b"]
        {
            assert!(check_address(bad.as_bytes()).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn addresses_have_at_most_320_bytes() {
        assert_eq!(check_address(&[b'a'; ADDRESS_MAX]), Ok(()));
        assert!(check_address(&[b'a'; ADDRESS_MAX + 1]).is_err());
    }
}
