//! One connection to the sink, as data and state: no socket, no clock, no async.
//!
//! The contract: [`SinkSession::start`] once, then bytes by [`SinkSession::handle_input`] and time by
//! [`SinkSession::handle_timeout`]. Each appends replies to `out`; write them before the next call. While
//! [`SinkSession::takes_input`] is false the session has work in hand: go on at the time that
//! [`SinkSession::poll_timeout`] names, or call [`SinkSession::resume`] where [`SinkSession::is_paused`] says so.

use std::sync::Arc;
use std::time::{Duration, Instant};

use memchr::memchr;

use self::commands::split_command;
use self::draft::Notes;
use self::identity::Client;
use self::rules::Manner;
pub use self::service::{Service, SinkTls};
use super::arguments::Refusal;
use super::playbook::Case;
use super::repertoire::{BARE_LF, IDLE, LINE_TOO_LONG};
use crate::behavior::SinkVerb;
use crate::smtp::sasl::{ChannelBinding, Server};
use crate::smtp::transparency::Unstuffer;

mod auth;
mod commands;
mod draft;
mod identity;
mod mail_data;
mod rules;
mod service;

/// Longest command line with its CRLF. RFC 5321 section 4.5.3.1.4 asks for 512 and more for extensions; several times
/// that leaves room for every address that is legal.
pub const COMMAND_LINE_MAX: usize = 4096;

/// Recipients of one message. RFC 5321 section 4.5.3.1.8 asks for at least 100.
pub const RECIPIENTS_MAX: u32 = 1000;

/// Faulty commands without an accepted message between them, before the session is closed. A peer that talks no SMTP is
/// not answered for ever.
pub const ERRORS_MAX: u32 = 100;

/// How long a session may be silent: RFC 5321 section 4.5.3.2.7 asks for at least this.
pub const IDLE_MAX: Duration = Duration::from_secs(300);

/// Replies collected before they have to be written. Commands are short and replies are not, so a segment of commands
/// may not decide how much memory its replies take.
pub const OUTPUT_MAX: usize = 64 * 1024;

/// How a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Close {
    /// After QUIT and its reply.
    Quit,
    /// By a 421 reply or a rule, while the peer may still be sending.
    Hangup,
    /// By a rule, with a reset.
    Abort,
}

/// The server's side of one SMTP connection.
#[derive(Debug)]
pub struct SinkSession {
    service: Arc<Service>,
    phase: Phase,
    transaction: Transaction,
    unstuffer: Unstuffer,
    /// Input that waits: the start of a line, or what follows a command whose reply is delayed.
    held: Vec<u8>,
    /// When the reply under way is due.
    due: Option<Instant>,
    /// The reply under way was waited for.
    waited: bool,
    paused: bool,
    idle: Instant,
    errors: u32,
    recipients: u32,
    message_bytes: u64,
    /// MAIL said SMTPUTF8.
    utf8: bool,
    /// MAIL said BODY=BINARYMIME.
    binary: bool,
    /// MAIL commands that were accepted.
    mails: u32,
    /// Domains of the recipients, where they are limited.
    domains: Vec<Vec<u8>>,
    greeted: Greeted,
    /// Under TLS.
    encrypted: bool,
    client: Client,
    /// Channel bindings of TLS.
    bindings: Vec<ChannelBinding>,
    /// A login under way.
    exchange: Option<Box<Server>>,
    logged_in: bool,
    close: Option<Close>,
    /// Its number among all of the sink.
    number: u64,
    /// What it is to the rules, where there are any.
    case: Option<Box<Case>>,
    manner: Manner,
    /// What is noted where messages are kept.
    notes: Option<Box<Notes>>,
}

/// What the next bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The PROXY header, where every connection has one.
    Header,
    /// Nothing was said yet.
    Greeting,
    Command,
    /// TLS is to be agreed on before anything is said.
    Handshake,
    /// A response of a login.
    Auth,
    /// Inside a line over [`COMMAND_LINE_MAX`], or [`sasl::LINE_MAX`](crate::smtp::sasl::LINE_MAX) in a login.
    LongLine,
    /// Mail data with transparency.
    Data,
    /// The mail data is whole, its reply is owed.
    EndOfData,
    /// Mail data of a BDAT; `refusal` is its reply if it may not be taken.
    Chunk {
        left: u64,
        last: bool,
        refusal: Option<Refusal>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Transaction {
    None,
    /// MAIL was accepted.
    Mail,
    /// A BDAT was accepted.
    Chunks,
    /// A BDAT was refused (RFC 3030 section 2: RSET must follow).
    Failed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Greeted {
    /// The greeting refused service (RFC 5321 section 3.1): only QUIT is left.
    Refused,
    No,
    /// EHLO or HELO was accepted.
    Yes,
}

impl SinkSession {
    /// A session at `now`, before its greeting.
    #[must_use]
    pub fn new(service: Arc<Service>, now: Instant) -> Self {
        service.tally.connections.add(1);
        let phase = service.first_phase();
        let case = service.playbook.open(1, now);
        let notes = service.store.as_ref().map(|_| Box::new(Notes::new(now)));
        let manner = Manner { pieces: service.repertoire.pieces(), ..Manner::default() };
        Self {
            service,
            phase,
            transaction: Transaction::None,
            unstuffer: Unstuffer::default(),
            held: Vec::new(),
            due: None,
            waited: false,
            paused: false,
            idle: now + IDLE_MAX,
            errors: 0,
            recipients: 0,
            message_bytes: 0,
            utf8: false,
            binary: false,
            mails: 0,
            domains: Vec::new(),
            greeted: Greeted::No,
            encrypted: false,
            client: Client::default(),
            bindings: Vec::new(),
            exchange: None,
            logged_in: false,
            close: None,
            number: 1,
            case,
            manner,
            notes,
        }
    }

    /// The same session as the `number`th of its sink.
    #[must_use]
    pub fn numbered(mut self, number: u64, now: Instant) -> Self {
        self.number = number;
        self.case = self.service.playbook.open(number, now);
        self
    }

    /// Greets, unless a rule has the peer wait for it.
    pub fn start(&mut self, now: Instant, out: &mut Vec<u8>) {
        self.advance(now, &[], out);
    }

    /// Whether the connection has to go over to TLS now, once all replies are out.
    #[must_use]
    pub fn wants_handshake(&self) -> bool {
        self.phase == Phase::Handshake
    }

    /// The connection is under TLS: what was said before is forgotten (RFC 3207 section 4.2), and what came behind
    /// STARTTLS in clear text too.
    pub fn secured(&mut self, now: Instant, out: &mut Vec<u8>) {
        self.service.tally.tls_sessions.add(1);
        self.encrypted = true;
        self.held.clear();
        self.idle = now + IDLE_MAX;
        self.reset();
        self.exchange = None;
        self.logged_in = false;
        let implicit = self.service.tls.as_ref().is_some_and(|tls| tls.implicit);
        if implicit {
            self.phase = Phase::Greeting;
            self.advance(now, &[], out);
        } else {
            self.phase = Phase::Command;
            self.greeted = Greeted::No;
        }
    }

    /// Whether EHLO announces STARTTLS.
    fn offers_tls(&self) -> bool {
        !self.encrypted && self.service.tls.is_some()
    }

    /// Feeds bytes read from the peer.
    pub fn handle_input(&mut self, now: Instant, input: &[u8], out: &mut Vec<u8>) {
        debug_assert!(self.takes_input(), "work in hand comes first");
        // A header has a time for all of it.
        if self.phase != Phase::Header {
            self.idle = now + IDLE_MAX;
        }
        if self.held.is_empty() {
            let used = self.advance(now, input, out);
            self.held.extend_from_slice(&input[used..]);
        } else {
            self.held.extend_from_slice(input);
            self.advance_held(now, out);
        }
    }

    /// Moves past a time that `poll_timeout` returned.
    pub fn handle_timeout(&mut self, now: Instant, out: &mut Vec<u8>) {
        if let Some(due) = self.due {
            if due <= now {
                self.due = None;
                self.waited = !std::mem::take(&mut self.manner.rests);
                self.idle = self.idle.max(due + IDLE_MAX);
                // Counted on from when the reply was due: lateness does not add up over a pipelined group.
                self.advance_held(due, out);
            }
        } else if self.idle <= now && self.phase == Phase::Header {
            self.refuse_header();
        } else if self.idle <= now {
            self.hang_up(IDLE, out);
        }
    }

    /// Goes on after a pause for writing.
    pub fn resume(&mut self, now: Instant, out: &mut Vec<u8>) {
        self.advance_held(now, out);
    }

    /// The next time at which something happens without input.
    #[must_use]
    pub fn poll_timeout(&self) -> Instant {
        self.due.unwrap_or(self.idle)
    }

    /// Whether more than [`OUTPUT_MAX`] of replies have to be written before more of the input is looked at.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.paused
    }

    /// Whether all input was dealt with as far as it goes.
    #[must_use]
    pub fn takes_input(&self) -> bool {
        self.due.is_none() && !self.paused && self.close.is_none()
    }

    /// How it ended, when it did: write what there is and close.
    #[must_use]
    pub fn close(&self) -> Option<Close> {
        self.close
    }

    fn advance_held(&mut self, now: Instant, out: &mut Vec<u8>) {
        let mut held = std::mem::take(&mut self.held);
        let used = self.advance(now, &held, out);
        if used < held.len() {
            held.drain(..used);
            self.held = held;
        }
    }

    /// Works off `input` as far as it can; returns how much of it that was.
    fn advance(&mut self, now: Instant, input: &[u8], out: &mut Vec<u8>) -> usize {
        let mut at = 0;
        self.paused = false;
        while self.close.is_none() && !self.manner.rests {
            if out.len() >= OUTPUT_MAX {
                self.paused = true;
                break;
            }
            let rest = &input[at..];
            let used = match self.phase {
                Phase::Header => self.take_header(now, rest),
                Phase::Greeting => self.greet(now, out),
                Phase::Handshake => None,
                Phase::Command => self.take_line(now, rest, out),
                Phase::Auth => self.take_response(now, rest, out),
                Phase::LongLine => self.skip_line(now, rest, out),
                Phase::Data => self.take_data(now, rest),
                Phase::EndOfData => self.end_data(now, out),
                Phase::Chunk { .. } => self.take_chunk(now, rest, out),
            };
            match used {
                Some(used) => at += used,
                None => break,
            }
        }
        at
    }

    fn greet(&mut self, now: Instant, out: &mut Vec<u8>) -> Option<usize> {
        if !self.may_answer(SinkVerb::Greeting, &[], now) {
            return None;
        }
        self.phase = Phase::Command;
        let service = Arc::clone(&self.service);
        if !self.accept(
            SinkVerb::Greeting,
            service.repertoire.hello(SinkVerb::Greeting, false),
            out,
        ) {
            self.greeted = Greeted::Refused;
        }
        Some(0)
    }

    /// Takes one command line.
    fn take_line(&mut self, now: Instant, rest: &[u8], out: &mut Vec<u8>) -> Option<usize> {
        let longest = Self::line_max(rest);
        let window = &rest[..rest.len().min(longest)];
        let Some(end) = memchr(b'\n', window) else {
            if window.len() < longest {
                return None;
            }
            self.phase = Phase::LongLine;
            return Some(longest);
        };
        let (verb, argument) = self.split(&rest[..end]);
        // The reply to a BDAT comes after its chunk, and so does its delay.
        if verb != SinkVerb::Bdat && !self.may_answer(verb, argument, now) {
            return None;
        }
        self.service.tally.commands.add(1);
        match rest[..end] {
            [.., b'\r'] => {
                self.command(verb, argument, out);
                if self.service.store.is_some() {
                    self.note_command(verb, argument, now);
                }
            }
            // RFC 5321 section 2.3.8: nothing but CRLF ends a line. Answered all the same, so that no one waits.
            _ => self.fault(BARE_LF, out),
        }
        Some(end + 1)
    }

    /// Verb and argument of a line; what is not offered is not known.
    fn split<'l>(&self, line: &'l [u8]) -> (SinkVerb, &'l [u8]) {
        match split_command(line, self.service.repertoire.protocol()) {
            (SinkVerb::Xclient, _) if !self.service.trust.xclient => (SinkVerb::Unknown, &[]),
            split => split,
        }
    }

    fn skip_line(&mut self, now: Instant, rest: &[u8], out: &mut Vec<u8>) -> Option<usize> {
        if rest.is_empty() {
            return None;
        }
        let Some(end) = memchr(b'\n', rest) else {
            return Some(rest.len());
        };
        if !self.may_answer(SinkVerb::Unknown, &[], now) {
            return None;
        }
        self.phase = Phase::Command;
        self.service.tally.commands.add(1);
        // RFC 5321 section 4.5.3.1.10.
        self.fault(LINE_TOO_LONG, out);
        Some(end + 1)
    }
}

#[cfg(test)]
mod tests;
