//! A picture of the distributions: latency over percentile, both on logarithmic axes.
//!
//! The horizontal axis stretches towards 100 %, so that the slowest thousandth is as wide as the slowest hundredth.

use std::{fmt::Write as _, fs, path::Path};

use anyhow::Context as _;

use super::{Report, Series};

const WIDTH: f64 = 860.0;
const HEIGHT: f64 = 460.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 50.0;
const BOTTOM: f64 = 60.0;

/// The percentiles with a line, and the right end of the axis.
const TICKS: [f64; 6] = [0.0, 50.0, 90.0, 99.0, 99.9, 99.99];

/// Points of a curve.
const POINTS: u32 = 200;

/// Colours that people with colour blindness tell apart (Okabe and Ito).
const COLOURS: [&str; 6] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"];

/// Writes the picture into a file.
///
/// # Errors
/// The file cannot be written.
pub(crate) fn write(report: &Report, file: &Path) -> anyhow::Result<()> {
    fs::write(file, render(report)?)
        .with_context(|| format!("{} cannot be written", file.display()))
}

fn render(report: &Report) -> Result<String, std::fmt::Error> {
    let series = &report.outcome.series;
    let scale = Scale::of(series);
    let mut svg = String::new();
    write!(
        svg,
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">"#
    )?;
    write!(svg, r##"<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>"##)?;
    let title = format!("coscribe-bench {}: latency by percentile", report.scenario);
    write!(svg, r#"<text x="{LEFT}" y="24" font-size="16">{}</text>"#, escape(&title))?;
    draw_axes(&mut svg, &scale)?;
    for (number, series) in series.iter().enumerate() {
        draw_curve(&mut svg, &scale, series, number)?;
    }
    svg.push_str("</svg>\n");
    Ok(svg)
}

/// The vertical axis: powers of ten of milliseconds.
struct Scale {
    lowest: i32,
    highest: i32,
}

impl Scale {
    fn of(series: &[Series]) -> Self {
        let of_all = |percent: f64| series.iter().map(move |one| one.latencies.percentile(percent));
        let (least, most) =
            (of_all(0.0).fold(f64::MAX, f64::min), of_all(100.0).fold(0.001, f64::max));
        let lowest = least.clamp(0.001, most).log10().floor() as i32;
        Self { lowest, highest: (most.log10().ceil() as i32).max(lowest + 1) }
    }

    /// Returns the latencies with a line: 1, 2 and 5 of each power of ten.
    fn lines(&self) -> Vec<f64> {
        let top = 10_f64.powi(self.highest);
        let powers = (self.lowest..self.highest).map(|power| 10_f64.powi(power));
        let all = powers.flat_map(|power| [power, 2.0 * power, 5.0 * power]);
        all.chain([top]).collect()
    }

    fn y(&self, milliseconds: f64) -> f64 {
        let share = (milliseconds.max(0.001).log10() - f64::from(self.lowest))
            / f64::from(self.highest - self.lowest);
        HEIGHT - BOTTOM - share.clamp(0.0, 1.0) * (HEIGHT - TOP - BOTTOM)
    }
}

/// Returns the place of a percentile: equally far for each further nine.
fn x(percent: f64) -> f64 {
    let nines = |percent: f64| -(1.0 - percent / 100.0).max(1e-9).log10();
    let share = nines(percent) / nines(TICKS[TICKS.len() - 1]);
    LEFT + share.min(1.0) * (WIDTH - LEFT - RIGHT)
}

fn draw_axes(svg: &mut String, scale: &Scale) -> std::fmt::Result {
    let (bottom, end) = (HEIGHT - BOTTOM, WIDTH - RIGHT);
    for percent in TICKS {
        let x = x(percent);
        write!(svg, r##"<line x1="{x:.1}" y1="{TOP}" x2="{x:.1}" y2="{bottom}" stroke="#ddd"/>"##)?;
        write!(
            svg,
            r#"<text x="{x:.1}" y="{:.1}" text-anchor="middle">{percent}</text>"#,
            bottom + 18.0
        )?;
    }
    for milliseconds in scale.lines() {
        let digits = usize::try_from(-milliseconds.log10().floor() as i32).unwrap_or(0);
        let y = scale.y(milliseconds);
        write!(svg, r##"<line x1="{LEFT}" y1="{y:.1}" x2="{end}" y2="{y:.1}" stroke="#ddd"/>"##)?;
        write!(
            svg,
            r#"<text x="{:.1}" y="{:.1}" text-anchor="end">{milliseconds:.digits$}</text>"#,
            LEFT - 8.0,
            y + 4.0
        )?;
    }
    write!(
        svg,
        r#"<text x="{:.1}" y="{:.1}" text-anchor="middle">percentile</text>"#,
        (LEFT + end) / 2.0,
        HEIGHT - 18.0
    )?;
    write!(svg, r#"<text x="{LEFT}" y="{:.1}" text-anchor="end">ms</text>"#, TOP - 8.0)
}

fn draw_curve(svg: &mut String, scale: &Scale, series: &Series, number: usize) -> std::fmt::Result {
    let colour = COLOURS[number % COLOURS.len()];
    let nines = |point: u32| f64::from(point) / f64::from(POINTS) * 4.0;
    svg.push_str(r#"<polyline fill="none" stroke-width="2" points=""#);
    for point in 0..=POINTS {
        let percent = 100.0 * (1.0 - 10_f64.powf(-nines(point)));
        write!(svg, "{:.1},{:.1} ", x(percent), scale.y(series.latencies.percentile(percent)))?;
    }
    write!(svg, r#"" stroke="{colour}"/>"#)?;
    let (y, max) = (TOP + 20.0 + 18.0 * number as f64, series.latencies.percentile(100.0));
    write!(
        svg,
        r#"<text x="{:.1}" y="{y:.1}" fill="{colour}">{} ({} events, max {max:.2} ms)</text>"#,
        LEFT + 12.0,
        escape(series.name),
        series.latencies.count()
    )
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_further_nine_is_equally_wide() {
        let widths = [x(90.0) - x(0.0), x(99.0) - x(90.0), x(99.9) - x(99.0)];
        assert!(widths.iter().all(|width| (width - widths[0]).abs() < 0.01), "{widths:?}");
    }

    #[test]
    fn the_vertical_axis_has_three_lines_for_each_power_of_ten() {
        let scale = Scale { lowest: 0, highest: 2 };
        assert_eq!(scale.lines(), [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0]);
        assert!(scale.y(1.0) > scale.y(10.0));
    }

    #[test]
    fn text_is_escaped() {
        assert_eq!(escape("a<b>&c"), "a&lt;b&gt;&amp;c");
    }
}
