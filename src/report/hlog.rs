//! `histograms.hlog`: every histogram of every interval, in the log format of the HdrHistogram tools.
//!
//! The lines of one tag add up to its row of `latency.csv`. Overflow has no place in the format; `run.json` has it.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io;

use jiff::Timestamp;

use crate::clock::Duration;
use crate::measure::collector::CompletedInterval;
use crate::measure::histogram::{Histogram, LogLine, Sparse, append_log, begin_log, read_log};
use crate::measure::layout::{Layout, SeriesId};
use crate::smtp::text::printable;

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

/// The samples of a target over a run, and interval by interval.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TargetSeries {
    /// Over the whole run.
    pub sums: BTreeMap<SeriesId, Histogram>,
    /// In order of their start, as the log has them.
    pub slices: BTreeMap<SeriesId, Vec<Slice>>,
}

/// What a series got in a span of time.
#[derive(Clone, Debug, PartialEq)]
pub struct Slice {
    /// From the start of the run.
    pub start: Duration,
    /// Its length.
    pub length: Duration,
    /// The samples; overflow is not in the log.
    pub samples: Sparse,
}

/// Reads a whole log of these targets.
///
/// # Errors
/// When it is none, or holds what belongs to none of the targets.
pub fn read(log: &[u8], layouts: &[Layout]) -> io::Result<Vec<TargetSeries>> {
    let mut targets = vec![TargetSeries::default(); layouts.len()];
    read_log(log, |LogLine { tag, start, length, histogram }| {
        let mut known = layouts.iter().zip(&mut targets);
        let found = known.find_map(|(layout, target)| Some((layout.of_tag(&tag)?, target)));
        let Some((series, target)) = found else {
            let tag = printable(tag.as_bytes());
            return Err(io::Error::other(format!("run.json knows nothing of `{tag}`")));
        };
        let samples = histogram.to_sparse();
        target.slices.entry(series).or_default().push(Slice { start, length, samples });
        target.sums.entry(series).or_default().add(&histogram);
        Ok(())
    })?;
    for slices in targets.iter_mut().flat_map(|target| target.slices.values_mut()) {
        slices.sort_by_key(|slice| slice.start);
    }
    Ok(targets)
}

impl TargetSeries {
    /// All samples but overflow and those by address, which are among the others.
    #[must_use]
    pub fn samples(&self, layout: &Layout) -> u64 {
        let places = self.sums.iter().filter(|(series, _)| layout.series_parts(**series).is_some());
        places.fold(0, |sum, (_, histogram)| histogram.count().saturating_add(sum))
    }

    /// The slices of several series as one: those that begin together are added up.
    #[must_use]
    pub fn together(&self, series: impl IntoIterator<Item = SeriesId>) -> Vec<Slice> {
        let mut sum: BTreeMap<Duration, Slice> = BTreeMap::new();
        for slice in series.into_iter().filter_map(|series| self.slices.get(&series)).flatten() {
            match sum.entry(slice.start) {
                Entry::Vacant(empty) => {
                    empty.insert(slice.clone());
                }
                Entry::Occupied(mut known) => {
                    let known = known.get_mut();
                    known.samples.add(&slice.samples);
                    known.length = known.length.max(slice.length);
                }
            }
        }
        sum.into_values().collect()
    }
}
