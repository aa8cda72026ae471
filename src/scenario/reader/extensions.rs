//! `[extensions]`: which service extensions are used.

use std::ops::Range;

use toml::de::DeValue;

use super::Reader;
use super::section::{Field, Section};
use crate::scenario::extensions::{Dsn, EightBitMime, Extensions, Hold};
use crate::scenario::script::{Op, Script};
use crate::scenario::security::TlsUse;
use crate::scenario::template::TemplateUse;
use crate::smtp::parameters::put_xtext;

/// Longest ENVID in bytes, encoded (RFC 3461 section 4.4).
const ENVID_MAX: usize = 100;
/// Longest HOLDFOR in seconds: nine digits (RFC 4865 section 4).
const HOLD_MAX: u64 = 999_999_999;

/// What other parts of the file have to know of the extensions.
#[derive(Debug, Default)]
pub(super) struct Asked {
    /// Where `binary_mime = true` stands.
    pub(super) binary_mime: Option<Range<usize>>,
    /// Where `requiretls = true` stands.
    requiretls: Option<Range<usize>>,
    pub(super) smtputf8: bool,
}

impl Reader<'_> {
    pub(super) fn extensions(&mut self, top: &Section<'_>) -> Option<Extensions> {
        let mut extensions = Extensions::default();
        let Some(field) = top.field("extensions") else { return Some(extensions) };
        let section = self.open_table(&field)?;
        let size = self.optional(&section, "size", Self::flag);
        let eight_bit = self.optional(&section, "eight_bit_mime", Self::flag);
        let binary = self.optional(&section, "binary_mime", Self::flag);
        let utf8 = self.optional(&section, "smtputf8", Self::flag);
        let dsn = self.optional(&section, "dsn", Self::dsn);
        let requiretls = self.optional(&section, "requiretls", Self::flag);
        let limits = self.optional(&section, "limits", Self::flag);
        let hold = self.hold(&section);
        let priority = self.optional(&section, "mt_priority", Self::priority);
        let place = |name: &str, on: Option<Option<bool>>| {
            section.field(name).filter(|_| on == Some(Some(true))).map(|field| field.span)
        };
        self.asked = Asked {
            binary_mime: place("binary_mime", binary),
            requiretls: place("requiretls", requiretls),
            smtputf8: utf8 == Some(Some(true)),
        };
        extensions.size = size?.unwrap_or(extensions.size);
        extensions.eight_bit_mime = match eight_bit? {
            None => EightBitMime::WhereNeeded,
            Some(true) => EightBitMime::Always,
            Some(false) => EightBitMime::Never,
        };
        extensions.binary_mime = binary?.unwrap_or(extensions.binary_mime);
        extensions.smtputf8 = utf8?.unwrap_or(extensions.smtputf8);
        extensions.dsn = dsn?;
        extensions.requiretls = requiretls?.unwrap_or(extensions.requiretls);
        extensions.limits = limits?.unwrap_or(extensions.limits);
        extensions.hold = hold?;
        extensions.mt_priority = priority?;
        Some(extensions)
    }

    /// Holds the extensions against scripts and target.
    pub(super) fn check_extensions(&mut self, scripts: &[Script]) {
        let data = |script: &&Script| script.ops.iter().any(|op| matches!(op, Op::Data(_)));
        if let (Some(span), Some(script)) =
            (self.asked.binary_mime.clone(), scripts.iter().find(data))
        {
            // RFC 3030 section 3: DATA has no way to send lines that do not end with CRLF.
            let message = format!("`binary_mime` with DATA in script `{}`", script.name);
            self.faults.add(span, message, "binary mail goes out by BDAT: write BDAT in its place");
        }
        if let (Some(span), Some(TlsUse::None)) = (self.asked.requiretls.clone(), self.tls) {
            let hint = "write tls = \"starttls\" under [target], or an smtps:// URL";
            self.faults.add(span, "`requiretls` without TLS to the target", hint);
        }
    }

    fn dsn(&mut self, field: &Field<'_>) -> Option<Dsn> {
        let section = self.open_table(field)?;
        let notify = self.optional(&section, "notify", Self::notify);
        let ret = self.optional(&section, "ret", |reader, field| {
            reader.choice(field, &[("full", "FULL"), ("hdrs", "HDRS")])
        });
        let envid = self.optional(&section, "envid", |reader, field| {
            let text = reader.text(field)?;
            let template = reader.template(&text, TemplateUse::TransactionLine)?;
            let mut encoded = Vec::new();
            template.render(&mut encoded, |_, _| {});
            let plain = encoded.iter().all(|byte| matches!(byte, b' '..=b'~'));
            let fixed = std::mem::take(&mut encoded);
            put_xtext(&fixed, &mut encoded);
            let fault = if text.value.is_empty() {
                text.fault("`envid` is empty", "write envid = \"bench-{{seq}}\"")
            } else if !plain {
                text.fault("`envid` holds more than printable ASCII", "RFC 3461 section 4.4")
            } else if encoded.len() > ENVID_MAX {
                text.fault(format!("`envid` is over {ENVID_MAX} bytes long"), "write a shorter one")
            } else {
                return Some(template);
            };
            reader.faults.push(fault);
            None
        });
        let orcpt = self.optional(&section, "orcpt", Self::flag);
        let (notify, ret, envid, orcpt) = (notify?, ret?, envid?, orcpt?.unwrap_or(false));
        let dsn = Dsn { notify, ret, envid, orcpt };
        if dsn == Dsn::default() {
            let hint = "write dsn = { notify = \"success,failure\" }, or leave it out";
            self.faults.add(field.span.clone(), "`dsn` asks for nothing", hint);
            return None;
        }
        Some(dsn)
    }

    /// `never`, or some of the other words.
    fn notify(&mut self, field: &Field<'_>) -> Option<String> {
        const WORDS: [&str; 3] = ["success", "failure", "delay"];
        let text = self.text(field)?;
        let words: Vec<&str> = text.value.split(',').map(str::trim).collect();
        let known = words.iter().all(|word| WORDS.contains(word));
        let once = WORDS.iter().all(|word| words.iter().filter(|w| *w == word).count() <= 1);
        if words == ["never"] || (known && once) {
            return Some(words.join(",").to_ascii_uppercase());
        }
        let message = format!("`{}` is not a value of `notify`", text.value);
        let hint = "write \"never\", or some of \"success,failure,delay\", each once";
        self.faults.push(text.fault(message, hint));
        None
    }

    fn hold(&mut self, section: &Section<'_>) -> Option<Option<Hold>> {
        let length = self.optional(section, "hold_for", |reader, field| {
            let length = reader.duration(field, false)?;
            let whole = length.subsec_nanos() == 0 && length.as_secs() <= HOLD_MAX;
            if !whole {
                let message =
                    format!("`hold_for` is not a whole number of seconds up to {HOLD_MAX}");
                reader.faults.add(field.span.clone(), message, "write hold_for = \"60s\"");
            }
            whole.then_some(Hold::For(length.as_secs()))
        });
        let until = self.optional(section, "hold_until", |reader, field| {
            let text = reader.text(field)?;
            let Ok(time) = text.value.parse::<jiff::Timestamp>() else {
                let message = format!("`{}` is no date and time with a zone", text.value);
                let hint = "write it as RFC 3339 has it: hold_until = \"2030-01-31T12:00:00Z\"";
                reader.faults.push(text.fault(message, hint));
                return None;
            };
            Some(Hold::Until(time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()))
        });
        match (length?, until?) {
            (Some(_), Some(_)) => {
                let span = section.field("hold_until").map_or(0..0, |field| field.key_span);
                let hint = "write one of them";
                self.faults.add(span, "`hold_until` beside `hold_for` in [extensions]", hint);
                None
            }
            (length, until) => Some(length.or(until)),
        }
    }

    fn priority(&mut self, field: &Field<'_>) -> Option<i8> {
        const LEVELS: std::ops::RangeInclusive<i8> = -9..=9;
        let DeValue::Integer(number) = field.value else {
            self.wrong_type(field, "a whole number");
            return None;
        };
        let value = i8::from_str_radix(number.as_str(), number.radix()).ok();
        let level = value.filter(|level| LEVELS.contains(level));
        if level.is_none() {
            let message = format!("`{}` is {number}, not from -9 to 9", field.name);
            self.faults.add(field.span.clone(), message, "RFC 6710 section 3");
        }
        level
    }
}
