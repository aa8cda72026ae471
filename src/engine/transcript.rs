//! What was said in one session, for people: `once`, and a preflight that was refused.

use std::sync::mpsc::SyncSender;

use crate::clock::{Duration, Instant};
use crate::engine::hidden::{Hidden, stars};
use crate::smtp::sasl;
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
    /// The end of a line of the peer that was shown, or hidden, is still to come.
    cut: bool,
    data_lines: usize,
    /// A login is under way: what is said in it is not shown.
    in_login: bool,
    /// What the logins so far may not have shown, whoever repeats it later.
    hidden: Hidden,
    /// Who is told of each line as it comes.
    listener: Option<SyncSender<String>>,
}

impl Transcript {
    /// An empty one; times count from `started`. Each line goes to `listener` at once, where there is one, as
    /// [`Transcript::render`] has it.
    #[must_use]
    pub fn new(started: Instant, listener: Option<SyncSender<String>>) -> Self {
        Self {
            started,
            lines: Vec::new(),
            partial: Vec::new(),
            cut: false,
            data_lines: 0,
            in_login: false,
            hidden: Hidden::default(),
            listener,
        }
    }

    /// Notes commands that were written.
    pub fn sent(&mut self, now: Instant, bytes: &[u8]) {
        self.end_data(now);
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            match self.hide_ours(line) {
                Some(shown) => self.push(now, Side::Us, &shown),
                None => self.push(now, Side::Us, line),
            }
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
                self.push_theirs(now, &line);
            }
        }
    }

    /// Notes what neither side said.
    pub fn note(&mut self, now: Instant, text: &str) {
        self.end_data(now);
        if !self.partial.is_empty() {
            let line = std::mem::take(&mut self.partial);
            self.push_theirs(now, &line);
        }
        self.push(now, Side::Note, text.as_bytes());
    }

    /// What is shown of a line of ours that logs in (RFC 4954 section 4); `None` for any other.
    fn hide_ours(&mut self, line: &[u8]) -> Option<Vec<u8>> {
        let line = line.trim_ascii();
        let (shown, token) = match self.in_login {
            // Also the lines that a script sends raw behind an AUTH of its own.
            true if line == b"*" => return None,
            true => (String::new(), line),
            false => {
                line.get(..5).filter(|verb| verb.eq_ignore_ascii_case(b"AUTH "))?;
                let mechanism = line[5..].trim_ascii_start();
                let end = mechanism.iter().position(u8::is_ascii_whitespace);
                let (name, token) = mechanism.split_at(end.unwrap_or(mechanism.len()));
                (format!("AUTH {} ", String::from_utf8_lossy(name)), token.trim_ascii_start())
            }
        };
        self.in_login = true;
        self.hidden.add(token);
        if let Some(message) = sasl::decode(token) {
            self.hidden.add(secret_of(&message));
        }
        Some(match token.is_empty() {
            true => shown.trim_end().into(),
            false => (shown + &stars(token.len())).into(),
        })
    }

    /// Notes a line of the peer, or a piece of one.
    fn push_theirs(&mut self, now: Instant, line: &[u8]) {
        let ends = line.ends_with(b"\n");
        let continues = std::mem::replace(&mut self.cut, !ends);
        if !self.in_login && !self.hidden.is_in(line) {
            return self.push(now, Side::Peer, line);
        }
        let is_code = |code: &[u8]| {
            code.iter().all(u8::is_ascii_digit) && !matches!(line.get(3), Some(b'0'..=b'9'))
        };
        let code = line.get(..3).filter(|code| !continues && is_code(code));
        let text = line.get(4..).unwrap_or_default().trim_ascii_end();
        let hidden = |bytes: &[u8]| match ends {
            true => stars(bytes.len()).into_bytes(),
            // How long it will be is not known here.
            false => format!("*** (over {LINE_SHOWN_MAX} bytes)").into_bytes(),
        };
        let shown = match code {
            // The rest of a line of which nothing was shown.
            None if continues => return,
            None => hidden(line.trim_ascii_end()),
            Some(b"334") if text.is_empty() => line.to_vec(),
            Some(b"334") => [b"334 ".as_slice(), &hidden(text)].concat(),
            Some(code) if self.hidden.is_in(text) || !ends => {
                let separator = line.get(3..4).unwrap_or_default();
                [code, separator, &hidden(text)].concat()
            }
            Some(_) => line.to_vec(),
        };
        if code.is_some_and(|code| code != b"334") && line.get(3) != Some(&b'-') {
            self.in_login = false;
        }
        self.push(now, Side::Peer, &shown);
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
            let at = now.saturating_duration_since(self.started);
            if let Some(listener) = &self.listener {
                // One that listens no more misses nothing: the lines are kept.
                let _ = listener.send(rendered(at, side, line));
            }
            self.lines.push((at, side, line.to_vec()));
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
        self.lines.iter().map(|(at, side, line)| rendered(*at, *side, line) + "\n").collect()
    }
}

fn rendered(at: Duration, side: Side, line: &[u8]) -> String {
    let mark = match side {
        Side::Us => "-> ",
        Side::Data => " > ",
        Side::Peer => "<- ",
        Side::Note => "   ",
    };
    let at = Microseconds::from_duration(at);
    format!("{at:>9}  {mark}{}", printable(line))
}

/// The part of a login's message that is secret; all of it, where the mechanism is not known by its form.
fn secret_of(message: &[u8]) -> &[u8] {
    const TOKEN: &[u8] = b"auth=Bearer ";
    if let Some(at) = memchr::memmem::find(message, TOKEN) {
        let token = &message[at + TOKEN.len()..];
        return &token[..memchr::memchr(1, token).unwrap_or(token.len())];
    }
    memchr::memrchr(0, message).map_or(message, |at| &message[at + 1..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    /// Lines of ours begin with `C:`, of the peer with `S:`; what is shown of them.
    fn shown(talk: &[&str]) -> Vec<String> {
        let now = clock::now();
        let mut transcript = Transcript::new(now, None);
        for line in talk {
            let bytes = format!("{}\r\n", line[2..].trim_start());
            match &line[..2] {
                "C:" => transcript.sent(now, bytes.as_bytes()),
                // Cut where a read may cut it.
                _ => bytes.as_bytes().chunks(7).for_each(|piece| transcript.received(now, piece)),
            }
        }
        let text = transcript.render();
        text.lines().map(|line| line[11..].trim_start().to_owned()).collect()
    }

    #[test]
    fn what_a_login_says_is_not_shown() {
        let long = format!("S:334 {}", "QUJD".repeat(300));
        let got = shown(&[
            "C:auth  login dGlt",
            "S:334 UGFzc3dvcmQ6",
            "C:dGFuc3RhYWY=",
            &long,
            "C:",
            "S:garbage dGFuc3RhYWY=",
            "S:535-5.7.8 no tanstaaf here",
            "S:535 5.7.8 no",
            "C:MAIL FROM:<>",
            "S:334 QUJD",
        ]);
        let want = [
            "-> AUTH login *** (4 bytes)",
            "<- 334 *** (12 bytes)",
            "-> *** (12 bytes)",
            "<- 334 *** (over 400 bytes)",
            "-> ",
            "<- *** (20 bytes)",
            "<- 535-*** (22 bytes)",
            "<- 535 5.7.8 no",
            "-> MAIL FROM:<>",
            "<- 334 QUJD",
        ];
        assert_eq!(got, want, "{got:#?}");
    }

    #[test]
    fn quotes_of_a_login_are_not_shown() {
        for (line, secret) in [
            ("AUTH PLAIN AHRpbQB0YW5zdGFhZg==", "tanstaaf"),
            ("AUTH XOAUTH2 dXNlcj10aW0BYXV0aD1CZWFyZXIgdGFuc3RhYWYBAQ==", "tanstaaf"),
        ] {
            for reply in [format!("501 what is {line}"), format!("535 not {secret}")] {
                let got = shown(&[&format!("C:{line}"), &format!("S:{reply}")]).join("\n");
                assert!(!got.contains(secret) && !got.contains("YW5zdGFhZ"), "{got}");
            }
            let got = shown(&[&format!("C:{line}"), "S:535 5.7.8 no tim here"]).join("\n");
            assert!(got.contains("535 5.7.8 no tim here"), "{got}");
        }
    }

    #[test]
    fn a_cancelled_login_is_shown_as_such() {
        let got = shown(&["C:AUTH CRAM-MD5", "S:334 x", "C:*", "S:501 5.7.0 cancelled"]);
        assert_eq!(
            got,
            ["-> AUTH CRAM-MD5", "<- 334 *** (1 bytes)", "-> *", "<- 501 5.7.0 cancelled"]
        );
    }
}
