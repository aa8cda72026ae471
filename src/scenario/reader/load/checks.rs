//! What loads ask of scripts, tables and messages.

use std::ops::Range;
use std::time::Duration;

use super::super::messages::KindRead;
use super::super::section::Section;
use super::{LoadRead, Reader};
use crate::message::{Content, MessageKind, Pick};
use crate::scenario::fault::{Fault, Place};
use crate::scenario::load::{ArrivalSource, ArrivalUnit, Hold};
use crate::scenario::script::{Op, Script, Verb};
use crate::scenario::{Bound, Load, Overrides, STAGES_MAX, Table, Warmup};

impl Reader<'_> {
    /// Holds the loads to their scripts, and counts their stages. Without scripts, which are faulty then, only those.
    pub(super) fn check_loads(&mut self, loads: &[LoadRead], scripts: &[Script]) {
        let stages: usize = loads.iter().map(|read| stages(&read.load)).sum();
        if stages > STAGES_MAX {
            let span = loads.last().map_or(0..0, |read| read.span.clone());
            let message = format!("{stages} stages in all, over {STAGES_MAX}");
            self.faults.add(span, message, "write fewer, or several scenarios");
        }
        for read in loads.iter().filter(|_| !scripts.is_empty()) {
            let its = |index: &u16| scripts.get(usize::from(*index));
            let its: Vec<&Script> = read.load.scripts.iter().filter_map(its).collect();
            self.check_bound(read, &its);
            self.check_hold(read, &its);
        }
    }

    /// A load that only a number of messages ends needs a script that sends some.
    fn check_bound(&mut self, read: &LoadRead, scripts: &[&Script]) {
        let sends = |script: &&Script| has(script, |op| matches!(op, Op::TransactionStart { .. }));
        let load = &read.load;
        if load.length().is_some() || load.bound.is_none() || scripts.iter().any(sends) {
            return;
        }
        let message = "no script has a transaction, so `messages` would never end the load";
        let hint = Some("write `for` beside it, or a transaction".to_owned());
        let place = read.bound_place.clone();
        self.faults.push(Fault { place, message: message.to_owned(), hint });
    }

    /// Sessions that are held have to come so far, and send no mail.
    fn check_hold(&mut self, read: &LoadRead, scripts: &[&Script]) {
        let Some(hold) = read.load.hold else { return };
        let unit = read.load.open().map(|open| open.unit);
        if unit == Some(ArrivalUnit::Messages) {
            let message = "`hold` in a load of messages: held sessions send no mail";
            let hint = "write rate = \"N sessions/s\", or sessions = N";
            self.faults.add(read.hold_span.clone(), message, hint);
        }
        if read.load.bound.is_some() {
            let message = "`messages` beside `hold`: held sessions send no mail".to_owned();
            let (place, hint) = (read.bound_place.clone(), Some("write `for` instead".to_owned()));
            self.faults.push(Fault { place, message, hint });
        }
        for script in scripts.iter().filter(|script| !has(script, |op| reaches(op, hold))) {
            let (name, what) = (&script.name, word(hold));
            let message = format!("script `{name}` never comes to {what}");
            let hint = match hold {
                Hold::Auth => "write `user` and `password` under [target], or an earlier state",
                _ => "write it in the script, or an earlier state",
            };
            self.faults.add(read.hold_span.clone(), message, hint);
        }
    }

    /// A row that is leased to one session is not there for the next: there must be one for each.
    pub(in super::super) fn check_leases(
        &mut self,
        tables: &[(Table, Range<usize>)],
        loads: &[LoadRead],
    ) {
        let sessions: u64 = loads.iter().map(|read| u64::from(read.load.sessions_max())).sum();
        for (table, span) in tables {
            let rows = table.rows.len();
            if table.pick == Pick::Unique && rows < usize::try_from(sessions).unwrap_or(usize::MAX)
            {
                let name = &table.name;
                let message =
                    format!("[data.{name}] has {rows} rows to lease to {sessions} sessions");
                let hint = match loads.iter().any(|read| read.load.open().is_some()) {
                    true => "add rows, lower max_sessions, or write pick = \"round-robin\"",
                    false => "add rows, lower sessions, or write pick = \"round-robin\"",
                };
                self.faults.add(span.clone(), message, hint);
            }
        }
    }

    /// A limit from the intended start needs a load that has one.
    pub(in super::super) fn check_plan_limit(
        &mut self,
        top: &Section<'_>,
        overrides: &Overrides,
        loads: &[LoadRead],
    ) {
        let open = loads.iter().any(|read| read.load.open().is_some());
        let timeouts = top.field("timeouts");
        let entries = timeouts.as_ref().and_then(|field| field.value.as_table());
        let plan = entries.and_then(|entries| entries.get_key_value("plan"));
        // With --sessions the file's load may be an open one.
        if let (Some((key, _)), false, None) = (plan, open, overrides.sessions) {
            let message = "`plan` is for open load: a closed one has no intended starts";
            self.faults.add(key.span(), message, "leave it out, or write a rate");
        }
    }

    /// Holds `messages = "each-once"` and the picks of the files to each other, and gives the kinds with their
    /// picks settled.
    pub(in super::super) fn each_once(
        &mut self,
        overrides: &Overrides,
        mut kinds: Vec<KindRead>,
        loads: &[LoadRead],
    ) -> Vec<MessageKind> {
        // A bound given by a flag puts the file's own aside, and the picks that belong to it.
        let flag = overrides.messages.is_some();
        let once = loads.iter().find(|read| read.load.bound == Some(Bound::EachOnce));
        if let Some(LoadRead { load, bound_place, .. }) = once {
            let place = bound_place.clone();
            self.check_each_once(&kinds, &place, flag);
            if load.warmup != Warmup::For(Duration::ZERO) {
                let message = "a warm-up would send files that `each-once` sends once".to_owned();
                let hint = Some("take `warmup` out".to_owned());
                self.faults.push(Fault { place: place.clone(), message, hint });
            }
            if load.open().is_some() {
                let message = "`each-once` in an open load".to_owned();
                let hint = "write sessions instead of a rate, or a number of messages".to_owned();
                self.faults.push(Fault { place, message, hint: Some(hint) });
            }
            kinds.iter_mut().for_each(|kind| kind.pick = Some(Pick::EachOnce));
        }
        for kind in &mut kinds {
            if once.is_some() || kind.pick != Some(Pick::EachOnce) {
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

/// How many stages `load` has, its warm-up among them.
fn stages(load: &Load) -> usize {
    let warmup = usize::from(load.warmup != Warmup::For(Duration::ZERO));
    let stages = match load.open().map(|open| &open.source) {
        Some(ArrivalSource::Rate { stages, .. }) => stages.len(),
        Some(ArrivalSource::Trace { .. }) | None => 1,
    };
    warmup + stages
}

fn has(script: &Script, wanted: impl Fn(&Op) -> bool) -> bool {
    script.ops.iter().any(wanted)
}

/// Whether a session is at `hold` behind `op`.
fn reaches(op: &Op, hold: Hold) -> bool {
    let verb = |verbs: &[Verb]| matches!(op, Op::Command(command) if verbs.contains(&command.verb));
    match hold {
        Hold::Greeting => true,
        Hold::Ehlo => verb(&[Verb::Ehlo, Verb::Helo]),
        Hold::Auth => matches!(op, Op::Auth(_)),
        Hold::Mail => verb(&[Verb::Mail]),
        Hold::Rcpt => verb(&[Verb::Rcpt]),
    }
}

fn word(hold: Hold) -> &'static str {
    match hold {
        Hold::Greeting => "a greeting",
        Hold::Ehlo => "EHLO",
        Hold::Auth => "a login",
        Hold::Mail => "MAIL",
        Hold::Rcpt => "RCPT",
    }
}
