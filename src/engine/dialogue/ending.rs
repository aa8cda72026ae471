//! How a step, a message and a session end, whoever ends them.

use super::message::Message;
use super::{Action, Debt, Dialogue, Role, Todo};
use crate::clock::Instant;
use crate::engine::desk::Desk;
use crate::measure::extensions::Sending;
use crate::measure::layout::Place;
use crate::measure::outcome::{Clock, Failure, Fate, Fault, Outcome};
use crate::plan::Plan;
use crate::scenario::step::StepId;
use crate::smtp::session::Owed;

impl Dialogue {
    /// The run ends here, whatever is under way. Where its time was over (`late`), and not the user's patience, what
    /// waited until then is a time-out: a server that stops answering may not leave the figures as if it had not.
    pub fn cut(&mut self, plan: &Plan, desk: &mut Desk, now: Instant, late: bool) {
        if self.closing.is_some() {
            return;
        }
        if !self.open {
            self.settle(plan, desk);
            return;
        }
        if late && self.has_message() {
            let owed = self.wire.give_up();
            self.note_failure(plan, desk, now, owed, Failure::TimedOut, "cut at the drain limit");
        }
        let outcome = late.then_some(Outcome::Timeout);
        self.end_message(plan, desk, now, Fate::Unfinished, outcome);
        if late && self.arrival.is_some() {
            self.note_cut(plan, desk, now);
        }
        self.close(plan, desk, Action::Close { reset: false });
    }

    /// A session that arrived by a schedule was cut: it waited for the server, with or without a message.
    fn note_cut(&mut self, plan: &Plan, desk: &mut Desk, now: Instant) {
        const DETAIL: &str = "cut at the end of the run";
        let took = now.saturating_duration_since(self.started);
        if !self.connected {
            let place = self.place(StepId::CONNECT, self.stage);
            desk.recorder.sample(place, Clock::Service, Outcome::Timeout, took);
            desk.recorder.failure(place, Failure::TimedOut, DETAIL);
        }
        // That a farewell is slow is no failure.
        let owed = self.wire.give_up();
        let owed = owed.filter(|owed| !matches!(owed.what.role, Role::Quit | Role::OwnQuit));
        if owed.is_some() {
            self.note_failure(plan, desk, now, owed, Failure::TimedOut, DETAIL);
        }
        self.note_session(desk, now, Outcome::Timeout);
    }

    /// Records how long the session took, and under open load what its schedule says of it.
    fn note_session(&self, desk: &mut Desk, now: Instant, outcome: Outcome) {
        let place = self.place(StepId::SESSION, self.stage);
        let took = now.saturating_duration_since(self.started);
        desk.recorder.sample(place, Clock::Service, outcome, took);
        if let Some(arrival) = &self.arrival {
            desk.recorder.on_schedule(place, outcome, arrival.intended, self.started, now);
        }
    }

    /// No usable reply came: the step, the message and the session end here.
    pub(super) fn lose(
        &mut self,
        plan: &Plan,
        desk: &mut Desk,
        now: Instant,
        owed: Option<Owed<Debt>>,
        failure: Failure,
        detail: &str,
    ) {
        let outcome = failure.outcome();
        self.note_failure(plan, desk, now, owed, failure, detail);
        let data_written = self.message.as_ref().is_some_and(|message| message.data_written);
        let fate = match failure.fault() {
            Fault::Generator => Fate::GeneratorFailed,
            _ if data_written => Fate::InDoubt,
            _ => Fate::Failed,
        };
        self.end_message(plan, desk, now, fate, Some(outcome));
        self.end(plan, desk, now, outcome);
    }

    /// Records that a step ended without a usable reply.
    pub(super) fn note_failure(
        &mut self,
        plan: &Plan,
        desk: &mut Desk,
        now: Instant,
        owed: Option<Owed<Debt>>,
        failure: Failure,
        detail: &str,
    ) {
        let outcome = failure.outcome();
        // Why the login was broken off is told already: this would be the same one again.
        if owed.is_some_and(|owed| owed.what.role == Role::AuthCancel) {
            return;
        }
        // Mail data that does not go out is the fault of its own step, though the reply to it is owed as well.
        let uploading = self.upload.filter(|upload| upload.step).map(|upload| upload.began);
        let (step, since) = match (uploading, owed) {
            (Some(began), _) => (StepId::UPLOAD, Some(began)),
            (None, Some(owed)) => {
                (owed.what.step, Some(self.began(owed.what).unwrap_or(owed.sent)))
            }
            (None, None) => (StepId::UNSOLICITED, None),
        };
        let place = self.place(step, self.stage_of(plan, desk, since.unwrap_or(now)));
        if let Some(since) = since {
            let waited = now.saturating_duration_since(since);
            desk.recorder.sample(place, Clock::Service, outcome, waited);
            desk.recorder.address_sample(place, self.attempt.address, outcome, waited);
        }
        desk.recorder.failure(place, failure, &self.presentable(failure, detail));
        self.failure.get_or_insert(failure);
    }

    /// Ends a message that has passed the limit from its intended start; never one whose mail data is on its way.
    pub(super) fn gives_up_late(&mut self, plan: &Plan, desk: &mut Desk, now: Instant) -> bool {
        let Some(limit) = plan.scenario.timeouts.plan.filter(|_| !self.collecting) else {
            return false;
        };
        let late = |message: &&mut Message| {
            let over = message.intended.is_some_and(|intended| now > intended + limit);
            over && message.attempted && !message.ended && message.chunked == 0
        };
        let Some(message) = self.message.as_mut().filter(late) else { return false };
        let (stage, open) = (message.stage, message.open);
        let place = self.place(StepId::TRANSACTION, stage);
        desk.recorder.failure(place, Failure::PlanLimit, "");
        self.end_message(plan, desk, now, Fate::Failed, Some(Outcome::Timeout));
        self.todo = if open { Todo::Rset } else { Todo::EndTransaction };
        true
    }

    /// The script closes in the middle.
    pub(super) fn break_off(&mut self, plan: &Plan, desk: &mut Desk, now: Instant, reset: bool) {
        self.end_message(plan, desk, now, Fate::Abandoned, None);
        // What the script asked for is not a failure of the session.
        self.fruitful = true;
        self.end(plan, desk, now, Outcome::Accepted);
        self.closing = Some(Action::Close { reset });
    }

    /// Gives the message its fate, with a sample of its transaction where `outcome` says how that ended.
    pub(super) fn end_message(
        &mut self,
        plan: &Plan,
        desk: &mut Desk,
        now: Instant,
        rest: Fate,
        outcome: Option<Outcome>,
    ) {
        let Some(message) = self.message.as_mut().filter(|message| !message.ended) else { return };
        if !message.attempted {
            message.ended = true;
            let ticket = message.ticket.clone();
            self.give_back(desk, &ticket);
            return;
        }
        let ending = message.end(rest);
        let place = Place { stage: message.stage, script: self.script, step: StepId::TRANSACTION };
        let took = now.saturating_duration_since(message.started);
        let outcome = match ending.fate {
            Fate::Accepted => Some(Outcome::Accepted),
            Fate::Rejected => Some(Outcome::Rejected),
            Fate::Deferred => Some(Outcome::Deferred),
            Fate::Failed | Fate::InDoubt => outcome.or(Some(Outcome::Unexpected)),
            Fate::Unfinished => outcome,
            Fate::Abandoned | Fate::GeneratorFailed => None,
        };
        if let Some(outcome) = outcome {
            desk.recorder.sample(place, Clock::Service, outcome, took);
            if let Some(intended) = message.intended {
                desk.recorder.on_schedule(place, outcome, intended, message.started, now);
            }
        }
        let window = desk.window_at(plan, self.load, now);
        desk.last_ended = Some(now);
        let (stage, script) = (message.stage, self.script);
        let bytes = message.bytes;
        desk.recorder.message_ended(stage, script, ending.fate, &ending.recipients, window, bytes);
        desk.recorder.address_message(stage, self.attempt.address, ending.fate);
        if ending.fate == Fate::Accepted {
            self.fruitful = true;
            let sending = Sending::new(message.bdat, message.pipelined);
            desk.recorder.round_trips(stage, sending, self.turns.count());
        }
    }

    /// The session is over.
    pub(super) fn end(&mut self, plan: &Plan, desk: &mut Desk, now: Instant, outcome: Outcome) {
        if self.closing.is_some() {
            return;
        }
        self.outcome = outcome;
        self.note_session(desk, now, outcome);
        self.close(plan, desk, Action::Close { reset: false });
    }

    pub(super) fn close(&mut self, plan: &Plan, desk: &mut Desk, action: Action) {
        self.settle(plan, desk);
        if self.connected {
            desk.recorder.session_closed(self.stage);
            if let Some(how) = self.security.unsecured() {
                desk.recorder.unsecured(how);
            }
        }
        self.closing = Some(action);
    }
}
