//! Where a message comes from: the numbers of a closed load, the arrivals of an open one, or the session's own
//! arrival. And what becomes of those that are not sent.

use super::{Action, Dialogue};
use crate::clock::Instant;
use crate::engine::desk::Desk;
use crate::engine::pool::{LATE, Start};
use crate::measure::tally::Unstarted;
use crate::plan::Plan;

/// What a message goes back to if its MAIL is never written.
#[derive(Clone, Debug)]
pub(super) enum Ticket {
    /// A number of a closed load.
    Numbered(u64),
    /// An arrival of its own.
    Arrival(Start),
    /// One of those that the session arrived with.
    OfSession,
}

/// The next message.
pub(super) struct Next {
    /// Its number in the plan.
    pub(super) seq: u64,
    pub(super) ticket: Ticket,
    /// Its stage.
    pub(super) stage: u8,
    /// When it was to start, under open load.
    pub(super) intended: Option<Instant>,
}

impl Dialogue {
    /// Makes the session the one that `start` stands for.
    #[must_use]
    pub fn arriving(mut self, start: Start) -> Self {
        self.transactions_left = start.due.messages.end - start.due.messages.start;
        self.arrival = Some(Box::new(start));
        self
    }

    /// The load's own limit on connections held it up: that it starts late is nobody's fault.
    pub fn held_up(&mut self) {
        if let Some(arrival) = &mut self.arrival {
            arrival.at_once = false;
        }
    }

    /// Hands a session that waits for a message the one that `start` stands for.
    pub fn hand(&mut self, start: Start) {
        self.handed = Some(start);
    }

    /// Takes back what was handed over and not begun.
    pub fn take_handed(&mut self) -> Option<Start> {
        self.handed.take()
    }

    /// The next message; `Err` says what to do without one, `None` of it to go on behind the transaction.
    pub(super) fn next_message(
        &mut self,
        plan: &Plan,
        desk: &mut Desk,
        now: Instant,
    ) -> Result<Next, Option<Action>> {
        if self.transactions_left == 0 || desk.is_draining(self.load) {
            return Err(None);
        }
        if std::mem::take(&mut self.opening) {
            desk.keep_promise(self.load);
        }
        let loads = plan.loads.get(usize::from(self.load));
        let Some(timetable) = loads.and_then(|load| load.timetable.as_ref()) else {
            let warmup = desk.warms_up(plan, self.load, now);
            let stage = desk.stage_at(plan, self.load, now);
            let numbers = &mut desk.loads[usize::from(self.load)].numbers;
            let message = numbers.take(warmup).ok_or(None)?;
            let seq = numbers.number_of(message);
            return Ok(Next { seq, ticket: Ticket::Numbered(message), stage, intended: None });
        };
        if let Some(arrival) = &self.arrival {
            let message = arrival.due.messages.end - self.transactions_left;
            // The session was late by so much, and its messages with it.
            let lag = self.started.saturating_duration_since(arrival.intended);
            return Ok(Next {
                seq: timetable.number_of(message, arrival.warmup),
                ticket: Ticket::OfSession,
                stage: arrival.stage,
                intended: now.checked_sub(lag),
            });
        }
        let Desk { loads, recorder, .. } = desk;
        let Some(pool) = &mut loads[usize::from(self.load)].pool else { return Err(None) };
        let start = match self.handed.take() {
            Some(start) => start,
            None => match pool.take(plan, recorder, now) {
                Some(start) => start,
                None if pool.is_exhausted() => return Err(None),
                None => return Err(Some(Action::Await)),
            },
        };
        if start.at_once && now.saturating_duration_since(start.intended) > LATE {
            recorder.arrival_late(start.stage);
        }
        Ok(Next {
            seq: timetable.number_of(start.due.messages.start, start.warmup),
            stage: start.stage,
            intended: Some(start.intended),
            ticket: Ticket::Arrival(start),
        })
    }

    /// A message's MAIL was never written: it goes back to where it came from.
    pub(super) fn give_back(&mut self, desk: &mut Desk, ticket: &Ticket) {
        let load = &mut desk.loads[usize::from(self.load)];
        match ticket {
            Ticket::Numbered(message) => load.numbers.give_back(*message),
            Ticket::OfSession => self.transactions_left += 1,
            Ticket::Arrival(start) => {
                if let Some(pool) = &mut load.pool {
                    pool.give_back(start.clone());
                }
            }
        }
    }

    /// The session will send no more: what it holds of the plan is settled.
    pub(super) fn settle(&mut self, plan: &Plan, desk: &mut Desk) {
        if std::mem::take(&mut self.opening) {
            desk.keep_promise(self.load);
        }
        let Desk { loads, recorder, .. } = desk;
        let Some(pool) = &mut loads[usize::from(self.load)].pool else { return };
        if let Some(start) = self.handed.take() {
            pool.give_back(start);
        }
        if let Some(start) = self.arrival.take() {
            if !self.open {
                pool.not_started(plan, recorder, &start, Unstarted::Left);
                return;
            }
            let sent = start.due.messages.end - self.transactions_left;
            let mut left = start;
            left.due.messages.start = sent;
            pool.leave_messages(plan, recorder, &left);
        }
    }
}
