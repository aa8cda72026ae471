//! How near a run came to what the generator sends at best: a question of all its targets together.

use super::note::{Note, Remark};
use super::summary::Summary;
use super::tables::per_second;
use crate::plan::Plan;
use crate::scenario::target::TargetUrl;

/// A rate of this share of the generator's ceiling is near it.
const NEAR: f64 = 0.8;

/// A target that was reached.
#[derive(Debug)]
pub struct Side<'a> {
    /// Its plan.
    pub plan: &'a Plan,
    /// What was measured of it; gets the remark.
    pub summary: &'a mut Summary,
}

/// Remarks on it where the targets of a run came near to `ceiling`: the messages a second that so many workers send at
/// best. Targets that take turns have the generator for themselves meanwhile, others share it. It is no news where the
/// sink inside was the target.
pub fn remark(sides: &mut [Side<'_>], ceiling: impl Fn(usize) -> f64) {
    let together = sides.iter().filter(|side| side.plan.turns.is_none());
    let (mut rate, mut workers, mut targets) = (0.0, 0, 0);
    for side in together {
        rate += side.rate();
        workers += side.plan.workers;
        targets += 1;
    }
    for side in sides {
        let (rate, workers, targets) = match side.plan.turns {
            Some(_) => (side.rate(), side.plan.workers, 1),
            None => (rate, workers, targets),
        };
        let ceiling = ceiling(workers);
        let mut urls = side.plan.targets.iter().map(|target| &target.url);
        if rate >= NEAR * ceiling && !urls.any(|url| *url == TargetUrl::Embedded) {
            let note = Note::NearCeiling { rate, ceiling, targets };
            side.summary.notes.push(Remark::from(&note));
        }
    }
}

impl Side<'_> {
    /// Accepted messages a second, of a ramp on average.
    fn rate(&self) -> f64 {
        let accepted = self.summary.totals.iter().map(|row| row.accepted_in_window).sum();
        per_second(accepted, self.summary.window).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::clock::Duration;
    use crate::measure::collector::Collector;
    use crate::measure::layout::Layout;
    use crate::measure::testing::plan;
    use crate::measure::validity::EndOfRun;
    use crate::schedule::blocks::Turns;

    const SECOND: Duration = Duration::from_secs(1);

    /// Targets with so many messages a second each, and which of them get what remark under a ceiling of 100 a worker.
    #[track_caller]
    fn check(rates: [u64; 2], prepare: fn(usize, &mut Plan), want: [&str; 2]) {
        let mut plans = [plan(&["submit"], Vec::new()), plan(&["submit"], Vec::new())];
        let mut summaries = plans.each_mut().map(|plan| {
            let layout = Arc::new(Layout::new(plan));
            let collector = Collector::new(layout, plan.interval, 1);
            collector.summary(plan, &EndOfRun::finished(10 * SECOND, 10 * SECOND))
        });
        for (index, (plan, summary)) in plans.iter_mut().zip(&mut summaries).enumerate() {
            prepare(index, plan);
            plan.workers = 1;
            summary.notes.clear();
            summary.window = 2 * SECOND;
            summary.totals[0].accepted_in_window = 2 * rates[index];
        }
        let sides = plans.iter().zip(&mut summaries);
        let mut sides: Vec<Side<'_>> =
            sides.map(|(plan, summary)| Side { plan, summary }).collect();
        remark(&mut sides, |workers| if workers == 1 { 100.0 } else { 200.0 });
        let told = summaries.each_ref().map(|summary| {
            let notes: Vec<&str> = summary.notes.iter().map(|note| &*note.what).collect();
            notes.join("\n")
        });
        let head = told.each_ref().map(|text| text.split(" of what").next().unwrap_or_default());
        assert_eq!(head, want);
    }

    #[test]
    fn targets_at_the_same_time_share_the_generator() {
        let both = "160 messages a second to the 2 targets together are 80 %";
        check([100, 60], |_, _| (), [both, both]);
        check([99, 60], |_, _| (), ["", ""]);
    }

    #[test]
    fn targets_that_take_turns_have_it_for_themselves() {
        let turns = |index: usize, plan: &mut Plan| {
            plan.turns = Some(Turns::new(42, Duration::from_secs(1), index, 2));
        };
        check([79, 80], turns, ["", "80 messages a second are 80 %"]);
    }

    #[test]
    fn the_sink_inside_is_no_news_but_takes_its_part() {
        let embedded = |index: usize, plan: &mut Plan| {
            if index == 0 {
                plan.targets[0].url = TargetUrl::Embedded;
            }
        };
        let both = "180 messages a second to the 2 targets together are 90 %";
        check([170, 10], embedded, ["", both]);
    }
}
