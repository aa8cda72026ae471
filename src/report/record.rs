//! What reports render: a run that is over or under way, made of its plan and summaries, or read from its folder.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::RunFacts;
use super::generator_limits::build_profile;
use super::load::{self, LoadFacts};
use crate::measure::pairs::PairRow;
use crate::measure::summary::Summary;
use crate::plan::Plan;
use crate::scenario::targets::TARGET_NAME;
use crate::schedule::Stage;
use crate::server::Cost;
use crate::units::format_duration;

/// A run.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// What measured.
    pub tool: ToolFacts,
    /// When, from where, and how it ended.
    pub facts: RunFacts,
    /// What the run is called in the mail it sends.
    pub run_id: String,
    /// What fixes every random choice.
    pub seed: u64,
    /// What the user asked for.
    pub scenario: ScenarioFacts,
    /// What that came to.
    pub plan: PlanFacts,
    /// What was measured of each target; at least one.
    pub targets: Vec<TargetRecord>,
    /// How they differ, two by two.
    pub pairs: Vec<PairRow>,
}

/// The program that measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolFacts {
    /// `0.1.0`.
    pub version: String,
    /// `release` or `debug`.
    pub build_profile: String,
}

/// A scenario as it was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScenarioFacts {
    pub name: String,
    /// Its file; `None` for the quick form.
    pub path: Option<String>,
    pub text: String,
    /// Of the text, in hex.
    pub sha256: String,
}

/// A plan as far as reports tell of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlanFacts {
    /// Of each target.
    pub workers: usize,
    /// How long the blocks are in which targets take turns, in seconds; nothing where they run at the same time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub block_s: Option<f64>,
    pub loads: Vec<LoadFacts>,
    /// The rules of the safety stop.
    pub stop_on: Vec<String>,
    pub preflight: bool,
    pub step_timeout: String,
    pub step_timeouts: Vec<(String, String)>,
    pub scripts: Vec<ScriptFacts>,
    /// The verbs of the scripts that are no standard steps, in their order.
    pub verbs: Vec<String>,
    /// As planned: a warm-up until figures are steady may end earlier at a target.
    pub stages: Vec<StageFacts>,
}

/// A script.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScriptFacts {
    pub name: String,
    pub weight: u32,
}

/// A stage of one of the loads.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StageFacts {
    pub name: String,
    /// Index of its load.
    pub load: u8,
    /// From the start of the run.
    pub start_s: f64,
    /// `None` where only messages bound it.
    pub end_s: Option<f64>,
    /// Whether summary and thresholds read it.
    pub judged: bool,
    /// Whether its rate changes.
    pub ramp: bool,
}

/// A target, and what was measured of it.
#[derive(Clone, Debug, PartialEq)]
pub struct TargetRecord {
    /// Its name in result files.
    pub name: String,
    /// As written.
    pub url: String,
    /// Where connections went, in order: addresses and ports, or the path of a socket.
    pub addresses: Vec<String>,
    /// Its greeting as the preflight saw it, as it was sent; `None` without one.
    pub greeting: Option<String>,
    /// The lines of its EHLO reply after the first.
    pub capabilities: Vec<String>,
    /// TLS to it; `None` where no session was to go over to it.
    pub tls: Option<TlsAsked>,
    /// Messages a second that could start there at most.
    pub max_rate: Option<f64>,
    /// What its server took, where that was started for the run.
    pub cost: Option<Cost>,
    /// What was measured.
    pub summary: Summary,
}

/// The TLS that was asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TlsAsked {
    /// As a scenario writes it.
    #[serde(rename = "use")]
    pub tls_use: String,
    /// Of sessions.
    pub share: f64,
    /// Whether certificates were.
    pub verified: bool,
    pub server_name: Option<String>,
    pub resumption: bool,
}

impl Record {
    /// The record of a run of `plan`.
    #[must_use]
    pub fn new(plan: &Plan, facts: &RunFacts, targets: Vec<TargetRecord>) -> Self {
        Self {
            tool: ToolFacts {
                version: env!("CARGO_PKG_VERSION").to_owned(),
                build_profile: build_profile().to_owned(),
            },
            facts: facts.clone(),
            run_id: plan.identity.run_id.clone(),
            seed: plan.identity.seed,
            scenario: ScenarioFacts::of(plan),
            plan: PlanFacts::of(plan),
            targets,
            pairs: Vec::new(),
        }
    }

    /// The summaries of the targets, in order.
    pub fn summaries(&self) -> impl Iterator<Item = &Summary> {
        self.targets.iter().map(|target| &target.summary)
    }
}

impl TargetRecord {
    /// The record of the first target of `plan`.
    #[must_use]
    pub fn new(
        plan: &Plan,
        greeting: Option<String>,
        capabilities: Vec<String>,
        summary: Summary,
    ) -> Self {
        let target = plan.targets.first();
        Self {
            name: target.map_or(TARGET_NAME, |target| &target.name).to_owned(),
            url: target.map_or_else(String::new, |target| target.url.to_string()),
            addresses: target
                .map(|target| target.addresses.iter().map(|one| one.address.to_string()).collect())
                .unwrap_or_default(),
            greeting,
            capabilities,
            tls: super::tls::asked(plan),
            max_rate: target.and_then(|target| target.max_rate),
            cost: None,
            summary,
        }
    }

    /// Its URL, behind its name where it has one of its own.
    #[must_use]
    pub fn label(&self) -> String {
        match &*self.name {
            TARGET_NAME => self.url.clone(),
            name => format!("{name}, {}", self.url),
        }
    }
}

impl ScenarioFacts {
    fn of(plan: &Plan) -> Self {
        let text = plan.scenario.text.clone();
        let mut sha256 = String::with_capacity(64);
        for byte in Sha256::digest(text.as_bytes()) {
            let _ = write!(sha256, "{byte:02x}");
        }
        let path = plan.scenario.path.as_ref().map(|path| path.display().to_string());
        Self { name: plan.scenario.name.clone(), path, text, sha256 }
    }
}

impl PlanFacts {
    /// Whether a schedule drives any load.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.loads.iter().any(|load| load.open.is_some())
    }

    /// How many sessions its loads have at most, together.
    #[must_use]
    pub fn sessions_max(&self) -> u64 {
        self.loads.iter().map(|load| u64::from(load.sessions_max)).sum()
    }

    fn of(plan: &Plan) -> Self {
        let scenario = &plan.scenario;
        let timeouts = scenario.timeouts.by_step.iter();
        let verbs = scenario.steps.iter().skip(crate::scenario::step::STANDARD_STEPS.len());
        Self {
            workers: plan.workers,
            block_s: plan.turns.as_ref().map(|turns| turns.block().as_secs_f64()),
            loads: load::facts(plan),
            stop_on: plan.stop_rules().into_iter().map(|rule| rule.text).collect(),
            preflight: scenario.preflight,
            step_timeout: format_duration(scenario.timeouts.step),
            step_timeouts: timeouts
                .map(|(step, limit)| {
                    (scenario.steps.name(*step).to_owned(), format_duration(*limit))
                })
                .collect(),
            scripts: scenario
                .scripts
                .iter()
                .map(|script| ScriptFacts { name: script.name.clone(), weight: script.weight })
                .collect(),
            verbs: verbs.map(|(_, name)| name.to_owned()).collect(),
            stages: plan.stages.iter().map(StageFacts::of).collect(),
        }
    }
}

impl StageFacts {
    fn of(stage: &Stage) -> Self {
        Self {
            name: stage.name.clone(),
            load: stage.load,
            start_s: stage.start.as_secs_f64(),
            end_s: stage.end.map(|end| end.as_secs_f64()),
            judged: stage.judged,
            ramp: stage.ramp,
        }
    }
}
