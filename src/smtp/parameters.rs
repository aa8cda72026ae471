//! Parameters of MAIL and RCPT (RFC 5321 section 4.1.1.11), and the encodings of their values.

use std::io::Write as _;

/// A service extension with a parameter on MAIL or RCPT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extension {
    /// RFC 1870.
    Size,
    /// RFC 6152.
    EightBitMime,
    /// RFC 3030 section 3.
    BinaryMime,
    /// RFC 6531.
    Smtputf8,
    /// RFC 3461.
    Dsn,
    /// RFC 8689.
    RequireTls,
    /// RFC 4865.
    FutureRelease,
    /// RFC 6710.
    MtPriority,
}

impl Extension {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Size,
        Self::EightBitMime,
        Self::BinaryMime,
        Self::Smtputf8,
        Self::Dsn,
        Self::RequireTls,
        Self::FutureRelease,
        Self::MtPriority,
    ];

    /// Its keyword in the EHLO reply.
    #[must_use]
    pub fn keyword(self) -> &'static str {
        match self {
            Self::Size => "SIZE",
            Self::EightBitMime => "8BITMIME",
            Self::BinaryMime => "BINARYMIME",
            Self::Smtputf8 => "SMTPUTF8",
            Self::Dsn => "DSN",
            Self::RequireTls => "REQUIRETLS",
            Self::FutureRelease => "FUTURERELEASE",
            Self::MtPriority => "MT-PRIORITY",
        }
    }
}

/// A MAIL or RCPT line that parameters are added to: the last line of a buffer, without its CRLF.
#[derive(Debug)]
pub struct Parameters<'a> {
    out: &'a mut Vec<u8>,
    /// The path between the angle brackets.
    path: std::ops::Range<usize>,
}

impl<'a> Parameters<'a> {
    /// The line that begins at `start` of `out`; `None` where it has no path in angle brackets.
    pub fn of(out: &'a mut Vec<u8>, start: usize) -> Option<Self> {
        let open = start + memchr::memchr(b'<', &out[start..])? + 1;
        let close = open + closing_bracket(&out[open..])?;
        Some(Self { out, path: open..close })
    }

    /// The path, without its brackets.
    #[must_use]
    pub fn path(&self) -> &[u8] {
        &self.out[self.path.clone()]
    }

    /// Whether the line has `keyword`, in any case.
    #[must_use]
    pub fn has(&self, keyword: &str) -> bool {
        let behind = &self.out[self.path.end + 1..];
        behind.split(|byte| *byte == b' ').any(|word| {
            let name = word.split(|byte| *byte == b'=').next().unwrap_or_default();
            name.eq_ignore_ascii_case(keyword.as_bytes())
        })
    }

    /// Adds `keyword` with the value that `put` appends, unless the line has it.
    pub fn add(&mut self, keyword: &str, put: impl FnOnce(&mut Vec<u8>)) {
        if !self.has(keyword) {
            self.out.push(b' ');
            self.out.extend_from_slice(keyword.as_bytes());
            self.out.push(b'=');
            put(self.out);
        }
    }

    /// Adds `keyword` without a value, unless the line has it.
    pub fn add_bare(&mut self, keyword: &str) {
        if !self.has(keyword) {
            self.out.push(b' ');
            self.out.extend_from_slice(keyword.as_bytes());
        }
    }

    /// Adds ORCPT with the path of the line (RFC 3461 section 4.2), unless the line has it: as `rfc822`, and as
    /// `utf-8` (RFC 6533 section 3) where it is not ASCII.
    pub fn add_original_recipient(&mut self) {
        let path = self.path().to_vec();
        self.add("ORCPT", |out| match std::str::from_utf8(&path) {
            Ok(text) if !text.is_ascii() => {
                out.extend_from_slice(b"utf-8;");
                put_utf8_xtext(text, out);
            }
            _ => {
                out.extend_from_slice(b"rfc822;");
                put_xtext(&path, out);
            }
        });
    }
}

/// The first `>` outside quotes.
#[must_use]
pub fn closing_bracket(text: &[u8]) -> Option<usize> {
    let (mut quoted, mut escaped) = (false, false);
    text.iter().position(|byte| {
        let end = *byte == b'>' && !quoted;
        quoted ^= *byte == b'"' && !escaped;
        escaped = quoted && *byte == b'\\' && !escaped;
        end
    })
}

/// The domain of a mailbox; empty where it has none.
#[must_use]
pub fn domain_of(path: &[u8]) -> &[u8] {
    memchr::memrchr(b'@', path).map_or(&[], |at| &path[at + 1..])
}

/// Appends `bytes` as xtext (RFC 3461 section 4).
pub fn put_xtext(bytes: &[u8], out: &mut Vec<u8>) {
    for byte in bytes {
        match byte {
            b'+' | b'=' | 0..=b' ' | 127.. => _ = write!(out, "+{byte:02X}"),
            _ => out.push(*byte),
        }
    }
}

/// Appends `text` as utf-8-addr-xtext (RFC 6533 section 3), which is ASCII.
pub fn put_utf8_xtext(text: &str, out: &mut Vec<u8>) {
    for char in text.chars() {
        match char {
            '+' | '=' | '\\' | '\0'..=' ' | '\x7f'.. => {
                _ = write!(out, "\\x{{{:02X}}}", u32::from(char));
            }
            _ => _ = write!(out, "{char}"),
        }
    }
}

/// Whether `text` is xtext: printable ASCII, with `+` only before two upper-case hex digits.
#[must_use]
pub fn is_xtext(text: &[u8]) -> bool {
    let mut rest = text;
    while let [first, tail @ ..] = rest {
        rest = match (first, tail) {
            (b'+', [a, b, tail @ ..]) if [a, b].into_iter().all(|c| is_upper_hex(*c)) => tail,
            (b'+' | b'=' | 0..=b' ' | 127.., _) => return false,
            _ => tail,
        };
    }
    true
}

fn is_upper_hex(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'A'..=b'F')
}

/// A date and time of RFC 3339 in UTC, as the number `yyyymmddhhmmss`: such numbers compare as the times do. Fractions
/// of a second are passed over.
#[must_use]
pub fn packed_utc(text: &[u8]) -> Option<u64> {
    const FORM: &[u8] = b"0000-00-00T00:00:00";
    let (head, rest) = text.split_at_checked(FORM.len())?;
    let zone = match rest {
        [b'.', digits @ ..] => {
            let end = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
            if end > 0 { &digits[end..] } else { return None }
        }
        _ => rest,
    };
    if !matches!(zone, b"Z" | b"z" | b"+00:00" | b"-00:00") {
        return None;
    }
    let mut packed = 0;
    for (byte, form) in head.iter().zip(FORM) {
        match form {
            b'0' if byte.is_ascii_digit() => packed = packed * 10 + u64::from(byte - b'0'),
            b'0' => return None,
            _ if byte.eq_ignore_ascii_case(form) => {}
            _ => return None,
        }
    }
    Some(packed)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn added(line: &str, add: impl FnOnce(&mut Parameters<'_>), want: &str) {
        let mut out = b"NOOP <x> A=1\r\n".to_vec();
        let start = out.len();
        out.extend_from_slice(line.as_bytes());
        add(&mut Parameters::of(&mut out, start).unwrap());
        assert_eq!(String::from_utf8_lossy(&out[start..]), want);
    }

    #[test]
    fn parameters_are_added_once() {
        let size = |line: &mut Parameters<'_>| line.add("SIZE", |out| out.extend_from_slice(b"10"));
        added("MAIL FROM:<a@b>", size, "MAIL FROM:<a@b> SIZE=10");
        added("MAIL FROM:<a@b> size=5", size, "MAIL FROM:<a@b> size=5");
        added("MAIL FROM:<a@b> SIZE", size, "MAIL FROM:<a@b> SIZE");
        added("MAIL FROM:<a@b> SIZES=5", size, "MAIL FROM:<a@b> SIZES=5 SIZE=10");
        added("MAIL FROM:<\"SIZE=5> \"@b>", size, "MAIL FROM:<\"SIZE=5> \"@b> SIZE=10");
        let bare = |line: &mut Parameters<'_>| line.add_bare("SMTPUTF8");
        added("MAIL FROM:<>", bare, "MAIL FROM:<> SMTPUTF8");
        added("MAIL FROM:<> smtputf8", bare, "MAIL FROM:<> smtputf8");
    }

    #[test]
    fn a_line_without_a_path_takes_none() {
        assert!(Parameters::of(&mut b"MAIL FROM:a@b".to_vec(), 0).is_none());
        assert!(Parameters::of(&mut b"MAIL FROM:<a@b".to_vec(), 0).is_none());
        assert!(Parameters::of(&mut Vec::new(), 0).is_none());
    }

    #[test]
    fn original_recipients_are_ascii() {
        let orcpt = |line: &mut Parameters<'_>| line.add_original_recipient();
        added("RCPT TO:<a+b=c@d>", orcpt, "RCPT TO:<a+b=c@d> ORCPT=rfc822;a+2Bb+3Dc@d");
        added("RCPT TO:<\"a b\"@d>", orcpt, "RCPT TO:<\"a b\"@d> ORCPT=rfc822;\"a+20b\"@d");
        added(
            "RCPT TO:<ü+@ß.test>",
            orcpt,
            "RCPT TO:<ü+@ß.test> ORCPT=utf-8;\\x{FC}\\x{2B}@\\x{DF}.test",
        );
        added("RCPT TO:<a@b> ORCPT=x;y", orcpt, "RCPT TO:<a@b> ORCPT=x;y");
    }

    #[test]
    fn domains_are_behind_the_last_at() {
        assert_eq!(domain_of(b"a@b"), b"b");
        assert_eq!(domain_of(b"\"a@b\"@c"), b"c");
        assert_eq!(domain_of(b"postmaster"), b"");
    }

    #[test]
    fn times_compare_as_numbers() {
        let earlier = packed_utc(b"2026-11-24T09:59:59Z").unwrap();
        assert_eq!(earlier, 20_261_124_095_959);
        assert!(packed_utc(b"2026-11-24t10:00:00.250z").unwrap() > earlier);
        assert_eq!(packed_utc(b"2026-11-24T10:00:00+00:00"), Some(20_261_124_100_000));
        for bad in [
            "",
            "2026-11-24",
            "2026-11-24T10:00:00",
            "2026-11-24T10:00:00+01:00",
            "2026-11-24T10:00:00.Z",
            "2026_11-24T10:00:00Z",
            "2026-11-2aT10:00:00Z",
            "2026-11-24T10:00:00ZZ",
        ] {
            assert_eq!(packed_utc(bad.as_bytes()), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_xtext(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let mut out = Vec::new();
            put_xtext(&bytes, &mut out);
            prop_assert!(is_xtext(&out), "{:?}", out);
        }

        #[test]
        fn encoded_addresses_are_printable_ascii(text in ".{0,40}") {
            let mut out = Vec::new();
            put_utf8_xtext(&text, &mut out);
            prop_assert!(out.iter().all(|byte| (33..127).contains(byte)), "{:?}", out);
        }

        #[test]
        fn any_line_is_looked_at(line in prop::collection::vec(any::<u8>(), 0..60)) {
            let mut out = line.clone();
            if let Some(mut line) = Parameters::of(&mut out, 0) {
                line.add_original_recipient();
                prop_assert!(line.has("ORCPT"));
            }
            let _ = (packed_utc(&line), is_xtext(&line), domain_of(&line));
        }
    }
}
