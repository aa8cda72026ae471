//! Whether the tests keep what they promise: equals are called different in 5 of 100 cases, and differences are seen as
//! often as theory has it. Of seeded samples, so that the counts are the same every time.

use rand::{RngExt, SeedableRng};
use rand_distr::{Distribution, LogNormal, StandardNormal};
use rand_xoshiro::Xoshiro256PlusPlus;

use super::bootstrap::{Scale, paired, unpaired};
use super::holm;
use super::mann_whitney::{mann_whitney, shift};
use super::power::{POWER, reach, runs_needed, share_above, smallest_shift};
use super::proportion::{Part, difference};
use super::quantile::Quantile;
use super::series::{Cumulated, Series};
use super::share::Share;

const COMPARISONS: u64 = 400;
const LEVEL: f64 = 0.05;

fn seeded(seed: u64) -> Xoshiro256PlusPlus {
    Xoshiro256PlusPlus::seed_from_u64(seed)
}

fn normal(random: &mut Xoshiro256PlusPlus) -> f64 {
    StandardNormal.sample(random)
}

/// In how many of the comparisons a difference is called.
fn calls(mut compare: impl FnMut(u64) -> bool) -> Share {
    let called = (0..COMPARISONS).filter(|number| compare(*number)).count();
    Share::of(called as u64, COMPARISONS).unwrap()
}

/// Equals are called different in 5 % of the comparisons, as far as 400 of them can tell.
#[track_caller]
fn honest(share: Share) {
    assert!(share.low <= LEVEL && LEVEL <= share.high, "{share:?}");
}

/// No more often than that; less is lost power only.
#[track_caller]
fn not_above(share: Share) {
    assert!(share.low <= LEVEL, "{share:?}");
}

/// As often as theory has it: its formulas are for large samples, and good for 5 points here.
#[track_caller]
fn powerful(share: Share) {
    let near = share.low - 0.03 <= POWER && POWER <= share.high + 0.03;
    assert!(near, "{share:?}");
}

/// Per-run values of `runs` runs: a skewed spread of 3 % about `level`.
fn runs(random: &mut Xoshiro256PlusPlus, runs: usize, level: f64) -> Vec<f64> {
    let law = LogNormal::new(level.ln(), 0.03).unwrap();
    (0..runs).map(|_| law.sample(random)).collect()
}

#[test]
fn runs_of_equals() {
    let mut random = seeded(2821);
    honest(calls(|_| {
        let (first, second) = (runs(&mut random, 10, 2.0), runs(&mut random, 10, 2.0));
        mann_whitney(&first, &second).unwrap().p < LEVEL
    }));
    // The interval and the test say the same.
    honest(calls(|_| {
        let (first, second) = (runs(&mut random, 12, 2.0), runs(&mut random, 9, 2.0));
        let (low, high) = shift(&first, &second).unwrap().interval.unwrap();
        let clear = low > 0.0 || high < 0.0;
        assert_eq!(clear, mann_whitney(&first, &second).unwrap().p <= LEVEL);
        clear
    }));
    // Many values, by the normal distribution.
    honest(calls(|_| {
        let (first, second) = (runs(&mut random, 40, 2.0), runs(&mut random, 35, 2.0));
        mann_whitney(&first, &second).unwrap().p < LEVEL
    }));
}

#[test]
fn differences_of_runs_are_seen_as_noether_has_it() {
    let mut random = seeded(5321);
    let mut seen = |runs: u64, shift: f64| {
        calls(|_| {
            let first: Vec<f64> = (0..runs).map(|_| normal(&mut random)).collect();
            let second: Vec<f64> = (0..runs).map(|_| shift + normal(&mut random)).collect();
            mann_whitney(&first, &second).unwrap().p < LEVEL
        })
    };
    // From the difference to the runs that it takes.
    let runs = runs_needed(share_above(0.75, 1.0), LEVEL).unwrap();
    assert_eq!(runs, 33);
    powerful(seen(runs, 0.75));
    // From the runs to the difference that they show.
    powerful(seen(20, smallest_shift(20.0, 20.0, 1.0, LEVEL).unwrap()));
    // Half of that needs four times the runs, and is mostly missed.
    let missed = seen(20, smallest_shift(20.0, 20.0, 1.0, LEVEL).unwrap() / 2.0);
    assert!(missed.high < 0.4, "{missed:?}");
}

#[test]
fn families_of_equals_are_called_as_seldom_as_one() {
    let mut random = seeded(1123);
    let family = |random: &mut Xoshiro256PlusPlus| -> Vec<f64> {
        let one = |_| mann_whitney(&runs(random, 10, 1.0), &runs(random, 10, 1.0)).unwrap().p;
        (0..12).map(one).collect()
    };
    let uncorrected = calls(|_| family(&mut random).iter().any(|p| *p < LEVEL));
    assert!(uncorrected.low > 0.3, "{uncorrected:?}");
    not_above(calls(|_| holm::adjusted(&family(&mut random)).iter().any(|p| *p < LEVEL)));
}

/// A run of `intervals` intervals with 40 samples each, in microseconds: a skewed law whose level wavers from interval to
/// interval by 4 %, `likeness` of it from the one before.
fn run(
    random: &mut Xoshiro256PlusPlus,
    intervals: usize,
    level: f64,
    likeness: f64,
) -> Vec<Vec<u64>> {
    let wave = waves(random, intervals, likeness);
    samples(random, &wave, level)
}

fn waves(random: &mut Xoshiro256PlusPlus, intervals: usize, likeness: f64) -> Vec<f64> {
    let mut last = normal(random);
    let mut wave = Vec::with_capacity(intervals);
    for _ in 0..intervals {
        last = likeness * last + (1.0 - likeness * likeness).sqrt() * normal(random);
        wave.push(0.04 * last);
    }
    wave
}

fn samples(random: &mut Xoshiro256PlusPlus, wave: &[f64], level: f64) -> Vec<Vec<u64>> {
    let law = LogNormal::new(0.0, 0.3).unwrap();
    let interval = |off: &f64| {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "microseconds, above 0"
        )]
        let sample = |_| (2_000.0 * level * off.exp() * law.sample(random)) as u64;
        (0..40).map(sample).collect()
    };
    wave.iter().map(interval).collect()
}

fn quantile(run: &[Vec<u64>], quantile: Quantile) -> Series {
    let sorted = run.iter().map(|samples| {
        let mut counted: Vec<(u64, u64)> = samples.iter().map(|us| (*us, 1)).collect();
        counted.sort_unstable();
        counted
    });
    Series::Quantile { samples: Cumulated::new(&sorted.collect::<Vec<_>>()), quantile }
}

#[track_caller]
fn clear(first: &Series, second: &Series, seed: u64) -> bool {
    let drawn = unpaired(first, second, Scale::Ratio, seed).unwrap();
    (drawn.low > 0.0 || drawn.high < 0.0) && drawn.p_beyond(0.0) < LEVEL
}

#[test]
fn intervals_of_equals() {
    let mut random = seeded(1047);
    for (intervals, likeness, which) in
        [(60, 0.0, Quantile::P50), (60, 0.3, Quantile::P95), (8, 0.0, Quantile::P50)]
    {
        let share = calls(|seed| {
            let mut one = || quantile(&run(&mut random, intervals, 1.0, likeness), which);
            clear(&one(), &one(), seed)
        });
        not_above(share);
        // A test that never calls is none.
        assert!(share.value > 0.01, "{intervals} {likeness} {share:?}");
    }
}

#[test]
fn differences_of_intervals_are_seen_as_their_error_has_it() {
    let mut random = seeded(7505);
    // The spread of a difference between equals, by drawing fresh runs and not by the method that is looked at.
    let of = |random: &mut Xoshiro256PlusPlus, level| {
        quantile(&run(random, 40, level, 0.0), Quantile::P50)
    };
    let figures: Vec<f64> =
        (0..1_000).map(|_| of(&mut random, 1.0).whole().unwrap().ln()).collect();
    let mean = figures.iter().sum::<f64>() / 1_000.0;
    let variance = figures.iter().map(|figure| (figure - mean).powi(2)).sum::<f64>() / 999.0;
    let effect = reach(LEVEL) * (2.0 * variance).sqrt();
    let seen = calls(|seed| {
        let (first, second) = (of(&mut random, 1.0), of(&mut random, effect.exp()));
        clear(&first, &second, seed)
    });
    powerful(seen);
}

#[test]
fn what_hits_both_at_a_time_cancels_out() {
    let mut random = seeded(2033);
    let mut pair = |level: f64| {
        // Four times the noise of the other simulations.
        let wave = waves(&mut random, 40, 0.5).into_iter().map(|off| 4.0 * off);
        let wave: Vec<f64> = wave.collect();
        let first = quantile(&samples(&mut random, &wave, 1.0), Quantile::P50);
        (first, quantile(&samples(&mut random, &wave, level), Quantile::P50))
    };
    let beyond = |drawn: super::bootstrap::Drawn| drawn.low > 0.0 || drawn.high < 0.0;
    let equals = calls(|seed| {
        let (first, second) = pair(1.0);
        beyond(paired(&first, &second, Scale::Ratio, seed).unwrap())
    });
    not_above(equals);
    assert!(equals.value > 0.01, "{equals:?}");
    // 6 % more: seen in pairs, and lost in the noise without.
    let (mut in_pairs, mut apart) = (0, 0);
    for seed in 0..60 {
        let (first, second) = pair(1.06);
        in_pairs += u32::from(beyond(paired(&first, &second, Scale::Ratio, seed).unwrap()));
        apart += u32::from(beyond(unpaired(&first, &second, Scale::Ratio, seed).unwrap()));
    }
    assert!(in_pairs >= 50 && apart < 30, "{in_pairs} in pairs, {apart} apart");
}

#[test]
fn rates_of_equals() {
    let mut random = seeded(3461);
    let mut run = || {
        let parts =
            waves(&mut random, 60, 0.4).into_iter().map(|wave| (200.0 * wave.exp()).round());
        Series::Ratio { parts: parts.collect(), bases: vec![1.0; 60] }
    };
    let share = calls(|seed| clear(&run(), &run(), seed));
    not_above(share);
    assert!(share.value > 0.01, "{share:?}");
}

#[test]
fn shares_of_equals_also_where_refusals_come_in_bursts() {
    let mut random = seeded(8314);
    for bursts in [false, true] {
        let mut run = || {
            let refused = (0..60).map(|_| {
                let chance = match (bursts, random.random::<f64>() < 0.1) {
                    (false, _) => 0.02,
                    (true, burst) => {
                        if burst {
                            0.2
                        } else {
                            0.0
                        }
                    }
                };
                (0..100).filter(|_| random.random::<f64>() < chance).count()
            });
            let refused: Vec<f64> = refused.map(|count| count as f64).collect();
            Part::of_intervals(&refused, &[100.0; 60], 4).unwrap()
        };
        let share = calls(|_| {
            let between = difference(run(), run());
            between.low > 0.0 || between.high < 0.0
        });
        not_above(share);
        assert!(share.value > 0.005, "{bursts} {share:?}");
    }
}
