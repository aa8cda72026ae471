//! Markdown for a job summary or a comment: verdict and thresholds first, then rates, steps, replies, outcomes, notes.

use std::fmt::Write as _;

use super::record::{Record, TargetRecord};
use super::text::{decimal, grouped, interval_of, percent, share_words, threshold_value, time};
use super::{judged, load};
use crate::measure::outcome::{Clock, Fate, Outcome};
use crate::measure::summary::StepRow;
use crate::measure::validity::Verdict;
use crate::smtp::text::printable;
use crate::stats::share::Share;

/// Most rows of a table of replies or failures.
const ROWS_MAX: usize = 24;

/// A section a target.
#[must_use]
pub fn render(record: &Record) -> String {
    let mut out = String::new();
    for target in &record.targets {
        section(&mut out, record, target);
    }
    out
}

fn section(out: &mut String, record: &Record, target: &TargetRecord) {
    let summary = &target.summary;
    let (name, label) = (escape(&record.scenario.name), escape(&target.label()));
    let good = summary.validity.verdict == Verdict::Valid && summary.thresholds_met();
    let mark = if good { "✅" } else { "❌" };
    let _ = writeln!(out, "## {mark} {name} against {label}\n");
    let reasons: Vec<String> = summary.validity.reasons.iter().map(|text| escape(text)).collect();
    let why = if reasons.is_empty() { String::new() } else { format!(": {}", reasons.join("; ")) };
    let _ = writeln!(out, "**{}**{why}\n", summary.validity.verdict);
    if let Some(stopped) = &summary.stopped {
        let _ = writeln!(out, "Stopped: {}\n", escape(&stopped.to_string()));
    }
    if !summary.thresholds.is_empty() {
        out.push_str("| threshold | measured | |\n|---|---|---|\n");
        for row in &summary.thresholds {
            let (rule, value) = (escape(row.threshold.trim()), escape(&threshold_value(row)));
            let word = if row.passed { "pass" } else { "**FAIL**" };
            let _ = writeln!(out, "| {rule} | {value} | {word} |");
        }
        out.push('\n');
    }
    for total in &summary.totals {
        let window = summary.window.as_secs_f64();
        let rate = total.messages_per_s.map_or("-".to_owned(), decimal);
        let accepted = grouped(total.accepted_in_window);
        let _ = writeln!(out, "{rate} messages a second: {accepted} accepted in {window:.2} s.");
    }
    for line in load::arrival_words(&record.plan, summary) {
        let _ = writeln!(out, "{line}.");
    }
    out.push('\n');
    steps(out, &summary.steps);
    replies(out, target);
    outcomes(out, target);
    for note in &summary.notes {
        let _ = writeln!(out, "- {}; {}", escape(&note.what), escape(&note.advice));
    }
    let _ = writeln!(
        out,
        "\nsmtpbench {}, seed {}, {}\n",
        escape(&record.tool.version),
        record.seed,
        record.facts.started
    );
}

fn steps(out: &mut String, steps: &[StepRow]) {
    if steps.is_empty() {
        return;
    }
    out.push_str("| step | count | p50 | p95 | p99 | 95 % interval of p99 | max |\n");
    out.push_str("|---|--:|--:|--:|--:|---|--:|\n");
    for StepRow { step, clock, figures } in steps {
        let name = match clock {
            Clock::Service => escape(step),
            clock => format!("{} {}", escape(step), clock.name()),
        };
        let value = |one: Option<crate::measure::histogram::Estimate>| time(one.map(|e| e.value));
        let _ = writeln!(
            out,
            "| {name} | {} | {} | {} | {} | {} | {} |",
            grouped(figures.count + figures.overflow_count),
            value(figures.p50),
            value(figures.p95),
            value(figures.p99),
            interval_of(figures.p99),
            time(figures.us_max),
        );
    }
    out.push('\n');
}

fn replies(out: &mut String, target: &TargetRecord) {
    let mut rows = judged::replies(&target.summary);
    rows.sort_by_key(|row| row.outcome == Outcome::Accepted);
    if !rows.is_empty() {
        out.push_str(
            "| reply to | code | enhanced | outcome | count | share | text of the first |\n",
        );
        out.push_str("|---|---|---|---|--:|--:|---|\n");
    }
    for row in rows.iter().take(ROWS_MAX) {
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} | {} | {} | {} |",
            escape(&row.step),
            row.reply_code,
            row.enhanced_code.as_deref().unwrap_or("-"),
            row.outcome.name(),
            grouped(row.count),
            percent(row.share),
            peer(&row.sample_text),
        );
    }
    out.push('\n');
    let rows = judged::failures(&target.summary);
    if rows.is_empty() {
        return;
    }
    out.push_str(
        "| failure of | what | fault | count | detail of the first |\n|---|---|---|--:|---|\n",
    );
    for row in rows.iter().take(ROWS_MAX) {
        let (failure, fault) = (row.failure.name(), row.failure.fault().name());
        let (step, count) = (escape(&row.step), grouped(row.count));
        let _ = writeln!(out, "| {step} | {failure} | {fault} | {count} | {} |", peer(&row.detail));
    }
    out.push('\n');
}

fn outcomes(out: &mut String, target: &TargetRecord) {
    let books = &target.summary.accounting.messages;
    out.push_str("| message | count | share of attempted |\n|---|--:|---|\n");
    for fate in Fate::ALL {
        let count = books.fates.of(fate);
        if count > 0 || fate == Fate::Accepted {
            let share = Share::of(count, books.attempted);
            let share = share.map_or("-".to_owned(), |share| share_words(&share));
            let _ = writeln!(out, "| {} | {} | {share} |", fate.name(), grouped(count));
        }
    }
    let closes = if target.summary.accounting.closes { "closes" } else { "**does not close**" };
    let _ = writeln!(
        out,
        "\nAccounting {closes}: {} offered, {} not started, {} attempted.\n",
        grouped(books.offered),
        grouped(books.not_started),
        grouped(books.attempted)
    );
}

fn peer(text: &[u8]) -> String {
    escape(&printable(text))
}

/// Text in which Markdown and HTML find nothing of theirs.
fn escape(text: &str) -> String {
    let safe = printable_once(text);
    let mut out = String::with_capacity(safe.len());
    for c in safe.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            // A link or a mention would notify people.
            '@' => out.push_str("&#64;"),
            ':' => out.push_str("&#58;"),
            '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '(' | ')' | '#' | '!' | '|' | '~' => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
    }
    out
}

/// Text of ours has no control characters but may hold what the peer said, escaped already.
fn printable_once(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_peer_says_is_neither_a_table_nor_a_tag_nor_a_mention() {
        let said = peer(b"a|b <script>alert(1)</script> @team [x](http://y) `c`\r\n# d");
        assert_eq!(
            said,
            "a\\|b &lt;script&gt;alert\\(1\\)&lt;/script&gt; &#64;team \\[x\\]\\(http&#58;//y\\) \\`c\\`\\\\r\\\\n\\# d"
        );
    }
}
