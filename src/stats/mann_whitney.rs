//! Two samples of which nothing is known but their order: the Mann-Whitney test, and how far one lies from the other.

use super::binomial::{TAIL, Z};
use super::distribution::normal_above;

/// Up to so many values a side, and without ties, probabilities are counted out.
const EXACT_MAX: usize = 30;

/// What the test says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MannWhitney {
    /// Pairs in which the second sample's value is the larger; a tie counts half.
    pub u: f64,
    /// Two-sided: how often equals differ so much.
    pub p: f64,
    /// Counted out, and not by the normal distribution.
    pub exact: bool,
}

/// How far the second sample lies above the first.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shift {
    /// The median of all pairwise differences (Hodges and Lehmann 1963).
    pub value: f64,
    /// The 95 % interval (Moses): the shifts that the test does not refuse. `None` where the values are too few for one.
    pub interval: Option<(f64, f64)>,
}

/// Tests whether `second` lies above or below `first` (Mann and Whitney 1947).
///
/// Exact where there are at most [`EXACT_MAX`] values a side and no two are equal; else by the normal distribution,
/// corrected for ties and continuity. `None` where a side is empty or a value is no number.
#[must_use]
pub fn mann_whitney(first: &[f64], second: &[f64]) -> Option<MannWhitney> {
    if first.is_empty() || second.is_empty() {
        return None;
    }
    let mut all: Vec<(f64, bool)> = first.iter().map(|value| (*value, false)).collect();
    all.extend(second.iter().map(|value| (*value, true)));
    if all.iter().any(|(value, _)| !value.is_finite()) {
        return None;
    }
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    // Ranks of the second sample; equal values share the mean of theirs.
    let (mut rank_sum, mut ties, mut below) = (0.0, 0.0, 0.0);
    for group in all.chunk_by(|a, b| a.0 == b.0) {
        let size = as_f64(group.len());
        let of_second = as_f64(group.iter().filter(|(_, second)| *second).count());
        rank_sum += of_second * (below + f64::midpoint(size, 1.0));
        ties += size * (size * size - 1.0);
        below += size;
    }
    let (n, m) = (as_f64(first.len()), as_f64(second.len()));
    let u = rank_sum - m * (m + 1.0) / 2.0;
    if ties == 0.0 && first.len().max(second.len()) <= EXACT_MAX {
        let from_edge = u.min(n * m - u);
        let p = 2.0 * at_most(first.len(), second.len(), from_edge);
        return Some(MannWhitney { u, p: p.min(1.0), exact: true });
    }
    let total = n + m;
    let variance = n * m / 12.0 * (total + 1.0 - ties / (total * (total - 1.0)));
    // Half a pair: u is a whole number and the normal distribution has none.
    let distance = ((u - n * m / 2.0).abs() - 0.5).max(0.0);
    let p = if variance > 0.0 { 2.0 * normal_above(distance / variance.sqrt()) } else { 1.0 };
    Some(MannWhitney { u, p: p.min(1.0), exact: false })
}

/// How far `second` lies above `first`. `None` where a side is empty or a value is no number.
#[must_use]
pub fn shift(first: &[f64], second: &[f64]) -> Option<Shift> {
    let pairs = first.iter().flat_map(|a| second.iter().map(move |b| b - a));
    let mut differences: Vec<f64> = pairs.collect();
    if differences.is_empty() || differences.iter().any(|difference| !difference.is_finite()) {
        return None;
    }
    differences.sort_by(f64::total_cmp);
    let last = differences.len() - 1;
    let value = f64::midpoint(differences[last / 2], differences[last.div_ceil(2)]);
    let outside = pairs_outside(first.len(), second.len());
    let interval = outside.filter(|outside| 2 * outside <= last);
    let interval = interval.map(|outside| (differences[outside], differences[last - outside]));
    Some(Shift { value, interval })
}

/// The smallest p that the test can have with so many values a side: all of one side above the other.
#[must_use]
pub fn smallest_p(first: usize, second: usize) -> f64 {
    if first.max(second) <= EXACT_MAX { (2.0 * at_most(first, second, 0.0)).min(1.0) } else { 0.0 }
}

/// How many of the sorted differences lie outside the interval at either end: the most for which fewer pairs have at
/// most [`TAIL`].
fn pairs_outside(first: usize, second: usize) -> Option<usize> {
    if first.max(second) <= EXACT_MAX {
        let (ways, all) = (ways(first, second), total(first, second));
        let mut sum = 0.0;
        let within = ways.iter().take_while(|count| {
            sum += **count;
            sum <= all * TAIL
        });
        return within.count().checked_sub(1);
    }
    let (n, m) = (as_f64(first), as_f64(second));
    let outside = n * m / 2.0 - Z * (n * m * (n + m + 1.0) / 12.0).sqrt() - 0.5;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "at least 0 and below the number of pairs"
    )]
    (outside >= 0.0).then_some(outside as usize)
}

/// `P(U <= u)` of equals.
fn at_most(first: usize, second: usize, u: f64) -> f64 {
    let ways = ways(first, second);
    let within = ways.iter().zip(0_u32..).take_while(|(_, pairs)| f64::from(*pairs) <= u);
    within.map(|(count, _)| count).sum::<f64>() / total(first, second)
}

/// In how many of the orders of both samples so many pairs have the second's value above, by that number.
fn ways(first: usize, second: usize) -> Vec<f64> {
    let pairs = first * second;
    // By how many of the second sample are placed: counts of pairs. Whoever comes next from the second sample stands
    // above all of the first that were placed.
    let mut counts = vec![vec![0.0; pairs + 1]; second + 1];
    counts[0][0] = 1.0;
    for below in 0..=first {
        // Places between two of the first sample take any number of the second's, each with `below` pairs.
        for placed in 1..=second {
            let (before, after) = counts.split_at_mut(placed);
            for (pairs, count) in after[0].iter_mut().enumerate().skip(below) {
                *count += before[placed - 1][pairs - below];
            }
        }
    }
    counts.swap_remove(second)
}

/// The orders of both samples.
fn total(first: usize, second: usize) -> f64 {
    (1..=second).fold(1.0, |ways, k| ways * as_f64(first + k) / as_f64(k))
}

#[expect(clippy::cast_precision_loss, reason = "a number of runs")]
fn as_f64(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Permeability of human chorioamnion at term and at 12 to 26 weeks: Hollander and Wolfe (1973), table 4.1.
    const TERM: &[f64] = &[0.80, 0.83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, 0.73, 1.46];
    const EARLY: &[f64] = &[1.15, 0.88, 0.90, 0.74, 1.21];
    const ODD: &[f64] = &[1.0, 4.0, 7.0, 9.0, 12.0];
    const EVEN: &[f64] = &[2.0, 3.0, 10.0, 15.0, 16.0, 17.0, 20.0];

    #[track_caller]
    fn check(first: &[f64], second: &[f64], u: f64, p: f64, exact: bool) {
        let got = mann_whitney(first, second).unwrap();
        assert!(got.u == u && (got.p - p).abs() < 1e-12 && got.exact == exact, "{got:?}");
    }

    #[test]
    fn the_exact_test_is_scipys() {
        // SciPy 1.17.1: mannwhitneyu(second, first, alternative="two-sided", method="exact").
        check(TERM, EARLY, 15.0, 0.254_412_254_412_254_4, true);
        check(EARLY, TERM, 35.0, 0.254_412_254_412_254_4, true);
        check(&[1.0, 2.0, 3.0], &[4.0, 5.0, 6.0], 9.0, 0.1, true);
        check(&[1.0, 2.0, 3.0, 4.0], &[5.0, 6.0, 7.0, 8.0], 16.0, 0.028_571_428_571_428_57, true);
        check(ODD, EVEN, 26.0, 0.202_020_202_020_202_04, true);
    }

    #[test]
    fn ties_and_many_values_go_by_the_normal_distribution() {
        // SciPy 1.17.1: mannwhitneyu(second, first, alternative="two-sided", method="asymptotic").
        let first = [1.0, 2.0, 2.0, 3.0, 5.0, 5.0];
        let second = [2.0, 4.0, 5.0, 6.0, 6.0, 7.0, 8.0];
        check(&first, &second, 35.0, 0.050_835_582_280_956_304, false);
        check(&[1.0; 3], &[1.0, 1.0, 2.0], 6.0, 0.504_985_075_093_845_8, false);
        let first: Vec<f64> = (0..40).map(|n| 2.0 * f64::from(n) + 0.5).collect();
        let second: Vec<f64> = (0..35).map(|n| 3.0 * f64::from(n) + 1.25).collect();
        check(&first, &second, 867.0, 0.077_025_663_892_461_14, false);
        check(&[1.0; 5], &[1.0; 5], 12.5, 1.0, false);
    }

    #[test]
    fn shifts_are_those_that_the_test_does_not_refuse() {
        // Hollander and Wolfe's example; SciPy 1.17.1's exact mannwhitneyu refuses every shift outside, at 5 %.
        let near = |got: Shift, value: f64, low: f64, high: f64| {
            let (from, to) = got.interval.unwrap();
            let off = [got.value - value, from - low, to - high];
            assert!(off.iter().all(|off| off.abs() < 1e-12), "{got:?}");
        };
        near(shift(EARLY, TERM).unwrap(), 0.305, -0.15, 0.76);
        near(shift(TERM, EARLY).unwrap(), -0.305, -0.76, 0.15);
        near(shift(ODD, EVEN).unwrap(), 6.0, -4.0, 13.0);
        near(shift(&[1.0, 2.0, 3.5, 4.0], &[5.0, 6.25, 7.0, 8.0]).unwrap(), 4.0, 1.0, 7.0);
    }

    #[test]
    fn few_values_have_no_interval() {
        let got = shift(&[1.0, 2.0, 3.0], &[4.0, 5.0, 6.5]).unwrap();
        assert_eq!(got, Shift { value: 3.0, interval: None });
        assert_eq!(shift(&[], &[1.0]), None);
        assert_eq!(mann_whitney(&[1.0], &[]), None);
        assert_eq!(mann_whitney(&[f64::NAN], &[1.0]), None);
        assert_eq!(shift(&[f64::INFINITY], &[1.0]), None);
        assert!((smallest_p(3, 3) - 0.1).abs() < 1e-12);
        assert!((smallest_p(4, 4) - 2.0 / 70.0).abs() < 1e-12);
        assert!((smallest_p(10, 10) - 2.0 / 184_756.0).abs() < 1e-15);
        assert_eq!(smallest_p(1, 1), 1.0);
    }

    #[test]
    fn the_normal_way_of_the_interval_joins_the_exact_one() {
        // One value more a side than are counted out: the ends may move by a few ranks of 900, and no more.
        let exact = pairs_outside(EXACT_MAX, EXACT_MAX).unwrap();
        let normal = pairs_outside(EXACT_MAX + 1, EXACT_MAX).unwrap();
        assert!((exact..exact + 25).contains(&normal), "{exact} and {normal}");
    }
}
