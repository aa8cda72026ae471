//! Flags that describe a load: for `run` and `once`, put over the scenario's file or instead of it.

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use clap::Args;
use clap::builder::FalseyValueParser;

use super::exit::{Exit, Stop};
use super::{colour, say};
use crate::clock::{self, Duration};
use crate::message::render::RunIdentity;
use crate::net::resolve::Family;
use crate::net::ring::Ring;
use crate::scenario::driver::Driver;
use crate::scenario::fault::{Fault, Place};
use crate::scenario::login::Method;
use crate::scenario::security::TlsUse;
use crate::scenario::target::TargetUrl;
use crate::scenario::{self, BURST_MAX, Bound, Overrides, Scenario, Source, TargetChoice, Warmup};
use crate::schedule::arrivals::Pattern;
use crate::units::{self, Rate, parse_rate};

/// What is sent, and where to.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct LoadFlags {
    /// Where the mail goes: smtp:// or smtps://host:port, lmtp://host:port, mx://domain, smtp+unix:///path,
    /// lmtp+unix:///path or embedded:; or NAME of the scenario's [targets.NAME], or NAME=URL to send it elsewhere, or
    /// to name it. Several run side by side
    #[arg(long = "target", value_name = "URL", env = "SMTPBENCH_TARGET", value_parser = TargetChoice::parse)]
    pub(super) targets: Vec<TargetChoice>,
    /// Several targets take turns in blocks of that length: whole seconds [default: 2s under closed load]
    #[arg(long, value_name = "DURATION", env = "SMTPBENCH_INTERLEAVE", value_parser = some_time)]
    interleave: Option<Duration>,
    /// Confirms that the target is yours: exactly its host (for any that is not on this machine)
    #[arg(long = "i-own", value_name = "HOST")]
    pub(super) owned: Vec<String>,
    /// DNS server that resolves the target's names, instead of the system's: 127.0.0.1 or [::1]:5353
    #[arg(long, value_name = "ADDR[:PORT]", env = "SMTPBENCH_DNS", value_parser = dns_server)]
    pub(super) dns: Option<SocketAddr>,
    /// IPv4 addresses of the target only
    #[arg(long, short = '4', conflicts_with = "ipv6")]
    ipv4: bool,
    /// IPv6 addresses of the target only
    #[arg(long, short = '6')]
    ipv6: bool,
    /// Sessions open at once
    #[arg(long, value_name = "N", env = "SMTPBENCH_SESSIONS", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    sessions: Option<u32>,
    /// Arrivals that do not wait for the server: '200 sessions/s', '500 messages/m', '3M messages/h', or a bare
    /// number of messages a second
    #[arg(long, value_name = "RATE", env = "SMTPBENCH_RATE", value_parser = rate)]
    rate: Option<Rate>,
    /// How arrivals follow one another: even, poisson or bursts=N [default: even]
    #[arg(long, value_name = "PATTERN", env = "SMTPBENCH_ARRIVALS", value_parser = pattern)]
    arrivals: Option<Pattern>,
    /// Most sessions open at once with --rate [default: 100 for messages, 10000 for sessions]
    #[arg(long, value_name = "N", env = "SMTPBENCH_MAX_SESSIONS", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    max_sessions: Option<u32>,
    /// A stage before the others, left out of summary and thresholds: a duration, or steady to end by itself
    #[arg(long, value_name = "DURATION", env = "SMTPBENCH_WARMUP", value_parser = warmup)]
    warmup: Option<Warmup>,
    /// How long things start
    #[arg(long = "for", value_name = "DURATION", env = "SMTPBENCH_FOR", value_parser = some_time)]
    length: Option<Duration>,
    /// Ends the run after so many messages
    #[arg(long, value_name = "N", env = "SMTPBENCH_MESSAGES", value_parser = clap::value_parser!(u64).range(1..))]
    messages: Option<u64>,
    /// Messages of one session: N or LOW..HIGH [default: no limit]
    #[arg(long, value_name = "N", env = "SMTPBENCH_MESSAGES_PER_SESSION", value_parser = per_session)]
    messages_per_session: Option<RangeInclusive<u64>>,
    /// Size of a message: 4KiB or 1KiB..64KiB
    #[arg(long, value_name = "SIZE", env = "SMTPBENCH_SIZE", conflicts_with = "eml")]
    size: Option<String>,
    /// Send this file instead of generated messages
    #[arg(long, value_name = "FILE", env = "SMTPBENCH_EML")]
    eml: Option<PathBuf>,
    /// Reverse-path; may hold values such as {{seq}} and {{1..100}}
    #[arg(long, value_name = "ADDRESS", env = "SMTPBENCH_FROM")]
    from: Option<String>,
    /// Forward-path; may hold values such as {{seq}} and {{1..100}}
    #[arg(long, value_name = "ADDRESS", env = "SMTPBENCH_TO")]
    to: Option<String>,
    /// The client's name in EHLO
    #[arg(long, value_name = "NAME", env = "SMTPBENCH_HELO")]
    helo: Option<String>,
    /// STARTTLS: none, starttls or opportunistic (where it is offered); smtps:// is TLS from the first byte
    #[arg(long, value_name = "USE", env = "SMTPBENCH_TLS", value_parser = tls_use)]
    tls: Option<TlsUse>,
    /// Trust the certificates of this PEM file instead of the system's
    #[arg(long, value_name = "FILE", env = "SMTPBENCH_CA")]
    ca: Option<PathBuf>,
    /// Take any certificate
    #[arg(long, env = "SMTPBENCH_NO_VERIFY", value_parser = FalseyValueParser::new())]
    no_verify: bool,
    /// How sessions log in: none, best, plain, login, cram-md5, scram-sha-256 … [default: best where there is a user]
    #[arg(long, value_name = "MECHANISM", env = "SMTPBENCH_AUTH", value_parser = Method::parse)]
    auth: Option<Method>,
    /// Who logs in
    #[arg(long, value_name = "NAME", env = "SMTPBENCH_USER")]
    user: Option<String>,
    /// A file of one line with the password or token
    #[arg(long, value_name = "FILE", env = "SMTPBENCH_PASSWORD_FILE")]
    password_file: Option<PathBuf>,
    /// MAIL, RCPT and DATA in one write where the server offers PIPELINING
    #[arg(long, env = "SMTPBENCH_PIPELINING", value_parser = FalseyValueParser::new())]
    pipelining: bool,
    /// A rule that decides pass or fail, instead of the scenario's: 'eod.p99 < 500ms'
    #[arg(long = "threshold", value_name = "RULE")]
    thresholds: Vec<String>,
    /// Distress of the target that stops the run, instead of the scenario's: '421 > 5% over 10s'
    #[arg(long = "stop-on", value_name = "RULE", conflicts_with = "no_stop_on")]
    stop_on: Vec<String>,
    /// No distress of the target stops the run
    #[arg(long, env = "SMTPBENCH_NO_STOP_ON", value_parser = FalseyValueParser::new())]
    no_stop_on: bool,
    /// Fixes every random choice
    #[arg(long, value_name = "N", env = "SMTPBENCH_SEED")]
    seed: Option<u64>,
    /// Try the target's greeting until then before giving up
    #[arg(long, value_name = "DURATION", env = "SMTPBENCH_WAIT", value_parser = units::parse_duration)]
    pub(super) wait: Option<Duration>,
    /// What the self-test measured of this machine [default: smtpbench/limits.json in the user's state folder]
    #[arg(long, value_name = "FILE", env = "SMTPBENCH_LIMITS")]
    pub(super) limits: Option<PathBuf>,
    /// Leave out the one uncounted session before the load
    #[arg(long, env = "SMTPBENCH_NO_PREFLIGHT", value_parser = FalseyValueParser::new())]
    no_preflight: bool,
    /// What does the TCP: auto, epoll, or io-uring (Linux 6.1)
    #[arg(long, value_name = "DRIVER", default_value = "auto", env = "SMTPBENCH_DRIVER")]
    driver: Driver,
}

fn some_time(text: &str) -> Result<Duration, String> {
    match units::parse_duration(text) {
        Ok(length) if length.is_zero() => Err("must be longer than nothing".to_owned()),
        Ok(length) => Ok(length),
        Err(error) => Err(error.to_string()),
    }
}

fn rate(text: &str) -> Result<Rate, String> {
    let bare = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let rate = if bare { parse_rate(&format!("{text} messages/s")) } else { parse_rate(text) };
    match rate {
        Ok(rate) if rate.per_second == 0.0 => Err("must be above 0".to_owned()),
        Ok(rate) => Ok(rate),
        Err(error) => Err(error.to_string()),
    }
}

fn pattern(text: &str) -> Result<Pattern, &'static str> {
    match (text, text.strip_prefix("bursts=")) {
        ("even", _) => Ok(Pattern::Even),
        ("poisson", _) => Ok(Pattern::Poisson),
        (_, Some(size)) => match size.parse() {
            Ok(size) if (1..=BURST_MAX).contains(&size) => Ok(Pattern::Bursts(size)),
            _ => Err("a burst has from 1 to 1000000 arrivals"),
        },
        _ => Err("write even, poisson or bursts=20; a trace is played by a scenario file"),
    }
}

fn warmup(text: &str) -> Result<Warmup, String> {
    match text {
        "steady" => Ok(Warmup::Steady),
        _ => units::parse_duration(text).map(Warmup::For).map_err(|error| error.to_string()),
    }
}

fn dns_server(text: &str) -> Result<SocketAddr, &'static str> {
    const DNS_PORT: u16 = 53;
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let server = match bare.parse::<IpAddr>() {
        Ok(address) => SocketAddr::new(address, DNS_PORT),
        Err(_) => text.parse().map_err(|_| "write an address: 127.0.0.1, ::1 or [::1]:5353")?,
    };
    if server.port() == 0 { Err("0 is not a port") } else { Ok(server) }
}

fn tls_use(text: &str) -> Result<TlsUse, &'static str> {
    [TlsUse::None, TlsUse::Starttls, TlsUse::Opportunistic]
        .into_iter()
        .find(|tls| tls.name() == text)
        .ok_or("write none, starttls or opportunistic")
}

fn per_session(text: &str) -> Result<RangeInclusive<u64>, String> {
    match units::parse_range(text, units::parse_count) {
        Ok(range) if *range.start() == 0 => Err("must be at least 1".to_owned()),
        Ok(range) => Ok(range),
        Err(error) => Err(error.to_string()),
    }
}

impl LoadFlags {
    /// The family of addresses that was asked for.
    pub(super) fn family(&self) -> Option<Family> {
        match (self.ipv4, self.ipv6) {
            (true, _) => Some(Family::V4),
            (_, true) => Some(Family::V6),
            _ => None,
        }
    }

    fn overrides(&self) -> Overrides {
        Overrides {
            targets: self.targets.clone(),
            interleave: self.interleave,
            sessions: self.sessions,
            rate: self.rate,
            arrivals: self.arrivals,
            max_sessions: self.max_sessions,
            warmup: self.warmup,
            length: self.length,
            messages: self.messages.map(Bound::Messages),
            messages_per_session: self.messages_per_session.clone(),
            size: self.size.clone(),
            eml: self.eml.clone(),
            from: self.from.clone(),
            to: self.to.clone(),
            helo: self.helo.clone(),
            pipelining: self.pipelining,
            thresholds: self.thresholds.clone(),
            stop_on: self.stop_on.clone(),
            no_stop_on: self.no_stop_on,
            no_preflight: self.no_preflight,
            driver: self.driver,
            tls: self.tls,
            ca: self.ca.clone(),
            no_verify: self.no_verify,
            auth: self.auth,
            user: self.user.clone(),
            password_file: self.password_file.clone(),
        }
    }

    /// The scenario of `path` with the flags over it; without a path the quick form, against `embedded:` unless a
    /// flag says otherwise.
    ///
    /// # Errors
    /// When the file cannot be read, or it or a flag is faulty: everything at once.
    pub(super) fn scenario(&self, path: Option<&Path>) -> Result<Scenario, Stop> {
        self.has_driver()?;
        let mut overrides = self.overrides();
        let result = match path {
            Some(path) => Source::open(path).and_then(|source| scenario::read(&source, &overrides)),
            None => {
                if overrides.targets.is_empty() {
                    overrides.targets.push(TargetChoice::Url(TargetUrl::Embedded));
                }
                Scenario::quick(&overrides)
            }
        };
        result.map_err(|report| {
            let of_flag = |fault: &Fault| matches!(fault.place, Place::Flag(_));
            let all_of_flags = report.faults().iter().all(of_flag);
            let exit = if all_of_flags { Exit::Usage } else { Exit::Scenario };
            let terminal = std::io::IsTerminal::is_terminal(&std::io::stderr());
            Stop::rendered(exit, report.render(colour(terminal)).trim_end())
        })
    }

    /// Whether the driver that was asked for is there; `auto` always is.
    fn has_driver(&self) -> Result<(), Stop> {
        let tried = match self.driver {
            Driver::IoUring => Ring::new().map(drop),
            Driver::Auto | Driver::Epoll => Ok(()),
        };
        tried.map_err(|error| {
            let hint = "leave --driver out, or give --driver epoll";
            Stop::new(Exit::Usage, format!("io_uring cannot be had here: {error}\n{hint}"))
        })
    }

    /// The run's name and seed: the flag's, the scenario's, or one from the clock.
    pub(super) fn identity(&self, scenario: &Scenario) -> RunIdentity {
        let fresh = fresh();
        // Below 2^53, so that every JSON reader gives it back as it was.
        let seed = self.seed.or(scenario.seed).unwrap_or(fresh >> 11);
        RunIdentity { run_id: format!("{fresh:016x}"), seed }
    }
}

/// A number that no other run has.
pub(super) fn fresh() -> u64 {
    let nanos = clock::wall().as_nanosecond();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the low bits are what differs from run to run"
    )]
    crate::message::seed::scramble(nanos as u64 ^ u64::from(std::process::id()) << 40)
}

/// Prints what is worth knowing of a scenario that is not wrong.
pub(super) fn remark(scenario: &Scenario) {
    for remark in scenario.remarks() {
        say(&format!("note: {remark}"));
    }
}
