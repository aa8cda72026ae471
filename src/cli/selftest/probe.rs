//! What a probe is: a fault to plant, a load, and what has to show of it. Data only.

use super::found::Found;
use crate::report::selftest::{ProbeRow, ProbeUnit, ProbeVerdict, SeenBy};
use crate::sink::SinkCounts;

/// A fault at a known rate, with what has to show.
#[derive(Clone, Copy, Debug)]
pub(super) struct Probe {
    pub(super) name: &'static str,
    /// What is planted, in words.
    pub(super) plants: &'static str,
    /// The scenario: load, mail, and under `[sink]` the fault.
    pub(super) scenario: &'static str,
    pub(super) setup: Setup,
    pub(super) checks: &'static [Check],
}

/// What a probe needs beside its scenario.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Setup {
    /// Nothing.
    #[default]
    Plain,
    /// The sink speaks LMTP.
    Lmtp,
    /// The sink has a certificate that the scenario trusts, as far as it goes.
    Tls,
    /// The sink writes down what it keeps.
    Capture,
    /// The same, and a second sink takes what comes back.
    Bounces,
    /// One session before the load, whose EHLO reply is looked at.
    Preflight,
    /// The books of the run are tampered with: a message is added that began and never ended.
    Ghost,
}

/// What the sink did: its own books.
#[derive(Clone, Debug, Default)]
pub(super) struct Planted {
    pub(super) counts: SinkCounts,
    rules: Vec<u64>,
}

/// What a run says nothing of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Doubt {
    /// It may be believed.
    None,
    /// Times and rates: the generator was late. What it counted holds.
    Times,
    /// Anything.
    All,
}

/// One thing that has to show.
#[derive(Clone, Copy, Debug)]
pub(super) struct Check {
    what: &'static str,
    unit: ProbeUnit,
    /// Whether there has to be any of it; else it is what the fault must leave alone.
    fault: bool,
    planted: fn(&Planted) -> f64,
    found: fn(&Found<'_>) -> Option<f64>,
    bound: Bound,
    seen_by: SeenBy,
}

/// How far what is found may be from what was planted.
#[derive(Clone, Copy, Debug)]
enum Bound {
    /// Not at all.
    Exact,
    /// As far as so many draws can be: five standard deviations.
    Draws(fn(&Found<'_>) -> f64),
    /// From so many times it up to so many times it and a bit more.
    Within { low: f64, high: f64, more: f64 },
}

/// Standard deviations that a share may be away: beyond is one run in a million.
const DEVIATIONS: f64 = 5.0;
/// What a histogram rounds away.
const ROUNDING: f64 = 0.99;
/// What a busy machine may add to a delay, in microseconds.
const BUSY_US: f64 = 100_000.0;

impl Planted {
    pub(super) fn new(counts: SinkCounts, rules: Vec<u64>) -> Self {
        Self { counts, rules }
    }

    /// How often rule `index` was used.
    pub(super) fn rule(&self, index: usize) -> f64 {
        count(self.rules.get(index).copied().unwrap_or_default())
    }
}

/// A count as a figure.
pub(super) fn count(count: u64) -> f64 {
    crate::stats::binomial::as_f64(count)
}

impl Check {
    /// A fault that has to be found to the last one.
    pub(super) const fn fault(
        what: &'static str,
        planted: fn(&Planted) -> f64,
        found: fn(&Found<'_>) -> Option<f64>,
    ) -> Self {
        let (unit, bound, seen_by) = (ProbeUnit::Count, Bound::Exact, SeenBy::Report);
        Self { what, unit, fault: true, planted, found, bound, seen_by }
    }

    /// What the fault must leave as it is; there may be none of it.
    pub(super) const fn rest(
        what: &'static str,
        planted: fn(&Planted) -> f64,
        found: fn(&Found<'_>) -> Option<f64>,
    ) -> Self {
        Self { fault: false, ..Self::fault(what, planted, found) }
    }

    /// A share of draws.
    pub(super) const fn share(
        what: &'static str,
        planted: fn(&Planted) -> f64,
        found: fn(&Found<'_>) -> Option<f64>,
        draws: fn(&Found<'_>) -> f64,
    ) -> Self {
        let bound = Bound::Draws(draws);
        Self { unit: ProbeUnit::Share, bound, ..Self::fault(what, planted, found) }
    }

    /// A time that is at least as long as planted; a busy machine may make it longer.
    pub(super) const fn delay(
        what: &'static str,
        planted: fn(&Planted) -> f64,
        found: fn(&Found<'_>) -> Option<f64>,
    ) -> Self {
        Self::time(what, planted, found, ROUNDING, 1.5)
    }

    /// A time between so many times what is planted and so many times that.
    pub(super) const fn time(
        what: &'static str,
        planted: fn(&Planted) -> f64,
        found: fn(&Found<'_>) -> Option<f64>,
        low: f64,
        high: f64,
    ) -> Self {
        let bound = Bound::Within { low, high, more: BUSY_US };
        Self { unit: ProbeUnit::Microseconds, bound, ..Self::fault(what, planted, found) }
    }

    /// A rate; beyond it by the bucket of the limiter at most.
    pub(super) const fn rate(
        what: &'static str,
        planted: fn(&Planted) -> f64,
        found: fn(&Found<'_>) -> Option<f64>,
    ) -> Self {
        let bound = Bound::Within { low: 0.5, high: 1.1, more: 10.0 };
        Self { unit: ProbeUnit::PerSecond, bound, ..Self::fault(what, planted, found) }
    }

    /// The same, held against what the sink kept.
    pub(super) const fn captured(self) -> Self {
        Self { seen_by: SeenBy::Capture, ..self }
    }

    /// What a run of `probe` came to.
    pub(super) fn judge(
        &self,
        probe: &Probe,
        planted: &Planted,
        found: &Found<'_>,
        doubt: Doubt,
    ) -> ProbeRow {
        let amount = (self.planted)(planted);
        let (low, high) = match self.bound {
            Bound::Exact => (amount, amount),
            Bound::Draws(draws) => {
                let slack = DEVIATIONS * (amount * (1.0 - amount) / draws(found).max(1.0)).sqrt();
                ((amount - slack).max(0.0), (amount + slack).min(1.0))
            }
            Bound::Within { low, high, more } => (amount * low, amount * high + more),
        };
        let row = ProbeRow {
            probe: probe.name,
            what: self.what,
            unit: self.unit,
            planted: amount,
            found: (self.found)(found),
            low,
            high,
            seen_by: self.seen_by,
            verdict: ProbeVerdict::Inconclusive,
        };
        let timed = !matches!(self.bound, Bound::Exact);
        let unknown = match doubt {
            Doubt::None => false,
            Doubt::Times => timed,
            Doubt::All => true,
        };
        row.judged(self.fault, unknown)
    }
}
