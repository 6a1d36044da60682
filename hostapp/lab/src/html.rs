//! A report as one page of HTML that needs nothing else: style and drawings are in it.

use std::fmt::{self, Display, Write as _};

use super::account::{Account, Part, Screen, Table};
use super::ladder::{Ladder, Rung};

/// Light and dark as the reader's system has it, one column on any screen, and plain ink on paper.
const STYLE: &str = "
:root { color-scheme: light dark; --ink: #1c1f24; --soft: #5b6470; --line: #d5dae0; --paper: #fff; --r2: #b3421d; --kali: #1f6391; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e4e7eb; --soft: #9aa4b0; --line: #3a424c; --paper: #16191d; --r2: #f0936f; --kali: #7dbbe6; } }
body { margin: 0 auto; max-width: 56rem; padding: 1.5rem 1rem 4rem; background: var(--paper); color: var(--ink);
  font: 1rem/1.55 system-ui, sans-serif; }
h1 { font-size: 1.7rem; line-height: 1.2; } h2 { margin-top: 3rem; border-bottom: 1px solid var(--line); padding-bottom: .3rem; }
h3 { margin-top: 2rem; } a { color: var(--kali); } nav ol { columns: 18rem; column-gap: 2.5rem; } li { break-inside: avoid; }
.wide { overflow-x: auto; margin: 1rem 0; }
table { border-collapse: collapse; font-size: .875rem; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .45rem; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
th { color: var(--soft); font-weight: 600; vertical-align: bottom; } td:first-child { white-space: nowrap; } .n { text-align: right; } td.n { white-space: nowrap; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; font: .8rem/1.45 ui-monospace, monospace; border-left: 3px solid var(--line); padding-left: .8rem; }
figure { margin: 1rem 0; border: 1px solid var(--line); border-radius: .4rem; overflow: hidden; break-inside: avoid; }
figcaption { padding: .25rem .8rem; background: var(--line); font-size: .8rem; } figure pre { border: 0; margin: 0; padding: .6rem .8rem; }
b.r2 { color: var(--r2); } b.kali { color: var(--kali); }
svg { display: block; width: 100%; max-width: 46rem; font: 12px ui-monospace, monospace; } svg.bars { min-width: 34rem; }
svg text { fill: var(--ink); } svg .soft { fill: var(--soft); } svg .pole { stroke: var(--line); stroke-width: 2; }
svg .r2 { stroke: var(--r2); fill: var(--r2); } svg .kali { stroke: var(--kali); fill: var(--kali); }
@media (max-width: 40rem) { svg.ladder { font-size: 16px; } .wide table { min-width: 34rem; } }
@media print {
  :root { --ink: #000; --soft: #444; --line: #bbb; --paper: #fff; --r2: #8a2f10; --kali: #14486b; }
  body { max-width: none; font-size: 10pt; } .wide { overflow: visible; break-inside: avoid; } table { font-size: 8pt; }
  pre { font-size: 8pt; } h2, h3 { break-after: avoid; } svg.bars, .wide table { min-width: 0; } }
";

/// Text with what HTML reserves made harmless.
struct Escaped<T>(T);

impl<T: Display> Display for Escaped<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.to_string().chars() {
            match character {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                other => f.write_char(other)?,
            }
        }
        Ok(())
    }
}

/// The page: `lead` under `title`, then each account.
pub(super) fn page(title: &str, lead: &str, accounts: &[Account]) -> String {
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{title}</title>\n\
         <style>{STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n<p>{}</p>\n<nav><ol>\n",
        Escaped(lead)
    );
    for (account, number) in accounts.iter().zip(1..) {
        let _ = writeln!(
            page,
            "<li><a href=\"#s{number}\">{}</a></li>",
            Escaped(&account.title)
        );
    }
    page += "</ol></nav>\n";
    for (account, number) in accounts.iter().zip(1..) {
        let _ = write!(
            page,
            "<section id=\"s{number}\">\n<h2>{}</h2>\n",
            Escaped(&account.title)
        );
        for part in &account.parts {
            page += &html(part);
        }
        page += "</section>\n";
    }
    page + "</body>\n</html>\n"
}

fn html(part: &Part) -> String {
    match part {
        Part::Heading(text) => format!("<h3>{}</h3>\n", Escaped(text)),
        Part::Text(text) => format!("<p>{}</p>\n", Escaped(text)),
        Part::Printed(lines) => format!("<pre>{}</pre>\n", Escaped(lines.trim_end())),
        Part::Screen(screen) => screen_of(screen),
        Part::Table(table) => format!("<div class=\"wide\">{}</div>\n", table_of(table)),
        Part::Ladder(ladder) => format!("<div class=\"wide\">{}</div>\n", ladder_of(ladder)),
        Part::Bars(bars) => format!("<div class=\"wide\">{}</div>\n", bars_of(bars)),
    }
}

fn screen_of(screen: &Screen) -> String {
    let lines = screen.labelled().map(|(label, rest)| {
        let class = if label == "R2:" { "r2" } else { "kali" };
        let label = if label.is_empty() {
            String::new()
        } else {
            format!("<b class=\"{class}\">{label}</b>")
        };
        format!("{label}{}\n", Escaped(rest))
    });
    format!(
        "<figure><figcaption>{}</figcaption><pre>\n{}</pre></figure>\n",
        Escaped(&screen.title),
        lines.collect::<String>().trim_end()
    )
}

fn table_of(table: &Table) -> String {
    let row = |cells: &[String], tag: &str| {
        let cells = cells.iter().enumerate().map(|(column, cell)| {
            let class = if table.is_numeric(column) {
                " class=\"n\""
            } else {
                ""
            };
            format!("<{tag}{class}>{}</{tag}>", Escaped(cell))
        });
        format!("<tr>{}</tr>\n", cells.collect::<String>())
    };
    let rows: String = table.rows.iter().map(|cells| row(cells, "td")).collect();
    format!(
        "<table>\n<thead>{}</thead>\n<tbody>{rows}</tbody></table>",
        row(&table.columns, "th")
    )
}

/// Where the poles stand, and how far apart the rungs are.
const KALI: i32 = 160;
const R2: i32 = 690;
const STEP: i32 = 30;

fn ladder_of(ladder: &Ladder) -> String {
    let height = STEP * i32::try_from(ladder.0.len()).unwrap_or(i32::MAX / STEP) + 40;
    let mut svg = format!(
        "<svg class=\"ladder\" viewBox=\"0 0 720 {height}\" role=\"img\" aria-label=\"ladder of packets\">\n\
         <text class=\"soft\" x=\"50\" y=\"16\" text-anchor=\"end\">frame</text><text class=\"soft\" x=\"138\" y=\"16\" text-anchor=\"end\">ms</text>\
         <text x=\"{KALI}\" y=\"16\" text-anchor=\"middle\">KALI</text><text x=\"{R2}\" y=\"16\" text-anchor=\"middle\">R2</text>\n\
         <path class=\"pole\" d=\"M{KALI} 24V{height}M{R2} 24V{height}\"/>\n"
    );
    for (rung, at) in ladder.0.iter().zip(1..) {
        svg += &rung_of(rung, 24 + at * STEP);
    }
    svg + "</svg>"
}

fn rung_of(rung: &Rung, y: i32) -> String {
    let (class, from, to) = if rung.from_r2 {
        ("r2", R2, KALI)
    } else {
        ("kali", KALI, R2)
    };
    let ahead = (to - from).signum();
    let end = if rung.lost {
        from + (to - from) * 3 / 5
    } else {
        to - ahead
    };
    let back = end - ahead * 9;
    let tip = if rung.lost {
        let (x, anchor) = if rung.from_r2 {
            (back - 6, "end")
        } else {
            (back + 6, "start")
        };
        format!(
            "<text class=\"{class}\" x=\"{x}\" y=\"{}\" text-anchor=\"{anchor}\">x lost</text>",
            y + 4
        )
    } else {
        format!(
            "<path class=\"{class}\" d=\"M{end} {y}L{back} {}V{}Z\"/>",
            y - 4,
            y + 4
        )
    };
    format!(
        "<text x=\"50\" y=\"{}\" text-anchor=\"end\">{}</text><text class=\"soft\" x=\"138\" y=\"{}\" text-anchor=\"end\">{:.3}</text>\
         <path class=\"{class}\" d=\"M{from} {y}H{back}\"/>{tip}\
         <text x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text>\n",
        y + 4,
        rung.number,
        y + 4,
        rung.at.as_secs_f64() * 1e3,
        i32::midpoint(from, if rung.lost { back } else { to }),
        y - 5,
        Escaped(&rung.label)
    )
}

/// Bars of one quantity.
#[derive(Clone, Debug)]
pub(super) struct Bars {
    pub(super) title: String,
    pub(super) bars: Vec<(String, f64)>,
}

impl Bars {
    /// The longest, which is more than nothing.
    pub(super) fn most(&self) -> f64 {
        let values = self.bars.iter().map(|(_, value)| *value);
        values.fold(f64::MIN_POSITIVE, f64::max)
    }
}

fn bars_of(bars: &Bars) -> String {
    let height = 26 * i32::try_from(bars.bars.len()).unwrap_or(0) + 34;
    let most = bars.most();
    let mut svg = format!(
        "<svg class=\"bars\" viewBox=\"0 0 720 {height}\" role=\"img\" aria-label=\"{title}\">\n<text class=\"soft\" x=\"8\" y=\"16\">{title}</text>\n",
        title = Escaped(&bars.title)
    );
    for ((label, value), at) in bars.bars.iter().zip(1..) {
        let y = 4 + at * 26;
        let width = (value / most * 330.0).max(1.0);
        let _ = writeln!(
            svg,
            "<text x=\"282\" y=\"{}\" text-anchor=\"end\">{}</text>\
             <rect class=\"kali\" x=\"290\" y=\"{y}\" width=\"{width:.1}\" height=\"16\"/>\
             <text x=\"{:.1}\" y=\"{}\">{value}</text>",
            y + 13,
            Escaped(label),
            298.0 + width,
            y + 13
        );
    }
    svg + "</svg>"
}
