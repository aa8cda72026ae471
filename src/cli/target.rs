//! From the target that was asked for to addresses, with the built-in sink started where that is it.

use super::exit::{Exit, Stop};
use super::guard;
use crate::net::resolve;
use crate::plan::{Address, Target};
use crate::scenario::Scenario;
use crate::scenario::target::TargetUrl;
use crate::sink::{ListenAddress, Sink, SinkOptions};
use crate::smtp::Protocol;

/// A target that may be used, and the sink behind it where it is `embedded:`.
pub(super) struct Aim {
    pub(super) target: Target,
    pub(super) sink: Option<Sink>,
}

/// Resolves the target of `scenario` and asks the guard.
///
/// # Errors
/// When there is none, it cannot be resolved, or the guard refuses it.
pub(super) fn aim(scenario: &Scenario, owned: &[String]) -> Result<Aim, Stop> {
    let url = scenario.target.clone().ok_or_else(|| {
        Stop::new(
            Exit::Scenario,
            "the scenario has no target\nname one with --target smtp://host:port, or `url` under [target]",
        )
    })?;
    let mut addresses = resolve::resolve(&url).map_err(|error| {
        Stop::new(Exit::Unreachable, format!("the host of {url} cannot be resolved: {error}"))
    })?;
    guard::admit(&url, &addresses, owned)?;
    let sink = match url {
        TargetUrl::Embedded => Some(embedded(scenario)?),
        _ => None,
    };
    if let Some(sink) = &sink {
        addresses = sink.addresses().iter().map(address_of).collect();
    }
    if addresses.is_empty() {
        return Err(Stop::new(Exit::Unreachable, format!("the host of {url} has no address")));
    }
    Ok(Aim { target: Target { name: "target".to_owned(), url, addresses }, sink })
}

fn embedded(scenario: &Scenario) -> Result<Sink, Stop> {
    let options = SinkOptions {
        listen: vec![ListenAddress::Tcp(([127, 0, 0, 1], 0).into())],
        behavior: scenario.sink.clone(),
        protocol: Protocol::Smtp,
        hostname: "sink.test".to_owned(),
        threads: 1,
    };
    Sink::start(options).map_err(|error| {
        Stop::new(
            Exit::Unreachable,
            format!("the built-in sink cannot listen on loopback: {error}"),
        )
    })
}

fn address_of(listening: &ListenAddress) -> Address {
    match listening {
        ListenAddress::Tcp(address) => Address::Tcp(*address),
        ListenAddress::Unix(path) => Address::Unix(path.clone()),
    }
}
