//! Rules over whole runs: what passes, what is missed, and what ends a run before its time.

use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::support::program::{Finished, Smtpbench};
use crate::support::results::Results;

/// Runs a scenario against the built-in sink.
#[track_caller]
fn run(folder: &Path, scenario: &str, flags: &[&str], codes: &[i32]) -> Finished {
    let file = folder.join("rules.toml");
    let target = "preflight = false\n[target]\nurl = \"embedded:\"\n";
    // Keys of the top level come first.
    let (top, tables) = scenario.split_once("\n[").unwrap();
    fs::write(&file, format!("{top}\n{target}[{tables}")).unwrap();
    Smtpbench::new(&["run", "--quiet"])
        .arg(&file)
        .args(flags)
        .arg("--out")
        .arg(folder.join("out"))
        .run()
        .code(codes)
}

#[track_caller]
fn manifest(folder: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(folder.join("out/run.json")).unwrap()).unwrap()
}

/// The verdict of every threshold.
#[track_caller]
fn verdicts(folder: &Path) -> Vec<(String, String)> {
    let run = manifest(folder);
    let text = |row: &Value, key: &str| row[key].as_str().unwrap().to_owned();
    let rows = run["targets"][0]["thresholds"].as_array().unwrap();
    rows.iter().map(|row| (text(row, "threshold"), text(row, "verdict"))).collect()
}

const DISTRESS: &str = "thresholds = []\n[load]\nsessions = 8\nfor = \"40s\"\n\
                        stop_on = [\"5xx > 99% over 1s\", \"421 > 5% over 2s\"]\n\
                        [sink]\nreply = { mail = \"421 4.3.2 closing\" }\n";

#[test]
fn a_target_in_distress_stops_the_run() {
    let folder = TempDir::new().unwrap();
    let finished = run(folder.path(), DISTRESS, &[], &[94])
        .stderr_has("stopped: the safety stop `421 > 5% over 2s` ended the run after ")
        .stdout_has("stopped      the safety stop `421 > 5% over 2s` ended the run after ");
    assert!(finished.elapsed < Duration::from_secs(30), "it ran on\n{finished}");
    let run = manifest(folder.path());
    assert_eq!(
        run["targets"][0]["stopped"]["rule"], "421 > 5% over 2s",
        "{}",
        run["targets"][0]["stopped"]
    );
    assert_eq!(run["targets"][0]["stopped"]["by"], "stop_on");
    assert!(run["targets"][0]["stopped"]["value"].as_f64().unwrap() > 0.05);
    assert_eq!(run["exit_code"], 94);
    assert_eq!(run["targets"][0]["validity"]["verdict"], "valid");
    // What was measured until then counts, over the time until then.
    let stopped_at = run["targets"][0]["stopped"]["at_s"].as_f64().unwrap();
    let window = run["targets"][0]["tallies"]["window_s"].as_f64().unwrap();
    assert!((stopped_at..stopped_at + 10.0).contains(&window), "{window} of {stopped_at}");
    Results::read(&folder.path().join("out")).add_up();
}

#[test]
fn without_rules_distress_is_only_measured() {
    let folder = TempDir::new().unwrap();
    run(folder.path(), DISTRESS, &["--no-stop-on", "--for", "4s"], &[0]);
    let run = manifest(folder.path());
    assert_eq!(
        (&run["targets"][0]["stopped"], &run["plan"]["stop_on"]),
        (&Value::Null, &Value::Array(vec![]))
    );
}

#[test]
fn a_flag_says_what_distress_is() {
    let folder = TempDir::new().unwrap();
    let rule = ["--stop-on", "deferred > 50% over 1s"];
    run(folder.path(), DISTRESS, &rule, &[94]).stderr_has("`deferred > 50% over 1s`");
}

const SLOW: &str = "thresholds = [\"eod.p50 < 1us\", { if = \"eod.p50 > 100ms\", for = \"2s\", abort = true }]\n\
                    [load]\nsessions = 4\nfor = \"40s\"\n[sink]\ndelay = { eod = \"200ms\" }\n";

#[test]
fn a_threshold_may_end_the_run() {
    let folder = TempDir::new().unwrap();
    let rule = "never eod.p50 > 100ms for 2s";
    let finished = run(folder.path(), SLOW, &[], &[90]).stderr_has(&format!("threshold `{rule}`"));
    assert!(finished.elapsed < Duration::from_secs(30), "it ran on\n{finished}");
    let run = manifest(folder.path());
    assert_eq!(
        (&run["targets"][0]["stopped"]["by"], &run["targets"][0]["stopped"]["unit"]),
        (&"threshold".into(), &"us".into())
    );
    assert_eq!(
        verdicts(folder.path()),
        [("eod.p50 < 1us".into(), "fail".into()), (rule.into(), "fail".into())]
    );
    Results::read(&folder.path().join("out")).add_up();
}

#[test]
fn a_threshold_that_lasts_is_missed_at_the_end() {
    let folder = TempDir::new().unwrap();
    let scenario = SLOW.replace(", abort = true", "").replace("40s", "5s");
    run(folder.path(), &scenario.replace("\"eod.p50 < 1us\", ", ""), &[], &[90]);
    let run = manifest(folder.path());
    assert_eq!(run["targets"][0]["stopped"], Value::Null);
    assert!(run["targets"][0]["thresholds"][0]["value"].as_f64().unwrap() > 200_000.0, "{run}");
}

const REFUSING: &str = "thresholds = [\n\
    \"replies.5xx < 0.1%\",\n\
    \"replies.any.550 > 1%\",\n\
    \"replies.450 <= 0%\",\n\
    'accepted{script=\"submit\", stage=\"main\", target=\"target\"} > 99%',\n\
    \"vrfy.accepted.p50 < 10s\",\n\
    \"transaction.p50 < 10s\",\n\
    \"messages_per_s > 1\",\n\
    \"messages_per_h > 0.001M\",\n\
    { if = \"replies.any.550 > 90%\", for = \"1s\", abort = true },\n\
    ]\n\
    [load]\nsessions = 4\nfor = \"3s\"\n[sink]\nreply = { vrfy = \"550 5.1.1 nobody\" }\n\
    [[scripts]]\nname = \"submit\"\nsteps = '''\nhello\nVRFY postmaster => 550\ntransaction\n\
    MAIL FROM:<{{sender}}>\nRCPT TO:<{{recipient}}>\nDATA\nend\n'''\n";

#[test]
fn a_refusal_that_was_asked_for_is_none() {
    let folder = TempDir::new().unwrap();
    run(folder.path(), &REFUSING.replace("[load]", "[load]\nmessages_per_session = 1"), &[], &[0]);
    assert_eq!(verdicts(folder.path()).len(), 9);
    let unasked =
        REFUSING.replace(" => 550", "").replace("[load]", "[load]\nmessages_per_session = 1");
    let folder = TempDir::new().unwrap();
    run(folder.path(), &unasked, &[], &[90]);
    let missed = verdicts(folder.path()).into_iter().filter(|(_, verdict)| verdict == "fail");
    let missed: Vec<_> = missed.map(|(rule, _)| rule).collect();
    // An unexpected reply to VRFY is no accepted sample of it.
    assert_eq!(missed, ["replies.5xx < 0.1%", "vrfy.accepted.p50 < 10s"]);
}

#[test]
fn a_rule_without_samples_is_missed() {
    let folder = TempDir::new().unwrap();
    let scenario = "name = \"x\"\n[load]\nsessions = 1\nmessages = 10\n";
    let rules = ["--threshold", "lag.p99 < 1h", "--threshold", "accepted > 99%"];
    run(folder.path(), scenario, &rules, &[90])
        .stderr_has("`lag.p99 < 1h` will be missed: a closed load has no schedule")
        .stdout_has("no samples");
}

#[test]
fn a_schedule_is_held_to_what_it_asked_for() {
    let folder = TempDir::new().unwrap();
    let scenario = "thresholds = [\"achieved_rate > 50%\", \"lag.p50{stage='main'} < 30s\",\n\
                    \"transaction.response.p50 < 30s\", \"transaction.p50 > 0s\", \"session.p50 < 30s\",\n\
                    { if = \"achieved_rate < 1%\", for = \"2s\" }, \"eod.response.p50 < 30s\"]\n\
                    [load]\nrate = \"40 messages/s\"\nfor = \"3s\"\n";
    // A machine that is busy with other things may be late, which is another matter.
    run(folder.path(), scenario, &[], &[90, 92])
        .stderr_has("`eod.response.p50 < 30s` will be missed: only transaction and session");
    let verdicts: Vec<_> =
        verdicts(folder.path()).into_iter().map(|(_, verdict)| verdict).collect();
    assert_eq!(verdicts, ["pass", "pass", "pass", "pass", "pass", "pass", "fail"]);
}
