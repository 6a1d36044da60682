//! The thread below some tickets: does their calls in order, and hashes resting files in slices between them.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError};

use r2_core::name::{Name, PARTIAL, UNCONFIRMED};
use r2_core::store::{Created, Digest, Entry, StoreError};
use sha2::{Digest as _, Sha256};

use super::announcement::Announcement;
use super::folder::{Fingerprint, Folder, open_regular, remove_if_there, store_error};
use super::{CHUNK, Chunk};
use crate::wake::Wake;

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
}

/// What a ticket holds.
#[derive(Default)]
struct Place {
    held: Held,
    listing: Vec<Name>,
    hashing: Option<Hashing>,
}

#[derive(Default)]
enum Held {
    #[default]
    Nothing,
    Upload(Upload),
    /// An upload whose very file is there already.
    Present(Entry),
    /// A sealed numbered upload, its receipt under way.
    Unconfirmed(Name),
    Reading(File),
}

struct Upload {
    name: Name,
    /// `None` for a numbered one.
    announced: Option<Announcement>,
    file: File,
    hasher: Sha256,
    length: u64,
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
    pub(super) fn new(
        folder: Arc<Folder>,
        places: usize,
        jobs: Receiver<Job>,
        done: SyncSender<Done>,
        wake: Arc<Wake>,
    ) -> Self {
        let places = std::iter::repeat_with(Place::default).take(places).collect();
        let slice = vec![1; CHUNK].into_boxed_slice();
        Self {
            folder,
            jobs,
            done,
            wake,
            places,
            slice,
        }
    }

    /// Works until nobody can ask any more and every call is done.
    pub(super) fn run(mut self) {
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
                Some(Answer::Written(chunk, result))
            }
            Call::Discard => {
                place.held.discard(folder);
                None
            }
            Call::Seal => Some(Answer::Sealed(place.held.seal(folder))),
            Call::Confirm => {
                place.held.confirm(folder);
                *place = Place::default();
                Some(Answer::Released)
            }
            Call::Release => {
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
        let announcement_path = folder.announcement_path(&name);
        if announced.sha256.is_some()
            && Announcement::read(&announcement_path).as_ref() == Some(&announced)
            && let Ok(file) = open_to_go_on(&path)
            && let Ok(fingerprint) = Fingerprint::of(&name.with_ending(PARTIAL), &file)
            && fingerprint.length() <= announced.length
        {
            return self.hash(folder, name, fingerprint, file, Then::Resume(announced));
        }
        let created = match fits(folder, &announced, 0) {
            Ok(()) => (|| {
                remove_if_there(&announcement_path)?;
                folder.remove(&path)?;
                announced.write(&announcement_path)?;
                folder.create(&path)
            })()
            .map_err(store_error),
            Err(error) => Err(error),
        };
        let created = created.map(|file| Upload {
            name: name.clone(),
            announced: Some(announced),
            file,
            hasher: Sha256::new(),
            length: 0,
        });
        Some(self.began(folder, &name, created))
    }

    fn began(&mut self, folder: &Folder, name: &Name, upload: Result<Upload, StoreError>) -> Answer {
        Answer::Created(match upload {
            Ok(upload) => {
                let offset = upload.length;
                self.held = Held::Upload(upload);
                Ok(Created {
                    name: name.clone(),
                    offset,
                })
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

    /// Finds the next file of the list. What vanished since the list was made is left out.
    fn next(&mut self, folder: &Folder, after: Option<&Name>) -> Option<Answer> {
        if after.is_none() {
            match folder.list() {
                Ok(listing) => self.listing = listing,
                Err(error) => return Some(Answer::Listed(Err(store_error(error)))),
            }
        }
        let start = after.map_or(0, |after| self.listing.partition_point(|name| name <= after));
        for index in start..self.listing.len() {
            let name = self.listing[index].clone();
            let opened = folder.open(&name).and_then(|(on_disk, file)| {
                let fingerprint = Fingerprint::of(&on_disk, &file).map_err(store_error)?;
                Ok((fingerprint, file))
            });
            match opened {
                Ok((fingerprint, file)) => return self.hash(folder, name, fingerprint, file, Then::List),
                Err(StoreError::NotFound | StoreError::Busy) => {}
                Err(error) => return Some(Answer::Listed(Err(error))),
            }
        }
        self.listing = Vec::new();
        Some(Answer::Listed(Ok(None)))
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
            folder.remember(hashing.fingerprint.clone(), digest);
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
                let offset = entry.length;
                self.held = Held::Present(entry);
                Answer::Created(Ok(Created {
                    name: hashing.name,
                    offset,
                }))
            }
            Then::Resume(announced) => {
                let upload = fits(folder, &announced, hashing.at).map(|()| Upload {
                    name: hashing.name.clone(),
                    announced: Some(announced),
                    file: hashing.file,
                    hasher: hashing.hasher,
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
        match std::mem::take(&mut self.held) {
            Held::Upload(upload) if upload.announced.is_none() && upload.length == 0 => {
                upload.discard(folder);
            }
            Held::Upload(Upload { name, .. }) | Held::Present(Entry { name, .. }) => folder.end(&name),
            Held::Unconfirmed(name) => folder.leave_unconfirmed(&name),
            Held::Reading(_) | Held::Nothing => {}
        }
        *self = Self::default();
    }
}

impl Held {
    fn write(&mut self, folder: &Folder, bytes: &[u8]) -> Result<(), (StoreError, u64)> {
        let Self::Upload(upload) = self else {
            return Ok(()); // It ended with an error that was told.
        };
        let Err(error) = upload.write(folder, bytes) else {
            return Ok(());
        };
        let fitted = upload.length;
        self.discard(folder);
        Err((error, fitted))
    }

    fn discard(&mut self, folder: &Folder) {
        if let Self::Upload(upload) = std::mem::take(self) {
            upload.discard(folder);
        }
    }

    fn seal(&mut self, folder: &Folder) -> Result<Entry, StoreError> {
        match std::mem::take(self) {
            Self::Upload(upload) => {
                let numbered = upload.announced.is_none();
                let entry = upload.seal(folder)?;
                if numbered {
                    *self = Self::Unconfirmed(entry.name.clone());
                }
                Ok(entry)
            }
            Self::Present(entry) => {
                folder.end(&entry.name);
                // Whoever put it there, the peer is about to be told that it is stored.
                let file = open_regular(&folder.path(&entry.name))?;
                file.sync_all()
                    .and_then(|()| folder.sync())
                    .map_err(store_error)?;
                Ok(entry)
            }
            other => {
                *self = other;
                Err(StoreError::Io)
            }
        }
    }

    fn confirm(&mut self, folder: &Folder) {
        let Self::Unconfirmed(name) = std::mem::take(self) else {
            return;
        };
        let renamed = Folder::rename(&folder.path(&name.with_ending(UNCONFIRMED)), &folder.path(&name))
            .and_then(|()| folder.sync());
        if let Err(error) = renamed {
            log::warn!("{name} stays unconfirmed: {error}");
        }
        folder.let_go(&name);
    }

    fn read(&self, into: &mut [u8], offset: u64) -> Result<usize, StoreError> {
        let Self::Reading(file) = self else {
            return Err(StoreError::Io);
        };
        let mut filled = 0;
        while filled < into.len() {
            match file.read_at(&mut into[filled..], offset + filled as u64) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(store_error(error)),
            }
        }
        Ok(filled)
    }
}

impl Upload {
    fn write(&mut self, folder: &Folder, bytes: &[u8]) -> Result<(), StoreError> {
        let room = folder.grow(bytes.len() as u64);
        let mut rest = &bytes[..usize::try_from(room).unwrap_or(bytes.len())];
        let result = loop {
            if rest.is_empty() {
                break Ok(());
            }
            match self.file.write_at(rest, self.length) {
                Ok(0) => break Err(StoreError::Io),
                Ok(written) => {
                    self.hasher.update(&rest[..written]);
                    self.length += written as u64;
                    rest = &rest[written..];
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => break Err(store_error(error)),
            }
        };
        folder.shrink(rest.len() as u64);
        result?;
        if room < bytes.len() as u64 {
            return Err(StoreError::NoSpace);
        }
        Ok(())
    }

    /// Checks, makes durable, gives the name of the sealed state; at any error nothing is kept.
    fn seal(self, folder: &Folder) -> Result<Entry, StoreError> {
        let entry = Entry {
            name: self.name.clone(),
            length: self.length,
            sha256: self.hasher.clone().finalize().into(),
        };
        if let Some(announced) = &self.announced
            && (announced.length != entry.length
                || announced.sha256.is_some_and(|sha256| sha256 != entry.sha256))
        {
            self.discard(folder);
            return Err(StoreError::Mismatch);
        }
        if let Err(error) = self.make_durable(folder) {
            let error = store_error(error);
            self.discard(folder);
            return Err(error);
        }
        if let Ok(fingerprint) = Fingerprint::of(&self.name, &self.file)
            && fingerprint.length() == entry.length
        {
            folder.remember(fingerprint, entry.sha256);
        }
        Ok(entry)
    }

    fn make_durable(&self, folder: &Folder) -> io::Result<()> {
        let partial = folder.path(&self.name.with_ending(PARTIAL));
        self.file.sync_all()?;
        if self.announced.is_some() {
            folder.replace(&partial, &folder.path(&self.name))?;
            remove_if_there(&folder.announcement_path(&self.name))?;
            folder.sync()?;
            folder.end(&self.name);
        } else {
            let unconfirmed = folder.path(&self.name.with_ending(UNCONFIRMED));
            Folder::rename(&partial, &unconfirmed)?;
            if let Err(error) = folder.sync() {
                let _ = folder.remove(&unconfirmed);
                return Err(error);
            }
            folder.hold(&self.name);
        }
        Ok(())
    }

    /// Keeps nothing.
    fn discard(self, folder: &Folder) {
        let mut removed = folder.remove(&folder.path(&self.name.with_ending(PARTIAL)));
        if self.announced.is_some() {
            removed = removed.and(remove_if_there(&folder.announcement_path(&self.name)).map(drop));
        }
        if let Err(error) = removed.and_then(|()| folder.sync()) {
            log::warn!("the rest of {} stays: {error}", self.name);
        }
        folder.end(&self.name);
    }
}

fn create_numbered(folder: &Folder, held: &mut Held) -> Result<Created, StoreError> {
    let (name, file) = folder.create_numbered()?;
    *held = Held::Upload(Upload {
        name: name.clone(),
        announced: None,
        file,
        hasher: Sha256::new(),
        length: 0,
    });
    Ok(Created { name, offset: 0 })
}

/// Whether what is announced can be stored, of which `there` bytes are there already.
fn fits(folder: &Folder, announced: &Announcement, there: u64) -> Result<(), StoreError> {
    if announced.length > folder.limits().file {
        Err(StoreError::TooLarge)
    } else if folder.has_room(announced.length.saturating_sub(there)) {
        Ok(())
    } else {
        Err(StoreError::NoSpace)
    }
}

fn open_to_go_on(path: &std::path::Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(nix::libc::O_NOFOLLOW | nix::libc::O_NONBLOCK)
        .open(path)
}
