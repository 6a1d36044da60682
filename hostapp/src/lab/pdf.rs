//! A report on paper: A4, in fonts that every reader of PDF has.

use std::iter;

use pdf_writer::{Content, Finish as _, Name, Pdf, Rect, Ref, Str};

use super::account::{Account, Part};

/// A4 and its margins, in points.
const WIDTH: f32 = 595.0;
const HEIGHT: f32 = 842.0;
const MARGIN: f32 = 50.0;

/// The size of text and of headings; what is too wide for the page is set smaller.
const TEXT: f32 = 8.5;
const HEADING: f32 = 13.0;

/// Every character of Courier is so wide, in parts of its size.
const COURIER: f32 = 0.6;

const BODY: Name<'static> = Name(b"F1");
const BOLD: Name<'static> = Name(b"F2");

/// A line to be set.
struct Line {
    font: Name<'static>,
    size: f32,
    text: String,
}

/// Lines that stay together on a page where they fit on one.
type Block = Vec<Line>;

/// The document: `lead` under `title`, then each account.
pub(super) fn document(title: &str, lead: &str, accounts: &[Account]) -> Vec<u8> {
    let mut blocks = vec![heading(title, 18.0), text(&Part::Text(lead.into()))];
    for account in accounts {
        let mut beginning = heading(&account.title, HEADING);
        let mut parts = account.parts.iter();
        beginning.extend(parts.next().into_iter().flat_map(text));
        blocks.push(beginning);
        blocks.extend(parts.map(text));
    }
    write(&pages(blocks))
}

fn heading(text: &str, size: f32) -> Block {
    let empty = Line {
        font: BODY,
        size,
        text: String::new(),
    };
    vec![
        empty,
        Line {
            font: BOLD,
            size,
            text: text.into(),
        },
    ]
}

/// A part as the terminal shows it, in lines that are as wide as the page at most.
fn text(part: &Part) -> Block {
    if let Part::Heading(text) = part {
        return heading(text, 10.5);
    }
    let text = part.to_string();
    let columns = text.lines().map(|line| line.chars().count()).max().unwrap_or(0);
    let size = f32::from(u16::try_from(columns.max(1)).unwrap_or(u16::MAX));
    let size = TEXT.min((WIDTH - 2.0 * MARGIN) / (COURIER * size));
    let lines = text.lines().chain(iter::once(""));
    lines
        .map(|line| Line {
            font: BODY,
            size,
            text: line.into(),
        })
        .collect()
}

fn height(lines: &[Line]) -> f32 {
    lines.iter().map(|line| line.size * 1.3).sum()
}

fn pages(blocks: Vec<Block>) -> Vec<Vec<Line>> {
    let room = HEIGHT - 2.0 * MARGIN;
    let mut pages = vec![Vec::new()];
    let mut left = room;
    for block in blocks {
        let whole = height(&block);
        let mut fits = whole <= left || whole > room;
        for line in block {
            let high = line.size * 1.3;
            if !fits || high > left {
                pages.push(Vec::new());
                (left, fits) = (room, true);
            }
            left -= high;
            if let Some(page) = pages.last_mut() {
                page.push(line);
            }
        }
    }
    pages
}

fn write(pages: &[Vec<Line>]) -> Vec<u8> {
    let mut next = 0;
    let mut reference = || {
        next += 1;
        Ref::new(next)
    };
    let [catalog, tree, body, bold] = [reference(), reference(), reference(), reference()];
    let places: Vec<_> = pages.iter().map(|_| (reference(), reference())).collect();
    let mut pdf = Pdf::new();
    pdf.catalog(catalog).pages(tree);
    pdf.pages(tree)
        .kids(places.iter().map(|(page, _)| *page))
        .count(i32::try_from(pages.len()).unwrap_or(i32::MAX));
    pdf.type1_font(body).base_font(Name(b"Courier"));
    pdf.type1_font(bold).base_font(Name(b"Helvetica-Bold"));
    for ((lines, (page, contents)), number) in pages.iter().zip(places).zip(1..) {
        let mut writer = pdf.page(page);
        writer.parent(tree).contents(contents);
        writer.media_box(Rect::new(0.0, 0.0, WIDTH, HEIGHT));
        writer.resources().fonts().pair(BODY, body).pair(BOLD, bold);
        writer.finish();
        let mut content = Content::new();
        let mut y = HEIGHT - MARGIN;
        for line in lines {
            y -= line.size * 1.3;
            set(&mut content, line, y);
        }
        let footer = Line {
            font: BODY,
            size: 7.5,
            text: format!("{number} / {}", pages.len()),
        };
        set(&mut content, &footer, MARGIN / 2.0);
        pdf.stream(contents, &content.finish());
    }
    pdf.finish()
}

fn set(content: &mut Content, line: &Line, y: f32) {
    // What these fonts have without being told more.
    let bytes: Vec<u8> = line
        .text
        .chars()
        .map(|c| if c.is_ascii() { c as u8 } else { b'?' })
        .collect();
    content.begin_text();
    content.set_font(line.font, line.size);
    content.next_line(MARGIN, y);
    content.show(Str(&bytes));
    content.end_text();
}
