//! Rows of `intervals.csv`.

use super::per_second;
use crate::measure::collector::Collector;
use crate::measure::histogram::Histogram;
use crate::measure::intervals::{IntervalCounts, ROWS_MAX};
use crate::measure::outcome::Fate;
use crate::measure::summary::IntervalRow;
use crate::measure::validity::EndOfRun;
use crate::plan::Plan;
use crate::stats::quantile::Quantile;

/// A row for each slice of a stage's window, idle ones too: a server that stalls is a row of zeros. After the
/// window, only for slices in which something happened.
pub(super) fn intervals(collector: &Collector, plan: &Plan, end: &EndOfRun) -> Vec<IntervalRow> {
    let (layout, idle) = (&*collector.layout, IntervalCounts::default());
    let stages = plan.timeline(end.warmup_end);
    let slice = collector.offset(collector.rows.scale());
    let slices = u64::try_from(end.finished_at.as_nanos().div_ceil(slice.as_nanos()));
    let recorded = collector.rows.iter().map(|(row, ..)| row + 1).max().unwrap_or(0);
    let slices = slices.unwrap_or(0).min(ROWS_MAX).max(recorded);
    let mut rows = Vec::new();
    // Sessions outlive stages, so the gauge runs over all of them.
    let mut open = 0_i128;
    for row in 0..slices {
        for counts in collector.rows.of(row) {
            open += i128::from(counts.opened) - i128::from(counts.closed);
        }
        let begins = collector.offset(row * collector.rows.scale());
        let ends = (begins + slice).min(end.finished_at);
        for (stage, planned) in layout.stage_indices().zip(&stages) {
            let window_end = planned.end.unwrap_or(end.window_end).min(end.finished_at);
            // A slice that a stage has only in part is divided by that part; behind its end there is no rate.
            let within = ends.min(planned.end.unwrap_or(ends));
            let covered = plan.own_time(begins.max(planned.start), within);
            let inside = begins < window_end && ends > planned.start;
            let counts = match collector.rows.at(row, stage) {
                // A session that only closes, long after its stage, is seen in the gauge of the others.
                Some(counts) if inside || counts.happened() => counts,
                Some(_) => continue,
                None if inside => &idle,
                None => continue,
            };
            let open_sessions = u64::try_from(open).unwrap_or(0);
            let (target, name) = (layout.target(), planned.name.as_str());
            let open_load = plan.loads[usize::from(planned.load)].timetable.is_some();
            rows.push(IntervalRow {
                second: begins.as_secs_f64(),
                open_sessions,
                messages_per_s: per_second(counts.fates.of(Fate::Accepted), covered),
                bytes_per_s: per_second(counts.bytes_sent, covered),
                offered: open_load.then_some(counts.offered),
                ..interval_row(target, name, counts)
            });
        }
    }
    rows
}

/// What the counts alone say.
fn interval_row(target: &str, stage: &str, counts: &IntervalCounts) -> IntervalRow {
    let (eod, lag) = (counts.eod.to_histogram(), counts.lag.to_histogram());
    let at = |histogram: &Histogram, quantile| histogram.quantile(quantile).map(|e| e.value);
    IntervalRow {
        target: target.to_owned(),
        stage: stage.to_owned(),
        second: 0.0,
        offered: None,
        started: counts.started,
        fates: counts.fates,
        open_sessions: 0,
        replies_2yz: counts.replies[0],
        replies_4yz: counts.replies[1],
        replies_5yz: counts.replies[2],
        messages_per_s: None,
        bytes_per_s: None,
        lag_us_p99: at(&lag, Quantile::P99),
        eod_us_p50: at(&eod, Quantile::P50),
        eod_us_p99: at(&eod, Quantile::P99),
    }
}
