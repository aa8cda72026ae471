//! The command line of the bench, and its other roles: the processes that it measures beside the program.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use crate::bare::{self, Bare};
use crate::children::{AS, Outcome, cores};
use crate::costs;
use crate::null_sink;
use crate::rows::ROWS;
use crate::table::Table;

/// Rounds, unless somebody says otherwise.
const ROUNDS: usize = 5;

/// What the rows go by.
#[derive(Debug)]
pub(crate) struct Bench {
    pub(crate) rounds: usize,
    /// Everything once and tiny: does it still run?
    pub(crate) tiny: bool,
    /// Where generators run.
    pub(crate) core: usize,
    /// Another one, where there is one.
    pub(crate) other_core: usize,
    /// Results of the program go there, and are not looked at again.
    pub(crate) folder: tempfile::TempDir,
}

impl Bench {
    /// So many, or few where all is to be tiny.
    pub(crate) fn scaled(&self, count: u64) -> u64 {
        if self.tiny { (count / 100).max(20) } else { count }
    }

    /// Where the program may write the results of one more run.
    pub(crate) fn out(&self) -> Outcome<PathBuf> {
        Ok(tempfile::tempdir_in(self.folder.path())?.keep().join("results"))
    }
}

pub(crate) fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let ended = match arguments.as_slice() {
        [word, role, rest @ ..] if word == AS => act(role, rest),
        _ => measure(&arguments),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "{error}");
            ExitCode::FAILURE
        }
    }
}

/// One of the processes that are measured.
fn act(role: &str, arguments: &[String]) -> Outcome<()> {
    match role {
        "null-sink" => null_sink::serve()?,
        "bare" => {
            let [target, sessions, messages, size, per_session, slow] = arguments else {
                return Err("bare TARGET SESSIONS MESSAGES SIZE PER_SESSION SLOW".into());
            };
            bare::run(Bare {
                target: target.parse()?,
                sessions: sessions.parse()?,
                messages: messages.parse()?,
                size: size.parse()?,
                per_session: per_session.parse().ok(),
                slow: slow.parse()?,
            })?;
        }
        "engine" => costs::engine(arguments)?,
        _ => return Err(format!("no process is called {role}").into()),
    }
    Ok(())
}

fn measure(arguments: &[String]) -> Outcome<()> {
    let (mut rounds, mut tiny, mut raw, mut wanted) = (ROUNDS, false, None, Vec::new());
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            // Cargo says so.
            "--bench" => {}
            "--test" => (tiny, rounds) = (true, 1),
            "--rounds" => rounds = arguments.next().ok_or("--rounds N")?.parse()?,
            "--raw" => raw = Some(PathBuf::from(arguments.next().ok_or("--raw FILE")?)),
            row => wanted.push(row.to_owned()),
        }
    }
    let known = |word: &str| ROWS.iter().any(|row| row.answers(word));
    if let Some(unknown) = wanted.iter().find(|word| !known(word)) {
        let names: Vec<_> = ROWS.iter().map(|row| row.name).collect();
        return Err(format!("no row is called {unknown}: {}", names.join(", ")).into());
    }
    let cores = cores()?;
    let first = *cores.first().ok_or("no processor")?;
    let bench = Bench {
        rounds,
        tiny,
        core: first,
        other_core: *cores.get(1).unwrap_or(&first),
        folder: tempfile::tempdir()?,
    };
    let mut table = Table::begin(raw.as_deref())?;
    let mut faults = Vec::new();
    for row in ROWS {
        if !wanted.is_empty() && !wanted.iter().any(|word| row.answers(word)) {
            continue;
        }
        match (row.run)(&bench) {
            Ok(findings) => findings.iter().try_for_each(|finding| table.add(finding))?,
            Err(error) => {
                table.remark(row.name, "not measured: see below")?;
                faults.push(format!("{}: {error}", row.name));
            }
        }
    }
    if faults.is_empty() { Ok(()) } else { Err(faults.join("\n").into()) }
}
