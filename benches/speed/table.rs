//! What is printed: a row a quantity, as a Markdown table, and every single figure as CSV where that is asked for.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use smtpbench::clock;

use crate::children::Outcome;

/// What a figure must not pass.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Goal {
    AtMost(f64),
    AtLeast(f64),
    /// Stands for itself.
    None,
}

impl Goal {
    fn is_met(self, value: f64) -> bool {
        match self {
            Self::AtMost(limit) => value <= limit,
            Self::AtLeast(limit) => value >= limit,
            Self::None => true,
        }
    }
}

impl std::fmt::Display for Goal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::AtMost(limit) => write!(f, "≤ {limit}"),
            Self::AtLeast(limit) => write!(f, "≥ {limit}"),
            Self::None => Ok(()),
        }
    }
}

/// A quantity, measured once a round.
#[derive(Clone, Debug)]
pub(crate) struct Finding {
    /// The row of the table in `benches/README.md`, by its number or name.
    pub(crate) row: &'static str,
    pub(crate) what: String,
    pub(crate) unit: &'static str,
    pub(crate) values: Vec<f64>,
    pub(crate) target: Goal,
    pub(crate) beyond: Goal,
}

impl Finding {
    pub(crate) fn new(row: &'static str, what: impl Into<String>, values: Vec<f64>) -> Self {
        let what = what.into();
        Self { row, what, unit: "", values, target: Goal::None, beyond: Goal::None }
    }

    pub(crate) fn unit(mut self, unit: &'static str) -> Self {
        self.unit = unit;
        self
    }

    pub(crate) fn target(mut self, target: Goal, beyond: Goal) -> Self {
        (self.target, self.beyond) = (target, beyond);
        self
    }

    pub(crate) fn median(&self) -> f64 {
        median(&self.values)
    }

    /// Whether the target is met.
    pub(crate) fn is_met(&self) -> bool {
        self.target.is_met(self.median())
    }

    fn verdict(&self) -> &'static str {
        match (self.target, self.beyond) {
            (Goal::None, _) => "",
            _ if !self.is_met() => "missed",
            (_, Goal::None) => "met",
            (_, beyond) if beyond.is_met(self.median()) => "beyond",
            _ => "met",
        }
    }
}

/// The middle of `values`; NaN without any.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        count if count % 2 == 1 => sorted[count / 2],
        count => f64::midpoint(sorted[count / 2 - 1], sorted[count / 2]),
    }
}

/// Where findings go.
#[derive(Debug)]
pub(crate) struct Table {
    raw: Option<File>,
}

impl Table {
    /// A table on standard output, with the figures in the file `raw`.
    pub(crate) fn begin(raw: Option<&Path>) -> Outcome<Self> {
        let mut raw = raw.map(File::create).transpose()?;
        if let Some(raw) = &mut raw {
            writeln!(raw, "row,what,unit,round,value")?;
        }
        let mut out = std::io::stdout();
        writeln!(out, "\n{}\n", surroundings())?;
        writeln!(out, "| row | what | median | range | rounds | target | beyond | verdict |")?;
        writeln!(out, "|---|---|---|---|---|---|---|---|")?;
        Ok(Self { raw })
    }

    pub(crate) fn add(&mut self, finding: &Finding) -> Outcome<()> {
        let Finding { row, what, unit, values, target, beyond } = finding;
        let least = values.iter().copied().fold(f64::INFINITY, f64::min);
        let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let (middle, least, most) = (digits(finding.median()), digits(least), digits(most));
        let unit_shown = if unit.is_empty() { String::new() } else { format!(" {unit}") };
        writeln!(
            std::io::stdout(),
            "| {row} | {what} | **{middle}**{unit_shown} | {least}–{most} | {} | {target} | {beyond} | {} |",
            values.len(),
            finding.verdict(),
        )?;
        if let Some(raw) = &mut self.raw {
            for (round, value) in (1..).zip(values) {
                writeln!(raw, "{row},\"{what}\",{unit},{round},{value}")?;
            }
        }
        Ok(())
    }

    /// A line between the rows: why one of them is not there.
    pub(crate) fn remark(&self, row: &str, text: &str) -> Outcome<()> {
        Ok(writeln!(std::io::stdout(), "| {row} | {text} | | | | | | |")?)
    }
}

/// Three digits that say something.
fn digits(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

/// When, on which machine and with what.
fn surroundings() -> String {
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let cpus = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpus.lines().find_map(|line| line.strip_prefix("model name")?.split(": ").nth(1));
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    format!(
        "{}, smtpbench {}, Linux {}, {cores} × {}",
        clock::wall().strftime("%Y-%m-%d %H:%M UTC"),
        env!("CARGO_PKG_VERSION"),
        kernel.trim(),
        model.unwrap_or("unknown processor"),
    )
}
