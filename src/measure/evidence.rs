//! What a rule looks at, counted: in one interval, or in a whole run. The meaning of every metric is here, once.

use crate::measure::collector::Collector;
use crate::measure::histogram::{Histogram, Sparse};
use crate::measure::layout::{Layout, Place, PlaceId, ScriptId, SeriesId};
use crate::measure::outcome::{Clock, Fate, Outcome};
use crate::measure::recorder::Snapshot;
use crate::measure::tally::{MessageTally, ReplyKind, ReplyTally, StageTally};
use crate::plan::Plan;
use crate::scenario::script::{Expect, Op};
use crate::scenario::step::StepId;
use crate::scenario::threshold::{
    Codes, Distress, MessageShare, Metric, Narrowing, StepClock, StepOutcome,
};
use crate::smtp::reply::Severity;

/// What summary and thresholds read where nothing else is said: a refusal is fast and would flatter, a wait that was
/// given up would hide.
const JUDGED: &[Outcome] = &[Outcome::Accepted, Outcome::Timeout];

/// Counts that can be looked at: those of one interval of a worker, or of a run.
pub(super) trait Counts {
    fn each_series(&self, see: &mut dyn FnMut(SeriesId, &Histogram));
    fn each_reply(&self, see: &mut dyn FnMut(PlaceId, &ReplyTally));
    fn each_message(&self, see: &mut dyn FnMut(ScriptId, &MessageTally));
    fn each_stage(&self, see: &mut dyn FnMut(u8, &StageTally));
}

impl Counts for Snapshot {
    fn each_series(&self, see: &mut dyn FnMut(SeriesId, &Histogram)) {
        self.series.iter().for_each(|(series, histogram)| see(*series, histogram));
    }

    fn each_reply(&self, see: &mut dyn FnMut(PlaceId, &ReplyTally)) {
        self.replies.iter().for_each(|(place, tally)| see(*place, tally));
    }

    fn each_message(&self, see: &mut dyn FnMut(ScriptId, &MessageTally)) {
        self.messages.iter().for_each(|(script, tally)| see(*script, tally));
    }

    fn each_stage(&self, see: &mut dyn FnMut(u8, &StageTally)) {
        (0..=u8::MAX).zip(&self.stages).for_each(|(stage, tally)| see(stage, tally));
    }
}

impl Counts for Collector {
    fn each_series(&self, see: &mut dyn FnMut(SeriesId, &Histogram)) {
        self.series.iter().for_each(|(series, histogram)| see(*series, histogram));
    }

    fn each_reply(&self, see: &mut dyn FnMut(PlaceId, &ReplyTally)) {
        self.replies.iter().for_each(|(place, tally)| see(*place, tally));
    }

    fn each_message(&self, see: &mut dyn FnMut(ScriptId, &MessageTally)) {
        let scripts = self.messages.iter().enumerate();
        scripts.for_each(|(index, tally)| see(ScriptId::from_index(index), tally));
    }

    fn each_stage(&self, see: &mut dyn FnMut(u8, &StageTally)) {
        (0..=u8::MAX).zip(&self.stages).for_each(|(stage, tally)| see(stage, tally));
    }
}

/// What is counted for a rule.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Subject {
    /// Messages of one fate.
    Messages(Fate),
    /// Messages whose connection was lost.
    LostMessages,
    /// Replies with these codes; of all, or of those that are no refusal which the script asks for.
    Replies { codes: Codes, any: bool },
    /// Samples of a step; without a clock of the response time, in stages whose schedule gives it one, and otherwise
    /// of the service time.
    Times { step: StepId, clock: Option<Clock>, outcomes: Vec<Outcome> },
    /// Lag of transactions, or of sessions where no transaction has one.
    Lag,
    /// Messages accepted while the window was open.
    Completed,
    /// Starts of a schedule that were made.
    Arrivals,
}

/// What there was of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) enum Amount {
    #[default]
    Nothing,
    Share {
        hits: u64,
        base: u64,
    },
    Count(u64),
    Times(Sparse),
}

impl Amount {
    /// Adds another of the same thing.
    pub(super) fn add(&mut self, other: &Self) {
        match (self, other) {
            (_, Self::Nothing) => {}
            (this @ Self::Nothing, other) => *this = other.clone(),
            (Self::Share { hits, base }, Self::Share { hits: more_hits, base: more_base }) => {
                *hits += more_hits;
                *base += more_base;
            }
            (Self::Count(sum), Self::Count(more)) => *sum += more,
            (Self::Times(sum), Self::Times(more)) => sum.add(more),
            (this, other) => debug_assert!(false, "{other:?} is not of the kind of {this:?}"),
        }
    }
}

/// Of what messages are a share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MessageBase {
    /// Of those attempted: in a run each of them has a fate.
    Attempted,
    /// Of those that ended: in a window others are under way.
    Ended,
}

/// Stages and scripts that a rule looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Scope {
    stages: Vec<u8>,
    /// `None` for all.
    script: Option<Option<u16>>,
}

impl Scope {
    /// What `narrowing` leaves of the `judged` stages, or the one stage that it names; `None` where it names another
    /// target than the one of `layout`.
    pub(super) fn new(layout: &Layout, narrowing: &Narrowing, judged: &[u8]) -> Option<Self> {
        if narrowing.target.as_ref().is_some_and(|target| target != layout.target()) {
            return None;
        }
        let stages = match &narrowing.stage {
            None => judged.to_vec(),
            Some(name) => {
                let named = layout.stage_indices().zip(layout.stages());
                named.filter(|(_, stage)| *stage == name).map(|(index, _)| index).collect()
            }
        };
        let find = |name: &String| {
            let named = layout.script_indices().zip(layout.scripts());
            named.into_iter().find(|(_, script)| *script == name).map(|(index, _)| index)
        };
        Some(Self { stages, script: narrowing.script.as_ref().map(find) })
    }

    /// The stages.
    pub(super) fn stages(&self) -> &[u8] {
        &self.stages
    }

    fn has(&self, stage: u8, script: u16) -> bool {
        self.stages.contains(&stage) && self.script.is_none_or(|one| one == Some(script))
    }
}

/// What the scripts of a plan ask for at the end of data: a refusal there counts as one, whatever they expect.
#[derive(Clone, Debug, Default)]
pub(super) struct Asked(Vec<Vec<Expect>>);

impl Asked {
    /// By script.
    pub(super) fn of(plan: &Plan) -> Self {
        let expect = |op: &Op| match op {
            Op::Data(data) => Some(data.expect_eod.clone()),
            Op::Bdat(bdat) => Some(bdat.expect.clone()),
            _ => None,
        };
        let scripts = plan.scenario.scripts.iter();
        Self(scripts.map(|script| script.ops.iter().filter_map(expect).collect()).collect())
    }

    /// Whether a reply is a refusal that the script asks for. A positive reply never is: to write the codes that hold
    /// anyway changes no figure.
    fn refusal(&self, place: Place, kind: &ReplyKind) -> bool {
        let refusal = matches!(kind.code.severity(), Severity::Transient | Severity::Permanent);
        if !refusal || kind.outcome == Outcome::Accepted {
            return refusal;
        }
        let wanted = self.0.get(usize::from(place.script)).filter(|wanted| !wanted.is_empty());
        place.step == StepId::EOD
            && wanted.is_some_and(|wanted| wanted.iter().all(|one| one.accepts(kind.code)))
    }
}

/// What one rule looks at.
#[derive(Clone, Debug)]
pub(super) struct Lens {
    pub(super) subject: Subject,
    pub(super) scope: Scope,
}

impl Lens {
    /// For `metric` in `scope`.
    pub(super) fn new(metric: Metric, scope: Scope) -> Self {
        let subject = match metric {
            Metric::Share(share) => Subject::Messages(fate(share)),
            Metric::Step { step, clock, outcome, .. } => Subject::Times {
                step,
                clock: match (clock, step) {
                    (Some(clock), _) => Some(clock_of(clock)),
                    (None, StepId::TRANSACTION | StepId::SESSION) => None,
                    (None, _) => Some(Clock::Service),
                },
                outcomes: match (outcome, clock) {
                    (Some(outcome), _) => vec![outcome_of(outcome)],
                    // What came late is late whatever became of it.
                    (None, Some(StepClock::Lag)) => Outcome::ALL.to_vec(),
                    (None, _) => JUDGED.to_vec(),
                },
            },
            Metric::Lag(_) => Subject::Lag,
            Metric::Replies { codes, any } => Subject::Replies { codes, any },
            Metric::AchievedRate => Subject::Arrivals,
            Metric::MessagesPerSecond | Metric::MessagesPerHour => Subject::Completed,
        };
        Self { subject, scope }
    }

    /// For a sign of distress, in all `stages`.
    pub(super) fn of_distress(distress: Distress, stages: Vec<u8>) -> Self {
        let subject = match distress {
            Distress::Replies(codes) => Subject::Replies { codes, any: true },
            Distress::Messages(share) => Subject::Messages(fate(share)),
            Distress::Lost => Subject::LostMessages,
        };
        Self { subject, scope: Scope { stages, script: None } }
    }

    /// What there is of it in `counts`.
    pub(super) fn look(
        &self,
        layout: &Layout,
        asked: &Asked,
        counts: &dyn Counts,
        base: MessageBase,
    ) -> Amount {
        match &self.subject {
            Subject::Messages(fate) => self.messages(layout, counts, base, *fate),
            Subject::LostMessages => self.lost(layout, counts),
            Subject::Replies { codes, any } => self.replies(layout, asked, counts, *codes, *any),
            Subject::Times { step, clock, outcomes } => {
                let times =
                    |clock, only| self.times(layout, counts, (*step, clock, only), outcomes);
                let Some(clock) = clock else {
                    return Amount::Times(self.judged_times(times));
                };
                Amount::Times(times(*clock, None))
            }
            Subject::Lag => {
                let lag =
                    |step| self.times(layout, counts, (step, Clock::Lag, None), &Outcome::ALL);
                let transactions = lag(StepId::TRANSACTION);
                Amount::Times(match transactions.samples() == 0 {
                    true => lag(StepId::SESSION),
                    false => transactions,
                })
            }
            Subject::Completed => {
                let mut completed = 0;
                counts.each_stage(&mut |stage, tally| {
                    if self.scope.stages.contains(&stage) {
                        completed += tally.completed;
                    }
                });
                Amount::Count(completed)
            }
            Subject::Arrivals => {
                let (mut hits, mut base) = (0, 0);
                counts.each_stage(&mut |stage, tally| {
                    if self.scope.stages.contains(&stage) {
                        hits += tally.arrivals.started;
                        base += tally.arrivals.due;
                    }
                });
                Amount::Share { hits, base }
            }
        }
    }

    fn messages(
        &self,
        layout: &Layout,
        counts: &dyn Counts,
        of: MessageBase,
        fate: Fate,
    ) -> Amount {
        let (mut hits, mut base) = (0, 0);
        counts.each_message(&mut |id, tally| {
            let (stage, script) = layout.script_parts(id);
            if self.scope.has(stage, script) {
                hits += tally.fates.of(fate);
                base += match of {
                    MessageBase::Attempted => tally.attempted,
                    MessageBase::Ended => tally.fates.sum(),
                };
            }
        });
        Amount::Share { hits, base }
    }

    fn lost(&self, layout: &Layout, counts: &dyn Counts) -> Amount {
        let (step, clock) = (StepId::TRANSACTION, Clock::Service);
        let lost = self.times(layout, counts, (step, clock, None), &[Outcome::Lost]);
        let hits = lost.samples();
        match self.messages(layout, counts, MessageBase::Ended, Fate::Failed) {
            Amount::Share { base, .. } => Amount::Share { hits, base },
            other => other,
        }
    }

    fn replies(
        &self,
        layout: &Layout,
        asked: &Asked,
        counts: &dyn Counts,
        codes: Codes,
        any: bool,
    ) -> Amount {
        let (mut hits, mut base) = (0, 0);
        counts.each_reply(&mut |id, tally| {
            let place = layout.place_parts(id);
            if !self.scope.has(place.stage, place.script) {
                return;
            }
            for (kind, count) in
                tally.kinds().filter(|(kind, _)| any || !asked.refusal(place, kind))
            {
                base += count;
                if codes.contains(kind.code.number()) {
                    hits += count;
                }
            }
        });
        Amount::Share { hits, base }
    }

    /// Where nothing is said of the clock. Who has a response time has one for every sample of the service time.
    fn judged_times(&self, times: impl Fn(Clock, Option<u8>) -> Sparse) -> Sparse {
        let mut sum = Sparse::default();
        for stage in &self.scope.stages {
            let response = times(Clock::Response, Some(*stage));
            match response.samples() {
                0 => sum.add(&times(Clock::Service, Some(*stage))),
                _ => sum.add(&response),
            }
        }
        sum
    }

    /// Of one stage alone, where it is named.
    fn times(
        &self,
        layout: &Layout,
        counts: &dyn Counts,
        (step, clock, stage): (StepId, Clock, Option<u8>),
        outcomes: &[Outcome],
    ) -> Sparse {
        let mut sum = Sparse::default();
        counts.each_series(&mut |id, histogram| {
            let Some((place, of, outcome)) = layout.series_parts(id) else { return };
            if place.step == step
                && of == clock
                && outcomes.contains(&outcome)
                && self.scope.has(place.stage, place.script)
                && stage.is_none_or(|stage| stage == place.stage)
            {
                sum.add(&histogram.to_sparse());
            }
        });
        sum
    }
}

fn clock_of(clock: StepClock) -> Clock {
    match clock {
        StepClock::Service => Clock::Service,
        StepClock::Response => Clock::Response,
        StepClock::Lag => Clock::Lag,
    }
}

fn outcome_of(outcome: StepOutcome) -> Outcome {
    match outcome {
        StepOutcome::Accepted => Outcome::Accepted,
        StepOutcome::Deferred => Outcome::Deferred,
        StepOutcome::Rejected => Outcome::Rejected,
        StepOutcome::Unexpected => Outcome::Unexpected,
        StepOutcome::Timeout => Outcome::Timeout,
        StepOutcome::Lost => Outcome::Lost,
    }
}

fn fate(share: MessageShare) -> Fate {
    match share {
        MessageShare::Accepted => Fate::Accepted,
        MessageShare::Rejected => Fate::Rejected,
        MessageShare::Deferred => Fate::Deferred,
        MessageShare::Failed => Fate::Failed,
        MessageShare::InDoubt => Fate::InDoubt,
    }
}
