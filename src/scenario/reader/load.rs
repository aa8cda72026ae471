//! `[load]`: how many sessions, for how long, how much.

use std::ops::{Range, RangeInclusive};
use std::time::Duration;

use toml::de::DeValue;

use super::messages::KindRead;
use super::section::{Field, Section};
use super::{Form, Reader};
use crate::message::{Content, MessageKind, Pick};
use crate::scenario::fault::{Fault, Place};
use crate::scenario::script::{Op, Script};
use crate::scenario::{Bound, Load, MESSAGES_MAX, Overrides, SESSIONS_MAX, Table, Warmup};
use crate::units::DURATION_MAX;

/// Sessions of the quick form.
const QUICK_SESSIONS: u32 = 10;
/// Length of the quick form without a bound.
const QUICK_LENGTH: Duration = Duration::from_secs(10);

const SESSIONS_HINT: &str = "write sessions = 10, or give --sessions";
const LENGTH_HINT: &str = "write for = \"10s\" or messages = 1000, or give --for or --messages";

impl Reader<'_> {
    pub(super) fn load(
        &mut self,
        top: &Section<'_>,
        overrides: &Overrides,
        form: Form,
    ) -> Option<Load> {
        self.check_load_flags(overrides);
        let section = match top.field("load") {
            Some(field) => Some(self.open_table(&field)?),
            None => None,
        };
        let file = match &section {
            Some(section) => self.load_table(section)?,
            None => FileLoad::default(),
        };
        let sessions = overrides.sessions.or(file.sessions);
        let bound = overrides.messages.or(file.bound);
        let length = overrides.length.or(file.length);
        let (sessions, length) = match form {
            Form::File => {
                self.check_load(section.as_ref(), sessions, length, bound)?;
                (sessions?, length)
            }
            Form::Quick => {
                let unbounded = length.is_none() && bound.is_none();
                (sessions.unwrap_or(QUICK_SESSIONS), length.or(unbounded.then_some(QUICK_LENGTH)))
            }
        };
        Some(Load {
            warmup: Warmup::For(file.warmup.unwrap_or(Duration::ZERO)),
            drain: file.drain.unwrap_or(Load::DRAIN),
            bound,
            messages_per_session: overrides
                .messages_per_session
                .clone()
                .or(file.messages_per_session),
            // Scripts are put in once they are known.
            ..Load::closed(sessions, length, 0)
        })
    }

    fn load_table(&mut self, section: &Section<'_>) -> Option<FileLoad> {
        let sessions = self.optional(section, "sessions", Self::count);
        let length = self.optional(section, "for", |reader, field| reader.duration(field, false));
        let warmup = self.optional(section, "warmup", |reader, field| reader.duration(field, true));
        let drain = self.optional(section, "drain", |reader, field| reader.duration(field, true));
        let bound = self.optional(section, "messages", Self::bound);
        let per_session = self.optional(section, "messages_per_session", Self::count_range);
        Some(FileLoad {
            sessions: sessions?.and_then(|sessions| u32::try_from(sessions).ok()),
            length: length?,
            warmup: warmup?,
            drain: drain?,
            bound: bound?,
            messages_per_session: per_session?,
        })
    }

    fn bound(&mut self, field: &Field<'_>) -> Option<Bound> {
        let DeValue::String(text) = field.value else {
            return self.count(field).map(Bound::Messages);
        };
        if text.contains("${") && !text.starts_with("each") {
            return self.count(field).map(Bound::Messages);
        }
        self.choice(field, &[("each-once", Bound::EachOnce)])
    }

    fn check_load(
        &mut self,
        section: Option<&Section<'_>>,
        sessions: Option<u32>,
        length: Option<Duration>,
        bound: Option<Bound>,
    ) -> Option<()> {
        let shown = if section.is_some() { "[load] has" } else { "there is no [load]:" };
        let span = section.map_or(0..0, |section| section.span.clone());
        let sessions_missing = sessions.is_none();
        let end_missing = length.is_none() && bound.is_none();
        if section.is_none() && sessions_missing && end_missing {
            let hint = "write [load] with sessions = 10 and for = \"10s\"";
            self.lacking(span, "there is no [load]", hint);
            return None;
        }
        if sessions_missing {
            self.lacking(span.clone(), format!("{shown} no `sessions`"), SESSIONS_HINT);
        }
        if end_missing {
            self.lacking(span, format!("{shown} neither `for` nor `messages`"), LENGTH_HINT);
        }
        (!sessions_missing && !end_missing).then_some(())
    }

    /// Flags have the limits of the keys they stand for.
    fn check_load_flags(&mut self, overrides: &Overrides) {
        let mut check = |flag, wrong: bool, message: String| {
            if wrong {
                self.faults.push(Fault { place: Place::Flag(flag), message, hint: None });
            }
        };
        if let Some(sessions) = overrides.sessions {
            let message = format!("`{sessions}` is not from 1 to {SESSIONS_MAX}");
            check("--sessions", !(1..=SESSIONS_MAX).contains(&sessions), message);
        }
        if let Some(length) = overrides.length {
            let message = "the duration is zero or over a year".to_owned();
            check("--for", length.is_zero() || length > DURATION_MAX, message);
        }
        let counts = 1..=MESSAGES_MAX;
        if let Some(Bound::Messages(count)) = overrides.messages {
            let message = format!("`{count}` is not from 1 to {MESSAGES_MAX}");
            check("--messages", !counts.contains(&count), message);
        }
        if let Some(range) = &overrides.messages_per_session {
            let inside = counts.contains(range.start()) && counts.contains(range.end());
            let message = format!("the range is not within 1 to {MESSAGES_MAX}");
            check("--messages-per-session", !inside || range.is_empty(), message);
        }
    }

    /// A row that is leased to one session is not there for the next: there must be one for each.
    pub(super) fn check_leases(&mut self, tables: &[(Table, Range<usize>)], load: &Load) {
        for (table, span) in tables {
            let (rows, sessions) = (table.rows.len(), load.sessions_max());
            if table.pick == Pick::Unique && rows < usize::try_from(sessions).unwrap_or(usize::MAX)
            {
                let name = &table.name;
                let message =
                    format!("[data.{name}] has {rows} rows to lease to {sessions} sessions");
                let hint = "add rows, lower sessions, or write pick = \"round-robin\"";
                self.faults.add(span.clone(), message, hint);
            }
        }
    }

    /// A run that only a number of messages ends needs a script that sends some.
    pub(super) fn check_bound(&mut self, top: &Section<'_>, scripts: &[Script], load: &Load) {
        let sends =
            |script: &Script| script.ops.iter().any(|op| matches!(op, Op::TransactionStart { .. }));
        if load.length().is_some() || load.bound.is_none() || scripts.iter().any(sends) {
            return;
        }
        let span = top.field("scripts").map_or(0..0, |field| field.key_span);
        let message = "no script has a transaction, so `messages` would never end the run";
        self.faults.add(span, message, "write for = \"10s\" in [load], or a transaction");
    }

    /// Holds `messages = "each-once"` and the picks of the files to each other, and gives the kinds with their
    /// picks settled.
    pub(super) fn each_once(
        &mut self,
        top: &Section<'_>,
        overrides: &Overrides,
        mut kinds: Vec<KindRead>,
        load: &Load,
    ) -> Vec<MessageKind> {
        // A bound given by a flag puts the file's own aside, and the picks that belong to it.
        let flag = overrides.messages.is_some();
        if load.bound == Some(Bound::EachOnce) {
            let place = match top.field("load").filter(|_| !flag) {
                Some(field) => Place::Scenario(bound_span(&field)),
                None => Place::Flag("--messages"),
            };
            self.check_each_once(&kinds, &place, flag);
            if load.warmup != Warmup::For(Duration::ZERO) {
                let message = "a warm-up would send files that `each-once` sends once".to_owned();
                let hint = Some("take `warmup` out".to_owned());
                self.faults.push(Fault { place, message, hint });
            }
            kinds.iter_mut().for_each(|kind| kind.pick = Some(Pick::EachOnce));
        }
        for kind in &mut kinds {
            if load.bound == Some(Bound::EachOnce) || kind.pick != Some(Pick::EachOnce) {
                continue;
            }
            if !flag {
                let message = "`each-once` without a bound of the same name".to_owned();
                let hint = Some("write messages = \"each-once\" in [load]".to_owned());
                self.faults.push(Fault { place: kind.pick_place.clone(), message, hint });
            }
            kind.pick = None;
        }
        kinds.into_iter().map(KindRead::settle).collect()
    }

    fn check_each_once(&mut self, kinds: &[KindRead], place: &Place, flag: bool) {
        let mut refuse = |place: &Place, message: String, hint: &str| {
            self.faults.push(Fault { place: place.clone(), message, hint: Some(hint.to_owned()) });
        };
        let [kind] = kinds else {
            let message = format!("`each-once` needs one kind of message, not {}", kinds.len());
            return refuse(place, message, "write a single [[messages]] with folder = \"…\"");
        };
        if !matches!(kind.kind.content, Content::Files { .. }) {
            let message = "`each-once` needs messages from files".to_owned();
            return refuse(place, message, "write folder = \"…\" in [[messages]], or a number");
        }
        if !flag && kind.pick.is_some_and(|pick| pick != Pick::EachOnce) {
            let message = "`pick` contradicts messages = \"each-once\" in [load]".to_owned();
            refuse(&kind.pick_place, message, "write pick = \"each-once\", or leave it out");
        }
    }
}

/// Where `messages` of `[load]` stands.
fn bound_span(load: &Field<'_>) -> Range<usize> {
    let bound = load.value.as_table().and_then(|entries| entries.get("messages"));
    bound.map_or(load.span.clone(), toml::Spanned::span)
}

/// What the file says.
#[derive(Default)]
struct FileLoad {
    sessions: Option<u32>,
    length: Option<Duration>,
    warmup: Option<Duration>,
    drain: Option<Duration>,
    bound: Option<Bound>,
    messages_per_session: Option<RangeInclusive<u64>>,
}
