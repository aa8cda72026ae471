//! How a comparison is told, the same in every format for people.

use super::{Comparison, Conclusion, Method, Row, Unit};
use crate::report::text::{decimal, grouped, micros, percent};
use crate::stats::comparison::{Better, Lack, Word};

/// What is said of a metric.
pub(super) fn word(row: &Row) -> &'static str {
    match row.answer.word {
        Word::Better => "BETTER",
        Word::Worse => "WORSE",
        Word::NoDifference => "no difference shown",
        Word::NotEnough => "not enough data",
    }
}

/// The same as files have it.
pub(super) fn word_name(word: Word) -> &'static str {
    match word {
        Word::Better => "better",
        Word::Worse => "worse",
        Word::NoDifference => "no_difference_shown",
        Word::NotEnough => "not_enough_data",
    }
}

/// A figure in its unit.
pub(super) fn value(unit: Unit, value: Option<f64>) -> String {
    match (unit, value) {
        (_, None) => "-".to_owned(),
        (Unit::Microseconds, Some(us)) => micros(us),
        (Unit::PerSecond, Some(rate)) => format!("{}/s", decimal(rate)),
        (Unit::Share, Some(share)) => percent(share),
    }
}

/// A difference as people read it: a percentage, or points of a share.
pub(super) fn readable(unit: Unit, difference: f64) -> f64 {
    match unit {
        Unit::Share => difference * 100.0,
        Unit::Microseconds | Unit::PerSecond => difference.exp_m1() * 100.0,
    }
}

/// `+20.3 % [+17.1, +23.6]`.
pub(super) fn difference(row: &Row) -> String {
    let Some(difference) = &row.answer.difference else { return String::new() };
    let digits = if row.unit == Unit::Share { 2 } else { 1 };
    let number = |value: f64| {
        let text = format!("{:+.digits$}", readable(row.unit, value));
        // Nothing has no sign.
        if text[1..].bytes().all(|byte| matches!(byte, b'0' | b'.')) {
            text[1..].to_owned()
        } else {
            text
        }
    };
    let unit = if row.unit == Unit::Share { "points" } else { "%" };
    let interval = difference.interval;
    let interval = interval.map(|(low, high)| format!(" [{}, {}]", number(low), number(high)));
    format!("{} {unit}{}", number(difference.value), interval.unwrap_or_default())
}

/// The smallest change for the worse that would have been called.
pub(super) fn smallest(row: &Row) -> Option<f64> {
    let seen = row.answer.smallest?;
    let signed = if row.better == Better::Higher { -seen } else { seen };
    Some(readable(row.unit, signed).abs())
}

/// The same in words: `sees 6.1 %`.
pub(super) fn sees(row: &Row) -> String {
    let Some(smallest) = smallest(row) else { return String::new() };
    match row.unit {
        Unit::Share => format!("sees {smallest:.2} points"),
        // A rate cannot lose more than all of it, nor a time be told in millions.
        _ if smallest >= 1_000.0 => "sees 1,000 % or more".to_owned(),
        _ => format!("sees {smallest:.1} %"),
    }
}

/// What else is to be said: why there is not enough, or what is left open.
pub(super) fn remark(row: &Row, method: Method) -> Option<String> {
    let answer = &row.answer;
    if let Some(lack) = answer.lack {
        return Some(lack_words(lack));
    }
    if answer.word != Word::NoDifference || answer.ruled_out {
        return None;
    }
    let worst = answer
        .difference
        .and_then(|difference| difference.interval)
        .map(|(low, high)| if row.better == Better::Lower { high } else { low })?;
    let unit = if row.unit == Unit::Share { "points" } else { "%" };
    let worst = readable(row.unit, worst);
    let more = answer.runs_needed.map_or(String::new(), |runs| match method {
        Method::Runs => format!("; about {} runs a side would tell", grouped(runs)),
        Method::Intervals => {
            format!("; about {} runs a side like this one would tell", grouped(runs))
        }
        Method::Paired => format!("; a run about {} times as long would tell", grouped(runs)),
    });
    Some(format!("{worst:+.1} {unit} is not ruled out{more}"))
}

fn lack_words(lack: Lack) -> String {
    match lack {
        Lack::NotMeasured => "one side has no such samples".to_owned(),
        Lack::Samples { least, needed } => format!(
            "a run has {} samples, and this percentile needs {}",
            grouped(least),
            grouped(needed)
        ),
        Lack::Intervals { least, needed } => format!(
            "a run has {least} intervals, and {needed} are needed: longer runs, or several a side \
             (run --repeat)"
        ),
        Lack::Runs { needed } => {
            format!("{needed} runs a side are the fewest that can tell (run --repeat {needed})")
        }
        Lack::NoRatio => {
            "the figure of one side is nothing, or came in too few intervals".to_owned()
        }
    }
}

/// The first line: what came of it.
pub(super) fn conclusion(comparison: &Comparison) -> String {
    let metrics = |count: usize| match count {
        1 => "1 metric".to_owned(),
        count => format!("{count} metrics"),
    };
    let count =
        |fits: &dyn Fn(&Row) -> bool| comparison.rows.iter().filter(|row| fits(row)).count();
    let all = metrics(comparison.rows.len());
    let better = match count(&|row| row.answer.word == Word::Better) {
        0 => String::new(),
        better => format!(", {better} better"),
    };
    match comparison.conclusion() {
        Conclusion::Regression => {
            let worse = count(&|row| row.answer.word == Word::Worse);
            format!("REGRESSION: of {all}, {worse} worse{better}")
        }
        Conclusion::Inconclusive => {
            let open = count(&|row| !row.answer.ruled_out);
            format!(
                "inconclusive: no metric is shown to be worse, but of {all}, {open} could be{better}"
            )
        }
        Conclusion::NoRegression => {
            format!("no regression: none of {all} is worse by what counts{better}")
        }
        Conclusion::NoVerdict => {
            let why = comparison.no_verdict.as_deref().unwrap_or_default();
            format!("no verdict: {why}, so its figures are not the target's")
        }
    }
}

/// How it was judged.
pub(super) fn method(comparison: &Comparison) -> String {
    let rules = &comparison.rules;
    format!(
        "{}; 95 % intervals; Holm's correction over {} metrics; changes count from {} ({} points of a share)",
        comparison.method.words(),
        comparison.rows.len(),
        percent(rules.min_effect),
        rules.min_points * 100.0,
    )
}

/// Baseline and candidate, in a line each.
pub(super) fn sides(comparison: &Comparison) -> [(&'static str, String); 2] {
    let side = |facts: &super::SideFacts| {
        let runs = match facts.runs {
            1 => "1 run".to_owned(),
            runs => format!("{runs} runs"),
        };
        format!("{}: {runs} of {}, {}", facts.name, facts.url, facts.started)
    };
    [("baseline", side(&comparison.baseline)), ("candidate", side(&comparison.candidate))]
}

/// What is left out of the table.
pub(super) fn left_out(comparison: &Comparison) -> Option<String> {
    let count = comparison.left_out;
    (count > 0).then(|| {
        let percentiles = if count == 1 { "metric" } else { "metrics" };
        format!("left out: {count} {percentiles} that neither side has the samples for")
    })
}

/// What should be the same and is not.
pub(super) fn mismatches(comparison: &Comparison) -> Vec<String> {
    comparison.mismatches.iter().map(super::Mismatch::words).collect()
}
