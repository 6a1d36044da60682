//! The ratios as a picture for the README: how many times as fast as each reference R2 is.

use std::error::Error;
use std::path::Path;

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::report::{Bound, Row};

const WIDTH: i32 = 960;
const LINE: i32 = 34;
/// Where bars begin: what they stand for is written to the left.
const LEFT: i32 = 470;
const RIGHT: i32 = WIDTH - 70;
const TOP: i32 = 54;

/// The scale's ends, and what is written on it. It is logarithmic: half as fast and twice as fast are equally far
/// from 1.
const FROM: f64 = 0.5;
const TO: f64 = 16.0;
const MARKS: [f64; 6] = [0.5, 1.0, 2.0, 4.0, 8.0, 16.0];

const BAR: RGBColor = RGBColor(46, 125, 170);
const WANTED: RGBColor = RGBColor(200, 80, 30);

/// Draws the ratios of which more is better.
pub(crate) fn draw(rows: &[Row], path: &Path) -> Result<(), Box<dyn Error>> {
    let bars: Vec<_> = rows
        .iter()
        .filter_map(|row| match row.bound {
            Bound::AtLeast(wanted) if row.is_ratio() => Some((row, wanted)),
            _ => None,
        })
        .collect();
    let bottom = TOP + LINE * i32::try_from(bars.len())?;
    let size = (WIDTH.unsigned_abs(), (bottom + 16).unsigned_abs());
    let area = SVGBackend::new(path, size).into_drawing_area();
    area.fill(&WHITE)?;
    let text = |size: u32, from: HPos| {
        let style = ("sans-serif", size).into_font().color(&BLACK);
        style.pos(Pos::new(from, VPos::Center))
    };
    let title = "How many times as fast as the reference R2 is (the mark: what is wanted)";
    area.draw(&Text::new(title, (12, 16), text(16, HPos::Left)))?;
    for mark in MARKS {
        let color = if mark.log2().abs() < f64::EPSILON {
            BLACK
        } else {
            RGBColor(215, 215, 215)
        };
        let line = [(x(mark), TOP - 6), (x(mark), bottom)];
        area.draw(&PathElement::new(line, color))?;
        let number = format!("{mark}");
        area.draw(&Text::new(number, (x(mark), TOP - 14), text(12, HPos::Center)))?;
    }
    let mut y = TOP;
    for (row, wanted) in bars {
        let middle = y + LINE / 2;
        area.draw(&Text::new(row.what, (12, middle - 7), text(14, HPos::Left)))?;
        area.draw(&Text::new(row.reference, (24, middle + 8), text(12, HPos::Left)))?;
        let bar = [(x(FROM), y + 7), (x(row.value()), y + LINE - 7)];
        area.draw(&Rectangle::new(bar, BAR.filled()))?;
        let mark = [(x(wanted), y + 3), (x(wanted), y + LINE - 3)];
        area.draw(&PathElement::new(mark, WANTED.stroke_width(3)))?;
        let ratio = format!("{:.2}", row.value());
        let right_of = x(row.value()).max(x(wanted)) + 8;
        area.draw(&Text::new(ratio, (right_of, middle), text(14, HPos::Left)))?;
        y += LINE;
    }
    area.present()?;
    Ok(())
}

/// Where a ratio is on the scale; outside of it: at its end.
fn x(ratio: f64) -> i32 {
    let part = (ratio.clamp(FROM, TO) / FROM).ln() / (TO / FROM).ln();
    #[expect(clippy::cast_possible_truncation, reason = "some hundred pixels")]
    let pixels = (f64::from(RIGHT - LEFT) * part).round() as i32;
    LEFT + pixels
}
