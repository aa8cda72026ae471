//! A script after compilation: a flat list of operations that the engine walks with an index.
//!
//! Control words have become jumps; expectations are never empty; every value is known. [`parse_script`] reads the
//! language of scenario files.

mod auth;
mod command;
mod expect;
mod line;
mod mail_data;
mod parse;
mod pipeline;
mod preflight;
mod shape;
#[cfg(test)]
mod tests;

use std::ops::{Range, RangeInclusive};
use std::time::Duration;

use crate::message::template::Template;
use crate::scenario::login::{Method, SecretTemplate};
use crate::scenario::step::StepId;
use crate::smtp::reply::ReplyCode;

pub(super) use line::unescaped;
pub use parse::{default_script, parse_script, parse_script_for};

/// How deep `repeat` may nest.
pub const REPEAT_DEPTH_MAX: usize = 4;
/// How many operations one script may have as written; a pipelined transaction adds the marks of its groups.
pub const OPS_MAX: usize = 4096;

/// What a script is compiled for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Setting<'a> {
    /// How the target has sessions log in; `None` where it has no user.
    pub login: Option<Method>,
    /// Bytes of the text that stand for environment variables.
    pub variables: &'a [Range<usize>],
}

/// One session's command sequence.
#[derive(Clone, Debug, PartialEq)]
pub struct Script {
    /// Its name in result files.
    pub name: String,
    /// Its share among the scripts.
    pub weight: u32,
    /// What to do, in order. The transaction, where there is one, lies between [`Op::TransactionStart`] and
    /// [`Op::TransactionEnd`]. The session ends with the last command: QUIT, a drop or an abort (ends of blocks may
    /// stand behind it).
    pub ops: Vec<Op>,
    /// RCPT lines in the transaction that name no `{{recipient}}`: each is a recipient of its own.
    pub fixed_recipients: u32,
    /// RCPT lines in the transaction that name `{{recipient}}`: each is sent once a recipient.
    pub recipient_lines: u32,
}

impl Script {
    /// Whether it sends messages.
    #[must_use]
    pub fn has_transaction(&self) -> bool {
        self.ops.iter().any(|op| matches!(op, Op::TransactionStart { .. }))
    }

    /// Recipients of a message with `each` on every line that names `{{recipient}}`.
    #[must_use]
    pub fn recipients(&self, each: u32) -> u32 {
        each.saturating_mul(self.recipient_lines).saturating_add(self.fixed_recipients)
    }
}

/// One operation.
#[derive(Clone, Debug, PartialEq)]
pub enum Op {
    /// A command line with one reply.
    Command(Command),
    /// AUTH with its rounds (RFC 4954).
    Auth(Auth),
    /// DATA with its mail data.
    Data(Data),
    /// Mail data in BDAT chunks (RFC 3030).
    Bdat(Bdat),
    /// Raw bytes, as they are; no reply is owed.
    Raw(Vec<u8>),
    /// Waits for a reply that no command of the script owes (`expect`).
    Await { step: StepId, expect: Expect },
    /// Waits, uniformly between the ends.
    Pause(RangeInclusive<Duration>),
    /// The next operations go out in one write; their replies are read at the matching [`Op::GroupEnd`].
    GroupStart {
        /// Only where the server offers PIPELINING (RFC 2920); one by one elsewhere.
        when_offered: bool,
    },
    /// Ends a [`Op::GroupStart`].
    GroupEnd,
    /// Runs what follows until the matching [`Op::RepeatEnd`] `count` times; at least once. `depth` is the
    /// nesting depth, below [`REPEAT_DEPTH_MAX`].
    RepeatStart { count: u32, depth: u8 },
    /// Jumps back behind the [`Op::RepeatStart`] at `start` while turns are left.
    RepeatEnd { start: u32, depth: u8 },
    /// Begins a transaction; `end` is the index of its [`Op::TransactionEnd`].
    TransactionStart { end: u32 },
    /// Ends a transaction; goes back to `start` while messages of the session are left.
    TransactionEnd { start: u32 },
    /// Closes without QUIT.
    Drop,
    /// Closes with a TCP reset.
    Abort,
}

/// A command line.
#[derive(Clone, Debug, PartialEq)]
pub struct Command {
    /// What rules it is under.
    pub verb: Verb,
    /// Where it is counted.
    pub step: StepId,
    /// The line without its CRLF.
    pub line: Template,
    /// Replies it expects.
    pub expect: Expect,
    /// RCPT with `{{recipient}}`: sent once a recipient of the message.
    pub each_recipient: bool,
}

/// Commands that a client treats in their own way; the rest is [`Verb::Other`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    Ehlo,
    Helo,
    Mail,
    Rcpt,
    Rset,
    Quit,
    Starttls,
    Other,
}

/// A login.
#[derive(Clone, Debug, PartialEq)]
pub struct Auth {
    /// With which mechanism; `None` leaves it to the target. Never [`Method::None`], of its own or of the target's.
    pub method: Option<Method>,
    /// User and password; those of the target where there are none.
    pub credentials: Option<(Template, SecretTemplate)>,
    /// Final replies it expects.
    pub expect: Expect,
    /// Not written in the script but meant by it: once a session.
    pub implied: bool,
}

/// DATA, its mail data and the dot.
#[derive(Clone, Debug, PartialEq)]
pub struct Data {
    /// Index of the message kind; by weight where there is none.
    pub message: Option<usize>,
    /// Replies expected to the command itself; 354 among them.
    pub expect_data: Expect,
    /// Replies expected to the end of data.
    pub expect_eod: Expect,
    /// Breaks off in the middle.
    pub cut: Option<Cut>,
}

/// BDAT chunks.
#[derive(Clone, Debug, PartialEq)]
pub struct Bdat {
    /// Index of the message kind; by weight where there is none.
    pub message: Option<usize>,
    /// Size of a chunk in bytes, at least 1; all in one (`BDAT n LAST`) where there is none.
    pub chunk: Option<u64>,
    /// Replies expected to the last chunk.
    pub expect: Expect,
}

/// Where mail data is broken off, and how.
#[derive(Clone, Debug, PartialEq)]
pub struct Cut {
    /// With a reset instead of a close.
    pub abort: bool,
    /// After which share of the mail data, 0 to 1; uniform between the ends.
    pub at: RangeInclusive<f64>,
}

/// The replies that a step expects: never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expect(Box<[RangeInclusive<u16>]>);

impl Expect {
    /// Expects any of `ranges` of reply codes.
    ///
    /// # Panics
    /// When there is none: a step that expects nothing could never succeed.
    #[must_use]
    pub fn ranges(ranges: &[RangeInclusive<u16>]) -> Self {
        assert!(!ranges.is_empty(), "an expectation names at least one reply code");
        Self(ranges.into())
    }

    /// Expects any of `codes`.
    #[must_use]
    pub fn codes(codes: &[u16]) -> Self {
        Self::ranges(&codes.iter().map(|code| *code..=*code).collect::<Vec<_>>())
    }

    /// Whether `code` is expected.
    #[must_use]
    pub fn accepts(&self, code: ReplyCode) -> bool {
        self.0.iter().any(|range| range.contains(&code.number()))
    }

    /// The ranges, as given.
    #[must_use]
    pub fn as_ranges(&self) -> &[RangeInclusive<u16>] {
        &self.0
    }
}
