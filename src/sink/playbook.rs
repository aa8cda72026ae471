//! The delays, freezes and rules of a behaviour, laid out by verb, with what all workers of a sink share about them.
//!
//! A verb that nothing is said about is plain: it costs one look, and nothing that another worker writes.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use rand_xoshiro::SplitMix64;

use super::entry::{Entry, Parties};
use crate::behavior::{Behavior, Delay, Rule, SinkVerb, When, Window, may_have_word, word};
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
    rules: Vec<Arc<Entry>>,
    /// Whether a rule asks for the number of the message.
    counts_messages: bool,
    /// Whether a rule asks for sender or recipients after their commands.
    keeps_envelope: bool,
    /// Whether a rule asks for the client.
    pub(super) asks_client: bool,
    /// Whether words in addresses ask for something.
    words: bool,
    /// The first connection: times of the behaviour count from it.
    start: OnceLock<Instant>,
    /// Messages that were begun, by all workers; counted where a rule asks.
    messages: AtomicU64,
}

/// What a session is to the rules.
#[derive(Debug)]
pub(super) struct Case {
    pub(super) session: u64,
    pub(super) rng: SplitMix64,
    /// Replies to each verb so far.
    drawn: ByVerb<u32>,
    /// The number of its message among all; 0 outside transactions.
    pub(super) message: u64,
    /// The number of its message in the session; it stays from one to the next.
    pub(super) nth: u64,
    pub(super) in_transaction: bool,
    /// Whether sender and recipients are kept.
    keeps_envelope: bool,
    sender: Vec<u8>,
    recipients: Vec<Vec<u8>>,
    /// What was found for the command under way.
    pub(super) verdict: Option<Arc<Entry>>,
    /// What a recipient of the message asked for by a word, for a later command.
    pub(super) asked: Option<Arc<Entry>>,
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
        let any = |asks: fn(&When) -> bool| behavior.rules.iter().any(|rule| asks(&rule.when));
        let counts_messages = any(|when| when.message.is_some() || when.nth.is_some());
        let keeps_envelope = behavior.rules.iter().any(asks_envelope);
        let asks_client = any(|when| when.client.is_some() || when.per.has_client());
        let freezes = behavior.freezes.clone();
        let mut plain: ByVerb<bool> = std::array::from_fn(|verb| {
            at[verb].is_empty() && delays[verb].is_empty() && freezes.is_empty()
        });
        // Where a message begins: what later commands go by is noted there.
        plain[SinkVerb::Mail as usize] &= behavior.rules.is_empty();
        Self {
            seed: behavior.seed.unwrap_or_default(),
            plain,
            delays,
            freezes,
            at,
            rules: behavior.rules.iter().map(Entry::new).map(Arc::new).collect(),
            counts_messages,
            keeps_envelope,
            asks_client,
            words: !behavior.no_words,
            start: OnceLock::new(),
            messages: AtomicU64::new(0),
        }
    }

    /// Whether nothing is said about this command.
    pub(super) fn is_plain(&self, verb: SinkVerb, argument: &[u8]) -> bool {
        self.plain[verb as usize]
            && !(verb == SinkVerb::Rcpt && self.words && may_have_word(argument))
    }

    /// A session, the `number`th of the sink, which begins at `now`; none where nothing is said about anything.
    pub(super) fn open(&self, number: u64, now: Instant) -> Option<Box<Case>> {
        if self.plain.iter().all(|plain| *plain) {
            return None;
        }
        self.start.get_or_init(|| now);
        Some(self.case(number))
    }

    /// What the `number`th session is to the rules.
    pub(super) fn case(&self, number: u64) -> Box<Case> {
        Box::new(Case {
            session: number,
            rng: choice(self.seed, Purpose::Sink, number, 0),
            drawn: [0; SinkVerb::COUNT],
            message: 0,
            nth: 0,
            in_transaction: false,
            keeps_envelope: self.keeps_envelope,
            sender: Vec::new(),
            recipients: Vec::new(),
            verdict: None,
            asked: None,
        })
    }

    /// When the reply to `verb` is due, for a command at `now` that the sink would take.
    pub(super) fn judge(
        &self,
        case: &mut Case,
        verb: SinkVerb,
        parties: Parties<'_>,
        now: Instant,
    ) -> Instant {
        if verb == SinkVerb::Mail {
            self.begin_message(case);
        }
        let (time, nth) = (self.time(now), case.drawn[verb as usize]);
        let mut wait = self.wait(case, verb);
        let fits = |index: &&usize| self.rules[**index].fits(case, parties, time);
        let by_rule = self.at[verb as usize].iter().find(fits).map(|index| &self.rules[*index]);
        let verdict = by_rule.cloned().or_else(|| self.word(case, verb, parties));
        if let Some(delay) = verdict.as_ref().and_then(|entry| entry.effects.delay.as_ref()) {
            wait = wait.saturating_add(delay.draw(&mut case.rng, nth));
        }
        case.verdict = verdict;
        now + (self.thawed(time.saturating_add(wait)) - time)
    }

    /// When the reply to `verb` is due, for a command at `now` that the sink would not take: no rule looks at it.
    pub(super) fn delay(&self, case: &mut Case, verb: SinkVerb, now: Instant) -> Instant {
        case.verdict = None;
        let time = self.time(now);
        let wait = self.wait(case, verb);
        now + (self.thawed(time.saturating_add(wait)) - time)
    }

    /// How often each rule was used.
    pub(super) fn hits(&self) -> Vec<u64> {
        self.rules.iter().map(|entry| entry.hits.load(Ordering::Relaxed)).collect()
    }

    /// What every reply to `verb` waits.
    fn wait(&self, case: &mut Case, verb: SinkVerb) -> Duration {
        let nth = case.drawn[verb as usize];
        case.drawn[verb as usize] = nth.saturating_add(1);
        self.delays[verb as usize]
            .iter()
            .map(|delay| delay.draw(&mut case.rng, nth))
            .fold(Duration::ZERO, Duration::saturating_add)
    }

    /// What the recipient in a RCPT asks for; what is for a later command is kept for that.
    fn word(&self, case: &mut Case, verb: SinkVerb, parties: Parties<'_>) -> Option<Arc<Entry>> {
        let named = parties.named.filter(|_| self.words && verb == SinkVerb::Rcpt)?;
        let (at, effects) = word(named)?;
        let entry = Arc::new(Entry::new(&Rule { at, when: When::default(), effects }));
        if at == SinkVerb::Rcpt {
            return Some(entry);
        }
        case.asked.get_or_insert(entry);
        None
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

/// Whether `rule` asks for sender or recipients after the command that names them.
fn asks_envelope(rule: &Rule) -> bool {
    let When { recipient, sender, per, .. } = &rule.when;
    let recipient = recipient.is_some() || per.has_recipient();
    let sender = sender.is_some() || per.has_sender();
    recipient && rule.at != SinkVerb::Rcpt || sender && rule.at != SinkVerb::Mail
}

impl Case {
    /// The sender was accepted.
    pub(super) fn note_sender<'a>(&mut self, path: impl FnOnce() -> Option<&'a [u8]>) {
        if self.keeps_envelope {
            self.sender = path().unwrap_or_default().to_vec();
        }
    }

    /// A recipient was accepted.
    pub(super) fn note_recipient(&mut self, path: &[u8]) {
        if self.keeps_envelope {
            self.recipients.push(path.to_vec());
        }
    }

    /// The transaction is over.
    pub(super) fn end_message(&mut self) {
        self.in_transaction = false;
        self.message = 0;
        self.asked = None;
        self.sender.clear();
        self.recipients.clear();
    }

    /// The sender as far as it is known at `verb`.
    pub(super) fn sender<'c>(&'c self, verb: SinkVerb, parties: Parties<'c>) -> Option<&'c [u8]> {
        match verb {
            SinkVerb::Mail => parties.named,
            _ => self.in_transaction.then_some(&*self.sender),
        }
    }

    /// The recipients that a command is about: of a RCPT its own, later all of the message.
    pub(super) fn recipients<'c>(
        &'c self,
        verb: SinkVerb,
        parties: Parties<'c>,
    ) -> impl Iterator<Item = &'c [u8]> {
        let (own, all): (_, &[Vec<u8>]) = match verb {
            SinkVerb::Rcpt => (parties.named, &[]),
            _ => (None, &self.recipients),
        };
        own.into_iter().chain(all.iter().map(Vec::as_slice))
    }

    /// What is done at `verb`, which is under way: what a rule says, or what a recipient asked for.
    pub(super) fn entry(&self, verb: SinkVerb) -> Option<&Arc<Entry>> {
        let of_verb = |entry: &&Arc<Entry>| entry.at == verb;
        self.verdict.as_ref().filter(of_verb).or(self.asked.as_ref().filter(of_verb))
    }
}
