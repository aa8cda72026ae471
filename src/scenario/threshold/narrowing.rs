//! The labels of a rule: `{stage="peak", target="ses"}`.

use std::ops::Range;

use super::parse::{Wrong, trimmed, wrong};
use super::{Metric, Narrowing, RuleNames};
use crate::scenario::nearest::hint_nearest;

const LABELS: [&str; 3] = ["stage", "script", "target"];
const HINT: &str = "write {stage=\"peak\"}, {script=\"submit\", target=\"ses\"}";

/// Reads the labels whose `{` is byte `brace` of `text`; also gives the byte behind their `}`.
pub(super) fn read_narrowing(
    text: &str,
    brace: usize,
    names: &RuleNames<'_>,
) -> Result<(Narrowing, usize), Wrong> {
    let mut narrowing = Narrowing::default();
    let mut at = brace + 1;
    loop {
        let key = trimmed(text, at..until(text, at, &['=', '}', ',', '"', '\'']));
        let equals = next(text, key.end);
        if !text[equals..].starts_with('=') {
            let shown = if key.is_empty() { brace..text.trim_end().len() } else { key };
            return Err(wrong(shown, "a label is a name, `=` and a value in quotes", HINT));
        }
        let (value, end) = quoted(text, next(text, equals + 1))?;
        let name = &text[key.clone()];
        let (slot, known) = match name {
            "stage" => (&mut narrowing.stage, names.stages),
            "script" => (&mut narrowing.script, names.scripts),
            "target" => (&mut narrowing.target, names.targets),
            _ => {
                let hint = hint_nearest(name, LABELS, "known: stage, script, target");
                return Err(wrong(key, format!("unknown label `{name}`"), hint));
            }
        };
        if slot.is_some() {
            return Err(wrong(key, format!("`{name}` stands twice"), "write it once"));
        }
        check_name(name, &text[value.clone()], value.clone(), known)?;
        *slot = Some(text[value].to_owned());
        let comma = next(text, end);
        at = comma + 1;
        match text[comma..].chars().next() {
            Some('}') => return Ok((narrowing, at)),
            Some(',') => {}
            _ => return Err(wrong(brace..comma.max(brace + 1), "`{` without its `}`", HINT)),
        }
    }
}

/// Whether the scenario has what `label` names.
fn check_name(
    label: &str,
    name: &str,
    span: Range<usize>,
    known: Option<&[String]>,
) -> Result<(), Wrong> {
    let Some(known) = known.filter(|known| !known.iter().any(|one| one == name)) else {
        return Ok(());
    };
    let list = match known {
        [] => format!("the scenario has no {label}s with names"),
        known => format!("known: {}", known.join(", ")),
    };
    let hint = hint_nearest(name, known.iter().map(String::as_str), &list);
    Err(wrong(span, format!("unknown {label} `{name}`"), hint))
}

/// Refuses to narrow a metric to a script where it is counted by stage only; `name` stands at `span`.
pub(super) fn check_scope(
    metric: Metric,
    narrowing: &Narrowing,
    name: &str,
    span: Range<usize>,
) -> Result<(), Wrong> {
    let by_stage = matches!(
        metric,
        Metric::AchievedRate | Metric::MessagesPerSecond | Metric::MessagesPerHour
    );
    if by_stage && narrowing.script.is_some() {
        let message = format!("`{name}` is not measured by script");
        return Err(wrong(span, message, "narrow it to a stage or a target, or not at all"));
    }
    Ok(())
}

/// The text within the quotes at byte `at`, and the byte behind them.
fn quoted(text: &str, at: usize) -> Result<(Range<usize>, usize), Wrong> {
    let quote = text[at..].chars().next().filter(|quote| matches!(quote, '"' | '\''));
    let end = quote.and_then(|quote| text[at + 1..].find(quote));
    match end {
        Some(length) => Ok((at + 1..at + 1 + length, at + length + 2)),
        None => {
            let end = until(text, at, &['}', ',']).max(at);
            Err(wrong(at..end, "the value of a label stands in quotes", HINT))
        }
    }
}

/// The first byte from `at` on that is one of `stops`, or the end.
fn until(text: &str, at: usize, stops: &[char]) -> usize {
    text[at..].find(stops).map_or(text.len(), |found| at + found)
}

/// The first byte from `at` on that is no white space, or the end.
fn next(text: &str, at: usize) -> usize {
    text.len() - text[at..].trim_start().len()
}
