//! `smtpbench selftest`: plants known faults and holds the report to finding each of them.
//!
//! This file is the order of events; `selftest/probes` is the list, `selftest/bench` runs what stands in it.

mod bench;
mod capture;
mod found;
mod limits;
mod probe;
mod probes;

use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;

use clap::Args;
use clap::builder::FalseyValueParser;

use self::bench::{Bench, Play, Played};
use self::found::Found;
use self::probe::{Check, Doubt, Probe};
use super::exit::{Exit, Stop};
use super::flags::fresh;
use super::interrupt::Interrupts;
use super::limits_file;
use super::run::{cannot_write, default_folder};
use super::{print, say};
use crate::clock::{self, Duration};
use crate::measure::outcome::Clock;
use crate::measure::summary::Summary;
use crate::measure::validity::Verdict;
use crate::report::folder::RunsFolder;
use crate::report::selftest::{ProbeRow, ProbeUnit, ProbeVerdict, csv, text};

/// A run in which the generator was the limit says nothing, and is made again: so often in all.
const TRIES: u32 = 3;
/// The probe that is none: the generator's own limits.
const LIMITS: &str = "limits";

#[derive(Debug, Args)]
pub(super) struct SelftestArgs {
    /// Name the probes and what each plants, and run nothing
    #[arg(long)]
    list: bool,
    /// Only these; --list names them
    #[arg(long, value_name = "NAME,…", value_delimiter = ',', value_parser = known)]
    only: Vec<String>,
    /// Fixes every random choice of runs and sinks [default: from the clock]
    #[arg(long, value_name = "N", env = "SMTPBENCH_SEED")]
    seed: Option<u64>,
    /// Folder for the results, a folder a run in it [default: results/selftest-<UTC time>]
    #[arg(long, value_name = "DIR", env = "SMTPBENCH_OUT")]
    out: Option<PathBuf>,
    /// Keeps the generator's own limits there [default: smtpbench/limits.json in the user's state folder]
    #[arg(long, value_name = "FILE", env = "SMTPBENCH_LIMITS")]
    limits: Option<PathBuf>,
    /// The sink plants nothing: what is then found of the faults is a fault of smtpbench; ends with 90
    #[arg(long)]
    control: bool,
    /// No progress
    #[arg(long, short, env = "SMTPBENCH_QUIET", value_parser = FalseyValueParser::new())]
    quiet: bool,
}

fn known(name: &str) -> Result<String, String> {
    let known = name == LIMITS || probes::all().any(|probe| probe.name == name);
    known.then(|| name.to_owned()).ok_or_else(|| "no probe has that name; see --list".to_owned())
}

/// Runs the probes and says what was found.
pub(super) fn selftest(args: &SelftestArgs) -> Result<Exit, Stop> {
    if args.list {
        return print(&list()).map(|()| Exit::Good);
    }
    let interrupts = Interrupts::watch()?;
    let path = args.out.clone().unwrap_or_else(|| default_folder("selftest"));
    let folder = RunsFolder::create(&path).map_err(|error| cannot_write(&error))?;
    // Below 2^53, so that every JSON reader gives it back as it was.
    let seed = args.seed.unwrap_or_else(|| fresh() >> 11);
    let bench = Bench { folder, interrupts, seed, control: args.control };
    let wanted = |name: &str| args.only.is_empty() || args.only.iter().any(|only| only == name);
    let chosen: Vec<&Probe> = probes::all().filter(|probe| wanted(probe.name)).collect();
    let rows = run_all(&bench, &chosen, args.quiet)?;
    bench.folder.write("selftest.csv", &csv(&rows)).map_err(|error| cannot_write(&error))?;
    print(&format!("self-test of smtpbench {}, seed {seed}\n", env!("CARGO_PKG_VERSION")))?;
    if !rows.is_empty() {
        print(&text(&rows))?;
        print(&told(&rows))?;
    }
    if wanted(LIMITS) && bench.interrupts.heard().is_none() {
        measure_limits(&bench, args)?;
    }
    print(&format!("\nresults: {}", bench.folder.path().display()))?;
    Ok(bench.interrupts.heard().map_or(exit_of(&rows), |heard| heard))
}

/// All of `chosen`, until the user ends it.
fn run_all(bench: &Bench, chosen: &[&Probe], quiet: bool) -> Result<Vec<ProbeRow>, Stop> {
    let mut rows = Vec::new();
    for (index, probe) in chosen.iter().enumerate() {
        if bench.interrupts.heard().is_some() {
            break;
        }
        let title = format!("{:2}/{} {:20}", index + 1, chosen.len(), probe.name);
        let progress = Progress::begin(quiet, title);
        let of_probe = run(bench, probe)?;
        progress.end(&of_probe);
        rows.extend(of_probe);
    }
    Ok(rows)
}

/// One probe; again where the generator was the limit, or where a time was not as planted: another program may have had the
/// machine for a moment. What is counted has no second chance.
fn run(bench: &Bench, probe: &Probe) -> Result<Vec<ProbeRow>, Stop> {
    let mut rows = Vec::new();
    for number in 1..=TRIES {
        let folder = match number {
            1 => probe.name.to_owned(),
            _ => format!("{}-{number}", probe.name),
        };
        let Probe { name, scenario, setup, checks, .. } = *probe;
        let played = bench.play(&Play { name, folder: &folder, scenario, setup, workers: None })?;
        let Played { summary, planted, capabilities, captured, returned } = &played;
        let doubt = doubt(summary);
        let found = Found {
            summary,
            capabilities,
            captured: captured.as_ref(),
            returned: returned.as_ref(),
        };
        let judge = |check: &Check| check.judge(probe, planted, &found, doubt);
        rows = checks.iter().map(judge).collect();
        let again = |row: &ProbeRow| match row.verdict {
            ProbeVerdict::Inconclusive => true,
            ProbeVerdict::NotFound => row.unit == ProbeUnit::Microseconds,
            ProbeVerdict::Found | ProbeVerdict::NotPlanted => false,
        };
        if !rows.iter().any(again) || bench.interrupts.heard().is_some() || bench.control {
            break;
        }
    }
    Ok(rows)
}

/// What does not follow from a run, since the generator was the limit or it was cut short.
fn doubt(summary: &Summary) -> Doubt {
    let validity = &summary.validity;
    let failures =
        validity.descriptor_failures + validity.port_failures + validity.internal_failures;
    match validity.verdict {
        Verdict::Interrupted => Doubt::All,
        Verdict::GeneratorLimited if failures > 0 => Doubt::All,
        Verdict::GeneratorLimited if !mostly_in_time(summary) => Doubt::Times,
        _ => Doubt::None,
    }
}

/// Whether all that was due was started, and most of it so early that what is planted, tens and hundreds of milliseconds, is
/// not to be mistaken for it. A run calls late what is late by one.
fn mostly_in_time(summary: &Summary) -> bool {
    const LAG_US: u64 = 10_000;
    let all = summary.arrivals.is_some_and(|arrivals| arrivals.started == arrivals.due);
    let mut lags = summary.steps.iter().filter(|row| row.clock == Clock::Lag);
    all && lags.all(|row| row.figures.p50.is_some_and(|p50| p50.value <= LAG_US))
}

fn measure_limits(bench: &Bench, args: &SelftestArgs) -> Result<(), Stop> {
    let measured = limits::measure(bench)?;
    let Some(limits) = measured else { return Ok(()) };
    print(&format!("\n{}", limits.text().trim_end()))?;
    if let Some(path) = limits_file::keep(&limits, args.limits.as_deref())? {
        print(&format!("limits       kept for later runs in {}", path.display()))?;
    }
    Ok(())
}

/// The names of all probes, and what each plants.
fn list() -> String {
    let lines = probes::all().map(|probe| format!("{:20} {}", probe.name, probe.plants));
    let limits = format!("{LIMITS:20} nothing: measures what the generator itself can do here");
    lines.chain([limits]).collect::<Vec<_>>().join("\n")
}

/// The probe as a whole: the worst of its rows.
fn worst(rows: &[ProbeRow]) -> ProbeVerdict {
    let order = [ProbeVerdict::NotFound, ProbeVerdict::NotPlanted, ProbeVerdict::Inconclusive];
    let has = |verdict: &ProbeVerdict| rows.iter().any(|row| row.verdict == *verdict);
    order.into_iter().find(has).unwrap_or(ProbeVerdict::Found)
}

/// How many probes came to what, and what was not found.
fn told(rows: &[ProbeRow]) -> String {
    let probes: Vec<&[ProbeRow]> = rows.chunk_by(|a, b| a.probe == b.probe).collect();
    let of = |verdict| probes.iter().filter(|rows| worst(rows) == verdict).count();
    let found = of(ProbeVerdict::Found);
    let mut text = format!("{found} of {} probes found what was planted", probes.len());
    for (verdict, words) in [
        (ProbeVerdict::NotFound, "not found"),
        (ProbeVerdict::NotPlanted, "not planted"),
        (ProbeVerdict::Inconclusive, "inconclusive (the generator was the limit)"),
    ] {
        let names = probes.iter().filter(|rows| worst(rows) == verdict).map(|rows| rows[0].probe);
        let names: Vec<&str> = names.collect();
        if !names.is_empty() {
            text.push_str(&format!("\n{words}: {}", names.join(", ")));
        }
    }
    text
}

/// 0 only where everything was found. What is not known was not found either, but is no fault of the detectors.
fn exit_of(rows: &[ProbeRow]) -> Exit {
    match worst(rows) {
        ProbeVerdict::Found => Exit::Good,
        ProbeVerdict::Inconclusive => Exit::Invalid,
        ProbeVerdict::NotFound | ProbeVerdict::NotPlanted => Exit::Missed,
    }
}

/// A line a probe on stderr; on a terminal it is there while the probe runs.
struct Progress {
    quiet: bool,
    title: String,
    began: clock::Instant,
}

impl Progress {
    fn begin(quiet: bool, title: String) -> Self {
        if !quiet && std::io::stderr().is_terminal() {
            let mut err = std::io::stderr().lock();
            // As well as it goes.
            let _ = write!(err, "{title} …\r");
            let _ = err.flush();
        }
        Self { quiet, title, began: clock::now() }
    }

    fn end(self, rows: &[ProbeRow]) {
        if !self.quiet {
            let took: Duration = clock::now().saturating_duration_since(self.began);
            let (words, seconds) = (worst(rows).words(), took.as_secs_f64());
            say(&format!("{} {words}, {seconds:.1} s", self.title));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::selftest::SeenBy;

    fn row(probe: &'static str, verdict: ProbeVerdict) -> ProbeRow {
        let (unit, seen_by) = (ProbeUnit::Count, SeenBy::Report);
        let (planted, found, low, high) = (1.0, Some(1.0), 1.0, 1.0);
        ProbeRow { probe, what: "x", unit, planted, found, low, high, seen_by, verdict }
    }

    #[test]
    fn only_when_all_is_found_it_is_good() {
        let found = row("a", ProbeVerdict::Found);
        for (verdict, exit) in [
            (ProbeVerdict::Found, Exit::Good),
            (ProbeVerdict::NotFound, Exit::Missed),
            (ProbeVerdict::NotPlanted, Exit::Missed),
            (ProbeVerdict::Inconclusive, Exit::Invalid),
        ] {
            assert_eq!(exit_of(&[found.clone(), row("b", verdict)]), exit);
        }
        let both = [row("a", ProbeVerdict::Inconclusive), row("b", ProbeVerdict::NotFound)];
        assert_eq!(exit_of(&both), Exit::Missed);
    }

    #[test]
    fn what_was_not_found_is_named() {
        let rows = [
            row("a", ProbeVerdict::Found),
            row("b", ProbeVerdict::Found),
            row("b", ProbeVerdict::NotFound),
            row("c", ProbeVerdict::NotPlanted),
        ];
        let want = "1 of 3 probes found what was planted\nnot found: b\nnot planted: c";
        assert_eq!(told(&rows), want);
    }
}
