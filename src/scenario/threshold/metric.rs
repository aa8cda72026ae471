//! The left side of a rule, and the limit that fits it.

use std::ops::Range;
use std::time::Duration;

use super::parse::{FORM_HINT, Wrong, wrong};
use super::{Codes, MessageShare, Metric, Statistic, StepClock, StepOutcome};
use crate::scenario::nearest::hint_nearest;
use crate::scenario::step::{StepId, StepNames};
use crate::units::{UnitError, parse_duration, parse_share};

const STATISTIC_HINT: &str = "known: min, mean, max, p50, p99, p99.9 and other percentiles";
const CODES_HINT: &str =
    "write a reply code or its first digit: replies.450, replies.5xx, replies.any.5xx";

/// Shares by the names that rules use.
pub(super) const SHARES: &[(&str, MessageShare)] = &[
    ("accepted", MessageShare::Accepted),
    ("rejected", MessageShare::Rejected),
    ("deferred", MessageShare::Deferred),
    ("failed", MessageShare::Failed),
    ("in_doubt", MessageShare::InDoubt),
];

const CLOCKS: &[(&str, StepClock)] =
    &[("service", StepClock::Service), ("response", StepClock::Response), ("lag", StepClock::Lag)];

const OUTCOMES: &[(&str, StepOutcome)] = &[
    ("accepted", StepOutcome::Accepted),
    ("deferred", StepOutcome::Deferred),
    ("rejected", StepOutcome::Rejected),
    ("unexpected", StepOutcome::Unexpected),
    ("timeout", StepOutcome::Timeout),
    ("lost", StepOutcome::Lost),
];

/// Metrics of one word besides the shares.
const OTHERS: &[(&str, Metric)] = &[
    ("achieved_rate", Metric::AchievedRate),
    ("messages_per_s", Metric::MessagesPerSecond),
    ("messages_per_h", Metric::MessagesPerHour),
];

/// The metric `name`, which begins at byte `at` of the rule.
pub(super) fn read_metric(name: &str, at: usize, steps: &StepNames) -> Result<Metric, Wrong> {
    let span = at..at + name.len();
    if let Some((_, share)) = SHARES.iter().find(|(known, _)| *known == name) {
        return Ok(Metric::Share(*share));
    }
    if let Some((_, metric)) = OTHERS.iter().find(|(known, _)| *known == name) {
        return Ok(*metric);
    }
    match name.split_once('.').unwrap_or((name, "")) {
        ("lag", statistic) => return read_lag(statistic, span),
        ("replies", codes) => return read_replies(codes, span),
        _ => {}
    }
    // A step's name may hold dots, and so may a percentile: the first cut with a known step before it counts.
    let known = name
        .match_indices('.')
        .find_map(|(dot, _)| steps.find(&name[..dot]).map(|step| (step, dot + 1)));
    if let Some((step, from)) = known {
        return read_step(step, &name[from..], at + from);
    }
    if let Some((step, _)) = name.split_once('.') {
        let list = "name a step of a script, like mail, rcpt, data, eod, transaction, session";
        let known = steps.iter().map(|(_, name)| name).chain(["lag", "replies"]);
        let hint = hint_nearest(step, known, list);
        return Err(wrong(at..at + step.len(), format!("unknown step `{step}`"), hint));
    }
    if steps.find(name).is_some() {
        let hint = format!("write `{name}.p99`; {STATISTIC_HINT}");
        return Err(wrong(span, format!("`{name}` names no figure of the step"), hint));
    }
    let known = SHARES.iter().map(|(name, _)| *name).chain(OTHERS.iter().map(|(name, _)| *name));
    let hint = hint_nearest(name, known, FORM_HINT);
    Err(wrong(span, format!("unknown metric `{name}`"), hint))
}

fn read_lag(statistic: &str, span: Range<usize>) -> Result<Metric, Wrong> {
    match read_statistic(statistic) {
        Some(statistic) => Ok(Metric::Lag(statistic)),
        None if statistic.is_empty() => {
            let hint = format!("write `lag.p99`; {STATISTIC_HINT}");
            Err(wrong(span, "`lag` names no figure", hint))
        }
        None => {
            let message = format!("`{statistic}` is no figure of the lag");
            Err(wrong(span.end - statistic.len()..span.end, message, STATISTIC_HINT))
        }
    }
}

fn read_replies(codes: &str, span: Range<usize>) -> Result<Metric, Wrong> {
    let any = codes.strip_prefix("any.");
    let word = any.unwrap_or(codes);
    match Codes::parse(word) {
        Some(codes) => Ok(Metric::Replies { codes, any: any.is_some() }),
        None if word.is_empty() => Err(wrong(span, "`replies` names no reply code", CODES_HINT)),
        None => {
            let message = format!("`{word}` is no reply code");
            Err(wrong(span.end - word.len()..span.end, message, CODES_HINT))
        }
    }
}

/// What stands behind a step: clock and outcome, in any order, and the figure; the first begins at byte `at`.
fn read_step(step: StepId, mut text: &str, mut at: usize) -> Result<Metric, Wrong> {
    let (mut clock, mut outcome) = (None, None);
    loop {
        if let Some(statistic) = read_statistic(text) {
            return Ok(Metric::Step { step, clock, outcome, statistic });
        }
        let (word, rest) = text.split_once('.').unwrap_or((text, ""));
        let span = at..at + word.len();
        let known_clock = CLOCKS.iter().find(|(known, _)| *known == word);
        let known_outcome = OUTCOMES.iter().find(|(known, _)| *known == word);
        match (known_clock, known_outcome) {
            (Some(_), _) if clock.is_some() => {
                return Err(wrong(span, format!("`{word}` behind another clock"), "write one"));
            }
            (_, Some(_)) if outcome.is_some() => {
                return Err(wrong(span, format!("`{word}` behind another outcome"), "write one"));
            }
            (Some((_, found)), _) => clock = Some(*found),
            (_, Some((_, found))) => outcome = Some(*found),
            (None, None) => return Err(no_figure(text, word, at)),
        }
        if rest.is_empty() {
            let hint = format!("write `{word}.p99`; {STATISTIC_HINT}");
            return Err(wrong(span, format!("`{word}` names no figure"), hint));
        }
        (text, at) = (rest, at + word.len() + 1);
    }
}

/// What to say of `text`, which begins with `word` and is neither clock nor outcome nor figure.
fn no_figure(text: &str, word: &str, at: usize) -> Wrong {
    let words = CLOCKS.iter().map(|(name, _)| *name).chain(OUTCOMES.iter().map(|(name, _)| *name));
    let near = hint_nearest(word, words, "");
    if text.len() > word.len() && !near.is_empty() {
        return wrong(at..at + word.len(), format!("`{word}` is no clock and no outcome"), near);
    }
    wrong(at..at + text.len(), format!("`{text}` is no figure of a step"), STATISTIC_HINT)
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

/// The limit of a rule on `metric`.
pub(super) fn read_limit(metric: Metric, text: &str) -> Result<f64, UnitError> {
    match metric {
        Metric::Share(_) | Metric::Replies { .. } | Metric::AchievedRate => parse_share(text),
        Metric::Step { .. } | Metric::Lag(_) => parse_duration(text).map(micros),
        Metric::MessagesPerSecond | Metric::MessagesPerHour => read_messages(text),
    }
}

/// A number of messages: `100`, `2.5k`, `3M`.
fn read_messages(text: &str) -> Result<f64, UnitError> {
    let (number, scale) = match text.strip_suffix(['k', 'M']) {
        Some(number) if text.ends_with('k') => (number, 1e3),
        Some(number) => (number, 1e6),
        None => (text, 1.0),
    };
    let plain = number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    number.parse().ok().filter(|_| plain).map(|number: f64| number * scale).ok_or_else(|| {
        UnitError {
            message: format!("`{text}` is no number of messages"),
            hint: "write a number: 100, 2.5k, 3M".to_owned(),
        }
    })
}

fn micros(limit: Duration) -> f64 {
    #[expect(
        clippy::cast_precision_loss,
        reason = "a year of nanoseconds is exact to a microsecond"
    )]
    let nanos = limit.as_nanos() as f64;
    nanos / 1e3
}
