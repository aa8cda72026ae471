//! JUnit XML: a test case a threshold, and one for the validity of each target.

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::record::Record;
use super::text::threshold_value;
use crate::measure::validity::Verdict;
use crate::smtp::text::printable;

/// A suite a target.
///
/// # Panics
/// Never: memory takes every byte, and text that XML cannot hold is left out of it.
#[must_use]
pub fn render(records: &[&Record]) -> String {
    let mut report = Report::new("smtpbench");
    for record in records {
        for target in &record.targets {
            let summary = &target.summary;
            let name = format!("{} {}", record.scenario.name, target.name);
            let mut suite = TestSuite::new(name.as_str());
            let mut case = |what: &str, failed: Option<String>| {
                let mut status = match failed {
                    Some(_) => TestCaseStatus::non_success(NonSuccessKind::Failure),
                    None => TestCaseStatus::success(),
                };
                if let Some(why) = failed {
                    status.set_message(why);
                }
                let mut case = TestCase::new(what, status);
                case.set_classname(name.as_str());
                suite.add_test_case(case);
            };
            let validity = &summary.validity;
            let reasons = || format!("{}: {}", validity.verdict, validity.reasons.join("; "));
            case("valid", (validity.verdict != Verdict::Valid).then(reasons));
            if let Some(stopped) = summary.stopped.as_ref().filter(|stopped| stopped.safety) {
                case("no safety stop", Some(printable(stopped.to_string().as_bytes())));
            }
            for row in &summary.thresholds {
                let rule = printable(row.threshold.trim().as_bytes());
                case(&rule, (!row.passed).then(|| threshold_value(row)));
            }
            report.add_test_suite(suite);
        }
    }
    let mut xml = report.to_string().expect("memory takes every byte");
    if !xml.ends_with('\n') {
        xml.push('\n');
    }
    xml
}
