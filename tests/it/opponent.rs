//! The sink as an opponent: what it plants, a run finds.

use std::path::Path;
use std::time::Duration;

use rustix::process::Signal;
use smtpbench::behavior::{Behavior, Effects, Limit, Rate, Reply, Rule, SinkVerb, When, Window};
use smtpbench::sink::{Capture, ListenAddress, Sink, SinkOptions, Trust};
use smtpbench::smtp::Protocol;
use tempfile::TempDir;

use crate::support::program::Smtpbench;
use crate::support::table::Table;

/// A sink of this behaviour on two workers.
fn start(behavior: Behavior) -> Sink {
    Sink::start(SinkOptions {
        listen: vec![ListenAddress::Tcp(([127, 0, 0, 1], 0).into())],
        behavior,
        protocol: Protocol::Smtp,
        hostname: "sink.test".into(),
        trust: Trust::default(),
        threads: 2,
        tls: None,
        logins: None,
        capture: Capture::default(),
    })
    .unwrap()
}

/// Runs this load against `sink` in closed sessions and gives the result folder.
fn run(sink: &Sink, folder: &Path, load: &[&str]) {
    let out = folder.join("out");
    let url = format!("smtp://{}", sink.addresses()[0]);
    Smtpbench::new(&["run", "--quiet", "--no-preflight", "--threshold", "failed < 1%", "--target"])
        .arg(url)
        .args(load)
        .arg("--out")
        .arg(out)
        .run()
        .code(&[0]);
}

fn refusing(when: When, reply: &str) -> Rule {
    let reply = Some(Reply::parse(reply).unwrap());
    Rule { at: SinkVerb::Eod, when, effects: Effects { reply, ..Effects::default() } }
}

fn messages(folder: &Path, outcome: &str) -> u64 {
    let outcomes = Table::read(&folder.join("out"), "outcomes.csv");
    outcomes.sum("count", &[("unit", "message"), ("outcome", outcome)])
}

#[test]
fn a_planted_share_is_found_to_the_message() {
    let folder = TempDir::new().unwrap();
    let share = When { share: Some(0.1), ..When::default() };
    let rules = vec![refusing(share, "451 4.3.0 one in ten")];
    let sink = start(Behavior { rules, seed: Some(3), ..Behavior::default() });
    run(&sink, folder.path(), &["--sessions", "8", "--messages", "2000"]);
    let counts = sink.counts();
    assert_eq!(counts.messages + counts.refused_messages, 2000);
    assert_eq!(sink.rule_counts(), [counts.refused_by_rule]);
    assert_eq!(messages(folder.path(), "deferred"), counts.refused_by_rule);
    assert_eq!(messages(folder.path(), "accepted"), counts.messages);
    // Six standard deviations.
    assert!((120..280).contains(&counts.refused_by_rule), "{counts}");
}

#[test]
fn a_rate_limit_holds_over_all_workers() {
    let folder = TempDir::new().unwrap();
    let above = Limit { rate: Rate::parse("200 messages/s").unwrap(), burst: 20 };
    let rules = vec![refusing(When { above: Some(above), ..When::default() }, "451 4.7.1 slower")];
    let sink = start(Behavior { rules, ..Behavior::default() });
    let began = smtpbench::clock::now();
    run(&sink, folder.path(), &["--sessions", "8", "--for", "1s"]);
    let seconds = began.elapsed().as_secs_f64();
    let counts = sink.counts();
    assert_eq!(messages(folder.path(), "accepted"), counts.messages);
    assert_eq!(messages(folder.path(), "deferred"), counts.refused_by_rule);
    assert!(counts.refused_by_rule > 0, "the load was below the limit: {counts}");
    let most = 20.0 + 200.0 * seconds;
    assert!(counts.messages as f64 <= most, "{counts} in {seconds} s");
}

#[test]
fn a_freeze_is_seen_by_every_session() {
    let folder = TempDir::new().unwrap();
    let freezes = vec![Window::parse("700ms after 300ms").unwrap()];
    let sink = start(Behavior { freezes, ..Behavior::default() });
    run(&sink, folder.path(), &["--sessions", "4", "--for", "2s"]);
    let latency = Table::read(&folder.path().join("out"), "latency.csv");
    let all = [("script", "all"), ("step", "transaction"), ("clock", "service")];
    let longest = latency.cells("us_max", &all).iter().map(|us| us.parse::<u64>().unwrap()).max();
    // Each session has a transaction that waits for the end.
    assert!(longest.unwrap() >= 650_000, "{latency}");
}

/// What `[sink]` says is what `embedded:` does.
#[test]
fn a_scenario_with_its_own_opponent() {
    let folder = TempDir::new().unwrap();
    let scenario = folder.path().join("scenario.toml");
    let text = r#"
thresholds = []
[target]
url = "embedded:"
[load]
sessions = 3
messages = 300
[sink]
delay = { data = { mean = "1ms" } }
[[sink.rules]]
at = "eod"
message = "every 10"
reply = "550 5.7.1 one in ten"
"#;
    std::fs::write(&scenario, text).unwrap();
    Smtpbench::new(&["run", "--no-preflight"])
        .arg(&scenario)
        .arg("--out")
        .arg(folder.path().join("out"))
        .run()
        .code(&[0]);
    assert_eq!(messages(folder.path(), "rejected"), 30);
    assert_eq!(messages(folder.path(), "accepted"), 270);
}

#[test]
fn the_flags_of_the_sink() {
    let sink = |arguments: &[&str]| {
        Smtpbench::new(&["sink", "--listen", "127.0.0.1:0"])
            .args(arguments)
            .signal(Duration::from_millis(300), Signal::INT)
            .run()
    };
    sink(&["--seed", "7", "--delay", "rcpt=p50 20ms p99 200ms", "--freeze", "1.4s after 5s"])
        .code(&[0])
        .stderr_has("seed 7");
    sink(&["--limit", "eod=500/s 451 4.7.1 too fast", "--delay", "mail=90% 5ms, 10% 200ms"])
        .code(&[0])
        .stdout_has("rule 1: used 0 times");
    sink(&["--limit", "eod=500 451 x"]).code(&[64]).stderr_has("has no rate and reply");
    sink(&["--freeze", "20s every 20s"]).code(&[64]).stderr_has("begins again before it ends");
}

#[test]
fn bad_certificates_are_named_and_nothing_is_sent() {
    for (fault, failure) in [
        ("expired", "certificate_expired"),
        ("not-yet-valid", "certificate_not_yet_valid"),
        ("wrong-name", "certificate_wrong_name"),
        ("untrusted", "certificate_self_signed"),
    ] {
        let folder = TempDir::new().unwrap();
        let scenario = folder.path().join("scenario.toml");
        let text = format!(
            "thresholds = []\n[target]\nurl = \"embedded:\"\ntls = \"starttls\"\n[load]\nsessions = 1\n\
             for = \"300ms\"\n[sink]\ncertificate = \"{fault}\"\n"
        );
        std::fs::write(&scenario, text).unwrap();
        Smtpbench::new(&["run", "--no-preflight"])
            .arg(&scenario)
            .arg("--out")
            .arg(folder.path().join("out"))
            .run();
        let failures = Table::read(&folder.path().join("out"), "failures.csv");
        let names = failures.cells("failure", &[("step", "tls")]);
        assert!(
            !names.is_empty() && names.iter().all(|name| name.starts_with(failure)),
            "{fault}: {failures}"
        );
        assert_eq!(messages(folder.path(), "accepted"), 0);
    }
}
