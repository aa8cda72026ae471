//! The face: one file a subcommand. Nothing below this layer prints or exits.

mod check;
mod compare;
mod course;
mod exit;
mod find_max;
mod flags;
mod ground;
mod guard;
mod interrupt;
mod launch;
mod limits_file;
mod once;
mod plan;
mod preflight;
mod printed;
mod repeat;
mod report;
mod run;
mod selftest;
mod sink;
mod sweep;
mod target;
mod trials;

use std::io::Write as _;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Parser, Subcommand};

pub use exit::Exit;
use exit::{EXIT_CODES_HELP, Stop};

const EXAMPLES: &str = "\
Measures an SMTP server: a latency histogram for every command, reply codes beside it, and what became
of every message.

Try:
  smtpbench run                                    measure smtpbench itself against its built-in sink
  smtpbench run --target smtp://127.0.0.1:2525 --sessions 100 --for 10s --size 4KiB
  smtpbench run scenarios/quickstart.toml --target smtp://127.0.0.1:2525

`smtpbench --help` lists the commands.";

#[derive(Debug, Parser)]
#[command(version, about, after_help = EXIT_CODES_HELP, disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a scenario, or the quick form without one; results go to a folder of their own
    #[command(after_help = EXIT_CODES_HELP)]
    Run(run::RunArgs),
    /// Find the highest rate that holds the thresholds, confirmed
    #[command(after_help = EXIT_CODES_HELP)]
    FindMax(find_max::FindMaxArgs),
    /// Run a scenario at several rates: the curve of response time against load
    #[command(after_help = EXIT_CODES_HELP)]
    Sweep(sweep::SweepArgs),
    /// Compare result folders: differences with intervals, and a verdict
    #[command(after_help = EXIT_CODES_HELP)]
    Compare(compare::CompareArgs),
    /// Read a scenario and report every fault at once; no network
    Check(check::CheckArgs),
    /// Show what a run would do: schedule, sessions, ports, bytes, memory; no network
    Plan(plan::PlanArgs),
    /// Run one session and show what was said
    Once(once::OnceArgs),
    /// The built-in server, with chosen behaviour
    Sink(sink::SinkArgs),
    /// Plant known faults in the built-in sink and prove that the report finds each of them
    #[command(after_help = EXIT_CODES_HELP)]
    Selftest(selftest::SelftestArgs),
    /// Render saved runs again
    #[command(after_help = EXIT_CODES_HELP)]
    Report(report::ReportArgs),
    /// Print the JSON Schema of scenario files, or of the report format json
    Schema(printed::SchemaArgs),
    /// Print completions for a shell
    Completions(printed::CompletionsArgs),
    /// Print the manual page, or that of a command
    Man(printed::ManArgs),
}

/// Runs the program with the arguments of the process.
#[must_use]
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Printing help to a closed pipe is no reason to panic.
            let _ = error.print();
            return ExitCode::from(match error.kind() {
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Exit::Good.code(),
                _ => Exit::Usage.code(),
            });
        }
    };
    let result = std::panic::catch_unwind(move || match cli.command {
        None => print(EXAMPLES).map(|()| Exit::Good),
        Some(Command::Run(args)) => run::run(&args),
        Some(Command::FindMax(args)) => find_max::find_max(&args),
        Some(Command::Sweep(args)) => sweep::sweep(&args),
        Some(Command::Compare(args)) => compare::compare(&args),
        Some(Command::Check(args)) => check::check(&args),
        Some(Command::Plan(args)) => plan::plan(&args),
        Some(Command::Once(args)) => once::once(&args),
        Some(Command::Sink(args)) => sink::sink(args),
        Some(Command::Selftest(args)) => selftest::selftest(&args),
        Some(Command::Report(args)) => report::report(&args),
        Some(Command::Schema(args)) => printed::schema(&args),
        Some(Command::Completions(args)) => printed::completions(&args),
        Some(Command::Man(args)) => printed::man(&args),
    });
    let exit = match result {
        Ok(Ok(exit)) => exit,
        Ok(Err(stop)) => {
            say(&stop.to_string());
            stop.exit
        }
        Err(_) => {
            say("error: this is a bug in smtpbench\n  hint: please report it with the lines above");
            Exit::Bug
        }
    };
    ExitCode::from(exit.code())
}

/// Prints a line to stdout.
///
/// # Errors
/// When stdout is closed: [`Exit::Results`].
fn print(text: &str) -> Result<(), Stop> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}")
        .and_then(|()| out.flush())
        // Who reads the first lines only, as `head` does, has them.
        .or_else(|error| match error.kind() {
            std::io::ErrorKind::BrokenPipe => Ok(()),
            _ => Err(error),
        })
        .map_err(|error| Stop::new(Exit::Results, format!("stdout cannot be written: {error}")))
}

/// Processors that this process may use.
fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// Prints a line to stderr, as well as it goes.
fn say(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// Whether colours are wanted on a terminal (<https://no-color.org>).
fn colour(terminal: bool) -> bool {
    terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}
