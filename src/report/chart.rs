//! A line chart as SVG: times over a quantity, on a logarithmic scale, since a server near its limit takes a thousand
//! times as long. One file, nothing loaded from elsewhere.

use std::fmt::Write as _;

use crate::units::Microseconds;

const WIDTH: f64 = 860.0;
const HEIGHT: f64 = 500.0;
/// Edges of the plotted area.
const LEFT: f64 = 86.0;
const RIGHT: f64 = 790.0;
const TOP: f64 = 84.0;
const BOTTOM: f64 = 430.0;
/// Of the lines, in order; told apart by the colour-blind, too.
const COLOURS: [&str; 4] = ["#1f6fb2", "#d1570b", "#3a8f47", "#7a4fa3"];
const TEXT: &str = "#24292f";
const FAINT: &str = "#57606a";
const GRID: &str = "#e3e6ea";

/// What is drawn.
#[derive(Clone, Debug, PartialEq)]
pub struct Chart {
    /// Above it.
    pub title: String,
    /// Below the title, smaller.
    pub subtitle: String,
    /// What the horizontal axis is, with its unit.
    pub x_label: String,
    /// What the vertical axis is; its values are microseconds, shown with a unit each.
    pub y_label: String,
    /// The lines.
    pub series: Vec<Series>,
}

/// A line; where a point is missing it is broken.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// Beside its last point.
    pub name: &'static str,
    /// In order of `x`.
    pub points: Vec<Option<Point>>,
}

/// A point with its interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// From 0.
    pub x: f64,
    /// Microseconds.
    pub y: f64,
    /// Lower end of its interval.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// Drawn as a ring.
    pub hollow: bool,
}

/// From values to places.
struct Scales {
    x_max: f64,
    /// Logarithms of the lowest and highest value.
    low: f64,
    high: f64,
}

impl Chart {
    /// The picture.
    #[must_use]
    pub fn svg(&self) -> String {
        let mut out = String::new();
        let _ = writeln!(
            out,
            r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" role="img" font-family="Helvetica, Arial, sans-serif" font-size="13">"#
        );
        let (title, subtitle) = (escape(&self.title), escape(&self.subtitle));
        let _ = writeln!(out, "<title>{title}</title>\n<desc>{subtitle}</desc>");
        let _ = writeln!(out, r##"<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>"##);
        text(&mut out, (LEFT, 34.0), "start", (TEXT, 18), &title);
        text(&mut out, (LEFT, 56.0), "start", (FAINT, 12), &subtitle);
        let points: Vec<Point> =
            self.series.iter().flat_map(|series| series.points.iter().flatten()).copied().collect();
        if points.is_empty() {
            let middle = (f64::midpoint(LEFT, RIGHT), f64::midpoint(TOP, BOTTOM));
            text(&mut out, middle, "middle", (FAINT, 14), "too few samples at every rate");
        } else {
            let scales = Scales::of(&points);
            self.axes(&mut out, &scales);
            let mut taken = Vec::new();
            for (series, colour) in self.series.iter().zip(COLOURS) {
                series.draw(&mut out, &scales, colour, &mut taken);
            }
        }
        out.push_str("</svg>\n");
        out
    }

    fn axes(&self, out: &mut String, scales: &Scales) {
        for (value, major) in decades(scales.low, scales.high) {
            let y = scales.y(value);
            if !(TOP - 0.5..=BOTTOM + 0.5).contains(&y) {
                continue;
            }
            line(out, (LEFT, y), (RIGHT, y), if major { "#d0d7de" } else { GRID });
            text(out, (LEFT - 10.0, y + 4.0), "end", (TEXT, 12), &time_of(value));
        }
        let step = nice_step(scales.x_max);
        let mut value = 0.0;
        while value <= scales.x_max * 1.000_001 {
            let x = scales.x(value);
            line(out, (x, BOTTOM), (x, BOTTOM + 5.0), TEXT);
            text(out, (x, BOTTOM + 20.0), "middle", (TEXT, 12), &plain(value));
            value += step;
        }
        line(out, (LEFT, BOTTOM), (RIGHT, BOTTOM), TEXT);
        let middle = f64::midpoint(LEFT, RIGHT);
        text(out, (middle, BOTTOM + 48.0), "middle", (TEXT, 13), &escape(&self.x_label));
        let _ = writeln!(
            out,
            r#"<text transform="translate(20 {:.1}) rotate(-90)" text-anchor="middle" fill="{TEXT}">{}</text>"#,
            f64::midpoint(TOP, BOTTOM),
            escape(&self.y_label)
        );
    }
}

impl Series {
    fn draw(&self, out: &mut String, scales: &Scales, colour: &str, taken: &mut Vec<f64>) {
        let at = |point: &Point| (scales.x(point.x), scales.y(point.y));
        for run in self.points.split(Option::is_none) {
            let places: Vec<String> = run
                .iter()
                .flatten()
                .map(|point| format!("{:.1},{:.1}", at(point).0, at(point).1))
                .collect();
            if places.len() > 1 {
                let _ = writeln!(
                    out,
                    r#"<polyline points="{}" fill="none" stroke="{colour}" stroke-width="2.2" stroke-linejoin="round"/>"#,
                    places.join(" ")
                );
            }
        }
        for point in self.points.iter().flatten() {
            let ((x, y), fill) = (at(point), if point.hollow { "#ffffff" } else { colour });
            let (low, high) = (scales.y(point.low), scales.y(point.high));
            if low - high > 1.0 {
                line(out, (x, low), (x, high), colour);
                line(out, (x - 4.0, low), (x + 4.0, low), colour);
                line(out, (x - 4.0, high), (x + 4.0, high), colour);
            }
            let _ = writeln!(
                out,
                r#"<circle cx="{x:.1}" cy="{y:.1}" r="4.5" fill="{fill}" stroke="{colour}" stroke-width="2"><title>{}: {} at {}</title></circle>"#,
                self.name,
                time_of(point.y),
                plain(point.x)
            );
        }
        if let Some(last) = self.points.iter().flatten().next_back() {
            let (x, mut y) = at(last);
            // Two names do not lie on each other.
            while taken.iter().any(|other| (other - y).abs() < 15.0) {
                y -= 15.0;
            }
            taken.push(y);
            text(out, (x + 12.0, y + 4.0), "start", (colour, 13), self.name);
        }
    }
}

impl Scales {
    fn of(points: &[Point]) -> Self {
        let x_max = points.iter().map(|point| point.x).fold(f64::MIN_POSITIVE, f64::max);
        let low = points.iter().map(|point| point.low).fold(f64::INFINITY, f64::min).max(1.0);
        let high = points.iter().map(|point| point.high).fold(1.0, f64::max);
        // To the next 1, 2 or 5 and at least a decade, so that noise does not look like a cliff.
        let (low, high) = (below(low), above(high));
        let high = high.max(low * 10.0);
        Self { x_max, low: low.log10(), high: high.log10() }
    }

    fn x(&self, value: f64) -> f64 {
        LEFT + (RIGHT - 40.0 - LEFT) * value / self.x_max
    }

    fn y(&self, value: f64) -> f64 {
        BOTTOM - (BOTTOM - TOP) * (value.max(1.0).log10() - self.low) / (self.high - self.low)
    }
}

/// 1, 2 and 5 times each power of ten between the two logarithms; whether it is one of the first.
fn decades(low: f64, high: f64) -> Vec<(f64, bool)> {
    #[expect(clippy::cast_possible_truncation, reason = "logarithms of times are below 10")]
    let (first, last) = (low.floor() as i32, high.ceil() as i32);
    let many = high - low > 4.5;
    let steps: &[f64] = if many { &[1.0] } else { &[1.0, 2.0, 5.0] };
    let of = |power: i32| steps.iter().map(move |step| (step * 10_f64.powi(power), *step == 1.0));
    (first..=last).flat_map(of).collect()
}

/// The largest of 1, 2, 5 times a power of ten that is not above `value`.
fn below(value: f64) -> f64 {
    let power = 10_f64.powf(value.log10().floor());
    [5.0, 2.0, 1.0]
        .into_iter()
        .map(|step| step * power)
        .find(|step| *step <= value)
        .unwrap_or(power)
}

/// The smallest that is not below it.
fn above(value: f64) -> f64 {
    let power = 10_f64.powf(value.log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].into_iter().map(|step| step * power);
    steps.into_iter().find(|step| *step >= value).unwrap_or(power * 10.0)
}

/// A step of 1, 2 or 5 times a power of ten that makes four to nine of `max`.
fn nice_step(max: f64) -> f64 {
    above(max / 8.0)
}

fn time_of(us: f64) -> String {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "not negative, and the cast saturates"
    )]
    let us = us.round() as u64;
    let text = Microseconds(us).to_string();
    // An axis says 20 ms, not 20.0 ms.
    match text.split_once(' ') {
        Some((number, unit)) if number.contains('.') => {
            format!("{} {unit}", number.trim_end_matches('0').trim_end_matches('.'))
        }
        _ => text,
    }
}

fn plain(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn line(out: &mut String, from: (f64, f64), to: (f64, f64), colour: &str) {
    let ((x1, y1), (x2, y2)) = (from, to);
    let _ = writeln!(
        out,
        r#"<line x1="{x1:.1}" y1="{y1:.1}" x2="{x2:.1}" y2="{y2:.1}" stroke="{colour}"/>"#
    );
}

/// `style` is colour and size.
fn text(out: &mut String, at: (f64, f64), anchor: &str, style: (&str, u32), text: &str) {
    let ((x, y), (colour, size)) = (at, style);
    let _ = writeln!(
        out,
        r#"<text x="{x:.1}" y="{y:.1}" text-anchor="{anchor}" fill="{colour}" font-size="{size}">{text}</text>"#
    );
}

pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(points: &[(f64, f64)]) -> String {
        let point = |(x, y): &(f64, f64)| {
            Some(Point { x: *x, y: *y, low: y * 0.9, high: y * 1.1, hollow: *y > 1e6 })
        };
        Chart {
            title: "a <b> & c".to_owned(),
            subtitle: String::new(),
            x_label: "rate".to_owned(),
            y_label: "time".to_owned(),
            series: vec![Series { name: "p99", points: points.iter().map(point).collect() }],
        }
        .svg()
    }

    #[test]
    fn every_place_lies_in_the_picture() {
        for points in [
            &[(50.0, 800.0), (100.0, 900.0), (200.0, 2e6)][..],
            &[(1.0, 0.0)],
            &[(1e6, 9e8), (1e6, 1.0)],
            &[(0.0, 5.0)],
        ] {
            let svg = chart(points);
            let numbers = svg.split('"').filter_map(|text| text.parse::<f64>().ok());
            assert!(numbers.clone().count() > 20);
            assert!(numbers.into_iter().all(|number| (0.0..=WIDTH).contains(&number)), "{svg}");
            assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
        }
    }

    #[test]
    fn text_is_escaped_and_a_missing_point_breaks_the_line() {
        assert!(chart(&[(1.0, 1.0)]).contains("<title>a &lt;b&gt; &amp; c</title>"));
        assert!(chart(&[]).contains("too few samples"));
        let broken = |points| {
            let series = Series { name: "p99", points };
            let (scales, mut out) = (Scales { x_max: 4.0, low: 0.0, high: 1.0 }, String::new());
            series.draw(&mut out, &scales, "red", &mut Vec::new());
            out.matches("<polyline").count()
        };
        let point = |x| Some(Point { x, y: 2.0, low: 2.0, high: 2.0, hollow: false });
        assert_eq!(broken(vec![point(1.0), point(2.0), None, point(3.0), point(4.0)]), 2);
        assert_eq!(broken(vec![point(1.0), None, point(3.0)]), 0);
    }

    #[test]
    fn ticks_are_round_numbers() {
        assert_eq!([below(7.0), below(1.0), below(0.3)], [5.0, 1.0, 0.2]);
        assert_eq!([above(7.0), above(1.0), above(21.0)], [10.0, 1.0, 50.0]);
        assert_eq!([nice_step(800.0), nice_step(1.0)], [100.0, 0.2]);
        assert_eq!(time_of(20_000.0), "20 ms");
        assert_eq!(time_of(100.0), "100 µs");
        assert_eq!(time_of(1e6), "1 s");
    }
}
