//! Many questions at once: Holm's correction, which keeps the chance of any false call at that of one test.

/// The p values as they count where all were asked together (Holm 1979), in the order given.
///
/// The k-th smallest of `n` counts `n - k + 1` times, and never less than one before it.
#[must_use]
pub fn adjusted(p: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|a, b| p[*a].total_cmp(&p[*b]));
    let (mut adjusted, mut highest) = (vec![1.0; p.len()], 0.0_f64);
    let mut left = p.len();
    for index in order {
        let times = f64::from(u32::try_from(left).unwrap_or(u32::MAX));
        highest = highest.max((p[index] * times).min(1.0));
        adjusted[index] = highest;
        left -= 1;
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(p: &[f64], want: &[f64]) {
        let got = adjusted(p);
        let near = |(got, want): (&f64, &f64)| (got - want).abs() < 1e-12;
        assert!(got.len() == want.len() && got.iter().zip(want).all(near), "{got:?}");
    }

    #[test]
    fn holms_steps() {
        // statsmodels 0.15.0: multipletests(p, method="holm").
        check(&[0.01, 0.04, 0.03, 0.005], &[0.03, 0.06, 0.06, 0.02]);
        check(&[0.2, 0.001, 0.001, 0.9, 0.02, 0.04], &[0.4, 0.006, 0.006, 0.9, 0.08, 0.12]);
        check(&[0.03], &[0.03]);
        check(&[1.0, 0.9], &[1.0, 1.0]);
        check(&[], &[]);
    }
}
