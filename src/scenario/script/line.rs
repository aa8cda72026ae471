//! One line of a script: its words with their places, the expectation behind it, the comment cut off.

use std::ops::Range;

use crate::scenario::fault::Faults;

/// The largest `send`, in bytes.
pub(super) const SEND_BYTES_MAX: usize = 64 * 1024;

/// A part of the script's text, and at which byte of the scenario it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Piece<'a> {
    pub(super) text: &'a str,
    pub(super) start: usize,
}

impl<'a> Piece<'a> {
    /// Its bytes in the scenario.
    pub(super) fn span(self) -> Range<usize> {
        self.start..self.start + self.text.len()
    }

    /// The bytes `range` of it.
    pub(super) fn part(self, range: Range<usize>) -> Self {
        Self { start: self.start + range.start, text: &self.text[range] }
    }

    /// It without white space at its ends.
    pub(super) fn trim(self) -> Self {
        let start = self.text.len() - self.text.trim_start_matches(is_blank).len();
        self.part(start..self.text.trim_end_matches(is_blank).len().max(start))
    }

    /// Its first word, and what follows without the white space around it.
    pub(super) fn split_word(self) -> (Self, Self) {
        let piece = self.trim();
        let end = piece.text.find(is_blank).unwrap_or(piece.text.len());
        (piece.part(0..end), piece.part(end..piece.text.len()).trim())
    }

    /// The two sides of the first `mark` that stands at the beginning or behind white space.
    pub(super) fn split_mark(self, mark: &str) -> Option<(Self, Self)> {
        let (at, _) = self
            .text
            .match_indices(mark)
            .find(|(at, _)| *at == 0 || self.text[..*at].ends_with(is_blank))?;
        Some((self.part(0..at).trim(), self.part(at..self.text.len())))
    }
}

/// White space within a line. Every other control character is sent as it is.
pub(super) fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t')
}

/// The lines of a script that begins at byte `offset` of the scenario, each without its line end.
pub(super) fn lines(text: &str, offset: usize) -> impl Iterator<Item = Piece<'_>> {
    text.split_inclusive('\n').scan(offset, |next, line| {
        let start = *next;
        *next += line.len();
        let line = line.strip_suffix('\n').unwrap_or(line);
        Some(Piece { text: line.strip_suffix('\r').unwrap_or(line), start })
    })
}

/// What is wrong in a part of a line; added by [`Report`].
#[derive(Debug)]
pub(super) struct Wrong {
    pub(super) span: Range<usize>,
    pub(super) message: String,
    pub(super) hint: String,
}

impl Wrong {
    pub(super) fn new(
        span: Range<usize>,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self { span, message: message.into(), hint: hint.into() }
    }
}

/// The faults of one script: [`Faults`] may hold those of others, and drops what is beyond its limit.
pub(super) struct Report<'a> {
    pub(super) faults: &'a mut Faults,
    /// Whether this script has one.
    pub(super) failed: bool,
}

impl Report<'_> {
    pub(super) fn add(&mut self, wrong: Wrong) {
        self.failed = true;
        self.faults.add(wrong.span, wrong.message, wrong.hint);
    }

    /// The value; where there is none, adds what is wrong.
    pub(super) fn take<T>(&mut self, result: Result<T, Wrong>) -> Option<T> {
        result.map_err(|wrong| self.add(wrong)).ok()
    }
}

/// Reads the quoted bytes behind `send`, which is `word`. Within the quotes, ` #` and ` => ` are bytes like others.
pub(super) fn parse_send(word: Piece<'_>, argument: Piece<'_>) -> Result<Vec<u8>, Wrong> {
    const HINT: &str = "write send \"bytes\"; escapes: \\r \\n \\t \\0 \\\\ \\\" \\xNN";
    let text = argument.text;
    if !text.starts_with('"') {
        let shown = if text.is_empty() { word } else { argument.split_word().0 };
        return Err(Wrong::new(shown.span(), "`send` needs bytes in double quotes", HINT));
    }
    let mut bytes = Vec::new();
    let mut at = 1;
    let behind = loop {
        let Some(c) = text[at..].chars().next() else {
            return Err(Wrong::new(argument.part(0..1).span(), "this quote is never closed", HINT));
        };
        match c {
            '"' => break at + 1,
            '\\' => {
                let (byte, length) = unescape(&text[at..]).map_err(|length| {
                    let span = argument.part(at..at + length).span();
                    Wrong::new(span, format!("unknown escape `{}`", &text[at..at + length]), HINT)
                })?;
                bytes.push(byte);
                at += length;
            }
            _ => {
                bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                at += c.len_utf8();
            }
        }
    };
    let rest = argument.part(behind..text.len());
    let comment = rest.split_mark("#").is_some_and(|(before, _)| before.text.is_empty());
    // A comment needs white space before it here as everywhere.
    if !(rest.trim().text.is_empty() || comment && rest.text.starts_with(is_blank)) {
        let hint = "`send` owes no reply; wait for one with `expect`";
        return Err(Wrong::new(rest.trim().span(), "`send` takes nothing behind its bytes", hint));
    }
    if bytes.is_empty() || bytes.len() > SEND_BYTES_MAX {
        let message = format!("`send` takes 1 to {SEND_BYTES_MAX} bytes, not {}", bytes.len());
        return Err(Wrong::new(argument.part(0..behind).span(), message, ""));
    }
    Ok(bytes)
}

/// The bytes of `text` with its escapes put in.
///
/// # Errors
/// The escape that is unknown.
pub(in crate::scenario) fn unescaped(text: &str) -> Result<Vec<u8>, &str> {
    let (mut bytes, mut at) = (Vec::with_capacity(text.len()), 0);
    while let Some(escape) = text[at..].find('\\').map(|found| at + found) {
        bytes.extend_from_slice(&text.as_bytes()[at..escape]);
        let unknown = |length| &text[escape..escape + length];
        let (byte, length) = unescape(&text[escape..]).map_err(unknown)?;
        bytes.push(byte);
        at = escape + length;
    }
    bytes.extend_from_slice(&text.as_bytes()[at..]);
    Ok(bytes)
}

/// The byte of the escape at the start of `text` with the escape's length; only the length where it is unknown.
fn unescape(text: &str) -> Result<(u8, usize), usize> {
    let byte = match text[1..].chars().next() {
        Some('r') => b'\r',
        Some('n') => b'\n',
        Some('t') => b'\t',
        Some('0') => 0,
        Some('\\') => b'\\',
        Some('"') => b'"',
        Some('x') => {
            let digits = text.get(2..4).filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()));
            return digits
                .and_then(|digits| u8::from_str_radix(digits, 16).ok())
                .map(|byte| (byte, 4))
                .ok_or(2);
        }
        Some(other) => return Err(1 + other.len_utf8()),
        None => return Err(1),
    };
    Ok((byte, 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_within_text() {
        assert_eq!(unescaped(r"ü\r\n\x00\xff\\x").unwrap(), b"\xc3\xbc\r\n\0\xff\\x");
        assert_eq!(unescaped(r"a\q"), Err(r"\q"));
        assert_eq!(unescaped(r"a\"), Err(r"\"));
        assert_eq!(unescaped(r"a\xz0"), Err(r"\x"));
    }

    #[test]
    fn send_knows_its_escapes() {
        #[track_caller]
        fn check(text: &str, want: Result<&[u8], &str>) {
            let piece = Piece { text, start: 0 };
            let got = parse_send(piece, piece);
            let got = got.map_err(|wrong| text[wrong.span].to_owned());
            assert_eq!(got.as_deref().map_err(String::as_str), want, "{text}");
        }
        check(r#""a # b => c""#, Ok(b"a # b => c"));
        check(r#""\r\n\t\0\\\"\xfF\x00" # why"#, Ok(b"\r\n\t\0\\\"\xff\0"));
        check(r#""é""#, Ok("é".as_bytes()));
        check(r#""a"#, Err("\""));
        check(r#""a\"#, Err("\\"));
        check(r#""a\""#, Err("\""));
        check(r#""\q""#, Err("\\q"));
        check(r#""\é""#, Err("\\é"));
        check(r#""\x4""#, Err("\\x"));
        check(r#""\xé""#, Err("\\x"));
        check("bytes here", Err("bytes"));
        check("", Err(""));
        check(r#""a" b"#, Err("b"));
        check(r##""a"#b"##, Err("#b"));
        check(r#""""#, Err("\"\""));
    }

    #[test]
    fn send_is_bounded() {
        let send = |length: usize| {
            let text = format!("\"{}\"", "x".repeat(length));
            let piece = Piece { text: &text, start: 0 };
            parse_send(piece, piece).is_ok()
        };
        assert!(send(SEND_BYTES_MAX - 1) && send(SEND_BYTES_MAX) && !send(SEND_BYTES_MAX + 1));
    }

    #[test]
    fn lines_keep_their_place() {
        let got: Vec<_> = lines("a\r\n\n b", 5).map(|line| (line.text, line.start)).collect();
        assert_eq!(got, [("a", 5), ("", 8), (" b", 9)]);
    }
}
