//! From a target URL to addresses, once, before the run.

use std::io;
use std::net::ToSocketAddrs;

use crate::plan::Address;
use crate::scenario::target::TargetUrl;

/// Which addresses count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    V4,
    V6,
}

/// All addresses of `url`, or those of one family, in the order in which the resolver gives them, each once. None for `embedded:`, whose
/// sink is not yet listening.
///
/// # Errors
/// When the name cannot be resolved.
pub fn resolve(url: &TargetUrl, family: Option<Family>) -> io::Result<Vec<Address>> {
    match url {
        TargetUrl::Embedded => Ok(Vec::new()),
        TargetUrl::Unix { path, .. } => Ok(vec![Address::Unix(path.clone())]),
        TargetUrl::Tcp { host, port, .. } => {
            let mut addresses = Vec::new();
            for address in (host.as_str(), *port).to_socket_addrs()? {
                let wanted =
                    family.is_none_or(|family| (family == Family::V4) == address.is_ipv4());
                let address = Address::Tcp(address);
                if wanted && !addresses.contains(&address) {
                    addresses.push(address);
                }
            }
            Ok(addresses)
        }
    }
}
