//! The summary for a person: the verdict first, then rates, the books, steps, replies, failures and notes.
//! Fits 100 columns.

use std::fmt::Write as _;

use super::{beside, extensions, judged, load, tls};
use crate::measure::accounting::Balance;
use crate::measure::addresses::AddressRow;
use crate::measure::histogram::Estimate;
use crate::measure::outcome::{Clock, Fate, Outcome};
use crate::measure::summary::{StepRow, Summary};
use crate::measure::thresholds::{ThresholdRow, Unit};
use crate::measure::validity::Verdict;
use crate::report::record::{PlanFacts, Record, TargetRecord};
use crate::smtp::text::printable;
use crate::stats::share::Share;
use crate::units::{ByteSize, Microseconds};

/// Columns of a line.
const WIDTH: usize = 100;
/// Columns of the words at the left.
const LABEL: usize = 13;
/// Most lines of replies and of failures; the CSV files have them all.
const LINES_MAX: usize = 24;

/// The summary; `color` puts in ANSI colours.
#[must_use]
pub fn render(record: &Record, color: bool) -> String {
    let mut text = Text { out: String::new(), color };
    side_by_side(&mut text, record);
    for (index, target) in record.targets.iter().enumerate() {
        if index > 0 {
            text.gap();
        }
        block(&mut text, record, target);
    }
    text.out
}

/// What there is to say of several targets together.
fn side_by_side(text: &mut Text, record: &Record) {
    let table = beside::table(record);
    if table.is_empty() {
        return;
    }
    let how = match record.plan.block_s {
        Some(block) => format!("in turn, in blocks of {block} s"),
        None => "at the same time".to_owned(),
    };
    let targets = record.targets.len();
    text.row(&format!("{} against {targets} targets, {how}", record.scenario.name));
    text.gap();
    table.iter().for_each(|line| text.row(line));
    for (label, lines) in
        [("differences", beside::differences(record)), ("offered", beside::capabilities(record))]
    {
        for (index, line) in lines.iter().enumerate() {
            if index == 0 {
                text.gap();
            }
            text.line(if index == 0 { label } else { "" }, line);
        }
    }
    text.gap();
}

/// All that there is to say of one target.
fn block(text: &mut Text, record: &Record, target: &TargetRecord) {
    let (plan, summary) = (&record.plan, &target.summary);
    heading(text, record, target);
    text.gap();
    verdict(text, summary);
    text.gap();
    rates(text, summary);
    for (index, line) in load::arrival_words(plan, summary).into_iter().enumerate() {
        text.line(if index == 0 { "arrivals" } else { "" }, &line);
    }
    books(text, summary);
    if let Some(words) = beside::server_words(target) {
        text.line("server", &words);
    }
    for (index, line) in load::stage_table(summary).into_iter().enumerate() {
        if index == 0 {
            text.gap();
        }
        text.row(&line);
    }
    steps(text, &summary.steps);
    addresses(text, summary);
    replies(text, summary, plan);
    failures(text, summary);
    for (label, lines) in
        [("round trips", extensions::words(summary)), ("tls", tls::words(plan, target))]
    {
        for (index, line) in lines.into_iter().enumerate() {
            if index == 0 {
                text.gap();
            }
            text.line(if index == 0 { label } else { "" }, &line);
        }
    }
    for (index, note) in summary.notes.iter().enumerate() {
        if index == 0 {
            text.gap();
        }
        text.line("note", &format!("{}; {}", note.what, note.advice));
    }
}

/// What was run, against what.
fn heading(text: &mut Text, record: &Record, target: &TargetRecord) {
    let (plan, summary) = (&record.plan, &target.summary);
    text.row(&format!("{} against {}", record.scenario.name, target.label()));
    for load in plan.loads.iter().filter(|_| plan.is_open()) {
        text.row(&load::words(load));
    }
    let stages = match summary.judged_stages.as_slice() {
        [stage] => format!("stage {stage}"),
        stages => format!("stages {}", stages.join(", ")),
    };
    let rest = format!("{stages}, seed {}", record.seed);
    match plan.is_open() {
        true => text.row(&rest),
        false => text.row(&format!("{}, {rest}", plural(plan.sessions_max(), "session"))),
    }
}

/// Lines with a label before them.
struct Text {
    out: String,
    color: bool,
}

/// Colours by their meaning.
#[derive(Clone, Copy)]
enum Paint {
    Good,
    Bad,
    Plain,
}

impl Text {
    fn gap(&mut self) {
        self.out.push('\n');
    }

    /// A label and words, wrapped at [`WIDTH`].
    fn line(&mut self, label: &str, words: &str) {
        let mut line = format!("{label:LABEL$}");
        let mut empty = true;
        for word in words.split(' ') {
            if !empty && line.chars().count() + 1 + word.chars().count() > WIDTH {
                self.push_line(&line);
                line = " ".repeat(LABEL);
                empty = true;
            }
            if !empty {
                line.push(' ');
            }
            line.push_str(word);
            empty = false;
        }
        self.push_line(&line);
    }

    fn push_line(&mut self, line: &str) {
        self.out.push_str(line.trim_end());
        self.out.push('\n');
    }

    /// A row of a table, cut at [`WIDTH`].
    fn row(&mut self, row: &str) {
        self.push_line(&cut(row, WIDTH));
    }

    fn paint(&self, paint: Paint, words: &str) -> String {
        let code = match paint {
            Paint::Good => "32",
            Paint::Bad => "1;31",
            Paint::Plain => return words.to_owned(),
        };
        if self.color { format!("\x1b[{code}m{words}\x1b[0m") } else { words.to_owned() }
    }
}

fn verdict(text: &mut Text, summary: &Summary) {
    let validity = &summary.validity;
    let good = validity.verdict == Verdict::Valid;
    let paint = if good { Paint::Good } else { Paint::Bad };
    let word = text.paint(paint, validity.verdict.name());
    text.line("verdict", &word);
    for reason in &validity.reasons {
        text.line("", reason);
    }
    if let Some(stopped) = &summary.stopped {
        text.line("stopped", &stopped.to_string());
    }
    for (index, row) in summary.thresholds.iter().enumerate() {
        let label = if index == 0 { "thresholds" } else { "" };
        let (paint, word) = if row.passed { (Paint::Good, "pass") } else { (Paint::Bad, "FAIL") };
        let word = text.paint(paint, word);
        let rule = cut(&printable(row.threshold.as_bytes()), 40);
        text.push_line(&format!("{label:LABEL$}{word}  {rule:40} {}", threshold_value(row)));
    }
}

pub(super) fn threshold_value(row: &ThresholdRow) -> String {
    let value = match (row.value, row.reason, row.unit) {
        (_, Some(reason), _) => return reason.to_owned(),
        (None, None, _) => return "-".to_owned(),
        (Some(value), None, Unit::Share) => percent(value),
        (Some(value), None, Unit::Microseconds) => micros(value),
        (Some(value), None, Unit::PerSecond) => format!("{} a second", decimal(value)),
        (Some(value), None, Unit::PerHour) => format!("{} an hour", decimal(value)),
    };
    match row.estimate_of {
        Some((_, samples)) => format!("{value} (estimate, {})", plural(samples, "sample")),
        None => value,
    }
}

fn rates(text: &mut Text, summary: &Summary) {
    for total in &summary.totals {
        let window = summary.window.as_secs_f64();
        let rate = match total.messages_per_s {
            Some(rate) => {
                let hour = rate * 3600.0;
                format!("{} a second, {} an hour", decimal(rate), whole(hour))
            }
            None if summary.window.is_zero() => "no rate, as no time passed".to_owned(),
            None => "a curve, see intervals.csv".to_owned(),
        };
        let accepted = grouped(total.accepted_in_window);
        text.line("messages", &format!("{rate}: {accepted} accepted in {window:.2} s"));
        let books = &summary.accounting.messages;
        text.line(
            "accepted",
            &match total.accepted {
                Some(share) => {
                    format!("{} of {} attempted", share_words(&share), grouped(books.attempted))
                }
                None => "nothing was attempted".to_owned(),
            },
        );
        for fate in [Fate::Rejected, Fate::Deferred, Fate::Failed, Fate::InDoubt] {
            let count = books.fates.of(fate);
            if let Some(share) = Share::of(count, books.attempted).filter(|_| count > 0) {
                let name = fate.name().replace('_', " ");
                text.line(&name, &format!("{}, {}", grouped(count), share_words(&share)));
            }
        }
        if summary.accepted_bytes > 0 {
            let size = ByteSize(summary.accepted_bytes);
            text.line("mail data", &format!("{size} of accepted messages"));
        }
    }
}

fn books(text: &mut Text, summary: &Summary) {
    let line = |balance: &Balance| {
        let mut fates = String::new();
        for fate in Fate::ALL {
            let count = balance.fates.of(fate);
            if count > 0 || fate == Fate::Accepted {
                let plus = if fates.is_empty() { "" } else { " + " };
                let name = fate.name().replace('_', " ");
                let _ = write!(fates, "{plus}{} {name}", grouped(count));
            }
        }
        format!(
            "{} offered = {} not started + {}",
            grouped(balance.offered),
            grouped(balance.not_started),
            fates
        )
    };
    let closes = if summary.accounting.closes {
        text.paint(Paint::Plain, "closes")
    } else {
        text.paint(Paint::Bad, "DOES NOT CLOSE")
    };
    text.line("accounting", &format!("{closes}; messages: {}", line(&summary.accounting.messages)));
    text.line("", &format!("recipients: {}", line(&summary.accounting.recipients)));
}

fn steps(text: &mut Text, steps: &[StepRow]) {
    text.gap();
    if steps.is_empty() {
        text.row("no step was accepted or timed out");
        return;
    }
    text.row(&format!(
        "{:20}{:>11}{:>10}{:>10}{:>10}  {:23}{:>10}",
        "step", "count", "p50", "p95", "p99", "95 % interval of p99", "max"
    ));
    for StepRow { step, clock, figures } in steps {
        let step = match clock {
            Clock::Service => step.clone(),
            clock => format!("{step} {}", clock.name()),
        };
        if figures.count + figures.overflow_count == 0 {
            text.row(&format!(
                "{:20}{:>11}{:>10}{:>10}{:>10}  none accepted",
                cut(&step, 20),
                0,
                "-",
                "-",
                "-"
            ));
            continue;
        }
        let value = |estimate: Option<Estimate>| time(estimate.map(|estimate| estimate.value));
        let interval = figures.p99.map_or("-".to_owned(), |p99| {
            let high = p99.high.map_or("over 15 min".to_owned(), |us| Microseconds(us).to_string());
            format!("{} .. {high}", time(p99.low))
        });
        let max = if figures.overflow_count > 0 {
            "over 15 min".to_owned()
        } else {
            time(figures.us_max)
        };
        text.row(&format!(
            "{:20}{:>11}{:>10}{:>10}{:>10}  {interval:23}{max:>10}",
            cut(&step, 20),
            grouped(figures.count + figures.overflow_count),
            value(figures.p50),
            value(figures.p95),
            value(figures.p99),
        ));
    }
}

/// Where the target has several addresses, each of them in the judged stage.
fn addresses(text: &mut Text, summary: &Summary) {
    let judged = summary.addresses.iter().filter(|row| summary.judged_stages.contains(&row.stage));
    let rows: Vec<&AddressRow> = judged.collect();
    if rows.iter().all(|row| row.number == rows[0].number) {
        return;
    }
    text.gap();
    text.row(&format!(
        "{:35}{:>9}{:>10}{:>11}{:>11}{:>12}{:>12}",
        "address", "sessions", "unreached", "accepted", "connect p50", "eod p50", "eod p99"
    ));
    for row in rows.iter().take(LINES_MAX) {
        let value = |estimate: Option<Estimate>| time(estimate.map(|estimate| estimate.value));
        text.row(&format!(
            "{:35}{:>9}{:>10}{:>11}{:>11}{:>12}{:>12}",
            cut(&row.destination.to_string(), 34),
            grouped(row.tally.sessions),
            grouped(row.tally.connect_failures),
            grouped(row.tally.fates.of(Fate::Accepted)),
            value(row.connect.p50),
            value(row.eod.p50),
            value(row.eod.p99),
        ));
    }
    more(text, rows.len(), "addresses.csv");
}

/// Replies of the judged stage, those that were not expected first.
fn replies(text: &mut Text, summary: &Summary, plan: &PlanFacts) {
    let mut rows = judged::replies(summary);
    if rows.is_empty() {
        return;
    }
    rows.sort_by_key(|row| row.outcome == Outcome::Accepted);
    // Where there are several scripts, two rows may differ in nothing else.
    let scripts = plan.scripts.len() > 1;
    let script = |name: &str| if scripts { format!("{:11}", cut(name, 10)) } else { String::new() };
    text.gap();
    text.row(&format!(
        "{}{:16}{:>5} {:10}{:11}{:>12}{:>9}  text of the first",
        script("script"),
        "reply to",
        "code",
        "enhanced",
        "outcome",
        "count",
        "share"
    ));
    for row in rows.iter().take(LINES_MAX) {
        text.row(&format!(
            "{}{:16}{:>5} {:10}{:11}{:>12}{:>9}  {}",
            script(&row.script),
            cut(&row.step, 15),
            row.reply_code,
            row.enhanced_code.as_deref().unwrap_or("-"),
            row.outcome.name(),
            grouped(row.count),
            percent(row.share),
            printable(&row.sample_text),
        ));
    }
    more(text, rows.len(), "replies.csv");
}

fn failures(text: &mut Text, summary: &Summary) {
    let rows = judged::failures(summary);
    if rows.is_empty() {
        return;
    }
    text.gap();
    text.row(&format!(
        "{:16}{:16}{:11}{:>12}  detail of the first",
        "failure of", "what", "fault", "count"
    ));
    for row in rows.iter().take(LINES_MAX) {
        text.row(&format!(
            "{:16}{:16}{:11}{:>12}  {}",
            cut(&row.step, 15),
            row.failure.name(),
            row.failure.fault().name(),
            grouped(row.count),
            printable(&row.detail),
        ));
    }
    more(text, rows.len(), "failures.csv");
}

fn more(text: &mut Text, rows: usize, file: &str) {
    if rows > LINES_MAX {
        text.row(&format!("… and {} more in {file}", rows - LINES_MAX));
    }
}

/// A share with its interval.
fn share_words(share: &Share) -> String {
    let value = percent(share.value);
    if share.value <= 0.0 {
        format!("{value} (at most {})", percent(share.high))
    } else if share.value >= 1.0 {
        format!("{value} (at least {})", percent(share.low))
    } else {
        format!("{value} ({} to {})", percent(share.low), percent(share.high))
    }
}

/// A share as a percentage: two digits after the point, and more near 0 and 100, which are never rounded to.
pub(super) fn percent(share: f64) -> String {
    let value = share * 100.0;
    let edge = value.min(100.0 - value);
    let digits = match edge {
        _ if edge <= 0.0 => 0,
        0.1.. => 2,
        0.001.. => 4,
        _ => 6,
    };
    let text = format!("{value:.digits$}");
    let short = match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.'),
        false => &text,
    };
    format!("{short} %")
}

pub(super) fn micros(us: f64) -> String {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a time from a histogram: 0 to fifteen minutes"
    )]
    Microseconds(us.round() as u64).to_string()
}

pub(super) fn time(us: Option<u64>) -> String {
    us.map_or("-".to_owned(), |us| Microseconds(us).to_string())
}

/// A rate: a digit after the point while it is below 100.
pub(super) fn decimal(value: f64) -> String {
    if value < 100.0 { format!("{value:.1}") } else { whole(value) }
}

fn whole(value: f64) -> String {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a rate is not negative, and a float turns into the nearest integer there is"
    )]
    grouped(value.round() as u64)
}

fn plural(count: u64, noun: &str) -> String {
    let s = if count == 1 { "" } else { "s" };
    format!("{} {noun}{s}", grouped(count))
}

/// Digits in groups of three.
pub(super) fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// At most so many characters, with an ellipsis for the rest.
pub(super) fn cut(text: &str, columns: usize) -> String {
    if text.chars().count() <= columns {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(columns - 1).collect();
    short.push('…');
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentages_are_not_rounded_to_all_or_nothing() {
        let check = |share: f64, want: &str| assert_eq!(percent(share), want);
        check(0.0, "0 %");
        check(1.0, "100 %");
        check(0.5, "50 %");
        check(0.999_99, "99.999 %");
        check(0.000_001, "0.0001 %");
        check(0.100_4, "10.04 %");
    }

    #[test]
    fn digits_stand_in_threes() {
        assert_eq!([grouped(0), grouped(999), grouped(1000)], ["0", "999", "1,000"]);
        assert_eq!(grouped(12_345_678), "12,345,678");
    }

    #[test]
    fn long_names_are_cut() {
        assert_eq!(cut("abcdef", 6), "abcdef");
        assert_eq!(cut("abcdefg", 6), "abcde…");
    }
}
