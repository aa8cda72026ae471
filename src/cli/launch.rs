//! Servers of the user's own, started for a run: prepared, started, and waited for until they greet.

use std::path::{Path, PathBuf};
use std::thread;

use super::exit::{Exit, Stop};
use super::interrupt::Interrupts;
use super::{preflight, say};
use crate::clock::{self, Duration};
use crate::plan::Plan;
use crate::scenario::targets::PORT_WORD;
use crate::scenario::{CommandLine, Launch};
use crate::server::{self, Server, ServerError};
use crate::smtp::text::printable;
use crate::units::format_duration;

/// How long a server has until it greets, where `--wait` does not say.
const READY_LIMIT: Duration = Duration::from_secs(30);
/// How often it is tried.
const TRY_EVERY: Duration = Duration::from_millis(50);

/// Starts what serves the target of `plan`, at `port` where that was chosen; what it says goes to the file `log`.
///
/// # Errors
/// [`Exit::Unreachable`] with its output, where it does not come so far as to greet; it has been ended then.
pub(super) fn launch(
    plan: &Plan,
    launch: &Launch,
    port: Option<u16>,
    log: &Path,
    patience: Option<Duration>,
    interrupts: &Interrupts,
) -> Result<Server, Stop> {
    let folder = plan.scenario.path.as_deref().and_then(Path::parent);
    let folder = folder.filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.map_or_else(|| PathBuf::from("."), Path::to_owned);
    let filled = |line: &CommandLine| -> Vec<String> {
        let port = port.map_or_else(String::new, |port| port.to_string());
        line.words.iter().map(|word| word.replace(PORT_WORD, &port)).collect()
    };
    // Errors show the command as it was written: its variables may be secrets.
    let shown = |error: ServerError, line: &CommandLine| ServerError {
        command: line.shown.clone(),
        ..error
    };
    if let Some(line) = &launch.prepare {
        let hint = "mend what `prepare` does: it has to succeed before the server is started";
        server::prepare(&filled(line), &folder, log)
            .map_err(|error| failed(&shown(error, line), hint))?;
    }
    let hint = "mend `start`: a program with its arguments, relative to the scenario's folder";
    let server = Server::start(&filled(&launch.start), &folder, log)
        .map_err(|error| failed(&shown(error, &launch.start), hint))?;
    ready(plan, launch, &server, patience.unwrap_or(READY_LIMIT), interrupts)?;
    Ok(server)
}

/// Waits until it greets as it should.
fn ready(
    plan: &Plan,
    launch: &Launch,
    server: &Server,
    patience: Duration,
    interrupts: &Interrupts,
) -> Result<(), Stop> {
    let began = clock::now();
    let mut other = None;
    loop {
        let left = patience.saturating_sub(clock::now().saturating_duration_since(began));
        let greeting = preflight::greeting(plan, left, interrupts)?;
        // Before the greeting is believed: another server may have had the port first.
        if let Some(how) = server.ended() {
            let message = format!("{how} before it was ready");
            return Err(failed(&error(launch, message, server), "look at what it says"));
        }
        match greeting {
            Some(greeting) if greeting.starts_with(&launch.ready) => return Ok(()),
            Some(greeting) => other = Some(greeting),
            None => {}
        }
        if left.is_zero() {
            let waited = format_duration(patience);
            let message = match other {
                None => format!("did not greet at {} within {waited}", plan.targets[0].url),
                Some(other) => {
                    let (other, ready) = (printable(other.as_bytes()), &launch.ready);
                    format!("greeted as `{other}` and not as `{ready}` within {waited}")
                }
            };
            let hint = "give it more time with --wait, or look at `ready`, `url` and what it says";
            return Err(failed(&error(launch, message, server), hint));
        }
        thread::sleep(TRY_EVERY.min(left));
    }
}

fn error(launch: &Launch, message: String, server: &Server) -> ServerError {
    ServerError { command: launch.start.shown.clone(), message, output: server.output() }
}

fn failed(error: &ServerError, hint: &str) -> Stop {
    let output: String =
        error.output.lines().map(|line| format!("  {}\n", printable(line.as_bytes()))).collect();
    Stop::rendered(Exit::Unreachable, format!("{output}error: {error}\n  hint: {hint}"))
}

/// What a target's server says goes to this file of the results.
pub(super) fn log_name(target: &str) -> String {
    format!("server-{target}.log")
}

/// A file for what a server says that no result folder keeps; taken away in the end.
pub(super) struct Scratch(PathBuf);

impl Scratch {
    pub(super) fn new() -> Self {
        let name = format!("smtpbench-{}-{:016x}.log", std::process::id(), super::flags::fresh());
        Self(std::env::temp_dir().join(name))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // There is none where nothing was started.
        if let Err(error) = std::fs::remove_file(&self.0)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            say(&format!("note: {} stays: {error}", self.0.display()));
        }
    }
}
