//! A report on paper: A4, in fonts that every reader of PDF has.

mod font;
mod layout;

use pdf_writer::{Content, Finish as _, Name, Pdf, Rect, Ref, Str};

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
        let mut together = heading(&account.title, 14.0);
        together[1].bookmark = Some(account.title.clone());
        for (index, part) in account.parts.iter().enumerate() {
            together.extend(block(part));
            // A title stays with what follows it, and a paragraph with the table or the drawing that it is about.
            let is_shown_next = matches!(
                account.parts.get(index + 1),
                Some(Part::Table(_) | Part::Ladder(_) | Part::Bars(_) | Part::Screen(_))
            );
            if !(matches!(part, Part::Heading(_)) || matches!(part, Part::Text(_)) && is_shown_next) {
                blocks.push(std::mem::take(&mut together));
            }
        }
        blocks.push(together);
    }
    write(title, &pages(blocks))
}

/// How much of a block at least is on the page where it begins: a block that is higher than half a page may be cut
/// below that.
const KEPT_TOGETHER: f32 = 140.0;

fn pages(blocks: Vec<Block>) -> Vec<Vec<Strip>> {
    let room = PAGE.1 - 2.0 * MARGIN;
    let mut pages = vec![Vec::new()];
    let mut left = room;
    for block in blocks {
        let whole: f32 = block.iter().map(|strip| strip.height).sum();
        let mut fits = whole <= left || whole > room / 2.0 && left >= KEPT_TOGETHER;
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

/// Without it a reader takes a typewriter's quotes for typographic ones, and a command that is copied fails.
const ENCODING: Name<'static> = Name(b"WinAnsiEncoding");

/// Each title with the index of its page, and the height at which it begins.
fn bookmarks(pages: &[Vec<Strip>]) -> Vec<(&str, usize, f32)> {
    let mut found = Vec::new();
    for (strips, page) in pages.iter().zip(0..) {
        let mut y = PAGE.1 - MARGIN;
        for strip in strips {
            if let Some(title) = &strip.bookmark {
                found.push((&**title, page, y));
            }
            y -= strip.height;
        }
    }
    found
}

/// The list of contents that a reader shows beside the pages.
fn write_contents(pdf: &mut Pdf, contents: Ref, titles: &[(&str, usize, f32, Ref)], places: &[(Ref, Ref)]) {
    let (Some(first), Some(last)) = (titles.first(), titles.last()) else {
        return;
    };
    let count = i32::try_from(titles.len()).unwrap_or(i32::MAX);
    pdf.outline(contents).first(first.3).last(last.3).count(count);
    for (index, (title, page, top, place)) in titles.iter().enumerate() {
        let mut item = pdf.outline_item(*place);
        item.title(pdf_writer::TextStr(title)).parent(contents);
        if let Some(next) = titles.get(index + 1) {
            item.next(next.3);
        }
        if let Some(before) = index.checked_sub(1).and_then(|before| titles.get(before)) {
            item.prev(before.3);
        }
        if let Some((page, _)) = places.get(*page) {
            item.dest().page(*page).xyz(0.0, *top, None);
        }
    }
}

fn write(title: &str, pages: &[Vec<Strip>]) -> Vec<u8> {
    let mut next = 0;
    let mut reference = || {
        next += 1;
        Ref::new(next)
    };
    let [catalog, tree, about] = [reference(), reference(), reference()];
    let fonts = Font::ALL.map(|font| (font, reference()));
    let titles: Vec<_> = bookmarks(pages)
        .into_iter()
        .map(|(title, page, top)| (title, page, top, reference()))
        .collect();
    let contents = reference();
    let places: Vec<_> = pages.iter().map(|_| (reference(), reference())).collect();
    let mut pdf = Pdf::new();
    pdf.catalog(catalog).pages(tree).outlines(contents);
    write_contents(&mut pdf, contents, &titles, &places);
    pdf.document_info(about).title(pdf_writer::TextStr(title));
    pdf.pages(tree)
        .kids(places.iter().map(|(page, _)| *page))
        .count(i32::try_from(pages.len()).unwrap_or(i32::MAX));
    for (font, place) in fonts {
        pdf.type1_font(place)
            .base_font(font.base())
            .encoding_predefined(ENCODING);
    }
    for ((strips, (page, contents)), number) in pages.iter().zip(&places).zip(1..) {
        let (page, contents) = (*page, *contents);
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
            // What these fonts have without being told more: they have no arrow.
            let bytes: Vec<u8> = text
                .chars()
                .map(|c| match c {
                    '\u{2192}' => b'>',
                    c if c.is_ascii() => c as u8,
                    _ => b'?',
                })
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
