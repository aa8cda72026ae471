//! `smtpbench sink`: the built-in server.

use std::str::FromStr as _;

use clap::Args;

use super::exit::{Exit, Stop};
use super::interrupt::Interrupts;
use super::{print, say};
use crate::behavior::{Behavior, Rule};
use crate::sink::{ListenAddress, Sink, SinkOptions};
use crate::smtp::Protocol;
use crate::units;

#[derive(Debug, Args)]
pub(super) struct SinkArgs {
    /// Where to listen: 127.0.0.1:2525, [::1]:2525 or unix:/path; may be given several times
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:2525", value_parser = ListenAddress::from_str)]
    listen: Vec<ListenAddress>,
    /// Waits before its reply to a verb: rcpt=50ms
    #[arg(long, value_name = "VERB=DURATION", value_parser = Behavior::parse_delay)]
    delay: Vec<Rule>,
    /// Answers a verb with this: rcpt='450 4.2.0 later'
    #[arg(long, value_name = "VERB=REPLY", value_parser = Behavior::parse_reply)]
    reply: Vec<Rule>,
    /// Largest message, as announced by SIZE
    #[arg(long, value_name = "SIZE", value_parser = units::parse_size)]
    size_limit: Option<u64>,
    /// Speaks LMTP instead of SMTP
    #[arg(long)]
    lmtp: bool,
    /// Its name in the greeting
    #[arg(long, value_name = "NAME", default_value = "sink.test")]
    hostname: String,
    /// Threads
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256))]
    threads: u16,
}

/// Serves until it is interrupted, then prints what it took.
pub(super) fn sink(args: SinkArgs) -> Result<Exit, Stop> {
    let _ = crate::net::limits::raise_descriptor_limit();
    let mut rules = args.delay;
    rules.extend(args.reply);
    let interrupts = Interrupts::watch()?;
    let options = SinkOptions {
        listen: args.listen,
        behavior: Behavior { rules, size_limit: args.size_limit },
        protocol: if args.lmtp { Protocol::Lmtp } else { Protocol::Smtp },
        hostname: args.hostname,
        threads: usize::from(args.threads),
    };
    let mut sink = Sink::start(options)
        .map_err(|error| Stop::new(Exit::Unreachable, format!("cannot listen: {error}")))?;
    for address in sink.addresses() {
        print(&format!("listening on {address}"))?;
    }
    say("Ctrl-C ends it and prints what it took");
    interrupts.wait();
    sink.stop();
    let counts = sink.counts();
    print(&counts.to_string())?;
    Ok(Exit::Good)
}
