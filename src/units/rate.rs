//! Rates: `200 sessions/s`, `500 messages/m`, `3M messages/h`.

use std::fmt;

use super::{UnitError, split_unit};

/// Highest rate in arrivals a second that may be asked for; no SMTP server is within a factor of ten of it.
pub const RATE_MAX: f64 = 1e7;

const RATE_HINT: &str =
    "write a number, what arrives and how often: 200 sessions/s, 500 messages/m, 3M messages/h";

/// What arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArrivalUnit {
    /// Sessions, each with a connection of its own.
    Sessions,
    /// Messages: a pool of kept-open sessions sends them.
    Messages,
}

impl fmt::Display for ArrivalUnit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Sessions => "sessions",
            Self::Messages => "messages",
        })
    }
}

/// How much arrives in a second; prints as [`parse_rate`] reads it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    /// From 0 to [`RATE_MAX`].
    pub per_second: f64,
    /// What arrives.
    pub unit: ArrivalUnit,
}

/// Reads a rate: a decimal number with `k` or `M` or neither, `messages` or `sessions`, and `/s`, `/m` or `/h`.
///
/// # Errors
/// When one of these is missing or something else, or the rate is over [`RATE_MAX`].
pub fn parse_rate(text: &str) -> Result<Rate, UnitError> {
    let wrong = |what: &str| UnitError::new(format!("`{text}` {what}"), RATE_HINT);
    let (number, rest) = split_unit(text);
    let number: f64 = number.parse().map_err(|_| wrong("is not a rate"))?;
    let (scale, rest) = match rest.as_bytes().first() {
        Some(b'k') => (1e3, &rest[1..]),
        Some(b'M') => (1e6, &rest[1..]),
        _ => (1.0, rest),
    };
    let rest = rest.trim_start();
    if rest.is_empty() {
        return Err(wrong("does not say what arrives and how often"));
    }
    let (what, time) = rest.split_once('/').ok_or_else(|| wrong("does not say how often"))?;
    let unit = match what {
        "sessions" | "session" => ArrivalUnit::Sessions,
        "messages" | "message" => ArrivalUnit::Messages,
        _ => return Err(wrong("is not a rate of messages or sessions")),
    };
    let seconds = match time {
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return Err(wrong("is not a rate by the second, minute or hour")),
    };
    let per_second = number * scale / seconds;
    if per_second > RATE_MAX {
        return Err(wrong("is over 10 million a second"));
    }
    Ok(Rate { per_second, unit })
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = self.unit;
        // By the time in which it is a whole number, if there is one.
        for (seconds, time) in [(1.0, 's'), (60.0, 'm'), (3600.0, 'h')] {
            let number = self.per_second * seconds;
            if (number - number.round()).abs() <= number * 1e-12 {
                return write!(f, "{} {unit}/{time}", number.round());
            }
        }
        write!(f, "{} {unit}/s", self.per_second)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(text: &str, per_second: f64, unit: ArrivalUnit) {
        assert_eq!(parse_rate(text), Ok(Rate { per_second, unit }), "{text:?}");
    }

    #[test]
    fn rates_say_how_many_of_what_and_how_often() {
        use ArrivalUnit::{Messages, Sessions};
        check("200 sessions/s", 200.0, Sessions);
        check("500 messages/m", 500.0 / 60.0, Messages);
        check("3M messages/h", 3e6 / 3600.0, Messages);
        check("1.5k sessions/s", 1500.0, Sessions);
        check("1.5 k sessions/s", 1500.0, Sessions);
        check(" 1 session/s ", 1.0, Sessions);
        check("7messages/s", 7.0, Messages);
        check("0 messages/s", 0.0, Messages);
        check("10M messages/s", RATE_MAX, Messages);
    }

    #[test]
    fn what_is_no_rate_is_refused_in_words() {
        let check = |text: &str, want: &str| {
            let error = parse_rate(text).unwrap_err();
            assert_eq!(error.message, format!("`{text}` {want}"));
            assert_eq!(error.hint, RATE_HINT);
        };
        for text in ["", "k messages/s", "messages/s", "-1 messages/s", "1.2.3 messages/s", "inf/s"]
        {
            check(text, "is not a rate");
        }
        for text in ["500", "5k", "1e3"] {
            let error = parse_rate(text).unwrap_err();
            assert!(error.message.starts_with(&format!("`{text}` ")), "{error}");
        }
        check("500", "does not say what arrives and how often");
        check("500 messages", "does not say how often");
        check("500 mails/s", "is not a rate of messages or sessions");
        check("5G messages/s", "is not a rate of messages or sessions");
        check("5K messages/s", "is not a rate of messages or sessions");
        check("500 messages/d", "is not a rate by the second, minute or hour");
        check("500 messages/ s", "is not a rate by the second, minute or hour");
        check("500 messages/s/s", "is not a rate by the second, minute or hour");
        check("10.1M messages/s", "is over 10 million a second");
        check(&format!("{} messages/s", "9".repeat(400)), "is over 10 million a second");
    }

    #[test]
    fn rates_print_by_the_time_that_makes_them_whole() {
        let check =
            |text: &str, want: &str| assert_eq!(parse_rate(text).unwrap().to_string(), want);
        check("200 sessions/s", "200 sessions/s");
        check("1.5k sessions/s", "1500 sessions/s");
        check("500 messages/m", "500 messages/m");
        check("3M messages/h", "50000 messages/m");
        check("3000001 messages/h", "3000001 messages/h");
        check("0.1234567 messages/s", "0.1234567 messages/s");
        check("0 messages/h", "0 messages/s");
    }

    proptest! {
        #[test]
        fn what_is_printed_reads_back(
            whole in 0..1_000_000_u32,
            part in 0..1000_u32,
            scale in prop::sample::select(vec!["", "k"]),
            unit in prop::sample::select(vec!["messages", "sessions"]),
            time in prop::sample::select(vec!["s", "m", "h"]),
        ) {
            let text = format!("{whole}.{part:03}{scale} {unit}/{time}");
            if let Ok(rate) = parse_rate(&text) {
                let back = parse_rate(&rate.to_string()).unwrap();
                prop_assert_eq!(back.unit, rate.unit);
                let off = (back.per_second - rate.per_second).abs();
                prop_assert!(off <= rate.per_second * 1e-11, "{} {} {}", text, rate, off);
            } else {
                prop_assert!(whole >= 10_000, "{}", text);
            }
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,12}|[0-9.kM]{0,6} ?(messages|sessions)?/?[smh]?") {
            if let Ok(rate) = parse_rate(&text) {
                prop_assert!((0.0..=RATE_MAX).contains(&rate.per_second));
            }
        }
    }
}
