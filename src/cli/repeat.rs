//! `smtpbench run --repeat N`: the same run several times on one ground, as chance would have it.

use std::io::IsTerminal as _;
use std::num::NonZero;
use std::path::Path;
use std::sync::Arc;

use super::exit::{Exit, Stop};
use super::flags::LoadFlags;
use super::ground::{Ground, Side, Survey};
use super::run::{Concluded, DEFERRED, Run, cannot_write, default_folder};
use super::{print, say};
use crate::clock::Duration;
use crate::measure::validity::Verdict;
use crate::plan::Plan;
use crate::report::folder::RunsFolder;
use crate::report::runs::{RunRow, runs_csv, spread};

/// How often a run is made.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct RepeatFlags {
    /// Makes so many runs, one after the other, each in a folder of its own: what `compare` tells chance by
    #[arg(long, value_name = "N", env = "SMTPBENCH_REPEAT", value_parser = clap::value_parser!(u16).range(1..=1_000))]
    repeat: Option<u16>,
    /// Rest between two of them
    #[arg(long, value_name = "DURATION", env = "SMTPBENCH_COOLDOWN", default_value = "2s", value_parser = crate::units::parse_duration)]
    cooldown: Duration,
}

impl RepeatFlags {
    /// How many runs are asked for, where it is not one.
    pub(super) fn times(&self) -> Option<NonZero<u16>> {
        self.repeat.filter(|times| *times > 1).and_then(NonZero::new)
    }
}

/// What a repeated run takes beside the survey.
pub(super) struct Repeats<'a> {
    pub(super) times: NonZero<u16>,
    pub(super) flags: &'a RepeatFlags,
    pub(super) load: &'a LoadFlags,
    pub(super) out: Option<&'a Path>,
    pub(super) quiet: bool,
}

/// Makes the runs and tells how far they spread; `judge` compares those in the folder, before the command's last line.
pub(super) fn repeat(
    survey: Survey,
    repeats: &Repeats<'_>,
    judge: impl FnOnce(&RunsFolder) -> Result<Exit, Stop>,
) -> Result<Exit, Stop> {
    let path = match repeats.out {
        Some(path) => path.to_owned(),
        None => default_folder(&survey.scenario().name),
    };
    let folder = RunsFolder::create(&path).map_err(|error| cannot_write(&error))?;
    let ground = match survey.prepare(repeats.load, &path) {
        Ok(ground) => ground,
        Err(stop) => {
            folder.discard();
            return Err(stop);
        }
    };
    let (rows, mut exit) = runs(&ground, &folder, repeats)?;
    let plan = &ground.first().plan;
    let urls = ground.sides.iter().flat_map(|side| &side.plan.targets);
    let urls: Vec<String> = urls.map(|target| target.url.to_string()).collect();
    print(&format!("{} against {}", plan.scenario.name, urls.join(", ")))?;
    let mut folders: Vec<&str> = rows.iter().map(|row| row.folder.as_str()).collect();
    folders.dedup();
    print(&format!("{} runs, seed {}\n", folders.len(), plan.identity.seed))?;
    print(&spread(&rows))?;
    if ground.deferred() {
        print(DEFERRED)?;
    }
    match ground.interrupts.heard() {
        Some(interrupted) => exit = exit.or(interrupted),
        None => exit = exit.or(judge(&folder)?),
    }
    print(&format!("\nresults: {}", folder.path().display()))?;
    Ok(exit)
}

/// Runs until all are made, or one shows that the others would not be worth it.
fn runs(
    ground: &Ground,
    folder: &RunsFolder,
    repeats: &Repeats<'_>,
) -> Result<(Vec<RunRow>, Exit), Stop> {
    let (mut rows, mut exit) = (Vec::new(), Exit::Good);
    let digits = repeats.times.to_string().len();
    for number in 1..=repeats.times.get() {
        if number > 1 {
            ground.interrupts.rest(repeats.flags.cooldown);
        }
        if ground.interrupts.heard().is_some() {
            break;
        }
        let name = format!("run-{number:0digits$}");
        let mut results = folder.run(&name).map_err(|error| cannot_write(&error))?;
        if number > 1 {
            ground.start_again(repeats.load.wait, results.path())?;
        }
        let run = Run { plans: plans(ground, repeats.load), ground };
        let quiet = repeats.quiet || !std::io::stderr().is_terminal();
        let measured = run.measure(&mut results, quiet);
        let Concluded { record, exit: of_run, saved } = run.conclude(&mut results, measured);
        saved?;
        exit = exit.or(of_run);
        let mut ends = matches!(
            of_run,
            Exit::Unreachable | Exit::Interrupted | Exit::Terminated | Exit::Distress
        );
        for target in &record.targets {
            let row = RunRow::new(&name, &target.name, of_run.code(), &target.summary);
            if !repeats.quiet {
                say(&row.line());
                let reasons = &target.summary.validity.reasons;
                reasons.iter().for_each(|reason| say(&format!("  {reason}")));
            }
            ends |= row.verdict == Verdict::Incomplete;
            rows.push(row);
        }
        folder.write("runs.csv", &runs_csv(&rows)).map_err(|error| cannot_write(&error))?;
        if ends {
            break;
        }
    }
    Ok((rows, exit))
}

/// The same seed, and mail of its own name.
fn plans(ground: &Ground, load: &LoadFlags) -> Vec<Arc<Plan>> {
    let run_id = load.identity(&ground.first().plan.scenario).run_id;
    let of_side = |side: &Side| {
        let mut plan = Plan::clone(&side.plan);
        plan.identity.run_id.clone_from(&run_id);
        Arc::new(plan)
    };
    ground.sides.iter().map(of_side).collect()
}
