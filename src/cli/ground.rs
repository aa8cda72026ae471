//! What has to hold before load goes out, found out once for all the runs of a command: targets, a session that each of
//! them takes, the machine's limits.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::exit::{Exit, Stop};
use super::flags::{self, LoadFlags};
use super::interrupt::Interrupts;
use super::launch::{launch, log_name};
use super::preflight::{self, Learned};
use super::target::{Aim, aim};
use super::{limits_file, say};
use crate::clock::Duration;
use crate::message::render::RunIdentity;
use crate::message::{Content, Mark};
use crate::net::limits;
use crate::plan::{Plan, Target};
use crate::report::generator_limits::GeneratorLimits;
use crate::scenario::target::TargetUrl;
use crate::scenario::{Launch, Scenario};
use crate::schedule::blocks::Turns;
use crate::server::{Cost, Server};
use crate::sink::Sink;

/// Everything is ready for runs of these plans.
pub(super) struct Ground {
    /// One a target, at least one; they may have a run together.
    pub(super) sides: Vec<Side>,
    pub(super) interrupts: Interrupts,
    /// Open files wanted and allowed, where those are too few.
    pub(super) descriptors_short: Option<(u64, u64)>,
    /// What the generator can do at best here, where a self-test measured that.
    pub(super) generator_limits: Option<GeneratorLimits>,
}

/// One of the targets.
pub(super) struct Side {
    pub(super) plan: Arc<Plan>,
    pub(super) learned: Learned,
    /// Why it is left out of the run.
    pub(super) dead: Option<Dead>,
    /// What was started for it; runs as long as this lives.
    server: Mutex<Option<Server>>,
    /// How, and at which port where that was chosen.
    start: Option<(Launch, Option<u16>)>,
    /// The target itself, where it is inside this process. Serves as long as this lives.
    pub(super) sink: Option<Sink>,
}

/// A target that nothing can be measured of.
pub(super) struct Dead {
    /// As a person is told.
    pub(super) message: String,
}

/// The same without having asked the targets anything.
pub(super) struct Survey {
    scenario: Scenario,
    identity: RunIdentity,
    aims: Vec<Result<Aim, (Target, Stop)>>,
}

impl Survey {
    /// Says what is worth knowing before anything happens, and resolves the targets.
    ///
    /// # Errors
    /// When there is none, none can be resolved, or the guard refuses one.
    pub(super) fn new(scenario: Scenario, load: &LoadFlags) -> Result<Self, Stop> {
        if scenario.targets.iter().any(|target| target.url == TargetUrl::Embedded) {
            say(
                "target embedded: this measures smtpbench itself on this machine, against its built-in sink, not a server",
            );
        }
        flags::remark(&scenario);
        let identity = load.identity(&scenario);
        if scenario.targets.len() < 2 {
            let aims = vec![Ok(aim(&scenario, load, identity.seed)?)];
            return Ok(Self { scenario, identity, aims });
        }
        let mut aims = Vec::new();
        for spec in &scenario.targets {
            aims.push(match aim(&scenario.against(spec), load, identity.seed) {
                Err(stop) if stop.exit == Exit::Unreachable => Err((Target::nowhere(spec), stop)),
                other => Ok(other?),
            });
        }
        Ok(Self { scenario, identity, aims })
    }

    /// Resolves the plans, starts what is to be started, and tries one session each. `logs` is the folder for what
    /// servers say.
    ///
    /// # Errors
    /// When no target can be reached, or each refuses that session; when one may not have such mail.
    pub(super) fn prepare(self, load: &LoadFlags, logs: &Path) -> Result<Ground, Stop> {
        let interrupts = Interrupts::watch()?;
        let count = self.aims.len();
        let mut sides = Vec::new();
        for (aimed, spec) in self.aims.into_iter().zip(&self.scenario.targets) {
            let scenario = self.scenario.against(spec);
            let identity = self.identity.clone();
            let (target, reach) = match aimed {
                Ok(Aim { target, sink, launch }) => (target, Ok((sink, launch))),
                Err((target, stop)) => (target, Err(stop)),
            };
            let plan = Arc::new(Plan::new(scenario, target, identity, super::cores()));
            let side = match reach {
                Ok((sink, launch)) => {
                    marked(&plan)?;
                    let start = launch.as_ref();
                    launched(&plan, start, load.wait, logs, &interrupts)
                        .and_then(|server| Side::reach(&plan, sink, server, load.wait, &interrupts))
                        .map(|side| Side { start: launch, ..side })
                }
                Err(stop) => Err(stop),
            };
            match side {
                Ok(side) => sides.push(side),
                Err(stop) if count > 1 && stop.exit == Exit::Unreachable => {
                    say(&format!("target {}:\n{stop}", plan.targets[0].name));
                    sides.push(Side::dead(plan, &stop));
                }
                Err(stop) => return Err(stop),
            }
        }
        if sides.iter().all(|side| side.dead.is_some()) {
            let message = "no target could be reached: nothing was measured\nmend one of them";
            return Err(Stop::new(Exit::Unreachable, message));
        }
        set_beside(&mut sides, &self.scenario);
        let known = limits_file::known(load.limits.as_deref());
        Ok(Ground { generator_limits: known, ..Ground::of(sides, interrupts) })
    }

    pub(super) fn scenario(&self) -> &Scenario {
        &self.scenario
    }
}

impl Ground {
    /// Ground for the one target of `plan`, which serves already: tries one session of it, where that is asked for.
    ///
    /// # Errors
    /// When the target cannot be reached, or refuses that session.
    pub(super) fn new(plan: Plan, interrupts: Interrupts) -> Result<Self, Stop> {
        let side = Side::reach(&Arc::new(plan), None, None, None, &interrupts)?;
        Ok(Self::of(vec![side], interrupts))
    }

    fn of(sides: Vec<Side>, interrupts: Interrupts) -> Self {
        let descriptors_short = descriptors(&sides);
        Self { sides, interrupts, descriptors_short, generator_limits: None }
    }

    /// The first target: the only one, where a command is for one.
    pub(super) fn first(&self) -> &Side {
        &self.sides[0]
    }

    /// Starts anew what was started for the last run: each run of several has a fresh server. What it says goes to the
    /// folder `logs`.
    ///
    /// # Errors
    /// When one does not come so far as to greet.
    pub(super) fn start_again(&self, wait: Option<Duration>, logs: &Path) -> Result<(), Stop> {
        for side in self.sides.iter().filter(|side| side.dead.is_none()) {
            // The old one has the port until it is gone.
            drop(side.server().take());
            let start = side.start.as_ref();
            *side.server() = launched(&side.plan, start, wait, logs, &self.interrupts)?;
        }
        Ok(())
    }

    /// Whether any preflight was deferred.
    pub(super) fn deferred(&self) -> bool {
        self.sides.iter().any(|side| side.learned.deferred)
    }
}

impl Side {
    /// Has a target come so far that load may go to it: it greets within `wait`, and takes one session where that is
    /// asked for. `sink` and `server` are what serves it, where this process has or started that.
    fn reach(
        plan: &Arc<Plan>,
        sink: Option<Sink>,
        server: Option<Server>,
        wait: Option<Duration>,
        interrupts: &Interrupts,
    ) -> Result<Self, Stop> {
        preflight::wait(plan, wait, interrupts)?;
        let learned = match plan.scenario.preflight {
            true => preflight::preflight(plan, interrupts)?,
            false => Learned::default(),
        };
        let (plan, server) = (Arc::clone(plan), Mutex::new(server));
        Ok(Self { plan, learned, dead: None, server, start: None, sink })
    }

    fn dead(plan: Arc<Plan>, stop: &Stop) -> Self {
        let dead = Some(Dead { message: stop.in_short() });
        let (learned, server) = (Learned::default(), Mutex::new(None));
        Self { plan, learned, dead, server, start: None, sink: None }
    }

    /// What its server takes counts from here on.
    pub(super) fn measure_server(&self) {
        if let Some(server) = self.server().as_mut() {
            server.measure();
        }
    }

    /// Looks how much memory its server has.
    pub(super) fn look_at_server(&self) {
        if let Some(server) = self.server().as_mut() {
            server.look();
        }
    }

    /// What its server has taken.
    pub(super) fn server_cost(&self) -> Option<Cost> {
        self.server().as_ref().map(Server::cost)
    }

    fn server(&self) -> MutexGuard<'_, Option<Server>> {
        self.server.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Starts what serves the target of `plan`, where it is to be started; what it says goes to a file in `logs`.
fn launched(
    plan: &Plan,
    start: Option<&(Launch, Option<u16>)>,
    wait: Option<Duration>,
    logs: &Path,
    interrupts: &Interrupts,
) -> Result<Option<Server>, Stop> {
    let Some((command, port)) = start else { return Ok(None) };
    let log = logs.join(log_name(&plan.targets[0].name));
    launch(plan, command, *port, &log, wait, interrupts).map(Some)
}

/// Gives each of several targets its place in the run: its turns, or its share of the cores.
fn set_beside(sides: &mut [Side], scenario: &Scenario) {
    if sides.len() < 2 {
        return;
    }
    let alive = sides.iter().filter(|side| side.dead.is_none()).count();
    let block = scenario.block().filter(|_| alive > 1);
    let cores = match block {
        // The others rest meanwhile.
        Some(_) => super::cores(),
        None => (super::cores() / alive).max(1),
    };
    let mut place = 0;
    for (index, side) in sides.iter_mut().enumerate() {
        let mut plan = Plan::clone(&side.plan);
        plan.workers = plan.workers.min(cores);
        let turns = block.filter(|_| side.dead.is_none()).map(|block| {
            place += 1;
            Turns::new(plan.identity.seed, block, place - 1, alive)
        });
        side.plan = Arc::new(plan.beside(index, turns));
    }
}

/// Mail that leaves this machine is marked.
fn marked(plan: &Plan) -> Result<(), Stop> {
    let target = &plan.targets[0];
    let unmarked = plan
        .scenario
        .mail
        .kinds
        .iter()
        .find(|kind| matches!(kind.content, Content::Files { mark: Mark::None, .. }));
    if let Some(kind) = unmarked
        && !target.addresses.iter().all(|one| one.address.is_local())
    {
        let name = &kind.name;
        return Err(Stop::new(
            Exit::Guard,
            format!(
                "message `{name}` has mark = \"none\", and {} is outside this machine\n\
                 mail that leaves this machine says where it comes from: take the line out",
                target.url
            ),
        ));
    }
    Ok(())
}

/// Raises the limit on open files; what is wanted and allowed, where that is too few.
fn descriptors(sides: &[Side]) -> Option<(u64, u64)> {
    let wanted = sides.iter().map(|side| side.plan.descriptors(side.sink.is_some())).sum();
    let allowed = limits::raise_descriptor_limit().allowed;
    (wanted > allowed).then(|| {
        say(&format!(
            "note: {wanted} open files are wanted and {allowed} allowed: some sessions will fail \
             (raise the limit with `ulimit -n {wanted}`)"
        ));
        (wanted, allowed)
    })
}
