//! Reads replies from a stream that may be cut anywhere (RFC 5321 section 4.2).
//!
//! What the peer sends is hostile: lines and replies have limits, and the first byte that cannot belong to a
//! reply ends the conversation. LF alone is taken for a line end, as the clients in use do.

use memchr::memchr;

use super::reply::{Reply, ReplyCode};

/// Longest reply line in bytes, its end included. RFC 5321 section 4.5.3.1.5 allows 512; servers in use send more.
pub const LINE_BYTES_MAX: usize = 8 * 1024;
/// Longest reply in bytes, over all its lines.
pub const REPLY_BYTES_MAX: usize = 256 * 1024;
/// A buffer that grew beyond this is given back after its reply, so that one long EHLO costs no memory for ever.
const BUFFER_KEPT_MAX: usize = 128;

/// Why the bytes are no reply. The stream cannot be read further.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReplyFault {
    /// A line that does not begin with a reply code and a separator.
    Garbage,
    /// Lines of one reply with different codes.
    MixedCodes,
    /// A line over [`LINE_BYTES_MAX`].
    LineTooLong,
    /// A reply over [`REPLY_BYTES_MAX`].
    ReplyTooLong,
}

/// The parser: bytes in, replies out.
#[derive(Debug, Default)]
pub struct ReplyParser {
    /// The lines of the reply so far; whole, once `complete`.
    raw: Vec<u8>,
    /// Where the line that is being read begins.
    line_start: usize,
    code: Option<ReplyCode>,
    complete: bool,
    fault: Option<ReplyFault>,
}

impl ReplyParser {
    /// Takes bytes from the front of `input`, up to the end of one reply, and gives it once it is whole.
    /// Call it again until it gives `None`.
    ///
    /// # Errors
    /// When the bytes cannot be a reply, or pass a limit. Every later call gives the same fault.
    pub fn feed(&mut self, input: &mut &[u8]) -> Result<Option<Reply<'_>>, ReplyFault> {
        if self.complete {
            self.clear();
        }
        while !input.is_empty() {
            if let Some(fault) = self.fault {
                return Err(fault);
            }
            let line = self.take_line(input);
            let last = line.and_then(|()| self.judge_line());
            match last {
                Ok(true) => {
                    self.complete = true;
                    break;
                }
                Ok(false) => {}
                Err(fault) => {
                    self.fault = Some(fault);
                    return Err(fault);
                }
            }
        }
        match (self.complete, self.code) {
            (true, Some(code)) => Ok(Some(Reply::new(code, &self.raw))),
            _ => Ok(None),
        }
    }

    /// What came of a reply that is not whole: for messages to people.
    #[must_use]
    pub fn partial(&self) -> &[u8] {
        if self.complete { &[] } else { &self.raw }
    }

    fn clear(&mut self) {
        if self.raw.capacity() > BUFFER_KEPT_MAX {
            self.raw = Vec::new();
        }
        self.raw.clear();
        self.line_start = 0;
        self.code = None;
        self.complete = false;
    }

    /// Moves bytes up to the next line end into the buffer.
    fn take_line(&mut self, input: &mut &[u8]) -> Result<(), ReplyFault> {
        let room = LINE_BYTES_MAX - (self.raw.len() - self.line_start);
        let end = memchr(b'\n', input).map_or(input.len(), |at| at + 1);
        let (piece, rest) = input.split_at(end.min(room));
        self.raw.extend_from_slice(piece);
        *input = rest;
        if self.raw.len() > REPLY_BYTES_MAX {
            return Err(ReplyFault::ReplyTooLong);
        }
        if end > room || (end == room && !self.raw.ends_with(b"\n")) {
            // What cannot be a reply is named as such, however long it is.
            self.judge_line()?;
            return Err(ReplyFault::LineTooLong);
        }
        Ok(())
    }

    /// Looks at the line that is being read; true when it is whole and the last of its reply.
    fn judge_line(&mut self) -> Result<bool, ReplyFault> {
        let line = &self.raw[self.line_start..];
        let whole = line.ends_with(b"\n");
        let text = line.strip_suffix(b"\n").unwrap_or(line);
        let text = if whole { text.strip_suffix(b"\r").unwrap_or(text) } else { text };
        let digits = text.len().min(3);
        let plausible = text[..digits].iter().enumerate().all(|(at, byte)| match at {
            0 => (b'2'..=b'5').contains(byte),
            _ => byte.is_ascii_digit(),
        });
        // A CR may be the first half of the line end of a bare code.
        let separator = matches!(text.get(3), None | Some(b' ' | b'-' | b'\t'))
            || (!whole && text.get(3) == Some(&b'\r') && text.len() == 4);
        if !plausible || !separator || (whole && digits < 3) {
            return Err(ReplyFault::Garbage);
        }
        if !whole {
            return Ok(false);
        }
        let number = text[..3].iter().fold(0, |sum, digit| sum * 10 + u16::from(digit - b'0'));
        let code = ReplyCode::new(number).ok_or(ReplyFault::Garbage)?;
        // RFC 5321 section 4.2.1: all lines of a reply carry the same code.
        if self.code.is_some_and(|first| first != code) {
            return Err(ReplyFault::MixedCodes);
        }
        self.code = Some(code);
        let last = text.get(3) != Some(&b'-');
        self.line_start = self.raw.len();
        Ok(last)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn all(wire: &[u8], cuts: &[usize]) -> (Vec<Vec<u8>>, Option<ReplyFault>) {
        let mut parser = ReplyParser::default();
        let mut replies = Vec::new();
        let mut from = 0;
        for to in cuts.iter().copied().chain([wire.len()]) {
            let mut piece = &wire[from..to];
            from = to;
            loop {
                match parser.feed(&mut piece) {
                    Ok(Some(reply)) => replies.push(reply.raw().to_vec()),
                    Ok(None) => break,
                    Err(fault) => return (replies, Some(fault)),
                }
            }
        }
        (replies, None)
    }

    /// Parses `wire` cut at every byte; the cut must never change the result.
    #[track_caller]
    fn check(wire: &str, want: &[&str], fault: Option<ReplyFault>) {
        let want: Vec<Vec<u8>> = want.iter().map(|reply| reply.as_bytes().to_vec()).collect();
        for cut in 0..=wire.len() {
            assert_eq!(
                all(wire.as_bytes(), &[cut]),
                (want.clone(), fault),
                "cut at {cut} of {wire:?}"
            );
        }
        let every: Vec<usize> = (0..wire.len()).collect();
        assert_eq!(all(wire.as_bytes(), &every), (want, fault), "byte by byte: {wire:?}");
    }

    #[test]
    fn pipelined_replies_keep_their_order() {
        check(
            "250 ok\r\n550 no such user\r\n354 go\r\n",
            &["250 ok\r\n", "550 no such user\r\n", "354 go\r\n"],
            None,
        );
    }

    #[test]
    fn lines_of_one_reply_stay_together() {
        check(
            "250-mail.test\r\n250-SIZE 1000\r\n250 PIPELINING\r\n221 bye\r\n",
            &["250-mail.test\r\n250-SIZE 1000\r\n250 PIPELINING\r\n", "221 bye\r\n"],
            None,
        );
    }

    #[test]
    fn a_code_may_stand_alone() {
        check("250\r\n", &["250\r\n"], None);
        check("250 \r\n", &["250 \r\n"], None);
        check("250-\r\n250\r\n", &["250-\r\n250\r\n"], None);
    }

    #[test]
    fn lf_alone_ends_a_line() {
        check("250-a\n250 b\n", &["250-a\n250 b\n"], None);
    }

    #[test]
    fn what_is_no_reply_is_garbage() {
        use ReplyFault::{Garbage, MixedCodes};
        for wire in [
            "HTTP/1.1 400 Bad Request\r\n",
            "\r\n",
            "2\r\n",
            "25 x\r\n",
            "2500 x\r\n",
            "199 x\r\n",
            "600 x\r\n",
            "\0\0\0\0",
            "250\rx\r\n",
            " 250 x\r\n",
        ] {
            check(wire, &[], Some(Garbage));
        }
        check("250 ok\r\nrubbish\r\n", &["250 ok\r\n"], Some(Garbage));
        check("250-a\r\n251 b\r\n", &[], Some(MixedCodes));
    }

    #[test]
    fn control_characters_in_the_text_are_text() {
        check("250 \u{1b}[31m\0\u{7}\r\n", &["250 \u{1b}[31m\0\u{7}\r\n"], None);
    }

    #[test]
    fn lines_have_a_limit() {
        let line = |length: usize| format!("250 {}\r\n", "x".repeat(length - 6));
        for (length, want) in [
            (LINE_BYTES_MAX - 1, None),
            (LINE_BYTES_MAX, None),
            (LINE_BYTES_MAX + 1, Some(ReplyFault::LineTooLong)),
        ] {
            let wire = line(length);
            for cut in [0, 1, 3, 4, LINE_BYTES_MAX - 1, LINE_BYTES_MAX - 2] {
                assert_eq!(all(wire.as_bytes(), &[cut]).1, want, "{length} bytes cut at {cut}");
            }
        }
    }

    #[test]
    fn replies_have_a_limit() {
        let line = format!("250-{}\r\n", "x".repeat(1000));
        let fits = line.repeat(REPLY_BYTES_MAX / line.len() - 1) + "250 end\r\n";
        assert_eq!(all(fits.as_bytes(), &[]).1, None);
        let over = line.repeat(REPLY_BYTES_MAX / line.len() + 1);
        assert_eq!(all(over.as_bytes(), &[]).1, Some(ReplyFault::ReplyTooLong));
    }

    #[test]
    fn a_fault_stays() {
        let mut parser = ReplyParser::default();
        assert!(parser.feed(&mut &b"x"[..]).is_err());
        assert!(parser.feed(&mut &b"250 ok\r\n"[..]).is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic_and_no_cut_changes_the_result(
            wire in prop::collection::vec(prop_oneof![Just(b'2'), Just(b'5'), Just(b'0'), Just(b'-'), Just(b' '), Just(b'\r'), Just(b'\n'), any::<u8>()], 0..200),
            cut in 0..200_usize,
        ) {
            let whole = all(&wire, &[]);
            prop_assert_eq!(all(&wire, &[cut.min(wire.len())]), whole);
        }

        #[test]
        fn replies_round_trip(lines in prop::collection::vec("[ -~]{0,60}", 1..8), code in 200..600_u16) {
            let mut wire = String::new();
            for (at, line) in lines.iter().enumerate() {
                let mark = if at + 1 == lines.len() { ' ' } else { '-' };
                wire += &format!("{code}{mark}{line}\r\n");
            }
            let mut parser = ReplyParser::default();
            let mut input = wire.as_bytes();
            let reply = parser.feed(&mut input).unwrap().unwrap();
            prop_assert_eq!(reply.code().number(), code);
            let got: Vec<&[u8]> = reply.lines().collect();
            let want: Vec<&[u8]> = lines.iter().map(|line| line.as_bytes()).collect();
            prop_assert_eq!(got, want);
        }
    }
}
