//! What a server offers in its EHLO reply (RFC 5321 section 4.1.1.1).

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
    /// RFC 4954: the mechanisms that are known here, over all AUTH lines; `None` where AUTH is not offered.
    pub auth: Option<Mechanisms>,
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
            if is("PIPELINING") {
                found.pipelining = true;
            } else if is("CHUNKING") {
                found.chunking = true;
            } else if is("STARTTLS") {
                found.starttls = true;
            } else if is("8BITMIME") {
                found.eight_bit_mime = true;
            } else if is("SMTPUTF8") {
                found.smtputf8 = true;
            } else if is("XCLIENT") {
                found.xclient = Some(Offered::parse(words));
            } else if is("SIZE") {
                let limit = words.next().and_then(|w| std::str::from_utf8(w).ok());
                found.size = Some(limit.and_then(|text| text.parse().ok()).unwrap_or(0));
            } else if is("AUTH") {
                let offered = found.auth.get_or_insert_default();
                words.filter_map(Mechanism::from_name).for_each(|known| offered.insert(known));
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
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
}
