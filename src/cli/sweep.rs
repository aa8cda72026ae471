//! `smtpbench sweep`: one run a rate, and the curve of response time against load.

use std::path::PathBuf;

use clap::Args;

use super::exit::{Exit, Stop};
use super::flags::LoadFlags;
use super::print;
use super::trials::{TrialFlags, Trials, folder_of, start_rate};
use crate::report::trials::{TrialRow, sweep_csv, sweep_svg};
use crate::units::parse_rate;

/// Most rates of a sweep.
const RATES_MAX: usize = 100;

#[derive(Debug, Args)]
pub(super) struct SweepArgs {
    /// The scenario file; its load is run at each of the rates
    #[arg(value_name = "SCENARIO")]
    scenario: PathBuf,
    /// The rates, in what the scenario's is: messages or sessions a second
    #[arg(long, value_name = "N,N,…", env = "SMTPBENCH_RATES", required = true, value_delimiter = ',', value_parser = rate)]
    rates: Vec<f64>,
    #[command(flatten)]
    load: LoadFlags,
    #[command(flatten)]
    trials: TrialFlags,
}

fn rate(text: &str) -> Result<f64, String> {
    let last = text.trim().chars().next_back();
    if !last.is_some_and(|last| last.is_ascii_digit() || last == 'k' || last == 'M') {
        return Err(
            "write numbers a second: 50,100,1k; whether of messages or sessions says the scenario"
                .to_owned(),
        );
    }
    match parse_rate(&format!("{} messages/s", text.trim())) {
        Ok(rate) if rate.per_second > 0.0 => Ok(rate.per_second),
        Ok(_) => Err("must be above 0".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// Runs at every rate and draws the curve.
pub(super) fn sweep(args: &SweepArgs) -> Result<Exit, Stop> {
    let scenario = args.load.scenario(Some(&args.scenario))?;
    let start = start_rate("sweep", &scenario, false)?;
    check_rates(&args.rates)?;
    let mut trials = Trials::prepare("sweep", scenario, start.unit, &args.load, &args.trials)?;
    let name = trials.plan().scenario.name.clone();
    let (mut rows, mut exit): (Vec<TrialRow>, _) = (Vec::new(), Exit::Good);
    for rate in &args.rates {
        let Some(trial) = trials.run(&folder_of(*rate), *rate)? else { break };
        exit = exit.or(trial.exit);
        // Distress that the scenario respects: the next rate may be a higher one.
        let ends = trial.ends().is_some() || trial.exit == Exit::Distress;
        rows.push(trial.row);
        trials.write("sweep.csv", &sweep_csv(&rows))?;
        trials.write("sweep.svg", &sweep_svg(&name, &rows))?;
        if ends {
            break;
        }
    }
    let plan = trials.plan();
    print(&format!("{name} against {}", plan.targets[0].url))?;
    print(&format!("seed {}\n", plan.identity.seed))?;
    print(&TrialRow::table(&rows))?;
    trials.sign()?;
    Ok(trials.interrupted().map_or(exit, |interrupted| exit.or(interrupted)))
}

/// Each has a folder of its own.
fn check_rates(rates: &[f64]) -> Result<(), Stop> {
    if rates.len() > RATES_MAX {
        return Err(Stop::new(Exit::Usage, format!("--rates: over {RATES_MAX} of them")));
    }
    let mut names: Vec<String> = rates.iter().map(|rate| folder_of(*rate)).collect();
    names.sort_unstable();
    match names.windows(2).find(|two| two[0] == two[1]) {
        Some(two) => {
            let message =
                format!("--rates: `{}` twice\nname each rate once", &two[0]["rate-".len()..]);
            Err(Stop::new(Exit::Usage, message))
        }
        None => Ok(()),
    }
}
