//! The sink over real sockets on loopback, with plain blocking clients.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use super::*;
use crate::behavior::{Delay, Reply, SinkVerb};
use crate::clock;

const GREETING: &str = "220 sink.test ESMTP smtpbench sink\r\n";
const MESSAGE_REPLIES: &str = "250 2.1.0 sender ok\r\n250 2.1.5 recipient ok\r\n\
     354 send the mail data, end it with CRLF.CRLF\r\n";

/// Longest wait for a reply, far above what any test takes.
const PATIENCE: Duration = Duration::from_secs(20);

fn start_at(listen: Vec<ListenAddress>, behavior: Behavior, threads: usize) -> Sink {
    let (protocol, hostname) = (Protocol::Smtp, "sink.test".into());
    Sink::start(SinkOptions {
        listen,
        behavior,
        protocol,
        hostname,
        trust: Trust::default(),
        threads,
        tls: None,
        logins: None,
        capture: Capture::default(),
    })
    .unwrap()
}

fn loopback() -> ListenAddress {
    ListenAddress::Tcp("127.0.0.1:0".parse().unwrap())
}

fn start() -> Sink {
    start_at(vec![loopback()], Behavior::default(), 2)
}

fn tcp_address(sink: &Sink) -> SocketAddr {
    match &sink.addresses()[0] {
        ListenAddress::Tcp(address) => *address,
        ListenAddress::Unix(path) => panic!("{} is no TCP address", path.display()),
    }
}

fn connect(sink: &Sink) -> TcpStream {
    let stream = TcpStream::connect(tcp_address(sink)).unwrap();
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Reads exactly `want`.
#[track_caller]
fn expect(stream: &mut impl Read, want: &str) {
    let mut got = vec![0; want.len()];
    stream.read_exact(&mut got).unwrap();
    assert_eq!(String::from_utf8_lossy(&got), want);
}

#[track_caller]
fn expect_end(stream: &mut impl Read) {
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).unwrap();
    assert_eq!(rest.escape_ascii().to_string(), "");
}

/// Waits for the counts: a client may see its reply before the worker's numbers.
#[track_caller]
fn eventually(sink: &Sink, is_true: impl Fn(SinkCounts) -> bool) {
    let limit = clock::now() + PATIENCE;
    while !is_true(sink.counts()) {
        assert!(clock::now() < limit, "{:?}", sink.counts());
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn converse(stream: &mut (impl Read + Write)) {
    expect(stream, GREETING);
    stream.write_all(b"HELO c.test\r\n").unwrap();
    expect(stream, "250 sink.test\r\n");
    for (command, reply) in [
        ("MAIL FROM:<a@b.test>\r\n", "250 2.1.0 sender ok\r\n"),
        ("RCPT TO:<c@d.test>\r\n", "250 2.1.5 recipient ok\r\n"),
        ("DATA\r\n", "354 send the mail data, end it with CRLF.CRLF\r\n"),
        ("Subject: x\r\n\r\n..\r\n.\r\n", "250 2.0.0 message taken\r\n"),
        ("QUIT\r\n", "221 2.0.0 bye\r\n"),
    ] {
        stream.write_all(command.as_bytes()).unwrap();
        expect(stream, reply);
    }
    expect_end(stream);
}

#[test]
fn whole_sessions_over_ipv4_ipv6_and_unix_sockets() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sink.sock");
    let listen = vec![
        loopback(),
        ListenAddress::Tcp("[::1]:0".parse().unwrap()),
        ListenAddress::Unix(path.clone()),
    ];
    let mut sink = start_at(listen, Behavior::default(), 2);
    converse(&mut connect(&sink));
    let ListenAddress::Tcp(ipv6) = &sink.addresses()[1] else { panic!("a TCP address") };
    assert!(ipv6.is_ipv6() && ipv6.port() != 0);
    converse(&mut TcpStream::connect(ipv6).unwrap());
    converse(&mut UnixStream::connect(&path).unwrap());
    sink.stop();
    assert!(!path.exists(), "the socket file is removed");
    let counts = sink.counts();
    let messages = (counts.connections, counts.messages, counts.recipients, counts.commands);
    assert_eq!(messages, (3, 3, 3, 15));
    assert_eq!(counts.bytes, 3 * 17);
}

#[test]
fn a_session_in_one_segment() {
    let sink = start();
    let mut client = connect(&sink);
    client
        .write_all(b"HELO c\r\nMAIL FROM:<>\r\nRCPT TO:<a@b>\r\nDATA\r\nx\r\n.\r\nNOOP\r\nQUIT\r\n")
        .unwrap();
    expect(&mut client, GREETING);
    expect(&mut client, "250 sink.test\r\n");
    expect(&mut client, MESSAGE_REPLIES);
    expect(&mut client, "250 2.0.0 message taken\r\n250 2.0.0 ok\r\n221 2.0.0 bye\r\n");
    expect_end(&mut client);
}

#[test]
fn a_session_byte_by_byte() {
    let sink = start();
    let mut client = connect(&sink);
    for byte in b"HELO c\r\nMAIL FROM:<>\r\nRCPT TO:<a@b>\r\nBDAT 3 LAST\r\n.\r\nQUIT\r\n" {
        client.write_all(&[*byte]).unwrap();
    }
    expect(&mut client, GREETING);
    expect(&mut client, "250 sink.test\r\n250 2.1.0 sender ok\r\n250 2.1.5 recipient ok\r\n");
    expect(&mut client, "250 2.0.0 message taken\r\n221 2.0.0 bye\r\n");
    expect_end(&mut client);
}

#[test]
fn a_line_of_100_kb_and_garbage() {
    let sink = start();
    let mut client = connect(&sink);
    let mut line = vec![b'x'; 100_000];
    line.extend_from_slice(b"\r\n\0\xff\x80\r\nNOOP\r\n");
    client.write_all(&line).unwrap();
    expect(&mut client, GREETING);
    expect(&mut client, "500 5.5.2 line too long\r\n500 5.5.2 command not recognized\r\n");
    expect(&mut client, "250 2.0.0 ok\r\n");
}

#[test]
fn the_last_reply_reaches_a_peer_that_keeps_sending_garbage() {
    let sink = start();
    let mut client = connect(&sink);
    // More than the sink reads before it gives up; a reset would lose the 421.
    let garbage = b"garbage\r\n".repeat(50_000);
    let _ = client.write_all(&garbage);
    let mut all = Vec::new();
    client.read_to_end(&mut all).unwrap();
    assert!(all.ends_with(b"421 4.7.0 too many errors, closing\r\n"));
}

#[test]
fn delays_hold_and_do_not_stop_others() {
    let delay = Duration::from_millis(200);
    let delays = vec![(SinkVerb::Noop, Delay::Fixed(delay))];
    let sink = start_at(vec![loopback()], Behavior { delays, ..Behavior::default() }, 1);
    let (mut slow, mut quick) = (connect(&sink), connect(&sink));
    expect(&mut slow, GREETING);
    let began = clock::now();
    slow.write_all(b"NOOP\r\nNOOP\r\nRSET\r\n").unwrap();
    converse(&mut quick);
    assert!(clock::now() - began < delay, "the other session waited too");
    expect(&mut slow, "250 2.0.0 ok\r\n");
    assert!(clock::now() - began >= delay);
    expect(&mut slow, "250 2.0.0 ok\r\n250 2.0.0 ok\r\n");
    assert!(clock::now() - began >= 2 * delay, "pipelined delays add up");
}

#[test]
fn fixed_replies() {
    let reply = |verb, code, text: &str| (verb, Reply { code, text: text.into() });
    let replies = vec![
        reply(SinkVerb::Rcpt, 450, "4.2.0 later"),
        reply(SinkVerb::Noop, 421, "4.3.2 going down"),
    ];
    let sink = start_at(vec![loopback()], Behavior { replies, ..Behavior::default() }, 2);
    let mut client = connect(&sink);
    client.write_all(b"HELO c\r\nMAIL FROM:<>\r\nRCPT TO:<a@b>\r\nDATA\r\nNOOP\r\n").unwrap();
    expect(&mut client, GREETING);
    expect(&mut client, "250 sink.test\r\n250 2.1.0 sender ok\r\n450 4.2.0 later\r\n");
    expect(&mut client, "554 5.5.1 no valid recipients\r\n421 4.3.2 going down\r\n");
    client.shutdown(Shutdown::Write).unwrap();
    expect_end(&mut client);
}

#[test]
fn counts_are_exact_over_2000_messages_in_10_connections() {
    const MESSAGES: u64 = 200;
    let sink = start();
    let address = tcp_address(&sink);
    std::thread::scope(|scope| {
        for _ in 0..10 {
            scope.spawn(move || {
                let mut client = TcpStream::connect(address).unwrap();
                client.set_nodelay(true).unwrap();
                expect(&mut client, GREETING);
                client.write_all(b"HELO c\r\n").unwrap();
                expect(&mut client, "250 sink.test\r\n");
                for _ in 0..MESSAGES {
                    client.write_all(b"MAIL FROM:<>\r\nRCPT TO:<a@b>\r\nDATA\r\n").unwrap();
                    expect(&mut client, MESSAGE_REPLIES);
                    client.write_all(b"..12345\r\n.\r\n").unwrap();
                    expect(&mut client, "250 2.0.0 message taken\r\n");
                }
            });
        }
    });
    let want = SinkCounts {
        connections: 10,
        messages: 10 * MESSAGES,
        recipients: 10 * MESSAGES,
        bytes: 10 * MESSAGES * 8,
        commands: 10 * (1 + 3 * MESSAGES),
        ..SinkCounts::default()
    };
    assert_eq!(sink.counts(), want);
    let balance: Vec<u64> =
        sink.services.iter().map(|service| service.counts().connections).collect();
    assert_eq!(balance, [5, 5]);
}

#[test]
fn a_client_that_disappears_in_the_middle_of_data() {
    let sink = start();
    let mut client = connect(&sink);
    client.write_all(b"HELO c\r\nMAIL FROM:<>\r\nRCPT TO:<a@b>\r\nDATA\r\nhalf").unwrap();
    eventually(&sink, |counts| counts.commands == 4);
    drop(client);
    converse(&mut connect(&sink));
    assert_eq!(sink.counts().messages, 1);
}

#[test]
fn a_client_that_does_not_read_holds_up_nobody() {
    let sink = start_at(vec![loopback()], Behavior::default(), 1);
    let mut deaf = connect(&sink);
    deaf.set_nonblocking(true).unwrap();
    let flood = b"HELP\r\n".repeat(10_000);
    let mut sent = 0;
    // Until the kernel's buffers are full on both sides, or so much is sent that they must be.
    while sent < 64 << 20 {
        match deaf.write(&flood) {
            Ok(length) => sent += length,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                std::thread::sleep(Duration::from_millis(20));
                if deaf.write(b"HELP\r\n").is_err() {
                    break;
                }
            }
            Err(error) => panic!("{error}"),
        }
    }
    converse(&mut connect(&sink));
}

#[test]
fn stopping_closes_everything() {
    let mut sink = start();
    let address = tcp_address(&sink);
    let mut client = connect(&sink);
    expect(&mut client, GREETING);
    sink.stop();
    let ended = client.read(&mut [0; 1]);
    assert!(matches!(ended, Ok(0) | Err(_)), "{ended:?}");
    assert!(TcpStream::connect(address).is_err());
    assert_eq!(sink.counts().connections, 1);
    sink.stop();
}

#[test]
fn an_address_in_use_and_options_without_sense_are_errors() {
    let sink = start();
    let options = |listen, hostname: &str, threads| SinkOptions {
        listen,
        behavior: Behavior::default(),
        protocol: Protocol::Smtp,
        hostname: hostname.into(),
        trust: Trust::default(),
        threads,
        tls: None,
        logins: None,
        capture: Capture::default(),
    };
    let taken = Sink::start(options(sink.addresses().to_vec(), "a", 1)).unwrap_err();
    assert_eq!(taken.kind(), ErrorKind::AddrInUse);
    assert!(taken.to_string().starts_with("127.0.0.1:"), "{taken}");
    for bad in [
        options(Vec::new(), "a", 1),
        options(vec![loopback()], "", 1),
        options(vec![loopback()], "a b", 1),
        options(vec![loopback()], "a\r\n", 1),
        options(vec![loopback()], "a", 0),
        options(vec![loopback()], "a", THREADS_MAX + 1),
    ] {
        assert_eq!(Sink::start(bad).unwrap_err().kind(), ErrorKind::InvalidInput);
    }
}
