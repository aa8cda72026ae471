//! From a message number to its envelope and mail data.

use std::io::IoSlice;
use std::ops::Range;

use rand::distr::Distribution;
use rand_distr::LogNormal;

use super::filler::Filler;
use super::seed::{self, Purpose, choice};
use super::template::{Template, Value};
use super::trace::TraceRow;
use super::{
    AddressSource, Addresses, Content, MESSAGE_BYTES_MAX, Mail, MailFile, Mark, MessageKind, Pick,
    SizeRule,
};

/// The domain of everything that smtpbench names by itself; reserved by RFC 2606.
const OWN_DOMAIN: &str = "smtpbench.test";
/// Recipients that the To field lists; the rest is in the envelope alone.
const TO_FIELD_MAX: u32 = 20;
/// z of the 99th percentile of the normal distribution.
const Z_99: f64 = 2.326_347_874_040_841;
/// A log-normal size is cut at so many times its 99th percentile.
const SIZE_TAIL: u64 = 4;

/// What one run puts into its mail.
#[derive(Clone, Debug)]
pub struct RunIdentity {
    /// 16 hex digits.
    pub run_id: String,
    /// What fixes every choice.
    pub seed: u64,
}

/// One message of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageId {
    /// Its number in the plan, from 0.
    pub seq: u64,
    /// Index into the kinds.
    pub kind: usize,
}

/// The text below the header: which bytes, and from where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// Made-up lines.
    Filler(Filler),
    /// A file of the kind.
    File { kind: usize, file: usize },
    /// The same, byte for byte (RFC 3030 section 3).
    Binary { kind: usize, file: usize },
}

impl Body {
    /// The same as a binary message has it.
    #[must_use]
    pub fn binary(self) -> Self {
        match self {
            Self::File { kind, file } => Self::Binary { kind, file },
            body => body,
        }
    }
}

impl Mail {
    /// The kind of message `seq` where its script names none.
    #[must_use]
    pub fn kind_of(&self, identity: &RunIdentity, seq: u64) -> usize {
        if self.kinds.len() == 1 {
            return 0;
        }
        seed::weighted(
            self.kinds.iter().map(|kind| kind.weight),
            choice(identity.seed, Purpose::Kind, seq, 0),
        )
    }

    /// How many recipients message `seq` has on RCPT lines with `{{recipient}}`.
    #[must_use]
    pub fn recipients_of(&self, identity: &RunIdentity, seq: u64) -> u32 {
        if let Some(row) = self.recorded(seq).filter(|row| !row.recipients.is_empty()) {
            return u32::try_from(row.recipients.len()).unwrap_or(u32::MAX);
        }
        let (low, high) =
            (u64::from(*self.per_message.start()), u64::from(*self.per_message.end()));
        let count = seed::uniform(low..=high, choice(identity.seed, Purpose::Recipients, seq, 0));
        u32::try_from(count).unwrap_or(u32::MAX)
    }

    /// Appends the reverse-path of message `seq`.
    pub fn put_sender(&self, identity: &RunIdentity, seq: u64, out: &mut Vec<u8>) {
        if let Some(sender) = self.recorded(seq).and_then(|row| row.sender.as_ref()) {
            out.extend_from_slice(sender.as_bytes());
            return;
        }
        // The index keeps the choices for the sender apart from those for recipients 0, 1, ...
        self.senders.put(identity, seq, u64::MAX, seq, out);
    }

    /// Appends forward-path `index` of message `seq`.
    pub fn put_recipient(&self, identity: &RunIdentity, seq: u64, index: u32, out: &mut Vec<u8>) {
        if let Some(row) = self.recorded(seq).filter(|row| !row.recipients.is_empty()) {
            let at = as_index(u64::from(index)) % row.recipients.len();
            out.extend_from_slice(row.recipients[at].as_bytes());
            return;
        }
        let position = seq.wrapping_mul(u64::from(*self.per_message.end())) + u64::from(index);
        self.recipients.put(identity, seq, u64::from(index), position, out);
    }

    /// Appends the domain of forward-path `index` of message `seq`.
    pub fn put_domain(&self, identity: &RunIdentity, seq: u64, index: u32, out: &mut Vec<u8>) {
        let start = out.len();
        self.put_recipient(identity, seq, index, out);
        if let Some(at) = out[start..].iter().rposition(|byte| *byte == b'@') {
            out.drain(start..=start + at);
        }
    }

    /// Appends the header of `message` and gives the body that belongs below it. `stuffed` says whether lines that
    /// begin with a dot get another (DATA) or not (BDAT); `date` is the Date field's text; `put_column` appends a
    /// cell of the session's row of a data table.
    pub fn put_head(
        &self,
        identity: &RunIdentity,
        message: MessageId,
        stuffed: bool,
        date: &str,
        put_column: impl Fn(usize, usize, &mut Vec<u8>),
        out: &mut Vec<u8>,
    ) -> Body {
        let kind = &self.kinds[message.kind];
        match &kind.content {
            Content::Generated { size, headers } => {
                let recorded = self.recorded(message.seq).and_then(|row| row.bytes);
                let size = recorded.unwrap_or_else(|| size.draw(identity, message.seq));
                let start = out.len();
                let fields = Fields { mail: self, identity, message, kind, size, date, headers };
                fields.put(stuffed, put_column, out);
                let head = (out.len() - start) as u64;
                // One byte cannot hold a line end, so a body is none or at least two bytes.
                let bytes = match size.saturating_sub(head) {
                    1 => 2,
                    bytes => bytes,
                };
                Body::Filler(Filler { bytes })
            }
            Content::Files { files, pick, mark } => {
                if *mark == Mark::Prepend {
                    put_mark(identity, message.seq, out);
                }
                let count = files.len() as u64;
                let file = match pick {
                    Pick::Random => {
                        let rng = choice(identity.seed, Purpose::File, message.seq, 0);
                        seed::uniform(0..=count - 1, rng)
                    }
                    Pick::RoundRobin | Pick::EachOnce | Pick::Unique => message.seq % count,
                };
                Body::File { kind: message.kind, file: usize::try_from(file).unwrap_or(0) }
            }
        }
    }

    /// The bytes of `body`.
    #[must_use]
    pub fn body_bytes(&self, body: Body, stuffed: bool) -> u64 {
        match body {
            Body::Filler(filler) => filler.bytes,
            Body::File { .. } | Body::Binary { .. } => self.file(body, stuffed).len() as u64,
        }
    }

    /// Fills `slices` with the bytes `range` of `body` and gives how many it took. They need not reach the end of
    /// the range: the caller writes them and asks again.
    pub fn body_slices<'a>(
        &'a self,
        body: Body,
        stuffed: bool,
        range: Range<u64>,
        slices: &mut [IoSlice<'a>],
    ) -> usize {
        match body {
            _ if range.is_empty() || slices.is_empty() => 0,
            Body::File { .. } | Body::Binary { .. } => {
                let (from, to) = (as_index(range.start), as_index(range.end));
                slices[0] = IoSlice::new(&self.file(body, stuffed)[from..to]);
                1
            }
            Body::Filler(filler) => filler.slices(range, slices),
        }
    }

    /// The file that `body` is from.
    #[must_use]
    pub fn file_of(&self, body: Body) -> Option<&MailFile> {
        let (Body::File { kind, file } | Body::Binary { kind, file }) = body else { return None };
        match &self.kinds[kind].content {
            Content::Files { files, .. } => files.get(file),
            Content::Generated { .. } => None,
        }
    }

    /// What was recorded of message `seq`.
    fn recorded(&self, seq: u64) -> Option<&TraceRow> {
        self.trace.as_ref()?.row(seq)
    }

    fn file(&self, body: Body, stuffed: bool) -> &[u8] {
        let Some(file) = self.file_of(body) else { return &[] };
        match body {
            Body::Binary { .. } => file.binary.as_ref().unwrap_or(&file.data),
            _ if stuffed => &file.stuffed,
            _ => &file.data,
        }
    }
}

pub(super) fn as_index(offset: u64) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}

impl Addresses {
    fn put(&self, identity: &RunIdentity, seq: u64, index: u64, position: u64, out: &mut Vec<u8>) {
        match &self.source {
            AddressSource::List(list) => {
                let at = as_index(position % list.len() as u64);
                out.extend_from_slice(list[at].as_bytes());
            }
            AddressSource::Pattern(pattern) => pattern.render(out, |value, out| match value {
                Value::Seq => put_number(seq, out),
                Value::Domain => {
                    let rng = choice(identity.seed, Purpose::Domain, seq, index);
                    let at = seed::weighted(self.domains.iter().map(|(_, weight)| *weight), rng);
                    if let Some((domain, _)) = self.domains.get(at) {
                        out.extend_from_slice(domain.as_bytes());
                    }
                }
                Value::Uniform { low, high, draw } => {
                    // Two numbers in one index: draws of one pattern, recipients of one message.
                    let index = index.wrapping_mul(1 << 32) ^ u64::from(*draw);
                    let rng = choice(identity.seed, Purpose::Uniform, seq, index);
                    put_number(seed::uniform(*low..=*high, rng), out);
                }
                // The compiler lets no other value into a pattern.
                _ => {}
            }),
        }
    }
}

/// Appends a number in digits.
pub fn put_number(number: u64, out: &mut Vec<u8>) {
    // Formatting takes a tenth of a message's time on our side.
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

fn put_text(pieces: &[&str], out: &mut Vec<u8>) {
    for piece in pieces {
        out.extend_from_slice(piece.as_bytes());
    }
}

/// The field that names the tool and the run, in every message.
fn put_mark(identity: &RunIdentity, seq: u64, out: &mut Vec<u8>) {
    put_text(
        &[
            concat!("X-Smtpbench: smtpbench/", env!("CARGO_PKG_VERSION"), "; run="),
            &identity.run_id,
            "; message=",
        ],
        out,
    );
    put_number(seq, out);
    out.extend_from_slice(b"\r\n");
}

impl SizeRule {
    /// The size of message `seq` in bytes.
    #[must_use]
    pub fn draw(&self, identity: &RunIdentity, seq: u64) -> u64 {
        let mut rng = choice(identity.seed, Purpose::Size, seq, 0);
        match *self {
            Self::Fixed(bytes) => bytes,
            Self::Uniform { low, high } => seed::uniform(low..=high, rng),
            Self::LogNormal { p50, p99 } => {
                #[expect(clippy::cast_precision_loss, reason = "sizes are below 2^30")]
                let (median, tail) = ((p50.max(1)) as f64, (p99.max(1)) as f64);
                let sigma = (tail / median).ln() / Z_99;
                let drawn =
                    LogNormal::new(median.ln(), sigma).map_or(median, |law| law.sample(&mut rng));
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "the cast saturates, and the law gives no negative number"
                )]
                let bytes = drawn.round() as u64;
                bytes.clamp(1, p99.saturating_mul(SIZE_TAIL).min(MESSAGE_BYTES_MAX))
            }
        }
    }
}

/// The header of a generated message.
struct Fields<'a> {
    mail: &'a Mail,
    identity: &'a RunIdentity,
    message: MessageId,
    kind: &'a MessageKind,
    size: u64,
    date: &'a str,
    headers: &'a [(String, Template)],
}

impl Fields<'_> {
    fn put(
        &self,
        stuffed: bool,
        put_column: impl Fn(usize, usize, &mut Vec<u8>),
        out: &mut Vec<u8>,
    ) {
        let seq = self.message.seq;
        put_mark(self.identity, seq, out);
        if self.is_ours("From") {
            out.extend_from_slice(b"From: <");
            self.mail.put_sender(self.identity, seq, out);
            out.extend_from_slice(b">\r\n");
        }
        if self.is_ours("To") {
            self.put_to(out);
        }
        if self.is_ours("Subject") {
            put_text(&["Subject: smtpbench ", &self.kind.name, " "], out);
            put_number(seq, out);
            out.extend_from_slice(b"\r\n");
        }
        if self.is_ours("Date") {
            put_text(&["Date: ", self.date, "\r\n"], out);
        }
        if self.is_ours("Message-ID") {
            put_text(&["Message-ID: <", &self.identity.run_id, "."], out);
            put_number(seq, out);
            put_text(&["@", OWN_DOMAIN, ">\r\n"], out);
        }
        for (name, value) in self.headers {
            if stuffed && name.starts_with('.') {
                out.push(b'.');
            }
            put_text(&[name, ": "], out);
            value.render(out, |value, out| self.put_value(value, &put_column, out));
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(b"\r\n");
    }

    fn is_ours(&self, field: &str) -> bool {
        !self.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case(field))
    }

    fn put_to(&self, out: &mut Vec<u8>) {
        let seq = self.message.seq;
        out.extend_from_slice(b"To: ");
        let count = self.mail.recipients_of(self.identity, seq).min(TO_FIELD_MAX);
        for index in 0..count {
            // A line of its own for each: addresses may be long, lines end at 998 (RFC 5322 section 2.1.1).
            out.extend_from_slice(if index == 0 { b"<" } else { b",\r\n <" });
            self.mail.put_recipient(self.identity, seq, index, out);
            out.push(b'>');
        }
        out.extend_from_slice(b"\r\n");
    }

    fn put_value(
        &self,
        value: &Value,
        put_column: &impl Fn(usize, usize, &mut Vec<u8>),
        out: &mut Vec<u8>,
    ) {
        let (mail, identity, seq) = (self.mail, self.identity, self.message.seq);
        match value {
            Value::Sender => mail.put_sender(identity, seq, out),
            Value::Recipient => mail.put_recipient(identity, seq, 0, out),
            Value::Domain => mail.put_domain(identity, seq, 0, out),
            Value::Seq => put_number(seq, out),
            Value::MessageSize => put_number(self.size, out),
            Value::MessageName => out.extend_from_slice(self.kind.name.as_bytes()),
            Value::Uniform { low, high, draw } => {
                put_number(uniform_value(identity.seed, seq, *low, *high, *draw), out);
            }
            Value::Column { table, column } => put_column(*table, *column, out),
            Value::Client => out.extend_from_slice(OWN_DOMAIN.as_bytes()),
        }
    }
}

/// `{{a..b}}` of a line or a header: fixed by seed, number and which of several it is.
#[must_use]
pub fn uniform_value(seed: u64, number: u64, low: u64, high: u64, draw: u32) -> u64 {
    // Address patterns use indices from 2^32 on and u64::MAX; these stay below.
    seed::uniform(low..=high, choice(seed, Purpose::Uniform, number, u64::from(draw)))
}

#[cfg(test)]
mod tests;
