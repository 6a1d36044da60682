//! A folder in memory, of a size of the test's choice.

use std::ffi::CString;
use std::path::Path;
use std::time::Instant;

use rustix::io::Errno;
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use tempfile::TempDir;

use crate::program::PATIENCE;

/// A tmpfs of its own, unmounted when the value is dropped.
pub struct Tmpfs {
    folder: TempDir,
}

impl Tmpfs {
    /// Mounts one that holds `bytes` bytes. Panics without root.
    pub fn new(bytes: u64) -> Self {
        let folder = TempDir::with_prefix("r2-tmpfs-").expect("a temporary folder");
        let size = CString::new(format!("size={bytes}")).expect("no NUL");
        mount(
            "tmpfs",
            folder.path(),
            "tmpfs",
            MountFlags::empty(),
            size.as_c_str(),
        )
        .expect("mounting needs root");
        Self { folder }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Lets nobody write there any more, root included.
    pub fn make_read_only(&self) {
        self.remount(MountFlags::RDONLY);
    }

    /// Lets everybody write there again.
    pub fn make_writable(&self) {
        self.remount(MountFlags::empty());
    }

    fn remount(&self, flags: MountFlags) {
        let deadline = Instant::now() + PATIENCE;
        // It is busy while a file that was written is still open.
        while let Err(error) = rustix::mount::mount_remount(self.path(), flags, c"") {
            assert!(
                error == Errno::BUSY && Instant::now() < deadline,
                "remounting: {error}"
            );
        }
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        let _ = unmount(self.folder.path(), UnmountFlags::DETACH);
    }
}
