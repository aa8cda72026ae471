//! Progress on stderr, from snapshots: a bar on a terminal, a plain line an interval elsewhere. It may miss one, and
//! never changes how the engine runs.

use std::io::{IsTerminal as _, Write as _};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::clock::Duration;
use crate::measure::collector::Progress;
use crate::measure::outcome::Fate;
use crate::plan::Plan;
use crate::units::Microseconds;

/// Shortest time between two plain lines: a log of a day's run stays readable.
const PLAIN_EVERY: Duration = Duration::from_secs(1);

/// What shows how a run is getting on.
#[derive(Debug)]
pub struct Live {
    display: Display,
    end: Option<Duration>,
    messages: Option<u64>,
    last_line: Option<Duration>,
}

#[derive(Debug)]
enum Display {
    Nothing,
    Lines,
    Bar(ProgressBar),
}

impl Live {
    /// Shows the run of `plan`; nothing if it is to be quiet.
    #[must_use]
    pub fn new(plan: &Plan, quiet: bool) -> Self {
        let ends: Option<Vec<Duration>> = plan.stages.iter().map(|stage| stage.end).collect();
        let end = ends.and_then(|ends| ends.into_iter().max());
        let messages = plan.messages();
        let display = if quiet {
            Display::Nothing
        } else if std::io::stderr().is_terminal() {
            // Progress is measured in thousandths: of the time, or of the messages, whichever is further.
            let bar = ProgressBar::with_draw_target(Some(1000), ProgressDrawTarget::stderr());
            let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
            let template = if plain {
                "{elapsed:>4} [{bar:16}] {wide_msg}"
            } else {
                "{elapsed:>4} [{bar:16.cyan}] {wide_msg}"
            };
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style.progress_chars("=> "));
            }
            Display::Bar(bar)
        } else {
            Display::Lines
        };
        Self { display, end, messages, last_line: None }
    }

    /// Shows `progress` at `elapsed` from the start of the run.
    pub fn update(&mut self, elapsed: Duration, progress: &Progress) {
        match &self.display {
            Display::Nothing => {}
            Display::Bar(bar) => {
                bar.set_position(self.thousandths(elapsed, progress));
                bar.set_message(self.line(elapsed, progress));
            }
            Display::Lines => {
                let due = self.last_line.is_none_or(|last| elapsed >= last + PLAIN_EVERY);
                if due {
                    self.last_line = Some(elapsed);
                    let line = self.line(elapsed, progress);
                    // A closed stderr is no reason to end a run.
                    let _ = writeln!(std::io::stderr().lock(), "{:>4}s  {line}", elapsed.as_secs());
                }
            }
        }
    }

    /// Takes the bar off the terminal.
    pub fn finish(&self) {
        if let Display::Bar(bar) = &self.display {
            bar.finish_and_clear();
        }
    }

    fn thousandths(&self, elapsed: Duration, progress: &Progress) -> u64 {
        let share = |done: u128, all: u128| done.saturating_mul(1000).checked_div(all).unwrap_or(0);
        let of_time = self.end.map_or(0, |end| share(elapsed.as_millis(), end.as_millis()));
        let done = u128::from(progress.fates.sum());
        let of_messages = self.messages.map_or(0, |all| share(done, u128::from(all)));
        u64::try_from(of_time.max(of_messages).min(1000)).unwrap_or(1000)
    }

    fn line(&self, elapsed: Duration, progress: &Progress) -> String {
        let of = |fate| progress.fates.of(fate);
        let rate = progress.accepted_per_s.map_or("-".to_owned(), |rate| format!("{rate:.0}"));
        let p99 = progress
            .eod_us_p99
            .map_or(String::new(), |us| format!("  eod p99 {}", Microseconds(us)));
        let failed = of(Fate::Failed) + of(Fate::InDoubt) + of(Fate::GeneratorFailed);
        let left = match (self.end, self.messages) {
            (Some(end), _) => {
                format!("  {}s left", end.saturating_sub(elapsed).as_secs_f64().ceil())
            }
            (None, Some(all)) => format!("  {} left", all.saturating_sub(progress.fates.sum())),
            (None, None) => String::new(),
        };
        let arrivals = &progress.arrivals;
        let waiting = match arrivals.due {
            0 => String::new(),
            due => format!("  due {due}, {} waiting", arrivals.waiting()),
        };
        format!(
            "{rate} msg/s{waiting}  {} sessions  accepted {}  4yz {}  5yz {}  failed {failed}{p99}{left}",
            progress.open_sessions,
            of(Fate::Accepted),
            of(Fate::Deferred),
            of(Fate::Rejected),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::testing;

    #[test]
    fn a_backlog_of_an_open_load_is_seen_while_it_grows() {
        let live = Live::new(&testing::plan(&["submit"], Vec::new()), true);
        let mut progress = Progress::default();
        let line = |progress: &Progress| live.line(Duration::from_secs(1), progress);
        assert!(!line(&progress).contains("waiting"), "a closed load has no plan");
        let arrivals = &mut progress.arrivals;
        (arrivals.due, arrivals.started, arrivals.shed) = (500, 380, 20);
        let line = line(&progress);
        assert!(line.contains("  due 500, 100 waiting  "), "{line}");
    }
}
