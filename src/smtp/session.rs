//! The conversation: replies that are owed, in the order of their commands, each with its own time limit.
//!
//! The caller says with [`Session::owe`] what it has written, feeds what it reads through [`Session::next_event`]
//! until that gives `None`, and calls [`Session::handle_timeout`] once [`Session::deadline`] has passed. After a
//! fault or a time-out the connection is of no more use: which reply belongs to which command is not known.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::parser::{ReplyFault, ReplyParser};
use super::reply::Reply;

/// A reply that is owed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owed<T> {
    /// What the caller knows it by.
    pub what: T,
    /// When its command was written.
    pub sent: Instant,
    /// How long it may take.
    pub limit: Duration,
}

impl<T> Owed<T> {
    fn deadline(&self) -> Option<Instant> {
        self.sent.checked_add(self.limit)
    }
}

/// What the peer did.
#[derive(Debug, PartialEq)]
pub enum Event<'a, T> {
    /// The reply that was owed longest.
    Reply(Owed<T>, Reply<'a>),
    /// A reply that nobody was owed.
    Unsolicited(Reply<'a>),
    /// Bytes that are no reply; what was owed longest, if anything.
    Fault(Option<Owed<T>>, ReplyFault),
}

/// One side of a conversation.
#[derive(Debug)]
pub struct Session<T> {
    parser: ReplyParser,
    owed: VecDeque<Owed<T>>,
}

impl<T> Default for Session<T> {
    fn default() -> Self {
        Self { parser: ReplyParser::default(), owed: VecDeque::new() }
    }
}

impl<T: Copy> Session<T> {
    /// Notes that a command went out at `sent` whose reply may take `limit`.
    pub fn owe(&mut self, what: T, sent: Instant, limit: Duration) {
        if self.owed.capacity() == 0 {
            // By itself it would take room for four, and most sessions never owe more than one.
            self.owed.reserve_exact(1);
        }
        self.owed.push_back(Owed { what, sent, limit });
    }

    /// Owes one more reply to what was owed as `owed`: LMTP answers mail data once a recipient (RFC 2033 section 4.2).
    pub fn owe_again(&mut self, owed: Owed<T>) {
        self.owed.push_front(owed);
    }

    /// Moves the time of writing of the reply that is owed last, if `which` holds for it: mail data counts from its
    /// last byte.
    pub fn resend_last(&mut self, sent: Instant, which: impl Fn(&T) -> bool) {
        if let Some(owed) = self.owed.back_mut().filter(|owed| which(&owed.what)) {
            owed.sent = sent;
        }
    }

    /// Takes bytes from the front of `input`; call it until it gives `None`.
    pub fn next_event<'s>(&'s mut self, input: &mut &[u8]) -> Option<Event<'s, T>> {
        match self.parser.feed(input) {
            Ok(None) => None,
            Ok(Some(reply)) => Some(match self.owed.pop_front() {
                Some(owed) => Event::Reply(owed, reply),
                None => Event::Unsolicited(reply),
            }),
            Err(fault) => {
                *input = &[];
                Some(Event::Fault(self.owed.pop_front(), fault))
            }
        }
    }

    /// The reply that is owed longest, if its time is over at `now`.
    pub fn handle_timeout(&mut self, now: Instant) -> Option<Owed<T>> {
        let late =
            self.owed.front().and_then(Owed::deadline).is_some_and(|deadline| deadline <= now);
        if late { self.owed.pop_front() } else { None }
    }

    /// Takes the reply that is owed longest off the list: the connection is gone.
    pub fn give_up(&mut self) -> Option<Owed<T>> {
        self.owed.pop_front()
    }

    /// When the reply that is owed longest is late.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.owed.front().and_then(Owed::deadline)
    }

    /// How many replies are owed.
    #[must_use]
    pub fn owed(&self) -> usize {
        self.owed.len()
    }

    /// What came of a reply that is not whole.
    #[must_use]
    pub fn partial(&self) -> &[u8] {
        self.parser.partial()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    fn events(session: &mut Session<&'static str>, mut input: &[u8]) -> Vec<String> {
        let mut seen = Vec::new();
        while let Some(event) = session.next_event(&mut input) {
            seen.push(match event {
                Event::Reply(owed, reply) => format!("{} {}", owed.what, reply.code()),
                Event::Unsolicited(reply) => format!("- {}", reply.code()),
                Event::Fault(owed, fault) => {
                    format!("{} {fault:?}", owed.map_or("-", |owed| owed.what))
                }
            });
            if seen.last().is_some_and(|last| last.contains("Garbage")) {
                break;
            }
        }
        seen
    }

    #[test]
    fn replies_go_to_their_commands_in_order_at_every_cut() {
        let wire = b"250 ok\r\n550 no\r\n354 go\r\n250 extra\r\nxyz";
        for cut in 0..=wire.len() {
            let mut session = Session::default();
            for what in ["mail", "rcpt", "data"] {
                session.owe(what, clock::now(), Duration::from_secs(60));
            }
            let mut seen = events(&mut session, &wire[..cut]);
            seen.extend(events(&mut session, &wire[cut..]));
            seen.dedup();
            assert_eq!(
                seen,
                ["mail 250", "rcpt 550", "data 354", "- 250", "- Garbage"],
                "cut at {cut}"
            );
        }
    }

    #[test]
    fn the_oldest_debt_sets_the_deadline() {
        let mut session = Session::default();
        let start = clock::now();
        let second = Duration::from_secs(1);
        session.owe("a", start, 10 * second);
        session.owe("b", start + second, second);
        assert_eq!(session.deadline(), Some(start + 10 * second));
        assert_eq!(session.handle_timeout(start + 9 * second), None);
        assert_eq!(session.handle_timeout(start + 10 * second).map(|owed| owed.what), Some("a"));
        assert_eq!(session.deadline(), Some(start + 2 * second));
    }

    #[test]
    fn mail_data_counts_from_its_last_byte() {
        let mut session = Session::default();
        let start = clock::now();
        session.owe("eod", start, Duration::from_secs(1));
        session.resend_last(start + Duration::from_secs(5), |what| *what == "eod");
        assert_eq!(session.deadline(), Some(start + Duration::from_secs(6)));
    }
}
