//! When things arrive under open load: a schedule that follows from the seed alone.
//!
//! An arrival is due where the integral of the rate passes a mark: the whole numbers for even arrivals, the points of
//! a Poisson process of rate 1 for random ones. So ramps need no rule of their own, and no rounded gap is ever added
//! to another. Nothing here knows the time: who is late stays late, and no arrival is made up or moved.

use std::time::Duration;

use rand::distr::Distribution;
use rand_distr::Exp1;
use rand_xoshiro::SplitMix64;

use crate::message::seed::{Purpose, choice};

/// Highest rate in arrivals a second: one in each nanosecond, the grain of offsets. What is above is taken for this.
pub const ARRIVALS_PER_S_MAX: f64 = 1e9;

const NANOS_A_SECOND: f64 = 1e9;

/// How arrivals follow one another at a rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pattern {
    /// One after the other, at equal distances; the first at once.
    Even,
    /// Independent of one another: distances are exponential.
    Poisson,
    /// So many at once, at equal distances; the first ones at once.
    Bursts(u32),
}

/// A span of the schedule in which the rate runs in a straight line from one value to another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RateSpan {
    /// Arrivals a second at its begin. 0 is none; what is no number or negative counts as 0.
    pub from: f64,
    /// Arrivals a second at its end.
    pub to: f64,
    /// Its length; `None` where only the number of arrivals ends it. Such a span is the last one, and its rate does
    /// not change.
    pub length: Option<Duration>,
}

impl RateSpan {
    /// A span of one rate.
    #[must_use]
    pub fn steady(rate: f64, length: Option<Duration>) -> Self {
        Self { from: rate, to: rate, length }
    }

    /// How many arrivals are due in it: the integral of the rate. `None` where it has no end.
    #[must_use]
    pub fn expected(&self) -> Option<f64> {
        let seconds = self.length?.as_secs_f64();
        Some(near_whole(f64::midpoint(rate(self.from), rate(self.to)) * seconds))
    }
}

/// How many arrivals are due in `spans` together: exactly so many (rounded up) if they are even, about so many if
/// they are random. `None` where one of them has no end.
#[must_use]
pub fn expected(spans: &[RateSpan]) -> Option<f64> {
    let all = spans.iter().try_fold(Mark::default(), |all, one| Some(all.plus(one.expected()?)))?;
    #[expect(clippy::cast_precision_loss, reason = "a number of arrivals to be looked at")]
    Some(all.whole as f64 + all.fraction)
}

/// One intended start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// From 0, in order of time.
    pub index: u64,
    /// Index of the span in which it lies. Its first instant is in it, its last is not.
    pub span: usize,
    /// From the start of the first span.
    pub offset: Duration,
}

/// The arrivals of some spans, in order of time.
///
/// The same arguments give the same arrivals, and spans that are longer or more give the same ones first. Ends with
/// the last span, or where an offset would pass 2^64 nanoseconds (584 years).
#[derive(Clone, Debug)]
pub struct Arrivals {
    spans: std::vec::IntoIter<RateSpan>,
    marks: Marks,
    /// The span that is walked; `None` once all are over.
    current: Option<Current>,
    index: u64,
    /// Of the last arrival: rounding in a ramp could give the next a nanosecond less.
    last: u64,
}

/// The span that is walked, in numbers that each arrival needs.
#[derive(Clone, Debug)]
struct Current {
    index: usize,
    /// In nanoseconds from the start of the first span.
    start: u64,
    /// The same of its end; `None` where it has none.
    end: Option<u64>,
    /// Integral of the rate over all spans before.
    behind: Mark,
    /// Integral of the rate over this span.
    total: f64,
    /// Arrivals a second at its begin.
    from: f64,
    /// How much the rate grows in a second, twice.
    growth: f64,
}

/// A value of the integral of the rate: whole part and fraction apart, so that large values lose nothing.
#[derive(Clone, Copy, Debug, Default)]
struct Mark {
    whole: u64,
    fraction: f64,
}

/// Where the integral of the rate is when the next arrival is due.
#[derive(Clone, Debug)]
struct Marks {
    pattern: Pattern,
    next: Mark,
    /// For [`Pattern::Poisson`].
    rng: SplitMix64,
    /// For [`Pattern::Bursts`]: how many more are due at the same mark.
    left: u32,
}

impl Arrivals {
    /// The arrivals of `spans`, which follow one another. `stream` tells apart what has the same seed: the loads of a
    /// run.
    #[must_use]
    pub fn new(spans: Vec<RateSpan>, pattern: Pattern, seed: u64, stream: u64) -> Self {
        let mut spans = spans.into_iter();
        let first = spans.next().map(|span| Current::first(&span));
        Self { spans, marks: Marks::new(pattern, seed, stream), current: first, index: 0, last: 0 }
    }
}

impl Iterator for Arrivals {
    type Item = Arrival;

    fn next(&mut self) -> Option<Arrival> {
        let mark = self.marks.next;
        let (span, offset) = loop {
            let current = self.current.as_ref()?;
            let inside = mark.beyond(current.behind);
            if inside < current.total {
                let Some(offset) = current.offset(inside) else {
                    self.current = None;
                    return None;
                };
                break (current.index, offset);
            }
            self.current = current.end.and(self.spans.next()).and_then(|next| current.then(&next));
        };
        self.marks.advance();
        self.last = self.last.max(offset);
        let index = self.index;
        self.index += 1;
        Some(Arrival { index, span, offset: Duration::from_nanos(self.last) })
    }
}

impl std::iter::FusedIterator for Arrivals {}

impl Current {
    fn first(span: &RateSpan) -> Self {
        Self::new(span, 0, 0, Mark::default())
    }

    /// The span behind this one; `None` where it would start after 584 years.
    fn then(&self, next: &RateSpan) -> Option<Self> {
        Some(Self::new(next, self.index + 1, self.end?, self.behind.plus(self.total)))
    }

    fn new(span: &RateSpan, index: usize, start: u64, behind: Mark) -> Self {
        let (from, to) = (rate(span.from), rate(span.to));
        let (growth, total) = match (span.length, span.expected()) {
            (Some(length), Some(total)) if !length.is_zero() => {
                (2.0 * (to - from) / length.as_secs_f64(), total)
            }
            (Some(_), _) => (0.0, 0.0),
            (None, _) => (0.0, if from > 0.0 { f64::INFINITY } else { 0.0 }),
        };
        let nanos = |length: Duration| u64::try_from(length.as_nanos()).unwrap_or(u64::MAX);
        let end = span.length.map(|length| start.saturating_add(nanos(length)));
        Self { index, start, end, behind, total, from, growth }
    }

    /// When the integral of the rate over this span reaches `inside`, which is below its total: nanoseconds from the
    /// start of the first span. `None` after 584 years.
    fn offset(&self, inside: f64) -> Option<u64> {
        let from = self.from;
        // Of `from * t + growth / 4 * t^2 = inside`, written so that neither a rate of 0 nor a growth of 0 divides
        // by 0. At `inside` 0 both could be 0.
        let nanos = if self.growth == 0.0 {
            inside * NANOS_A_SECOND / from
        } else if inside > 0.0 {
            let root = (from * from + self.growth * inside).max(0.0).sqrt();
            2.0 * inside * NANOS_A_SECOND / (from + root)
        } else {
            0.0
        };
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "not negative, and the cast saturates"
        )]
        let offset = self.start.checked_add((nanos + 0.5) as u64)?;
        // Rounding must not carry the last arrival out of its span.
        let last = self.end.map_or(u64::MAX - 1, |end| end.saturating_sub(1));
        if self.end.is_none() && offset > last { None } else { Some(offset.min(last)) }
    }
}

impl Mark {
    /// How far it lies beyond `other`; never below 0.
    fn beyond(self, other: Self) -> f64 {
        let whole = self.whole.saturating_sub(other.whole);
        // A mark just behind one with a larger whole part is none beyond it.
        if self.whole < other.whole {
            return 0.0;
        }
        #[expect(
            clippy::cast_precision_loss,
            reason = "below 2^53 for a year at 285 million a second"
        )]
        let whole = whole as f64;
        (whole + (self.fraction - other.fraction)).max(0.0)
    }

    /// The mark `more` beyond it. What is whole but for rounding becomes whole.
    fn plus(self, more: f64) -> Self {
        let sum = near_whole(self.fraction + more);
        let whole = sum.floor();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "not negative, and the cast saturates"
        )]
        let added = whole as u64;
        Self { whole: self.whole.saturating_add(added), fraction: sum - whole }
    }
}

impl Marks {
    fn new(pattern: Pattern, seed: u64, stream: u64) -> Self {
        let rng = choice(seed, Purpose::Arrival, stream, 0);
        let mut marks = Self { pattern, next: Mark::default(), rng, left: 0 };
        match pattern {
            Pattern::Even => {}
            Pattern::Poisson => marks.advance(),
            Pattern::Bursts(size) => marks.left = size.saturating_sub(1),
        }
        marks
    }

    /// Goes on to the next arrival.
    fn advance(&mut self) {
        match self.pattern {
            Pattern::Even => self.next.whole = self.next.whole.saturating_add(1),
            Pattern::Poisson => {
                let gap: f64 = Exp1.sample(&mut self.rng);
                let fraction = self.next.fraction + gap;
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    clippy::cast_precision_loss,
                    reason = "not negative, and a gap is far below 2^53"
                )]
                let (whole, back) = (fraction as u64, (fraction as u64) as f64);
                let next = Mark {
                    whole: self.next.whole.saturating_add(whole),
                    fraction: fraction - back,
                };
                self.next = next;
            }
            Pattern::Bursts(size) => match self.left.checked_sub(1) {
                Some(left) => self.left = left,
                None => {
                    self.left = size.saturating_sub(1);
                    self.next.whole = self.next.whole.saturating_add(u64::from(size.max(1)));
                }
            },
        }
    }
}

/// `rate` as it is walked.
fn rate(rate: f64) -> f64 {
    if rate > 0.0 { rate.min(ARRIVALS_PER_S_MAX) } else { 0.0 }
}

/// `value`, or the whole number that it is but for the rounding of a few operations: 500 a minute for a minute are
/// 500 arrivals, not 501.
fn near_whole(value: f64) -> f64 {
    /// A few units in the last place.
    const ROUNDING: f64 = 16.0 * f64::EPSILON;
    let whole = value.round();
    if (value - whole).abs() <= ROUNDING * whole.max(1.0) { whole } else { value }
}

#[cfg(test)]
mod tests;
