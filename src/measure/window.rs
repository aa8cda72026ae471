//! A sliding window over the intervals of a run: what there was of one thing in the last so many of them. Pure, and
//! bounded however long the window and the run.

use std::collections::BTreeMap;

use crate::measure::evidence::Amount;

/// In how many parts a window is held at most: a longer one slides by more than an interval at a time.
pub(super) const PARTS_MAX: u64 = 60;

/// The window.
#[derive(Clone, Debug)]
pub(super) struct Window {
    /// Intervals in one part.
    grain: u64,
    /// Parts in the window.
    length: u64,
    /// The first part that a window may hold.
    first: u64,
    /// The window that is due next ends before this part.
    end: u64,
    /// No window may reach to this interval.
    limit: u64,
    parts: BTreeMap<u64, Amount>,
}

impl Window {
    /// A window of at least `length` intervals that lies in the intervals from `first` to before `limit`.
    pub(super) fn new(length: u64, first: u64, limit: u64) -> Self {
        let length = length.max(1);
        let grain = length.div_ceil(PARTS_MAX);
        let length = length.div_ceil(grain);
        let first = first.div_ceil(grain);
        Self { grain, length, first, end: first + length, limit, parts: BTreeMap::new() }
    }

    /// Has it lie in other intervals: where it is to begin elsewhere, it begins anew.
    pub(super) fn move_to(&mut self, first: u64, limit: u64) {
        let first = first.div_ceil(self.grain);
        if first != self.first {
            (self.first, self.end) = (first, first + self.length);
            self.parts = self.parts.split_off(&first);
        }
        self.limit = limit;
    }

    /// How many intervals it is long.
    pub(super) fn intervals(&self) -> u64 {
        self.length * self.grain
    }

    /// Adds what there was in `interval`. What no window will reach is left out.
    pub(super) fn add(&mut self, interval: u64, amount: &Amount) {
        let part = interval / self.grain;
        if part >= self.end - self.length && interval < self.limit {
            self.parts.entry(part).or_default().add(amount);
        }
    }

    /// What there was in the next window that is over, once all intervals below `complete` are known, and the
    /// interval before which it ends.
    pub(super) fn next_due(&mut self, complete: u64) -> Option<(u64, Amount)> {
        let ends = self.end * self.grain;
        if ends > complete.min(self.limit) {
            return None;
        }
        let start = self.end - self.length;
        let mut sum = Amount::default();
        self.parts.range(start..self.end).for_each(|(_, part)| sum.add(part));
        self.end += 1;
        self.parts = self.parts.split_off(&(start + 1));
        Some((ends, sum))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds a window of `length` over `intervals` (from 0) one by one; the sums of the windows as they come due.
    #[track_caller]
    fn check(length: u64, span: std::ops::Range<u64>, intervals: &[u64], want: &[(u64, u64)]) {
        let mut window = Window::new(length, span.start, span.end);
        let mut got = Vec::new();
        for (interval, count) in (0..).zip(intervals) {
            window.add(interval, &Amount::Count(*count));
            while let Some((end, sum)) = window.next_due(interval + 1) {
                let Amount::Count(sum) = sum else { panic!("{sum:?}") };
                got.push((end, sum));
            }
        }
        assert_eq!(got, want);
    }

    #[test]
    fn only_whole_windows_are_looked_at() {
        check(3, 0..u64::MAX, &[1, 2], &[]);
        check(3, 0..u64::MAX, &[1, 2, 4, 8, 16], &[(3, 7), (4, 14), (5, 28)]);
        check(1, 0..u64::MAX, &[1, 2], &[(1, 1), (2, 2)]);
        check(0, 0..u64::MAX, &[1, 2], &[(1, 1), (2, 2)]);
    }

    #[test]
    fn windows_keep_to_their_span() {
        check(2, 1..4, &[1, 2, 4, 8, 16, 32], &[(3, 6), (4, 12)]);
        check(2, 1..2, &[1, 2, 4], &[]);
    }

    #[test]
    fn a_window_that_is_to_begin_elsewhere_begins_anew() {
        let mut window = Window::new(2, 60, 90);
        window.add(10, &Amount::Count(1));
        window.move_to(10, 40);
        assert_eq!(window.next_due(12), Some((12, Amount::Nothing)));
        window.add(12, &Amount::Count(1));
        window.move_to(10, 13);
        assert_eq!(window.next_due(13), Some((13, Amount::Count(1))));
        assert_eq!(window.next_due(14), None);
    }

    #[test]
    fn nothing_is_nothing_and_time_goes_on() {
        let mut window = Window::new(2, 0, u64::MAX);
        assert_eq!(window.next_due(2), Some((2, Amount::Nothing)));
        window.add(2, &Amount::Share { hits: 1, base: 2 });
        window.add(2, &Amount::Share { hits: 0, base: 3 });
        assert_eq!(window.next_due(2), None);
        assert_eq!(window.next_due(9), Some((3, Amount::Share { hits: 1, base: 5 })));
        assert_eq!(window.next_due(9), Some((4, Amount::Share { hits: 1, base: 5 })));
        assert_eq!(window.next_due(9), Some((5, Amount::Nothing)));
    }

    #[test]
    fn what_comes_late_counts_while_a_window_can_reach_it() {
        let mut window = Window::new(3, 0, u64::MAX);
        window.add(5, &Amount::Count(1));
        window.add(1, &Amount::Count(2));
        assert_eq!(window.next_due(3), Some((3, Amount::Count(2))));
        assert_eq!(window.next_due(4), Some((4, Amount::Count(2))));
        window.add(1, &Amount::Count(100));
        assert_eq!(window.next_due(5), Some((5, Amount::Nothing)));
    }

    #[test]
    fn a_long_window_has_few_parts() {
        let mut window = Window::new(3600, 0, u64::MAX);
        assert_eq!(window.intervals(), 3600);
        let (mut due, mut held) = (0, 0);
        for interval in 0..10_000 {
            window.add(interval, &Amount::Count(1));
            while let Some((_, sum)) = window.next_due(interval + 1) {
                assert_eq!(sum, Amount::Count(3600));
                due += 1;
            }
            held = held.max(window.parts.len());
        }
        assert_eq!(held as u64, PARTS_MAX);
        assert_eq!(due, (10_000 - 3600) / 60 + 1);
        assert_eq!(Window::new(61, 0, u64::MAX).intervals(), 62);
    }
}
