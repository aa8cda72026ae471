//! `[sink]`, and the file of a behaviour: what the built-in server does.

mod delays;
mod rules;

use std::num::NonZeroU32;

use super::Reader;
use super::section::{Field, Section, nearest};
use crate::behavior::{Behavior, Reply, SinkVerb};
use crate::scenario::keys::sink_verbs;
use crate::smtp::capabilities::Limits;

impl Reader<'_> {
    /// `[sink]` of a scenario.
    pub(super) fn sink(&mut self, top: &Section<'_>) -> Option<Behavior> {
        let Some(field) = top.field("sink") else { return Some(Behavior::default()) };
        let section = self.open_table(&field)?;
        self.behavior(&section)
    }

    fn behavior(&mut self, section: &Section<'_>) -> Option<Behavior> {
        let seed = self.optional(section, "seed", Self::count);
        let delays =
            self.optional(section, "delay", |reader, field| reader.by_verb(field, Self::delay));
        let replies =
            self.optional(section, "reply", |reader, field| reader.by_verb(field, Self::reply));
        let freezes = self.optional(section, "freeze", Self::freezes);
        let rules = self.optional(section, "rules", Self::rules);
        let size_limit = self.optional(section, "size_limit", Self::size);
        let mut limit = |name| self.optional(section, name, Self::limit);
        let (mail_max, rcpt_max) = (limit("max_messages"), limit("max_recipients"));
        let rcpt_domain_max = limit("max_domains")?;
        Some(Behavior {
            seed: seed?,
            delays: delays?.unwrap_or_default(),
            replies: replies?.unwrap_or_default(),
            freezes: freezes?.unwrap_or_default(),
            rules: rules?.unwrap_or_default(),
            size_limit: size_limit?,
            limits: Limits { mail_max: mail_max?, rcpt_max: rcpt_max?, rcpt_domain_max },
        })
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
