//! Rates: so many of something in a time.

use std::time::Duration;

use crate::units::UnitError;

/// Most a second: one every nanosecond.
const PER_SECOND_MAX: f64 = 1e9;
/// Least: one a year.
const PER_SECOND_MIN: f64 = 1.0 / (366.0 * 24.0 * 3600.0);

const HINT: &str = "write a number, what is counted, and s, m or h: 500 messages/s, 14/m, 2k/h";

/// So many a second.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Rate {
    per_second: f64,
}

impl Rate {
    /// Words that may name what is counted. What really is counted is what comes to the step that the rate is for.
    const COUNTED: &[&str] =
        &["messages", "sessions", "connections", "recipients", "transactions", "commands"];

    /// Reads `500 messages/s`, `500/s`, `14/m`, `2.5k/h`.
    ///
    /// # Errors
    /// When it is none of these, or below one a year or above one a nanosecond.
    pub fn parse(text: &str) -> Result<Self, UnitError> {
        let wrong = |what: &str| UnitError {
            message: format!("`{}` is {what}", text.trim().escape_debug()),
            hint: HINT.into(),
        };
        let (count, unit) = text.rsplit_once('/').ok_or_else(|| wrong("no rate"))?;
        let seconds = match unit.trim() {
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return Err(wrong("no rate a second (s), minute (m) or hour (h)")),
        };
        let count = count.trim();
        let end = count.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(count.len());
        let (number, word) = count.split_at(end);
        let (thousands, word) = match word.as_bytes() {
            [b'k', ..] => (1e3, &word[1..]),
            [b'M', ..] => (1e6, &word[1..]),
            _ => (1.0, word),
        };
        let word = word.trim();
        if !word.is_empty() && !Self::COUNTED.contains(&word) {
            return Err(wrong(&format!("no rate of {}", Self::COUNTED.join(", "))));
        }
        let number: f64 = number.parse().map_err(|_| wrong("no rate"))?;
        let per_second = number * thousands / seconds;
        if !(PER_SECOND_MIN..=PER_SECOND_MAX).contains(&per_second) {
            return Err(wrong("below one a year or above one a nanosecond"));
        }
        Ok(Self { per_second })
    }

    /// From one to the next.
    #[must_use]
    pub fn interval(self) -> Duration {
        Duration::from_secs_f64(1.0 / self.per_second)
    }

    /// How many in `time`, at least 1.
    #[must_use]
    pub fn within(self, time: Duration) -> u64 {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "positive, and the cast saturates"
        )]
        let count = (self.per_second * time.as_secs_f64()).round() as u64;
        count.max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_a_number_a_word_and_a_time() {
        let check = |text: &str, per_second: f64| {
            let rate = Rate::parse(text).unwrap();
            assert!((rate.per_second - per_second).abs() < 1e-9, "{text}: {rate:?}");
        };
        check("500 messages/s", 500.0);
        check("500/s", 500.0);
        check(" 120 recipients / m ", 2.0);
        check("1.8k/h", 0.5);
        check("2M sessions/s", 2e6);
        for bad in ["500", "", "/s", "500 messages", "5/d", "-1/s", "0/s", "1e3/s", "5 apples/s"] {
            assert!(Rate::parse(bad).is_err(), "{bad:?}");
        }
        assert!(Rate::parse("1000M/s").is_ok() && Rate::parse("1001M/s").is_err());
    }

    #[test]
    fn counts_within_a_time_are_one_at_least() {
        let rate = Rate::parse("500/s").unwrap();
        assert_eq!(rate.interval(), Duration::from_millis(2));
        assert_eq!(rate.within(Duration::from_millis(100)), 50);
        assert_eq!(rate.within(Duration::from_micros(1)), 1);
    }
}
