//! Thresholds: rules that decide pass or fail, as the user wrote them. They are judged in `measure`.

use std::fmt;
use std::ops::Range;
use std::time::Duration;

use super::fault::{Fault, Faults, Place};
use super::nearest::hint_nearest;
use super::step::{StepId, StepNames};
use crate::units::{parse_duration, parse_share};

/// One rule: `eod.p99 < 500ms`, `accepted > 99%`.
#[derive(Clone, Debug, PartialEq)]
pub struct Threshold {
    /// As written.
    pub text: String,
    /// What is looked at.
    pub metric: Metric,
    /// How it is compared with the limit.
    pub comparison: Comparison,
    /// Shares as fractions from 0 to 1, times in microseconds.
    pub limit: f64,
}

/// What a threshold looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metric {
    /// Share of the attempted messages.
    Share(MessageShare),
    /// A figure of a step's service time over accepted and timed-out samples.
    Step {
        /// The step.
        step: StepId,
        /// The figure.
        statistic: Statistic,
    },
}

/// Shares a threshold may name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageShare {
    Accepted,
    Rejected,
    Deferred,
    Failed,
    InDoubt,
}

/// Figures of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Statistic {
    Min,
    Mean,
    Max,
    /// In thousandths of a percent: `p99.9` is 99_900.
    Percentile(u32),
}

/// Comparison with the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// What counts where a scenario has no `thresholds`.
pub const DEFAULT_THRESHOLDS: &[&str] = &["accepted > 99%", "in_doubt < 0.1%"];

impl fmt::Display for Threshold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

const FORM_HINT: &str = "write `accepted > 99%` or `eod.p99 < 500ms`";
const STATISTIC_HINT: &str = "known: min, mean, max, p50, p99, p99.9 and other percentiles";

/// Shares by the names that thresholds use.
const SHARES: &[(&str, MessageShare)] = &[
    ("accepted", MessageShare::Accepted),
    ("rejected", MessageShare::Rejected),
    ("deferred", MessageShare::Deferred),
    ("failed", MessageShare::Failed),
    ("in_doubt", MessageShare::InDoubt),
];

/// Reads one threshold. `offset` is the byte of the scenario at which `text` begins; without it the text came
/// with the flag `--threshold`. `None` once a fault was added.
pub fn parse_threshold(
    text: &str,
    offset: Option<usize>,
    steps: &StepNames,
    faults: &mut Faults,
) -> Option<Threshold> {
    match read(text, steps) {
        Ok(threshold) => Some(threshold),
        Err(wrong) => {
            let Wrong { span, message, .. } = wrong;
            // A flag may come several times and shows no text of its own.
            let (place, message) = match offset {
                Some(offset) => (Place::Scenario(offset + span.start..offset + span.end), message),
                None => (Place::Flag("--threshold"), format!("in `{text}`: {message}")),
            };
            let hint = (!wrong.hint.is_empty()).then_some(wrong.hint);
            faults.push(Fault { place, message, hint });
            None
        }
    }
}

/// What is wrong in a threshold, and which bytes of its text.
struct Wrong {
    span: Range<usize>,
    message: String,
    hint: String,
}

fn wrong(span: Range<usize>, message: impl Into<String>, hint: impl Into<String>) -> Wrong {
    Wrong { span, message: message.into(), hint: hint.into() }
}

fn read(text: &str, steps: &StepNames) -> Result<Threshold, Wrong> {
    let whole = trimmed(text, 0..text.len());
    if let Some(at) = text.find('{') {
        let message = "`{…}` in a threshold is not known in this version";
        return Err(wrong(at..whole.end.max(at + 1), message, "take it out"));
    }
    let Some(sign) = text.find(['<', '>']) else {
        let message = "this threshold compares nothing";
        return Err(wrong(whole, message, FORM_HINT));
    };
    let or_equal = text[sign + 1..].starts_with('=');
    let comparison = match (text.as_bytes()[sign], or_equal) {
        (b'<', false) => Comparison::Less,
        (b'<', true) => Comparison::LessOrEqual,
        (_, false) => Comparison::Greater,
        (_, true) => Comparison::GreaterOrEqual,
    };
    let left = trimmed(text, 0..sign);
    let right = trimmed(text, sign + 1 + usize::from(or_equal)..text.len());
    if left.is_empty() || right.is_empty() {
        let message = "this threshold has only one side";
        return Err(wrong(whole, message, FORM_HINT));
    }
    let metric = read_metric(&text[left.clone()], left.start, steps)?;
    let limit_text = &text[right.clone()];
    let limit = match metric {
        Metric::Share(_) => parse_share(limit_text),
        Metric::Step { .. } => parse_duration(limit_text).map(micros),
    };
    let limit = limit.map_err(|error| wrong(right, error.message, error.hint))?;
    Ok(Threshold { text: text.to_owned(), metric, comparison, limit })
}

/// The metric `name`, which begins at byte `at` of the threshold.
fn read_metric(name: &str, at: usize, steps: &StepNames) -> Result<Metric, Wrong> {
    let span = at..at + name.len();
    if let Some((_, share)) = SHARES.iter().find(|(known, _)| *known == name) {
        return Ok(Metric::Share(*share));
    }
    // A step's name may hold dots, and so may a percentile: the first cut with a known step before it counts.
    let known = name
        .match_indices('.')
        .find_map(|(dot, _)| steps.find(&name[..dot]).map(|step| (step, dot + 1)));
    if let Some((step, from)) = known {
        return match read_statistic(&name[from..]) {
            Some(statistic) => Ok(Metric::Step { step, statistic }),
            None if comes_later(&name[from..]) => Err(not_yet(name, span)),
            None => {
                let message = format!("`{}` is no figure of a step", &name[from..]);
                Err(wrong(at + from..span.end, message, STATISTIC_HINT))
            }
        };
    }
    if comes_later(name) || name.starts_with("replies.") {
        return Err(not_yet(name, span));
    }
    if let Some((step, _)) = name.split_once('.') {
        let list = "name a step of a script, like mail, rcpt, data, eod, transaction, session";
        let hint = hint_nearest(step, steps.iter().map(|(_, name)| name), list);
        return Err(wrong(at..at + step.len(), format!("unknown step `{step}`"), hint));
    }
    if steps.find(name).is_some() {
        let hint = format!("write `{name}.p99`; {STATISTIC_HINT}");
        return Err(wrong(span, format!("`{name}` names no figure of the step"), hint));
    }
    let hint = hint_nearest(name, SHARES.iter().map(|(name, _)| *name), FORM_HINT);
    Err(wrong(span, format!("unknown metric `{name}`"), hint))
}

/// Whether a later version knows `name` (alone or behind a step).
fn comes_later(name: &str) -> bool {
    matches!(name, "achieved_rate" | "messages_per_s" | "messages_per_h" | "lag" | "replies")
        || [
            "lag.",
            "response.",
            "accepted.",
            "rejected.",
            "deferred.",
            "unexpected.",
            "timeout.",
            "lost.",
        ]
        .iter()
        .any(|start| name.starts_with(start))
}

fn not_yet(name: &str, span: Range<usize>) -> Wrong {
    wrong(span, format!("`{name}` is not known in this version"), FORM_HINT)
}

fn read_statistic(text: &str) -> Option<Statistic> {
    match text {
        "min" => return Some(Statistic::Min),
        "mean" => return Some(Statistic::Mean),
        "max" => return Some(Statistic::Max),
        _ => {}
    }
    let number = text.strip_prefix('p')?;
    let (whole, decimals) = match number.split_once('.') {
        Some((_, "")) => return None,
        Some(parts) => parts,
        None => (number, ""),
    };
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty()
        || whole.len() > 2
        || decimals.len() > 3
        || !digits(whole)
        || !digits(decimals)
    {
        return None;
    }
    let thousandths = format!("{whole}{decimals:0<3}").parse().ok()?;
    (thousandths > 0).then_some(Statistic::Percentile(thousandths))
}

fn micros(limit: Duration) -> f64 {
    #[expect(
        clippy::cast_precision_loss,
        reason = "a year of nanoseconds is exact to a microsecond"
    )]
    let nanos = limit.as_nanos() as f64;
    nanos / 1e3
}

/// `range` of `text` without white space at its ends.
fn trimmed(text: &str, range: Range<usize>) -> Range<usize> {
    let part = &text[range.clone()];
    let start = range.start + part.len() - part.trim_start().len();
    start..start + part.trim().len()
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use proptest::prelude::*;

    use super::*;

    fn steps() -> StepNames {
        let mut steps = StepNames::default();
        steps.intern("VRFY").unwrap();
        steps.intern("X.Y").unwrap();
        steps
    }

    /// One line a threshold: what it became, or the word at fault and what was said about it.
    #[track_caller]
    fn check(texts: &[&str], want: &Expect) {
        const OFFSET: usize = 11;
        let mut got = String::new();
        for text in texts {
            let mut faults = Faults::default();
            let threshold = parse_threshold(text, Some(OFFSET), &steps(), &mut faults);
            assert_eq!(threshold.is_some(), faults.is_empty());
            if let Some(Threshold { metric, comparison, limit, .. }) = &threshold {
                got += &format!("{text}: {metric:?} {comparison:?} {limit}\n");
            }
            for fault in faults.iter() {
                let Place::Scenario(span) = &fault.place else { panic!("{fault:?}") };
                let word = &text[span.start - OFFSET..span.end - OFFSET];
                let hint = fault.hint.as_deref().unwrap_or("");
                got += &format!("{text}: {word:?}: {} ({hint})\n", fault.message);
            }
        }
        want.assert_eq(&got);
    }

    #[test]
    fn shares_are_fractions() {
        check(
            &[
                "accepted > 99%",
                "rejected<=0.5",
                "deferred >= 0%",
                " failed < 1.5 % ",
                "in_doubt < 0.1%",
            ],
            &expect![[r#"
                accepted > 99%: Share(Accepted) Greater 0.99
                rejected<=0.5: Share(Rejected) LessOrEqual 0.5
                deferred >= 0%: Share(Deferred) GreaterOrEqual 0
                 failed < 1.5 % : Share(Failed) Less 0.015
                in_doubt < 0.1%: Share(InDoubt) Less 0.001
            "#]],
        );
    }

    #[test]
    fn times_are_microseconds() {
        check(
            &[
                "eod.p99 < 500ms",
                "mail.p99.9 <= 1.5s",
                "rcpt.p99.999 < 20us",
                "transaction.mean < 1m",
                "session.max > 0s",
                "vrfy.min >= 1us",
                "x.y.p1 < 1s",
                "x.y.p0.5 < 1s",
            ],
            &expect![[r#"
                eod.p99 < 500ms: Step { step: StepId(14), statistic: Percentile(99000) } Less 500000
                mail.p99.9 <= 1.5s: Step { step: StepId(9), statistic: Percentile(99900) } LessOrEqual 1500000
                rcpt.p99.999 < 20us: Step { step: StepId(10), statistic: Percentile(99999) } Less 20
                transaction.mean < 1m: Step { step: StepId(18), statistic: Mean } Less 60000000
                session.max > 0s: Step { step: StepId(19), statistic: Max } Greater 0
                vrfy.min >= 1us: Step { step: StepId(21), statistic: Min } GreaterOrEqual 1
                x.y.p1 < 1s: Step { step: StepId(22), statistic: Percentile(1000) } Less 1000000
                x.y.p0.5 < 1s: Step { step: StepId(22), statistic: Percentile(500) } Less 1000000
            "#]],
        );
    }

    #[test]
    fn faults_name_the_word() {
        check(
            &[
                "",
                "eod.p99",
                "eod.p99 = 5ms",
                "< 5ms",
                "accepted >",
                "accepted > 101%",
                "accepted > 99",
                "acepted > 99%",
                "eod > 5ms",
                "eod.p99 < 500",
                "eod.p99 == 5s",
                "eod.p99 < 50%",
                "eodd.p99 < 5s",
                "eod.p100 < 5s",
                "eod.p0 < 5s",
                "eod.p99. < 5s",
                "eod.p99.9999 < 5s",
                "eod.p < 5s",
                "eod.median < 5s",
                "nonsense < 5s",
                "nonsense.p50 < 5s",
            ],
            &expect![[r#"
                : "": this threshold compares nothing (write `accepted > 99%` or `eod.p99 < 500ms`)
                eod.p99: "eod.p99": this threshold compares nothing (write `accepted > 99%` or `eod.p99 < 500ms`)
                eod.p99 = 5ms: "eod.p99 = 5ms": this threshold compares nothing (write `accepted > 99%` or `eod.p99 < 500ms`)
                < 5ms: "< 5ms": this threshold has only one side (write `accepted > 99%` or `eod.p99 < 500ms`)
                accepted >: "accepted >": this threshold has only one side (write `accepted > 99%` or `eod.p99 < 500ms`)
                accepted > 101%: "101%": `101%` is not a share (write a percentage: 99.9%)
                accepted > 99: "99": `99` is not a share (write a percentage: 99.9%)
                acepted > 99%: "acepted": unknown metric `acepted` (did you mean `accepted`?)
                eod > 5ms: "eod": `eod` names no figure of the step (write `eod.p99`; known: min, mean, max, p50, p99, p99.9 and other percentiles)
                eod.p99 < 500: "500": duration `500` has no unit (write a number and a unit: 250us, 20ms, 1.5s, 10m, 2h, 1d)
                eod.p99 == 5s: "eod.p99 == 5s": this threshold compares nothing (write `accepted > 99%` or `eod.p99 < 500ms`)
                eod.p99 < 50%: "50%": `50%` is not a duration (write a number and a unit: 250us, 20ms, 1.5s, 10m, 2h, 1d)
                eodd.p99 < 5s: "eodd": unknown step `eodd` (did you mean `eod`?)
                eod.p100 < 5s: "p100": `p100` is no figure of a step (known: min, mean, max, p50, p99, p99.9 and other percentiles)
                eod.p0 < 5s: "p0": `p0` is no figure of a step (known: min, mean, max, p50, p99, p99.9 and other percentiles)
                eod.p99. < 5s: "p99.": `p99.` is no figure of a step (known: min, mean, max, p50, p99, p99.9 and other percentiles)
                eod.p99.9999 < 5s: "p99.9999": `p99.9999` is no figure of a step (known: min, mean, max, p50, p99, p99.9 and other percentiles)
                eod.p < 5s: "p": `p` is no figure of a step (known: min, mean, max, p50, p99, p99.9 and other percentiles)
                eod.median < 5s: "median": `median` is no figure of a step (known: min, mean, max, p50, p99, p99.9 and other percentiles)
                nonsense < 5s: "nonsense": unknown metric `nonsense` (write `accepted > 99%` or `eod.p99 < 500ms`)
                nonsense.p50 < 5s: "nonsense": unknown step `nonsense` (name a step of a script, like mail, rcpt, data, eod, transaction, session)
            "#]],
        );
    }

    #[test]
    fn what_comes_later_is_said_so() {
        check(
            &[
                "replies.5xx < 1%",
                "achieved_rate > 99%",
                "lag.p99 < 10ms",
                "eod.response.p99 < 1s",
                "eod.rejected.p99 < 1s",
                "messages_per_s > 100",
                "eod.p99{stage=\"peak\"} < 5s",
            ],
            &expect![[r#"
                replies.5xx < 1%: "replies.5xx": `replies.5xx` is not known in this version (write `accepted > 99%` or `eod.p99 < 500ms`)
                achieved_rate > 99%: "achieved_rate": `achieved_rate` is not known in this version (write `accepted > 99%` or `eod.p99 < 500ms`)
                lag.p99 < 10ms: "lag.p99": `lag.p99` is not known in this version (write `accepted > 99%` or `eod.p99 < 500ms`)
                eod.response.p99 < 1s: "eod.response.p99": `eod.response.p99` is not known in this version (write `accepted > 99%` or `eod.p99 < 500ms`)
                eod.rejected.p99 < 1s: "eod.rejected.p99": `eod.rejected.p99` is not known in this version (write `accepted > 99%` or `eod.p99 < 500ms`)
                messages_per_s > 100: "messages_per_s": `messages_per_s` is not known in this version (write `accepted > 99%` or `eod.p99 < 500ms`)
                eod.p99{stage="peak"} < 5s: "{stage=\"peak\"} < 5s": `{…}` in a threshold is not known in this version (take it out)
            "#]],
        );
    }

    #[test]
    fn a_flag_has_no_bytes_of_the_file() {
        let mut faults = Faults::default();
        assert_eq!(parse_threshold("eod.p99", None, &steps(), &mut faults), None);
        assert_eq!(parse_threshold("eod.p0 < 1s", None, &steps(), &mut faults), None);
        let got: Vec<_> =
            faults.iter().map(|fault| (&fault.place, fault.message.as_str())).collect();
        let place = Place::Flag("--threshold");
        let want = [
            (&place, "in `eod.p99`: this threshold compares nothing"),
            (&place, "in `eod.p0 < 1s`: `p0` is no figure of a step"),
        ];
        assert_eq!(got, want);
    }

    #[test]
    fn the_defaults_are_sound_and_print_as_written() {
        for text in DEFAULT_THRESHOLDS {
            let mut faults = Faults::default();
            let threshold = parse_threshold(text, None, &StepNames::default(), &mut faults);
            assert_eq!(threshold.unwrap().to_string(), *text);
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "(\\PC|[<>=%.{ ]|eod|p99|accepted|1s)*") {
            let mut faults = Faults::default();
            let threshold = parse_threshold(&text, Some(0), &steps(), &mut faults);
            prop_assert_eq!(threshold.is_some(), faults.is_empty());
            for fault in faults.iter() {
                let Place::Scenario(span) = &fault.place else { panic!("{fault:?}") };
                prop_assert!(text.get(span.clone()).is_some(), "{:?}", span);
            }
        }
    }
}
