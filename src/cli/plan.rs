//! `smtpbench plan`: the dry run. No network, no names looked up.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use clap::Args;

use super::exit::{Exit, Stop};
use super::flags::{self, LoadFlags};
use super::target::one_target;
use super::{print, say};
use crate::net::limits;
use crate::plan::outlook::{COUNTED_MAX, Count, Outlook};
use crate::plan::{Address, Destination, Plan, Target};
use crate::report::plan::{Machine, arrivals, render, together};
use crate::scenario::target::TargetUrl;
use crate::scenario::{Scenario, TargetSpec};
use crate::schedule::blocks::Turns;

#[derive(Debug, Args)]
pub(super) struct PlanArgs {
    /// The scenario file
    #[arg(value_name = "SCENARIO")]
    scenario: PathBuf,
    #[command(flatten)]
    load: LoadFlags,
    /// Write the intended starts as CSV to this file; - is stdout, and the plan itself goes to stderr
    #[arg(long, value_name = "FILE")]
    write_arrivals: Option<PathBuf>,
}

/// Says what a run would do.
pub(super) fn plan(args: &PlanArgs) -> Result<Exit, Stop> {
    let scenario = args.load.scenario(Some(&args.scenario))?;
    flags::remark(&scenario);
    if scenario.targets.is_empty() {
        one_target(&scenario)?;
    }
    let plans = plans(&scenario, args);
    let machine = Machine {
        descriptors: Some(limits::raise_descriptor_limit().allowed),
        ports: limits::local_ports(),
        memory: limits::free_memory(),
    };
    let mut text = String::new();
    for plan in &plans {
        let descriptors = descriptors(plan);
        text += &render(plan, &plan.outlook(), descriptors, &machine);
        text.push('\n');
    }
    if let [_, _, ..] = plans.as_slice() {
        let sessions = plans.iter().map(|plan| plan.scenario.sessions_max()).sum();
        let files = plans.iter().map(descriptors).sum();
        text += &together(&plans, sessions, files, &machine);
    }
    // The same arrivals for all, in the time of each.
    let plan = plans.into_iter().next().map(|plan| plan.beside(0, None));
    let Some(plan) = plan else { return Ok(Exit::Good) };
    let outlook = plan.outlook();
    match args.write_arrivals.as_deref() {
        None => print(text.trim_end())?,
        Some(path) => {
            listable(&plan, &outlook)?;
            if path == Path::new("-") {
                say(text.trim_end());
                to_stdout(&plan)?;
            } else {
                print(text.trim_end())?;
                to_file(&plan, path)?;
                print(&format!("\narrivals: {}", path.display()))?;
            }
        }
    }
    Ok(Exit::Good)
}

/// A plan for each target, as a run against all of them would have it.
fn plans(scenario: &Scenario, args: &PlanArgs) -> Vec<Plan> {
    let identity = args.load.identity(scenario);
    let (block, count) = (scenario.block(), scenario.targets.len());
    let cores = if block.is_some() { super::cores() } else { (super::cores() / count).max(1) };
    let plan = |(side, spec): (usize, &TargetSpec)| {
        let (own, target) = (scenario.against(spec), unresolved(spec));
        let plan = Plan::new(own, target, identity.clone(), cores);
        match count {
            1 => plan,
            _ => {
                let turns = block.map(|block| Turns::new(identity.seed, block, side, count));
                plan.beside(side, turns)
            }
        }
    };
    scenario.targets.iter().enumerate().map(plan).collect()
}

fn descriptors(plan: &Plan) -> u64 {
    plan.descriptors(plan.targets.iter().any(|target| target.url == TargetUrl::Embedded))
}

/// The target without its names looked up: addresses only where the URL has them.
fn unresolved(spec: &TargetSpec) -> Target {
    let address = match &spec.url {
        TargetUrl::Tcp { host, port, .. } => {
            host.parse::<IpAddr>().ok().map(|ip| Address::Tcp(SocketAddr::new(ip, *port)))
        }
        TargetUrl::Unix { path, .. } => Some(Address::Unix(path.clone())),
        TargetUrl::Embedded => Some(Address::Tcp(([127, 0, 0, 1], 0).into())),
        TargetUrl::Mx { .. } => None,
    };
    let addresses = address.map(Destination::from).into_iter().collect();
    Target { addresses, ..Target::nowhere(spec) }
}

/// Whether the arrivals can be listed one by one.
fn listable(plan: &Plan, outlook: &Outlook) -> Result<(), Stop> {
    if !plan.is_open() {
        return Err(Stop::new(
            Exit::Usage,
            "--write-arrivals: a closed load has no schedule\n\
             give --rate for an open one: '500 messages/s'",
        ));
    }
    let countless = |count| !matches!(count, Some(Count::Exactly(_)) | None);
    if outlook.stages.iter().any(|stage| countless(stage.arrivals)) {
        return Err(Stop::new(
            Exit::Usage,
            format!(
                "--write-arrivals: the plan has over {COUNTED_MAX} arrivals\nshorten it: --for 1m"
            ),
        ));
    }
    Ok(())
}

fn to_stdout(plan: &Plan) -> Result<(), Stop> {
    let written = arrivals(plan, BufWriter::new(io::stdout().lock()));
    written
        // Who reads the first lines only, as `head` does, has them.
        .or_else(|error| match error.kind() {
            io::ErrorKind::BrokenPipe => Ok(()),
            _ => Err(error),
        })
        .map_err(|error| Stop::new(Exit::Results, format!("stdout cannot be written: {error}")))
}

fn to_file(plan: &Plan, path: &Path) -> Result<(), Stop> {
    let write = || -> io::Result<()> {
        let mut out = BufWriter::new(File::create(path)?);
        arrivals(plan, &mut out)?;
        out.flush()
    };
    write().map_err(|error| {
        let message = format!("{} cannot be written: {error}\nname another file", path.display());
        Stop::new(Exit::Results, message)
    })
}
