//! Open load on the command line: the flags, their variables, and which of file, variable and flag wins.

use std::path::{Path, PathBuf};

use crate::support::program::Smtpbench;
use crate::support::results::Results;

fn scenario(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios").join(name)
}

/// `run` with these arguments ends with 64 before anything is sent, and says these words.
#[track_caller]
fn refused(arguments: &[&str], words: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let finished = Smtpbench::new(&["run", "--out"]).arg(&out);
    let finished = arguments.iter().fold(finished, Smtpbench::arg).run().code(&[64]);
    for word in words {
        assert!(finished.stderr.contains(word), "{word:?}\n{finished}");
    }
    assert!(!out.exists(), "{finished}");
}

#[test]
fn flags_of_open_load_are_checked_before_anything_is_sent() {
    refused(&["--rate", "500 mails/s"], &["--rate", "200 sessions/s"]);
    refused(&["--rate", "0"], &["--rate", "above 0"]);
    refused(&["--rate=-5"], &["--rate"]);
    refused(&["--rate", "1e3"], &["--rate", "200 sessions/s"]);
    refused(&["--rate", "5", "--arrivals", "random"], &["--arrivals", "poisson", "bursts=20"]);
    refused(&["--rate", "5", "--arrivals", "bursts=0"], &["--arrivals", "1000000"]);
    refused(&["--rate", "5", "--max-sessions", "0"], &["--max-sessions"]);
    refused(&["--rate", "5", "--warmup", "5"], &["--warmup", "no unit"]);
    refused(&["--rate", "5", "--sessions", "5"], &["--rate", "--sessions"]);
    refused(&["--arrivals", "poisson"], &["--arrivals", "closed"]);
}

#[test]
fn a_rate_over_stages_or_several_loads_is_refused_with_a_hint() {
    let over = |name: &str, words: &[&str]| {
        refused(&[scenario(name).to_str().unwrap(), "--rate", "5"], words);
    };
    over("ramp-to-break.toml", &["--rate", "several stages", "in the file"]);
    over("background.toml", &["--rate", "several loads", "[loads.NAME]"]);
    over("replay.toml", &["--rate", "trace"]);
}

#[test]
fn a_flag_wins_over_its_variable() {
    let run = |flag: &[&str]| {
        let call = Smtpbench::new(&["run"]).variable("SMTPBENCH_RATE", "nonsense");
        flag.iter().fold(call, Smtpbench::arg)
    };
    let finished = run(&[]).run().code(&[64]);
    assert!(finished.stderr.contains("nonsense"), "{finished}");
    // The variable is not even read; what is wrong then is the flag's own.
    let finished = run(&["--rate", "gibberish"]).run().code(&[64]);
    assert!(finished.stderr.contains("gibberish"), "{finished}");
    assert!(!finished.stderr.contains("nonsense"), "{finished}");
}

#[test]
fn a_replay_sends_each_row_once_and_to_whom_it_went() {
    let folder = tempfile::tempdir().unwrap();
    let rows = "0,a@b.test,c@d.test;e@f.test,700\n0,<>,g@h.test,900\n0.5,,,\n1.2s,i@j.test,,\n";
    std::fs::write(folder.path().join("t.csv"), format!("offset,sender,recipients,size\n{rows}"))
        .unwrap();
    let path = folder.path().join("scenario.toml");
    let text =
        "target = { url = \"embedded:\" }\n[load]\narrivals = { csv = \"t.csv\", speed = 4.0 }\n";
    std::fs::write(&path, text).unwrap();
    let once = Smtpbench::new(&["once"]).arg(&path).run().code(&[0, 92]);
    for line in ["MAIL FROM:<a@b.test>", "RCPT TO:<c@d.test>", "RCPT TO:<e@f.test>"] {
        assert!(once.stdout.contains(line), "{line}\n{once}");
    }
    // On a busy machine the generator may be late, which is no matter here.
    let run = Smtpbench::new(&["run", "--out"]).arg(folder.path().join("out")).arg(&path);
    run.run().code(&[0, 92]);
    let results = Results::keep(folder, "out").add_up();
    assert_eq!((results.messages("offered"), results.messages("accepted")), (4, 4));
    let recipients = results.table("outcomes.csv");
    let accepted = recipients.sum("count", &[("unit", "recipient"), ("outcome", "accepted")]);
    assert_eq!(accepted, 5, "{recipients}");
}
