//! Rates with their intervals: of batches of neighbouring intervals of a run, since what is slow for one second is slow
//! for the next.

use super::binomial::TAIL;
use super::distribution::student_quantile;

/// Most batches: with more of them neighbours are too much alike (Schmeiser 1982: from 10 to 30 do).
const BATCHES_MAX: usize = 20;
/// Fewest intervals of a run that say anything of how a rate wavers.
const INTERVALS_MIN: usize = 5;

/// A rate with its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    /// All counts over all seconds.
    pub per_s: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

impl Rate {
    /// The rate of intervals, each with its count and its length in seconds, in order; by batch means.
    ///
    /// None in so many seconds is at most 3 in as many. `None` where there are fewer than [`INTERVALS_MIN`] intervals.
    #[must_use]
    pub fn of(intervals: &[(f64, f64)]) -> Option<Self> {
        if intervals.len() < INTERVALS_MIN {
            return None;
        }
        let sum = |part: &[(f64, f64)]| {
            part.iter().fold((0.0, 0.0), |(count, time), one| (count + one.0, time + one.1))
        };
        let (count, time) = sum(intervals);
        if time <= 0.0 {
            return None;
        }
        let per_s = count / time;
        if count <= 0.0 {
            return Some(Self { per_s, low: 0.0, high: 3.0 / time });
        }
        let batches: Vec<_> = intervals.chunks(intervals.len().div_ceil(BATCHES_MAX)).collect();
        let off = batches.iter().map(|batch| {
            let (count, time) = sum(batch);
            (count - per_s * time).powi(2)
        });
        let batches = f64::from(u32::try_from(batches.len()).unwrap_or(u32::MAX));
        let deviation = (off.sum::<f64>() * batches / (batches - 1.0)).sqrt() / time;
        let half = student_quantile(1.0 - TAIL, batches - 1.0) * deviation;
        Some(Self { per_s, low: (per_s - half).max(0.0), high: per_s + half })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_batches_are_a_mean_with_students_interval() {
        // SciPy 1.17.1: t.interval(0.95, 4, loc=mean(x), scale=sem(x)) of these five.
        let counts = [98.0, 103.0, 101.0, 97.0, 106.0];
        let rate = Rate::of(&counts.map(|count| (count, 1.0))).unwrap();
        assert!((rate.per_s - 101.0).abs() < 1e-12, "{rate:?}");
        assert!(
            (rate.low - 96.437_835_158_625_09).abs() < 1e-9
                && (rate.high - 105.562_164_841_374_91).abs() < 1e-9,
            "{rate:?}"
        );
        // In half the time it is twice the rate.
        let twice = Rate::of(&counts.map(|count| (count, 0.5))).unwrap();
        assert!((twice.low - 2.0 * rate.low).abs() < 1e-9, "{twice:?}");
    }

    #[test]
    fn a_steady_rate_is_sure_and_few_intervals_are_not() {
        let steady = Rate::of(&[(10.0, 1.0); 600]).unwrap();
        assert_eq!((steady.per_s, steady.low, steady.high), (10.0, 10.0, 10.0));
        assert_eq!(Rate::of(&[(10.0, 1.0); INTERVALS_MIN - 1]), None);
        assert_eq!(Rate::of(&[(10.0, 0.0); 9]), None);
        let none = Rate::of(&[(0.0, 1.0); 10]).unwrap();
        assert_eq!((none.per_s, none.low, none.high), (0.0, 0.0, 0.3));
    }

    #[test]
    fn neighbours_that_are_alike_count_once() {
        // Fast for 30 s and slow for 30 s: single seconds would seem to be sixty samples.
        let waves: Vec<(f64, f64)> =
            (0..600).map(|second| (if second / 30 % 2 == 0 { 90.0 } else { 110.0 }, 1.0)).collect();
        let rate = Rate::of(&waves).unwrap();
        let alone = 1.96 * 10.0 / 600_f64.sqrt();
        assert!(rate.high - rate.per_s > 5.0 * alone, "{rate:?}");
    }
}
