//! Local addresses that connections come from: `127.0.0.2`, or a range of them, `127.0.0.2-127.0.0.20`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::units::UnitError;

/// Source addresses of one scenario: each brings a port range of its own, and this many hold tens of millions.
pub const SOURCES_MAX: usize = 4096;

/// The addresses that `text` names, in order.
///
/// # Errors
/// When it is no address and no range, or the range runs backwards or has over [`SOURCES_MAX`] addresses.
pub fn parse_source(text: &str) -> Result<Vec<IpAddr>, UnitError> {
    let fault = |message: String| UnitError {
        message,
        hint: "write an address of this machine or a range of them: 127.0.0.2-127.0.0.20".into(),
    };
    let address = |text: &str| {
        let text = text.trim();
        let parsed = text.parse::<IpAddr>();
        parsed.map_err(|_| fault(format!("`{}` is not an IP address", text.escape_debug())))
    };
    let Some((first, last)) = text.split_once('-') else { return Ok(vec![address(text)?]) };
    let (first, last) = (address(first)?, address(last)?);
    let range = match (first, last) {
        (IpAddr::V4(first), IpAddr::V4(last)) => {
            u128::from(first.to_bits())..=u128::from(last.to_bits())
        }
        (IpAddr::V6(first), IpAddr::V6(last)) => first.to_bits()..=last.to_bits(),
        _ => {
            return Err(fault(format!("`{text}` begins in IPv4 and ends in IPv6, or the reverse")));
        }
    };
    let Some(more) = range.end().checked_sub(*range.start()) else {
        return Err(fault(format!("range `{text}` runs backwards")));
    };
    if usize::try_from(more).map_or(true, |more| more >= SOURCES_MAX) {
        return Err(fault(format!("range `{text}` has over {SOURCES_MAX} addresses")));
    }
    let of_bits = |bits: u128| match (first, u32::try_from(bits)) {
        (IpAddr::V4(_), Ok(bits)) => IpAddr::V4(Ipv4Addr::from_bits(bits)),
        _ => IpAddr::V6(Ipv6Addr::from_bits(bits)),
    };
    Ok(range.map(of_bits).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_name_every_address() {
        let shown = |text: &str| {
            let addresses = parse_source(text).unwrap();
            addresses.iter().map(IpAddr::to_string).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(shown("127.0.0.2"), "127.0.0.2");
        assert_eq!(shown("127.0.0.254 - 127.0.1.1"), "127.0.0.254 127.0.0.255 127.0.1.0 127.0.1.1");
        assert_eq!(shown("::1-::3"), "::1 ::2 ::3");
        assert_eq!(shown("::ffff:ffff-::1:0:0"), "::ffff:ffff ::1:0:0");
    }

    #[test]
    fn faulty_ones_are_named() {
        for (bad, message) in [
            ("", "`` is not an IP address"),
            ("localhost", "`localhost` is not an IP address"),
            ("127.0.0.2-9", "`9` is not an IP address"),
            ("127.0.0.9-127.0.0.2", "range `127.0.0.9-127.0.0.2` runs backwards"),
            ("127.0.0.2-::1", "`127.0.0.2-::1` begins in IPv4 and ends in IPv6, or the reverse"),
            ("10.0.0.0-10.0.16.0", "range `10.0.0.0-10.0.16.0` has over 4096 addresses"),
            ("::-ffff::", "range `::-ffff::` has over 4096 addresses"),
        ] {
            assert_eq!(parse_source(bad).unwrap_err().message, message);
        }
        assert_eq!(parse_source("10.0.0.0-10.0.15.255").unwrap().len(), SOURCES_MAX);
    }
}
