//! What is told of each address of a target: sessions, messages, and how long it took to connect, to greet and to
//! take mail data.

use crate::measure::collector::Collector;
use crate::measure::histogram::{Estimate, Histogram};
use crate::measure::outcome::Clock;
use crate::measure::outcome::Outcome;
use crate::measure::tally::FateCounts;
use crate::plan::Destination;
use crate::scenario::step::StepId;
use crate::stats::quantile::Quantile;

/// The steps that are told apart by address.
pub(super) const STEPS: [StepId; 3] = [StepId::CONNECT, StepId::GREETING, StepId::EOD];

/// Sessions and messages of one stage at one address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AddressTally {
    /// Connections that stood.
    pub sessions: u64,
    /// Attempts that got no connection, but for those that our own limits ended.
    pub connect_failures: u64,
    /// What became of the messages of those sessions.
    pub fates: FateCounts,
}

impl AddressTally {
    /// Adds all of `other`.
    pub fn add(&mut self, other: &Self) {
        self.sessions += other.sessions;
        self.connect_failures += other.connect_failures;
        self.fates.add(&other.fates);
    }
}

/// One address in one stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressRow {
    pub target: String,
    pub stage: String,
    /// From 1, in the order in which a first session tries them.
    pub number: usize,
    /// The address, with its MX host where it has one.
    pub destination: Destination,
    pub tally: AddressTally,
    /// From the attempt to the connection: accepted and timed-out samples, as in all that follow.
    pub connect: Times,
    /// To the greeting.
    pub greeting: Times,
    /// From the last byte of mail data to its reply.
    pub eod: Times,
}

/// Service times of one step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Times {
    pub p50: Option<Estimate>,
    pub p99: Option<Estimate>,
}

impl Times {
    fn of(histogram: &Histogram) -> Self {
        Self { p50: histogram.quantile(Quantile::P50), p99: histogram.quantile(Quantile::P99) }
    }
}

/// A row for each address and stage, also where nothing came there.
pub(super) fn rows(collector: &Collector) -> Vec<AddressRow> {
    let layout = collector.layout();
    let mut rows = Vec::new();
    for stage in layout.stage_indices() {
        for (index, destination) in (0..).zip(layout.addresses()) {
            let times = |step| Times::of(&samples(collector, stage, index, step));
            rows.push(AddressRow {
                target: layout.target().to_owned(),
                stage: layout.stages()[usize::from(stage)].clone(),
                number: usize::from(index) + 1,
                destination: destination.clone(),
                tally: collector.addresses[layout.address(stage, index)],
                connect: times(StepId::CONNECT),
                greeting: times(StepId::GREETING),
                eod: times(StepId::EOD),
            });
        }
    }
    rows
}

/// What summary and thresholds read of a step, of one address.
fn samples(collector: &Collector, stage: u8, address: u16, step: StepId) -> Histogram {
    let layout = collector.layout();
    if layout.addresses().len() == 1 {
        // Its series would be those of all scripts together, so it has none.
        return collector.judged_samples(&[stage], step, Clock::Service);
    }
    let mut sum = Histogram::default();
    for outcome in [Outcome::Accepted, Outcome::Timeout] {
        let series = layout.address_series(stage, address, step, outcome);
        if let Some(histogram) = series.and_then(|series| collector.series.get(&series)) {
            sum.add(histogram);
        }
    }
    sum
}
