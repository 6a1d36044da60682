//! Standard error, whoever reads it.

use std::fmt;
use std::io::Write;

use crate::console::Notes;

/// Says a line on standard error. Where that is a closed pipe, a full device or a terminal that is gone, the line is
/// lost, and nothing else: what the program has done does not hang on who reads of it.
pub fn say(line: impl fmt::Display) {
    let _ = Notes.write_all(format!("{line}\n").as_bytes());
}
