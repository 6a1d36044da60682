//! The thread below some tickets: does their calls in order, and hashes resting files in slices between them.

use std::fs::File;
use std::hint::black_box;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError};

use r2_core::limits::FRONT_MAX;
use r2_core::name::{Name, PARTIAL};
use r2_core::store::{Created, Digest, Entry, Front, StoreError};
use sha2::{Digest as _, Sha256};

use super::announcement::Announcement;
use super::behind::Behind;
use super::fingerprint::Fingerprint;
use super::folder::{Folder, LISTED, store_error};
use super::held::{Held, Upload, create_numbered, fits};
use super::medium::{open_regular, open_to_go_on};
use super::{CHUNK, Chunk};
use crate::wake::Wake;

/// What a thread's calls allocate for a moment, most of all a folder's entries: the C library reads 32 KiB of them at once,
/// now here and now there, since something small may lie where it read before. A thread writes to so much once, so that
/// its allocator has it from the start; less than the 128 KiB for which that would ask the kernel each time.
const FOR_A_MOMENT: usize = 112 * 1024;

/// What a ticket asks of its worker.
pub(super) enum Call {
    CreateNumbered,
    CreateNamed(Name, Announcement),
    Write(Chunk, usize),
    /// Gives an upload up that was refused: nothing of it is kept.
    Discard,
    Seal,
    Confirm,
    Release,
    Open(Name),
    Read(Chunk, u64),
    Next(Option<Name>),
    Delete(Name),
}

/// What the worker says.
pub(super) enum Answer {
    Created(Result<Created, StoreError>),
    /// The chunk comes back; an error ends the upload, of which so many bytes had fitted.
    Written(Chunk, Result<(), (StoreError, u64)>),
    Sealed(Result<Entry, StoreError>),
    Released,
    Opened(Result<Entry, StoreError>),
    /// The chunk comes back with so many bytes in front.
    Read(Chunk, Result<usize, StoreError>),
    Listed(Result<Option<Entry>, StoreError>),
    Deleted(Result<(), StoreError>),
}

pub(super) struct Job {
    pub(super) place: usize,
    pub(super) call: Call,
}

pub(super) struct Done {
    pub(super) place: usize,
    pub(super) answer: Answer,
}

pub(super) struct Worker {
    folder: Arc<Folder>,
    jobs: Receiver<Job>,
    done: SyncSender<Done>,
    wake: Arc<Wake>,
    places: Vec<Place>,
    slice: Box<[u8]>,
    behind: Behind,
}

/// A ticket, seen from here.
struct Place {
    held: Held,
    /// The next names of a list, sorted.
    listing: Vec<Name>,
    hashing: Option<Hashing>,
}

/// A resting file that is being hashed, slice by slice.
struct Hashing {
    name: Name,
    fingerprint: Fingerprint,
    file: File,
    hasher: Sha256,
    at: u64,
    then: Then,
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

impl Worker {
    /// A worker for so many places, of which `is_its_own` says which it is ever asked for.
    pub(super) fn new(
        folder: Arc<Folder>,
        places: usize,
        is_its_own: impl Fn(usize) -> bool,
        jobs: Receiver<Job>,
        done: SyncSender<Done>,
        wake: Arc<Wake>,
        behind: Behind,
    ) -> Self {
        let places = (0..places)
            .map(|place| Place::new(if is_its_own(place) { LISTED } else { 0 }))
            .collect();
        let slice = vec![1; CHUNK].into_boxed_slice();
        Self {
            folder,
            jobs,
            done,
            wake,
            places,
            slice,
            behind,
        }
    }

    /// Works until nobody can ask any more and every call is done.
    pub(super) fn run(mut self) {
        drop(black_box(vec![1_u8; FOR_A_MOMENT]));
        loop {
            let hashing = self.places.iter().any(|place| place.hashing.is_some());
            let job = if hashing {
                self.jobs.try_recv()
            } else {
                self.jobs.recv().map_err(|_| TryRecvError::Disconnected)
            };
            match job {
                Ok(job) => self.act(job),
                Err(TryRecvError::Empty) => {}
                Err(TryRecvError::Disconnected) => return,
            }
            for index in 0..self.places.len() {
                self.hash_a_slice(index);
            }
        }
    }

    fn act(&mut self, Job { place: index, call }: Job) {
        let place = &mut self.places[index];
        let folder = &*self.folder;
        let answer = match call {
            Call::CreateNumbered => Some(Answer::Created(create_numbered(folder, &mut place.held))),
            Call::CreateNamed(name, announced) => match folder.begin(&name) {
                Ok(()) => place.compare(folder, name, announced),
                Err(error) => Some(Answer::Created(Err(error))),
            },
            Call::Write(chunk, filled) => {
                let result = place.held.write(folder, &chunk[..filled]);
                match (result, place.held.upload()) {
                    (Ok(()), Some(upload)) => {
                        self.behind.update(index, upload.hasher.take(), chunk, filled);
                        None
                    }
                    (result, _) => Some(Answer::Written(chunk, result)),
                }
            }
            Call::Discard => {
                place.held.discard(folder);
                None
            }
            Call::Seal => {
                let hash = || self.behind.finish(index);
                Some(Answer::Sealed(place.held.seal(folder, hash)))
            }
            Call::Confirm => {
                place.held.confirm(folder);
                place.forget();
                Some(Answer::Released)
            }
            Call::Release => {
                // Every chunk is home before the ticket is.
                self.behind.finish(index);
                place.release(folder);
                Some(Answer::Released)
            }
            Call::Open(name) => place.open(folder, name),
            Call::Read(mut chunk, offset) => {
                let result = place.held.read(&mut chunk, offset);
                Some(Answer::Read(chunk, result))
            }
            Call::Next(after) => place.next(folder, after.as_ref()),
            Call::Delete(name) => Some(Answer::Deleted(folder.delete(&name))),
        };
        self.say(index, answer);
    }

    fn hash_a_slice(&mut self, index: usize) {
        let place = &mut self.places[index];
        let Some(hashing) = &mut place.hashing else {
            return;
        };
        let read = hashing.file.read_at(&mut self.slice, hashing.at);
        let answer = match read {
            Ok(0) => place.hashed(&self.folder),
            Ok(read) => {
                hashing.hasher.update(&self.slice[..read]);
                hashing.at += read as u64;
                return;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return,
            Err(error) => place.not_hashed(&self.folder, store_error(error)),
        };
        self.say(index, answer);
    }

    fn say(&self, place: usize, answer: Option<Answer>) {
        if let Some(answer) = answer {
            // The store is gone only when nobody waits for an answer any more.
            let _ = self.done.send(Done { place, answer });
            self.wake.wake();
        }
    }
}

impl Place {
    fn new(listed: usize) -> Self {
        // Filled once, so that the memory is taken now and not when somebody lists.
        let mut listing = vec![Name::numbered(0); listed];
        listing.clear();
        Self {
            held: Held::default(),
            listing,
            hashing: None,
        }
    }

    /// Is as new.
    fn forget(&mut self) {
        self.held = Held::Nothing;
        self.listing.clear();
        self.hashing = None;
    }

    /// Begins a named upload: perhaps that very file is there.
    fn compare(&mut self, folder: &Folder, name: Name, announced: Announcement) -> Option<Answer> {
        let resting = match announced.sha256 {
            Some(_) => open_regular(&folder.path(&name)).ok(),
            None => None,
        };
        if let Some(file) = resting
            && let Ok(fingerprint) = Fingerprint::of(&name, &file)
            && fingerprint.length() == announced.length
        {
            return self.hash(folder, name, fingerprint, file, Then::Compare(announced));
        }
        self.resume(folder, name, announced)
    }

    /// Goes on with a named upload: perhaps its front is there.
    fn resume(&mut self, folder: &Folder, name: Name, announced: Announcement) -> Option<Answer> {
        let path = folder.path(&name.with_ending(PARTIAL));
        if announced.sha256.is_some()
            && folder.announcement(&name).as_ref() == Some(&announced)
            && let Ok(file) = open_to_go_on(&path)
            && let Ok(fingerprint) = Fingerprint::of(&name.with_ending(PARTIAL), &file)
            && fingerprint.length() <= announced.length
        {
            return self.hash(folder, name, fingerprint, file, Then::Resume(announced));
        }
        let created = match fits(folder, &announced, 0) {
            Ok(()) => (|| {
                folder.remove_announcement(&name)?;
                folder.remove(&path)?;
                folder.announce(&name, &announced)?;
                folder.create(&path)
            })()
            .map_err(store_error),
            Err(error) => Err(error),
        };
        let created = created.map(|file| Upload {
            name: name.clone(),
            announced: Some(announced),
            file,
            hasher: Some(Sha256::new()),
            length: 0,
        });
        Some(self.began(folder, &name, created))
    }

    fn began(&mut self, folder: &Folder, name: &Name, upload: Result<Upload, StoreError>) -> Answer {
        Answer::Created(match upload {
            Ok(upload) => {
                let created = front(&upload.file).map(|front| Created {
                    name: name.clone(),
                    offset: upload.length,
                    front,
                });
                match created {
                    Ok(created) => {
                        self.held = Held::Upload(upload);
                        Ok(created)
                    }
                    Err(error) => {
                        folder.end(name);
                        Err(error)
                    }
                }
            }
            Err(error) => {
                folder.end(name);
                Err(error)
            }
        })
    }

    fn open(&mut self, folder: &Folder, name: Name) -> Option<Answer> {
        let opened = folder.open(&name).and_then(|(on_disk, file)| {
            let fingerprint = Fingerprint::of(&on_disk, &file).map_err(store_error)?;
            Ok((fingerprint, file))
        });
        match opened {
            Ok((fingerprint, file)) => self.hash(folder, name, fingerprint, file, Then::Open),
            Err(error) => Some(Answer::Opened(Err(error))),
        }
    }

    /// Finds the next file of the list. What vanished since its name was found is left out.
    fn next(&mut self, folder: &Folder, after: Option<&Name>) -> Option<Answer> {
        if after.is_none() {
            self.listing.clear();
        }
        let mut last = after.cloned();
        loop {
            let here = last
                .as_ref()
                .map_or(0, |last| self.listing.partition_point(|name| name <= last));
            let Some(name) = self.listing.get(here).cloned() else {
                if let Err(error) = folder.list(last.as_ref(), &mut self.listing) {
                    return Some(Answer::Listed(Err(store_error(error))));
                }
                if self.listing.is_empty() {
                    return Some(Answer::Listed(Ok(None)));
                }
                continue;
            };
            let opened = folder.open(&name).and_then(|(on_disk, file)| {
                let fingerprint = Fingerprint::of(&on_disk, &file).map_err(store_error)?;
                Ok((fingerprint, file))
            });
            match opened {
                Ok((fingerprint, file)) => return self.hash(folder, name, fingerprint, file, Then::List),
                Err(StoreError::NotFound | StoreError::Busy) => last = Some(name),
                Err(error) => return Some(Answer::Listed(Err(error))),
            }
        }
    }

    /// Answers at once where the digest is known, and begins to compute it where not.
    fn hash(
        &mut self,
        folder: &Folder,
        name: Name,
        fingerprint: Fingerprint,
        file: File,
        then: Then,
    ) -> Option<Answer> {
        // An upload that goes on needs the state of the hash, not its end.
        let known = match then {
            Then::Resume(_) => None,
            _ => folder.digest(&fingerprint),
        };
        let hashing = Hashing {
            name,
            fingerprint,
            file,
            hasher: Sha256::new(),
            at: 0,
            then,
        };
        if let Some(digest) = known {
            return self.answer(folder, hashing, digest);
        }
        self.hashing = Some(hashing);
        None
    }

    fn hashed(&mut self, folder: &Folder) -> Option<Answer> {
        let hashing = self.hashing.take()?;
        let digest = hashing.hasher.clone().finalize().into();
        let unchanged =
            Fingerprint::of(&hashing.name, &hashing.file).is_ok_and(|now| now == hashing.fingerprint);
        if hashing.at != hashing.fingerprint.length() {
            // It grew or shrank under our hands: begin again with what it is now.
            return self.again(folder, hashing);
        }
        if unchanged && !matches!(hashing.then, Then::Resume(_)) {
            folder.remember(&hashing.fingerprint, digest);
        }
        self.answer(folder, hashing, digest)
    }

    fn again(&mut self, folder: &Folder, hashing: Hashing) -> Option<Answer> {
        match hashing.then {
            Then::Open => self.open(folder, hashing.name),
            Then::List => Some(Answer::Listed(Err(StoreError::Io))),
            Then::Compare(announced) => self.resume(folder, hashing.name, announced),
            Then::Resume(_) => {
                folder.end(&hashing.name);
                Some(Answer::Created(Err(StoreError::Io)))
            }
        }
    }

    fn not_hashed(&mut self, folder: &Folder, error: StoreError) -> Option<Answer> {
        let hashing = self.hashing.take()?;
        Some(match hashing.then {
            Then::Open => Answer::Opened(Err(error)),
            Then::List => Answer::Listed(Err(error)),
            Then::Compare(_) | Then::Resume(_) => {
                folder.end(&hashing.name);
                Answer::Created(Err(error))
            }
        })
    }

    fn answer(&mut self, folder: &Folder, hashing: Hashing, digest: Digest) -> Option<Answer> {
        let entry = Entry {
            name: hashing.name.clone(),
            length: hashing.fingerprint.length(),
            sha256: digest,
        };
        Some(match hashing.then {
            Then::Open => {
                self.held = Held::Reading(hashing.file);
                Answer::Opened(Ok(entry))
            }
            Then::List => Answer::Listed(Ok(Some(entry))),
            Then::Compare(announced) => {
                if announced.sha256 != Some(digest) {
                    return self.resume(folder, hashing.name, announced);
                }
                let created = front(&hashing.file).map(|front| Created {
                    name: hashing.name.clone(),
                    offset: entry.length,
                    front,
                });
                match created {
                    Ok(_) => self.held = Held::Present(entry),
                    Err(_) => folder.end(&hashing.name),
                }
                Answer::Created(created)
            }
            Then::Resume(announced) => {
                let upload = fits(folder, &announced, hashing.at).map(|()| Upload {
                    name: hashing.name.clone(),
                    announced: Some(announced),
                    file: hashing.file,
                    hasher: Some(hashing.hasher),
                    length: hashing.at,
                });
                self.began(folder, &hashing.name, upload)
            }
        })
    }

    /// Leaves everything as the disk has it.
    fn release(&mut self, folder: &Folder) {
        if let Some(Hashing {
            name,
            then: Then::Compare(_) | Then::Resume(_),
            ..
        }) = &self.hashing
        {
            folder.end(name);
        }
        self.held.release(folder);
        self.forget();
    }
}

/// What `file` begins with.
fn front(file: &File) -> Result<Front, StoreError> {
    let mut front = [0; FRONT_MAX];
    let mut filled = 0;
    while filled < front.len() {
        match file.read_at(&mut front[filled..], filled as u64) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(store_error(error)),
        }
    }
    Ok(front[..filled].iter().copied().collect())
}
