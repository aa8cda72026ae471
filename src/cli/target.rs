//! From the target that was asked for to addresses, with the built-in sink started where that is it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::sync::Arc;

use super::exit::{Exit, Stop};
use super::flags::LoadFlags;
use super::{guard, say};
use crate::behavior::{Behavior, CertificateFault};
use crate::net::connect::check_source;
use crate::net::resolve::{self, Family, Resolved};
use crate::net::tls::{TlsClient, TlsIdentity, TlsServer};
use crate::plan::{Address, Destination, Target};
use crate::scenario::login::Login;
use crate::scenario::security::{PemFile, Security, TlsUse};
use crate::scenario::target::TargetUrl;
use crate::scenario::via::Carrier;
use crate::scenario::{Launch, Scenario, TargetSpec};
use crate::sink::logins::Logins;
use crate::sink::{Capture, ListenAddress, Sink, SinkOptions, SinkTls, Trust};
use crate::smtp::Protocol;
use crate::smtp::sasl::Users;

/// A target that may be used, and the sink behind it where it is `embedded:`.
pub(super) struct Aim {
    pub(super) target: Target,
    pub(super) sink: Option<Sink>,
    /// What is to be started before it can be, with the port that it is to serve at.
    pub(super) launch: Option<(Launch, Option<u16>)>,
}

/// Resolves the target of `scenario` and asks the guard; `seed` is the run's.
///
/// # Errors
/// When there is none, it cannot be resolved, or the guard refuses it.
pub(super) fn aim(scenario: &Scenario, flags: &LoadFlags, seed: u64) -> Result<Aim, Stop> {
    let TargetSpec { name, mut url, mut security, login, max_rate, launch } =
        one_target(scenario)?.clone();
    let launch = match launch {
        Some(launch) if launch.any_port => {
            let port = free_port()?;
            url = url.at_port(port);
            Some((launch, Some(port)))
        }
        launch => launch.map(|launch| (launch, None)),
    };
    let family = flags.family();
    if let (TargetUrl::Unix { .. }, Some(_)) = (&url, family) {
        let message =
            format!("{url} is a UNIX socket: it has no IPv4 and IPv6\nleave -4 or -6 out");
        return Err(Stop::new(Exit::Usage, message));
    }
    let Resolved { mut addresses, remarks } = resolve::resolve(&url, family, flags.dns)
        .map_err(|error| Stop::new(Exit::Unreachable, error.to_string()))?;
    guard::admit(&url, &addresses, &flags.owned)?;
    check_login(scenario, &url, &security, &addresses)?;
    for remark in remarks {
        say(&format!("note: {remark}"));
    }
    let sink = match url {
        TargetUrl::Embedded => {
            let mut behavior = scenario.sink.clone();
            behavior.seed.get_or_insert(seed);
            Some(embedded(scenario, behavior, &mut security, login.as_ref(), family)?)
        }
        _ => None,
    };
    if let Some(sink) = &sink {
        addresses = sink.addresses().iter().map(|address| address_of(address).into()).collect();
    }
    check_sources(&scenario.sources, &url, &mut addresses)?;
    TlsClient::new(&security, &url).map_err(|error| Stop::new(Exit::Scenario, error))?;
    Ok(Aim { target: Target { name, url, security, login, max_rate, addresses }, sink, launch })
}

/// A port of loopback that nobody listens on just now.
fn free_port() -> Result<u16, Stop> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
    let port = listener.and_then(|listener| listener.local_addr()).map(|address| address.port());
    port.map_err(|error| {
        let message = format!("no port of 127.0.0.1 is free: {error}\nwrite one in `url`");
        Stop::new(Exit::Unreachable, message)
    })
}

/// The one target of a run.
pub(super) fn one_target(scenario: &Scenario) -> Result<&TargetSpec, Stop> {
    scenario.target().ok_or_else(|| {
        let names: Vec<&str> = scenario.targets.iter().map(|target| &*target.name).collect();
        let message = match names.as_slice() {
            [] => "the scenario has no target\n\
                   name one with --target smtp://host:port, or `url` under [target]"
                .to_owned(),
            names => {
                let names = names.join(", ");
                format!("the scenario has several targets\nname one of them with --target: {names}")
            }
        };
        Stop::new(Exit::Scenario, message)
    })
}

/// Holds source addresses against this machine, and drops target addresses that none of them can reach.
fn check_sources(
    sources: &[IpAddr],
    url: &TargetUrl,
    addresses: &mut Vec<Destination>,
) -> Result<(), Stop> {
    let refuse = |message: String| Err(Stop::new(Exit::Scenario, message));
    for source in sources {
        if let Err(error) = check_source(*source) {
            return refuse(format!(
                "no connection can come from {source}: {error}\n\
                 `source` under [client] takes addresses of this machine only"
            ));
        }
    }
    if sources.is_empty() {
        return Ok(());
    }
    if let TargetUrl::Unix { .. } = url {
        return refuse(format!(
            "{url} is a UNIX socket, and `source` under [client] is for TCP: such a connection has no address\n\
             take `source` out, or name an smtp:// or lmtp:// target"
        ));
    }
    let reaches = |one: &Destination| match &one.address {
        Address::Unix(_) => false,
        Address::Tcp(to) => sources.iter().any(|source| source.is_ipv4() == to.is_ipv4()),
    };
    let before = addresses.first().map(Destination::to_string).unwrap_or_default();
    addresses.retain(reaches);
    if addresses.is_empty() {
        let (has, wants) = if sources[0].is_ipv4() { ("IPv4", "IPv6") } else { ("IPv6", "IPv4") };
        return refuse(format!(
            "{url} has {wants} addresses only ({before}), and `source` under [client] has {has} addresses only\n\
             write {wants} addresses of this machine into `source`"
        ));
    }
    Ok(())
}

/// The built-in sink, with TLS by a certificate of its own where the scenario asks for that.
fn embedded(
    scenario: &Scenario,
    behavior: Behavior,
    security: &mut Security,
    login: Option<&Login>,
    family: Option<Family>,
) -> Result<Sink, Stop> {
    let tls = match security.tls {
        TlsUse::None => None,
        _ => {
            let bug = |error| Stop::new(Exit::Bug, error);
            let wrong = behavior.certificate;
            let identity = TlsIdentity::make_with(&["localhost"], wrong).map_err(bug)?;
            let server = TlsServer::new(&identity).map_err(bug)?;
            if wrong != Some(CertificateFault::Untrusted) {
                let bytes = identity.pem().as_bytes().to_vec();
                let path = "the built-in sink's certificate".into();
                security.ca = Some(PemFile { path, bytes });
            }
            Some(SinkTls { server, implicit: false })
        }
    };
    let loopback: IpAddr = match family {
        None | Some(Family::V4) => Ipv4Addr::LOCALHOST.into(),
        Some(Family::V6) => Ipv6Addr::LOCALHOST.into(),
    };
    let options = SinkOptions {
        listen: vec![ListenAddress::Tcp(SocketAddr::new(loopback, 0))],
        behavior,
        protocol: Protocol::Smtp,
        hostname: "sink.test".to_owned(),
        trust: trust(scenario),
        threads: 1,
        tls,
        logins: logins(scenario, login)?.map(Arc::new),
        capture: Capture::default(),
    };
    Sink::start(options).map_err(|error| {
        Stop::new(
            Exit::Unreachable,
            format!("the built-in sink cannot listen on {loopback}: {error}"),
        )
    })
}

/// What the scenario says of its clients is believed.
fn trust(scenario: &Scenario) -> Trust {
    let carrier = scenario.via.as_ref().map(|via| via.carrier);
    Trust {
        proxy: matches!(carrier, Some(Carrier::Proxy(_))),
        xclient: carrier == Some(Carrier::Xclient),
    }
}

/// What the built-in sink has to know so that the sessions of `scenario` can log in.
fn logins(scenario: &Scenario, login: Option<&Login>) -> Result<Option<Logins>, Stop> {
    let Some(login) = login else { return Ok(None) };
    let accounts = login.accounts(&scenario.tables).ok_or_else(|| {
        Stop::new(
            Exit::Scenario,
            "embedded: needs user and password from one data table, so that it knows them\n\
             take both from one table, or start `smtpbench sink --users FILE` as the target",
        )
    })?;
    Ok(Some(Logins::new(Users::new(accounts))))
}

/// Refuses a login that would show the password to everybody on the way.
fn check_login(
    scenario: &Scenario,
    url: &TargetUrl,
    security: &Security,
    addresses: &[Destination],
) -> Result<(), Stop> {
    // Where TLS is opportunistic, each session decides.
    let clear = security.tls_use(url) == TlsUse::None || security.share < 1.0;
    match scenario.discloses() {
        Some(mechanism) if clear && !addresses.iter().all(|one| one.address.is_local()) => {
            Err(Stop::new(
                Exit::Scenario,
                format!(
                    "{mechanism} without TLS sends the password in the clear, and {url} is outside this machine\n\
                 write tls = \"starttls\" for every session, auth = \"best\" or a SCRAM mechanism"
                ),
            ))
        }
        _ => Ok(()),
    }
}

fn address_of(listening: &ListenAddress) -> Address {
    match listening {
        ListenAddress::Tcp(address) => Address::Tcp(*address),
        ListenAddress::Unix(path) => Address::Unix(path.clone()),
    }
}
