//! Tails of the binomial distribution: what the intervals of quantiles stand on.

/// Below this mean of the rarer side, probabilities are added up one by one; above it the Cornish-Fisher
/// expansion is within one count of the exact answer. `exp` underflows at 708, so it may not be above that.
const EXACT_MEAN_MAX: f64 = 500.0;

/// 2.5 % in each tail leaves the 95 % that every interval here has.
pub const TAIL: f64 = 0.025;
/// The standard normal quantile of `1 - TAIL`.
pub const Z: f64 = 1.959_963_984_540_054;

/// The largest `k` with `P(X <= k) <= TAIL`, where X is binomial over `trials` with success `probability`
/// (above 0 and below 1); `None` where not even `k = 0` is that rare.
#[must_use]
pub fn low_tail(trials: u64, probability: f64) -> Option<u64> {
    debug_assert!(probability > 0.0 && probability < 1.0, "{probability} is no open share");
    let trials_f = as_f64(trials);
    let rarer = probability.min(1.0 - probability);
    if trials_f * rarer > EXACT_MEAN_MAX {
        return expanded(trials_f, probability);
    }
    if probability <= 0.5 {
        return sum_until(trials, probability, |sum| sum > TAIL)?.checked_sub(1);
    }
    // From the other side: P(X <= k) = 1 - P(Y <= trials - k - 1) with Y the failures.
    let failures = sum_until(trials, 1.0 - probability, |sum| sum >= 1.0 - TAIL)?;
    trials.checked_sub(failures + 1)
}

/// The smallest `k` for which `stop(P(X <= k))` holds.
fn sum_until(trials: u64, probability: f64, stop: impl Fn(f64) -> bool) -> Option<u64> {
    let odds = probability / (1.0 - probability);
    let mut term = (as_f64(trials) * (-probability).ln_1p()).exp();
    let mut sum = term;
    let mut k = 0;
    while !stop(sum) {
        if k == trials {
            return None;
        }
        term *= as_f64(trials - k) / as_f64(k + 1) * odds;
        k += 1;
        sum += term;
    }
    Some(k)
}

/// The same by the normal quantile, corrected for skewness and continuity.
fn expanded(trials: f64, probability: f64) -> Option<u64> {
    let mean = trials * probability;
    let deviation = (mean * (1.0 - probability)).sqrt();
    let skew = (1.0 - 2.0 * probability) / 6.0 * (Z * Z - 1.0);
    let k = (mean - Z * deviation + skew - 0.5).floor();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "at least 0 and at most `trials`"
    )]
    (k >= 0.0).then_some(k as u64)
}

#[expect(clippy::cast_precision_loss, reason = "a count over 2^53 differs by less than a rank")]
pub(crate) fn as_f64(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_tails_are_those_of_the_tables() {
        // P(X <= 0) of 10 fair coins is 0.001, P(X <= 1) 0.0107, P(X <= 2) 0.0547.
        assert_eq!(low_tail(10, 0.5), Some(1));
        // P(X <= 0) of 5 is 0.031.
        assert_eq!(low_tail(5, 0.5), None);
        assert_eq!(low_tail(6, 0.5), Some(0));
        assert_eq!(low_tail(0, 0.5), None);
        assert_eq!(low_tail(1, 0.99), Some(0));
        // Poisson of 5.57: P(X <= 1) = 0.025.
        assert_eq!(low_tail(500, 0.01), Some(0));
        assert_eq!(low_tail(600, 0.01), Some(1));
    }

    #[test]
    fn the_expansion_agrees_with_the_sum() {
        for probability in [0.5, 0.25, 0.05, 0.01, 0.001, 0.75, 0.95, 0.99, 0.9999] {
            let rarer: f64 = f64::min(probability, 1.0 - probability);
            for mean in [200.0, 350.0, 499.0] {
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "test")]
                let trials = (mean / rarer) as u64;
                let exact = low_tail(trials, probability).unwrap();
                let near = expanded(as_f64(trials), probability).unwrap();
                assert!(
                    exact.abs_diff(near) <= 1,
                    "{trials} at {probability}: {exact}, not {near}"
                );
            }
        }
    }
}
