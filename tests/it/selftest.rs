//! `smtpbench selftest` finds what it plants, and says so where it does not.

use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::support::program::{Finished, Smtpbench};
use crate::support::table::Table;

/// A debug build beside other tests is several times slower than what a user waits for.
const LIMIT: Duration = Duration::from_secs(400);

/// Runs it with these arguments, its results and limits in `folder`.
#[track_caller]
fn selftest(folder: &Path, arguments: &[&str]) -> Finished {
    Smtpbench::new(&["selftest", "--seed", "11"])
        .args(arguments)
        .arg("--limits")
        .arg(folder.join("limits.json"))
        .arg("--out")
        .arg(folder.join("out"))
        .limit(LIMIT)
        .run()
}

#[test]
fn everything_that_is_planted_is_found() {
    let folder = TempDir::new().unwrap();
    let finished = selftest(folder.path(), &[]).code(&[0]);
    let table = Table::read(&folder.path().join("out"), "selftest.csv");
    let verdicts = table.cells("verdict", &[]);
    assert!(verdicts.len() > 80 && verdicts.iter().all(|it| *it == "found"), "{table}");
    assert!(!table.cells("found", &[("seen_by", "capture")]).is_empty(), "{table}");
    // What is counted is found to the last one.
    let counted = |column| table.cells(column, &[("unit", "count")]);
    assert_eq!(counted("planted"), counted("found"), "{table}");
    let limits: Value =
        serde_json::from_slice(&fs::read(folder.path().join("limits.json")).unwrap()).unwrap();
    assert!(limits["ceiling"]["one_worker_messages_per_s"].as_f64().unwrap() > 100.0, "{limits}");
    let steps = limits["floor"].as_array().unwrap();
    assert_eq!(steps.len(), 3, "{limits}");
    for step in steps {
        let figure = |name: &str| step[name].as_u64().unwrap();
        assert!(0 < figure("us_p50") && figure("us_p50") <= figure("us_p99"), "{step}");
    }
    finished.stdout_has("floor").stdout_has("ceiling").stderr_has("reject-mail");
}

/// The detectors are proved by what they do not see: a sink that plants nothing.
#[test]
fn what_was_not_planted_is_not_found() {
    let folder = TempDir::new().unwrap();
    let only = "reject-mail,defer-share,close-after-data,delay-fixed,certificate-name,hide-size,\
                lose,twice,footer,bounce-later,books";
    let finished = selftest(folder.path(), &["--only", only, "--control"]).code(&[90]);
    let table = Table::read(&folder.path().join("out"), "selftest.csv");
    for probe in only.split(',') {
        let verdicts = table.cells("verdict", &[("probe", probe)]);
        let missed = |verdict: &&&str| **verdict == "not_found" || **verdict == "not_planted";
        assert!(verdicts.iter().any(|verdict| missed(&verdict)), "{probe}\n{table}");
    }
    // By the plan there were forty; by the report, none.
    let rejected = [("probe", "reject-mail"), ("what", "messages rejected")];
    let cells = ["planted", "found", "verdict"].map(|column| table.cells(column, &rejected)[0]);
    assert_eq!(cells, ["40", "0", "not_found"], "{table}");
    finished.stdout_has("0 of 11 probes found what was planted").stdout_has("NOT FOUND");
}

#[test]
fn names_of_probes() {
    Smtpbench::new(&["selftest", "--list"])
        .run()
        .code(&[0])
        .stdout_has("reject-mail")
        .stdout_has("limits");
    Smtpbench::new(&["selftest", "--only", "reject-male"]).run().code(&[64]).stderr_has("--list");
    let folder = TempDir::new().unwrap();
    let finished = selftest(folder.path(), &["--only", "accept,reject-mail", "--quiet"]).code(&[0]);
    assert_eq!(finished.stderr, "");
    let finished = finished.stdout_has("2 of 2 probes");
    assert!(!folder.path().join("limits.json").exists(), "{finished}");
}

/// Runs a little against a sink, with these limits; gives run.json.
fn run_with(folder: &Path, out: &str, limits: &Path) -> Value {
    let sink = crate::support::peer::Peer::good();
    Smtpbench::new(&["run", "--quiet", "--sessions", "2", "--messages", "200", "--target"])
        .arg(sink.url())
        .arg("--limits")
        .arg(limits)
        .arg("--out")
        .arg(folder.join(out))
        .run()
        .code(&[0]);
    serde_json::from_slice(&fs::read(folder.join(out).join("run.json")).unwrap()).unwrap()
}

fn has_note(run: &Value, name: &str) -> bool {
    run["targets"][0]["notes"].as_array().unwrap().iter().any(|note| note["name"] == name)
}

#[test]
fn limits_are_kept_for_later_runs() {
    let folder = TempDir::new().unwrap();
    let state: &'static str = folder.path().to_str().unwrap().to_owned().leak();
    // In the user's state folder, unless a flag names another file.
    Smtpbench::new(&["selftest", "--quiet", "--only", "limits", "--out"])
        .arg(folder.path().join("selftest"))
        .variable("XDG_STATE_HOME", state)
        .limit(LIMIT)
        .run()
        .code(&[0]);
    let path = folder.path().join("smtpbench/limits.json");
    let mut limits: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();

    // As if this machine could send nothing: the run then is at the ceiling.
    for name in ["one_worker_messages_per_s", "all_workers_messages_per_s"] {
        limits["ceiling"][name] = 1.5.into();
    }
    fs::write(&path, limits.to_string()).unwrap();
    let run = run_with(folder.path(), "low", &path);
    assert_eq!(run["generator_limits"], limits, "{run}");
    assert!(has_note(&run, "near_ceiling"), "{run}");

    // As if it could send anything.
    for name in ["one_worker_messages_per_s", "all_workers_messages_per_s"] {
        limits["ceiling"][name] = 1e9.into();
    }
    fs::write(&path, limits.to_string()).unwrap();
    let run = run_with(folder.path(), "high", &path);
    assert_eq!(run["generator_limits"], limits, "{run}");
    assert!(!has_note(&run, "near_ceiling"), "{run}");

    // Those of another version say nothing, and neither does what is none.
    limits["version"] = "0.0.0".into();
    for (index, text) in [limits.to_string(), "{".to_owned()].into_iter().enumerate() {
        fs::write(&path, text).unwrap();
        let run = run_with(folder.path(), &format!("other-{index}"), &path);
        assert_eq!(run["generator_limits"], Value::Null, "{run}");
    }
}
