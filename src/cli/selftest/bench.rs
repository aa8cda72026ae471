//! Runs a scenario as `run` does, against a sink of its own that behaves as the scenario's `[sink]` says.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::capture::Captured;
use super::probe::{Planted, Setup};
use crate::behavior::{Behavior, CertificateFault};
use crate::cli::exit::{Exit, Stop};
use crate::cli::flags::LoadFlags;
use crate::cli::ground::Ground;
use crate::cli::interrupt::Interrupts;
use crate::cli::run::{Concluded, Run, cannot_write};
use crate::cli::target::{Aim, aim};
use crate::clock;
use crate::measure::layout::Layout;
use crate::measure::recorder::{Recorder, Snapshot};
use crate::measure::summary::Summary;
use crate::net::tls::{TlsIdentity, TlsServer};
use crate::plan::Plan;
use crate::report::folder::RunsFolder;
use crate::scenario::{self, Overrides, Scenario, Source, TargetChoice};
use crate::sink::{Capture, ListenAddress, Sink, SinkOptions, SinkTls, Trust};
use crate::smtp::Protocol;

/// Where all runs of a self-test happen.
pub(super) struct Bench {
    pub(super) folder: RunsFolder,
    pub(super) interrupts: Interrupts,
    /// Fixes every random choice of runs and sinks.
    pub(super) seed: u64,
    /// The sink plants nothing: a self-test that still finds everything proves nothing.
    pub(super) control: bool,
}

/// What is to be run.
pub(super) struct Play<'a> {
    pub(super) name: &'a str,
    /// Of its folder.
    pub(super) folder: &'a str,
    pub(super) scenario: &'a str,
    pub(super) setup: Setup,
    /// All that the machine has room for without it.
    pub(super) workers: Option<usize>,
}

/// What came of it.
pub(super) struct Played {
    pub(super) summary: Summary,
    pub(super) planted: Planted,
    pub(super) capabilities: Vec<String>,
    pub(super) captured: Option<Captured>,
    pub(super) returned: Option<Captured>,
}

/// The sink of a run, and the one that takes what comes back.
struct Sinks {
    sink: Sink,
    returns: Option<Sink>,
    /// What trusts its certificate.
    ca: Option<PathBuf>,
}

impl Bench {
    /// Runs it.
    ///
    /// # Errors
    /// When the sink cannot start or files cannot be written.
    pub(super) fn play(&self, play: &Play<'_>) -> Result<Played, Stop> {
        let mut folder = self.folder.run(play.folder).map_err(|error| cannot_write(&error))?;
        let mut sinks = self.sinks(play)?;
        let ground = Ground::new(self.plan(play, &sinks)?, self.interrupts.clone())?;
        let run = Run::of(&ground);
        let side = ground.first();
        let mut measured = run.measure(&mut folder, true);
        if play.setup == Setup::Ghost && !self.control {
            measured.add(ghost(&side.plan));
        }
        let Concluded { mut record, saved, .. } = run.conclude(&mut folder, measured);
        saved?;
        // A run of the self-test has one target.
        let summary = record.targets.remove(0).summary;
        // Held mail and bounces come out, and the files are whole.
        sinks.sink.stop();
        let broken = |fault: String| Stop::new(Exit::Bug, format!("{}: {fault}", play.name));
        if let Some(fault) = sinks.sink.fault() {
            return Err(Stop::new(Exit::Results, format!("the sink's capture: {fault}")));
        }
        let read = |name: String| {
            Captured::read(&self.folder.path().join(name), &side.plan).map_err(broken)
        };
        let captures = captures(play.setup);
        let captured = captures.then(|| read(kept_in(play.folder))).transpose()?;
        let returned = match sinks.returns {
            None => None,
            Some(mut returns) => {
                returns.stop();
                Some(read(returned_in(play.folder))?)
            }
        };
        let planted = Planted::new(sinks.sink.counts(), sinks.sink.rule_counts());
        let capabilities = side.learned.capabilities.clone();
        Ok(Played { summary, planted, capabilities, captured, returned })
    }

    fn plan(&self, play: &Play<'_>, sinks: &Sinks) -> Result<Plan, Stop> {
        let broken =
            |fault: &dyn std::fmt::Display| Stop::new(Exit::Bug, format!("{}: {fault}", play.name));
        let scheme = if play.setup == Setup::Lmtp { "lmtp" } else { "smtp" };
        let url = format!("{scheme}://{}", sinks.sink.addresses()[0]);
        let target = TargetChoice::parse(&url).map_err(|error| broken(&error))?;
        let overrides =
            Overrides { targets: vec![target], ca: sinks.ca.clone(), ..Overrides::default() };
        let mut scenario = self.scenario(play, &overrides)?;
        scenario.preflight = play.setup == Setup::Preflight;
        let flags = LoadFlags::default();
        let identity = flags.identity(&scenario);
        let Aim { target, .. } = aim(&scenario, &flags, identity.seed)?;
        let workers = play.workers.unwrap_or_else(crate::cli::cores);
        Ok(Plan::new(scenario, target, identity, workers))
    }

    fn scenario(&self, play: &Play<'_>, overrides: &Overrides) -> Result<Scenario, Stop> {
        let source = Source { path: None, text: play.scenario.to_owned() };
        let mut scenario = scenario::read(&source, overrides)
            .map_err(|report| Stop::rendered(Exit::Bug, report.render(false).trim_end()))?;
        play.name.clone_into(&mut scenario.name);
        scenario.seed = Some(self.seed);
        Ok(scenario)
    }

    /// Starts what the run is against.
    fn sinks(&self, play: &Play<'_>) -> Result<Sinks, Stop> {
        let anywhere = TargetChoice::parse("embedded:").into_iter().collect();
        let overrides = Overrides { targets: anywhere, ..Overrides::default() };
        let planted = self.scenario(play, &overrides)?.sink;
        let mut behavior = if self.control { Behavior::default() } else { planted };
        behavior.seed.get_or_insert(self.seed);
        let path = |name: String| self.folder.path().join(name);
        let returns = match play.setup {
            Setup::Bounces => {
                let jsonl = Some(path(returned_in(play.folder)));
                let capture = Capture { jsonl, ..Capture::default() };
                Some(start(SinkOptions { capture, ..options(Behavior::default()) })?)
            }
            _ => None,
        };
        if let Some(ListenAddress::Tcp(to)) = returns.as_ref().map(|sink| &sink.addresses()[0])
            && behavior.bounces()
        {
            behavior.bounces_to = Some(*to);
        }
        let mut ca = None;
        let mut tls = None;
        if play.setup == Setup::Tls {
            let pem = path(format!("{}.pem", play.folder));
            tls = Some(certificate(&behavior, &pem)?);
            ca = Some(pem);
        }
        let jsonl = captures(play.setup).then(|| path(kept_in(play.folder)));
        let protocol = if play.setup == Setup::Lmtp { Protocol::Lmtp } else { Protocol::Smtp };
        let capture = Capture { jsonl, ..Capture::default() };
        let options = SinkOptions { protocol, tls, capture, ..options(behavior) };
        Ok(Sinks { sink: start(options)?, returns, ca })
    }
}

/// Whether the sink writes down what it keeps.
fn captures(setup: Setup) -> bool {
    matches!(setup, Setup::Capture | Setup::Bounces)
}

/// The file of what the sink kept in the run of that folder.
fn kept_in(folder: &str) -> String {
    format!("{folder}.jsonl")
}

/// The file of what came back.
fn returned_in(folder: &str) -> String {
    format!("{folder}-returned.jsonl")
}

fn options(behavior: Behavior) -> SinkOptions {
    SinkOptions {
        listen: vec![ListenAddress::Tcp(([127, 0, 0, 1], 0).into())],
        behavior,
        protocol: Protocol::Smtp,
        hostname: "sink.test".to_owned(),
        trust: Trust::default(),
        threads: 1,
        tls: None,
        logins: None,
        capture: Capture::default(),
    }
}

fn start(options: SinkOptions) -> Result<Sink, Stop> {
    Sink::start(options).map_err(|error| {
        Stop::new(Exit::Unreachable, format!("the sink of the self-test cannot start: {error}"))
    })
}

/// A certificate as `behavior` has it, which whoever reads the file at `pem` trusts.
fn certificate(behavior: &Behavior, pem: &Path) -> Result<SinkTls, Stop> {
    let bug = |fault: String| Stop::new(Exit::Bug, fault);
    let names = ["127.0.0.1", "localhost"];
    let identity = TlsIdentity::make_with(&names, behavior.certificate).map_err(bug)?;
    let trusted = match behavior.certificate {
        // That of somebody else, so that nobody who is trusted signed it.
        Some(CertificateFault::Untrusted) => {
            TlsIdentity::make(&names).map_err(bug)?.pem().to_owned()
        }
        _ => identity.pem().to_owned(),
    };
    std::fs::write(pem, trusted).map_err(|error| {
        Stop::new(Exit::Results, format!("{} cannot be written: {error}", pem.display()))
    })?;
    Ok(SinkTls { server: TlsServer::new(&identity).map_err(bug)?, implicit: false })
}

/// A message that began and never ended: no run that counts well holds one.
fn ghost(plan: &Plan) -> Snapshot {
    let now = clock::now();
    let mut recorder = Recorder::new(Arc::new(Layout::new(plan)), 0, now, plan.interval);
    recorder.message_started(plan.judged_stages()[0], 0, 1);
    recorder.finish(now)
}
