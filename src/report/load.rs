//! What was asked for, and what an open load's schedule came to.

use serde::{Deserialize, Serialize};

use super::record::PlanFacts;
use super::text::{decimal, grouped, percent, time};
use crate::measure::summary::{StageRow, Summary};
use crate::plan::Plan;
use crate::scenario::load::{
    ArrivalSource, ArrivalUnit, Bound, Load, Open, Overload, Pacing, RateStage, Warmup,
};
use crate::schedule::arrivals::Pattern;
use crate::units::format_duration;

/// A load as resolved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LoadFacts {
    /// `None` of `[load]`.
    pub name: Option<String>,
    pub start: String,
    /// Open at once.
    pub sessions_max: u32,
    pub length: Option<String>,
    pub warmup: String,
    pub drain: String,
    /// Its bound.
    pub messages: Option<u64>,
    pub each_once: bool,
    pub messages_per_session: Option<[u64; 2]>,
    pub connects_per_s: Option<f64>,
    /// Those that it runs.
    pub scripts: Vec<String>,
    /// `None` of a closed load.
    pub open: Option<OpenFacts>,
}

/// The schedule of an open load.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OpenFacts {
    /// What arrives: `sessions` or `messages`.
    pub unit: String,
    pub arrivals: String,
    /// Arrivals of a trace; `None` of one that has rates.
    pub recorded: Option<u64>,
    pub overload: String,
    pub pacing: String,
    pub rates: Vec<RateFacts>,
}

/// The rate in a stage.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RateFacts {
    pub stage: String,
    pub per_s_from: f64,
    pub per_s_to: f64,
    pub length: Option<String>,
}

/// The loads of `plan`.
pub(super) fn facts(plan: &Plan) -> Vec<LoadFacts> {
    plan.scenario.loads.iter().map(|load| load_facts(plan, load)).collect()
}

fn load_facts(plan: &Plan, load: &Load) -> LoadFacts {
    let scripts = load.scripts.iter().map(|script| &plan.scenario.scripts[usize::from(*script)]);
    LoadFacts {
        name: load.name.clone(),
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
        scripts: scripts.map(|script| script.name.clone()).collect(),
        open: load.open().map(open_facts),
    }
}

fn open_facts(open: &Open) -> OpenFacts {
    let (arrivals, recorded, rates) = match &open.source {
        ArrivalSource::Rate { pattern, stages } => {
            (pattern_name(*pattern), None, stages.iter().map(rate_facts).collect())
        }
        ArrivalSource::Trace { trace, speed } => {
            let rows = trace.rows.len();
            let arrivals = format!("{rows} recorded, at {speed} times their speed");
            (arrivals, Some(rows as u64), Vec::new())
        }
    };
    OpenFacts {
        unit: unit_name(open.unit).to_owned(),
        arrivals,
        recorded,
        overload: match open.overload {
            Overload::Queue => "queue".to_owned(),
            Overload::Drop => "drop".to_owned(),
            Overload::ShedAfter(limit) => format!("shed_after {}", format_duration(limit)),
        },
        pacing: match open.pacing {
            Pacing::Timer => "timer",
            Pacing::Spin => "spin",
        }
        .to_owned(),
        rates,
    }
}

fn rate_facts(stage: &RateStage) -> RateFacts {
    RateFacts {
        stage: stage.name.clone(),
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

/// One load in a few words.
pub(super) fn words(load: &LoadFacts) -> String {
    let name = load.name.as_ref().map_or_else(String::new, |name| format!("{name}: "));
    let sessions = grouped(u64::from(load.sessions_max));
    let Some(OpenFacts { unit, arrivals, recorded, rates, .. }) = &load.open else {
        let s = if load.sessions_max == 1 { "" } else { "s" };
        return format!("{name}{sessions} session{s}");
    };
    let when = match recorded {
        Some(rows) => format!("{} recorded {unit}", grouped(*rows)),
        None => {
            let ends = || rates.iter().flat_map(|stage| [stage.per_s_from, stage.per_s_to]);
            let (top, bottom) = (ends().fold(0.0, f64::max), ends().fold(f64::INFINITY, f64::min));
            let span = match rates.as_slice() {
                [stage] if stage.per_s_from.total_cmp(&stage.per_s_to).is_eq() => decimal(top),
                _ => format!("{} to {}", decimal(bottom), decimal(top)),
            };
            format!("{span} {unit} a second, {arrivals}")
        }
    };
    format!("{name}{when}, at most {sessions} sessions")
}

/// How the plan was kept, as lines; none under closed load.
pub(super) fn arrival_words(plan: &PlanFacts, summary: &Summary) -> Vec<String> {
    let Some(tally) = &summary.arrivals else { return Vec::new() };
    let units: Vec<&str> = plan
        .loads
        .iter()
        .filter_map(|load| load.open.as_ref())
        .map(|open| open.unit.as_str())
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
        (tally.capped, "not started, as they lie above the target's max_rate"),
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
