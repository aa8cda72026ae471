//! The percentile output of the HdrHistogram tools (`.hgrm`): value, percentile, count and 1/(1 - percentile), which
//! their plotters draw. Values are milliseconds, as those expect.

use std::fmt::Write as _;

use super::saved::Saved;
use crate::measure::histogram::Histogram;
use crate::measure::outcome::Clock;
use crate::scenario::step::StepId;
use crate::stats::binomial::as_f64;

/// Lines for each halving of the distance to 100 %.
const TICKS: u32 = 5;

/// The distribution that a run stands for: of each target's end of data; of transactions from their intended start
/// under open load. Accepted and timed-out samples of the judged stages.
#[must_use]
pub fn render(saved: &Saved) -> String {
    let mut out = String::new();
    let open = saved.record.plan.is_open();
    for (index, target) in saved.record.targets.iter().enumerate() {
        let sums = saved.sums(index);
        let stages = saved.judged_stages(index);
        let transactions = sums.judged_samples(&stages, StepId::TRANSACTION, Clock::Response);
        let (what, samples) = match open && !transactions.is_empty() {
            true => ("transaction, response time", transactions),
            false => {
                ("eod, service time", sums.judged_samples(&stages, StepId::EOD, Clock::Service))
            }
        };
        if index > 0 {
            out.push('\n');
        }
        let _ = writeln!(out, "#[{}: {what}, in milliseconds]", target.name);
        distribution(&mut out, &samples);
    }
    out
}

fn distribution(out: &mut String, samples: &Histogram) {
    let _ = writeln!(
        out,
        "{:>12} {:>14} {:>10} {:>14}\n",
        "Value", "Percentile", "TotalCount", "1/(1-Percentile)"
    );
    let total = samples.samples();
    let ms = |us: u64| as_f64(us) / 1000.0;
    let mut step = 0_u32;
    let mut last = 0;
    while last < total {
        // Halves of what is left to 100 %, in so many lines each.
        let (halvings, tick) = (step / TICKS, step % TICKS);
        let left = 0.5_f64.powi(i32::try_from(halvings).unwrap_or(i32::MAX));
        let percentile = 1.0 - left + left / 2.0 * f64::from(tick) / f64::from(TICKS);
        step += 1;
        let rank = rank_of(percentile, total);
        last = rank;
        // What lies over 15 minutes has no value.
        let Some(value) = samples.at_rank(rank) else { break };
        match rank < total {
            true => {
                let inverse = 1.0 / (1.0 - percentile);
                let _ =
                    writeln!(out, "{:12.3} {percentile:2.12} {rank:10} {inverse:14.2}", ms(value));
            }
            false => {
                let _ = writeln!(out, "{:12.3} {:2.12} {rank:10}", ms(value), 1.0);
            }
        }
    }
    let number = |value: Option<u64>| value.map_or(0.0, ms);
    let (mean, deviation) = (number(samples.mean()), number(samples.stddev()));
    let max = number(samples.max());
    let _ = writeln!(out, "#[Mean    = {mean:12.3}, StdDeviation   = {deviation:12.3}]");
    let _ = writeln!(out, "#[Max     = {max:12.3}, Total count    = {total:12}]");
    let _ = writeln!(out, "#[Buckets = {:12}, SubBuckets     = {:12}]", 20, 2048);
}

/// From 1 to `total`.
fn rank_of(percentile: f64, total: u64) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a fraction of a count, which is not negative"
    )]
    let rank = (percentile * as_f64(total)).ceil() as u64;
    rank.clamp(1, total)
}
