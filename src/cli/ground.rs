//! What has to hold before load goes out, found out once for all the runs of a command: the target, a session that it
//! takes, the machine's limits.

use std::sync::Arc;

use super::exit::{Exit, Stop};
use super::flags::{self, LoadFlags};
use super::interrupt::Interrupts;
use super::preflight::{self, Learned};
use super::target::{Aim, aim};
use super::{limits_file, say};
use crate::clock::Duration;
use crate::message::render::RunIdentity;
use crate::message::{Content, Mark};
use crate::net::limits;
use crate::plan::Plan;
use crate::report::generator_limits::GeneratorLimits;
use crate::scenario::Scenario;
use crate::scenario::target::TargetUrl;
use crate::sink::Sink;

/// Everything is ready for runs of this plan.
pub(super) struct Ground {
    pub(super) plan: Arc<Plan>,
    pub(super) learned: Learned,
    pub(super) interrupts: Interrupts,
    /// Open files wanted and allowed, where those are too few.
    pub(super) descriptors_short: Option<(u64, u64)>,
    /// What the generator can do at best here, where a self-test measured that.
    pub(super) generator_limits: Option<GeneratorLimits>,
    /// The target itself, where it is inside this process. Serves as long as this lives.
    pub(super) sink: Option<Sink>,
}

impl Ground {
    /// Tries one session of `plan`, where that is asked for, after the target has greeted within `wait`; `sink` is what
    /// it is against, where that is inside this process.
    ///
    /// # Errors
    /// When the target cannot be reached, or refuses that session.
    pub(super) fn new(
        plan: Plan,
        sink: Option<Sink>,
        wait: Option<Duration>,
        interrupts: Interrupts,
    ) -> Result<Self, Stop> {
        preflight::wait(&plan, wait, &interrupts)?;
        let learned = match plan.scenario.preflight {
            true => preflight::preflight(&plan, &interrupts)?,
            false => Learned::default(),
        };
        let descriptors_short = descriptors(&plan, sink.is_some());
        let plan = Arc::new(plan);
        let generator_limits = None;
        Ok(Self { plan, learned, interrupts, descriptors_short, generator_limits, sink })
    }
}

/// The same without having asked the target anything.
pub(super) struct Survey {
    scenario: Scenario,
    identity: RunIdentity,
    aim: Aim,
}

impl Survey {
    /// Says what is worth knowing before anything happens, and resolves the target.
    ///
    /// # Errors
    /// When there is none, it cannot be resolved, or the guard refuses it.
    pub(super) fn new(scenario: Scenario, load: &LoadFlags) -> Result<Self, Stop> {
        if scenario.target().is_some_and(|target| target.url == TargetUrl::Embedded) {
            say(
                "target embedded: this measures smtpbench itself on this machine, against its built-in sink, not a server",
            );
        }
        flags::remark(&scenario);
        let identity = load.identity(&scenario);
        let aim = aim(&scenario, load, identity.seed)?;
        Ok(Self { scenario, identity, aim })
    }

    /// Resolves the plan and tries one session.
    ///
    /// # Errors
    /// When the target cannot be reached, refuses that session, or may not have such mail.
    pub(super) fn prepare(self, load: &LoadFlags) -> Result<Ground, Stop> {
        let Self { scenario, identity, aim: Aim { target, sink } } = self;
        let interrupts = Interrupts::watch()?;
        let plan = Plan::new(scenario, target, identity, super::cores());
        marked(&plan)?;
        let ground = Ground::new(plan, sink, load.wait, interrupts)?;
        Ok(Ground { generator_limits: limits_file::known(load.limits.as_deref()), ..ground })
    }

    pub(super) fn scenario(&self) -> &Scenario {
        &self.scenario
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
fn descriptors(plan: &Plan, embedded: bool) -> Option<(u64, u64)> {
    let (wanted, allowed) = (plan.descriptors(embedded), limits::raise_descriptor_limit().allowed);
    (wanted > allowed).then(|| {
        say(&format!(
            "note: {wanted} open files are wanted and {allowed} allowed: some sessions will fail \
             (raise the limit with `ulimit -n {wanted}`)"
        ));
        (wanted, allowed)
    })
}
