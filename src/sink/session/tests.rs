//! Dialogues as text. `C:` lines go in with CRLF, `S:` lines must come out; every dialogue is played with its input in
//! one piece and cut at every byte.

use proptest::prelude::*;

use super::*;
use crate::behavior::{Behavior, Delay, Reply};
use crate::clock;
use crate::sink::clients::{Clients, Trust};
use crate::sink::counts::SinkCounts;
use crate::sink::logins::Logins;
use crate::smtp::Protocol;

mod auth;
mod effects;
mod extensions;
mod identity;
mod limits;
mod rules;

/// What a played session left behind.
struct Played {
    output: Vec<u8>,
    /// When each piece of output came, counted from the start, with its length.
    times: Vec<(Duration, usize)>,
    close: Option<Close>,
    counts: SinkCounts,
}

/// Plays `pieces`, each as soon as the session takes input, on a virtual clock that stands still unless a reply is
/// delayed.
fn play(behavior: &Behavior, pieces: &[&[u8]]) -> Played {
    play_in(Protocol::Smtp, behavior, pieces)
}

/// The same in either protocol.
fn play_in(protocol: Protocol, behavior: &Behavior, pieces: &[&[u8]]) -> Played {
    play_at(&Arc::new(Service::new("sink.test", behavior, protocol)), pieces)
}

/// The same at a service, for a client on loopback.
fn play_at(service: &Arc<Service>, pieces: &[&[u8]]) -> Played {
    let start = clock::now();
    let mut now = start;
    let mut session =
        SinkSession::new(Arc::clone(service), now).with_peer(Some([127, 0, 0, 1].into()), now);
    let (mut output, mut times) = (Vec::new(), Vec::new());
    let mut out = Vec::new();
    session.start(now, &mut out);
    // Bounded, so that a session that never gets on fails instead of hanging.
    let steps_max = 10_000 + 2 * pieces.len();
    let mut pieces = pieces.iter();
    for _ in 0..steps_max {
        if !out.is_empty() {
            times.push((now - start, out.len()));
            output.append(&mut out);
        }
        if session.close().is_some() {
            break;
        } else if session.is_paused() {
            session.resume(now, &mut out);
        } else if !session.takes_input() {
            now = session.poll_timeout();
            session.handle_timeout(now, &mut out);
        } else if let Some(piece) = pieces.next() {
            session.handle_input(now, piece, &mut out);
        } else {
            let close = session.close();
            return Played { output, times, close, counts: service.counts() };
        }
    }
    Played { output, times, close: session.close(), counts: service.counts() }
}

/// Splits a dialogue into what the client sends and what the server says.
fn sides(dialogue: &str) -> (Vec<u8>, String) {
    let (mut client, mut server) = (Vec::new(), String::new());
    for line in dialogue.lines().map(str::trim_start).filter(|line| !line.is_empty()) {
        if let Some(said) = line.strip_prefix("S: ") {
            server.push_str(said);
            server.push_str("\r\n");
        } else {
            let sent = line.strip_prefix("C:").expect("a line begins with `C:` or `S: `");
            client.extend_from_slice(sent.strip_prefix(' ').unwrap_or(sent).as_bytes());
            client.extend_from_slice(b"\r\n");
        }
    }
    (client, server)
}

/// Checks a dialogue in full, after the greeting.
#[track_caller]
fn check_with(behavior: &Behavior, dialogue: &str) -> Played {
    let (client, server) = sides(dialogue);
    let want = format!("220 sink.test ESMTP smtpbench sink\r\n{server}");
    check_bytes(behavior, &client, &want)
}

#[track_caller]
fn check_bytes(behavior: &Behavior, client: &[u8], want: &str) -> Played {
    let whole = play(behavior, &[client]);
    for cut in 0..=client.len() {
        let cut_up = play(behavior, &[&client[..cut], &client[cut..]]);
        let output = String::from_utf8_lossy(&cut_up.output);
        assert_eq!(output, want, "cut at byte {cut} of {}", client.escape_ascii());
        assert_eq!(cut_up.counts, whole.counts, "cut at byte {cut}");
        assert_eq!(cut_up.close, whole.close, "cut at byte {cut}");
    }
    whole
}

#[track_caller]
fn check(dialogue: &str) -> Played {
    check_with(&Behavior::default(), dialogue)
}

fn replying(verb: SinkVerb, code: u16, text: &str) -> Behavior {
    let reply = Reply { code, text: text.into() };
    Behavior { replies: vec![(verb, reply)], ..Behavior::default() }
}

const HELLO: &str = "C: HELO c.test\nS: 250 sink.test\n";
const ENVELOPE: &str = "C: HELO c.test
    S: 250 sink.test
    C: MAIL FROM:<a@b.test>
    S: 250 2.1.0 sender ok
    C: RCPT TO:<c@d.test>
    S: 250 2.1.5 recipient ok\n";

#[test]
fn a_whole_session() {
    let played = check(
        "C: EHLO c.test
         S: 250-sink.test
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
         C: mail from:<a@b.test> size=100 body=8bitmime
         S: 250 2.1.0 sender ok
         C: Rcpt To:<c@d.test>
         S: 250 2.1.5 recipient ok
         C: RCPT TO:<e@f.test>
         S: 250 2.1.5 recipient ok
         C: DATA
         S: 354 send the mail data, end it with CRLF.CRLF
         C: Subject: x
         C:
         C: ..dot
         C: .
         S: 250 2.0.0 message taken
         C: QUIT
         S: 221 2.0.0 bye",
    );
    assert_eq!(played.close, Some(Close::Quit));
    let want = SinkCounts {
        connections: 1,
        messages: 1,
        recipients: 2,
        bytes: b"Subject: x\r\n\r\n.dot\r\n".len() as u64,
        commands: 6,
        ..SinkCounts::default()
    };
    assert_eq!(played.counts, want);
}

#[test]
fn one_segment_gets_its_replies_in_one_write() {
    let (client, _) = sides(&format!("{ENVELOPE}C: DATA\nC: x\nC: .\nC: RSET\nC: QUIT"));
    let played = play(&Behavior::default(), &[&client]);
    assert_eq!(played.times.len(), 2, "the greeting and one more");
}

#[test]
fn commands_out_of_turn() {
    check(
        "C: MAIL FROM:<a@b>
         S: 503 5.5.1 EHLO or HELO first
         C: RCPT TO:<a@b>
         S: 503 5.5.1 MAIL first
         C: DATA
         S: 503 5.5.1 MAIL first
         C: HELO c.test
         S: 250 sink.test
         C: MAIL FROM:<>
         S: 250 2.1.0 sender ok
         C: MAIL FROM:<>
         S: 503 5.5.1 a transaction is under way
         C: DATA
         S: 554 5.5.1 no valid recipients
         C: RSET
         S: 250 2.0.0 ok
         C: RCPT TO:<a@b>
         S: 503 5.5.1 MAIL first
         C: MAIL FROM:<>
         S: 250 2.1.0 sender ok
         C: HELO c.test
         S: 250 sink.test
         C: RCPT TO:<a@b>
         S: 503 5.5.1 MAIL first",
    );
}

#[test]
fn faulty_commands() {
    let played = check(
        "C: NOOP anything at all
         S: 250 2.0.0 ok
         C: noop  \t
         S: 250 2.0.0 ok
         C: VRFY someone
         S: 252 2.5.0 cannot verify, but will take mail
         C: VRFY
         S: 501 5.5.4 syntax error in arguments
         C: HELP
         S: 214 2.0.0 EHLO HELO MAIL RCPT DATA BDAT RSET NOOP VRFY HELP QUIT
         C: EHLO
         S: 501 a domain or an address literal is needed
         C: HELO two words
         S: 501 a domain or an address literal is needed
         C:
         S: 500 5.5.2 command not recognized
         C: STARTTLS
         S: 502 5.5.1 TLS is not offered, or spoken already
         C: MAILFROM:<a@b>
         S: 500 5.5.2 command not recognized
         C: RSET now
         S: 501 5.5.4 syntax error in arguments
         C: QUIT now
         S: 501 5.5.4 syntax error in arguments
         C: QUIT
         S: 221 2.0.0 bye",
    );
    assert_eq!((played.counts.commands, played.counts.replies_5yz), (13, 8));
}

#[test]
fn faulty_arguments() {
    check(&format!(
        "{HELLO}
         C: MAIL FROM:a@b
         S: 501 5.1.7 syntax error in the reverse-path
         C: MAIL
         S: 501 5.5.4 syntax error in arguments
         C: MAIL FROM:<a@b> RET=HEADERS
         S: 501 5.5.4 syntax error in arguments
         C: MAIL FROM:<a@b> REQUIRETLS
         S: 555 5.5.4 parameter not recognized
         C: MAIL FROM:<ä@b>
         S: 553 5.6.7 a non-ASCII address without SMTPUTF8
         C: MAIL FROM:<ä@b> SMTPUTF8
         S: 250 2.1.0 sender ok
         C: RCPT TO:<>
         S: 501 5.1.3 syntax error in the forward-path
         C: RCPT TO:<ö@b>
         S: 250 2.1.5 recipient ok
         C: DATA now
         S: 501 5.5.4 syntax error in arguments
         C: BDAT many
         S: 501 5.5.4 syntax error in arguments"
    ));
}

#[test]
fn a_line_that_ends_with_lf_alone_is_refused() {
    let want = "220 sink.test ESMTP smtpbench sink\r\n\
                500 5.5.2 the line ends with LF, not CRLF\r\n221 2.0.0 bye\r\n";
    check_bytes(&Behavior::default(), b"NOOP\nQUIT\r\n", want);
}

#[test]
fn chunks_are_counted_and_not_unstuffed() {
    let played = check(&format!(
        "{ENVELOPE}
         C: BDAT 7
         C: ..dot
         S: 250 2.0.0 chunk ok
         C: RCPT TO:<a@b>
         S: 503 5.5.1 not after BDAT
         C: DATA
         S: 503 5.5.1 not after BDAT
         C: BDAT 3 LAST
         C: .
         S: 250 2.0.0 message taken
         C: BDAT 6 LAST
         C: QUIT
         S: 503 5.5.1 MAIL first
         C: MAIL FROM:<>
         S: 250 2.1.0 sender ok
         C: RCPT TO:<a@b>
         S: 250 2.1.5 recipient ok
         C: BDAT 0 LAST
         S: 250 2.0.0 message taken"
    ));
    assert_eq!((played.counts.messages, played.counts.bytes), (2, 10));
}

#[test]
fn a_chunk_over_the_size_limit_is_swallowed() {
    let behavior = Behavior { size_limit: Some(8), ..Behavior::default() };
    let played = check_with(
        &behavior,
        &format!(
            "{ENVELOPE}
             C: BDAT 6
             C: QUIT
             S: 250 2.0.0 chunk ok
             C: BDAT 6
             C: QUIT
             S: 552 5.3.4 message over the size limit
             C: BDAT 6 LAST
             C: QUIT
             S: 503 5.5.1 the message failed, RSET first
             C: RSET
             S: 250 2.0.0 ok
             C: MAIL FROM:<>
             S: 250 2.1.0 sender ok
             C: BDAT 6 LAST
             C: QUIT
             S: 554 5.5.1 no valid recipients
             C: QUIT
             S: 221 2.0.0 bye"
        ),
    );
    assert_eq!((played.counts.messages, played.counts.refused_messages), (0, 1));
}

#[test]
fn fixed_replies_stand_in_for_the_own() {
    let mail = format!(
        "{HELLO}
         C: MAIL FROM:<a@b>
         S: 450 4.2.0 later
         C: RCPT TO:<a@b>
         S: 503 5.5.1 MAIL first"
    );
    let played = check_with(&replying(SinkVerb::Mail, 450, "4.2.0 later"), &mail);
    assert_eq!((played.counts.replies_4yz, played.counts.replies_5yz), (1, 1));
    let eod = format!(
        "{ENVELOPE}
         C: DATA
         S: 354 send the mail data, end it with CRLF.CRLF
         C: x
         C: .
         S: 550 5.7.1 spam
         C: MAIL FROM:<a@b>
         S: 250 2.1.0 sender ok"
    );
    let played = check_with(&replying(SinkVerb::Eod, 550, "5.7.1 spam"), &eod);
    assert_eq!((played.counts.messages, played.counts.refused_messages), (0, 1));
    let data = format!("{ENVELOPE}C: DATA\nS: 250 odd\nC: NOOP\nS: 250 2.0.0 ok");
    check_with(&replying(SinkVerb::Data, 250, "odd"), &data);
    let unknown = "C: XYZZY\nS: 502 5.5.1 no";
    check_with(&replying(SinkVerb::Unknown, 502, "5.5.1 no"), unknown);
    let bdat = format!(
        "{ENVELOPE}C: BDAT 2\nC:\nS: 451 no\nC: BDAT 2\nC:\nS: {}",
        "503 5.5.1 the message failed, RSET first"
    );
    check_with(&replying(SinkVerb::Bdat, 451, "no"), &bdat);
}

#[test]
fn a_fixed_421_closes() {
    let behavior = replying(SinkVerb::Noop, 421, "4.3.2 bye");
    let played =
        check_with(&behavior, "C: RSET\nS: 250 2.0.0 ok\nC: NOOP\nS: 421 4.3.2 bye\nC: RSET");
    assert_eq!(played.close, Some(Close::Hangup));
}

#[test]
fn a_greeting_that_refuses_leaves_quit_only() {
    let behavior = replying(SinkVerb::Greeting, 554, "no service");
    let want = "554 no service\r\n503 5.5.1 no service here, say QUIT\r\n\
                503 5.5.1 no service here, say QUIT\r\n221 2.0.0 bye\r\n";
    check_bytes(&behavior, b"EHLO c\r\nMAIL FROM:<>\r\nQUIT\r\n", want);
    let played = check_bytes(&replying(SinkVerb::Greeting, 421, "no"), b"EHLO c\r\n", "421 no\r\n");
    assert_eq!(played.close, Some(Close::Hangup));
}

#[test]
fn delays_add_up_in_order_as_in_a_serial_server() {
    let ms = Duration::from_millis;
    let delay = |verb, time| (verb, Delay::Fixed(ms(time)));
    let delays = vec![
        delay(SinkVerb::Greeting, 5),
        delay(SinkVerb::Rcpt, 20),
        delay(SinkVerb::Rcpt, 30),
        delay(SinkVerb::Eod, 7),
        delay(SinkVerb::Unknown, 1),
    ];
    let behavior = Behavior { delays, ..Behavior::default() };
    let dialogue = format!(
        "{ENVELOPE}
         C: RCPT TO:<e@f>
         S: 250 2.1.5 recipient ok
         C: DATA
         S: 354 send the mail data, end it with CRLF.CRLF
         C: x
         C: .
         S: 250 2.0.0 message taken
         C: BDAT 2 LAST
         C:
         S: 503 5.5.1 MAIL first
         C: XYZZY
         S: 500 5.5.2 command not recognized"
    );
    let played = check_with(&behavior, &dialogue);
    let times: Vec<Duration> = played.times.iter().map(|(time, _)| *time).collect();
    assert_eq!(times, [ms(5), ms(5), ms(55), ms(105), ms(112), ms(119), ms(120)]);
}

#[test]
fn a_long_line_is_answered_after_its_delay() {
    let delays = vec![(SinkVerb::Unknown, Delay::Fixed(Duration::from_secs(1)))];
    let behavior = Behavior { delays, ..Behavior::default() };
    let mut client = vec![b'x'; 2 * COMMAND_LINE_MAX];
    client.extend_from_slice(b"\r\nNOOP\r\n");
    let played = play(&behavior, &[&client[..5000], &client[5000..]]);
    let output = String::from_utf8(played.output).unwrap();
    assert!(output.ends_with("500 5.5.2 line too long\r\n250 2.0.0 ok\r\n"), "{output}");
    assert_eq!(played.times.last().unwrap().0, Duration::from_secs(1));
}

proptest! {
    #[test]
    fn any_bytes_give_the_same_at_every_cut(
        pieces in prop::collection::vec(prop_oneof![
            Just(b"EHLO c\r\n".to_vec()), Just(b"MAIL FROM:<>\r\n".to_vec()),
            Just(b"RCPT TO:<a@b>\r\n".to_vec()), Just(b"DATA\r\n".to_vec()), Just(b".\r\n".to_vec()),
            Just(b"BDAT 5\r\n".to_vec()), Just(b"BDAT 3 LAST\r\n".to_vec()), Just(b"\r\n".to_vec()),
            Just(b"\n".to_vec()), prop::collection::vec(any::<u8>(), 0..8),
        ], 0..20),
        cut in any::<prop::sample::Index>(),
    ) {
        let client = pieces.concat();
        let cut = cut.index(client.len() + 1);
        let whole = play(&Behavior::default(), &[&client]);
        let parts = play(&Behavior::default(), &[&client[..cut], &client[cut..]]);
        prop_assert_eq!(whole.output, parts.output);
        prop_assert_eq!(whole.counts, parts.counts);
    }
}

#[test]
fn lmtp_answers_mail_data_once_a_recipient() {
    let behavior = Behavior::default();
    let (client, server) = sides(
        "S: 220 sink.test LMTP smtpbench sink
         C: EHLO me.test
         S: 500 5.5.2 command not recognized
         C: LHLO me.test
         S: 250-sink.test
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
         C: MAIL FROM:<a@b.test>
         S: 250 2.1.0 sender ok
         C: RCPT TO:<c@d.test>
         S: 250 2.1.5 recipient ok
         C: RCPT TO:<e@d.test>
         S: 250 2.1.5 recipient ok
         C: BDAT 0 LAST
         S: 250 2.0.0 message taken
         S: 250 2.0.0 message taken
         C: MAIL FROM:<a@b.test>
         S: 250 2.1.0 sender ok
         C: BDAT 0 LAST
         S: 554 5.5.1 no valid recipients
         C: QUIT
         S: 221 2.0.0 bye",
    );
    let played = play_in(Protocol::Lmtp, &behavior, &[&client]);
    assert_eq!(String::from_utf8_lossy(&played.output), server);
    let counts = played.counts;
    assert_eq!((counts.messages, counts.recipients), (1, 2));
}
