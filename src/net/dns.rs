//! Questions to DNS: the one place that knows the resolver library.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{NameServerConfig, ResolveHosts, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{Name, RData, RecordType};

use crate::clock::Duration;
use crate::net::resolve::Family;
use crate::smtp::text::printable;

/// Longest time for one question, with all its repetitions.
const QUESTION_MAX: Duration = Duration::from_secs(8);
/// How long a server that the user names may take for an answer before it is asked again.
const ANSWER_MAX: Duration = Duration::from_secs(2);
/// How often it is asked again.
const REPEATS: usize = 2;

/// Asks the servers of the system, or one that the user names.
pub struct Dns {
    resolver: TokioResolver,
}

/// An MX record (RFC 1035 section 3.3.9).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MailExchanger {
    /// The lowest is tried first.
    pub preference: u16,
    /// Its name without the dot at the end; empty for the root (RFC 7505). Any bytes but control characters.
    pub host: String,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoAnswer {
    /// There is no such name.
    NoSuchName,
    /// The name has no record of the kind.
    NoRecord,
    /// The server answered with an error: its name.
    Refused(String),
    /// Nothing came in time.
    TimedOut,
    /// The question could not be asked, or its answer not be read.
    Failed(String),
}

impl fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchName => f.write_str("no such name"),
            Self::NoRecord => f.write_str("no address"),
            Self::Refused(code) => write!(f, "the DNS server answers {code}"),
            Self::TimedOut => f.write_str("no answer from the DNS server"),
            Self::Failed(what) => f.write_str(what),
        }
    }
}

impl Dns {
    /// Asks `server`, or those of the system. The system's hosts file counts only with the system's servers.
    ///
    /// # Errors
    /// When the system's configuration cannot be read.
    pub fn new(server: Option<SocketAddr>) -> Result<Self, NoAnswer> {
        let builder = match server {
            None => TokioResolver::builder_tokio(),
            Some(server) => {
                let mut at = NameServerConfig::udp_and_tcp(server.ip());
                at.connections.iter_mut().for_each(|connection| connection.port = server.port());
                let config = ResolverConfig::from_parts(None, Vec::new(), vec![at]);
                let provider = TokioRuntimeProvider::default();
                let mut builder = TokioResolver::builder_with_config(config, provider);
                let options = builder.options_mut();
                options.use_hosts_file = ResolveHosts::Never;
                options.timeout = ANSWER_MAX;
                options.attempts = REPEATS;
                Ok(builder)
            }
        };
        let resolver = builder.and_then(hickory_resolver::ResolverBuilder::build);
        let resolver = resolver.map_err(|error| NoAnswer::Failed(printable_error(&error)))?;
        Ok(Self { resolver })
    }

    /// The MX records of `domain`, by preference.
    ///
    /// # Errors
    /// When there are none, or the server does not say.
    pub async fn mail_exchangers(&self, domain: &str) -> Result<Vec<MailExchanger>, NoAnswer> {
        let of_record = |data: &RData| match data {
            RData::MX(mx) => Some(MailExchanger {
                preference: mx.preference,
                host: printable(mx.exchange.to_ascii().trim_end_matches('.').as_bytes())
                    .to_ascii_lowercase(),
            }),
            _ => None,
        };
        let mut found = self.ask(domain, RecordType::MX, of_record).await?;
        found.sort();
        Ok(found)
    }

    /// The addresses of `host`, or those of one family: IPv6 first, each once.
    ///
    /// # Errors
    /// When there are none, or the server does not say.
    pub async fn addresses(
        &self,
        host: &str,
        family: Option<Family>,
    ) -> Result<Vec<IpAddr>, NoAnswer> {
        let mut found = Vec::new();
        let mut why = NoAnswer::NoRecord;
        for (of, kind) in [(Family::V6, RecordType::AAAA), (Family::V4, RecordType::A)] {
            if family.is_some_and(|family| family != of) {
                continue;
            }
            let of_record = |data: &RData| match data {
                RData::A(address) => Some(IpAddr::V4(address.0)),
                RData::AAAA(address) => Some(IpAddr::V6(address.0)),
                _ => None,
            };
            match self.ask(host, kind, of_record).await {
                Ok(addresses) => found.extend(addresses),
                Err(NoAnswer::NoRecord) => {}
                Err(error) => why = error,
            }
        }
        match found.is_empty() {
            true => Err(why),
            false => Ok(found),
        }
    }

    /// What the records of one kind say, each thing once.
    async fn ask<T: PartialEq>(
        &self,
        name: &str,
        kind: RecordType,
        of_record: impl Fn(&RData) -> Option<T>,
    ) -> Result<Vec<T>, NoAnswer> {
        let mut name = Name::from_ascii(name).map_err(|_| NoAnswer::NoSuchName)?;
        // Never below the search domains of this machine (RFC 5321 section 5.1).
        name.set_fqdn(true);
        let question = self.resolver.lookup(name, kind);
        let lookup = match tokio::time::timeout(QUESTION_MAX, question).await {
            Ok(answer) => answer.map_err(|error| reason(&error))?,
            Err(_) => return Err(NoAnswer::TimedOut),
        };
        let mut found = Vec::new();
        for thing in lookup.answers().iter().filter_map(|record| of_record(&record.data)) {
            if !found.contains(&thing) {
                found.push(thing);
            }
        }
        match found.is_empty() {
            true => Err(NoAnswer::NoRecord),
            false => Ok(found),
        }
    }
}

fn reason(error: &NetError) -> NoAnswer {
    match error {
        NetError::Timeout => NoAnswer::TimedOut,
        NetError::Dns(DnsError::NoRecordsFound(none)) => match none.response_code {
            ResponseCode::NXDomain => NoAnswer::NoSuchName,
            _ => NoAnswer::NoRecord,
        },
        NetError::Dns(DnsError::ResponseCode(code)) => NoAnswer::Refused(match code {
            ResponseCode::ServFail => "SERVFAIL".to_owned(),
            ResponseCode::Refused => "REFUSED".to_owned(),
            code => code.to_string(),
        }),
        error => NoAnswer::Failed(printable_error(error)),
    }
}

fn printable_error(error: &NetError) -> String {
    printable(error.to_string().as_bytes())
}
