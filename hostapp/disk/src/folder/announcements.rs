//! What is written down of uploads that may be resumed.

use std::fs;
use std::io;
use std::path::PathBuf;

use r2_core::name::Name;

use super::Folder;
use crate::announcement::Announcement;
use crate::medium::remove_if_there;

impl Folder {
    /// What was written down of the unfinished upload of `name`; `None` where nothing whole was.
    pub(crate) fn announcement(&self, name: &Name) -> Option<Announcement> {
        Announcement::parse(&fs::read_to_string(self.announcement_path(name)).ok()?)
    }

    /// Writes down what the upload of `name` announced, of which nothing is written down; without a SHA-256 there is
    /// nothing to resume, so nothing to write.
    pub(crate) fn announce(&self, name: &Name, announced: &Announcement) -> io::Result<()> {
        let Some(text) = announced.text() else {
            return Ok(());
        };
        self.locked.check()?;
        let file = self.medium.create(&self.announcement_path(name))?;
        self.write(&file, text.as_bytes(), 0, &mut 0)
    }

    /// Removes what was written down of the upload of `name`, if it is there.
    pub(crate) fn remove_announcement(&self, name: &Name) -> io::Result<()> {
        self.locked.check()?;
        remove_if_there(&*self.medium, &self.announcement_path(name)).map(drop)
    }

    fn announcement_path(&self, name: &Name) -> PathBuf {
        self.locked.path().join(format!(".{name}.resume"))
    }
}
