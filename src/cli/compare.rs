//! `smtpbench compare`: whether candidates differ from a baseline. `run --baseline` compares at once.

use std::fs;
use std::path::{Path, PathBuf};

use clap::builder::FalseyValueParser;
use clap::{Args, ValueEnum};

use super::exit::{Exit, Stop};
use super::run::cannot_write;
use super::{colour, print, say};
use crate::report::comparison::{self, Comparison, Conclusion, Rules, Side};
use crate::report::folder::{FolderError, RunsFolder};
use crate::report::saved::Saved;
use crate::units::parse_share;

/// Most runs of a side.
const RUNS_MAX: usize = 1_000;
/// What a result folder has.
const MANIFEST: &str = "run.json";

#[derive(Debug, Args)]
pub(super) struct CompareArgs {
    /// Result folder of the baseline (or the run.json in it), or a folder with result folders of repeated runs in it
    #[arg(value_name = "BASELINE")]
    baseline: PathBuf,
    /// The same of what is compared with it; several are compared with it one by one
    #[arg(value_name = "CANDIDATE", required = true)]
    candidates: Vec<PathBuf>,
    #[command(flatten)]
    rules: RuleFlags,
    /// What goes to stdout
    #[arg(
        long,
        value_enum,
        value_name = "FORMAT",
        env = "SMTPBENCH_FORMAT",
        default_value = "text"
    )]
    format: Format,
    /// Folder for compare.csv, .md, .html, .json and .txt
    #[arg(long, value_name = "DIR", env = "SMTPBENCH_OUT")]
    out: Option<PathBuf>,
}

/// What counts as a difference, and what ends with a code of its own.
#[derive(Clone, Debug, Args)]
pub(super) struct RuleFlags {
    /// The smallest change of a time or rate that counts
    #[arg(long, value_name = "SHARE", env = "SMTPBENCH_MIN_EFFECT", default_value = "5%", value_parser = effect)]
    min_effect: f64,
    /// The smallest change of a share that counts, in points: 1% is from 99% to 98%
    #[arg(long, value_name = "POINTS", env = "SMTPBENCH_MIN_EFFECT_SHARE", default_value = "1%", value_parser = effect)]
    min_effect_share: f64,
    /// The metrics that are judged, as eod.p50 or messages_per_s: the fewer, the smaller a change that can be seen
    #[arg(long, value_name = "METRIC,…", env = "SMTPBENCH_ONLY", value_delimiter = ',')]
    only: Vec<String>,
    /// What ends with 91 (regression) or 95 (inconclusive)
    #[arg(
        long,
        value_enum,
        value_name = "WHAT,…",
        env = "SMTPBENCH_FAIL_ON",
        value_delimiter = ',',
        requires = "baseline"
    )]
    fail_on: Vec<FailOn>,
    /// Compare runs that may not be compared, and say so
    #[arg(long, env = "SMTPBENCH_FORCE", value_parser = FalseyValueParser::new())]
    force: bool,
}

/// A comparison right behind the run.
#[derive(Clone, Debug, Args)]
pub(super) struct AgainstFlags {
    /// Result folder, or folder of repeated runs, to compare with
    #[arg(long, value_name = "DIR", env = "SMTPBENCH_BASELINE")]
    baseline: Option<PathBuf>,
    #[command(flatten)]
    rules: RuleFlags,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum FailOn {
    /// A metric is worse, clear of zero and of the smallest change that counts
    Regression,
    /// A regression is neither shown nor ruled out
    Inconclusive,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Md,
    Html,
    Json,
    Csv,
}

fn effect(text: &str) -> Result<f64, String> {
    match parse_share(text) {
        Ok(share) if share < 1.0 => Ok(share),
        Ok(_) => Err("write a share below 100%".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// Compares and reports.
pub(super) fn compare(args: &CompareArgs) -> Result<Exit, Stop> {
    let baseline = read(&args.baseline)?;
    let mut comparisons = Vec::new();
    for path in &args.candidates {
        comparisons.extend(args.rules.compare(&baseline, &read(path)?)?);
    }
    let terminal = std::io::IsTerminal::is_terminal(&std::io::stdout());
    let folder = args.out.as_ref().map(|path| RunsFolder::create(path)).transpose();
    let folder = folder.map_err(|error| cannot_write(&error))?;
    if let Some(folder) = &folder {
        write(&comparisons, |name, bytes| folder.write(name, bytes))?;
    }
    print(render(&comparisons, args.format, colour(terminal)).trim_end())?;
    Ok(args.rules.exit(&comparisons))
}

fn render(comparisons: &[Comparison], format: Format, color: bool) -> String {
    let bytes = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    match format {
        Format::Text => {
            let blocks: Vec<String> =
                comparisons.iter().map(|one| comparison::text(one, color)).collect();
            blocks.join("\n")
        }
        Format::Md => comparison::markdown(comparisons),
        Format::Html => comparison::html(comparisons),
        Format::Json => bytes(comparison::json(comparisons)),
        Format::Csv => bytes(comparison::csv(comparisons)),
    }
}

/// Writes every format, by name.
fn write(
    comparisons: &[Comparison],
    mut to: impl FnMut(&str, &[u8]) -> Result<(), FolderError>,
) -> Result<(), Stop> {
    for (name, format) in [
        ("compare.csv", Format::Csv),
        ("compare.txt", Format::Text),
        ("compare.md", Format::Md),
        ("compare.html", Format::Html),
        ("compare.json", Format::Json),
    ] {
        let bytes = render(comparisons, format, false);
        to(name, bytes.as_bytes()).map_err(|error| cannot_write(&error))?;
    }
    Ok(())
}

/// Reads a result folder, or those in a folder.
fn read(path: &Path) -> Result<Side, Stop> {
    let name = path.display().to_string();
    let unreadable = |error: &dyn std::fmt::Display| Stop::new(Exit::Scenario, error.to_string());
    let one = path.is_file() || path.join(MANIFEST).exists();
    let mut paths = Vec::new();
    if !one && path.is_dir() {
        let entries =
            fs::read_dir(path).map_err(|error| unreadable(&format!("{name}: {error}")))?;
        paths = entries.flatten().map(|entry| entry.path()).collect();
        paths.retain(|path| path.join(MANIFEST).is_file());
        paths.sort();
    }
    if paths.is_empty() {
        paths.push(path.to_owned());
    }
    if paths.len() > RUNS_MAX {
        return Err(unreadable(&format!("{name}: over {RUNS_MAX} runs")));
    }
    let runs: Result<Vec<Saved>, _> = paths.iter().map(|path| Saved::read(path)).collect();
    Ok(Side { name, runs: runs.map_err(|error| unreadable(&error))? })
}

impl RuleFlags {
    fn rules(&self) -> Rules {
        Rules {
            min_effect: self.min_effect,
            min_points: self.min_effect_share,
            only: self.only.clone(),
        }
    }

    /// A comparison for each target that both have.
    ///
    /// # Errors
    /// When they may not be compared, unless that is forced; when a metric that is asked for is none of theirs.
    fn compare(&self, baseline: &Side, candidate: &Side) -> Result<Vec<Comparison>, Stop> {
        let pairs = comparison::targets(baseline, candidate);
        let names = format!("{} and {}", baseline.name, candidate.name);
        if pairs.is_empty() {
            return Err(Stop::new(
                Exit::Scenario,
                format!(
                    "{names} have no target in common\nname runs with a target of the same name"
                ),
            ));
        }
        let mut comparisons = Vec::new();
        for (first, second) in pairs {
            let known = comparison::known_metrics((baseline, first), (candidate, second));
            if let Some(strange) = self.only.iter().find(|name| !known.contains(name)) {
                let known = known.join(", ");
                let message = format!("--only: `{strange}` is no metric here\nknown: {known}");
                return Err(Stop::new(Exit::Usage, message));
            }
            let rules = self.rules();
            let one = Comparison::of((baseline, first), (candidate, second), &rules);
            if !self.force && !one.mismatches.is_empty() {
                return Err(refusal(&names, &one));
            }
            comparisons.push(one);
        }
        Ok(comparisons)
    }

    fn exit(&self, comparisons: &[Comparison]) -> Exit {
        let code = |comparison: &Comparison| match comparison.conclusion() {
            Conclusion::Regression if self.fail_on.contains(&FailOn::Regression) => {
                Exit::Regression
            }
            Conclusion::Inconclusive | Conclusion::NoVerdict
                if self.fail_on.contains(&FailOn::Inconclusive) =>
            {
                Exit::Inconclusive
            }
            _ => Exit::Good,
        };
        comparisons.iter().map(code).fold(Exit::Good, Exit::or)
    }
}

fn refusal(names: &str, comparison: &Comparison) -> Stop {
    let mut text = format!("error: {names} may not be compared");
    for one in &comparison.mismatches {
        text.push_str("\n  ");
        text.push_str(&one.words());
    }
    text.push_str(
        "\n  hint: compare valid runs of one scenario, under one load, of one version, on one machine; --force compares \
         these all the same",
    );
    Stop::rendered(Exit::Scenario, text)
}

impl AgainstFlags {
    /// Reads the baseline, if there is one: before any packet is sent.
    pub(super) fn read(&self) -> Result<Option<Side>, Stop> {
        self.baseline.as_deref().map(read).transpose()
    }

    /// Compares the runs in `folder` with `baseline`, if there is one, and leaves the files beside them. The code is that of
    /// the comparison alone.
    pub(super) fn judge(
        &self,
        baseline: Option<&Side>,
        folder: &Path,
        write_to: impl FnMut(&str, &[u8]) -> Result<(), FolderError>,
    ) -> Result<Exit, Stop> {
        let Some(baseline) = baseline else { return Ok(Exit::Good) };
        let comparisons = match read(folder).and_then(|side| self.rules.compare(baseline, &side)) {
            Ok(comparisons) => comparisons,
            Err(stop) => {
                // The run's own code may be a stronger one.
                say(&stop.to_string());
                return Ok(stop.exit);
            }
        };
        write(&comparisons, write_to)?;
        let terminal = std::io::IsTerminal::is_terminal(&std::io::stdout());
        let text = render(&comparisons, Format::Text, colour(terminal));
        print(&format!("\n{}", text.trim_end()))?;
        Ok(self.rules.exit(&comparisons))
    }
}
