//! The thread below some tickets: does their calls in order.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender};

use r2_core::name::Name;
use r2_core::store::{Created, Entry, StoreError};
use r2_threads::Wake;

use super::Chunk;
use super::announcement::Announcement;
use super::digester::{Digesters, Hashed};
use super::folder::Folder;
use super::open_file::create_numbered;
use super::place::Place;
use super::upload_hasher::UploadHasher;

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
    /// What became of the file that was to be hashed under this number.
    Hashed(u64, Hashed),
    /// Nobody can ask any more.
    Stop,
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
    upload_hasher: UploadHasher,
    digesters: Digesters,
}

impl Worker {
    /// A worker for all places, of which it is asked for its own.
    pub(super) fn new(
        folder: Arc<Folder>,
        places: Vec<Place>,
        jobs: Receiver<Job>,
        done: SyncSender<Done>,
        wake: Arc<Wake>,
        upload_hasher: UploadHasher,
        digesters: Digesters,
    ) -> Self {
        Self {
            folder,
            jobs,
            done,
            wake,
            places,
            upload_hasher,
            digesters,
        }
    }

    /// Works until nobody can ask any more and every call is done.
    pub(super) fn run(mut self) {
        drop(black_box(vec![1_u8; FOR_A_MOMENT]));
        while let Ok(job) = self.jobs.recv() {
            if matches!(job.call, Call::Stop) {
                return;
            }
            self.act(job);
        }
    }

    fn act(&mut self, Job { place: index, call }: Job) {
        let place = &mut self.places[index];
        let folder = &*self.folder;
        let answer = match call {
            Call::CreateNumbered => Some(Answer::Created(create_numbered(folder, &mut place.file))),
            Call::CreateNamed(name, announced) => match folder.begin(&name) {
                Ok(()) => place.compare(folder, name, announced),
                Err(error) => Some(Answer::Created(Err(error))),
            },
            Call::Write(chunk, filled) => {
                let result = place.file.write(folder, &chunk[..filled]);
                match (result, place.file.upload()) {
                    (Ok(()), Some(upload)) => {
                        self.upload_hasher
                            .update(index, upload.hasher.take(), chunk, filled);
                        None
                    }
                    (result, _) => Some(Answer::Written(chunk, result)),
                }
            }
            Call::Discard => {
                place.file.discard(folder);
                None
            }
            Call::Seal => {
                let hash = || self.upload_hasher.finish(index);
                Some(Answer::Sealed(place.file.seal(folder, hash)))
            }
            Call::Confirm => {
                place.file.confirm(folder);
                place.forget();
                Some(Answer::Released)
            }
            Call::Release => {
                // Every chunk is home before the ticket is.
                self.upload_hasher.finish(index);
                if place.is_hashing() {
                    self.digesters.leave(index);
                }
                place.release(folder);
                Some(Answer::Released)
            }
            Call::Open(name) => place.open(folder, name),
            Call::Read(mut chunk, offset) => {
                let result = place.file.read(folder, &mut chunk, offset);
                Some(Answer::Read(chunk, result))
            }
            Call::Next(after) => place.next(folder, after),
            Call::Delete(name) => Some(Answer::Deleted(folder.delete(&name))),
            Call::Hashed(number, hashed) => place.hashed(folder, number, hashed),
            Call::Stop => None,
        };
        if let Some((number, fingerprint, file)) = place.take_unhashed() {
            self.digesters.hash(index, number, fingerprint, file);
        }
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
