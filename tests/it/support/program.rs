//! The program, run as a user runs it: with a hard time limit, and shown whole when it does the wrong thing.

use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::io::Read;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use smtpbench::clock;

/// Nothing that a test asks for may take longer unless it says so.
const LIMIT: Duration = Duration::from_secs(60);
/// How often the program is looked at.
const POLL: Duration = Duration::from_millis(10);

/// A call of the program; nothing happens before [`Smtpbench::run`].
#[must_use = "nothing runs before `run`"]
pub(crate) struct Smtpbench {
    pub(super) arguments: Vec<OsString>,
    pub(super) variables: Vec<(&'static str, &'static str)>,
    pub(super) folder: Option<PathBuf>,
    pub(super) limit: Duration,
    /// What it is sent, and when, in order of time.
    pub(super) signals: Vec<(Duration, Signal)>,
    /// When its resident memory is looked at, in order of time.
    pub(super) probes: Vec<Duration>,
}

impl Smtpbench {
    /// A call with these arguments.
    pub(crate) fn new(arguments: &[&str]) -> Self {
        Self {
            arguments: arguments.iter().map(OsString::from).collect(),
            variables: Vec::new(),
            folder: None,
            limit: LIMIT,
            signals: Vec::new(),
            probes: Vec::new(),
        }
    }

    /// One more argument.
    pub(crate) fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.arguments.push(argument.as_ref().to_owned());
        self
    }

    /// Kills it and fails when it takes longer.
    pub(crate) fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Runs it and waits for its end.
    ///
    /// # Panics
    /// When it cannot be started or takes too long.
    #[track_caller]
    pub(crate) fn run(self) -> Finished {
        let mut command = Command::new(env!("CARGO_BIN_EXE_smtpbench"));
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("SMTPBENCH_") {
                command.env_remove(name);
            }
        }
        // The same tests hold for each of the engine's drivers.
        if let Some(driver) = std::env::var_os("DRIVER_UNDER_TEST") {
            command.env("SMTPBENCH_DRIVER", driver);
        }
        // What this machine's user keeps is nobody's business here.
        command.env("XDG_STATE_HOME", "/nonexistent");
        command.args(&self.arguments).envs(self.variables.iter().copied()).env("NO_COLOR", "1");
        if let Some(folder) = &self.folder {
            command.current_dir(folder);
        }
        let line = self.arguments.iter().fold("smtpbench".to_owned(), |mut line, argument| {
            let _ = write!(line, " {}", argument.to_string_lossy());
            line
        });

        let start = clock::now();
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = drain(child.stdout.take().unwrap());
        let stderr = drain(child.stderr.take().unwrap());
        let mut signals = self.signals.iter().peekable();
        let (mut probes, mut resident_kib) = (self.probes.iter().peekable(), Vec::new());
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break Some(status);
            }
            while let Some((_, what)) = signals.next_if(|(after, _)| start.elapsed() > *after) {
                send(&child, *what);
            }
            while probes.next_if(|after| start.elapsed() > **after).is_some() {
                resident_kib.extend(resident(&child));
            }
            if start.elapsed() > self.limit {
                child.kill().unwrap();
                child.wait().unwrap();
                break None;
            }
            thread::sleep(POLL);
        };
        let finished = Finished {
            line,
            code: status.and_then(|status| status.code()),
            stdout: stdout.join().unwrap(),
            stderr: stderr.join().unwrap(),
            elapsed: start.elapsed(),
            resident_kib,
        };
        assert!(status.is_some(), "still running after {:?}\n{finished}", self.limit);
        finished
    }
}

/// How a call ended.
#[derive(Debug)]
pub(crate) struct Finished {
    line: String,
    /// `None` where a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) elapsed: Duration,
    /// Its resident memory, each time that it was looked at while it ran.
    pub(crate) resident_kib: Vec<u64>,
}

impl Finished {
    /// Holds it to one of these exit codes.
    #[track_caller]
    pub(crate) fn code(self, wanted: &[i32]) -> Self {
        let fits = self.code.is_some_and(|code| wanted.contains(&code));
        assert!(fits, "exit code {:?} instead of {wanted:?}\n{self}", self.code);
        assert!(!self.stderr.contains("panicked at"), "it panicked\n{self}");
        self
    }
}

impl std::fmt::Display for Finished {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { line, code, stdout, stderr, elapsed, resident_kib } = self;
        write!(f, "$ {line}\n(exit code {code:?} after {elapsed:.1?})\n")?;
        if !resident_kib.is_empty() {
            writeln!(f, "(resident, in KiB: {resident_kib:?})")?;
        }
        write!(f, "--- stdout\n{stdout}\n--- stderr\n{stderr}\n---")
    }
}

/// Reads to the end in a thread, so that a full pipe never holds the program up.
fn drain(mut pipe: impl Read + Send + 'static) -> JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        pipe.read_to_end(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

fn send(child: &Child, signal: Signal) {
    let pid = Pid::from_child(child);
    kill_process(pid, signal).unwrap();
}

/// Its resident memory in KiB, as the system says.
fn resident(child: &Child) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse().ok()
}
