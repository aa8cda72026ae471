//! What a plan comes to, before anything is sent: arrivals, messages, bytes, sessions and ports. Counted from the same
//! schedule that the engine walks; nothing here is random but by the seed.

use std::time::Duration;

use super::loads::{Due, Itinerary, Timetable};
use super::{Address, Plan};
use crate::message::{Content, Mail};
use crate::scenario::load::{ArrivalSource, ArrivalUnit, Drive, Load};
use crate::scenario::script::{Op, Script};
use crate::schedule::Stage;
use crate::schedule::arrivals::RateSpan;
use crate::stats::binomial::as_f64;

/// Most arrivals of all loads that are counted one by one; beyond it numbers are what is expected.
pub const COUNTED_MAX: u64 = 10_000_000;
/// Messages whose sizes are looked at for the mean.
const SIZES_LOOKED_AT: u64 = 1000;
/// How long a closed connection keeps its local port: TCP's TIME-WAIT on Linux.
const PORT_KEPT: Duration = Duration::from_secs(60);

/// How many.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Count {
    /// So many, with this seed.
    Exactly(u64),
    /// Expected; there are too many to be counted.
    About(f64),
    /// A closed load: as many as the server takes.
    AsTaken,
}

impl Count {
    fn plus(self, other: Self) -> Self {
        match (self, other) {
            (Self::Exactly(a), Self::Exactly(b)) => Self::Exactly(a.saturating_add(b)),
            (Self::AsTaken, _) | (_, Self::AsTaken) => Self::AsTaken,
            (a, b) => Self::About(a.value().unwrap_or(0.0) + b.value().unwrap_or(0.0)),
        }
    }

    /// The number, where there is one.
    #[must_use]
    pub fn value(self) -> Option<f64> {
        match self {
            Self::Exactly(count) => Some(as_f64(count)),
            Self::About(count) => Some(count),
            Self::AsTaken => None,
        }
    }
}

/// One stage, as planned.
#[derive(Clone, Debug, PartialEq)]
pub struct StageOutlook {
    /// Index into [`Plan::stages`].
    pub stage: usize,
    /// What arrives, and its rate a second at the begin and at the end; `None` under closed load and in a trace.
    pub rate: Option<(ArrivalUnit, f64, f64)>,
    /// Intended starts; `None` under closed load.
    pub arrivals: Option<Count>,
    /// Messages.
    pub messages: Count,
    /// The messages are an upper limit, which the clock may cut short.
    pub at_most: bool,
}

/// What a plan comes to.
#[derive(Clone, Debug, PartialEq)]
pub struct Outlook {
    /// In the order of [`Plan::stages`].
    pub stages: Vec<StageOutlook>,
    /// Messages of the judged stages.
    pub judged_messages: Count,
    /// Messages of all stages.
    pub messages: Count,
    /// Mean bytes of mail data of a message, before transparency; `None` where no script sends any.
    pub message_bytes: Option<f64>,
    /// Mail data a second at the highest rate; `None` under closed load.
    pub bytes_per_s: Option<f64>,
    /// Connections.
    pub connections: Connections,
}

/// What connections a plan makes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Connections {
    /// Most that are open at once.
    pub open: u64,
    /// Most that are begun in a second; `None` where that depends on the server.
    pub per_s: Option<f64>,
    /// Local addresses that they come from in turn, 1 where the system chooses.
    pub sources: u64,
    /// Local ports wanted of one local address towards one address of the target, the ports of connections that closed
    /// within a minute among them; `None` for UNIX sockets.
    pub ports: Option<u64>,
}

impl Plan {
    /// What this plan comes to.
    #[must_use]
    pub fn outlook(&self) -> Outlook {
        let mut stages: Vec<StageOutlook> = Vec::new();
        let mut left = COUNTED_MAX;
        for load in 0..self.loads.len() {
            stages.extend(self.stages_of_load(load, &mut left));
        }
        let sum = |judged: bool| {
            let counted = stages.iter().filter(|one| !judged || self.stages[one.stage].judged);
            counted.fold(Count::Exactly(0), |sum, one| sum.plus(one.messages))
        };
        let (judged_messages, messages) = (sum(true), sum(false));
        Outlook {
            judged_messages,
            messages,
            message_bytes: self.mean_bytes(),
            bytes_per_s: self.bytes_per_s(),
            connections: self.connections(),
            stages,
        }
    }

    /// The arrivals of load `load` from its first stage on: each with the index of its stage in [`Plan::stages`], its
    /// time from the start of the run, and the number of its first message in the plan.
    pub fn arrivals(&self, load: usize) -> impl Iterator<Item = (usize, Duration, u64, Due)> {
        let resolved = &self.loads[load];
        let seed = self.identity.seed;
        let phases = resolved.timetable.as_ref().map(|timetable| {
            let warmup = timetable.warmup(seed);
            let behind = resolved.stages.start + usize::from(warmup.is_some());
            let warmup = warmup.map(|arrivals| (resolved.stages.start, true, arrivals));
            let phase = move |(first, in_warmup, arrivals): (usize, bool, Itinerary)| {
                arrivals.map(move |due| {
                    let at = self.stages[first].start + due.offset;
                    let number = timetable.number_of(due.messages.start, in_warmup);
                    (first + due.span, at, number, self.with_messages(load, timetable, due))
                })
            };
            warmup.into_iter().chain([(behind, false, timetable.judged(seed))]).flat_map(phase)
        });
        phases.into_iter().flatten()
    }

    /// `due` without messages where its script sends none.
    fn with_messages(&self, load: usize, timetable: &Timetable, due: Due) -> Due {
        let scripts = &self.scenario.loads[load].scripts;
        let script = |index: u16| &self.scenario.scripts[usize::from(index)];
        let sends = match timetable.unit {
            ArrivalUnit::Messages => scripts.iter().any(|index| script(*index).has_transaction()),
            ArrivalUnit::Sessions => {
                let load = u8::try_from(load).unwrap_or(u8::MAX);
                script(self.script_of(load, due.index)).has_transaction()
            }
        };
        let first = due.messages.start;
        if sends { due } else { Due { messages: first..first, ..due } }
    }

    fn stages_of_load(&self, load: usize, left: &mut u64) -> Vec<StageOutlook> {
        let (resolved, asked) = (&self.loads[load], &self.scenario.loads[load]);
        let indices = resolved.stages.clone();
        let mut stages: Vec<StageOutlook> = indices
            .map(|stage| StageOutlook {
                stage,
                rate: None,
                arrivals: None,
                messages: match resolved.messages {
                    Some(bound) if self.stages[stage].judged => Count::Exactly(bound),
                    _ => Count::AsTaken,
                },
                at_most: resolved.messages.is_some() && asked.length().is_some(),
            })
            .collect();
        if asked.open().is_some() {
            let counted = self.count(load, left);
            for (index, one) in stages.iter_mut().enumerate() {
                let expected = self.expected(load, one.stage);
                one.rate = expected.map(|(unit, span)| (unit, span.from, span.to));
                one.at_most = false;
                let (arrivals, messages) = match (&counted, expected) {
                    (Some(counts), _) => {
                        let (arrivals, messages) = counts[index];
                        (Count::Exactly(arrivals), Count::Exactly(messages))
                    }
                    (None, Some((_, span))) => self.guess(load, one.stage, &span),
                    (None, None) => (Count::AsTaken, Count::AsTaken),
                };
                (one.arrivals, one.messages) = (Some(arrivals), messages);
            }
        }
        stages
    }

    /// Arrivals and messages of each stage of a load, one by one; `None` where they are more than `left`.
    fn count(&self, load: usize, left: &mut u64) -> Option<Vec<(u64, u64)>> {
        let stages = self.loads[load].stages.clone();
        let mut counts = vec![(0, 0); stages.len()];
        for (stage, _, _, due) in self.arrivals(load) {
            *left = left.checked_sub(1)?;
            let (arrivals, messages) = &mut counts[stage - stages.start];
            *arrivals += 1;
            *messages += due.messages.end - due.messages.start;
        }
        Some(counts)
    }

    /// What is expected of a stage that has too many arrivals to be counted.
    fn guess(&self, load: usize, stage: usize, span: &RateSpan) -> (Count, Count) {
        let each = self.messages_each(&self.scenario.loads[load]);
        match (span.expected(), self.loads[load].messages) {
            (None, Some(bound)) => (Count::About(as_f64(bound) / each), Count::Exactly(bound)),
            (None, None) => (Count::AsTaken, Count::AsTaken),
            (Some(arrivals), bound) => {
                let bound = bound.filter(|_| self.stages[stage].judged);
                let bound = bound.map_or(f64::INFINITY, as_f64);
                let messages = (arrivals * each).min(bound);
                (Count::About(messages / each), Count::About(messages))
            }
        }
    }

    /// What arrives in a stage of an open load, and how its rate runs; `None` for a trace.
    fn expected(&self, load: usize, stage: usize) -> Option<(ArrivalUnit, RateSpan)> {
        let open = self.scenario.loads[load].open()?;
        let ArrivalSource::Rate { stages, .. } = &open.source else { return None };
        let first = self.loads[load].stages.start;
        let warmups = self.loads[load].stages.len() - stages.len();
        let span = match (stage - first).checked_sub(warmups) {
            Some(index) => stages[index].span,
            // The warm-up runs at the rate of the first stage, as `Timetable` has it.
            None => {
                let Stage { start, end, .. } = &self.stages[stage];
                RateSpan::steady(stages[0].span.to, end.map(|end| end - *start))
            }
        };
        Some((open.unit, span))
    }

    /// Mean number of messages of an arrival.
    fn messages_each(&self, load: &Load) -> f64 {
        match load.open().map(|open| open.unit) {
            Some(ArrivalUnit::Sessions) => {
                let range = load.messages_per_session.clone().unwrap_or(1..=1);
                f64::midpoint(as_f64(*range.start()), as_f64(*range.end())) * self.sending(load)
            }
            _ => 1.0,
        }
    }

    /// Share of the sessions of `load` whose scripts send messages.
    fn sending(&self, load: &Load) -> f64 {
        let (mut sending, mut all) = (0.0, 0.0);
        for script in load.scripts.iter().map(|index| &self.scenario.scripts[usize::from(*index)]) {
            let weight = f64::from(script.weight);
            all += weight;
            sending += if script.has_transaction() { weight } else { 0.0 };
        }
        if all > 0.0 { sending / all } else { 0.0 }
    }

    /// Mean bytes of a message over the scripts that send some, by weight.
    fn mean_bytes(&self) -> Option<f64> {
        let (mut bytes, mut weights) = (0.0, 0.0);
        let used =
            |index: u16| self.scenario.loads.iter().any(|load| load.scripts.contains(&index));
        for (index, script) in (0..=u16::MAX).zip(&self.scenario.scripts) {
            if let Some(kind) = sent_by(script).filter(|_| used(index)) {
                bytes += f64::from(script.weight) * self.mean_of(&self.scenario.mail, kind);
                weights += f64::from(script.weight);
            }
        }
        (weights > 0.0).then(|| bytes / weights)
    }

    /// Mean bytes of messages of `kind`, or of all kinds as their weights have it.
    fn mean_of(&self, mail: &Mail, kind: Option<usize>) -> f64 {
        let size = |seq: u64| {
            let kind = kind.unwrap_or_else(|| mail.kind_of(&self.identity, seq));
            match &mail.kinds[kind].content {
                Content::Generated { size, .. } => {
                    let recorded = mail.trace.as_ref().and_then(|trace| trace.row(seq)?.bytes);
                    recorded.unwrap_or_else(|| size.draw(&self.identity, seq))
                }
                Content::Files { files, .. } => {
                    let sum: usize = files.iter().map(|file| file.data.len()).sum();
                    (sum / files.len().max(1)) as u64
                }
            }
        };
        (0..SIZES_LOOKED_AT).map(|seq| as_f64(size(seq))).sum::<f64>() / as_f64(SIZES_LOOKED_AT)
    }

    fn bytes_per_s(&self) -> Option<f64> {
        let bytes = self.mean_bytes()?;
        let top = |load: &Load| Some(top_rate(load)? * self.messages_each(load));
        let rates: Option<Vec<f64>> = self.scenario.loads.iter().map(top).collect();
        Some(rates?.iter().sum::<f64>() * bytes)
    }

    fn connections(&self) -> Connections {
        let loads = &self.scenario.loads;
        let open = self.scenario.sessions_max();
        let per_s: Option<f64> = loads.iter().map(begun_per_s).sum();
        let target = self.targets.first();
        let unix = |target: &super::Target| {
            target.addresses.iter().any(|one| matches!(one.address, Address::Unix(_)))
        };
        let addresses = target.map_or(1, |target| target.addresses.len().max(1)) as u64;
        let sources = self.scenario.sources.len().max(1) as u64;
        let kept = per_s.unwrap_or(0.0) * PORT_KEPT.as_secs_f64();
        let ports = (as_f64(open) + kept) / as_f64(sources * addresses);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "not negative, and the cast saturates"
        )]
        let ports = (!target.is_some_and(unix)).then_some(ports.ceil() as u64);
        Connections { open, per_s, sources, ports }
    }
}

/// The kind of message that a script sends, by weight where it names none; `None` where it sends no mail data.
fn sent_by(script: &Script) -> Option<Option<usize>> {
    script.ops.iter().find_map(|op| match op {
        Op::Data(data) => Some(data.message),
        Op::Bdat(bdat) => Some(bdat.message),
        _ => None,
    })
}

/// The highest rate of an open load that is no trace, in arrivals a second.
fn top_rate(load: &Load) -> Option<f64> {
    let ArrivalSource::Rate { stages, .. } = &load.open()?.source else { return None };
    Some(stages.iter().map(|stage| stage.span.from.max(stage.span.to)).fold(0.0, f64::max))
}

/// Most connections that `load` begins in a second, once all its sessions stand; `None` where that depends on the
/// server.
fn begun_per_s(load: &Load) -> Option<f64> {
    let begun = match (&load.drive, &load.messages_per_session) {
        // Held open, or without a limit: a session is only replaced where the server ends it.
        _ if load.hold.is_some() => Some(0.0),
        (Drive::Open(open), range) => match (open.unit, range) {
            (ArrivalUnit::Sessions, _) => top_rate(load),
            (ArrivalUnit::Messages, None) => Some(0.0),
            (ArrivalUnit::Messages, Some(range)) => {
                let each = f64::midpoint(as_f64(*range.start()), as_f64(*range.end()));
                top_rate(load).map(|rate| rate / each.max(1.0))
            }
        },
        (Drive::Closed { .. }, None) => Some(0.0),
        (Drive::Closed { .. }, Some(_)) => None,
    };
    match load.connects_per_s {
        Some(cap) => Some(begun.unwrap_or(cap).min(cap)),
        None => begun,
    }
}

#[cfg(test)]
mod tests;
