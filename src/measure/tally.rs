//! Counts: replies, failures and fates. All of them add up in any order to the same.

use crate::measure::extensions::{ExtensionTally, RoundTripTally};
use crate::measure::outcome::{Failure, Fate, Outcome};
use crate::smtp::reply::{EnhancedCode, ReplyCode, Severity};

/// How many enhanced codes are told apart at one place; a peer that makes up more has the highest of them
/// counted under their reply code alone.
pub const ENHANCED_CODES_MAX: usize = 64;
/// How many bytes of a reply's text or a failure's detail are kept.
pub const SAMPLE_BYTES_MAX: usize = 200;

const FATES: usize = Fate::ALL.len();

/// Counts by fate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FateCounts(pub [u64; FATES]);

impl FateCounts {
    /// How many met `fate`.
    #[must_use]
    pub fn of(&self, fate: Fate) -> u64 {
        self.0[fate as usize]
    }

    /// All of them.
    #[must_use]
    pub fn sum(&self) -> u64 {
        self.0.iter().sum()
    }

    /// Counts `count` more.
    pub fn count(&mut self, fate: Fate, count: u64) {
        self.0[fate as usize] += count;
    }

    /// Adds all of `other`.
    pub fn add(&mut self, other: &Self) {
        for (sum, count) in self.0.iter_mut().zip(other.0) {
            *sum += count;
        }
    }
}

/// What became of the recipients of one message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RecipientFates(pub [u32; FATES]);

impl RecipientFates {
    /// Counts `count` more.
    pub fn count(&mut self, fate: Fate, count: u32) {
        self.0[fate as usize] += count;
    }

    /// How many met `fate`.
    #[must_use]
    pub fn of(&self, fate: Fate) -> u32 {
        self.0[fate as usize]
    }

    /// All of them.
    #[must_use]
    pub fn sum(&self) -> u32 {
        self.0.iter().sum()
    }
}

/// Messages and recipients of one stage and script.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MessageTally {
    /// Messages whose MAIL was written.
    pub attempted: u64,
    /// What became of them.
    pub fates: FateCounts,
    /// Recipients of those messages.
    pub recipients_attempted: u64,
    /// What became of them.
    pub recipient_fates: FateCounts,
    /// Mail data of accepted messages in bytes.
    pub accepted_bytes: u64,
}

impl MessageTally {
    /// Adds all of `other`.
    pub fn add(&mut self, other: &Self) {
        self.attempted += other.attempted;
        self.fates.add(&other.fates);
        self.recipients_attempted += other.recipients_attempted;
        self.recipient_fates.add(&other.recipient_fates);
        self.accepted_bytes += other.accepted_bytes;
    }
}

/// Why an arrival was not started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unstarted {
    /// No session was free for it, and the load says not to wait.
    Dropped,
    /// It waited longer than the load lets it.
    Shed,
    /// The load, or its warm-up, ended first.
    Left,
    /// It lies above what the target lets start.
    Capped,
}

/// Arrivals of an open load in one stage, and the messages that they brought.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ArrivalTally {
    /// Sessions or messages that were due.
    pub due: u64,
    /// Those that were started.
    pub started: u64,
    /// Those that were over a millisecond late though a session was free: the generator was not in time.
    pub late: u64,
    /// Not started since no session was free.
    pub dropped: u64,
    /// Not started since they waited too long.
    pub shed: u64,
    /// Not started when the load ended.
    pub left: u64,
    /// Not started since they lie above the target's `max_rate`.
    pub capped: u64,
    /// Messages that they brought.
    pub messages: u64,
    /// Those that were not attempted.
    pub messages_not_started: u64,
    /// Their recipients.
    pub recipients_not_started: u64,
}

impl ArrivalTally {
    /// Those that wait to be started.
    #[must_use]
    pub fn waiting(&self) -> u64 {
        let settled = self.started + self.dropped + self.shed + self.left + self.capped;
        self.due.saturating_sub(settled)
    }

    /// Those that the target lets start.
    #[must_use]
    pub fn allowed(&self) -> u64 {
        self.due.saturating_sub(self.capped)
    }

    /// Adds all of `other`.
    pub fn add(&mut self, other: &Self) {
        self.due += other.due;
        self.started += other.started;
        self.late += other.late;
        self.dropped += other.dropped;
        self.shed += other.shed;
        self.left += other.left;
        self.capped += other.capped;
        self.messages += other.messages;
        self.messages_not_started += other.messages_not_started;
        self.recipients_not_started += other.recipients_not_started;
    }
}

/// Sessions, bytes and completions of one stage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StageTally {
    /// Sessions that opened.
    pub opened: u64,
    /// Sessions that closed.
    pub closed: u64,
    /// Bytes written to the target.
    pub bytes_sent: u64,
    /// Messages that were accepted while this stage's window was open, whatever stage they belong to.
    pub completed: u64,
    /// What an open load's schedule brought.
    pub arrivals: ArrivalTally,
    /// Extensions that were asked for and could not be had.
    pub extensions: ExtensionTally,
    /// Round trips of the accepted transactions.
    pub round_trips: RoundTripTally,
}

impl StageTally {
    /// Adds all of `other`.
    pub fn add(&mut self, other: &Self) {
        self.opened += other.opened;
        self.closed += other.closed;
        self.bytes_sent += other.bytes_sent;
        self.completed += other.completed;
        self.arrivals.add(&other.arrivals);
        self.extensions.add(&other.extensions);
        self.round_trips.add(&other.round_trips);
    }
}

/// One text of many; the earliest is kept, so that merging is order-free.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sample {
    /// Interval and worker it came from.
    stamp: (u64, usize),
    /// At most [`SAMPLE_BYTES_MAX`] bytes, as the peer sent them; line ends are LF.
    text: Box<[u8]>,
}

impl Sample {
    pub(super) fn new(interval: u64, worker: usize, text: &[u8]) -> Self {
        let kept = &text[..text.len().min(SAMPLE_BYTES_MAX)];
        Self { stamp: (interval, worker), text: kept.into() }
    }

    /// The text.
    #[must_use]
    pub fn text(&self) -> &[u8] {
        &self.text
    }
}

/// What replies are told apart by at one place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ReplyKind {
    /// Its code.
    pub code: ReplyCode,
    /// Its enhanced code; `None` where it had none, or one of too many.
    pub enhanced: Option<EnhancedCode>,
    /// How its step ended.
    pub outcome: Outcome,
}

/// Replies of one place by kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReplyTally(Vec<(ReplyKind, u64, Sample)>);

impl ReplyTally {
    /// Counts replies of `kind`; `sample` is called for a kind that is new here.
    pub(super) fn count(&mut self, kind: ReplyKind, count: u64, sample: impl FnOnce() -> Sample) {
        // A server answers a step in few ways: looking along the list is faster than hashing.
        if let Some(known) = self.0.iter_mut().find(|(known, ..)| *known == kind) {
            known.1 += count;
            return;
        }
        let added = (kind, count, sample());
        self.insert(added);
        if kind.enhanced.is_some() {
            self.fold_highest();
        }
    }

    /// Adds all of `other`.
    pub(super) fn add(&mut self, other: Self) {
        for (kind, count, sample) in other.0 {
            match self.0.iter_mut().find(|(known, ..)| *known == kind) {
                Some(known) => {
                    known.1 += count;
                    if sample < known.2 {
                        known.2 = sample;
                    }
                }
                None => self.count(kind, count, || sample),
            }
        }
    }

    /// Kinds in order, with their counts and samples.
    #[must_use]
    pub fn sorted(&self) -> Vec<(ReplyKind, u64, &Sample)> {
        let mut kinds: Vec<_> =
            self.0.iter().map(|(kind, count, sample)| (*kind, *count, sample)).collect();
        kinds.sort_by_key(|(kind, ..)| *kind);
        kinds
    }

    /// Kinds with their counts, in no order.
    pub(super) fn kinds(&self) -> impl Iterator<Item = (&ReplyKind, u64)> {
        self.0.iter().map(|(kind, count, _)| (kind, *count))
    }

    /// Replies of one severity.
    #[must_use]
    pub fn of_severity(&self, severity: Severity) -> u64 {
        let fits = self.0.iter().filter(|(kind, ..)| kind.code.severity() == severity);
        fits.map(|(_, count, _)| count).sum()
    }

    /// All replies.
    #[must_use]
    pub fn sum(&self) -> u64 {
        self.0.iter().map(|(_, count, _)| count).sum()
    }

    fn insert(&mut self, added: (ReplyKind, u64, Sample)) {
        match self.0.iter_mut().find(|(known, ..)| *known == added.0) {
            Some(known) => {
                known.1 += added.1;
                known.2 = known.2.clone().min(added.2);
            }
            None => self.0.push(added),
        }
    }

    /// Keeps the lowest enhanced codes. Those would be kept in whatever order they came, so merging stays
    /// order-free; keeping the first ones would not.
    fn fold_highest(&mut self) {
        let enhanced = self.0.iter().filter(|(kind, ..)| kind.enhanced.is_some());
        if enhanced.clone().count() <= ENHANCED_CODES_MAX {
            return;
        }
        let highest = enhanced.map(|(kind, ..)| *kind).max();
        let Some(index) = self.0.iter().position(|(kind, ..)| Some(*kind) == highest) else {
            return;
        };
        let (kind, count, sample) = self.0.swap_remove(index);
        self.insert((ReplyKind { enhanced: None, ..kind }, count, sample));
    }
}

/// Failures of one place by kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FailureTally(Vec<(Failure, u64, Sample)>);

impl FailureTally {
    /// The kinds of failures.
    pub(super) fn failures(&self) -> impl Iterator<Item = Failure> {
        self.0.iter().map(|(failure, ..)| *failure)
    }

    /// Counts failures; `sample` is called for a kind that is new here.
    pub(super) fn count(&mut self, failure: Failure, count: u64, sample: impl FnOnce() -> Sample) {
        match self.0.iter_mut().find(|(known, ..)| *known == failure) {
            Some(known) => known.1 += count,
            None => self.0.push((failure, count, sample())),
        }
    }

    /// Adds all of `other`.
    pub(super) fn add(&mut self, other: Self) {
        for (failure, count, sample) in other.0 {
            match self.0.iter_mut().find(|(known, ..)| *known == failure) {
                Some(known) => {
                    known.1 += count;
                    if sample < known.2 {
                        known.2 = sample;
                    }
                }
                None => self.0.push((failure, count, sample)),
            }
        }
    }

    /// Kinds in order, with their counts and details.
    #[must_use]
    pub fn sorted(&self) -> Vec<(Failure, u64, &Sample)> {
        let mut kinds: Vec<_> =
            self.0.iter().map(|(failure, count, sample)| (*failure, *count, sample)).collect();
        kinds.sort_by_key(|(failure, ..)| *failure);
        kinds
    }

    /// All failures.
    #[must_use]
    pub fn sum(&self) -> u64 {
        self.0.iter().map(|(_, count, _)| count).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(detail: u16) -> ReplyKind {
        ReplyKind {
            code: ReplyCode::new(550).unwrap(),
            enhanced: Some(EnhancedCode { class: 5, subject: 7, detail }),
            outcome: Outcome::Rejected,
        }
    }

    #[test]
    fn a_peer_that_makes_up_codes_fills_no_memory() {
        let mut up = ReplyTally::default();
        let mut down = ReplyTally::default();
        for detail in 0..900 {
            up.count(kind(detail), 2, || Sample::new(u64::from(detail), 0, b"x"));
            let other = 899 - detail;
            down.count(kind(other), 2, || Sample::new(u64::from(other), 0, b"x"));
        }
        assert_eq!(up.sum(), 1800);
        assert_eq!(up.sorted(), down.sorted());
        assert_eq!(up.sorted().len(), ENHANCED_CODES_MAX + 1);
        let folded = up.sorted()[0];
        assert_eq!((folded.0.enhanced, folded.1), (None, 2 * (900 - ENHANCED_CODES_MAX as u64)));
    }

    #[test]
    fn exactly_the_limit_is_kept() {
        let mut tally = ReplyTally::default();
        for detail in 0..u16::try_from(ENHANCED_CODES_MAX).unwrap() {
            tally.count(kind(detail), 1, || Sample::new(0, 0, b""));
        }
        assert!(
            tally.sorted().iter().all(|(kind, count, _)| kind.enhanced.is_some() && *count == 1)
        );
    }

    #[test]
    fn samples_are_bounded() {
        assert_eq!(Sample::new(0, 0, &[b'x'; 100_000]).text().len(), SAMPLE_BYTES_MAX);
    }
}
