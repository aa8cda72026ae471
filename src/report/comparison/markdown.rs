//! A comparison for a job summary or a pull request: Markdown as GitHub and GitLab render it.

use std::fmt::Write as _;

use super::{Comparison, Conclusion, words};
use crate::smtp::text::printable;

/// The comparisons, one block each.
#[must_use]
pub fn markdown(comparisons: &[Comparison]) -> String {
    let mut out = String::new();
    for comparison in comparisons {
        if !out.is_empty() {
            out.push('\n');
        }
        block(&mut out, comparison);
    }
    out
}

fn block(out: &mut String, comparison: &Comparison) {
    let sign = match comparison.conclusion() {
        Conclusion::Regression => "❌ ",
        Conclusion::NoRegression => "✅ ",
        Conclusion::Inconclusive | Conclusion::NoVerdict => "⚠️ ",
    };
    let target = comparison.target.as_ref().map(|target| format!("{}: ", safe(target)));
    let title = format!("{}{}", target.unwrap_or_default(), safe(&words::conclusion(comparison)));
    let _ = writeln!(out, "### {sign}{title}\n");
    for (label, side) in words::sides(comparison) {
        let _ = writeln!(out, "- {label}: {}", safe(&side));
    }
    let _ = writeln!(out, "- {}", safe(&words::method(comparison)));
    for mismatch in words::mismatches(comparison) {
        let _ = writeln!(out, "- **{}**", safe(&mismatch));
    }
    out.push_str("\n| metric | baseline | candidate | change | | |\n|---|--:|--:|---|---|---|\n");
    for row in &comparison.rows {
        let word = match comparison.conclusion() {
            Conclusion::NoVerdict => "no verdict".to_owned(),
            _ => match words::word(row) {
                word @ ("WORSE" | "BETTER") => format!("**{word}**"),
                word => word.to_owned(),
            },
        };
        let more = words::remark(row, comparison.method).unwrap_or_else(|| words::sees(row));
        let _ = writeln!(
            out,
            "| `{}` | {} | {} | {} | {word} | {} |",
            row.metric.replace(['`', '|'], "_"),
            words::value(row.unit, row.baseline),
            words::value(row.unit, row.candidate),
            safe(&words::difference(row)),
            safe(&more),
        );
    }
    if let Some(left_out) = words::left_out(comparison) {
        let _ = writeln!(out, "\n{left_out}");
    }
}

/// Text that Markdown takes as text: names and addresses come from files.
fn safe(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in printable(text.as_bytes()).chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '#' | '~' | '!' | '@' => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
    }
    out
}
