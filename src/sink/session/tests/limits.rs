//! Every limit of a session: at it and beyond it.

use super::*;

#[test]
fn lines_at_below_and_above_the_limit() {
    for (length, want) in [
        (COMMAND_LINE_MAX - 1, "250 2.0.0 ok"),
        (COMMAND_LINE_MAX, "250 2.0.0 ok"),
        (COMMAND_LINE_MAX + 1, "500 5.5.2 line too long"),
        (100_000, "500 5.5.2 line too long"),
    ] {
        let mut line = b"NOOP ".to_vec();
        line.resize(length - 2, b'x');
        line.extend_from_slice(b"\r\nQUIT\r\n");
        let want = format!("220 sink.test ESMTP smtpbench sink\r\n{want}\r\n221 2.0.0 bye\r\n");
        for size in [1, 1000, 4095, 4096, 4097, length] {
            let pieces: Vec<&[u8]> = line.chunks(size).collect();
            let played = play(&Behavior::default(), &pieces);
            assert_eq!(String::from_utf8_lossy(&played.output), want, "{length} by {size}");
            assert_eq!(played.counts.commands, 2);
        }
    }
}

#[test]
fn recipients_at_and_above_the_limit() {
    let mut client = b"HELO c\r\nMAIL FROM:<>\r\n".to_vec();
    for _ in 0..=RECIPIENTS_MAX {
        client.extend_from_slice(b"RCPT TO:<a@b>\r\n");
    }
    client.extend_from_slice(b"DATA\r\n.\r\n");
    let played = play(&Behavior::default(), &[&client]);
    let output = String::from_utf8(played.output).unwrap();
    assert_eq!(output.matches("250 2.1.5").count(), RECIPIENTS_MAX as usize);
    assert_eq!(output.matches("452 4.5.3 too many recipients").count(), 1);
    assert_eq!(played.counts.recipients, u64::from(RECIPIENTS_MAX));
}

#[test]
fn messages_at_and_above_the_size_limit() {
    let behavior = Behavior { size_limit: Some(5), ..Behavior::default() };
    let played = check_with(
        &behavior,
        &format!(
            "{HELLO}
             C: MAIL FROM:<> SIZE=6
             S: 552 5.3.4 message over the size limit
             C: MAIL FROM:<> SIZE=5
             S: 250 2.1.0 sender ok
             C: RCPT TO:<a@b>
             S: 250 2.1.5 recipient ok
             C: DATA
             S: 354 send the mail data, end it with CRLF.CRLF
             C: ..xx
             C: .
             S: 250 2.0.0 message taken
             C: MAIL FROM:<>
             S: 250 2.1.0 sender ok
             C: RCPT TO:<a@b>
             S: 250 2.1.5 recipient ok
             C: DATA
             S: 354 send the mail data, end it with CRLF.CRLF
             C: xxxx
             C: .
             S: 552 5.3.4 message over the size limit"
        ),
    );
    assert_eq!((played.counts.messages, played.counts.refused_messages), (1, 1));
    assert_eq!(played.counts.bytes, 5);
}

#[test]
fn too_many_errors_end_the_session() {
    let nonsense = "x\r\n".repeat(ERRORS_MAX as usize + 50);
    let played = play(&Behavior::default(), &[nonsense.as_bytes()]);
    let output = String::from_utf8(played.output).unwrap();
    assert_eq!(output.matches("500 ").count(), ERRORS_MAX as usize);
    assert!(output.ends_with("421 4.7.0 too many errors, closing\r\n"));
    assert_eq!(played.close, Some(Close::Hangup));
    let fewer = "x\r\n".repeat(ERRORS_MAX as usize - 1);
    assert_eq!(play(&Behavior::default(), &[fewer.as_bytes()]).close, None);
}

#[test]
fn an_accepted_message_forgives_errors() {
    let errors = "x\r\n".repeat(ERRORS_MAX as usize - 1);
    let message = "HELO c\r\nMAIL FROM:<>\r\nRCPT TO:<a@b>\r\nDATA\r\n.\r\n";
    let client = format!("{errors}{message}{errors}");
    assert_eq!(play(&Behavior::default(), &[client.as_bytes()]).close, None);
}

#[test]
fn refused_mail_with_its_pipelined_group_is_no_error() {
    let group = "MAIL FROM:<>\r\nRCPT TO:<a@b>\r\nDATA\r\n".repeat(ERRORS_MAX as usize);
    let client = format!("HELO c\r\n{group}");
    let played = play(&replying(SinkVerb::Mail, 450, "later"), &[client.as_bytes()]);
    assert_eq!(played.close, None);
}

#[test]
fn replies_over_the_limit_pause_the_session() {
    let flood = "EHLO c\r\n".repeat(2000);
    let played = play(&Behavior::default(), &[flood.as_bytes()]);
    assert!(played.times.len() > 2, "written in several parts");
    assert!(played.times.iter().all(|(_, length)| *length < OUTPUT_MAX + 1024));
    let output = String::from_utf8(played.output).unwrap();
    assert_eq!(output.matches("250 CHUNKING").count(), 2000);
}

#[test]
fn a_silent_session_ends_after_the_idle_limit() {
    let service = Arc::new(Service::new("sink.test", &Behavior::default(), Protocol::Smtp));
    let start = clock::now();
    let (mut session, mut out) = (SinkSession::new(service, start), Vec::new());
    session.start(start, &mut out);
    let spoken = start + Duration::from_secs(100);
    session.handle_input(spoken, b"NOOP\r\n", &mut out);
    out.clear();
    session.handle_timeout(start + IDLE_MAX, &mut out);
    assert_eq!((out.as_slice(), session.close()), (&b""[..], None));
    assert_eq!(session.poll_timeout(), spoken + IDLE_MAX);
    session.handle_timeout(spoken + IDLE_MAX, &mut out);
    assert_eq!(out, IDLE);
    assert_eq!(session.close(), Some(Close::Hangup));
}

#[test]
fn a_session_is_small() {
    assert!(size_of::<SinkSession>() <= 256, "{}", size_of::<SinkSession>());
}
