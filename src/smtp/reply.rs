//! Replies: codes, enhanced codes and text (RFC 5321 section 4.2, RFC 3463).

use std::fmt;

/// A reply code: three digits, the first from 2 to 5 (RFC 5321 section 4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReplyCode(u16);

impl ReplyCode {
    /// The code of that number; `None` outside 200 to 599.
    #[must_use]
    pub fn new(number: u16) -> Option<Self> {
        (200..600).contains(&number).then_some(Self(number))
    }

    /// 200 to 599.
    #[must_use]
    pub fn number(self) -> u16 {
        self.0
    }

    /// What the first digit says (RFC 5321 section 4.2.1).
    #[must_use]
    pub fn severity(self) -> Severity {
        match self.0 / 100 {
            2 => Severity::Completed,
            3 => Severity::Intermediate,
            4 => Severity::Transient,
            _ => Severity::Permanent,
        }
    }
}

impl fmt::Display for ReplyCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a reply says about the next step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Severity {
    /// 2yz: done.
    Completed,
    /// 3yz: go on.
    Intermediate,
    /// 4yz: not now.
    Transient,
    /// 5yz: never.
    Permanent,
}

/// An enhanced status code `class.subject.detail` (RFC 3463 section 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EnhancedCode {
    /// 2, 4 or 5.
    pub class: u8,
    /// 0 to 999.
    pub subject: u16,
    /// 0 to 999.
    pub detail: u16,
}

impl EnhancedCode {
    /// Reads one at the start of `text`, as RFC 2034 section 4 puts it there.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        let (class, rest) = match text {
            [class @ (b'2' | b'4' | b'5'), b'.', rest @ ..] => (class - b'0', rest),
            _ => return None,
        };
        let (subject, rest) = short_number(rest)?;
        let (detail, rest) = short_number(rest.strip_prefix(b".")?)?;
        matches!(rest.first(), None | Some(b' ' | b'\t' | b'\r' | b'\n')).then_some(Self {
            class,
            subject,
            detail,
        })
    }
}

impl fmt::Display for EnhancedCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.class, self.subject, self.detail)
    }
}

/// Reads one to three digits.
fn short_number(text: &[u8]) -> Option<(u16, &[u8])> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if !(1..=3).contains(&digits) {
        return None;
    }
    let number = text[..digits].iter().fold(0, |sum, digit| sum * 10 + u16::from(digit - b'0'));
    Some((number, &text[digits..]))
}

/// A whole reply, as it stands in the parser's buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reply<'a> {
    code: ReplyCode,
    raw: &'a [u8],
}

impl<'a> Reply<'a> {
    /// A reply of `code` with its lines as they came, line ends included.
    pub(super) fn new(code: ReplyCode, raw: &'a [u8]) -> Self {
        Self { code, raw }
    }

    /// Its code.
    #[must_use]
    pub fn code(&self) -> ReplyCode {
        self.code
    }

    /// All of it as it came.
    #[must_use]
    pub fn raw(&self) -> &'a [u8] {
        self.raw
    }

    /// The text of each line, without code, separator and line end. Any bytes may be in it.
    pub fn lines(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        self.raw.split_inclusive(|byte| *byte == b'\n').map(|line| {
            let line = line.strip_suffix(b"\n").unwrap_or(line);
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            line.get(4..).unwrap_or_default()
        })
    }

    /// The enhanced status code at the start of its first line, where there is one that fits the code.
    #[must_use]
    pub fn enhanced(&self) -> Option<EnhancedCode> {
        // RFC 2034 section 4: the class repeats the first digit of the reply code.
        EnhancedCode::parse(self.raw.get(4..)?)
            .filter(|enhanced| u16::from(enhanced.class) == self.code.number() / 100)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_run_from_200_to_599() {
        assert_eq!(ReplyCode::new(199), None);
        assert_eq!(ReplyCode::new(600), None);
        assert_eq!(ReplyCode::new(250).map(ReplyCode::severity), Some(Severity::Completed));
        assert_eq!(ReplyCode::new(354).map(ReplyCode::severity), Some(Severity::Intermediate));
        assert_eq!(ReplyCode::new(421).map(ReplyCode::severity), Some(Severity::Transient));
        assert_eq!(ReplyCode::new(554).map(ReplyCode::severity), Some(Severity::Permanent));
    }

    #[test]
    fn enhanced_codes_stand_alone() {
        let check = |text: &str, want: Option<&str>| {
            let got = EnhancedCode::parse(text.as_bytes()).map(|code| code.to_string());
            assert_eq!(got.as_deref(), want, "{text:?}");
        };
        check("2.1.5 ok", Some("2.1.5"));
        check("5.7.999", Some("5.7.999"));
        check("4.100.23 later", Some("4.100.23"));
        for bad in ["3.1.1 x", "2.1", "2.1.", "2..1", "2.1.5x", "2.1.1234", "1.0.0", "", "10.1.1"] {
            check(bad, None);
        }
    }

    #[test]
    fn an_enhanced_code_of_another_class_is_none() {
        let reply = |raw| Reply::new(ReplyCode(550), raw);
        assert_eq!(
            reply(b"550 5.1.1 no\r\n").enhanced().map(|e| e.to_string()).as_deref(),
            Some("5.1.1")
        );
        assert_eq!(reply(b"550 2.1.5 ok\r\n").enhanced(), None);
        assert_eq!(reply(b"550\r\n").enhanced(), None);
    }
}
