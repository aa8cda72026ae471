//! What is noted of a session and its message while it comes in, where messages are kept.

use std::time::Instant;

use super::{Greeted, Phase, SinkSession, Transaction};
use crate::behavior::{Fate, SinkVerb};
use crate::message::seed::scramble;
use crate::sink::arguments;
use crate::sink::store::{Kept, Origin, Times};

/// What is noted of a session.
#[derive(Debug)]
pub(super) struct Notes {
    began: Instant,
    /// What the client calls itself.
    helo: Box<[u8]>,
    draft: Option<Draft>,
    /// Messages so far.
    number: u64,
}

/// A message on its way in.
#[derive(Debug)]
pub(super) struct Draft {
    sender: Vec<u8>,
    recipients: Vec<Vec<u8>>,
    mail: Instant,
    rcpt: Option<Instant>,
    data: Option<Instant>,
    /// The end of the mail data was read.
    eod: Option<Instant>,
    content: Vec<u8>,
}

impl Draft {
    /// Takes in a piece of the mail data. One that goes over `limit` is refused in the end, so no more of it is kept.
    pub(super) fn take_in(&mut self, piece: &[u8], limit: u64) {
        if self.content.len() as u64 <= limit {
            self.content.extend_from_slice(piece);
        }
    }
}

impl Notes {
    /// The notes of a session that began at `now`.
    pub(super) fn new(now: Instant) -> Self {
        Self { began: now, helo: Box::default(), draft: None, number: 0 }
    }

    /// The message on its way in.
    pub(super) fn draft(&mut self) -> Option<&mut Draft> {
        self.draft.as_mut()
    }

    /// The transaction is over.
    pub(super) fn forget(&mut self) {
        self.draft = None;
    }
}

impl SinkSession {
    /// Notes what a command said, at `now`, if it was accepted.
    pub(super) fn note_command(&mut self, verb: SinkVerb, argument: &[u8], now: Instant) {
        let Some(notes) = &mut self.notes else { return };
        match (verb, &mut notes.draft) {
            (SinkVerb::Ehlo | SinkVerb::Helo, _) if self.greeted == Greeted::Yes => {
                notes.helo = argument.into();
            }
            (SinkVerb::Mail, None) if self.transaction == Transaction::Mail => {
                notes.number += 1;
                notes.draft = Some(Draft {
                    sender: arguments::reverse_path(argument).unwrap_or_default().to_vec(),
                    recipients: Vec::new(),
                    mail: now,
                    rcpt: None,
                    data: None,
                    eod: None,
                    content: Vec::new(),
                });
            }
            (SinkVerb::Rcpt, Some(draft)) => {
                if draft.recipients.len() as u64 == u64::from(self.recipients) {
                    return;
                }
                let path = arguments::rcpt(argument, self.utf8).unwrap_or_default();
                draft.recipients.push(path.to_vec());
                draft.rcpt = Some(now);
            }
            (SinkVerb::Data | SinkVerb::Bdat, Some(draft)) if self.phase != Phase::Command => {
                draft.data.get_or_insert(now);
            }
            _ => {}
        }
    }

    /// The mail data is whole at `now`.
    pub(super) fn note_end_of_data(&mut self, now: Instant) {
        if let Some(draft) = self.notes.as_mut().and_then(|notes| notes.draft()) {
            draft.eod.get_or_insert(now);
        }
    }

    /// Keeps the message, as `fate` has it; `replied` says whether its end got a reply.
    pub(super) fn keep(&mut self, fate: Option<&Fate>, replied: bool, now: Instant) {
        let none = Fate::default();
        let fate = fate.unwrap_or(&none);
        let tally = &self.service.tally;
        if fate.lose {
            // What nobody was told of was not lost by us.
            tally.lost.add(u64::from(replied));
            return;
        }
        tally.bounced.add(u64::from(fate.bounce.is_some()));
        tally.duplicated.add(u64::from(fate.twice));
        tally.altered.add(u64::from(fate.alters()));
        tally.held.add(u64::from(fate.hold.is_some()));
        let (Some(store), Some(notes)) = (&self.service.store, &mut self.notes) else { return };
        let Some(draft) = notes.draft.take() else { return };
        let hold = match (fate.hold.as_ref().or(fate.bounce.as_ref()), &mut self.case) {
            (Some(hold), Some(case)) => Some(hold.draw(&mut case.rng, 0)),
            _ => None,
        };
        let Draft { sender, recipients, mail, rcpt, data, eod, content } = draft;
        store.keep(Kept {
            origin: Origin {
                session: self.number,
                nth: notes.number,
                client: self.client.address(),
                helo: notes.helo.clone(),
                tls: self.encrypted,
                sender,
                recipients,
            },
            times: Times {
                connect: notes.began,
                mail,
                rcpt,
                data,
                eod: eod.unwrap_or(now),
                reply: replied.then_some(now),
            },
            content,
            fate: fate.clone(),
            draw: scramble(self.number ^ notes.number << 32),
            due: hold.map(|hold| now + hold),
        });
    }
}
