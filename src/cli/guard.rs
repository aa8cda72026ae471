//! The safety guard: mail goes where the user points and nowhere else, and load goes only to machines that the user
//! says are theirs.

use super::exit::{Exit, Stop};
use crate::plan::Address;
use crate::scenario::target::TargetUrl;

/// Lets a target pass that cannot leave this machine, or that is named a second time.
///
/// # Errors
/// [`Exit::Guard`] for any other.
pub(super) fn admit(url: &TargetUrl, addresses: &[Address], owned: &[String]) -> Result<(), Stop> {
    let TargetUrl::Tcp { host, .. } = url else { return Ok(()) };
    let Some(outside) = addresses.iter().find(|address| !address.is_local()) else { return Ok(()) };
    // Exactly the host of the URL, in any case: neither a pattern nor a parent domain.
    if owned.iter().any(|named| named.eq_ignore_ascii_case(host)) {
        return Ok(());
    }
    let named = match owned {
        [] => String::new(),
        owned => format!("\n--i-own {} is not the host of the target", owned.join(", ")),
    };
    Err(Stop::new(
        Exit::Guard,
        format!(
            "{url} is outside this machine ({outside}), and smtpbench sends load only to what is yours{named}\n\
             if that server is yours, name it a second time: --i-own {host}"
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
        assert_eq!(admit(&url, &[address], &owned).is_ok(), admitted, "{url} {owned:?}");
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
        let address = |text: &str| Address::Tcp(text.parse().unwrap());
        assert!(admit(&url, &[address("127.0.0.1:25"), address("192.0.2.1:25")], &[]).is_err());
    }
}
