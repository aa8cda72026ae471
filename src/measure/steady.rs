//! Whether a warm-up has come to rest: rate and times no longer change.

use std::collections::VecDeque;

use crate::measure::collector::{Collector, SliceFigures};

/// Slices that are held against as many before them.
const SLICES: usize = 3;
/// How much their means may differ.
const DIFFERENCE_MAX: f64 = 0.1;

/// Watches the slices of a warm-up.
#[derive(Debug, Default)]
pub struct Steady {
    next: u64,
    recent: VecDeque<SliceFigures>,
}

impl Steady {
    /// Takes up the slices that `collector` has complete by now; whether the last ones agree with those before.
    pub fn look(&mut self, collector: &Collector) -> bool {
        let mut steady = false;
        for figures in collector.complete_slices(self.next) {
            self.next += 1;
            steady = self.push(figures);
        }
        steady
    }

    fn push(&mut self, figures: SliceFigures) -> bool {
        self.recent.push_back(figures);
        if self.recent.len() > 2 * SLICES {
            self.recent.pop_front();
        }
        if self.recent.len() < 2 * SLICES {
            return false;
        }
        let agree = |value: fn(&SliceFigures) -> f64| {
            let sum =
                |from: usize| -> f64 { self.recent.range(from..from + SLICES).map(value).sum() };
            let (before, after) = (sum(0), sum(SLICES));
            before > 0.0 && (after - before).abs() <= DIFFERENCE_MAX * before
        };
        agree(|figures| figures.accepted) && agree(|figures| figures.eod_us_p50)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(slices: &[(f64, f64)], want: Option<usize>) {
        let mut steady = Steady::default();
        let at = slices
            .iter()
            .position(|&(accepted, eod_us_p50)| steady.push(SliceFigures { accepted, eod_us_p50 }));
        assert_eq!(at, want);
    }

    #[test]
    fn six_slices_that_agree_are_steady() {
        check(&[(100.0, 500.0); 5], None);
        check(&[(100.0, 500.0); 6], Some(5));
    }

    #[test]
    fn a_rate_or_a_time_that_still_moves_is_not() {
        let rising: Vec<_> = (1..=20).map(|n| (f64::from(n) * 10.0, 500.0)).collect();
        check(&rising[..10], None);
        let slowing: Vec<_> = (0..9).map(|n| (100.0, 500.0 * 1.2_f64.powi(n))).collect();
        check(&slowing, None);
    }

    #[test]
    fn it_becomes_steady_once_the_beginning_has_passed() {
        let mut slices = vec![(10.0, 5000.0), (40.0, 2000.0), (90.0, 600.0)];
        slices.extend([(100.0, 500.0); 9]);
        check(&slices, Some(7));
    }

    #[test]
    fn nothing_at_all_is_not_steady() {
        check(&[(0.0, 0.0); 20], None);
    }
}
