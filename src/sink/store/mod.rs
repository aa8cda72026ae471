//! Where messages are kept: a thread of its own that changes, holds back and writes them.
//!
//! The workers hand messages over by a bounded queue; where the disk is slower than the mail, the sink waits for it. What
//! is held back comes out when it is due, or when the sink stops. The first error of writing is kept for the end: a
//! disk that is full does not stop the mail.

mod alter;
mod bounce;
mod files;
mod record;

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use self::alter::altered;
use self::files::Files;
pub(super) use self::record::Recent;
use self::record::{Epoch, record};
use crate::behavior::Fate;
use crate::clock;

/// Messages on their way to the thread.
const QUEUE_MAX: usize = 128;

/// Messages that are held back at once; the next one has the one that is due first come out.
const HELD_MAX: usize = 100_000;

/// Bytes of them.
const HELD_BYTES_MAX: usize = 256 << 20;

/// How long it waits for a message when nothing is held back: only how often it looks in vain.
const PATIENCE: Duration = Duration::from_secs(3600);

/// Where messages are kept. Nothing where all are empty.
#[derive(Clone, Debug, Default)]
pub struct Capture {
    /// A Maildir: a file a message, as it came, behind `Return-Path` and `Delivered-To`.
    pub maildir: Option<PathBuf>,
    /// A file of all messages in the form mboxrd.
    pub mbox: Option<PathBuf>,
    /// A file with one JSON object a message and line.
    pub jsonl: Option<PathBuf>,
    /// The last messages in memory, told over HTTP with the counts there: an address of loopback.
    pub http: Option<SocketAddr>,
}

impl Capture {
    /// Whether anything is kept.
    #[must_use]
    pub fn is_any(&self) -> bool {
        let Self { maildir, mbox, jsonl, http } = self;
        maildir.is_some() || mbox.is_some() || jsonl.is_some() || http.is_some()
    }
}

/// Who sent a message to whom.
#[derive(Clone, Debug)]
pub(super) struct Origin {
    /// The session's number.
    pub(super) session: u64,
    /// The message's number in it.
    pub(super) nth: u64,
    pub(super) client: Option<IpAddr>,
    pub(super) helo: Box<[u8]>,
    pub(super) tls: bool,
    pub(super) sender: Vec<u8>,
    pub(super) recipients: Vec<Vec<u8>>,
}

/// When what happened to a message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    pub(super) connect: Instant,
    pub(super) mail: Instant,
    /// The last recipient that was accepted.
    pub(super) rcpt: Option<Instant>,
    pub(super) data: Option<Instant>,
    /// The end of data was read.
    pub(super) eod: Instant,
    pub(super) reply: Option<Instant>,
}

/// A message that was taken.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    pub(super) origin: Origin,
    pub(super) times: Times,
    /// The mail data, after transparency.
    pub(super) content: Vec<u8>,
    pub(super) fate: Fate,
    /// Decides what a change by chance changes.
    pub(super) draw: u64,
    /// When it comes out, where it is held back.
    pub(super) due: Option<Instant>,
}

/// The way to the thread; every worker has one.
#[derive(Clone, Debug)]
pub(super) struct Store(SyncSender<Item>);

/// What is handed over.
#[derive(Debug)]
enum Item {
    Kept(Box<Kept>),
    /// Nothing more comes.
    Stop,
}

impl Store {
    /// Hands a message over; waits where the thread is far behind.
    pub(super) fn keep(&self, kept: Kept) {
        // The thread outlives the workers.
        let _ = self.0.send(Item::Kept(Box::new(kept)));
    }
}

/// The thread.
#[derive(Debug)]
pub(super) struct Keeper {
    store: Store,
    thread: JoinHandle<io::Result<()>>,
    /// The last messages.
    pub(super) recent: Arc<Mutex<Recent>>,
}

impl Keeper {
    /// Opens what `capture` names and starts the thread; bounces go to `bounces_to`.
    ///
    /// # Errors
    /// When a folder or file cannot be made, or no thread is left.
    pub(super) fn start(
        capture: &Capture,
        bounces_to: Option<SocketAddr>,
        hostname: &str,
    ) -> io::Result<(Store, Self)> {
        let (sender, receiver) = sync_channel(QUEUE_MAX);
        let recent = Arc::new(Mutex::new(Recent::default()));
        let desk = Desk {
            files: Files::open(capture, hostname)?,
            epoch: Epoch::now(),
            recent: capture.http.map(|_| Arc::clone(&recent)),
            bounces_to,
            hostname: hostname.to_owned(),
            fault: None,
        };
        let thread = std::thread::Builder::new()
            .name("sink-store".into())
            .spawn(move || desk.run(&receiver))?;
        let store = Store(sender);
        Ok((store.clone(), Self { store, thread, recent }))
    }

    /// Waits until all is written that was handed over.
    ///
    /// # Errors
    /// The first one of writing.
    pub(super) fn finish(self) -> io::Result<()> {
        // Gone already only where it panicked.
        let _ = self.store.0.send(Item::Stop);
        let lost = || Err(io::Error::other("the thread that keeps messages was lost"));
        self.thread.join().unwrap_or_else(|_| lost())
    }
}

/// What the thread works with.
struct Desk {
    files: Files,
    epoch: Epoch,
    recent: Option<Arc<Mutex<Recent>>>,
    bounces_to: Option<SocketAddr>,
    hostname: String,
    fault: Option<io::Error>,
}

impl Desk {
    fn run(mut self, receiver: &Receiver<Item>) -> io::Result<()> {
        let mut held: BTreeMap<(Instant, u64), Box<Kept>> = BTreeMap::new();
        let (mut number, mut held_bytes) = (0, 0_usize);
        loop {
            let next = held.first_key_value().map(|((due, _), _)| *due);
            let wait = next.map_or(PATIENCE, |due| due.saturating_duration_since(clock::now()));
            match receiver.recv_timeout(wait) {
                Ok(Item::Kept(kept)) => match kept.due {
                    Some(due) => {
                        number += 1;
                        held_bytes += kept.content.len();
                        held.insert((due, number), kept);
                    }
                    None => self.write(&kept),
                },
                Err(RecvTimeoutError::Timeout) => {}
                Ok(Item::Stop) | Err(RecvTimeoutError::Disconnected) => break,
            }
            let now = clock::now();
            while let Some(((due, _), _)) = held.first_key_value()
                && (*due <= now || held.len() > HELD_MAX || held_bytes > HELD_BYTES_MAX)
                && let Some((_, kept)) = held.pop_first()
            {
                held_bytes -= kept.content.len();
                self.write(&kept);
            }
        }
        held.into_values().for_each(|kept| self.write(&kept));
        self.note(|desk| desk.files.flush());
        self.fault.map_or(Ok(()), Err)
    }

    fn write(&mut self, kept: &Kept) {
        if kept.fate.bounce.is_some() {
            return self.bounce(kept);
        }
        let content = altered(&kept.content, &kept.fate, kept.draw);
        let wanted = self.files.wants_records() || self.recent.is_some();
        for copy in 1..=1 + u32::from(kept.fate.twice) {
            let line = wanted.then(|| record(kept, &content, copy, &self.epoch));
            self.note(|desk| desk.files.write(kept, &content, line.as_deref()));
            if let (Some(recent), Some(line)) = (&self.recent, line) {
                recent.lock().unwrap_or_else(PoisonError::into_inner).push(line);
            }
        }
    }

    /// Sends a message back. A bounce itself has nobody to come back to (RFC 5321 section 4.5.5).
    fn bounce(&mut self, kept: &Kept) {
        if let Some(to) = self.bounces_to.filter(|_| !kept.origin.sender.is_empty()) {
            let named = |error: io::Error| {
                io::Error::new(error.kind(), format!("a bounce to {to}: {error}"))
            };
            let sent = bounce::send(kept, to, &self.hostname);
            if let Err(error) = &sent
                && matches!(error.kind(), io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock)
            {
                // Waiting for it again and again would hold up what is kept, and the end of the sink.
                self.bounces_to = None;
            }
            self.note(|_| sent.map_err(named));
        }
    }

    /// Does it, and keeps the first error.
    fn note(&mut self, act: impl FnOnce(&mut Self) -> io::Result<()>) {
        if let Err(error) = act(self) {
            self.fault.get_or_insert(error);
        }
    }
}
