//! Histograms by series, and the rows that are made of them: of a run under way as of one that was saved.

use std::collections::BTreeMap;

use crate::measure::histogram::Histogram;
use crate::measure::layout::{Layout, Place, SeriesId};
use crate::measure::outcome::{Clock, Outcome};
use crate::measure::summary::{Figures, LatencyRow, StepRow};
use crate::scenario::step::StepId;

/// The outcomes that summary and thresholds read. A refusal is fast and would flatter; a wait that was given up would
/// hide.
pub const JUDGED: [Outcome; 2] = [Outcome::Accepted, Outcome::Timeout];

/// The histograms of a target over the whole run.
#[derive(Clone, Copy, Debug)]
pub struct SeriesSums<'a> {
    /// Names their series.
    pub layout: &'a Layout,
    /// Those that hold samples.
    pub histograms: &'a BTreeMap<SeriesId, Histogram>,
}

impl SeriesSums<'_> {
    /// The samples of a step in some stages that are [`JUDGED`], over all scripts.
    #[must_use]
    pub fn judged_samples(&self, stages: &[u8], step: StepId, clock: Clock) -> Histogram {
        let mut sum = Histogram::default();
        for series in self.judged_series(stages, step, clock) {
            if let Some(histogram) = self.histograms.get(&series) {
                sum.add(histogram);
            }
        }
        sum
    }

    /// The series that hold them.
    pub fn judged_series(
        &self,
        stages: &[u8],
        step: StepId,
        clock: Clock,
    ) -> impl Iterator<Item = SeriesId> {
        let scripts = stages.iter().flat_map(move |stage| {
            self.layout.script_indices().map(move |script| Place { stage: *stage, script, step })
        });
        scripts.flat_map(move |place| {
            JUDGED.into_iter().map(move |outcome| self.layout.series(place, clock, outcome))
        })
    }

    /// A row for all scripts, then one a script; of each one for all outcomes, then one an outcome. Only for what has
    /// samples.
    #[must_use]
    pub fn latency(&self) -> Vec<LatencyRow> {
        let layout = self.layout;
        let mut rows = Vec::new();
        let choices: Vec<Option<u16>> =
            std::iter::once(None).chain(layout.script_indices().map(Some)).collect();
        for stage in layout.stage_indices() {
            for script in &choices {
                for (step, step_name) in layout.steps().iter() {
                    for clock in Clock::ALL {
                        let by_outcome = self.by_outcome(stage, *script, step, clock);
                        rows.extend(by_outcome.iter().map(|(outcome, histogram)| LatencyRow {
                            target: layout.target().to_owned(),
                            stage: layout.stages()[usize::from(stage)].clone(),
                            script:
                                script.map(|script| layout.scripts()[usize::from(script)].clone()),
                            step: step_name.to_owned(),
                            clock,
                            outcome: *outcome,
                            figures: Figures::of(histogram),
                        }));
                    }
                }
            }
        }
        rows
    }

    /// The steps of the judged stages over all scripts. Under open load a row each for lag and response time of
    /// transactions and sessions behind that of service time. A step that was only ever refused is not left out: it has
    /// a row without figures.
    #[must_use]
    pub fn steps(&self, judged: &[u8], open: bool) -> Vec<StepRow> {
        let mut rows = Vec::new();
        for (step, name) in self.layout.steps().iter() {
            for clock in Clock::ALL.into_iter().filter(|clock| open || *clock == Clock::Service) {
                let samples = self.judged_samples(judged, step, clock);
                let has_any = |stage: &u8| !self.by_outcome(*stage, None, step, clock).is_empty();
                if !samples.is_empty() || judged.iter().any(has_any) {
                    let figures = Figures::of(&samples);
                    rows.push(StepRow { step: name.to_owned(), clock, figures });
                }
            }
        }
        rows
    }

    /// The histograms of one step that hold samples, the sum of them first.
    fn by_outcome(
        &self,
        stage: u8,
        script: Option<u16>,
        step: StepId,
        clock: Clock,
    ) -> Vec<(Option<Outcome>, Histogram)> {
        let layout = self.layout;
        let scripts: Vec<u16> =
            script.map_or_else(|| layout.script_indices().collect(), |script| vec![script]);
        let mut all: Option<Histogram> = None;
        let mut rows = Vec::new();
        for outcome in Outcome::ALL {
            let mut sum: Option<Histogram> = None;
            for script in &scripts {
                let place = Place { stage, script: *script, step };
                if let Some(part) = self.histograms.get(&layout.series(place, clock, outcome)) {
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
}
