//! What a self-test planted and what the report showed of it: a row a check, as CSV and for a person.

use std::fmt::Write as _;

use super::csv::{number, optional, table};
use super::text::{cut, decimal, grouped, percent};
use crate::units::Microseconds;

const COLUMNS: &[&str] =
    &["probe", "what", "unit", "planted", "found", "low", "high", "seen_by", "verdict"];

/// One thing that had to show.
#[derive(Clone, Debug, PartialEq)]
pub struct ProbeRow {
    /// The probe.
    pub probe: &'static str,
    /// What is counted or timed.
    pub what: &'static str,
    /// In what.
    pub unit: ProbeUnit,
    /// How much of it there was, by the sink's own books or by the plan.
    pub planted: f64,
    /// How much of it was found; `None` where nothing was measured.
    pub found: Option<f64>,
    /// The least that may be found.
    pub low: f64,
    /// The most.
    pub high: f64,
    /// Who saw it.
    pub seen_by: SeenBy,
    /// What it came to.
    pub verdict: ProbeVerdict,
}

/// In what something is counted or timed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProbeUnit {
    /// A whole number.
    Count,
    /// Microseconds.
    Microseconds,
    /// From 0 to 1.
    Share,
    /// So many a second.
    PerSecond,
}

/// Who saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SeenBy {
    /// The report of the run alone.
    Report,
    /// What the run says was accepted, held against what the sink kept: a run does not follow its mail further.
    Capture,
}

/// What a check came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProbeVerdict {
    /// What was planted was found.
    Found,
    /// It was not, or something else was.
    NotFound,
    /// The sink did nothing of the kind, so that there was nothing to find.
    NotPlanted,
    /// The generator was the limit, or the run was cut short: nothing is known.
    Inconclusive,
}

impl ProbeUnit {
    /// Its name in result files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::Microseconds => "us",
            Self::Share => "share",
            Self::PerSecond => "per_s",
        }
    }

    /// A value for a person.
    fn shown(self, value: f64) -> String {
        match self {
            Self::Count => grouped(whole(value)),
            Self::Microseconds => Microseconds(whole(value)).to_string(),
            Self::Share => percent(value),
            Self::PerSecond => format!("{}/s", decimal(value)),
        }
    }
}

impl SeenBy {
    /// Its name in result files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Report => "report",
            Self::Capture => "capture",
        }
    }
}

impl ProbeVerdict {
    /// Its name in result files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Found => "found",
            Self::NotFound => "not_found",
            Self::NotPlanted => "not_planted",
            Self::Inconclusive => "inconclusive",
        }
    }

    /// The same for a person; what is not good is loud.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Found => "found",
            Self::NotFound => "NOT FOUND",
            Self::NotPlanted => "NOT PLANTED",
            Self::Inconclusive => "inconclusive",
        }
    }
}

impl ProbeRow {
    /// What the row comes to: `fault` says whether there has to be any of it, `limited` whether the generator was the
    /// limit.
    #[must_use]
    pub fn judged(self, fault: bool, limited: bool) -> Self {
        let inside = self.found.is_some_and(|found| self.low <= found && found <= self.high);
        let verdict = match () {
            () if limited => ProbeVerdict::Inconclusive,
            () if fault && self.planted <= 0.0 => ProbeVerdict::NotPlanted,
            () if inside => ProbeVerdict::Found,
            () => ProbeVerdict::NotFound,
        };
        Self { verdict, ..self }
    }

    fn allowed(&self) -> String {
        if self.low >= self.high {
            return "exactly".to_owned();
        }
        format!("{} .. {}", self.unit.shown(self.low), self.unit.shown(self.high))
    }
}

/// The bytes of `selftest.csv`.
#[must_use]
pub fn csv(rows: &[ProbeRow]) -> Vec<u8> {
    table(COLUMNS, rows.iter().map(cells))
}

fn cells(row: &ProbeRow) -> Vec<String> {
    vec![
        row.probe.to_owned(),
        row.what.to_owned(),
        row.unit.name().to_owned(),
        number(row.planted),
        optional(row.found.map(number)),
        number(row.low),
        number(row.high),
        row.seen_by.name().to_owned(),
        row.verdict.name().to_owned(),
    ]
}

/// The rows for a person: the name of a probe once.
#[must_use]
pub fn text(rows: &[ProbeRow]) -> String {
    let mut text = format!(
        "{:20}{:25}{:>8}{:>8} {:18}{:8}verdict\n",
        "probe", "what", "planted", "found", "may be", "seen by"
    );
    let mut last = "";
    for row in rows {
        let probe = if row.probe == last { "" } else { row.probe };
        last = row.probe;
        let found = row.found.map_or("-".to_owned(), |found| row.unit.shown(found));
        // Writing into a String cannot fail.
        let _ = writeln!(
            text,
            "{:20}{:25}{:>8}{:>8} {:18}{:8}{}",
            cut(probe, 19),
            cut(row.what, 24),
            row.unit.shown(row.planted),
            found,
            row.allowed(),
            row.seen_by.name(),
            row.verdict.words()
        );
    }
    text
}

fn whole(value: f64) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "counts and times are not negative, and a float turns into the nearest integer there is"
    )]
    let whole = value.round() as u64;
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(planted: f64, found: Option<f64>, low: f64, high: f64) -> ProbeRow {
        ProbeRow {
            probe: "reject-mail",
            what: "messages rejected",
            unit: ProbeUnit::Count,
            planted,
            found,
            low,
            high,
            seen_by: SeenBy::Report,
            verdict: ProbeVerdict::Inconclusive,
        }
    }

    #[track_caller]
    fn check(row: ProbeRow, fault: bool, want: ProbeVerdict) {
        assert_eq!(row.clone().judged(fault, false).verdict, want, "{row:?}");
        assert_eq!(row.judged(fault, true).verdict, ProbeVerdict::Inconclusive);
    }

    #[test]
    fn one_more_or_less_than_planted_is_not_found() {
        check(row(40.0, Some(40.0), 40.0, 40.0), true, ProbeVerdict::Found);
        check(row(40.0, Some(39.0), 40.0, 40.0), true, ProbeVerdict::NotFound);
        check(row(40.0, Some(41.0), 40.0, 40.0), true, ProbeVerdict::NotFound);
        check(row(40.0, Some(0.0), 40.0, 40.0), true, ProbeVerdict::NotFound);
        check(row(40.0, None, 40.0, 40.0), true, ProbeVerdict::NotFound);
        check(row(40.0, Some(f64::NAN), 40.0, 40.0), true, ProbeVerdict::NotFound);
    }

    #[test]
    fn intervals_hold_their_ends() {
        check(row(40.0, Some(30.0), 30.0, 50.0), true, ProbeVerdict::Found);
        check(row(40.0, Some(50.0), 30.0, 50.0), true, ProbeVerdict::Found);
        check(row(40.0, Some(50.1), 30.0, 50.0), true, ProbeVerdict::NotFound);
    }

    /// Nothing planted and nothing found proves nothing of a fault.
    #[test]
    fn a_fault_that_was_not_there_is_not_found() {
        check(row(0.0, Some(0.0), 0.0, 0.0), true, ProbeVerdict::NotPlanted);
        check(row(0.0, Some(0.0), 0.0, 0.0), false, ProbeVerdict::Found);
        check(row(0.0, Some(1.0), 0.0, 0.0), false, ProbeVerdict::NotFound);
    }

    #[test]
    fn rows_as_csv_and_as_text() {
        let rows = [
            row(40.0, Some(39.0), 40.0, 40.0).judged(true, false),
            ProbeRow { unit: ProbeUnit::Microseconds, ..row(1e4, None, 9e3, 1e5) }
                .judged(true, false),
        ];
        let csv = String::from_utf8(csv(&rows)).unwrap();
        let want = "reject-mail,messages rejected,count,40,39,40,40,report,not_found";
        assert_eq!(csv.lines().nth(1), Some(want));
        assert_eq!(
            csv.lines().nth(2),
            Some("reject-mail,messages rejected,us,10000,,9000,100000,report,not_found")
        );
        let text = text(&rows);
        assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
        assert!(text.contains("exactly") && text.contains("9.00 ms .. 100 ms"), "{text}");
    }
}
