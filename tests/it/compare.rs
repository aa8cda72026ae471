//! Whether two servers differ: `compare`, repeated runs, and a baseline that is compared with at once.
//!
//! The servers are sinks with a known delay before their reply to the mail data. Both sides of a pair run at the same time,
//! so that what holds up this machine holds up both.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::Duration;

use rustix::process::Signal;
use tempfile::TempDir;

use crate::support::program::{Finished, Smtpbench};
use crate::support::serving::Serving;
use crate::support::table::Table;

/// How many pairs are compared.
const PAIRS: usize = 10;
const LIMIT: Duration = Duration::from_secs(120);

/// What the pairs are judged on: what the planted delay decides. The other steps take microseconds on loopback, and those
/// are this machine's.
const ONLY: &str = "messages_per_s,accepted,eod.p50,eod.p95,transaction.p50";

/// A run against `address` into `out`: few sessions, which wait for delays and not for the processor.
fn run(address: &str, out: &Path, more: &[&str]) -> Smtpbench {
    let target = format!("smtp://{address}");
    let load = ["run", "--size", "1KiB", "--seed", "1", "--quiet"];
    let rule = ["--threshold", "accepted > 50%", "--target", &target];
    Smtpbench::new(&load).args(&rule).arg("--out").arg(out).args(more).limit(LIMIT)
}

fn compare(folders: &[&Path], more: &[&str]) -> Finished {
    let call = folders.iter().fold(Smtpbench::new(&["compare"]), |call, folder| call.arg(folder));
    call.args(more).run()
}

fn slow(delay: &str) -> Serving {
    Serving::start(&["--delay", &format!("eod={delay}")])
}

/// Runs both sides of all pairs at the same time, and gives what `compare` says of each, with the words of its metrics.
fn pairs(folder: &TempDir, baseline: &str, candidate: &str) -> Vec<(Finished, Table)> {
    // Equals are the same server.
    let sinks = if baseline == candidate {
        vec![slow(baseline)]
    } else {
        vec![slow(baseline), slow(candidate)]
    };
    let out = |side: usize, pair: usize| folder.path().join(format!("side-{side}-{pair}"));
    thread::scope(|scope| {
        for pair in 0..PAIRS {
            for (side, sink) in sinks.iter().cycle().take(2).enumerate() {
                let load = ["--sessions", "1", "--for", "10s"];
                let call = run(&sink.address, &out(side, pair), &load);
                scope.spawn(move || call.run().code(&[0]));
            }
        }
    });
    let compared = (0..PAIRS).map(|pair| {
        let (first, second) = (out(0, pair), out(1, pair));
        let files = folder.path().join(format!("compare-{pair}"));
        let arguments = ["--min-effect", "5%", "--only", ONLY, "--fail-on", "regression", "--out"];
        let arguments: Vec<&str> = arguments.into_iter().chain([files.to_str().unwrap()]).collect();
        let finished = compare(&[&first, &second], &arguments).code(&[0, 91]);
        let table = Table::read(&files, "compare.csv");
        for name in ["compare.txt", "compare.md", "compare.html", "compare.json"] {
            assert!(files.join(name).is_file(), "{name}\n{finished}");
        }
        (finished, table)
    });
    compared.collect()
}

#[test]
fn equals_are_not_called_and_a_tenth_more_is() {
    let folder = TempDir::new().unwrap();
    let equals = pairs(&folder, "20ms", "20ms");
    let called = |(_, table): &&(Finished, Table)| {
        let words = table.cells("word", &[]);
        assert_eq!(words.len(), 5, "{table}");
        words.iter().any(|word| ["worse", "better"].contains(word))
    };
    let false_calls: Vec<_> = equals.iter().filter(called).collect();
    assert!(false_calls.len() <= 1, "{} of {PAIRS}: {false_calls:?}", false_calls.len());
    let folder = TempDir::new().unwrap();
    let slower = pairs(&folder, "20ms", "22ms");
    let found = |(finished, table): &&(Finished, Table)| {
        let word = table.cells("word", &[("metric", "eod.p50")]);
        word == ["worse"] && finished.code == Some(91)
    };
    let found = slower.iter().filter(found).count();
    assert!(found >= 9, "{found} of {PAIRS}: {slower:?}");
    // Where it is called, the truth of 10 % lies near the interval.
    let (finished, table) = &slower[0];
    let change: f64 = table.cells("change", &[("metric", "eod.p50")])[0].parse().unwrap();
    assert!((6.0..=12.0).contains(&change), "{finished}\n{table}");
}

#[test]
fn repeated_runs_are_compared_with_a_baseline_at_once() {
    let folder = TempDir::new().unwrap();
    let (base, next) = (folder.path().join("base"), folder.path().join("next"));
    let repeat = ["--repeat", "7", "--cooldown", "0s", "--sessions", "3", "--for", "400ms"];
    let sink = slow("4ms");
    let finished = run(&sink.address, &base, &repeat).run().code(&[0]);
    finished.stdout_has("7 runs").stdout_has("over the runs").stdout_has("eod.p50");
    let runs = Table::read(&base, "runs.csv");
    assert_eq!(runs.cells("verdict", &[]), ["valid"; 7], "{runs}");
    for name in runs.cells("folder", &[]) {
        assert!(base.join(name).join("histograms.hlog").is_file(), "{name}");
    }
    drop(sink);
    // Half as slow again.
    let sink = slow("12ms");
    let against = ["--baseline", base.to_str().unwrap(), "--fail-on", "regression,inconclusive"];
    let only = ["--only", "eod.p50,messages_per_s"];
    let arguments: Vec<&str> = repeat.iter().chain(&against).chain(&only).copied().collect();
    let finished = run(&sink.address, &next, &arguments).run().code(&[91]);
    let finished = finished.stdout_has("REGRESSION").stdout_has("Mann-Whitney").stdout_has("WORSE");
    assert!(finished.stdout.trim_end().ends_with(&format!("results: {}", next.display())));
    let table = Table::read(&next, "compare.csv");
    assert_eq!(table.cells("word", &[]), ["worse"; 2], "{table}");
    // The other way round it is better, and none is worse.
    compare(&[&next, &base], &["--fail-on", "regression,inconclusive"])
        .code(&[0, 95])
        .stdout_has("BETTER");
    // Several candidates, a block each, and every format.
    let both = compare(&[&base, &next, &base], &["--format", "json"]).code(&[0]);
    let read: serde_json::Value = serde_json::from_str(&both.stdout).unwrap();
    assert_eq!(read["comparisons"].as_array().map(Vec::len), Some(2), "{both}");
    compare(&[&base, &next], &["--format", "md"]).code(&[0]).stdout_has("| `eod.p50` |");
    compare(&[&base, &next], &["--format", "html"]).code(&[0]).stdout_has("<table>");
    compare(&[&base, &next], &["--format", "csv"]).code(&[0]).stdout_has("eod.p50,us,");
    // One run of the folder is too little on either side, and says what it takes.
    let short = compare(&[&base.join("run-1"), &next], &[]).code(&[0]);
    short.stdout_has("not enough data").stdout_has("runs a side are the fewest");
    let wrong = compare(&[&base, &next], &["--only", "eod.p51"]).code(&[64]);
    assert!(wrong.stderr.contains("known: ") && wrong.stderr.contains("eod.p50"), "{wrong}");
}

#[test]
fn what_may_not_be_compared_is_refused_and_says_why() {
    let folder = TempDir::new().unwrap();
    let out = |name: &str| folder.path().join(name);
    let sink = slow("1ms");
    run(&sink.address, &out("a"), &["--sessions", "3", "--for", "1s"]).run().code(&[0]);
    let scenario = out("other.toml");
    let text = "name = \"other\"\nthresholds = []\n[load]\nsessions = 3\nfor = \"1s\"\n";
    fs::write(&scenario, text).unwrap();
    let target = format!("smtp://{}", sink.address);
    let other = Smtpbench::new(&["run", "--quiet", "--target", &target]).arg(&scenario);
    other.arg("--out").arg(out("b")).run().code(&[0]);
    let refused = compare(&[&out("a"), &out("b")], &[]).code(&[65]);
    for what in ["may not be compared", "scenario differs", "mail data differs", "--force"] {
        assert!(refused.stderr.contains(what), "{what}\n{refused}");
    }
    assert!(refused.stdout.is_empty(), "{refused}");
    compare(&[&out("a"), &out("b")], &["--force"]).code(&[0]).stdout_has("scenario differs");
    let at_once = ["--sessions", "3", "--for", "1s", "--baseline", out("b").to_str().unwrap()]
        .map(str::to_owned);
    let at_once: Vec<&str> = at_once.iter().map(String::as_str).collect();
    run(&sink.address, &out("c"), &at_once).run().code(&[65]).stdout_has("results: ");
    assert!(out("c").join("run.json").is_file());
    // What is no result folder, and a baseline that is none: before anything is sent.
    compare(&[&out("a"), &out("nothing")], &[]).code(&[65]);
    compare(&[&out("a"), folder.path()], &["--fail-on", "sunshine"]).code(&[64]);
    let missing = ["--for", "1s", "--baseline", "no/such/folder"];
    run(&sink.address, &out("d"), &missing).run().code(&[65]);
    assert!(!out("d").exists());
    run(&sink.address, &out("d"), &["--for", "1s", "--fail-on", "regression"]).run().code(&[64]);
}

#[test]
fn a_run_that_was_cut_has_no_verdict_here_either() {
    let folder = TempDir::new().unwrap();
    let out = |name: &str| folder.path().join(name);
    let sink = slow("1ms");
    run(&sink.address, &out("whole"), &["--for", "10s"])
        .signal(Duration::from_secs(3), Signal::INT)
        .run()
        .code(&[130]);
    let refused = compare(&[&out("whole"), &out("whole")], &[]).code(&[65]);
    assert!(refused.stderr.contains("not all runs are valid: interrupted"), "{refused}");
    let forced = compare(&[&out("whole"), &out("whole")], &["--force"]).code(&[0]);
    let forced = forced.stdout_has("no verdict: a run is interrupted");
    assert!(!forced.stdout.contains("WORSE") && !forced.stdout.contains("difference shown"));
    let asked = ["--force", "--fail-on", "regression,inconclusive"];
    compare(&[&out("whole"), &out("whole")], &asked).code(&[95]);
}
