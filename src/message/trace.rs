//! Arrivals as they were recorded.

use std::time::Duration;

/// What was recorded: rows in order of time.
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
    /// Reverse-path, where the record has one.
    pub sender: Option<Box<str>>,
    /// Forward-paths; empty where the record has none.
    pub recipients: Box<[Box<str>]>,
    /// Size of the message in bytes, where the record has one.
    pub bytes: Option<u64>,
}

impl Trace {
    /// From the first arrival to the end of the last one's second, played so many times as fast.
    #[must_use]
    pub fn length(&self, speed: f64) -> Duration {
        let last = self.rows.last().map_or(Duration::ZERO, |row| row.offset);
        last.div_f64(speed)
    }
}
