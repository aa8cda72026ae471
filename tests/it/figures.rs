//! The figures of a whole run against each other, and against what the server counted.

use std::fs;
use std::path::Path;

use smtpbench::behavior::{Behavior, Delay, Rule, SinkVerb};
use smtpbench::clock::Duration;
use smtpbench::report::saved::Saved;
use smtpbench::sink::{Capture, ListenAddress, Sink, SinkCounts, SinkOptions, Trust};
use smtpbench::smtp::Protocol;
use tempfile::TempDir;

use crate::support::program::Smtpbench;
use crate::support::table::Table;

fn sink(listen: ListenAddress, rules: Vec<Rule>) -> Sink {
    sink_in(Protocol::Smtp, listen, rules)
}

fn sink_in(protocol: Protocol, listen: ListenAddress, rules: Vec<Rule>) -> Sink {
    let behavior = Behavior { rules, ..Behavior::default() };
    let (hostname, trust) = ("sink.test".to_owned(), Trust::default());
    let listen = vec![listen];
    let options = SinkOptions {
        listen,
        behavior,
        protocol,
        hostname,
        trust,
        threads: 1,
        tls: None,
        logins: None,
        capture: Capture::default(),
    };
    Sink::start(options).unwrap()
}

fn loopback() -> ListenAddress {
    ListenAddress::Tcp(([127, 0, 0, 1], 0).into())
}

fn url(protocol: Protocol, sink: &Sink) -> String {
    let scheme = protocol.name();
    match &sink.addresses()[0] {
        ListenAddress::Tcp(address) => format!("{scheme}://{address}"),
        ListenAddress::Unix(path) => format!("{scheme}+unix://{}", path.display()),
    }
}

/// Runs `scenario` against `sink`, into `out`; what the sink counted.
#[track_caller]
fn run(scenario: &str, mut sink: Sink, out: &Path, codes: &[i32]) -> SinkCounts {
    let url = url(Protocol::Smtp, &sink);
    let file = out.with_extension("toml");
    fs::write(&file, scenario).unwrap();
    Smtpbench::new(&["run", "--quiet", "--target", &url])
        .arg(&file)
        .arg("--out")
        .arg(out)
        .run()
        .code(codes);
    sink.stop();
    sink.counts()
}

const MIXED: &str = r#"
name = "mixed"
preflight = false
thresholds = []

[load]
sessions = 8
warmup = "1s"
for = "2s"
messages_per_session = "1..20"

[recipients]
pattern = "user{{1..100}}@recipient.test"
per_message = "1..4"

[[messages]]
name = "small"
size = "1KiB..8KiB"

[[scripts]]
name = "plain"
weight = 3
steps = '''
hello
transaction
  MAIL FROM:<{{sender}}>
  RCPT TO:<{{recipient}}>
  DATA
end
QUIT
'''

[[scripts]]
name = "pipelined"
steps = '''
hello
transaction pipelined
  MAIL FROM:<{{sender}}>
  RCPT TO:<{{recipient}}>
  RCPT TO:<fixed@recipient.test>
  BDAT small chunk 1KiB
end
QUIT
'''

[[scripts]]
name = "leaver"
steps = '''
hello
transaction
  MAIL FROM:<{{sender}}>
  RCPT TO:<{{recipient}}>
  DATA small abort at 10%..90%
end
'''
"#;

/// Two stages, three scripts, several recipients, chunks, resets: every book has to agree with every other.
#[test]
fn the_files_of_a_run_agree_with_each_other_and_with_the_sink() {
    let folder = TempDir::new().unwrap();
    let out = folder.path().join("out");
    let counts = run(MIXED, sink(loopback(), Vec::new()), &out, &[0]);
    let outcomes = Table::read(&out, "outcomes.csv");
    let accepted = [("unit", "message"), ("outcome", "accepted")];
    assert!(outcomes.sum("count", &accepted) > 100, "{outcomes}");
    assert_eq!(outcomes.sum("count", &accepted), counts.messages, "{outcomes}");
    let recipients = [("unit", "recipient"), ("outcome", "accepted")];
    assert_eq!(outcomes.sum("count", &recipients), counts.recipients, "{outcomes}");
    assert!(outcomes.sum("count", &[("unit", "message"), ("outcome", "abandoned")]) > 0);

    let intervals = Table::read(&out, "intervals.csv");
    for (column, outcome) in [("started", "attempted"), ("accepted", "accepted")] {
        let wanted = [("unit", "message"), ("outcome", outcome)];
        assert_eq!(intervals.sum(column, &[]), outcomes.sum("count", &wanted), "{intervals}");
    }

    let latency = Table::read(&out, "latency.csv");
    let eod = [("step", "eod"), ("outcome", "accepted"), ("script", "all")];
    assert_eq!(latency.sum("count", &eod), counts.messages, "{latency}");
    let replies = Table::read(&out, "replies.csv");
    let eod = [("step", "eod"), ("outcome", "accepted")];
    assert_eq!(replies.sum("count", &eod), counts.messages, "{replies}");
    the_log_adds_up(&out, &latency);
}

/// The histogram log, read back, has the counts and the maxima of latency.csv.
#[track_caller]
fn the_log_adds_up(out: &Path, latency: &Table) {
    let saved = Saved::read(out).unwrap();
    let (layout, series) = (&saved.layouts[0], &saved.series[0]);
    let lines: usize = series.slices.values().map(Vec::len).sum();
    assert!(lines > 20, "several intervals of several steps");
    for (id, histogram) in &series.sums {
        let tag = layout.tag(*id);
        let fields: Vec<(&str, &str)> =
            tag.split('|').map(|field| field.split_once('=').unwrap()).collect();
        assert_eq!(latency.sum("count", &fields), histogram.count(), "{tag}");
        let max = histogram.max().map(|us| us.to_string()).unwrap_or_default();
        assert_eq!(latency.cells("us_max", &fields), [max], "{tag}");
    }
}

/// A refusal in the middle of the books: what the sink refused is refused here, and nowhere among the accepted.
#[test]
fn what_the_sink_refuses_is_counted_as_refused() {
    let folder = TempDir::new().unwrap();
    let out = folder.path().join("out");
    let rules = vec![Rule::replying(SinkVerb::Eod, 451, "4.3.0 later")];
    let scenario = "name = \"x\"\nthresholds = []\n[load]\nsessions = 4\nmessages = 200\n";
    let counts = run(scenario, sink(loopback(), rules), &out, &[0]);
    assert_eq!((counts.messages, counts.refused_messages), (0, 200));
    let outcomes = Table::read(&out, "outcomes.csv");
    assert_eq!(outcomes.sum("count", &[("unit", "message"), ("outcome", "deferred")]), 200);
    assert_eq!(outcomes.sum("count", &[("unit", "message"), ("outcome", "accepted")]), 0);
    let latency = Table::read(&out, "latency.csv");
    let accepted = latency.sum("count", &[("step", "eod"), ("outcome", "accepted")]);
    assert_eq!(accepted, 0, "{latency}");
}

/// A bound is kept to the message, and the warm-up takes nothing from it.
#[test]
fn a_bound_is_exact_and_the_warm_up_is_beside_it() {
    let folder = TempDir::new().unwrap();
    let out = folder.path().join("out");
    let scenario = "name = \"x\"\n[load]\nsessions = 7\nwarmup = \"500ms\"\nmessages = 333\nmessages_per_session = \"1..9\"\n";
    let counts = run(scenario, sink(loopback(), Vec::new()), &out, &[0]);
    let outcomes = Table::read(&out, "outcomes.csv");
    let of = |stage| {
        let wanted = [("unit", "message"), ("outcome", "accepted"), ("stage", stage)];
        outcomes.sum("count", &wanted)
    };
    assert_eq!(of("main"), 333, "{outcomes}");
    assert!(of("warmup") > 0, "{outcomes}");
    assert_eq!(of("main") + of("warmup"), counts.messages);
}

/// A planted delay is found where it was planted, and nowhere else.
#[test]
fn a_delay_is_found_at_its_step() {
    let folder = TempDir::new().unwrap();
    let out = folder.path().join("out");
    let rules = vec![Rule::delaying(SinkVerb::Rcpt, Delay::Fixed(Duration::from_millis(50)))];
    let scenario = "name = \"x\"\n[load]\nsessions = 2\nfor = \"2s\"\n";
    run(scenario, sink(loopback(), rules), &out, &[0]);
    let latency = Table::read(&out, "latency.csv");
    let min = |step: &str| -> u64 {
        let wanted = [("step", step), ("script", "all"), ("outcome", "accepted")];
        latency.cells("us_min", &wanted)[0].parse().unwrap()
    };
    assert!((49_900..60_000).contains(&min("rcpt")), "{latency}");
    for step in ["mail", "data", "upload", "eod"] {
        assert!(min(step) < 40_000, "{step}\n{latency}");
    }
}

#[test]
fn unix_sockets_and_ipv6_are_targets_like_any_other() {
    let folder = TempDir::new().unwrap();
    let path = ListenAddress::Unix(folder.path().join("sink.sock"));
    let v6 = ListenAddress::Tcp("[::1]:0".parse().unwrap());
    for (index, listen) in [path, v6].into_iter().enumerate() {
        let out = folder.path().join(format!("out{index}"));
        let scenario = "name = \"x\"\n[load]\nsessions = 3\nmessages = 50\n";
        assert_eq!(run(scenario, sink(listen, Vec::new()), &out, &[0]).messages, 50);
    }
}

/// The same seed sends the same messages: every envelope and every size, whatever the order.
#[test]
fn the_same_seed_sends_the_same_mail() {
    let folder = TempDir::new().unwrap();
    let scenario = r#"
name = "x"
seed = 7
[load]
sessions = 3
messages = 100
[recipients]
pattern = "user{{1..100000}}@{{domain}}"
domains = { "a.test" = 1, "b.test" = 2 }
per_message = "1..5"
[[messages]]
size = { p50 = "2KiB", p99 = "40KiB" }
"#;
    let counts: Vec<SinkCounts> = (0..2)
        .map(|index| {
            let out = folder.path().join(format!("out{index}"));
            run(scenario, sink(loopback(), Vec::new()), &out, &[0])
        })
        .collect();
    assert_eq!((counts[0].recipients, counts[0].bytes), (counts[1].recipients, counts[1].bytes));
    assert!(counts[0].recipients > 150);
}

/// What waits at the drain limit is a time-out with a sample, not a message that left no trace.
#[test]
fn a_server_that_stops_answering_shows_in_the_figures() {
    let folder = TempDir::new().unwrap();
    let out = folder.path().join("out");
    let rules = vec![Rule::delaying(SinkVerb::Eod, Delay::Fixed(Duration::from_secs(30)))];
    let scenario =
        "name = \"x\"\nthresholds = []\n[load]\nsessions = 3\nfor = \"1s\"\ndrain = \"1s\"\n";
    run(scenario, sink(loopback(), rules), &out, &[0]);
    let outcomes = Table::read(&out, "outcomes.csv");
    assert_eq!(outcomes.sum("count", &[("unit", "message"), ("outcome", "unfinished")]), 3);
    let latency = Table::read(&out, "latency.csv");
    for step in ["eod", "transaction"] {
        let wanted = [("step", step), ("script", "all"), ("outcome", "timeout")];
        assert_eq!(latency.sum("count", &wanted), 3, "{latency}");
        let least: u64 = latency.cells("us_min", &wanted)[0].parse().unwrap();
        assert!(least > 1_500_000, "{latency}");
    }
}

/// Ten messages of which some end behind the planned end: the rate is over the window, and no longer.
#[test]
fn a_rate_is_over_the_window_and_no_longer() {
    let folder = TempDir::new().unwrap();
    let out = folder.path().join("out");
    let rules = vec![Rule::delaying(SinkVerb::Eod, Delay::Fixed(Duration::from_millis(1500)))];
    let scenario = "name = \"x\"\n[load]\nsessions = 5\nfor = \"2s\"\nmessages = 10\n";
    run(scenario, sink(loopback(), rules), &out, &[0]);
    let summary = Table::read(&out, "summary.csv");
    let rate: f64 = summary.cells("messages_per_s", &[])[0].parse().unwrap();
    assert!((2.3..2.7).contains(&rate), "five messages in two seconds\n{summary}");
}

/// A name may have an address that nobody listens on, such as `::1` beside `127.0.0.1`: the others are tried.
#[test]
fn every_address_of_a_host_is_tried() {
    let folder = TempDir::new().unwrap();
    let mut sink = sink(loopback(), Vec::new());
    let ListenAddress::Tcp(address) = sink.addresses()[0] else { return };
    let url = format!("smtp://localhost:{}", address.port());
    Smtpbench::new(&["run", "--quiet", "--sessions", "4", "--messages", "50", "--target", &url])
        .arg("--out")
        .arg(folder.path().join("out"))
        .run()
        .code(&[0]);
    sink.stop();
    assert_eq!(sink.counts().messages, 50);
}

/// `once` sends one message, whatever load the scenario asks for.
#[test]
fn once_sends_one_message() {
    let mut sink = sink(loopback(), Vec::new());
    let ListenAddress::Tcp(address) = sink.addresses()[0] else { return };
    let url = format!("smtp://{address}");
    Smtpbench::new(&["once", "scenarios/quickstart.toml", "--target", &url]).run().code(&[0]);
    sink.stop();
    assert_eq!((sink.counts().messages, sink.counts().connections), (1, 1));
}

/// No message starts behind the end: of those accepted after it, each session can have one.
#[test]
fn no_transaction_starts_behind_the_end() {
    let folder = TempDir::new().unwrap();
    let out = folder.path().join("out");
    let scenario = "name = \"x\"\n[load]\nsessions = 4\nfor = \"1s\"\n";
    run(scenario, sink(loopback(), Vec::new()), &out, &[0]);
    let outcomes = Table::read(&out, "outcomes.csv");
    let all = outcomes.sum("count", &[("unit", "message"), ("outcome", "accepted")]);
    let run = fs::read_to_string(out.join("run.json")).unwrap();
    let run: serde_json::Value = serde_json::from_str(&run).unwrap();
    let summary = Table::read(&out, "summary.csv");
    let rate: f64 = summary.cells("messages_per_s", &[])[0].parse().unwrap();
    let behind = all as f64 - rate;
    assert!((-1.0..=5.0).contains(&behind), "{behind} messages behind the end\n{summary}{run}");
}

/// LMTP over TCP and over a UNIX socket, by DATA, pipelined, and by BDAT: a reply a recipient, all of them counted.
#[test]
fn lmtp_is_accounted_for_each_recipient() {
    let folder = TempDir::new().unwrap();
    let unix = || ListenAddress::Unix(folder.path().join("lmtp"));
    let bdat = "MAIL FROM:<{{sender}}>\nRCPT TO:<{{recipient}}>\nBDAT chunk 1KiB";
    let data = "MAIL FROM:<{{sender}}>\nRCPT TO:<{{recipient}}>\nDATA";
    for (name, listen, word, lines) in [
        ("tcp", loopback(), "transaction", data),
        ("unix", unix(), "transaction pipelined", data),
        ("bdat", loopback(), "transaction", bdat),
    ] {
        let mut sink = sink_in(Protocol::Lmtp, listen, Vec::new());
        let (out, file) = (folder.path().join(name), folder.path().join(format!("{name}.toml")));
        let text = format!(
            "name = \"{name}\"\n[target]\nurl = \"{}\"\n[load]\nsessions = 5\nmessages = 200\n\
             [recipients]\npattern = \"u{{{{1..9}}}}@recipient.test\"\nper_message = \"1..4\"\n\
             [[scripts]]\nname = \"s\"\nsteps = '''\nhello\n{word}\n{lines}\nend\n'''\n",
            url(Protocol::Lmtp, &sink)
        );
        fs::write(&file, text).unwrap();
        Smtpbench::new(&["run", "--quiet"]).arg(&file).arg("--out").arg(&out).run().code(&[0]);
        sink.stop();
        let counts = sink.counts();
        let outcomes = Table::read(&out, "outcomes.csv");
        let accepted = |unit| outcomes.sum("count", &[("unit", unit), ("outcome", "accepted")]);
        assert_eq!((accepted("message"), counts.messages), (200, 200), "{name}");
        assert_eq!(accepted("recipient"), counts.recipients, "{name}");
        assert!(counts.recipients > 200, "{name}");
        let latency = Table::read(&out, "latency.csv");
        let rows = |step| {
            let row = [("step", step), ("script", "all"), ("outcome", "accepted")];
            latency.sum("count", &row)
        };
        assert_eq!(rows("eod"), counts.recipients, "{name}: a sample a recipient");
        assert_eq!(rows("transaction"), 200, "{name}");
        assert!(rows("lhlo") >= 5 && rows("ehlo") == 0, "{name}\n{latency}");
    }
}

/// A peer that only says where its connections come from.
#[test]
fn connections_come_from_the_source_addresses_in_turn() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let seen = std::thread::spawn(move || {
        let mut seen = std::collections::BTreeMap::new();
        for stream in listener.incoming().take(40) {
            let mut stream = stream.unwrap();
            *seen.entry(stream.peer_addr().unwrap().ip().to_string()).or_insert(0) += 1;
            std::io::Write::write_all(&mut stream, b"421 4.3.2 not now\r\n").unwrap();
        }
        seen
    });
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("sources.toml");
    let text = format!(
        "preflight = false\nthresholds = []\n[target]\nurl = \"smtp://{address}\"\n\
         [load]\nsessions = 8\nfor = \"2s\"\n[client]\nsource = [\"127.0.0.2-127.0.0.4\", \"127.0.0.9\"]\n"
    );
    fs::write(&file, text).unwrap();
    let out = folder.path().join("out");
    Smtpbench::new(&["run", "--quiet"]).arg(&file).arg("--out").arg(&out).run().code(&[0]);
    let seen = seen.join().unwrap();
    let from: Vec<&str> = seen.keys().map(String::as_str).collect();
    assert_eq!(from, ["127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.9"], "{seen:?}");
    assert!(seen.values().all(|count| *count >= 5), "{seen:?}");
}

#[test]
fn a_source_that_is_not_here_and_a_family_without_address_are_told() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("sources.toml");
    let text = "[target]\nurl = \"embedded:\"\n[load]\nmessages = 1\nsessions = 1\n\
                [client]\nsource = [\"192.0.2.7\"]\n";
    fs::write(&file, text).unwrap();
    let finished = Smtpbench::new(&["run", "--quiet"]).arg(&file).run().code(&[65]);
    assert!(finished.to_string().contains("no connection can come from 192.0.2.7"), "{finished}");
    let finished = Smtpbench::new(&["run", "-6", "--target", "smtp://127.0.0.1:9"]).run();
    let finished = finished.code(&[69]);
    assert!(finished.to_string().contains("has no IPv6 address"), "{finished}");
}

#[test]
fn once_runs_the_script_that_is_named() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("two.toml");
    let text = "[target]\nurl = \"embedded:\"\n[load]\nmessages = 1\nsessions = 1\n\
                [[scripts]]\nname = \"mail\"\nsteps = '''\nhello\ntransaction\nMAIL FROM:<>\nend\n'''\n\
                [[scripts]]\nname = \"odd\"\nsteps = '''\nhello\nVRFY x\n'''\n";
    fs::write(&file, text).unwrap();
    let once = |script| Smtpbench::new(&["once", "--script", script]).arg(&file).run();
    let finished = once("odd").code(&[0]).to_string();
    assert!(finished.contains("VRFY x") && !finished.contains("MAIL"), "{finished}");
    let finished = once("od").code(&[64]).to_string();
    assert!(finished.contains("its scripts: mail, odd"), "{finished}");
}
