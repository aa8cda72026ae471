//! The time series: what happened in each slice of a run, by stage. Bounded however long the run.

use std::collections::BTreeMap;

use crate::measure::histogram::Sparse;
use crate::measure::tally::FateCounts;

/// How many slices a run has at most. Beyond it neighbours are added up in pairs and a slice is twice as long, so
/// a run whose end nobody knows has between half as many and as many.
pub(super) const ROWS_MAX: u64 = 1200;

/// What happened in one slice and stage.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct IntervalCounts {
    /// Messages that the schedule brought in it.
    pub(super) offered: u64,
    /// Messages whose MAIL was written in it.
    pub(super) started: u64,
    /// Messages that met their fate in it.
    pub(super) fates: FateCounts,
    /// Replies 2yz, 4yz, 5yz.
    pub(super) replies: [u64; 3],
    pub(super) opened: u64,
    pub(super) closed: u64,
    pub(super) bytes_sent: u64,
    /// End of data, service time of accepted and timed-out samples.
    pub(super) eod: Sparse,
    /// Lag of transactions; nothing under closed load.
    pub(super) lag: Sparse,
}

impl IntervalCounts {
    /// Whether anything but the opening and closing of sessions is in it.
    pub(super) fn happened(&self) -> bool {
        let sessions = Self { opened: self.opened, closed: self.closed, ..Self::default() };
        *self != sessions
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.offered += other.offered;
        self.started += other.started;
        self.fates.add(&other.fates);
        for (sum, count) in self.replies.iter_mut().zip(other.replies) {
            *sum += count;
        }
        self.opened += other.opened;
        self.closed += other.closed;
        self.bytes_sent += other.bytes_sent;
        self.eod.add(&other.eod);
        self.lag.add(&other.lag);
    }
}

/// All slices of a run.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct IntervalRows {
    /// Recorder intervals in one slice: a power of two.
    scale: u64,
    /// By number of the slice and stage.
    rows: BTreeMap<(u64, u8), IntervalCounts>,
}

impl IntervalRows {
    pub(super) fn new() -> Self {
        Self { scale: 1, rows: BTreeMap::new() }
    }

    /// Adds what happened in a recorder interval. The scale depends on the highest interval only, so the order of
    /// the calls does not matter.
    pub(super) fn add(&mut self, interval: u64, stage: u8, counts: &IntervalCounts) {
        while interval / self.scale >= ROWS_MAX {
            self.double();
        }
        self.rows.entry((interval / self.scale, stage)).or_default().add(counts);
    }

    /// Recorder intervals in one slice.
    pub(super) fn scale(&self) -> u64 {
        self.scale
    }

    /// Slices in order of time, each with its number and stage.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u64, u8, &IntervalCounts)> {
        self.rows.iter().map(|((row, stage), counts)| (*row, *stage, counts))
    }

    /// The stages of one slice.
    pub(super) fn of(&self, row: u64) -> impl Iterator<Item = &IntervalCounts> {
        self.rows.range((row, 0)..=(row, u8::MAX)).map(|(_, counts)| counts)
    }

    /// One slice of one stage.
    pub(super) fn at(&self, row: u64, stage: u8) -> Option<&IntervalCounts> {
        self.rows.get(&(row, stage))
    }

    fn double(&mut self) {
        self.scale *= 2;
        for ((row, stage), counts) in std::mem::take(&mut self.rows) {
            self.rows.entry((row / 2, stage)).or_default().add(&counts);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn started(count: u64) -> IntervalCounts {
        IntervalCounts { started: count, ..IntervalCounts::default() }
    }

    #[test]
    fn slices_are_bounded_and_lose_nothing() {
        let (mut up, mut down) = (IntervalRows::new(), IntervalRows::new());
        for interval in 0..10_000 {
            up.add(interval, 0, &started(interval));
            down.add(9_999 - interval, 0, &started(9_999 - interval));
        }
        assert_eq!(up, down);
        assert_eq!(up.scale(), 16);
        assert_eq!(up.iter().count(), 625);
        assert_eq!(up.iter().map(|(.., counts)| counts.started).sum::<u64>(), 49_995_000);
    }

    #[test]
    fn the_limit_itself_is_kept_whole() {
        let mut rows = IntervalRows::new();
        rows.add(ROWS_MAX - 1, 0, &started(1));
        assert_eq!(rows.scale(), 1);
        rows.add(ROWS_MAX, 0, &started(1));
        assert_eq!(rows.scale(), 2);
    }
}
