//! What the user asks for: the scenario file, read, checked and compiled.
//!
//! Nothing here touches the network. Every fault of a file is reported at once.

pub mod fault;
pub mod names;
mod nearest;
pub mod script;
pub mod step;
pub mod target;
pub mod template;
pub mod threshold;

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use crate::behavior::Behavior;
use crate::message::template::Template;
use crate::message::{Mail, Pick};
use script::Script;
use step::{StepId, StepNames};
use target::TargetUrl;
use threshold::Threshold;

/// Most sessions that may be open at once.
pub const SESSIONS_MAX: u32 = 1_000_000;

/// A scenario: checked, compiled, with every file it names read.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// `name =`, or the file's stem; matches `[A-Za-z0-9_.-]+`.
    pub name: String,
    /// The file, where it came from one.
    pub path: Option<PathBuf>,
    /// Its text as read; what the run records.
    pub text: String,
    /// `[target] url`, or `--target`.
    pub target: Option<TargetUrl>,
    /// One uncounted session before the load.
    pub preflight: bool,
    /// `[load]`.
    pub load: Load,
    /// `[[scripts]]`; at least one.
    pub scripts: Vec<Script>,
    /// Names of all steps in the scripts.
    pub steps: StepNames,
    /// The client's name in EHLO; `None` means `client-N.test` with the session number.
    pub client: Option<Template>,
    /// Senders, recipients and messages.
    pub mail: Mail,
    /// `[data.*]`.
    pub tables: Vec<Table>,
    /// `[timeouts]`.
    pub timeouts: Timeouts,
    /// What decides pass or fail.
    pub thresholds: Vec<Threshold>,
    /// `[sink]`: behaviour of `embedded:`.
    pub sink: Behavior,
}

/// `[load]`, closed: so many sessions, kept at that.
#[derive(Clone, Debug, PartialEq)]
pub struct Load {
    /// Sessions open at once; 1 to [`SESSIONS_MAX`].
    pub sessions: u32,
    /// `for`: how long transactions start, after the warm-up. With a bound it is an upper limit; one of the two
    /// is always there.
    pub length: Option<Duration>,
    /// A stage of its own before that, left out of summary and thresholds.
    pub warmup: Duration,
    /// How long transactions under way may take to end.
    pub drain: Duration,
    /// `messages`: ends the run when so many were sent.
    pub bound: Option<Bound>,
    /// Transactions of one session, uniform between the ends; no limit where there is none.
    pub messages_per_session: Option<RangeInclusive<u64>>,
}

/// A run bounded by work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// So many messages.
    Messages(u64),
    /// Every file of the scenario's message folders once.
    EachOnce,
}

/// A data table: rows of one CSV file, held in memory.
#[derive(Clone, Debug)]
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

/// How long each step may take.
#[derive(Clone, Debug, PartialEq)]
pub struct Timeouts {
    /// For every step that has no limit of its own.
    pub step: Duration,
    /// Limits of single steps.
    pub by_step: Vec<(StepId, Duration)>,
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
    /// `--target URL`.
    pub target: Option<TargetUrl>,
    /// `--sessions`.
    pub sessions: Option<u32>,
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
    /// `--no-preflight`.
    pub no_preflight: bool,
}
