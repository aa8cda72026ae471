//! The difference between two runs by drawing their intervals again: blocks of neighbours, since what is slow for one
//! second is slow for the next. Seeded, so that a comparison comes out the same every time.

use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

use super::binomial::TAIL;
use super::distribution::{normal_above, student_above, student_quantile};
use super::series::Series;

/// How often intervals are drawn. The ends of a 95 % interval then stand on about 50 of the draws each.
const DRAWS: usize = 2_000;
/// Fewest blocks of a run: below it a draw says little of how blocks differ.
const BLOCKS_MIN: usize = 4;
/// The fewest intervals of a run that its differences are drawn from: two in each block.
pub const INTERVALS_MIN: usize = 2 * BLOCKS_MIN;

/// How a difference is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// The logarithm of candidate over baseline: for times and rates.
    Ratio,
    /// Candidate minus baseline: for shares.
    Difference,
}

/// A difference with its interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Drawn {
    /// On the scale that was asked for.
    pub value: f64,
    /// Lower end of the 95 % interval.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// Standard error.
    pub deviation: f64,
    /// Degrees of freedom that the blocks leave.
    pub freedom: f64,
}

impl Scale {
    /// The difference; `None` where it is none, as a ratio to nothing.
    #[must_use]
    pub fn difference(self, baseline: f64, candidate: f64) -> Option<f64> {
        let difference = match self {
            Self::Ratio if baseline > 0.0 && candidate > 0.0 => (candidate / baseline).ln(),
            Self::Ratio => return None,
            Self::Difference => candidate - baseline,
        };
        difference.is_finite().then_some(difference)
    }
}

impl Drawn {
    /// How often a true difference of at most `margin` looks so much larger; two-sided.
    #[must_use]
    pub fn p_beyond(&self, margin: f64) -> f64 {
        let beyond = self.value.abs() - margin;
        if beyond <= 0.0 {
            return 1.0;
        }
        (2.0 * student_above(beyond / self.deviation, self.freedom)).min(1.0)
    }
}

/// The difference between two runs that had nothing to do with each other: each is drawn from for itself.
///
/// Circular blocks (Politis and Romano 1992); the interval has the percentiles of the draws, widened for few blocks as
/// Hesterberg (2015, section 5.3) widens those of single values. `None` where a run has fewer than [`INTERVALS_MIN`]
/// intervals or a figure that is none.
#[must_use]
pub fn unpaired(baseline: &Series, candidate: &Series, scale: Scale, seed: u64) -> Option<Drawn> {
    let (mut first, mut second) = (Blocks::of(baseline)?, Blocks::of(candidate)?);
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
    let difference =
        |a: &[u32], b: &[u32]| scale.difference(baseline.value(a)?, candidate.value(b)?);
    let draws =
        (0..DRAWS).filter_map(|_| difference(first.draw(&mut random), second.draw(&mut random)));
    let draws: Vec<f64> = draws.collect();
    let value = scale.difference(baseline.whole()?, candidate.whole()?)?;
    // Fewer blocks count as those of the shorter run alone: nearer to Welch's degrees of freedom where that one errs more.
    let (a, b) = (first.count(), second.count());
    conclude(value, draws, a.min(b), a + b - 2.0)
}

/// The difference between two runs whose intervals lie side by side in time: the same blocks are drawn of both, so that
/// what hits both at a time cancels out.
///
/// `None` as of [`unpaired`].
#[must_use]
pub fn paired(baseline: &Series, candidate: &Series, scale: Scale, seed: u64) -> Option<Drawn> {
    let (mut first, mut second) = (baseline.clone(), candidate.clone());
    while first.intervals() != second.intervals() {
        // One of them was added up by pairs, for its size.
        let finer = if first.intervals() > second.intervals() { &mut first } else { &mut second };
        *finer = finer.halved();
    }
    let mut blocks = Blocks::of(&first)?;
    blocks.length = blocks.length.max(Blocks::of(&second)?.length);
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
    let draws = (0..DRAWS).filter_map(|_| {
        let weights = blocks.draw(&mut random);
        scale.difference(first.value(weights)?, second.value(weights)?)
    });
    let draws: Vec<f64> = draws.collect();
    let value = scale.difference(first.whole()?, second.whole()?)?;
    let count = blocks.count();
    conclude(value, draws, count, count - 1.0)
}

/// Drawing from the intervals of one run.
struct Blocks {
    /// Intervals of a block.
    length: usize,
    /// How often each interval was drawn.
    weights: Vec<u32>,
}

impl Blocks {
    fn of(series: &Series) -> Option<Self> {
        let intervals = series.intervals();
        let length = block_length(&series.by_interval(), intervals);
        (intervals >= INTERVALS_MIN).then(|| Self { length, weights: vec![0; intervals] })
    }

    /// Draws as many intervals as there are; behind the last comes the first.
    fn draw(&mut self, random: &mut Xoshiro256PlusPlus) -> &[u32] {
        let intervals = self.weights.len();
        self.weights.fill(0);
        let mut left = intervals;
        while left > 0 {
            let start = random.random_range(0..intervals);
            let length = self.length.min(left);
            (start..start + length).for_each(|place| self.weights[place % intervals] += 1);
            left -= length;
        }
        &self.weights
    }

    /// How many blocks a draw has.
    fn count(&self) -> f64 {
        as_f64(self.weights.len()) / as_f64(self.length)
    }
}

/// How many neighbouring intervals are drawn together: the cube root of their number, or more where neighbours are
/// alike (Andrews 1991, for a process that remembers one step); never so many that few blocks are left.
fn block_length(figures: &[f64], intervals: usize) -> usize {
    let likeness = likeness(figures).clamp(0.0, 0.97);
    let memory = 4.0 * likeness.powi(2) / ((1.0 - likeness).powi(2) * (1.0 + likeness).powi(2));
    let length = as_f64(intervals).cbrt().max(1.1447 * (memory * as_f64(intervals)).cbrt());
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "at least 1, and cut to the number of intervals"
    )]
    let length = length.round() as usize;
    length.clamp(1, (intervals / BLOCKS_MIN).max(1))
}

/// Correlation of each figure with the next.
fn likeness(figures: &[f64]) -> f64 {
    let mean = figures.iter().sum::<f64>() / as_f64(figures.len()).max(1.0);
    let spread: f64 = figures.iter().map(|figure| (figure - mean).powi(2)).sum();
    let pairs = figures.windows(2).map(|two| (two[0] - mean) * (two[1] - mean));
    if spread > 0.0 { pairs.sum::<f64>() / spread } else { 0.0 }
}

/// The interval of `draws` from so many blocks.
fn conclude(value: f64, mut draws: Vec<f64>, blocks: f64, freedom: f64) -> Option<Drawn> {
    // Draws without a figure are dropped; where they are many, the rest says nothing.
    if draws.len() < DRAWS / 2 {
        return None;
    }
    draws.sort_by(f64::total_cmp);
    let count = as_f64(draws.len());
    let mean = draws.iter().sum::<f64>() / count;
    let variance = draws.iter().map(|draw| (draw - mean).powi(2)).sum::<f64>() / (count - 1.0);
    let narrow = (blocks / (blocks - 1.0)).sqrt();
    let tail = normal_above(narrow * student_quantile(1.0 - TAIL, freedom));
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a share of the draws"
    )]
    let outside = (tail * count).floor() as usize;
    let (low, high) = (draws[outside], draws[draws.len() - 1 - outside]);
    let deviation = variance.sqrt() * narrow;
    Some(Drawn { value, low: low.min(value), high: high.max(value), deviation, freedom })
}

#[expect(clippy::cast_precision_loss, reason = "a number of intervals or draws")]
fn as_f64(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rates(parts: &[f64]) -> Series {
        Series::Ratio { parts: parts.to_vec(), bases: vec![1.0; parts.len()] }
    }

    #[test]
    fn blocks_grow_with_the_run_and_with_its_memory() {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(64);
        let fresh: Vec<f64> = (0..1000).map(|_| random.random()).collect();
        assert_eq!(block_length(&fresh, 1000), 10);
        assert_eq!(block_length(&fresh[..64], 64), 4);
        // Slow waves: neighbours say the same.
        let slow: Vec<f64> = (0..1000_u32).map(|n| (f64::from(n) / 40.0).sin()).collect();
        let length = block_length(&slow, 1000);
        assert!((60..250).contains(&length), "{length}");
        // Never so long that few are left, and all alike is no memory.
        let rising: Vec<f64> = (0..100).map(f64::from).collect();
        assert_eq!(block_length(&rising, 100), 25);
        assert_eq!(block_length(&[5.0; 8], 8), 2);
        assert_eq!(block_length(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0], 8), 2);
    }

    #[test]
    fn a_draw_has_as_many_intervals_as_the_run() {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(1);
        let mut blocks = Blocks { length: 3, weights: vec![0; 10] };
        let mut sums = vec![0_u32; 10];
        for _ in 0..1_000 {
            let weights = blocks.draw(&mut random);
            assert_eq!(weights.iter().sum::<u32>(), 10);
            sums.iter_mut().zip(weights).for_each(|(sum, weight)| *sum += weight);
        }
        // The first and the last as often as those between: the circle has no edge.
        assert!(sums.iter().all(|sum| (900..1_100).contains(sum)), "{sums:?}");
    }

    #[test]
    fn the_same_seed_draws_the_same() {
        let (first, second) = (
            rates(&[9.0, 11.0, 10.0, 12.0, 9.0, 8.0, 10.0, 11.0]),
            rates(&[14.0, 16.0, 15.0, 13.0, 17.0, 14.0, 15.0, 16.0]),
        );
        let drawn = unpaired(&first, &second, Scale::Ratio, 7).unwrap();
        assert_eq!(Some(drawn), unpaired(&first, &second, Scale::Ratio, 7));
        assert!((drawn.value - 1.5_f64.ln()).abs() < 1e-12 && drawn.low > 0.0, "{drawn:?}");
        assert!(drawn.p_beyond(0.0) < 0.01 && drawn.p_beyond(0.5) == 1.0);
        let back = unpaired(&second, &first, Scale::Ratio, 7).unwrap();
        assert!(back.high < 0.0 && back.p_beyond(0.0) < 0.01, "{back:?}");
        let points = unpaired(&first, &second, Scale::Difference, 7).unwrap();
        assert!((points.value - 5.0).abs() < 1e-12);
    }

    #[test]
    fn what_cannot_be_told_is_not() {
        let (few, whole) = (rates(&[1.0; INTERVALS_MIN - 1]), rates(&[1.0; INTERVALS_MIN]));
        assert_eq!(unpaired(&few, &whole, Scale::Ratio, 1), None);
        assert_eq!(paired(&few, &few, Scale::Ratio, 1), None);
        assert_eq!(unpaired(&whole, &rates(&[0.0; 8]), Scale::Ratio, 1), None);
        let same = unpaired(&whole, &whole, Scale::Ratio, 1).unwrap();
        assert_eq!((same.value, same.low, same.high, same.p_beyond(0.0)), (0.0, 0.0, 0.0, 1.0));
        let fixed = unpaired(&whole, &rates(&[2.0; 8]), Scale::Ratio, 1).unwrap();
        assert!(fixed.p_beyond(0.0) < 1e-9 && fixed.p_beyond(1.0) == 1.0, "{fixed:?}");
    }

    #[test]
    fn runs_of_several_sizes_are_paired_by_time() {
        let (fine, coarse) = (rates(&[1.0; 32]), rates(&[2.0; 16]));
        let drawn = paired(&fine, &coarse, Scale::Ratio, 3).unwrap();
        assert!((drawn.value - 2_f64.ln()).abs() < 1e-12, "{drawn:?}");
    }
}
