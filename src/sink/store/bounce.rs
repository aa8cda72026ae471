//! Bounces: a message that was taken comes back to its sender as a delivery status notification (RFC 3464).
//!
//! A plain client that says one command at a time, to loopback only. It is no part of what is measured.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use super::Kept;
use super::alter::body_start;
use crate::clock;
use crate::smtp::transparency::{END_OF_DATA, stuff};

/// How long each step of the dialogue may take.
const STEP_MAX: Duration = Duration::from_secs(5);

/// Longest line of a reply that is looked at; a server of the user's own says less.
const LINE_MAX: u64 = 4096;

/// Lines of one reply.
const LINES_MAX: usize = 100;

/// Sends the bounce of `kept` to the server at `to`.
///
/// # Errors
/// When the server cannot be reached or does not take it.
pub(super) fn send(kept: &Kept, to: SocketAddr, hostname: &str) -> io::Result<()> {
    let stream = TcpStream::connect_timeout(&to, STEP_MAX)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(STEP_MAX))?;
    stream.set_write_timeout(Some(STEP_MAX))?;
    let mut dialogue = BufReader::new(stream);
    expect(&mut dialogue, b'2')?;
    say(&mut dialogue, format!("HELO {hostname}\r\n").as_bytes(), b'2')?;
    // RFC 5321 section 4.5.5: a bounce has the null reverse-path, so that it never has a bounce of its own.
    say(&mut dialogue, b"MAIL FROM:<>\r\n", b'2')?;
    say(&mut dialogue, &[b"RCPT TO:<", &*kept.origin.sender, b">\r\n"].concat(), b'2')?;
    say(&mut dialogue, b"DATA\r\n", b'3')?;
    let mut data = stuff(&notification(kept, hostname));
    data.extend_from_slice(END_OF_DATA);
    say(&mut dialogue, &data, b'2')?;
    // It was taken; how the session ends changes nothing.
    let _ = say(&mut dialogue, b"QUIT\r\n", b'2');
    Ok(())
}

fn say(dialogue: &mut BufReader<TcpStream>, bytes: &[u8], wanted: u8) -> io::Result<()> {
    dialogue.get_mut().write_all(bytes)?;
    expect(dialogue, wanted)
}

/// Reads a reply, which has to begin with `wanted`.
fn expect(dialogue: &mut BufReader<TcpStream>, wanted: u8) -> io::Result<()> {
    for _ in 0..LINES_MAX {
        let mut line = Vec::new();
        let mut limited = io::Read::take(&mut *dialogue, LINE_MAX);
        limited.read_until(b'\n', &mut line)?;
        if line.get(3) == Some(&b'-') {
            continue;
        }
        return match line.first() {
            Some(digit) if *digit == wanted => Ok(()),
            _ => {
                let line = line.trim_ascii().escape_ascii();
                Err(io::Error::other(format!("the server for bounces said `{line}`")))
            }
        };
    }
    Err(io::Error::other("the server for bounces does not end its reply"))
}

/// The notification: for people, for machines, and the header of the message, by which its sender knows it.
fn notification(kept: &Kept, hostname: &str) -> Vec<u8> {
    let origin = &kept.origin;
    let id = format!("{}-{}", origin.session, origin.nth);
    let boundary = format!("=_bounce_{id}");
    let date = clock::wall().strftime("%a, %d %b %Y %H:%M:%S +0000");
    let sender = String::from_utf8_lossy(&origin.sender);
    let recipients: Vec<_> =
        origin.recipients.iter().map(|one| String::from_utf8_lossy(one)).collect();
    let of_each: String = recipients
        .iter()
        .map(|recipient| {
            format!(
                "\r\nFinal-Recipient: rfc822; {recipient}\r\nAction: failed\r\nStatus: 5.0.0\r\n\
                 Diagnostic-Code: smtp; 550 5.0.0 returned as a rule of the sink has it\r\n"
            )
        })
        .collect();
    let mut out = format!(
        "From: Mail Delivery System <MAILER-DAEMON@{hostname}>\r\nTo: <{sender}>\r\n\
         Subject: Undelivered mail returned to sender\r\nDate: {date}\r\n\
         Message-ID: <bounce-{id}-{}@{hostname}>\r\nAuto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/report; report-type=delivery-status;\r\n boundary=\"{boundary}\"\r\n\r\n\
         --{boundary}\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n\
         The message could not be delivered to {}.\r\n\r\n\
         --{boundary}\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; {hostname}\r\n\
         {of_each}\r\n--{boundary}\r\nContent-Type: text/rfc822-headers\r\n\r\n",
        clock::wall().as_microsecond(),
        recipients.join(", "),
    )
    .into_bytes();
    out.extend_from_slice(&kept.content[..body_start(&kept.content)]);
    out.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
    out
}
