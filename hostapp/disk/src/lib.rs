//! [`DiskStore`]: the store on a folder.
//!
//! The thread that serves never touches the disk. Each ticket belongs to one of a few worker threads, which does
//! its calls in order; a second thread hashes what it has written. Bytes travel in chunks that were allocated at
//! start, so a ticket whose chunks are all under way makes its session wait, and that is the backpressure of the disk.
//!
//! What a file is called on the disk is its state after a crash, at every moment: it is created as `.partial`, and
//! renamed only when its bytes are durable.

mod announcement;
mod chunks;
mod digester;
mod digests;
mod fingerprint;
mod folder;
mod index;
mod locked_folder;
mod medium;
mod names;
mod open;
mod open_file;
mod place;
mod store;
#[cfg(test)]
mod tests;
mod ticket;
mod trouble;
mod unreadable;
mod upload_hasher;
mod worker;

use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::task::Poll;
use std::thread::JoinHandle;

use r2_core::name::Name;
use r2_core::store::Ticket;
use r2_threads::Wake;

use self::digester::{Digesters, Percents};
use self::folder::{Folder, LISTED};
use self::medium::FileSystem;
pub use self::medium::Medium;
pub use self::open::OpenError;
use self::ticket::{Phase, TicketState, WorkerChannel};
use self::upload_hasher::UploadHasher;
use self::worker::{Answer, Call, Done, Job, Worker};

/// Bytes between a session and the disk, allocated once.
type Chunk = Box<[u8]>;

/// The size of a chunk. Each wakes three threads on its way. Measured on two processors, uploads of 1 GiB with chunks of
/// 128, 256 and 512 KiB make 7.7, 8.1 and 8.3 Gbit/s at most, the last unsteadily: a ticket's chunks no longer fit the
/// cache.
const CHUNK: usize = 256 * 1024;

/// Chunks of a ticket: one that is being filled, two under way, one that comes back.
const CHUNKS: usize = 4;

/// Worker threads. They wait for the disk more than they compute, so their number is not that of the cores.
const WORKERS: usize = 4;

/// Jobs of a ticket that can be under way: all its chunks, a call, and what ends it.
const JOBS: usize = CHUNKS + 3;

/// Hashes of a ticket that can come at once: one for whoever has it, and one for whoever had it, that was under way when
/// that one left.
const HASHES: usize = 2;

/// What a store takes. Sizes are in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How many sessions can work with the store at once, each for 1 MiB of memory; the others wait.
    pub tickets: u16,
    /// The largest file.
    pub file: u64,
    /// All files together.
    pub store: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            tickets: 64,
            file: u64::MAX,
            store: u64::MAX,
        }
    }
}

/// Files in a folder that this process has to itself.
///
/// Poll [`as_fd`](AsFd::as_fd) for readability, then call [`poll_completions`](Self::poll_completions): only there
/// the [`revision`](r2_core::store::Store::revision) moves. Dropping the store finishes what was begun: call `release` for every
/// ticket before.
pub struct DiskStore {
    folder: Arc<Folder>,
    places: Vec<TicketState>,
    workers: Vec<(SyncSender<Job>, JoinHandle<()>)>,
    digesters: Vec<JoinHandle<()>>,
    percents: Percents,
    done: Receiver<Done>,
    wake: Arc<Wake>,
    revision: u32,
    /// Places that wait for a number, in the order in which they asked: whose bytes came first has the lower one, however
    /// fast the workers are.
    numbering: VecDeque<usize>,
}

impl DiskStore {
    /// Opens `folder` as a store, creates it where it is missing, and locks it against other servers.
    pub fn open(folder: &Path, limits: Limits) -> Result<Self, OpenError> {
        Self::open_on(Box::new(FileSystem), folder, limits)
    }

    /// The same on a medium of its own.
    pub fn open_on(medium: Box<dyn Medium>, folder: &Path, limits: Limits) -> Result<Self, OpenError> {
        let folder = Arc::new(open::open(medium, folder, limits)?);
        let tickets = usize::from(limits.tickets);
        let threads = WORKERS.min(tickets).max(1);
        let wake = Arc::new(Wake::new().map_err(OpenError::thread)?);
        let (done_sender, done) = mpsc::sync_channel(tickets * JOBS);
        let (senders, jobs): (Vec<_>, Vec<_>) = (0..threads)
            .map(|_| mpsc::sync_channel(tickets * (JOBS + HASHES)))
            .unzip();
        let percents = Percents::of(tickets);
        let (digesters, digesting) =
            Digesters::start(&folder, tickets, &senders, &percents).map_err(OpenError::thread)?;
        let mut workers = Vec::with_capacity(threads);
        for (index, (sender, jobs)) in senders.into_iter().zip(jobs).enumerate() {
            let upload_hasher = UploadHasher::start(
                format!("hash-{index}"),
                tickets,
                done_sender.clone(),
                wake.clone(),
            )
            .map_err(OpenError::thread)?;
            let listed = |place| if place % threads == index { LISTED } else { 0 };
            let worker = Worker::new(
                folder.clone(),
                (0..tickets)
                    .map(|place| place::Place::new(listed(place)))
                    .collect(),
                jobs,
                done_sender.clone(),
                wake.clone(),
                upload_hasher,
                digesters.clone(),
            );
            let thread = r2_threads::spawn(format!("store-{index}"), move || worker.run())
                .map_err(OpenError::thread)?;
            workers.push((sender, thread));
        }
        let places = std::iter::repeat_with(TicketState::new).take(tickets).collect();
        Ok(Self {
            folder,
            places,
            workers,
            digesters: digesting,
            percents,
            done,
            wake,
            revision: 0,
            numbering: VecDeque::with_capacity(tickets),
        })
    }

    /// Takes in what the workers have done since.
    pub fn poll_completions(&mut self) {
        self.wake.clear();
        while let Ok(Done { place, answer }) = self.done.try_recv() {
            if matches!(answer, Answer::Created(_)) {
                self.numbering.retain(|numbered| *numbered != place);
            }
            if let Some(place) = self.places.get_mut(place) {
                place.heard(answer);
                self.revision = self.revision.wrapping_add(1);
            }
        }
    }

    /// Whether bytes of an upload wait for more, to go to the disk together.
    pub fn has_gathered(&self) -> bool {
        let gathered =
            |place: &TicketState| matches!(&place.phase, Phase::Uploading(upload) if upload.has_gathered());
        self.places.iter().any(gathered)
    }

    /// Whether bytes are on their way to or from the disk.
    pub fn is_working(&self) -> bool {
        self.places.iter().any(TicketState::is_working)
    }

    /// Sends what has gathered to the disk. For a moment in which nothing else is to be done: an upload that rests
    /// shall not lose its last bytes should this process be killed.
    pub fn flush(&mut self) {
        for index in 0..self.places.len() {
            let (jobs, _) = &self.workers[index % self.workers.len()];
            if let Phase::Uploading(upload) = &mut self.places[index].phase
                && upload.failed().is_none()
            {
                upload.flush(&WorkerChannel { jobs, place: index });
            }
        }
    }

    fn parts(&mut self, ticket: &Ticket) -> (&mut TicketState, WorkerChannel<'_>) {
        let index = ticket.index();
        let (jobs, _) = &self.workers[index % self.workers.len()];
        (&mut self.places[index], WorkerChannel { jobs, place: index })
    }

    /// Hands a call to the worker once, and its answer back.
    fn call(&mut self, ticket: &Ticket, call: impl FnOnce() -> Call) -> Poll<Answer> {
        let (place, channel) = self.parts(ticket);
        if let Some(answer) = place.answer.take() {
            place.asked = false;
            return Poll::Ready(answer);
        }
        if !place.asked {
            place.asked = true;
            channel.send(call());
        }
        Poll::Pending
    }

    /// Whether nobody who asked for a number before `ticket` still waits for one.
    fn has_its_turn(&mut self, ticket: &Ticket) -> bool {
        let index = ticket.index();
        let place = &self.places[index];
        if place.asked || place.answer.is_some() {
            return true;
        }
        if !self.numbering.contains(&index) {
            self.numbering.push_back(index);
        }
        self.numbering.front() == Some(&index)
    }

    /// Whether an upload of `name` was given back and its worker has not heard of it yet.
    fn is_leaving(&self, name: &Name) -> bool {
        let leaves =
            |place: &TicketState| matches!(place.phase, Phase::Leaving) && place.name.as_ref() == Some(name);
        self.places.iter().any(leaves)
    }

    fn leave(&mut self, ticket: &Ticket, last: Call) {
        self.numbering.retain(|index| *index != ticket.index());
        let (place, channel) = self.parts(ticket);
        if let Phase::Uploading(uploading) = &mut place.phase
            && uploading.failed().is_none()
        {
            uploading.flush(&channel);
        }
        place.change(Phase::Leaving);
        place.answer = None;
        place.asked = false;
        channel.send(last);
    }
}

impl Drop for DiskStore {
    fn drop(&mut self) {
        for (jobs, _) in &self.workers {
            // A thread that is gone needs not to be told.
            let _ = jobs.send(Job {
                place: 0,
                call: Call::Stop,
            });
        }
        let workers = self.workers.drain(..).map(|(_, thread)| thread);
        for thread in workers.chain(self.digesters.drain(..)) {
            if thread.join().is_err() {
                log::error!("a thread of the store has panicked");
            }
        }
        self.folder.save_digests();
    }
}

impl AsFd for DiskStore {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }
}
