//! The search for the highest rate, and the curve over several, against the sink with a known limit.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::Signal;
use tempfile::TempDir;

use crate::support::peer::Peer;
use crate::support::program::{Finished, Smtpbench};
use crate::support::table::Table;

const LIMIT: Duration = Duration::from_secs(240);
/// How often a test looks again.
const ATTEMPTS: usize = 4;

/// The sink inside the program, with what stands behind.
const SINK: &str = "embedded:";

/// The sink defers what comes above this rate; so many messages may come at once.
fn limited(per_s: u32, burst: u32) -> String {
    format!(
        "[[sink.rules]]\nat = \"eod\"\nabove = \"{per_s} messages/s\"\nburst = {burst}\nreply = \"451 4.7.1 too fast\"\n"
    )
}

/// Runs `command` on a scenario with this load; more arguments follow. The folder has `out` in it.
fn call(command: &str, url: &str, load: &str, more: &[&str]) -> (Smtpbench, TempDir) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("limit.toml");
    fs::write(&path, format!("[target]\nurl = \"{url}\"\n[load]\n{load}\n")).unwrap();
    let out = folder.path().join("out");
    let call = Smtpbench::new(&[command]).arg(path).arg("--out").arg(out).args(more).limit(LIMIT);
    (call, folder)
}

fn run(command: &str, url: &str, load: &str, more: &[&str]) -> (Finished, TempDir) {
    let (call, folder) = call(command, url, load, more);
    (call.run(), folder)
}

/// Against the sink, and the same again while the machine is too busy to offer a rate: that is what 92 says, and then
/// nothing can be learned here. `None`, aloud, where it stays so.
#[expect(clippy::print_stderr, reason = "a test that is left out says so")]
fn patiently(command: &str, load: &str, more: &[&str]) -> Option<(Finished, TempDir)> {
    for _ in 0..ATTEMPTS {
        let (finished, folder) = run(command, SINK, load, more);
        if finished.code != Some(92) {
            return Some((finished, folder));
        }
        assert!(finished.stdout.contains("generator"), "{finished}");
    }
    eprintln!("skipped: this machine is too busy to offer what {command} asks for");
    None
}

fn table(folder: &TempDir, name: &str) -> Table {
    Table::read(&folder.path().join("out"), name)
}

fn rates(table: &Table, wanted: &[(&str, &str)]) -> Vec<f64> {
    table.cells("rate", wanted).iter().map(|cell| cell.parse().unwrap()).collect()
}

#[test]
fn a_limiter_at_500_messages_a_second_is_found_within_5_percent() {
    // What a busy machine holds up for 100 ms comes at once, and is no miss: half of it fits into the burst, and 2 % may
    // be deferred. Both together let the search end at most 4 % above the limit.
    let load = "rate = \"300 messages/s\"\nwarmup = \"300ms\"\nfor = \"3s\"\nmax_sessions = 20\n";
    let load = format!("{load}{}", limited(500, 25));
    let more = ["--cooldown", "300ms", "--threshold", "accepted > 98%"];
    let Some((finished, folder)) = patiently("find-max", &load, &more) else { return };
    let finished = finished.code(&[0]).stdout_has("found: ").stdout_has("the first that did not");
    let trials = table(&folder, "find-max.csv");
    let confirmed = rates(&trials, &[("purpose", "confirm"), ("verdict", "held")]);
    let [found] = confirmed[..] else { panic!("{confirmed:?}\n{trials}\n{finished}") };
    assert!((475.0..=525.0).contains(&found), "{found}\n{trials}\n{finished}");
    // What did not hold is told with its condition, and lies as near as was asked for.
    let missed = rates(&trials, &[("verdict", "missed")]).into_iter().fold(f64::MAX, f64::min);
    assert!(missed > found && missed <= found * 1.021, "{missed} over {found}\n{trials}");
    let failed = trials.cells("failed_conditions", &[("verdict", "missed")]);
    assert!(failed.iter().any(|text| text.contains("accepted > 98% (")), "{trials}");
    // Every trial is a result folder of its own.
    for trial in trials.cells("folder", &[]) {
        assert!(folder.path().join("out").join(trial).join("run.json").is_file(), "{trial}");
    }
}

#[test]
fn no_rate_holds_where_nothing_is_taken() {
    let load =
        "rate = \"64 messages/s\"\nfor = \"200ms\"\n[sink]\nreply = { eod = \"451 4.7.1 no\" }";
    let Some((finished, folder)) = patiently("find-max", load, &["--cooldown", "0s"]) else {
        return;
    };
    finished.code(&[90]).stdout_has("no rate held").stdout_has("the first that did not");
    let rates = rates(&table(&folder, "find-max.csv"), &[("verdict", "missed")]);
    assert_eq!((rates.first(), rates.last()), (Some(&64.0), Some(&0.0625)), "{rates:?}");
}

#[test]
fn the_highest_rate_that_may_be_tried_ends_the_search() {
    let load = "rate = \"20 messages/s\"\nfor = \"300ms\"";
    let more = ["--cooldown", "0s", "--max-rate", "50", "--quiet"];
    let Some((finished, folder)) = patiently("find-max", load, &more) else { return };
    let finished =
        finished.code(&[0]).stdout_has("50 messages a second held twice").stdout_has("--max-rate");
    assert!(!finished.stderr.contains("trial-1"), "{finished}");
    let trials = table(&folder, "find-max.csv");
    assert_eq!(rates(&trials, &[("verdict", "held")]), [20.0, 40.0, 50.0, 50.0], "{trials}");
}

#[test]
fn a_signal_ends_the_search_with_what_is_known() {
    let load = "rate = \"1 message/s\"\nfor = \"500ms\"";
    let (call, folder) = call("find-max", SINK, load, &["--cooldown", "1m"]);
    // In the rest behind the first trial.
    let finished = call.signal(Duration::from_secs(5), Signal::INT).run().code(&[130]);
    let finished = finished.stdout_has("the search was interrupted").stdout_has("1 trial, seed");
    let trials = table(&folder, "find-max.csv");
    // Its one message may have come late on a busy machine.
    let known = match trials.cells("verdict", &[])[..] {
        ["held"] => "1 message a second held so far",
        ["generator-limited"] => "nothing is known yet",
        _ => panic!("{trials}\n{finished}"),
    };
    finished.stdout_has(known);
}

/// Refused before any packet.
#[track_caller]
fn refused(command: &str, load: &str, more: &[&str], code: i32, wanted: &[&str]) {
    let peer = Peer::good();
    let (mut finished, folder) = run(command, &peer.url(), load, more);
    finished = finished.code(&[code]);
    for text in wanted {
        finished = finished.stderr_has(text);
    }
    assert_eq!(peer.connections(), 0, "{finished}");
    assert!(!folder.path().join("out").exists(), "{finished}");
}

#[test]
fn loads_without_one_open_rate_are_refused_with_hints() {
    let stages = "stages = [{ rate = \"1 message/s\", for = \"1s\" }, { rate = \"2 messages/s\", for = \"1s\" }]";
    for command in ["find-max", "sweep"] {
        let more: &[&str] = if command == "sweep" { &["--rates", "1,2"] } else { &[] };
        let closed = "sessions = 2\nmessages = 3";
        refused(command, closed, more, 65, &["hint: say where to start: --rate", "no `messages`"]);
        refused(command, stages, more, 65, &["has 2 stages", "in place of `stages`"]);
        let held = "rate = \"1 session/s\"\nfor = \"1s\"\nhold = \"ehlo\"";
        refused(command, held, more, 65, &["take `hold` out"]);
    }
    let random = "rate = \"1 message/s\"\narrivals = \"poisson\"\nfor = \"1s\"";
    refused("find-max", random, &[], 65, &["hint: give --arrivals even"]);
    let even = "rate = \"10 messages/s\"\nfor = \"1s\"";
    refused("find-max", even, &["--max-rate", "5"], 64, &["--max-rate 5 is below"]);
    refused("find-max", even, &["--precision", "0%"], 64, &["from 0.1% to 50%"]);
    refused("sweep", even, &["--rates", "5,5"], 64, &["`5` twice"]);
    refused("sweep", even, &["--rates", "5 sessions/s"], 64, &["write numbers a second"]);
}

#[test]
fn a_target_that_cannot_be_reached_leaves_no_folder() {
    let free = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap();
    let load = "rate = \"10 messages/s\"\nfor = \"1s\"";
    let (finished, folder) = run("find-max", &format!("smtp://{free}"), load, &[]);
    let finished = finished.code(&[69]);
    assert!(!folder.path().join("out").exists(), "{finished}");
}

#[test]
fn a_sweep_is_a_row_a_rate_and_a_picture() {
    let load = "rate = \"1 message/s\"\nfor = \"1s\"\narrivals = \"poisson\"\n";
    let load = format!("{load}{}", limited(60, 10));
    let more = ["--rates", "200,20", "--cooldown", "0s"];
    let Some((finished, folder)) = patiently("sweep", &load, &more) else { return };
    let finished = finished.code(&[90]);
    let rows = table(&folder, "sweep.csv");
    assert_eq!(rows.cells("folder", &[]), ["rate-200", "rate-20"], "{finished}");
    assert_eq!(rows.cells("verdict", &[]), ["missed", "held"], "{finished}");
    let taken: Vec<f64> =
        rows.cells("messages_per_s", &[]).iter().map(|cell| cell.parse().unwrap()).collect();
    assert!(taken[0] < 100.0 && taken[1] < taken[0], "{rows}");
    let svg = fs::read_to_string(folder.path().join("out/sweep.svg")).unwrap();
    assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"), "{svg}");
    assert!(folder.path().join("out/rate-20/run.json").is_file());
}

/// The commands of the README, against a server of the test and with short trials.
#[test]
fn the_find_max_and_the_sweep_of_the_readme() {
    let (peer, folder) = (Peer::good(), TempDir::new().unwrap());
    let scenario = PathBuf::from("scenarios/find-max.toml");
    let short = ["--for", "300ms", "--warmup", "0s", "--cooldown", "0s", "--target"];
    let call = |command: &[&str], out: &str| {
        let call = Smtpbench::new(command).arg(&scenario).args(&short).arg(peer.url());
        let call = call.arg("--out").arg(folder.path().join(out)).limit(LIMIT);
        call.within(Path::new(env!("CARGO_MANIFEST_DIR")))
    };
    let found = call(&["find-max", "--max-rate", "100"], "found").run();
    found.code(&[0, 90, 92]).stdout_has("find-max against smtp://127.0.0.1:");
    let swept = call(&["sweep", "--rates", "50,100,200"], "swept").run();
    swept.code(&[0, 90, 92]).stdout_has("offered/s");
    assert!(folder.path().join("swept/sweep.svg").is_file());
    assert!(peer.connections() > 3);
}
