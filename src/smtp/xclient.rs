//! XCLIENT, Postfix's way for a trusted client to say whom it speaks for (Postfix's `XCLIENT_README`): the keyword in
//! the EHLO reply, the command and its values in xtext (RFC 3461 section 4).

use std::net::IpAddr;

/// Longest command line with its CRLF (RFC 5321 section 4.5.3.1.4), which `XCLIENT_README` holds clients to.
pub const LINE_BYTES_MAX: usize = 512;

/// The value of an attribute that is not known and will not be.
pub const UNAVAILABLE: &str = "[UNAVAILABLE]";
/// The value of an attribute that is not known for now.
pub const TEMPORARILY_UNAVAILABLE: &str = "[TEMPUNAVAIL]";

/// What a value of IPv6 begins with.
const IPV6: &[u8] = b"IPV6:";

/// What can be said of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Attribute {
    /// Its address.
    Addr,
    /// Its port.
    Port,
    /// Its host name, as DNS has it.
    Name,
    /// Its name in EHLO or HELO.
    Helo,
    /// `SMTP` or `ESMTP`.
    Proto,
    /// Its SASL login.
    Login,
}

impl Attribute {
    /// All of them with their names.
    pub const NAMES: &[(&str, Self)] = &[
        ("ADDR", Self::Addr),
        ("PORT", Self::Port),
        ("NAME", Self::Name),
        ("HELO", Self::Helo),
        ("PROTO", Self::Proto),
        ("LOGIN", Self::Login),
    ];

    /// The attribute of that name, in any case.
    #[must_use]
    pub fn parse(name: &[u8]) -> Option<Self> {
        let named = |(known, _): &&(&str, Self)| name.eq_ignore_ascii_case(known.as_bytes());
        Self::NAMES.iter().find(named).map(|(_, attribute)| *attribute)
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::NAMES[self as usize].0
    }
}

/// The attributes that a server takes, as its EHLO reply says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Offered(u8);

impl Offered {
    /// Reads the words behind the keyword; what is not known is passed over.
    pub fn parse<'a>(words: impl Iterator<Item = &'a [u8]>) -> Self {
        let bits = words.filter_map(Attribute::parse).map(|attribute| 1 << attribute as u8);
        Self(bits.fold(0, |sum, bit: u8| sum | bit))
    }

    /// Whether `attribute` is among them.
    #[must_use]
    pub fn has(self, attribute: Attribute) -> bool {
        self.0 & (1 << attribute as u8) != 0
    }
}

/// Appends ` NAME=value` with the value in xtext. An empty value is [`UNAVAILABLE`].
pub fn put_attribute(attribute: Attribute, value: &[u8], out: &mut Vec<u8>) {
    out.push(b' ');
    out.extend_from_slice(attribute.name().as_bytes());
    out.push(b'=');
    put_xtext(if value.is_empty() { UNAVAILABLE.as_bytes() } else { value }, out);
}

/// Appends ` ADDR=…`.
pub fn put_address(address: Option<IpAddr>, out: &mut Vec<u8>) {
    let value = match address {
        None => UNAVAILABLE.to_owned(),
        Some(IpAddr::V4(ip)) => ip.to_string(),
        Some(IpAddr::V6(ip)) => format!("IPV6:{ip}"),
    };
    put_attribute(Attribute::Addr, value.as_bytes(), out);
}

/// Appends `value` as xtext: everything but printable ASCII, and `+` and `=`, becomes `+` and two hexadecimal digits.
pub fn put_xtext(value: &[u8], out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for byte in value {
        match byte {
            b'+' | b'=' | ..=b' ' | 127.. => {
                let digit = |half: u8| DIGITS[usize::from(half)];
                out.extend_from_slice(&[b'+', digit(byte >> 4), digit(byte & 15)]);
            }
            byte => out.push(*byte),
        }
    }
}

/// What `text` stands for; `None` where it is not xtext.
#[must_use]
pub fn decode_xtext(text: &[u8]) -> Option<Vec<u8>> {
    // RFC 3461 section 4: upper-case digits only.
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    };
    let mut bytes = text.iter();
    let mut value = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        value.push(match byte {
            b'+' => digit(*bytes.next()?)? << 4 | digit(*bytes.next()?)?,
            b'!'..=b'~' if *byte != b'=' => *byte,
            _ => return None,
        });
    }
    Some(value)
}

/// What the arguments of a command say about the client's address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// Nothing: there is no ADDR.
    Same,
    /// That it is not known.
    Unknown,
    /// This.
    Address(IpAddr),
}

/// Reads the arguments of a command: one or more attributes, each with a value that it can have.
///
/// `None` where they are not as `XCLIENT_README` has them.
#[must_use]
pub fn parse(arguments: &[u8]) -> Option<Claim> {
    let mut claim = Claim::Same;
    let mut any = false;
    for word in arguments.split(|byte| *byte == b' ').filter(|word| !word.is_empty()) {
        let at = word.iter().position(|byte| *byte == b'=')?;
        let value = decode_xtext(&word[at + 1..])?;
        let attribute = Attribute::parse(&word[..at])?;
        any = true;
        let unknown = [UNAVAILABLE, TEMPORARILY_UNAVAILABLE]
            .iter()
            .any(|word| value.eq_ignore_ascii_case(word.as_bytes()));
        match attribute {
            Attribute::Addr if unknown => claim = Claim::Unknown,
            Attribute::Addr => claim = Claim::Address(parse_address(&value)?),
            _ if value.is_empty() => return None,
            _ if unknown => {}
            Attribute::Port => {
                value.iter().all(u8::is_ascii_digit).then_some(())?;
                std::str::from_utf8(&value).ok()?.parse::<u16>().ok()?;
            }
            Attribute::Proto => {
                let known = [&b"SMTP"[..], b"ESMTP"];
                known.iter().any(|known| value.eq_ignore_ascii_case(known)).then_some(())?;
            }
            Attribute::Name | Attribute::Helo | Attribute::Login => {}
        }
    }
    any.then_some(claim)
}

fn parse_address(value: &[u8]) -> Option<IpAddr> {
    let text = |bytes| std::str::from_utf8(bytes).ok();
    match value.split_at_checked(IPV6.len()) {
        Some((prefix, rest)) if prefix.eq_ignore_ascii_case(IPV6) => {
            text(rest)?.parse().ok().map(IpAddr::V6)
        }
        _ => text(value)?.parse().ok().map(IpAddr::V4),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn attributes_sit_at_their_names() {
        for (name, attribute) in Attribute::NAMES {
            assert_eq!(attribute.name(), *name);
            assert_eq!(Attribute::parse(name.to_lowercase().as_bytes()), Some(*attribute));
        }
        assert_eq!(Attribute::parse(b"DESTADDR"), None);
    }

    #[test]
    fn what_is_offered_is_what_is_named() {
        let offered = Offered::parse([&b"NAME"[..], b"addr", b"TTL", b""].into_iter());
        assert!(offered.has(Attribute::Name) && offered.has(Attribute::Addr));
        assert!(!offered.has(Attribute::Login) && !offered.has(Attribute::Port));
    }

    #[test]
    fn values_are_written_as_postfix_reads_them() {
        let check = |address: &str, want: &str| {
            let mut out = Vec::new();
            put_address(address.parse().ok(), &mut out);
            assert_eq!(String::from_utf8_lossy(&out), want);
        };
        check("192.0.2.1", " ADDR=192.0.2.1");
        check("2001:db8::1", " ADDR=IPV6:2001:db8::1");
        check("", " ADDR=[UNAVAILABLE]");
        let mut out = Vec::new();
        put_attribute(Attribute::Login, "a+b=c \u{e9}".as_bytes(), &mut out);
        put_attribute(Attribute::Name, b"", &mut out);
        put_attribute(Attribute::Name, TEMPORARILY_UNAVAILABLE.as_bytes(), &mut out);
        let want = " LOGIN=a+2Bb+3Dc+20+C3+A9 NAME=[UNAVAILABLE] NAME=[TEMPUNAVAIL]";
        assert_eq!(String::from_utf8_lossy(&out), want);
    }

    #[test]
    fn commands_are_read_or_refused_whole() {
        let check = |arguments: &str, want| {
            assert_eq!(parse(arguments.as_bytes()), want, "{arguments:?}");
        };
        let four = Claim::Address([192, 0, 2, 1].into());
        check("ADDR=192.0.2.1", Some(four));
        check("name=a.test  addr=192.0.2.1 PORT=25 PROTO=esmtp HELO=x LOGIN=a+2Bb", Some(four));
        check("ADDR=IPv6:2001:db8::1", "2001:db8::1".parse().ok().map(Claim::Address));
        check("ADDR=[unavailable]", Some(Claim::Unknown));
        check("NAME=[TEMPUNAVAIL] PORT=[UNAVAILABLE]", Some(Claim::Same));
        for bad in [
            "",
            " ",
            "ADDR",
            "ADDR=",
            "ADDR=2001:db8::1",
            "ADDR=IPV6:192.0.2.1",
            "ADDR=192.0.2.999",
            "ADDR=192.0.2.1 X=1",
            "PORT=65536",
            "PORT=+2B1",
            "PORT=x",
            "PROTO=HTTP",
            "LOGIN=",
            "LOGIN=+2b",
            "LOGIN=+2",
            "LOGIN=a=b",
            "NAME=\u{e9}",
        ] {
            check(bad, None);
        }
    }

    proptest! {
        #[test]
        fn xtext_comes_back(value in prop::collection::vec(any::<u8>(), 0..40)) {
            let mut text = Vec::new();
            put_xtext(&value, &mut text);
            prop_assert!(text.iter().all(|byte| byte.is_ascii_graphic() && *byte != b'='));
            prop_assert_eq!(decode_xtext(&text), Some(value));
        }

        #[test]
        fn any_bytes_are_arguments_or_none(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = parse(&bytes);
            let _ = decode_xtext(&bytes);
            let _ = parse(&[b"ADDR=", &bytes[..]].concat());
        }
    }
}
