//! A ticket as its worker sees it.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use r2_core::name::{Name, PARTIAL};
use r2_core::store::{Created, Digest, Ends, Entry, StoreError};
use sha2::{Digest as _, Sha256};

use super::announcement::Announcement;
use super::digester::Hashed;
use super::fingerprint::Fingerprint;
use super::folder::{Folder, meaning};
use super::medium::{open_regular, open_to_go_on};
use super::open_file::{OpenFile, Upload, fits};
use super::worker::Answer;

/// How often a file is hashed that is written to meanwhile, before it counts as one that cannot be read.
const ATTEMPTS: u8 = 2;

/// What a ticket has open, and what its call waits for.
pub(super) struct Place {
    pub(super) file: OpenFile,
    /// The next names of a list, sorted.
    listing: Vec<Name>,
    hashing: Option<Hashing>,
    /// How many files were to be hashed.
    asked: u64,
}

/// A resting file whose hash the call waits for.
struct Hashing {
    name: Name,
    fingerprint: Fingerprint,
    file: Arc<File>,
    then: Then,
    attempt: u8,
    /// Whether the digesters were asked.
    asked: bool,
}

/// What its digest is wanted for.
enum Then {
    Open,
    List,
    /// Perhaps it is the very file that is being uploaded.
    Compare(Announcement),
    /// It is the front of an upload that goes on.
    Resume(Announcement),
}

impl Place {
    pub(super) fn new(listed: usize) -> Self {
        // Filled once, so that the memory is taken now and not when somebody lists.
        let mut listing = vec![Name::numbered(0); listed];
        listing.clear();
        Self {
            file: OpenFile::default(),
            listing,
            hashing: None,
            asked: 0,
        }
    }

    /// Is as new.
    pub(super) fn forget(&mut self) {
        self.file = OpenFile::Nothing;
        self.listing.clear();
        self.hashing = None;
    }

    /// Begins a named upload: perhaps that very file is there.
    pub(super) fn compare(&mut self, folder: &Folder, name: Name, announced: Announcement) -> Option<Answer> {
        let resting = match announced.sha256 {
            Some(_) => open_regular(&folder.path(&name)).ok(),
            None => None,
        };
        if let Some(file) = resting
            && let Ok(fingerprint) = Fingerprint::of(&name, &file)
            && fingerprint.length() == announced.length
        {
            return self.hash(folder, name, fingerprint, file, Then::Compare(announced), 1);
        }
        self.resume(folder, name, announced)
    }

    /// Goes on with a named upload: perhaps its front is there.
    fn resume(&mut self, folder: &Folder, name: Name, announced: Announcement) -> Option<Answer> {
        let partial = name.with_ending(PARTIAL);
        if announced.sha256.is_some()
            && folder.announcement(&name).as_ref() == Some(&announced)
            && let Ok(file) = open_to_go_on(&folder.path(&partial))
            && let Ok(fingerprint) = Fingerprint::of(&partial, &file)
            && fingerprint.length() <= announced.length
        {
            return self.hash(folder, name, fingerprint, file, Then::Resume(announced), 1);
        }
        Some(self.anew(folder, &name, announced))
    }

    /// Begins a named upload with its first byte.
    fn anew(&mut self, folder: &Folder, name: &Name, announced: Announcement) -> Answer {
        let path = folder.path(&name.with_ending(PARTIAL));
        let created = fits(folder, &announced, 0).and_then(|()| {
            folder
                .remove_announcement(name)
                .and_then(|()| folder.remove(&path))
                .and_then(|()| folder.announce(name, &announced))
                .and_then(|()| folder.create(&path))
                .map_err(|error| folder.failed(&error))
        });
        let created = created.map(|file| Upload {
            name: name.clone(),
            announced: Some(announced),
            file: Arc::new(file),
            hasher: Some(Sha256::new()),
            length: 0,
        });
        self.began(folder, name, created)
    }

    fn began(&mut self, folder: &Folder, name: &Name, upload: Result<Upload, StoreError>) -> Answer {
        Answer::Created(match upload {
            Ok(upload) => {
                let created = ends(folder, &upload.file, upload.length).map(|ends| Created {
                    name: name.clone(),
                    offset: upload.length,
                    ends,
                });
                match created {
                    Ok(_) => self.file = OpenFile::Upload(upload),
                    Err(_) => folder.end(name),
                }
                created
            }
            Err(error) => {
                folder.end(name);
                Err(error)
            }
        })
    }

    /// Opens a file to read it.
    pub(super) fn open(&mut self, folder: &Folder, name: Name) -> Option<Answer> {
        self.open_again(folder, name, 1)
    }

    fn open_again(&mut self, folder: &Folder, name: Name, attempt: u8) -> Option<Answer> {
        match folder.open(&name) {
            Ok((fingerprint, file)) => self.hash(folder, name, fingerprint, file, Then::Open, attempt),
            Err(error) => Some(Answer::Opened(Err(error))),
        }
    }

    /// Finds the next file of the list. What cannot be read, and what vanished since its name was found, is left out.
    pub(super) fn next(&mut self, folder: &Folder, after: Option<Name>) -> Option<Answer> {
        if after.is_none() {
            self.listing.clear();
        }
        let mut last = after;
        loop {
            let here = last
                .as_ref()
                .map_or(0, |last| self.listing.partition_point(|name| name <= last));
            if let Some(name) = self.listing.get(here).cloned() {
                if let Ok((fingerprint, file)) = folder.open(&name) {
                    return self.hash(folder, name, fingerprint, file, Then::List, 1);
                }
                last = Some(name);
                continue;
            }
            if let Err(error) = folder.list(last.as_ref(), &mut self.listing) {
                return Some(Answer::Listed(Err(folder.failed(&error))));
            }
            if self.listing.is_empty() {
                return Some(Answer::Listed(Ok(None)));
            }
        }
    }

    /// Answers at once where the digest is known; has it computed where not.
    fn hash(
        &mut self,
        folder: &Folder,
        name: Name,
        fingerprint: Fingerprint,
        file: File,
        then: Then,
        attempt: u8,
    ) -> Option<Answer> {
        // An upload that goes on needs the state of the hash, not its end.
        let known = match then {
            Then::Resume(_) => None,
            _ => folder.digest(&fingerprint),
        };
        let hashing = Hashing {
            name,
            fingerprint,
            file: Arc::new(file),
            then,
            attempt,
            asked: false,
        };
        if let Some(digest) = known {
            return self.knows(folder, hashing, digest);
        }
        self.hashing = Some(hashing);
        None
    }

    /// Whether a call waits for a hash.
    pub(super) fn is_hashing(&self) -> bool {
        self.hashing.is_some()
    }

    /// What the digesters are to hash, once, and the number of that.
    pub(super) fn take_unhashed(&mut self) -> Option<(u64, Fingerprint, Arc<File>)> {
        let hashing = self.hashing.as_mut().filter(|hashing| !hashing.asked)?;
        hashing.asked = true;
        self.asked += 1;
        Some((self.asked, hashing.fingerprint.clone(), hashing.file.clone()))
    }

    /// The answer to [`take_unhashed`](Self::take_unhashed).
    pub(super) fn hashed(&mut self, folder: &Folder, number: u64, hashed: Hashed) -> Option<Answer> {
        if number != self.asked {
            // The answer to somebody who has left.
            return None;
        }
        let hashing = self.hashing.take()?;
        match hashed {
            Hashed::Whole(hasher) => match hashing.then {
                Then::Resume(announced) => {
                    let length = hashing.fingerprint.length();
                    let upload = fits(folder, &announced, length).map(|()| Upload {
                        name: hashing.name.clone(),
                        announced: Some(announced),
                        file: hashing.file,
                        hasher: Some(hasher),
                        length,
                    });
                    Some(self.began(folder, &hashing.name, upload))
                }
                _ => self.knows(folder, hashing, hasher.finalize().into()),
            },
            Hashed::Changed if hashing.attempt < ATTEMPTS => {
                let attempt = hashing.attempt + 1;
                match (hashing.then, folder.open(&hashing.name)) {
                    (then @ (Then::Open | Then::List), Ok((fingerprint, file))) => {
                        self.hash(folder, hashing.name, fingerprint, file, then, attempt)
                    }
                    (then, opened) => {
                        self.cannot_know(folder, hashing.name, then, opened.err().unwrap_or(StoreError::Io))
                    }
                }
            }
            Hashed::Changed => {
                folder.cannot_read(&hashing.name, "it changes while it is read");
                self.cannot_know(folder, hashing.name, hashing.then, StoreError::Io)
            }
            Hashed::Failed(kind) => {
                let error = io::Error::from(kind);
                folder.cannot_read(&hashing.name, &error);
                self.cannot_know(folder, hashing.name, hashing.then, meaning(&error))
            }
        }
    }

    /// The digest of a file will never be known.
    fn cannot_know(&mut self, folder: &Folder, name: Name, then: Then, why: StoreError) -> Option<Answer> {
        match then {
            Then::Open => Some(Answer::Opened(Err(why))),
            Then::List => self.next(folder, Some(name)),
            // Whatever it is, it is not what is being uploaded.
            Then::Compare(announced) => self.resume(folder, name, announced),
            Then::Resume(announced) => Some(self.anew(folder, &name, announced)),
        }
    }

    fn knows(&mut self, folder: &Folder, hashing: Hashing, digest: Digest) -> Option<Answer> {
        let entry = Entry {
            name: hashing.name.clone(),
            length: hashing.fingerprint.length(),
            sha256: digest,
        };
        folder.can_read(&hashing.name);
        Some(match hashing.then {
            Then::Open => {
                self.file = OpenFile::Reading(hashing.file);
                Answer::Opened(Ok(entry))
            }
            Then::List => Answer::Listed(Ok(Some(entry))),
            Then::Compare(announced) if announced.sha256 == Some(digest) => {
                let created = ends(folder, &hashing.file, entry.length).map(|ends| Created {
                    name: hashing.name.clone(),
                    offset: entry.length,
                    ends,
                });
                match created {
                    Ok(_) => self.file = OpenFile::Present(entry),
                    Err(_) => folder.end(&hashing.name),
                }
                Answer::Created(created)
            }
            Then::Compare(announced) | Then::Resume(announced) => {
                return self.resume(folder, hashing.name, announced);
            }
        })
    }

    /// Leaves everything as the disk has it.
    pub(super) fn release(&mut self, folder: &Folder) {
        if let Some(Hashing {
            name,
            then: Then::Compare(_) | Then::Resume(_),
            ..
        }) = &self.hashing
        {
            folder.end(name);
        }
        self.file.release(folder);
        self.forget();
    }
}

/// The ends of `file`, which has `length` bytes.
fn ends(folder: &Folder, file: &File, length: u64) -> Result<Ends, StoreError> {
    Ends::read(length, |offset, room| {
        let mut filled = 0;
        while filled < room.len() {
            match file.read_at(&mut room[filled..], offset + filled as u64) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(folder.failed(&error)),
            }
        }
        Ok(filled)
    })
}
