//! Checks that every message and recipient is counted once, and that the intervals add up to the total.

use crate::measure::outcome::Fate;
use crate::measure::tally::{FateCounts, MessageTally};

/// How many faults are told; a counting error tends to show everywhere.
const FAULTS_MAX: usize = 20;

/// Where messages or recipients went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Balance {
    /// What was to be sent: attempted and not started.
    pub offered: u64,
    /// What the run ended without trying.
    pub not_started: u64,
    /// MAIL was written.
    pub attempted: u64,
    /// What became of the attempted.
    pub fates: FateCounts,
}

/// Whether the books close, and where not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Accounting {
    /// Every sum holds.
    pub closes: bool,
    /// What does not, as sentences.
    pub faults: Vec<String>,
    /// Messages of the judged stage.
    pub messages: Balance,
    /// Recipients of the judged stage.
    pub recipients: Balance,
}

/// The books: what was counted where.
pub(super) struct Books<'a> {
    /// Messages by name of stage and script.
    pub(super) tallies: Vec<(&'a str, &'a str, &'a MessageTally)>,
    /// Started and ended messages of each stage over all intervals, with its name.
    pub(super) intervals: Vec<(&'a str, u64, FateCounts)>,
    /// Messages of the judged stages.
    pub(super) messages: Balance,
    /// Stages whose plan says how many messages they had: that number, and what was attempted or not started.
    pub(super) plans: Vec<(&'a str, u64, u64)>,
    /// Arrivals of each stage of an open load that were due, and what became of them.
    pub(super) arrivals: Vec<(&'a str, u64, u64)>,
    /// Recipients of the judged stages.
    pub(super) recipients: Balance,
    /// Nothing is under way any more, so that every message has a fate.
    pub(super) ended: bool,
}

/// Checks every sum of DESIGN section 5, rule 8.
pub(super) fn check(books: &Books<'_>) -> Accounting {
    let mut faults = Vec::new();
    let mut check = |what: String, left: u64, right: u64| {
        if left != right && faults.len() < FAULTS_MAX {
            faults.push(format!("{what}: {left} is not {right}"));
        }
    };
    for (stage, script, tally) in &books.tallies {
        if books.ended {
            let of = format!("of stage {stage}, script {script}");
            check(
                format!("messages {of}, attempted and their fates"),
                tally.attempted,
                tally.fates.sum(),
            );
            check(
                format!("recipients {of}, attempted and their fates"),
                tally.recipients_attempted,
                tally.recipient_fates.sum(),
            );
        }
    }
    for (stage, started, fates) in &books.intervals {
        let mut total = MessageTally::default();
        for (_, _, tally) in books.tallies.iter().filter(|(name, ..)| name == stage) {
            total.add(tally);
        }
        check(
            format!("messages started in stage {stage}, total and intervals"),
            total.attempted,
            *started,
        );
        for fate in Fate::ALL {
            check(
                format!("messages {} in stage {stage}, total and intervals", fate.name()),
                total.fates.of(fate),
                fates.of(fate),
            );
        }
    }
    for (unit, balance) in [("messages", &books.messages), ("recipients", &books.recipients)] {
        check(
            format!("{unit} offered, and those attempted or not started"),
            balance.offered,
            balance.attempted + balance.not_started,
        );
    }
    for (stage, planned, counted) in books.plans.iter().filter(|_| books.ended) {
        check(format!("messages planned for stage {stage}, and offered"), *planned, *counted);
    }
    for (stage, due, told) in books.arrivals.iter().filter(|_| books.ended) {
        check(format!("arrivals due in stage {stage}, and started or not"), *due, *told);
    }
    Accounting {
        closes: faults.is_empty(),
        faults,
        messages: books.messages,
        recipients: books.recipients,
    }
}
