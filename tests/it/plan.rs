//! The dry run: what it says, that it sends nothing, and that the same seed gives the same plan.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::support::program::{Finished, Smtpbench};
use crate::support::table::Table;

const OPEN: &str = "[load]\nrate = \"50 sessions/s\"\narrivals = \"poisson\"\nwarmup = \"2s\"\nfor = \"20s\"\n\
                    messages_per_session = \"1..5\"\n";

fn file(folder: &TempDir, text: &str) -> PathBuf {
    let path = folder.path().join("planned.toml");
    // An address that belongs to nobody (RFC 5737), and a name that does not resolve: neither is asked for.
    fs::write(&path, format!("[target]\nurl = \"smtp://nobody.invalid\"\n{text}")).unwrap();
    path
}

fn plan(scenario: &Path, more: &[&str]) -> Finished {
    Smtpbench::new(&["plan"]).arg(scenario).args(more).run().code(&[0])
}

#[test]
fn the_same_seed_gives_the_same_plan_byte_for_byte() {
    let folder = TempDir::new().unwrap();
    let path = file(&folder, OPEN);
    let planned = |seed: &str, name: &str| {
        let out = folder.path().join(name);
        let finished = Smtpbench::new(&["plan", "--seed", seed, "--write-arrivals"])
            .arg(&out)
            .arg(&path)
            .run()
            .code(&[0])
            .stdout_has(&format!("seed {seed}"));
        let words = finished.stdout.replace(name, "");
        (words, fs::read(out).unwrap())
    };
    let first = planned("7", "a.csv");
    assert!(first.1.len() > 10_000);
    assert_eq!(first, planned("7", "b.csv"));
    let other = planned("8", "c.csv");
    assert_ne!(first.1, other.1);
    // What goes to stdout is the same again, and the words are on stderr.
    let piped = plan(&path, &["--seed", "7", "--write-arrivals", "-"]).stderr_has("seed 7");
    assert_eq!(piped.stdout.as_bytes(), first.1);
}

#[test]
fn the_rows_are_the_schedule() {
    let folder = TempDir::new().unwrap();
    let path = file(&folder, OPEN);
    let finished = plan(&path, &["--seed", "7", "--write-arrivals", "-"]);
    fs::write(folder.path().join("arrivals.csv"), &finished.stdout).unwrap();
    let table = Table::read(folder.path(), "arrivals.csv");
    let of = |stage: &str, column: &str| -> Vec<u64> {
        let cells = table.cells(column, &[("stage", stage)]);
        cells.iter().map(|cell| cell.parse().unwrap()).collect()
    };
    for (stage, from, until) in [("warmup", 0, 2_000_000), ("main", 2_000_000, 22_000_000)] {
        let offsets = of(stage, "offset_us");
        assert!(offsets.is_sorted());
        assert!(offsets.iter().all(|offset| (from..until).contains(offset)), "{stage}");
        let (first, count) = (of(stage, "first_message"), of(stage, "messages"));
        assert!(count.iter().all(|count| (1..=5).contains(count)));
        let next = |index: usize| first[index] + count[index] == first[index + 1];
        assert!((0..first.len() - 1).all(next), "{stage}");
    }
    let messages = |stage| of(stage, "messages").iter().sum::<u64>();
    let (warmup, main) = (messages("warmup"), messages("main"));
    let sum = format!("{}, {} of them judged", grouped(warmup + main), grouped(main));
    finished.stderr_has(&sum);
}

fn grouped(count: u64) -> String {
    match count {
        0..1000 => count.to_string(),
        count => format!("{},{:03}", count / 1000, count % 1000),
    }
}

#[test]
fn what_this_machine_does_not_allow_is_told_with_advice() {
    let folder = TempDir::new().unwrap();
    let storm = file(&folder, "[load]\nrate = \"5k sessions/s\"\nfor = \"1m\"\n");
    plan(&storm, &[])
        .stdout_has("300,000")
        .stdout_has("310,000 wanted")
        .stdout_has("more local ports are wanted than one address has")
        .stdout_has("`source` under [client]");
    let few = file(&folder, "[load]\nrate = \"5 messages/s\"\nfor = \"1m\"\nmax_sessions = 3\n");
    let finished = plan(&few, &[]).stdout_has("3 open at once at most, kept open");
    assert!(!finished.stdout.contains("limit   "), "{finished}");
}

#[test]
fn arrivals_that_cannot_be_listed_are_refused() {
    let folder = TempDir::new().unwrap();
    let refused = |text: &str, want: &str| {
        let path = file(&folder, text);
        let out = folder.path().join("none.csv");
        let finished = Smtpbench::new(&["plan", "--write-arrivals"]).arg(&out).arg(path).run();
        finished.code(&[64]).stderr_has(want);
        assert!(!out.exists());
    };
    refused("[load]\nsessions = 3\nfor = \"1s\"\n", "a closed load has no schedule");
    refused("[load]\nrate = \"1M messages/s\"\nfor = \"1m\"\n", "over 10000000 arrivals");
}

#[test]
fn a_scenario_without_a_target_cannot_be_planned() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("none.toml");
    fs::write(&path, "[load]\nsessions = 1\nfor = \"1s\"\n").unwrap();
    Smtpbench::new(&["plan"]).arg(path).run().code(&[65]).stderr_has("--target");
}

/// The command of the README.
#[test]
fn the_plan_of_the_readme() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    Smtpbench::new(&["plan", "scenarios/open-load.toml", "--write-arrivals", "-"])
        .within(root)
        .run()
        .code(&[0])
        .stdout_has("load,stage,index,offset_us,first_message,messages\n")
        .stderr_has("open-load against embedded:");
}
