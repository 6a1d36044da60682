//! The README's part of the figures, written by `publish`.

use std::path::Path;
use std::{fs, io};

use crate::report::{self, Row};

/// What stands around them.
const BEGIN: &str = "<!-- `tests/ci.sh bench publish` writes from here -->\n";
const END: &str = "<!-- to here -->\n";

const PICTURE: &str = "![How many times as fast as each reference R2 is](tests/bench/shows.svg)";

/// Puts picture and table between the two marks.
pub(crate) fn publish(rows: &[Row], path: &Path) -> io::Result<()> {
    let readme = fs::read_to_string(path)?;
    let around = readme
        .split_once(BEGIN)
        .and_then(|(before, rest)| Some((before, rest.split_once(END)?.1)));
    let Some((before, behind)) = around else {
        return Err(io::Error::other(format!("no place between {BEGIN}and {END}")));
    };
    let table = report::table(rows, true);
    fs::write(
        path,
        format!("{before}{BEGIN}\n{PICTURE}\n\n{table}\n{END}{behind}"),
    )
}
