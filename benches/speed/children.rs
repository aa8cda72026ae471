//! Processes that are measured: the program, the yardstick, Postfix's smtp-source, and the servers that they talk to.
//!
//! The processor time of a process is what the system charges for it when it is waited for: user and system, start-up included.

use std::error::Error;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;
use rustix::process::{Pid, Signal, kill_process};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use smtpbench::clock::{self, Duration};

/// Whatever may go wrong in a bench: it is told and ends it.
pub(crate) type Outcome<T> = Result<T, Box<dyn Error>>;

/// The word that starts this program as one of the processes that it measures.
pub(crate) const AS: &str = "--as";

/// What a process cost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cost {
    pub(crate) cpu: Duration,
    pub(crate) wall: Duration,
}

/// The program, as it is run by its users.
pub(crate) fn smtpbench(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_smtpbench"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("SMTPBENCH_") {
            command.env_remove(name);
        }
    }
    command.args(arguments);
    command
}

/// This program as the process `role`.
pub(crate) fn myself(role: &str, arguments: &[String]) -> Outcome<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args([AS, role]).args(arguments);
    Ok(command)
}

/// Where `name` is on the PATH.
pub(crate) fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
}

/// Processors that this process may run on.
pub(crate) fn cores() -> Outcome<Vec<usize>> {
    let allowed = sched_getaffinity(None)?;
    Ok((0..CpuSet::MAX_CPU).filter(|core| allowed.is_set(*core)).collect())
}

/// Starts `command` on one core: a process inherits the cores of the thread that starts it.
fn start_on(core: Option<usize>, command: &mut Command) -> Outcome<Child> {
    let Some(core) = core else { return Ok(command.spawn()?) };
    let before = sched_getaffinity(None)?;
    let mut only = CpuSet::new();
    only.set(core);
    sched_setaffinity(None, &only)?;
    let child = command.spawn();
    sched_setaffinity(None, &before)?;
    Ok(child?)
}

/// Runs `command` to its end on `core`, or on all.
///
/// # Errors
/// When it cannot be started or does not succeed.
pub(crate) fn run(core: Option<usize>, command: &mut Command) -> Outcome<(Cost, Output)> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    run_as_it_is(core, command)
}

/// The same, with the streams that it has.
pub(crate) fn run_as_it_is(core: Option<usize>, command: &mut Command) -> Outcome<(Cost, Output)> {
    let (before, start) = (charged()?, clock::now());
    let output = start_on(core, command)?.wait_with_output()?;
    let cost = Cost { cpu: charged()? - before, wall: start.elapsed() };
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{command:?} ended with {}:\n{said}", output.status).into());
    }
    Ok((cost, output))
}

/// Processor time of all children that were waited for.
fn charged() -> Outcome<Duration> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let time = |time: TimeVal| -> Outcome<Duration> {
        let micros = u32::try_from(time.tv_usec())?;
        Ok(Duration::new(u64::try_from(time.tv_sec())?, micros * 1000))
    };
    Ok(time(usage.user_time())? + time(usage.system_time())?)
}

/// A process that serves until it is told to end.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
    /// Where it tells of itself over HTTP.
    pub(crate) http: Option<SocketAddr>,
}

impl Server {
    /// Starts `command`, which says on its first line where it listens.
    ///
    /// # Errors
    /// When it does not.
    pub(crate) fn start(core: Option<usize>, mut command: Command) -> Outcome<Self> {
        let asked = command.get_args().any(|argument| argument == "--http");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = start_on(core, &mut command)?;
        let mut lines = BufReader::new(child.stdout.take().ok_or("no standard output")?).lines();
        let mut line = |prefix: &str| -> Outcome<SocketAddr> {
            let line = lines.next().ok_or("the server ended at once")??;
            let rest =
                line.strip_prefix(prefix).ok_or_else(|| format!("the server says {line}"))?;
            Ok(rest.parse()?)
        };
        let address = line("listening on ")?;
        let http = if asked { Some(line("counts and messages at http://")?) } else { None };
        Ok(Self { child, address, http })
    }

    /// The server that costs least.
    pub(crate) fn null_sink(core: Option<usize>) -> Outcome<Self> {
        Self::start(core, myself("null-sink", &[])?)
    }

    /// The built-in sink.
    pub(crate) fn own_sink(core: Option<usize>, arguments: &[&str]) -> Outcome<Self> {
        let command = [&["sink", "--listen", "127.0.0.1:0"], arguments].concat();
        Self::start(core, smtpbench(&command))
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Ends it and says what it has cost.
    pub(crate) fn end(mut self) -> Outcome<Duration> {
        let before = charged()?;
        self.child.kill()?;
        self.child.wait()?;
        Ok(charged()? - before)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Gone already after `end`.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A program under way, with its result folder.
#[derive(Debug)]
pub(crate) struct UnderWay {
    child: Child,
}

impl UnderWay {
    /// Starts it; what it says is thrown away.
    pub(crate) fn start(core: Option<usize>, mut command: Command) -> Outcome<Self> {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Ok(Self { child: start_on(core, &mut command)? })
    }

    /// Memory of its own in bytes: what is shared with others counts by its share.
    pub(crate) fn memory(&self) -> Outcome<u64> {
        memory(self.child.id())
    }

    pub(crate) fn has_ended(&mut self) -> Outcome<bool> {
        Ok(self.child.try_wait()?.is_some())
    }

    /// Interrupts it, as Ctrl-C does, and waits for its end.
    pub(crate) fn interrupt(mut self) -> Outcome<()> {
        kill_process(Pid::from_child(&self.child), Signal::INT)?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Proportional set size of a process, in bytes.
pub(crate) fn memory(process: u32) -> Outcome<u64> {
    let path = format!("/proc/{process}/smaps_rollup");
    let text = std::fs::read_to_string(&path)?;
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:")).ok_or("no line Pss")?;
    let kib: u64 = line.split_whitespace().next().ok_or("an empty line Pss")?.parse()?;
    Ok(kib * 1024)
}

/// A cell of a CSV file: of the first row in which every named column has the value given.
///
/// # Errors
/// When there is none.
pub(crate) fn cell(file: &Path, keys: &[(&str, &str)], column: &str) -> Outcome<f64> {
    let mut reader = csv::Reader::from_path(file)?;
    let header = reader.headers()?.clone();
    let place = |name: &str| {
        header.iter().position(|column| column == name).ok_or(format!("no column {name}"))
    };
    let wanted = place(column)?;
    for row in reader.records() {
        let row = row?;
        let mut fits = true;
        for (name, value) in keys {
            fits &= row.get(place(name)?) == Some(value);
        }
        if fits {
            return Ok(row.get(wanted).unwrap_or_default().parse()?);
        }
    }
    Err(format!("{} has no row with {keys:?}", file.display()).into())
}
