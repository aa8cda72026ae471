//! Open load against servers of planned behaviour: what a run says of them must be what was planned.

use std::fs;
use std::path::Path;
use std::time::Duration;

use rustix::process::Signal;
use smtpbench::behavior::{Behavior, Rule, Window};
use smtpbench::sink::{Capture, ListenAddress, Sink, SinkOptions, Trust};
use smtpbench::smtp::Protocol;
use tempfile::TempDir;

use crate::support::program::{Finished, Smtpbench};
use crate::support::results::Results;
use crate::support::table::Table;

fn sink(behavior: Behavior) -> Sink {
    Sink::start(SinkOptions {
        listen: vec![ListenAddress::Tcp(([127, 0, 0, 1], 0).into())],
        behavior: Behavior { seed: Some(1), ..behavior },
        protocol: Protocol::Smtp,
        hostname: "sink.test".into(),
        trust: Trust::default(),
        threads: 1,
        tls: None,
        logins: None,
        capture: Capture::default(),
    })
    .unwrap()
}

fn delayed(delays: &[&str]) -> Behavior {
    let delays = delays.iter().map(|text| Behavior::parse_delay(text).unwrap()).collect();
    Behavior { delays, ..Behavior::default() }
}

fn url(sink: &Sink) -> String {
    format!("smtp://{}", sink.addresses()[0])
}

/// A call that runs this `[load]` against `url`, with thresholds that never fail unless told.
fn call(url: &str, folder: &Path, load: &str, thresholds: &str) -> Smtpbench {
    let file = folder.join("scenario.toml");
    let text = format!("preflight = false\nthresholds = {thresholds}\n{load}\n");
    fs::write(&file, text).unwrap();
    Smtpbench::new(&["run", "--quiet", "--target", url])
        .arg(file)
        .arg("--out")
        .arg(folder.join("out"))
}

/// The same, run; its results, of which the books must close.
#[track_caller]
fn run(behavior: Behavior, load: &str) -> (Results, Sink) {
    let (folder, sink) = (TempDir::new().unwrap(), sink(behavior));
    // On a machine that others use the generator may be late, and says so: what it counted holds all the same.
    call(&url(&sink), folder.path(), load, "[]").run().code(&[0, 92]);
    let results = Results::keep(folder, "out");
    (results, sink)
}

/// A percentile of a step in microseconds, over all scripts and outcomes of the main stage.
fn us(latency: &Table, step: &str, clock: &str, column: &str) -> u64 {
    let wanted = [
        ("stage", "main"),
        ("script", "all"),
        ("step", step),
        ("clock", clock),
        ("outcome", "all"),
    ];
    latency.sum(column, &wanted)
}

fn messages(results: &Results, outcome: &str) -> u64 {
    results
        .table("outcomes.csv")
        .sum("count", &[("stage", "main"), ("unit", "message"), ("outcome", outcome)])
}

#[test]
fn a_frozen_server_shows_in_the_response_time_and_the_plan_is_kept() {
    let freezes = vec![Window::parse("1.4s after 8s").unwrap()];
    let load = "[load]\nrate = \"1000 messages/s\"\nfor = \"20s\"\nmax_sessions = 50\n";
    let (results, sink) = run(Behavior { freezes, ..Behavior::default() }, load);
    let latency = results.table("latency.csv");
    assert!(us(&latency, "transaction", "response", "us_p99") > 1_000_000, "{latency}");
    assert!(us(&latency, "transaction", "lag", "us_p99") > 900_000, "{latency}");
    // Fifty sessions stood still once: that is one command in four hundred.
    for step in ["mail", "rcpt", "data", "eod"] {
        assert!(us(&latency, step, "service", "us_p99") < 100_000, "{step}\n{latency}");
    }
    assert_eq!((messages(&results, "offered"), messages(&results, "accepted")), (20_000, 20_000));
    assert_eq!(sink.counts().messages, 20_000);
    let intervals = results.table("intervals.csv");
    assert_eq!(intervals.sum("offered", &[]), 20_000, "{intervals}");
}

#[test]
fn a_fixed_delay_is_found_where_it_is() {
    let load = "[load]\nrate = \"60 messages/s\"\nfor = \"8s\"\nmax_sessions = 20\n";
    let (results, _sink) = run(delayed(&["rcpt=50ms"]), load);
    let latency = results.table("latency.csv");
    let p50 = us(&latency, "rcpt", "service", "us_p50");
    // Half a millisecond on an idle machine; tests run beside each other.
    assert!((50_000..53_000).contains(&p50), "{p50}\n{latency}");
    assert!(us(&latency, "mail", "service", "us_p50") < 5_000, "{latency}");
}

#[test]
fn two_delays_are_two_modes() {
    let load = "[load]\nrate = \"100 messages/s\"\nfor = \"10s\"\nmax_sessions = 50\n";
    let (results, _sink) = run(delayed(&["eod=90% 5ms, 10% 200ms"]), load);
    let latency = results.table("latency.csv");
    let (p50, p95) =
        (us(&latency, "eod", "service", "us_p50"), us(&latency, "eod", "service", "us_p95"));
    assert!((5_000..9_000).contains(&p50), "{p50}\n{latency}");
    assert!((200_000..210_000).contains(&p95), "{p95}\n{latency}");
}

#[test]
fn response_is_service_where_nothing_waits() {
    let load = "[load]\nrate = \"50 messages/s\"\nfor = \"4s\"\nmax_sessions = 4\n";
    let (results, _sink) = run(delayed(&["eod=20ms"]), load);
    let latency = results.table("latency.csv");
    let of = |clock| us(&latency, "transaction", clock, "us_p50");
    let (service, response, lag) = (of("service"), of("response"), of("lag"));
    assert!(lag < 5_000, "{latency}");
    assert!(response >= service && response <= service + lag + 5_000, "{latency}");
}

#[test]
fn half_the_rate_of_a_limiter_meets_none_of_it_and_twice_the_rate_half() {
    let limited = || Behavior {
        rules: vec![Rule::parse_limit("eod=500/s 451 4.7.1 too fast").unwrap()],
        ..Behavior::default()
    };
    let load = |rate| format!("[load]\nrate = \"{rate} messages/s\"\nfor = \"5s\"\n");
    let (results, _sink) = run(limited(), &load(250));
    assert_eq!((messages(&results, "deferred"), messages(&results, "accepted")), (0, 1250));
    let (results, _sink) = run(limited(), &load(1000));
    let share = messages(&results, "deferred") as f64 / 5000.0;
    assert!((0.42..0.58).contains(&share), "{share}");
    assert_eq!(
        results.table("replies.csv").sum("count", &[("reply_code", "451")]),
        messages(&results, "deferred")
    );
}

#[test]
fn a_slow_server_is_not_the_generators_fault() {
    let (folder, sink) = (TempDir::new().unwrap(), sink(delayed(&["eod=100ms"])));
    // Four sessions of a tenth of a second: forty a second at the most.
    let load = "[load]\nrate = \"100 messages/s\"\nfor = \"4s\"\nmax_sessions = 4\n";
    let finished =
        call(&url(&sink), folder.path(), load, "[\"achieved_rate > 99%\"]").run().code(&[90]);
    finished.stdout_has("verdict      valid").stdout_has("the target did not keep up");
    let thresholds = Table::read(&folder.path().join("out"), "thresholds.csv");
    assert_eq!(thresholds.cells("verdict", &[]), ["fail"]);
}

#[test]
fn a_slow_generator_is_not_the_servers_fault() {
    let (folder, sink) = (TempDir::new().unwrap(), sink(Behavior::default()));
    let load = "[load]\nrate = \"200 messages/s\"\nfor = \"4s\"\n";
    // The generator alone stands still for a second and a half.
    call(&url(&sink), folder.path(), load, "[]")
        .signal(Duration::from_secs(1), Signal::STOP)
        .signal(Duration::from_millis(2500), Signal::CONT)
        .run()
        .code(&[92])
        .stdout_has("verdict      generator-limited")
        .stdout_has("over 1 ms late though a session was free");
    assert_eq!(messages(&Results::keep(folder, "out"), "accepted"), 800);
}

#[test]
fn what_is_dropped_and_shed_is_counted() {
    for (overload, word) in [("\"drop\"", "dropped"), ("{ shed_after = \"100ms\" }", "shed")] {
        let load = format!(
            "[load]\nrate = \"100 sessions/s\"\nfor = \"3s\"\nmax_sessions = 4\noverload = {overload}\n"
        );
        let (results, sink) = run(delayed(&["eod=100ms"]), &load);
        let (offered, accepted) = (messages(&results, "offered"), messages(&results, "accepted"));
        assert_eq!(offered, 300);
        assert_eq!(accepted, sink.counts().messages);
        assert!((80..180).contains(&accepted), "{accepted}");
        assert_eq!(messages(&results, "not_started"), 300 - accepted, "{word}");
        let text = fs::read_to_string(results.folder().join("run.json")).unwrap();
        let run: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert!(
            run["targets"][0]["tallies"]["arrivals"][0][word].as_u64().unwrap() > 100,
            "{text}"
        );
    }
}

#[test]
fn a_server_that_is_down_leaves_every_arrival_unstarted_or_failed() {
    // A port on which nobody listens.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let folder = TempDir::new().unwrap();
    for unit in ["messages", "sessions"] {
        let load = format!("[load]\nrate = \"50 {unit}/s\"\nfor = \"2s\"\n");
        call(&format!("smtp://{port}"), folder.path(), &load, "[]").run().code(&[69, 92]);
        let results = Results::read(&folder.path().join("out"));
        assert_eq!((messages(&results, "offered"), messages(&results, "not_started")), (100, 100));
        fs::remove_dir_all(folder.path().join("out")).unwrap();
    }
}

#[test]
fn several_loads_have_stages_and_numbers_of_their_own() {
    let load = "[loads.mail]\nrate = \"100 messages/s\"\nfor = \"3s\"\n\
                [loads.odd]\nsessions = 2\nmessages = 30\nstart = \"1s\"\n\
                [recipients]\npattern = \"user{{seq}}@recipient.test\"\n";
    let (results, sink) = run(Behavior::default(), load);
    let outcomes = results.table("outcomes.csv");
    let accepted = |stage| {
        outcomes.sum("count", &[("stage", stage), ("unit", "message"), ("outcome", "accepted")])
    };
    assert_eq!((accepted("mail.main"), accepted("odd.main")), (300, 30), "{outcomes}");
    assert_eq!(sink.counts().messages, 330);
}

#[test]
fn stages_follow_each_other_and_a_ramp_has_no_rate() {
    let load = "[load]\nwarmup = \"1s\"\nstages = [\n\
                { name = \"low\", rate = \"50 messages/s\", for = \"2s\" },\n\
                { name = \"high\", rate = \"150 messages/s\", ramp = \"2s\", for = \"2s\" },\n]\n";
    let (results, sink) = run(Behavior::default(), load);
    let outcomes = results.table("outcomes.csv");
    let accepted = |stage| {
        outcomes.sum("count", &[("stage", stage), ("unit", "message"), ("outcome", "accepted")])
    };
    let stages = ["warmup", "low", "high-ramp", "high"];
    assert_eq!(stages.map(accepted), [50, 100, 200, 300], "{outcomes}");
    assert_eq!(sink.counts().messages, 650);
    let summary = results.table("summary.csv");
    assert_eq!(summary.cells("messages_per_s", &[]), [""], "{summary}");
}

#[test]
fn held_sessions_go_as_far_as_they_are_let() {
    let load = "[load]\nsessions = 40\nfor = \"2s\"\nhold = \"ehlo\"\nconnects_per_s = 40\n";
    let (results, sink) = run(Behavior::default(), load);
    let latency = results.table("latency.csv");
    let ehlo = us(&latency, "ehlo", "service", "count");
    assert_eq!((ehlo, us(&latency, "mail", "service", "count")), (40, 0), "{latency}");
    let open = results.table("intervals.csv");
    let open: Vec<u64> =
        open.cells("open_sessions", &[]).iter().map(|cell| cell.parse().unwrap()).collect();
    // Forty a second: not all are there when the first second is over.
    assert_eq!(open.iter().max(), Some(&40), "{open:?}");
    assert_eq!(sink.counts().connections, 40);
    assert_eq!(sink.counts().messages, 0);
}

#[test]
fn ctrl_c_in_an_open_load_leaves_books_that_close() {
    let (folder, sink) = (TempDir::new().unwrap(), sink(delayed(&["eod=50ms"])));
    let load = "[load]\nrate = \"200 messages/s\"\nfor = \"60s\"\nmax_sessions = 3\n";
    let finished: Finished = call(&url(&sink), folder.path(), load, "[]")
        .signal(Duration::from_secs(2), Signal::INT)
        .run()
        .code(&[130]);
    finished.stdout_has("accounting   closes");
    let results = Results::keep(folder, "out");
    assert_eq!(messages(&results, "accepted"), sink.counts().messages);
    assert!(messages(&results, "not_started") > 100);
}

#[test]
fn memory_does_not_grow_with_time() {
    let (folder, sink) = (TempDir::new().unwrap(), sink(Behavior::default()));
    let load =
        "[load]\nrate = \"200 messages/s\"\nfor = \"60s\"\nmessages_per_session = \"1..10\"\n";
    let finished = call(&url(&sink), folder.path(), load, "[]")
        // The allocator's own: else it keeps more and more of what was freed for a while, which says nothing of us.
        .variable("MALLOC_MMAP_THRESHOLD_", "131072")
        .variable("MALLOC_TRIM_THRESHOLD_", "131072")
        .resident_at(&[8, 9, 10, 11, 12, 54, 55, 56, 57, 58].map(Duration::from_secs))
        .limit(Duration::from_secs(150))
        .run()
        .code(&[0, 92]);
    assert_eq!(finished.resident_kib.len(), 10, "it ended too early\n{finished}");
    // What an interval holds comes and goes: the middle one of five says what stays.
    let middle = |seconds: &[u64]| {
        let mut kib = seconds.to_vec();
        kib.sort_unstable();
        kib[2]
    };
    let (early, late) = finished.resident_kib.split_at(5);
    assert!(middle(late) * 100 <= middle(early) * 105, "{early:?} KiB, then {late:?} KiB");
    assert_eq!(sink.counts().messages, 12_000);
}

#[test]
fn a_warm_up_ends_early_where_nothing_changes_and_the_rest_is_as_long_as_it_should() {
    let load = "[load]\nrate = \"100 messages/s\"\nfor = \"3s\"\nwarmup = \"steady\"\n";
    let (results, sink) = run(delayed(&["eod=20ms"]), load);
    let outcomes = results.table("outcomes.csv");
    let offered = |stage| {
        outcomes.sum("count", &[("stage", stage), ("unit", "message"), ("outcome", "offered")])
    };
    // Six slices of a second, and what it takes to hear of the last of them; sixty seconds at most.
    let warmup = offered("warmup");
    assert!((600..3000).contains(&warmup), "{outcomes}");
    assert_eq!((offered("main"), messages(&results, "accepted")), (300, 300), "{outcomes}");
    assert!(sink.counts().messages <= warmup + 300);
    let rate = results.table("summary.csv").cells("messages_per_s", &[])[0].parse::<f64>().unwrap();
    // Those that ended behind the window are missing, those that the warm-up began are not.
    assert!((90.0..=102.0).contains(&rate), "{rate}");
}
