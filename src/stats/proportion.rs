//! The difference between two shares, and the ratio of two counts.

use super::binomial::Z;
use super::distribution::normal_above;
use super::share::wilson;

/// A count of a base. Both may be less than what was counted, where samples come in clusters.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Part {
    /// So many.
    pub count: f64,
    /// Of so many; above 0.
    pub base: f64,
}

/// A difference or ratio with its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Between {
    pub value: f64,
    pub low: f64,
    /// Infinite for the ratio to a count of none.
    pub high: f64,
}

impl Part {
    /// The share.
    #[must_use]
    pub fn share(self) -> f64 {
        self.count / self.base
    }

    /// The same share of as many as count in full where parts of intervals differ more than chance has it: by Kish's
    /// design effect (1965), the spread between blocks over that of single samples.
    ///
    /// `parts` and `bases` are of the same intervals, in order.
    #[must_use]
    pub fn of_intervals(parts: &[f64], bases: &[f64], block: usize) -> Option<Self> {
        let (count, base) = (parts.iter().sum::<f64>(), bases.iter().sum::<f64>());
        if base <= 0.0 || count < 0.0 || count > base {
            return None;
        }
        let share = count / base;
        let chance = base * share * (1.0 - share);
        let blocks = parts.chunks(block.max(1)).zip(bases.chunks(block.max(1)));
        let (mut spread, mut used) = (0.0, 0_u32);
        for (parts, bases) in blocks {
            let (part, base): (f64, f64) = (parts.iter().sum(), bases.iter().sum());
            spread += (part - share * base).powi(2);
            used += u32::from(base > 0.0);
        }
        let used = f64::from(used);
        let effect =
            if chance > 0.0 && used > 1.0 { spread * used / (used - 1.0) / chance } else { 1.0 };
        let effect = effect.max(1.0);
        Some(Self { count: count / effect, base: base / effect })
    }
}

/// How much larger the share of `second` is than that of `first`: Newcombe's hybrid of two Wilson intervals (1998,
/// method 10).
#[must_use]
pub fn difference(first: Part, second: Part) -> Between {
    let (a, b) = (first.share(), second.share());
    let ((low_a, high_a), (low_b, high_b)) = (wilson(a, first.base), wilson(b, second.base));
    Between {
        value: b - a,
        low: b - a - (b - low_b).hypot(high_a - a),
        high: b - a + (high_b - b).hypot(a - low_a),
    }
}

impl Between {
    /// How often a true difference of at most `margin` looks so much larger; two-sided. Goes by the end of the interval
    /// that lies towards 0, as its width is what is known of the chance.
    #[must_use]
    pub fn p_beyond(&self, margin: f64) -> f64 {
        let beyond = self.value.abs() - margin;
        let half = if self.value > 0.0 { self.value - self.low } else { self.high - self.value };
        if beyond <= 0.0 || half <= 0.0 {
            return 1.0;
        }
        (2.0 * normal_above(beyond / (half / Z))).min(1.0)
    }
}

/// How many times the rate of `second` is that of `first`, each a count of events over a time.
///
/// Of all events, each falls on the second with a chance that the rates fix, so Wilson's interval of that share is the
/// ratio's (Przyborowski and Wilenski 1940, by score). `None` where nothing was counted at all.
#[must_use]
pub fn rate_ratio(first: Part, second: Part) -> Option<Between> {
    let all = first.count + second.count;
    if all <= 0.0 || first.base <= 0.0 || second.base <= 0.0 {
        return None;
    }
    let ratio = |share: f64| {
        if share >= 1.0 { f64::INFINITY } else { share / (1.0 - share) * first.base / second.base }
    };
    let share = second.count / all;
    let (low, high) = wilson(share, all);
    let high = if second.count >= all { f64::INFINITY } else { ratio(high) };
    let low = if second.count <= 0.0 { 0.0 } else { ratio(low) };
    Some(Between { value: ratio(share), low, high })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn near(got: Between, want: [f64; 3]) {
        let off = [got.value - want[0], got.low - want[1], got.high - want[2]];
        assert!(off.iter().all(|off| off.abs() < 1e-7), "{got:?}, not {want:?}");
    }

    fn part(count: f64, base: f64) -> Part {
        Part { count, base }
    }

    #[test]
    fn newcombes_examples() {
        // Newcombe (1998), table II: 56/70 and 48/80 give 0.0524 to 0.3339, and so on. The digits are those of
        // statsmodels 0.15.0: confint_proportions_2indep(..., method="newcomb", compare="diff").
        let check = |(c2, n2): (f64, f64), (c1, n1): (f64, f64), low, high| {
            near(difference(part(c1, n1), part(c2, n2)), [c2 / n2 - c1 / n1, low, high]);
        };
        check((56.0, 70.0), (48.0, 80.0), 0.052_431_472_402_364_98, 0.333_872_654_036_906_14);
        check((9.0, 10.0), (3.0, 10.0), 0.170_522_723_934_502_9, 0.809_017_973_535_488);
        check((0.0, 10.0), (10.0, 10.0), -1.0, -0.607_509_350_430_524_1);
        check((5.0, 56.0), (0.0, 29.0), -0.038_137_147_903_536_936, 0.192_560_013_855_111_65);
        check(
            (2.0, 1000.0),
            (10.0, 1200.0),
            -0.013_421_913_840_404_28,
            0.000_158_327_042_948_088_44,
        );
    }

    #[test]
    fn ratios_of_counts() {
        // statsmodels 0.15.0: confint_poisson_2indep(60, 514.8, 30, 543.1, method="score", compare="ratio"), and 100 in
        // 10 against 130 in 10.
        let got = rate_ratio(part(30.0, 543.1), part(60.0, 514.8)).unwrap();
        let ratio = 60.0 / 514.8 / (30.0 / 543.1);
        near(got, [ratio, 1.365_928_792_354_190_7, 3.259_225_883_155_666_6]);
        let got = rate_ratio(part(130.0, 10.0), part(100.0, 10.0)).unwrap();
        near(got, [100.0 / 130.0, 0.593_136_229_674_332_3, 0.997_605_516_975_420_5]);
        let got = rate_ratio(part(0.0, 10.0), part(5.0, 10.0)).unwrap();
        assert_eq!((got.value, got.high), (f64::INFINITY, f64::INFINITY));
        assert!(got.low > 1.0, "{got:?}");
        let got = rate_ratio(part(5.0, 10.0), part(0.0, 10.0)).unwrap();
        assert!(got.value == 0.0 && got.low == 0.0 && got.high < 1.0, "{got:?}");
        assert_eq!(rate_ratio(part(0.0, 10.0), part(0.0, 10.0)), None);
        assert_eq!(rate_ratio(part(1.0, 0.0), part(1.0, 1.0)), None);
    }

    #[test]
    fn clusters_count_for_less() {
        // A tenth of the messages in each interval: less spread than chance, which counts in full.
        let even = Part::of_intervals(&[10.0; 20], &[100.0; 20], 1).unwrap();
        assert_eq!(even, part(200.0, 2000.0));
        // The same share, all of it in two intervals: as good as few samples.
        let mut bursts = [0.0; 20];
        bursts[8..10].fill(100.0);
        let burst = Part::of_intervals(&bursts, &[100.0; 20], 2).unwrap();
        assert!((burst.share() - 0.1).abs() < 1e-12);
        // By hand: 10 blocks, spread 9 * 20^2 + 180^2 = 36,000, times 10/9 over 180 is 222.2.
        assert!((burst.base - 9.0).abs() < 1e-9, "{burst:?}");
        assert_eq!(Part::of_intervals(&[0.0; 3], &[5.0; 3], 1), Some(part(0.0, 15.0)));
        assert_eq!(Part::of_intervals(&[0.0], &[0.0], 1), None);
        assert_eq!(Part::of_intervals(&[2.0], &[1.0], 1), None);
    }

    #[test]
    fn p_agrees_with_the_interval() {
        let clear = difference(part(2.0, 1000.0), part(40.0, 1000.0));
        assert!(clear.low > 0.0 && clear.p_beyond(0.0) < 0.05 && clear.p_beyond(0.1) == 1.0);
        assert!(clear.p_beyond(clear.low) > 0.049 && clear.p_beyond(clear.low) < 0.051);
        let none = difference(part(3.0, 1000.0), part(5.0, 1000.0));
        assert!(none.low < 0.0 && none.p_beyond(0.0) > 0.05);
        assert_eq!(difference(part(0.0, 9.0), part(0.0, 9.0)).p_beyond(0.0), 1.0);
        let back = difference(part(40.0, 1000.0), part(2.0, 1000.0));
        assert!((back.p_beyond(0.0) - clear.p_beyond(0.0)).abs() < 1e-12);
    }
}
