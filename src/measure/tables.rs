//! Makes the rows of a summary from what a collector holds.

use crate::clock::Duration;
use crate::measure::accounting::{self, Accounting, Balance, Books};
use crate::measure::addresses;
use crate::measure::collector::Collector;
use crate::measure::histogram::Histogram;
use crate::measure::intervals::{IntervalCounts, ROWS_MAX};
use crate::measure::layout::Place;
use crate::measure::note::Note;
use crate::measure::outcome::{Clock, Failure, Fate, Outcome};
use crate::measure::summary::{
    FailureRow, Figures, IntervalRow, LatencyRow, MailUnit, OutcomeRow, ReplyRow, StepRow, Summary,
    TotalRow,
};
use crate::measure::tally::FailureTally;
use crate::measure::tally::{FateCounts, MessageTally};
use crate::measure::thresholds::{self, ThresholdRow};
use crate::measure::validity::{self, CEILING, EndOfRun, RunState};
use crate::plan::{Plan, Target};
use crate::scenario::security::TlsUse;
use crate::scenario::step::StepId;
use crate::scenario::target::TargetUrl;
use crate::stats::binomial::as_f64;
use crate::stats::quantile::Quantile;
use crate::stats::share::Share;

/// All rows.
pub(super) fn summary(collector: &Collector, plan: &Plan, end: &EndOfRun) -> Summary {
    let judged = judged_stage(plan);
    let start = plan.stages.get(usize::from(judged)).map_or(Duration::ZERO, |stage| stage.start);
    let window = end.window_end.saturating_sub(start);
    let messages = collector.stage_messages(judged);
    let eod = collector.judged_samples(judged, StepId::EOD);
    let thresholds: Vec<ThresholdRow> = plan
        .scenario
        .thresholds
        .iter()
        .map(|threshold| {
            let samples = |step| collector.judged_samples(judged, step);
            thresholds::judge(threshold, &messages, samples)
        })
        .collect();
    let accounting = books(collector, judged, end);
    let in_judged = |failure| {
        let here = collector.failures.iter();
        here.filter(|(place, _)| collector.layout.place_parts(**place).stage == judged)
            .flat_map(|(_, tally)| tally.sorted())
            .filter(|(kind, ..)| *kind == failure)
            .map(|(_, count, _)| count)
            .sum()
    };
    let stage = collector.stages.get(usize::from(judged)).copied().unwrap_or_default();
    let completed = stage.completed;
    Summary {
        target: collector.layout.target().to_owned(),
        judged_stage: collector.layout.stages()[usize::from(judged)].clone(),
        window,
        interval: collector.offset(collector.rows.scale()),
        accepted_bytes: messages.accepted_bytes,
        extensions: stage.extensions,
        round_trips: stage.round_trips,
        totals: vec![TotalRow {
            target: collector.layout.target().to_owned(),
            accepted_in_window: completed,
            messages_per_s: per_second(completed, window),
            accepted: Share::of(messages.fates.of(Fate::Accepted), messages.attempted),
            eod_p50: eod.quantile(Quantile::P50),
            eod_p99: eod.quantile(Quantile::P99),
        }],
        latency: latency(collector),
        steps: steps(collector, judged),
        replies: replies(collector),
        outcomes: outcomes(collector, judged, end),
        failures: failures(collector),
        intervals: intervals(collector, plan, end),
        tls: collector.tls.clone(),
        addresses: addresses::rows(collector),
        notes: notes(collector, plan, end, &messages, &eod, &thresholds),
        validity: validity::judge(end, &accounting, in_judged),
        thresholds,
        accounting,
    }
}

/// The last stage that is judged, or the last one.
fn judged_stage(plan: &Plan) -> u8 {
    let last = plan.stages.iter().rposition(|stage| stage.judged);
    let index = last.unwrap_or_else(|| plan.stages.len().saturating_sub(1));
    u8::try_from(index).unwrap_or(u8::MAX)
}

/// A row for all scripts, then one a script; of each one for all outcomes, then one an outcome. Only for what has
/// samples.
fn latency(collector: &Collector) -> Vec<LatencyRow> {
    let layout = &*collector.layout;
    let mut rows = Vec::new();
    let choices: Vec<Option<u16>> =
        std::iter::once(None).chain(layout.script_indices().map(Some)).collect();
    for stage in layout.stage_indices() {
        for script in &choices {
            for (step, step_name) in layout.steps().iter() {
                for clock in Clock::ALL {
                    let by_outcome = by_outcome(collector, stage, *script, step, clock);
                    for (outcome, histogram) in by_outcome {
                        rows.push(LatencyRow {
                            target: layout.target().to_owned(),
                            stage: layout.stages()[usize::from(stage)].clone(),
                            script: script
                                .map(|script| layout.scripts()[usize::from(script)].clone()),
                            step: step_name.to_owned(),
                            clock,
                            outcome,
                            figures: Figures::of(&histogram),
                        });
                    }
                }
            }
        }
    }
    rows
}

/// The histograms of one step that hold samples, the sum of them first.
fn by_outcome(
    collector: &Collector,
    stage: u8,
    script: Option<u16>,
    step: StepId,
    clock: Clock,
) -> Vec<(Option<Outcome>, Histogram)> {
    let layout = &*collector.layout;
    let scripts: Vec<u16> =
        script.map_or_else(|| layout.script_indices().collect(), |script| vec![script]);
    let mut all: Option<Histogram> = None;
    let mut rows = Vec::new();
    for outcome in Outcome::ALL {
        let mut sum: Option<Histogram> = None;
        for script in &scripts {
            let place = Place { stage, script: *script, step };
            if let Some(part) = collector.series.get(&layout.series(place, clock, outcome)) {
                sum.get_or_insert_default().add(part);
            }
        }
        if let Some(sum) = sum {
            all.get_or_insert_default().add(&sum);
            rows.push((Some(outcome), sum));
        }
    }
    if let Some(all) = all {
        rows.insert(0, (None, all));
    }
    rows
}

fn steps(collector: &Collector, judged: u8) -> Vec<StepRow> {
    let steps = collector.layout.steps().iter();
    steps
        .map(|(step, name)| (step, name, collector.judged_samples(judged, step)))
        // A step that was only ever refused is not left out: it has a row without figures.
        .filter(|(step, _, samples)| {
            let other = || !by_outcome(collector, judged, None, *step, Clock::Service).is_empty();
            !samples.is_empty() || other()
        })
        .map(|(_, name, samples)| StepRow { step: name.to_owned(), figures: Figures::of(&samples) })
        .collect()
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

/// Messages that were not started belong to no script yet: to the only one where there is one, else to rows
/// without a script. So every column adds up over the rows.
fn outcomes(collector: &Collector, judged: u8, end: &EndOfRun) -> Vec<OutcomeRow> {
    let layout = &*collector.layout;
    let one_script = layout.scripts().len() == 1;
    let mut rows = Vec::new();
    for (index, tally) in collector.messages.iter().enumerate() {
        let (stage, script) = collector.script_parts(index);
        let left_over = stage == judged && one_script;
        let waiting = |count: u64| if left_over { count } else { 0 };
        let stage = &layout.stages()[usize::from(stage)];
        let script = Some(layout.scripts()[usize::from(script)].as_str());
        let (messages, recipients) =
            balances(tally, waiting(end.not_started_messages), waiting(end.not_started_recipients));
        outcome_rows(layout.target(), stage, script, MailUnit::Message, &messages, &mut rows);
        outcome_rows(layout.target(), stage, script, MailUnit::Recipient, &recipients, &mut rows);
    }
    if !one_script && (end.not_started_messages > 0 || end.not_started_recipients > 0) {
        let stage = &layout.stages()[usize::from(judged)];
        let (messages, recipients) = balances(
            &MessageTally::default(),
            end.not_started_messages,
            end.not_started_recipients,
        );
        for (unit, balance) in [(MailUnit::Message, messages), (MailUnit::Recipient, recipients)] {
            let first = rows.len();
            outcome_rows(layout.target(), stage, None, unit, &balance, &mut rows);
            // Offered and not started; nothing else can be said of them.
            rows.truncate(first + 2);
        }
    }
    rows
}

fn outcome_rows(
    target: &str,
    stage: &str,
    script: Option<&str>,
    unit: MailUnit,
    balance: &Balance,
    rows: &mut Vec<OutcomeRow>,
) {
    let offered = Some(balance.offered);
    let mut push = |outcome: &'static str, count: u64, base: Option<u64>| {
        rows.push(OutcomeRow {
            target: target.to_owned(),
            stage: stage.to_owned(),
            script: script.map(str::to_owned),
            unit,
            outcome,
            count,
            base,
            share: base.and_then(|base| Share::of(count, base)),
        });
    };
    push("offered", balance.offered, None);
    push("not_started", balance.not_started, offered);
    push("attempted", balance.attempted, offered);
    for fate in Fate::ALL {
        push(fate.name(), balance.fates.of(fate), Some(balance.attempted));
    }
}

/// Messages and recipients of a tally and what was not started.
fn balances(
    tally: &MessageTally,
    messages_waiting: u64,
    recipients_waiting: u64,
) -> (Balance, Balance) {
    let balance = |attempted: u64, not_started: u64, fates: FateCounts| Balance {
        offered: attempted + not_started,
        not_started,
        attempted,
        fates,
    };
    (
        balance(tally.attempted, messages_waiting, tally.fates),
        balance(tally.recipients_attempted, recipients_waiting, tally.recipient_fates),
    )
}

fn books(collector: &Collector, judged: u8, end: &EndOfRun) -> Accounting {
    let layout = &*collector.layout;
    let tallies = collector.messages.iter().enumerate().map(|(index, tally)| {
        let (stage, script) = collector.script_parts(index);
        let stage = layout.stages()[usize::from(stage)].as_str();
        (stage, layout.scripts()[usize::from(script)].as_str(), tally)
    });
    let intervals = layout.stage_indices().map(|stage| {
        let mut sum = IntervalCounts::default();
        for (_, _, counts) in collector.rows.iter().filter(|(_, of, _)| *of == stage) {
            sum.add(counts);
        }
        (layout.stages()[usize::from(stage)].as_str(), sum.started, sum.fates)
    });
    let (messages, recipients) = balances(
        &collector.stage_messages(judged),
        end.not_started_messages,
        end.not_started_recipients,
    );
    accounting::check(&Books {
        tallies: tallies.collect(),
        intervals: intervals.collect(),
        messages,
        planned_messages: end.planned_messages,
        recipients,
        ended: end.state != RunState::Running,
    })
}

/// A row for each slice of a stage's window, idle ones too: a server that stalls is a row of zeros. After the
/// window, only for slices in which something happened.
fn intervals(collector: &Collector, plan: &Plan, end: &EndOfRun) -> Vec<IntervalRow> {
    let (layout, idle) = (&*collector.layout, IntervalCounts::default());
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
        for (stage, planned) in layout.stage_indices().zip(&plan.stages) {
            let window_end = planned.end.unwrap_or(end.window_end).min(end.finished_at);
            // A slice that a stage has only in part is divided by that part; behind its end there is no rate.
            let within = ends.min(planned.end.unwrap_or(ends));
            let covered = within.saturating_sub(begins.max(planned.start));
            let counts = match collector.rows.at(row, stage) {
                Some(counts) => counts,
                None if begins < window_end && ends > planned.start => &idle,
                None => continue,
            };
            let open_sessions = u64::try_from(open).unwrap_or(0);
            let (target, stage) = (layout.target(), planned.name.as_str());
            rows.push(IntervalRow {
                second: begins.as_secs_f64(),
                open_sessions,
                messages_per_s: per_second(counts.fates.of(Fate::Accepted), covered),
                bytes_per_s: per_second(counts.bytes_sent, covered),
                ..interval_row(target, stage, counts)
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

fn notes(
    collector: &Collector,
    plan: &Plan,
    end: &EndOfRun,
    messages: &MessageTally,
    eod: &Histogram,
    thresholds: &[ThresholdRow],
) -> Vec<Note> {
    let mut notes = Vec::new();
    match plan.targets.first() {
        Some(target) if target.url == TargetUrl::Embedded => notes.push(Note::EmbeddedTarget),
        Some(target) if target.addresses.iter().all(|one| one.address.is_local()) => {
            notes.push(Note::SameMachine);
        }
        _ => {}
    }
    if !end.optimised {
        notes.push(Note::DebugBuild);
    }
    let unverified = |target: &Target| !target.security.verifies();
    if plan.tls_use() != TlsUse::None && plan.targets.iter().any(unverified) {
        notes.push(Note::CertificatesNotVerified);
    }
    for failure in collector.failures.values().flat_map(FailureTally::failures) {
        let note = Note::FailureAdvice { failure };
        if failure.hint().is_some() && !notes.contains(&note) {
            notes.push(note);
        }
    }
    let judged = collector.stages.get(usize::from(judged_stage(plan)));
    notes.extend(judged.iter().flat_map(|tally| Note::of_extensions(&tally.extensions)));
    if let Some((wanted, limit)) = end.descriptors_short {
        notes.push(Note::DescriptorLimit { wanted, limit });
    }
    for (worker, share) in end.worker_cpu.iter().enumerate().filter(|(_, share)| **share > CEILING)
    {
        notes.push(Note::WorkerAtCeiling { worker, share: *share });
    }
    if let Some(logins) = failed_logins(collector) {
        notes.push(Note::EveryLoginFailed { logins });
    }
    if messages.attempted == 0 {
        notes.push(Note::NothingAttempted);
    }
    if let RunState::Stalled(waited) = end.state {
        notes.push(Note::GaveUp { waited, left: end.not_started_messages });
    }
    let (opened, asked) = sessions(collector, plan);
    if opened < asked {
        notes.push(Note::FewerSessions { opened, asked });
    }
    if !eod.is_empty() && Quantile::P99.interval(eod.samples()).is_none() {
        notes.push(Note::TooFewSamples {
            step: "eod".to_owned(),
            quantile: Quantile::P99,
            samples: eod.samples(),
        });
    }
    for row in thresholds {
        if let Some((quantile, samples)) = row.estimate_of {
            let threshold = row.threshold.clone();
            notes.push(Note::ThresholdOnEstimate { threshold, quantile, samples });
        }
    }
    let steps = collector.series.iter();
    let steps = steps.filter(|(series, _)| collector.layout.series_parts(**series).is_some());
    let overflow = steps.map(|(_, histogram)| histogram.overflow()).sum();
    if overflow > 0 {
        notes.push(Note::Overflow { samples: overflow });
    }
    notes
}

/// Connections that stood, and how many there should have been: none more where every attempt succeeded and the work was
/// done by fewer.
fn sessions(collector: &Collector, plan: &Plan) -> (u64, u64) {
    let opened = collector.stages.iter().map(|tally| tally.opened).sum();
    let mut failed = collector.failures.keys();
    let failed = failed.any(|place| collector.layout.place_parts(*place).step == StepId::CONNECT);
    (opened, if failed { u64::from(plan.scenario.load.sessions) } else { 0 })
}

/// How many logins failed, where none was accepted.
fn failed_logins(collector: &Collector) -> Option<u64> {
    let (mut accepted, mut failed) = (0, 0);
    for (series, histogram) in &collector.series {
        let Some((place, clock, outcome)) = collector.layout.series_parts(*series) else {
            continue;
        };
        match (place.step, clock, outcome) {
            (StepId::AUTH, Clock::Service, Outcome::Accepted) => accepted += histogram.samples(),
            (StepId::AUTH, Clock::Service, _) => failed += histogram.samples(),
            _ => {}
        }
    }
    // A login for which there is no mechanism takes no time, and so has no sample.
    for (place, tally) in &collector.failures {
        if collector.layout.place_parts(*place).step == StepId::AUTH {
            let kinds = tally.sorted().into_iter();
            let never_said = [Failure::AuthNotOffered, Failure::Internal];
            let unsampled = kinds.filter(|(kind, ..)| never_said.contains(kind));
            failed += unsampled.map(|(_, count, _)| count).sum::<u64>();
        }
    }
    (accepted == 0 && failed > 0).then_some(failed)
}

/// `None` where no time passed: a rate over nothing is none.
fn per_second(count: u64, time: Duration) -> Option<f64> {
    (time > Duration::ZERO).then(|| as_f64(count) / time.as_secs_f64())
}
