//! What was said in one session, for people: `once`, and a preflight that was refused.

use std::fmt::Write as _;

use crate::clock::{Duration, Instant};
use crate::smtp::text::printable;
use crate::units::Microseconds;

/// Lines of mail data that a transcript shows.
const DATA_LINES_MAX: usize = 12;
/// Bytes of one line that a transcript shows.
const LINE_SHOWN_MAX: usize = 400;

/// Who said it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Us,
    Data,
    Peer,
    Note,
}

/// What was said, in order.
#[derive(Debug)]
pub struct Transcript {
    started: Instant,
    lines: Vec<(Duration, Side, Vec<u8>)>,
    /// Bytes of a line of the peer that has not ended.
    partial: Vec<u8>,
    data_lines: usize,
}

impl Transcript {
    /// An empty one; times count from `started`.
    #[must_use]
    pub fn new(started: Instant) -> Self {
        Self { started, lines: Vec::new(), partial: Vec::new(), data_lines: 0 }
    }

    /// Notes commands that were written.
    pub fn sent(&mut self, now: Instant, bytes: &[u8]) {
        self.end_data(now);
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.push(now, Side::Us, line);
        }
    }

    /// Notes mail data that was written.
    pub fn sent_data(&mut self, now: Instant, bytes: &[u8]) {
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.data_lines += 1;
            if self.data_lines <= DATA_LINES_MAX {
                self.push(now, Side::Data, line);
            }
        }
    }

    /// Notes bytes that were read.
    pub fn received(&mut self, now: Instant, bytes: &[u8]) {
        self.end_data(now);
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.partial.extend_from_slice(piece);
            if piece.ends_with(b"\n") || self.partial.len() > LINE_SHOWN_MAX {
                let line = std::mem::take(&mut self.partial);
                self.push(now, Side::Peer, &line);
            }
        }
    }

    /// Notes what neither side said.
    pub fn note(&mut self, now: Instant, text: &str) {
        self.end_data(now);
        if !self.partial.is_empty() {
            let line = std::mem::take(&mut self.partial);
            self.push(now, Side::Peer, &line);
        }
        self.push(now, Side::Note, text.as_bytes());
    }

    fn end_data(&mut self, now: Instant) {
        if self.data_lines > DATA_LINES_MAX {
            let left = self.data_lines - DATA_LINES_MAX;
            self.push(now, Side::Note, format!("… {left} more lines of mail data").as_bytes());
        }
        self.data_lines = 0;
    }

    fn push(&mut self, now: Instant, side: Side, line: &[u8]) {
        // A peer that never stops must not fill the memory either.
        const LINES_MAX: usize = 10_000;
        if self.lines.len() < LINES_MAX {
            let line = line.strip_suffix(b"\n").unwrap_or(line);
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            let line = &line[..line.len().min(LINE_SHOWN_MAX)];
            self.lines.push((now.saturating_duration_since(self.started), side, line.to_vec()));
        }
    }

    /// The text of the greeting's first line, made safe; `None` where none came.
    #[must_use]
    pub fn greeting(&self) -> Option<String> {
        self.lines
            .iter()
            .find(|(_, side, _)| *side == Side::Peer)
            .map(|(_, _, line)| printable(line))
    }

    /// What the last EHLO or LHLO reply offers, a line each, made safe.
    #[must_use]
    pub fn capabilities(&self) -> Vec<String> {
        let is_ehlo =
            |verb: &[u8]| [b"EHLO", b"LHLO"].iter().any(|hello| verb.eq_ignore_ascii_case(*hello));
        let is_ehlo = |line: &[u8]| line.get(..4).is_some_and(is_ehlo);
        let ehlo =
            self.lines.iter().rposition(|(_, side, line)| *side == Side::Us && is_ehlo(line));
        let Some(ehlo) = ehlo else { return Vec::new() };
        self.lines[ehlo + 1..]
            .iter()
            .take_while(|(_, side, _)| *side == Side::Peer)
            .skip(1)
            .filter_map(|(_, _, line)| Some(printable(line.get(4..)?)))
            .collect()
    }

    /// The lines for a terminal: time, direction, text with control characters escaped.
    #[must_use]
    pub fn render(&self) -> String {
        let mut out = String::new();
        for (at, side, line) in &self.lines {
            let mark = match side {
                Side::Us => "-> ",
                Side::Data => " > ",
                Side::Peer => "<- ",
                Side::Note => "   ",
            };
            let at = Microseconds::from_duration(*at);
            let text = printable(line);
            let _ = writeln!(out, "{at:>9}  {mark}{text}");
        }
        out
    }
}
