//! `[[messages]]`: kinds of mail data.

use std::ops::RangeInclusive;

use toml::de::DeValue;

use super::Reader;
use super::section::{Field, Section};
use super::text::Text;
use crate::message::template::{Part, Template};
use crate::message::{Content, MESSAGE_BYTES_MAX, MailFile, Mark, MessageKind, Pick, SizeRule};
use crate::scenario::fault::Place;
use crate::scenario::template::TemplateUse;
use crate::scenario::{KINDS_MAX, Overrides};
use crate::units;

/// Name of a kind that has none.
const DEFAULT_NAME: &str = "message";
/// Size of a message unless said otherwise, in bytes.
const DEFAULT_SIZE: u64 = 4096;
/// Longest line of a header field in bytes, without its line end (RFC 5322 section 2.1.1).
const HEADER_LINE_MAX: usize = 998;
/// Kinds are cut at four times p99, which has to be a size itself.
const P99_MAX: u64 = MESSAGE_BYTES_MAX / 4;

/// A kind before it is known whether each of its files is sent once.
pub(super) struct KindRead {
    pub(super) kind: MessageKind,
    /// `pick`, where the file has it.
    pub(super) pick: Option<Pick>,
    /// Of `pick`, or of the kind.
    pub(super) pick_place: Place,
}

impl KindRead {
    fn new(name: &str, content: Content, place: Place) -> Self {
        let kind = MessageKind { name: name.to_owned(), weight: 1, content };
        Self { kind, pick: None, pick_place: place }
    }

    /// The kind with its pick.
    pub(super) fn settle(mut self) -> MessageKind {
        if let (Content::Files { pick, .. }, Some(wanted)) = (&mut self.kind.content, self.pick) {
            *pick = wanted;
        }
        self.kind
    }
}

impl Reader<'_> {
    /// At least one kind. Their names are known to templates and scripts from then on.
    pub(super) fn messages(
        &mut self,
        top: &Section<'_>,
        overrides: &Overrides,
    ) -> Option<Vec<KindRead>> {
        let content = self.flag_content(overrides);
        let mut kinds = match top.field("messages") {
            None => {
                self.names.messages.push(DEFAULT_NAME.to_owned());
                let content = generated(SizeRule::Fixed(DEFAULT_SIZE));
                Some(vec![KindRead::new(DEFAULT_NAME, content, Place::Flag(""))])
            }
            Some(field) => self.kinds(&field),
        }?;
        // The names stay, so that the scripts' do, too.
        if let Some(content) = content? {
            for kind in &mut kinds {
                kind.pick = None;
                match (&mut kind.kind.content, &content) {
                    // Its header fields stay, too.
                    (Content::Generated { size, .. }, Content::Generated { size: new, .. }) => {
                        *size = *new;
                    }
                    (old, new) => *old = new.clone(),
                }
            }
        }
        Some(kinds)
    }

    /// What `--size` or `--eml` put in place of every kind's content.
    fn flag_content(&mut self, overrides: &Overrides) -> Option<Option<Content>> {
        let size = overrides.size.as_ref().map(|size| {
            let text = Text::flag("--size", size);
            self.size_text(&text).map(generated)
        });
        let eml = overrides.eml.as_ref().map(|path| {
            let text = Text::flag("--eml", &path.to_string_lossy());
            self.mail_file(&text).map(|files| from_files(files, Mark::Prepend))
        });
        match (size, eml) {
            (Some(_), Some(_)) => {
                let text = Text::flag("--eml", "");
                self.faults.push(text.fault("`--eml` beside `--size`", "give one of them"));
                None
            }
            (Some(content), None) | (None, Some(content)) => content.map(Some),
            (None, None) => Some(None),
        }
    }

    fn kinds(&mut self, field: &Field<'_>) -> Option<Vec<KindRead>> {
        let sections = self.open_tables(field);
        if field.value.as_array().is_some_and(|items| items.is_empty()) {
            let message = "`messages` has no message";
            self.lacking(field.span.clone(), message, "leave it out for messages of 4 KiB");
        }
        if sections.len() > KINDS_MAX {
            let message = format!("{} kinds of messages, over {KINDS_MAX}", sections.len());
            self.faults.add(field.span.clone(), message, "");
            return None;
        }
        // Headers and scripts of faulty kinds are read, too: all names have to be there first.
        let names: Vec<_> =
            sections.iter().map(|section| self.kind_name(section, sections.len())).collect();
        let kinds: Vec<_> = sections
            .iter()
            .zip(names)
            .filter_map(|(section, name)| self.kind(section, name))
            .collect();
        (!kinds.is_empty() && kinds.len() == sections.len()).then_some(kinds)
    }

    fn kind_name(&mut self, section: &Section<'_>, count: usize) -> Option<String> {
        let name = match section.field("name") {
            None if count == 1 => DEFAULT_NAME.to_owned(),
            None => {
                let message = "[[messages]] has no `name`, and there are several";
                self.lacking(section.span.clone(), message, "write name = \"…\" in each");
                return None;
            }
            Some(field) => {
                let name = self.name(&field)?;
                if self.names.messages.contains(&name) {
                    let message = format!("a second message named `{name}`");
                    self.faults.add(field.span, message, "write another name");
                    return None;
                }
                name
            }
        };
        self.names.messages.push(name.clone());
        Some(name)
    }

    fn kind(&mut self, section: &Section<'_>, name: Option<String>) -> Option<KindRead> {
        let weight = self.optional(section, "weight", Self::count);
        let headers = self.optional(section, "headers", Self::headers);
        let mark = self.optional(section, "mark", |reader, field| {
            reader.choice(field, &[("prepend", Mark::Prepend), ("none", Mark::None)])
        });
        let pick = self.optional(section, "pick", |reader, field| {
            let words = [
                ("round-robin", Pick::RoundRobin),
                ("random", Pick::Random),
                ("each-once", Pick::EachOnce),
            ];
            reader.choice(field, &words)
        });
        let (size, file, folder) =
            (section.field("size"), section.field("file"), section.field("folder"));
        let fits = self.belongs(section, "headers", size.is_some(), "`size`")
            & self.belongs(section, "pick", folder.is_some(), "`folder`")
            & self.belongs(section, "mark", size.is_none(), "`file` or `folder`");
        let content = match (size, file, folder) {
            (Some(field), None, None) => {
                let size = self.size_rule(&field);
                Some(Content::Generated { size: size?, headers: headers?.unwrap_or_default() })
            }
            (None, Some(field), None) => {
                let files = self.text(&field).and_then(|text| self.mail_file(&text));
                Some(from_files(files?, mark?.unwrap_or(Mark::Prepend)))
            }
            (None, None, Some(field)) => {
                let files = self.text(&field).and_then(|text| self.mail_folder(&text));
                Some(from_files(files?, mark?.unwrap_or(Mark::Prepend)))
            }
            // A fault already.
            _ => None,
        };
        let place = section.field("pick").map_or(section.span.clone(), |field| field.span);
        let mut read = KindRead::new(&name?, content?, Place::Scenario(place));
        read.pick = pick?;
        read.kind.weight = weight?.map_or(Some(1), |weight| u32::try_from(weight).ok())?;
        fits.then_some(read)
    }

    /// Refuses a key that means nothing without another one.
    fn belongs(&mut self, section: &Section<'_>, name: &str, there: bool, with: &str) -> bool {
        let Some(field) = section.field(name).filter(|_| !there) else { return true };
        let message = format!("`{name}` means something only with {with}");
        self.faults.add(field.key_span, message, "leave it out");
        false
    }

    fn size_rule(&mut self, field: &Field<'_>) -> Option<SizeRule> {
        match field.value {
            DeValue::Table(_) => self.log_normal(field),
            DeValue::String(_) => {
                let text = self.text(field)?;
                self.size_text(&text)
            }
            _ => self.size(field).map(SizeRule::Fixed),
        }
    }

    fn log_normal(&mut self, field: &Field<'_>) -> Option<SizeRule> {
        let section = self.open_table(field)?;
        let p50 = self.optional(&section, "p50", Self::size);
        let p99 = self.optional(&section, "p99", Self::size);
        let (p50, p99) = (p50??, p99??);
        let message = if p50 > p99 {
            "`p50` is above `p99`".to_owned()
        } else if p99 > P99_MAX {
            format!("`p99` is over {} MiB", P99_MAX >> 20)
        } else {
            return Some(SizeRule::LogNormal { p50, p99 });
        };
        self.faults.add(field.span.clone(), message, "write { p50 = \"20KiB\", p99 = \"400KiB\" }");
        None
    }

    /// `4KiB` or `1KiB..64KiB`.
    fn size_text(&mut self, text: &Text) -> Option<SizeRule> {
        let parse = |text: &str| units::parse_range(text, units::parse_size);
        let range: RangeInclusive<u64> = self.unit(text, parse)?;
        let (low, high) = range.into_inner();
        if low == 0 || high > MESSAGE_BYTES_MAX {
            let limit = MESSAGE_BYTES_MAX >> 20;
            let message = format!("a message has from 1 byte to {limit} MiB");
            self.faults.push(text.fault(message, "write \"4KiB\" or \"1KiB..64KiB\""));
            return None;
        }
        Some(if low == high { SizeRule::Fixed(low) } else { SizeRule::Uniform { low, high } })
    }

    fn headers(&mut self, field: &Field<'_>) -> Option<Vec<(String, Template)>> {
        let fields = self.open_table(field)?.rest();
        let mut headers: Vec<(String, Template)> = Vec::new();
        for field in &fields {
            let name = field.name;
            // RFC 5322 section 2.2: printable US-ASCII without the colon.
            let named =
                !name.is_empty() && name.bytes().all(|b| (33..=126).contains(&b) && b != b':');
            let twice = headers.iter().any(|(other, _)| other.eq_ignore_ascii_case(name));
            if !named || twice {
                let message = match twice {
                    true => format!("a second header field `{name}`"),
                    false => format!("`{name}` is not the name of a header field"),
                };
                let hint = "a name holds printable ASCII without a colon, and is there once";
                self.faults.add(field.key_span.clone(), message, hint);
            }
            let value = self.header_value(field);
            headers.extend(value.filter(|_| named && !twice).map(|value| (name.to_owned(), value)));
        }
        (headers.len() == fields.len()).then_some(headers)
    }

    fn header_value(&mut self, field: &Field<'_>) -> Option<Template> {
        let text = self.text(field)?;
        let utf8 = self.asked.smtputf8;
        let wrong = |c: char| (!c.is_ascii() && !utf8) || c.is_control() && c != '\t';
        let template = if text.value.contains(wrong) {
            Err(text.fault(
                format!(
                    "header field `{}` holds a line end, a control or a non-ASCII character",
                    field.name
                ),
                "encode it by RFC 2047: =?utf-8?q?caf=C3=A9?=, or set smtputf8 = true under [extensions]",
            ))
        } else {
            Ok(self.template(&text, TemplateUse::Header)?)
        };
        let fixed = |part: &Part| match part {
            Part::Text(text) => text.len(),
            Part::Value(_) => 0,
        };
        template
            .and_then(|template| {
                let length = template.parts().iter().map(fixed).sum::<usize>();
                if field.name.len() + 2 + length <= HEADER_LINE_MAX {
                    return Ok(template);
                }
                let message =
                    format!("header field `{}` is over {HEADER_LINE_MAX} bytes long", field.name);
                Err(text.fault(message, ""))
            })
            .map_err(|fault| self.faults.push(fault))
            .ok()
    }
}

fn generated(size: SizeRule) -> Content {
    Content::Generated { size, headers: Vec::new() }
}

fn from_files(files: Vec<MailFile>, mark: Mark) -> Content {
    Content::Files { files, pick: Pick::RoundRobin, mark }
}
