//! Ctrl-C and SIGTERM.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;

use super::exit::{Exit, Stop};
use super::say;
use crate::clock::Duration;
use crate::engine::worker::Control;
use crate::units::format_duration;

/// What was heard so far.
#[derive(Debug, Default)]
struct Heard {
    first: AtomicU8,
    count: AtomicU64,
    run: Mutex<Option<Steered>>,
    changed: Condvar,
    told: Notify,
}

/// A run that is told, and how long it may then take.
#[derive(Debug)]
struct Steered {
    controls: Vec<Arc<Control>>,
    drain: Duration,
}

/// Signals that ask for an end. The first drains, the second cuts.
#[derive(Clone, Debug)]
pub(super) struct Interrupts(Arc<Heard>);

impl Interrupts {
    /// Listens from now on.
    ///
    /// # Errors
    /// When the operating system refuses.
    pub(super) fn watch() -> Result<Self, Stop> {
        let refused = |error: std::io::Error| {
            Stop::new(Exit::Bug, format!("signals cannot be watched: {error}"))
        };
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(refused)?;
        let heard = Arc::new(Heard::default());
        let (mut interrupt, mut terminate) = {
            let _inside = runtime.enter();
            (
                signal(SignalKind::interrupt()).map_err(refused)?,
                signal(SignalKind::terminate()).map_err(refused)?,
            )
        };
        let told = Arc::clone(&heard);
        thread::spawn(move || {
            runtime.block_on(async {
                loop {
                    let exit = tokio::select! {
                        _ = interrupt.recv() => Exit::Interrupted,
                        _ = terminate.recv() => Exit::Terminated,
                    };
                    told.hear(exit);
                }
            });
        });
        Ok(Self(heard))
    }

    /// Passes what is heard, also what was heard before, to a run whose messages under way have `drain` to end; it has
    /// a control a target.
    pub(super) fn steer(&self, controls: Vec<Arc<Control>>, drain: Duration) {
        let mut place = self.0.run.lock().unwrap_or_else(PoisonError::into_inner);
        *place = Some(Steered { controls, drain });
        self.0.pass(place.as_ref());
    }

    /// Waits for the first.
    pub(super) fn wait(&self) {
        let mut place = self.0.run.lock().unwrap_or_else(PoisonError::into_inner);
        while self.heard().is_none() {
            place = self.0.changed.wait(place).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Waits for so long, or for the first.
    pub(super) fn rest(&self, time: Duration) {
        let mut place = self.0.run.lock().unwrap_or_else(PoisonError::into_inner);
        // The run before is over: it is told nothing more.
        *place = None;
        // Whoever waited or not, and why it ended, shows in `heard`.
        drop(self.0.changed.wait_timeout_while(place, time, |_| self.heard().is_none()));
    }

    /// Ends with the first; one waits at a time.
    pub(super) async fn first(&self) {
        while self.heard().is_none() {
            self.0.told.notified().await;
        }
    }

    /// The code of the first signal, if there was one.
    pub(super) fn heard(&self) -> Option<Exit> {
        [Exit::Interrupted, Exit::Terminated]
            .into_iter()
            .find(|exit| exit.code() == self.0.first.load(Ordering::SeqCst))
    }
}

impl Heard {
    fn hear(&self, exit: Exit) {
        let place = self.run.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = self.first.compare_exchange(0, exit.code(), Ordering::SeqCst, Ordering::SeqCst);
        self.count.fetch_add(1, Ordering::SeqCst);
        self.pass(place.as_ref());
        self.changed.notify_all();
        self.told.notify_one();
    }

    fn pass(&self, run: Option<&Steered>) {
        let Some(Steered { controls, drain }) = run else { return };
        match self.count.load(Ordering::SeqCst) {
            0 => {}
            1 => {
                controls.iter().for_each(|control| control.drain());
                let drain = format_duration(*drain);
                say(&format!(
                    "stopping: messages under way have {drain} to end; a second Ctrl-C cuts them"
                ));
            }
            _ => controls.iter().for_each(|control| control.cut()),
        }
    }
}
