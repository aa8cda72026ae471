//! What the sink counted.

use std::fmt;
use std::ops::Add;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::units::ByteSize;

/// What a sink took and said since it started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SinkCounts {
    /// Connections taken.
    pub connections: u64,
    /// Logins accepted.
    pub logins: u64,
    /// Messages accepted: a positive reply to the end of data.
    pub messages: u64,
    /// Messages refused at the end of data, or at a BDAT before it.
    pub refused_messages: u64,
    /// Recipients of the accepted messages.
    pub recipients: u64,
    /// Mail data of the accepted messages, after transparency.
    pub bytes: u64,
    /// Command lines, with the ones that make no sense.
    pub commands: u64,
    /// 4yz replies, of whatever kind.
    pub replies_4yz: u64,
    /// 5yz replies, of whatever kind.
    pub replies_5yz: u64,
    /// 4yz and 5yz replies that a rule gave.
    pub refused_by_rule: u64,
    /// Messages kept whose end of data got no reply: the connection was ended by a rule instead.
    pub unanswered: u64,
    /// Messages accepted and thrown away, as a rule had it.
    pub lost: u64,
    /// Messages accepted that come back to their senders.
    pub bounced: u64,
    /// Copies of messages beyond the first.
    pub duplicated: u64,
    /// Messages kept other than they came.
    pub altered: u64,
    /// Messages kept back for a time.
    pub held: u64,
    /// Replies that were none, or that nobody asked for.
    pub nonsense: u64,
    /// Connections ended by a rule.
    pub ended_by_rule: u64,
    /// Connections that went over to TLS.
    pub tls_sessions: u64,
}

impl SinkCounts {
    /// All of them with their names.
    #[must_use]
    pub fn named(&self) -> Vec<(&'static str, u64)> {
        vec![
            ("connections", self.connections),
            ("logins", self.logins),
            ("messages", self.messages),
            ("refused_messages", self.refused_messages),
            ("recipients", self.recipients),
            ("bytes", self.bytes),
            ("commands", self.commands),
            ("replies_4yz", self.replies_4yz),
            ("replies_5yz", self.replies_5yz),
            ("refused_by_rule", self.refused_by_rule),
            ("unanswered", self.unanswered),
            ("lost", self.lost),
            ("bounced", self.bounced),
            ("duplicated", self.duplicated),
            ("altered", self.altered),
            ("held", self.held),
            ("nonsense", self.nonsense),
            ("ended_by_rule", self.ended_by_rule),
            ("tls_sessions", self.tls_sessions),
        ]
    }
}

impl fmt::Display for SinkCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} connections, {} messages accepted ({} recipients, {}), {} refused, {} commands, \
             {} replies 4yz, {} replies 5yz, {} connections with TLS",
            self.connections,
            self.messages,
            self.recipients,
            ByteSize(self.bytes),
            self.refused_messages,
            self.commands,
            self.replies_4yz,
            self.replies_5yz,
            self.tls_sessions
        )?;
        // Only where there are any: most sinks have no users and no rules.
        for (count, what) in [
            (self.logins, "logins"),
            (self.refused_by_rule, "refusals by rule"),
            (self.lost, "messages lost"),
            (self.bounced, "bounced"),
            (self.duplicated, "duplicated"),
            (self.altered, "altered"),
            (self.held, "held back"),
            (self.unanswered, "kept without a reply"),
            (self.ended_by_rule, "connections ended by rule"),
            (self.nonsense, "pieces of nonsense"),
        ] {
            if count > 0 {
                write!(f, ", {count} {what}")?;
            }
        }
        Ok(())
    }
}

impl Add for SinkCounts {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            connections: self.connections + other.connections,
            logins: self.logins + other.logins,
            messages: self.messages + other.messages,
            refused_messages: self.refused_messages + other.refused_messages,
            recipients: self.recipients + other.recipients,
            bytes: self.bytes + other.bytes,
            commands: self.commands + other.commands,
            replies_4yz: self.replies_4yz + other.replies_4yz,
            replies_5yz: self.replies_5yz + other.replies_5yz,
            refused_by_rule: self.refused_by_rule + other.refused_by_rule,
            unanswered: self.unanswered + other.unanswered,
            lost: self.lost + other.lost,
            bounced: self.bounced + other.bounced,
            duplicated: self.duplicated + other.duplicated,
            altered: self.altered + other.altered,
            held: self.held + other.held,
            nonsense: self.nonsense + other.nonsense,
            ended_by_rule: self.ended_by_rule + other.ended_by_rule,
            tls_sessions: self.tls_sessions + other.tls_sessions,
        }
    }
}

/// A number that one thread adds to and any thread may read.
///
/// With one writer a load and a store make an addition, without the locked instruction that `fetch_add` would be.
#[derive(Debug, Default)]
pub(super) struct Counter(AtomicU64);

impl Counter {
    /// Adds; only the worker that owns the tally may do this.
    pub(super) fn add(&self, number: u64) {
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(number), Ordering::Relaxed);
    }

    fn load(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The counts of one worker. The worker alone writes them, on cache lines that no other worker touches, so counting
/// shares nothing on the path of a command; a reader that adds up may catch a message half counted while it ends.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(super) struct Tally {
    pub(super) connections: Counter,
    pub(super) logins: Counter,
    pub(super) messages: Counter,
    pub(super) refused_messages: Counter,
    pub(super) recipients: Counter,
    pub(super) bytes: Counter,
    pub(super) commands: Counter,
    pub(super) replies_4yz: Counter,
    pub(super) replies_5yz: Counter,
    pub(super) refused_by_rule: Counter,
    pub(super) unanswered: Counter,
    pub(super) lost: Counter,
    pub(super) bounced: Counter,
    pub(super) duplicated: Counter,
    pub(super) altered: Counter,
    pub(super) held: Counter,
    pub(super) nonsense: Counter,
    pub(super) ended_by_rule: Counter,
    pub(super) tls_sessions: Counter,
}

impl Tally {
    /// The counts so far.
    pub(super) fn read(&self) -> SinkCounts {
        SinkCounts {
            connections: self.connections.load(),
            logins: self.logins.load(),
            messages: self.messages.load(),
            refused_messages: self.refused_messages.load(),
            recipients: self.recipients.load(),
            bytes: self.bytes.load(),
            commands: self.commands.load(),
            replies_4yz: self.replies_4yz.load(),
            replies_5yz: self.replies_5yz.load(),
            refused_by_rule: self.refused_by_rule.load(),
            unanswered: self.unanswered.load(),
            lost: self.lost.load(),
            bounced: self.bounced.load(),
            duplicated: self.duplicated.load(),
            altered: self.altered.load(),
            held: self.held.load(),
            nonsense: self.nonsense.load(),
            ended_by_rule: self.ended_by_rule.load(),
            tls_sessions: self.tls_sessions.load(),
        }
    }
}
