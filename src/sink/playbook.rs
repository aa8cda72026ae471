//! The delays, freezes and rules of a behaviour, laid out by verb, with what all workers of a sink share about them.
//!
//! A verb that nothing is said about is plain: it costs one look, and nothing that another worker writes.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rand::RngExt as _;
use rand_xoshiro::SplitMix64;

use super::limiter::Limiter;
use crate::behavior::{Behavior, Delay, Effects, Rule, SinkVerb, When, Window};
use crate::message::seed::{Purpose, choice};

/// What one kind of event has for each verb.
type ByVerb<T> = [T; SinkVerb::COUNT];

/// A behaviour made ready.
#[derive(Debug)]
pub(super) struct Playbook {
    seed: u64,
    plain: ByVerb<bool>,
    delays: ByVerb<Vec<Delay>>,
    freezes: Vec<Window>,
    /// Which rules are for which verb, in order.
    at: ByVerb<Vec<usize>>,
    rules: Vec<Entry>,
    /// Whether a rule asks for the number of the message.
    counts_messages: bool,
    /// The first connection: times of the behaviour count from it.
    start: OnceLock<Instant>,
    /// Messages that were begun, by all workers; counted where a rule asks.
    messages: AtomicU64,
}

/// A rule with what it counts. Rules are few and do not fit often, so all workers count together.
#[derive(Debug)]
pub(super) struct Entry {
    when: When,
    pub(super) effects: Effects,
    /// Its reply as it goes over the wire.
    pub(super) line: Option<Box<[u8]>>,
    above: Option<Limiter>,
    at_most: Option<Limiter>,
    left: Option<AtomicU64>,
    hits: AtomicU64,
}

/// What a session is to the rules.
#[derive(Debug)]
pub(super) struct Case {
    session: u64,
    rng: SplitMix64,
    /// Replies to each verb so far.
    drawn: ByVerb<u32>,
    /// The number of its message among all; 0 outside transactions.
    message: u64,
    /// The number of its message in the session; it stays from one to the next.
    nth: u64,
    in_transaction: bool,
    /// What was found for the command under way: verb and rule.
    pub(super) verdict: Option<(SinkVerb, usize)>,
}

impl Playbook {
    pub(super) fn new(behavior: &Behavior) -> Self {
        let mut at: ByVerb<Vec<usize>> = Default::default();
        let mut delays: ByVerb<Vec<Delay>> = Default::default();
        for (verb, delay) in behavior.delays.iter().filter(|(_, delay)| !delay.is_zero()) {
            delays[*verb as usize].push(delay.clone());
        }
        for (index, rule) in behavior.rules.iter().enumerate() {
            at[rule.at as usize].push(index);
        }
        let numbered = |rule: &Rule| rule.when.message.is_some() || rule.when.nth.is_some();
        let counts_messages = behavior.rules.iter().any(numbered);
        let freezes = behavior.freezes.clone();
        let mut plain: ByVerb<bool> = std::array::from_fn(|verb| {
            at[verb].is_empty() && delays[verb].is_empty() && freezes.is_empty()
        });
        plain[SinkVerb::Mail as usize] &= !counts_messages;
        Self {
            seed: behavior.seed.unwrap_or_default(),
            plain,
            delays,
            freezes,
            at,
            rules: behavior.rules.iter().map(Entry::new).collect(),
            counts_messages,
            start: OnceLock::new(),
            messages: AtomicU64::new(0),
        }
    }

    /// Whether nothing is said about `verb`.
    pub(super) fn is_plain(&self, verb: SinkVerb) -> bool {
        self.plain[verb as usize]
    }

    /// A session, the `number`th of the sink, which begins at `now`; none where nothing is said about anything.
    pub(super) fn open(&self, number: u64, now: Instant) -> Option<Box<Case>> {
        if self.plain.iter().all(|plain| *plain) {
            return None;
        }
        self.start.get_or_init(|| now);
        Some(Box::new(Case {
            session: number,
            rng: choice(self.seed, Purpose::Sink, number, 0),
            drawn: [0; SinkVerb::COUNT],
            message: 0,
            nth: 0,
            in_transaction: false,
            verdict: None,
        }))
    }

    /// When the reply to `verb` is due, for a command at `now`. `in_turn` says whether the sink would take the command:
    /// only then do rules look at it.
    pub(super) fn judge(
        &self,
        case: &mut Case,
        verb: SinkVerb,
        in_turn: bool,
        now: Instant,
    ) -> Instant {
        case.verdict = None;
        if verb == SinkVerb::Mail && in_turn {
            self.begin_message(case);
        }
        let nth = case.drawn[verb as usize];
        case.drawn[verb as usize] = nth.saturating_add(1);
        let mut wait = Duration::ZERO;
        for delay in &self.delays[verb as usize] {
            wait = wait.saturating_add(delay.draw(&mut case.rng, nth));
        }
        let time = self.time(now);
        let fits = |index: &&usize| in_turn && self.rules[**index].fits(case, time);
        if let Some(index) = self.at[verb as usize].iter().find(fits).copied() {
            if let Some(delay) = &self.rules[index].effects.delay {
                wait = wait.saturating_add(delay.draw(&mut case.rng, nth));
            }
            case.verdict = Some((verb, index));
        }
        now + (self.thawed(time.saturating_add(wait)) - time)
    }

    /// The rule of that index, which is used now.
    pub(super) fn play(&self, index: usize) -> &Entry {
        let entry = &self.rules[index];
        entry.hits.fetch_add(1, Ordering::Relaxed);
        entry
    }

    /// Whether the rule of that index has a reply.
    pub(super) fn has_reply(&self, index: usize) -> bool {
        self.rules[index].line.is_some()
    }

    /// How often each rule was used.
    pub(super) fn hits(&self) -> Vec<u64> {
        self.rules.iter().map(|entry| entry.hits.load(Ordering::Relaxed)).collect()
    }

    fn begin_message(&self, case: &mut Case) {
        if self.counts_messages {
            case.message = self.messages.fetch_add(1, Ordering::Relaxed) + 1;
        }
        case.nth += 1;
        case.in_transaction = true;
    }

    /// Time since the first connection.
    fn time(&self, now: Instant) -> Duration {
        self.start.get().map_or(Duration::ZERO, |start| now.saturating_duration_since(*start))
    }

    /// The first time from `time` on at which nothing is frozen.
    fn thawed(&self, mut time: Duration) -> Duration {
        // One freeze may end in another. Freezes that cover all time hold replies back for a while, not for ever.
        for _ in 0..=self.freezes.len() {
            match self.freezes.iter().find_map(|freeze| freeze.end(time)) {
                Some(end) => time = end,
                None => break,
            }
        }
        time
    }
}

impl Case {
    /// The transaction is over.
    pub(super) fn end_message(&mut self) {
        self.in_transaction = false;
        self.message = 0;
    }
}

impl Entry {
    fn new(rule: &Rule) -> Self {
        let Rule { at: _, when, effects } = rule.clone();
        Self {
            line: effects.reply.as_ref().map(|reply| reply.line().into()),
            above: when.above.map(Limiter::new),
            at_most: when.at_most.map(Limiter::new),
            left: when.count.map(AtomicU64::new),
            hits: AtomicU64::new(0),
            when,
            effects,
        }
    }

    fn fits(&self, case: &mut Case, time: Duration) -> bool {
        let When { session, message, nth, window, share, above: _, at_most: _, count: _ } =
            &self.when;
        let nth_now = if case.in_transaction { case.nth } else { 0 };
        session.is_none_or(|numbers| numbers.contains(case.session))
            && message.is_none_or(|numbers| numbers.contains(case.message))
            && nth.is_none_or(|numbers| numbers.contains(nth_now))
            && window.is_none_or(|window| window.contains(time))
            && share.is_none_or(|share| case.rng.random::<f64>() < share)
            && self.above.as_ref().is_none_or(|limiter| !limiter.take(time))
            && self.at_most.as_ref().is_none_or(|limiter| limiter.take(time))
            && self.left.as_ref().is_none_or(|left| {
                let less = |left: u64| left.checked_sub(1);
                left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok()
            })
    }
}
