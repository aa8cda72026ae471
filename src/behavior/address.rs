//! Which addresses a rule is for: mail addresses by pattern, clients by network.

use std::net::IpAddr;

use crate::units::UnitError;

/// Longest pattern: RFC 5321 section 4.5.3.1.3 gives a path 256 bytes.
const PATTERN_MAX: usize = 256;

/// Some mail addresses: one, those of a domain, or those of a pattern; letters of either case are the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressPattern(Box<[u8]>);

impl AddressPattern {
    /// Reads `user@example.test`, `@example.test` (the domain), `<>` (the null reverse-path) or a pattern with `*` for
    /// any number of characters.
    ///
    /// # Errors
    /// When it is none of these.
    pub fn parse(text: &str) -> Result<Self, UnitError> {
        let text = text.trim();
        let fault = |message: &str| UnitError {
            message: format!("`{}` {message}", text.escape_debug()),
            hint: "write user@example.test, @example.test, bounce-*@*.test or <>".into(),
        };
        if text == "<>" {
            return Ok(Self(Box::default()));
        }
        if text.len() > PATTERN_MAX {
            return Err(fault("is too long for an address"));
        }
        if text.contains(|c: char| c.is_whitespace() || c.is_control() || "<>".contains(c)) {
            return Err(fault("is no address: spaces and brackets"));
        }
        if !text.contains(['@', '*']) {
            return Err(fault("is no address"));
        }
        let whole = if text.starts_with('@') { format!("*{text}") } else { text.to_owned() };
        Ok(Self(whole.to_ascii_lowercase().into_bytes().into()))
    }

    /// Whether `address` is one of them.
    #[must_use]
    pub fn contains(&self, address: &[u8]) -> bool {
        let (pattern, mut at, mut from) = (&*self.0, 0, 0);
        // Where to go on if the last `*` has to take one more character.
        let mut retry = None;
        while from < address.len() {
            match pattern.get(at) {
                Some(b'*') => {
                    at += 1;
                    retry = Some((at, from));
                }
                Some(byte) if *byte == address[from].to_ascii_lowercase() => {
                    at += 1;
                    from += 1;
                }
                _ => match &mut retry {
                    Some((star, taken)) => {
                        *taken += 1;
                        (at, from) = (*star, *taken);
                    }
                    None => return false,
                },
            }
        }
        pattern[at..].iter().all(|byte| *byte == b'*')
    }
}

/// A range of IP addresses by its common bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u32,
}

impl Network {
    /// Reads `192.0.2.7`, `192.0.2.0/24`, `2001:db8::/32`.
    ///
    /// # Errors
    /// When it is none of these.
    pub fn parse(text: &str) -> Result<Self, UnitError> {
        let fault = || UnitError {
            message: format!("`{}` is no address and no network", text.escape_debug()),
            hint: "write 192.0.2.7, 192.0.2.0/24 or 2001:db8::/32".into(),
        };
        let (address, bits) = match text.trim().split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text.trim(), None),
        };
        let address: IpAddr = address.parse().map_err(|_| fault())?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            Some(bits) => bits.parse().ok().filter(|bits| *bits <= most).ok_or_else(fault)?,
            None => most,
        };
        Ok(Self { address, bits })
    }

    /// Whether `address` is in it. An IPv4 address in IPv6 clothes counts as what it is.
    #[must_use]
    pub fn contains(self, address: IpAddr) -> bool {
        let differ = match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                (own.to_bits() ^ other.to_bits()).leading_zeros()
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                (own.to_bits() ^ other.to_bits()).leading_zeros()
            }
            _ => return false,
        };
        differ >= self.bits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, inside: &[&str], outside: &[&str]) {
        let pattern = AddressPattern::parse(pattern).unwrap();
        for address in inside {
            assert!(pattern.contains(address.as_bytes()), "{pattern:?} has {address}");
        }
        for address in outside {
            assert!(!pattern.contains(address.as_bytes()), "{pattern:?} has not {address}");
        }
    }

    #[test]
    fn exact_domain_pattern_and_null() {
        check(
            "User@Example.test",
            &["user@example.test", "USER@EXAMPLE.TEST"],
            &["a@example.test"],
        );
        check("@d.test", &["a@d.test", "b+c@D.test"], &["a@x.d.test", "a@d.test.x", ""]);
        check("user*@*.test", &["user@a.test", "user1@a.b.test"], &["auser@a.test", "user@a.tes"]);
        check("*a*b*@x", &["ab@x", "xaxxbx@x", "aab@x"], &["ba@x", "ab@xx"]);
        check("*", &["", "a@b"], &[]);
        check("<>", &[""], &["a@b"]);
    }

    #[test]
    fn a_pattern_of_stars_is_no_trap() {
        let pattern = AddressPattern::parse(&format!("{}b@x", "a*".repeat(100))).unwrap();
        assert!(!pattern.contains("a".repeat(4000).as_bytes()));
    }

    #[test]
    fn what_is_no_address() {
        let long = format!("a@{}", "b".repeat(PATTERN_MAX));
        for bad in ["", "user", "a b@c", "<a@b>", "a@b\r\nc", &long] {
            assert!(AddressPattern::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn networks() {
        let has = |network: &str, address: &str| {
            Network::parse(network).unwrap().contains(address.parse().unwrap())
        };
        assert!(has("192.0.2.7", "192.0.2.7") && !has("192.0.2.7", "192.0.2.6"));
        assert!(has("192.0.2.0/24", "192.0.2.255") && !has("192.0.2.0/24", "192.0.3.0"));
        assert!(has("192.0.2.0/24", "::ffff:192.0.2.1") && !has("0.0.0.0/0", "::1"));
        assert!(has("2001:db8::/32", "2001:db8:1::1") && !has("2001:db8::/32", "2001:db9::1"));
        for bad in ["", "x", "192.0.2.0/33", "::/129", "1.2.3.4/", "1.2.3.4/-1"] {
            assert!(Network::parse(bad).is_err(), "{bad:?}");
        }
    }
}
