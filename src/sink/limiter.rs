//! A token bucket that all workers of a sink draw from, without a lock.
//!
//! Kept as the time at which the bucket would be full again (the generic cell rate algorithm): one number, so one
//! compare-and-swap takes a token, and the rate holds for all workers together, exactly.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::behavior::Limit;

/// Times are kept in this part of a nanosecond, so that the interval of a rate like 300 a second is not rounded to a
/// rate that is noticeably another. 64 bits of it are 213 days; the bucket of a sink that is older stays full.
const TICKS_A_NANO: u128 = 1000;

/// A token bucket.
#[derive(Debug)]
pub(super) struct Limiter {
    /// From one token to the next.
    interval: u64,
    /// How far ahead of the time the bucket may be.
    room: u64,
    /// When it is full again.
    full: AtomicU64,
}

impl Limiter {
    pub(super) fn new(limit: Limit) -> Self {
        let interval = ticks(limit.rate.interval()).max(1);
        let room = interval.saturating_mul(limit.burst.saturating_sub(1));
        Self { interval, room, full: AtomicU64::new(0) }
    }

    /// Takes a token at `time`, counted from one moment for all; false where none is left.
    pub(super) fn take(&self, time: Duration) -> bool {
        let time = ticks(time);
        let taken = self.full.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |full| {
            let full = full.max(time);
            (full - time <= self.room).then(|| full.saturating_add(self.interval))
        });
        taken.is_ok()
    }
}

fn ticks(time: Duration) -> u64 {
    u64::try_from(time.as_nanos().saturating_mul(TICKS_A_NANO)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::behavior::Rate;

    fn limiter(rate: &str, burst: u64) -> Limiter {
        Limiter::new(Limit { rate: Rate::parse(rate).unwrap(), burst })
    }

    #[test]
    fn a_steady_flow_above_the_rate_is_cut_to_it() {
        let limiter = limiter("300/s", 30);
        // 1,000 a second for ten seconds: ten seconds' worth and one bucket.
        let taken = (0..10_000_u32).filter(|n| limiter.take(*n * Duration::from_millis(1))).count();
        assert_eq!(taken, 3000 + 30 - 1);
    }

    #[test]
    fn a_flow_below_the_rate_passes_whole() {
        let limiter = limiter("500/s", 1);
        let taken = (0..5000_u32).filter(|n| limiter.take(*n * Duration::from_millis(2))).count();
        assert_eq!(taken, 5000);
    }

    #[test]
    fn a_burst_is_the_bucket_and_no_more() {
        let limiter = limiter("10/h", 5);
        let taken = |time| (0..100).filter(|_| limiter.take(Duration::from_secs(time))).count();
        assert_eq!(taken(0), 5);
        assert_eq!(taken(360), 1, "the next one comes after six minutes");
        assert_eq!(taken(36_000), 5, "a long rest fills the bucket and no more");
    }

    #[test]
    fn threads_share_one_bucket() {
        let limiter = limiter("1/h", 1000);
        let taken: usize = std::thread::scope(|scope| {
            let draw = || (0..1000).filter(|_| limiter.take(Duration::ZERO)).count();
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(draw)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(taken, 1000);
    }

    #[test]
    fn the_end_of_its_time_does_not_overflow() {
        let limiter = limiter("1/s", u64::MAX);
        assert!(limiter.take(Duration::MAX));
        assert!(limiter.take(Duration::MAX));
    }
}
