//! The command line: what is said, in which stream, with which exit code, and what is refused before any packet.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::Signal;
use tempfile::TempDir;

use crate::support::peer::Peer;
use crate::support::program::{Finished, Smtpbench};
use crate::support::redact::redact;
use crate::support::results::Results;

/// An address that belongs to nobody (RFC 5737). Only in calls that are refused.
const ELSEWHERE: &str = "192.0.2.1";

/// A scenario that fits a good peer and is over in a second.
fn scenario(url: &str, more: &str) -> String {
    format!(
        r#"
name = "short"
thresholds = []
{more}

[target]
url = "{url}"

[load]
sessions = 2
for = "1s"
"#
    )
}

/// A folder with a scenario file in it.
fn folder_with(text: &str) -> (TempDir, PathBuf) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("scenario.toml");
    fs::write(&path, text).unwrap();
    (folder, path)
}

/// `run SCENARIO --out DIR/out`.
fn run(scenario: &Path) -> Smtpbench {
    let out = scenario.with_file_name("out");
    Smtpbench::new(&["run"]).arg(scenario).arg("--out").arg(out)
}

/// The quick form against `url` in `folder`.
fn quick(url: &str, folder: &TempDir) -> Smtpbench {
    Smtpbench::new(&["run", "--sessions", "2", "--for", "1s", "--target", url])
        .arg("--out")
        .arg(folder.path().join("out"))
}

/// Without any argument it shows how to begin.
#[test]
fn no_arguments_print_three_examples() {
    let folder = TempDir::new().unwrap();
    let finished = Smtpbench::new(&[]).within(folder.path()).run().code(&[0, 64]);
    let output = format!("{}{}", finished.stdout, finished.stderr);
    let examples = output.lines().filter(|line| line.trim().starts_with("smtpbench ")).count();
    assert_eq!(examples, 3, "{finished}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "it wrote something\n{finished}");
}

#[test]
fn a_bare_run_says_that_it_measures_itself() {
    let folder = TempDir::new().unwrap();
    let finished = Smtpbench::new(&["run"]).within(folder.path()).run().code(&[0]);
    let said = format!("{}{}", finished.stderr, finished.stdout);
    assert!(said.contains("smtpbench itself"), "{finished}");
    let named = finished.stdout.lines().last().unwrap_or_default();
    let results = fs::read_dir(folder.path().join("results")).unwrap().next().unwrap().unwrap();
    let name = results.file_name().into_string().unwrap();
    assert!(named.contains(&name), "{name} is not in the last line\n{finished}");
}

#[test]
fn the_last_line_of_stdout_names_the_result_folder() {
    let (peer, folder) = (Peer::good(), TempDir::new().unwrap());
    let finished = quick(&peer.url(), &folder).run().code(&[0]);
    let redacted = redact(&finished.stdout, folder.path());
    let last = redacted.lines().last().unwrap_or_default();
    assert!(last.contains("[DIR]/out"), "{last:?}\n{finished}");
    for name in [
        "run.json",
        "summary.csv",
        "latency.csv",
        "replies.csv",
        "outcomes.csv",
        "failures.csv",
        "addresses.csv",
        "intervals.csv",
        "thresholds.csv",
        "histograms.hlog",
        "report.html",
    ] {
        assert!(folder.path().join("out").join(name).is_file(), "{name}\n{finished}");
    }
    let left = fs::read_dir(folder.path().join("out")).unwrap();
    let left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
    let temporary = |name: &&std::ffi::OsString| name.to_string_lossy().contains("tmp");
    assert_eq!(left.iter().find(temporary), None, "a temporary file was left");
}

#[test]
fn quiet_is_quiet_on_stderr() {
    let (peer, folder) = (Peer::good(), TempDir::new().unwrap());
    let finished = quick(&peer.url(), &folder).arg("--quiet").run().code(&[0]);
    assert_eq!(finished.stderr, "", "{finished}");
}

#[test]
fn the_seed_is_printed() {
    let (peer, folder) = (Peer::good(), TempDir::new().unwrap());
    let finished = quick(&peer.url(), &folder).arg("--seed").arg("4711").run().code(&[0]);
    assert!(format!("{}{}", finished.stdout, finished.stderr).contains("4711"), "{finished}");
}

/// Refused before any packet: nothing connects to the peer, and nothing is written.
#[track_caller]
fn refused(code: i32, call: impl FnOnce(&Peer) -> (TempDir, Smtpbench)) -> Finished {
    let peer = Peer::good();
    let (folder, call) = call(&peer);
    let finished = call.run().code(&[code]);
    assert_eq!(peer.connections(), 0, "packets were sent\n{finished}");
    assert!(!folder.path().join("out").exists(), "a result folder was made\n{finished}");
    assert!(!finished.stderr.trim().is_empty(), "no message\n{finished}");
    finished
}

/// A faulty scenario is one clear message that says where.
#[track_caller]
fn faulty(text: impl FnOnce(&str) -> String, wanted: &[&str]) {
    let mut finished = refused(65, |peer| {
        let (folder, path) = folder_with(&text(&peer.url()));
        let call = run(&path);
        (folder, call)
    });
    for text in wanted {
        finished = finished.stderr_has(text);
    }
}

#[test]
fn a_missing_scenario() {
    refused(65, |_| {
        let folder = TempDir::new().unwrap();
        let call = run(&folder.path().join("missing.toml"));
        (folder, call)
    })
    .stderr_has("missing.toml");
}

#[test]
fn an_unreadable_scenario() {
    // A folder; the rights of a file would not stop root.
    refused(65, |_| {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("folder.toml");
        fs::create_dir(&path).unwrap();
        let call = run(&path);
        (folder, call)
    })
    .stderr_has("folder.toml");
    refused(65, |_| {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("binary.toml");
        fs::write(&path, b"name = \"\xff\xfe\"\n").unwrap();
        let call = run(&path);
        (folder, call)
    })
    .stderr_has("binary.toml");
}

#[test]
fn an_unknown_key_with_the_nearest_known_one() {
    faulty(|url| scenario(url, "nmae = \"x\""), &["scenario.toml:4:1", "nmae", "`name`"]);
    faulty(
        |url| scenario(url, "") + "sesions = 3\n",
        &["scenario.toml:12:1", "sesions", "`sessions`"],
    );
}

#[test]
fn all_faults_of_a_file_at_once() {
    let text = |url: &str| scenario(url, "first = 1\nsecond = 2").replace("\"1s\"", "\"1\"");
    faulty(text, &["first", "second", "has no unit"]);
}

#[test]
fn zero_and_huge_numbers() {
    for sessions in ["0", "-1", "1000001", "99999999999999999999999"] {
        faulty(
            |url| scenario(url, "").replace("sessions = 2", &format!("sessions = {sessions}")),
            &["scenario.toml:10:"],
        );
    }
    for length in ["\"0s\"", "\"400d\"", "1", "\"-1s\""] {
        faulty(|url| scenario(url, "").replace("\"1s\"", length), &["scenario.toml:11:"]);
    }
}

#[test]
fn zero_and_huge_numbers_in_flags() {
    for (flag, value) in [
        ("--sessions", "0"),
        ("--sessions", "-1"),
        ("--sessions", "1000001"),
        ("--for", "0s"),
        ("--for", "10"),
        ("--messages", "0"),
        ("--size", "1ZiB"),
        ("--no-such-flag", "1"),
    ] {
        refused(64, |peer| {
            let folder = TempDir::new().unwrap();
            let call = Smtpbench::new(&["run", "--target", &peer.url(), flag, value])
                .arg("--out")
                .arg(folder.path().join("out"));
            (folder, call)
        });
    }
}

#[test]
fn a_scenario_without_a_target() {
    refused(65, |_| {
        let text = scenario("", "").replace("[target]\nurl = \"\"\n", "");
        let (folder, path) = folder_with(&text);
        let call = run(&path);
        (folder, call)
    })
    .stderr_has("--target");
}

#[test]
fn an_unwritable_result_folder() {
    // Below a file: the rights of a folder would not stop root.
    let peer = Peer::good();
    let (folder, path) = folder_with(&scenario(&peer.url(), ""));
    let out = path.join("out");
    Smtpbench::new(&["run"]).arg(&path).arg("--out").arg(out).run().code(&[73]);
    assert_eq!(peer.connections(), 0, "packets were sent");
    drop(folder);
}

#[test]
fn a_target_that_is_not_ours() {
    for more in [
        &[][..],
        // Neither a pattern, nor a part, nor another name, nor with a port.
        &["--i-own", "192.0.2.*"],
        &["--i-own", "*"],
        &["--i-own", "192.0.2"],
        &["--i-own", "192.0.2.10"],
        &["--i-own", "192.0.2.0/24"],
        &["--i-own", "192.0.2.1:25"],
        &["--i-own", "localhost"],
        &["--i-own", ""],
    ] {
        let finished = refused(77, |_| {
            let folder = TempDir::new().unwrap();
            let call = quick(&format!("smtp://{ELSEWHERE}:25"), &folder);
            (folder, more.iter().fold(call, Smtpbench::arg))
        });
        assert!(finished.stderr.contains("--i-own"), "no word of the way\n{finished}");
    }
    // Nor by an environment variable, which outlives the moment in which it was meant.
    for name in ["SMTPBENCH_I_OWN", "I_OWN"] {
        refused(77, |_| {
            let folder = TempDir::new().unwrap();
            let call = quick(&format!("smtp://{ELSEWHERE}:25"), &folder);
            (folder, call.variable(name, ELSEWHERE))
        });
    }
}

#[test]
fn a_target_in_a_scenario_is_guarded_like_one_in_a_flag() {
    refused(77, |_| {
        let (folder, path) = folder_with(&scenario(&format!("smtp://{ELSEWHERE}"), ""));
        let call = run(&path);
        (folder, call)
    });
}

#[test]
fn an_unreachable_target() {
    let free = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap();
    let folder = TempDir::new().unwrap();
    let finished = quick(&format!("smtp://{free}"), &folder).run().code(&[69]);
    assert!(finished.elapsed < Duration::from_secs(10), "{finished}");
    assert!(finished.stderr.contains("refused"), "{finished}");
}

#[test]
fn a_target_that_comes_late_is_waited_for() {
    // Nobody listens at first, so the wait ends without a greeting.
    let free = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap();
    let folder = TempDir::new().unwrap();
    let call = quick(&format!("smtp://{free}"), &folder).arg("--wait").arg("1s");
    let finished = call.limit(Duration::from_secs(15)).run().code(&[69]);
    assert!(finished.elapsed >= Duration::from_secs(1), "it did not wait\n{finished}");
}

#[test]
fn a_missed_threshold() {
    let (peer, folder) = (Peer::good(), TempDir::new().unwrap());
    let call = quick(&peer.url(), &folder).arg("--threshold").arg("eod.p50 < 1us");
    call.run().code(&[90]);
    let thresholds = Results::read(&folder.path().join("out")).table("thresholds.csv");
    let row = [("threshold", "eod.p50 < 1us")];
    assert_eq!(thresholds.cells("verdict", &row).len(), 1, "{thresholds}");
}

#[test]
fn the_threshold_of_a_run_without_any() {
    // `accepted > 99%` stands where the scenario has no thresholds.
    let script = "S: 220 peer.test\nC: EHLO\nS: 250 peer.test\nC: MAIL\nS: 550 5.7.1 no\nclose";
    let (peer, folder) = (Peer::play(script), TempDir::new().unwrap());
    quick(&peer.url(), &folder).arg("--no-preflight").run().code(&[90]);
    Results::read(&folder.path().join("out")).add_up();
}

/// A long run, ended by a signal: partial results that add up, and no verdict.
#[track_caller]
fn interrupted(signal: Signal, code: i32) {
    let (peer, folder) = (Peer::good(), TempDir::new().unwrap());
    let out = folder.path().join("out");
    let finished = Smtpbench::new(&["run", "--sessions", "5", "--for", "60s", "--target"])
        .arg(peer.url())
        .arg("--out")
        .arg(&out)
        .signal(Duration::from_secs(2), signal)
        .limit(Duration::from_secs(40))
        .run()
        .code(&[code])
        .stderr_has("stopping: messages under way have 30s to end; a second Ctrl-C cuts them");
    assert!(finished.elapsed < Duration::from_secs(30), "it ran on\n{finished}");
    let results = Results::read(&out).add_up();
    assert!(results.messages("accepted") > 0, "{finished}");
    let run = fs::read_to_string(out.join("run.json")).unwrap();
    let run: serde_json::Value = serde_json::from_str(&run).unwrap();
    assert!(run.to_string().contains("\"interrupted\""), "no word of it in run.json: {run}");
}

#[test]
fn ctrl_c_drains_and_reports() {
    interrupted(Signal::INT, 130);
}

#[test]
fn sigterm_drains_and_reports() {
    interrupted(Signal::TERM, 143);
}

/// Nothing has been sent yet, so there is nothing to drain.
#[test]
fn ctrl_c_while_the_target_is_waited_for() {
    let folder = TempDir::new().unwrap();
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("smtp://{}", silent.local_addr().unwrap());
    Smtpbench::new(&["run", "--wait", "30s", "--target", &url])
        .arg("--out")
        .arg(folder.path().join("out"))
        .signal(Duration::from_secs(1), Signal::INT)
        .limit(Duration::from_secs(10))
        .run()
        .code(&[130]);
    assert!(!folder.path().join("out").exists());
}

#[test]
fn check_finds_what_run_would_refuse() {
    let (_folder, path) = folder_with(&scenario("smtp://127.0.0.1:2525", ""));
    Smtpbench::new(&["check"]).arg(&path).run().code(&[0]);
    let (_folder, path) = folder_with(&scenario("smtp://127.0.0.1:2525", "nmae = 1"));
    Smtpbench::new(&["check"]).arg(&path).run().code(&[65]).stderr_has("nmae");
}

#[test]
fn every_scenario_of_the_project_is_valid() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let files = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let files: Vec<PathBuf> =
        files.filter(|path| path.extension().is_some_and(|kind| kind == "toml")).collect();
    assert!(!files.is_empty(), "no scenario in {}", folder.display());
    for path in files {
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("# "), "{} does not say what it answers", path.display());
        Smtpbench::new(&["check"]).arg(&path).run().code(&[0]);
    }
}

#[test]
fn schema_prints_a_json_schema() {
    let finished = Smtpbench::new(&["schema"]).run().code(&[0]).stdout_has("\"$schema\"");
    let schema: serde_json::Value = serde_json::from_str(&finished.stdout).unwrap();
    assert!(schema.get("properties").is_some(), "{schema}");
}

#[test]
fn once_prints_the_transcript_of_one_session() {
    let peer = Peer::good();
    let (_folder, path) = folder_with(&scenario(&peer.url(), ""));
    let finished = Smtpbench::new(&["once"]).arg(&path).run().code(&[0]);
    for line in ["220 peer.test", "EHLO ", "MAIL FROM:<", "RCPT TO:<", "DATA", "354 go on", "QUIT"]
    {
        assert!(finished.stdout.contains(line), "{line:?}\n{finished}");
    }
    assert_eq!(peer.connections(), 1, "one session is one connection");
}
