//! `[[sink.rules]]` and `freeze`.

use toml::de::DeValue;

use crate::behavior::{
    AddressPattern, Limit, Network, Numbers, RULES_MAX, Rate, Rule, Scope, SinkVerb, When, Window,
};
use crate::scenario::reader::Reader;
use crate::scenario::reader::section::{Field, Section};
use crate::units::UnitError;

impl Reader<'_> {
    pub(super) fn freezes(&mut self, field: &Field<'_>) -> Option<Vec<Window>> {
        let sections = self.open_tables(field);
        let windows: Vec<_> = sections.iter().map(|section| self.freeze(section)).collect();
        windows.into_iter().collect()
    }

    fn freeze(&mut self, section: &Section<'_>) -> Option<Window> {
        if section.field("after").is_none() && section.field("every").is_none() {
            let message = "`freeze` has neither `after` nor `every`";
            self.lacking(section.span.clone(), message, "write after = \"5s\"");
            return None;
        }
        let after = match section.field("after") {
            Some(_) => "after",
            None => "every",
        };
        self.window(section, after)?
    }

    /// The time span that a table has: `Some(None)` where it has none. It begins at the key `after`.
    fn window(&mut self, section: &Section<'_>, after: &str) -> Option<Option<Window>> {
        let mut time =
            |name| self.optional(section, name, |reader, field| reader.duration(field, true));
        let (begins, length, every) = (time(after), time("for"), time("every"));
        let (begins, length, every) = (begins?, length?, every?);
        let keys = ["for", "every", "after"].iter().find_map(|name| section.field(name));
        let Some(field) = keys else { return Some(None) };
        self.taken(&field, Window::new(begins, length, every)).map(Some)
    }

    pub(super) fn rules(&mut self, field: &Field<'_>) -> Option<Vec<Rule>> {
        let sections = self.open_tables(field);
        if sections.len() > RULES_MAX {
            let message = format!("{} rules, over {RULES_MAX}", sections.len());
            self.faults.add(field.key_span.clone(), message, "write fewer");
        }
        let rules: Vec<_> = sections.iter().map(|section| self.rule(section)).collect();
        rules.into_iter().collect()
    }

    fn rule(&mut self, section: &Section<'_>) -> Option<Rule> {
        let at =
            self.optional(section, "at", |reader, field| reader.choice(field, SinkVerb::NAMES));
        let when = self.when(section);
        let effects = self.effects(section);
        // Where `at` is missing, that was said.
        let (at, when, effects) = (at??, when?, effects?);
        if let Some((key, place)) = effects.misplaced(at)
            && let Some(field) = section.field(key)
        {
            let message = format!("`{key}` has no meaning at {}", at.name());
            self.faults.add(field.key_span.clone(), message, format!("it has one at {place}"));
        }
        let early = |key: &str, is_early: bool, reader: &mut Self| {
            if let Some(field) = section.field(key).filter(|_| is_early) {
                let message = format!("`{}` is not known yet at {}", field.name, at.name());
                let hint = "write at = \"rcpt\" or a later command";
                reader.faults.add(field.key_span.clone(), message, hint);
            }
        };
        let before = |verb: SinkVerb| (at as usize) < verb as usize;
        early("sender", before(SinkVerb::Mail), self);
        early("recipient", before(SinkVerb::Rcpt), self);
        early("per", when.per.has_sender() && before(SinkVerb::Mail), self);
        early("per", when.per.has_recipient() && before(SinkVerb::Rcpt), self);
        Some(Rule { at, when, effects })
    }

    fn when(&mut self, section: &Section<'_>) -> Option<When> {
        let recipient = self.parsed(section, "recipient", AddressPattern::parse);
        let sender = self.parsed(section, "sender", AddressPattern::parse);
        let client = self.parsed(section, "client", Network::parse);
        let mut numbers = |name| self.optional(section, name, Self::numbers);
        let (session, message, nth) = (numbers("session"), numbers("message"), numbers("nth"));
        let window = self.window(section, "after");
        let share = self.optional(section, "share", Self::share);
        let above = self.rate_limit(section, "above");
        let at_most = self.rate_limit(section, "at_most");
        let count = self.optional(section, "count", Self::count);
        let within =
            self.optional(section, "within", |reader, field| reader.duration(field, false));
        let per = self.optional(section, "per", |reader, field| reader.choice(field, Scope::NAMES));
        let lonely = |key: &str, beside: &[&str], reader: &mut Self| {
            let none = beside.iter().all(|name| section.field(name).is_none());
            if let Some(field) = section.field(key).filter(|_| none) {
                let message = format!("`{}` without {}", field.name, beside.join(", "));
                let hint = format!("write one of {} beside it", beside.join(", "));
                reader.faults.add(field.key_span.clone(), message, hint);
            }
        };
        lonely("burst", &["above", "at_most"], self);
        lonely("per", &["above", "at_most", "count", "within"], self);
        Some(When {
            recipient: recipient?,
            sender: sender?,
            client: client?,
            session: session?,
            message: message?,
            nth: nth?,
            window: window?,
            share: share?,
            above: above?,
            at_most: at_most?,
            within: within?,
            count: count?,
            per: per?.unwrap_or_default(),
        })
    }

    /// The rate under `name` with its bucket.
    fn rate_limit(&mut self, section: &Section<'_>, name: &str) -> Option<Option<Limit>> {
        let burst = self.optional(section, "burst", Self::count)?;
        let rate = self.parsed(section, name, Rate::parse)?;
        Some(rate.map(|rate| match burst {
            Some(burst) => Limit { rate, burst },
            None => Limit::new(rate),
        }))
    }

    /// `7`, `"5..10"`, `"every 100"`.
    fn numbers(&mut self, field: &Field<'_>) -> Option<Numbers> {
        if let DeValue::Integer(_) = field.value {
            return self.count(field).map(|number| Numbers::Range(number, number));
        }
        let text = self.text(field)?;
        self.unit(&text, Numbers::parse)
    }

    /// The text under `name` by `parse`.
    pub(super) fn parsed<T>(
        &mut self,
        section: &Section<'_>,
        name: &str,
        parse: fn(&str) -> Result<T, UnitError>,
    ) -> Option<Option<T>> {
        self.optional(section, name, |reader, field| {
            let text = reader.text(field)?;
            reader.unit(&text, parse)
        })
    }
}
