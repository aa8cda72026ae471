//! More ways to call the program, for the tests of its command line.

use std::path::Path;
use std::time::Duration;

use rustix::process::Signal;

use super::program::{Finished, Smtpbench};

impl Smtpbench {
    /// With a variable of the environment; those of the caller that name the program are not handed on.
    pub(crate) fn variable(mut self, name: &'static str, value: &'static str) -> Self {
        self.variables.push((name, value));
        self
    }

    /// More arguments.
    pub(crate) fn args(mut self, arguments: &[&str]) -> Self {
        self.arguments.extend(arguments.iter().map(Into::into));
        self
    }

    /// In this folder.
    pub(crate) fn within(mut self, folder: &Path) -> Self {
        self.folder = Some(folder.to_owned());
        self
    }

    /// Looks at its resident memory after each of these times.
    pub(crate) fn resident_at(mut self, times: &[Duration]) -> Self {
        self.probes.extend(times);
        self
    }

    /// Sends a signal after so long; several are given in order of time.
    pub(crate) fn signal(mut self, after: Duration, signal: Signal) -> Self {
        self.signals.push((after, signal));
        self
    }
}

impl Finished {
    /// Holds its standard output to this text.
    #[track_caller]
    pub(crate) fn stdout_has(self, text: &str) -> Self {
        assert!(self.stdout.contains(text), "{text:?} is not in stdout\n{self}");
        self
    }

    /// Holds its standard error to this text.
    #[track_caller]
    pub(crate) fn stderr_has(self, text: &str) -> Self {
        assert!(self.stderr.contains(text), "{text:?} is not in stderr\n{self}");
        self
    }
}
