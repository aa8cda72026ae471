//! The cap of a target, `max_rate`: no more than so many messages in any span of that length, however they are spread
//! in it. Pure functions of the times that are asked about.

use std::collections::VecDeque;
use std::time::Duration;

/// Most messages that one span counts: a higher rate is kept over a shorter span.
const COUNT_MAX: u16 = 1000;

/// How many messages any span of that length may hold.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cap {
    /// From 1.
    count: u16,
    span: Duration,
}

impl Cap {
    /// That of so many messages a second, above 0: as many a second, or one in several.
    #[must_use]
    pub fn per_second(rate: f64) -> Self {
        let count = rate.floor().clamp(1.0, f64::from(COUNT_MAX));
        let span = Duration::try_from_secs_f64(count / rate).unwrap_or(Duration::MAX);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a whole number from 1 to COUNT_MAX"
        )]
        Self { count: count as u16, span }
    }

    /// The part of one of `workers` that share it, none of which knows of the others: as many messages, over a span
    /// that is longer by as much.
    #[must_use]
    pub fn share(self, workers: usize) -> Self {
        let workers = u16::try_from(workers.max(1)).unwrap_or(u16::MAX);
        let count = (self.count / workers).max(1);
        let span = self.span.mul_f64(f64::from(count) * f64::from(workers) / f64::from(self.count));
        Self { count, span }
    }
}

/// What a cap has let through of late.
#[derive(Clone, Debug)]
pub struct Gate {
    cap: Cap,
    /// The last ones, at most as many as a span may hold.
    passed: VecDeque<Duration>,
    /// What is added to the times that are asked about, so that there can be something before them.
    shift: Duration,
}

impl Gate {
    /// One that nothing has passed yet.
    #[must_use]
    pub fn new(cap: Cap) -> Self {
        Self { cap, passed: VecDeque::new(), shift: Duration::ZERO }
    }

    /// One that as much as may be has passed before time 0, evenly.
    #[must_use]
    pub fn after_load(cap: Cap) -> Self {
        let each = cap.span / u32::from(cap.count);
        let passed = (0..u32::from(cap.count)).map(|index| each.saturating_mul(index)).collect();
        Self { cap, passed, shift: cap.span }
    }

    /// When one more may pass, from `at` on.
    #[must_use]
    pub fn next(&self, at: Duration) -> Duration {
        let full = self.passed.len() >= usize::from(self.cap.count);
        let free = self
            .passed
            .front()
            .filter(|_| full)
            .map(|first| first.saturating_add(self.cap.span).saturating_sub(self.shift));
        free.map_or(at, |free| free.max(at))
    }

    /// Lets `messages` pass together at `at` if there is room for them, or for any at all where they are more than any
    /// span holds: those are let through when it is empty. Times may not go back.
    pub fn admit(&mut self, at: Duration, messages: u64) -> bool {
        let at = at.saturating_add(self.shift);
        while self.passed.front().is_some_and(|first| first.saturating_add(self.cap.span) <= at) {
            self.passed.pop_front();
        }
        let count = u64::from(self.cap.count);
        let room = count - self.passed.len() as u64;
        if messages > room && !(messages > count && self.passed.is_empty()) {
            return false;
        }
        self.passed.extend((0..messages.min(count)).map(|_| at));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Asks at every `step` for `seconds`; how many were let through, and the most in any span of `span`.
    fn ask(cap: Cap, step: Duration, seconds: u64, span: Duration) -> (usize, usize) {
        let (mut gate, mut passed, mut at) = (Gate::new(cap), Vec::new(), Duration::ZERO);
        while at < Duration::from_secs(seconds) {
            let free = gate.next(at) == at;
            assert_eq!(gate.admit(at, 1), free);
            if free {
                passed.push(at);
            }
            at += step;
        }
        let within = |first: &Duration| {
            passed.iter().filter(|at| **at >= *first && **at < *first + span).count()
        };
        (passed.len(), passed.iter().map(within).max().unwrap_or(0))
    }

    #[test]
    fn no_span_holds_more_than_the_cap() {
        let second = Duration::from_secs(1);
        let cap = Cap::per_second(14.0);
        // What comes faster is cut to the cap; what comes slower passes.
        assert_eq!(ask(cap, Duration::from_millis(1), 10, second), (140, 14));
        assert_eq!(ask(cap, Duration::from_millis(100), 10, second), (100, 10));
        assert_eq!(ask(Cap::per_second(0.5), Duration::from_millis(10), 10, second), (5, 1));
    }

    #[test]
    fn what_went_before_counts_on() {
        let mut gate = Gate::after_load(Cap::per_second(4.0));
        let at = Duration::from_millis;
        let admitted = (0..1500).filter(|ms| gate.admit(at(*ms), 1)).collect::<Vec<_>>();
        assert_eq!(admitted, [0, 250, 500, 750, 1000, 1250]);
    }

    #[test]
    fn workers_keep_the_cap_together() {
        for (rate, workers) in [(14.0, 2), (1.0, 4), (15.0, 2), (2500.0, 3)] {
            let share = Cap::per_second(rate).share(workers);
            let of_one = f64::from(share.count) / share.span.as_secs_f64();
            let all = of_one * f64::from(u16::try_from(workers).unwrap());
            assert!((all / rate - 1.0).abs() < 1e-6, "{rate} {workers}: {all}");
        }
    }

    #[test]
    fn more_than_any_span_holds_waits_for_an_empty_one() {
        let mut gate = Gate::new(Cap::per_second(3.0));
        let at = Duration::from_millis;
        assert!(gate.admit(at(0), 2));
        assert!(!gate.admit(at(10), 2) && !gate.admit(at(10), 9));
        assert!(gate.admit(at(10), 1));
        assert!(!gate.admit(at(1009), 9));
        assert!(gate.admit(at(1010), 9));
        assert!(!gate.admit(at(1020), 1));
        assert!(gate.admit(at(2010), 3));
    }
}
