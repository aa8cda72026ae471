//! From a target URL to addresses, once, before the run.

use std::fmt;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;

use super::dns::{Dns, MailExchanger, NoAnswer};
use crate::clock::Duration;
use crate::plan::{Address, Destination};
use crate::scenario::target::TargetUrl;

/// Most MX hosts of a domain whose addresses are looked up.
pub const MX_HOSTS_MAX: usize = 50;
/// Most addresses of a target; each has rows of its own in the results.
pub const ADDRESSES_MAX: usize = 256;
/// Longest time for all questions about one target.
const RESOLVE_MAX: Duration = Duration::from_secs(30);

/// The hint where DNS is to blame.
const ASK_ANOTHER: &str = "try again, or ask a DNS server that knows it: --dns ADDR";

/// Which addresses count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    V4,
    V6,
}

impl Family {
    /// What one of its addresses is called; `None` for either family.
    #[must_use]
    pub fn noun(family: Option<Self>) -> &'static str {
        match family {
            None => "address",
            Some(Self::V4) => "IPv4 address",
            Some(Self::V6) => "IPv6 address",
        }
    }
}

/// Where a target's connections go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resolved {
    /// By preference; each address once. None for `embedded:`, whose sink is not yet listening.
    pub addresses: Vec<Destination>,
    /// What was left out, and why: a sentence each.
    pub remarks: Vec<String>,
}

/// Why there is no address: a lower-case fragment, and a hint on a line of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResolveError(String);

impl fmt::Display for ResolveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ResolveError {}

/// All addresses of `url`, or those of one family. Asks the DNS server `dns`, where there is one; without it the
/// system for a host, and the system's DNS servers for the MX hosts of a domain.
///
/// # Errors
/// When there is none.
pub fn resolve(
    url: &TargetUrl,
    family: Option<Family>,
    dns: Option<SocketAddr>,
) -> Result<Resolved, ResolveError> {
    let mut resolved = Resolved::default();
    match url {
        TargetUrl::Embedded => return Ok(resolved),
        TargetUrl::Unix { path, .. } => {
            resolved.addresses.push(Address::Unix(path.clone()).into());
        }
        TargetUrl::Tcp { host, port, .. } => {
            let found = match dns.filter(|_| host.parse::<IpAddr>().is_err()) {
                None => of_system(url, host, *port)?,
                Some(_) => of_dns(url, host, *port, family, dns)?,
            };
            let wanted = |address: &SocketAddr| {
                family.is_none_or(|family| (family == Family::V4) == address.is_ipv4())
            };
            for address in found.into_iter().filter(wanted) {
                resolved.add(Address::Tcp(address).into());
            }
            if resolved.addresses.is_empty() {
                let noun = Family::noun(family);
                return Err(ResolveError(format!("the host of {url} has no {noun}")));
            }
        }
        TargetUrl::Mx { domain, port } => {
            run(async {
                let dns = Arc::new(Dns::new(dns).map_err(|why| no_mx(domain, &why))?);
                resolved.mail_exchangers(&dns, domain, *port, family).await
            })?;
        }
    }
    if resolved.addresses.len() > ADDRESSES_MAX {
        let count = resolved.addresses.len();
        resolved.remarks.push(format!(
            "{url} has {count} addresses: the {} least preferred are left out",
            count - ADDRESSES_MAX
        ));
        resolved.addresses.truncate(ADDRESSES_MAX);
    }
    Ok(resolved)
}

fn of_system(url: &TargetUrl, host: &str, port: u16) -> Result<Vec<SocketAddr>, ResolveError> {
    match (host, port).to_socket_addrs() {
        Ok(addresses) => Ok(addresses.collect()),
        Err(error) => Err(ResolveError(format!("the host of {url} cannot be resolved: {error}"))),
    }
}

fn of_dns(
    url: &TargetUrl,
    host: &str,
    port: u16,
    family: Option<Family>,
    dns: Option<SocketAddr>,
) -> Result<Vec<SocketAddr>, ResolveError> {
    let addresses = run(async {
        let found = match Dns::new(dns) {
            Ok(dns) => dns.addresses(host, family).await,
            Err(why) => Err(why),
        };
        found.map_err(|why| match why {
            NoAnswer::NoRecord => {
                ResolveError(format!("the host of {url} has no {}", Family::noun(family)))
            }
            why => {
                let message = format!("the host of {url} cannot be resolved: {why}");
                ResolveError(format!("{message}\n{ASK_ANOTHER}"))
            }
        })
    })?;
    Ok(addresses.into_iter().map(|address| SocketAddr::new(address, port)).collect())
}

/// Runs the questions about one target, and gives up after [`RESOLVE_MAX`].
fn run<T>(questions: impl Future<Output = Result<T, ResolveError>>) -> Result<T, ResolveError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| ResolveError(format!("no event loop: {error}")))?;
    let answers = runtime
        .block_on(async { tokio::time::timeout(RESOLVE_MAX, questions).await })
        .map_err(|_| ResolveError(format!("no answers from the DNS server\n{ASK_ANOTHER}")))?;
    // Whatever the resolver library still waits for is of no use any more.
    runtime.shutdown_background();
    answers
}

fn no_mx(domain: &str, why: &NoAnswer) -> ResolveError {
    ResolveError(match why {
        NoAnswer::NoSuchName => {
            format!(
                "the domain {domain} does not exist\nmend it, or ask a DNS server that knows it: --dns ADDR"
            )
        }
        why => format!("the MX hosts of {domain} cannot be found: {why}\n{ASK_ANOTHER}"),
    })
}

/// The addresses of each of `hosts`, in their order. All are looked up at once: a server that keeps silent about some may not
/// use up the time for the others.
async fn addresses_of(
    dns: &Arc<Dns>,
    hosts: Vec<MailExchanger>,
    family: Option<Family>,
) -> Vec<(MailExchanger, Result<Vec<IpAddr>, NoAnswer>)> {
    let look_up = |mx: MailExchanger| {
        let (dns, host) = (Arc::clone(dns), mx.host.clone());
        (mx, tokio::spawn(async move { dns.addresses(&host, family).await }))
    };
    let questions: Vec<_> = hosts.into_iter().map(look_up).collect();
    let mut answers = Vec::new();
    for (mx, question) in questions {
        let lost = |error: tokio::task::JoinError| Err(NoAnswer::Failed(error.to_string()));
        answers.push((mx, question.await.unwrap_or_else(lost)));
    }
    answers
}

impl Resolved {
    fn add(&mut self, added: Destination) {
        if self.addresses.iter().all(|known| known.address != added.address) {
            self.addresses.push(added);
        }
    }

    /// The hosts that take mail for `domain` (RFC 5321 section 5.1). A host that cannot be resolved is left out.
    async fn mail_exchangers(
        &mut self,
        dns: &Arc<Dns>,
        domain: &str,
        port: u16,
        family: Option<Family>,
    ) -> Result<(), ResolveError> {
        let mut hosts = match dns.mail_exchangers(domain).await {
            Ok(found) => self.usable(domain, found)?,
            // The domain is its own MX host.
            Err(NoAnswer::NoRecord) => {
                vec![MailExchanger { preference: 0, host: domain.to_owned() }]
            }
            Err(why) => return Err(no_mx(domain, &why)),
        };
        if hosts.len() > MX_HOSTS_MAX {
            let count = hosts.len();
            self.remarks.push(format!(
                "{domain} has {count} MX hosts: the {} least preferred are left out",
                count - MX_HOSTS_MAX
            ));
            hosts.truncate(MX_HOSTS_MAX);
        }
        let mut faults = Vec::new();
        for (MailExchanger { preference, host }, found) in addresses_of(dns, hosts, family).await {
            match found {
                Ok(addresses) => {
                    for address in addresses {
                        let address = Address::Tcp(SocketAddr::new(address, port));
                        self.add(Destination { address, host: Some(host.clone()), preference });
                    }
                }
                Err(NoAnswer::NoRecord) => {
                    faults.push((host, format!("no {}", Family::noun(family))));
                }
                Err(why) => faults.push((host, why.to_string())),
            }
        }
        if self.addresses.is_empty() {
            let mut left_out: Vec<String> = std::mem::take(&mut self.remarks);
            left_out.extend(faults.iter().map(|(host, why)| format!("{host}: {why}")));
            return Err(ResolveError(format!(
                "no host that takes mail for {domain} has an address: {}\n{ASK_ANOTHER}",
                left_out.join("; ")
            )));
        }
        let left_out = |(host, why)| format!("MX host {host} of {domain} is left out: {why}");
        self.remarks.extend(faults.into_iter().map(left_out));
        Ok(())
    }

    /// Of the MX records those that name a host.
    fn usable(
        &mut self,
        domain: &str,
        found: Vec<MailExchanger>,
    ) -> Result<Vec<MailExchanger>, ResolveError> {
        if found.iter().all(|mx| mx.host.is_empty()) {
            return Err(ResolveError(format!(
                "{domain} takes no mail: its MX record is the null MX (RFC 7505)\n\
                 name a server that is to be measured all the same: smtp://host:port"
            )));
        }
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        let mut usable: Vec<MailExchanger> = Vec::new();
        for mx in found {
            let why = if mx.host.is_empty() {
                "the root is no host"
            } else if mx.host.parse::<IpAddr>().is_ok() {
                "an MX record holds a name, not an address"
            } else if !mx.host.chars().all(allowed) {
                "that is no host name"
            } else {
                if usable.iter().all(|known| known.host != mx.host) {
                    usable.push(mx);
                }
                continue;
            };
            self.remarks.push(format!("MX host {} of {domain} is left out: {why}", mx.host));
        }
        Ok(usable)
    }
}
