//! Judges the metrics of two sides: how far apart they are, how sure that is, and what this comparison could have seen.

use super::bootstrap::{self, Drawn, INTERVALS_MIN, Scale};
use super::distribution::student_quantile;
use super::holm;
use super::mann_whitney::{mann_whitney, shift, smallest_p};
use super::power::{POWER, reach, runs_needed, share_above, smallest_shift};
use super::proportion::{self, Part};
use super::series::Series;

/// The chance of a false call, over all metrics of a comparison.
pub const LEVEL: f64 = 0.05;
/// Most runs a side that are ever advised.
const RUNS_MAX: u64 = 10_000;
/// A value read back from a histogram is so much above the one recorded, at most, as a ratio.
const RESOLUTION: f64 = 0.001;

/// Which way is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Better {
    Lower,
    Higher,
}

/// What was measured of a metric.
#[derive(Clone, Debug, PartialEq)]
pub enum Sample {
    /// A value of each of several runs a side; `None` where a run has none.
    Runs { baseline: Vec<Option<f64>>, candidate: Vec<Option<f64>> },
    /// One run a side, as its intervals have it, and the figure of the whole run.
    Intervals { baseline: (Series, f64), candidate: (Series, f64), paired: bool },
    /// One run a side: parts and bases by interval.
    Parts { baseline: Parts, candidate: Parts },
    /// There is nothing to judge.
    Missing(Lack),
}

/// Counts by interval, each of its base.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Parts {
    pub counts: Vec<f64>,
    pub bases: Vec<f64>,
}

/// A metric of both sides.
#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    pub sample: Sample,
    /// How its difference is told.
    pub scale: Scale,
    pub better: Better,
    /// The smallest difference that counts, on that scale; not negative.
    pub margin: f64,
    /// Whether its values come from histograms, which round.
    pub rounded: bool,
}

/// What is said of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    Better,
    Worse,
    /// Whether there is none, or one that this comparison cannot see, says [`Answer::ruled_out`].
    NoDifference,
    NotEnough,
}

/// Why there is not enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lack {
    /// One side has no figure for it at all.
    NotMeasured,
    /// The percentile needs so many samples a run.
    Samples { least: u64, needed: u64 },
    /// A run is too short.
    Intervals { least: usize, needed: usize },
    /// Even the clearest difference of so few runs is not called.
    Runs { needed: u64 },
    /// The figure of one side is nothing, so that there is no ratio to it.
    NoRatio,
}

/// How a difference came out, on the scale of its question.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Difference {
    pub value: f64,
    /// The 95 % interval; `None` where the runs are too few for one.
    pub interval: Option<(f64, f64)>,
    /// How often a true difference of no more than the margin looks so large, with Holm's correction.
    pub p: f64,
}

/// What a comparison says of a metric.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Answer {
    pub word: Word,
    pub difference: Option<Difference>,
    pub lack: Option<Lack>,
    /// Whether a change for the worse by more than the margin is ruled out.
    pub ruled_out: bool,
    /// The smallest true difference that would have been called four times in five; `None` where none would.
    pub smallest: Option<f64>,
    /// Runs a side like these that would rule out a change by the margin where there is none, four times in five; `None`
    /// where these do, or no number is known.
    pub runs_needed: Option<u64>,
}

/// A difference before the others are known.
struct Found {
    value: f64,
    interval: Option<(f64, f64)>,
    p: f64,
    /// By level: the smallest that is seen.
    spread: Spread,
}

/// What chance does to a difference.
enum Spread {
    /// Values of runs, of this deviation.
    Runs { sizes: (usize, usize), deviation: f64 },
    /// An error of its own, with degrees of freedom where those are few.
    Error { deviation: f64, freedom: Option<f64> },
}

/// Judges metrics that are asked together. The same seed gives the same answers.
#[must_use]
pub fn judge(questions: &[Question], seed: u64) -> Vec<Answer> {
    let found: Vec<Result<Found, Lack>> =
        questions.iter().map(|question| question.look(seed)).collect();
    let p: Vec<f64> = found.iter().filter_map(|one| Some(one.as_ref().ok()?.p)).collect();
    let mut adjusted = holm::adjusted(&p).into_iter();
    let level = LEVEL / f64::from(u32::try_from(p.len().max(1)).unwrap_or(u32::MAX));
    let answers = questions.iter().zip(found).map(|(question, found)| match found {
        Ok(found) => question.answer(&found, adjusted.next().unwrap_or(1.0), level),
        Err(lack) => Answer::lacking(lack, level),
    });
    answers.collect()
}

impl Answer {
    fn lacking(lack: Lack, level: f64) -> Self {
        let runs_needed = match lack {
            Lack::Runs { needed } => Some(needed.max(fewest_runs(level))),
            _ => None,
        };
        let lack = runs_needed.map_or(lack, |needed| Lack::Runs { needed });
        Self {
            word: Word::NotEnough,
            difference: None,
            lack: Some(lack),
            ruled_out: false,
            smallest: None,
            runs_needed,
        }
    }
}

impl Question {
    fn look(&self, seed: u64) -> Result<Found, Lack> {
        match &self.sample {
            Sample::Missing(lack) => Err(*lack),
            Sample::Runs { baseline, candidate } => self.look_at_runs(baseline, candidate),
            Sample::Intervals { baseline, candidate, paired } => {
                self.look_at_intervals(baseline, candidate, *paired, seed)
            }
            Sample::Parts { baseline, candidate } => self.look_at_parts(baseline, candidate),
        }
    }

    fn look_at_runs(&self, first: &[Option<f64>], second: &[Option<f64>]) -> Result<Found, Lack> {
        let values = |side: &[Option<f64>]| -> Vec<f64> {
            let known = side.iter().flatten();
            let scaled = known.map(|value| match self.scale {
                Scale::Ratio => value.ln(),
                Scale::Difference => *value,
            });
            scaled.collect()
        };
        let (first, second) = (values(first), values(second));
        if first.is_empty() || second.is_empty() {
            return Err(Lack::NotMeasured);
        }
        let shift = shift(&first, &second).ok_or(Lack::NoRatio)?;
        // Against a difference of just the margin, in the direction that was found.
        let margin = self.margin.copysign(shift.value);
        let moved: Vec<f64> = second.iter().map(|value| value - margin).collect();
        let tested = mann_whitney(&first, &moved).ok_or(Lack::NoRatio)?;
        let pairs = as_f64(first.len() * second.len());
        let beyond =
            if shift.value > 0.0 { tested.u > pairs / 2.0 } else { tested.u < pairs / 2.0 };
        Ok(Found {
            value: shift.value,
            interval: shift.interval,
            p: if beyond { tested.p } else { 1.0 },
            spread: Spread::Runs {
                sizes: (first.len(), second.len()),
                deviation: pooled(&first, &second),
            },
        })
    }

    fn look_at_intervals(
        &self,
        (first, baseline): &(Series, f64),
        (second, candidate): &(Series, f64),
        paired: bool,
        seed: u64,
    ) -> Result<Found, Lack> {
        let least = first.intervals().min(second.intervals());
        if least < INTERVALS_MIN {
            return Err(Lack::Intervals { least, needed: INTERVALS_MIN });
        }
        let value = self.scale.difference(*baseline, *candidate).ok_or(Lack::NoRatio)?;
        let draw = if paired { bootstrap::paired } else { bootstrap::unpaired };
        let drawn = draw(first, second, self.scale, seed).ok_or(Lack::NoRatio)?;
        // Figures of a whole run may count what lies at the edges of its intervals.
        let resolution = if self.rounded { RESOLUTION } else { 0.0 };
        let drawn = Drawn {
            value,
            low: value - (drawn.value - drawn.low) - resolution,
            high: value + (drawn.high - drawn.value) + resolution,
            // Both roundings are uniform.
            deviation: drawn.deviation.hypot(resolution / 6.0_f64.sqrt()),
            ..drawn
        };
        Ok(Found {
            value,
            interval: Some((drawn.low, drawn.high)),
            p: drawn.p_beyond(self.margin),
            spread: Spread::Error { deviation: drawn.deviation, freedom: Some(drawn.freedom) },
        })
    }

    fn look_at_parts(&self, first: &Parts, second: &Parts) -> Result<Found, Lack> {
        let part = |side: &Parts| {
            let block = bootstrap::block_of(side.counts.len());
            Part::of_intervals(&side.counts, &side.bases, block).ok_or(Lack::NotMeasured)
        };
        let between = proportion::difference(part(first)?, part(second)?);
        Ok(Found {
            value: between.value,
            interval: Some((between.low, between.high)),
            p: between.p_beyond(self.margin),
            spread: Spread::Error { deviation: between.deviation(), freedom: None },
        })
    }

    fn answer(&self, found: &Found, p: f64, level: f64) -> Answer {
        let difference = Difference { value: found.value, interval: found.interval, p };
        // With plus for worse.
        let worse = found.interval.map(|(low, high)| match self.better {
            Better::Lower => (low, high),
            Better::Higher => (-high, -low),
        });
        let smallest = found.spread.seen(level).map(|seen| seen + self.margin);
        let few = found.spread.few_runs(level);
        let (word, lack) = match worse {
            _ if few => (Word::NotEnough, Some(Lack::Runs { needed: fewest_runs(level) })),
            None => (Word::NotEnough, Some(Lack::Runs { needed: fewest_runs(level) })),
            Some((low, _)) if low > self.margin && p < LEVEL => (Word::Worse, None),
            Some((_, high)) if high < -self.margin && p < LEVEL => (Word::Better, None),
            Some(_) => (Word::NoDifference, None),
        };
        let ruled_out =
            word != Word::NotEnough && worse.is_some_and(|(_, high)| high <= self.margin);
        let open = word == Word::NotEnough || word == Word::NoDifference && !ruled_out;
        let runs_needed = open.then(|| found.spread.needed(self.margin, level)).flatten();
        Answer { word, difference: Some(difference), lack, ruled_out, smallest, runs_needed }
    }
}

impl Spread {
    /// The smallest true difference that is called in [`POWER`] of all cases.
    fn seen(&self, level: f64) -> Option<f64> {
        match *self {
            Self::Runs { sizes: (first, second), deviation } => {
                let seen = || smallest_shift(as_f64(first), as_f64(second), deviation, level);
                (smallest_p(first, second) <= level).then(seen).flatten()
            }
            Self::Error { deviation, freedom: Some(freedom) } => {
                let reach = student_quantile(1.0 - level / 2.0, freedom);
                Some((reach + student_quantile(POWER, freedom)) * deviation)
            }
            Self::Error { deviation, freedom: None } => Some(reach(level) * deviation),
        }
    }

    /// Whether not even the clearest difference is called.
    fn few_runs(&self, level: f64) -> bool {
        match *self {
            Self::Runs { sizes: (first, second), .. } => smallest_p(first, second) > level,
            Self::Error { .. } => false,
        }
    }

    /// The runs a side that tell a difference of `margin` from none.
    fn needed(&self, margin: f64, level: f64) -> Option<u64> {
        let needed = match *self {
            Self::Runs { deviation, .. } => {
                let least = fewest_runs(level);
                match margin > 0.0 && deviation > 0.0 {
                    true => runs_needed(share_above(margin, deviation), level)?.max(least),
                    false => least,
                }
            }
            Self::Error { deviation, .. } => {
                let times = (reach(level) * deviation / margin).powi(2).ceil();
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "not negative, and a float turns into the nearest integer there is"
                )]
                let times = times as u64;
                // One run a side has no spread over runs: two are the fewest that add to it.
                if margin > 0.0 { times.max(2) } else { return None }
            }
        };
        Some(needed.min(RUNS_MAX))
    }
}

/// The fewest runs a side of which the clearest difference is called.
fn fewest_runs(level: f64) -> u64 {
    let enough = (2..30).find(|runs| smallest_p(*runs, *runs) <= level);
    enough.unwrap_or(30) as u64
}

/// The deviation within the sides.
fn pooled(first: &[f64], second: &[f64]) -> f64 {
    let squares = |side: &[f64]| {
        let mean = side.iter().sum::<f64>() / as_f64(side.len());
        side.iter().map(|value| (value - mean).powi(2)).sum::<f64>()
    };
    let freedom = as_f64((first.len() + second.len()).saturating_sub(2).max(1));
    ((squares(first) + squares(second)) / freedom).sqrt()
}

#[expect(clippy::cast_precision_loss, reason = "a number of runs")]
fn as_f64(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests;
