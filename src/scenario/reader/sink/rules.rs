//! `[[sink.rules]]` and `freeze`.

use toml::de::DeValue;

use crate::behavior::{Effects, Limit, Numbers, RULES_MAX, Rate, Rule, SinkVerb, When, Window};
use crate::scenario::reader::Reader;
use crate::scenario::reader::section::{Field, Section};

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
        Some(Rule { at: at??, when: when?, effects: effects? })
    }

    fn when(&mut self, section: &Section<'_>) -> Option<When> {
        let mut numbers = |name| self.optional(section, name, Self::numbers);
        let (session, message, nth) = (numbers("session"), numbers("message"), numbers("nth"));
        let window = self.window(section, "after");
        let share = self.optional(section, "share", Self::share);
        let above = self.rate_limit(section, "above");
        let at_most = self.rate_limit(section, "at_most");
        let count = self.optional(section, "count", Self::count);
        if let (Some(None), Some(None), Some(field)) = (&above, &at_most, section.field("burst")) {
            let hint = "write above = \"500 messages/s\" or at_most = \"5/s\" beside it";
            self.faults.add(field.key_span.clone(), "`burst` without a rate", hint);
        }
        Some(When {
            session: session?,
            message: message?,
            nth: nth?,
            window: window?,
            share: share?,
            above: above?,
            at_most: at_most?,
            count: count?,
        })
    }

    fn effects(&mut self, section: &Section<'_>) -> Option<Effects> {
        let delay = self.optional(section, "delay", Self::delay);
        let reply = self.optional(section, "reply", Self::reply);
        let effects = Effects { delay: delay?, reply: reply? };
        if effects == Effects::default() {
            let message = "a rule that does nothing";
            self.lacking(section.span.clone(), message, "write reply = \"450 4.2.0 later\" there");
            return None;
        }
        Some(effects)
    }

    /// The rate under `name` with its bucket.
    fn rate_limit(&mut self, section: &Section<'_>, name: &str) -> Option<Option<Limit>> {
        let burst = self.optional(section, "burst", Self::count)?;
        let rate = self.optional(section, name, |reader, field| {
            let text = reader.text(field)?;
            reader.unit(&text, Rate::parse)
        })?;
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
}
