//! What a server offers in its EHLO reply (RFC 5321 section 4.1.1.1).

use std::num::NonZeroU32;

use super::parameters::{Extension, packed_utc};
use super::reply::Reply;
use super::sasl::{Mechanism, Mechanisms};
use super::xclient::Offered;

/// The capabilities that change what a client does. Small, because every session keeps one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// RFC 2920.
    pub pipelining: bool,
    /// RFC 3030.
    pub chunking: bool,
    /// RFC 3207.
    pub starttls: bool,
    /// RFC 6152.
    pub eight_bit_mime: bool,
    /// RFC 6531.
    pub smtputf8: bool,
    /// RFC 1870: the limit in bytes, 0 where none is named; `None` where SIZE is not offered.
    pub size: Option<u64>,
    /// XCLIENT with the attributes that it takes; `None` where it is not offered.
    pub xclient: Option<Offered>,
    /// RFC 3030 section 3.
    pub binary_mime: bool,
    /// RFC 3461.
    pub dsn: bool,
    /// RFC 8689.
    pub requiretls: bool,
    /// RFC 6710.
    pub mt_priority: bool,
    /// RFC 4865: how far ahead mail may be held; `None` where FUTURERELEASE is not offered.
    pub future_release: Option<FutureRelease>,
    /// RFC 9422.
    pub limits: Limits,
    /// RFC 4954: the mechanisms that are known here, over all AUTH lines; `None` where AUTH is not offered.
    pub auth: Option<Mechanisms>,
}

/// How far ahead mail may be held (RFC 4865 section 4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FutureRelease {
    /// In seconds from now; `None` where the server does not say.
    pub interval: Option<u64>,
    /// Until when, as [`packed_utc`] gives it; `None` where the server does not say.
    pub until: Option<u64>,
}

/// What a server announces to take, by LIMITS (RFC 9422 section 4); `None` is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Transactions of one session.
    pub mail_max: Option<NonZeroU32>,
    /// RCPT commands of one transaction.
    pub rcpt_max: Option<NonZeroU32>,
    /// Different domains among the forward-paths of one transaction.
    pub rcpt_domain_max: Option<NonZeroU32>,
}

impl Limits {
    /// Reads `NAME=VALUE` words. A name that is not known and a value that is no number from 1 limit nothing.
    fn of<'a>(words: impl Iterator<Item = &'a [u8]>) -> Self {
        let mut limits = Self::default();
        for word in words {
            let Some(at) = memchr::memchr(b'=', word) else { continue };
            let (name, value) = (&word[..at], &word[at + 1..]);
            let limit = match () {
                () if name.eq_ignore_ascii_case(b"MAILMAX") => &mut limits.mail_max,
                () if name.eq_ignore_ascii_case(b"RCPTMAX") => &mut limits.rcpt_max,
                () if name.eq_ignore_ascii_case(b"RCPTDOMAINMAX") => &mut limits.rcpt_domain_max,
                () => continue,
            };
            *limit = number(value).and_then(|n| NonZeroU32::new(u32::try_from(n).ok()?));
        }
        limits
    }
}

impl Capabilities {
    /// Reads the lines behind the first. Keywords count in any case; what is not known is passed over.
    #[must_use]
    pub fn from_ehlo(reply: &Reply<'_>) -> Self {
        let mut found = Self::default();
        for line in reply.lines().skip(1) {
            let mut words =
                line.split(|byte| matches!(byte, b' ' | b'\t')).filter(|w| !w.is_empty());
            let Some(keyword) = words.next() else { continue };
            let is = |name: &str| keyword.eq_ignore_ascii_case(name.as_bytes());
            match () {
                () if is("PIPELINING") => found.pipelining = true,
                () if is("CHUNKING") => found.chunking = true,
                () if is("STARTTLS") => found.starttls = true,
                () if is("8BITMIME") => found.eight_bit_mime = true,
                () if is("SMTPUTF8") => found.smtputf8 = true,
                () if is("BINARYMIME") => found.binary_mime = true,
                () if is("DSN") => found.dsn = true,
                () if is("REQUIRETLS") => found.requiretls = true,
                () if is("MT-PRIORITY") => found.mt_priority = true,
                () if is("SIZE") => found.size = Some(words.next().and_then(number).unwrap_or(0)),
                () if is("FUTURERELEASE") => {
                    let interval = words.next().and_then(number);
                    let until = words.next().and_then(packed_utc);
                    found.future_release = Some(FutureRelease { interval, until });
                }
                () if is("XCLIENT") => found.xclient = Some(Offered::parse(words)),
                () if is("AUTH") => {
                    let offered = found.auth.get_or_insert_default();
                    words.filter_map(Mechanism::from_name).for_each(|known| offered.insert(known));
                }
                () if is("LIMITS") => found.limits = Limits::of(words),
                () => {}
            }
        }
        found
    }

    /// Whether the server offers `extension`. BINARYMIME is of no use without CHUNKING (RFC 3030 section 3).
    #[must_use]
    pub fn offers(&self, extension: Extension) -> bool {
        match extension {
            Extension::Size => self.size.is_some(),
            Extension::EightBitMime => self.eight_bit_mime,
            Extension::BinaryMime => self.binary_mime && self.chunking,
            Extension::Smtputf8 => self.smtputf8,
            Extension::Dsn => self.dsn,
            Extension::RequireTls => self.requiretls,
            Extension::FutureRelease => self.future_release.is_some(),
            Extension::MtPriority => self.mt_priority,
        }
    }
}

/// Digits that fit.
fn number(digits: &[u8]) -> Option<u64> {
    let digits = std::str::from_utf8(digits).ok()?;
    // `parse` would take a sign.
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::smtp::parser::ReplyParser;

    #[track_caller]
    fn check(wire: &str, want: Capabilities) {
        let mut parser = ReplyParser::default();
        let reply = parser.feed(&mut wire.as_bytes()).unwrap().unwrap();
        assert_eq!(Capabilities::from_ehlo(&reply), want, "{wire:?}");
    }

    #[test]
    fn keywords_count_in_any_case() {
        check(
            "250-mail.test PIPELINING\r\n250-Pipelining\r\n250-SIZE 1000\r\n250 8bitmime\r\n",
            Capabilities {
                pipelining: true,
                size: Some(1000),
                eight_bit_mime: true,
                ..Default::default()
            },
        );
    }

    #[test]
    fn mechanisms_add_up_over_lines() {
        let auth = |mechanisms: &[Mechanism]| Some(mechanisms.iter().copied().collect());
        check(
            "250-x\r\n250-AUTH PLAIN gssapi scram-sha-256\r\n250 auth LOGIN PLAIN\r\n",
            Capabilities {
                auth: auth(&[Mechanism::Plain, Mechanism::Login, Mechanism::ScramSha256]),
                ..Default::default()
            },
        );
        check("250-x\r\n250 AUTH\r\n", Capabilities { auth: auth(&[]), ..Default::default() });
        check("250-x\r\n250 AUTH=LOGIN\r\n", Capabilities::default());
    }

    #[test]
    fn the_first_line_is_a_name_and_odd_limits_are_none() {
        check("250 PIPELINING\r\n", Capabilities::default());
        check(
            "250-x\r\n250 XCLIENT NAME Addr TTL\r\n",
            Capabilities {
                xclient: Some(Offered::parse([&b"ADDR"[..], b"NAME"].into_iter())),
                ..Default::default()
            },
        );
        check(
            "250-x\r\n250 XCLIENT\r\n",
            Capabilities { xclient: Some(Offered::default()), ..Default::default() },
        );
        check(
            "250-x\r\n250-\r\n250 SIZE many\r\n",
            Capabilities { size: Some(0), ..Default::default() },
        );
    }

    #[test]
    fn extensions_with_arguments() {
        check(
            "250-x\r\n250-BinaryMIME\r\n250-DSN\r\n250-REQUIRETLS\r\n250-MT-PRIORITY MIXER\r\n\
             250 FUTURERELEASE 86400 2030-01-02T03:04:05Z\r\n",
            Capabilities {
                binary_mime: true,
                dsn: true,
                requiretls: true,
                mt_priority: true,
                future_release: Some(FutureRelease {
                    interval: Some(86_400),
                    until: Some(20_300_102_030_405),
                }),
                ..Default::default()
            },
        );
    }

    #[test]
    fn limits_that_are_no_numbers_from_1_limit_nothing() {
        let limits = |text: &str, mail_max, rcpt_max, rcpt_domain_max| {
            let (mail_max, rcpt_max) = (NonZeroU32::new(mail_max), NonZeroU32::new(rcpt_max));
            let rcpt_domain_max = NonZeroU32::new(rcpt_domain_max);
            let limits = Limits { mail_max, rcpt_max, rcpt_domain_max };
            check(
                &format!("250-x\r\n250 LIMITS{text}\r\n"),
                Capabilities { limits, ..Default::default() },
            );
        };
        limits(" MAILMAX=10 RCPTMAX=100 RCPTDOMAINMAX=1", 10, 100, 1);
        limits(" rcptmax=5", 0, 5, 0);
        limits("", 0, 0, 0);
        limits(" MAILMAX=0 RCPTMAX=x RCPTDOMAINMAX", 0, 0, 0);
        limits(" MAILMAX=+5 RCPTMAX=99999999999 OTHER=1 =2", 0, 0, 0);
    }

    #[test]
    fn binarymime_needs_chunking() {
        let mut found = Capabilities { binary_mime: true, ..Default::default() };
        assert!(!found.offers(Extension::BinaryMime));
        found.chunking = true;
        assert!(found.offers(Extension::BinaryMime));
    }

    proptest! {
        #[test]
        fn any_reply_is_read(lines in prop::collection::vec("[ -~]{0,60}", 1..8)) {
            let keywords = ["LIMITS", "SIZE", "FUTURERELEASE", "DSN"];
            let mut wire = String::new();
            for (index, line) in lines.iter().enumerate() {
                let mark = if index + 1 == lines.len() { ' ' } else { '-' };
                wire.push_str(&format!("250{mark}{} {line}\r\n", keywords[index % 4]));
            }
            let mut parser = ReplyParser::default();
            let reply = parser.feed(&mut wire.as_bytes()).unwrap().unwrap();
            let found = Capabilities::from_ehlo(&reply);
            prop_assert_eq!(found.dsn, lines.len() > 3);
        }
    }
}
