//! Draws tweets a second against the number of queries, on logarithmic axes, as an SVG for dark and
//! light pages.

use std::fmt::Write as _;

use crate::mix;
use crate::row::Row;
use crate::stream::as_float;

/// A color for each mix, readable on white and on black.
const COLORS: &[&str] = &["#2f81f7", "#e5534b", "#2da44e", "#a371f7", "#d4881c"];
/// The distance between labels at the right.
const LINE: f64 = 16.0;

const LEFT: f64 = 56.0;
const RIGHT: f64 = 510.0;
const BOTTOM: f64 = 340.0;
/// The distance of two powers of ten.
const ACROSS: f64 = 150.0;
const UP: f64 = 72.0;

pub(crate) fn draw(rows: &[Row]) -> String {
    let x = |size: usize| LEFT + (as_float(size).log10() - 3.0) * ACROSS;
    let y = |docs: f64| BOTTOM - (docs.log10() - 2.0) * UP;
    let mut svg = String::from(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 610 390\" font-family=\"sans-serif\" font-size=\"13\">\n\
         <style>text{fill:#57606a}path{fill:none;stroke-width:2}.grid{stroke:#57606a;stroke-opacity:.25;stroke-width:1}\n\
         @media(prefers-color-scheme:dark){text{fill:#adbac7}.grid{stroke:#adbac7}}</style>\n\
         <text x=\"56\" y=\"22\">tweets a second on one thread, one by one, analysis included</text>\n",
    );
    let mut line = |text: std::fmt::Arguments<'_>| {
        // Writing to a string can't fail.
        let _ = svg.write_fmt(text);
        svg.push('\n');
    };
    for (power, label) in (2..=6).zip(["100", "1 k", "10 k", "100 k", "1 M"]) {
        let at = y(10_f64.powi(power));
        line(format_args!("<path class=\"grid\" d=\"M{LEFT} {at}H{RIGHT}\"/>"));
        line(format_args!("<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{label}</text>", LEFT - 8.0, at + 4.0));
    }
    for (size, label) in [(1_000, "1 k"), (10_000, "10 k"), (100_000, "100 k"), (1_000_000, "1 M")] {
        line(format_args!("<text x=\"{}\" y=\"360\" text-anchor=\"middle\">{label}</text>", x(size)));
    }
    line(format_args!("<text x=\"281\" y=\"382\" text-anchor=\"middle\">registered queries</text>"));
    let mut labels = Vec::new();
    for (mix, color) in mix::NAMES.iter().zip(COLORS) {
        let points: Vec<(f64, f64)> =
            rows.iter().filter(|row| row.mix == *mix).map(|row| (x(row.size), y(row.docs_per_s()))).collect();
        let Some(&(last_x, last_y)) = points.last() else { continue };
        let path: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1} {y:.1}")).collect();
        line(format_args!("<path d=\"M{}\" stroke=\"{color}\"/>", path.join("L")));
        labels.push((last_y, last_x, mix, color));
    }
    labels.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut free = 0.0_f64;
    for (y, x, mix, color) in labels {
        let y = (y + 4.0).max(free);
        free = y + LINE;
        line(format_args!("<text x=\"{:.1}\" y=\"{y:.1}\" style=\"fill:{color}\">{mix}</text>", x + 8.0));
    }
    svg.push_str("</svg>\n");
    svg
}
