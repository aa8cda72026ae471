//! `smtpbench once`: one session, with its transcript.

use std::path::PathBuf;
use std::sync::mpsc::sync_channel;
use std::thread;

use clap::Args;

use super::exit::{Exit, Stop};
use super::flags::LoadFlags;
use super::interrupt::Interrupts;
use super::launch::{Scratch, launch};
use super::target::{Aim, aim};
use super::{preflight, print, say};
use crate::engine::single::{self, Single};
use crate::plan::Plan;
use crate::scenario::target::TargetUrl;

#[derive(Debug, Args)]
pub(super) struct OnceArgs {
    /// The scenario file; without one, the quick form
    #[arg(value_name = "SCENARIO")]
    scenario: Option<PathBuf>,
    #[command(flatten)]
    load: LoadFlags,
    /// Messages of the session at most
    #[arg(long = "transactions", value_name = "N", default_value_t = 1)]
    transactions: u64,
    /// The script to run, where the scenario has several [default: the first]
    #[arg(long, value_name = "NAME")]
    script: Option<String>,
}

/// Lines of a transcript that may wait to be printed.
const LINES_WAITING: usize = 256;

/// Runs one session of the first script, or of the one that is named, and prints what was said.
pub(super) fn once(args: &OnceArgs) -> Result<Exit, Stop> {
    let mut scenario = args.load.scenario(args.scenario.as_deref())?;
    if let Some(name) = &args.script {
        let known: Vec<&str> = scenario.scripts.iter().map(|script| &*script.name).collect();
        let Some(index) = known.iter().position(|known| known == name) else {
            let message = format!(
                "the scenario has no script `{}`\nits scripts: {}",
                name.escape_debug(),
                known.join(", ")
            );
            return Err(Stop::new(Exit::Usage, message));
        };
        scenario.scripts.swap(0, index);
    }
    if scenario.target().is_some_and(|target| target.url == TargetUrl::Embedded) {
        say("target embedded: this talks to smtpbench's own sink, not to a server");
    }
    let identity = args.load.identity(&scenario);
    let Aim { target, sink: _sink, launch: start } = aim(&scenario, &args.load, identity.seed)?;
    let plan = Plan::new(scenario, target, identity, 1);
    let interrupts = Interrupts::watch()?;
    let log = Scratch::new();
    let _server = match &start {
        None => None,
        Some((command, port)) => {
            Some(launch(&plan, command, *port, log.path(), args.load.wait, &interrupts)?)
        }
    };
    preflight::wait(&plan, args.load.wait, &interrupts)?;
    // Line by line, as it is said: a server that says nothing is seen to.
    let (listener, lines) = sync_channel::<String>(LINES_WAITING);
    let printer = thread::spawn(move || lines.iter().try_for_each(|line| print(&line)));
    let single = single::run(&plan, args.transactions, Some(listener), interrupts.first())
        .map_err(|error| Stop::new(Exit::Bug, format!("no event loop: {error}")))?;
    let succeeded = single.as_ref().map(Single::succeeded);
    // With it goes the listener, and the printer comes to its end.
    drop(single);
    printer.join().unwrap_or_else(|_| Err(Stop::new(Exit::Bug, "the printer was lost")))?;
    Ok(match succeeded {
        None => interrupts.heard().unwrap_or(Exit::Interrupted),
        Some(true) => Exit::Good,
        Some(false) => Exit::Unreachable,
    })
}
