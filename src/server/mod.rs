//! A server of the user's own, started for one run and ended with it: a process group that nothing outlives. What it
//! says goes to a file; what it costs is read from the system.

pub mod usage;

use std::fmt;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

use crate::clock::{self, Duration};
use usage::{Stat, Usage};

/// How long processes have to end once they are asked to; then they are killed.
pub const STOP_LIMIT: Duration = Duration::from_secs(10);
/// How often it is looked whether they have.
const POLL: Duration = Duration::from_millis(20);
/// So much of the end of its output is shown where it fails.
const TAIL_BYTES: u64 = 4096;

/// A process group that serves.
#[derive(Debug)]
pub struct Server {
    /// Never waited for before its end is wanted: so long its number is no other process's.
    child: Child,
    group: Pid,
    log: PathBuf,
    at_start: Usage,
    rss_peak: u64,
}

/// Why a command came to nothing.
#[derive(Debug)]
pub struct ServerError {
    /// The command as it may be shown.
    pub command: String,
    /// A lower-case fragment.
    pub message: String,
    /// The end of what it said.
    pub output: String,
}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` {}", self.command, self.message)
    }
}

impl std::error::Error for ServerError {}

/// Runs a command to its end; what it says goes to the file `log`.
///
/// # Errors
/// When it cannot be started or does not succeed.
pub fn prepare(words: &[String], folder: &Path, log: &Path) -> Result<(), ServerError> {
    let fault = |message: String| fault(words, message, log);
    let status = command(words, folder, log)
        .and_then(|mut command| command.status())
        .map_err(|error| fault(format!("cannot be run: {error}")))?;
    if status.success() { Ok(()) } else { Err(fault(format!("failed: {status}"))) }
}

impl Server {
    /// Starts a command in `folder`; what it says goes to the end of the file `log`.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(words: &[String], folder: &Path, log: &Path) -> Result<Self, ServerError> {
        let child = command(words, folder, log)
            .and_then(|mut command| command.spawn())
            .map_err(|error| fault(words, format!("cannot be started: {error}"), log))?;
        let group = Pid::from_child(&child);
        let log = log.to_owned();
        Ok(Self { child, group, log, at_start: Usage::default(), rss_peak: 0 })
    }

    /// How it ended, if it has.
    #[must_use]
    pub fn ended(&self) -> Option<String> {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        let status = waitid(WaitId::Pid(self.group), options).ok()??;
        Some(match (status.exit_status(), status.terminating_signal()) {
            (Some(code), _) => format!("ended with code {code}"),
            (None, Some(signal)) => format!("was ended by signal {signal}"),
            (None, None) => "ended".to_owned(),
        })
    }

    /// The end of what it said.
    #[must_use]
    pub fn output(&self) -> String {
        tail(&self.log)
    }

    /// From here on it is measured.
    pub fn measure(&mut self) {
        self.at_start = self.usage();
        self.rss_peak = self.at_start.rss_bytes;
    }

    /// Looks at its memory.
    pub fn look(&mut self) {
        self.rss_peak = self.rss_peak.max(self.usage().rss_bytes);
    }

    /// What it has cost since [`Server::measure`], with the highest memory that was seen.
    #[must_use]
    pub fn cost(&self) -> Cost {
        let now = self.usage();
        Cost {
            cpu_user: now.user.saturating_sub(self.at_start.user),
            cpu_system: now.system.saturating_sub(self.at_start.system),
            rss_bytes_peak: self.rss_peak.max(now.rss_bytes),
            rss_bytes_end: now.rss_bytes,
        }
    }

    fn usage(&self) -> Usage {
        Usage::of_tree(&Stat::all(), self.group.as_raw_nonzero().get())
    }

    /// Whether any process of the group still runs; one that has ended and is not waited for does not.
    fn runs(&self) -> bool {
        let group = self.group.as_raw_nonzero().get();
        Stat::all().iter().any(|stat| stat.group == group && !stat.has_ended())
    }
}

impl Drop for Server {
    /// Asks the whole group to end, kills what has not within [`STOP_LIMIT`], and waits for it.
    fn drop(&mut self) {
        let asked = clock::now();
        // A group that is gone already cannot be told, which is all right.
        let _ = kill_process_group(self.group, Signal::TERM);
        while self.runs() && clock::now().saturating_duration_since(asked) < STOP_LIMIT {
            thread::sleep(POLL);
        }
        let _ = kill_process_group(self.group, Signal::KILL);
        let _ = self.child.wait();
    }
}

/// What a server took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Processor time in the program.
    pub cpu_user: Duration,
    /// Processor time in the system on its behalf.
    pub cpu_system: Duration,
    /// The most memory that all its processes were seen to have together.
    pub rss_bytes_peak: u64,
    /// The same at the end of the load.
    pub rss_bytes_end: u64,
}

/// A command in a process group of its own: a Ctrl-C at the terminal is not for it.
fn command(words: &[String], folder: &Path, log: &Path) -> io::Result<Command> {
    let (program, arguments) = words.split_first().ok_or(io::ErrorKind::InvalidInput)?;
    // Relative to `folder`, wherever this process is.
    let program = match program.contains('/') {
        true => folder.canonicalize()?.join(program),
        false => PathBuf::from(program),
    };
    let out = File::options().create(true).append(true).open(log)?;
    let mut command = Command::new(program);
    command.args(arguments).current_dir(folder).process_group(0).stdin(Stdio::null());
    command.stdout(out.try_clone()?).stderr(out);
    Ok(command)
}

fn fault(words: &[String], message: String, log: &Path) -> ServerError {
    ServerError { command: words.join(" "), message, output: tail(log) }
}

/// The end of a file, as well as it goes.
fn tail(path: &Path) -> String {
    let read = || -> io::Result<Vec<u8>> {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
        let mut bytes = Vec::new();
        file.take(TAIL_BYTES).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    String::from_utf8_lossy(&read().unwrap_or_default()).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        ["/bin/sh", "-c", text].map(str::to_owned).to_vec()
    }

    /// Waits until `holds`, for ten seconds.
    fn until(holds: impl Fn() -> bool) -> bool {
        (0..500).any(|_| {
            thread::sleep(POLL);
            holds()
        })
    }

    #[test]
    fn a_server_is_measured_and_nothing_of_it_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let busy = "echo up; while :; do :; done & wait";
        let mut server = Server::start(&words(busy), folder.path(), &log).unwrap();
        server.measure();
        assert!(until(|| server.cost().cpu_user > Duration::from_millis(20)));
        server.look();
        let cost = server.cost();
        assert!(cost.rss_bytes_peak >= cost.rss_bytes_end && cost.rss_bytes_end > 0, "{cost:?}");
        assert_eq!((server.ended(), server.output().as_str()), (None, "up"));
        let group = server.group.as_raw_nonzero().get();
        drop(server);
        // Whoever inherited its child may take its time to note the end.
        let gone = |stat: &Stat| stat.group != group || stat.has_ended();
        assert!(Stat::all().iter().all(gone), "its child is gone, too");
    }

    #[test]
    fn a_server_that_ended_says_how() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let server = Server::start(&words("echo no >&2; exit 3"), folder.path(), &log).unwrap();
        assert!(until(|| server.ended().is_some()));
        assert_eq!(server.ended().as_deref(), Some("ended with code 3"));
        assert_eq!(server.output(), "no");
    }

    #[test]
    fn what_cannot_be_started_and_what_fails_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let start = |words: &[&str]| {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            Server::start(&words, folder.path(), &log).unwrap_err().to_string()
        };
        assert!(start(&["./none", "-x"]).starts_with("`./none -x` cannot be started: "));
        assert!(start(&[]).contains("cannot be started"));
        let failed = prepare(&words("echo why; exit 7"), folder.path(), &log).unwrap_err();
        assert!(failed.to_string().ends_with("failed: exit status: 7"), "{failed}");
        assert_eq!(failed.output, "why");
        prepare(&words("true"), folder.path(), &log).unwrap();
    }

    #[test]
    fn a_program_is_found_beside_the_scenario() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("mine");
        std::fs::write(&program, "#!/bin/sh\npwd\n").unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o700)).unwrap();
        let log = folder.path().join("log");
        prepare(&["./mine".to_owned()], folder.path(), &log).unwrap();
        let here = folder.path().canonicalize().unwrap();
        assert_eq!(Path::new(&tail(&log)), here);
    }
}
