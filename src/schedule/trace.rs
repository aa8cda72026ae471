//! Arrivals as they were recorded, played at another speed.

use std::sync::Arc;

use super::arrivals::Arrival;
use crate::message::trace::Trace;

impl Trace {
    /// Its arrivals, played `speed` times as fast as recorded: one a row, all in one span.
    #[must_use]
    pub fn arrivals(self: &Arc<Self>, speed: f64) -> TraceArrivals {
        TraceArrivals { trace: Arc::clone(self), speed, index: 0 }
    }
}

/// The arrivals of a trace, in order of time.
#[derive(Clone, Debug)]
pub struct TraceArrivals {
    trace: Arc<Trace>,
    speed: f64,
    index: u64,
}

impl Iterator for TraceArrivals {
    type Item = Arrival;

    fn next(&mut self) -> Option<Arrival> {
        let index = self.index;
        let offset = self.trace.row(index)?.due(self.speed);
        self.index += 1;
        Some(Arrival { index, span: 0, offset })
    }
}

impl std::iter::FusedIterator for TraceArrivals {}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::message::trace::TraceRow;

    fn trace(millis: &[u64]) -> Arc<Trace> {
        let row = |ms: &u64| TraceRow {
            offset: Duration::from_millis(*ms),
            sender: None,
            recipients: Box::default(),
            bytes: None,
        };
        Arc::new(Trace { rows: millis.iter().map(row).collect() })
    }

    #[track_caller]
    fn check(millis: &[u64], speed: f64, want: &[u64], seconds: u64) {
        let trace = trace(millis);
        let arrivals: Vec<_> = trace.arrivals(speed).collect();
        let want: Vec<_> = (0..)
            .zip(want)
            .map(|(index, ms)| Arrival { index, span: 0, offset: Duration::from_millis(*ms) })
            .collect();
        assert_eq!(arrivals, want);
        let length = trace.length(speed);
        assert_eq!(length, Duration::from_secs(seconds));
        assert!(arrivals.iter().all(|one| one.offset < length));
    }

    #[test]
    fn rows_arrive_as_recorded_or_faster() {
        check(&[0, 500, 500, 3000], 1.0, &[0, 500, 500, 3000], 4);
        check(&[0, 500, 500, 3000], 2.0, &[0, 250, 250, 1500], 2);
        check(&[0, 500, 3000], 0.5, &[0, 1000, 6000], 7);
        check(&[0], 1.0, &[0], 1);
        check(&[], 1.0, &[], 1);
    }

    #[test]
    fn strange_speeds_neither_panic_nor_turn_back() {
        for speed in [0.0, -1.0, f64::NAN, f64::INFINITY, f64::MIN_POSITIVE] {
            let trace = trace(&[0, 1, 2, u64::MAX]);
            let offsets: Vec<_> = trace.arrivals(speed).map(|one| one.offset).collect();
            assert!(offsets.is_sorted(), "{speed}: {offsets:?}");
            assert!(trace.length(speed) > *offsets.last().unwrap());
        }
    }
}
