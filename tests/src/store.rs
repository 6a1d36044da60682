//! What lies in R2's store.

use std::fs;
use std::mem::MaybeUninit;
use std::path::{Path, PathBuf};
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify;

use crate::program::PATIENCE;

/// The folder that R2 keeps its files in.
pub struct Store {
    folder: PathBuf,
}

impl Store {
    /// Makes the folder where it is not there yet.
    pub fn at(folder: PathBuf) -> Self {
        fs::create_dir_all(&folder).expect("a place for the store");
        Self { folder }
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.folder
    }

    /// Where a file of that name lies.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The names in it, in order, less those that are the disk's private business: they begin with a dot.
    pub fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.folder).expect("the store");
        let mut names: Vec<_> = entries
            .flatten()
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect();
        names.retain(|name| !name.starts_with('.'));
        names.sort();
        names
    }

    /// How many bytes lie in it, under whatever name.
    pub fn bytes(&self) -> u64 {
        let entries = fs::read_dir(&self.folder).expect("the store");
        entries
            .flatten()
            .filter_map(|entry| entry.metadata().ok())
            .map(|file| file.len())
            .sum()
    }

    /// Waits until these names are in it, and no other.
    pub fn holds(&self, names: &[&str]) {
        self.wait_until(&format!("exactly {names:?}"), |store| store.names() == names);
    }

    /// Waits until `done`, which is asked again whenever something in the store has changed.
    pub fn wait_until(&self, what: &str, done: impl Fn(&Self) -> bool) {
        use inotify::{CreateFlags, ReadFlags, WatchFlags};
        let watch = inotify::init(CreateFlags::NONBLOCK).expect("inotify");
        let changes = WatchFlags::CREATE | WatchFlags::DELETE | WatchFlags::MODIFY | WatchFlags::MOVE;
        inotify::add_watch(&watch, &self.folder, changes).expect("the store");
        let deadline = Instant::now() + PATIENCE;
        let mut buffer = [MaybeUninit::uninit(); 4096];
        while !done(self) {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(
                !left.is_zero(),
                "waited {PATIENCE:?} for {what}; the store holds {:?}",
                self.names()
            );
            let timeout = Timespec::try_from(left).expect("seconds");
            poll(&mut [PollFd::new(&watch, PollFlags::IN)], Some(&timeout)).expect("poll");
            let mut events = inotify::Reader::new(&watch, &mut buffer);
            while matches!(events.next(), Ok(event) if event.events() != ReadFlags::empty()) {}
        }
    }
}
