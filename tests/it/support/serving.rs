//! `smtpbench sink` as a user runs it: started, used, and ended by Ctrl-C.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

/// A running `smtpbench sink`; killed when it is dropped before [`Serving::stop`].
pub(crate) struct Serving {
    child: Child,
    stdout: BufReader<ChildStdout>,
    stderr: ChildStderr,
    /// Where it listens.
    pub(crate) address: String,
    /// Where it tells of itself, if it does.
    pub(crate) http: Option<String>,
}

/// What it left behind.
#[derive(Debug)]
pub(crate) struct Served {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Serving {
    /// Starts it on a port of loopback.
    ///
    /// # Panics
    /// When it does not start.
    #[track_caller]
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_smtpbench"))
            .args(["sink", "--listen", "127.0.0.1:0"])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let stderr = child.stderr.take().unwrap();
        let mut line = |prefix: &str| {
            let mut line = String::new();
            stdout.read_line(&mut line).unwrap();
            let rest = line.trim_end().strip_prefix(prefix).map(str::to_owned);
            rest.unwrap_or_else(|| panic!("{prefix:?} does not begin {line:?}"))
        };
        let address = line("listening on ");
        let asked = arguments.contains(&"--http");
        let http = asked.then(|| line("counts and messages at http://"));
        Self { child, stdout, stderr, address, http }
    }

    /// Ends it by Ctrl-C and gives what it said since it listened.
    pub(crate) fn stop(mut self) -> Served {
        kill_process(Pid::from_child(&self.child), Signal::INT).unwrap();
        let (mut stdout, mut stderr) = (String::new(), String::new());
        self.stdout.read_to_string(&mut stdout).unwrap();
        self.stderr.read_to_string(&mut stderr).unwrap();
        let code = self.child.wait().unwrap().code();
        Served { code, stdout, stderr }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // Gone already after `stop`.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
