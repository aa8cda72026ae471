//! `smtpbench check`: whether a scenario may be run.

use std::path::PathBuf;

use clap::Args;

use super::exit::{Exit, Stop};
use super::flags::{self, LoadFlags};
use super::print;
use crate::net::tls::TlsClient;
use crate::scenario::TargetSpec;

#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    /// The scenario file
    #[arg(value_name = "SCENARIO", required = true)]
    scenarios: Vec<PathBuf>,
}

/// Reads scenarios and reports every fault of all of them.
pub(super) fn check(args: &CheckArgs) -> Result<Exit, Stop> {
    let mut exit = Exit::Good;
    for path in &args.scenarios {
        match LoadFlags::default().scenario(Some(path)) {
            Ok(scenario) => {
                let tls = |target: &TargetSpec| TlsClient::new(&target.security, &target.url).err();
                if let Some(error) = scenario.targets.iter().find_map(tls) {
                    super::say(&format!("{}: {error}", path.display()));
                    exit = exit.or(Exit::Scenario);
                    continue;
                }
                flags::remark(&scenario);
                let count = |count: usize, what: &str| {
                    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
                };
                print(&format!(
                    "{}: good: {}, {}, {}",
                    path.display(),
                    count(scenario.scripts.len(), "script"),
                    count(scenario.mail.kinds.len(), "message kind"),
                    count(scenario.thresholds.len(), "threshold"),
                ))?;
            }
            Err(stop) => {
                super::say(&stop.to_string());
                exit = exit.or(stop.exit);
            }
        }
    }
    Ok(exit)
}
