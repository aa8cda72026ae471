//! What there is to remark on a run.

use super::load_arrivals;
use crate::measure::collector::Collector;
use crate::measure::known_limits;
use crate::measure::note::Note;
use crate::measure::outcome::{Clock, Failure, Outcome};
use crate::measure::tally::FailureTally;
use crate::measure::thresholds::ThresholdRow;
use crate::measure::validity::{
    CEILING, EndOfRun, RunState, is_behind, plan_not_kept, starts_late,
};
use crate::plan::{Plan, Target};
use crate::scenario::security::TlsUse;
use crate::scenario::step::StepId;
use crate::scenario::target::TargetUrl;
use crate::stats::quantile::Quantile;

/// Fewer connections that were asked for again are a hiccup of the network.
const RETRIED_MIN: u64 = 3;
/// Up to how many seconds they are looked for.
const RETRIES_S: u64 = 10;
/// What a connection itself takes at most, above the whole seconds.
const RETRY_US: u64 = 250_000;
/// What a histogram and the system's clock round away.
const ROUNDED_US: u64 = 10_000;

pub(super) fn notes(
    collector: &Collector,
    plan: &Plan,
    end: &EndOfRun,
    judged: &[u8],
    thresholds: &[ThresholdRow],
) -> Vec<Note> {
    let eod = collector.judged_samples(judged, StepId::EOD, Clock::Service);
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
    notes.extend(Note::of_extensions(&collector.stage_tally(judged).extensions));
    if let Some((wanted, limit)) = end.descriptors_short {
        notes.push(Note::DescriptorLimit { wanted, limit });
    }
    for (worker, share) in end.worker_cpu.iter().enumerate().filter(|(_, share)| **share > CEILING)
    {
        notes.push(Note::WorkerAtCeiling { worker, share: *share });
    }
    notes.extend(retried(collector, plan));
    if let Some(logins) = failed_logins(collector) {
        notes.push(Note::EveryLoginFailed { logins });
    }
    let loads = load_arrivals(collector, plan);
    for load in loads.iter().filter(|load| is_behind(load)) {
        if plan_not_kept(plan, end, load).is_empty() {
            notes.push(Note::TargetBehind { due: load.due, started: load.started });
        }
    }
    if loads.iter().any(starts_late) {
        notes.push(Note::LateStarts);
    }
    notes.extend(known_limits::found(collector).into_iter().map(Note::KnownLimit));
    if collector.stage_messages(judged).attempted == 0 {
        notes.push(Note::NothingAttempted);
    }
    if let RunState::Stalled(waited) = end.state {
        notes.push(Note::GaveUp { waited, left: end.messages_left() });
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

/// Connections that were asked for again. TCP does that a second after the first time (RFC 6298 section 2), and then after
/// one more or twice as many, by the system: so the time that such a connection takes is a whole number of seconds and what
/// a connection takes. A listener whose queue is full lets the first packet fall, and says nothing.
fn retried(collector: &Collector, plan: &Plan) -> Option<Note> {
    let mut connections = 0;
    for (series, histogram) in &collector.series {
        let stood = match collector.layout.series_parts(*series) {
            Some((place, clock, outcome)) => {
                (place.step, clock, outcome) == (StepId::CONNECT, Clock::Service, Outcome::Accepted)
            }
            None => false,
        };
        let near = |second: u64| (second * 1_000_000 - ROUNDED_US, second * 1_000_000 + RETRY_US);
        let spans = (1..=RETRIES_S).map(near).filter(|_| stood);
        connections += spans.map(|(low, high)| histogram.count_between(low, high)).sum::<u64>();
    }
    let local = plan.stays_here();
    (connections >= RETRIED_MIN).then_some(Note::ConnectionsRetried { connections, local })
}

/// Connections that stood, and how many there should have been: none more where every attempt succeeded and the work was
/// done by fewer. An open load opens what it needs.
fn sessions(collector: &Collector, plan: &Plan) -> (u64, u64) {
    let opened = collector.stages.iter().map(|tally| tally.opened).sum();
    let mut failed = collector.failures.keys();
    let failed = failed.any(|place| collector.layout.place_parts(*place).step == StepId::CONNECT);
    let loads = plan.scenario.loads.iter().filter(|load| load.open().is_none());
    let asked = loads.map(|load| u64::from(load.sessions_max())).sum();
    (opened, if failed { asked } else { 0 })
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
