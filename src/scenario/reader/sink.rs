//! `[sink]`, and the file of a behaviour: what the built-in server does.

mod delays;
mod effects;
mod rules;

use std::num::NonZeroU32;

use super::Reader;
use super::section::{Field, Section, nearest};
use crate::behavior::{Behavior, CertificateFault, REPLY_TEXT_MAX, Reply, SinkVerb};
use crate::scenario::Source;
use crate::scenario::behaviors;
use crate::scenario::keys::sink_verbs;
use crate::smtp::capabilities::Limits;

impl Reader<'_> {
    /// `[sink]` of a scenario.
    pub(super) fn sink(&mut self, top: &Section<'_>) -> Option<Behavior> {
        let Some(field) = top.field("sink") else { return Some(Behavior::default()) };
        let section = self.open_table(&field)?;
        self.behavior(&section)
    }

    /// The behaviour in `section`, over the one that it names.
    pub(super) fn behavior(&mut self, section: &Section<'_>) -> Option<Behavior> {
        let base = self.optional(section, "behavior", Self::base);
        let seed = self.optional(section, "seed", Self::count);
        let delays =
            self.optional(section, "delay", |reader, field| reader.by_verb(field, Self::delay));
        let replies =
            self.optional(section, "reply", |reader, field| reader.by_verb(field, Self::reply));
        let freezes = self.optional(section, "freeze", Self::freezes);
        let rules = self.optional(section, "rules", Self::rules);
        let words = self.optional(section, "words", Self::flag);
        let pieces = self.optional(section, "pieces", Self::limit);
        let hide = self.optional(section, "hide", Self::capabilities);
        let announce = self.optional(section, "announce", Self::capabilities);
        let certificate = self.optional(section, "certificate", |reader, field| {
            reader.choice(field, CertificateFault::NAMES)
        });
        let bounces_to = self.parsed(section, "bounces_to", Behavior::parse_bounces_to);
        let size_limit = self.optional(section, "size_limit", Self::size);
        let mut limit = |name| self.optional(section, name, Self::limit);
        let (mail_max, rcpt_max) = (limit("max_messages"), limit("max_recipients"));
        let rcpt_domain_max = limit("max_domains")?;
        let own = Behavior {
            seed: seed?,
            delays: delays?.unwrap_or_default(),
            replies: replies?.unwrap_or_default(),
            freezes: freezes?.unwrap_or_default(),
            rules: rules?.unwrap_or_default(),
            size_limit: size_limit?,
            limits: Limits { mail_max: mail_max?, rcpt_max: rcpt_max?, rcpt_domain_max },
            no_words: words? == Some(false),
            pieces: pieces?,
            hide: hide?.unwrap_or_default(),
            announce: announce?.unwrap_or_default(),
            certificate: certificate?,
            bounces_to: bounces_to?,
        };
        let whole = own.over(base?.unwrap_or_default());
        if whole.bounces() && whole.bounces_to.is_none() {
            let message = "a rule bounces messages, and nobody takes them";
            let hint = "write bounces_to = \"127.0.0.1:2526\" beside the rules";
            self.lacking(section.span.clone(), message, hint);
        }
        Some(whole)
    }

    /// The behaviour that `behavior` names: a ready one, or that of a file.
    fn base(&mut self, field: &Field<'_>) -> Option<Behavior> {
        let text = self.text(field)?;
        if let Some(ready) = behaviors::ready(&text.value) {
            return Some(ready);
        }
        let is_file = text.value.ends_with(".toml");
        if !is_file || self.is_behavior {
            let names = behaviors::READY.iter().map(|(name, _)| *name);
            let hint = match nearest(&text.value, names.clone()) {
                Some(near) => format!("did you mean \"{near}\"?"),
                None => format!("write one of {}", names.collect::<Vec<_>>().join(", ")),
            };
            let message = match is_file {
                true => "the file of a behaviour names a ready one, not another file".to_owned(),
                false => format!("no behaviour is named `{}`", text.value),
            };
            self.faults.push(text.fault(message, hint));
            return None;
        }
        let (path, shown) = (self.path(&text), self.shown_path(&text));
        let read =
            Source::open(&path).and_then(|source| super::read_behavior(&source, self.environment));
        match read {
            Ok(behavior) => Some(behavior),
            Err(report) => {
                report.in_file(&shown).into_iter().for_each(|fault| self.faults.push(fault));
                None
            }
        }
    }

    /// Lines of EHLO.
    fn capabilities(&mut self, field: &Field<'_>) -> Option<Vec<String>> {
        let texts = self.texts(field)?;
        let good = |text: &str| {
            let printable = text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
            printable && !text.is_empty() && text.len() <= REPLY_TEXT_MAX
        };
        for text in texts.iter().filter(|text| !good(&text.value)) {
            let hint = "write a keyword with its parameters: \"SIZE 1000\"";
            self.faults.push(text.fault("no line of printable ASCII", hint));
        }
        Some(texts.into_iter().map(|text| text.value).collect())
    }

    fn limit(&mut self, field: &Field<'_>) -> Option<NonZeroU32> {
        self.count(field).and_then(|count| NonZeroU32::new(u32::try_from(count).ok()?))
    }

    /// One value for each verb in the table that `field` holds.
    fn by_verb<T>(
        &mut self,
        field: &Field<'_>,
        mut read: impl FnMut(&mut Self, &Field<'_>) -> Option<T>,
    ) -> Option<Vec<(SinkVerb, T)>> {
        let fields = self.open_table(field)?.rest();
        let mut values = Vec::new();
        for field in &fields {
            let verb = SinkVerb::from_name(field.name);
            if verb.is_none() {
                let names = SinkVerb::NAMES.iter().map(|(name, _)| *name);
                let hint = match nearest(field.name, names) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("known here: {}", sink_verbs()),
                };
                let message = format!("the sink has no command `{}`", field.name);
                self.faults.add(field.key_span.clone(), message, hint);
            }
            if let (Some(value), Some(verb)) = (read(self, field), verb) {
                values.push((verb, value));
            }
        }
        (values.len() == fields.len()).then_some(values)
    }

    fn reply(&mut self, field: &Field<'_>) -> Option<Reply> {
        let text = self.text(field)?;
        self.unit(&text, Reply::parse)
    }
}
