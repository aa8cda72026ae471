//! When things arrive under open load: a schedule that follows from the seed alone.

use std::time::Duration;

/// How arrivals follow one another at a rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pattern {
    /// One after the other, at equal distances.
    Even,
    /// Independent of one another: distances are exponential.
    Poisson,
    /// So many at once, at equal distances.
    Bursts(u32),
}

/// A span of the schedule in which the rate runs in a straight line from one value to another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RateSpan {
    /// Arrivals a second at its begin.
    pub from: f64,
    /// Arrivals a second at its end.
    pub to: f64,
    /// Its length; `None` where only the number of arrivals ends it. Such a span is the last one, and its rate does
    /// not change.
    pub length: Option<Duration>,
}

/// One intended start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// From 0, in order of time.
    pub index: u64,
    /// Index of the span in which it lies.
    pub span: usize,
    /// From the start of the first span.
    pub offset: Duration,
}
