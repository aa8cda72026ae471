use super::*;
use crate::stats::quantile::Quantile;
use crate::stats::series::Cumulated;

/// A time of several runs a side, told as a ratio; 5 % is the smallest change that counts.
fn runs(baseline: &[f64], candidate: &[f64]) -> Question {
    let some = |side: &[f64]| side.iter().copied().map(Some).collect();
    Question {
        sample: Sample::Runs { baseline: some(baseline), candidate: some(candidate) },
        scale: Scale::Ratio,
        better: Better::Lower,
        margin: 1.05_f64.ln(),
        rounded: true,
    }
}

const TEN: [f64; 10] = [100.0, 101.0, 99.5, 100.5, 98.0, 102.0, 99.0, 101.5, 100.2, 99.8];

fn times(by: f64) -> Vec<f64> {
    TEN.iter().map(|value| value * by).collect()
}

#[track_caller]
fn one(question: Question) -> Answer {
    judge(&[question], 1)[0]
}

#[test]
fn a_clear_change_has_its_word() {
    let worse = one(runs(&TEN, &times(1.2)));
    let difference = worse.difference.unwrap();
    assert_eq!((worse.word, worse.ruled_out, worse.lack), (Word::Worse, false, None));
    assert!((difference.value - 1.2_f64.ln()).abs() < 0.005, "{difference:?}");
    let (low, high) = difference.interval.unwrap();
    assert!(low > 1.05_f64.ln() && high < 1.25_f64.ln(), "{difference:?}");
    assert_eq!(one(runs(&times(1.2), &TEN)).word, Word::Better);
    let rate = Question { better: Better::Higher, ..runs(&TEN, &times(1.2)) };
    assert_eq!(one(rate).word, Word::Better);
}

#[test]
fn a_change_below_the_smallest_that_counts_is_none() {
    // 2 %, which the test alone would call.
    let small = one(runs(&TEN, &times(1.02)));
    assert!(small.difference.unwrap().interval.unwrap().0 > 0.0, "{small:?}");
    assert_eq!((small.word, small.ruled_out, small.runs_needed), (Word::NoDifference, true, None));
    let asked = Question { margin: 0.0, ..runs(&TEN, &times(1.02)) };
    assert_eq!(one(asked).word, Word::Worse);
    // Where it may as well lie above, more runs would tell.
    let wide: Vec<f64> = (0..10).map(|n| 100.0 + 3.0 * f64::from(n)).collect();
    let open = one(runs(&wide, &wide));
    assert_eq!((open.word, open.ruled_out), (Word::NoDifference, false), "{open:?}");
    assert!(open.runs_needed.is_some_and(|runs| (15..80).contains(&runs)), "{open:?}");
    assert!(open.smallest.unwrap() > small.smallest.unwrap(), "{open:?}");
}

#[test]
fn too_few_runs_are_told_how_many_it_takes() {
    let few = one(runs(&TEN[..3], &times(2.0)[..3]));
    assert_eq!(few.word, Word::NotEnough);
    assert_eq!(few.lack, Some(Lack::Runs { needed: 4 }));
    assert_eq!((few.smallest, few.runs_needed.is_some()), (None, true));
    assert!(few.difference.is_some_and(|difference| difference.interval.is_none()));
    // Among 25 metrics that are judged together, four are too few as well.
    let family: Vec<Question> = (0..25).map(|_| runs(&TEN[..4], &times(2.0)[..4])).collect();
    let answer = judge(&family, 1)[0];
    assert_eq!((answer.word, answer.lack), (Word::NotEnough, Some(Lack::Runs { needed: 7 })));
    let family: Vec<Question> = (0..25).map(|_| runs(&TEN[..7], &times(2.0)[..7])).collect();
    assert_eq!(judge(&family, 1)[0].word, Word::Worse);
}

#[test]
fn what_is_not_there_is_not_judged() {
    let mut question = runs(&TEN, &TEN);
    question.sample = Sample::Runs { baseline: vec![None; 4], candidate: vec![Some(1.0); 4] };
    let answer = one(question.clone());
    assert_eq!((answer.word, answer.lack), (Word::NotEnough, Some(Lack::NotMeasured)));
    let lack = Lack::Samples { least: 40, needed: 600 };
    question.sample = Sample::Missing(lack);
    assert_eq!(one(question.clone()).lack, Some(lack));
    question.sample = Sample::Runs { baseline: vec![Some(0.0); 4], candidate: vec![Some(1.0); 4] };
    assert_eq!(one(question).lack, Some(Lack::NoRatio));
    assert_eq!(judge(&[], 1), []);
}

#[test]
fn one_chance_call_among_many_metrics_is_none() {
    // Alone its p is 0.01: the ranks of the second side are mostly above.
    let second: Vec<f64> = TEN.iter().map(|value| value + 1.6).collect();
    let lucky = Question { margin: 0.0, ..runs(&TEN, &second) };
    assert_eq!(one(lucky.clone()).word, Word::Worse);
    let mut family = vec![Question { margin: 0.0, ..runs(&TEN, &TEN) }; 19];
    family.push(lucky);
    let answers = judge(&family, 1);
    assert!(answers.iter().all(|answer| answer.word == Word::NoDifference), "{answers:?}");
}

/// p50 of a run whose intervals have these values, three samples each about them.
fn p50(values: &[u64]) -> (Series, f64) {
    let interval = |value: &u64| vec![(value - 1, 1), (*value, 1), (value + 1, 1)];
    let samples = Cumulated::new(&values.iter().map(interval).collect::<Vec<_>>());
    let series = Series::Quantile { samples, quantile: Quantile::P50 };
    let whole = series.whole().unwrap();
    (series, whole)
}

#[test]
fn single_runs_are_judged_by_their_intervals() {
    let first = [20_000, 20_100, 19_900, 20_050, 20_200, 19_950, 20_000, 20_020];
    let slower = first.map(|value| value + 2_200);
    let question = |first: &[u64], second: &[u64]| Question {
        sample: Sample::Intervals { baseline: p50(first), candidate: p50(second), paired: false },
        ..runs(&TEN, &TEN)
    };
    assert_eq!(one(question(&first, &slower)).word, Word::Worse);
    assert_eq!(one(question(&slower, &first)).word, Word::Better);
    let same = one(question(&first, &first));
    assert_eq!((same.word, same.ruled_out), (Word::NoDifference, true));
    assert!(same.smallest.is_some_and(|seen| seen > 0.05 && seen < 0.08), "{same:?}");
    let short = one(question(&first[..7], &slower));
    assert_eq!(short.lack, Some(Lack::Intervals { least: 7, needed: 8 }));
    // What wavers by a third from second to second hides 5 %, and says how much more would show it.
    let wild = [20_000, 31_000, 18_000, 26_000, 35_000, 21_000, 30_000, 19_000];
    let open = one(question(&wild, &wild));
    assert_eq!((open.word, open.ruled_out), (Word::NoDifference, false));
    assert!(open.runs_needed.is_some_and(|runs| runs > 10), "{open:?}");
}

#[test]
fn shares_are_told_in_points() {
    let parts = |count: f64| Parts { counts: vec![count; 20], bases: vec![100.0; 20] };
    let question = |first, second| Question {
        sample: Sample::Parts { baseline: parts(first), candidate: parts(second) },
        scale: Scale::Difference,
        better: Better::Higher,
        margin: 0.01,
        rounded: false,
    };
    let worse = one(question(99.0, 95.0));
    assert_eq!(worse.word, Word::Worse);
    assert!((worse.difference.unwrap().value + 0.04).abs() < 1e-12, "{worse:?}");
    assert_eq!(one(question(95.0, 99.0)).word, Word::Better);
    let same = one(question(100.0, 100.0));
    assert_eq!((same.word, same.ruled_out), (Word::NoDifference, true));
    let none = Question {
        sample: Sample::Parts { baseline: Parts::default(), candidate: parts(1.0) },
        ..question(1.0, 1.0)
    };
    assert_eq!(one(none).lack, Some(Lack::NotMeasured));
}
