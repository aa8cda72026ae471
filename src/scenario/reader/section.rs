//! Tables of the file, opened by what they may hold. A key is read only through what [`keys`] declares.
//!
//! [`keys`]: crate::scenario::keys

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::Reader;
use crate::scenario::keys::{Key, Kind, SINK, TOP, TableKeys};

/// A table of the file.
pub(super) struct Section<'t> {
    keys: &'static TableKeys,
    entries: &'t DeTable<'t>,
    /// Where it begins: its header, or its braces.
    pub(super) span: Range<usize>,
}

/// A key with its value.
pub(super) struct Field<'t> {
    pub(super) name: &'t str,
    /// What it should hold.
    pub(super) kind: &'static Kind,
    pub(super) value: &'t DeValue<'t>,
    pub(super) key_span: Range<usize>,
    /// Of the value.
    pub(super) span: Range<usize>,
}

impl<'t> Section<'t> {
    /// The key of that name, if the file has it.
    ///
    /// # Panics
    /// In debug builds, where the key is not declared: then the schema would not know it.
    pub(super) fn field(&self, name: &str) -> Option<Field<'t>> {
        let key = self.keys.find(name);
        debug_assert!(key.is_some(), "`{name}` of {} is not in keys.rs", self.keys.shown);
        let (written, value) = self.entries.get_key_value(name)?;
        Some(Field {
            name: written.get_ref(),
            kind: &key?.kind,
            value: value.get_ref(),
            key_span: written.span(),
            span: value.span(),
        })
    }

    /// Keys whose names are free, in the order of the file.
    pub(super) fn rest(&self) -> Vec<Field<'t>> {
        let Some(kind) = &self.keys.rest else { return Vec::new() };
        in_order(self.entries)
            .into_iter()
            .filter(|(key, _)| self.keys.find(key.get_ref()).is_none())
            .map(|(key, value)| Field {
                name: key.get_ref(),
                kind,
                value: value.get_ref(),
                key_span: key.span(),
                span: value.span(),
            })
            .collect()
    }

    /// As the user writes it.
    pub(super) fn shown(&self) -> &'static str {
        self.keys.shown
    }
}

type Entry<'t> = (&'t Spanned<std::borrow::Cow<'t, str>>, &'t Spanned<DeValue<'t>>);

/// Entries in the order of the file; the tree itself sorts them by name.
pub(super) fn in_order<'t>(entries: &'t DeTable<'t>) -> Vec<Entry<'t>> {
    let mut entries: Vec<_> = entries.iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    entries
}

impl Reader<'_> {
    /// The whole file.
    pub(super) fn open_top<'t>(&mut self, tree: &'t Spanned<DeTable<'t>>) -> Section<'t> {
        self.open(&TOP, tree.get_ref(), 0..0)
    }

    /// The whole file of a behaviour.
    pub(super) fn open_behavior<'t>(&mut self, tree: &'t Spanned<DeTable<'t>>) -> Section<'t> {
        self.open(&SINK, tree.get_ref(), 0..0)
    }

    /// The table that `field` holds.
    pub(super) fn open_table<'t>(&mut self, field: &Field<'t>) -> Option<Section<'t>> {
        let keys = field.kind.table()?;
        match field.value {
            DeValue::Table(entries) => Some(self.open(keys, entries, field.span.clone())),
            _ => {
                self.wrong_type(field, "a table");
                None
            }
        }
    }

    /// The tables of the list that `field` holds.
    pub(super) fn open_tables<'t>(&mut self, field: &Field<'t>) -> Vec<Section<'t>> {
        let Some(keys) = field.kind.table() else { return Vec::new() };
        let DeValue::Array(items) = field.value else {
            let name = field.name;
            let hint = format!("write [[{name}]] with two brackets, one for each");
            let message = format!("`{name}` is a list of tables");
            self.faults.add(field.span.clone(), message, hint);
            return Vec::new();
        };
        let mut sections = Vec::new();
        for item in items.iter() {
            match item.get_ref() {
                DeValue::Table(entries) => sections.push(self.open(keys, entries, item.span())),
                _ => {
                    let message = format!("`{}` is a list of tables", field.name);
                    self.faults.add(item.span(), message, "");
                }
            }
        }
        sections
    }

    /// The tables under names of the user that `field` holds.
    pub(super) fn open_named<'t>(
        &mut self,
        field: &Field<'t>,
    ) -> Vec<(&'t str, Range<usize>, Section<'t>)> {
        let Some(keys) = field.kind.table() else { return Vec::new() };
        let DeValue::Table(named) = field.value else {
            self.wrong_type(field, "a table for each name");
            return Vec::new();
        };
        let mut sections = Vec::new();
        for (name, value) in in_order(named) {
            if let DeValue::Table(entries) = value.get_ref() {
                let section = self.open(keys, entries, value.span());
                sections.push((name.get_ref().as_ref(), name.span(), section));
            } else {
                let message = format!("`{}.{}` is not a table", field.name, name.get_ref());
                let hint = format!("write [{}.NAME] above it", field.name);
                self.faults.add(value.span(), message, hint);
            }
        }
        sections
    }

    fn open<'t>(
        &mut self,
        keys: &'static TableKeys,
        entries: &'t DeTable<'t>,
        span: Range<usize>,
    ) -> Section<'t> {
        if keys.rest.is_none() {
            for (key, _) in in_order(entries) {
                if keys.find(key.get_ref()).is_none() {
                    let (message, hint) = unknown_key(keys, key.get_ref());
                    self.faults.add(key.span(), message, hint);
                }
            }
        }
        let span = self.first_line(span);
        for key in keys.keys.iter().filter(|key| key.required) {
            if !entries.contains_key(key.name) {
                self.missing(span.clone(), keys, key);
            }
        }
        let section = Section { keys, entries, span };
        self.one_of(&section);
        section
    }

    fn missing(&mut self, span: Range<usize>, keys: &TableKeys, key: &Key) {
        let message = format!("{} has no `{}`", keys.shown, key.name);
        self.lacking(span, message, format!("write {} = {}", key.name, key.kind.example()));
    }

    fn one_of(&mut self, section: &Section<'_>) {
        let names = section.keys.one_of;
        let there: Vec<_> = names.iter().filter_map(|name| section.field(name)).collect();
        let shown = section.shown();
        if there.is_empty() && !names.is_empty() {
            let message = format!("{shown} has none of {}", listed(names));
            self.lacking(section.span.clone(), message, "write exactly one of them");
        }
        for field in there.iter().skip(1) {
            let first = there[0].name;
            let message = format!("`{}` beside `{first}` in {shown}", field.name);
            let hint = format!("write exactly one of {}", listed(names));
            self.faults.add(field.key_span.clone(), message, hint);
        }
    }

    /// The part of `span` on its first line: enough to underline for a table.
    fn first_line(&self, span: Range<usize>) -> Range<usize> {
        let line = self.text.get(span.clone()).unwrap_or_default().lines().next();
        span.start..span.start + line.unwrap_or_default().len()
    }
}

/// What to say about a key that `keys` does not have.
fn unknown_key(keys: &'static TableKeys, name: &str) -> (String, String) {
    let mut elsewhere = Vec::new();
    TOP.walk(&mut |table| {
        if table.find(name).is_some() && !elsewhere.contains(&table.shown) {
            elsewhere.push(table.shown);
        }
    });
    if elsewhere.first() == Some(&TOP.shown) {
        return (
            format!("`{name}` belongs to the top level, but stands in {}", keys.shown),
            "in TOML a key belongs to the table above it; move it above the first [table]".into(),
        );
    }
    let message = format!("unknown key `{name}` in {}", keys.shown);
    let near = nearest(name, keys.keys.iter().map(|key| key.name));
    let hint = match (near, elsewhere.as_slice()) {
        (Some(near), _) => format!("did you mean `{near}`?"),
        (None, [_, ..]) => format!("`{name}` is a key of {}", elsewhere.join(" and ")),
        (None, []) => {
            let names: Vec<_> = keys.keys.iter().map(|key| key.name).collect();
            format!("known here: {}", names.join(", "))
        }
    };
    (message, hint)
}

/// The known name that was probably meant by `name`.
pub(super) fn nearest<'n>(name: &str, known: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    /// Below it, names have little more in common than a letter or two.
    const SIMILAR: f64 = 0.8;
    // Distances grow with the product of the lengths; no key is that long.
    if name.len() > 64 {
        return None;
    }
    known
        .into_iter()
        .map(|known| (strsim::jaro_winkler(name, known), known))
        .filter(|(similarity, _)| *similarity >= SIMILAR)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, known)| known)
}

fn listed(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}
