//! The normal and Student's t distribution, to about twelve digits.

/// Enough halvings of an interval for the last bit of a float.
const HALVINGS: u32 = 80;
/// Steps of a continued fraction or a series; each of them is at its last digit long before.
const TERMS_MAX: u32 = 500;
/// Where a continued fraction has arrived.
const NOTHING: f64 = 1e-300;

/// `P(X > x)` of a standard normal variable.
#[must_use]
pub fn normal_above(x: f64) -> f64 {
    if x < 0.0 {
        return 1.0 - normal_above(-x);
    }
    let density = (-x * x / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt();
    if x < 3.0 {
        // The integral of the density as a series in x (Abramowitz and Stegun 26.2.11).
        let (mut term, mut sum, mut odd) = (x, x, 1.0);
        while term > sum * 1e-17 {
            odd += 2.0;
            term *= x * x / odd;
            sum += term;
        }
        return 0.5 - density * sum;
    }
    // Laplace's continued fraction (26.2.14), from its far end.
    let fraction = (1..=100).rev().fold(x, |tail, step| x + f64::from(step) / tail);
    density / fraction
}

/// The `x` with `P(X <= x) = probability` of a standard normal variable; infinite at 0 and 1.
#[must_use]
pub fn normal_quantile(probability: f64) -> f64 {
    quantile(probability, normal_above)
}

/// `P(T > t)` of Student's t with `freedom` degrees of freedom.
#[must_use]
pub fn student_above(t: f64, freedom: f64) -> f64 {
    if t.is_nan() || t < 0.0 {
        return 1.0 - student_above(-t, freedom);
    }
    if t.is_infinite() {
        return 0.0;
    }
    0.5 * incomplete_beta(freedom / 2.0, 0.5, freedom / (freedom + t * t))
}

/// The `t` with `P(T <= t) = probability` of Student's t; infinite at 0 and 1.
#[must_use]
pub fn student_quantile(probability: f64, freedom: f64) -> f64 {
    quantile(probability, |t| student_above(t, freedom))
}

/// The quantile of a distribution that is symmetric about 0.
fn quantile(probability: f64, above: impl Fn(f64) -> f64) -> f64 {
    let tail = probability.min(1.0 - probability);
    if tail <= 0.0 {
        return f64::INFINITY.copysign(probability - 0.5);
    }
    let (mut low, mut high) = (0.0, 1.0);
    while above(high) > tail && high < 1e15 {
        high *= 2.0;
    }
    for _ in 0..HALVINGS {
        let middle = f64::midpoint(low, high);
        if above(middle) > tail {
            low = middle;
        } else {
            high = middle;
        }
    }
    f64::midpoint(low, high).copysign(probability - 0.5)
}

/// The regularised incomplete beta function I_x(a, b), by its continued fraction (DLMF 8.17.22).
fn incomplete_beta(a: f64, b: f64, x: f64) -> f64 {
    if x <= 0.0 || x >= 1.0 {
        return if x <= 0.0 { 0.0 } else { 1.0 };
    }
    if x > (a + 1.0) / (a + b + 2.0) {
        return 1.0 - incomplete_beta(b, a, 1.0 - x);
    }
    let front = a * x.ln() + b * (-x).ln_1p() + ln_gamma(a + b) - ln_gamma(a) - ln_gamma(b);
    let away = |value: f64| if value.abs() < NOTHING { NOTHING } else { value };
    // Lentz's way to evaluate it from its near end.
    let mut d = 1.0 / away(1.0 - (a + b) * x / (a + 1.0));
    let (mut c, mut fraction) = (1.0, d);
    for step in 1..=TERMS_MAX {
        let m = f64::from(step);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        let before = fraction;
        for numerator in [even, odd] {
            d = 1.0 / away(1.0 + numerator * d);
            c = away(1.0 + numerator / c);
            fraction *= d * c;
        }
        if (fraction - before).abs() <= fraction.abs() * 1e-15 {
            break;
        }
    }
    front.exp() * fraction / a
}

/// The logarithm of the gamma function of a positive number: Stirling's series (DLMF 5.11.1), far enough out.
fn ln_gamma(x: f64) -> f64 {
    let (mut x, mut shift) = (x, 0.0);
    while x < 15.0 {
        shift += x.ln();
        x += 1.0;
    }
    let square = x * x;
    let series = (1.0 / 12.0
        - (1.0 / 360.0 - (1.0 / 1260.0 - 1.0 / (1680.0 * square)) / square) / square)
        / x;
    (x - 0.5) * x.ln() - x + (2.0 * std::f64::consts::PI).ln() / 2.0 + series - shift
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn near(got: f64, want: f64) {
        assert!((got - want).abs() <= want.abs() * 1e-9 + 1e-15, "{got}, not {want}");
    }

    #[test]
    fn tails_of_the_normal_distribution() {
        // SciPy 1.17.1: scipy.stats.norm.sf(x).
        for (x, want) in [
            (0.0, 0.5),
            (0.5, 0.308_537_538_725_986_9),
            (1.0, 0.158_655_253_931_457_07),
            (1.959_963_984_540_054, 0.025),
            (2.9, 0.001_865_813_300_384_037_5),
            (3.0, 0.001_349_898_031_630_093_3),
            (3.1, 0.000_967_603_213_218_356_3),
            (5.0, 2.866_515_718_791_933e-7),
            (8.0, 6.220_960_574_271_74e-16),
            (-1.3, 0.903_199_515_414_389_7),
        ] {
            near(normal_above(x), want);
        }
        near(normal_above(37.0) * 1e300, 5.725_571_222_523_927);
        assert_eq!(normal_above(f64::INFINITY), 0.0);
    }

    #[test]
    fn quantiles_of_the_normal_distribution() {
        // SciPy 1.17.1: scipy.stats.norm.ppf(p).
        for (probability, want) in [
            (0.5, 0.0),
            (0.8, 0.841_621_233_572_914_3),
            (0.975, 1.959_963_984_540_054),
            (0.999, 3.090_232_306_167_813),
            (1e-9, -5.997_807_015_007_686_5),
            (0.01, -2.326_347_874_040_840_8),
        ] {
            near(normal_quantile(probability), want);
        }
        assert_eq!(
            [normal_quantile(0.0), normal_quantile(1.0)],
            [f64::NEG_INFINITY, f64::INFINITY]
        );
    }

    #[test]
    fn students_t() {
        // SciPy 1.17.1: scipy.stats.t.sf(t, df).
        for (t, freedom, want) in [
            (0.0, 3.0, 0.5),
            (1.0, 1.0, 0.25),
            (2.5, 2.0, 0.064_805_860_110_755_41),
            (2.228, 10.0, 0.025_005_885_908_555_66),
            (-1.0, 5.0, 0.818_391_266_175_438_6),
            (12.706, 1.0, 0.025_000_401_179_066_593),
            (4.0, 4.5, 0.006_382_244_732_812_025),
            (1.96, 1000.0, 0.025_136_592_477_874_368),
            (8.0, 30.0, 3.132_911_237_850_379_5e-9),
        ] {
            near(student_above(t, freedom), want);
        }
        assert_eq!(student_above(f64::INFINITY, 3.0), 0.0);
        // SciPy 1.17.1: scipy.stats.t.ppf(p, df).
        for (probability, freedom, want) in [
            (0.975, 1.0, 12.706_204_736_174_694),
            (0.975, 2.0, 4.302_652_729_749_462),
            (0.975, 6.0, 2.446_911_851_144_978_6),
            (0.95, 4.5, 2.065_575_888_878_524),
            (0.9995, 10.0, 4.586_893_858_702_708),
            (0.025, 7.0, -2.364_624_251_592_784_4),
            (0.975, 2000.0, 1.961_150_826_099_437_7),
        ] {
            near(student_quantile(probability, freedom), want);
        }
    }
}
