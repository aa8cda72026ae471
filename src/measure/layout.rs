//! Where a sample belongs: stage, script and step, as dense indices.

use crate::measure::addresses::STEPS;
use crate::measure::outcome::{Clock, Outcome};
use crate::plan::{Destination, Plan};
use crate::scenario::step::{StepId, StepNames};

/// Where a sample, a reply or a failure belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    /// Index into [`Plan::stages`]: the stage in which the sample's arrival was to start.
    pub stage: u8,
    /// Index into the scenario's scripts.
    pub script: u16,
    /// The step.
    pub step: StepId,
}

/// The names of a plan and the turn from a [`Place`] into an index. Made once and shared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    target: String,
    stages: Vec<String>,
    scripts: Vec<String>,
    steps: StepNames,
    /// The target's addresses.
    addresses: Vec<Destination>,
}

/// A series of samples: place, clock and outcome, ordered as reports list them; or, behind those, stage, address, step
/// and outcome, where the target has several addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SeriesId(u32);

/// A place as a dense index. Ordered as reports list them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct PlaceId(u32);

/// A stage and a script as a dense index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct ScriptId(u32);

const CLOCKS: usize = Clock::ALL.len();
const OUTCOMES: usize = Outcome::ALL.len();

impl Layout {
    /// The layout of `plan`.
    #[must_use]
    pub fn new(plan: &Plan) -> Self {
        let target = plan.targets.first().map_or("target", |target| target.name.as_str());
        let layout = Self::from_names(
            target,
            plan.stages.iter().map(|stage| stage.name.clone()).collect(),
            plan.scenario.scripts.iter().map(|script| script.name.clone()).collect(),
            plan.scenario.steps.clone(),
        );
        let addresses = plan.targets.first().map(|target| target.addresses.clone());
        layout.with_addresses(addresses.unwrap_or_default())
    }

    /// A layout of these names; at least one stage and one script.
    ///
    /// # Panics
    /// Where [`Layout::read`] is `None`.
    #[must_use]
    pub fn from_names(
        target: &str,
        stages: Vec<String>,
        scripts: Vec<String>,
        steps: StepNames,
    ) -> Self {
        let layout = Self::read(target, stages, scripts, steps, Vec::new());
        layout.expect("a plan has 1 to 256 stages, 1 to 65,536 scripts, and not the most of both")
    }

    /// The same for a target with these addresses.
    ///
    /// # Panics
    /// When a sample could not be indexed: over 65,535 addresses.
    #[must_use]
    pub fn with_addresses(self, addresses: Vec<Destination>) -> Self {
        let Self { target, stages, scripts, steps, .. } = self;
        let layout = Self::read(&target, stages, scripts, steps, addresses);
        layout.expect("a target has at most 65,535 addresses")
    }

    /// A layout of names that are not known to be those of a plan; `None` where a sample could not be indexed: without
    /// a stage or a script, with over 256 stages, 65,536 scripts or 65,535 addresses, or too many of them together.
    #[must_use]
    pub fn read(
        target: &str,
        stages: Vec<String>,
        scripts: Vec<String>,
        steps: StepNames,
        addresses: Vec<Destination>,
    ) -> Option<Self> {
        let fits = (1..=256).contains(&stages.len())
            && (1..=65_536).contains(&scripts.len())
            && u16::try_from(addresses.len()).is_ok();
        let layout = Self { target: target.to_owned(), stages, scripts, steps, addresses };
        let countable = || u32::try_from(layout.series_count()).is_ok();
        (fits && countable()).then_some(layout)
    }

    /// Name of the target.
    #[must_use]
    pub fn target(&self) -> &str {
        &self.target
    }

    /// Names of the stages, in order.
    #[must_use]
    pub fn stages(&self) -> &[String] {
        &self.stages
    }

    /// Names of the scripts, in order.
    #[must_use]
    pub fn scripts(&self) -> &[String] {
        &self.scripts
    }

    /// The target's addresses, in order.
    #[must_use]
    pub fn addresses(&self) -> &[Destination] {
        &self.addresses
    }

    /// The steps.
    #[must_use]
    pub fn steps(&self) -> &StepNames {
        &self.steps
    }

    /// The tag of a series in `histograms.hlog`.
    #[must_use]
    pub fn tag(&self, series: SeriesId) -> String {
        let Some((place, clock, outcome)) = self.series_parts(series) else {
            let (stage, address, step, outcome) = self.address_parts(series);
            return format!(
                "target={}|stage={}|address={}|step={}|clock={}|outcome={}",
                tag_name(&self.target),
                tag_name(&self.stages[stage]),
                address + 1,
                tag_name(self.steps.name(step)),
                Clock::Service.name(),
                outcome.name()
            );
        };
        format!(
            "target={}|stage={}|script={}|step={}|clock={}|outcome={}",
            tag_name(&self.target),
            tag_name(&self.stages[usize::from(place.stage)]),
            tag_name(&self.scripts[usize::from(place.script)]),
            tag_name(self.steps.name(place.step)),
            clock.name(),
            outcome.name()
        )
    }

    /// The series that has this tag; `None` of another target, or where it is none.
    #[must_use]
    pub fn of_tag(&self, tag: &str) -> Option<SeriesId> {
        let mut parts = tag.split('|');
        let mut part = |name: &str| parts.next()?.strip_prefix(name)?.strip_prefix('=');
        let at = |names: &[String], tagged| names.iter().position(|name| tag_name(name) == tagged);
        if part("target")? != tag_name(&self.target) {
            return None;
        }
        let stage = u8::try_from(at(&self.stages, part("stage")?)?).ok()?;
        let (key, place) = parts.next()?.split_once('=')?;
        let mut part = |name: &str| parts.next()?.strip_prefix(name)?.strip_prefix('=');
        let step = self.steps.find(part("step")?)?;
        let clock = part("clock")?;
        let clock = Clock::ALL.into_iter().find(|known| known.name() == clock)?;
        let outcome = part("outcome")?;
        let outcome = Outcome::ALL.into_iter().find(|known| known.name() == outcome)?;
        match key {
            "script" => {
                let script = u16::try_from(at(&self.scripts, place)?).ok()?;
                Some(self.series(Place { stage, script, step }, clock, outcome))
            }
            "address" if clock == Clock::Service => {
                let address = place.parse::<u16>().ok()?.checked_sub(1)?;
                let known = usize::from(address) < self.addresses.len();
                known.then(|| self.address_series(stage, address, step, outcome)).flatten()
            }
            _ => None,
        }
    }

    /// The series of a sample.
    #[must_use]
    pub fn series(&self, place: Place, clock: Clock, outcome: Outcome) -> SeriesId {
        let place = self.place(place).index();
        let index = (place * CLOCKS + clock as usize) * OUTCOMES + outcome as usize;
        SeriesId(narrow(index))
    }

    /// The series of a sample's service time at one address; `None` where the target has one address only, or the
    /// step is not told apart so.
    #[must_use]
    pub fn address_series(
        &self,
        stage: u8,
        address: u16,
        step: StepId,
        outcome: Outcome,
    ) -> Option<SeriesId> {
        if self.addresses.len() < 2 {
            return None;
        }
        let step = STEPS.iter().position(|known| *known == step)?;
        let place = self.address(stage, address) * STEPS.len() + step;
        Some(SeriesId(narrow(self.place_series_count() + place * OUTCOMES + outcome as usize)))
    }

    /// Stage, address, step and outcome of a series by address.
    fn address_parts(&self, series: SeriesId) -> (usize, usize, StepId, Outcome) {
        let index = series.index() - self.place_series_count();
        let (place, outcome) = (index / OUTCOMES, Outcome::ALL[index % OUTCOMES]);
        let (address, step) = (place / STEPS.len(), STEPS[place % STEPS.len()]);
        let addresses = self.addresses.len();
        (address / addresses, address % addresses, step, outcome)
    }

    /// What a series is of; `None` for a series by address.
    #[must_use]
    pub fn series_parts(&self, series: SeriesId) -> Option<(Place, Clock, Outcome)> {
        let index = series.index();
        if index >= self.place_series_count() {
            return None;
        }
        let outcome = Outcome::ALL[index % OUTCOMES];
        let clock = Clock::ALL[index / OUTCOMES % CLOCKS];
        Some((self.place_parts(PlaceId(narrow(index / OUTCOMES / CLOCKS))), clock, outcome))
    }

    pub(super) fn series_count(&self) -> usize {
        let by_address = match self.addresses.len() {
            0 | 1 => 0,
            _ => self.address_count() * STEPS.len() * OUTCOMES,
        };
        self.place_series_count() + by_address
    }

    fn place_series_count(&self) -> usize {
        self.place_count() * CLOCKS * OUTCOMES
    }

    /// An address in one stage as a dense index.
    pub(super) fn address(&self, stage: u8, address: u16) -> usize {
        let (stage, address) = (usize::from(stage), usize::from(address));
        let addresses = self.addresses.len().max(1);
        assert!(stage < self.stages.len(), "stage {stage} is not in the layout");
        assert!(address < addresses, "address {address} is not in the layout");
        stage * addresses + address
    }

    pub(super) fn address_count(&self) -> usize {
        self.stages.len() * self.addresses.len().max(1)
    }

    pub(super) fn place(&self, place: Place) -> PlaceId {
        let step = usize::from(place.step.0);
        assert!(step < self.steps.count(), "step {step} is not in the layout");
        let script = self.script(place.stage, place.script).index();
        PlaceId(narrow(script * self.steps.count() + step))
    }

    pub(super) fn place_parts(&self, place: PlaceId) -> Place {
        let (script, step) =
            (place.index() / self.steps.count(), place.index() % self.steps.count());
        let (stage, script) = self.script_parts(ScriptId(narrow(script)));
        Place { stage, script, step: StepId(u16::try_from(step).unwrap_or(u16::MAX)) }
    }

    pub(super) fn place_count(&self) -> usize {
        self.script_count() * self.steps.count()
    }

    pub(super) fn script(&self, stage: u8, script: u16) -> ScriptId {
        let (stage, script) = (usize::from(stage), usize::from(script));
        assert!(stage < self.stages.len(), "stage {stage} is not in the layout");
        assert!(script < self.scripts.len(), "script {script} is not in the layout");
        ScriptId(narrow(stage * self.scripts.len() + script))
    }

    pub(super) fn script_parts(&self, script: ScriptId) -> (u8, u16) {
        let (stage, script) =
            (script.index() / self.scripts.len(), script.index() % self.scripts.len());
        (u8::try_from(stage).unwrap_or(u8::MAX), u16::try_from(script).unwrap_or(u16::MAX))
    }

    pub(super) fn script_count(&self) -> usize {
        self.stages.len() * self.scripts.len()
    }

    pub(super) fn stage_indices(&self) -> impl Iterator<Item = u8> + use<> {
        (0..=u8::MAX).take(self.stages.len())
    }

    pub(super) fn script_indices(&self) -> impl Iterator<Item = u16> + use<> {
        (0..=u16::MAX).take(self.scripts.len())
    }
}

impl SeriesId {
    pub(super) fn index(self) -> usize {
        self.0 as usize
    }

    pub(super) fn from_index(index: usize) -> Self {
        Self(narrow(index))
    }
}

impl PlaceId {
    pub(super) fn index(self) -> usize {
        self.0 as usize
    }

    pub(super) fn from_index(index: usize) -> Self {
        Self(narrow(index))
    }
}

impl ScriptId {
    pub(super) fn index(self) -> usize {
        self.0 as usize
    }

    pub(super) fn from_index(index: usize) -> Self {
        Self(narrow(index))
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the layout's sizes were checked to fit")]
fn narrow(index: usize) -> u32 {
    index as u32
}

/// A name as a tag may hold it: the log's own separators would break the line.
fn tag_name(name: &str) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    name.chars().map(|c| if allowed(c) { c } else { '_' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_series_turns_into_an_index_and_back() {
        let layout = Layout::from_names(
            "target",
            vec!["warmup".into(), "steady".into()],
            vec!["submit".into(), "odd one".into(), "x".into()],
            StepNames::default(),
        );
        for index in 0..layout.series_count() {
            let series = SeriesId::from_index(index);
            let (place, clock, outcome) = layout.series_parts(series).unwrap();
            assert_eq!(layout.series(place, clock, outcome), series);
            assert_eq!(layout.of_tag(&layout.tag(series)), Some(series));
        }
        let place = Place { stage: 1, script: 1, step: StepId::EOD };
        assert_eq!(
            layout.tag(layout.series(place, Clock::Service, Outcome::Accepted)),
            "target=target|stage=steady|script=odd_one|step=eod|clock=service|outcome=accepted"
        );
    }

    #[test]
    fn series_by_address_lie_behind_the_others() {
        let address = |text: &str| crate::plan::Address::Tcp(text.parse().unwrap()).into();
        let one = Layout::from_names("t", vec!["a".into()], vec!["s".into()], StepNames::default())
            .with_addresses(vec![address("127.0.0.1:25")]);
        assert_eq!(one.address_series(0, 0, StepId::EOD, Outcome::Accepted), None);
        let stages = vec!["warmup".into(), "steady".into()];
        let layout = Layout::from_names("t", stages, vec!["s".into()], StepNames::default());
        let others = layout.series_count();
        let layout = layout.with_addresses(vec![address("127.0.0.1:25"), address("127.0.0.2:25")]);
        let mut seen = std::collections::BTreeSet::new();
        for (stage, address) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
            for step in STEPS {
                for outcome in Outcome::ALL {
                    let series = layout.address_series(stage, address, step, outcome).unwrap();
                    assert!((others..layout.series_count()).contains(&series.index()));
                    assert_eq!(layout.series_parts(series), None);
                    assert_eq!(layout.of_tag(&layout.tag(series)), Some(series));
                    assert!(seen.insert(layout.tag(series)), "{}", layout.tag(series));
                }
            }
        }
        assert_eq!(seen.len(), layout.series_count() - others);
        assert!(
            seen.contains(
                "target=t|stage=steady|address=2|step=eod|clock=service|outcome=accepted"
            )
        );
        assert_eq!(layout.address_series(0, 0, StepId::MAIL, Outcome::Accepted), None);
        for tag in [
            "",
            "target=t",
            "target=u|stage=steady|script=s|step=eod|clock=service|outcome=accepted",
            "target=t|stage=peak|script=s|step=eod|clock=service|outcome=accepted",
            "target=t|stage=steady|script=s|step=none|clock=service|outcome=accepted",
            "target=t|stage=steady|address=3|step=eod|clock=service|outcome=accepted",
            "target=t|stage=steady|address=0|step=eod|clock=service|outcome=accepted",
            "target=t|stage=steady|address=1|step=eod|clock=lag|outcome=accepted",
            "target=t|stage=steady|script=s|step=eod|clock=service|outcome=",
        ] {
            assert_eq!(layout.of_tag(tag), None, "{tag}");
        }
    }
}
