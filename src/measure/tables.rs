//! Makes the rows of a summary from what a collector holds.

mod books;
mod intervals;
mod notes;

use crate::clock::Duration;
use crate::measure::addresses;
use crate::measure::collector::Collector;
use crate::measure::note::Remark;
use crate::measure::outcome::{Clock, Fate};
use crate::measure::summary::{FailureRow, ReplyRow, StageRow, Summary, TotalRow};
use crate::measure::tally::ArrivalTally;
use crate::measure::thresholds::{self, Evidence, covered};
use crate::measure::validity::{self, EndOfRun};
use crate::plan::Plan;
use crate::scenario::step::StepId;
use crate::schedule::Stage;
use crate::stats::binomial::as_f64;
use crate::stats::quantile::Quantile;
use crate::stats::share::Share;
use books::{books, outcomes};
use intervals::intervals;
use notes::notes;

/// All rows.
pub(super) fn summary(collector: &Collector, plan: &Plan, end: &EndOfRun) -> Summary {
    let judged = plan.judged_stages();
    let stages = plan.timeline(end.warmup_end);
    let window = covered(plan, &judged, &stages, end.window_end);
    let messages = collector.stage_messages(&judged);
    let eod = collector.judged_samples(&judged, StepId::EOD, Clock::Service);
    let thresholds = thresholds::judge(&Evidence {
        collector,
        plan,
        stages: &stages,
        judged: &judged,
        window_end: end.window_end,
    });
    let accounting = books(collector, &judged, end);
    let in_judged = |failure| {
        let here = collector.failures.iter();
        here.filter(|(place, _)| judged.contains(&collector.layout.place_parts(**place).stage))
            .flat_map(|(_, tally)| tally.sorted())
            .filter(|(kind, ..)| *kind == failure)
            .map(|(_, count, _)| count)
            .sum()
    };
    let tally = collector.stage_tally(&judged);
    let completed = tally.completed;
    // A rate over a curve says nothing: the time series has it.
    let ramps = judged.iter().any(|index| stages[usize::from(*index)].ramp);
    let name = |index: &u8| collector.layout.stages()[usize::from(*index)].clone();
    Summary {
        target: collector.layout.target().to_owned(),
        judged_stages: judged.iter().map(name).collect(),
        warmup_end: end.warmup_end,
        window,
        interval: collector.offset(collector.rows.scale()),
        accepted_bytes: messages.accepted_bytes,
        extensions: tally.extensions,
        round_trips: tally.round_trips,
        totals: vec![TotalRow {
            target: collector.layout.target().to_owned(),
            accepted_in_window: completed,
            messages_per_s: per_second(completed, window).filter(|_| !ramps),
            accepted: Share::of(messages.fates.of(Fate::Accepted), messages.attempted),
            eod_p50: eod.quantile(Quantile::P50),
            eod_p99: eod.quantile(Quantile::P99),
        }],
        stages: stage_rows(collector, plan, &stages, end),
        latency: collector.sums().latency(),
        steps: collector.sums().steps(&judged, plan.is_open()),
        replies: replies(collector),
        outcomes: outcomes(collector, end),
        failures: failures(collector),
        intervals: intervals(collector, plan, end),
        tls: collector.tls.clone(),
        addresses: addresses::rows(collector),
        notes: notes(collector, plan, end, &judged, &thresholds).iter().map(Remark::from).collect(),
        arrivals: plan.is_open().then_some(tally.arrivals),
        validity: validity::judge(
            plan,
            end,
            &accounting,
            &load_arrivals(collector, plan),
            in_judged,
        ),
        thresholds,
        stopped: collector.stopped().cloned(),
        accounting,
    }
}

/// What the schedule of each load brought in its judged stages; nothing of a closed one.
fn load_arrivals(collector: &Collector, plan: &Plan) -> Vec<ArrivalTally> {
    let judged = plan.judged_stages();
    let of_load = |stages: &std::ops::Range<usize>| {
        let own = judged.iter().copied().filter(|stage| stages.contains(&usize::from(*stage)));
        collector.stage_tally(&own.collect::<Vec<_>>()).arrivals
    };
    plan.loads.iter().map(|load| of_load(&load.stages)).collect()
}

/// A row for each stage of an open load.
fn stage_rows(
    collector: &Collector,
    plan: &Plan,
    stages: &[Stage],
    end: &EndOfRun,
) -> Vec<StageRow> {
    let mut rows = Vec::new();
    for (index, stage) in collector.layout.stage_indices().zip(stages) {
        if plan.loads[usize::from(stage.load)].timetable.is_none() {
            continue;
        }
        let tally = collector.stage_tally(&[index]);
        let window = covered(plan, &[index], stages, end.window_end);
        let samples = |step, clock| collector.judged_samples(&[index], step, clock);
        let response = samples(StepId::TRANSACTION, Clock::Response);
        rows.push(StageRow {
            stage: stage.name.clone(),
            ramp: stage.ramp,
            judged: stage.judged,
            window,
            arrivals: tally.arrivals,
            messages_per_s: per_second(tally.completed, window).filter(|_| !stage.ramp),
            response_p50: response.quantile(Quantile::P50),
            response_p99: response.quantile(Quantile::P99),
            lag_p99: samples(StepId::TRANSACTION, Clock::Lag).quantile(Quantile::P99),
        });
    }
    rows
}

fn replies(collector: &Collector) -> Vec<ReplyRow> {
    let layout = &*collector.layout;
    let mut rows = Vec::new();
    for (place, tally) in &collector.replies {
        let place = layout.place_parts(*place);
        let base = tally.sum();
        for (kind, count, sample) in tally.sorted() {
            rows.push(ReplyRow {
                target: layout.target().to_owned(),
                stage: layout.stages()[usize::from(place.stage)].clone(),
                script: layout.scripts()[usize::from(place.script)].clone(),
                step: layout.steps().name(place.step).to_owned(),
                reply_code: kind.code.number(),
                enhanced_code: kind.enhanced.map(|code| code.to_string()),
                outcome: kind.outcome,
                count,
                share: as_f64(count) / as_f64(base),
                sample_text: sample.text().to_vec(),
            });
        }
    }
    rows
}

fn failures(collector: &Collector) -> Vec<FailureRow> {
    let layout = &*collector.layout;
    let mut rows = Vec::new();
    for (place, tally) in &collector.failures {
        let place = layout.place_parts(*place);
        for (failure, count, detail) in tally.sorted() {
            rows.push(FailureRow {
                target: layout.target().to_owned(),
                stage: layout.stages()[usize::from(place.stage)].clone(),
                script: layout.scripts()[usize::from(place.script)].clone(),
                step: layout.steps().name(place.step).to_owned(),
                failure,
                count,
                detail: detail.text().to_vec(),
            });
        }
    }
    rows
}

/// `None` where no time passed: a rate over nothing is none.
pub(super) fn per_second(count: u64, time: Duration) -> Option<f64> {
    (time > Duration::ZERO).then(|| as_f64(count) / time.as_secs_f64())
}
