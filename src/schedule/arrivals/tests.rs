use std::time::Duration;

use proptest::prelude::*;

use super::*;

const YEAR: Duration = Duration::from_secs(366 * 24 * 3600);

fn seconds(seconds: f64) -> Option<Duration> {
    Some(Duration::from_secs_f64(seconds))
}

fn span(from: f64, to: f64, length: f64) -> RateSpan {
    RateSpan { from, to, length: seconds(length) }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap()
}

fn arrivals(spans: &[RateSpan], pattern: Pattern) -> Vec<Arrival> {
    Arrivals::new(spans.to_vec(), pattern, 7, 0).collect()
}

/// The offsets of the arrivals of `spans`, in nanoseconds.
#[track_caller]
fn check(spans: &[RateSpan], pattern: Pattern, want: &[u64]) {
    let got: Vec<u64> = arrivals(spans, pattern).iter().map(|one| nanos(one.offset)).collect();
    assert_eq!(got, want, "{spans:?}, {pattern:?}");
}

/// How many arrivals there are, and where the last one lies.
#[track_caller]
fn check_last(spans: &[RateSpan], count: usize, last: Duration) {
    let got = arrivals(spans, Pattern::Even);
    assert_eq!(got.len(), count, "{:?}", spans[0]);
    assert_eq!(got.last().map(|one| one.offset), Some(last), "{:?}", spans[0]);
    assert_eq!(expected(spans), Some(count as f64), "{:?}", spans[0]);
}

#[test]
fn even_arrivals_begin_at_once_and_stand_at_equal_distances() {
    let ms = |times: &[u64]| times.iter().map(|ms| ms * 1_000_000).collect::<Vec<_>>();
    check(&[span(10.0, 10.0, 0.5)], Pattern::Even, &ms(&[0, 100, 200, 300, 400]));
    check(&[span(3.0, 3.0, 1.0)], Pattern::Even, &[0, 333_333_333, 666_666_667]);
    // The rate changes between two arrivals: half of the way at the old one, half at the new one.
    check(
        &[span(10.0, 10.0, 0.25), span(100.0, 100.0, 0.02)],
        Pattern::Even,
        &ms(&[0, 100, 200, 255, 265]),
    );
    check(&[span(10.0, 10.0, 0.21), span(5.0, 5.0, 0.3)], Pattern::Even, &ms(&[0, 100, 200, 390]));
}

#[test]
fn bursts_come_whenever_so_many_are_due() {
    let ms = 1_000_000;
    check(
        &[span(20.0, 20.0, 0.25)],
        Pattern::Bursts(2),
        &[0, 0, 100 * ms, 100 * ms, 200 * ms, 200 * ms],
    );
    let of_one = arrivals(&[span(20.0, 20.0, 1.0)], Pattern::Bursts(1));
    assert_eq!(of_one, arrivals(&[span(20.0, 20.0, 1.0)], Pattern::Even));
    // No burst is of none.
    assert_eq!(arrivals(&[span(20.0, 20.0, 1.0)], Pattern::Bursts(0)).len(), 20);
    let huge = Arrivals::new(vec![span(1.0, 1.0, 1.0)], Pattern::Bursts(u32::MAX), 1, 1);
    assert!(huge.take(1000).all(|one| one.offset.is_zero()));
}

#[test]
fn a_span_has_its_first_instant_and_not_its_last() {
    let spans = [span(10.0, 10.0, 1.0), span(20.0, 20.0, 1.0)];
    let all = arrivals(&spans, Pattern::Even);
    assert_eq!(all.len(), 30);
    assert_eq!(all[9].span, 0);
    assert_eq!((all[10].span, all[10].offset), (1, Duration::from_secs(1)));
    assert!(all.iter().enumerate().all(|(index, one)| one.index == index as u64));
    assert!(all.iter().all(|one| one.offset < Duration::from_secs(2)));
}

#[test]
fn ramps_hold_the_integral_of_the_rate() {
    // 0 to 2 a second: t^2 / 10 arrivals until t.
    let up = arrivals(&[span(0.0, 2.0, 10.0)], Pattern::Even);
    assert_eq!(up.len(), 10);
    for (index, one) in up.iter().enumerate() {
        let want = (10.0 * index as f64).sqrt();
        assert!((one.offset.as_secs_f64() - want).abs() < 1e-8, "{index}: {:?}", one.offset);
    }
    // The same backwards: arrival k is where 10 - k are still to come.
    let down = arrivals(&[span(2.0, 0.0, 10.0)], Pattern::Even);
    assert_eq!(down.len(), 10);
    for (index, one) in down.iter().enumerate() {
        let want = 10.0 - (100.0 - 10.0 * index as f64).sqrt();
        assert!((one.offset.as_secs_f64() - want).abs() < 1e-8, "{index}: {:?}", one.offset);
    }
    let both = [span(0.0, 1000.0, 10.0), span(1000.0, 1000.0, 5.0), span(1000.0, 0.0, 10.0)];
    let all = arrivals(&both, Pattern::Even);
    let of_span = |index| all.iter().filter(|one| one.span == index).count();
    assert_eq!([of_span(0), of_span(1), of_span(2)], [5000, 5000, 5000]);
    assert_eq!(expected(&both), Some(15_000.0));
}

#[test]
fn nothing_drifts_in_a_year() {
    check_last(
        &[span(1.0 / 3600.0, 1.0 / 3600.0, YEAR.as_secs_f64())],
        8784,
        YEAR - Duration::from_secs(3600),
    );
    // Fractions of an arrival are carried from span to span: 365 of them, with a third of one each.
    let days = vec![span(1.0 / 259_200.0, 1.0 / 259_200.0, 86_400.0); 366];
    check_last(&days, 122, YEAR - Duration::from_secs(259_200));
    // An arrival far out: one in a thousand seconds, after a year at a hundred million a second.
    let mut walk = Current::new(&span(1e8, 1e8, YEAR.as_secs_f64()), 0, 0, Mark::default());
    walk = walk.then(&span(0.001, 0.001, 10_000.0)).unwrap();
    assert_eq!(walk.behind.whole, 100_000_000 * YEAR.as_secs());
    assert_eq!(walk.offset(3.0), Some(nanos(YEAR) + 3_000_000_000_000));
}

#[test]
fn rates_that_no_binary_fraction_holds_give_whole_counts() {
    for a_minute in [1_u32, 7, 59, 61, 499, 500, 997, 3_000_001] {
        let rate = f64::from(a_minute) / 60.0;
        let all = Arrivals::new(vec![span(rate, rate, 60.0)], Pattern::Even, 0, 0);
        assert_eq!(all.count(), a_minute as usize);
    }
    // The same in ten spans of six seconds, which cut arrivals.
    for a_minute in [1_u32, 7, 59, 61, 499] {
        let rate = f64::from(a_minute) / 60.0;
        let spans = vec![span(rate, rate, 6.0); 10];
        assert_eq!(expected(&spans).map(f64::round), Some(f64::from(a_minute)));
        assert_eq!(arrivals(&spans, Pattern::Even).len(), a_minute as usize, "{a_minute}");
    }
}

#[test]
fn a_span_of_rate_0_has_no_arrivals() {
    let spans =
        [span(0.0, 0.0, 5.0), span(1.0, 1.0, 2.0), span(0.0, 0.0, 3.0), span(1.0, 1.0, 2.0)];
    let second = 1_000_000_000;
    check(&spans, Pattern::Even, &[5 * second, 6 * second, 10 * second, 11 * second]);
    check(&[span(0.0, 0.0, 5.0)], Pattern::Poisson, &[]);
    let endless = RateSpan::steady(0.0, None);
    for pattern in [Pattern::Even, Pattern::Poisson, Pattern::Bursts(3)] {
        check(&[endless], pattern, &[]);
        check(&[], pattern, &[]);
        check(&[span(1e9, 1e9, 0.0)], pattern, &[]);
        for strange in [f64::NAN, -1.0, f64::NEG_INFINITY] {
            check(&[span(strange, strange, 1.0)], pattern, &[]);
        }
    }
    assert_eq!(expected(&[]), Some(0.0));
    assert_eq!(expected(&[endless]), None);
}

#[test]
fn what_is_huge_neither_overflows_nor_hangs() {
    let limit = vec![RateSpan::steady(f64::INFINITY, seconds(1e-6))];
    assert_eq!(Arrivals::new(limit, Pattern::Even, 0, 0).count(), 1000);
    // One in 300 years, for ever: the second is due after the first, the third would be after 584 years.
    let rare = vec![RateSpan::steady(1.0 / 9.4e9, None)];
    let offsets: Vec<_> = Arrivals::new(rare, Pattern::Even, 0, 0).map(|one| one.offset).collect();
    assert_eq!(offsets.len(), 2);
    assert!(offsets[1] > Duration::from_secs(9_300_000_000), "{offsets:?}");
    let rarer = vec![RateSpan::steady(f64::MIN_POSITIVE, None)];
    assert_eq!(Arrivals::new(rarer, Pattern::Even, 0, 0).count(), 1);
    let long = span(0.0, 0.0, 1.8e19);
    let behind = [RateSpan { length: Some(Duration::MAX), ..long }, long, span(1.0, 1.0, 5.0)];
    assert!(arrivals(&behind, Pattern::Even).len() <= 5);
    assert!(expected(&[RateSpan::steady(1e300, Some(Duration::MAX)); 9]).is_some());
}

#[test]
fn an_endless_span_is_the_last_one() {
    let spans = vec![span(1.0, 1.0, 1.0), RateSpan::steady(1000.0, None), span(5.0, 5.0, 5.0)];
    let late = Arrivals::new(spans, Pattern::Even, 0, 0).nth(1_000_000).unwrap();
    assert_eq!(
        (late.span, late.offset),
        (1, Duration::from_secs(1) + Duration::from_millis(999_999))
    );
}

/// Greatest distance between the distribution of `values` and `law`, times the root of their number: the statistic
/// of Kolmogorov and Smirnov.
fn kolmogorov_smirnov(values: impl Iterator<Item = f64>, law: impl Fn(f64) -> f64) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let count = values.len() as f64;
    let distance = |(index, value): (usize, &f64)| {
        let at = law(*value);
        (at - index as f64 / count).max((index + 1) as f64 / count - at)
    };
    values.iter().enumerate().map(distance).fold(0.0, f64::max) * count.sqrt()
}

/// Above it by chance once in a thousand times.
const KS_LIMIT: f64 = 1.949;

/// Statistic of the gaps between `offsets` against the exponential law of this rate.
fn exponential(offsets: &[f64], rate: f64) -> f64 {
    let gaps = offsets.windows(2).map(|pair| pair[1] - pair[0]);
    kolmogorov_smirnov(gaps, |gap| 1.0 - (-gap * rate).exp())
}

fn offsets(spans: &[RateSpan], pattern: Pattern, seed: u64) -> Vec<f64> {
    let all = Arrivals::new(spans.to_vec(), pattern, seed, 0);
    all.map(|one| one.offset.as_secs_f64()).collect()
}

#[test]
fn poisson_arrivals_pass_the_test_of_kolmogorov_and_smirnov() {
    let spans = [span(500.0, 500.0, 400.0)];
    for seed in 0..10 {
        let times = offsets(&spans, Pattern::Poisson, seed);
        let statistic = exponential(&times, 500.0);
        assert!(statistic < KS_LIMIT, "seed {seed}: {statistic}");
        // Neighbours know nothing of each other: where arrivals lie is uniform, too.
        let uniform = kolmogorov_smirnov(times.iter().copied(), |time| time / 400.0);
        assert!(uniform < KS_LIMIT, "seed {seed}: {uniform}");
        let mean = times.len() as f64 / 200_000.0;
        assert!((0.99..1.01).contains(&mean), "seed {seed}: {mean}");
    }
    // The test can fail: for other arrivals, and for another rate.
    assert!(exponential(&offsets(&spans, Pattern::Even, 0), 500.0) > 50.0);
    assert!(exponential(&offsets(&spans, Pattern::Poisson, 0), 510.0) > KS_LIMIT);
}

#[test]
fn poisson_arrivals_in_a_ramp_are_random_in_its_own_time() {
    let spans = [span(0.0, 1000.0, 50.0), span(1000.0, 200.0, 50.0)];
    // The integral of the rate, in which distances are exponential with mean 1.
    let integral = |time: f64| match time {
        ..50.0 => 10.0 * time * time,
        _ => 25_000.0 + 1000.0 * (time - 50.0) - 8.0 * (time - 50.0).powi(2),
    };
    for seed in 0..5 {
        let times = offsets(&spans, Pattern::Poisson, seed);
        let own: Vec<f64> = times.iter().map(|time| integral(*time)).collect();
        let statistic = exponential(&own, 1.0);
        assert!(statistic < KS_LIMIT, "seed {seed}: {statistic}");
        let mean = times.len() as f64 / expected(&spans).unwrap();
        assert!((0.98..1.02).contains(&mean), "seed {seed}: {mean}");
    }
}

#[test]
fn the_mean_rate_is_within_a_percent() {
    for rate in [50.0, 333.3, 12_345.0] {
        let spans = [span(rate, rate, 100_000.0 / rate)];
        for pattern in [Pattern::Even, Pattern::Poisson, Pattern::Bursts(20)] {
            let count = arrivals(&spans, pattern).len() as f64;
            assert!((99_000.0..101_000.0).contains(&count), "{rate}, {pattern:?}: {count}");
        }
    }
}

#[test]
fn the_seed_and_the_stream_say_which_arrivals_these_are() {
    let plan = |seed, stream| {
        let spans = vec![span(0.0, 100.0, 10.0), span(100.0, 100.0, 10.0)];
        Arrivals::new(spans, Pattern::Poisson, seed, stream).collect::<Vec<_>>()
    };
    assert_eq!(plan(1, 0), plan(1, 0));
    assert_ne!(plan(1, 0)[..10], plan(2, 0)[..10]);
    assert_ne!(plan(1, 0)[..10], plan(1, 1)[..10]);
}

#[test]
fn a_longer_plan_has_the_same_arrivals_first() {
    let short = [span(0.0, 300.0, 10.0), span(300.0, 300.0, 10.0)];
    let long = [short[0], span(300.0, 300.0, 20.0), span(10.0, 900.0, 10.0)];
    for pattern in [Pattern::Even, Pattern::Poisson, Pattern::Bursts(7)] {
        let (few, many) = (arrivals(&short, pattern), arrivals(&long, pattern));
        assert!(many.len() > few.len());
        assert_eq!(few, many[..few.len()], "{pattern:?}");
    }
}

fn any_spans() -> impl Strategy<Value = Vec<RateSpan>> {
    let rate = prop_oneof![Just(0.0), 0.001..1.0, 1.0..2000.0];
    let one = (rate.clone(), rate, 0.0..3.0).prop_map(|(from, to, length)| span(from, to, length));
    prop::collection::vec(one, 0..6)
}

fn any_pattern() -> impl Strategy<Value = Pattern> {
    prop_oneof![Just(Pattern::Even), Just(Pattern::Poisson), (1..50_u32).prop_map(Pattern::Bursts)]
}

proptest! {
    #[test]
    fn arrivals_lie_in_their_spans_in_order_of_time(
        spans in any_spans(),
        pattern in any_pattern(),
        seed in any::<u64>(),
    ) {
        let mut last = Arrival { index: 0, span: 0, offset: Duration::ZERO };
        let starts: Vec<Duration> = spans
            .iter()
            .scan(Duration::ZERO, |sum, span| {
                let start = *sum;
                *sum += span.length.unwrap();
                Some(start)
            })
            .collect();
        for (index, one) in Arrivals::new(spans.clone(), pattern, seed, 3).enumerate() {
            prop_assert_eq!(one.index, index as u64);
            prop_assert!(one.offset >= last.offset && one.span >= last.span);
            let start = starts[one.span];
            prop_assert!(one.offset >= start);
            prop_assert!(one.offset < start + spans[one.span].length.unwrap());
            last = one;
        }
    }

    #[test]
    fn even_arrivals_are_as_many_as_the_integral_says(spans in any_spans()) {
        let count = arrivals(&spans, Pattern::Even).len() as f64;
        let due = expected(&spans).unwrap();
        prop_assert!((count - due.ceil()).abs() <= 1.0, "{} of {}", count, due);
    }
}
