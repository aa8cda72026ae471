//! A message in one line of JSON.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::time::Instant;

use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::alter::header;
use super::{Kept, Origin, Times};
use crate::clock;

/// How many of the last messages are kept in memory.
const RECENT_MAX: usize = 1000;

/// Two clocks at one moment.
#[derive(Debug)]
pub(super) struct Epoch {
    now: Instant,
    wall_us: i64,
}

impl Epoch {
    pub(super) fn now() -> Self {
        Self { now: clock::now(), wall_us: clock::wall().as_microsecond() }
    }

    /// Microseconds since 1970.
    pub(super) fn us(&self, time: Instant) -> i64 {
        let micros = |duration: std::time::Duration| i64::try_from(duration.as_micros());
        let later = micros(time.saturating_duration_since(self.now)).unwrap_or(i64::MAX);
        let earlier = micros(self.now.saturating_duration_since(time)).unwrap_or(i64::MAX);
        self.wall_us.saturating_add(later).saturating_sub(earlier)
    }
}

/// The last messages, as lines of JSON.
#[derive(Debug, Default)]
pub(in crate::sink) struct Recent(VecDeque<String>);

impl Recent {
    pub(super) fn push(&mut self, line: String) {
        if self.0.len() == RECENT_MAX {
            self.0.pop_front();
        }
        self.0.push_back(line);
    }

    /// The last `count` of them, the newest last.
    pub(in crate::sink) fn last(&self, count: usize) -> impl Iterator<Item = &str> {
        self.0.iter().skip(self.0.len().saturating_sub(count)).map(String::as_str)
    }
}

/// A row of the file. Times are microseconds since 1970.
#[derive(Serialize)]
struct Row {
    id: String,
    /// From 1; above it where the message is kept several times.
    copy: u32,
    client: Option<String>,
    helo: String,
    tls: bool,
    sender: String,
    recipients: Vec<String>,
    message_id: Option<String>,
    bytes: usize,
    /// Of the content as it is kept.
    sha256: String,
    altered: bool,
    held: bool,
    us_connect: i64,
    us_mail: i64,
    us_rcpt: Option<i64>,
    us_data: Option<i64>,
    us_eod: i64,
    us_reply: Option<i64>,
    us_kept: i64,
}

/// The line, without its end.
pub(super) fn record(kept: &Kept, content: &[u8], copy: u32, epoch: &Epoch) -> String {
    let Kept { origin, times, fate, due, .. } = kept;
    let Origin { session, nth, client, helo, tls, sender, recipients } = origin;
    let Times { connect, mail, rcpt, data, eod, reply } = *times;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let us = |time| epoch.us(time);
    let row = Row {
        id: format!("{session}-{nth}"),
        copy,
        client: client.map(|client| client.to_canonical().to_string()),
        helo: text(helo),
        tls: *tls,
        sender: text(sender),
        recipients: recipients.iter().map(|recipient| text(recipient)).collect(),
        message_id: header(content, "Message-ID"),
        bytes: content.len(),
        sha256: hex(&Sha256::digest(content)),
        altered: fate.alters(),
        held: due.is_some(),
        us_connect: us(connect),
        us_mail: us(mail),
        us_rcpt: rcpt.map(us),
        us_data: data.map(us),
        us_eod: us(eod),
        us_reply: reply.map(us),
        us_kept: us(clock::now()),
    };
    serde_json::to_string(&row).unwrap_or_default()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing into a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
