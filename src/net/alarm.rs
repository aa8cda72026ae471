//! What wakes a worker's timers: one timerfd on Linux, the runtime's own timer elsewhere, which counts whole
//! milliseconds.

#[cfg(not(target_os = "linux"))]
pub(super) use runtime::Alarm;
#[cfg(target_os = "linux")]
pub(super) use timerfd::Alarm;

#[cfg(target_os = "linux")]
mod timerfd {
    use std::io;
    use std::os::fd::OwnedFd;
    use std::time::{Duration, Instant};

    use rustix::time::{
        Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
        timerfd_settime,
    };
    use tokio::io::unix::AsyncFd;

    use crate::net::watch;

    /// Rings once for each time it was set.
    #[derive(Debug)]
    pub(in crate::net) struct Alarm(AsyncFd<OwnedFd>);

    impl Alarm {
        /// An alarm in the runtime that this is called in.
        ///
        /// # Errors
        /// When no descriptor is left.
        pub(in crate::net) fn new() -> io::Result<Self> {
            let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
            Ok(Self(watch(timerfd_create(TimerfdClockId::Monotonic, flags)?)?))
        }

        /// Sets it to `deadline`, instead of what it was set to.
        pub(in crate::net) fn set(&self, deadline: Instant, now: Instant) {
            // A value of zero would disarm it.
            let wait = deadline.saturating_duration_since(now).max(Duration::from_nanos(1));
            let value = Itimerspec {
                it_interval: Timespec { tv_sec: 0, tv_nsec: 0 },
                it_value: Timespec {
                    tv_sec: wait.as_secs().try_into().unwrap_or(i64::MAX),
                    tv_nsec: wait.subsec_nanos().into(),
                },
            };
            timerfd_settime(self.0.get_ref(), TimerfdTimerFlags::empty(), &value)
                .expect("a timerfd takes every positive value");
        }

        /// Waits until it rings.
        ///
        /// # Errors
        /// When the timerfd fails.
        pub(in crate::net) async fn ring(&self) -> io::Result<()> {
            loop {
                let mut guard = self.0.readable().await?;
                match rustix::io::read(self.0.get_ref(), &mut [0_u8; 8]) {
                    Ok(_) | Err(rustix::io::Errno::AGAIN) => {
                        guard.clear_ready();
                        return Ok(());
                    }
                    Err(rustix::io::Errno::INTR) => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
    }
}

#[cfg(any(test, not(target_os = "linux")))]
mod runtime {
    use std::cell::Cell;
    use std::io;
    use std::time::Instant;

    use tokio::sync::Notify;

    /// Rings once for each time it was set.
    #[derive(Debug, Default)]
    pub(in crate::net) struct Alarm {
        deadline: Cell<Option<Instant>>,
        changed: Notify,
    }

    impl Alarm {
        /// An alarm that is not set.
        ///
        /// # Errors
        /// Never; the other kind may.
        #[cfg_attr(target_os = "linux", expect(clippy::unnecessary_wraps, reason = "as the other"))]
        pub(in crate::net) fn new() -> io::Result<Self> {
            Ok(Self::default())
        }

        /// Sets it to `deadline`, instead of what it was set to.
        pub(in crate::net) fn set(&self, deadline: Instant, _: Instant) {
            self.deadline.set(Some(deadline));
            self.changed.notify_one();
        }

        /// Waits until it rings.
        ///
        /// # Errors
        /// Never; the other kind may.
        pub(in crate::net) async fn ring(&self) -> io::Result<()> {
            loop {
                let Some(deadline) = self.deadline.get() else {
                    self.changed.notified().await;
                    continue;
                };
                tokio::select! {
                    () = tokio::time::sleep_until(deadline.into()) => {
                        self.deadline.set(None);
                        return Ok(());
                    }
                    () = self.changed.notified() => {}
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Alarm, runtime};
    use crate::clock;

    /// Runs `test` in a runtime of one thread.
    fn block_on(test: impl Future<Output = ()>) {
        let builder = &mut tokio::runtime::Builder::new_current_thread();
        builder.enable_all().build().unwrap().block_on(test);
    }

    macro_rules! rings {
        ($name:ident, $alarm:ty) => {
            #[test]
            fn $name() {
                block_on(async {
                    let alarm = <$alarm>::new().unwrap();
                    let (start, ms) = (clock::now(), Duration::from_millis(1));
                    // What it is set to last counts, be it later or earlier.
                    alarm.set(start + 600_000 * ms, start);
                    alarm.set(start + 20 * ms, start);
                    alarm.ring().await.unwrap();
                    assert!(clock::now() >= start + 20 * ms, "it rang early");
                    let again = clock::now();
                    alarm.set(again, again);
                    alarm.ring().await.unwrap();
                    // It does not ring once more for what it was set to before.
                    let silent = tokio::time::timeout(30 * ms, alarm.ring()).await;
                    assert!(silent.is_err(), "it rang without being set");
                });
            }
        };
    }

    rings!(the_alarm_of_this_system_rings_in_time, Alarm);
    rings!(the_alarm_of_other_systems_rings_in_time, runtime::Alarm);
}
