//! `run.json`: what was run, where, and what came of it. With `histograms.hlog` it rebuilds every other file.

mod beside;
mod read;
mod rows;
mod target;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use self::beside::Pair;
pub(super) use self::read::read;
use self::target::TargetFacts;
use super::record::{PlanFacts, Record, ScenarioFacts, ToolFacts};
use crate::report::HostFacts;
use crate::report::generator_limits::GeneratorLimits;

/// Goes up with every change of a result file's format.
pub const SCHEMA_VERSION: u32 = 3;
const TOOL: &str = "smtpbench";

/// The bytes of `run.json`.
#[must_use]
pub fn write(record: &Record) -> Vec<u8> {
    let facts = &record.facts;
    let manifest = Manifest {
        schema_version: SCHEMA_VERSION,
        tool: TOOL.to_owned(),
        version: record.tool.version.clone(),
        build_profile: record.tool.build_profile.clone(),
        run_id: record.run_id.clone(),
        seed: record.seed,
        started: facts.started.to_string(),
        ended: facts.ended.map(|ended| ended.to_string()),
        exit_code: facts.exit_code,
        scenario: record.scenario.clone(),
        plan: record.plan.clone(),
        host: facts.host.clone(),
        generator_limits: facts.generator_limits.clone(),
        targets: record.targets.iter().map(TargetFacts::of).collect(),
        pairs: record.pairs.iter().map(Pair::of).collect(),
    };
    let mut bytes = serde_json::to_vec_pretty(&manifest)
        .expect("the manifest has string keys, and memory takes every byte");
    bytes.push(b'\n');
    bytes
}

/// The file as serde has it.
#[derive(Serialize, Deserialize)]
struct Manifest {
    schema_version: u32,
    tool: String,
    version: String,
    build_profile: String,
    run_id: String,
    seed: u64,
    started: String,
    ended: Option<String>,
    exit_code: Option<u8>,
    scenario: ScenarioFacts,
    plan: PlanFacts,
    host: HostFacts,
    /// What the generator can do at best there, where a self-test measured that.
    generator_limits: Option<GeneratorLimits>,
    targets: Vec<TargetFacts>,
    /// How targets differ that ran side by side; of one alone there is none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pairs: Vec<Pair>,
}

impl Manifest {
    fn tool(&self) -> ToolFacts {
        ToolFacts { version: self.version.clone(), build_profile: self.build_profile.clone() }
    }

    /// A time that is one.
    fn time(text: &str) -> Result<Timestamp, String> {
        text.parse().map_err(|_| format!("`{text}` is no time"))
    }
}
