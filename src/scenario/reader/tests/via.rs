//! `[client] via`: for whom sessions speak.

use super::*;
use crate::scenario::via::{Carrier, ClientAddress};
use crate::smtp::proxy::Version;

const CLIENT: &str = "[client]\nvia = ";

/// Reads `text` beside a table `clients` with `ip,port,proto`.
fn with_table(rows: &str, text: &str) -> Result<Scenario, FaultReport> {
    let folder = tempfile::tempdir().unwrap();
    let csv = format!("ip,port,proto\n{rows}");
    std::fs::write(folder.path().join("clients.csv"), csv).unwrap();
    let text = format!("{LOAD}[data.clients]\ncsv = \"clients.csv\"\n{text}");
    read_in(folder.path().to_str().unwrap(), &text)
}

#[track_caller]
fn via(text: &str) -> crate::scenario::via::Via {
    good(&format!("{LOAD}{CLIENT}{text}")).via.unwrap()
}

#[test]
fn each_way_is_read() {
    assert_eq!(good(LOAD).via, None);
    assert_eq!(via("\"proxy\"").carrier, Carrier::Proxy(Version::V2));
    assert_eq!(via("\"proxy\"").address, ClientAddress::Unknown);
    assert_eq!(
        via("\"proxy-v1\"\naddress = \"::1\"\nport = 7").carrier,
        Carrier::Proxy(Version::V1)
    );
    let all = "\"xclient\"\naddress = \"192.0.2.1\"\nport = \"{{1..9}}\"\nhostname = \"a{{1..9}}.test\"\n\
               helo = \"{{client}}\"\nproto = \"esmtp\"\nlogin = \"[UNAVAILABLE]\"";
    let all = via(all);
    assert_eq!((all.carrier, all.attributes.len()), (Carrier::Xclient, 4));
    let list = |text: &str| match via(&format!("\"proxy\"\naddress = {text}")).address {
        ClientAddress::List(list) => list.len(),
        other => panic!("{other:?}"),
    };
    assert_eq!(list("\"192.0.2.1-192.0.2.9\""), 9);
    assert_eq!(list("[\"192.0.2.1-192.0.2.9\", \"2001:db8::1\"]"), 10);
    let unknown = via("\"xclient\"\naddress = \"[UNAVAILABLE]\"");
    assert_eq!(unknown.address, ClientAddress::Unknown);
}

#[test]
fn a_header_without_a_client_is_remarked() {
    let remarks =
        |address: &str| good(&format!("{LOAD}{CLIENT}\"proxy\"\n{address}")).remarks().join("\n");
    assert!(remarks("").contains("the PROXY header names no client"), "{}", remarks(""));
    assert!(!remarks("address = \"192.0.2.1\"").contains("PROXY"));
}

#[test]
fn what_makes_no_sense_is_a_fault() {
    let check = |text: &str, want: &[&str]| check_part(&format!("[client]\n{text}"), want);
    check("via = \"x-client\"", &["5:7: `x-client` is not a value of `via`"]);
    check("via = \"xclient\"", &["5:7: `via = \"xclient\"` says no client's address"]);
    check(
        "address = \"192.0.2.1\"\nhelo = \"x\"",
        &[
            "5:1: `address` has no meaning without `via`",
            "6:1: `helo` has no meaning without `via`",
        ],
    );
    check(
        "via = \"proxy\"\nhostname = \"x\"\nlogin = \"y\"",
        &[
            "6:1: a PROXY header has no place for `hostname`",
            "7:1: a PROXY header has no place for `login`",
        ],
    );
    check(
        "via = \"proxy\"\naddress = [\"x\", \"::1-192.0.2.1\"]\nport = 65536",
        &[
            "6:12: `x` is not an IP address",
            "6:17: `::1-192.0.2.1` begins in IPv4 and ends in IPv6, or the reverse",
            "7:8: `port` is 65536, not from 0 to 65535",
        ],
    );
    check("via = \"proxy\"\naddress = []", &["6:11: 0 client addresses, not 1 to 4096"]);
    check(
        "via = \"proxy\"\naddress = 1",
        &["6:11: `address` needs text or a list of texts, not a whole number"],
    );
    check("via = \"proxy\"\nport = \"x\"", &["6:8: `x` is not a port from 0 to 65535"]);
    check(
        "via = \"xclient\"\naddress = \"{{seq}}\"\nproto = \"HTTP\"",
        &["6:14: `{{seq}}` has no meaning before EHLO", "7:9: `HTTP` is not SMTP or ESMTP"],
    );
}

#[test]
fn xclient_needs_an_ehlo_to_follow() {
    check_part(
        "[client]\nvia = \"xclient\"\naddress = \"::1\"\n[[scripts]]\nname = \"old\"\nsteps = '''\nHELO x\n'''",
        &["5:7: script `old` says no EHLO for XCLIENT to follow"],
    );
}

#[test]
fn every_cell_is_looked_at() {
    let with = |rows: &str, text: &str| {
        lines(with_table(rows, &format!("[client]\nvia = \"xclient\"\n{text}")))
    };
    let address = "address = \"{{clients.ip}}\"";
    assert_eq!(with("192.0.2.1,7,SMTP\n::1,,\n,,\n[unavailable],,\n", address), [""; 0]);
    assert_eq!(
        with("192.0.2.1,7,SMTP\n192.0.2.1.1,,\n192.0.2.256,,\n", address),
        ["8:11: `192.0.2.1.1` in row 2 of table `clients` is not an IP address"],
    );
    let all =
        format!("{address}\nport = \"{{{{clients.port}}}}\"\nproto = \"{{{{clients.proto}}}}\"");
    assert_eq!(
        with("192.0.2.1,x,SMTP\n192.0.2.2,70000,LMTP\n", &all),
        [
            "9:8: `x` in row 1 of table `clients` is not a port from 0 to 65535",
            "10:9: `LMTP` in row 2 of table `clients` is not SMTP or ESMTP",
        ],
    );
    let report = with_table("x,,\ny,,\nz,,\n", &format!("[client]\nvia = \"proxy\"\n{address}"));
    let hint = report.unwrap_err().faults()[0].hint.clone();
    assert_eq!(hint.as_deref(), Some("2 more rows of it are none either"));
    // What is put together is seen later.
    assert_eq!(with("1,,\n", "address = \"192.0.2.{{clients.ip}}\""), [""; 0]);
}
