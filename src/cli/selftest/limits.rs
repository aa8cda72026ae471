//! The generator's own limits on this machine: how fast a step can be at least, and how much goes out at most, against a
//! sink that does nothing else.

use super::bench::{Bench, Play, Played};
use super::probe::Setup;
use crate::cli::exit::{Exit, Stop};
use crate::cli::limits_file;
use crate::clock;
use crate::measure::outcome::Clock;
use crate::measure::summary::Summary;
use crate::report::generator_limits::{Ceiling, FloorStep, GeneratorLimits};

/// One session, command by command.
const FLOOR: &str = r#"
load = { sessions = 1, warmup = "200ms", for = "2s" }
[[messages]]
name = "small"
size = "1KiB"
[[scripts]]
name = "floor"
steps = '''
hello
transaction
  NOOP
  MAIL FROM:<{{sender}}>
  RCPT TO:<{{recipient}}>
  DATA
end
'''
"#;

/// As many sessions as keep a worker busy, with small messages.
const CEILING: &str = r#"
load = { sessions = 50, warmup = "300ms", for = "2s" }
[[messages]]
name = "small"
size = "1KiB"
"#;

/// That size in bytes.
const MESSAGE_BYTES: u64 = 1024;

/// The steps whose floor is told.
const STEPS: [&str; 3] = ["noop", "rcpt", "eod"];

/// Measures them; `None` where the user cut that short.
///
/// # Errors
/// When a run cannot be made, or says nothing.
pub(super) fn measure(bench: &Bench) -> Result<Option<GeneratorLimits>, Stop> {
    let workers = crate::cli::cores();
    let floor = run(bench, "floor", FLOOR, 1)?;
    let one = run(bench, "ceiling-1", CEILING, 1)?;
    let all = if workers > 1 { run(bench, "ceiling-all", CEILING, workers)? } else { one.clone() };
    if bench.interrupts.heard().is_some() {
        return Ok(None);
    }
    let ceiling = Ceiling {
        message_bytes: MESSAGE_BYTES,
        one_worker_messages_per_s: rate(&one)?,
        workers,
        all_workers_messages_per_s: rate(&all)?,
    };
    let steps = STEPS.iter().map(|step| floor_of(&floor, step)).collect::<Result<_, _>>()?;
    Ok(Some(GeneratorLimits::new(limits_file::host(), clock::wall(), steps, ceiling)))
}

fn run(bench: &Bench, name: &str, scenario: &str, workers: usize) -> Result<Summary, Stop> {
    let play = Play { name, folder: name, scenario, setup: Setup::Plain, workers: Some(workers) };
    let Played { summary, .. } = bench.play(&play)?;
    Ok(summary)
}

fn rate(summary: &Summary) -> Result<f64, Stop> {
    let rate = summary.totals.first().and_then(|total| total.messages_per_s);
    rate.filter(|rate| *rate > 0.0).ok_or_else(|| nothing("the ceiling"))
}

fn floor_of(summary: &Summary, step: &str) -> Result<FloorStep, Stop> {
    let rows = &mut summary.steps.iter();
    let figures = rows
        .find(|row| row.step == step && row.clock == Clock::Service)
        .map(|row| &row.figures)
        .ok_or_else(|| nothing(step))?;
    let (Some(p50), Some(p99)) = (figures.p50, figures.p99) else { return Err(nothing(step)) };
    let (us_p50, us_p99) = (p50.value, p99.value);
    Ok(FloorStep { step: step.to_owned(), count: figures.count, us_p50, us_p99 })
}

fn nothing(what: &str) -> Stop {
    Stop::new(
        Exit::Invalid,
        format!("too little was measured of {what}\nrun the self-test where less else runs"),
    )
}
