//! `histograms.hlog`: every histogram of every interval, in the log format of the HdrHistogram tools.
//!
//! The lines of one tag add up to its row of `latency.csv`. Overflow has no place in the format; `run.json` has it.

use std::collections::BTreeMap;
use std::io;

use jiff::Timestamp;

use crate::clock::Duration;
use crate::measure::collector::CompletedInterval;
use crate::measure::histogram::{Histogram, LogLine, append_log, begin_log, read_log};
use crate::measure::layout::Layout;

/// The first lines.
///
/// # Errors
/// Never, as memory takes every byte; the format's writer returns one.
pub fn header(started: Timestamp) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let started = Duration::try_from(started.duration_since(Timestamp::UNIX_EPOCH));
    let version = concat!("smtpbench ", env!("CARGO_PKG_VERSION"));
    begin_log(
        &mut bytes,
        started.unwrap_or_default(),
        &[version, "values are microseconds; results/README.md explains the tags"],
    )?;
    Ok(bytes)
}

/// The lines of intervals that are complete, to be appended.
///
/// # Errors
/// When a histogram cannot be encoded.
pub fn lines(layout: &Layout, intervals: &[CompletedInterval]) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    for interval in intervals {
        let tags: Vec<String> =
            interval.series.iter().map(|(series, _)| layout.tag(*series)).collect();
        let rows = tags.iter().zip(&interval.series).map(|(tag, (_, histogram))| {
            (tag.as_str(), interval.start, interval.length, histogram)
        });
        append_log(&mut bytes, rows)?;
    }
    Ok(bytes)
}

/// Reads a whole log.
///
/// # Errors
/// When it is not one.
pub fn read_hlog(log: &[u8]) -> io::Result<Vec<LogLine>> {
    read_log(log)
}

/// The sum of each tag over all intervals.
#[must_use]
pub fn add_up(lines: &[LogLine]) -> BTreeMap<String, Histogram> {
    let mut sums: BTreeMap<String, Histogram> = BTreeMap::new();
    for line in lines {
        sums.entry(line.tag.clone()).or_default().add(&line.histogram);
    }
    sums
}
