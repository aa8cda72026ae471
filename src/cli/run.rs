//! `smtpbench run`: this file is the table of contents of a run.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};

use clap::Args;
use clap::builder::FalseyValueParser;

use super::course::{Course, Turns};
use super::exit::{Exit, Stop};
use super::flags::LoadFlags;
use super::ground::{Ground, Survey};
use super::{colour, print, say};
use crate::behavior::Behavior;
use crate::clock::{self, Duration, Instant};
use crate::engine::worker::Control;
use crate::engine::{Ending, Engine};
use crate::live::Live;
use crate::measure::collector::Collector;
use crate::measure::layout::Layout;
use crate::measure::recorder::Snapshot;
use crate::measure::summary::Summary;
use crate::measure::validity::{EndOfRun, RunState, Verdict};
use crate::measure::watch::Watch;
use crate::net::limits;
use crate::plan::Plan;
use crate::report::folder::{FolderError, ResultFolder};
use crate::report::{HostFacts, RunFacts, text};
use crate::scenario::Scenario;

/// How often results are saved while the run goes on.
const SAVE_EVERY: Duration = Duration::from_secs(10);
/// Snapshots that may wait for the collector, a worker.
const SNAPSHOTS_WAITING: usize = 64;
/// What is worth knowing of a preflight that did not end the command.
pub(super) const DEFERRED: &str = "note: the preflight was deferred (4yz); the run went on";

#[derive(Debug, Args)]
pub(super) struct RunArgs {
    /// The scenario file; without one, the quick form: flags alone
    #[arg(value_name = "SCENARIO")]
    scenario: Option<PathBuf>,
    #[command(flatten)]
    load: LoadFlags,
    /// Folder for the results [default: results/<scenario>-<UTC time>]
    #[arg(long, value_name = "DIR", env = "SMTPBENCH_OUT")]
    out: Option<PathBuf>,
    /// No progress
    #[arg(long, short, env = "SMTPBENCH_QUIET", value_parser = FalseyValueParser::new())]
    quiet: bool,
}

/// Runs a scenario and reports.
pub(super) fn run(args: &RunArgs) -> Result<Exit, Stop> {
    let scenario = args.load.scenario(args.scenario.as_deref())?;
    let survey = Survey::new(scenario, &args.load)?;
    let mut folder = folder(args, survey.scenario())?;
    let ground = match survey.prepare(&args.load) {
        Ok(ground) => ground,
        Err(stop) => {
            folder.discard();
            return Err(stop);
        }
    };
    let run = Run { plan: Arc::clone(&ground.plan), ground: &ground };
    let measured = run.measure(&mut folder, args.quiet);
    let Concluded { summary, exit, saved } = run.conclude(&mut folder, measured);
    let terminal = std::io::IsTerminal::is_terminal(&std::io::stdout());
    print(text::render(&summary, &run.plan, colour(terminal)).trim_end())?;
    if ground.learned.deferred {
        print(DEFERRED)?;
    }
    planted(&ground)?;
    saved?;
    print(&format!("\nresults: {}", folder.path().display()))?;
    Ok(exit)
}

/// What the sink inside did, where it was told to do something: to be held against what was found.
fn planted(ground: &Ground) -> Result<(), Stop> {
    match &ground.sink {
        Some(sink) if ground.plan.scenario.sink != Behavior::default() => {
            print(&format!("\nsink: {}", sink.counts()))
        }
        _ => Ok(()),
    }
}

fn folder(args: &RunArgs, scenario: &Scenario) -> Result<ResultFolder, Stop> {
    let path = args.out.clone().unwrap_or_else(|| default_folder(&scenario.name));
    ResultFolder::create(&path).map_err(|error| cannot_write(&error))
}

/// Where results go unless somebody says otherwise.
pub(super) fn default_folder(name: &str) -> PathBuf {
    let time = clock::wall().strftime("%Y%m%dT%H%M%SZ");
    PathBuf::from("results").join(format!("{name}-{time}"))
}

pub(super) fn cannot_write(error: &FolderError) -> Stop {
    Stop::new(Exit::Results, error.to_string())
}

/// One run on prepared ground.
pub(super) struct Run<'g> {
    /// That of the ground, or another with the same target.
    pub(super) plan: Arc<Plan>,
    pub(super) ground: &'g Ground,
}

/// What a run came to.
pub(super) struct Concluded {
    pub(super) summary: Summary,
    pub(super) exit: Exit,
    /// Whether the results are in their folder.
    pub(super) saved: Result<(), Stop>,
}

/// What collecting goes by.
struct UnderWay<'a, 'r> {
    live: &'a mut Live,
    folder: &'a mut ResultFolder,
    course: &'a mut Course<'r>,
    facts: &'a RunFacts,
}

/// What came of it.
pub(super) struct Measured {
    collector: Collector,
    end: EndOfRun,
    facts: RunFacts,
    lost: Vec<String>,
    /// Results could not be saved under way.
    unsaved: Option<FolderError>,
}

impl Measured {
    /// Adds what no worker has measured.
    pub(super) fn add(&mut self, snapshot: Snapshot) {
        self.collector.add(snapshot);
    }
}

impl Run<'_> {
    /// Runs the load and collects.
    pub(super) fn measure(&self, folder: &mut ResultFolder, quiet: bool) -> Measured {
        let plan = &self.plan;
        let layout = Arc::new(Layout::new(plan));
        let control = Arc::new(Control::default());
        self.ground.interrupts.steer(&control, plan.drain());
        let (sender, snapshots) = sync_channel(SNAPSHOTS_WAITING * plan.workers);
        let mut facts = self.facts();
        let begun = folder.begin(facts.started);
        let started = clock::now();
        let mut collector = Collector::new(Arc::clone(&layout), plan.interval, plan.workers)
            .watched_by(Watch::new(plan, &layout));
        let engine = Engine::start(plan, &layout, &control, started, &sender);
        // The channel ends with the last worker.
        drop(sender);
        let mut live = Live::new(plan, quiet);
        let mut course = Course::new(plan, &control, started);
        let unsaved = begun.err().or_else(|| {
            let under_way =
                UnderWay { live: &mut live, folder, course: &mut course, facts: &facts };
            self.collect(&snapshots, &mut collector, under_way)
        });
        let turns = course.turns;
        if unsaved.is_some() {
            control.cut();
            snapshots.iter().for_each(|snapshot| collector.add(snapshot));
        }
        let ending = engine.finish();
        live.finish();
        facts.ended = Some(clock::wall());
        let finished_at = clock::now().saturating_duration_since(started);
        let end =
            self.end_of_run(&ending, started, finished_at, turns, collector.all_started(plan));
        Measured { collector, end, facts, lost: ending.workers_lost, unsaved }
    }

    /// Adds up snapshots until the last worker has gone; ends the load where a rule says so. Stops early where results
    /// cannot be saved.
    fn collect(
        &self,
        snapshots: &Receiver<Snapshot>,
        collector: &mut Collector,
        under_way: UnderWay<'_, '_>,
    ) -> Option<FolderError> {
        let UnderWay { live, folder, course, facts } = under_way;
        let mut saved = course.started;
        for snapshot in snapshots {
            if self.ground.interrupts.heard().is_some() {
                collector.load_ended();
            }
            collector.add(snapshot);
            let now = clock::now();
            let elapsed = now.saturating_duration_since(course.started);
            live.update(elapsed, &collector.progress());
            course.heed(now, &self.plan, collector);
            let completed = collector.take_completed();
            let mut result = folder.log(collector.layout(), &completed);
            if now.saturating_duration_since(saved) >= SAVE_EVERY {
                saved = now;
                let running =
                    EndOfRun { warmup_end: course.turns.warmup_end, ..EndOfRun::running(elapsed) };
                let summary = collector.summary(&self.plan, &running);
                result = result.and_then(|()| folder.save(&summary, &self.plan, facts));
            }
            if let Err(error) = result {
                return Some(error);
            }
        }
        None
    }

    fn end_of_run(
        &self,
        ending: &Ending,
        started: Instant,
        finished_at: Duration,
        turns: Turns,
        all_arrivals: bool,
    ) -> EndOfRun {
        let plan = &self.plan;
        let since_start = |at: Instant| at.saturating_duration_since(started);
        let stages = plan.timeline(turns.warmup_end);
        let ends: Option<Vec<Duration>> = stages.iter().map(|stage| stage.end).collect();
        let planned_end = ends.and_then(|ends| ends.into_iter().max());
        let all_sent = all_arrivals
            && plan.messages().is_some()
            && ending.bounds.iter().all(|bound| bound.messages_not_started == 0);
        let interrupted = self.ground.interrupts.heard().is_some();
        // A run that its work ended is as long as that took.
        let by_work = ending.last_ended.map_or(finished_at, since_start);
        let window_end = match (planned_end, ending.drained_since) {
            (_, Some(drained)) if interrupted || turns.stopped => since_start(drained),
            (Some(end), _) if all_sent => by_work.min(end),
            (Some(end), _) => end,
            (None, _) => by_work,
        }
        .min(finished_at);
        EndOfRun {
            state: match turns.gave_up {
                _ if interrupted => RunState::Interrupted,
                Some(waited) => RunState::Stalled(waited),
                None => RunState::Finished,
            },
            bounds: ending.bounds.clone(),
            warmup_end: turns.warmup_end,
            workers_lost: ending.workers_lost.len(),
            worker_cpu: ending.worker_cpu.clone(),
            descriptors_short: self.ground.descriptors_short,
            generator_ceiling: self.generator_ceiling(),
            ..EndOfRun::finished(finished_at, window_end)
        }
    }

    /// Judges and saves.
    pub(super) fn conclude(&self, folder: &mut ResultFolder, measured: Measured) -> Concluded {
        let Measured { mut collector, end, mut facts, lost, unsaved } = measured;
        let mut summary = collector.summary(&self.plan, &end);
        if self.ground.interrupts.heard().is_some() {
            // Partial results carry no verdict.
            summary.thresholds.clear();
        }
        let exit = self.exit(&summary, &collector, end.state);
        facts.exit_code = Some(exit.code());
        let rest = collector.take_rest();
        let saved = match unsaved {
            Some(error) => Err(error),
            None => folder
                .log(collector.layout(), &rest)
                .and_then(|()| folder.finish(&summary, &self.plan, &facts)),
        };
        for what in lost {
            say(&format!("error: {what}"));
        }
        Concluded { summary, exit, saved: saved.map_err(|error| cannot_write(&error)) }
    }

    fn exit(&self, summary: &Summary, collector: &Collector, state: RunState) -> Exit {
        let progress = collector.progress();
        let replies = progress.replies_2yz + progress.replies_4yz + progress.replies_5yz;
        let mut exit = Exit::Good;
        if let Some(heard) = self.ground.interrupts.heard() {
            return exit.or(heard);
        }
        if summary.stopped.as_ref().is_some_and(|stopped| stopped.safety) {
            exit = exit.or(Exit::Distress);
        }
        let gave_up = matches!(state, RunState::Stalled(_));
        match summary.validity.verdict {
            Verdict::Valid => {}
            // A run that gave up is incomplete for that; where it sent nothing at all, its target is to blame.
            Verdict::Incomplete if gave_up && progress.attempted == 0 => {}
            _ => exit = exit.or(Exit::Invalid),
        }
        if (replies == 0 || gave_up) && progress.attempted == 0 {
            exit = exit.or(Exit::Unreachable);
        }
        if !summary.thresholds_met() {
            exit = exit.or(Exit::Missed);
        }
        exit
    }

    /// What so many workers send at best on this machine, where that is known.
    fn generator_ceiling(&self) -> Option<f64> {
        let limits = self.ground.generator_limits.as_ref()?;
        Some(limits.ceiling.of(self.plan.workers))
    }

    fn facts(&self) -> RunFacts {
        let system = rustix::system::uname();
        RunFacts {
            started: clock::wall(),
            ended: None,
            exit_code: None,
            host: HostFacts {
                os: std::env::consts::OS.to_owned(),
                kernel: system.release().to_string_lossy().into_owned(),
                cpu_count: super::cores(),
                descriptor_limit: Some(limits::raise_descriptor_limit().allowed),
            },
            greeting: self.ground.learned.greeting.clone(),
            capabilities: self.ground.learned.capabilities.clone(),
            generator_limits: self.ground.generator_limits.clone(),
        }
    }
}
