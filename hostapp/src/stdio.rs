//! Standard output, standard error and named pipes: what is to know before they are written to.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use nix::fcntl::{FcntlArg, OFlag, fcntl};

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

/// Opens a named pipe for writing; `None` where nobody reads it yet, since that would have to be waited for.
pub(crate) fn open_pipe(path: &Path) -> io::Result<Option<File>> {
    let opened = OpenOptions::new()
        .write(true)
        .custom_flags(OFlag::O_NONBLOCK.bits())
        .open(path);
    match opened {
        Ok(pipe) => {
            fcntl(&pipe, FcntlArg::F_SETFL(OFlag::empty()))?;
            Ok(Some(pipe))
        }
        Err(error) if error.raw_os_error() == Some(nix::libc::ENXIO) => Ok(None),
        Err(error) => Err(error),
    }
}
