//! What a worker lends to the dialogue that is moving: recorder, message numbers, a buffer for what goes out.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::clock::{self, Instant};
use crate::measure::recorder::Recorder;
use crate::plan::Plan;
use crate::schedule;
use crate::smtp::command::CommandBuffer;

/// One a worker; nothing in it is shared with another, but for the counter that message numbers come from.
#[derive(Debug)]
pub struct Desk {
    /// Start of the run.
    pub started: Instant,
    pub recorder: Recorder,
    pub numbers: Numbers,
    /// What goes out next.
    pub out: CommandBuffer,
    /// For headers that are rendered only to be measured or cut.
    pub scratch: Vec<u8>,
    /// Text of Date fields.
    pub date: String,
    /// When the last message ended.
    pub last_ended: Option<Instant>,
    /// No transaction may start any more.
    pub draining: bool,
}

impl Desk {
    /// A desk at the start of a run.
    #[must_use]
    pub fn new(started: Instant, recorder: Recorder, numbers: Numbers) -> Self {
        Self {
            started,
            recorder,
            numbers,
            out: CommandBuffer::default(),
            scratch: Vec::new(),
            date: date_field(),
            last_ended: None,
            draining: false,
        }
    }

    /// The stage at `now`; the last one after the end.
    #[must_use]
    pub fn stage_at(&self, plan: &Plan, now: Instant) -> u8 {
        let last = u8::try_from(plan.stages.len() - 1).unwrap_or(u8::MAX);
        self.window_at(plan, now).unwrap_or(last)
    }

    /// The stage in whose window `now` lies.
    #[must_use]
    pub fn window_at(&self, plan: &Plan, now: Instant) -> Option<u8> {
        let offset = now.saturating_duration_since(self.started);
        schedule::stage_at(&plan.stages, offset).and_then(|stage| u8::try_from(stage).ok())
    }
}

/// The text of a Date field, now (RFC 5322 section 3.3).
#[must_use]
pub fn date_field() -> String {
    clock::wall().strftime("%a, %d %b %Y %H:%M:%S +0000").to_string()
}

/// Where the workers' message numbers come from.
#[derive(Debug)]
pub struct NumberSource {
    next: AtomicU64,
    /// How many messages the run has; no end where there is none.
    bound: Option<u64>,
    lease: u64,
}

impl NumberSource {
    /// Numbers from 0 up to the bound of `plan`.
    #[must_use]
    pub fn new(plan: &Plan) -> Arc<Self> {
        let lease = schedule::lease_size(plan.messages.unwrap_or(u64::MAX), plan.workers);
        Arc::new(Self { next: AtomicU64::new(0), bound: plan.messages, lease })
    }

    /// The numbers that nobody has taken; none where there is no bound.
    #[must_use]
    pub fn untaken(&self) -> Range<u64> {
        let end = self.bound.unwrap_or(0);
        self.next.load(Ordering::Relaxed).min(end)..end
    }

    fn take_block(&self) -> Range<u64> {
        let start = self.next.fetch_add(self.lease, Ordering::Relaxed);
        let end = self.bound.unwrap_or(u64::MAX);
        start.min(end)..start.saturating_add(self.lease).min(end)
    }
}

/// A worker's message numbers: leased in blocks, so that the shared counter is touched seldom.
#[derive(Debug)]
pub struct Numbers {
    source: Arc<NumberSource>,
    block: Range<u64>,
    /// Numbers of transactions that ended before MAIL.
    returned: Vec<u64>,
}

impl Numbers {
    /// Numbers from `source`.
    #[must_use]
    pub fn new(source: Arc<NumberSource>) -> Self {
        Self { source, block: 0..0, returned: Vec::new() }
    }

    /// The number of the next message; `None` once there is none.
    pub fn take(&mut self) -> Option<u64> {
        if let Some(number) = self.returned.pop() {
            return Some(number);
        }
        if self.block.is_empty() {
            self.block = self.source.take_block();
        }
        self.block.next()
    }

    /// Gives a number back: its message was not attempted.
    pub fn give_back(&mut self, number: u64) {
        self.returned.push(number);
    }

    /// Whether there is work left for a new session.
    pub fn any_left(&mut self) -> bool {
        self.take().map(|number| self.give_back(number)).is_some()
    }

    /// The numbers that this worker holds and has not used.
    #[must_use]
    pub fn unused(&self) -> Vec<u64> {
        if self.source.bound.is_none() {
            return Vec::new();
        }
        self.block.clone().chain(self.returned.iter().copied()).collect()
    }
}
