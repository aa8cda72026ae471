//! How long the sink waits before a reply: laws that a seeded choice is drawn from.

use std::time::Duration;

use rand::RngExt as _;
use rand::distr::Distribution as _;
use rand_distr::{Exp1, LogNormal};
use rand_xoshiro::SplitMix64;

use crate::units::{DURATION_MAX, UnitError, parse_duration, parse_range, parse_share};

/// The 99 % quantile of the normal distribution.
const Z_99: f64 = 2.326_347_874_040_841;

/// A log-normal delay is cut at this multiple of its p99, so that one draw in a million does not outlast a test.
const TAIL: u32 = 4;

/// Odds may miss the whole by this much: thirds do not add up to 100 %.
const SHARE_SLACK: f64 = 0.001;

const HINT: &str =
    "write 50ms, 10ms..20ms, mean 20ms, p50 20ms p99 200ms, 90% 5ms, 10% 200ms, or 10ms x2 to 5s";

/// A law of delays.
#[derive(Clone, Debug, PartialEq)]
pub enum Delay {
    /// Always the same.
    Fixed(Duration),
    /// Every duration between the ends is as likely.
    Uniform { low: Duration, high: Duration },
    /// As of events that do not know of each other.
    Exponential { mean: Duration },
    /// By its median and its 99th percentile, cut at four times that.
    LogNormal { p50: Duration, p99: Duration },
    /// One of several, by its share; where the shares do not add up to 1, no delay for the rest.
    Odds(Vec<(f64, Delay)>),
    /// Grows with each command of its kind in a session, by `factor`, up to `most`: a tarpit.
    Growing { first: Duration, factor: f64, most: Duration },
}

impl Delay {
    /// Log-normal, where the percentiles stand in order.
    ///
    /// # Errors
    /// When the median is zero or above the 99th percentile.
    pub fn log_normal(p50: Duration, p99: Duration) -> Result<Self, UnitError> {
        if p50.is_zero() || p50 > p99 {
            return Err(fault("p50 is zero or above p99"));
        }
        Ok(Self::LogNormal { p50, p99 })
    }

    /// One of several by share.
    ///
    /// # Errors
    /// When the shares add up to more than 100 %, or there are none.
    pub fn odds(odds: Vec<(f64, Self)>) -> Result<Self, UnitError> {
        let sum: f64 = odds.iter().map(|(share, _)| share).sum();
        if odds.is_empty() || sum > 1.0 + SHARE_SLACK {
            return Err(fault("the shares add up to more than 100 %, or there are none"));
        }
        Ok(Self::Odds(odds))
    }

    /// Growing by `factor` from `first` to `most`.
    ///
    /// # Errors
    /// When the factor is no number from 1 to 1,000, or it begins above its end.
    pub fn growing(first: Duration, factor: f64, most: Duration) -> Result<Self, UnitError> {
        if !(1.0..=1000.0).contains(&factor) {
            return Err(fault("the factor of a growing delay is no number from 1 to 1000"));
        }
        if first > most {
            return Err(fault("a growing delay begins above its end"));
        }
        Ok(Self::Growing { first, factor, most })
    }

    /// Reads a delay as flags give it.
    ///
    /// # Errors
    /// When the text is none of the forms that the hint names.
    pub fn parse(text: &str) -> Result<Self, UnitError> {
        let text = text.trim();
        if let Some(mean) = text.strip_prefix("mean ") {
            return Ok(Self::Exponential { mean: parse_duration(mean)? });
        }
        if let Some(rest) = text.strip_prefix("p50 ") {
            let (p50, p99) = rest.split_once("p99 ").ok_or_else(|| fault("p50 without p99"))?;
            return Self::log_normal(parse_duration(p50)?, parse_duration(p99)?);
        }
        if text.contains('%') {
            let odds = text.split(',').map(|one| {
                let (share, delay) =
                    one.split_once('%').ok_or_else(|| fault("odds without a share in per cent"))?;
                Ok((parse_share(&format!("{}%", share.trim()))?, Self::parse_simple(delay)?))
            });
            return Self::odds(odds.collect::<Result<_, UnitError>>()?);
        }
        if let Some((first, rest)) = text.split_once(" x") {
            let (factor, most) =
                rest.split_once(" to ").ok_or_else(|| fault("a growing delay without its end"))?;
            let factor = factor.trim().parse().unwrap_or(f64::NAN);
            return Self::growing(parse_duration(first)?, factor, parse_duration(most)?);
        }
        Self::parse_simple(text)
    }

    /// Reads `50ms` or `10ms..20ms`.
    ///
    /// # Errors
    /// When it is neither.
    pub fn parse_simple(text: &str) -> Result<Self, UnitError> {
        let (low, high) = parse_range(text, parse_duration)?.into_inner();
        Ok(if low == high { Self::Fixed(low) } else { Self::Uniform { low, high } })
    }

    /// Whether it is always zero.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        *self == Self::Fixed(Duration::ZERO)
    }

    /// One delay; `nth` counts the draws for this verb in this session, from 0.
    #[must_use]
    pub fn draw(&self, rng: &mut SplitMix64, nth: u32) -> Duration {
        match self {
            Self::Fixed(delay) => *delay,
            Self::Uniform { low, high } => rng.random_range(*low..=*high),
            Self::Exponential { mean } => {
                let factor: f64 = Exp1.sample(rng);
                seconds(mean.as_secs_f64() * factor)
            }
            Self::LogNormal { p50, p99 } => {
                let (median, tail) = (p50.as_secs_f64(), p99.as_secs_f64());
                let sigma = (tail / median).ln() / Z_99;
                let drawn =
                    LogNormal::new(median.ln(), sigma).map_or(median, |law| law.sample(rng));
                seconds(drawn).min(p99.saturating_mul(TAIL))
            }
            Self::Odds(odds) => {
                let mut left: f64 = rng.random();
                for (share, delay) in odds {
                    if left < *share {
                        return delay.draw(rng, nth);
                    }
                    left -= share;
                }
                Duration::ZERO
            }
            Self::Growing { first, factor, most } => {
                let grown = first.as_secs_f64() * factor.powf(f64::from(nth));
                seconds(grown).min(*most)
            }
        }
    }
}

/// A duration of so many seconds, at most a year.
fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or(DURATION_MAX).min(DURATION_MAX)
}

fn fault(message: &str) -> UnitError {
    UnitError { message: message.into(), hint: HINT.into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::seed::{Purpose, choice};

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn every_form_reads() {
        let check = |text: &str, want: Delay| assert_eq!(Delay::parse(text), Ok(want), "{text}");
        check("50ms", Delay::Fixed(ms(50)));
        check(" 10ms .. 20ms ", Delay::Uniform { low: ms(10), high: ms(20) });
        check("mean 20ms", Delay::Exponential { mean: ms(20) });
        check("p50 20ms p99 200ms", Delay::LogNormal { p50: ms(20), p99: ms(200) });
        check(
            "90% 5ms, 10% 100ms..200ms",
            Delay::Odds(vec![
                (0.9, Delay::Fixed(ms(5))),
                (0.1, Delay::Uniform { low: ms(100), high: ms(200) }),
            ]),
        );
        check("10ms x2 to 5s", Delay::Growing { first: ms(10), factor: 2.0, most: ms(5000) });
    }

    #[test]
    fn what_is_no_delay_says_why() {
        for (bad, message) in [
            ("", "`` is not a duration"),
            ("50", "duration `50` has no unit"),
            ("20ms..10ms", "range `20ms..10ms` runs backwards"),
            ("mean", "`mean` is not a duration"),
            ("p50 20ms", "p50 without p99"),
            ("p50 20ms p99 2ms", "p50 is zero or above p99"),
            ("p50 0s p99 2ms", "p50 is zero or above p99"),
            ("60% 5ms, 50% 1s", "the shares add up to more than 100 %, or there are none"),
            ("110% 5ms", "`110%` is not a share"),
            ("50% 5ms, 1s", "odds without a share in per cent"),
            ("10ms x2", "a growing delay without its end"),
            ("10ms xy to 5s", "the factor of a growing delay is no number from 1 to 1000"),
            ("10ms x0.5 to 5s", "the factor of a growing delay is no number from 1 to 1000"),
            ("10s x2 to 5s", "a growing delay begins above its end"),
        ] {
            assert_eq!(Delay::parse(bad).unwrap_err().message, message, "{bad:?}");
        }
    }

    /// The percentile `share` of 20,000 draws.
    fn percentile(delay: &Delay, share: f64) -> Duration {
        const DRAWS: usize = 20_000;
        let mut rng = choice(11, Purpose::Sink, 0, 0);
        let mut draws: Vec<_> = (0..DRAWS).map(|_| delay.draw(&mut rng, 0)).collect();
        draws.sort();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share")]
        let index = (share * DRAWS as f64) as usize;
        draws[index.min(DRAWS - 1)]
    }

    #[track_caller]
    fn near(got: Duration, want: Duration) {
        let ratio = got.as_secs_f64() / want.as_secs_f64();
        assert!((0.9..1.1).contains(&ratio), "{got:?} instead of {want:?}");
    }

    #[test]
    fn laws_have_the_percentiles_they_say() {
        let law = |text| Delay::parse(text).unwrap();
        near(percentile(&law("mean 20ms"), 0.5), Duration::from_micros(13_863));
        near(percentile(&law("p50 20ms p99 200ms"), 0.5), ms(20));
        near(percentile(&law("p50 20ms p99 200ms"), 0.99), ms(200));
        assert!(percentile(&law("p50 20ms p99 200ms"), 1.0) <= ms(800));
        near(percentile(&law("10ms..20ms"), 0.5), ms(15));
        let odds = law("90% 5ms, 5% 200ms");
        assert_eq!(percentile(&odds, 0.0), Duration::ZERO, "5 % wait for nothing");
        assert_eq!((percentile(&odds, 0.5), percentile(&odds, 0.99)), (ms(5), ms(200)));
    }

    #[test]
    fn a_tarpit_grows_to_its_end_and_not_beyond() {
        let delay = Delay::parse("10ms x2 to 1s").unwrap();
        let mut rng = choice(1, Purpose::Sink, 0, 0);
        let mut draw = |nth| delay.draw(&mut rng, nth);
        assert_eq!([draw(0), draw(1), draw(3)], [ms(10), ms(20), ms(80)]);
        assert_eq!([draw(7), draw(60), draw(u32::MAX)], [ms(1000); 3]);
    }

    #[test]
    fn the_same_seed_draws_the_same() {
        let delay = Delay::parse("mean 20ms").unwrap();
        let draw = |seed| delay.draw(&mut choice(seed, Purpose::Sink, 3, 0), 0);
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
    }
}
