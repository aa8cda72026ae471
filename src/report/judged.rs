//! The rows of the judged stages, added up over them: what a person is shown.

use crate::measure::summary::{FailureRow, ReplyRow, Summary};
use crate::stats::share::Share;

/// Replies, a row for each kind in a script.
pub(super) fn replies(summary: &Summary) -> Vec<ReplyRow> {
    let mut rows: Vec<ReplyRow> = Vec::new();
    let judged = summary.replies.iter().filter(|row| summary.judged_stages.contains(&row.stage));
    for row in judged {
        let kind = |row: &ReplyRow| {
            let codes = (row.reply_code, row.enhanced_code.clone(), row.outcome);
            (row.script.clone(), row.step.clone(), codes)
        };
        match rows.iter_mut().find(|known| kind(known) == kind(row)) {
            Some(known) => known.count += row.count,
            None => rows.push(row.clone()),
        }
    }
    let counts: Vec<(String, String, u64)> =
        rows.iter().map(|row| (row.script.clone(), row.step.clone(), row.count)).collect();
    for row in &mut rows {
        let of_step = counts
            .iter()
            .filter(|(script, step, _)| *script == row.script && *step == row.step)
            .map(|(.., count)| count);
        row.share = ratio(row.count, of_step.sum());
    }
    rows
}

/// What `row` is of all `rows` to the same step of the same script, with its interval.
pub(super) fn share(rows: &[ReplyRow], row: &ReplyRow) -> Option<Share> {
    let base = rows.iter().filter(|other| other.script == row.script && other.step == row.step);
    let base = base.map(|other| other.count);
    Share::of(row.count, base.fold(0, u64::saturating_add))
}

/// Failures, a row for each kind at a step.
pub(super) fn failures(summary: &Summary) -> Vec<FailureRow> {
    let mut rows: Vec<FailureRow> = Vec::new();
    let judged = summary.failures.iter().filter(|row| summary.judged_stages.contains(&row.stage));
    for row in judged {
        let same = |known: &&mut FailureRow| {
            known.script == row.script && known.step == row.step && known.failure == row.failure
        };
        match rows.iter_mut().find(same) {
            Some(known) => known.count += row.count,
            None => rows.push(row.clone()),
        }
    }
    rows
}

#[expect(clippy::cast_precision_loss, reason = "a share for the eye")]
fn ratio(part: u64, whole: u64) -> f64 {
    part as f64 / whole as f64
}
