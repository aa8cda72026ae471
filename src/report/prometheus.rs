//! Prometheus' text exposition: of a finished run, and of one that goes on.

use std::fmt::Write as _;

use super::record::Record;
use crate::measure::histogram::Estimate;
use crate::measure::outcome::Fate;
use crate::measure::summary::Summary;
use crate::measure::validity::Verdict;
use crate::smtp::text::printable;
use crate::stats::binomial::as_f64;

/// The content type that a scrape is answered with.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// One family of samples after the other; each of all targets.
#[must_use]
pub fn render(record: &Record) -> String {
    let mut out = Exposition(String::new());
    let version = &record.tool.version;
    out.family("smtpbench_info", "gauge", "What measured, and what; always 1.");
    out.sample(
        "smtpbench_info",
        &[("version", version), ("scenario", &record.scenario.name), ("run_id", &record.run_id)],
        1.0,
    );
    out.family("smtpbench_start_time_seconds", "gauge", "When the run began, since 1970.");
    let started = record.facts.started.as_millisecond();
    #[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 are below 2^53")]
    out.sample("smtpbench_start_time_seconds", &[], started as f64 / 1000.0);
    validity(&mut out, record);
    books(&mut out, record);
    rates(&mut out, record);
    counts(&mut out, record);
    steps(&mut out, record);
    out.0
}

struct Exposition(String);

impl Exposition {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        self.0.push_str(name);
        for (index, (label, text)) in labels.iter().enumerate() {
            let sign = if index == 0 { '{' } else { ',' };
            // Escaped text has no line end; a backslash and a quote are left to escape.
            let text = text.replace('\\', "\\\\").replace('"', "\\\"");
            let _ = write!(self.0, "{sign}{label}=\"{text}\"");
        }
        if !labels.is_empty() {
            self.0.push('}');
        }
        let _ = writeln!(self.0, " {value}");
    }
}

fn validity(out: &mut Exposition, record: &Record) {
    out.family("smtpbench_valid", "gauge", "Whether the result may be believed.");
    for summary in record.summaries() {
        let verdict = summary.validity.verdict;
        let labels = [("target", summary.target.as_str()), ("verdict", verdict.name())];
        out.sample("smtpbench_valid", &labels, f64::from(u8::from(verdict == Verdict::Valid)));
    }
    out.family("smtpbench_threshold_passed", "gauge", "Whether a threshold was kept.");
    for summary in record.summaries() {
        for row in &summary.thresholds {
            let rule = printable(row.threshold.as_bytes());
            let labels = [("target", summary.target.as_str()), ("threshold", &rule)];
            out.sample("smtpbench_threshold_passed", &labels, f64::from(u8::from(row.passed)));
        }
    }
}

/// Messages and recipients of the judged stages.
fn books(out: &mut Exposition, record: &Record) {
    for unit in ["messages", "recipients"] {
        let balance = |summary: &Summary| match unit {
            "messages" => summary.accounting.messages,
            _ => summary.accounting.recipients,
        };
        for (what, help) in [
            ("offered", "that were to be sent"),
            ("not_started", "that the run ended without trying"),
            ("attempted", "whose MAIL was written"),
        ] {
            let name = format!("smtpbench_{unit}_{what}_total");
            out.family(&name, "counter", &format!("The {unit} {help}."));
            for summary in record.summaries() {
                let balance = balance(summary);
                let count = match what {
                    "offered" => balance.offered,
                    "not_started" => balance.not_started,
                    _ => balance.attempted,
                };
                out.sample(&name, &[("target", &summary.target)], as_f64(count));
            }
        }
        let name = format!("smtpbench_{unit}_total");
        out.family(&name, "counter", &format!("What became of the attempted {unit}."));
        for summary in record.summaries() {
            for fate in Fate::ALL {
                let labels = [("target", summary.target.as_str()), ("fate", fate.name())];
                out.sample(&name, &labels, as_f64(balance(summary).fates.of(fate)));
            }
        }
    }
}

fn rates(out: &mut Exposition, record: &Record) {
    out.family("smtpbench_messages_per_second", "gauge", "Accepted over the window.");
    for total in record.summaries().flat_map(|summary| &summary.totals) {
        if let Some(rate) = total.messages_per_s {
            out.sample("smtpbench_messages_per_second", &[("target", &total.target)], rate);
        }
    }
    out.family("smtpbench_open_sessions", "gauge", "At the end of the last interval.");
    for summary in record.summaries() {
        if let Some(last) = summary.intervals.last() {
            let labels = [("target", summary.target.as_str())];
            out.sample("smtpbench_open_sessions", &labels, as_f64(last.open_sessions));
        }
    }
    let mut arrivals = Vec::new();
    for summary in record.summaries() {
        for (what, count) in summary.arrivals.iter().flat_map(|tally| {
            [
                ("due", tally.due),
                ("started", tally.started),
                ("late", tally.late),
                ("dropped", tally.dropped),
                ("shed", tally.shed),
                ("left", tally.left),
            ]
        }) {
            arrivals.push((summary.target.as_str(), what, count));
        }
    }
    if !arrivals.is_empty() {
        out.family("smtpbench_arrivals_total", "counter", "What the schedule brought.");
    }
    for (target, what, count) in arrivals {
        out.sample(
            "smtpbench_arrivals_total",
            &[("target", target), ("state", what)],
            as_f64(count),
        );
    }
}

/// Replies and failures of all stages.
fn counts(out: &mut Exposition, record: &Record) {
    out.family("smtpbench_replies_total", "counter", "Replies by step and code.");
    for row in record.summaries().flat_map(|summary| &summary.replies) {
        let code = row.reply_code.to_string();
        let labels = [
            ("target", row.target.as_str()),
            ("stage", &row.stage),
            ("script", &row.script),
            ("step", &row.step),
            ("code", &code),
            ("enhanced_code", row.enhanced_code.as_deref().unwrap_or_default()),
            ("outcome", row.outcome.name()),
        ];
        out.sample("smtpbench_replies_total", &labels, as_f64(row.count));
    }
    out.family("smtpbench_failures_total", "counter", "Steps without a usable reply.");
    for row in record.summaries().flat_map(|summary| &summary.failures) {
        let labels = [
            ("target", row.target.as_str()),
            ("stage", &row.stage),
            ("script", &row.script),
            ("step", &row.step),
            ("failure", row.failure.name()),
            ("fault", row.failure.fault().name()),
        ];
        out.sample("smtpbench_failures_total", &labels, as_f64(row.count));
    }
}

/// Percentiles of the judged stages; accepted and timed-out samples.
fn steps(out: &mut Exposition, record: &Record) {
    let name = "smtpbench_step_seconds";
    out.family(name, "summary", "Times of the steps, accepted and timed out.");
    for summary in record.summaries() {
        for row in &summary.steps {
            let (target, clock) = (summary.target.as_str(), row.clock.name());
            let labels = [("target", target), ("step", row.step.as_str()), ("clock", clock)];
            let figures = &row.figures;
            for (quantile, estimate) in
                [("0.5", figures.p50), ("0.95", figures.p95), ("0.99", figures.p99)]
            {
                let Some(Estimate { value, .. }) = estimate else { continue };
                let [target, step, clock] = labels;
                out.sample(name, &[target, step, clock, ("quantile", quantile)], seconds(value));
            }
            if let Some(mean) = figures.us_mean {
                let sum = seconds(mean) * as_f64(figures.count);
                out.sample(&format!("{name}_sum"), &labels, sum);
            }
            let count = figures.count + figures.overflow_count;
            out.sample(&format!("{name}_count"), &labels, as_f64(count));
        }
    }
}

fn seconds(us: u64) -> f64 {
    as_f64(us) / 1e6
}
