//! Standard output and named pipes: what is to know before they are written to.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use nix::fcntl::{FcntlArg, OFlag, fcntl};

/// Whether `path` is a name of standard output: what goes there is not to be renamed, reopened or mixed with chat.
pub fn is_standard_output(path: &Path) -> bool {
    let names = ["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"];
    names.into_iter().any(|name| path == Path::new(name))
}

/// Opens a named pipe for writing; `None` where nobody reads it yet, since that would have to be waited for.
pub fn open_pipe(path: &Path) -> io::Result<Option<File>> {
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
