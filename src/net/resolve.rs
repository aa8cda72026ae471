//! From a target URL to addresses, once, before the run.

use std::io;
use std::net::ToSocketAddrs;

use crate::plan::Address;
use crate::scenario::target::TargetUrl;

/// All addresses of `url`, in the order in which the resolver gives them, each once. None for `embedded:`, whose
/// sink is not yet listening.
///
/// # Errors
/// When the name cannot be resolved.
pub fn resolve(url: &TargetUrl) -> io::Result<Vec<Address>> {
    match url {
        TargetUrl::Embedded => Ok(Vec::new()),
        TargetUrl::Unix { path, .. } => Ok(vec![Address::Unix(path.clone())]),
        TargetUrl::Tcp { host, port, .. } => {
            let mut addresses = Vec::new();
            for address in (host.as_str(), *port).to_socket_addrs()? {
                let address = Address::Tcp(address);
                if !addresses.contains(&address) {
                    addresses.push(address);
                }
            }
            Ok(addresses)
        }
    }
}
