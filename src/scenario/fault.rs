//! Faults of a scenario: what, where, and what to write instead. Collected, never stopped at.

use std::ops::Range;
use std::path::PathBuf;

/// How many faults are kept; a file with more is not worth reading further.
pub const FAULTS_MAX: usize = 100;

/// One fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Where.
    pub place: Place,
    /// What: a lower-case fragment.
    pub message: String,
    /// What to write instead, where that is known.
    pub hint: Option<String>,
}

/// Where a fault lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// Bytes of the scenario text.
    Scenario(Range<usize>),
    /// A line (from 1) of another file.
    File {
        /// As it was opened.
        path: PathBuf,
        /// From 1; 0 for the file as a whole.
        line: u64,
    },
    /// A flag of the command line, with its dashes.
    Flag(&'static str),
}

/// The faults found so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults(Vec<Fault>);

impl Faults {
    /// Adds a fault in the scenario text.
    pub fn add(&mut self, span: Range<usize>, message: impl Into<String>, hint: impl Into<String>) {
        let hint = hint.into();
        self.push(Fault {
            place: Place::Scenario(span),
            message: message.into(),
            hint: (!hint.is_empty()).then_some(hint),
        });
    }

    /// Adds a fault.
    pub fn push(&mut self, fault: Fault) {
        if self.0.len() < FAULTS_MAX && !self.0.contains(&fault) {
            self.0.push(fault);
        }
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All of them, in the order in which they were found.
    pub fn iter(&self) -> impl Iterator<Item = &Fault> {
        self.0.iter()
    }
}
