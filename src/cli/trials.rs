//! Runs of one scenario at several rates, one after the other: what `find-max` and `sweep` share.

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::sync::Arc;

use super::exit::{Exit, Stop};
use super::flags::LoadFlags;
use super::ground::{Ground, Survey};
use super::run::{Concluded, DEFERRED, Run, cannot_write, default_folder};
use super::target::one_target;
use super::{print, say};
use crate::clock::Duration;
use crate::measure::validity::Verdict;
use crate::plan::Plan;
use crate::report::folder::RunsFolder;
use crate::report::trials::{TrialRow, short};
use crate::scenario::Scenario;
use crate::scenario::load::{ArrivalSource, Load};
use crate::schedule::arrivals::Pattern;
use crate::units::ArrivalUnit;

/// What both commands take beside the flags of a load.
#[derive(Debug, clap::Args)]
pub(super) struct TrialFlags {
    /// Rest between two runs
    #[arg(long, value_name = "DURATION", env = "SMTPBENCH_COOLDOWN", default_value = "2s", value_parser = crate::units::parse_duration)]
    pub(super) cooldown: Duration,
    /// Folder for the results, a folder a run in it [default: results/<scenario>-<command>-<UTC time>]
    #[arg(long, value_name = "DIR", env = "SMTPBENCH_OUT")]
    pub(super) out: Option<PathBuf>,
    /// No progress
    #[arg(long, short, env = "SMTPBENCH_QUIET", value_parser = clap::builder::FalseyValueParser::new())]
    pub(super) quiet: bool,
}

/// The rate that a scenario has.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct StartRate {
    pub(super) per_s: f64,
    pub(super) unit: ArrivalUnit,
}

/// Runs at different rates on the same ground.
pub(super) struct Trials<'a> {
    ground: Ground,
    folder: RunsFolder,
    load: &'a LoadFlags,
    flags: &'a TrialFlags,
    unit: ArrivalUnit,
    begun: bool,
}

/// One of them.
pub(super) struct Trial {
    pub(super) row: TrialRow,
    pub(super) exit: Exit,
    /// Why it may not be believed.
    pub(super) reasons: Vec<String>,
}

impl<'a> Trials<'a> {
    /// Reaches the target and makes the folder.
    pub(super) fn prepare(
        command: &str,
        scenario: Scenario,
        unit: ArrivalUnit,
        load: &'a LoadFlags,
        flags: &'a TrialFlags,
    ) -> Result<Self, Stop> {
        // It looks for the rate of one target.
        one_target(&scenario)?;
        let survey = Survey::new(scenario, load)?;
        let name = format!("{}-{command}", survey.scenario().name);
        let path = flags.out.clone().unwrap_or_else(|| default_folder(&name));
        let folder = RunsFolder::create(&path).map_err(|error| cannot_write(&error))?;
        match survey.prepare(load, &path) {
            Ok(ground) => Ok(Self { ground, folder, load, flags, unit, begun: false }),
            Err(stop) => {
                folder.discard();
                Err(stop)
            }
        }
    }

    pub(super) fn plan(&self) -> &Plan {
        &self.ground.first().plan
    }

    /// The code of the signal that ends the command, if one came.
    pub(super) fn interrupted(&self) -> Option<Exit> {
        self.ground.interrupts.heard()
    }

    /// Runs at `rate` in the folder `name`, after a rest if it is not the first. `None` if a signal came before it.
    pub(super) fn run(&mut self, name: &str, rate: f64) -> Result<Option<Trial>, Stop> {
        if std::mem::replace(&mut self.begun, true) {
            self.ground.interrupts.rest(self.flags.cooldown);
        }
        if self.interrupted().is_some() {
            return Ok(None);
        }
        let mut folder = self.folder.run(name).map_err(|error| cannot_write(&error))?;
        let run = Run { plans: vec![Arc::new(self.plan_at(rate))], ground: &self.ground };
        let quiet = self.flags.quiet || !std::io::stderr().is_terminal();
        let measured = run.measure(&mut folder, quiet);
        let Concluded { mut record, exit, saved } = run.conclude(&mut folder, measured);
        saved?;
        // Trials have one target.
        let summary = record.targets.remove(0).summary;
        let row = TrialRow::new(name, rate, self.unit, &summary);
        let reasons = summary.validity.reasons;
        if !self.flags.quiet {
            say(&format!("{name}: {}", row.line()));
            reasons.iter().for_each(|reason| say(&format!("  {reason}")));
        }
        Ok(Some(Trial { row, exit, reasons }))
    }

    /// The plan of a trial: the same seed, mail of its own name.
    fn plan_at(&self, rate: f64) -> Plan {
        let plan = Plan::clone(self.plan());
        let run_id = self.load.identity(&plan.scenario).run_id;
        let loads = plan.scenario.loads.iter().map(|load| load.at_rate(rate)).collect();
        let mut plan = plan.under(loads);
        plan.identity.run_id = run_id;
        plan
    }

    /// Writes a file beside the runs.
    pub(super) fn write(&self, name: &str, bytes: &[u8]) -> Result<(), Stop> {
        self.folder.write(name, bytes).map_err(|error| cannot_write(&error))
    }

    /// Ends the command's output.
    pub(super) fn sign(&self) -> Result<(), Stop> {
        if self.ground.deferred() {
            print(DEFERRED)?;
        }
        print(&format!("\nresults: {}", self.folder.path().display()))
    }
}

impl Trial {
    /// What ends the command here whatever it looks for: nothing answered, or a run that is not whole.
    pub(super) fn ends(&self) -> Option<Exit> {
        match (self.exit, self.row.validity) {
            (Exit::Unreachable | Exit::Interrupted | Exit::Terminated, _) => Some(self.exit),
            (_, Verdict::Incomplete) => Some(Exit::Invalid),
            _ => None,
        }
    }
}

/// The one open rate of `scenario`, which `command` varies.
///
/// # Errors
/// With everything that stands in the way.
pub(super) fn start_rate(
    command: &str,
    scenario: &Scenario,
    even: bool,
) -> Result<StartRate, Stop> {
    let faults = match scenario.loads.as_slice() {
        [load] => faults_of(command, load, even),
        loads => vec![(
            format!("{command} needs a single load, and the scenario has {}", loads.len()),
            "write the one whose rate is to vary under [load], in a file of its own".to_owned(),
        )],
    };
    let load = scenario.loads.first();
    if let ([], Some(open), Some(stage)) =
        (faults.as_slice(), load.and_then(Load::open), load.and_then(Load::one_rate))
    {
        return Ok(StartRate { per_s: stage.span.to, unit: open.unit });
    }
    let text: Vec<String> =
        faults.iter().map(|(what, hint)| format!("error: {what}\n  hint: {hint}")).collect();
    Err(Stop::rendered(Exit::Scenario, text.join("\n")))
}

fn faults_of(command: &str, load: &Load, even: bool) -> Vec<(String, String)> {
    let mut faults = Vec::new();
    let mut fault = |what: String, hint: &str| faults.push((what, hint.to_owned()));
    match load.open().map(|open| &open.source) {
        None => fault(
            format!("{command} varies the rate of an open load, and this one is closed"),
            "say where to start: --rate '100 messages/s', or `rate` under [load]",
        ),
        Some(ArrivalSource::Trace { .. }) => fault(
            format!("{command} varies a rate, and the load plays a trace"),
            "write `rate` and `for` under [load] in place of the trace",
        ),
        Some(ArrivalSource::Rate { pattern, stages }) => {
            if load.one_rate().is_none() {
                fault(
                    format!("{command} varies one rate, and the load has {} stages", stages.len()),
                    "write `rate` and `for` under [load] in place of `stages` or `shape`",
                );
            }
            if even && *pattern != Pattern::Even {
                fault(
                    format!("{command} needs even arrivals: random ones miss a limit by chance"),
                    "give --arrivals even",
                );
            }
        }
    }
    if load.bound.is_some() || load.length().is_none() {
        fault(
            format!("{command} needs runs of one length, whatever their rate"),
            "write `for` under [load], and no `messages`",
        );
    }
    if load.hold.is_some() {
        fault(format!("{command} needs sessions that send, and these hold"), "take `hold` out");
    }
    faults
}

/// The name of a run's folder by its rate.
pub(super) fn folder_of(rate: f64) -> String {
    format!("rate-{}", short(rate))
}
