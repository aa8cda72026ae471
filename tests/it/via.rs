//! Sessions that speak for other clients: the sink believes them, and says how many it met. What goes wrong between
//! a proxy's two sides is said in words.

use std::fmt::Write as _;
use std::fs;
use std::time::Duration;

use rustix::process::Signal;
use smtpbench::behavior::{Behavior, Rule, SinkVerb};
use smtpbench::net::tls::{TlsIdentity, TlsServer};
use smtpbench::sink::{ClientCounts, ListenAddress, Sink, SinkOptions, SinkTls, Trust};
use smtpbench::smtp::Protocol;
use tempfile::TempDir;

use crate::support::peer::Peer;
use crate::support::program::{Finished, Smtpbench};
use crate::support::results::Results;

const SESSIONS: usize = 500;
const PROXY: Trust = Trust { proxy: true, xclient: false };
const XCLIENT: Trust = Trust { proxy: false, xclient: true };

fn sink(protocol: Protocol, trust: Trust, rules: Vec<Rule>) -> Sink {
    sink_with(protocol, trust, rules, None)
}

fn sink_with(protocol: Protocol, trust: Trust, rules: Vec<Rule>, tls: Option<SinkTls>) -> Sink {
    Sink::start(SinkOptions {
        listen: vec![ListenAddress::Tcp(([127, 0, 0, 1], 0).into())],
        behavior: Behavior { rules, ..Behavior::default() },
        protocol,
        hostname: "sink.test".to_owned(),
        trust,
        threads: 2,
        tls,
        logins: None,
        capture: smtpbench::sink::Capture::default(),
    })
    .unwrap()
}

fn url(sink: &Sink) -> String {
    format!("smtp://{}", sink.addresses()[0])
}

/// A scenario of so many messages, one a session, with `client` below `[client]`, beside a table of [`SESSIONS`]
/// clients, every third of them with an IPv6 address.
fn scenario(url: &str, sessions: u32, messages: usize, client: &str, rest: &str) -> TempDir {
    let folder = TempDir::new().unwrap();
    let mut table = "ip,host\n".to_owned();
    for n in 0..SESSIONS {
        let _ = match n % 3 {
            0 => writeln!(table, "2001:db8::{n:x},host{n}.test"),
            _ => writeln!(table, "10.0.{}.{},host{n}.test", n / 256, n % 256),
        };
    }
    fs::write(folder.path().join("clients.csv"), table).unwrap();
    let text = format!(
        r#"
name = "via"
{rest}

[target]
url = "{url}"

[load]
sessions = {sessions}
messages = {messages}
messages_per_session = 1
for = "60s"
drain = "1s"

[timeouts]
step = "10s"

[data.clients]
csv = "clients.csv"

[client]
{client}
"#
    );
    fs::write(folder.path().join("via.toml"), text).unwrap();
    folder
}

fn run(folder: TempDir) -> (Finished, Results) {
    let finished = Smtpbench::new(&["run", "--quiet"])
        .arg(folder.path().join("via.toml"))
        .arg("--out")
        .arg(folder.path().join("out"))
        .run();
    let results = Results::keep(folder, "out");
    (finished, results)
}

const BY_TABLE: &str = "address = \"{{clients.ip}}\"";

/// One session after the other takes every row of the table once.
#[track_caller]
fn every_client_of_the_table(via: &str, trust: Trust, protocol: Protocol) -> Results {
    let sink = sink(protocol, trust, Vec::new());
    let url = url(&sink).replace("smtp", protocol.name());
    let more =
        if trust.xclient { "hostname = \"{{clients.host}}\"\nlogin = \"a+b\"\n" } else { "" };
    let client = format!("via = \"{via}\"\n{BY_TABLE}\n{more}");
    let (finished, results) = run(scenario(&url, 1, SESSIONS, &client, ""));
    let finished = finished.code(&[0]);
    assert_eq!(results.messages("accepted"), SESSIONS as u64, "{finished}");
    let want = ClientCounts { addresses: SESSIONS, headers_refused: 0 };
    assert_eq!(sink.clients(), Some(want), "{finished}");
    results.add_up()
}

#[test]
fn xclient_names_every_client_of_a_table() {
    let results = every_client_of_the_table("xclient", XCLIENT, Protocol::Smtp);
    let sessions = SESSIONS as u64;
    assert_eq!(results.accepted_samples("xclient"), sessions);
    assert_eq!(results.replies("xclient", "220"), sessions);
    assert_eq!(results.accepted_samples("ehlo"), 2 * sessions);
    assert_eq!(results.accepted_samples("greeting"), sessions);
}

#[test]
fn xclient_names_clients_to_an_lmtp_server() {
    let results = every_client_of_the_table("xclient", XCLIENT, Protocol::Lmtp);
    assert_eq!(results.accepted_samples("lhlo"), 2 * SESSIONS as u64);
}

#[test]
fn proxy_headers_name_every_client_of_a_table() {
    for via in ["proxy", "proxy-v1"] {
        let results = every_client_of_the_table(via, PROXY, Protocol::Smtp);
        assert_eq!(results.accepted_samples("greeting"), SESSIONS as u64);
        assert_eq!(results.table("failures.csv").sum("count", &[]), 0);
    }
}

/// TLS either way, with the header before it and XCLIENT behind it.
#[test]
fn headers_come_before_tls_and_xclient_behind_it() {
    for (scheme, tls, via, trust) in [
        ("smtps", "", "proxy", PROXY),
        ("smtps", "", "proxy-v1", PROXY),
        ("smtps", "", "xclient", XCLIENT),
        ("smtp", "tls = \"starttls\"", "proxy", PROXY),
        ("smtp", "tls = \"starttls\"", "xclient", XCLIENT),
        ("smtp", "tls = \"opportunistic\"", "xclient", XCLIENT),
    ] {
        let implicit = scheme == "smtps";
        let identity = TlsIdentity::make(&["localhost"]).unwrap();
        let server = TlsServer::new(&identity).unwrap();
        let tls_of_sink = Some(SinkTls { server, implicit });
        let sink = sink_with(Protocol::Smtp, trust, Vec::new(), tls_of_sink);
        let url = url(&sink).replace("smtp", scheme);
        let client = format!("via = \"{via}\"\naddress = \"192.0.2.1-192.0.2.40\"");
        let folder = scenario(&url, 1, 40, &client, "");
        let file = folder.path().join("via.toml");
        let text = fs::read_to_string(&file).unwrap();
        let security = format!("[target]\nverify = false\n{tls}\n");
        fs::write(&file, text.replace("[target]\n", &security)).unwrap();
        let (finished, results) = run(folder);
        let finished = finished.code(&[0]);
        assert_eq!(results.messages("accepted"), 40, "{via} {scheme} {tls} {finished}");
        let want = ClientCounts { addresses: 40, headers_refused: 0 };
        assert_eq!(sink.clients(), Some(want), "{via} {scheme} {tls} {finished}");
        let handshakes = results.accepted_samples("tls") + results.accepted_samples("tls_resumed");
        assert_eq!(handshakes, 40, "{via} {scheme} {tls} {finished}");
    }
}

#[test]
fn many_sessions_at_once_take_a_range_in_turn() {
    for (via, trust) in [("xclient", XCLIENT), ("proxy", PROXY)] {
        let sink = sink(Protocol::Smtp, trust, Vec::new());
        let client =
            format!("via = \"{via}\"\naddress = \"192.0.2.1-192.0.2.40\"\nport = \"{{{{1..9}}}}\"");
        let (finished, results) = run(scenario(&url(&sink), 20, SESSIONS, &client, ""));
        assert_eq!(results.messages("accepted"), SESSIONS as u64, "{finished}");
        let want = ClientCounts { addresses: 40, headers_refused: 0 };
        assert_eq!(sink.clients(), Some(want), "{finished}");
    }
}

#[test]
fn the_built_in_target_believes_what_the_scenario_says() {
    for via in ["xclient", "proxy", "proxy-v1"] {
        let client = format!("via = \"{via}\"\n{BY_TABLE}");
        let (finished, results) = run(scenario("embedded:", 4, 40, &client, ""));
        assert_eq!(results.messages("accepted"), 40, "{finished}");
    }
}

/// What the preflight says of a target that does not do what the scenario wants.
#[track_caller]
fn preflight(url: &str, client: &str) -> Finished {
    let (finished, _) = run(scenario(url, 1, 1, client, ""));
    finished.code(&[69])
}

#[test]
fn a_server_without_xclient_is_told_by_the_preflight() {
    let xclient = &format!("via = \"xclient\"\n{BY_TABLE}");
    let sink_without = sink(Protocol::Smtp, Trust::default(), Vec::new());
    preflight(&url(&sink_without), xclient)
        .stderr_has("xclient_not_offered: the server offers no XCLIENT")
        .stderr_has("hint: the server has to offer XCLIENT to this machine");
    for code in [550, 501] {
        let rules = vec![Rule::replying(SinkVerb::Xclient, code, "5.7.0 not you")];
        let sink = sink(Protocol::Smtp, XCLIENT, rules);
        preflight(&url(&sink), xclient)
            .stderr_has(&format!("{code} 5.7.0 not you"))
            .stderr_has("the server did not take XCLIENT")
            .stderr_has("hint: the server has to offer XCLIENT to this machine");
    }
    assert_eq!(sink_without.counts().messages, 0);
}

#[test]
fn a_run_without_xclient_sends_nothing_under_a_wrong_name() {
    let sink = sink(Protocol::Smtp, Trust::default(), Vec::new());
    let client = format!("via = \"xclient\"\n{BY_TABLE}");
    let rest = "preflight = false";
    let folder = scenario(&url(&sink), 2, 10, &client, rest);
    let text = fs::read_to_string(folder.path().join("via.toml")).unwrap();
    fs::write(folder.path().join("via.toml"), text.replace("60s", "1s")).unwrap();
    let (finished, results) = run(folder);
    let finished = finished.code(&[90]);
    let table = results.table("failures.csv");
    let row = [("step", "xclient"), ("failure", "xclient_not_offered"), ("fault", "peer")];
    assert!(table.sum("count", &row) > 2, "{table}\n{finished}");
    assert_eq!(table.cells("detail", &row)[0], "the server offers no XCLIENT", "{table}");
    assert!(finished.stdout.contains("xclient_not_offered"), "{finished}");
    assert_eq!(sink.counts().messages, 0);
}

#[test]
fn a_server_that_expects_no_header_is_told_by_the_preflight() {
    let sink = sink(Protocol::Smtp, Trust::default(), Vec::new());
    for via in ["proxy", "proxy-v1"] {
        let client = format!("via = \"{via}\"\n{BY_TABLE}");
        preflight(&url(&sink), &client)
            .stderr_has("500 5.5.2")
            .stderr_has("hint: does the server expect PROXY?");
        // The load says the same in its tables.
        let folder = scenario(&url(&sink), 2, 10, &client, "preflight = false");
        let text = fs::read_to_string(folder.path().join("via.toml")).unwrap();
        fs::write(folder.path().join("via.toml"), text.replace("60s", "1s")).unwrap();
        let (finished, results) = run(folder);
        let table = results.table("replies.csv");
        assert!(table.sum("count", &[("reply_code", "500")]) > 2, "{table}\n{finished}");
        assert_eq!(results.add_up().messages("accepted"), 0, "{finished}");
    }
    assert_eq!(sink.counts().messages, 0);
}

#[test]
fn a_server_that_waits_for_a_header_is_told_by_the_preflight() {
    let sink = sink(Protocol::Smtp, PROXY, Vec::new());
    let finished = preflight(&url(&sink), "name = \"a.test\"");
    finished
        .stderr_has("closed: ")
        .stderr_has("hint: nothing greeted")
        .stderr_has("is met by via = \"proxy\" under [client]");
    let want = ClientCounts { addresses: 0, headers_refused: 1 };
    assert_eq!(sink.clients(), Some(want));
}

#[test]
fn a_server_that_takes_the_other_version_only_is_told_by_the_preflight() {
    let peer = Peer::play("C: PROXY TCP\nS: 220 peer.test\nserve");
    let client = format!("via = \"proxy\"\n{BY_TABLE}");
    preflight(&peer.url(), &client)
        .stderr_has("hint: nothing greeted behind the PROXY header")
        .stderr_has("of this version (via = \"proxy\" or \"proxy-v1\")?");
    let client = client.replace("proxy", "proxy-v1");
    let (finished, results) = run(scenario(&peer.url(), 1, 3, &client, ""));
    assert_eq!(results.messages("accepted"), 3, "{finished}");
}

#[test]
fn a_client_address_that_is_none_is_our_fault() {
    let sink = sink(Protocol::Smtp, PROXY, Vec::new());
    let client = "via = \"proxy\"\naddress = \"10.0.0.{{clients.ip}}\"";
    preflight(&url(&sink), client)
        .stderr_has("internal: `10.0.0.2001:db8::0` of the scenario's [client] is no IP address")
        .stderr_has("the preflight failed on this side");
}

#[test]
fn once_shows_the_header_and_the_second_hello() {
    for (via, trust, said) in [
        ("proxy-v1", PROXY, "PROXY TCP6 2001:db8:: ::ffff:127.0.0.1 "),
        ("xclient", XCLIENT, "XCLIENT ADDR=IPV6:2001:db8::"),
    ] {
        let sink = sink(Protocol::Smtp, trust, Vec::new());
        let folder = scenario(&url(&sink), 1, 1, &format!("via = \"{via}\"\n{BY_TABLE}"), "");
        Smtpbench::new(&["once"])
            .arg(folder.path().join("via.toml"))
            .run()
            .code(&[0])
            .stdout_has(said);
    }
}

#[test]
fn the_sink_prints_whom_it_believed() {
    Smtpbench::new(&["sink", "--listen", "127.0.0.1:0", "--proxy", "--xclient"])
        .signal(Duration::from_millis(500), Signal::INT)
        .run()
        .code(&[0])
        .stdout_has("0 client addresses believed, 0 connections closed without a PROXY header");
}
