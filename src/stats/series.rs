//! A figure of a run that can be worked out again from any choice of the run's intervals.

use super::quantile::Quantile;

/// Most counts that are kept of a quantile: 32 MiB. A run with more has neighbouring intervals added up.
const COUNTS_MAX: usize = 1 << 23;

/// A figure and the intervals that it comes from.
#[derive(Clone, Debug, PartialEq)]
pub enum Series {
    /// A quantile of all samples together.
    Quantile {
        /// What was counted.
        samples: Cumulated,
        /// Which one.
        quantile: Quantile,
    },
    /// All parts over all bases: messages over seconds, started over offered.
    Ratio {
        /// Of each interval.
        parts: Vec<f64>,
        /// As many.
        bases: Vec<f64>,
    },
}

/// The samples of intervals, so that a quantile of any choice of them takes a look at few numbers: at each value, how
/// many samples of each interval are not above it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cumulated {
    values: Vec<u64>,
    intervals: usize,
    /// A row a value, a count an interval.
    counts: Vec<u32>,
}

impl Cumulated {
    /// Those of intervals, each a list of ascending values with their counts.
    ///
    /// Neighbouring intervals are added up, in pairs, while there is too much.
    #[must_use]
    pub fn new(intervals: &[Vec<(u64, u64)>]) -> Self {
        let mut values: Vec<u64> = intervals.iter().flatten().map(|(value, _)| *value).collect();
        values.sort_unstable();
        values.dedup();
        let mut scale = 1;
        while intervals.len().div_ceil(scale) * values.len() > COUNTS_MAX && scale < intervals.len()
        {
            scale *= 2;
        }
        Self::at_scale(intervals, values, scale)
    }

    fn at_scale(intervals: &[Vec<(u64, u64)>], values: Vec<u64>, scale: usize) -> Self {
        let columns = intervals.len().div_ceil(scale);
        let mut counts = vec![0_u32; columns * values.len()];
        for (number, interval) in intervals.iter().enumerate() {
            for (value, count) in interval {
                let row = values.partition_point(|known| known < value);
                let cell = &mut counts[row * columns + number / scale];
                *cell = cell.saturating_add(u32::try_from(*count).unwrap_or(u32::MAX));
            }
        }
        for cell in columns..counts.len() {
            counts[cell] = counts[cell].saturating_add(counts[cell - columns]);
        }
        Self { values, intervals: columns, counts }
    }

    /// The same with neighbouring intervals added up.
    fn halved(&self) -> Self {
        let row = |row: &[u32]| -> Vec<u32> {
            let pairs = row.chunks(2);
            pairs
                .map(|pair| pair.iter().fold(0, |sum: u32, one| sum.saturating_add(*one)))
                .collect()
        };
        let counts = self.counts.chunks(self.intervals.max(1)).flat_map(row).collect();
        Self { values: self.values.clone(), intervals: self.intervals.div_ceil(2), counts }
    }

    /// Samples not above the value of that row where interval `i` is taken `weights[i]` times.
    fn up_to(&self, row: usize, weights: &[u32]) -> u64 {
        let row = &self.counts[row * self.intervals..(row + 1) * self.intervals];
        row.iter().zip(weights).map(|(count, weight)| u64::from(*count) * u64::from(*weight)).sum()
    }

    /// The quantile where interval `i` is taken `weights[i]` times; `None` without a sample.
    fn quantile(&self, quantile: Quantile, weights: &[u32]) -> Option<u64> {
        let samples = self.up_to(self.values.len().checked_sub(1)?, weights);
        let rank = quantile.rank(samples);
        let (mut low, mut high) = (0, self.values.len() - 1);
        while low < high {
            let middle = usize::midpoint(low, high);
            if self.up_to(middle, weights) >= rank {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        (samples > 0).then(|| self.values[low])
    }
}

impl Series {
    /// How many intervals there are.
    #[must_use]
    pub fn intervals(&self) -> usize {
        match self {
            Self::Quantile { samples, .. } => samples.intervals,
            Self::Ratio { parts, bases } => parts.len().min(bases.len()),
        }
    }

    /// The figure where interval `i` is taken `weights[i]` times; `None` where nothing was measured in those.
    #[must_use]
    pub fn value(&self, weights: &[u32]) -> Option<f64> {
        match self {
            Self::Quantile { samples, quantile } => {
                samples.quantile(*quantile, weights).map(super::binomial::as_f64)
            }
            Self::Ratio { parts, bases } => {
                let (mut part, mut base) = (0.0, 0.0);
                for ((more, whole), weight) in parts.iter().zip(bases).zip(weights) {
                    part += more * f64::from(*weight);
                    base += whole * f64::from(*weight);
                }
                (base > 0.0).then(|| part / base)
            }
        }
    }

    /// The figure of the whole run.
    #[must_use]
    pub fn whole(&self) -> Option<f64> {
        self.value(&vec![1; self.intervals()])
    }

    /// The figure of each interval that has one, in order.
    #[must_use]
    pub fn by_interval(&self) -> Vec<f64> {
        let mut weights = vec![0; self.intervals()];
        let mut figures = Vec::with_capacity(weights.len());
        for interval in 0..weights.len() {
            weights[interval] = 1;
            figures.extend(self.value(&weights));
            weights[interval] = 0;
        }
        figures
    }

    /// The same with neighbouring intervals added up, so that there are half as many.
    #[must_use]
    pub fn halved(&self) -> Self {
        let sums = |of: &[f64]| of.chunks(2).map(|pair| pair.iter().sum()).collect();
        match self {
            Self::Quantile { samples, quantile } => {
                Self::Quantile { samples: samples.halved(), quantile: *quantile }
            }
            Self::Ratio { parts, bases } => Self::Ratio { parts: sums(parts), bases: sums(bases) },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn p(hundred_thousandths: u32) -> Quantile {
        Quantile::new(hundred_thousandths).unwrap()
    }

    #[test]
    fn quantiles_of_chosen_intervals_are_those_of_their_samples() {
        let intervals = vec![vec![(10, 3), (20, 1)], vec![], vec![(5, 1), (20, 2), (900, 1)]];
        let samples = Cumulated::new(&intervals);
        for weights in [[1, 1, 1], [1, 0, 0], [0, 0, 2], [3, 1, 1], [0, 4, 0]] {
            let mut listed: Vec<u64> = Vec::new();
            for (interval, weight) in intervals.iter().zip(weights) {
                for (value, count) in interval {
                    listed.extend((0..count * u64::from(weight)).map(|_| *value));
                }
            }
            listed.sort_unstable();
            for quantile in [p(1), p(25_000), p(50_000), p(75_000), p(99_999)] {
                let rank = usize::try_from(quantile.rank(listed.len() as u64)).unwrap();
                let want = rank.checked_sub(1).map(|index| listed[index]);
                assert_eq!(samples.quantile(quantile, &weights), want, "{quantile} {weights:?}");
            }
        }
        assert_eq!(Cumulated::new(&[]).quantile(p(50_000), &[]), None);
        assert_eq!(Cumulated::new(&[vec![]]).quantile(p(50_000), &[1]), None);
    }

    #[test]
    fn ratios_are_sums_over_sums() {
        let ratio = Series::Ratio { parts: vec![1.0, 2.0, 9.0], bases: vec![1.0, 1.0, 0.0] };
        assert_eq!(ratio.whole(), Some(6.0));
        assert_eq!(ratio.value(&[2, 0, 0]), Some(1.0));
        assert_eq!(ratio.value(&[0, 0, 1]), None);
        assert_eq!(ratio.by_interval(), [1.0, 2.0]);
    }

    #[test]
    fn adding_up_intervals_changes_no_figure() {
        let intervals: Vec<_> = (1..=7_u64).map(|n| vec![(n, n), (10 * n, 1)]).collect();
        let quantile =
            Series::Quantile { samples: Cumulated::new(&intervals), quantile: p(50_000) };
        let ratio = Series::Ratio { parts: vec![1.0, 5.0, 2.0], bases: vec![2.0, 2.0, 2.0] };
        for series in [quantile, ratio] {
            let halved = series.halved();
            assert_eq!(halved.intervals(), series.intervals().div_ceil(2));
            assert_eq!(halved.whole(), series.whole());
        }
        let values = (1..=7).flat_map(|n| [n, 10 * n]);
        let mut values: Vec<u64> = values.collect();
        values.sort_unstable();
        values.dedup();
        let coarse = Cumulated::at_scale(&intervals, values, 2);
        assert_eq!(coarse, Cumulated::new(&intervals).halved());
    }
}
