//! From the text of a rule to what it means, or to the word at fault.

use std::ops::Range;

use super::metric::{read_limit, read_metric};
use super::narrowing::{check_scope, read_narrowing};
use super::{Comparison, RuleNames, Threshold};
use crate::scenario::fault::{Fault, Faults, Place};

pub(super) const FORM_HINT: &str = "write `accepted > 99%` or `eod.p99 < 500ms`";

/// Reads one threshold. `offset` is the byte of the scenario at which `text` begins; without it the text came
/// with the flag `--threshold`. `None` once a fault was added.
pub fn parse_threshold(
    text: &str,
    offset: Option<usize>,
    names: &RuleNames<'_>,
    faults: &mut Faults,
) -> Option<Threshold> {
    read(text, names).map_err(|wrong| wrong.report(text, offset, "--threshold", faults)).ok()
}

/// What is wrong in a rule, and which bytes of its text.
pub(super) struct Wrong {
    pub(super) span: Range<usize>,
    pub(super) message: String,
    pub(super) hint: String,
}

pub(super) fn wrong(
    span: Range<usize>,
    message: impl Into<String>,
    hint: impl Into<String>,
) -> Wrong {
    Wrong { span, message: message.into(), hint: hint.into() }
}

impl Wrong {
    /// Adds it as a fault of the rule `text`.
    pub(super) fn report(
        self,
        text: &str,
        offset: Option<usize>,
        flag: &'static str,
        faults: &mut Faults,
    ) {
        let Self { span, message, hint } = self;
        // A flag may come several times and shows no text of its own.
        let (place, message) = match offset {
            Some(offset) => (Place::Scenario(offset + span.start..offset + span.end), message),
            None => (Place::Flag(flag), format!("in `{text}`: {message}")),
        };
        faults.push(Fault { place, message, hint: (!hint.is_empty()).then_some(hint) });
    }
}

fn read(text: &str, names: &RuleNames<'_>) -> Result<Threshold, Wrong> {
    let whole = trimmed(text, 0..text.len());
    let labels = text.find('{').filter(|brace| !text[..*brace].contains(['<', '>']));
    let (narrowing, behind) = match labels {
        Some(brace) => read_narrowing(text, brace, names)?,
        None => Default::default(),
    };
    let Some(sign) = text[behind..].find(['<', '>']).map(|at| at + behind) else {
        return Err(wrong(whole, "this threshold compares nothing", FORM_HINT));
    };
    let or_equal = text[sign + 1..].starts_with('=');
    let comparison = match (text.as_bytes()[sign], or_equal) {
        (b'<', false) => Comparison::Less,
        (b'<', true) => Comparison::LessOrEqual,
        (_, false) => Comparison::Greater,
        (_, true) => Comparison::GreaterOrEqual,
    };
    let left = trimmed(text, 0..labels.unwrap_or(sign));
    let right = trimmed(text, sign + 1 + usize::from(or_equal)..text.len());
    if left.is_empty() || right.is_empty() {
        return Err(wrong(whole, "this threshold has only one side", FORM_HINT));
    }
    let between = trimmed(text, behind..sign);
    if labels.is_some() && !between.is_empty() {
        let message = format!("`{}` behind the labels", &text[between.clone()]);
        return Err(wrong(
            between,
            message,
            "write the figure before them: eod.p99{stage=\"main\"}",
        ));
    }
    let metric = read_metric(&text[left.clone()], left.start, names.steps)?;
    check_scope(metric, &narrowing, &text[left.clone()], left)?;
    let limit = read_limit(metric, &text[right.clone()])
        .map_err(|error| wrong(right, error.message, error.hint))?;
    Ok(Threshold { text: text.to_owned(), metric, narrowing, comparison, limit, sustained: None })
}

/// `range` of `text` without white space at its ends.
pub(super) fn trimmed(text: &str, range: Range<usize>) -> Range<usize> {
    let part = &text[range.clone()];
    let start = range.start + part.len() - part.trim_start().len();
    start..start + part.trim().len()
}
