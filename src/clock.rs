//! The only reader of the clock.
//!
//! Everything else is given the time. Protocol and dialogue take `now` as an argument, so tests run them on a
//! virtual clock: any `Instant` plus a duration.

pub use std::time::{Duration, Instant};

/// The monotonic time, for everything that is measured.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the one reader of the clock")]
pub fn now() -> Instant {
    Instant::now()
}

/// The wall clock in UTC, for names and dates; never for a measurement.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the one reader of the clock")]
pub fn wall() -> jiff::Timestamp {
    jiff::Timestamp::now()
}

/// Processor time that the calling thread has used so far.
#[must_use]
pub fn thread_cpu() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or(0))
}
