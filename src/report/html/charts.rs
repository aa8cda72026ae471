//! The charts of a page with the tables beside them.

use serde::Serialize;

use super::super::saved::Saved;
use super::super::text::decimal;
use super::draw::{HeatMap, Line, LineChart, extent};
use super::plain;
use crate::measure::outcome::Clock;
use crate::measure::summary::{IntervalRow, StepRow};
use crate::scenario::step::StepId;
use crate::stats::binomial::as_f64;
use crate::stats::quantile::Quantile;
use crate::units::Microseconds;

/// Most rows of a table beside a chart.
const ROWS_MAX: usize = 60;
/// Most columns of a heat map, and its rows a decade.
const COLUMNS_MAX: usize = 90;
const ROWS_A_DECADE: f64 = 8.0;

/// A chart.
#[derive(Serialize)]
pub(super) struct Figure {
    title: String,
    words: String,
    svg: String,
    legend: Vec<Key>,
    header: Vec<String>,
    rows: Vec<Vec<String>>,
}

#[derive(Serialize)]
struct Key {
    name: String,
    colour: usize,
    /// In pixels.
    width: u32,
}

/// What is drawn: the end of data, or transactions from their intended start where every run has those.
#[derive(Clone, Copy)]
struct Subject {
    step: StepId,
    name: &'static str,
    clock: Clock,
}

impl Subject {
    fn of(runs: &[Saved]) -> Self {
        let response = |row: &StepRow| {
            row.clock == Clock::Response && row.step == "transaction" && row.figures.count > 0
        };
        let mut targets = runs.iter().flat_map(|saved| saved.record.summaries());
        match targets.all(|summary| summary.steps.iter().any(response)) {
            true => Self { step: StepId::TRANSACTION, name: "transaction", clock: Clock::Response },
            false => Self { step: StepId::EOD, name: "eod", clock: Clock::Service },
        }
    }
}

/// Every chart of these runs; `names` are of their targets, one after the other.
pub(super) fn all(runs: &[Saved], names: &[String]) -> Vec<Figure> {
    let mut targets = Vec::new();
    for saved in runs {
        targets.extend((0..saved.record.targets.len()).map(|index| (saved, index)));
    }
    let targets: Vec<Target<'_>> = targets
        .into_iter()
        .zip(names)
        .map(|((saved, index), name)| Target {
            saved,
            index,
            name,
            several: names.len() > 1,
            subject: Subject::of(runs),
        })
        .collect();
    let mut figures =
        vec![rate(&targets), over_time(&targets), by_percentile(&targets), replies(&targets)];
    figures.extend(targets.iter().filter_map(heat_map));
    figures.retain(|figure| !figure.svg.is_empty());
    figures
}

struct Target<'a> {
    saved: &'a Saved,
    index: usize,
    name: &'a str,
    several: bool,
    subject: Subject,
}

impl Target<'_> {
    /// The slices of the time series, those of several stages added up.
    fn intervals(&self) -> Vec<(f64, Vec<&IntervalRow>)> {
        let mut slices: Vec<(f64, Vec<&IntervalRow>)> = Vec::new();
        for row in &self.saved.record.targets[self.index].summary.intervals {
            match slices.last_mut() {
                Some((second, rows)) if second.total_cmp(&row.second).is_eq() => rows.push(row),
                _ => slices.push((row.second, vec![row])),
            }
        }
        slices
    }

    fn interval_s(&self) -> f64 {
        self.saved.record.targets[self.index].summary.interval.as_secs_f64().max(0.001)
    }

    /// `what`, behind the target's name where there are several.
    fn label(&self, what: &str) -> String {
        if self.several { format!("{}: {what}", self.name) } else { what.to_owned() }
    }

    /// The colour of line number `line` of this target, number `number` of all.
    fn colour(&self, number: usize, line: usize) -> usize {
        if self.several { number } else { line }
    }
}

fn figure(title: &str, words: &str, lines: &[Line], chart: &LineChart<'_>) -> Figure {
    let legend = lines.iter().map(|line| Key {
        name: line.name.clone(),
        colour: line.colour % 6,
        width: line.width * 2,
    });
    let header = std::iter::once(chart.x_label.to_owned());
    let mut xs: Vec<f64> =
        lines.iter().flat_map(|line| line.pieces.iter().flatten()).map(|p| p.0).collect();
    xs.sort_by(f64::total_cmp);
    xs.dedup_by(|a, b| a.total_cmp(b).is_eq());
    let every = xs.len().div_ceil(ROWS_MAX).max(1);
    let rows = xs.iter().step_by(every).map(|x| {
        let value = |line: &Line| {
            let mut points = line.pieces.iter().flatten();
            let found = points.find(|point| point.0.total_cmp(x).is_eq());
            found.map_or(String::new(), |point| (chart.y_text)(point.1))
        };
        std::iter::once((chart.x_text)(*x)).chain(lines.iter().map(value)).collect()
    });
    Figure {
        title: title.to_owned(),
        words: words.to_owned(),
        svg: if extent(lines).is_some() { chart.svg() } else { String::new() },
        header: header.chain(lines.iter().map(|line| line.name.clone())).collect(),
        rows: rows.collect(),
        legend: legend.collect(),
    }
}

/// A chart over time whose vertical axis starts at 0.
fn from_zero(title: &str, words: &str, y_label: &str, lines: &[Line]) -> Figure {
    let ((start, end), (_, top)) = extent(lines).unwrap_or(((0.0, 1.0), (0.0, 1.0)));
    let chart = LineChart {
        x_label: "seconds from the start of the run",
        y_label,
        x: (start.min(0.0), end.max(start + 1.0)),
        y: (0.0, if top > 0.0 { top * 1.08 } else { 1.0 }),
        x_text: plain,
        y_text: |y| if y < 100.0 { plain((y * 10.0).round() / 10.0) } else { decimal(y) },
        labels: (10, 7),
        lines,
    };
    figure(title, words, lines, &chart)
}

fn rate(targets: &[Target<'_>]) -> Figure {
    let mut lines = Vec::new();
    for (number, target) in targets.iter().enumerate() {
        let slices = target.intervals();
        let seconds = target.interval_s();
        let planned = |rows: &[&IntervalRow]| {
            let within = rows.iter().filter(|row| row.messages_per_s.is_some());
            let offered: Vec<u64> = within.filter_map(|row| row.offered).collect();
            (!offered.is_empty()).then(|| as_f64(offered.iter().sum()) / seconds)
        };
        let plan: Vec<_> = slices.iter().map(|(second, rows)| (*second, planned(rows))).collect();
        if plan.iter().any(|(_, rate)| rate.is_some()) && (number == 0 || !target.several) {
            let mut line = Line::new("plan".to_owned(), 4, &plan);
            line.width = 4;
            lines.push(line);
        }
        let accepted = slices.iter().map(|(second, rows)| {
            let rates: Vec<f64> = rows.iter().filter_map(|row| row.messages_per_s).collect();
            (*second, (!rates.is_empty()).then(|| rates.iter().sum()))
        });
        let accepted: Vec<(f64, Option<f64>)> = accepted.collect();
        lines.push(Line::new(target.label("accepted"), target.colour(number, 0), &accepted));
    }
    from_zero(
        "Rate achieved against plan",
        "Messages accepted in each interval; the plan is what an open load's schedule brought.",
        "messages a second",
        &lines,
    )
}

fn replies(targets: &[Target<'_>]) -> Figure {
    type Pick = fn(&IntervalRow) -> u64;
    let kinds: [(&str, Pick); 3] = [
        ("2yz", |row| row.replies_2yz),
        ("4yz", |row| row.replies_4yz),
        ("5yz", |row| row.replies_5yz),
    ];
    let mut lines = Vec::new();
    for (number, target) in targets.iter().enumerate() {
        let slices = target.intervals();
        // The refusals of several runs are what is to be compared.
        let shown = kinds.iter().enumerate().skip(usize::from(target.several));
        for (index, (kind, pick)) in shown {
            let points: Vec<_> = slices
                .iter()
                .map(|(second, rows)| {
                    let count: u64 = rows.iter().map(|row| pick(row)).sum();
                    // What comes behind the end of a stage has no interval of its own.
                    let within = rows.iter().any(|row| row.messages_per_s.is_some());
                    (*second, within.then(|| as_f64(count) / target.interval_s()))
                })
                .collect();
            let mut line = Line::new(target.label(kind), target.colour(number, index), &points);
            line.width = if target.several && index == 1 { 1 } else { 2 };
            lines.push(line);
        }
    }
    from_zero(
        "Reply codes over time",
        "Replies of each class to all commands; the table of replies below has every code.",
        "replies a second",
        &lines,
    )
}

/// Logarithm of microseconds as a time.
fn time_text(log: f64) -> String {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a time from a histogram, or the end of an axis near one"
    )]
    let us = 10_f64.powf(log).round() as u64;
    Microseconds(us).to_string()
}

fn log_of(us: u64) -> f64 {
    as_f64(us.max(1)).log10()
}

/// The ends of a logarithmic axis, at whole powers of ten.
fn decades(low: f64, high: f64) -> (f64, f64) {
    let (low, high) = (low.floor(), high.ceil());
    (low, if high > low { high } else { low + 1.0 })
}

fn over_time(targets: &[Target<'_>]) -> Figure {
    let mut lines = Vec::new();
    let mut what = "";
    for (number, target) in targets.iter().enumerate() {
        let stages = target.saved.layouts[target.index].stages();
        let Subject { name, clock, .. } = target.subject;
        let step = name;
        what = words_of(step);
        let slices = target.saved.slices(target.index, stages, step, clock);
        let histograms: Vec<_> = slices
            .iter()
            .map(|slice| (slice.start.as_secs_f64(), slice.samples.to_histogram()))
            .collect();
        let quantiles = [("p50", Quantile::P50), ("p95", Quantile::P95), ("p99", Quantile::P99)];
        for (index, (name, quantile)) in quantiles.into_iter().enumerate() {
            // Over several runs the middle one would only clutter.
            if target.several && index == 1 {
                continue;
            }
            let points: Vec<_> = histograms
                .iter()
                .map(|(second, histogram)| {
                    (*second, histogram.quantile(quantile).map(|one| log_of(one.value)))
                })
                .collect();
            let mut line = Line::new(target.label(name), target.colour(number, index), &points);
            line.width = if target.several && index == 0 { 1 } else { 2 };
            lines.push(line);
        }
    }
    let ((start, end), (low, high)) = extent(&lines).unwrap_or(((0.0, 1.0), (0.0, 1.0)));
    let y = decades(low, high);
    let chart = LineChart {
        x_label: "seconds from the start of the run",
        y_label: "time (logarithmic)",
        x: (start.min(0.0), end.max(start + 1.0)),
        y,
        x_text: plain,
        y_text: time_text,
        labels: (10, 6),
        lines: &lines,
    };
    let words =
        format!("{what} A percentile is left out of an interval with too few samples for it.");
    figure("Latency over time", &words, &lines, &chart)
}

fn words_of(step: &str) -> &'static str {
    match step {
        "transaction" => {
            "Transactions from their intended start to the last reply, accepted and timed out."
        }
        _ => "From the last byte of mail data to its reply, accepted and timed out.",
    }
}

/// The places on the axis of percentiles: 1/(1 − p) in powers of ten, with some between.
fn percentile_text(log: f64) -> String {
    let share = 1.0 - 10_f64.powf(-log);
    let digits = match log {
        ..=1.01 => 0,
        ..=2.01 => 1,
        ..=3.01 => 2,
        _ => 3,
    };
    let text = format!("{:.digits$}", share * 100.0);
    let text = match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    };
    format!("{text} %")
}

fn by_percentile(targets: &[Target<'_>]) -> Figure {
    /// Places a decade.
    const PLACES: u32 = 10;
    let mut lines = Vec::new();
    let mut what = "";
    for (number, target) in targets.iter().enumerate() {
        let Subject { step, name, clock } = target.subject;
        what = words_of(name);
        let stages = target.saved.judged_stages(target.index);
        let samples = target.saved.sums(target.index).judged_samples(&stages, step, clock);
        let mut points = Vec::new();
        for place in 0..=PLACES * 5 {
            let log = f64::from(place) / f64::from(PLACES);
            let share = (1.0 - 10_f64.powf(-log)) * 1e5;
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "from 0 to 100,000"
            )]
            let quantile = Quantile::new(share.round() as u32);
            let value = match quantile {
                Some(quantile) => samples.quantile(quantile).map(|one| one.value),
                None if place == 0 => samples.min(),
                None => None,
            };
            points.push((log, value.map(log_of)));
        }
        lines.push(Line::new(target.label("all"), number, &points));
    }
    let ((_, end), (low, high)) = extent(&lines).unwrap_or(((0.0, 1.0), (0.0, 1.0)));
    let chart = LineChart {
        x_label: "percentile, on a logarithmic axis of 1/(1−p)",
        y_label: "time (logarithmic)",
        x: (0.0, end.max(1.0)),
        y: decades(low, high),
        x_text: percentile_text,
        y_text: time_text,
        labels: (6, 6),
        lines: &lines,
    };
    let words = format!("{what} It ends where the samples are too few for an interval.");
    figure("Latency by percentile", &words, &lines, &chart)
}

fn heat_map(target: &Target<'_>) -> Option<Figure> {
    let stages = target.saved.layouts[target.index].stages();
    let Subject { name: step, clock, .. } = target.subject;
    let slices = target.saved.slices(target.index, stages, step, clock);
    let values = || slices.iter().flat_map(|slice| slice.samples.values()).map(|(us, _)| *us);
    let first = (log_of(values().min()?) * ROWS_A_DECADE).floor() / ROWS_A_DECADE;
    let row_of = |us: u64| {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "at most nine decades of a few rows"
        )]
        {
            ((log_of(us) - first) * ROWS_A_DECADE + 1e-9).max(0.0) as usize
        }
    };
    let rows = row_of(values().max()?) + 1;
    let together = slices.len().div_ceil(COLUMNS_MAX).max(1);
    let (mut columns, mut counts) = (Vec::new(), Vec::new());
    for part in slices.chunks(together) {
        let (Some(begins), Some(last)) = (part.first(), part.last()) else { continue };
        let ends = last.start + last.length;
        columns.push((begins.start.as_secs_f64(), ends.as_secs_f64()));
        let mut column = vec![0_u64; rows];
        for (us, count) in part.iter().flat_map(|slice| slice.samples.values()) {
            let cell = &mut column[row_of(*us)];
            *cell = cell.saturating_add(*count);
        }
        counts.push(column);
    }
    let height = 1.0 / ROWS_A_DECADE;
    let header = ["seconds", "samples", "fastest", "most frequent", "slowest"];
    let table = columns.iter().zip(&counts).map(|((start, _), column)| {
        let log = |row: usize| time_text(first + height * as_f64(row as u64));
        let filled =
            || column.iter().enumerate().filter(|(_, count)| **count > 0).map(|(row, _)| row);
        let most = column.iter().enumerate().max_by_key(|(_, count)| **count);
        vec![
            plain(*start),
            super::grouped(column.iter().fold(0, |sum: u64, count| sum.saturating_add(*count))),
            filled().next().map_or(String::new(), log),
            most.map_or(String::new(), |(row, _)| log(row)),
            filled().next_back().map_or(String::new(), |row| log(row + 1)),
        ]
    });
    let every = columns.len().div_ceil(ROWS_MAX).max(1);
    let rows = table.step_by(every).collect();
    let svg =
        HeatMap { columns: columns.clone(), counts: counts.clone(), first, height }.svg(time_text);
    Some(Figure {
        title: target.label("Heat map of latency"),
        words: format!("{} The stronger the colour, the more samples.", words_of(step)),
        svg,
        legend: Vec::new(),
        header: header.map(str::to_owned).to_vec(),
        rows,
    })
}
