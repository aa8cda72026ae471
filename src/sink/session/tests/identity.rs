//! Whom the sink takes its client for.

use super::*;
use crate::sink::clients::ClientCounts;
use crate::smtp::proxy::{Endpoints, Header, Version};

const PROXY: Trust = Trust { proxy: true, xclient: false };
const XCLIENT: Trust = Trust { proxy: false, xclient: true };
const GREETING: &str = "220 sink.test ESMTP smtpbench sink\r\n";

fn service(trust: Trust, behavior: &Behavior) -> Arc<Service> {
    Arc::new(Service::new("sink.test", behavior, Protocol::Smtp).believing(trust))
}

fn clients(service: &Service) -> ClientCounts {
    Clients::count(std::iter::once(&service.clients))
}

/// A header that says the client is at `address`.
fn header(version: Version, address: &str) -> Vec<u8> {
    let ends = Endpoints::new(address.parse().unwrap(), "127.0.0.1:25".parse().unwrap());
    let mut out = Vec::new();
    Header::Tcp(ends).put(version, &mut out);
    out
}

const MESSAGE: &[u8] =
    b"HELO c\r\nMAIL FROM:<>\r\nRCPT TO:<a@b>\r\nDATA\r\n.\r\nRSET\r\nMAIL FROM:<>\r\nQUIT\r\n";

#[test]
fn a_header_says_who_the_client_is_at_every_cut() {
    let service = service(PROXY, &Behavior::default());
    let mut sessions = 0;
    for (version, address) in [
        (Version::V1, "192.0.2.1:7"),
        (Version::V2, "192.0.2.1:8"),
        (Version::V1, "[2001:db8::1]:7"),
        (Version::V2, "[2001:db8::2]:7"),
    ] {
        let header = header(version, address);
        let wire = [&header, MESSAGE].concat();
        for cut in 0..header.len() + 3 {
            sessions += 1;
            let played = play_at(&service, &[&wire[..cut], &wire[cut..]]);
            let output = String::from_utf8_lossy(&played.output);
            assert!(output.starts_with(GREETING), "{output:?}");
            assert!(output.ends_with("221 2.0.0 bye\r\n"), "{output:?}");
            assert_eq!(played.counts.messages, sessions);
        }
    }
    assert_eq!(clients(&service), ClientCounts { addresses: 3, headers_refused: 0 });
}

#[test]
fn a_header_without_an_address_leaves_the_one_of_the_connection() {
    let service = service(PROXY, &Behavior::default());
    for version in [Version::V1, Version::V2] {
        let mut wire = Vec::new();
        Header::Local.put(version, &mut wire);
        wire.extend_from_slice(MESSAGE);
        play_at(&service, &[&wire]);
    }
    assert_eq!(clients(&service), ClientCounts { addresses: 1, headers_refused: 0 });
}

#[test]
fn without_a_header_nothing_is_said() {
    for wire in [&b"EHLO c\r\n"[..], b"PROXY TCP4 1 2 3 4\r\nEHLO c\r\n", b"\r\n\r\n\0\r\nQUIT\r\n"]
    {
        let service = service(PROXY, &Behavior::default());
        let played = play_at(&service, &[wire]);
        assert_eq!((played.output.as_slice(), played.close), (&b""[..], Some(Close::Hangup)));
        assert_eq!(clients(&service), ClientCounts { addresses: 0, headers_refused: 1 });
    }
}

#[test]
fn a_header_has_a_time_for_all_of_it() {
    let service = service(PROXY, &Behavior::default());
    let start = clock::now();
    let mut session = SinkSession::new(Arc::clone(&service), start).with_peer(None, start);
    let mut out = Vec::new();
    session.start(start, &mut out);
    session.handle_input(start + Duration::from_secs(2), b"PROXY ", &mut out);
    assert_eq!(session.poll_timeout(), start + super::super::identity::HEADER_TIME_MAX);
    session.handle_timeout(start + super::super::identity::HEADER_TIME_MAX, &mut out);
    assert_eq!((out.len(), session.close()), (0, Some(Close::Hangup)));
    assert_eq!(clients(&service).headers_refused, 1);
    // One that came in time leaves the time of any session.
    let mut session = SinkSession::new(Arc::clone(&service), start).with_peer(None, start);
    session.start(start, &mut out);
    session.handle_input(start, b"PROXY UNKNOWN\r\n", &mut out);
    assert_eq!(session.poll_timeout(), start + IDLE_MAX);
}

#[track_caller]
fn check_xclient(behavior: &Behavior, dialogue: &str) -> (Played, ClientCounts) {
    let service = service(XCLIENT, behavior);
    let (client, server) = sides(dialogue);
    let played = play_at(&service, &[&client]);
    assert_eq!(String::from_utf8_lossy(&played.output), format!("{GREETING}{server}"));
    (played, clients(&service))
}

#[test]
fn xclient_begins_the_session_again() {
    let (_, clients) = check_xclient(
        &Behavior::default(),
        "C: EHLO c.test
         S: 250-sink.test
         S: 250-XCLIENT ADDR PORT NAME HELO PROTO LOGIN
         S: 250-PIPELINING
         S: 250-8BITMIME
         S: 250-SIZE 1073741824
         S: 250-ENHANCEDSTATUSCODES
         S: 250-SMTPUTF8
         S: 250-DSN
         S: 250-BINARYMIME
         S: 250-FUTURERELEASE 999999999 9999-12-31T23:59:59Z
         S: 250-MT-PRIORITY
         S: 250 CHUNKING
         C: xclient ADDR=192.0.2.1 NAME=a.test LOGIN=x+2By
         S: 220 sink.test ESMTP smtpbench sink
         C: MAIL FROM:<>
         S: 503 5.5.1 EHLO or HELO first
         C: HELO c.test
         S: 250 sink.test
         C: MAIL FROM:<>
         S: 250 2.1.0 sender ok
         C: XCLIENT ADDR=192.0.2.9
         S: 503 5.5.1 a transaction is under way
         C: RCPT TO:<a@b>
         S: 250 2.1.5 recipient ok
         C: DATA
         S: 354 send the mail data, end it with CRLF.CRLF
         C: .
         S: 250 2.0.0 message taken
         C: XCLIENT ADDR=IPV6:2001:db8::1
         S: 220 sink.test ESMTP smtpbench sink
         C: HELO c.test
         S: 250 sink.test
         C: MAIL FROM:<>
         S: 250 2.1.0 sender ok
         C: RCPT TO:<a@b>
         S: 250 2.1.5 recipient ok
         C: DATA
         S: 354 send the mail data, end it with CRLF.CRLF
         C: .
         S: 250 2.0.0 message taken
         C: XCLIENT
         S: 501 5.5.4 syntax error in arguments
         C: XCLIENT ADDR=2001:db8::1
         S: 501 5.5.4 syntax error in arguments
         C: XCLIENTS ADDR=192.0.2.1
         S: 500 5.5.2 command not recognized",
    );
    assert_eq!(clients, ClientCounts { addresses: 2, headers_refused: 0 });
}

#[test]
fn a_rule_refuses_xclient() {
    let (_, clients) = check_xclient(
        &replying(SinkVerb::Xclient, 550, "5.7.0 not you"),
        "C: HELO c.test
         S: 250 sink.test
         C: XCLIENT ADDR=192.0.2.1
         S: 550 5.7.0 not you
         C: MAIL FROM:<>
         S: 250 2.1.0 sender ok
         C: RCPT TO:<a@b>
         S: 250 2.1.5 recipient ok
         C: DATA
         S: 354 send the mail data, end it with CRLF.CRLF
         C: .
         S: 250 2.0.0 message taken",
    );
    assert_eq!(clients.addresses, 1, "the client's own address stays");
}

#[test]
fn who_is_not_told_to_believe_knows_no_xclient() {
    check("C: XCLIENT ADDR=192.0.2.1\nS: 500 5.5.2 command not recognized\n");
    check("C: PROXY TCP4 192.0.2.1 192.0.2.2 1 2\nS: 500 5.5.2 command not recognized\n");
}

proptest! {
    #[test]
    fn no_bytes_in_front_make_it_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..120),
        start in prop::sample::select(vec![&b""[..], b"PROXY ", b"\r\n\r\n\0\r\nQUIT\n"]),
    ) {
        let trust = Trust { proxy: true, xclient: true };
        let service = service(trust, &Behavior::default());
        play_at(&service, &[start, &bytes]);
    }
}
