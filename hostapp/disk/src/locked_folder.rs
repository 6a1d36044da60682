//! The locked folder of a store, and whether it is still where it was.

use std::error::Error;
use std::fmt;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

/// The folder was deleted, moved away or mounted over, or another one has its name.
#[derive(Debug)]
pub(super) struct Gone;

impl fmt::Display for Gone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the store is gone")
    }
}

impl Error for Gone {}

impl Gone {
    /// Whether that was the reason.
    pub(super) fn is(error: &io::Error) -> bool {
        error.get_ref().is_some_and(<dyn Error + Send + Sync>::is::<Self>)
    }
}

/// A locked folder, and the path under which it was found.
pub(super) struct LockedFolder {
    path: PathBuf,
    /// Held for its exclusive lock, and to make renames durable. While it is, no other folder has this one's inode.
    handle: File,
    gone: AtomicBool,
}

impl LockedFolder {
    pub(super) fn new(path: PathBuf, handle: File) -> Self {
        Self {
            path,
            handle,
            gone: AtomicBool::new(false),
        }
    }

    pub(super) fn handle(&self) -> &File {
        &self.handle
    }

    /// The path, which may by now lead elsewhere.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the path still leads to the locked folder: [`Gone`] where not, which is told once. A folder that has come
    /// back is the same store again; another one is not touched, since nobody has locked it.
    pub(super) fn check(&self) -> io::Result<()> {
        let locked = self.handle.metadata()?;
        let is_here = fs::metadata(&self.path)
            .is_ok_and(|found| (found.dev(), found.ino()) == (locked.dev(), locked.ino()));
        let was_here = !self.gone.swap(!is_here, Ordering::Relaxed);
        let path = self.path.display();
        match (was_here, is_here) {
            (true, false) => log::error!(
                "the store {path} is gone (deleted, moved, or another folder has its place): uploads are refused; move it \
                 back, or start R2 again"
            ),
            (false, true) => log::info!("the store {path} is back"),
            _ => {}
        }
        if is_here {
            Ok(())
        } else {
            Err(io::Error::other(Gone))
        }
    }
}
