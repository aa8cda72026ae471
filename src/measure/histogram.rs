//! Histograms of durations: the one place that knows the hdrhistogram crate.
//!
//! One microsecond to fifteen minutes with three digits; 0 is recorded too. A longer value is counted as
//! overflow, never clamped and never dropped.

use std::io::{self, Read as _};
use std::time::{Duration, UNIX_EPOCH};

use base64::Engine as _;
use hdrhistogram::serialization::interval_log::{
    IntervalLogIterator, IntervalLogWriterBuilder, LogEntry, Tag,
};
use hdrhistogram::serialization::{Deserializer, V2DeflateSerializer};

use crate::stats::quantile::Quantile;
use crate::units::Microseconds;

/// The longest value that is recorded; what lies above is counted as overflow.
pub const VALUE_MAX: Duration = Duration::from_secs(15 * 60);
const VALUE_MAX_US: u64 = 15 * 60 * 1_000_000;
/// Three digits: a value read back is at most 0.1 % above the one recorded.
const DIGITS: u8 = 3;

/// Bytes of one histogram in memory, whatever is in it.
pub const BYTES: u64 = 21 * 1024 * 8;

/// Durations in microseconds.
#[derive(Clone, Debug, PartialEq)]
pub struct Histogram {
    values: hdrhistogram::Histogram<u64>,
    overflow: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        let values = hdrhistogram::Histogram::new_with_bounds(1, VALUE_MAX_US, DIGITS);
        Self { values: values.expect("the bounds are constants that fit each other"), overflow: 0 }
    }
}

impl Histogram {
    /// Records one value.
    pub fn record(&mut self, value: Duration) {
        let Microseconds(us) = Microseconds::from_duration(value);
        if us > VALUE_MAX_US {
            self.overflow = self.overflow.saturating_add(1);
        } else {
            self.values.saturating_record(us);
        }
    }

    /// Adds all of `other`.
    pub fn add(&mut self, other: &Self) {
        self.values.add(&other.values).expect("every histogram here has the same bounds");
        self.overflow = self.overflow.saturating_add(other.overflow);
    }

    /// Counts so many values over [`VALUE_MAX`].
    pub fn add_overflow(&mut self, count: u64) {
        self.overflow = self.overflow.saturating_add(count);
    }

    /// Values recorded, overflow left out.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.values.len()
    }

    /// Values over [`VALUE_MAX`].
    #[must_use]
    pub fn overflow(&self) -> u64 {
        self.overflow
    }

    /// Whether it holds nothing at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count() == 0 && self.overflow == 0
    }

    /// The smallest value; `None` without one.
    #[must_use]
    pub fn min(&self) -> Option<u64> {
        (self.count() > 0).then(|| self.values.min())
    }

    /// The largest value; `None` without one, and where it lies in the overflow.
    #[must_use]
    pub fn max(&self) -> Option<u64> {
        self.is_whole().then(|| self.values.max())
    }

    /// The mean, to the microsecond; `None` without values, and where some lie in the overflow.
    #[must_use]
    pub fn mean(&self) -> Option<u64> {
        self.is_whole().then(|| round(self.values.mean()))
    }

    /// The standard deviation, to the microsecond; `None` where there is no mean.
    #[must_use]
    pub fn stddev(&self) -> Option<u64> {
        self.is_whole().then(|| round(self.values.stdev()))
    }

    /// The value of that rank (from 1), overflow counted above all others; `None` where the rank lies in the
    /// overflow or is none.
    #[must_use]
    pub fn at_rank(&self, rank: u64) -> Option<u64> {
        if rank == 0 || rank > self.count() {
            return None;
        }
        let mut seen = 0_u64;
        for bucket in self.values.iter_recorded() {
            seen = seen.saturating_add(bucket.count_at_value());
            if seen >= rank {
                return Some(self.values.highest_equivalent(bucket.value_iterated_to()));
            }
        }
        None
    }

    /// Values from `low` to `high` microseconds, as far as they are told apart.
    #[must_use]
    pub fn count_between(&self, low: u64, high: u64) -> u64 {
        self.values.count_between(low, high)
    }

    /// The estimate of a quantile, however few the samples; overflow counts as samples above all others.
    #[must_use]
    pub fn estimate(&self, quantile: Quantile) -> Option<u64> {
        self.at_rank(quantile.rank(self.samples()))
    }

    /// A quantile with its 95 % interval; `None` where the samples are too few for one.
    #[must_use]
    pub fn quantile(&self, quantile: Quantile) -> Option<Estimate> {
        let ranks = quantile.interval(self.samples())?;
        Some(Estimate {
            value: self.estimate(quantile)?,
            low: ranks.low.and_then(|low| self.at_rank(low)),
            high: self.at_rank(ranks.high),
        })
    }

    /// All samples, overflow too.
    #[must_use]
    pub fn samples(&self) -> u64 {
        self.count().saturating_add(self.overflow)
    }

    /// Its values with their counts, ascending, in little memory.
    #[must_use]
    pub fn to_sparse(&self) -> Sparse {
        let values = self.values.iter_recorded();
        Sparse {
            values: values.map(|v| (v.value_iterated_to(), v.count_at_value())).collect(),
            overflow: self.overflow,
        }
    }

    fn is_whole(&self) -> bool {
        self.count() > 0 && self.overflow == 0
    }
}

/// A quantile with its interval, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Estimate {
    /// The quantile of the samples.
    pub value: u64,
    /// Lower end; `None` where the samples set none.
    pub low: Option<u64>,
    /// Upper end; `None` where it lies over [`VALUE_MAX`].
    pub high: Option<u64>,
}

/// A histogram as a list: for the many intervals of a run, of which each has few distinct values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sparse {
    values: Vec<(u64, u64)>,
    overflow: u64,
}

impl Sparse {
    #[cfg(test)]
    pub(super) fn of(value: u64) -> Self {
        Self { values: vec![(value, 1)], overflow: 0 }
    }

    /// Adds all of `other`.
    pub fn add(&mut self, other: &Self) {
        self.overflow = self.overflow.saturating_add(other.overflow);
        if other.values.is_empty() {
            return;
        }
        let mut sum = Vec::with_capacity(self.values.len() + other.values.len());
        let (mut left, mut right) = (&self.values[..], &other.values[..]);
        while let ([(a, count_a), rest_a @ ..], [(b, count_b), rest_b @ ..]) = (left, right) {
            match a.cmp(b) {
                std::cmp::Ordering::Less => (sum.push((*a, *count_a)), left = rest_a).1,
                std::cmp::Ordering::Greater => (sum.push((*b, *count_b)), right = rest_b).1,
                std::cmp::Ordering::Equal => {
                    sum.push((*a, count_a + count_b));
                    (left, right) = (rest_a, rest_b);
                }
            }
        }
        sum.extend_from_slice(left);
        sum.extend_from_slice(right);
        self.values = sum;
    }

    /// Ascending values in microseconds, each with how often it was recorded; overflow left out.
    #[must_use]
    pub fn values(&self) -> &[(u64, u64)] {
        &self.values
    }

    /// All samples, overflow too.
    #[must_use]
    pub fn samples(&self) -> u64 {
        let counts = self.values.iter().map(|(_, count)| *count);
        counts.fold(self.overflow, u64::saturating_add)
    }

    /// The same as a histogram.
    #[must_use]
    pub fn to_histogram(&self) -> Histogram {
        let mut histogram = Histogram { overflow: self.overflow, ..Histogram::default() };
        for (value, count) in &self.values {
            histogram.values.saturating_record_n(*value, *count);
        }
        histogram
    }
}

/// A line of an interval log.
#[derive(Clone, Debug, PartialEq)]
pub struct LogLine {
    /// What it is of; holds neither comma nor white space.
    pub tag: String,
    /// Start of the interval, from the start of the run.
    pub start: Duration,
    /// Its length.
    pub length: Duration,
    /// The values; the log format has no place for overflow.
    pub histogram: Histogram,
}

/// Begins an interval log: its comments, and the start of the run as time since 1970.
///
/// # Errors
/// When `out` cannot be written.
pub fn begin_log(out: &mut impl io::Write, started: Duration, comments: &[&str]) -> io::Result<()> {
    let started = UNIX_EPOCH + started;
    let mut builder = IntervalLogWriterBuilder::new();
    for comment in comments {
        builder.add_comment(comment);
    }
    builder.with_start_time(started).with_base_time(started);
    builder.begin_log_with(out, &mut V2DeflateSerializer::new()).map(drop)
}

/// Appends lines to an interval log. A histogram without values is left out.
///
/// # Errors
/// When `out` cannot be written, or a tag cannot be one.
pub fn append_log<'a>(
    out: &mut impl io::Write,
    lines: impl IntoIterator<Item = (&'a str, Duration, Duration, &'a Histogram)>,
) -> io::Result<()> {
    let mut serializer = V2DeflateSerializer::new();
    // A builder without headers writes nothing, so that a log is continued.
    let mut writer = IntervalLogWriterBuilder::new().begin_log_with(out, &mut serializer)?;
    for (tag, start, length, histogram) in lines {
        if histogram.count() == 0 {
            continue;
        }
        let tag = Tag::new(tag).ok_or_else(|| faulty("a tag holds a comma or white space"))?;
        writer
            .write_histogram(&histogram.values, start, length, Some(tag))
            .map_err(|error| faulty(&error.to_string()))?;
    }
    Ok(())
}

/// Reads an interval log, line by line.
///
/// # Errors
/// When a line is none of an interval log, or its histogram is none that is written here; and what `each` says. The text
/// begins with the number of the line.
pub fn read_log(log: &[u8], mut each: impl FnMut(LogLine) -> io::Result<()>) -> io::Result<()> {
    for (index, line) in log.split_inclusive(|byte| *byte == b'\n').enumerate() {
        let read = read_line(line).and_then(|line| line.map_or(Ok(()), &mut each));
        read.map_err(|error| faulty(&format!("line {}: {error}", index + 1)))?;
    }
    Ok(())
}

/// A line with its end; `None` of a comment.
fn read_line(line: &[u8]) -> io::Result<Option<LogLine>> {
    // By itself, as the crate looks for what it misses in all that follows.
    match IntervalLogIterator::new(line).next() {
        Some(Ok(LogEntry::Interval(interval))) => Ok(Some(LogLine {
            tag: interval.tag().map(|tag| tag.as_str().to_owned()).unwrap_or_default(),
            start: interval.start_timestamp(),
            length: interval.duration(),
            histogram: decode(interval.encoded_histogram())?,
        })),
        Some(Ok(_)) | None => Ok(None),
        Some(Err(_)) => Err(faulty("this is no line of an interval log, or one that was cut")),
    }
}

/// More than a full histogram takes, uncompressed: a count takes nine bytes at most.
const ENCODED_MAX: u64 = HEADER as u64 + BYTES / 8 * 9;
/// How one begins: HdrHistogram, encoding V2, compressed.
const COMPRESSED: [u8; 4] = 0x1c84_9314_u32.to_be_bytes();
/// Bytes before the counts.
const HEADER: usize = 40;
/// More samples than this no run has; sums of such numbers stay numbers.
const COUNT_MAX: u64 = 1 << 50;

/// A histogram as [`append_log`] writes it. What a file says of lengths and bounds is not believed: it could ask for any memory.
fn decode(text: &str) -> io::Result<Histogram> {
    let engine = base64::engine::general_purpose::STANDARD;
    let bytes = engine.decode(text).map_err(|_| faulty("a histogram that is no Base64"))?;
    let number = |bytes: &[u8], at: usize| {
        let part = bytes.get(at..at + 8).and_then(|part| part.try_into().ok());
        part.map(u64::from_be_bytes)
    };
    let mut plain = Vec::new();
    let compressed = bytes.get(8..).unwrap_or_default();
    flate2::read::ZlibDecoder::new(compressed).take(ENCODED_MAX + 1).read_to_end(&mut plain)?;
    let counts = plain.get(HEADER..).unwrap_or_default();
    // Cookie and length; offset and digits; lowest and highest value (HdrHistogram, encoding V2).
    let length = u64::try_from(counts.len()).unwrap_or(u64::MAX);
    let ours = bytes.starts_with(&COMPRESSED)
        && plain.len() as u64 <= ENCODED_MAX
        && number(&plain, 0).is_some_and(|both| both & u64::from(u32::MAX) == length)
        && number(&plain, 8) == Some(u64::from(DIGITS))
        && number(&plain, 16) == Some(1)
        && number(&plain, 24) == Some(VALUE_MAX_US);
    // The crate that decodes negates what this stands for, which overflows.
    let lowest = counts.windows(9).any(|window| window == [u8::MAX; 9]);
    if !ours || lowest {
        return Err(faulty("a histogram that smtpbench did not write"));
    }
    let values: hdrhistogram::Histogram<u64> = Deserializer::new()
        .deserialize(&mut plain.as_slice())
        .map_err(|error| faulty(&error.to_string()))?;
    if values.len() > COUNT_MAX {
        return Err(faulty("a histogram of more samples than there can be"));
    }
    Ok(Histogram { values, overflow: 0 })
}

fn faulty(message: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message.to_owned())
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "mean and deviation of values from 0 to fifteen minutes"
)]
fn round(value: f64) -> u64 {
    value.round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[u64]) -> Histogram {
        let mut histogram = Histogram::default();
        for us in values {
            histogram.record(Duration::from_micros(*us));
        }
        histogram
    }

    #[test]
    fn a_histogram_takes_as_much_memory_as_is_said() {
        let counts = Histogram::default().values.distinct_values();
        assert_eq!(counts as u64 * 8, BYTES);
    }

    #[test]
    fn values_below_a_microsecond_and_over_the_limit_are_counted() {
        let mut histogram = Histogram::default();
        histogram.record(Duration::from_nanos(499));
        histogram.record(Duration::from_nanos(500));
        histogram.record(VALUE_MAX);
        assert_eq!((histogram.count(), histogram.overflow()), (3, 0));
        assert_eq!(histogram.min(), Some(0));
        histogram.record(VALUE_MAX + Duration::from_micros(1));
        histogram.record(Duration::MAX);
        assert_eq!((histogram.count(), histogram.overflow()), (3, 2));
        assert_eq!((histogram.max(), histogram.mean(), histogram.stddev()), (None, None, None));
    }

    #[test]
    fn overflow_counts_as_the_slowest_samples() {
        let mut histogram = of(&[10; 600]);
        assert_eq!(histogram.quantile(Quantile::P99).map(|e| e.value), Some(10));
        for _ in 0..600 {
            histogram.record(Duration::MAX);
        }
        assert_eq!(histogram.quantile(Quantile::P50).map(|e| (e.value, e.high)), Some((10, None)));
        assert_eq!(histogram.estimate(Quantile::P99), None);
    }

    #[test]
    fn nothing_gives_nothing() {
        let empty = Histogram::default();
        assert_eq!((empty.min(), empty.max(), empty.mean()), (None, None, None));
        assert_eq!(empty.quantile(Quantile::P50), None);
        assert_eq!(empty.estimate(Quantile::P50), None);
    }

    #[test]
    fn a_list_is_the_same_as_its_histogram() {
        let (left, right) = (of(&[0, 5, 5, 70_000]), of(&[5, 900, 123_456_789]));
        let mut both = left.clone();
        both.add(&right);
        let mut list = left.to_sparse();
        list.add(&right.to_sparse());
        assert_eq!(list, both.to_sparse());
        assert_eq!(list.to_histogram(), both);
    }

    #[test]
    fn a_log_reads_back() {
        let mut log = Vec::new();
        begin_log(&mut log, Duration::from_secs(1_700_000_000), &["a comment"]).unwrap();
        let (second, histogram) = (Duration::from_secs(1), of(&[0, 17, 1_000_000]));
        append_log(&mut log, [("step=a", second, second, &histogram)]).unwrap();
        append_log(&mut log, [("step=b", second * 2, second, &Histogram::default())]).unwrap();
        append_log(&mut log, [("step=b", second * 2, second, &histogram)]).unwrap();
        let lines_of = |log: &[u8]| {
            let mut lines = Vec::new();
            let each = |line| {
                lines.push(line);
                Ok(())
            };
            read_log(log, each).map(|()| lines)
        };
        let lines = lines_of(&log).unwrap();
        assert_eq!(lines.len(), 2);
        assert_eq!((lines[0].tag.as_str(), lines[0].start), ("step=a", second));
        assert_eq!(lines[1].histogram, histogram);
        assert!(append_log(&mut log, [("a b", second, second, &histogram)]).is_err());
        assert!(lines_of(b"no log\n").is_err());
    }
}
