//! Several targets in one run: the same plan for all, in turn or at the same time, and servers that are started for it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::program::{Finished, Smtpbench};
use crate::support::results::Results;
use crate::support::serving::Serving;

/// A sink that writes down what it takes.
struct Taker {
    serving: Serving,
    file: std::path::PathBuf,
}

impl Taker {
    fn start(folder: &TempDir, name: &str, more: &[&str]) -> Self {
        let file = folder.path().join(format!("{name}.jsonl"));
        let mut arguments = vec!["--jsonl", file.to_str().unwrap()];
        arguments.extend(more);
        Self { serving: Serving::start(&arguments), file: file.clone() }
    }

    /// `--target NAME=URL`, as one argument behind `--target`.
    fn target(&self, name: &str) -> String {
        format!("{name}=smtp://{}", self.serving.address)
    }

    /// Ends it and gives what it took, in order.
    fn taken(self) -> Vec<Value> {
        self.serving.stop();
        let text = fs::read_to_string(self.file).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// When MAIL of each message came, in microseconds.
fn times(taken: &[Value]) -> Vec<i64> {
    let mut times: Vec<i64> = taken.iter().map(|row| row["us_mail"].as_i64().unwrap()).collect();
    times.sort_unstable();
    times
}

fn run(folder: &TempDir, arguments: &[&str]) -> (Finished, Results) {
    let out = folder.path().join("out");
    let finished = Smtpbench::new(&["run", "--seed", "7", "--quiet", "--out"])
        .arg(&out)
        .args(arguments)
        .limit(Duration::from_secs(120))
        .run();
    (finished, Results::read(&out))
}

fn manifest(results: &Results) -> Value {
    let text = fs::read_to_string(results.folder().join("run.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// The most that came within any second.
fn most_in_a_second(times: &[i64]) -> usize {
    let within =
        |from: &i64| times.iter().filter(|at| (*from..from + 1_000_000).contains(*at)).count();
    times.iter().map(within).max().unwrap_or(0)
}

#[test]
fn every_target_gets_the_same_messages_at_the_same_times() {
    let folder = TempDir::new().unwrap();
    let (first, second) = (Taker::start(&folder, "a", &[]), Taker::start(&folder, "b", &[]));
    let (finished, results) = run(
        &folder,
        &[
            "--target",
            &first.target("a"),
            "--target",
            &second.target("b"),
            "--rate",
            "60 messages/s",
            "--arrivals",
            "poisson",
            "--for",
            "3s",
            "--to",
            "user{{1..1000}}@b.test",
            "--threshold",
            "accepted > 99%",
        ],
    );
    // A machine that is busy starts late, which makes a run invalid and not wrong.
    let finished = finished.code(&[0, 92]).stdout_has("2 targets, at the same time");
    let by_id = |taken: Vec<Value>| -> BTreeMap<String, (Value, Value, i64)> {
        let row = |row: Value| {
            let id = row["message_id"].as_str().unwrap().to_owned();
            (
                id,
                (row["recipients"].clone(), row["bytes"].clone(), row["us_mail"].as_i64().unwrap()),
            )
        };
        taken.into_iter().map(row).collect()
    };
    let (first, second) = (by_id(first.taken()), by_id(second.taken()));
    assert!(first.len() > 100 && first.keys().eq(second.keys()), "{finished}");
    let mut apart = Vec::new();
    for (id, (recipients, bytes, at)) in &first {
        let (others, other_bytes, other) = &second[id];
        assert_eq!((recipients, bytes), (others, other_bytes), "{id}");
        apart.push((at - other).abs());
    }
    // A machine that is busy is late now and then, at both; the plan is not.
    apart.sort_unstable();
    assert!(apart[apart.len() / 2] < 50_000, "{apart:?}");
    let summary = results.table("summary.csv");
    assert_eq!(summary.cells("target", &[]), ["a", "b"]);
    assert_eq!(
        results
            .table("outcomes.csv")
            .cells("count", &[("target", "b"), ("unit", "message"), ("outcome", "accepted")]),
        [first.len().to_string()]
    );
    assert_eq!(manifest(&results)["targets"].as_array().unwrap().len(), 2);
}

#[test]
fn a_dead_target_has_a_row_and_the_others_are_measured() {
    let folder = TempDir::new().unwrap();
    let alive = Taker::start(&folder, "alive", &[]);
    let target = alive.target("alive");
    let arguments = ["--target", &target, "--target", "dead=smtp://127.0.0.1:1", "--sessions", "1"];
    let more = ["--messages", "20", "--threshold"];
    let with = |rule: &'static str| [&arguments[..], &more[..], &[rule]].concat();
    let (finished, results) = run(&folder, &with("accepted{target=\"alive\"} > 99%"));
    let finished = finished.code(&[0]).stderr_has("target dead:").stdout_has("127.0.0.1:1");
    let summary = results.table("summary.csv");
    assert_eq!(summary.cells("target", &[]), ["alive", "dead"], "{finished}");
    assert_eq!(summary.cells("verdict", &[]), ["valid", "incomplete"], "{finished}");
    assert_eq!(summary.cells("messages_per_s", &[("target", "dead")]), [""], "{finished}");
    let reasons = &manifest(&results)["targets"][1]["validity"]["reasons"];
    assert!(reasons[0].as_str().unwrap().contains("cannot be reached"), "{reasons}");
    // A rule for all holds for the dead one as well.
    fs::remove_dir_all(results.folder()).unwrap();
    run(&folder, &with("accepted > 99%")).0.code(&[90]);
    assert_eq!(alive.taken().len(), 40);
}

#[test]
fn where_all_are_dead_nothing_was_measured() {
    let folder = TempDir::new().unwrap();
    let dead = ["--target", "a=smtp://127.0.0.1:1", "--target", "b=smtp://127.0.0.1:2"];
    let (finished, results) = run(&folder, &dead);
    finished.code(&[69]).stderr_has("target a:").stderr_has("no target could be reached");
    assert!(!results.folder().exists());
    // Without a preflight it shows under load.
    let load = ["--no-preflight", "--rate", "20 messages/s", "--for", "1s"];
    let (finished, results) = run(&folder, &[&dead[..], &load[..]].concat());
    let finished = finished.code(&[69]);
    let failures = results.table("failures.csv");
    assert!(failures.sum("count", &[("target", "b"), ("step", "connect")]) > 0, "{finished}");
}

#[test]
fn targets_of_a_closed_load_take_turns() {
    let folder = TempDir::new().unwrap();
    let delay = ["--delay", "eod=5ms"];
    let (first, second) = (Taker::start(&folder, "a", &delay), Taker::start(&folder, "b", &delay));
    let (finished, results) = run(
        &folder,
        &[
            "--target",
            &first.target("a"),
            "--target",
            &second.target("b"),
            "--sessions",
            "2",
            "--for",
            "4s",
            "--interleave",
            "1s",
        ],
    );
    let finished = finished.code(&[0]).stdout_has("in turn, in blocks of 1 s");
    assert!(finished.elapsed >= Duration::from_secs(8), "4 s of each: {finished}");
    let (first, second) = (times(&first.taken()), times(&second.taken()));
    let mut all: Vec<(i64, bool)> = first.iter().map(|at| (*at, false)).collect();
    all.extend(second.iter().map(|at| (*at, true)));
    all.sort_unstable();
    let switches = all.windows(2).filter(|pair| pair[0].1 != pair[1].1).count();
    // Eight blocks; a message that is under way at an edge may cross another.
    assert!((3..=20).contains(&switches), "{switches} of {}: {finished}", all.len());
    assert!(first.len() > 100 && second.len() > 100, "{finished}");
    // Sessions stay open while others have their turn: nothing was opened but in the beginning.
    let manifest = manifest(&results);
    assert_eq!(manifest["plan"]["block_s"].as_f64(), Some(1.0));
    for target in manifest["targets"].as_array().unwrap() {
        let window = target["tallies"]["window_s"].as_f64().unwrap();
        assert!((3.9..=4.001).contains(&window), "rates are over its own time: {window}");
    }
}

#[test]
fn a_slower_target_is_told_apart_with_an_interval() {
    let folder = TempDir::new().unwrap();
    let start = |name: &str, delay: &str| Taker::start(&folder, name, &["--delay", delay]);
    let takers = [start("a", "eod=20ms"), start("b", "eod=20ms"), start("slower", "eod=30ms")];
    let targets = ["a", "b", "slower"].map(|name| name.to_owned());
    let targets: Vec<String> =
        takers.iter().zip(&targets).map(|(taker, name)| taker.target(name)).collect();
    let mut arguments = vec!["--sessions", "4", "--for", "9s", "--interleave", "1s"];
    targets.iter().for_each(|target| arguments.extend(["--target", target.as_str()]));
    let (finished, results) = run(&folder, &arguments);
    let finished = finished.code(&[0]).stdout_has("eod.p50: a ").stdout_has("slower");
    let pairs = results.table("pairs.csv");
    let cell = |first: &str, second: &str, column: &str| {
        let wanted = [("first", first), ("second", second), ("metric", "eod.p50")];
        pairs.cells(column, &wanted)[0].to_owned()
    };
    for first in ["a", "b"] {
        assert_eq!(cell(first, "slower", "verdict"), "different", "{finished}");
        let low: f64 = cell(first, "slower", "difference_low").parse().unwrap();
        let high: f64 = cell(first, "slower", "difference_high").parse().unwrap();
        // 30 ms for 20 ms, with what the machine adds to both.
        assert!(low > 0.2 && low <= high && high < 0.7, "{low} {high}\n{finished}");
    }
    let between: f64 = cell("a", "b", "difference").parse().unwrap();
    assert!(between.abs() < 0.1, "equals are about equal: {between}\n{finished}");
    let told = &manifest(&results)["pairs"];
    assert_eq!(told.as_array().unwrap().len(), 12, "{told}");
}

#[test]
fn a_cap_holds_under_open_and_closed_load() {
    let folder = TempDir::new().unwrap();
    let open = "rate = \"50 messages/s\"\narrivals = \"poisson\"";
    for (name, load) in [("open", open), ("closed", "sessions = 4")] {
        let capped = Taker::start(&folder, &format!("{name}-capped"), &[]);
        let free = Taker::start(&folder, &format!("{name}-free"), &["--delay", "eod=5ms"]);
        let path = folder.path().join("capped.toml");
        let text = format!(
            "thresholds = []\n[targets.capped]\nurl = \"smtp://{}\"\nmax_rate = \"10 messages/s\"\n\
             [targets.free]\nurl = \"smtp://{}\"\n[load]\n{load}\nfor = \"3s\"\n",
            capped.serving.address, free.serving.address
        );
        fs::write(&path, text).unwrap();
        let (finished, results) = run(&folder, &[path.to_str().unwrap()]);
        let finished = finished.code(&[0, 92]);
        let (capped, free) = (times(&capped.taken()), times(&free.taken()));
        // A message that starts in time may come a little later, and so nearer to the next.
        assert!(most_in_a_second(&capped) <= 15, "{capped:?}\n{finished}");
        assert!((20..=31).contains(&capped.len()), "{}: {finished}", capped.len());
        assert!(free.len() > 100, "{}: {finished}", free.len());
        if name == "open" {
            let arrivals = &manifest(&results)["targets"][0]["tallies"]["arrivals"][0];
            let count = |name: &str| arrivals[name].as_u64().unwrap();
            assert_eq!(count("due"), count("started") + count("capped"), "{arrivals}");
            assert!(count("capped") > 50, "{arrivals}");
        }
        fs::remove_dir_all(results.folder()).unwrap();
    }
}

/// A scenario whose server is the built-in one, as a program of its own.
fn started(folder: &Path, more: &str, load: &str) -> std::path::PathBuf {
    let path = folder.join("started.toml");
    let program = env!("CARGO_BIN_EXE_smtpbench");
    let text = format!(
        "[targets.own]\nurl = \"smtp://127.0.0.1:{{port}}\"\n\
         start = \"'{program}' sink --listen 127.0.0.1:{{port}}\"\n{more}[load]\nsessions = 2\n{load}\n"
    );
    fs::write(&path, text).unwrap();
    path
}

/// Where the server listened, which nobody does any more.
fn is_gone(folder: &Path) -> String {
    let log = fs::read_to_string(folder.join("server-own.log")).unwrap();
    let address = log.lines().find_map(|line| line.strip_prefix("listening on ")).unwrap();
    let refused = std::net::TcpStream::connect(address.trim());
    assert!(refused.is_err(), "{address} still listens: {log}");
    log
}

#[test]
fn a_server_is_started_measured_and_ended() {
    let folder = TempDir::new().unwrap();
    let more = "prepare = \"/bin/sh -c 'echo prepared for {port}'\"\n";
    let path = started(folder.path(), more, "messages = 3000");
    let (finished, results) = run(&folder, &[path.to_str().unwrap()]);
    let finished = finished.code(&[0]).stdout_has("CPU");
    assert!(is_gone(results.folder()).starts_with("prepared for "));
    let server = results.table("server.csv");
    assert_eq!(server.cells("messages", &[("target", "own")]), ["3000"], "{finished}");
    let cpu = server.sum("cpu_us_user", &[]) + server.sum("cpu_us_system", &[]);
    assert!(cpu > 0, "{server}");
    let each: f64 = server.cells("cpu_us_per_message", &[])[0].parse().unwrap();
    let cpu = f64::from(u32::try_from(cpu).unwrap());
    assert!((each * 3000.0 - cpu).abs() < 3000.0, "{server}");
    let (peak, end) = (server.sum("rss_bytes_peak", &[]), server.sum("rss_bytes_end", &[]));
    assert!(peak >= end && end > 1 << 20, "{server}");
}

#[test]
fn a_started_server_does_not_outlive_an_interrupted_run() {
    let folder = TempDir::new().unwrap();
    let path = started(folder.path(), "", "for = \"60s\"");
    let out = folder.path().join("out");
    let finished = Smtpbench::new(&["run", "--quiet", "--out"])
        .arg(&out)
        .arg(&path)
        .signal(Duration::from_secs(6), Signal::INT)
        .run();
    finished.code(&[130]);
    is_gone(&out);
}

#[test]
fn a_server_that_does_not_come_up_ends_the_run_with_what_it_said() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("down.toml");
    let scenario = |start: &str, more: &str| {
        let url = "smtp://127.0.0.1:{port}";
        let load = "[load]\nsessions = 1\nmessages = 1\n";
        format!("[target]\nurl = \"{url}\"\nstart = '''{start}'''\n{more}{load}")
    };
    for (start, more, told) in [
        ("/bin/sh -c 'echo no licence; exit 3'", "", "ended with code 3 before it was ready"),
        ("./nowhere {port}", "", "`./nowhere {port}` cannot be started"),
        ("/bin/true", "prepare = \"/bin/sh -c 'echo no licence; exit 9'\"\n", "exit status: 9"),
    ] {
        fs::write(&path, scenario(start, more)).unwrap();
        let (finished, results) = run(&folder, &[path.to_str().unwrap()]);
        let finished = finished.code(&[69]).stderr_has(told);
        if !start.contains("nowhere") {
            finished.stderr_has("no licence");
        }
        assert!(!results.folder().join("run.json").exists());
        let _ = fs::remove_dir_all(results.folder());
    }
}

#[test]
fn plan_and_once_know_several_targets() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("two.toml");
    let text = "[targets.a]\nurl = \"embedded:\"\n[targets.b]\nurl = \"embedded:\"\n\
                [load]\nsessions = 3\nfor = \"10s\"\n";
    fs::write(&path, text).unwrap();
    let plan = Smtpbench::new(&["plan"]).arg(&path).run().code(&[0]);
    plan.stdout_has("2 targets, take turns in blocks of 1s")
        .stdout_has("sessions     6 open at once at most");
    Smtpbench::new(&["once", "--target", "b"]).arg(&path).run().code(&[0]);
    let finished = Smtpbench::new(&["once"]).arg(&path).run().code(&[65]);
    finished.stderr_has("name one of them with --target: a, b");
}
