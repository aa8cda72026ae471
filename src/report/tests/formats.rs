//! Every format of a run whose target says hostile things.

use serde_json::Value;

use super::saved::known_folder;
use super::*;
use crate::report::{document, hgrm, html, junit, markdown, prometheus, trackers};

/// The known run, whose refusals carry markup, in a scenario with a hostile name.
fn hostile() -> Saved {
    let (folder, _) = known_folder();
    let mut saved = Saved::read(folder.path()).unwrap();
    let said = b"5.7.1 </style></svg><script>alert(1)</script><img src=x onerror=alert(2)> \x1b[2J |`x`| ]]> \"";
    saved.record.scenario.name = "<b>a&b</b>".to_owned();
    let target = &mut saved.record.targets[0];
    for row in &mut target.summary.replies {
        row.sample_text = said.to_vec();
    }
    for row in &mut target.summary.failures {
        row.detail = said.to_vec();
    }
    target.greeting = Some(String::from_utf8_lossy(said).into_owned());
    target.capabilities = vec!["\u{202e}<script>".to_owned()];
    saved
}

#[test]
fn a_page_holds_no_markup_of_the_peer_and_nothing_from_elsewhere() {
    let saved = hostile();
    let page = html::render(&[saved.clone(), saved]);
    for marker in
        ["<script", "<img", "<b>", "onerror=\"", "http://", "\u{1b}", "\u{202e}", "@import", "NaN"]
    {
        let at = page.find(marker);
        // The name space of SVG is a name and no address.
        let known = marker == "http://"
            && page.matches(marker).count() == page.matches("http://www.w3.org/2000/svg").count();
        assert!(
            at.is_none() || known,
            "{marker}: {:?}",
            at.map(|at| &page[at.saturating_sub(80)..at + 20])
        );
    }
    assert!(page.contains("&lt;script&gt;"), "what was said is shown");
    for part in [
        "messages a second over",
        "Verdict and thresholds",
        "Rate achieved against plan",
        "Latency over time",
        "Latency by percentile",
        "Where the time of a transaction goes",
        "Reply codes over time",
        "Outcomes of messages",
        "Heat map of latency",
        "Provenance",
        "What was not measured",
    ] {
        assert!(page.contains(part), "{part}");
    }
    assert!(page.matches("<svg").count() >= 6, "a heat map a run, and what they share");
}

#[test]
fn a_run_in_which_nothing_happened_has_a_page() {
    let outer = tempfile::tempdir().unwrap();
    let mut folder = ResultFolder::create(outer.path()).unwrap();
    folder.begin(facts().started).unwrap();
    let (plan, summary) = empty();
    folder.finish(&record(&plan, summary)).unwrap();
    let page = fs::read_to_string(outer.path().join("report.html")).unwrap();
    assert!(page.contains("Nothing was attempted") && !page.contains("NaN"), "{page}");
    let saved = Saved::read(outer.path()).unwrap();
    assert!(hgrm::render(&saved).contains("Total count"));
    for bytes in [trackers::bencher(&[&saved.record]), trackers::github(&[&saved.record], true)] {
        let _: Value = serde_json::from_slice(&bytes).unwrap();
    }
    valid(&document::render(&[&saved.record]));
}

/// Holds a document to the published schema.
#[track_caller]
fn valid(bytes: &[u8]) -> Value {
    let schema: Value = serde_json::from_str(document::schema()).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let document: Value = serde_json::from_slice(bytes).unwrap();
    let faults: Vec<String> = validator
        .iter_errors(&document)
        .map(|error| format!("{error} at {}", error.instance_path()))
        .collect();
    assert_eq!(faults, Vec::<String>::new());
    document
}

#[test]
fn the_document_keeps_its_schema() {
    let saved = hostile();
    let mut document = valid(&document::render(&[&saved.record]));
    assert_eq!(document["targets"][0]["thresholds"][0]["passed"], Value::Bool(false));
    assert_eq!(document["targets"][0]["messages"]["outcomes"][0]["count"], Value::from(720));
    let both = valid(&document::render(&[&saved.record, &saved.record]));
    assert_eq!(both.as_array().map(Vec::len), Some(2));
    // The schema is not one that takes anything.
    let schema: Value = serde_json::from_str(document::schema()).unwrap();
    document["targets"][0]["verdict"] = "fine".into();
    assert!(!jsonschema::is_valid(&schema, &document));
}

#[test]
fn junit_has_a_case_a_threshold_and_one_for_validity() {
    let saved = hostile();
    let xml = junit::render(&[&saved.record]);
    assert!(xml.contains("tests=\"4\" failures=\"1\""), "{xml}");
    assert!(xml.contains("<testcase name=\"valid\"") && xml.contains("97.56 %"), "{xml}");
    assert!(!xml.contains("<b>"), "{xml}");
}

#[test]
fn markdown_begins_with_the_verdict() {
    let saved = hostile();
    let text = markdown::render(&saved.record);
    let first: Vec<&str> = text.lines().filter(|line| !line.is_empty()).take(3).collect();
    assert!(first[0].starts_with("## ❌ &lt;b&gt;a&amp;b&lt;/b&gt; against"), "{text}");
    assert_eq!(first[1], "**valid**");
    assert!(text.contains("| accepted &gt; 99% | 97.56 % | **FAIL** |"), "{text}");
    assert!(!text.contains("<script"), "{text}");
}

#[test]
fn prometheus_has_the_books_and_the_percentiles() {
    let text = prometheus::render(&hostile().record);
    for line in [
        "smtpbench_messages_total{target=\"target\",fate=\"accepted\"} 720",
        "smtpbench_messages_attempted_total{target=\"target\"} 738",
        "smtpbench_step_seconds{target=\"target\",step=\"eod\",clock=\"service\",quantile=\"0.99\"} 0.009831",
        "smtpbench_step_seconds_count{target=\"target\",step=\"eod\",clock=\"service\"} 720",
        "smtpbench_threshold_passed{target=\"target\",threshold=\"accepted > 99%\"} 0",
    ] {
        assert!(text.lines().any(|known| known == line), "{line}\n{text}");
    }
}

#[test]
fn percentiles_for_plotters_end_at_the_largest_sample() {
    let text = hgrm::render(&hostile());
    let rows: Vec<Vec<f64>> = text
        .lines()
        .filter(|line| !line.starts_with('#') && !line.contains("Value") && !line.is_empty())
        .map(|line| line.split_whitespace().map(|cell| cell.parse().unwrap()).collect())
        .collect();
    let last = rows.last().unwrap();
    assert_eq!((last[1], last[2]), (1.0, 720.0), "{text}");
    assert!(rows.windows(2).all(|two| two[0][0] <= two[1][0] && two[0][2] <= two[1][2]), "{text}");
    let median = rows.iter().find(|row| (row[1] - 0.5).abs() < 1e-9).unwrap();
    assert_eq!((median[0], median[2]), (3.963, 360.0));
}

#[test]
fn a_history_has_a_row_a_run_in_the_order_of_time() {
    let (saved, mut earlier) = (hostile(), hostile());
    earlier.record.facts.started = Timestamp::from_second(1_600_000_000).unwrap();
    let bytes = trackers::history(&[&saved.record, &earlier.record], "=abc");
    let text = String::from_utf8(bytes).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].starts_with("time,commit,scenario,messages_per_s,accepted_share,"), "{text}");
    assert!(lines[0].contains(",eod_us_p50,eod_us_p95,eod_us_p99"), "{text}");
    assert!(lines[1].starts_with("2020-09-13T12:26:40Z,'=abc,"), "{text}");
    assert_eq!(lines.len(), 3);
}

#[test]
fn trackers_have_each_figure_on_one_side() {
    let saved = hostile();
    let entries = |bigger| {
        let bytes = trackers::github(&[&saved.record], bigger);
        let value: Value = serde_json::from_slice(&bytes).unwrap();
        let names = value
            .as_array()
            .unwrap()
            .iter()
            .map(|entry| entry["name"].as_str().unwrap().to_owned());
        names.collect::<Vec<_>>()
    };
    let (bigger, smaller) = (entries(true), entries(false));
    assert_eq!(bigger, ["<b>a&b</b> messages_per_s", "<b>a&b</b> accepted"]);
    assert!(
        smaller.contains(&"<b>a&b</b> eod.p99".to_owned())
            && !smaller.iter().any(|name| bigger.contains(name))
    );
    let bencher: Value = serde_json::from_slice(&trackers::bencher(&[&saved.record])).unwrap();
    let p99 = &bencher["<b>a&b</b>"]["eod.p99"];
    assert_eq!((&p99["value"], &p99["lower_value"]), (&Value::from(9831.0), &Value::from(9671.0)));
}
