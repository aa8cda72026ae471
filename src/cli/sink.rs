//! `smtpbench sink`: the built-in server.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::str::FromStr as _;
use std::sync::Arc;

use clap::Args;

use super::exit::{Exit, Stop};
use super::flags::fresh;
use super::interrupt::Interrupts;
use super::{colour, print, say};
use crate::behavior::{Behavior, CertificateFault, Delay, Reply, Rule, SinkVerb, Window};
use crate::net::limits::{DescriptorLimit, raise_descriptor_limit};
use crate::net::listen::backlog;
use crate::net::tls::{TlsIdentity, TlsServer};
use crate::scenario::behaviors;
use crate::scenario::security::PemFile;
use crate::sink::logins::{Logins, parse_users};
use crate::sink::{Capture, ListenAddress, Sink, SinkOptions, SinkTls, Trust};
use crate::smtp::Protocol;
use crate::smtp::capabilities::Limits;
use crate::smtp::sasl::{Mechanism, Mechanisms};
use crate::units;

#[derive(Debug, Args)]
pub(super) struct SinkArgs {
    /// Where to listen: 127.0.0.1:2525, [::1]:2525 or unix:/path; may be given several times
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:2525", value_parser = ListenAddress::from_str)]
    listen: Vec<ListenAddress>,
    /// Behaves so: greylister, strict-provider, tarpit, slow-filter, full-disk, old-server, lossy, or the file of a behaviour
    /// (*.toml); what other flags say comes first
    #[arg(long, value_name = "NAME")]
    behavior: Option<String>,
    /// Words in addresses ask for nothing
    #[arg(long)]
    no_words: bool,
    /// Writes every message into this Maildir
    #[arg(long, value_name = "FOLDER")]
    maildir: Option<PathBuf>,
    /// Adds every message to this file, in the form mboxrd
    #[arg(long, value_name = "FILE")]
    mbox: Option<PathBuf>,
    /// Adds a line of JSON for every message to this file
    #[arg(long, value_name = "FILE")]
    jsonl: Option<PathBuf>,
    /// Tells counts and the last messages there as JSON: 127.0.0.1:8025 (/counts, /messages); this machine only
    #[arg(long, value_name = "ADDRESS")]
    http: Option<SocketAddr>,
    /// Waits before its reply to a verb: rcpt=50ms, or a law: 10ms..20ms, 'mean 20ms', 'p50 20ms p99 200ms', '90% 5ms, 10%
    /// 200ms', '10ms x2 to 5s' (grows with each one of the session)
    #[arg(long, value_name = "VERB=DELAY", value_parser = Behavior::parse_delay)]
    delay: Vec<(SinkVerb, Delay)>,
    /// Answers a verb with this: rcpt='450 4.2.0 later'
    #[arg(long, value_name = "VERB=REPLY", value_parser = Behavior::parse_reply)]
    reply: Vec<(SinkVerb, Reply)>,
    /// Answers so what comes to a verb above a rate: eod='500/s 451 4.7.1 too fast'
    #[arg(long, value_name = "VERB=RATE REPLY", value_parser = Rule::parse_limit)]
    limit: Vec<Rule>,
    /// Answers nothing for a time: '1.4s after 5s' (since the first connection), '1.4s every 20s'
    #[arg(long, value_name = "TIME", value_parser = Window::parse)]
    freeze: Vec<Window>,
    /// Fixes every random choice [default: from the clock]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Largest message, as announced by SIZE
    #[arg(long, value_name = "SIZE", value_parser = units::parse_size)]
    size_limit: Option<u64>,
    /// Most messages of a session, as announced by LIMITS MAILMAX
    #[arg(long, value_name = "N", value_parser = limit)]
    max_messages: Option<NonZeroU32>,
    /// Most recipients of a message, as announced by LIMITS RCPTMAX
    #[arg(long, value_name = "N", value_parser = limit)]
    max_recipients: Option<NonZeroU32>,
    /// Most domains among the recipients of a message, as announced by LIMITS RCPTDOMAINMAX
    #[arg(long, value_name = "N", value_parser = limit)]
    max_domains: Option<NonZeroU32>,
    /// Offers AUTH to the users of this file, one name:password a line
    #[arg(long, value_name = "FILE")]
    users: Option<PathBuf>,
    /// Mechanisms that it offers [default: all; those with -PLUS under TLS only]
    #[arg(long, value_name = "MECHANISM", value_delimiter = ',', value_parser = mechanism, requires = "users")]
    auth: Vec<Mechanism>,
    /// No mail without a login
    #[arg(long, requires = "users")]
    require_auth: bool,
    /// Speaks LMTP instead of SMTP
    #[arg(long)]
    lmtp: bool,
    /// Speaks TLS: by STARTTLS, or from the first byte (implicit)
    #[arg(long, value_name = "HOW", value_parser = ["starttls", "implicit"])]
    tls: Option<String>,
    /// PEM file with its certificate and chain, instead of one that is made at the start
    #[arg(long, value_name = "FILE", requires = "key", requires = "tls")]
    certificate: Option<PathBuf>,
    /// PEM file with the key of the certificate
    #[arg(long, value_name = "FILE", requires = "certificate")]
    key: Option<PathBuf>,
    /// Takes only clients with a certificate that one of this PEM file signed
    #[arg(long, value_name = "FILE", requires = "tls")]
    client_ca: Option<PathBuf>,
    /// Writes its certificate there, for a client that is to trust it: ca = "FILE"
    #[arg(long, value_name = "FILE", requires = "tls")]
    write_certificate: Option<PathBuf>,
    /// Expects a PROXY header, version 1 or 2, on every connection
    #[arg(long)]
    proxy: bool,
    /// Offers XCLIENT to everybody
    #[arg(long)]
    xclient: bool,
    /// Its name in the greeting
    #[arg(long, value_name = "NAME", default_value = "sink.test")]
    hostname: String,
    /// Threads
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256))]
    threads: u16,
}

fn mechanism(name: &str) -> Result<Mechanism, String> {
    Mechanism::from_name(name.as_bytes())
        .ok_or_else(|| format!("`{}` is none of {}", name.escape_debug(), Mechanisms::all()))
}

/// The users of the file at `path`, with these mechanisms; with all where there are none.
fn logins(path: &Path, mechanisms: &[Mechanism], required: bool) -> Result<Logins, Stop> {
    let fault = |what: &dyn std::fmt::Display| {
        Stop::new(Exit::Scenario, format!("{}: {what}", path.display()))
    };
    let text = std::fs::read_to_string(path).map_err(|error| fault(&error))?;
    let mut logins = Logins::new(parse_users(&text).map_err(|error| fault(&error))?);
    logins.required = required;
    if !mechanisms.is_empty() {
        logins.mechanisms = mechanisms.iter().copied().collect();
    }
    Ok(logins)
}

/// Serves until it is interrupted, then prints what it took.
pub(super) fn sink(args: SinkArgs) -> Result<Exit, Stop> {
    let DescriptorLimit { allowed } = raise_descriptor_limit();
    let base = match &args.behavior {
        Some(name) => named_behavior(name)?,
        None => Behavior::default(),
    };
    let tls = tls(&args, base.certificate)?;
    let logins = match &args.users {
        Some(path) => Some(Arc::new(logins(path, &args.auth, args.require_auth)?)),
        None => None,
    };
    let interrupts = Interrupts::watch()?;
    let (threads, mut options) = (args.threads, options(args, base, tls, logins));
    let seed = *options.behavior.seed.get_or_insert_with(|| fresh() >> 11);
    let mut sink = Sink::start(options)
        .map_err(|error| Stop::new(Exit::Unreachable, format!("cannot serve: {error}")))?;
    for address in sink.addresses() {
        print(&format!("listening on {address}"))?;
    }
    if let Some(address) = sink.http_address() {
        print(&format!("counts and messages at http://{address}"))?;
    }
    let backlog = backlog();
    say(&format!(
        "threads: {threads}, descriptors: {allowed}, listen queue: {backlog} (at most net.core.somaxconn)"
    ));
    say(&format!("seed {seed}; Ctrl-C ends it and prints what it took"));
    interrupts.wait();
    sink.stop();
    farewell(&sink)
}

/// What the sink is to be, by its flags over the behaviour `base`.
fn options(
    args: SinkArgs,
    base: Behavior,
    tls: Option<SinkTls>,
    logins: Option<Arc<Logins>>,
) -> SinkOptions {
    let limits = Limits {
        mail_max: args.max_messages,
        rcpt_max: args.max_recipients,
        rcpt_domain_max: args.max_domains,
    };
    let own = Behavior {
        seed: args.seed,
        delays: args.delay,
        replies: args.reply,
        freezes: args.freeze,
        rules: args.limit,
        no_words: args.no_words,
        size_limit: args.size_limit,
        limits,
        ..Behavior::default()
    };
    SinkOptions {
        listen: args.listen,
        behavior: own.over(base),
        protocol: if args.lmtp { Protocol::Lmtp } else { Protocol::Smtp },
        hostname: args.hostname,
        trust: Trust { proxy: args.proxy, xclient: args.xclient },
        threads: usize::from(args.threads),
        tls,
        logins,
        capture: Capture {
            maildir: args.maildir,
            mbox: args.mbox,
            jsonl: args.jsonl,
            http: args.http,
        },
    }
}

/// Prints what the sink did.
fn farewell(sink: &Sink) -> Result<Exit, Stop> {
    print(&sink.counts().to_string())?;
    for (index, count) in sink.rule_counts().iter().enumerate() {
        print(&format!("rule {}: used {count} times", index + 1))?;
    }
    if let Some(clients) = sink.clients() {
        print(&clients.to_string())?;
    }
    match sink.fault() {
        None => Ok(Exit::Good),
        Some(error) => {
            Err(Stop::new(Exit::Results, format!("not every message was written: {error}")))
        }
    }
}

/// A ready behaviour, or that of a file.
fn named_behavior(name: &str) -> Result<Behavior, Stop> {
    if let Some(ready) = behaviors::ready(name) {
        return Ok(ready);
    }
    if !name.ends_with(".toml") {
        let known: Vec<&str> = behaviors::READY.iter().map(|(name, _)| *name).collect();
        let name = name.escape_debug();
        return Err(Stop::new(
            Exit::Usage,
            format!(
                "no behaviour is named `{name}`\nwrite one of {}, or a file: mine.toml",
                known.join(", ")
            ),
        ));
    }
    behaviors::open(Path::new(name)).map_err(|report| {
        let terminal = std::io::IsTerminal::is_terminal(&std::io::stderr());
        Stop::rendered(Exit::Scenario, report.render(colour(terminal)).trim_end())
    })
}

/// A limit as LIMITS can announce it: six digits (RFC 9422 section 4).
fn limit(text: &str) -> Result<NonZeroU32, String> {
    const MOST: u32 = 999_999;
    let limit = text.parse().ok().filter(|limit: &NonZeroU32| limit.get() <= MOST);
    limit.ok_or_else(|| format!("write a whole number from 1 to {MOST}"))
}

/// TLS as the flags ask for it.
fn tls(args: &SinkArgs, wrong: Option<CertificateFault>) -> Result<Option<SinkTls>, Stop> {
    let Some(how) = &args.tls else { return Ok(None) };
    let stop = |message: String| Stop::new(Exit::Usage, message);
    let file = |path: &PathBuf| {
        let bytes = std::fs::read(path)
            .map_err(|error| stop(format!("{} cannot be read: {error}", path.display())))?;
        Ok(PemFile { path: path.clone(), bytes })
    };
    let identity = match (&args.certificate, &args.key) {
        (Some(certificate), Some(key)) => TlsIdentity::read(&file(certificate)?, &file(key)?),
        _ => TlsIdentity::make_with(&[&args.hostname, "localhost", "127.0.0.1", "::1"], wrong),
    };
    let identity = identity.map_err(stop)?;
    if let Some(path) = &args.write_certificate {
        std::fs::write(path, identity.pem()).map_err(|error| {
            Stop::new(Exit::Results, format!("{} cannot be written: {error}", path.display()))
        })?;
    }
    let server = match &args.client_ca {
        None => TlsServer::new(&identity),
        Some(path) => TlsServer::for_clients_of(&identity, &file(path)?),
    };
    let server = server.map_err(stop)?;
    Ok(Some(SinkTls { server, implicit: how == "implicit" }))
}
