//! Quantiles of samples whose distribution nobody knows: their rank, and the ranks between which the true
//! quantile lies with 95 %.

use super::binomial::low_tail;

/// A quantile, in hundred-thousandths: p99.9 is 99 900. Above 0 and below 100 000.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Quantile(u32);

/// Order statistics (ranks from 1) that enclose a quantile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RankInterval {
    /// The lower one; `None` where the samples set no lower end.
    pub low: Option<u64>,
    /// The upper one, always below the largest sample.
    pub high: u64,
}

impl Quantile {
    pub const P50: Self = Self(50_000);
    pub const P75: Self = Self(75_000);
    pub const P90: Self = Self(90_000);
    pub const P95: Self = Self(95_000);
    pub const P99: Self = Self(99_000);
    pub const P99_9: Self = Self(99_900);
    pub const P99_99: Self = Self(99_990);

    /// The quantile of so many hundred-thousandths; `None` outside 1 to 99 999.
    #[must_use]
    pub fn new(hundred_thousandths: u32) -> Option<Self> {
        (1..100_000).contains(&hundred_thousandths).then_some(Self(hundred_thousandths))
    }

    /// Reads what it prints as: `p99.9`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let number = text.strip_prefix('p')?;
        let (whole, rest) = number.split_once('.').unwrap_or((number, ""));
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(whole) || !digits(rest) || whole.len() > 2 || rest.len() > 3 {
            return None;
        }
        Self::new(format!("{whole}{rest:0<3}").parse().ok()?)
    }

    /// The rank (from 1) of the quantile among `count` samples: the smallest sample that so large a share does
    /// not exceed. 0 where there is no sample.
    #[must_use]
    pub fn rank(self, count: u64) -> u64 {
        let rank = (u128::from(count) * u128::from(self.0)).div_ceil(100_000);
        u64::try_from(rank).unwrap_or(u64::MAX)
    }

    /// The ranks that enclose the true quantile with at least 95 %, whatever the distribution.
    ///
    /// `None` where the samples are too few: then the upper end would be the largest sample, and one slow sample
    /// more or less would be the whole figure.
    #[must_use]
    pub fn interval(self, count: u64) -> Option<RankInterval> {
        // The true quantile is below the sample of rank r where fewer than r samples are below it: a binomial.
        let above = low_tail(count, f64::from(100_000 - self.0) / 1e5)?;
        if above == 0 {
            return None;
        }
        let low = low_tail(count, f64::from(self.0) / 1e5).map(|below| below + 1);
        Some(RankInterval { low, high: count - above })
    }

    /// The fewest samples that give it an interval.
    #[must_use]
    pub fn samples_needed(self) -> u64 {
        // The count of samples above must reach 5.572 on average where it is rare, and never needs more.
        let (mut low, mut high) = (0_u64, 600_000_u64);
        while low < high {
            let middle = u64::midpoint(low, high);
            if self.interval(middle).is_some() {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        low
    }
}

impl std::fmt::Display for Quantile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (whole, rest) = (self.0 / 1000, self.0 % 1000);
        if rest == 0 {
            return f.pad(&format!("p{whole}"));
        }
        f.pad(format!("p{whole}.{rest:03}").trim_end_matches('0'))
    }
}

#[cfg(test)]
mod tests {
    use rand::{Rng, RngExt, SeedableRng};
    use rand_xoshiro::Xoshiro256PlusPlus;

    use super::*;

    #[test]
    fn ranks_are_exact_integers() {
        assert_eq!(Quantile::P99.rank(100), 99);
        assert_eq!(Quantile::P99.rank(101), 100);
        assert_eq!(Quantile::P50.rank(1), 1);
        assert_eq!(Quantile::P99_9.rank(0), 0);
        assert_eq!(Quantile::P99_99.rank(u64::MAX), 18_444_899_399_302_180_660);
    }

    #[test]
    fn few_samples_give_no_interval() {
        let needs = |quantile: Quantile| quantile.samples_needed();
        assert_eq!(needs(Quantile::P50), 9);
        assert_eq!(needs(Quantile::P95), 110);
        assert!((55_500..=56_500).contains(&needs(Quantile::P99_99)));
        assert!((555..=600).contains(&needs(Quantile::P99)), "{}", needs(Quantile::P99));
        assert!((5_550..=5_700).contains(&needs(Quantile::P99_9)), "{}", needs(Quantile::P99_9));
        for quantile in [Quantile::P50, Quantile::P95, Quantile::P99, Quantile::P99_9] {
            let enough = quantile.samples_needed();
            assert_eq!(quantile.interval(enough - 1), None);
            assert!(quantile.interval(enough).is_some_and(|ranks| ranks.high < enough));
        }
        assert_eq!(Quantile::P50.interval(0), None);
    }

    #[test]
    fn a_low_quantile_of_few_samples_has_no_lower_end() {
        let p1 = Quantile::new(1_000).unwrap();
        assert!(p1.interval(100).is_some_and(|ranks| ranks.low.is_none()));
        assert!(p1.interval(10_000).is_some_and(|ranks| ranks.low.is_some()));
    }

    #[test]
    fn the_interval_holds_the_rank() {
        for count in [9, 10, 57, 600, 6_000, 123_456, 10_000_000, 5_000_000_000] {
            for quantile in [Quantile::P50, Quantile::P90, Quantile::P99, Quantile::P99_99] {
                if let Some(RankInterval { low, high }) = quantile.interval(count) {
                    let rank = quantile.rank(count);
                    assert!(low.is_some_and(|low| low <= rank), "{quantile} of {count}");
                    assert!(rank <= high && high < count, "{quantile} of {count}");
                }
            }
        }
    }

    /// Of uniform samples, the true quantile is known; counts how often the interval holds it.
    #[track_caller]
    fn check_coverage(quantile: Quantile, count: usize, random: &mut impl Rng) {
        let ranks = quantile.interval(count as u64).unwrap();
        let index = |rank: u64| usize::try_from(rank - 1).unwrap();
        let truth = f64::from(quantile.0) / 1e5;
        let held = (0..1_000)
            .filter(|_| {
                let mut samples: Vec<f64> = (0..count).map(|_| random.random()).collect();
                samples.sort_by(f64::total_cmp);
                let low = ranks.low.map_or(0.0, |low| samples[index(low)]);
                low <= truth && truth <= samples[index(ranks.high)]
            })
            .count();
        // Two percent of simulation noise is four standard deviations at 95 %.
        assert!((930..=1000).contains(&held), "{quantile} of {count}: {held} of 1000");
    }

    #[test]
    fn intervals_hold_the_true_quantile() {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(5321);
        check_coverage(Quantile::P50, 9, &mut random);
        check_coverage(Quantile::P50, 201, &mut random);
        check_coverage(Quantile::P50, 1_500, &mut random);
        check_coverage(Quantile::P95, 400, &mut random);
        check_coverage(Quantile::P99, 700, &mut random);
    }

    #[test]
    fn names_are_those_of_thresholds() {
        let name = |n| Quantile::new(n).unwrap().to_string();
        assert_eq!([name(99_900), name(50_000), name(5)], ["p99.9", "p50", "p0.005"]);
        assert_eq!(Quantile::new(0), None);
        assert_eq!(Quantile::new(100_000), None);
    }
}
