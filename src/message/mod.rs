//! Mail data and envelopes: who writes to whom, and what.
//!
//! All of it is a pure function of the seed and the number of the message, so a message is the same for every
//! target, worker and shard. Bodies are rendered before the run and shared.

pub mod filler;
pub mod render;
pub mod seed;
pub mod template;
pub mod trace;

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::Arc;

use template::Template;
use trace::Trace;

/// Largest size of one generated message in bytes.
pub const MESSAGE_BYTES_MAX: u64 = 1 << 30;
/// Most recipients one message may have.
pub const RECIPIENTS_MAX: u32 = 10_000;

/// Everything that is sent: envelopes and mail data.
#[derive(Clone, Debug)]
pub struct Mail {
    /// Reverse-paths.
    pub senders: Addresses,
    /// Forward-paths.
    pub recipients: Addresses,
    /// Recipients of one message, uniform between the ends; from 1 to [`RECIPIENTS_MAX`].
    pub per_message: RangeInclusive<u32>,
    /// Kinds of messages; at least one.
    pub kinds: Vec<MessageKind>,
    /// What was recorded of single messages; goes before what the rest says. Message number N is row N.
    pub trace: Option<Arc<Trace>>,
}

impl Mail {
    /// How many files the kinds hold together.
    #[must_use]
    pub fn files(&self) -> u64 {
        let count = |kind: &MessageKind| match &kind.content {
            Content::Generated { .. } => 0,
            Content::Files { files, .. } => files.len() as u64,
        };
        self.kinds.iter().map(count).sum()
    }
}

/// A supply of addresses. Holds no CR, LF or angle bracket.
#[derive(Clone, Debug)]
pub struct Addresses {
    /// Where the address comes from.
    pub source: AddressSource,
    /// Domains for `{{domain}}` in a pattern, with weights; empty where the pattern has none.
    pub domains: Vec<(String, u32)>,
}

/// Where an address comes from.
#[derive(Clone, Debug)]
pub enum AddressSource {
    /// Rendered for each message (and recipient); values: `seq`, `domain`, `a..b`.
    Pattern(Template),
    /// One of a list (written out or from CSV), taken in turn by message number; never empty.
    List(Vec<Box<str>>),
}

/// A kind of message.
#[derive(Clone, Debug)]
pub struct MessageKind {
    /// Its name in scripts and results.
    pub name: String,
    /// Its share among the kinds, where a script names none.
    pub weight: u32,
    /// What it holds.
    pub content: Content,
}

/// What a message holds.
#[derive(Clone, Debug)]
pub enum Content {
    /// Made up: our header and a text of a given size.
    Generated {
        /// Size of the whole mail data in bytes before transparency; raised to that of the header where it is less.
        size: SizeRule,
        /// Header fields of the user; one of the same name (in any case) replaces ours.
        headers: Vec<(String, Template)>,
    },
    /// Files, byte for byte (bare LF becomes CRLF, and a missing last CRLF is added).
    Files {
        /// At least one.
        files: Vec<MailFile>,
        /// Which one is next.
        pick: Pick,
        /// What is added to them.
        mark: Mark,
    },
}

/// How large a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SizeRule {
    /// Always this many bytes.
    Fixed(u64),
    /// Uniform from low to high.
    Uniform { low: u64, high: u64 },
    /// Log-normal with this median and 99th percentile, cut at four times the latter.
    LogNormal { p50: u64, p99: u64 },
}

/// Which row or file is next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pick {
    /// In turn.
    RoundRobin,
    /// By the seed.
    Random,
    /// Tables: leased to one open session. Not for files.
    Unique,
    /// Files: every one once to every target. Not for tables.
    EachOnce,
}

/// What is added to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// One header field on top, which names the tool and the run.
    Prepend,
    /// Nothing; only for loopback, UNIX and embedded targets.
    None,
}

/// A message from a file, ready to send.
#[derive(Clone, Debug)]
pub struct MailFile {
    /// Where it was read.
    pub path: PathBuf,
    /// Its lines, with CRLF, before transparency: what BDAT sends.
    pub data: Box<[u8]>,
    /// The same after transparency (RFC 5321 section 4.5.2), without the last dot: what DATA sends.
    pub stuffed: Box<[u8]>,
    /// Its bytes as read, where mail may be binary (RFC 3030 section 3) and they are not the same as `data`.
    pub binary: Option<Box<[u8]>>,
    /// It holds bytes above 127.
    pub eight_bit: bool,
    /// Its header does.
    pub utf8_header: bool,
}
