//! Quantities as people write them: durations, sizes, rates, ranges, shares. Parse and print, nothing else.
//!
//! A bare number is never a duration: the unit is part of what the user said.

mod rate;

use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

pub use rate::{ArrivalUnit, RATE_MAX, Rate, parse_rate};

/// The longest duration that is accepted anywhere: a year. Beyond it, arithmetic on instants may overflow.
pub const DURATION_MAX: Duration = Duration::from_secs(366 * 24 * 3600);

/// Why a quantity could not be read: a lower-case fragment and, where one is known, a hint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnitError {
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub hint: String,
}

impl UnitError {
    fn new(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { message: message.into(), hint: hint.into() }
    }
}

impl fmt::Display for UnitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n{}", self.message, self.hint)
    }
}

impl std::error::Error for UnitError {}

const DURATION_HINT: &str = "write a number and a unit: 250us, 20ms, 1.5s, 10m, 2h, 1d";
const SIZE_HINT: &str = "write bytes or a number and a unit: 4096, 4KiB, 1MiB, 64kB, 10MB";

/// Reads a duration: a decimal number and one of `us ms s m h d`.
///
/// # Errors
/// When the number or the unit is missing, negative, not a number, or longer than [`DURATION_MAX`].
pub fn parse_duration(text: &str) -> Result<Duration, UnitError> {
    let (number, unit) = split_unit(text);
    let seconds_a_unit = match unit {
        "us" | "µs" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        "d" => 86_400.0,
        "" if !number.is_empty() => {
            return Err(UnitError::new(format!("duration `{text}` has no unit"), DURATION_HINT));
        }
        _ => return Err(UnitError::new(format!("`{text}` is not a duration"), DURATION_HINT)),
    };
    let value: f64 = number
        .parse()
        .map_err(|_| UnitError::new(format!("`{text}` is not a duration"), DURATION_HINT))?;
    let nanos = value * seconds_a_unit * 1e9;
    if nanos > DURATION_MAX.as_secs_f64() * 1e9 {
        return Err(UnitError::new(format!("duration `{text}` is over a year"), DURATION_HINT));
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the number holds digits and a dot only, and is below a year in nanoseconds"
    )]
    Ok(Duration::from_nanos(nanos.round() as u64))
}

/// Reads a size in bytes: a bare number, or one with `KiB MiB GiB kB MB GB B`.
///
/// # Errors
/// When it is not a size, or does not fit into 2^53 bytes.
pub fn parse_size(text: &str) -> Result<u64, UnitError> {
    let (number, unit) = split_unit(text);
    let bytes_a_unit: f64 = match unit {
        "" | "B" => 1.0,
        "KiB" => 1024.0,
        "MiB" => 1024.0 * 1024.0,
        "GiB" => 1024.0 * 1024.0 * 1024.0,
        "kB" | "KB" => 1e3,
        "MB" => 1e6,
        "GB" => 1e9,
        _ => return Err(UnitError::new(format!("`{text}` is not a size"), SIZE_HINT)),
    };
    let value: f64 =
        number.parse().map_err(|_| UnitError::new(format!("`{text}` is not a size"), SIZE_HINT))?;
    let bytes = (value * bytes_a_unit).round();
    if bytes > 9_007_199_254_740_992.0 {
        return Err(UnitError::new(format!("size `{text}` is too large"), SIZE_HINT));
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "digits and a dot only, at most 2^53"
    )]
    Ok(bytes as u64)
}

/// Reads a share: `99.9%` or a bare fraction between 0 and 1. Gives the fraction.
///
/// # Errors
/// When it is not a number or outside 0 to 100 %.
pub fn parse_share(text: &str) -> Result<f64, UnitError> {
    let hint = "write a percentage: 99.9%";
    let wrong = || UnitError::new(format!("`{text}` is not a share"), hint);
    let (number, scale) = match text.strip_suffix('%') {
        Some(number) => (number.trim_end(), 100.0),
        None => (text, 1.0),
    };
    let value: f64 = number.parse().map_err(|_| wrong())?;
    let share = value / scale;
    if !(0.0..=1.0).contains(&share) {
        return Err(wrong());
    }
    Ok(share)
}

/// Reads `a..b` or a single value, each by `parse`; `a` may not be above `b`.
///
/// # Errors
/// When an end is faulty or the range is empty.
pub fn parse_range<T: Copy + PartialOrd>(
    text: &str,
    parse: impl Fn(&str) -> Result<T, UnitError>,
) -> Result<RangeInclusive<T>, UnitError> {
    let Some((low, high)) = text.split_once("..") else {
        let value = parse(text.trim())?;
        return Ok(value..=value);
    };
    let (low, high) = (parse(low.trim())?, parse(high.trim())?);
    if low > high {
        return Err(UnitError::new(
            format!("range `{text}` runs backwards"),
            "write the smaller end first: 1..10",
        ));
    }
    Ok(low..=high)
}

/// Reads a whole number.
///
/// # Errors
/// When it is not one, or above 2^64 - 1.
pub fn parse_count(text: &str) -> Result<u64, UnitError> {
    text.parse().map_err(|_| {
        UnitError::new(format!("`{text}` is not a whole number"), "write digits only: 1000")
    })
}

/// Splits at the end of the leading digits and dots.
fn split_unit(text: &str) -> (&str, &str) {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    (&text[..end], text[end..].trim_start())
}

/// A duration in microseconds, as result files hold it; prints for people, with three digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Microseconds(pub u64);

impl Microseconds {
    /// The nearest whole number of microseconds.
    #[must_use]
    pub fn from_duration(duration: Duration) -> Self {
        Self(u64::try_from((duration.as_nanos() + 500) / 1000).unwrap_or(u64::MAX))
    }
}

impl fmt::Display for Microseconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        #[expect(clippy::cast_precision_loss, reason = "three digits are printed")]
        let us = self.0 as f64;
        let (value, unit) = match self.0 {
            0..1_000 => return f.pad(&format!("{} µs", self.0)),
            1_000..1_000_000 => (us / 1e3, "ms"),
            1_000_000..120_000_000 => (us / 1e6, "s"),
            _ => (us / 60e6, "min"),
        };
        let digits = if value < 10.0 { 2 } else { usize::from(value < 100.0) };
        f.pad(&format!("{value:.digits$} {unit}"))
    }
}

/// A size in bytes; prints with a binary unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteSize(pub u64);

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        #[expect(clippy::cast_precision_loss, reason = "one digit after the point is printed")]
        let bytes = self.0 as f64;
        let text = match self.0 {
            0..1024 => format!("{} B", self.0),
            1024..1_048_576 => format!("{:.1} KiB", bytes / 1024.0),
            1_048_576..1_073_741_824 => format!("{:.1} MiB", bytes / 1_048_576.0),
            _ => format!("{:.1} GiB", bytes / 1_073_741_824.0),
        };
        f.pad(&text.replace(".0 ", " "))
    }
}

/// Prints a duration as the shortest text that [`parse_duration`] reads back.
#[must_use]
pub fn format_duration(duration: Duration) -> String {
    let micros = duration.as_micros();
    for (size, unit) in [
        (86_400_000_000, "d"),
        (3_600_000_000, "h"),
        (60_000_000, "m"),
        (1_000_000, "s"),
        (1_000, "ms"),
    ] {
        if micros >= size && micros.is_multiple_of(size) {
            return format!("{}{unit}", micros / size);
        }
    }
    if micros >= 1_000_000 {
        return format!("{}s", duration.as_secs_f64());
    }
    format!("{micros}us")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn duration(text: &str, want: Option<u64>) {
        let got = parse_duration(text).ok().map(|d| u64::try_from(d.as_micros()).unwrap());
        assert_eq!(got, want, "{text:?}");
    }

    #[test]
    fn durations_need_a_unit() {
        duration("60s", Some(60_000_000));
        duration("1.5s", Some(1_500_000));
        duration("100 ms", Some(100_000));
        duration("250us", Some(250));
        duration("2h", Some(7_200_000_000));
        duration("0s", Some(0));
        for bad in ["60", "", "s", "-1s", "1x", "1.2.3s", "9999999999d", "infs", "NaNs", "1e9s"] {
            duration(bad, None);
        }
    }

    #[test]
    fn sizes_are_bytes_or_have_a_unit() {
        let check =
            |text: &str, want: Option<u64>| assert_eq!(parse_size(text).ok(), want, "{text:?}");
        check("4KiB", Some(4096));
        check("4096", Some(4096));
        check("1.5MiB", Some(1_572_864));
        check("64kB", Some(64_000));
        check("0", Some(0));
        for bad in ["4 kib", "-1", "KiB", "1e400", "99999999999GiB"] {
            check(bad, None);
        }
    }

    #[test]
    fn ranges_run_upwards() {
        let range = |text| parse_range(text, parse_count);
        assert_eq!(range("1..10"), Ok(1..=10));
        assert_eq!(range("7"), Ok(7..=7));
        assert!(range("10..1").is_err());
        assert!(range("..").is_err());
    }

    #[test]
    fn shares_lie_between_0_and_100_percent() {
        assert_eq!(parse_share("99.9%"), Ok(0.9990000000000001));
        assert_eq!(parse_share("0.5"), Ok(0.5));
        for bad in ["101%", "-1%", "NaN", "%", "inf"] {
            assert!(parse_share(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn durations_print_so_that_they_read_back() {
        for text in ["60s", "1m", "90s", "100ms", "250us", "2h", "1d", "1.5s"] {
            let duration = parse_duration(text).unwrap();
            assert_eq!(parse_duration(&format_duration(duration)), Ok(duration), "{text}");
        }
    }

    #[test]
    fn people_read_three_digits() {
        for (us, want) in [
            (0, "0 µs"),
            (999, "999 µs"),
            (1_234, "1.23 ms"),
            (45_600, "45.6 ms"),
            (250_000, "250 ms"),
            (1_500_000, "1.50 s"),
        ] {
            assert_eq!(Microseconds(us).to_string(), want);
        }
        assert_eq!(ByteSize(4096).to_string(), "4 KiB");
        assert_eq!(ByteSize(1_572_864).to_string(), "1.5 MiB");
    }
}
