//! Figures for a person with what they may be off: a percentile, rate or share beside its 95 % interval, in few columns.
//! The CSV files have both ends.

use super::text::{decimal, percent, time};
use crate::measure::histogram::Estimate;
use crate::stats::binomial::as_f64;
use crate::stats::rate::Rate;
use crate::stats::share::Share;

/// A percentile with the farther end of its interval: `1.92 ms ±0.8%`; `-` where the samples are too few.
pub(super) fn estimate(estimate: Option<Estimate>) -> String {
    let Some(Estimate { value, low, high }) = estimate else { return "-".to_owned() };
    let far = |end: Option<u64>| end.map(|end| as_f64(end.abs_diff(value)));
    let off = match (far(low), far(high)) {
        (Some(below), Some(above)) => relative(below.max(above), as_f64(value)),
        // An end that the samples do not set, or that lies over what is recorded.
        _ => " ±?".to_owned(),
    };
    format!("{}{off}", time(Some(value)))
}

/// Events a second: `812 ±1.2%`; without an interval where the run has too few intervals for one.
pub(super) fn rate(per_s: f64, interval: Option<Rate>) -> String {
    let off = interval.map(|rate| (per_s - rate.low).max(rate.high - per_s));
    let off = off.map_or(String::new(), |off| relative(off, per_s));
    format!("{}{off}", decimal(per_s))
}

/// A share with the farther end of its interval, in points: `99.9 % ±0.05`.
pub(super) fn share(share: Share) -> String {
    let points = (share.value - share.low).max(share.high - share.value) * 100.0;
    let digits = if points < 0.095 { 3 } else { 1 };
    format!("{} ±{points:.digits$}", percent(share.value))
}

/// So far off, of this much.
fn relative(off: f64, of: f64) -> String {
    let percent = if of > 0.0 { off / of * 100.0 } else { 0.0 };
    match percent {
        _ if of <= 0.0 => String::new(),
        ..=0.0 => " ±0%".to_owned(),
        ..0.1 => " ±0.1%".to_owned(),
        ..9.95 => format!(" ±{percent:.1}%"),
        ..999.5 => format!(" ±{percent:.0}%"),
        _ => " ±>999%".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_shown_with_their_farther_end() {
        let of = |low, high| estimate(Some(Estimate { value: 2_000, low, high }));
        assert_eq!(of(Some(1_990), Some(2_030)), "2.00 ms ±1.5%");
        assert_eq!(of(Some(1_000), Some(2_000)), "2.00 ms ±50%");
        assert_eq!(of(Some(2_000), Some(2_001)), "2.00 ms ±0.1%");
        assert_eq!(of(Some(2_000), Some(2_000)), "2.00 ms ±0%");
        assert_eq!(of(Some(2_000), Some(90_000)), "2.00 ms ±>999%");
        assert_eq!([of(None, Some(2_001)), of(Some(1), None)], ["2.00 ms ±?", "2.00 ms ±?"]);
        assert_eq!(estimate(None), "-");
    }

    #[test]
    fn rates_and_shares_as_well() {
        let interval = Some(Rate { per_s: 800.0, low: 792.0, high: 808.0 });
        assert_eq!(rate(800.0, interval), "800 ±1.0%");
        assert_eq!(rate(80.25, None), "80.2");
        assert_eq!(rate(0.0, Some(Rate { per_s: 0.0, low: 0.0, high: 0.3 })), "0.0");
        assert_eq!(share(Share::of(0, 1_000).unwrap()), "0 % ±0.3");
        assert_eq!(share(Share::of(999, 1_000).unwrap()), "99.9 % ±0.5");
        assert_eq!(share(Share::of(99_990, 100_000).unwrap()), "99.99 % ±0.008");
    }
}
