//! A report on paper: A4, in fonts that every reader of PDF has.

mod font;
mod layout;

use pdf_writer::{Content, Finish as _, Pdf, Rect, Ref, Str};

use self::font::Font;
use self::layout::{Block, Ink, Mark, Strip, WIDTH, block, heading};
use super::account::{Account, Part};

/// A4 and its margins, in points.
const PAGE: (f32, f32) = (595.0, 842.0);
const MARGIN: f32 = 50.0;

/// The document: `lead` under `title`, then each account.
pub(super) fn document(title: &str, lead: &str, accounts: &[Account]) -> Vec<u8> {
    let mut blocks = vec![heading(title, 18.0), block(&Part::Text(lead.into()))];
    for account in accounts {
        // A title stays with what follows it.
        let mut titles = heading(&account.title, 14.0);
        for part in &account.parts {
            titles.extend(block(part));
            if !matches!(part, Part::Heading(_)) {
                blocks.push(std::mem::take(&mut titles));
            }
        }
        blocks.push(titles);
    }
    write(title, &pages(blocks))
}

fn pages(blocks: Vec<Block>) -> Vec<Vec<Strip>> {
    let room = PAGE.1 - 2.0 * MARGIN;
    let mut pages = vec![Vec::new()];
    let mut left = room;
    for block in blocks {
        let whole: f32 = block.iter().map(|strip| strip.height).sum();
        let mut fits = whole <= left || whole > room;
        for strip in block {
            if !fits || strip.height > left {
                pages.push(Vec::new());
                (left, fits) = (room, true);
            }
            left -= strip.height;
            if let Some(page) = pages.last_mut() {
                page.push(strip);
            }
        }
    }
    pages
}

fn write(title: &str, pages: &[Vec<Strip>]) -> Vec<u8> {
    let mut next = 0;
    let mut reference = || {
        next += 1;
        Ref::new(next)
    };
    let [catalog, tree, about] = [reference(), reference(), reference()];
    let fonts = Font::ALL.map(|font| (font, reference()));
    let places: Vec<_> = pages.iter().map(|_| (reference(), reference())).collect();
    let mut pdf = Pdf::new();
    pdf.catalog(catalog).pages(tree);
    pdf.document_info(about).title(pdf_writer::TextStr(title));
    pdf.pages(tree)
        .kids(places.iter().map(|(page, _)| *page))
        .count(i32::try_from(pages.len()).unwrap_or(i32::MAX));
    for (font, place) in fonts {
        pdf.type1_font(place).base_font(font.base());
    }
    for ((strips, (page, contents)), number) in pages.iter().zip(places).zip(1..) {
        let mut writer = pdf.page(page);
        writer.parent(tree).contents(contents);
        writer.media_box(Rect::new(0.0, 0.0, PAGE.0, PAGE.1));
        let mut resources = writer.resources();
        let mut named = resources.fonts();
        for (font, place) in fonts {
            named.pair(font.name(), place);
        }
        named.finish();
        resources.finish();
        writer.finish();
        let mut content = Content::new();
        let mut y = PAGE.1 - MARGIN;
        for strip in strips {
            y -= strip.height;
            for mark in &strip.marks {
                draw(&mut content, mark, (MARGIN, y));
            }
        }
        let text = format!("{number} / {}", pages.len());
        let footer = Mark::Text {
            at: (WIDTH - Font::Text.width(&text, 8.0), 0.0),
            font: Font::Text,
            size: 8.0,
            ink: Ink::Soft,
            text,
        };
        draw(&mut content, &footer, (MARGIN, MARGIN / 2.0));
        pdf.stream(contents, &content.finish());
    }
    pdf.finish()
}

fn draw(content: &mut Content, mark: &Mark, (left, bottom): (f32, f32)) {
    let at = |(x, y): (f32, f32)| (left + x, bottom + y);
    match mark {
        Mark::Text {
            at: place,
            font,
            size,
            ink,
            text,
        } => {
            // What these fonts have without being told more.
            let bytes: Vec<u8> = text
                .chars()
                .map(|c| if c.is_ascii() { c as u8 } else { b'?' })
                .collect();
            let (x, y) = at(*place);
            let [red, green, blue] = color(*ink);
            content.set_fill_rgb(red, green, blue);
            content.begin_text();
            content.set_font(font.name(), *size);
            content.next_line(x, y);
            content.show(Str(&bytes));
            content.end_text();
        }
        Mark::Line { from, to, ink } => {
            let ((x, y), (to_x, to_y)) = (at(*from), at(*to));
            let [red, green, blue] = color(*ink);
            content.set_stroke_rgb(red, green, blue);
            content.set_line_width(0.8);
            content.move_to(x, y).line_to(to_x, to_y).stroke();
        }
        Mark::Area { corners, ink } => {
            let [red, green, blue] = color(*ink);
            content.set_fill_rgb(red, green, blue);
            for (place, corner) in corners.iter().enumerate() {
                let (x, y) = at(*corner);
                if place == 0 {
                    content.move_to(x, y);
                } else {
                    content.line_to(x, y);
                }
            }
            content.close_path().fill_nonzero();
        }
    }
}

/// Red, green, blue: those of the page of HTML on paper.
const fn color(ink: Ink) -> [f32; 3] {
    match ink {
        Ink::Black => [0.0, 0.0, 0.0],
        Ink::Soft => [0.27, 0.27, 0.27],
        Ink::Pale => [0.73, 0.73, 0.73],
        Ink::Kali => [0.08, 0.28, 0.42],
        Ink::R2 => [0.54, 0.18, 0.06],
    }
}
