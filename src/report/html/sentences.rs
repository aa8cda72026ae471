//! The three sentences that a report opens with: how much the target took, which step cost it, what broke first.

use super::super::judged;
use super::super::text::{decimal, grouped, percent, threshold_value, time};
use crate::measure::outcome::{Clock, Fate, Outcome};
use crate::measure::summary::{IntervalRow, StepRow, Summary};
use crate::smtp::text::printable;
use crate::stats::binomial::as_f64;

/// Steps that are part of a transaction.
const OUTSIDE: [&str; 11] = [
    "connect",
    "greeting",
    "ehlo",
    "helo",
    "lhlo",
    "starttls",
    "tls",
    "tls_resumed",
    "auth",
    "quit",
    "unsolicited",
];

/// The three.
pub(super) fn of(label: &str, summary: &Summary) -> [String; 3] {
    [took(label, summary), cost(summary), broke(summary)]
}

fn took(label: &str, summary: &Summary) -> String {
    let books = &summary.accounting.messages;
    let share = match summary.totals.first().and_then(|total| total.accepted) {
        Some(share) => format!(
            "{} of the {} messages that were attempted",
            percent(share.value),
            grouped(books.attempted)
        ),
        None => return format!("Nothing was attempted at {label}."),
    };
    let window = summary.window.as_secs_f64();
    match summary.totals.first().and_then(|total| total.messages_per_s) {
        Some(rate) => {
            format!("{label} took {} messages a second over {window:.1} s: {share}.", decimal(rate))
        }
        None => format!("{label} took {share}, in {window:.1} s."),
    }
}

/// The steps of transactions with the time that they took in all, the longest first.
pub(super) fn costs(summary: &Summary) -> Vec<(&StepRow, f64)> {
    let inside = |row: &&StepRow| {
        let whole = row.step == "transaction" || row.step == "session";
        row.clock == Clock::Service && !whole && !OUTSIDE.contains(&row.step.as_str())
    };
    let rows = summary.steps.iter().filter(inside);
    let mut costs: Vec<(&StepRow, f64)> = rows
        .filter_map(|row| Some((row, as_f64(row.figures.us_mean?) * as_f64(row.figures.count))))
        .collect();
    costs.sort_by(|a, b| b.1.total_cmp(&a.1));
    costs
}

fn cost(summary: &Summary) -> String {
    let costs = costs(summary);
    let all: f64 = costs.iter().map(|(_, us)| us).sum();
    match costs.first() {
        Some((row, us)) if all > 0.0 => {
            let figures = &row.figures;
            let median = time(figures.p50.map(|p50| p50.value));
            let p99 =
                figures.p99.map_or(String::new(), |p99| format!(", p99 {}", time(Some(p99.value))));
            format!(
                "Of the time of its transactions {} went to {} (median {median}{p99}).",
                percent((us / all * 1000.0).round() / 1000.0),
                row.step
            )
        }
        _ => "No step of a transaction was accepted.".to_owned(),
    }
}

/// The first interval with a message that was not accepted, and what there was most of.
fn broke(summary: &Summary) -> String {
    const BAD: [Fate; 4] = [Fate::Rejected, Fate::Deferred, Fate::Failed, Fate::InDoubt];
    let bad = |row: &IntervalRow| -> u64 { BAD.iter().map(|fate| row.fates.of(*fate)).sum() };
    let judged = |row: &&IntervalRow| summary.judged_stages.contains(&row.stage);
    if let Some(first) = summary.intervals.iter().filter(judged).find(|row| bad(row) > 0) {
        let fates: Vec<String> = BAD
            .iter()
            .filter(|fate| first.fates.of(**fate) > 0)
            .map(|fate| {
                format!("{} {}", grouped(first.fates.of(*fate)), fate.name().replace('_', " "))
            })
            .collect();
        let replies = judged::replies(summary);
        let refusals = replies.iter().filter(|row| row.outcome != Outcome::Accepted);
        let most = refusals.max_by_key(|row| row.count).map_or(String::new(), |row| {
            let text: String = printable(&row.sample_text).chars().take(80).collect();
            format!(
                "; the most frequent refusal in all is {} at {} (“{text}”)",
                row.reply_code, row.step
            )
        });
        return format!(
            "The first messages that did not get through did so {:.0} s into the run: {}{most}.",
            first.second,
            fates.join(", ")
        );
    }
    if let Some(row) = summary.thresholds.iter().find(|row| !row.passed) {
        let rule = printable(row.threshold.trim().as_bytes());
        return format!(
            "No message was lost or refused, but `{rule}` was missed: {}.",
            threshold_value(row)
        );
    }
    match judged::failures(summary).first() {
        Some(row) => format!(
            "No message was lost or refused; sessions had failures, as {} at {}.",
            row.failure.name().replace('_', " "),
            row.step
        ),
        None => "Nothing broke.".to_owned(),
    }
}
