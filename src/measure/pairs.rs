//! Targets that ran side by side, two by two: how far they lie apart, and whether that can be told from chance. What
//! they are compared by lies side by side in time, so what hit both at once does not count.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::clock::Duration;
use crate::measure::collector::Collector;
use crate::measure::gauge::Unit;
use crate::measure::histogram::Sparse;
use crate::measure::outcome::Fate;
use crate::plan::Plan;
use crate::stats::binomial::as_f64;
use crate::stats::bootstrap::{Scale, paired};
use crate::stats::holm;
use crate::stats::quantile::Quantile;
use crate::stats::series::{Cumulated, Series};

/// With more targets each is compared with the first alone: of 20 all pairs would be 190.
pub const ALL_PAIRS_MAX: usize = 8;
/// A difference is told where equals would look so different less often, all questions of a run together.
const LEVEL: f64 = 0.05;

/// A target of a run, for those that are compared.
#[derive(Clone, Copy, Debug)]
pub struct Side<'a> {
    pub plan: &'a Plan,
    pub collector: &'a Collector,
    /// When its warm-up ended, where the run decided that.
    pub warmup_end: Option<Duration>,
    /// Where the windows of its stages end that have not ended before.
    pub window_end: Duration,
}

/// One figure of two targets.
#[derive(Clone, Debug, PartialEq)]
pub struct PairRow {
    pub first: String,
    pub second: String,
    /// As a threshold has it: `eod.p50`.
    pub metric: String,
    pub unit: Unit,
    pub first_value: Option<f64>,
    pub second_value: Option<f64>,
    /// By how much the second lies above the first: the share of the first's value, and of shares the difference.
    pub difference: Option<Difference>,
    /// Parts of the run that lie side by side.
    pub parts: usize,
    pub verdict: PairVerdict,
}

/// A difference with its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Difference {
    pub value: f64,
    pub low: f64,
    pub high: f64,
}

/// What a comparison of two targets comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PairVerdict {
    /// They differ.
    Different,
    /// They cannot be told apart.
    NotTold,
    /// There is too little to compare.
    TooFew,
}

impl PairVerdict {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Different, Self::NotTold, Self::TooFew];

    /// Its name in result files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Different => "different",
            Self::NotTold => "not_told_apart",
            Self::TooFew => "too_few",
        }
    }
}

/// What there was in one part of a run.
#[derive(Clone, Debug, Default)]
struct Part {
    accepted: u64,
    ended: u64,
    seconds: f64,
    eod: Sparse,
}

/// The figures that targets are compared by.
#[derive(Clone, Copy)]
enum Figure {
    Rate,
    Accepted,
    Eod(Quantile),
}

const FIGURES: [(&str, Figure, Unit); 4] = [
    ("messages_per_s", Figure::Rate, Unit::PerSecond),
    ("accepted", Figure::Accepted, Unit::Share),
    ("eod.p50", Figure::Eod(Quantile::P50), Unit::Microseconds),
    ("eod.p99", Figure::Eod(Quantile::P99), Unit::Microseconds),
];

/// Every pair of `sides`, figure by figure; `seed` is the run's.
#[must_use]
pub fn pairs(sides: &[Side<'_>], seed: u64) -> Vec<PairRow> {
    let parts: Vec<BTreeMap<u64, Part>> = sides.iter().map(parts_of).collect();
    let (mut rows, mut chances) = (Vec::new(), Vec::new());
    for first in 0..sides.len() {
        if first > 0 && sides.len() > ALL_PAIRS_MAX {
            break;
        }
        for second in first + 1..sides.len() {
            for (metric, figure, unit) in FIGURES {
                let name = |side: usize| sides[side].collector.layout().target().to_owned();
                let (row, chance) = compare(&parts[first], &parts[second], figure, seed);
                let (first, second, metric) = (name(first), name(second), metric.to_owned());
                rows.push(PairRow { first, second, metric, unit, ..row });
                chances.push(chance);
            }
        }
    }
    // A chance of 1 is asked about as well: the more questions, the more of them chance answers.
    let known: Vec<f64> = chances.iter().flatten().copied().collect();
    let mut adjusted = holm::adjusted(&known).into_iter();
    for (row, chance) in rows.iter_mut().zip(&chances) {
        row.verdict = match chance.and_then(|_| adjusted.next()) {
            None => PairVerdict::TooFew,
            Some(p) if p < LEVEL => PairVerdict::Different,
            Some(_) => PairVerdict::NotTold,
        };
    }
    rows
}

/// One figure of two targets, and how often equals would look so different.
fn compare(
    first: &BTreeMap<u64, Part>,
    second: &BTreeMap<u64, Part>,
    figure: Figure,
    seed: u64,
) -> (PairRow, Option<f64>) {
    let both: Vec<(&Part, &Part)> = first
        .iter()
        .filter_map(|(part, one)| Some((one, second.get(part)?)))
        .filter(|(one, other)| one.seconds > 0.0 && other.seconds > 0.0)
        .collect();
    let series = |parts: Vec<&Part>| series(&parts, figure);
    let one = series(both.iter().map(|(one, _)| *one).collect());
    let other = series(both.iter().map(|(_, other)| *other).collect());
    let scale = match figure {
        Figure::Accepted => Scale::Difference,
        Figure::Rate | Figure::Eod(_) => Scale::Ratio,
    };
    let enough = |parts: &BTreeMap<u64, Part>| match figure {
        Figure::Eod(quantile) => {
            let samples = parts.values().map(|part| part.eod.samples()).sum();
            quantile.interval(samples).is_some()
        }
        _ => true,
    };
    let (enough_first, enough_second) = (enough(first), enough(second));
    let drawn = paired(&one, &other, scale, seed).filter(|_| enough_first && enough_second);
    let shown = |value: f64| match scale {
        Scale::Ratio => value.exp_m1(),
        Scale::Difference => value,
    };
    let row = PairRow {
        first: String::new(),
        second: String::new(),
        metric: String::new(),
        unit: Unit::Share,
        first_value: one.whole().filter(|_| enough_first),
        second_value: other.whole().filter(|_| enough_second),
        difference: drawn.map(|drawn| Difference {
            value: shown(drawn.value),
            low: shown(drawn.low),
            high: shown(drawn.high),
        }),
        parts: both.len(),
        verdict: PairVerdict::TooFew,
    };
    (row, drawn.map(|drawn| drawn.p_beyond(0.0)))
}

fn series(parts: &[&Part], figure: Figure) -> Series {
    let of = |count: fn(&Part) -> f64| parts.iter().map(|part| count(part)).collect();
    let accepted = of(|part| as_f64(part.accepted));
    match figure {
        Figure::Rate => Series::Ratio { parts: accepted, bases: of(|part| part.seconds) },
        Figure::Accepted => Series::Ratio { parts: accepted, bases: of(|part| as_f64(part.ended)) },
        Figure::Eod(quantile) => {
            let samples: Vec<_> = parts.iter().map(|part| part.eod.values().to_vec()).collect();
            Series::Quantile { samples: Cumulated::new(&samples), quantile }
        }
    }
}

/// The judged time of a target in parts: its own blocks, or slices of the time series, by number. A part that is less
/// than half as long as the longest is left out: the run began or ended in it.
fn parts_of(side: &Side<'_>) -> BTreeMap<u64, Part> {
    let Side { plan, collector, .. } = side;
    let judged = plan.judged_stages();
    let stages = plan.timeline(side.warmup_end);
    let spans: Vec<Range<Duration>> = judged
        .iter()
        .map(|index| &stages[usize::from(*index)])
        .map(|stage| stage.start..stage.end.unwrap_or(side.window_end).min(side.window_end))
        .collect();
    let from = spans.iter().map(|span| span.start).min().unwrap_or_default();
    let until = spans.iter().map(|span| span.end).max().unwrap_or_default();
    let slice = collector.offset(collector.rows.scale());
    let mut parts: BTreeMap<u64, Part> = BTreeMap::new();
    let last = collector.rows.iter().map(|(row, ..)| row + 1).max().unwrap_or(0);
    for row in 0..last {
        let begins = collector.offset(row * collector.rows.scale());
        let part = parts.entry(part_number(plan, row, begins, slice)).or_default();
        let (begin, end) = (begins.max(from), (begins + slice).min(until));
        if begin < end {
            part.seconds += plan.own_time(begin, end).as_secs_f64();
        }
        for counts in judged.iter().filter_map(|stage| collector.rows.at(row, *stage)) {
            part.accepted += counts.fates.of(Fate::Accepted);
            part.ended += counts.fates.sum();
            part.eod.add(&counts.eod);
        }
    }
    let longest = parts.values().map(|part| part.seconds).fold(0.0, f64::max);
    parts.retain(|_, part| part.seconds * 2.0 >= longest && part.seconds > 0.0);
    parts
}

/// The part of a run that slice `row` belongs to.
fn part_number(plan: &Plan, row: u64, begins: Duration, slice: Duration) -> u64 {
    match plan.turns.as_ref().filter(|turns| turns.block() >= slice) {
        None => row,
        Some(turns) => {
            let blocks = turns.active(begins).as_nanos() / turns.block().as_nanos();
            let blocks = u64::try_from(blocks).unwrap_or(u64::MAX);
            // What ends after the block began in it.
            if turns.span_at(begins).2 { blocks } else { blocks.saturating_sub(1) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// So many parts of a second: messages, all accepted, with so many microseconds each, that waver together.
    fn side(parts: u64, messages: u64, us: u64, waver: u64) -> BTreeMap<u64, Part> {
        let part = |number: u64| {
            let noise = number * 7919 % 13;
            let mut eod = Sparse::default();
            for sample in 0..messages {
                let own = sample * 31 % 17 + (number * waver) % 5;
                eod.add(&Sparse::of(us + noise * 40 + own));
            }
            (
                number,
                Part { accepted: messages + noise, ended: messages + noise, seconds: 1.0, eod },
            )
        };
        (0..parts).map(part).collect()
    }

    fn told(first: &BTreeMap<u64, Part>, second: &BTreeMap<u64, Part>) -> (PairRow, bool) {
        let (row, chance) = compare(first, second, Figure::Eod(Quantile::P50), 7);
        (row, chance.is_some_and(|chance| chance < LEVEL))
    }

    #[test]
    fn noise_that_hits_both_does_not_hide_a_difference() {
        // The common noise is 480 us wide, the difference 100.
        let (row, is_told) = told(&side(30, 40, 2000, 3), &side(30, 40, 2100, 2));
        let difference = row.difference.unwrap();
        assert!(is_told && difference.low > 0.02 && difference.high < 0.08, "{row:?}");
        let (row, is_told) = told(&side(30, 40, 2000, 3), &side(30, 40, 2000, 2));
        assert!(!is_told && row.difference.is_some(), "{row:?}");
    }

    #[test]
    fn too_little_to_compare_is_said() {
        let (row, _) = told(&side(7, 40, 2000, 3), &side(7, 40, 2100, 2));
        assert_eq!((row.difference, row.parts), (None, 7));
        assert!(row.first_value.is_some());
        let (first, second) = (side(30, 2, 2000, 3), side(30, 2, 2100, 2));
        let (row, chance) = compare(&first, &second, Figure::Eod(Quantile::P99), 7);
        assert_eq!((row.difference, row.first_value, chance), (None, None, None));
        let none = BTreeMap::new();
        let (row, chance) = compare(&none, &second, Figure::Rate, 7);
        assert_eq!((row.first_value, row.parts, chance), (None, 0, None));
    }

    #[test]
    fn what_only_one_of_them_has_is_left_out() {
        let (first, mut second) = (side(20, 40, 2000, 3), side(40, 40, 2000, 3));
        second.retain(|number, _| *number >= 5);
        assert_eq!(compare(&first, &second, Figure::Rate, 7).0.parts, 15);
    }
}
