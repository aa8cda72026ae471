//! What one worker has measured in the current interval.
//!
//! A recorder belongs to one worker: no lock, no atomic, and within an interval no allocation but for the first
//! sample, reply or failure of its kind.

use std::sync::Arc;

use crate::clock::{Duration, Instant};
use crate::measure::addresses::AddressTally;
use crate::measure::extensions::{Sending, Shortfall};
use crate::measure::histogram::Histogram;
use crate::measure::layout::{Layout, Place, PlaceId, ScriptId, SeriesId};
use crate::measure::outcome::{Clock, Failure, Fate, Fault, Outcome};
use crate::measure::tally::{
    ArrivalTally, FailureTally, MessageTally, RecipientFates, ReplyKind, ReplyTally, Sample,
    StageTally, Unstarted,
};
use crate::measure::tls::{TlsFacts, TlsTally, Unsecured};
use crate::smtp::reply::Reply;

/// Takes the samples of one worker.
#[derive(Debug)]
pub struct Recorder {
    layout: Arc<Layout>,
    worker: usize,
    started: Instant,
    interval: Duration,
    /// Number of the current interval, from 0 at `started`.
    current: u64,
    /// When it is over.
    boundary: Instant,
    series: Touched<Box<Histogram>>,
    replies: Touched<ReplyTally>,
    failures: Touched<FailureTally>,
    messages: Vec<MessageTally>,
    stages: Vec<StageTally>,
    tls: TlsTally,
    addresses: Vec<AddressTally>,
}

/// What one worker measured from one `take` to the next. Holds only what was touched.
#[derive(Clone, Debug)]
pub struct Snapshot {
    pub(super) worker: usize,
    /// The interval that it belongs to.
    pub(super) interval: u64,
    /// The worker has nothing more to say of intervals below this.
    pub(super) until: u64,
    pub(super) series: Vec<(SeriesId, Box<Histogram>)>,
    pub(super) replies: Vec<(PlaceId, ReplyTally)>,
    pub(super) failures: Vec<(PlaceId, FailureTally)>,
    pub(super) messages: Vec<(ScriptId, MessageTally)>,
    pub(super) stages: Vec<StageTally>,
    pub(super) tls: TlsTally,
    /// By index of stage and address.
    pub(super) addresses: Vec<(usize, AddressTally)>,
}

impl Recorder {
    /// A recorder for worker number `worker` (from 0). `started` and `interval` are those of the run, the same
    /// for every worker and for the collector.
    #[must_use]
    pub fn new(layout: Arc<Layout>, worker: usize, started: Instant, interval: Duration) -> Self {
        let interval = interval.max(Duration::from_millis(1));
        Self {
            worker,
            started,
            interval,
            current: 0,
            boundary: started + interval,
            series: Touched::new(layout.series_count()),
            replies: Touched::new(layout.place_count()),
            failures: Touched::new(layout.place_count()),
            messages: vec![MessageTally::default(); layout.script_count()],
            stages: vec![StageTally::default(); layout.stages().len()],
            tls: TlsTally::default(),
            addresses: vec![AddressTally::default(); layout.address_count()],
            layout,
        }
    }

    /// Whether the current interval is over.
    #[must_use]
    pub fn due(&self, now: Instant) -> bool {
        now >= self.boundary
    }

    /// When the current interval is over: by then `take` should be called.
    #[must_use]
    pub fn boundary(&self) -> Instant {
        self.boundary
    }

    /// Ends the current interval, and those that passed since without a call. What was recorded belongs to the
    /// interval that was current.
    pub fn take(&mut self, now: Instant) -> Snapshot {
        let elapsed = now.saturating_duration_since(self.started).as_nanos();
        let passed = elapsed / self.interval.as_nanos();
        // A run of 2^32 intervals would last a century.
        let next = u32::try_from(passed).unwrap_or(u32::MAX);
        let next = u64::from(next).max(self.current);
        let snapshot = self.empty_into(next);
        self.current = next;
        let offset = u32::try_from(next + 1).unwrap_or(u32::MAX);
        self.boundary = self.started + self.interval.saturating_mul(offset);
        snapshot
    }

    /// Ends the last interval, whole or not. Nothing may be recorded after it.
    pub fn finish(&mut self, now: Instant) -> Snapshot {
        let snapshot = self.take(now);
        Snapshot { until: u64::MAX, ..snapshot }
    }

    /// Records one sample.
    pub fn sample(&mut self, place: Place, clock: Clock, outcome: Outcome, value: Duration) {
        let series = self.layout.series(place, clock, outcome).index();
        self.series.entry(series).record(value);
    }

    /// Counts a reply. Only of the first of its kind in an interval the text is kept: what `shown` makes of it.
    pub fn reply(
        &mut self,
        place: Place,
        outcome: Outcome,
        reply: &Reply<'_>,
        shown: impl FnOnce(Vec<u8>) -> Vec<u8>,
    ) {
        let kind = ReplyKind { code: reply.code(), enhanced: reply.enhanced(), outcome };
        self.count_reply(place, kind, || shown(reply.lines().collect::<Vec<_>>().join(&b'\n')));
    }

    /// Counts a failure; `detail` is what the system or the peer said of it, or empty.
    pub fn failure(&mut self, place: Place, failure: Failure, detail: &str) {
        let index = self.layout.place(place).index();
        let (interval, worker) = (self.current, self.worker);
        self.failures
            .entry(index)
            .count(failure, 1, || Sample::new(interval, worker, detail.as_bytes()));
    }

    /// MAIL was written for a message with so many recipients in its envelope: it counts as attempted.
    pub fn message_started(&mut self, stage: u8, script: u16, recipients: u32) {
        let tally = &mut self.messages[self.layout.script(stage, script).index()];
        tally.attempted += 1;
        tally.recipients_attempted += u64::from(recipients);
    }

    /// A message that was started met its fate. `recipients` adds up to the number it started with. `ended_in`
    /// is the stage whose window was open at that time, where one was; `bytes` is the size of the mail data.
    pub fn message_ended(
        &mut self,
        stage: u8,
        script: u16,
        fate: Fate,
        recipients: &RecipientFates,
        ended_in: Option<u8>,
        bytes: u64,
    ) {
        let tally = &mut self.messages[self.layout.script(stage, script).index()];
        tally.fates.count(fate, 1);
        for fate in Fate::ALL {
            tally.recipient_fates.count(fate, u64::from(recipients.of(fate)));
        }
        if fate == Fate::Accepted {
            tally.accepted_bytes += bytes;
            if let Some(window) = ended_in {
                self.stages[usize::from(window)].completed += 1;
            }
        }
    }

    /// Records what the schedule says of a session or transaction that was to start at `intended`, began at `began`
    /// and ends now.
    pub fn on_schedule(
        &mut self,
        place: Place,
        outcome: Outcome,
        intended: Instant,
        began: Instant,
        now: Instant,
    ) {
        let (lag, response) =
            (began.saturating_duration_since(intended), now.saturating_duration_since(intended));
        self.sample(place, Clock::Lag, outcome, lag);
        self.sample(place, Clock::Response, outcome, response);
    }

    /// An arrival of an open load became due; it brings so many messages.
    pub fn arrival_due(&mut self, stage: u8, messages: u64) {
        let arrivals = self.arrivals(stage);
        arrivals.due += 1;
        arrivals.messages += messages;
    }

    /// An arrival was started.
    pub fn arrival_started(&mut self, stage: u8) {
        self.arrivals(stage).started += 1;
    }

    /// An arrival was not started in time, by our own fault.
    pub fn arrival_late(&mut self, stage: u8) {
        self.arrivals(stage).late += 1;
    }

    /// An arrival will not be started.
    pub fn arrival_not_started(&mut self, stage: u8, why: Unstarted) {
        let arrivals = self.arrivals(stage);
        match why {
            Unstarted::Dropped => arrivals.dropped += 1,
            Unstarted::Shed => arrivals.shed += 1,
            Unstarted::Left => arrivals.left += 1,
            Unstarted::Capped => arrivals.capped += 1,
        }
    }

    /// A message that an arrival brought will not be attempted; it had so many recipients.
    pub fn message_not_started(&mut self, stage: u8, recipients: u32) {
        let arrivals = self.arrivals(stage);
        arrivals.messages_not_started += 1;
        arrivals.recipients_not_started += u64::from(recipients);
    }

    fn arrivals(&mut self, stage: u8) -> &mut ArrivalTally {
        &mut self.stages[usize::from(stage)].arrivals
    }

    /// A session's connection stands.
    pub fn session_opened(&mut self, stage: u8) {
        self.stages[usize::from(stage)].opened += 1;
    }

    /// A session that was opened has ended, in whatever way.
    pub fn session_closed(&mut self, stage: u8) {
        self.stages[usize::from(stage)].closed += 1;
    }

    /// The target's address number `address` (from 0) took a connection, so long after it was asked to.
    pub fn address_connected(&mut self, place: Place, address: u16, took: Duration) {
        self.addresses[self.layout.address(place.stage, address)].sessions += 1;
        self.address_sample(place, address, Outcome::Accepted, took);
    }

    /// That address took none. A failure of our own is not held against it.
    pub fn address_failed(&mut self, place: Place, address: u16, failure: Failure, took: Duration) {
        if failure.fault() != Fault::Generator {
            self.addresses[self.layout.address(place.stage, address)].connect_failures += 1;
            self.address_sample(place, address, failure.outcome(), took);
        }
    }

    /// A message to that address met its fate.
    pub fn address_message(&mut self, stage: u8, address: u16, fate: Fate) {
        self.addresses[self.layout.address(stage, address)].fates.count(fate, 1);
    }

    /// Records a sample by address, where the target has several and the step is one that is told apart so.
    pub fn address_sample(
        &mut self,
        place: Place,
        address: u16,
        outcome: Outcome,
        value: Duration,
    ) {
        let Place { stage, step, .. } = place;
        if let Some(series) = self.layout.address_series(stage, address, step, outcome) {
            self.series.entry(series.index()).record(value);
        }
    }

    /// A session that was opened, where the scenario asks for TLS, has ended without.
    pub fn unsecured(&mut self, how: Unsecured) {
        self.tls.count_unsecured(how);
    }

    /// A session went over to TLS.
    pub fn secured(&mut self, facts: &TlsFacts) {
        self.tls.count(facts, 1);
    }

    /// MAIL was written for a message that went without what was asked for, or beyond what the server announces.
    pub fn fell_short(&mut self, stage: u8, shortfall: Shortfall) {
        self.stages[usize::from(stage)].extensions.count(shortfall);
    }

    /// MAIL was written for a message that was to go out in groups, which the server does not offer to take.
    pub fn not_pipelined(&mut self, stage: u8) {
        self.stages[usize::from(stage)].extensions.not_pipelined += 1;
    }

    /// MAILMAX (RFC 9422) ended a session that had messages left to send.
    pub fn session_cut(&mut self, stage: u8) {
        self.stages[usize::from(stage)].extensions.sessions_cut += 1;
    }

    /// RCPTMAX or RCPTDOMAINMAX (RFC 9422) left a recipient out.
    pub fn recipient_left_out(&mut self, stage: u8) {
        self.stages[usize::from(stage)].extensions.recipients_left_out += 1;
    }

    /// A transaction that was accepted took so many round trips.
    pub fn round_trips(&mut self, stage: u8, sending: Sending, round_trips: u32) {
        self.stages[usize::from(stage)].round_trips.count(sending, round_trips);
    }

    /// So many bytes were written to the target.
    pub fn bytes_sent(&mut self, stage: u8, bytes: u64) {
        self.stages[usize::from(stage)].bytes_sent += bytes;
    }

    pub(crate) fn count_reply(
        &mut self,
        place: Place,
        kind: ReplyKind,
        text: impl FnOnce() -> Vec<u8>,
    ) {
        let index = self.layout.place(place).index();
        let (interval, worker) = (self.current, self.worker);
        self.replies.entry(index).count(kind, 1, || Sample::new(interval, worker, &text()));
    }

    fn empty_into(&mut self, until: u64) -> Snapshot {
        let messages = self.messages.iter_mut().enumerate();
        let messages = messages
            .filter(|(_, tally)| **tally != MessageTally::default())
            .map(|(index, tally)| (ScriptId::from_index(index), std::mem::take(tally)))
            .collect();
        let addresses = self.addresses.iter_mut().enumerate();
        let addresses = addresses
            .filter(|(_, tally)| **tally != AddressTally::default())
            .map(|(index, tally)| (index, std::mem::take(tally)))
            .collect();
        Snapshot {
            addresses,
            worker: self.worker,
            interval: self.current,
            until,
            series: self.series.take(SeriesId::from_index),
            replies: self.replies.take(PlaceId::from_index),
            failures: self.failures.take(PlaceId::from_index),
            messages,
            stages: self.stages.iter_mut().map(std::mem::take).collect(),
            tls: std::mem::take(&mut self.tls),
        }
    }
}

/// A value an index, made when it is first asked for; knows which were.
#[derive(Debug)]
struct Touched<T> {
    values: Vec<Option<T>>,
    touched: Vec<usize>,
}

impl<T: Default> Touched<T> {
    fn new(count: usize) -> Self {
        Self { values: (0..count).map(|_| None).collect(), touched: Vec::new() }
    }

    fn entry(&mut self, index: usize) -> &mut T {
        let value = &mut self.values[index];
        if value.is_none() {
            self.touched.push(index);
        }
        value.get_or_insert_default()
    }

    fn take<I>(&mut self, id: impl Fn(usize) -> I) -> Vec<(I, T)> {
        let values = &mut self.values;
        self.touched
            .drain(..)
            .filter_map(|index| Some((id(index), values[index].take()?)))
            .collect()
    }
}
