//! Charts as SVG, drawn with plotters. Colours are told apart by the colour-blind (Okabe and Ito); the page's style sheet
//! exchanges them where it is dark.

use plotters::prelude::*;

use crate::stats::binomial::as_f64;

/// Of the lines, in order.
pub(super) const COLOURS: [RGBColor; 6] = [
    RGBColor(0x00, 0x72, 0xb2),
    RGBColor(0xd5, 0x5e, 0x00),
    RGBColor(0x00, 0x9e, 0x73),
    RGBColor(0xcc, 0x79, 0xa7),
    RGBColor(0xe6, 0x9f, 0x00),
    RGBColor(0x56, 0xb4, 0xe9),
];
/// Text and axes, and the lines of the grid: the style sheet gives them the colours of the page.
const INK: RGBColor = RGBColor(0x1f, 0x23, 0x28);
const GRID: RGBColor = RGBColor(0xd8, 0xde, 0xe4);
const SIZE: (u32, u32) = (860, 340);

/// A chart of lines.
pub(super) struct LineChart<'a> {
    pub(super) x_label: &'a str,
    pub(super) y_label: &'a str,
    /// Where the axes end.
    pub(super) x: (f64, f64),
    pub(super) y: (f64, f64),
    /// How a place on an axis reads.
    pub(super) x_text: fn(f64) -> String,
    pub(super) y_text: fn(f64) -> String,
    /// Most labels of the axes.
    pub(super) labels: (usize, usize),
    pub(super) lines: &'a [Line],
}

/// A line.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Line {
    pub(super) name: String,
    /// Index of its colour.
    pub(super) colour: usize,
    pub(super) width: u32,
    /// Pieces without a gap.
    pub(super) pieces: Vec<Vec<(f64, f64)>>,
}

impl Line {
    /// A line through points; broken where one is `None`.
    pub(super) fn new(name: String, colour: usize, points: &[(f64, Option<f64>)]) -> Self {
        let pieces = points.split(|(_, y)| y.is_none());
        let pieces = pieces
            .map(|piece| piece.iter().filter_map(|(x, y)| Some((*x, (*y)?))).collect::<Vec<_>>())
            .filter(|piece| !piece.is_empty());
        Self { name, colour, width: 2, pieces: pieces.collect() }
    }

    fn points(&self) -> impl Iterator<Item = &(f64, f64)> {
        self.pieces.iter().flatten()
    }
}

/// The ends of all points, `None` without one.
pub(super) fn extent(lines: &[Line]) -> Option<((f64, f64), (f64, f64))> {
    let mut all =
        lines.iter().flat_map(Line::points).filter(|(x, y)| x.is_finite() && y.is_finite());
    let first = all.next()?;
    let start = ((first.0, first.0), (first.1, first.1));
    Some(all.fold(start, |((x0, x1), (y0, y1)), (x, y)| {
        ((x0.min(*x), x1.max(*x)), (y0.min(*y), y1.max(*y)))
    }))
}

impl LineChart<'_> {
    /// The picture; empty where it cannot be drawn.
    pub(super) fn svg(&self) -> String {
        let mut out = String::new();
        match self.draw(&mut out) {
            Ok(()) => fluid(&out),
            Err(_) => String::new(),
        }
    }

    fn draw(&self, out: &mut String) -> Result<(), Box<dyn std::error::Error>> {
        let root = SVGBackend::with_string(out, SIZE).into_drawing_area();
        let mut chart = ChartBuilder::on(&root)
            .margin(8)
            .margin_right(24)
            .x_label_area_size(46)
            .y_label_area_size(78)
            .build_cartesian_2d(self.x.0..self.x.1, self.y.0..self.y.1)?;
        chart
            .configure_mesh()
            .x_desc(self.x_label)
            .y_desc(self.y_label)
            .x_labels(self.labels.0)
            .y_labels(self.labels.1)
            .x_label_formatter(&|x| (self.x_text)(*x))
            .y_label_formatter(&|y| (self.y_text)(*y))
            .label_style(("sans-serif", 13).into_font().color(&INK))
            .axis_desc_style(("sans-serif", 13).into_font().color(&INK))
            .axis_style(INK)
            .bold_line_style(GRID)
            .light_line_style(TRANSPARENT)
            .draw()?;
        for line in self.lines {
            let colour = COLOURS[line.colour % COLOURS.len()];
            let style = colour.stroke_width(line.width);
            for piece in &line.pieces {
                match piece.as_slice() {
                    // A point by itself has no line.
                    [only] => {
                        chart.draw_series([Circle::new(*only, 3, colour.filled())])?;
                    }
                    points => {
                        chart.draw_series([PathElement::new(points.to_vec(), style)])?;
                    }
                }
            }
        }
        root.present()?;
        Ok(())
    }
}

/// How many samples lay in a span of time and of latency.
pub(super) struct HeatMap {
    /// Left and right end of each column in seconds.
    pub(super) columns: Vec<(f64, f64)>,
    /// Counts of each column, by row.
    pub(super) counts: Vec<Vec<u64>>,
    /// Lower end of the first row, and height of a row: logarithms of microseconds.
    pub(super) first: f64,
    pub(super) height: f64,
}

impl HeatMap {
    /// The picture; empty where it cannot be drawn.
    pub(super) fn svg(&self, y_text: fn(f64) -> String) -> String {
        let mut out = String::new();
        match self.draw(&mut out, y_text) {
            Ok(()) => fluid(&out),
            Err(_) => String::new(),
        }
    }

    fn draw(
        &self,
        out: &mut String,
        y_text: fn(f64) -> String,
    ) -> Result<(), Box<dyn std::error::Error>> {
        let rows = self.counts.iter().map(Vec::len).max().unwrap_or(0);
        let start = self.columns.first().map_or(0.0, |column| column.0);
        let end = self.columns.last().map_or(1.0, |column| column.1);
        let top = self.first + self.height * as_f64(rows as u64);
        let most = self.counts.iter().flatten().copied().max().unwrap_or(1).max(1);
        let root = SVGBackend::with_string(out, SIZE).into_drawing_area();
        let mut chart = ChartBuilder::on(&root)
            .margin(8)
            .margin_right(24)
            .x_label_area_size(46)
            .y_label_area_size(78)
            .build_cartesian_2d(start..end, self.first..top)?;
        chart
            .configure_mesh()
            .x_desc("seconds from the start of the run")
            .y_desc("time (logarithmic)")
            .x_label_formatter(&|x| super::plain(*x))
            .y_label_formatter(&|y| y_text(*y))
            .label_style(("sans-serif", 13).into_font().color(&INK))
            .axis_desc_style(("sans-serif", 13).into_font().color(&INK))
            .axis_style(INK)
            .disable_mesh()
            .draw()?;
        let cells = self.columns.iter().zip(&self.counts).flat_map(|((left, right), counts)| {
            counts.iter().enumerate().filter(|(_, count)| **count > 0).map(move |(row, count)| {
                let low = self.first + self.height * as_f64(row as u64);
                // By the logarithm: rare slow samples are to be seen beside many fast ones.
                let share = (1.0 + as_f64(*count)).ln() / (1.0 + as_f64(most)).ln();
                let colour = COLOURS[0].mix(0.12 + 0.88 * share).filled();
                Rectangle::new([(*left, low), (*right, low + self.height)], colour)
            })
        });
        chart.draw_series(cells)?;
        root.present()?;
        Ok(())
    }
}

/// A picture that is as wide as its place.
fn fluid(svg: &str) -> String {
    let (width, height) = SIZE;
    svg.replacen(&format!("width=\"{width}\" height=\"{height}\" "), "", 1).replacen(
        "<svg ",
        "<svg role=\"img\" ",
        1,
    )
}
