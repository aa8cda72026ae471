//! Which of the target's addresses a session goes to.

use super::Dialogue;
use crate::clock::Instant;
use crate::engine::desk::Desk;
use crate::measure::outcome::Failure;
use crate::plan::Plan;
use crate::scenario::step::StepId;
use crate::scenario::target::TargetUrl;

/// The address that was tried last.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attempt {
    /// Index into the target's addresses.
    pub(super) address: u16,
    pub(super) began: Instant,
}

impl Dialogue {
    /// Connecting to the target's address number `address` (from 0) begins.
    pub fn connecting(&mut self, address: usize, now: Instant) {
        let address = u16::try_from(address).unwrap_or(u16::MAX);
        self.attempt = Attempt { address, began: now };
    }

    /// The name and the port of the server that this session talks to, where they are known: of several MX hosts the one
    /// that took the connection.
    pub(super) fn server<'p>(&self, plan: &'p Plan) -> (Option<&'p str>, Option<u16>) {
        let Some(target) = plan.targets.first() else { return (None, None) };
        let destination = target.addresses.get(usize::from(self.attempt.address));
        match &target.url {
            TargetUrl::Tcp { host, port, .. } => (Some(host), Some(*port)),
            TargetUrl::Mx { port, .. } => {
                (destination.and_then(|one| one.host.as_deref()), Some(*port))
            }
            TargetUrl::Unix { .. } | TargetUrl::Embedded => (None, None),
        }
    }

    /// That address took the connection.
    pub(super) fn address_connected(&self, desk: &mut Desk, now: Instant) {
        let place = self.place(StepId::CONNECT, self.stage);
        let took = now.saturating_duration_since(self.attempt.began);
        desk.recorder.address_connected(place, self.attempt.address, took);
    }

    /// That address took no connection; another may follow.
    pub fn address_failed(&mut self, desk: &mut Desk, now: Instant, failure: Failure) {
        let place = self.place(StepId::CONNECT, self.stage);
        let took = now.saturating_duration_since(self.attempt.began);
        desk.recorder.address_failed(place, self.attempt.address, failure, took);
    }
}
