//! From `run.json` and the histograms back to a record. Nothing in the file is believed: what does not fit is a fault
//! with its place, and nothing here may panic.

use std::collections::BTreeMap;

use serde_json::Value;

use super::beside::{Pair, ServerFacts};
use super::rows::{Address, Arrivals, Failure, Outcome, Overflow, Reply, Tallies};
use super::target::{Judged, TargetFacts, named, seconds};
use super::{Manifest, SCHEMA_VERSION, TOOL};
use crate::measure::accounting::Accounting;
use crate::measure::addresses::{AddressRow, AddressTally};
use crate::measure::extensions::{ExtensionTally, RoundTripTally, RoundTrips, Sending};
use crate::measure::layout::{Layout, Place};
use crate::measure::outcome::{self, Clock, Fate};
use crate::measure::series::SeriesSums;
use crate::measure::summary::{
    FailureRow, MailUnit, OutcomeRow, ReplyRow, StageRow, Summary, TotalRow,
};
use crate::plan::{self, Destination};
use crate::report::RunFacts;
use crate::report::hlog::TargetSeries;
use crate::report::record::{PlanFacts, Record, TargetRecord};
use crate::scenario::step::{StepId, StepNames};
use crate::smtp::parameters::Extension;
use crate::smtp::text::{from_printable, printable};
use crate::stats::binomial::as_f64;
use crate::stats::quantile::Quantile;
use crate::stats::share::Share;

/// No count is larger: sums of them stay numbers.
const COUNT_MAX: u64 = 1 << 50;
/// Most series of a target: stages, scripts and steps multiplied. More would take minutes to go through.
const PLACES_MAX: usize = 1 << 20;

/// A `run.json` whose histograms are still to come.
pub(in crate::report) struct Unread {
    manifest: Manifest,
    /// Of each target.
    pub(in crate::report) layouts: Vec<Layout>,
}

/// Reads the file.
///
/// # Errors
/// What is the matter with it.
pub(in crate::report) fn read(bytes: &[u8]) -> Result<Unread, String> {
    let value: Value =
        serde_json::from_slice(bytes).map_err(|error| format!("this is no JSON: {error}"))?;
    if value.get("tool").and_then(Value::as_str) != Some(TOOL) {
        return Err("this is no run.json of smtpbench".to_owned());
    }
    match value.get("schema_version").and_then(Value::as_u64) {
        Some(version) if version == u64::from(SCHEMA_VERSION) => {}
        Some(version) => {
            let writer = value.get("version").and_then(Value::as_str).unwrap_or("another version");
            let writer = printable(writer.as_bytes());
            return Err(format!(
                "it has format {version}, of smtpbench {writer}, and this smtpbench reads format {SCHEMA_VERSION}"
            ));
        }
        None => return Err("it has no schema_version".to_owned()),
    }
    check_counts("", &value)?;
    let manifest: Manifest = serde_json::from_value(value).map_err(|error| error.to_string())?;
    if manifest.targets.is_empty() {
        return Err("it has no targets".to_owned());
    }
    let layouts: Option<Vec<Layout>> =
        manifest.targets.iter().map(|target| layout(&manifest.plan, target)).collect();
    let layouts = layouts.ok_or("its stages, scripts, verbs and addresses are none of a run")?;
    Ok(Unread { manifest, layouts })
}

/// No number may be so large that sums overflow; seeds are not added up.
fn check_counts(key: &str, value: &Value) -> Result<(), String> {
    match value {
        Value::Number(number)
            if number.as_u64().is_some_and(|n| n > COUNT_MAX) && key != "seed" =>
        {
            Err(format!("{key} {number} is more than there can be"))
        }
        Value::Array(values) => values.iter().try_for_each(|value| check_counts(key, value)),
        Value::Object(entries) => {
            entries.iter().try_for_each(|(key, value)| check_counts(key, value))
        }
        _ => Ok(()),
    }
}

fn layout(plan: &PlanFacts, target: &TargetFacts) -> Option<Layout> {
    let stages: Vec<String> = plan.stages.iter().map(|stage| stage.name.clone()).collect();
    let scripts: Vec<String> = plan.scripts.iter().map(|script| script.name.clone()).collect();
    let steps = StepNames::with_verbs(&plan.verbs)?;
    let places = stages.len().saturating_mul(scripts.len()).saturating_mul(steps.count());
    let addresses = target.addresses.iter().map(|text| address(text).into()).collect();
    let layout = || Layout::read(&target.name, stages, scripts, steps, addresses);
    (places <= PLACES_MAX).then(layout).flatten()
}

fn address(text: &str) -> plan::Address {
    match text.parse() {
        Ok(address) => plan::Address::Tcp(address),
        Err(_) => plan::Address::Unix(text.into()),
    }
}

impl Unread {
    /// Whether the run had come to its end when it was saved.
    pub(in crate::report) fn ended(&self) -> bool {
        self.manifest.ended.is_some()
    }

    /// The record, with the histograms of each target.
    ///
    /// # Errors
    /// What is the matter.
    pub(in crate::report) fn record(&self, series: &mut [TargetSeries]) -> Result<Record, String> {
        let manifest = &self.manifest;
        let mut targets = Vec::new();
        for ((facts, layout), series) in manifest.targets.iter().zip(&self.layouts).zip(series) {
            let of_target = |what| format!("target {}: {what}", printable(facts.name.as_bytes()));
            let held = series.samples(layout);
            if self.ended() && held != facts.tallies.samples {
                return Err(of_target(format!(
                    "histograms.hlog has {held} samples and run.json {}: it was cut, or is of another run",
                    facts.tallies.samples
                )));
            }
            let summary = self.summary(facts, layout, series).map_err(of_target)?;
            targets.push(TargetRecord {
                name: facts.name.clone(),
                url: facts.url.clone(),
                addresses: facts.addresses.clone(),
                greeting: facts.greeting(),
                capabilities: facts.capabilities(),
                tls: facts.tls_asked(),
                max_rate: facts.max_rate,
                cost: facts.server.as_ref().map(ServerFacts::read),
                summary,
            });
        }
        Ok(Record {
            tool: manifest.tool(),
            facts: RunFacts {
                started: Manifest::time(&manifest.started)?,
                ended: manifest.ended.as_deref().map(Manifest::time).transpose()?,
                exit_code: manifest.exit_code,
                host: manifest.host.clone(),
                generator_limits: manifest.generator_limits.clone(),
            },
            run_id: manifest.run_id.clone(),
            seed: manifest.seed,
            scenario: manifest.scenario.clone(),
            plan: manifest.plan.clone(),
            targets,
            pairs: manifest.pairs.iter().map(Pair::read).collect::<Result<_, _>>()?,
        })
    }

    fn summary(
        &self,
        facts: &TargetFacts,
        layout: &Layout,
        series: &mut TargetSeries,
    ) -> Result<Summary, String> {
        let tallies = &facts.tallies;
        for overflow in &tallies.overflow {
            overflow.add_to(layout, series)?;
        }
        let sums = SeriesSums { layout, histograms: &series.sums };
        let judged = tallies.judged_stages.iter().map(|name| stage_index(layout, name));
        let judged = judged.collect::<Result<Vec<u8>, _>>()?;
        let Judged { warmup_end, validity, notes, stopped, thresholds, tls } = facts.judged()?;
        let accounting = Accounting {
            closes: facts.validity.accounting_closes,
            faults: facts.validity.accounting_faults.clone(),
            messages: tallies.messages.balance(),
            recipients: tallies.recipients.balance(),
        };
        let eod = sums.judged_samples(&judged, StepId::EOD, Clock::Service);
        let target = &facts.name;
        Ok(Summary {
            target: target.clone(),
            judged_stages: tallies.judged_stages.clone(),
            warmup_end,
            window: seconds(tallies.window_s)?,
            interval: seconds(tallies.interval_s)?,
            accepted_bytes: tallies.accepted_bytes,
            extensions: extensions(tallies)?,
            round_trips: round_trips(tallies)?,
            totals: vec![TotalRow {
                target: target.clone(),
                accepted_in_window: tallies.accepted_in_window,
                messages_per_s: tallies.messages_per_s,
                accepted: Share::of(
                    accounting.messages.fates.of(Fate::Accepted),
                    accounting.messages.attempted,
                ),
                eod_p50: eod.quantile(Quantile::P50),
                eod_p99: eod.quantile(Quantile::P99),
            }],
            stages: self.stages(tallies, &sums)?,
            arrivals: tallies.arrivals.iter().find(|row| row.stage.is_none()).map(Arrivals::tally),
            latency: sums.latency(),
            steps: sums.steps(&judged, self.manifest.plan.is_open()),
            replies: replies(target, tallies)?,
            outcomes: tallies
                .outcomes
                .iter()
                .map(|row| row.read(target))
                .collect::<Result<_, _>>()?,
            failures: tallies
                .failures
                .iter()
                .map(|row| row.read(target))
                .collect::<Result<_, _>>()?,
            tls,
            addresses: tallies.addresses.iter().map(|row| row.read(target)).collect(),
            intervals: tallies.intervals.iter().map(|row| row.row(target)).collect(),
            thresholds,
            stopped,
            accounting,
            validity,
            notes,
        })
    }

    fn stages(&self, tallies: &Tallies, sums: &SeriesSums<'_>) -> Result<Vec<StageRow>, String> {
        let mut rows = Vec::new();
        for row in &tallies.arrivals {
            let Some(stage) = &row.stage else { continue };
            let index = stage_index(sums.layout, stage)?;
            let planned = &self.manifest.plan.stages[usize::from(index)];
            let samples = |clock| sums.judged_samples(&[index], StepId::TRANSACTION, clock);
            let response = samples(Clock::Response);
            rows.push(StageRow {
                stage: stage.clone(),
                ramp: planned.ramp,
                judged: planned.judged,
                window: seconds(row.window_s)?,
                arrivals: row.tally(),
                messages_per_s: row.messages_per_s,
                response_p50: response.quantile(Quantile::P50),
                response_p99: response.quantile(Quantile::P99),
                lag_p99: samples(Clock::Lag).quantile(Quantile::P99),
            });
        }
        Ok(rows)
    }
}

/// The index of a stage, which [`Layout::read`] has seen to be one.
fn stage_index(layout: &Layout, name: &str) -> Result<u8, String> {
    let index = layout.stages().iter().position(|stage| stage == name);
    index
        .and_then(|index| u8::try_from(index).ok())
        .ok_or_else(|| format!("`{}` is no stage", printable(name.as_bytes())))
}

fn extensions(tallies: &Tallies) -> Result<ExtensionTally, String> {
    let mut tally = ExtensionTally::default();
    tally.not_pipelined = tallies.not_pipelined;
    tally.sessions_cut = tallies.limits.sessions_cut;
    tally.recipients_left_out = tallies.limits.recipients_left_out;
    for row in &tallies.extensions {
        let extension = named(Extension::ALL, Extension::keyword, &row.extension, "extension")?;
        tally.count_all(extension, row.messages_without, row.messages_beyond);
    }
    Ok(tally)
}

fn round_trips(tallies: &Tallies) -> Result<RoundTripTally, String> {
    let mut tally = RoundTripTally::default();
    for row in &tallies.round_trips {
        let sending = named(Sending::ALL, Sending::name, &row.sending, "way of sending")?;
        let trips = RoundTrips {
            transactions: row.transactions,
            sum: row.round_trips,
            min: row.round_trips_min,
            max: row.round_trips_max,
        };
        tally.count_all(sending, &trips);
    }
    Ok(tally)
}

fn replies(target: &str, tallies: &Tallies) -> Result<Vec<ReplyRow>, String> {
    let mut bases: BTreeMap<(&str, &str, &str), u64> = BTreeMap::new();
    for row in &tallies.replies {
        let base = bases.entry(row.place()).or_default();
        *base = base.saturating_add(row.count);
    }
    let mut rows = Vec::new();
    for row in &tallies.replies {
        rows.push(ReplyRow {
            target: target.to_owned(),
            stage: row.stage.clone(),
            script: row.script.clone(),
            step: row.step.clone(),
            reply_code: row.reply_code,
            enhanced_code: row.enhanced_code.clone(),
            outcome: outcome_named(&row.outcome)?,
            count: row.count,
            share: as_f64(row.count) / as_f64(bases[&row.place()].max(1)),
            sample_text: from_printable(&row.sample_text),
        });
    }
    Ok(rows)
}

fn outcome_named(name: &str) -> Result<outcome::Outcome, String> {
    named(outcome::Outcome::ALL, outcome::Outcome::name, name, "outcome")
}

impl Reply {
    fn place(&self) -> (&str, &str, &str) {
        (&self.stage, &self.script, &self.step)
    }
}

impl Overflow {
    /// The log has no place for it.
    fn add_to(&self, layout: &Layout, series: &mut TargetSeries) -> Result<(), String> {
        let stage = stage_index(layout, &self.stage)?;
        let script = layout.scripts().iter().position(|script| *script == self.script);
        let script = script.and_then(|index| u16::try_from(index).ok());
        let (Some(script), Some(step)) = (script, layout.steps().find(&self.step)) else {
            let (script, step) = (&self.script, &self.step);
            let name = printable(format!("{script}, {step}").as_bytes());
            return Err(format!("`{name}` is no script and step"));
        };
        let clock = named(Clock::ALL, Clock::name, &self.clock, "clock")?;
        let place = Place { stage, script, step };
        let id = layout.series(place, clock, outcome_named(&self.outcome)?);
        series.sums.entry(id).or_default().add_overflow(self.count);
        Ok(())
    }
}

impl Outcome {
    fn read(&self, target: &str) -> Result<OutcomeRow, String> {
        let known = ["offered", "not_started", "attempted"];
        let known = known.into_iter().chain(Fate::ALL.into_iter().map(Fate::name));
        let units = [MailUnit::Message, MailUnit::Recipient];
        Ok(OutcomeRow {
            target: target.to_owned(),
            stage: self.stage.clone(),
            script: self.script.clone(),
            unit: named(units, MailUnit::name, &self.unit, "unit")?,
            outcome: named(known, |name| name, &self.outcome, "outcome")?,
            count: self.count,
            base: self.base,
            share: self.base.and_then(|base| Share::of(self.count, base)),
        })
    }
}

impl Failure {
    fn read(&self, target: &str) -> Result<FailureRow, String> {
        let kinds = outcome::Failure::ALL;
        Ok(FailureRow {
            target: target.to_owned(),
            stage: self.stage.clone(),
            script: self.script.clone(),
            step: self.step.clone(),
            failure: named(kinds, outcome::Failure::name, &self.failure, "failure")?,
            count: self.count,
            detail: from_printable(&self.detail),
        })
    }
}

impl Address {
    fn read(&self, target: &str) -> AddressRow {
        AddressRow {
            target: target.to_owned(),
            stage: self.stage.clone(),
            number: self.number,
            destination: Destination {
                address: address(&self.address),
                host: self.host.clone(),
                preference: self.preference.unwrap_or_default(),
            },
            tally: AddressTally {
                sessions: self.sessions,
                connect_failures: self.connect_failures,
                fates: self.fates.counts(),
            },
            connect: self.connect.times(),
            greeting: self.greeting.times(),
            eod: self.eod.times(),
        }
    }
}
