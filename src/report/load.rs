//! What was asked for, and what an open load's schedule came to: for the summary and for `run.json`.

use serde::Serialize;

use super::text::{decimal, grouped, percent, time};
use crate::measure::summary::{StageRow, Summary};
use crate::measure::tally::ArrivalTally;
use crate::plan::Plan;
use crate::scenario::load::{
    ArrivalSource, ArrivalUnit, Bound, Load, Open, Overload, Pacing, RateStage, Warmup,
};
use crate::schedule::arrivals::Pattern;
use crate::units::format_duration;

/// A load as resolved.
#[derive(Serialize)]
pub(super) struct LoadFacts<'a> {
    name: Option<&'a str>,
    start: String,
    sessions_max: u32,
    length: Option<String>,
    warmup: String,
    drain: String,
    messages: Option<u64>,
    each_once: bool,
    messages_per_session: Option<[u64; 2]>,
    connects_per_s: Option<f64>,
    scripts: Vec<&'a str>,
    open: Option<OpenFacts<'a>>,
}

#[derive(Serialize)]
struct OpenFacts<'a> {
    unit: &'static str,
    arrivals: String,
    overload: String,
    pacing: &'static str,
    rates: Vec<RateFacts<'a>>,
}

#[derive(Serialize)]
struct RateFacts<'a> {
    stage: &'a str,
    per_s_from: f64,
    per_s_to: f64,
    length: Option<String>,
}

/// What a schedule brought in one stage, or in all that are judged.
#[derive(Serialize)]
pub(super) struct ArrivalFacts<'a> {
    stage: Option<&'a str>,
    due: u64,
    started: u64,
    late: u64,
    dropped: u64,
    shed: u64,
    left: u64,
    messages: u64,
    messages_not_started: u64,
    window_s: f64,
    messages_per_s: Option<f64>,
    response_us_p50: Option<u64>,
    response_us_p99: Option<u64>,
}

pub(super) fn facts(plan: &Plan) -> Vec<LoadFacts<'_>> {
    plan.scenario.loads.iter().map(|load| load_facts(plan, load)).collect()
}

fn load_facts<'a>(plan: &'a Plan, load: &'a Load) -> LoadFacts<'a> {
    let scripts = load.scripts.iter().map(|script| &plan.scenario.scripts[usize::from(*script)]);
    LoadFacts {
        name: load.name.as_deref(),
        start: format_duration(load.start),
        sessions_max: load.sessions_max(),
        length: load.length().map(format_duration),
        warmup: match load.warmup {
            Warmup::For(length) => format_duration(length),
            Warmup::Steady => "steady".to_owned(),
        },
        drain: format_duration(load.drain),
        messages: match load.bound {
            Some(Bound::Messages(messages)) => Some(messages),
            Some(Bound::EachOnce) | None => None,
        },
        each_once: load.bound == Some(Bound::EachOnce),
        messages_per_session: load
            .messages_per_session
            .as_ref()
            .map(|range| [*range.start(), *range.end()]),
        connects_per_s: load.connects_per_s,
        scripts: scripts.map(|script| script.name.as_str()).collect(),
        open: load.open().map(open_facts),
    }
}

fn open_facts(open: &Open) -> OpenFacts<'_> {
    let (arrivals, rates) = match &open.source {
        ArrivalSource::Rate { pattern, stages } => {
            (pattern_name(*pattern), stages.iter().map(rate_facts).collect())
        }
        ArrivalSource::Trace { trace, speed } => {
            (format!("{} recorded, at {speed} times their speed", trace.rows.len()), Vec::new())
        }
    };
    OpenFacts {
        unit: unit_name(open.unit),
        arrivals,
        overload: match open.overload {
            Overload::Queue => "queue".to_owned(),
            Overload::Drop => "drop".to_owned(),
            Overload::ShedAfter(limit) => format!("shed_after {}", format_duration(limit)),
        },
        pacing: match open.pacing {
            Pacing::Timer => "timer",
            Pacing::Spin => "spin",
        },
        rates,
    }
}

fn rate_facts(stage: &RateStage) -> RateFacts<'_> {
    RateFacts {
        stage: &stage.name,
        per_s_from: stage.span.from,
        per_s_to: stage.span.to,
        length: stage.span.length.map(format_duration),
    }
}

fn pattern_name(pattern: Pattern) -> String {
    match pattern {
        Pattern::Even => "even".to_owned(),
        Pattern::Poisson => "poisson".to_owned(),
        Pattern::Bursts(size) => format!("bursts of {size}"),
    }
}

fn unit_name(unit: ArrivalUnit) -> &'static str {
    match unit {
        ArrivalUnit::Sessions => "sessions",
        ArrivalUnit::Messages => "messages",
    }
}

/// What arrived in each stage of an open load.
pub(super) fn arrivals(summary: &Summary) -> Vec<ArrivalFacts<'_>> {
    let rate = summary.totals.iter().find_map(|total| total.messages_per_s);
    let all = summary.arrivals.iter().map(|tally| ArrivalFacts {
        window_s: summary.window.as_secs_f64(),
        messages_per_s: rate,
        ..arrival_facts(tally)
    });
    let stages = summary.stages.iter().map(|row| ArrivalFacts {
        stage: Some(&row.stage),
        window_s: row.window.as_secs_f64(),
        messages_per_s: row.messages_per_s,
        response_us_p50: row.response_p50.map(|estimate| estimate.value),
        response_us_p99: row.response_p99.map(|estimate| estimate.value),
        ..arrival_facts(&row.arrivals)
    });
    all.chain(stages).collect()
}

fn arrival_facts<'a>(tally: &ArrivalTally) -> ArrivalFacts<'a> {
    ArrivalFacts {
        stage: None,
        due: tally.due,
        started: tally.started,
        late: tally.late,
        dropped: tally.dropped,
        shed: tally.shed,
        left: tally.left,
        messages: tally.messages,
        messages_not_started: tally.messages_not_started,
        window_s: 0.0,
        messages_per_s: None,
        response_us_p50: None,
        response_us_p99: None,
    }
}

/// One load in a few words.
pub(super) fn words(load: &Load) -> String {
    let name = load.name.as_ref().map_or_else(String::new, |name| format!("{name}: "));
    let Some(open) = load.open() else {
        let s = if load.sessions_max() == 1 { "" } else { "s" };
        return format!("{name}{} session{s}", grouped(u64::from(load.sessions_max())));
    };
    let unit = unit_name(open.unit);
    let when = match &open.source {
        ArrivalSource::Trace { trace, .. } => {
            format!("{} recorded {unit}", grouped(trace.rows.len() as u64))
        }
        ArrivalSource::Rate { pattern, stages } => {
            let ends = || stages.iter().flat_map(|stage| [stage.span.from, stage.span.to]);
            let (top, bottom) = (ends().fold(0.0, f64::max), ends().fold(f64::INFINITY, f64::min));
            let rates = match stages.as_slice() {
                [stage] if !stage.is_ramp() => decimal(top),
                _ => format!("{} to {}", decimal(bottom), decimal(top)),
            };
            format!("{rates} {unit} a second, {}", pattern_name(*pattern))
        }
    };
    format!("{name}{when}, at most {} sessions", grouped(u64::from(open.max_sessions)))
}

/// How the plan was kept, as lines; none under closed load.
pub(super) fn arrival_words(plan: &Plan, summary: &Summary) -> Vec<String> {
    let Some(tally) = &summary.arrivals else { return Vec::new() };
    let units: Vec<&str> = plan
        .scenario
        .loads
        .iter()
        .filter_map(Load::open)
        .map(|open| unit_name(open.unit))
        .collect();
    let unit = match units.as_slice() {
        [first, rest @ ..] if rest.iter().all(|unit| unit == first) => first,
        _ => "sessions and messages",
    };
    let share = |count: u64| match tally.due {
        0 => String::new(),
        due => format!(" ({})", percent(ratio(count, due))),
    };
    let mut lines = vec![format!(
        "{} {unit} due, {} started{}",
        grouped(tally.due),
        grouped(tally.started),
        share(tally.started)
    )];
    for (count, what) in [
        (tally.dropped, "dropped, as no session was free"),
        (tally.shed, "shed, as they had waited too long"),
        (tally.left, "left when the load ended"),
    ] {
        if count > 0 {
            lines.push(format!("{}{} {what}", grouped(count), share(count)));
        }
    }
    lines.push(format!(
        "{}{} over 1 ms late though a session was free",
        grouped(tally.late),
        share(tally.late)
    ));
    lines
}

/// A table of the stages, where there is more than one.
pub(super) fn stage_table(summary: &Summary) -> Vec<String> {
    if summary.stages.len() < 2 {
        return Vec::new();
    }
    let mut lines = vec![format!(
        "{:20}{:>9}{:>11}{:>11}{:>11}{:>13}{:>13}{:>11}",
        "stage",
        "length",
        "due",
        "started",
        "accepted/s",
        "response p50",
        "response p99",
        "lag p99"
    )];
    lines.extend(summary.stages.iter().map(stage_line));
    lines
}

fn stage_line(row: &StageRow) -> String {
    let value = |estimate: Option<crate::measure::histogram::Estimate>| {
        time(estimate.map(|estimate| estimate.value))
    };
    let rate = match row.messages_per_s {
        Some(rate) => decimal(rate),
        None if row.ramp => "(a curve)".to_owned(),
        None => "-".to_owned(),
    };
    format!(
        "{:20}{:>9}{:>11}{:>11}{rate:>11}{:>13}{:>13}{:>11}",
        super::text::cut(&row.stage, 19),
        format!("{:.1} s", row.window.as_secs_f64()),
        grouped(row.arrivals.due),
        grouped(row.arrivals.started),
        value(row.response_p50),
        value(row.response_p99),
        value(row.lag_p99),
    )
}

#[expect(clippy::cast_precision_loss, reason = "a share for the eye")]
fn ratio(part: u64, whole: u64) -> f64 {
    part as f64 / whole as f64
}
