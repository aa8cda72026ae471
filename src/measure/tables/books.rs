//! Rows of `outcomes.csv`, and the check that the books close.

use crate::measure::accounting::{self, Accounting, Balance, Books};
use crate::measure::collector::Collector;
use crate::measure::intervals::IntervalCounts;
use crate::measure::outcome::Fate;
use crate::measure::summary::{MailUnit, OutcomeRow};
use crate::measure::tally::{ArrivalTally, FateCounts, MessageTally};
use crate::measure::validity::{EndOfRun, RunState};
use crate::stats::share::Share;

/// Messages that were not started belong to no script yet: to the only one where there is one, else to rows
/// without a script. So every column adds up over the rows.
pub(super) fn outcomes(collector: &Collector, end: &EndOfRun) -> Vec<OutcomeRow> {
    let layout = &*collector.layout;
    let one_script = layout.scripts().len() == 1;
    let mut rows = Vec::new();
    for (index, tally) in collector.messages.iter().enumerate() {
        let (stage, script) = collector.script_parts(index);
        let waiting =
            if one_script { not_started(collector, stage, end) } else { Waiting::default() };
        let stage = &layout.stages()[usize::from(stage)];
        let script = Some(layout.scripts()[usize::from(script)].as_str());
        let (messages, recipients) = balances(tally, waiting);
        outcome_rows(layout.target(), stage, script, MailUnit::Message, &messages, &mut rows);
        outcome_rows(layout.target(), stage, script, MailUnit::Recipient, &recipients, &mut rows);
    }
    for stage in layout.stage_indices().filter(|_| !one_script) {
        let waiting = not_started(collector, stage, end);
        if waiting == Waiting::default() {
            continue;
        }
        let stage = &layout.stages()[usize::from(stage)];
        let (messages, recipients) = balances(&MessageTally::default(), waiting);
        for (unit, balance) in [(MailUnit::Message, messages), (MailUnit::Recipient, recipients)] {
            let first = rows.len();
            outcome_rows(layout.target(), stage, None, unit, &balance, &mut rows);
            // Offered and not started; nothing else can be said of them.
            rows.truncate(first + 2);
        }
    }
    rows
}

fn outcome_rows(
    target: &str,
    stage: &str,
    script: Option<&str>,
    unit: MailUnit,
    balance: &Balance,
    rows: &mut Vec<OutcomeRow>,
) {
    let offered = Some(balance.offered);
    let mut push = |outcome: &'static str, count: u64, base: Option<u64>| {
        rows.push(OutcomeRow {
            target: target.to_owned(),
            stage: stage.to_owned(),
            script: script.map(str::to_owned),
            unit,
            outcome,
            count,
            base,
            share: base.and_then(|base| Share::of(count, base)),
        });
    };
    push("offered", balance.offered, None);
    push("not_started", balance.not_started, offered);
    push("attempted", balance.attempted, offered);
    for fate in Fate::ALL {
        push(fate.name(), balance.fates.of(fate), Some(balance.attempted));
    }
}

/// Messages and recipients of a stage that were offered and not started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Waiting {
    messages: u64,
    recipients: u64,
}

fn not_started(collector: &Collector, stage: u8, end: &EndOfRun) -> Waiting {
    let arrivals = collector.stage_tally(&[stage]).arrivals;
    let mut waiting = Waiting {
        messages: arrivals.messages_not_started,
        recipients: arrivals.recipients_not_started,
    };
    for bound in end.bounds.iter().filter(|bound| bound.stage == stage) {
        waiting.messages += bound.messages_not_started;
        waiting.recipients += bound.recipients_not_started;
    }
    waiting
}

/// Messages and recipients of a tally and what was not started.
fn balances(tally: &MessageTally, waiting: Waiting) -> (Balance, Balance) {
    let balance = |attempted: u64, not_started: u64, fates: FateCounts| Balance {
        offered: attempted + not_started,
        not_started,
        attempted,
        fates,
    };
    (
        balance(tally.attempted, waiting.messages, tally.fates),
        balance(tally.recipients_attempted, waiting.recipients, tally.recipient_fates),
    )
}

pub(super) fn books(collector: &Collector, judged: &[u8], end: &EndOfRun) -> Accounting {
    let layout = &*collector.layout;
    let name = |stage: u8| layout.stages()[usize::from(stage)].as_str();
    let tallies = collector.messages.iter().enumerate().map(|(index, tally)| {
        let (stage, script) = collector.script_parts(index);
        (name(stage), layout.scripts()[usize::from(script)].as_str(), tally)
    });
    let intervals = layout.stage_indices().map(|stage| {
        let mut sum = IntervalCounts::default();
        for (_, _, counts) in collector.rows.iter().filter(|(_, of, _)| *of == stage) {
            sum.add(counts);
        }
        (name(stage), sum.started, sum.fates)
    });
    let mut waiting = Waiting::default();
    for stage in judged {
        let of_stage = not_started(collector, *stage, end);
        waiting.messages += of_stage.messages;
        waiting.recipients += of_stage.recipients;
    }
    let (messages, recipients) = balances(&collector.stage_messages(judged), waiting);
    // What a plan had, and what was counted of it.
    let mut plans: Vec<(&str, u64, u64)> = Vec::new();
    for bound in &end.bounds {
        let attempted = collector.stage_messages(&[bound.stage]).attempted;
        plans.push((name(bound.stage), bound.planned, attempted + bound.messages_not_started));
    }
    for stage in layout.stage_indices() {
        let arrivals = collector.stage_tally(&[stage]).arrivals;
        if arrivals.due > 0 {
            let attempted = collector.stage_messages(&[stage]).attempted;
            plans.push((name(stage), arrivals.messages, attempted + arrivals.messages_not_started));
        }
    }
    let arrivals = layout.stage_indices().map(|stage| {
        let ArrivalTally { due, started, dropped, shed, left, capped, .. } =
            collector.stage_tally(&[stage]).arrivals;
        (name(stage), due, started + dropped + shed + left + capped)
    });
    accounting::check(&Books {
        tallies: tallies.collect(),
        intervals: intervals.collect(),
        messages,
        plans,
        arrivals: arrivals.collect(),
        recipients,
        ended: end.state != RunState::Running,
    })
}
