//! `mx://` targets and `--dns`, against a DNS server with made-up zones and mail servers on addresses of loopback.

use std::time::Duration;

use tempfile::TempDir;

use crate::support::dns::DnsServer;
use crate::support::peer::Peer;
use crate::support::program::{Finished, Smtpbench};
use crate::support::results::Results;

/// `once` against `url` with the names of `dns`.
fn once(dns: &DnsServer, url: &str) -> Smtpbench {
    Smtpbench::new(&["once", "--dns", &dns.address(), "--target", url])
}

/// A run without preflight, a message a session, and its results.
fn run(dns: &DnsServer, port: u16, sessions: &str, messages: &str) -> Results {
    let folder = TempDir::new().unwrap();
    Smtpbench::new(&[
        "run",
        "--messages-per-session",
        "1",
        "--no-preflight",
        "--sessions",
        sessions,
    ])
    .args(&["--messages", messages, "--dns", &dns.address(), "--target"])
    .arg(format!("mx://example.test:{port}"))
    .arg("--out")
    .arg(folder.path().join("out"))
    .run()
    .code(&[0]);
    Results::keep(folder, "out").add_up()
}

/// Nothing can be measured: 69, with these words.
#[track_caller]
fn unreachable(zone: &str, url: &str, words: &[&str]) -> Finished {
    let dns = DnsServer::serve(zone);
    let mut finished = once(&dns, url).run().code(&[69]);
    for word in words {
        finished = finished.stderr_has(word);
    }
    finished
}

#[test]
fn the_host_of_the_lowest_preference_gets_the_mail() {
    let (peers, port) = Peer::good_on(&["127.0.0.2", "127.0.0.3", "127.0.0.4"]);
    let dns = DnsServer::serve(
        "example.test MX 30 third.test\nexample.test MX 10 first.test\nexample.test MX 20 second.test
         first.test A 127.0.0.3\nsecond.test A 127.0.0.2\nthird.test A 127.0.0.4",
    );
    run(&dns, port, "3", "9");
    let connections: Vec<usize> = peers.iter().map(Peer::connections).collect();
    assert_eq!([connections[0], connections[2]], [0, 0], "{connections:?}");
    assert!(connections[1] >= 9, "{connections:?}");
}

#[test]
fn a_dead_host_is_passed_over_for_the_next() {
    let (peers, port) = Peer::good_on(&["127.0.0.3"]);
    let dns = DnsServer::serve(
        "example.test MX 10 dead.test\nexample.test MX 20 alive.test
         dead.test A 127.0.0.2\nalive.test A 127.0.0.3",
    );
    once(&dns, &format!("mx://example.test:{port}"))
        .run()
        .code(&[0])
        .stdout_has("no connection to dead.test (127.0.0.2")
        .stdout_has("connected to alive.test (127.0.0.3");
    assert_eq!(peers[0].connections(), 1);
    let table = run(&dns, port, "2", "30").table("addresses.csv");
    let of = |column, host| table.sum(column, &[("host", host)]);
    assert_eq!((of("sessions", "dead.test"), of("sessions", "alive.test")), (0, 30), "{table}");
    assert_eq!(of("connect_failures", "dead.test"), 30, "{table}");
    assert_eq!(of("connect_failures", "alive.test"), 0, "{table}");
    assert_ne!(table.cells("connect_us_p50", &[("host", "alive.test")]), [""], "{table}");
}

#[test]
fn hosts_of_equal_preference_share_the_sessions() {
    let (peers, port) = Peer::good_on(&["127.0.0.2", "127.0.0.3", "127.0.0.4"]);
    let dns = DnsServer::serve(
        "example.test MX 10 one.test\nexample.test MX 10 two.test\nexample.test MX 20 spare.test
         one.test A 127.0.0.2\ntwo.test A 127.0.0.3\nspare.test A 127.0.0.4",
    );
    let results = run(&dns, port, "4", "40");
    let [one, two, spare] = [0, 1, 2].map(|index: usize| peers[index].connections());
    assert_eq!(spare, 0);
    // Each of four slots takes turns for itself.
    assert!(one.abs_diff(two) <= 4 && one + two >= 40, "{one} and {two}");
    let table = results.table("addresses.csv");
    for (host, connections) in [("one.test", one), ("two.test", two), ("spare.test", spare)] {
        let sessions = table.sum("sessions", &[("host", host)]);
        assert_eq!(sessions, connections as u64, "{host}\n{table}");
        // A slot may open a session for a message that another one takes.
        let accepted = table.sum("accepted", &[("host", host)]);
        assert!(accepted <= sessions && sessions <= accepted + 4, "{host}\n{table}");
    }
    assert_eq!(table.sum("accepted", &[]), 40, "{table}");
    assert_eq!(table.cells("preference", &[("host", "spare.test")]), ["20"]);
    assert_eq!(table.cells("eod_us_p50", &[("host", "spare.test")]), [""]);
}

#[test]
fn several_addresses_of_one_host_are_all_its_own() {
    let (peers, port) = Peer::good_on(&["127.0.0.3"]);
    let dns = DnsServer::serve(
        "example.test MX 10 host.test\nexample.test MX 20 never.test
         host.test A 127.0.0.2\nhost.test A 127.0.0.3\nnever.test A 127.0.0.4",
    );
    once(&dns, &format!("mx://example.test:{port}"))
        .run()
        .code(&[0])
        .stdout_has("connected to host.test (127.0.0.3");
    assert_eq!(peers[0].connections(), 1);
}

#[test]
fn a_domain_without_mx_is_its_own_host() {
    let (peers, port) = Peer::good_on(&["127.0.0.2"]);
    let dns = DnsServer::serve("example.test A 127.0.0.2");
    once(&dns, &format!("mx://example.test:{port}")).run().code(&[0]);
    assert_eq!(peers[0].connections(), 1);
    assert_eq!(dns.asked()[0], "udp example.test MX");
}

#[test]
fn aliases_are_followed() {
    let (peers, port) = Peer::good_on(&["127.0.0.2"]);
    let dns = DnsServer::serve(
        "alias.test CNAME example.test\nexample.test MX 10 host.test
         host.test CNAME real.test\nreal.test A 127.0.0.2",
    );
    once(&dns, &format!("mx://alias.test:{port}")).run().code(&[0]);
    assert_eq!(peers[0].connections(), 1);
}

#[test]
fn an_answer_that_is_cut_is_fetched_over_tcp() {
    let (peers, port) = Peer::good_on(&["127.0.0.2"]);
    let dns = DnsServer::serve(
        "example.test TRUNCATED\nexample.test MX 10 host.test\nhost.test A 127.0.0.2",
    );
    once(&dns, &format!("mx://example.test:{port}")).run().code(&[0]);
    assert_eq!(peers[0].connections(), 1);
    assert!(dns.asked().contains(&"tcp example.test MX".to_owned()), "{:?}", dns.asked());
}

#[test]
fn one_family_of_the_mx_hosts() {
    let (peers, port) = Peer::good_on(&["127.0.0.2", "::1"]);
    let zone = "example.test MX 10 old.test\nexample.test MX 20 both.test\nold.test A 127.0.0.2
                both.test A 127.0.0.2\nboth.test AAAA ::1";
    let url = format!("mx://example.test:{port}");
    let dns = DnsServer::serve(zone);
    once(&dns, &url)
        .arg("-6")
        .run()
        .code(&[0])
        .stderr_has("MX host old.test of example.test is left out: no IPv6 address");
    assert_eq!((peers[0].connections(), peers[1].connections()), (0, 1));
    assert!(!dns.asked().iter().any(|asked| asked.ends_with(" A")), "{:?}", dns.asked());
    let dns = DnsServer::serve(zone);
    once(&dns, &url).arg("-4").run().code(&[0]);
    assert_eq!((peers[0].connections(), peers[1].connections()), (1, 1));
    let dns = DnsServer::serve("example.test MX 10 old.test\nold.test A 127.0.0.2");
    once(&dns, &url).arg("-6").run().code(&[69]).stderr_has("old.test: no IPv6 address");
}

#[test]
fn a_domain_that_takes_no_mail() {
    unreachable(
        "example.test MX 0 .\nexample.test A 127.0.0.1",
        "mx://example.test",
        &["takes no mail", "RFC 7505", "smtp://host:port"],
    );
}

#[test]
fn a_domain_that_does_not_exist() {
    unreachable(
        "a.test A 127.0.0.1",
        "mx://b.test",
        &["the domain b.test does not exist", "--dns"],
    );
}

#[test]
fn a_domain_with_neither_mx_nor_address() {
    let dns = DnsServer::serve("a.test AAAA ::1\nalias.test CNAME gone.test");
    once(&dns, "mx://a.test").arg("-4").run().code(&[69]).stderr_has("a.test: no IPv4 address");
    once(&dns, "mx://alias.test").run().code(&[69]).stderr_has("alias.test does not exist");
}

#[test]
fn a_dns_server_that_fails() {
    unreachable("b.test SERVFAIL", "mx://b.test", &["SERVFAIL", "--dns ADDR"]);
}

#[test]
fn hosts_that_cannot_be_resolved_are_left_out() {
    let (peers, port) = Peer::good_on(&["127.0.0.2"]);
    let dns = DnsServer::serve(
        "example.test MX 10 gone.test\nexample.test MX 15 127.0.0.9\nexample.test MX 20 broken.test
         example.test MX 30 host.test\nbroken.test SERVFAIL\nhost.test A 127.0.0.2",
    );
    once(&dns, &format!("mx://example.test:{port}"))
        .run()
        .code(&[0])
        .stderr_has("MX host gone.test of example.test is left out: no such name")
        .stderr_has("MX host 127.0.0.9 of example.test is left out: an MX record holds a name")
        .stderr_has(
            "MX host broken.test of example.test is left out: the DNS server answers SERVFAIL",
        );
    assert_eq!(peers[0].connections(), 1);
    // There are MX records, so the domain's own address is no way out (RFC 5321 section 5.1).
    unreachable(
        "example.test MX 10 gone.test\nexample.test A 127.0.0.1",
        "mx://example.test",
        &["no host that takes mail for example.test has an address", "gone.test: no such name"],
    );
}

#[test]
fn hosts_that_nothing_is_said_about_do_not_use_up_the_time_for_the_others() {
    let (peers, port) = Peer::good_on(&["127.0.0.2"]);
    let mute = ["mute1.test", "mute2.test", "mute3.test", "mute4.test", "mute5.test"];
    let silent = mute.map(|host| format!("example.test MX 10 {host}\n{host} SILENT\n")).concat();
    let dns =
        DnsServer::serve(&format!("{silent}example.test MX 20 host.test\nhost.test A 127.0.0.2"));
    let mut finished = once(&dns, &format!("mx://example.test:{port}")).run().code(&[0]);
    for host in mute {
        let left_out = format!("MX host {host} of example.test is left out: no answer");
        finished = finished.stderr_has(&left_out);
    }
    assert_eq!(peers[0].connections(), 1, "{finished}");
}

#[test]
fn a_dns_server_that_says_nothing() {
    let finished = unreachable("mute.test SILENT", "mx://mute.test", &["no answer"]);
    assert!(finished.elapsed < Duration::from_secs(15), "{finished}");
}

#[test]
fn load_to_mx_hosts_outside_is_refused_before_any_packet_to_them() {
    let dns = DnsServer::serve(
        "example.test MX 10 here.test\nexample.test MX 20 there.test
         here.test A 127.0.0.2\nthere.test A 192.0.2.1",
    );
    for owned in ["example.test", "here.test", "192.0.2.1"] {
        once(&dns, "mx://example.test")
            .arg("--i-own")
            .arg(owned)
            .run()
            .code(&[77])
            .stderr_has("there.test, 192.0.2.1:25")
            .stderr_has("--i-own there.test");
    }
}

#[test]
fn the_host_of_a_url_is_looked_up_where_the_flag_says() {
    let (peers, port) = Peer::good_on(&["127.0.0.2"]);
    let dns = DnsServer::serve("mail.test A 127.0.0.2\nelsewhere.test A 192.0.2.1");
    let url = format!("smtp://mail.test:{port}");
    once(&dns, &url).run().code(&[0]);
    assert_eq!(peers[0].connections(), 1);
    once(&dns, &url).arg("-6").run().code(&[69]).stderr_has("has no IPv6 address");
    once(&dns, "smtp://gone.test").run().code(&[69]).stderr_has("no such name");
    once(&dns, "smtp://elsewhere.test").run().code(&[77]).stderr_has("--i-own elsewhere.test");
}

#[test]
fn a_dns_server_is_an_address() {
    for bad in ["localhost", "127.0.0.1:0", "127.0.0.1:x", "::1:53:", ""] {
        Smtpbench::new(&["once", "--target", "mx://a.test", "--dns", bad]).run().code(&[64]);
    }
}
