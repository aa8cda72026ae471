//! A known comparison, in every format.

use expect_test::expect;

use super::*;
use crate::stats::comparison::{Difference, Lack};

fn answer(word: Word, change: Option<(f64, f64, f64)>) -> Answer {
    let difference = change.map(|(value, low, high)| Difference {
        value,
        interval: Some((low, high)),
        p: if word == Word::NoDifference { 0.4 } else { 0.000_4 },
    });
    Answer {
        word,
        difference,
        lack: None,
        ruled_out: word != Word::Worse,
        smallest: Some(1.061_f64.ln()),
        runs_needed: None,
    }
}

fn row(metric: &str, unit: Unit, values: [f64; 2], answer: Answer) -> Row {
    let better = match unit {
        Unit::Microseconds => Better::Lower,
        Unit::PerSecond | Unit::Share => Better::Higher,
    };
    let [baseline, candidate] = values.map(Some);
    Row { metric: metric.to_owned(), unit, better, baseline, candidate, answer }
}

fn ratio(by: [f64; 3]) -> Option<(f64, f64, f64)> {
    let [value, low, high] = by.map(f64::ln);
    Some((value, low, high))
}

fn known() -> Comparison {
    let side = |name: &str| SideFacts {
        name: name.to_owned(),
        url: "smtp://127.0.0.1:2525".to_owned(),
        runs: 1,
        version: "0.1.0".to_owned(),
        started: "2026-01-01T00:00:00Z".to_owned(),
    };
    let open = Answer {
        ruled_out: false,
        runs_needed: Some(14),
        ..answer(Word::NoDifference, ratio([1.001, 0.94, 1.071]))
    };
    let few = Answer {
        lack: Some(Lack::Samples { least: 120, needed: 562 }),
        ruled_out: false,
        smallest: None,
        ..answer(Word::NotEnough, None)
    };
    let share = Answer {
        smallest: Some(0.012),
        ..answer(Word::NoDifference, Some((0.0, -0.000_04, 0.000_04)))
    };
    Comparison {
        target: None,
        baseline: side("results/main"),
        candidate: side("results/<b>|*"),
        rules: Rules { min_effect: 0.05, min_points: 0.01, only: Vec::new() },
        mismatches: Vec::new(),
        no_verdict: None,
        rows: vec![
            row(
                "messages_per_s",
                Unit::PerSecond,
                [800.0, 801.0],
                Answer { word: Word::NoDifference, ..open },
            ),
            row("accepted", Unit::Share, [0.999, 0.999], share),
            row(
                "eod.p50",
                Unit::Microseconds,
                [1_920.0, 2_310.0],
                answer(Word::Worse, ratio([1.203, 1.171, 1.236])),
            ),
            row(
                "mail.p50",
                Unit::Microseconds,
                [400.0, 300.0],
                answer(Word::Better, ratio([0.75, 0.72, 0.79])),
            ),
            Row { candidate: None, ..row("noop.p99", Unit::Microseconds, [900.0, 0.0], few) },
        ],
        left_out: 2,
        method: Method::Intervals,
    }
}

#[test]
fn a_line_a_metric() {
    expect![[r#"
        baseline     results/main: 1 run of smtp://127.0.0.1:2525, 2026-01-01T00:00:00Z
        candidate    results/<b>|*: 1 run of smtp://127.0.0.1:2525, 2026-01-01T00:00:00Z
        verdict      REGRESSION: of 5 metrics, 1 worse, 1 better
        method       block bootstrap over the intervals of one run a side; 95 % intervals; Holm's correction over 5 metrics; changes count from 5 % (1 points of a share)

        messages_per_s    800/s → 801/s    +0.1 % [-6.0, +7.1]       no difference shown  sees 5.7 %
                          -6.0 % is not ruled out; about 14 runs a side like this one would tell
        accepted         99.9 % → 99.9 %   0.00 points [0.00, 0.00]  no difference shown  sees 1.20 points
        eod.p50         1.92 ms → 2.31 ms  +20.3 % [+17.1, +23.6]    WORSE                sees 6.1 %
        mail.p50         400 µs → 300 µs   -25.0 % [-28.0, -21.0]    BETTER               sees 6.1 %
        noop.p99         900 µs → -                                  not enough data
                          a run has 120 samples, and this percentile needs 562
        left out: 2 metrics that neither side has the samples for
    "#]]
    .assert_eq(&text(&known(), false));
}

#[test]
fn colours_are_put_in_where_they_are_asked_for() {
    let painted = text(&known(), true);
    assert!(painted.contains("\u{1b}[1;31mWORSE"), "{painted:?}");
    assert!(!text(&known(), false).contains('\u{1b}'));
}

#[test]
fn markdown_takes_names_as_text() {
    let out = markdown(&[known()]);
    assert!(out.starts_with("### ❌ REGRESSION: of 5 metrics, 1 worse, 1 better\n"), "{out}");
    assert!(out.contains("results/&lt;b&gt;\\|\\*"), "{out}");
    let row =
        "| `eod.p50` | 1.92 ms | 2.31 ms | +20.3 % \\[+17.1, +23.6\\] | **WORSE** | sees 6.1 % |";
    assert!(out.contains(row), "{out}");
    // Every line of the table has as many cells.
    let bars = |line: &str| line.replace("\\|", "").matches('|').count();
    let table: Vec<&str> = out.lines().filter(|line| line.starts_with('|')).collect();
    assert_eq!(table.len(), 7, "{out}");
    assert!(table.iter().all(|line| bars(line) == 7), "{out}");
}

#[test]
fn the_page_holds_nothing_but_text() {
    let page = html(&[known()]);
    assert!(page.contains("results/&lt;b&gt;|*") && !page.contains("<b>"), "{page}");
    assert!(!page.contains("<script") && !page.contains("http"), "{page}");
    for tag in ["table", "tbody", "ul", "h2", "body", "html", "style", "div"] {
        let (open, close) = (format!("<{tag}"), format!("</{tag}>"));
        assert_eq!(page.matches(&open).count(), page.matches(&close).count(), "{tag} in {page}");
    }
}

#[test]
fn files_have_every_figure() {
    let bytes = csv(&[known(), known()]);
    let mut reader = ::csv::Reader::from_reader(bytes.as_slice());
    let header = reader.headers().unwrap().clone();
    let rows: Vec<::csv::StringRecord> = reader.records().collect::<Result<_, _>>().unwrap();
    assert_eq!(rows.len(), 10);
    let cell = |row: usize, column: &str| {
        let place = header.iter().position(|name| name == column).unwrap();
        rows[row][place].to_owned()
    };
    let columns = ["metric", "baseline_value", "candidate_value", "change", "change_low", "word"];
    let worse = columns.map(|column| cell(2, column));
    assert_eq!(worse, ["eod.p50", "1920", "2310", "20.3", "17.1", "worse"]);
    assert_eq!(cell(4, "reason"), "too_few_samples");
    assert_eq!((cell(4, "candidate_value"), cell(4, "change")), (String::new(), String::new()));
    assert_eq!((cell(0, "runs_needed"), cell(0, "worse_ruled_out")), ("14".into(), "false".into()));
    let read: serde_json::Value = serde_json::from_slice(&json(&[known()])).unwrap();
    let metrics = &read["comparisons"][0]["metrics"];
    assert_eq!(metrics[2]["word"], "worse");
    assert_eq!(metrics[4]["candidate"], serde_json::Value::Null);
    assert_eq!(read["comparisons"][0]["conclusion"], "regression");
}

#[test]
fn what_is_said_of_all_together() {
    let mut one = known();
    assert_eq!(one.conclusion(), Conclusion::Regression);
    one.rows.retain(|row| row.answer.word != Word::Worse);
    assert_eq!(one.conclusion(), Conclusion::Inconclusive);
    assert!(text(&one, false).contains("of 4 metrics, 2 could be, 1 better"));
    one.rows.retain(|row| row.answer.ruled_out);
    assert_eq!(one.conclusion(), Conclusion::NoRegression);
    one.rows.clear();
    assert_eq!(one.conclusion(), Conclusion::Inconclusive);
}

#[test]
fn a_run_that_was_cut_has_no_verdict() {
    let cut = Comparison { no_verdict: Some("a run is interrupted".to_owned()), ..known() };
    assert_eq!(cut.conclusion(), Conclusion::NoVerdict);
    let all = std::slice::from_ref(&cut);
    for shown in [text(&cut, false), markdown(all), html(all)] {
        assert!(shown.contains("no verdict"), "{shown}");
        assert!(!shown.contains("WORSE") && !shown.contains("BETTER"), "{shown}");
    }
    let files = String::from_utf8(csv(&[cut])).unwrap();
    assert!(files.contains("no_verdict") && !files.contains("worse,"), "{files}");
}
