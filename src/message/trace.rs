//! Arrivals as they were recorded, and the envelope of each.

use std::time::Duration;

/// Most rows of a trace: they are held in memory.
pub const TRACE_ROWS_MAX: usize = 10_000_000;

/// What was recorded: rows in order of time. Message number N of its run is row N.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Trace {
    /// At least one.
    pub rows: Vec<TraceRow>,
}

/// One recorded arrival.
#[derive(Clone, Debug, PartialEq)]
pub struct TraceRow {
    /// From the first row.
    pub offset: Duration,
    /// Reverse-path, where the record has one; the null reverse-path is empty.
    pub sender: Option<Box<str>>,
    /// Forward-paths; empty where the record has none.
    pub recipients: Box<[Box<str>]>,
    /// Size of the message in bytes, where the record has one.
    pub bytes: Option<u64>,
}

impl Trace {
    /// From the first arrival to the end of the second in which the last one lies, played so many times as fast. It
    /// is always behind the last arrival.
    #[must_use]
    pub fn length(&self, speed: f64) -> Duration {
        let last = self.rows.last().map_or(Duration::ZERO, |row| row.due(speed));
        Duration::from_secs(last.as_secs() + 1)
    }

    /// What was recorded of message `seq`.
    #[must_use]
    pub fn row(&self, seq: u64) -> Option<&TraceRow> {
        self.rows.get(usize::try_from(seq).ok()?)
    }
}

impl TraceRow {
    /// All addresses that were recorded.
    pub fn addresses(&self) -> impl Iterator<Item = &str> {
        self.sender.iter().chain(&self.recipients).map(|address| &**address)
    }

    /// When it is due, from the first row, played `speed` times as fast; 584 years at most.
    #[must_use]
    pub fn due(&self, speed: f64) -> Duration {
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "exact for 104 days and to some nanoseconds beyond; the cast saturates"
        )]
        let nanos = (self.offset.as_nanos() as f64 / speed + 0.5) as u64;
        Duration::from_nanos(nanos)
    }
}
