//! What the user asks for: the scenario file, read, checked and compiled.
//!
//! Nothing here touches the network. Every fault of a file is reported at once.

pub mod behaviors;
pub mod extensions;
pub mod fault;
mod fault_report;
mod keys;
pub mod load;
pub mod login;
mod mask;
pub mod names;
mod nearest;
mod reader;
pub mod schema;
pub mod script;
pub mod security;
pub mod source;
pub mod step;
pub mod target;
pub mod targets;
pub mod template;
pub mod threshold;
pub mod via;

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::behavior::Behavior;
use crate::message::template::Template;
use crate::message::trace::Trace;
use crate::message::{Content, Mail, MessageKind, Pick};
use crate::schedule::arrivals::Pattern;
use crate::schedule::blocks::usual_block;
use crate::smtp::sasl::Mechanism;
use crate::units::{Rate, format_duration};
use extensions::{Extensions, has_others};
pub use fault_report::FaultReport;
pub use load::{Bound, Drive, Load, Warmup};
use login::Method;
use reader::Form;
use script::{Op, Script};
use security::TlsUse;
use step::{StepId, StepNames};
pub use targets::{CommandLine, Launch, TargetChoice, TargetSpec};
use threshold::{StopRule, Threshold};
use via::{Carrier, ClientAddress, Via};

/// Most sessions that may be open at once.
pub const SESSIONS_MAX: u32 = 1_000_000;
/// Largest scenario file in bytes.
pub const SCENARIO_BYTES_MAX: usize = 4 << 20;
/// Most messages of a run, and of a session.
pub const MESSAGES_MAX: u64 = 1_000_000_000_000;
/// Largest weight of a script, a kind of message or a domain.
pub const WEIGHT_MAX: u64 = 1_000_000;
/// Most scripts of a scenario: each has rows of its own in every result file.
pub const SCRIPTS_MAX: usize = 100;
/// Most arrivals of one burst: all of them are due at once.
pub const BURST_MAX: u32 = 1_000_000;
/// Most stages of all loads together, warm-ups among them.
pub const STAGES_MAX: usize = 256;
/// Most kinds of messages.
pub const KINDS_MAX: usize = 1000;
/// Most files in one message folder.
pub const MAIL_FILES_MAX: usize = 1_000_000;
/// Most bytes of all message files together: they are held in memory.
pub const MAIL_BYTES_MAX: u64 = 2 << 30;

/// A scenario file as it was read, before anything is made of it.
#[derive(Clone, Debug)]
pub struct Source {
    /// The file; files it names are relative to its folder. Without one, to the current folder.
    pub path: Option<PathBuf>,
    /// Its text.
    pub text: String,
}

impl Source {
    /// Reads the file at `path`.
    ///
    /// # Errors
    /// When it is missing, unreadable, over [`SCENARIO_BYTES_MAX`] or not UTF-8.
    pub fn open(path: &Path) -> Result<Self, FaultReport> {
        let unreadable = |error: &std::io::Error| FaultReport::unreadable(path, error);
        let mut bytes = Vec::new();
        // One byte more than may be there shows that there are too many.
        let limit = u64::try_from(SCENARIO_BYTES_MAX).unwrap_or(u64::MAX).saturating_add(1);
        let file = File::open(path).map_err(|error| unreadable(&error))?;
        file.take(limit).read_to_end(&mut bytes).map_err(|error| unreadable(&error))?;
        if bytes.len() > SCENARIO_BYTES_MAX {
            return Err(FaultReport::too_large(Some(path)));
        }
        let text = String::from_utf8(bytes).map_err(|error| FaultReport::no_text(path, &error))?;
        Ok(Self { path: Some(path.to_owned()), text })
    }
}

/// Reads a scenario with `overrides` over it, and every file that it names. `${NAME}` is looked up in the
/// environment of the process.
///
/// # Errors
/// With every fault of the scenario, of those files and of the flags.
pub fn read(source: &Source, overrides: &Overrides) -> Result<Scenario, FaultReport> {
    reader::read(source, overrides, Form::File, &|name| std::env::var_os(name))
}

/// A scenario: checked, compiled, with every file it names read.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// `name =`, or the file's stem; matches `[A-Za-z0-9_.-]+`.
    pub name: String,
    /// The file, where it came from one.
    pub path: Option<PathBuf>,
    /// Its text as read; what the run records.
    pub text: String,
    /// `[target]`, `[targets.*]` or `--target`: those that the run is for, side by side where they are several.
    pub targets: Vec<TargetSpec>,
    /// `interleave` or `--interleave`: how long the blocks are in which several targets take turns.
    pub interleave: Option<Duration>,
    /// One uncounted session before the load.
    pub preflight: bool,
    /// `seed`: what fixes every random choice, unless a flag says otherwise.
    pub seed: Option<u64>,
    /// `[load]` or `[loads.*]`: what runs side by side; at least one.
    pub loads: Vec<Load>,
    /// `[[scripts]]`; at least one.
    pub scripts: Vec<Script>,
    /// Names of all steps in the scripts.
    pub steps: StepNames,
    /// The client's name in EHLO; `None` means `client-N.test` with the session number.
    pub client: Option<Template>,
    /// `[client] source`: local addresses that connections come from, in turn; none leaves the choice to the system.
    pub sources: Vec<IpAddr>,
    /// `[client] via`: for whom sessions speak; for themselves without it.
    pub via: Option<Via>,
    /// Senders, recipients and messages.
    pub mail: Mail,
    /// `[data.*]`.
    pub tables: Vec<Table>,
    /// `[timeouts]`.
    pub timeouts: Timeouts,
    /// `[extensions]`.
    pub extensions: Extensions,
    /// What decides pass or fail.
    pub thresholds: Vec<Threshold>,
    /// `[load] stop_on`: what stops the run; `None` where nobody said, which leaves it to where the mail goes.
    pub stop_on: Option<Vec<StopRule>>,
    /// `[sink]`: behaviour of `embedded:`.
    pub sink: Behavior,
}

impl Scenario {
    /// The quick form: flags alone, no file. Ten sessions, for ten seconds where there is no other end, unless
    /// the flags say otherwise.
    ///
    /// # Errors
    /// With every fault of the flags.
    pub fn quick(overrides: &Overrides) -> Result<Self, FaultReport> {
        let source = Source { path: None, text: String::new() };
        reader::read(&source, overrides, Form::Quick, &|_| None)
    }

    /// The target that the run is for, where that is clear.
    #[must_use]
    pub fn target(&self) -> Option<&TargetSpec> {
        match self.targets.as_slice() {
            [target] => Some(target),
            _ => None,
        }
    }

    /// The length of the blocks in which several targets take turns; `None` where they run at the same time. Closed
    /// loads take turns: each is as fast as its target lets it be, so one would starve the other of the machine.
    #[must_use]
    pub fn block(&self) -> Option<Duration> {
        let closed = self.loads.iter().any(|load| load.open().is_none());
        let length = self.loads.iter().filter_map(Load::length).max();
        let several = self.targets.len() > 1;
        self.interleave.or_else(|| closed.then(|| usual_block(length))).filter(|_| several)
    }

    /// The scenario as it is for one of its targets.
    #[must_use]
    pub fn against(&self, target: &TargetSpec) -> Self {
        Self { targets: vec![target.clone()], ..self.clone() }
    }

    /// What is no fault, but may not be what the user means: one sentence each.
    #[must_use]
    pub fn remarks(&self) -> Vec<String> {
        let mut remarks = Vec::new();
        if self.thresholds.is_empty() {
            remarks.push("no thresholds: a valid run passes whatever is refused".to_owned());
        }
        let sends =
            |script: &Script| script.ops.iter().any(|op| matches!(op, Op::Data(_) | Op::Bdat(_)));
        if !self.scripts.iter().any(sends) {
            remarks.push("no script sends a message (DATA or BDAT)".to_owned());
        }
        let mail = &self.mail;
        let others = has_others(&mail.senders) || has_others(&mail.recipients);
        if others && !self.extensions.smtputf8 {
            remarks.push(
                "addresses beyond ASCII are sent as they are: smtputf8 = true under [extensions] says so to the server"
                    .to_owned(),
            );
        }
        remarks.extend(self.load_remarks());
        for load in &self.loads {
            let Warmup::For(warmup) = load.warmup else { continue };
            if let Some(length) = load.length().filter(|length| *length < warmup) {
                let (length, warmup) = (format_duration(length), format_duration(warmup));
                remarks.push(format!("the warm-up of {warmup} is longer than the run of {length}"));
            }
        }
        let targets: Vec<_> = self.targets.iter().map(|target| target.name.as_str()).collect();
        let open = self.loads.iter().any(|load| load.open().is_some());
        let of_rule = |rule: &Threshold| rule.remark(open, &targets);
        remarks.extend(self.thresholds.iter().filter_map(of_rule));
        if let Some(Via { carrier: Carrier::Proxy(_), address: ClientAddress::Unknown, .. }) =
            self.via
        {
            let what =
                "the PROXY header names no client: the server goes by this machine's own address";
            remarks.push(format!("{what} (`address` under [client] names one)"));
        }
        remarks
    }
}

impl Scenario {
    fn load_remarks(&self) -> Vec<String> {
        let mut remarks = Vec::new();
        for (index, script) in (0..=u16::MAX).zip(&self.scripts) {
            if !self.loads.iter().any(|load| load.scripts.contains(&index)) {
                remarks.push(format!("no load runs the script `{}`", script.name));
            }
        }
        let sized = |trace: &Arc<Trace>| trace.rows.iter().any(|row| row.bytes.is_some());
        let files = |kind: &MessageKind| matches!(kind.content, Content::Files { .. });
        if self.mail.trace.as_ref().is_some_and(sized) && self.mail.kinds.iter().any(files) {
            remarks.push("sizes of the trace mean nothing for message files".to_owned());
        }
        remarks
    }

    /// Most sessions of all loads that are open at once.
    #[must_use]
    pub fn sessions_max(&self) -> u64 {
        self.loads.iter().map(|load| u64::from(load.sessions_max())).sum()
    }

    /// A mechanism by which sessions certainly send the password itself, by the target's login or by an AUTH line.
    #[must_use]
    pub fn discloses(&self) -> Option<Mechanism> {
        let login = self.target().and_then(|target| target.login.as_ref());
        let target = login.map_or(Method::None, |login| login.method);
        let ops = self.scripts.iter().flat_map(|script| &script.ops);
        let methods = ops.filter_map(|op| match op {
            Op::Auth(auth) => Some(auth.method.unwrap_or(target)),
            _ => None,
        });
        methods.filter_map(Method::discloses).next()
    }
}

/// A data table: rows of one CSV file, held in memory.
#[derive(Clone)]
pub struct Table {
    /// Its name after `data.`.
    pub name: String,
    /// From the header row.
    pub columns: Vec<String>,
    /// One cell a column; none holds CR or LF. At least one row.
    pub rows: Vec<Box<[Box<str>]>>,
    /// Which row a session gets.
    pub pick: Pick,
}

impl fmt::Debug for Table {
    /// Without its cells: passwords may be among them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, columns, rows, pick } = self;
        write!(f, "Table {{ {name}, {columns:?}, {} rows, {pick:?} }}", rows.len())
    }
}

/// How long each step may take.
#[derive(Clone, Debug, PartialEq)]
pub struct Timeouts {
    /// For every step that has no limit of its own.
    pub step: Duration,
    /// Limits of single steps.
    pub by_step: Vec<(StepId, Duration)>,
    /// `plan`: how long a message, or a session of a load of sessions, may take from its intended start; open load
    /// only.
    pub plan: Option<Duration>,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { step: Self::DEFAULT, by_step: Vec::new(), plan: None }
    }
}

impl Timeouts {
    /// Every step's limit unless the scenario says otherwise.
    pub const DEFAULT: Duration = Duration::from_secs(60);

    /// The limit of `step`.
    #[must_use]
    pub fn limit(&self, step: StepId) -> Duration {
        self.by_step.iter().find(|(id, _)| *id == step).map_or(self.step, |(_, limit)| *limit)
    }
}

/// What flags and variables put over the file.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// `--target URL`, `--target NAME` or `--target NAME=URL`, as often as there are targets.
    pub targets: Vec<TargetChoice>,
    /// `--interleave`.
    pub interleave: Option<Duration>,
    /// `--sessions`.
    pub sessions: Option<u32>,
    /// `--rate`: open load.
    pub rate: Option<Rate>,
    /// `--arrivals`.
    pub arrivals: Option<Pattern>,
    /// `--max-sessions`.
    pub max_sessions: Option<u32>,
    /// `--warmup`.
    pub warmup: Option<Warmup>,
    /// `--for`.
    pub length: Option<Duration>,
    /// `--messages`.
    pub messages: Option<Bound>,
    /// `--messages-per-session`.
    pub messages_per_session: Option<RangeInclusive<u64>>,
    /// `--size`: one generated message of this size instead of the file's.
    pub size: Option<String>,
    /// `--eml`: this file instead of the file's messages.
    pub eml: Option<PathBuf>,
    /// `--from`: a pattern.
    pub from: Option<String>,
    /// `--to`: a pattern.
    pub to: Option<String>,
    /// `--helo`.
    pub helo: Option<String>,
    /// `--pipelining`: every transaction is pipelined.
    pub pipelining: bool,
    /// `--threshold`: these instead of the file's, where there are any.
    pub thresholds: Vec<String>,
    /// `--stop-on`: these instead of the file's, where there are any.
    pub stop_on: Vec<String>,
    /// `--no-stop-on`: none.
    pub no_stop_on: bool,
    /// `--no-preflight`.
    pub no_preflight: bool,
    /// `--tls`.
    pub tls: Option<TlsUse>,
    /// `--ca`.
    pub ca: Option<PathBuf>,
    /// `--no-verify`.
    pub no_verify: bool,
    /// `--auth`.
    pub auth: Option<Method>,
    /// `--user`.
    pub user: Option<String>,
    /// `--password-file`.
    pub password_file: Option<PathBuf>,
}
