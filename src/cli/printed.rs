//! What the program says of itself: schemas, completions, manual pages.

use clap::{Args, CommandFactory as _, ValueEnum};

use super::exit::{Exit, Stop};
use super::{Cli, print};
use crate::report::document;
use crate::scenario::schema;

#[derive(Debug, Args)]
pub(super) struct SchemaArgs {
    /// Of what
    #[arg(value_enum, default_value_t = Subject::Scenario)]
    subject: Subject,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Subject {
    /// Scenario files
    Scenario,
    /// What `report --format json` prints
    Report,
}

#[derive(Debug, Args)]
pub(super) struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    shell: clap_complete::Shell,
}

#[derive(Debug, Args)]
pub(super) struct ManArgs {
    /// A command, as `run`; without one the page of the program
    #[arg(value_name = "COMMAND")]
    command: Option<String>,
}

/// Prints a schema.
pub(super) fn schema(args: &SchemaArgs) -> Result<Exit, Stop> {
    let text = match args.subject {
        Subject::Scenario => serde_json::to_string_pretty(&schema::schema())
            .map_err(|error| Stop::new(Exit::Bug, error.to_string()))?,
        Subject::Report => document::schema().to_owned(),
    };
    print(text.trim_end())?;
    Ok(Exit::Good)
}

/// Prints completions.
pub(super) fn completions(args: &CompletionsArgs) -> Result<Exit, Stop> {
    let mut bytes = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "smtpbench", &mut bytes);
    print(String::from_utf8_lossy(&bytes).trim_end())?;
    Ok(Exit::Good)
}

/// Prints a manual page.
pub(super) fn man(args: &ManArgs) -> Result<Exit, Stop> {
    let mut cli = Cli::command();
    cli.build();
    let command = match &args.command {
        None => cli,
        Some(name) => cli
            .find_subcommand(name)
            .ok_or_else(|| {
                Stop::new(
                    Exit::Usage,
                    format!("`{name}` is no command\n`smtpbench --help` lists them"),
                )
            })?
            .clone(),
    };
    let mut bytes = Vec::new();
    clap_mangen::Man::new(command)
        .render(&mut bytes)
        .map_err(|error| Stop::new(Exit::Bug, error.to_string()))?;
    print(String::from_utf8_lossy(&bytes).trim_end())?;
    Ok(Exit::Good)
}
