//! Shares with their intervals.

use super::binomial::{Z, as_f64};

/// A share of a base with its 95 % interval, as fractions from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Share {
    /// The count over its base.
    pub value: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

impl Share {
    /// The share of `count` in `base`, with Wilson's interval. `None` of an empty base.
    ///
    /// None of `base` is at most 3/base, and all of it at least 1 - 3/base (the rule of three).
    #[must_use]
    pub fn of(count: u64, base: u64) -> Option<Self> {
        if base == 0 || count > base {
            return None;
        }
        let (n, value) = (as_f64(base), as_f64(count) / as_f64(base));
        let three = (3.0 / n).min(1.0);
        if count == 0 {
            return Some(Self { value: 0.0, low: 0.0, high: three });
        }
        if count == base {
            return Some(Self { value: 1.0, low: 1.0 - three, high: 1.0 });
        }
        let (low, high) = wilson(value, n);
        Some(Self { value, low, high })
    }
}

/// Wilson's 95 % interval (1927) of a share of `n`.
pub(super) fn wilson(value: f64, n: f64) -> (f64, f64) {
    let squared = Z * Z;
    let centre = (value + squared / (2.0 * n)) / (1.0 + squared / n);
    let half =
        Z / (1.0 + squared / n) * (value * (1.0 - value) / n + squared / (4.0 * n * n)).sqrt();
    ((centre - half).max(0.0), (centre + half).min(1.0))
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_xoshiro::Xoshiro256PlusPlus;

    use super::*;

    #[test]
    fn wilson_is_that_of_the_books() {
        let share = Share::of(81, 263).unwrap();
        assert!((share.low - 0.2553).abs() < 1e-4, "{share:?}");
        assert!((share.high - 0.3662).abs() < 1e-4, "{share:?}");
    }

    #[test]
    fn none_of_n_is_at_most_three_of_n() {
        assert_eq!(Share::of(0, 1000), Some(Share { value: 0.0, low: 0.0, high: 0.003 }));
        assert_eq!(Share::of(1000, 1000), Some(Share { value: 1.0, low: 0.997, high: 1.0 }));
        assert_eq!(Share::of(0, 2), Some(Share { value: 0.0, low: 0.0, high: 1.0 }));
        assert_eq!(Share::of(0, 0), None);
        assert_eq!(Share::of(2, 1), None);
    }

    #[test]
    fn the_interval_holds_the_true_share() {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(821);
        for (truth, base) in [(0.5, 40), (0.1, 100), (0.01, 2_000), (0.99, 1_000)] {
            let held = (0..1_000)
                .filter(|_| {
                    let count = (0..base).filter(|_| random.random::<f64>() < truth).count();
                    let share = Share::of(count as u64, base).unwrap();
                    share.low <= truth && truth <= share.high
                })
                .count();
            assert!((920..=990).contains(&held), "{truth} of {base}: {held} of 1000");
        }
    }
}
