//! `smtpbench run`: this file is the table of contents of a run.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};

use clap::Args;
use clap::builder::FalseyValueParser;

use super::compare::AgainstFlags;
use super::course::Course;
use super::exit::{Exit, Stop};
use super::flags::LoadFlags;
use super::ground::{Ground, Side, Survey};
use super::launch::log_name;
use super::repeat::{RepeatFlags, Repeats, repeat};
use super::{colour, print, say};
use crate::behavior::Behavior;
use crate::clock::{self, Duration, Instant};
use crate::engine::worker::Told;
use crate::engine::{Ending, Engine};
use crate::live::Live;
use crate::measure::ceiling;
use crate::measure::collector::{Collector, Progress};
use crate::measure::pairs::{self, PairRow};
use crate::measure::recorder::Snapshot;
use crate::measure::summary::Summary;
use crate::measure::validity::{EndOfRun, RunState, Verdict};
use crate::net::limits;
use crate::plan::Plan;
use crate::report::folder::{FolderError, ResultFolder};
use crate::report::record::{Record, TargetRecord};
use crate::report::{HostFacts, RunFacts, text};
use crate::scenario::Scenario;
use crate::server::Cost;

/// How often results are saved while the run goes on.
const SAVE_EVERY: Duration = Duration::from_secs(10);
/// Snapshots that may wait for the collector, a worker.
const SNAPSHOTS_WAITING: usize = 64;
/// How long before their common start the workers of several targets are made.
const LEAD: Duration = Duration::from_millis(100);
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
    #[command(flatten)]
    repeats: RepeatFlags,
    #[command(flatten)]
    against: AgainstFlags,
}

/// Runs a scenario and reports.
pub(super) fn run(args: &RunArgs) -> Result<Exit, Stop> {
    let scenario = args.load.scenario(args.scenario.as_deref())?;
    let baseline = args.against.read()?;
    let survey = Survey::new(scenario, &args.load)?;
    if let Some(times) = args.repeats.times() {
        let RunArgs { load, quiet, repeats: flags, .. } = args;
        let repeats = Repeats { times, flags, load, out: args.out.as_deref(), quiet: *quiet };
        return repeat(survey, &repeats, |folder| {
            args.against.judge(baseline.as_ref(), folder.path(), |n, bytes| folder.write(n, bytes))
        });
    }
    let mut folder = folder(args, survey.scenario())?;
    let targets = survey.scenario().targets.iter();
    let logs: Vec<PathBuf> =
        targets.map(|target| folder.path().join(log_name(&target.name))).collect();
    let ground = match survey.prepare(&args.load, folder.path()) {
        Ok(ground) => ground,
        Err(stop) => {
            // What stands in them was told; most are not there.
            logs.iter().for_each(|log| drop(std::fs::remove_file(log)));
            folder.discard();
            return Err(stop);
        }
    };
    let run = Run::of(&ground);
    let measured = run.measure(&mut folder, args.quiet);
    let Concluded { record, exit, saved } = run.conclude(&mut folder, measured);
    let terminal = std::io::IsTerminal::is_terminal(&std::io::stdout());
    print(text::render(&record, colour(terminal)).trim_end())?;
    if ground.deferred() {
        print(DEFERRED)?;
    }
    planted(&ground)?;
    saved?;
    let exit = match ground.interrupts.heard() {
        Some(_) => exit,
        None => exit.or(args
            .against
            .judge(baseline.as_ref(), folder.path(), |name, bytes| folder.write(name, bytes))?),
    };
    print(&format!("\nresults: {}", folder.path().display()))?;
    Ok(exit)
}

/// What the sinks inside did, where they were told to do something: to be held against what was found.
fn planted(ground: &Ground) -> Result<(), Stop> {
    let told = |side: &&Side| side.plan.scenario.sink != Behavior::default();
    for side in ground.sides.iter().filter(told) {
        let Some(sink) = &side.sink else { continue };
        match ground.sides.len() {
            1 => print(&format!("\nsink: {}", sink.counts()))?,
            _ => print(&format!("\nsink of {}: {}", side.plan.targets[0].name, sink.counts()))?,
        }
    }
    Ok(())
}

/// What did the TCP; nothing where no worker came to its end.
fn driver(endings: &[Ending]) -> &'static str {
    let workers: usize = endings.iter().map(|ending| ending.worker_cpu.len()).sum();
    match endings.iter().map(|ending| ending.rings).sum::<usize>() {
        _ if workers == 0 => "",
        0 => "epoll",
        rings if rings == workers => "io-uring",
        _ => "epoll and io-uring",
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
    /// A plan for each target of the ground, its own or another with the same target.
    pub(super) plans: Vec<Arc<Plan>>,
    pub(super) ground: &'g Ground,
}

/// What a run came to.
pub(super) struct Concluded {
    pub(super) record: Record,
    pub(super) exit: Exit,
    /// Whether the results are in their folder.
    pub(super) saved: Result<(), Stop>,
}

/// What collecting goes by.
struct UnderWay<'a> {
    live: &'a mut Live,
    folder: &'a mut ResultFolder,
    facts: &'a RunFacts,
    started: Instant,
}

/// What came of it.
pub(super) struct Measured {
    sides: Vec<MeasuredSide>,
    facts: RunFacts,
    /// Results could not be saved under way.
    unsaved: Option<FolderError>,
}

/// What came of it at one target.
struct MeasuredSide {
    collector: Collector,
    end: EndOfRun,
    lost: Vec<String>,
    /// What its server took, where that was started for the run.
    cost: Option<Cost>,
}

impl Measured {
    /// Adds what no worker has measured of the first target.
    pub(super) fn add(&mut self, snapshot: Snapshot) {
        self.sides[0].collector.add(snapshot);
    }
}

impl<'g> Run<'g> {
    /// The run that the ground was prepared for.
    pub(super) fn of(ground: &'g Ground) -> Self {
        let plans = ground.sides.iter().map(|side| Arc::clone(&side.plan)).collect();
        Self { plans, ground }
    }

    /// Runs the load and collects.
    pub(super) fn measure(&self, folder: &mut ResultFolder, quiet: bool) -> Measured {
        let mut facts = self.facts();
        let begun = folder.begin(facts.started);
        let alive = |index: &usize| self.ground.sides[*index].dead.is_none();
        let alive: Vec<usize> = (0..self.plans.len()).filter(alive).collect();
        let workers: usize = alive.iter().map(|index| self.plans[*index].workers).sum();
        let (sender, snapshots) = sync_channel(SNAPSHOTS_WAITING * workers);
        let started = match alive.as_slice() {
            [_] => clock::now(),
            // By then the workers of all of them are there.
            _ => clock::now() + LEAD,
        };
        let mut courses: Vec<Course> =
            self.plans.iter().map(|plan| Course::new(plan, started)).collect();
        let controls = alive.iter().map(|index| courses[*index].control());
        let drain = self.plans.iter().map(|plan| plan.drain()).max().unwrap_or_default();
        self.ground.interrupts.steer(controls.collect(), drain);
        self.ground.sides.iter().for_each(Side::measure_server);
        let start = |index: &usize| {
            let (plan, course) = (&self.plans[*index], &courses[*index]);
            Engine::start(plan, &course.layout(), &course.control(), started, &sender)
        };
        let engines: Vec<Engine> = alive.iter().map(start).collect();
        // The channel ends with the last worker.
        drop(sender);
        let mut live = Live::new(&self.plans[alive[0]], quiet);
        let unsaved = begun.err().or_else(|| {
            let under_way = UnderWay { live: &mut live, folder, facts: &facts, started };
            self.collect(&snapshots, &mut courses, under_way)
        });
        if unsaved.is_some() {
            courses.iter().for_each(|course| course.control().cut());
            for (side, snapshot) in &snapshots {
                courses[side].collector.add(snapshot);
            }
        }
        let mut endings: Vec<Ending> = self.plans.iter().map(|_| Ending::default()).collect();
        for (index, engine) in alive.into_iter().zip(engines) {
            endings[index] = engine.finish();
        }
        live.finish();
        facts.ended = Some(clock::wall());
        facts.host.driver = driver(&endings).to_owned();
        let finished_at = clock::now().saturating_duration_since(started);
        let sides =
            courses.into_iter().zip(endings).enumerate().map(|(index, (course, ending))| {
                let end = self.end_of_run(index, &ending, &course, finished_at);
                let cost = self.ground.sides[index].server_cost();
                MeasuredSide { collector: course.collector, end, lost: ending.workers_lost, cost }
            });
        Measured { sides: sides.collect(), facts, unsaved }
    }

    /// Adds up snapshots until the last worker has gone; ends the load of a target where a rule says so. Stops early
    /// where results cannot be saved.
    fn collect(
        &self,
        snapshots: &Receiver<Told>,
        courses: &mut [Course],
        under_way: UnderWay<'_>,
    ) -> Option<FolderError> {
        let UnderWay { live, folder, facts, started } = under_way;
        let mut saved = started;
        for (side, snapshot) in snapshots {
            if self.ground.interrupts.heard().is_some() {
                courses.iter_mut().for_each(|course| course.collector.load_ended());
            }
            courses[side].collector.add(snapshot);
            let now = clock::now();
            let elapsed = now.saturating_duration_since(started);
            self.ground.sides[side].look_at_server();
            let mut progress = Progress::default();
            courses.iter().for_each(|course| progress.add(&course.collector.progress()));
            live.update(elapsed, &progress);
            courses[side].heed(now, &self.plans[side]);
            let collector = &mut courses[side].collector;
            let completed = collector.take_completed();
            let mut result = folder.log(collector.layout(), &completed);
            if now.saturating_duration_since(saved) >= SAVE_EVERY {
                saved = now;
                let of_side = |course: &Course, plan: &Plan| {
                    let warmup_end = course.turns.warmup_end;
                    let running = EndOfRun { warmup_end, ..EndOfRun::running(elapsed) };
                    course.collector.summary(plan, &running)
                };
                let summaries = courses.iter().zip(&self.plans);
                let summaries = summaries.map(|(course, plan)| of_side(course, plan)).collect();
                let record = self.record(facts, summaries, Vec::new(), Vec::new());
                result = result.and_then(|()| folder.save(&record));
            }
            if let Err(error) = result {
                return Some(error);
            }
        }
        None
    }

    fn end_of_run(
        &self,
        side: usize,
        ending: &Ending,
        course: &Course,
        finished_at: Duration,
    ) -> EndOfRun {
        let (plan, turns) = (&self.plans[side], course.turns);
        let since_start = |at: Instant| at.saturating_duration_since(course.started);
        let stages = plan.timeline(turns.warmup_end);
        let ends: Option<Vec<Duration>> = stages.iter().map(|stage| stage.end).collect();
        let planned_end = ends.and_then(|ends| ends.into_iter().max());
        let all_sent = course.collector.all_started(plan)
            && plan.messages().is_some()
            && ending.bounds.iter().all(|bound| bound.messages_not_started == 0);
        let interrupted = self.ground.interrupts.heard().is_some();
        // A worker rests while others have their turn, which is no sign that it had time left.
        let own = plan.own_time(Duration::ZERO, finished_at).as_secs_f64();
        let idle = if own > 0.0 { finished_at.as_secs_f64() / own } else { 1.0 };
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
            worker_cpu: ending.worker_cpu.iter().map(|cpu| (cpu * idle).min(1.0)).collect(),
            descriptors_short: self.ground.descriptors_short,
            ..EndOfRun::finished(finished_at, window_end)
        }
    }

    /// Judges and saves.
    pub(super) fn conclude(&self, folder: &mut ResultFolder, measured: Measured) -> Concluded {
        let Measured { mut sides, mut facts, unsaved } = measured;
        let mut summaries: Vec<Summary> = Vec::new();
        for (index, side) in sides.iter().enumerate() {
            let mut summary = side.collector.summary(&self.plans[index], &side.end);
            if let Some(dead) = &self.ground.sides[index].dead {
                summary.unreached(&dead.message);
            }
            if self.ground.interrupts.heard().is_some() {
                // Partial results carry no verdict.
                summary.thresholds.clear();
            }
            summaries.push(summary);
        }
        self.remark_on_ceiling(&mut summaries);
        let exit = self.exit(&summaries, &sides);
        facts.exit_code = Some(exit.code());
        let pairs = self.pairs(&sides);
        let costs = sides.iter().map(|side| side.cost).collect();
        let record = self.record(&facts, summaries, pairs, costs);
        let logged = sides.iter_mut().try_for_each(|side| {
            let rest = side.collector.take_rest();
            folder.log(side.collector.layout(), &rest)
        });
        let saved = match unsaved {
            Some(error) => Err(error),
            None => logged.and_then(|()| folder.finish(&record)),
        };
        for what in sides.iter().flat_map(|side| &side.lost) {
            say(&format!("error: {what}"));
        }
        Concluded { record, exit, saved: saved.map_err(|error| cannot_write(&error)) }
    }

    /// Whether the generator may have been the limit, where it is known what that is here.
    fn remark_on_ceiling(&self, summaries: &mut [Summary]) {
        let Some(limits) = &self.ground.generator_limits else { return };
        let reached = summaries.iter_mut().enumerate();
        let reached = reached.filter(|(index, _)| self.ground.sides[*index].dead.is_none());
        let mut sides: Vec<ceiling::Side<'_>> = reached
            .map(|(index, summary)| ceiling::Side { plan: &self.plans[index], summary })
            .collect();
        ceiling::remark(&mut sides, |workers| limits.ceiling.of(workers));
    }

    /// The targets that anything was measured of, two by two.
    fn pairs(&self, sides: &[MeasuredSide]) -> Vec<PairRow> {
        let alive = sides.iter().enumerate();
        let alive = alive.filter(|(index, _)| self.ground.sides[*index].dead.is_none());
        let sides: Vec<pairs::Side<'_>> = alive
            .map(|(index, side)| pairs::Side {
                plan: &self.plans[index],
                collector: &side.collector,
                warmup_end: side.end.warmup_end,
                window_end: side.end.window_end,
            })
            .collect();
        pairs::pairs(&sides, self.plans[0].identity.seed)
    }

    /// The code that the worst of the targets calls for; that one cannot be reached counts once it holds for all.
    fn exit(&self, summaries: &[Summary], sides: &[MeasuredSide]) -> Exit {
        if let Some(heard) = self.ground.interrupts.heard() {
            return heard;
        }
        let mut exit = Exit::Good;
        let mut unreached = 0;
        for (index, (summary, side)) in summaries.iter().zip(sides).enumerate() {
            let progress = side.collector.progress();
            let replies = progress.replies_2yz + progress.replies_4yz + progress.replies_5yz;
            if summary.stopped.as_ref().is_some_and(|stopped| stopped.safety) {
                exit = exit.or(Exit::Distress);
            }
            let dead = self.ground.sides[index].dead.is_some();
            let gave_up = matches!(side.end.state, RunState::Stalled(_));
            match summary.validity.verdict {
                Verdict::Valid => {}
                // One that nothing was sent to is told as such.
                _ if dead => {}
                // A run that gave up is incomplete for that; where it sent nothing at all, its target is to blame.
                Verdict::Incomplete if gave_up && progress.attempted == 0 => {}
                _ => exit = exit.or(Exit::Invalid),
            }
            if (replies == 0 || gave_up) && progress.attempted == 0 {
                unreached += 1;
            }
            if !summary.thresholds_met() {
                exit = exit.or(Exit::Missed);
            }
        }
        if unreached == sides.len() { exit.or(Exit::Unreachable) } else { exit }
    }

    /// What reports render.
    fn record(
        &self,
        facts: &RunFacts,
        summaries: Vec<Summary>,
        pairs: Vec<PairRow>,
        costs: Vec<Option<Cost>>,
    ) -> Record {
        let mut costs = costs.into_iter();
        let of_side = |(side, summary): (usize, Summary)| {
            let (plan, learned) = (&self.plans[side], &self.ground.sides[side].learned);
            let (greeting, capabilities) = (learned.greeting.clone(), learned.capabilities.clone());
            let target = TargetRecord::new(plan, greeting, capabilities, summary);
            TargetRecord { cost: costs.next().flatten(), ..target }
        };
        let targets = summaries.into_iter().enumerate().map(of_side).collect();
        // One that is left out has no turns.
        let alive = self.ground.sides.iter().position(|side| side.dead.is_none()).unwrap_or(0);
        Record { pairs, ..Record::new(&self.plans[alive], facts, targets) }
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
                // The workers tell at their end.
                driver: String::new(),
                cpu_count: super::cores(),
                descriptor_limit: Some(limits::raise_descriptor_limit().allowed),
            },
            generator_limits: self.ground.generator_limits.clone(),
        }
    }
}
