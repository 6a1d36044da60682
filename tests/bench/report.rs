//! What was measured, as a table for the terminal and the README, and as a CSV with every round.

use std::fmt::Write as _;

use crate::measure::{median, short};

/// One line of the table.
pub(crate) struct Row {
    pub(crate) show: u8,
    pub(crate) what: &'static str,
    pub(crate) reference: &'static str,
    pub(crate) unit: &'static str,
    /// R2's figures, one a round.
    pub(crate) ours: Vec<f64>,
    /// Those of what it is compared with; empty where R2's own figure is what is judged.
    pub(crate) theirs: Vec<f64>,
    pub(crate) bound: Bound,
    /// Whether it is the same at any size and on a busy machine.
    steady: bool,
}

/// What a ratio, or a figure that is compared with nothing, must be.
#[derive(Clone, Copy)]
pub(crate) enum Bound {
    AtLeast(f64),
    AtMost(f64),
    None,
}

impl Row {
    /// R2 and a reference, figures of the same unit.
    pub(crate) fn ratio(
        show: u8,
        what: &'static str,
        reference: &'static str,
        unit: &'static str,
        ours: &[f64],
        theirs: &[f64],
    ) -> Self {
        Self {
            show,
            what,
            reference,
            unit,
            ours: ours.to_vec(),
            theirs: theirs.to_vec(),
            bound: Bound::None,
            steady: false,
        }
    }

    /// A single figure of R2's own.
    pub(crate) fn figure(show: u8, what: &'static str, unit: &'static str, ours: f64) -> Self {
        Self::ratio(show, what, "", unit, &[ours], &[])
    }

    /// The same with a bound.
    pub(crate) const fn must(mut self, bound: Bound) -> Self {
        self.bound = bound;
        self
    }

    /// The same, judged in every run: neither the size nor what else the machine does changes it.
    pub(crate) const fn always(mut self) -> Self {
        self.steady = true;
        self
    }

    /// Whether it must hold in a run that judges the others or not.
    pub(crate) const fn is_judged(&self, others: bool) -> bool {
        others || self.steady
    }

    /// Whether R2 is compared with something.
    pub(crate) const fn is_ratio(&self) -> bool {
        !self.theirs.is_empty()
    }

    /// What is judged: the ratio of the medians, or R2's median.
    pub(crate) fn value(&self) -> f64 {
        let ours = median(&self.ours);
        if self.is_ratio() {
            ours / median(&self.theirs)
        } else {
            ours
        }
    }

    /// Whether it is within its bound.
    pub(crate) fn holds(&self) -> bool {
        match self.bound {
            Bound::AtLeast(least) => self.value() >= least,
            Bound::AtMost(most) => self.value() <= most,
            Bound::None => true,
        }
    }
}

/// The table, in the Markdown that the README has it in.
pub(crate) fn table(rows: &[Row], judge: bool) -> String {
    let mut table = String::from(
        "| show | measured | compared with | unit | R2 | it | ratio | wanted | |\n|---|---|---|---|---|---|---|---|---|\n",
    );
    for row in rows {
        let Row {
            show,
            what,
            reference,
            unit,
            ..
        } = row;
        let (theirs, ratio) = if row.is_ratio() {
            (short(median(&row.theirs)), format!("{:.2}", row.value()))
        } else {
            (String::new(), String::new())
        };
        let bound = match row.bound {
            Bound::AtLeast(least) => format!("≥ {least}"),
            Bound::AtMost(most) => format!("≤ {most}"),
            Bound::None => String::new(),
        };
        let verdict = match (row.bound, row.holds(), row.is_judged(judge)) {
            (Bound::None, ..) => "",
            (_, true, _) => "yes",
            (_, false, true) => "NO",
            (_, false, false) => "no, not judged",
        };
        let ours = short(median(&row.ours));
        writeln!(
            table,
            "| {show} | {what} | {reference} | {unit} | {ours} | {theirs} | {ratio} | {bound} | {verdict} |"
        )
        .expect("a string takes it");
    }
    table
}

/// Every figure of every round.
pub(crate) fn csv(rows: &[Row]) -> String {
    let mut csv = String::from("show,measured,compared with,unit,round,R2,reference\n");
    for row in rows {
        for (index, ours) in row.ours.iter().enumerate() {
            let theirs = row.theirs.get(index).map(f64::to_string).unwrap_or_default();
            let Row {
                show,
                what,
                reference,
                unit,
                ..
            } = row;
            let round = index + 1;
            writeln!(csv, "{show},{what},{reference},{unit},{round},{ours},{theirs}")
                .expect("a string takes it");
        }
    }
    csv
}
