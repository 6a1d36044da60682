//! What a store changes on a disk, operation by operation.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

/// The operations by which a store changes its folder; each is the file system's own. Another medium counts them, lets
/// them fail, or loses what was not synced. What a store reads, it reads from the folder.
pub trait Medium: Send + Sync {
    /// Creates the file at `path`, which must not be there, for reading and writing.
    fn create(&self, path: &Path) -> io::Result<File> {
        OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .custom_flags(nix::libc::O_NOFOLLOW)
            .open(path)
    }

    /// Writes bytes from the front of `bytes` at `offset` and returns how many.
    fn write(&self, file: &File, bytes: &[u8], offset: u64) -> io::Result<usize> {
        file.write_at(bytes, offset)
    }

    /// Makes durable what was written to a file, or what was created, renamed and removed in a folder.
    fn sync(&self, file: &File) -> io::Result<()> {
        file.sync_all()
    }

    /// Renames; what `to` named before is gone.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    /// Removes the file at `path`.
    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }
}

/// The file system as it is.
pub(super) struct FileSystem;

impl Medium for FileSystem {}

/// Opens a regular file for reading: a link, a folder, a pipe, a socket, a device is not found.
pub(super) fn open_regular(path: &Path) -> io::Result<File> {
    // Looked at first, since opening a device may do something to it.
    let is_regular = fs::symlink_metadata(path)?.is_file();
    // Non-blocking, since opening a pipe that somebody put there meanwhile would wait for its writer.
    let flags = nix::libc::O_NOFOLLOW | nix::libc::O_NONBLOCK;
    if is_regular {
        let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
        if file.metadata()?.is_file() {
            return Ok(file);
        }
    }
    Err(ErrorKind::NotFound.into())
}

/// Opens an unfinished upload to go on with it.
pub(super) fn open_to_go_on(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(nix::libc::O_NOFOLLOW | nix::libc::O_NONBLOCK)
        .open(path)?;
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(ErrorKind::NotFound.into())
    }
}

/// Removes the file at `path`; whether it was there.
pub(super) fn remove_if_there(medium: &dyn Medium, path: &Path) -> io::Result<bool> {
    match medium.remove(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}
