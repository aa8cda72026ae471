//! Spans of time since the first connection, once or again and again.

use std::time::Duration;

use crate::units::{DURATION_MAX, UnitError, parse_duration};

const HINT: &str = "write 1.4s after 5s, 1.4s every 20s, or 1.4s every 20s after 5s";

/// When something holds, counted from the first connection: from `after` on for `length`, and then again `every` so
/// often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    after: Duration,
    length: Duration,
    every: Option<Duration>,
}

impl Window {
    /// From `after`, where there is none at once, for `length`, where there is none for ever; `every` so often.
    ///
    /// # Errors
    /// When it has no length, or begins again before it ends.
    pub fn new(
        after: Option<Duration>,
        length: Option<Duration>,
        every: Option<Duration>,
    ) -> Result<Self, UnitError> {
        let fault = |message: &str| Err(UnitError { message: message.into(), hint: HINT.into() });
        let window = Self {
            after: after.unwrap_or_default(),
            length: length.unwrap_or(DURATION_MAX),
            every,
        };
        if window.length.is_zero() {
            return fault("a time span of zero");
        }
        if every.is_some_and(|every| every <= window.length) {
            return fault("a time span that begins again before it ends");
        }
        Ok(window)
    }

    /// Reads a freeze as flags give it: `1.4s after 5s`, `1.4s every 20s`. Without `after` the first begins when the
    /// first period is over.
    ///
    /// # Errors
    /// When it is none of these.
    pub fn parse(text: &str) -> Result<Self, UnitError> {
        let fault = |message: String| UnitError { message, hint: HINT.into() };
        let mut words = text.split_whitespace();
        let length = parse_duration(words.next().unwrap_or_default())?;
        let (mut after, mut every) = (None, None);
        while let Some(word) = words.next() {
            let time = match word {
                "after" if after.is_none() => &mut after,
                "every" if every.is_none() => &mut every,
                _ => return Err(fault(format!("`{}` in a time span", word.escape_debug()))),
            };
            *time = Some(parse_duration(words.next().unwrap_or_default())?);
        }
        if after.is_none() && every.is_none() {
            return Err(fault("a time span without its beginning".into()));
        }
        Self::new(after.or(every), Some(length), every)
    }

    /// Whether it holds at `time`.
    #[must_use]
    pub fn contains(&self, time: Duration) -> bool {
        self.end(time).is_some()
    }

    /// When it ends, if it holds at `time`.
    #[must_use]
    pub fn end(&self, time: Duration) -> Option<Duration> {
        let since = time.checked_sub(self.after)?;
        let into = match self.every {
            Some(every) => Duration::from_nanos_u128(since.as_nanos() % every.as_nanos()),
            None => since,
        };
        (into < self.length).then(|| time + (self.length - into))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, ends: &[(u64, Option<u64>)]) {
        let window = Window::parse(text).unwrap();
        for (time, end) in ends {
            let got = window.end(Duration::from_millis(*time));
            assert_eq!(got, end.map(Duration::from_millis), "{text} at {time} ms");
            assert_eq!(window.contains(Duration::from_millis(*time)), end.is_some());
        }
    }

    #[test]
    fn once_or_again_and_again() {
        check(
            "1.4s after 5s",
            &[(4999, None), (5000, Some(6400)), (6399, Some(6400)), (6400, None), (60_000, None)],
        );
        check(
            "1s every 20s",
            &[(0, None), (20_000, Some(21_000)), (21_000, None), (40_999, Some(41_000))],
        );
        check("1s every 10s after 2s", &[(1999, None), (2000, Some(3000)), (12_500, Some(13_000))]);
    }

    #[test]
    fn without_an_end_or_a_beginning() {
        let window = Window::new(None, None, None).unwrap();
        assert!(window.contains(Duration::ZERO) && window.contains(DURATION_MAX / 2));
        let late = Window::new(Some(Duration::from_secs(9)), None, None).unwrap();
        assert!(!late.contains(Duration::from_secs(8)) && late.contains(Duration::from_secs(9)));
    }

    #[test]
    fn what_is_no_span_says_why() {
        for (bad, message) in [
            ("", "`` is not a duration"),
            ("1s", "a time span without its beginning"),
            ("1s at 5s", "`at` in a time span"),
            ("1s after 5s after 6s", "`after` in a time span"),
            ("1s after", "`` is not a duration"),
            ("0s after 5s", "a time span of zero"),
            ("20s every 20s", "a time span that begins again before it ends"),
        ] {
            assert_eq!(Window::parse(bad).unwrap_err().message, message, "{bad:?}");
        }
    }
}
