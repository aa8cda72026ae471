//! `[data.*]`: tables whose cells scripts and headers may name.

use std::ops::Range;

use super::Reader;
use super::section::Section;
use crate::message::Pick;
use crate::scenario::Table;

/// First words of values that are no tables: `message.size`.
const RESERVED: &[&str] = &["message"];

impl Reader<'_> {
    /// All tables, each with the place that says how its rows are picked.
    pub(super) fn data(&mut self, top: &Section<'_>) -> Option<Vec<(Table, Range<usize>)>> {
        let Some(field) = top.field("data") else { return Some(Vec::new()) };
        let sections = self.open_named(&field);
        let count = sections.len();
        let mut tables = Vec::new();
        for (name, span, section) in sections {
            match self.table(name, span, &section) {
                Some(table) => {
                    self.names.tables.push((name.to_owned(), table.0.columns.clone()));
                    tables.push(table);
                }
                None => self.lost_tables.push(name.to_owned()),
            }
        }
        (field.value.is_table() && tables.len() == count).then_some(tables)
    }

    fn table(
        &mut self,
        name: &str,
        span: Range<usize>,
        section: &Section<'_>,
    ) -> Option<(Table, Range<usize>)> {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        let named = !name.is_empty() && name.chars().all(plain) && !RESERVED.contains(&name);
        if !named {
            let hint = "a table's name holds letters, digits, `_` and `-`, and is not `message`";
            self.faults.add(span.clone(), format!("`{name}` is not a name for a table"), hint);
        }
        let place = section.field("pick").map_or(span, |field| field.span);
        let pick = self.optional(section, "pick", |reader, field| {
            let words = [
                ("round-robin", Pick::RoundRobin),
                ("random", Pick::Random),
                ("unique", Pick::Unique),
            ];
            reader.choice(field, &words)
        });
        let text = self.text(&section.field("csv")?)?;
        let file = self.csv_file(&text)?;
        let rows = file.rows.into_iter().map(|(_, row)| row).collect();
        let pick = pick?.unwrap_or(Pick::RoundRobin);
        let table = Table { name: name.to_owned(), columns: file.columns, rows, pick };
        named.then_some((table, place))
    }
}
