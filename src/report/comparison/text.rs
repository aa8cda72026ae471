//! A comparison for a person: what came of it, and a line a metric.

use std::fmt::Write as _;

use super::{Comparison, Conclusion, words};
use crate::smtp::text::printable;
use crate::stats::comparison::Word;

/// The comparison as text; `color` puts in ANSI colours.
#[must_use]
pub fn text(comparison: &Comparison, color: bool) -> String {
    let mut out = String::new();
    if let Some(target) = &comparison.target {
        let _ = writeln!(out, "target       {}", printable(target.as_bytes()));
    }
    for (label, side) in words::sides(comparison) {
        let _ = writeln!(out, "{label:13}{}", printable(side.as_bytes()));
    }
    let conclusion = words::conclusion(comparison);
    let code = match comparison.conclusion() {
        Conclusion::Regression => "1;31",
        Conclusion::NoRegression => "32",
        Conclusion::Inconclusive | Conclusion::NoVerdict => "33",
    };
    let _ = writeln!(out, "{:13}{}", "verdict", paint(color, code, &conclusion));
    let _ = writeln!(out, "{:13}{}", "method", words::method(comparison));
    for mismatch in words::mismatches(comparison) {
        let _ = writeln!(out, "{:13}{mismatch}", "note");
    }
    out.push('\n');
    table(&mut out, comparison, color);
    if let Some(left_out) = words::left_out(comparison) {
        let _ = writeln!(out, "{left_out}");
    }
    out
}

fn table(out: &mut String, comparison: &Comparison, color: bool) {
    let figures: Vec<[String; 4]> = comparison
        .rows
        .iter()
        .map(|row| {
            [
                row.metric.clone(),
                words::value(row.unit, row.baseline),
                words::value(row.unit, row.candidate),
                words::difference(row),
            ]
        })
        .collect();
    let width =
        |column: usize| figures.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let [metric, before, after, change] = [0, 1, 2, 3].map(width);
    for (row, [name, baseline, candidate, difference]) in comparison.rows.iter().zip(&figures) {
        let word = match comparison.conclusion() {
            Conclusion::NoVerdict => "no verdict",
            _ => words::word(row),
        };
        let code = match row.answer.word {
            Word::Worse => "1;31",
            Word::Better => "32",
            Word::NoDifference | Word::NotEnough => "0",
        };
        let sees = words::sees(row);
        let padded = if sees.is_empty() { word.to_owned() } else { format!("{word:19}") };
        let line = format!(
            "{name:metric$}  {baseline:>before$} → {candidate:<after$}  {difference:<change$}  {}  {sees}",
            paint(color && code != "0", code, &padded)
        );
        let _ = writeln!(out, "{}", line.trim_end());
        if let Some(remark) = words::remark(row, comparison.method) {
            let _ = writeln!(out, "{:metric$}    {remark}", "");
        }
    }
}

fn paint(color: bool, code: &str, words: &str) -> String {
    if color { format!("\x1b[{code}m{words}\x1b[0m") } else { words.to_owned() }
}
