//! What a comparison can see, and how many runs it takes.

use super::distribution::{normal_above, normal_quantile};

/// How often a difference should be seen that is there.
pub const POWER: f64 = 0.8;

/// How many runs a side the Mann-Whitney test takes to see that the candidate's values lie above the baseline's in
/// this share of all pairs, in [`POWER`] of all cases, where it is called below `level` (two-sided).
///
/// Noether (1987), "Sample size determination for some common nonparametric tests", for sides of one size. `None` of a
/// share of one half.
#[must_use]
pub fn runs_needed(share_above: f64, level: f64) -> Option<u64> {
    let reach = reach(level);
    let runs = (reach / (share_above - 0.5)).powi(2) / 6.0;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a positive number, and a float turns into the nearest integer there is"
    )]
    runs.is_finite().then(|| runs.ceil().max(1.0) as u64)
}

/// The share of all pairs in which a normal variable lies above another of the same deviation that lies so much lower.
#[must_use]
pub fn share_above(shift: f64, deviation: f64) -> f64 {
    1.0 - normal_above(shift / (deviation * std::f64::consts::SQRT_2))
}

/// The smallest shift of normal values that the Mann-Whitney test sees in [`POWER`] of all cases: the same formula, for
/// sides of `first` and `second` values. `None` where they are too few for any.
#[must_use]
pub fn smallest_shift(first: f64, second: f64, deviation: f64, level: f64) -> Option<f64> {
    let share = 0.5 + reach(level) / (12.0 * first * second / (first + second)).sqrt();
    (share < 1.0).then(|| deviation * std::f64::consts::SQRT_2 * normal_quantile(share))
}

/// How many standard errors a difference must have to be called below `level` (two-sided) in [`POWER`] of all cases.
#[must_use]
pub fn reach(level: f64) -> f64 {
    normal_quantile(1.0 - level / 2.0) + normal_quantile(POWER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reach_is_that_of_every_table() {
        // SciPy 1.17.1: norm.ppf(0.975) + norm.ppf(0.8) and norm.ppf(0.9995) + norm.ppf(0.8).
        assert!((reach(0.05) - 2.801_585_218_112_969).abs() < 1e-9, "{}", reach(0.05));
        assert!((reach(0.001) - 4.132_147_965_064_807).abs() < 1e-6, "{}", reach(0.001));
    }

    #[test]
    fn both_directions_of_the_formula_agree() {
        // Noether's formula by hand: (1.95996 + 0.84162)^2 / (6 * 0.2^2) = 32.7.
        assert_eq!(runs_needed(0.7, 0.05), Some(33));
        assert_eq!(runs_needed(0.3, 0.05), Some(33));
        assert_eq!(runs_needed(0.5, 0.05), None);
        for runs in [6_u32, 10, 40] {
            let shift = smallest_shift(f64::from(runs), f64::from(runs), 2.5, 0.05).unwrap();
            assert_eq!(runs_needed(share_above(shift, 2.5) + 1e-9, 0.05), Some(u64::from(runs)));
        }
        assert_eq!(smallest_shift(3.0, 3.0, 1.0, 0.01), None);
    }
}
