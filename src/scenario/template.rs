//! `{{values}}` in text: read, checked and cut into a [`Template`].
//!
//! There is no escape: text cannot hold a literal `{{`. `}}` alone is text.

use super::fault::Faults;
use super::names::Names;
use super::nearest::hint_nearest;
use crate::message::template::{Part, Template, Value};
use crate::units::{parse_count, parse_range};

/// Where a template stands, which decides the values it may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TemplateUse {
    /// A line of a script outside its transaction: nothing that belongs to a message.
    SessionLine,
    /// A line of a script inside its transaction: everything.
    TransactionLine,
    /// A pattern for addresses: `seq`, `domain` and `a..b`.
    AddressPattern,
    /// A header field: everything.
    Header,
    /// The client's own name: columns and `a..b`.
    ClientName,
    /// What `via` says of a client: columns, `a..b` and `client`.
    ViaValue,
    /// User or password of a login: columns.
    Login,
}

/// Values with a fixed name; `a..b` and columns come on top.
const NAMED: &[(&str, Value)] = &[
    ("client", Value::Client),
    ("sender", Value::Sender),
    ("recipient", Value::Recipient),
    ("domain", Value::Domain),
    ("seq", Value::Seq),
    ("message.size", Value::MessageSize),
    ("message.name", Value::MessageName),
];

/// Reads `text`, which begins at byte `offset` of the scenario. `draws` is the number of the next `a..b`: it tells
/// them apart, so that each has a chance of its own. `None` once a fault was added.
pub fn parse_template(
    text: &str,
    offset: usize,
    usage: TemplateUse,
    names: &Names,
    draws: &mut u32,
    faults: &mut Faults,
) -> Option<Template> {
    let mut reader =
        Reader { offset, usage, names, draws, faults, failed: false, parts: Vec::new() };
    let mut at = 0;
    while let Some(open) = text[at..].find("{{").map(|found| at + found) {
        let inside = open + 2;
        let Some(close) = text[inside..].find("}}").map(|found| inside + found) else {
            reader.fault(
                open..inside,
                "`{{` is never closed".to_owned(),
                "write `}}` behind the name",
            );
            break;
        };
        reader.text(&text[at..open], at);
        reader.value(&text[inside..close], inside);
        at = close + 2;
    }
    reader.text(&text[at..], at);
    (!reader.failed).then(|| Template::new(reader.parts))
}

struct Reader<'a> {
    offset: usize,
    usage: TemplateUse,
    names: &'a Names,
    draws: &'a mut u32,
    faults: &'a mut Faults,
    failed: bool,
    parts: Vec<Part>,
}

impl Reader<'_> {
    fn fault(&mut self, span: std::ops::Range<usize>, message: String, hint: impl Into<String>) {
        self.failed = true;
        self.faults.add(self.offset + span.start..self.offset + span.end, message, hint);
    }

    fn text(&mut self, text: &str, at: usize) {
        // A line break in a value would be a second line on the wire.
        if let Some(found) = text.find(['\r', '\n']) {
            let span = at + found..at + found + 1;
            self.fault(span, "text with a line break in it".to_owned(), "take the line break out");
        } else if !text.is_empty() {
            self.parts.push(Part::Text(text.as_bytes().into()));
        }
    }

    fn value(&mut self, inside: &str, at: usize) {
        let name = inside.trim();
        let start = at + inside.len() - inside.trim_start().len();
        let span = start..start + name.len();
        if name.is_empty() {
            self.fault(at - 2..at + inside.len() + 2, "`{{}}` names no value".to_owned(), "");
        } else if name.contains("..") && self.usage == TemplateUse::Login {
            let (place, hint) = self.place();
            self.fault(span, format!("`{{{{{name}}}}}` has no meaning {place}"), hint);
        } else if name.contains("..") {
            match parse_range(name, parse_count) {
                Ok(range) => {
                    let (low, high) = (*range.start(), *range.end());
                    self.parts.push(Part::Value(Value::Uniform { low, high, draw: *self.draws }));
                    *self.draws = self.draws.wrapping_add(1);
                }
                Err(error) => self.fault(span, error.message, error.hint),
            }
        } else if let Some((_, value)) = NAMED.iter().find(|(known, _)| *known == name) {
            if self.allows(value) {
                self.parts.push(Part::Value(value.clone()));
            } else {
                let (place, hint) = self.place();
                self.fault(span, format!("`{{{{{name}}}}}` has no meaning {place}"), hint);
            }
        } else {
            self.column(name, span);
        }
    }

    fn column(&mut self, name: &str, span: std::ops::Range<usize>) {
        if self.usage == TemplateUse::AddressPattern {
            let hint = hint_nearest(name, self.known_names(), self.place().1);
            self.fault(span, format!("unknown value `{name}`"), hint);
            return;
        }
        for (table, (table_name, columns)) in self.names.tables.iter().enumerate() {
            let column = columns.iter().position(|column| is_cell(name, table_name, column));
            if let Some(column) = column {
                self.parts.push(Part::Value(Value::Column { table, column }));
                return;
            }
        }
        if let Some((table, column_name)) = name.split_once('.')
            && let Some((_, columns)) = self.names.tables.iter().find(|(known, _)| known == table)
        {
            let list = format!("its columns: {}", columns.join(", "));
            let hint = hint_nearest(column_name, columns.iter().map(String::as_str), &list);
            self.fault(span, format!("table `{table}` has no column `{column_name}`"), hint);
            return;
        }
        let columns: Vec<String> = (self.names.tables.iter())
            .flat_map(|(table, columns)| columns.iter().map(move |c| format!("{table}.{c}")))
            .collect();
        let named: Vec<&str> = self.known_names().collect();
        let others: &[&str] = match self.usage {
            TemplateUse::Login => &["table.column"],
            _ => &["1..10", "table.column"],
        };
        let list = [named.as_slice(), others].concat().join(", ");
        let known = named.iter().copied().chain(columns.iter().map(String::as_str));
        let hint = hint_nearest(name, known, &format!("known here: {list}"));
        self.fault(span, format!("unknown value `{name}`"), hint);
    }

    fn known_names(&self) -> impl Iterator<Item = &'static str> + use<> {
        let usage = self.usage;
        NAMED.iter().filter(move |(_, value)| allows(usage, value)).map(|(name, _)| *name)
    }

    fn allows(&self, value: &Value) -> bool {
        allows(self.usage, value)
    }

    /// The place in words, and what to do instead of naming a value that it does not know.
    fn place(&self) -> (&'static str, &'static str) {
        match self.usage {
            TemplateUse::SessionLine => ("outside a transaction", "only inside a transaction"),
            TemplateUse::TransactionLine => ("in a transaction", ""),
            TemplateUse::AddressPattern => {
                ("in an address pattern", "known here: seq, domain, 1..10")
            }
            TemplateUse::Header => ("in a header field", ""),
            TemplateUse::ClientName => ("in the client's name", "known here: 1..10, table.column"),
            TemplateUse::ViaValue => ("before EHLO", "known here: client, 1..10, table.column"),
            TemplateUse::Login => ("in a login", "known here: table.column"),
        }
    }
}

/// Whether `name` is `table.column`; both may hold dots.
fn is_cell(name: &str, table: &str, column: &str) -> bool {
    name.strip_prefix(table).and_then(|rest| rest.strip_prefix('.')) == Some(column)
}

/// Whether the named `value` may stand in `usage`.
fn allows(usage: TemplateUse, value: &Value) -> bool {
    match usage {
        TemplateUse::SessionLine | TemplateUse::ViaValue => matches!(value, Value::Client),
        TemplateUse::TransactionLine | TemplateUse::Header => true,
        TemplateUse::AddressPattern => matches!(value, Value::Seq | Value::Domain),
        TemplateUse::ClientName | TemplateUse::Login => false,
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use proptest::prelude::*;

    use super::*;
    use crate::scenario::fault::Place;

    fn names() -> Names {
        Names {
            tables: vec![("users".to_owned(), vec!["name".to_owned(), "password".to_owned()])],
            messages: Vec::new(),
        }
    }

    #[track_caller]
    fn check(usage: TemplateUse, text: &str, want: &Expect) {
        const OFFSET: usize = 7;
        let (mut draws, mut faults) = (0, Faults::default());
        let template = parse_template(text, OFFSET, usage, &names(), &mut draws, &mut faults);
        let mut got = String::new();
        for part in template.iter().flat_map(Template::parts) {
            got += &match part {
                Part::Text(text) => format!("{:?}\n", String::from_utf8_lossy(text)),
                Part::Value(value) => format!("{value:?}\n"),
            };
        }
        for fault in faults.iter() {
            let Place::Scenario(span) = &fault.place else { panic!("{fault:?}") };
            let word = &text[span.start - OFFSET..span.end - OFFSET];
            got +=
                &format!("{word:?}: {} ({})\n", fault.message, fault.hint.as_deref().unwrap_or(""));
        }
        want.assert_eq(&got);
        assert_eq!(template.is_none(), !faults.is_empty());
    }

    #[test]
    fn values_stand_between_text() {
        check(
            TemplateUse::TransactionLine,
            "RCPT TO:<{{recipient}}> {{1..9}}{{ 5..5 }} }} {{users.password}}",
            &expect![[r#"
                "RCPT TO:<"
                Recipient
                "> "
                Uniform { low: 1, high: 9, draw: 0 }
                Uniform { low: 5, high: 5, draw: 1 }
                " }} "
                Column { table: 0, column: 1 }
            "#]],
        );
        check(TemplateUse::Header, "", &expect![""]);
    }

    #[test]
    fn every_fault_is_told_with_its_word() {
        check(
            TemplateUse::TransactionLine,
            "{{sendr}} {{ users.nam }} {{users}} {{9..1}} {{1..x}} {{}} {{what}} {{client",
            &expect![[r#"
                "sendr": unknown value `sendr` (did you mean `sender`?)
                "users.nam": table `users` has no column `nam` (did you mean `name`?)
                "users": unknown value `users` (known here: client, sender, recipient, domain, seq, message.size, message.name, 1..10, table.column)
                "9..1": range `9..1` runs backwards (write the smaller end first: 1..10)
                "1..x": `x` is not a whole number (write digits only: 1000)
                "{{}}": `{{}}` names no value ()
                "what": unknown value `what` (known here: client, sender, recipient, domain, seq, message.size, message.name, 1..10, table.column)
                "{{": `{{` is never closed (write `}}` behind the name)
            "#]],
        );
    }

    #[test]
    fn values_of_a_message_stay_in_its_transaction() {
        check(
            TemplateUse::SessionLine,
            "{{client}} {{seq}} {{message.name}}",
            &expect![[r#"
                "seq": `{{seq}}` has no meaning outside a transaction (only inside a transaction)
                "message.name": `{{message.name}}` has no meaning outside a transaction (only inside a transaction)
            "#]],
        );
    }

    #[test]
    fn patterns_and_names_know_less() {
        check(
            TemplateUse::AddressPattern,
            "{{seq}}@{{domain}}{{recipient}}{{users.name}}",
            &expect![[r#"
                "recipient": `{{recipient}}` has no meaning in an address pattern (known here: seq, domain, 1..10)
                "users.name": unknown value `users.name` (known here: seq, domain, 1..10)
            "#]],
        );
        check(
            TemplateUse::ClientName,
            "{{users.name}}{{1..2}}{{client}}{{x}}",
            &expect![[r#"
                "client": `{{client}}` has no meaning in the client's name (known here: 1..10, table.column)
                "x": unknown value `x` (known here: 1..10, table.column)
            "#]],
        );
    }

    #[test]
    fn line_breaks_cannot_be_smuggled_in() {
        check(
            TemplateUse::Header,
            "a\r\nBcc: b",
            &expect![[r#"
                "\r": text with a line break in it (take the line break out)
            "#]],
        );
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "(\\PC|\\{\\{|\\}\\}|seq|1\\.\\.2|[\r\n])*") {
            let (mut draws, mut faults) = (0, Faults::default());
            let usage = TemplateUse::TransactionLine;
            let template = parse_template(&text, 0, usage, &names(), &mut draws, &mut faults);
            prop_assert_eq!(template.is_some(), faults.is_empty());
            for fault in faults.iter() {
                let Place::Scenario(span) = &fault.place else { panic!("{fault:?}") };
                prop_assert!(text.get(span.clone()).is_some());
            }
        }
    }
}
