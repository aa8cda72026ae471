//! `[client] via` and the keys that belong to it.

use std::net::IpAddr;

use toml::de::DeValue;

use super::Reader;
use super::section::{Field, Section};
use super::text::Text;
use crate::message::template::{Part, Template, Value};
use crate::scenario::script::{Op, Script, Verb};
use crate::scenario::source::{SOURCES_MAX, parse_source};
use crate::scenario::step::StepId;
use crate::scenario::template::TemplateUse;
use crate::scenario::via::{Carrier, ClientAddress, Via, is_unknown};
use crate::scenario::{Table, fault::Fault};
use crate::smtp::xclient::{Attribute, TEMPORARILY_UNAVAILABLE};

/// Keys of XCLIENT alone, with the attributes they give.
const ATTRIBUTES: &[(&str, Attribute)] = &[
    ("hostname", Attribute::Name),
    ("helo", Attribute::Helo),
    ("proto", Attribute::Proto),
    ("login", Attribute::Login),
];

impl Reader<'_> {
    /// `Some(None)` where there is no `via`. Cells of `tables` and lines of `scripts` are held against it.
    pub(super) fn via(
        &mut self,
        section: &Section<'_>,
        tables: &[&Table],
        scripts: &[Script],
    ) -> Option<Option<Via>> {
        let carrier =
            self.optional(section, "via", |reader, field| reader.choice(field, Carrier::NAMES));
        let address =
            self.optional(section, "address", |reader, field| reader.client_address(field, tables));
        let port =
            self.optional(section, "port", |reader, field| reader.client_port(field, tables));
        let mut attributes = Some(Vec::new());
        for (name, attribute) in ATTRIBUTES {
            let read = self.optional(section, name, |reader, field| {
                reader.attribute(field, *attribute, tables)
            });
            match (read, &mut attributes) {
                (None, _) => attributes = None,
                (Some(Some(template)), Some(attributes)) => {
                    attributes.push((*attribute, template));
                }
                _ => {}
            }
        }
        let Some(carrier) = carrier? else { return self.refuse_without(section) };
        let misplaced = self.refuse_attributes(section, carrier);
        let checked = self.check_hello(section, carrier, scripts);
        let address = match address? {
            Some(address) => address,
            None if carrier == Carrier::Xclient => {
                let message = "`via = \"xclient\"` says no client's address";
                let hint = "write address = \"{{clients.ip}}\", an address or a range beside it";
                self.lacking(section.field("via")?.span, message, hint);
                return None;
            }
            None => ClientAddress::Unknown,
        };
        let step = self.xclient_step(section, carrier);
        let (port, attributes, step) = (port?, attributes?, step?);
        (misplaced.is_some() && checked.is_some()).then_some(())?;
        Some(Some(Via { carrier, address, port, attributes, step }))
    }

    /// Keys that say something of a client where none is named to the server.
    fn refuse_without<T>(&mut self, section: &Section<'_>) -> Option<Option<T>> {
        let names = ["address", "port"].iter().chain(ATTRIBUTES.iter().map(|(name, _)| name));
        let fields: Vec<_> = names.filter_map(|name| section.field(name)).collect();
        for field in &fields {
            let message = format!("`{}` has no meaning without `via`", field.name);
            let hint = "write via = \"xclient\" or via = \"proxy\" beside it";
            self.faults.add(field.key_span.clone(), message, hint);
        }
        fields.is_empty().then_some(None)
    }

    fn refuse_attributes(&mut self, section: &Section<'_>, carrier: Carrier) -> Option<()> {
        let fields = ATTRIBUTES.iter().filter_map(|(name, _)| section.field(name));
        let fields: Vec<_> = fields.filter(|_| carrier != Carrier::Xclient).collect();
        for field in &fields {
            let message = format!("a PROXY header has no place for `{}`", field.name);
            self.faults.add(
                field.key_span.clone(),
                message,
                "take it out, or use via = \"xclient\"",
            );
        }
        fields.is_empty().then_some(())
    }

    /// XCLIENT follows EHLO, so there has to be one.
    fn check_hello(
        &mut self,
        section: &Section<'_>,
        carrier: Carrier,
        scripts: &[Script],
    ) -> Option<()> {
        if carrier != Carrier::Xclient {
            return Some(());
        }
        let says = |op: &Op| matches!(op, Op::Command(command) if command.verb == Verb::Ehlo);
        let silent = scripts.iter().find(|script| !script.ops.iter().any(says));
        let Some(script) = silent else { return Some(()) };
        let message = format!("script `{}` says no EHLO for XCLIENT to follow", script.name);
        self.faults.add(section.field("via")?.span, message, "begin its steps with `hello`");
        None
    }

    fn xclient_step(&mut self, section: &Section<'_>, carrier: Carrier) -> Option<StepId> {
        if carrier != Carrier::Xclient {
            return Some(StepId::GREETING);
        }
        let step = self.steps.intern("xclient");
        if step.is_none() {
            let message = "the scripts have too many different verbs for XCLIENT beside them";
            self.faults.add(section.field("via")?.span, message, "use fewer");
        }
        step
    }

    /// A template, an address, or a range of them; the last two also in a list.
    fn client_address(&mut self, field: &Field<'_>, tables: &[&Table]) -> Option<ClientAddress> {
        let texts = match field.value {
            DeValue::Array(_) => self.texts(field)?,
            DeValue::String(_) => {
                let text = self.text(field)?;
                if text.value.contains("{{") {
                    let check = |cell: &str| is_unknown(cell) || cell.parse::<IpAddr>().is_ok();
                    let template = self.client_value(&text, tables, check, "an IP address");
                    return template.map(ClientAddress::Template);
                }
                if is_unknown(&text.value) {
                    return Some(ClientAddress::Unknown);
                }
                vec![text]
            }
            _ => {
                self.wrong_type(field, "text or a list of texts");
                return None;
            }
        };
        let mut addresses = Vec::new();
        let mut whole = true;
        for text in texts {
            match parse_source(&text.value) {
                Ok(more) => addresses.extend(more),
                Err(error) => {
                    whole = false;
                    let hint =
                        "write an address, a range 192.0.2.1-192.0.2.99, or {{table.column}}";
                    self.faults.push(text.fault(error.message, hint));
                }
            }
        }
        if addresses.len() > SOURCES_MAX || (whole && addresses.is_empty()) {
            let message = format!("{} client addresses, not 1 to {SOURCES_MAX}", addresses.len());
            self.faults.add(field.span.clone(), message, "take more of them from a data table");
            return None;
        }
        whole.then_some(ClientAddress::List(addresses))
    }

    fn client_port(&mut self, field: &Field<'_>, tables: &[&Table]) -> Option<Template> {
        if let DeValue::Integer(_) = field.value {
            return self.count(field).map(|port| Template::text(&port.to_string()));
        }
        let text = self.text(field)?;
        let check = |cell: &str| is_unknown(cell) || cell.parse::<u16>().is_ok();
        self.client_value(&text, tables, check, "a port from 0 to 65535")
    }

    fn attribute(
        &mut self,
        field: &Field<'_>,
        attribute: Attribute,
        tables: &[&Table],
    ) -> Option<Template> {
        let text = self.text(field)?;
        let check = |cell: &str| {
            let known = ["SMTP", "ESMTP", TEMPORARILY_UNAVAILABLE];
            attribute != Attribute::Proto
                || is_unknown(cell)
                || known.iter().any(|known| cell.eq_ignore_ascii_case(known))
        };
        self.client_value(&text, tables, check, "SMTP or ESMTP")
    }

    /// The template that `text` is. What it gives is held against `check` where it is known by now: text without
    /// values, and every cell of a column that stands alone.
    fn client_value(
        &mut self,
        text: &Text,
        tables: &[&Table],
        check: impl Fn(&str) -> bool,
        wanted: &str,
    ) -> Option<Template> {
        let template = self.template(text, TemplateUse::ViaValue)?;
        let fault = match template.parts() {
            [Part::Value(Value::Column { table, column })] => {
                let table = tables.get(*table)?;
                let mut bad =
                    table.rows.iter().enumerate().filter(|(_, row)| !check(&row[*column]));
                bad.next().map(|(row, cells)| {
                    cell_fault(text, table, row, &cells[*column], bad.count(), wanted)
                })
            }
            parts if parts.iter().all(|part| matches!(part, Part::Text(_))) => {
                let message = format!("`{}` is not {wanted}", text.value);
                (!check(&text.value)).then(|| text.fault(message, ""))
            }
            // What text and values make together is seen when a session puts it together.
            _ => None,
        };
        match fault {
            None => Some(template),
            Some(fault) => {
                self.faults.push(fault);
                None
            }
        }
    }
}

fn cell_fault(
    text: &Text,
    table: &Table,
    row: usize,
    cell: &str,
    more: usize,
    wanted: &str,
) -> Fault {
    let (row, name) = (row + 1, &table.name);
    let message = format!("`{cell}` in row {row} of table `{name}` is not {wanted}");
    let hint = match more {
        0 => String::new(),
        more => format!("{more} more rows of it are none either"),
    };
    text.fault(message, hint)
}
