//! The safety guard: mail goes where the user points and nowhere else, and load goes only to machines that the user
//! says are theirs.

use super::exit::{Exit, Stop};
use crate::plan::{Address, Destination};
use crate::scenario::target::TargetUrl;

/// Lets a target pass that cannot leave this machine, or whose every host outside is named a second time. That is the
/// host of the URL, or the MX host: to own a domain is not to own the servers that take its mail, and whoever writes
/// its DNS records could point the load at anyone.
///
/// # Errors
/// [`Exit::Guard`] for any other.
pub(super) fn admit(
    url: &TargetUrl,
    addresses: &[Destination],
    owned: &[String],
) -> Result<(), Stop> {
    let of_url = match url {
        TargetUrl::Tcp { host, .. } => host,
        TargetUrl::Mx { domain, .. } => domain,
        TargetUrl::Unix { .. } | TargetUrl::Embedded => return Ok(()),
    };
    let mut outside: Vec<(&str, &Address)> = Vec::new();
    for Destination { address, host, .. } in addresses {
        let host = host.as_deref().unwrap_or(of_url);
        // Exactly the host, in any case: neither a pattern nor a parent domain.
        let is_owned = owned.iter().any(|named| named.eq_ignore_ascii_case(host));
        let known = outside.iter().any(|(known, _)| *known == host);
        if !address.is_local() && !is_owned && !known {
            outside.push((host, address));
        }
    }
    if outside.is_empty() {
        return Ok(());
    }
    let listed = |each: &dyn Fn(&(&str, &Address)) -> String, sign: &str| {
        outside.iter().map(each).collect::<Vec<_>>().join(sign)
    };
    let named = match owned {
        [] => String::new(),
        owned => format!("\n--i-own {} is not the host of the target", owned.join(", ")),
    };
    let flags = listed(&|(host, _)| format!("--i-own {host}"), " ");
    let (leads, hint) = match url {
        TargetUrl::Mx { .. } => (
            listed(&|(host, address)| format!("{host}, {address}"), "; "),
            format!("if those servers are yours, name each a second time: {flags}"),
        ),
        _ => (
            outside[0].1.to_string(),
            format!("if that server is yours, name it a second time: {flags}"),
        ),
    };
    Err(Stop::new(
        Exit::Guard,
        format!(
            "{url} is outside this machine ({leads}), and smtpbench sends load only to what is yours{named}\n{hint}"
        ),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(url: &str, address: &str, owned: &[&str], admitted: bool) {
        let url = TargetUrl::parse(url).unwrap();
        let owned: Vec<String> = owned.iter().map(|name| (*name).to_owned()).collect();
        let address = Address::Tcp(address.parse().unwrap());
        assert_eq!(admit(&url, &[address.into()], &owned).is_ok(), admitted, "{url} {owned:?}");
    }

    #[test]
    fn loopback_needs_nothing() {
        check("smtp://localhost", "127.0.0.1:25", &[], true);
        check("smtp://[::1]", "[::1]:25", &[], true);
    }

    #[test]
    fn any_other_address_needs_its_exact_host() {
        check("smtp://mx.example.com", "192.0.2.1:25", &[], false);
        check("smtp://mx.example.com", "192.0.2.1:25", &["mx.example.com"], true);
        check("smtp://mx.example.com", "192.0.2.1:25", &["MX.example.com"], true);
        for near in
            ["example.com", "*", "*.example.com", "mx.example", "192.0.2.1", "mx.example.com."]
        {
            check("smtp://mx.example.com", "192.0.2.1:25", &[near], false);
        }
    }

    #[test]
    fn one_address_outside_is_enough() {
        let url = TargetUrl::parse("smtp://mixed.test").unwrap();
        let address = |text: &str| Destination::from(Address::Tcp(text.parse().unwrap()));
        assert!(admit(&url, &[address("127.0.0.1:25"), address("192.0.2.1:25")], &[]).is_err());
    }

    #[test]
    fn every_mx_host_outside_is_to_be_named_and_the_domain_is_not_enough() {
        let url = TargetUrl::parse("mx://example.com").unwrap();
        let mx = |host: &str, address: &str| Destination {
            address: Address::Tcp(address.parse().unwrap()),
            host: Some(host.to_owned()),
            preference: 10,
        };
        let addresses = [
            mx("a.example.net", "192.0.2.1:25"),
            mx("a.example.net", "192.0.2.2:25"),
            mx("b.example.net", "[2001:db8::1]:25"),
            mx("here.example.net", "127.0.0.1:25"),
        ];
        let admit = |owned: &[&str]| {
            let owned: Vec<String> = owned.iter().map(|name| (*name).to_owned()).collect();
            admit(&url, &addresses, &owned).map_err(|stop| stop.message)
        };
        assert_eq!(admit(&["a.example.net", "B.example.net"]), Ok(()));
        for owned in [&[][..], &["example.com"], &["a.example.net"], &["b.example.net"]] {
            assert!(admit(owned).is_err(), "{owned:?}");
        }
        let said = admit(&["example.com"]).unwrap_err();
        assert!(said.contains("--i-own a.example.net --i-own b.example.net"), "{said}");
        assert!(!said.contains("here.example.net"), "{said}");
    }
}
