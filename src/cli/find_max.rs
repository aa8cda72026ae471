//! `smtpbench find-max`: the highest rate that holds the thresholds, confirmed.

use std::path::PathBuf;

use clap::Args;

use super::exit::{Exit, Stop};
use super::flags::LoadFlags;
use super::print;
use super::trials::{StartRate, Trial, TrialFlags, Trials, start_rate};
use crate::measure::validity::Verdict;
use crate::report::trials::{TrialRow, find_max_csv, in_words, short};
use crate::scenario::Scenario;
use crate::scenario::fault::Faults;
use crate::scenario::threshold::{Metric, RuleNames, parse_threshold};
use crate::schedule::search::{Bounds, Ending, Next, PRECISION_MAX, PRECISION_MIN, Search};
use crate::units::{RATE_MAX, parse_share};

/// Holds in every trial, unless the scenario has a rule on the same: what was not started was not borne.
const ACHIEVED: &str = "achieved_rate > 99%";
/// How often a trial is repeated in which the generator was the limit: on a busy machine that passes.
const REPEATS_MAX: u32 = 2;

#[derive(Debug, Args)]
pub(super) struct FindMaxArgs {
    /// The scenario file; its rate is where the search starts, its length that of a trial
    #[arg(value_name = "SCENARIO")]
    scenario: PathBuf,
    #[command(flatten)]
    load: LoadFlags,
    /// How near the rate that held and the one that did not have to be
    #[arg(long, value_name = "SHARE", env = "SMTPBENCH_PRECISION", default_value = "2%", value_parser = precision)]
    precision: f64,
    /// The highest rate that is tried, a second
    #[arg(long, value_name = "N", env = "SMTPBENCH_MAX_RATE", default_value_t = RATE_MAX, hide_default_value = true, value_parser = rate_max)]
    max_rate: f64,
    #[command(flatten)]
    trials: TrialFlags,
}

fn precision(text: &str) -> Result<f64, String> {
    match parse_share(text) {
        Ok(share) if (PRECISION_MIN..=PRECISION_MAX).contains(&share) => Ok(share),
        Ok(_) => Err("write a share from 0.1% to 50%".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

fn rate_max(text: &str) -> Result<f64, &'static str> {
    match text.parse() {
        Ok(rate) if rate > 0.0 && rate <= RATE_MAX => Ok(rate),
        _ => Err("write a number above 0 and up to 10000000"),
    }
}

/// Searches and reports.
pub(super) fn find_max(args: &FindMaxArgs) -> Result<Exit, Stop> {
    let mut scenario = args.load.scenario(Some(&args.scenario))?;
    let start = start_rate("find-max", &scenario, true)?;
    if start.per_s > args.max_rate {
        return Err(Stop::new(
            Exit::Usage,
            format!(
                "--max-rate {} is below the rate of {} where the search starts\n\
                 lower that: --rate, or `rate` under [load]",
                short(args.max_rate),
                short(start.per_s)
            ),
        ));
    }
    demand_achieved(&mut scenario);
    let mut trials = Trials::prepare("find-max", scenario, start.unit, &args.load, &args.trials)?;
    let bounds = Bounds { precision: args.precision, rate_max: args.max_rate };
    let found = Hunt::new(start, bounds).follow(&mut trials)?;
    found.print(&trials)
}

/// A rate that was not offered was not borne.
fn demand_achieved(scenario: &mut Scenario) {
    let said = scenario.thresholds.iter().any(|rule| rule.metric == Metric::AchievedRate);
    let names = RuleNames { steps: &scenario.steps, stages: None, scripts: None, targets: None };
    let rule = parse_threshold(ACHIEVED, None, &names, &mut Faults::default());
    scenario.thresholds.extend(rule.filter(|_| !said));
}

/// A search under way.
struct Hunt {
    search: Search,
    done: Vec<(TrialRow, &'static str)>,
    /// What ended it before its end.
    cut: Option<Exit>,
    /// Trials in a row that the generator limited.
    limited: u32,
    /// Why the last trial may not be believed.
    reasons: Vec<String>,
}

impl Hunt {
    fn new(start: StartRate, bounds: Bounds) -> Self {
        let search = Search::new(start.per_s, bounds);
        Self { search, done: Vec::new(), cut: None, limited: 0, reasons: Vec::new() }
    }

    /// Runs trials to the end of the search, or until something ends it.
    fn follow(mut self, trials: &mut Trials<'_>) -> Result<Self, Stop> {
        while let (Next::Trial { rate, confirms }, None) = (self.search.next(), self.cut) {
            let number = self.done.len() + 1;
            let Some(trial) = trials.run(&format!("trial-{number}"), rate)? else {
                self.cut = trials.interrupted();
                break;
            };
            self.learn(&trial);
            self.done.push((trial.row, if confirms { "confirm" } else { "search" }));
            trials.write("find-max.csv", &find_max_csv(&self.done))?;
        }
        Ok(self)
    }

    fn learn(&mut self, trial: &Trial) {
        self.reasons.clone_from(&trial.reasons);
        if let Some(exit) = trial.ends() {
            self.cut = Some(exit);
        } else if trial.row.validity == Verdict::GeneratorLimited {
            // It says nothing of the server, neither way.
            self.limited += 1;
            if self.limited > REPEATS_MAX {
                self.cut = Some(Exit::Invalid);
            }
        } else {
            self.limited = 0;
            self.search.feed(trial.row.holds());
        }
    }

    fn print(&self, trials: &Trials<'_>) -> Result<Exit, Stop> {
        let plan = trials.plan();
        let url = plan.targets.first().map_or_else(String::new, |target| target.url.to_string());
        print(&format!("{} against {url}", plan.scenario.name))?;
        let count = match self.done.len() {
            1 => "1 trial".to_owned(),
            count => format!("{count} trials"),
        };
        print(&format!("{count}, seed {}\n", plan.identity.seed))?;
        let (exit, words) = self.outcome();
        print(&words)?;
        if self.cut == Some(Exit::Invalid) {
            self.reasons.iter().try_for_each(|reason| print(&format!("  {reason}")))?;
        }
        print("")?;
        self.side("held", "the last rate that held", self.search.held())?;
        self.side("missed", "the first that did not", self.search.missed())?;
        trials.sign()?;
        Ok(exit)
    }

    /// The code, and what came of it in words.
    fn outcome(&self) -> (Exit, String) {
        let rate = |rate: f64| match self.done.first() {
            Some((row, _)) => in_words(rate, row.unit),
            None => short(rate),
        };
        let known = match (self.search.held(), self.search.missed()) {
            (Some(held), _) => format!("{} held so far, unconfirmed", rate(held)),
            (None, Some(missed)) => format!("{} did not hold", rate(missed)),
            (None, None) => "nothing is known yet".to_owned(),
        };
        if let Some(cut) = self.cut {
            let why = match cut {
                Exit::Invalid => {
                    "the search ended: the generator was the limit, or a run was not whole, so the server may take more"
                }
                Exit::Unreachable => "the search ended: the target did not answer",
                _ => "the search was interrupted",
            };
            return (cut, format!("{why}; {known}"));
        }
        match self.search.next() {
            Next::End(Ending::Found(found)) => {
                (Exit::Good, format!("found: {}, which held twice", rate(found)))
            }
            Next::End(Ending::NothingMissed(found)) => (
                Exit::Good,
                format!("{} held twice, and nothing above was tried (--max-rate)", rate(found)),
            ),
            Next::End(Ending::NothingHeld) => (Exit::Missed, "no rate held".to_owned()),
            Next::End(Ending::NotConfirmed) => (
                Exit::Missed,
                "no rate held twice: the server's limit wavers, longer trials may help".to_owned(),
            ),
            Next::End(Ending::TooManyTrials) | Next::Trial { .. } => {
                (Exit::Missed, format!("too many trials without an end; {known}"))
            }
        }
    }

    /// The last trial at `rate` on one side of the limit.
    fn side(&self, verdict: &str, what: &str, rate: Option<f64>) -> Result<(), Stop> {
        let at = |row: &&(TrialRow, &str)| Some(row.0.rate) == rate && row.0.verdict() == verdict;
        let Some((row, _)) = self.done.iter().rev().find(at) else { return Ok(()) };
        print(&format!("{what:24} {} ({})", row.offered(), row.folder))?;
        print(&format!("{:24} {}", "", row.figures()))?;
        row.failed.iter().try_for_each(|failed| print(&format!("{:24} {failed}", "")))
    }
}
