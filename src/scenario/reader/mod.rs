//! From the text of a scenario file and the flags over it to a [`Scenario`], or to every fault of both.
//!
//! The TOML tree is walked by hand: a derived deserializer stops at the first fault. Each part of the file has
//! one file here. Opens the files that the scenario names; never the network.

mod addresses;
mod csv_file;
mod data;
mod extensions;
mod load;
mod login;
mod mail_files;
mod messages;
mod scripts;
mod section;
mod security;
mod sink;
mod targets;
#[cfg(test)]
mod tests;
mod text;
mod thresholds;
mod timeouts;
mod values;
mod via;

use std::net::IpAddr;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use toml::de::{DeTable, DeValue, Error};

use super::extensions::{Extensions, beyond_ascii};
use super::fault::{Fault, Faults, Place};
use super::load::ArrivalSource;
use super::login::Method;
use super::names::Names;
use super::script::Script;
use super::security::TlsUse;
use super::source::{SOURCES_MAX, parse_source};
use super::step::StepNames;
use super::template::{TemplateUse, parse_template};
use super::via::Via;
use super::{FaultReport, Load, Overrides, SCENARIO_BYTES_MAX, Scenario, Source, Table};
use crate::behavior::Behavior;
use crate::message::Mail;
use crate::message::template::{Part, Template};
use crate::message::trace::Trace;
use extensions::Asked;
use section::Section;
pub(super) use text::Environment;
use text::Text;

/// Which defaults hold.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// A file says how many sessions and for how long.
    File,
    /// Flags alone: ten sessions for ten seconds, unless they say otherwise.
    Quick,
}

/// What is known while a file is read.
struct Reader<'a> {
    text: &'a str,
    /// What relative paths of the file are relative to.
    folder: PathBuf,
    environment: Environment<'a>,
    faults: Faults,
    /// Whether the file is no TOML: then what is missing may only be unreadable.
    broken: bool,
    names: Names,
    /// TLS to the target; `None` where it is not known yet which one that is.
    tls: Option<TlsUse>,
    /// What the extensions ask of other parts.
    asked: Asked,
    /// Data tables whose columns are unknown, because their file is faulty.
    lost_tables: Vec<String>,
    steps: StepNames,
    /// `a..b` in templates so far.
    draws: u32,
    /// Bytes of message files so far.
    mail_bytes: u64,
    /// How scripts are to log in.
    login: Option<Method>,
    /// Whether this is the file of a behaviour, which names no other file.
    is_behavior: bool,
}

/// Reads the scenario in `source` with `overrides` over it.
///
/// # Errors
/// With every fault of the file, of the files it names and of the flags.
pub(super) fn read(
    source: &Source,
    overrides: &Overrides,
    form: Form,
    environment: Environment<'_>,
) -> Result<Scenario, FaultReport> {
    let report = |faults: Faults| FaultReport::new(source, faults);
    if source.text.len() > SCENARIO_BYTES_MAX {
        return Err(FaultReport::too_large(source.path.as_deref()));
    }
    let (tree, errors) = DeTable::parse_recoverable(&source.text);
    if too_deep(tree.get_ref()) {
        // To drop it would take a stack as deep as the tree.
        std::mem::forget(tree);
        let mut faults = Faults::default();
        faults.add(0..0, format!("tables nest deeper than {DEPTH_MAX}"), "");
        return Err(report(faults));
    }
    let mut reader = Reader::new(source, environment, !errors.is_empty());
    let top = reader.open_top(&tree);
    let scenario = reader.scenario(&top, source, overrides, form);
    let faults = with_syntax(&source.text, &errors, &reader.faults);
    match scenario {
        Some(scenario) if faults.is_empty() => Ok(scenario),
        _ => {
            debug_assert!(!faults.is_empty(), "a scenario that cannot be read has a fault");
            Err(report(faults))
        }
    }
}

/// Reads the behaviour in `source`, which holds at its top level what `[sink]` holds.
///
/// # Errors
/// With every fault of the file.
pub(super) fn read_behavior(
    source: &Source,
    environment: Environment<'_>,
) -> Result<Behavior, FaultReport> {
    if source.text.len() > SCENARIO_BYTES_MAX {
        return Err(FaultReport::too_large(source.path.as_deref()));
    }
    let (tree, errors) = DeTable::parse_recoverable(&source.text);
    let mut reader = Reader::new(source, environment, !errors.is_empty());
    reader.is_behavior = true;
    let behavior = if too_deep(tree.get_ref()) {
        // To drop it would take a stack as deep as the tree.
        std::mem::forget(tree);
        reader.faults.add(0..0, format!("tables nest deeper than {DEPTH_MAX}"), "");
        None
    } else {
        let top = reader.open_behavior(&tree);
        reader.behavior(&top)
    };
    let faults = with_syntax(&source.text, &errors, &reader.faults);
    match behavior {
        Some(behavior) if faults.is_empty() => Ok(behavior),
        _ => Err(FaultReport::new(source, faults)),
    }
}

impl<'a> Reader<'a> {
    fn new(source: &'a Source, environment: Environment<'a>, broken: bool) -> Self {
        let folder = source.path.as_deref().and_then(Path::parent).map(Path::to_owned);
        Self {
            text: &source.text,
            folder: folder.unwrap_or_default(),
            environment,
            faults: Faults::default(),
            broken,
            names: Names::default(),
            tls: None,
            asked: Asked::default(),
            lost_tables: Vec::new(),
            steps: StepNames::default(),
            draws: 0,
            mail_bytes: 0,
            login: None,
            is_behavior: false,
        }
    }
}

impl Reader<'_> {
    /// Reads part after part; none of them stops the next, so that every fault is found.
    fn scenario(
        &mut self,
        top: &Section<'_>,
        source: &Source,
        overrides: &Overrides,
        form: Form,
    ) -> Option<Scenario> {
        let name = self.scenario_name(top, source, form);
        let seed = self.optional(top, "seed", Self::count);
        let preflight = self.optional(top, "preflight", Self::flag);
        let tables = self.data(top);
        let extensions = self.extensions(top);
        let messages = self.messages(top, overrides);
        let targets = self.targets(top, overrides, tables.as_deref());
        let scripts = self.scripts(top, overrides);
        let known: Vec<&Table> = tables.iter().flatten().map(|(table, _)| table).collect();
        let client = self.client(top, overrides, &known, scripts.as_deref().unwrap_or_default());
        let senders = self.senders(top, overrides);
        let recipients = self.recipients(top, overrides);
        let timeouts = self.timeouts(top);
        let sink = self.sink(top);
        let loads = self.loads(top, overrides, form, scripts.as_deref());
        let interleave = self.interleave(top, overrides, targets.as_deref(), loads.as_deref());
        let thresholds = self.thresholds(top, overrides, scripts.as_deref(), loads.as_deref());
        let stop_on = self.stop_on(top, overrides);
        if let (Some(loads), Some(tables)) = (&loads, &tables) {
            self.check_leases(tables, loads);
        }
        if let Some(loads) = &loads {
            self.check_plan_limit(top, overrides, loads);
        }
        self.check_extensions(scripts.as_deref().unwrap_or_default());
        let kinds = match (messages, &loads) {
            (Some(messages), Some(loads)) => Some(self.each_once(overrides, messages, loads)),
            _ => None,
        };
        let loads: Vec<_> = loads?.into_iter().map(|read| read.load).collect();
        let (recipients, per_message) = recipients?;
        let (client, sources, via) = client?;
        let mail = Mail {
            senders: senders?,
            recipients,
            per_message,
            kinds: kinds?,
            trace: trace_of(&loads),
        };
        let tables: Vec<_> = tables?.into_iter().map(|(table, _)| table).collect();
        let (scripts, extensions) = (scripts?, extensions?);
        let beyond_ascii = beyond_ascii(&mail, &tables, &scripts);
        Some(Scenario {
            name: name?,
            path: source.path.clone(),
            text: source.text.clone(),
            targets: targets?,
            interleave: interleave?,
            preflight: preflight?.unwrap_or(true) && !overrides.no_preflight,
            seed: seed?,
            loads,
            scripts,
            steps: std::mem::take(&mut self.steps),
            client,
            sources,
            via,
            mail,
            tables,
            extensions: Extensions { beyond_ascii, ..extensions },
            timeouts: timeouts?,
            thresholds: thresholds?,
            stop_on: stop_on?,
            sink: sink?,
        })
    }

    /// `name`, or the stem of the file.
    fn scenario_name(&mut self, top: &Section<'_>, source: &Source, form: Form) -> Option<String> {
        if let Some(field) = top.field("name") {
            return self.name(&field);
        }
        let stem = source.path.as_deref().and_then(Path::file_stem);
        let name: String = stem
            .map(|stem| stem.to_string_lossy())
            .unwrap_or_default()
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() || ".-".contains(c) { c } else { '_' })
            .take(64)
            .collect();
        Some(match (name.is_empty(), form) {
            (false, _) => name,
            (true, Form::File) => "scenario".to_owned(),
            (true, Form::Quick) => "quick".to_owned(),
        })
    }

    /// The client's name, text or `[client] name`, the addresses that it comes from, and for whom it speaks.
    fn client(
        &mut self,
        top: &Section<'_>,
        overrides: &Overrides,
        tables: &[&Table],
        scripts: &[Script],
    ) -> Option<(Option<Template>, Vec<IpAddr>, Option<Via>)> {
        let mut sources = Vec::new();
        let mut via = None;
        let text = match top.field("client") {
            None => None,
            Some(field) if field.value.is_str() => Some(self.text(&field)?),
            Some(field) => {
                let section = self.open_table(&field)?;
                let read = self.via(&section, tables, scripts);
                sources = self.sources(&section)?;
                via = read?;
                match section.field("name") {
                    Some(field) => Some(self.text(&field)?),
                    None => None,
                }
            }
        };
        let file = text.map(|text| self.client_name(&text));
        let flag = overrides.helo.as_ref().map(|helo| {
            let text = Text::flag("--helo", helo);
            self.client_name(&text)
        });
        match (file, flag) {
            (Some(None), _) => None,
            (_, Some(flag)) => Some((Some(flag?), sources, via)),
            (file, None) => Some((file.flatten(), sources, via)),
        }
    }

    /// `[client] source`.
    fn sources(&mut self, section: &Section<'_>) -> Option<Vec<IpAddr>> {
        let Some(field) = section.field("source") else { return Some(Vec::new()) };
        let mut sources = Vec::new();
        for text in self.texts(&field)? {
            match parse_source(&text.value) {
                Ok(addresses) => sources.extend(addresses),
                Err(error) => self.faults.push(text.fault(error.message, error.hint)),
            }
        }
        if sources.len() > SOURCES_MAX {
            let message = format!("{} source addresses, over {SOURCES_MAX}", sources.len());
            self.faults.add(field.span.clone(), message, "write fewer");
        }
        Some(sources)
    }

    fn client_name(&mut self, text: &Text) -> Option<Template> {
        let template = self.template(text, TemplateUse::ClientName)?;
        // RFC 5321 section 4.1.1.1: one domain or address literal.
        let odd = |part: &Part| match part {
            Part::Text(text) => text.iter().any(|byte| *byte <= b' ' || *byte == 127),
            Part::Value(_) => false,
        };
        if text.value.is_empty() || template.parts().iter().any(odd) {
            let hint = "write a domain or an address literal: bench.example.com, [127.0.0.1]";
            self.faults.push(text.fault("the client's name is empty or holds a space", hint));
            return None;
        }
        Some(template)
    }

    /// The template that `text` is, in the words of `usage`.
    fn template(&mut self, text: &Text, usage: TemplateUse) -> Option<Template> {
        self.check_braces(text)?;
        let mut found = Faults::default();
        let template =
            parse_template(&text.value, 0, usage, &self.names, &mut self.draws, &mut found);
        self.adopt(text, &found);
        template
    }

    /// Moves what was found in `text` to its place in the file. Leaves out what only follows from another fault.
    fn adopt(&mut self, text: &Text, found: &Faults) {
        let lost = |fault: &&Fault| match &fault.place {
            Place::Scenario(part) if text.has_gap_near(part) => true,
            Place::Scenario(part) => {
                let word = text.value.get(part.clone()).unwrap_or_default();
                self.lost_tables.iter().any(|table| word.contains(&format!("{table}.")))
            }
            _ => false,
        };
        let mut kept = Faults::default();
        found.iter().filter(|fault| !lost(fault)).cloned().for_each(|fault| kept.push(fault));
        text.adopt(&kept, &mut self.faults);
    }

    /// Refuses a variable whose value would be read as a value of the template.
    fn check_braces(&mut self, text: &Text) -> Option<()> {
        let braces = |(_, value): &(&str, &str)| value.contains("{{") || value.contains("}}");
        let (name, _) = match text.variables().find(braces) {
            Some(variable) => variable,
            None => return Some(()),
        };
        let message = format!("the value of `{name}` holds `{{{{` or `}}}}`");
        let hint = Some("a variable is put in as text, not as a template".to_owned());
        self.faults.push(Fault { place: text.place(), message, hint });
        None
    }

    /// Reads an optional key: `None` where it is faulty, `Some(None)` where it is not there.
    fn optional<'t, T>(
        &mut self,
        section: &Section<'t>,
        name: &str,
        read: impl FnOnce(&mut Self, &section::Field<'t>) -> Option<T>,
    ) -> Option<Option<T>> {
        match section.field(name) {
            None => Some(None),
            Some(field) => read(self, &field).map(Some),
        }
    }

    /// Adds a fault of something that is not there, unless it may just be unreadable.
    fn lacking(&mut self, span: Range<usize>, message: impl Into<String>, hint: impl Into<String>) {
        if !self.broken {
            self.faults.add(span, message, hint);
        }
    }

    /// A file that the scenario names.
    fn path(&self, text: &Text) -> PathBuf {
        match text.place() {
            // Flags are relative to where the user stands.
            Place::Flag(_) => PathBuf::from(&text.value),
            _ => self.folder.join(&text.value),
        }
    }

    /// The same as it may be shown.
    fn shown_path(&self, text: &Text) -> PathBuf {
        match text.place() {
            Place::Flag(_) => PathBuf::from(&text.shown),
            _ => self.folder.join(&text.shown),
        }
    }
}

/// What is replayed, where a load does so.
fn trace_of(loads: &[Load]) -> Option<Arc<Trace>> {
    loads.iter().find_map(|load| match &load.open()?.source {
        ArrivalSource::Trace { trace, .. } => Some(Arc::clone(trace)),
        ArrivalSource::Rate { .. } => None,
    })
}

/// How deep tables and lists may nest; no key of a scenario stands deeper than five.
const DEPTH_MAX: usize = 100;

/// Whether `tree` nests deeper than [`DEPTH_MAX`]. Walks it without recursion: a dotted key of a million parts is
/// a tree of that depth.
fn too_deep(tree: &DeTable<'_>) -> bool {
    let mut open: Vec<_> = tree.values().map(|value| (value.get_ref(), 1)).collect();
    while let Some((value, depth)) = open.pop() {
        if depth > DEPTH_MAX {
            return true;
        }
        match value {
            DeValue::Table(entries) => {
                open.extend(entries.values().map(|value| (value.get_ref(), depth + 1)));
            }
            DeValue::Array(items) => {
                open.extend(items.iter().map(|value| (value.get_ref(), depth + 1)));
            }
            _ => {}
        }
    }
    false
}

/// What TOML says, and of `found` what does not lie on a line that TOML could not read.
fn with_syntax(text: &str, errors: &[Error], found: &Faults) -> Faults {
    let line_start = |at: usize| text[..text.floor_char_boundary(at)].rfind('\n');
    let mut faults = Faults::default();
    let mut lines = Vec::new();
    for error in errors {
        let span = error.span().unwrap_or(0..0);
        lines.push(line_start(span.start));
        faults.add(span, error.message(), "");
    }
    for fault in found.iter() {
        let same_line = match &fault.place {
            Place::Scenario(span) => lines.contains(&line_start(span.start)),
            _ => false,
        };
        if !same_line {
            faults.push(fault.clone());
        }
    }
    faults
}
