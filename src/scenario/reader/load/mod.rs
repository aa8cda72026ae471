//! `[load]`, `[loads.NAME]` and the flags over them: what starts when, and how much of it.

mod checks;
mod flags;
mod open;
mod table;
mod trace;

use std::ops::Range;
use std::time::Duration;

use super::section::{Field, Section, nearest};
use super::{Form, Reader};
use crate::scenario::fault::{Fault, Place};
use crate::scenario::load::ArrivalUnit;
use crate::scenario::script::Script;
use crate::scenario::{Drive, Load, Overrides, Warmup};
use table::Wanted;

/// Sessions of the quick form.
const QUICK_SESSIONS: u32 = 10;
/// Length of the quick form without a bound.
const QUICK_LENGTH: Duration = Duration::from_secs(10);

const DRIVE_HINT: &str =
    "write sessions = 10 or rate = \"500 messages/s\", or give --sessions or --rate";
const LENGTH_HINT: &str = "write for = \"10s\" or messages = 1000, or give --for or --messages";

/// A load with where it stands.
pub(super) struct LoadRead {
    pub(super) load: Load,
    /// Its header; nothing where flags alone make it.
    pub(super) span: Range<usize>,
    /// Where `hold` stands.
    pub(super) hold_span: Range<usize>,
    /// Where its bound stands.
    pub(super) bound_place: Place,
}

/// What is known of a load before its keys are settled.
struct Frame<'s, 't> {
    /// After `loads.`; `None` for `[load]` and for flags alone.
    name: Option<&'s str>,
    /// Its table, where there is one.
    section: Option<&'s Section<'t>>,
    start: Duration,
    scripts: Vec<u16>,
}

impl Frame<'_, '_> {
    fn span(&self) -> Range<usize> {
        self.section.map_or(0..0, |section| section.span.clone())
    }

    /// How it is called in a fault.
    fn shown(&self) -> String {
        match (self.name, self.section) {
            (Some(name), _) => format!("[loads.{name}] has"),
            (None, Some(_)) => "[load] has".to_owned(),
            (None, None) => "there is no [load]:".to_owned(),
        }
    }
}

impl Reader<'_> {
    /// All loads, at least one; `scripts` are those of the scenario, `None` where they are faulty.
    pub(super) fn loads(
        &mut self,
        top: &Section<'_>,
        overrides: &Overrides,
        form: Form,
        scripts: Option<&[Script]>,
    ) -> Option<Vec<LoadRead>> {
        self.check_load_flags(overrides);
        if let (Some(_), Some(field)) = (top.field("load"), top.field("loads")) {
            let hint = "write [loads.NAME] for each load, or one [load]";
            self.faults.add(field.key_span, "`loads` beside `load`", hint);
        }
        let scripts = scripts.unwrap_or_default();
        let read = match (top.field("load"), top.field("loads")) {
            (None, Some(field)) => self.named_loads(&field, overrides, scripts)?,
            (field, _) => vec![self.single_load(field.as_ref(), overrides, form, scripts)?],
        };
        self.check_loads(&read, scripts);
        Some(read)
    }

    fn single_load(
        &mut self,
        field: Option<&Field<'_>>,
        overrides: &Overrides,
        form: Form,
        scripts: &[Script],
    ) -> Option<LoadRead> {
        let section = match field {
            Some(field) => Some(self.open_table(field)?),
            None => None,
        };
        let file = match &section {
            Some(section) => self.load_table(section)?,
            None => Wanted::default(),
        };
        let mut wanted = self.put_flags(file, overrides)?;
        if form == Form::Quick {
            if !wanted.is_open() {
                wanted.sessions.get_or_insert(QUICK_SESSIONS);
            }
            if wanted.bound.is_none() {
                wanted.length.get_or_insert(QUICK_LENGTH);
            }
        }
        let scripts = all(scripts);
        let frame = Frame { name: None, section: section.as_ref(), start: Duration::ZERO, scripts };
        self.settle(wanted, frame, overrides)
    }

    fn named_loads(
        &mut self,
        field: &Field<'_>,
        overrides: &Overrides,
        scripts: &[Script],
    ) -> Option<Vec<LoadRead>> {
        let sections = self.open_named(field);
        if field.value.as_table().is_some_and(|named| named.is_empty()) {
            let message = "`loads` has no load";
            self.lacking(field.span.clone(), message, "write [loads.NAME] with sessions or a rate");
        }
        let several = sections.len() > 1;
        if several {
            self.refuse_load_flags(overrides);
        }
        let mut loads = Vec::new();
        for (name, span, section) in &sections {
            let named = self.load_name(name, span.clone());
            let start =
                self.optional(section, "start", |reader, field| reader.duration(field, true));
            let scripts = match section.field("scripts") {
                Some(field) => self.scripts_of(&field, scripts),
                None => Some(all(scripts)),
            };
            if several {
                self.alone_only(section);
            }
            let wanted = self.load_table(section);
            let wanted = match wanted {
                Some(wanted) if !several => self.put_flags(wanted, overrides),
                wanted => wanted,
            };
            let (Some(start), Some(scripts), Some(wanted)) = (start, scripts, wanted) else {
                continue;
            };
            let start = start.unwrap_or(Duration::ZERO);
            let frame = Frame { name: Some(name), section: Some(section), start, scripts };
            loads.extend(self.settle(wanted, frame, overrides).filter(|_| named.is_some()));
        }
        (!loads.is_empty() && loads.len() == sections.len()).then_some(loads)
    }

    /// Refuses what can be no part of several loads.
    fn alone_only(&mut self, section: &Section<'_>) {
        let text = |name| {
            let field = section.field(name)?;
            field.value.as_str().map(|text| (field.span.clone(), text.to_owned()))
        };
        if let Some((span, _)) = text("warmup").filter(|(_, text)| text == "steady") {
            let message = "warmup = \"steady\" with several loads, which would not end it together";
            self.faults.add(span, message, "write a duration");
        }
        if let Some((span, _)) = text("messages").filter(|(_, text)| text == "each-once") {
            let message = "messages = \"each-once\" in one of several loads";
            self.faults.add(span, message, "write a number, or a single [load]");
        }
        let arrivals = section.field("arrivals");
        let csv = |field: &Field<'_>| {
            field.value.as_table().is_some_and(|entries| entries.contains_key("csv"))
        };
        if let Some(field) = arrivals.filter(csv) {
            let message = "a trace in one of several loads: its rows are the messages of the run";
            self.faults.add(field.span, message, "write a single [load]");
        }
    }

    fn load_name(&mut self, name: &str, span: Range<usize>) -> Option<()> {
        /// Longest name in bytes: it becomes a part of the names of stages.
        const NAME_MAX: usize = 64;
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
        if name.is_empty() || name.len() > NAME_MAX || name == "all" || !name.chars().all(plain) {
            let hint = "a name holds letters, digits, `_`, `.` and `-`, and is not `all`";
            self.faults.add(span, format!("`{name}` is not a name for a load"), hint);
            return None;
        }
        Some(())
    }

    /// The scripts that `scripts` of a load names. Those of a faulty scenario are unknown, and not looked for.
    fn scripts_of(&mut self, field: &Field<'_>, scripts: &[Script]) -> Option<Vec<u16>> {
        let texts = self.texts(field)?;
        if texts.is_empty() {
            let hint = "leave it out for all scripts";
            self.faults.add(field.span.clone(), "`scripts` has no script", hint);
        }
        let mut indices = Vec::new();
        for text in texts.iter().filter(|_| !scripts.is_empty()) {
            let found = scripts.iter().position(|script| script.name == text.value);
            let index = found.and_then(|index| u16::try_from(index).ok());
            let fault = match index {
                Some(index) if indices.contains(&index) => {
                    text.fault(format!("`{}` is named twice", text.value), "once is enough")
                }
                Some(index) => {
                    indices.push(index);
                    continue;
                }
                None => {
                    let names = scripts.iter().map(|script| script.name.as_str());
                    let hint = match nearest(&text.value, names.clone()) {
                        Some(near) => format!("did you mean \"{near}\"?"),
                        None => format!("there are {}", names.collect::<Vec<_>>().join(", ")),
                    };
                    text.fault(format!("no script is named `{}`", text.value), hint)
                }
            };
            self.faults.push(fault);
        }
        (!texts.is_empty() && (scripts.is_empty() || indices.len() == texts.len()))
            .then_some(indices)
    }

    /// Makes a load of what its keys and the flags say.
    fn settle(
        &mut self,
        wanted: Wanted,
        frame: Frame<'_, '_>,
        overrides: &Overrides,
    ) -> Option<LoadRead> {
        let drive = self.drive(&wanted, &frame);
        let drive = drive?;
        let of_sessions = matches!(&drive, Drive::Open(open) if open.unit == ArrivalUnit::Sessions);
        let per_session = wanted.messages_per_session.or(of_sessions.then_some(1..=1));
        let span_of = |name| {
            let field = frame.section.and_then(|section| section.field(name));
            field.map(|field| field.span)
        };
        let bound_place = match span_of("messages").filter(|_| overrides.messages.is_none()) {
            Some(span) => Place::Scenario(span),
            None => Place::Flag("--messages"),
        };
        let (span, hold_span) = (frame.span(), span_of("hold").unwrap_or(0..0));
        let load = Load {
            name: frame.name.map(str::to_owned),
            start: frame.start,
            scripts: frame.scripts,
            drive,
            warmup: wanted.warmup.unwrap_or(Warmup::For(Duration::ZERO)),
            drain: wanted.drain.unwrap_or(Load::DRAIN),
            bound: wanted.bound,
            messages_per_session: per_session,
            hold: wanted.hold,
            connects_per_s: wanted.connects_per_s,
        };
        Some(LoadRead { load, span, hold_span, bound_place })
    }

    fn drive(&mut self, wanted: &Wanted, frame: &Frame<'_, '_>) -> Option<Drive> {
        if wanted.is_open() {
            return self.open_load(wanted, frame).map(Drive::Open);
        }
        let (shown, span) = (frame.shown(), frame.span());
        let end_missing = wanted.length.is_none() && wanted.bound.is_none();
        if frame.section.is_none() && wanted.sessions.is_none() && end_missing {
            let hint = "write [load] with sessions = 10 and for = \"10s\"";
            self.lacking(span, "there is no [load]", hint);
            return None;
        }
        if wanted.sessions.is_none() {
            let message = format!("{shown} neither `sessions` nor `rate`");
            self.lacking(span.clone(), message, DRIVE_HINT);
        }
        if end_missing {
            self.lacking(span, format!("{shown} neither `for` nor `messages`"), LENGTH_HINT);
            return None;
        }
        Some(Drive::Closed { sessions: wanted.sessions?, length: wanted.length })
    }

    /// Adds a fault of a flag.
    fn flag_fault(&mut self, flag: &'static str, message: impl Into<String>, hint: &str) {
        let hint = (!hint.is_empty()).then(|| hint.to_owned());
        self.faults.push(Fault { place: Place::Flag(flag), message: message.into(), hint });
    }
}

/// The indices of all `scripts`.
fn all(scripts: &[Script]) -> Vec<u16> {
    (0..=u16::MAX).take(scripts.len()).collect()
}
