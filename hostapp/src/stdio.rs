//! Standard output and standard error: their names, and one way to write there that cannot fail.

use std::fmt;
use std::io::Write;
use std::path::Path;

use crate::console::Notes;

/// Whether `path` is a name of standard output: what goes there is not to be renamed, reopened or mixed with chat.
pub(crate) fn is_standard_output(path: &Path) -> bool {
    let names = ["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"];
    names.into_iter().any(|name| path == Path::new(name))
}

/// Says a line on standard error. Where that is a closed pipe, a full device or a terminal that is gone, the line is
/// lost, and nothing else: what the program has done does not hang on who reads of it.
pub fn say(line: impl fmt::Display) {
    let _ = Notes.write_all(format!("{line}\n").as_bytes());
}
