//! The parts of an account as strips of a page, each as wide as the text.

use super::super::account::{Part, Screen, Table};
use super::super::html::Bars;
use super::super::ladder::{Ladder, Rung};
use super::font::Font;

/// How wide the text of a page is, in points.
pub(super) const WIDTH: f32 = 595.0 - 2.0 * super::MARGIN;

/// The sizes of text, of tables, and of what a program has printed, which is set smaller where it is too wide.
const TEXT: f32 = 9.5;
const TABLE: f32 = 8.0;
const PRINTED: f32 = 8.0;

/// Between the columns of a table.
const GAP: f32 = 12.0;

/// Where the poles of a ladder stand.
const KALI: f32 = 105.0;
const R2: f32 = 455.0;

/// What a mark is drawn with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ink {
    Black,
    Soft,
    Pale,
    Kali,
    R2,
}

/// Something on a strip. Places are in points from the strip's lower left corner.
pub(super) enum Mark {
    Text {
        at: (f32, f32),
        font: Font,
        size: f32,
        ink: Ink,
        text: String,
    },
    Line {
        from: (f32, f32),
        to: (f32, f32),
        ink: Ink,
    },
    /// A filled polygon.
    Area { corners: Vec<(f32, f32)>, ink: Ink },
}

/// A strip of a page.
#[derive(Default)]
pub(super) struct Strip {
    pub(super) height: f32,
    /// What a reader's list of contents calls this place.
    pub(super) bookmark: Option<String>,
    pub(super) marks: Vec<Mark>,
}

/// Strips that stay together on a page where they fit on one.
pub(super) type Block = Vec<Strip>;

impl Strip {
    fn empty(height: f32) -> Self {
        Self {
            height,
            ..Self::default()
        }
    }

    /// With a text that begins here.
    fn text(mut self, x: f32, (font, size, ink): (Font, f32, Ink), text: &str) -> Self {
        self.marks.push(Mark::Text {
            at: (x, self.height * 0.3),
            font,
            size,
            ink,
            text: text.into(),
        });
        self
    }

    /// With a text that ends here.
    fn text_before(self, x: f32, style: (Font, f32, Ink), text: &str) -> Self {
        let width = style.0.width(text, style.1);
        self.text(x - width, style, text)
    }
}

/// A title, with room above it.
pub(super) fn heading(text: &str, size: f32) -> Block {
    vec![
        Strip::empty(size),
        Strip::empty(size * 1.6).text(0.0, (Font::Bold, size, Ink::Black), text),
    ]
}

/// A part of an account.
pub(super) fn block(part: &Part) -> Block {
    let mut block = match part {
        Part::Heading(text) => return heading(text, 11.0),
        Part::Text(text) => paragraph(text),
        Part::Printed(lines) => printed(lines),
        Part::Screen(screen) => screen_of(screen),
        Part::Table(table) => rows(table),
        Part::Ladder(ladder) => rungs(ladder),
        Part::Bars(bars) => bars_of(bars),
    };
    block.push(Strip::empty(TEXT * 0.7));
    block
}

fn paragraph(text: &str) -> Block {
    let style = (Font::Text, TEXT, Ink::Black);
    let lines = wrapped(text, Font::Text, TEXT, WIDTH);
    lines
        .iter()
        .map(|line| Strip::empty(TEXT * 1.4).text(0.0, style, line))
        .collect()
}

/// The lines of a text in so narrow a column. A word that is wider stands alone.
fn wrapped(text: &str, font: Font, size: f32, width: f32) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last_mut().map_or(String::new(), std::mem::take);
        let longer = if line.is_empty() {
            word.into()
        } else {
            format!("{line} {word}")
        };
        let fits = line.is_empty() || font.width(&longer, size) <= width;
        let place = lines.len() - 1;
        if fits {
            lines[place] = longer;
        } else {
            lines[place] = line;
            lines.push(word.into());
        }
    }
    lines
}

fn printed(text: &str) -> Block {
    let lines = || text.trim_end().lines();
    let widest = lines()
        .map(|line| Font::Mono.width(line, 1.0))
        .fold(1.0, f32::max);
    let size = PRINTED.min((WIDTH - GAP) / widest);
    let set = lines().map(|line| {
        let mut strip = Strip::empty(size * 1.35).text(GAP, (Font::Mono, size, Ink::Black), line);
        strip.marks.push(Mark::Line {
            from: (2.0, 0.0),
            to: (2.0, strip.height),
            ink: Ink::Pale,
        });
        strip
    });
    set.collect()
}

/// A terminal in a frame, under the name of whose it is.
fn screen_of(screen: &Screen) -> Block {
    let mut block = vec![
        Strip::empty(TABLE * 1.7).text(GAP / 2.0, (Font::Bold, TABLE, Ink::Soft), &screen.title),
        Strip::empty(PRINTED * 0.5),
    ];
    block[1].marks.push(Mark::Line {
        from: (0.0, PRINTED * 0.5),
        to: (WIDTH, PRINTED * 0.5),
        ink: Ink::Pale,
    });
    block.extend(screen.labelled().map(|(label, rest)| {
        let ink = if label == "R2:" { Ink::R2 } else { Ink::Kali };
        Strip::empty(PRINTED * 1.35)
            .text(GAP / 2.0, (Font::Mono, PRINTED, ink), label)
            .text(
                GAP / 2.0 + Font::Mono.width(label, PRINTED),
                (Font::Mono, PRINTED, Ink::Black),
                rest,
            )
    }));
    block.push(Strip::empty(PRINTED * 0.5));
    for strip in &mut block {
        for x in [0.0, WIDTH] {
            strip.marks.push(Mark::Line {
                from: (x, 0.0),
                to: (x, strip.height),
                ink: Ink::Pale,
            });
        }
    }
    let height: f32 = block[0].height;
    block[0].marks.push(Mark::Line {
        from: (0.0, height),
        to: (WIDTH, height),
        ink: Ink::Pale,
    });
    let mut end = Strip::empty(1.0);
    end.marks.push(Mark::Line {
        from: (0.0, 1.0),
        to: (WIDTH, 1.0),
        ink: Ink::Pale,
    });
    block.push(end);
    block
}

/// How wide each column is: as its widest cell, or, where all are too wide together, the widest ones narrower.
fn columns(table: &Table) -> Vec<f32> {
    let cells = |column: usize| {
        let rows = std::iter::once(&table.columns).chain(&table.rows);
        rows.filter_map(move |row| row.get(column))
    };
    let mut widths: Vec<_> = (0..table.columns.len())
        .map(|column| {
            cells(column)
                .map(|cell| Font::Bold.width(cell, TABLE))
                .fold(0.0, f32::max)
        })
        .collect();
    let room = WIDTH - GAP * f32::from(u16::try_from(widths.len()).unwrap_or(u16::MAX));
    // A point at a time.
    while widths.iter().sum::<f32>() > room
        && let Some(widest) = widths.iter_mut().reduce(|a, b| if b > a { b } else { a })
    {
        *widest -= 1.0;
    }
    widths
}

fn rows(table: &Table) -> Block {
    let widths = columns(table);
    let mut block = row(table, &widths, &table.columns, (Font::Bold, TABLE, Ink::Soft));
    for cells in &table.rows {
        block.extend(row(table, &widths, cells, (Font::Text, TABLE, Ink::Black)));
    }
    block
}

/// A row of a table: so many lines as its highest cell has, and a rule under them.
fn row(table: &Table, widths: &[f32], cells: &[String], style: (Font, f32, Ink)) -> Block {
    let lines: Vec<_> = cells
        .iter()
        .zip(widths)
        .map(|(cell, width)| wrapped(cell, style.0, TABLE, *width))
        .collect();
    let high = lines.iter().map(Vec::len).max().unwrap_or(1);
    let strips = (0..high).map(|line| {
        let mut strip = Strip::empty(TABLE * 1.25);
        let mut x = 0.0;
        for (column, (lines, width)) in lines.iter().zip(widths).enumerate() {
            if let Some(text) = lines.get(line) {
                strip = if table.is_numeric(column) {
                    strip.text_before(x + width, style, text)
                } else {
                    strip.text(x, style, text)
                };
            }
            x += width + GAP;
        }
        strip
    });
    let mut block: Block = strips.collect();
    let end = widths.iter().sum::<f32>()
        + GAP * f32::from(u16::try_from(widths.len().saturating_sub(1)).unwrap_or(0));
    let mut rule = Strip::empty(TABLE * 0.3);
    rule.marks.push(Mark::Line {
        from: (0.0, rule.height),
        to: (end, rule.height),
        ink: Ink::Pale,
    });
    block.push(rule);
    block
}

/// The poles, from one end of a strip to the other.
fn poles(strip: &mut Strip) {
    for x in [KALI, R2] {
        strip.marks.push(Mark::Line {
            from: (x, 0.0),
            to: (x, strip.height),
            ink: Ink::Pale,
        });
    }
}

fn rungs(ladder: &Ladder) -> Block {
    let bold = (Font::Bold, TABLE, Ink::Black);
    let soft = (Font::Text, TABLE, Ink::Soft);
    let names = Strip::empty(TABLE * 1.6)
        .text_before(30.0, soft, "frame")
        .text_before(85.0, soft, "ms")
        .text(KALI - Font::Bold.width("KALI", TABLE) / 2.0, bold, "KALI")
        .text(R2 - Font::Bold.width("R2", TABLE) / 2.0, bold, "R2");
    let mut block = vec![names];
    block.extend(ladder.0.iter().map(rung));
    block
}

fn rung(rung: &Rung) -> Strip {
    let style = (Font::Text, TABLE, Ink::Black);
    let millis = format!("{:.3}", rung.at.as_secs_f64() * 1e3);
    let mut strip = Strip::empty(16.0)
        .text_before(30.0, style, &rung.number.to_string())
        .text_before(85.0, (Font::Text, TABLE, Ink::Soft), &millis);
    poles(&mut strip);
    let (ink, from, to) = if rung.from_r2 {
        (Ink::R2, R2, KALI)
    } else {
        (Ink::Kali, KALI, R2)
    };
    let ahead = (to - from).signum();
    let y = 4.0;
    let end = if rung.lost {
        from + (to - from) * 0.6
    } else {
        to - ahead
    };
    let back = end - ahead * 6.0;
    strip.marks.push(Mark::Line {
        from: (from, y),
        to: (back, y),
        ink,
    });
    if rung.lost {
        let size = TABLE;
        let lost = "x lost";
        let x = if rung.from_r2 {
            back - Font::Text.width(lost, size) - 2.0
        } else {
            back + 2.0
        };
        strip.marks.push(Mark::Text {
            at: (x, y - 2.5),
            font: Font::Text,
            size,
            ink,
            text: lost.into(),
        });
    } else {
        strip.marks.push(Mark::Area {
            corners: vec![(end, y), (back, y - 2.5), (back, y + 2.5)],
            ink,
        });
    }
    let size = 7.5;
    let width = Font::Text.width(&rung.label, size);
    strip.marks.push(Mark::Text {
        at: (
            f32::midpoint(from, if rung.lost { back } else { to }) - width / 2.0,
            y + 3.0,
        ),
        font: Font::Text,
        size,
        ink: Ink::Black,
        text: rung.label.clone(),
    });
    strip
}

/// Where bars begin, and how long the longest is.
const BEGIN: f32 = 190.0;
const LONGEST: f32 = 240.0;

#[allow(clippy::cast_possible_truncation, reason = "points of a drawing")]
fn bars_of(bars: &Bars) -> Block {
    let soft = (Font::Text, TABLE, Ink::Soft);
    let style = (Font::Text, TABLE, Ink::Black);
    let mut block = vec![Strip::empty(TABLE * 1.6).text(0.0, soft, &bars.title)];
    let most = bars.most();
    block.extend(bars.bars.iter().map(|(label, value)| {
        let length = ((value / most) as f32 * LONGEST).max(0.7);
        let mut strip = Strip::empty(13.0).text_before(BEGIN - 5.0, style, label).text(
            BEGIN + length + 5.0,
            style,
            &value.to_string(),
        );
        let corners = [(0.0, 2.0), (length, 2.0), (length, 11.0), (0.0, 11.0)];
        strip.marks.push(Mark::Area {
            corners: corners.map(|(x, y)| (BEGIN + x, y)).to_vec(),
            ink: Ink::Kali,
        });
        strip
    }));
    block
}
