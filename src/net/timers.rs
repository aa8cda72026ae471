//! Timers of one worker, finer than tokio's, which count whole milliseconds.
//!
//! One alarm wakes whichever tasks are due. Nothing here is shared between threads.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::io;
use std::task::{Poll, Waker};
use std::time::Instant;

use super::alarm::Alarm;
use crate::clock;

/// Which timer: its deadline and, among several at the same time, its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TimerKey {
    deadline: Instant,
    number: u64,
}

impl TimerKey {
    /// When it is due.
    #[must_use]
    pub fn deadline(self) -> Instant {
        self.deadline
    }
}

/// The timers of a worker. [`Timers::run`] has to be polled by a task of the same worker.
#[derive(Debug)]
pub struct Timers {
    wakers: RefCell<BTreeMap<TimerKey, Waker>>,
    next_number: Cell<u64>,
    /// What the alarm is set to.
    armed: Cell<Option<Instant>>,
    passed: Cell<Instant>,
    alarm: Alarm,
}

impl Timers {
    /// Timers for the worker whose runtime this is called in.
    ///
    /// # Errors
    /// When no descriptor is left.
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            wakers: RefCell::default(),
            next_number: Cell::new(0),
            armed: Cell::new(None),
            passed: Cell::new(clock::now()),
            alarm: Alarm::new()?,
        })
    }

    /// Wakes `waker` at `deadline`.
    pub fn insert(&self, deadline: Instant, waker: Waker) -> TimerKey {
        let key = TimerKey { deadline, number: self.next_number.get() };
        self.next_number.set(key.number + 1);
        self.wakers.borrow_mut().insert(key, waker);
        if self.armed.get().is_none_or(|armed| deadline < armed) {
            self.arm(deadline, clock::now());
        }
        key
    }

    /// Forgets a timer. One that is gone already is no fault.
    pub fn remove(&self, key: TimerKey) {
        let removed = self.wakers.borrow_mut().remove(&key);
        // After the borrow: what it drops may own timers.
        drop(removed);
    }

    /// How many timers have not fired yet.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.wakers.borrow().len()
    }

    /// The time up to which all timers have fired: saves their owners a look at the clock.
    #[must_use]
    pub fn passed(&self) -> Instant {
        self.passed.get()
    }

    /// Waits until `deadline`. To stop waiting early, use [`Timers::insert`]: this one's timer stays until it fires.
    pub async fn sleep_until(&self, deadline: Instant) {
        let mut is_set = false;
        poll_fn(|context| {
            if self.passed() >= deadline {
                return Poll::Ready(());
            }
            if !std::mem::replace(&mut is_set, true) {
                self.insert(deadline, context.waker().clone());
            }
            Poll::Pending
        })
        .await;
    }

    /// Fires timers, for ever.
    ///
    /// # Errors
    /// When the alarm fails, which leaves the worker without timers.
    pub async fn run(&self) -> io::Result<()> {
        loop {
            self.alarm.ring().await?;
            self.armed.set(None);
            self.fire(clock::now());
        }
    }

    fn fire(&self, now: Instant) {
        self.passed.set(now);
        let mut wakers = self.wakers.borrow_mut();
        while let Some(first) = wakers.first_entry() {
            if first.key().deadline > now {
                self.arm(first.key().deadline, now);
                break;
            }
            first.remove().wake();
        }
    }

    fn arm(&self, deadline: Instant, now: Instant) {
        self.alarm.set(deadline, now);
        self.armed.set(Some(deadline));
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;
    use std::time::Duration;

    use super::*;

    #[test]
    fn timers_fire_in_order_and_not_early() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
        let local = tokio::task::LocalSet::new();
        local.block_on(&runtime, async {
            let timers = Rc::new(Timers::new().unwrap());
            let driver = Rc::clone(&timers);
            tokio::task::spawn_local(async move { driver.run().await });
            let order = Rc::new(RefCell::new(Vec::new()));
            let tasks = [30_u64, 10, 20, 0].map(|ms| {
                let (timers, order) = (Rc::clone(&timers), Rc::clone(&order));
                tokio::task::spawn_local(async move {
                    let deadline = clock::now() + Duration::from_millis(ms);
                    timers.sleep_until(deadline).await;
                    assert!(clock::now() >= deadline, "woken early");
                    order.borrow_mut().push(ms);
                })
            });
            let cancelled = timers.insert(clock::now(), Waker::noop().clone());
            timers.remove(cancelled);
            for task in tasks {
                task.await.unwrap();
            }
            assert_eq!(*order.borrow(), [0, 10, 20, 30]);
            assert_eq!(timers.pending(), 0);
        });
    }
}
