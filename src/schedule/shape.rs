//! Ready-made courses of the rate over a base rate and a length: what load testers mean by a smoke, average, stress,
//! spike, soak or breakpoint test, and a wave.

use std::time::Duration;

use super::arrivals::RateSpan;

/// A ready-made course of the rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Does it work at all: a tenth of the rate.
    Smoke,
    /// A usual day: up to the rate, along it, down again.
    Average,
    /// A bad day: the same at twice the rate.
    Stress,
    /// A sudden rush to ten times the rate, and whether the server recovers from it.
    Spike,
    /// The rate for long, with short ramps: does anything fill up or leak?
    Soak,
    /// Up in a straight line to ten times the rate: where does it break?
    Breakpoint,
    /// Three times up to one and a half times the rate and down to half of it.
    Wave,
}

/// A part of a shape: name, share of the length in percent, and factors of the rate at its begin and end.
type Part = (&'static str, u32, f64, f64);

/// How much more than the rate a spike and a breakpoint reach.
const PEAK: f64 = 10.0;

impl Shape {
    /// Every shape, with its name in scenario files.
    pub const NAMES: &[(&str, Self)] = &[
        ("smoke", Self::Smoke),
        ("average", Self::Average),
        ("stress", Self::Stress),
        ("spike", Self::Spike),
        ("soak", Self::Soak),
        ("breakpoint", Self::Breakpoint),
        ("wave", Self::Wave),
    ];

    /// Its stages over `rate` arrivals a second and `length` in all: names, and how the rate runs in each.
    #[must_use]
    pub fn stages(self, rate: f64, length: Duration) -> Vec<(&'static str, RateSpan)> {
        let mut done = 0;
        let stage = |(name, percent, from, to): &Part| {
            // Of the ends, not of the shares: so the stages are as long as the whole.
            let start = length.saturating_mul(done) / 100;
            done += percent;
            let length = length.saturating_mul(done) / 100 - start;
            let (from, to) = (rate * from, rate * to);
            (*name, RateSpan { from, to, length: Some(length) })
        };
        self.parts().iter().map(stage).collect()
    }

    /// The shares add up to 100.
    fn parts(self) -> &'static [Part] {
        match self {
            Self::Smoke => &[("smoke", 100, 0.1, 0.1)],
            Self::Average => {
                &[("ramp-up", 15, 0.0, 1.0), ("average", 70, 1.0, 1.0), ("ramp-down", 15, 1.0, 0.0)]
            }
            Self::Stress => {
                &[("ramp-up", 20, 0.0, 2.0), ("stress", 65, 2.0, 2.0), ("ramp-down", 15, 2.0, 0.0)]
            }
            Self::Spike => &[
                ("before", 30, 1.0, 1.0),
                ("spike-up", 5, 1.0, PEAK),
                ("spike", 10, PEAK, PEAK),
                ("spike-down", 5, PEAK, 1.0),
                ("after", 50, 1.0, 1.0),
            ],
            Self::Soak => {
                &[("ramp-up", 5, 0.0, 1.0), ("soak", 90, 1.0, 1.0), ("ramp-down", 5, 1.0, 0.0)]
            }
            Self::Breakpoint => &[("breakpoint", 100, 0.0, PEAK)],
            Self::Wave => &[
                ("rise-1", 17, 0.5, 1.5),
                ("fall-1", 17, 1.5, 0.5),
                ("rise-2", 16, 0.5, 1.5),
                ("fall-2", 16, 1.5, 0.5),
                ("rise-3", 17, 0.5, 1.5),
                ("fall-3", 17, 1.5, 0.5),
            ],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::arrivals::expected;
    use super::*;

    const MINUTE: Duration = Duration::from_mins(1);

    fn spans(shape: Shape, rate: f64, length: Duration) -> Vec<RateSpan> {
        shape.stages(rate, length).into_iter().map(|(_, span)| span).collect()
    }

    #[track_caller]
    fn check(shape: Shape, want: &[(&str, f64, f64, u64)]) {
        let got = shape.stages(100.0, 100 * MINUTE);
        let got: Vec<_> = got
            .iter()
            .map(|(name, span)| (*name, span.from, span.to, span.length.unwrap().as_secs() / 60))
            .collect();
        assert_eq!(got, want, "{shape:?}");
    }

    #[test]
    fn shapes_are_what_load_testers_mean_by_the_words() {
        check(Shape::Smoke, &[("smoke", 10.0, 10.0, 100)]);
        check(
            Shape::Average,
            &[
                ("ramp-up", 0.0, 100.0, 15),
                ("average", 100.0, 100.0, 70),
                ("ramp-down", 100.0, 0.0, 15),
            ],
        );
        check(
            Shape::Stress,
            &[
                ("ramp-up", 0.0, 200.0, 20),
                ("stress", 200.0, 200.0, 65),
                ("ramp-down", 200.0, 0.0, 15),
            ],
        );
        check(
            Shape::Spike,
            &[
                ("before", 100.0, 100.0, 30),
                ("spike-up", 100.0, 1000.0, 5),
                ("spike", 1000.0, 1000.0, 10),
                ("spike-down", 1000.0, 100.0, 5),
                ("after", 100.0, 100.0, 50),
            ],
        );
        check(
            Shape::Soak,
            &[("ramp-up", 0.0, 100.0, 5), ("soak", 100.0, 100.0, 90), ("ramp-down", 100.0, 0.0, 5)],
        );
        check(Shape::Breakpoint, &[("breakpoint", 0.0, 1000.0, 100)]);
        let wave = spans(Shape::Wave, 100.0, MINUTE);
        assert_eq!(expected(&wave), Some(6000.0), "a wave has the rate as its mean");
    }

    #[test]
    fn stages_are_as_long_as_the_whole_and_join_without_a_jump() {
        let lengths = [Duration::ZERO, Duration::from_nanos(1), MINUTE, Duration::new(7, 123)];
        for (name, shape) in Shape::NAMES {
            assert_eq!(shape.parts().iter().map(|part| part.1).sum::<u32>(), 100, "{name}");
            for length in lengths {
                let spans = spans(*shape, 7.0, length);
                assert_eq!(spans.iter().filter_map(|span| span.length).sum::<Duration>(), length);
                assert!(spans.windows(2).all(|pair| pair[0].to == pair[1].from), "{name}");
            }
            let mut names: Vec<_> = shape.parts().iter().map(|part| part.0).collect();
            names.dedup();
            assert_eq!(names.len(), shape.parts().len(), "{name}");
        }
    }

    #[test]
    fn no_rate_gives_no_arrivals() {
        for (name, shape) in Shape::NAMES {
            assert_eq!(expected(&spans(*shape, 0.0, MINUTE)), Some(0.0), "{name}");
        }
    }
}
