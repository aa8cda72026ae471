//! `report.html`: one file for people, with charts; no script, nothing loaded. Several runs lie over each other.

mod charts;
mod draw;
mod sentences;

use minijinja::{AutoEscape, Environment};
use serde::Serialize;

use super::saved::Saved;
use super::text::{grouped, interval_of, percent, share_words, threshold_value, time};
use super::{judged, load};
use crate::measure::histogram::Estimate;
use crate::measure::outcome::{Clock, Fate, Outcome};
use crate::measure::validity::Verdict;
use crate::smtp::text::printable;
use crate::stats::binomial::as_f64;
use crate::stats::share::Share;

const TEMPLATE: &str = include_str!("report.html");
/// Most rows of replies and failures of one target.
const ROWS_MAX: usize = 60;

#[derive(Serialize)]
struct Page {
    title: String,
    parts: Vec<Part>,
    charts: Vec<charts::Figure>,
}

/// A target of a run.
#[derive(Serialize)]
struct Part {
    name: String,
    colour: usize,
    sentences: [String; 3],
    verdict: String,
    good: bool,
    reasons: Vec<String>,
    stopped: Option<String>,
    thresholds: Vec<Rule>,
    arrivals: Vec<String>,
    costs: Vec<Bar>,
    steps: Vec<Vec<String>>,
    replies: Vec<Vec<String>>,
    failures: Vec<Vec<String>>,
    outcomes: Vec<Bar>,
    notes: Vec<[String; 2]>,
    provenance: Vec<[String; 2]>,
    scenario: String,
    not_measured: Vec<String>,
}

#[derive(Serialize)]
struct Rule {
    rule: String,
    value: String,
    passed: bool,
}

/// A bar with its words.
#[derive(Serialize)]
struct Bar {
    name: String,
    text: String,
    /// Of the longest, in per cent.
    width: f64,
}

/// The page.
///
/// # Panics
/// Never: the template is a constant that is tested.
#[must_use]
pub fn render(runs: &[Saved]) -> String {
    let mut parts = Vec::new();
    for saved in runs {
        for index in 0..saved.record.targets.len() {
            parts.push(part(saved, index, runs.len(), parts.len()));
        }
    }
    let names: Vec<String> = parts.iter().map(|part| part.name.clone()).collect();
    let first = runs.first().map_or("smtpbench", |saved| &saved.record.scenario.name);
    let title = printable(first.as_bytes());
    let page = Page { title, charts: charts::all(runs, &names), parts };
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    environment.add_template("report", TEMPLATE).expect("the template is sound");
    let template = environment.get_template("report").expect("it was added");
    template.render(&page).expect("the page has what the template asks for")
}

fn part(saved: &Saved, index: usize, runs: usize, colour: usize) -> Part {
    let record = &saved.record;
    let target = &record.targets[index];
    let summary = &target.summary;
    let safe = |text: &str| printable(text.as_bytes());
    let started = record.facts.started.strftime("%Y-%m-%d %H:%M:%S UTC");
    let name = match (runs, record.targets.len()) {
        (1, 1) => safe(&target.label()),
        (1, _) => safe(&target.name),
        (_, 1) => format!("{} of {started}", safe(&record.scenario.name)),
        _ => format!("{} of {started}", safe(&target.name)),
    };
    let costs = sentences::costs(summary);
    let most = costs.first().map_or(1.0, |(_, us)| us.max(1.0));
    let all = costs.iter().map(|(_, us)| us).sum::<f64>().max(1.0);
    let bars = costs.iter().map(|(row, us)| Bar {
        name: safe(&row.step),
        text: format!(
            "{}, mean {}",
            percent((us / all * 1000.0).round() / 1000.0),
            time(row.figures.us_mean)
        ),
        width: us / most * 100.0,
    });
    Part {
        colour: colour % draw::COLOURS.len(),
        sentences: sentences::of(&name, summary),
        name,
        verdict: summary.validity.verdict.to_string(),
        good: summary.validity.verdict == Verdict::Valid,
        reasons: summary.validity.reasons.iter().map(|text| safe(text)).collect(),
        stopped: summary.stopped.as_ref().map(|stopped| safe(&stopped.to_string())),
        thresholds: summary
            .thresholds
            .iter()
            .map(|row| Rule {
                rule: safe(row.threshold.trim()),
                value: threshold_value(row),
                passed: row.passed,
            })
            .collect(),
        arrivals: load::arrival_words(&record.plan, summary),
        costs: bars.collect(),
        steps: steps(saved, index),
        replies: replies(saved, index),
        failures: failures(saved, index),
        outcomes: outcomes(saved, index),
        notes: summary.notes.iter().map(|note| [safe(&note.what), safe(&note.advice)]).collect(),
        provenance: provenance(saved, index),
        scenario: record.scenario.text.lines().map(|line| safe(line) + "\n").collect(),
        not_measured: not_measured(saved, index),
    }
}

fn steps(saved: &Saved, index: usize) -> Vec<Vec<String>> {
    let value = |estimate: Option<Estimate>| time(estimate.map(|estimate| estimate.value));
    let rows = saved.record.targets[index].summary.steps.iter();
    rows.map(|row| {
        let figures = &row.figures;
        let clock = match row.clock {
            Clock::Service => String::new(),
            clock => format!(" {}", clock.name()),
        };
        vec![
            format!("{}{clock}", printable(row.step.as_bytes())),
            grouped(figures.count + figures.overflow_count),
            value(figures.p50),
            value(figures.p95),
            value(figures.p99),
            interval_of(figures.p99),
            time(figures.us_max),
        ]
    })
    .collect()
}

fn replies(saved: &Saved, index: usize) -> Vec<Vec<String>> {
    let mut rows = judged::replies(&saved.record.targets[index].summary);
    rows.sort_by_key(|row| row.outcome == Outcome::Accepted);
    let cells = rows.iter().take(ROWS_MAX).map(|row| {
        vec![
            printable(row.step.as_bytes()),
            row.reply_code.to_string(),
            printable(row.enhanced_code.as_deref().unwrap_or("-").as_bytes()),
            row.outcome.name().to_owned(),
            grouped(row.count),
            percent(row.share),
            printable(&row.sample_text),
        ]
    });
    cells.collect()
}

fn failures(saved: &Saved, index: usize) -> Vec<Vec<String>> {
    let rows = judged::failures(&saved.record.targets[index].summary);
    let cells = rows.iter().take(ROWS_MAX).map(|row| {
        vec![
            printable(row.step.as_bytes()),
            row.failure.name().replace('_', " "),
            row.failure.fault().name().to_owned(),
            grouped(row.count),
            printable(&row.detail),
        ]
    });
    cells.collect()
}

fn outcomes(saved: &Saved, index: usize) -> Vec<Bar> {
    let books = &saved.record.targets[index].summary.accounting.messages;
    let most = as_f64(books.offered.max(1));
    let bar = |name: &str, count: u64, share: Option<Share>| Bar {
        name: name.replace('_', " "),
        text: match share {
            Some(share) => format!("{}, {}", grouped(count), share_words(&share)),
            None => grouped(count),
        },
        width: as_f64(count) / most * 100.0,
    };
    let fates = Fate::ALL.into_iter().filter(|fate| books.fates.of(*fate) > 0);
    let mut bars = vec![bar("offered", books.offered, None)];
    if books.not_started > 0 {
        let share = Share::of(books.not_started, books.offered);
        bars.push(bar("not started", books.not_started, share));
    }
    bars.extend(fates.map(|fate| {
        let count = books.fates.of(fate);
        bar(fate.name(), count, Share::of(count, books.attempted))
    }));
    bars
}

fn provenance(saved: &Saved, index: usize) -> Vec<[String; 2]> {
    let record = &saved.record;
    let (target, host) = (&record.targets[index], &record.facts.host);
    let safe = |text: &str| printable(text.as_bytes());
    let row = |label: &str, text: String| [label.to_owned(), text];
    let loads: Vec<String> = record.plan.loads.iter().map(load::words).collect();
    let ended = record.facts.ended.map_or("still going on".to_owned(), |ended| ended.to_string());
    vec![
        row("scenario", safe(&record.scenario.name)),
        row("its SHA-256", safe(&record.scenario.sha256)),
        row("load", safe(&loads.join("; "))),
        row("seed", record.seed.to_string()),
        row("run", safe(&record.run_id)),
        row("from, to", format!("{}, {ended}", record.facts.started)),
        row("target", safe(&target.url)),
        row("addresses", safe(&target.addresses.join(", "))),
        row("greeting", safe(target.greeting.as_deref().unwrap_or("not seen"))),
        row("capabilities", safe(&target.capabilities.join(", "))),
        row(
            "smtpbench",
            format!("{}, {}", safe(&record.tool.version), safe(&record.tool.build_profile)),
        ),
        row(
            "generator",
            format!(
                "{} {}, {} processors, by {}",
                safe(&host.os),
                safe(&host.kernel),
                host.cpu_count,
                safe(&host.driver)
            ),
        ),
    ]
}

/// What a reader might look for and not find here.
fn not_measured(saved: &Saved, index: usize) -> Vec<String> {
    let record = &saved.record;
    let summary = &record.targets[index].summary;
    let mut list = Vec::new();
    if !record.plan.is_open() {
        list.push(
            "Response time and lag: under a closed load messages wait for the server, so there is no intended start. \
             A server that stalls is offered less, and looks better than users would find it."
                .to_owned(),
        );
    }
    let few: Vec<&str> = summary
        .steps
        .iter()
        .filter(|row| row.figures.count > 0 && row.figures.p99.is_none())
        .map(|row| row.step.as_str())
        .collect();
    if !few.is_empty() {
        list.push(format!("p99 of {}: too few samples, about 560 are needed.", few.join(", ")));
    }
    list.push(
        "What became of the mail behind the target: an accepted message is one for which the server took \
         responsibility, not one that was seen to arrive."
            .to_owned(),
    );
    let warmup = record.plan.stages.iter().filter(|stage| !stage.judged);
    let warmup: Vec<&str> = warmup.map(|stage| stage.name.as_str()).collect();
    if !warmup.is_empty() {
        list.push(format!(
            "{} is in the charts and in no figure.",
            printable(warmup.join(", ").as_bytes())
        ));
    }
    list
}

/// A number as short as it is exact.
fn plain(value: f64) -> String {
    super::csv::number((value * 1000.0).round() / 1000.0)
}
