//! Faults of a scenario: what, where, and what to write instead. Collected, never stopped at.

use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::smtp::text::is_hidden;

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

impl Fault {
    /// The fault in one line without its hint. Places in the scenario are line and column of `text`, from 1.
    #[must_use]
    pub fn line(&self, text: &str) -> String {
        let message = clean(&self.message);
        match &self.place {
            Place::Scenario(span) => {
                let (line, column) = line_and_column(text, span.start);
                format!("{line}:{column}: {message}")
            }
            Place::File { path, line: 0 } => format!("{}: {message}", clean_path(path)),
            Place::File { path, line } => format!("{}:{line}: {message}", clean_path(path)),
            Place::Flag(flag) => format!("{flag}: {message}"),
        }
    }
}

/// Line and column of byte `offset`, from 1; the column counts characters.
pub(super) fn line_and_column(text: &str, offset: usize) -> (usize, usize) {
    let before = &text[..text.floor_char_boundary(offset)];
    let line = before.rsplit('\n').next().unwrap_or_default();
    (before.matches('\n').count() + 1, line.chars().count() + 1)
}

/// `text` without what would change more than one place on a terminal: control characters, and those that turn
/// the direction of what follows.
pub(super) fn clean(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    for c in text.chars() {
        if is_hidden(c) {
            clean.extend(c.escape_default());
        } else {
            clean.push(c);
        }
    }
    clean
}

/// A path as it may be shown.
pub(super) fn clean_path(path: &Path) -> String {
    clean(&path.to_string_lossy())
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

impl IntoIterator for Faults {
    type Item = Fault;
    type IntoIter = std::vec::IntoIter<Fault>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}
