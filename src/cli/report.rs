//! `smtpbench report`: saved runs rendered again, from their folders alone.

use std::fs;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::exit::{Exit, Stop};
use super::{colour, print};
use crate::report::record::Record;
use crate::report::saved::Saved;
use crate::report::{document, hgrm, html, junit, markdown, prometheus, text, trackers};

#[derive(Debug, Args)]
pub(super) struct ReportArgs {
    /// Result folders; several are laid over each other in html, and follow one another elsewhere
    #[arg(value_name = "DIR", required = true)]
    folders: Vec<PathBuf>,
    /// What to render
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// A file for it instead of stdout
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// What was measured, for history
    #[arg(long, value_name = "COMMIT", env = "SMTPBENCH_COMMIT", default_value = "")]
    commit: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// What run prints
    Text,
    /// Markdown, for a job summary or a comment
    Md,
    /// A summary for programs; `smtpbench schema report` describes it
    Json,
    /// JUnit XML: a test case a threshold
    Junit,
    /// A page with charts
    Html,
    /// Prometheus' text exposition; of one run
    Prometheus,
    /// Percentiles for HdrHistogram's plotters; of one run
    Hgrm,
    /// Bencher Metric Format
    Bencher,
    /// github-action-benchmark, customSmallerIsBetter
    GithubSmaller,
    /// github-action-benchmark, customBiggerIsBetter
    GithubBigger,
    /// CSV, a row a run, as Apache Otava reads it
    History,
}

/// Renders.
pub(super) fn report(args: &ReportArgs) -> Result<Exit, Stop> {
    let mut runs = Vec::new();
    for folder in &args.folders {
        let saved = Saved::read(folder);
        runs.push(saved.map_err(|error| Stop::new(Exit::Scenario, error.to_string()))?);
    }
    if matches!(args.format, Format::Prometheus | Format::Hgrm) && runs.len() > 1 {
        return Err(Stop::new(
            Exit::Usage,
            "this format is of one run\nrender one folder after the other".to_owned(),
        ));
    }
    let bytes = render(args, &runs);
    match &args.out {
        None => print(String::from_utf8_lossy(&bytes).trim_end())?,
        Some(path) => fs::write(path, bytes).map_err(|error| {
            let message = format!(
                "{} cannot be written: {error}\nname a file that can be written with --out",
                path.display()
            );
            Stop::new(Exit::Results, message)
        })?,
    }
    Ok(Exit::Good)
}

fn render(args: &ReportArgs, runs: &[Saved]) -> Vec<u8> {
    let records: Vec<&Record> = runs.iter().map(|run| &run.record).collect();
    let each = |render: &dyn Fn(&Record) -> String| {
        let texts: Vec<String> = records.iter().map(|record| render(record)).collect();
        texts.join("\n").into_bytes()
    };
    let terminal = args.out.is_none() && std::io::IsTerminal::is_terminal(&std::io::stdout());
    match args.format {
        Format::Text => each(&|record| text::render(record, colour(terminal))),
        Format::Md => each(&markdown::render),
        Format::Json => document::render(&records),
        Format::Junit => junit::render(&records).into_bytes(),
        Format::Html => html::render(runs).into_bytes(),
        Format::Prometheus => each(&prometheus::render),
        Format::Hgrm => runs.iter().map(hgrm::render).collect::<String>().into_bytes(),
        Format::Bencher => trackers::bencher(&records),
        Format::GithubSmaller => trackers::github(&records, false),
        Format::GithubBigger => trackers::github(&records, true),
        Format::History => trackers::history(&records, &args.commit),
    }
}
