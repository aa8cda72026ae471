//! A plan for the tests of measuring and reporting: a warm-up of one second, then `steady`.

use std::sync::Arc;
use std::time::Duration;

use crate::behavior::Behavior;
use crate::clock::Instant;
use crate::measure::layout::{Layout, Place};
use crate::measure::recorder::Recorder;
use crate::message::render::RunIdentity;
use crate::message::template::Template;
use crate::message::{AddressSource, Addresses, Mail};
use crate::plan::{Address, LoadPlan, Plan, Target};
use crate::scenario::extensions::Extensions;
use crate::scenario::script::Script;
use crate::scenario::step::{StepId, StepNames};
use crate::scenario::target::TargetUrl;
use crate::scenario::threshold::Threshold;
use crate::scenario::{Load, Scenario, Timeouts, Warmup};
use crate::schedule::Stage;

/// The stage that is judged.
pub(crate) const STEADY: u8 = 1;

pub(crate) fn plan(scripts: &[&str], thresholds: Vec<Threshold>) -> Plan {
    let addresses = || Addresses { source: AddressSource::List(Vec::new()), domains: Vec::new() };
    let script = |name: &&str| Script {
        name: (*name).to_owned(),
        weight: 1,
        ops: Vec::new(),
        fixed_recipients: 1,
        recipient_lines: 0,
    };
    let url = TargetUrl::parse("smtp://127.0.0.1:2525").unwrap();
    Plan {
        scenario: Scenario {
            name: "known".to_owned(),
            path: None,
            text: "name = \"known\"\n".to_owned(),
            targets: Vec::new(),
            interleave: None,
            preflight: false,
            seed: None,
            loads: vec![Load {
                warmup: Warmup::For(Duration::from_secs(1)),
                ..Load::closed(2, Some(Duration::from_secs(9)), scripts.len())
            }],
            scripts: scripts.iter().map(script).collect(),
            steps: StepNames::default(),
            client: None::<Template>,
            sources: Vec::new(),
            via: None,
            mail: Mail {
                senders: addresses(),
                recipients: addresses(),
                per_message: 1..=1,
                kinds: Vec::new(),
                trace: None,
            },
            tables: Vec::new(),
            timeouts: Timeouts::default(),
            extensions: Extensions::default(),
            thresholds,
            stop_on: None,
            sink: Behavior::default(),
        },
        targets: vec![Target {
            name: "target".to_owned(),
            url,
            security: Default::default(),
            login: None,
            max_rate: None,
            addresses: vec![Address::Tcp("127.0.0.1:2525".parse().unwrap()).into()],
        }],
        side: 0,
        turns: None,
        identity: RunIdentity { run_id: "0123456789abcdef".to_owned(), seed: 42 },
        interval: Duration::from_secs(1),
        workers: 2,
        stages: vec![stage("warmup", 0, 1, false), stage("steady", 1, 10, true)],
        loads: vec![LoadPlan {
            stages: 0..2,
            slots: 0..2,
            messages: None,
            timetable: None,
            max_rate: None,
        }],
    }
}

fn stage(name: &str, start: u64, end: u64, judged: bool) -> Stage {
    let (start, end) = (Duration::from_secs(start), Some(Duration::from_secs(end)));
    Stage { name: name.to_owned(), load: 0, start, end, judged, ramp: false }
}

/// Recorders of so many workers with one-second intervals.
pub(crate) fn recorders(layout: &Arc<Layout>, started: Instant, workers: usize) -> Vec<Recorder> {
    let second = Duration::from_secs(1);
    (0..workers).map(|worker| Recorder::new(Arc::clone(layout), worker, started, second)).collect()
}

pub(crate) fn place(stage: u8, script: u16, step: StepId) -> Place {
    Place { stage, script, step }
}
