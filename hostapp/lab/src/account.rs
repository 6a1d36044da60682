//! What an experiment has to tell: the same for the terminal and for a report.

use std::fmt::{self, Write as _};
use std::ops::Range;

use super::html::Bars;
use super::ladder::Ladder;

/// The account of an experiment.
#[derive(Clone, Debug)]
pub struct Account {
    pub(super) title: String,
    pub(super) parts: Vec<Part>,
    /// Parts that are worth quoting by themselves, by name.
    pub(super) excerpts: Vec<(&'static str, Range<usize>)>,
}

impl Account {
    pub(super) fn new(title: impl Into<String>, parts: Vec<Part>) -> Self {
        Self {
            title: title.into(),
            parts,
            excerpts: Vec::new(),
        }
    }

    /// Adds a sentence to the first paragraph.
    pub(super) fn introduce(&mut self, sentence: &str) {
        if let Some(Part::Text(text)) = self.parts.first_mut() {
            *text += " ";
            *text += sentence;
        }
    }

    /// The excerpt of that name, as the terminal shows it. The error says which there are.
    pub fn excerpt(&self, name: &str) -> Result<String, String> {
        let found = self.excerpts.iter().find(|(its, _)| *its == name);
        let Some(parts) = found.and_then(|(_, range)| self.parts.get(range.clone())) else {
            let names: Vec<_> = self.excerpts.iter().map(|(its, _)| *its).collect();
            return Err(match &names[..] {
                [] => format!("there is no part {name:?}: this experiment has no parts with names"),
                _ => format!("there is no part {name:?}; there are {}", names.join(", ")),
            });
        };
        let told = parts.iter().filter(|part| !matches!(part, Part::Bars(_)));
        let told: Vec<_> = told.map(ToString::to_string).collect();
        Ok(told.join("\n"))
    }
}

/// A part of an account.
#[derive(Clone, Debug)]
pub(super) enum Part {
    Heading(String),
    Text(String),
    Table(Table),
    Ladder(Ladder),
    /// A drawing: a terminal has the table beside it.
    Bars(Bars),
    /// Lines as a program has printed them.
    Printed(String),
    Screen(Screen),
}

/// A terminal, as it looked.
#[derive(Clone, Debug)]
pub(super) struct Screen {
    /// Whose it is.
    pub(super) title: String,
    pub(super) lines: String,
}

impl Screen {
    pub(super) fn new(title: &str, lines: &str) -> Self {
        Self {
            title: title.into(),
            lines: lines.trim_end().into(),
        }
    }

    /// Each line: the label of its sender, if it has one, and the rest.
    pub(super) fn labelled(&self) -> impl Iterator<Item = (&str, &str)> {
        self.lines.lines().map(|line| {
            let label = ["R2: ", "KALI: "]
                .into_iter()
                .find(|label| line.starts_with(label));
            line.split_at(label.map_or(0, |label| label.len() - 1))
        })
    }
}

/// Cells under headings.
#[derive(Clone, Debug)]
pub(super) struct Table {
    pub(super) columns: Vec<String>,
    pub(super) rows: Vec<Vec<String>>,
}

impl Table {
    pub(super) fn new(columns: &[&str]) -> Self {
        Self {
            columns: columns.iter().map(ToString::to_string).collect(),
            rows: Vec::new(),
        }
    }

    /// Whether a column is of numbers, and stands to the right.
    pub(super) fn is_numeric(&self, column: usize) -> bool {
        let cells = || self.rows.iter().filter_map(|cells| cells.get(column));
        let is_address = |cell: &str| cell.matches('.').count() > 1;
        cells().all(|cell| {
            cell.starts_with(|c: char| c.is_ascii_digit())
                && !cell.contains([':', '\u{2192}'])
                && !is_address(cell)
        })
    }

    pub(super) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "# {}", self.title)?;
        for part in self.parts.iter().filter(|part| !matches!(part, Part::Bars(_))) {
            write!(f, "\n{part}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Heading(text) => writeln!(f, "## {text}"),
            Self::Text(text) => wrap(f, text),
            Self::Table(table) => table.fmt(f),
            Self::Ladder(ladder) => ladder.fmt(f),
            Self::Bars(_) => Ok(()),
            Self::Printed(lines) => writeln!(f, "{}", lines.trim_end()),
            Self::Screen(screen) => writeln!(f, "{}:\n{}", screen.title, screen.lines),
        }
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = || std::iter::once(&self.columns).chain(&self.rows);
        let width = |column: usize| {
            let cells = lines().filter_map(|cells| cells.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        for cells in lines() {
            let mut line = String::new();
            for (column, cell) in cells.iter().enumerate() {
                let width = width(column);
                if self.is_numeric(column) {
                    write!(line, "  {cell:>width$}")?;
                } else {
                    write!(line, "  {cell:<width$}")?;
                }
            }
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

/// Columns of a paragraph.
const COLUMNS: usize = 96;

fn wrap(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    let mut column = 0;
    for word in text.split_whitespace() {
        let width = word.chars().count();
        if column > 0 && column + 1 + width > COLUMNS {
            writeln!(f)?;
            column = 0;
        }
        if column > 0 {
            write!(f, " ")?;
            column += 1;
        }
        write!(f, "{word}")?;
        column += width;
    }
    writeln!(f)
}
