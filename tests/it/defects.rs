//! Defects that other tools really have: what each of them gets wrong is planted here, and has to be right.
//!
//! | defect | test |
//! |---|---|
//! | messages rejected at the end of data count as sent | `all_messages_rejected_at_the_end_of_data` |
//! | replies in pieces are misread | `replies_in_pieces_of_one_byte` |
//! | the load shrinks with every session that the server ends | `a_421_on_every_100th_message` |
//! | mail goes out in clear where TLS is wanted | `starttls_required_and_not_offered` |
//! | a server that stands still does not show | `open_load::a_frozen_server_shows_in_the_response_time_and_the_plan_is_kept` |
//! | a hidden clock ends the run before its count | `a_bound_of_100_000_messages_and_a_slow_server` |
//! | a full listen queue is taken for a slow server | `more_sessions_than_the_listen_queue_takes` |
//! | resets leave near-zero latencies, or sessions that are missing | `one_session_in_ten_reset_mid_way` |
//! | a connection lost after the dot counts as sent, or as failed | `a_connection_lost_after_the_dot` |
//! | messages in flight at the end are lost from the count | `messages_in_flight_at_the_end_of_the_run`, `…_of_the_drain` |

use std::fs;
use std::net::TcpListener;
use std::time::Duration;

use smtpbench::scenario::{Source, behaviors};
use smtpbench::sink::{Capture, ListenAddress, Sink, SinkOptions, Trust};
use smtpbench::smtp::Protocol;
use socket2::{Domain, Socket, Type};
use tempfile::TempDir;

use crate::support::peer::Peer;
use crate::support::program::{Finished, Smtpbench};
use crate::support::results::Results;
use crate::support::table::Table;

/// What a run came to, and the sink that it was against.
struct Attack {
    finished: Finished,
    results: Results,
    sink: Sink,
}

/// A sink that behaves as this file of a behaviour says.
fn sink(behavior: &str) -> Sink {
    let source = Source { path: None, text: behavior.to_owned() };
    let mut behavior = behaviors::read(&source).unwrap();
    behavior.seed = Some(1);
    Sink::start(SinkOptions {
        listen: vec![ListenAddress::Tcp(([127, 0, 0, 1], 0).into())],
        behavior,
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

/// Runs the scenario against `url`; its results, of which the books close.
#[track_caller]
fn run(url: &str, scenario: &str, codes: &[i32]) -> (Finished, Results) {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("scenario.toml");
    fs::write(&file, format!("preflight = false\nseed = 5\n{scenario}")).unwrap();
    let finished = Smtpbench::new(&["run", "--quiet", "--target", url])
        .arg(file)
        .arg("--out")
        .arg(folder.path().join("out"))
        .limit(Duration::from_secs(300))
        .run()
        .code(codes);
    let results = Results::keep(folder, "out").add_up();
    (finished, results)
}

/// Runs the scenario against a sink of this behaviour.
#[track_caller]
fn attack(behavior: &str, scenario: &str, codes: &[i32]) -> Attack {
    let sink = sink(behavior);
    let (finished, results) = run(&format!("smtp://{}", sink.addresses()[0]), scenario, codes);
    Attack { finished, results, sink }
}

/// A figure of the service time of a step over all scripts and stages, by outcome; 0 without samples.
fn us(latency: &Table, step: &str, outcome: &str, column: &str) -> u64 {
    let wanted = [("script", "all"), ("step", step), ("clock", "service"), ("outcome", outcome)];
    latency.sum(column, &wanted)
}

/// The open sessions at the end of each second but the last.
fn open_sessions(results: &Results) -> Vec<u64> {
    let intervals = results.table("intervals.csv");
    let cells = intervals.cells("open_sessions", &[]);
    let mut open: Vec<u64> = cells.iter().map(|cell| cell.parse().unwrap()).collect();
    open.pop();
    open
}

#[test]
fn all_messages_rejected_at_the_end_of_data() {
    let Attack { finished, results, sink } = attack(
        "reply = { eod = \"550 5.7.1 spam\" }",
        "load = { sessions = 4, messages = 300 }",
        &[90],
    );
    assert_eq!(results.messages("rejected"), 300, "{finished}");
    assert_eq!(results.messages("accepted"), 0, "{finished}");
    assert_eq!(sink.counts().refused_messages, 300);
    let latency = results.table("latency.csv");
    assert_eq!(us(&latency, "eod", "rejected", "count"), 300, "{latency}");
    assert_eq!(us(&latency, "eod", "accepted", "count"), 0, "{latency}");
    // What is a share of nothing but refusals is no good share, and no rate.
    let summary = results.table("summary.csv");
    assert_eq!(summary.cells("messages_per_s", &[]), ["0"], "{summary}");
    assert_eq!(summary.cells("eod_us_p50", &[]), [""], "{summary}");
    let thresholds = results.table("thresholds.csv");
    let missed = thresholds.cells("threshold", &[("verdict", "fail")]);
    assert!(missed.contains(&"accepted > 99%"), "{thresholds}");
}

#[test]
fn replies_in_pieces_of_one_byte() {
    let load = "load = { sessions = 3, messages = 200 }\nthresholds = []\n";
    let rule = "[[rules]]\nat = \"eod\"\nmessage = \"every 10\"\nreply = \"451 4.3.0 later\"\n";
    let whole = attack(rule, load, &[0]);
    let pieces = attack(&format!("pieces = 1\n{rule}"), load, &[0]);
    for (table, columns) in [
        ("outcomes.csv", &["unit", "outcome", "count"][..]),
        ("replies.csv", &["step", "reply_code", "enhanced_code", "outcome", "sample_text"][..]),
        ("failures.csv", &["count"][..]),
    ] {
        for column in columns {
            // How many sessions took part depends on who was first.
            let wanted = |results: &Results| {
                let table = results.table(table);
                let cells = table.cells(column, &[]).into_iter().map(str::to_owned);
                cells.collect::<Vec<_>>()
            };
            assert_eq!(wanted(&whole.results), wanted(&pieces.results), "{table}: {column}");
        }
    }
    assert_eq!(pieces.results.messages("deferred"), 20);
}

#[test]
fn a_421_on_every_100th_message() {
    let rule = "[[rules]]\nat = \"mail\"\nmessage = \"every 100\"\nreply = \"421 4.7.0 enough\"\n";
    let load = "load = { sessions = 5, for = \"4s\" }\nthresholds = []\n";
    let Attack { finished, results, sink } = attack(rule, load, &[0]);
    let ended = sink.rule_counts()[0];
    assert!(ended >= 5, "{ended} sessions were ended\n{finished}");
    assert_eq!(results.messages("deferred"), ended, "{finished}");
    assert_eq!(results.replies("mail", "421"), ended, "{finished}");
    // Each was replaced: shown as sessions, of which there were five at once all the time but for a moment.
    let sessions = results.table("addresses.csv").sum("sessions", &[]);
    assert_eq!(sessions, sink.counts().connections, "{finished}");
    assert!(sessions >= ended, "{sessions} sessions, {ended} of them ended\n{finished}");
    let open = open_sessions(&results);
    assert!(open.iter().all(|open| (4..=5).contains(open)), "{open:?}\n{finished}");
    assert!(open.contains(&5), "{open:?}\n{finished}");
    finished.stdout_has("421 4.7.0");
}

#[test]
fn starttls_required_and_not_offered() {
    // The rules only count: what they say is what the sink says anyway.
    let rules = "[[rules]]\nat = \"mail\"\nreply = \"250 2.1.0 ok\"\n";
    let scenario = "load = { sessions = 3, for = \"500ms\" }\n\
         target = { url = \"embedded:\", tls = \"starttls\" }\n";
    let Attack { finished, results, sink } = attack(rules, scenario, &[90]);
    let failed = results.failures("starttls", "tls_not_offered");
    assert!(failed >= 3, "{finished}");
    assert_eq!(sink.rule_counts(), [0], "mail went out in clear\n{finished}");
    assert_eq!(sink.counts().messages, 0, "{finished}");
    assert_eq!(results.messages("attempted"), 0, "{finished}");
}

#[test]
fn a_bound_of_100_000_messages_and_a_slow_server() {
    let scenario = "load = { sessions = 600, messages = 100000 }\n\
         [[scripts]]\nname = \"pipelined\"\nsteps = '''\nhello\ntransaction pipelined\n\
         MAIL FROM:<{{sender}}>\nRCPT TO:<{{recipient}}>\nDATA\nend\n'''\n";
    let Attack { finished, results, sink } =
        attack("delay = { eod = \"60ms..120ms\" }", scenario, &[0]);
    assert_eq!(results.messages("accepted"), 100_000, "{finished}");
    assert_eq!(sink.counts().messages, 100_000);
    // 600 sessions with 90 ms a message: ten seconds are the time that other tools have in mind.
    assert!(finished.elapsed > Duration::from_secs(12), "{finished}");
}

/// A listener with room for this many that nobody has taken yet.
fn listener(backlog: i32) -> TcpListener {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let address: std::net::SocketAddr = ([127, 0, 0, 1], 0).into();
    socket.bind(&address.into()).unwrap();
    socket.listen(backlog).unwrap();
    socket.into()
}

#[test]
#[cfg(target_os = "linux")]
fn more_sessions_than_the_listen_queue_takes() {
    let scenario = "load = { sessions = 40, for = \"5s\", drain = \"1s\" }\nthresholds = []\n";
    let rest = Duration::from_millis(20);
    let peer = Peer::play_slowly(listener(1), "S: 220 peer.test\nserve", rest);
    let (finished, results) = run(&peer.url(), scenario, &[0]);
    assert!(results.messages("accepted") > 0, "{finished}");
    let note = "the target's listen queue is the limit";
    let words = |finished: &Finished| {
        finished.stdout.split_whitespace().collect::<Vec<_>>().join(" ").contains(note)
    };
    assert!(words(&finished), "{finished}");
    // With room for all of them there is no such note, however slowly they are taken.
    let peer = Peer::play_slowly(listener(128), "S: 220 peer.test\nserve", rest);
    let (finished, _) = run(&peer.url(), scenario, &[0]);
    assert!(!words(&finished), "{finished}");
}

#[test]
fn one_session_in_ten_reset_mid_way() {
    let rules = "delay = { rcpt = \"5ms\" }\n\
         [[rules]]\nat = \"rcpt\"\nsession = \"every 10\"\nabort = true\n";
    let load =
        "load = { sessions = 10, for = \"3s\", messages_per_session = 5 }\nthresholds = []\n";
    let Attack { finished, results, sink } = attack(rules, load, &[0]);
    let reset = sink.rule_counts()[0];
    assert!(reset >= 5, "{reset} sessions were reset\n{finished}");
    assert_eq!(results.failures("rcpt", "reset"), reset, "{finished}");
    assert_eq!(results.messages("failed"), reset, "{finished}");
    let sessions = results.table("addresses.csv").sum("sessions", &[]);
    assert_eq!(sessions, sink.counts().connections, "{finished}");
    // A reset is no fast reply: it waited like the others, and stands in a histogram of its own.
    let latency = results.table("latency.csv");
    assert_eq!(us(&latency, "rcpt", "accepted", "count"), results.replies("rcpt", "250"));
    assert_eq!(us(&latency, "rcpt", "lost", "count"), reset, "{latency}");
    for outcome in ["accepted", "lost"] {
        assert!(us(&latency, "rcpt", outcome, "us_min") >= 4_990, "{latency}");
    }
    let open = open_sessions(&results);
    assert!(open.iter().all(|open| (7..=10).contains(open)), "{open:?}\n{finished}");
}

#[test]
fn a_connection_lost_after_the_dot() {
    let rule = "[[rules]]\nat = \"eod\"\nmessage = \"every 10\"\ndrop = true\n";
    let load = "load = { sessions = 4, messages = 300 }\nthresholds = []\n";
    let Attack { finished, results, sink } = attack(rule, load, &[0]);
    let counts = sink.counts();
    assert_eq!((counts.messages, counts.unanswered), (270, 30));
    assert_eq!(results.messages("in_doubt"), 30, "{finished}");
    assert_eq!(results.messages("accepted"), 270, "{finished}");
    assert_eq!(results.messages("failed") + results.messages("rejected"), 0, "{finished}");
    assert_eq!(results.accepted_samples("eod"), 270, "{finished}");
}

#[test]
fn messages_in_flight_at_the_end_of_the_run() {
    let load = "load = { sessions = 6, for = \"700ms\", drain = \"20s\" }\nthresholds = []\n";
    let Attack { finished, results, sink } = attack("delay = { eod = \"500ms\" }", load, &[0]);
    let accepted = results.messages("accepted");
    assert!(accepted >= 6, "{finished}");
    // All of them were drained: what the server took is what was sent, to the message.
    assert_eq!(accepted, sink.counts().messages, "{finished}");
    assert_eq!(results.messages("attempted"), accepted, "{finished}");
    // Those that ended after the window are no part of the rate.
    let per_s = results.table("summary.csv");
    let per_s: f64 = per_s.cells("messages_per_s", &[])[0].parse().unwrap();
    assert!(per_s * 0.7 < accepted as f64, "{per_s} a second\n{finished}");
}

#[test]
fn messages_in_flight_at_the_end_of_the_drain() {
    let load = "load = { sessions = 6, for = \"1s\", drain = \"300ms\" }\nthresholds = []\n";
    let Attack { finished, results, sink } = attack("delay = { eod = \"1h\" }", load, &[0]);
    assert_eq!(results.messages("unfinished"), 6, "{finished}");
    assert_eq!(results.messages("attempted"), 6, "{finished}");
    assert_eq!(results.messages("accepted") + results.messages("failed"), 0, "{finished}");
    assert_eq!(sink.counts().messages, 0);
}
