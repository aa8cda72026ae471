//! A result folder, and what must hold for every one.

use std::fs;
use std::path::{Path, PathBuf};

use smtpbench::report::csv;
use smtpbench::report::saved::Saved;
use tempfile::TempDir;

use super::table::Table;

/// What can become of an attempted message.
const FATES: [&str; 8] = [
    "accepted",
    "rejected",
    "deferred",
    "failed",
    "in_doubt",
    "abandoned",
    "unfinished",
    "generator_failed",
];

/// A result folder.
#[derive(Debug)]
pub(crate) struct Results {
    folder: PathBuf,
    /// Holds the folder as long as this is looked at.
    _temporary: Option<TempDir>,
}

impl Results {
    /// The files in `folder`.
    pub(crate) fn read(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), _temporary: None }
    }

    /// The files in the folder `name` of a temporary one.
    pub(crate) fn keep(temporary: TempDir, name: &str) -> Self {
        Self { folder: temporary.path().join(name), _temporary: Some(temporary) }
    }

    /// Where it is.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// One of its files.
    #[track_caller]
    pub(crate) fn table(&self, name: &str) -> Table {
        Table::read(&self.folder, name)
    }

    /// How many messages ended so.
    #[track_caller]
    pub(crate) fn messages(&self, outcome: &str) -> u64 {
        let wanted = [("unit", "message"), ("outcome", outcome)];
        self.table("outcomes.csv").sum("count", &wanted)
    }

    /// How many failures of this kind a step had.
    #[track_caller]
    pub(crate) fn failures(&self, step: &str, failure: &str) -> u64 {
        self.table("failures.csv").sum("count", &[("step", step), ("failure", failure)])
    }

    /// How many replies of this code a step had.
    #[track_caller]
    pub(crate) fn replies(&self, step: &str, code: &str) -> u64 {
        self.table("replies.csv").sum("count", &[("step", step), ("reply_code", code)])
    }

    /// How many samples the accepted histogram of a step has.
    #[track_caller]
    pub(crate) fn accepted_samples(&self, step: &str) -> u64 {
        let wanted = [("step", step), ("clock", "service"), ("outcome", "accepted")];
        let table = self.table("latency.csv");
        // Rows over `all` are the largest.
        table.cells("count", &wanted).iter().map(|count| count.parse().unwrap()).max().unwrap_or(0)
    }

    /// Holds the folder to what is true of every run: messages add up, and no file holds a control character.
    #[track_caller]
    pub(crate) fn add_up(self) -> Self {
        let intervals = self.table("intervals.csv");
        for (column, outcome) in [
            ("accepted", "accepted"),
            ("deferred", "deferred"),
            ("rejected", "rejected"),
            ("failed", "failed"),
            ("in_doubt", "in_doubt"),
            ("unfinished", "unfinished"),
            ("abandoned", "abandoned"),
            ("generator_failed", "generator_failed"),
        ] {
            let sum = intervals.sum(column, &[]);
            let total = self.messages(outcome);
            assert_eq!(sum, total, "{column} over the intervals against {outcome}\n{intervals}");
        }
        let addresses = self.table("addresses.csv");
        for fate in ["accepted", "deferred", "rejected", "failed", "in_doubt", "unfinished"] {
            let (sum, total) = (addresses.sum(fate, &[]), self.messages(fate));
            assert_eq!(sum, total, "{fate} over the addresses\n{addresses}");
        }
        let started = intervals.sum("started", &[]);
        let ended: u64 = FATES.iter().map(|fate| self.messages(fate)).sum();
        assert_eq!(started, ended, "started against ended messages\n{intervals}");
        for name in ["replies.csv", "failures.csv", "outcomes.csv", "latency.csv"] {
            let text = self.table(name).to_string();
            let control = |c: char| c.is_control() && c != '\n' && c != '\r';
            assert!(!text.contains(control), "a control character in {name}: {text:?}");
        }
        self.renders_again();
        self
    }

    /// Every table is made again, byte by byte, of `run.json` and `histograms.hlog` alone.
    #[track_caller]
    fn renders_again(&self) {
        let saved = Saved::read(&self.folder).unwrap();
        for (name, bytes) in csv::files(&saved.record) {
            let written = fs::read(self.folder.join(name)).unwrap();
            assert_eq!(
                String::from_utf8_lossy(&bytes),
                String::from_utf8_lossy(&written),
                "{name}"
            );
        }
    }
}
