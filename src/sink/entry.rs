//! A rule made ready, with what it counts.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rand::RngExt as _;

use super::limiter::Limiter;
use super::playbook::Case;
use crate::behavior::{Effects, Rule, Scope, SinkVerb, When};
use crate::smtp::parameters::domain_of;

/// Keys of one rule that are told apart, such as triples. The rule does not fit for more of them: a greylister whose
/// table is full lets mail through.
pub(super) const KEYS_MAX: usize = 1 << 20;

/// A rule with what it counts. Rules are few and do not fit often, so all workers count together.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) at: SinkVerb,
    when: When,
    pub(super) effects: Effects,
    /// Its reply as it goes over the wire.
    pub(super) line: Option<Box<[u8]>>,
    books: Books,
    /// How often it was used.
    pub(super) hits: AtomicU64,
}

/// What a rule counts.
#[derive(Debug)]
enum Books {
    /// Nothing.
    None,
    /// All together.
    One(Book),
    /// By key.
    Keyed(Mutex<HashMap<u64, Book>>),
}

/// What a rule counts of one key.
#[derive(Debug)]
struct Book {
    above: Option<Limiter>,
    at_most: Option<Limiter>,
    /// Nanoseconds at which it first came, plus 1; 0 before.
    first: AtomicU64,
    left: AtomicU64,
}

/// Whom a command comes from and whom it is for.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Parties<'a> {
    pub(super) client: Option<IpAddr>,
    /// The address in the command itself, in a MAIL or RCPT.
    pub(super) named: Option<&'a [u8]>,
}

impl Entry {
    pub(super) fn new(rule: &Rule) -> Self {
        let Rule { at, when, effects } = rule.clone();
        let counts = when.above.is_some()
            || when.at_most.is_some()
            || when.within.is_some()
            || when.count.is_some();
        let books = match when.per {
            _ if !counts => Books::None,
            Scope::Sink => Books::One(Book::new(&when)),
            _ => Books::Keyed(Mutex::default()),
        };
        let line = effects.reply.as_ref().map(|reply| reply.line().into());
        Self { at, line, books, hits: AtomicU64::new(0), when, effects }
    }

    /// Whether it ends the connection without a word.
    pub(super) fn is_silent(&self) -> bool {
        self.effects.end.is_some() && self.line.is_none()
    }

    /// Whether all conditions hold at `time`.
    pub(super) fn fits(&self, case: &mut Case, parties: Parties<'_>, time: Duration) -> bool {
        let When { recipient, sender, client, session, message, nth, window, share, .. } =
            &self.when;
        let verb = self.at;
        let nth_now = if case.in_transaction { case.nth } else { 0 };
        session.is_none_or(|numbers| numbers.contains(case.session))
            && message.is_none_or(|numbers| numbers.contains(case.message))
            && nth.is_none_or(|numbers| numbers.contains(nth_now))
            && client.is_none_or(|network| parties.client.is_some_and(|it| network.contains(it)))
            && sender.as_ref().is_none_or(|pattern| {
                case.sender(verb, parties).is_some_and(|it| pattern.contains(it))
            })
            && recipient.as_ref().is_none_or(|pattern| {
                case.recipients(verb, parties).any(|recipient| pattern.contains(recipient))
            })
            && window.is_none_or(|window| window.contains(time))
            && share.is_none_or(|share| case.rng.random::<f64>() < share)
            && self.counts(case, parties, time)
    }

    fn counts(&self, case: &Case, parties: Parties<'_>, time: Duration) -> bool {
        match &self.books {
            Books::None => true,
            Books::One(book) => book.fits(self.when.within, time),
            Books::Keyed(books) => {
                let key = self.key(case, parties);
                // A map is whole whatever happened to whoever held it.
                let mut books = books.lock().unwrap_or_else(PoisonError::into_inner);
                if books.len() >= KEYS_MAX && !books.contains_key(&key) {
                    return false;
                }
                let book = books.entry(key).or_insert_with(|| Book::new(&self.when));
                book.fits(self.when.within, time)
            }
        }
    }

    fn key(&self, case: &Case, parties: Parties<'_>) -> u64 {
        let mut hasher = DefaultHasher::new();
        let lower = |address: &[u8]| address.to_ascii_lowercase();
        let (scope, verb) = (self.when.per, self.at);
        if scope == Scope::Session {
            case.session.hash(&mut hasher);
        }
        if matches!(scope, Scope::Client | Scope::Triple) {
            parties.client.map(|client| client.to_canonical()).hash(&mut hasher);
        }
        if scope.has_sender() {
            case.sender(verb, parties).map(lower).hash(&mut hasher);
        }
        if scope == Scope::Domain {
            let domains = case.recipients(verb, parties).map(domain_of).map(lower);
            domains.for_each(|domain| domain.hash(&mut hasher));
        } else if scope.has_recipient() {
            case.recipients(verb, parties).map(lower).for_each(|one| one.hash(&mut hasher));
        }
        hasher.finish()
    }
}

impl Book {
    fn new(when: &When) -> Self {
        Self {
            above: when.above.map(Limiter::new),
            at_most: when.at_most.map(Limiter::new),
            first: AtomicU64::new(0),
            left: AtomicU64::new(when.count.unwrap_or(u64::MAX)),
        }
    }

    fn fits(&self, within: Option<Duration>, time: Duration) -> bool {
        self.above.as_ref().is_none_or(|limiter| !limiter.take(time))
            && self.at_most.as_ref().is_none_or(|limiter| limiter.take(time))
            && within.is_none_or(|within| self.is_within(within, time))
            && self
                .left
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1))
                .is_ok()
    }

    fn is_within(&self, within: Duration, time: Duration) -> bool {
        let now = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX - 1) + 1;
        let first = match self.first.compare_exchange(0, now, Ordering::Relaxed, Ordering::Relaxed)
        {
            Ok(_) => now,
            Err(first) => first,
        };
        Duration::from_nanos(now.saturating_sub(first)) < within
    }
}
