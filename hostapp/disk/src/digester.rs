//! The threads that hash resting files, each once whoever asks for it and however often.
//!
//! A file goes on being hashed though nobody waits for it any more: whoever asks again finds it further, or done.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender, TryRecvError};

use sha2::{Digest as _, Sha256};

use super::CHUNK;
use super::fingerprint::Fingerprint;
use super::folder::Folder;
use super::worker::{Call, Job};

/// Threads that hash. Each lets all its files have their turn, so that a small one does not wait behind a large one; two
/// use what two processors have.
const DIGESTERS: usize = 2;

/// Files that a thread goes on with, or whose hash it keeps, though nobody waits: each is an open file.
const ABANDONED_MAX: usize = 8;

/// What a place says that waits for no hash.
const NOT_HASHING: u8 = u8::MAX;

/// How far the hash is, in percent, for which each place waits.
#[derive(Clone)]
pub(super) struct Percents(Arc<[AtomicU8]>);

impl Percents {
    pub(super) fn of(places: usize) -> Self {
        Self((0..places).map(|_| AtomicU8::new(NOT_HASHING)).collect())
    }

    /// `None` where the place waits for no hash.
    pub(super) fn of_place(&self, place: usize) -> Option<u8> {
        let percent = self.0.get(place)?.load(Ordering::Relaxed);
        (percent != NOT_HASHING).then_some(percent)
    }

    fn set(&self, place: usize, percent: u8) {
        self.0[place].store(percent, Ordering::Relaxed);
    }
}

/// What became of a file that was to be hashed.
#[derive(Clone)]
pub(super) enum Hashed {
    /// The state of the hash behind its last byte.
    Whole(Sha256),
    /// It was written to meanwhile: the hash is that of nothing.
    Changed,
    /// It cannot be read, for this reason of the system's.
    Failed(io::ErrorKind),
}

enum Order {
    /// That place waits for the hash of that file; the answer to it carries this number.
    Hash {
        place: usize,
        number: u64,
        fingerprint: Fingerprint,
        file: Arc<File>,
    },
    /// That place no longer waits.
    Leave { place: usize },
}

/// A worker's end. The threads end when every worker has dropped its own.
#[derive(Clone)]
pub(super) struct Digesters(Arc<[SyncSender<Order>]>);

impl Digesters {
    /// Starts the threads, which answer to the worker that each place has.
    pub(super) fn start(
        folder: &Arc<Folder>,
        places: usize,
        workers: &[SyncSender<Job>],
        percents: &Percents,
    ) -> io::Result<(Self, Vec<std::thread::JoinHandle<()>>)> {
        let (mut ends, mut threads) = (Vec::new(), Vec::new());
        for index in 0..DIGESTERS {
            // A worker that finds it full waits for a slice of a file. A digester never waits for a worker.
            let (end, orders) = mpsc::sync_channel(2 * places);
            let digester = Digester {
                folder: folder.clone(),
                orders,
                workers: workers.to_vec(),
                percents: percents.clone(),
                waiting: vec![None; places],
                works: Vec::with_capacity(places + ABANDONED_MAX),
                begun: 0,
                turn: 0,
                slice: vec![1; CHUNK].into_boxed_slice(),
            };
            threads.push(r2_threads::spawn(format!("digest-{index}"), move || {
                digester.run();
            })?);
            ends.push(end);
        }
        Ok((Self(ends.into()), threads))
    }

    /// Has `file` hashed for `place`. [`Call::Hashed`] with this number is the answer, unless the place leaves before.
    pub(super) fn hash(&self, place: usize, number: u64, fingerprint: Fingerprint, file: Arc<File>) {
        // The same file comes to the same thread.
        let thread = usize::from(fingerprint.sum()[0]) % DIGESTERS;
        self.order(
            thread,
            Order::Hash {
                place,
                number,
                fingerprint,
                file,
            },
        );
    }

    /// `place` no longer waits for a hash.
    pub(super) fn leave(&self, place: usize) {
        for thread in 0..DIGESTERS {
            self.order(thread, Order::Leave { place });
        }
    }

    fn order(&self, thread: usize, order: Order) {
        if self.0[thread].send(order).is_err() {
            log::error!("a thread of the store is gone");
        }
    }
}

struct Digester {
    folder: Arc<Folder>,
    orders: Receiver<Order>,
    workers: Vec<SyncSender<Job>>,
    percents: Percents,
    /// What each place waits for.
    waiting: Vec<Option<Waiting>>,
    /// The oldest first.
    works: Vec<Work>,
    /// How many were begun.
    begun: u64,
    /// The last one that had its turn.
    turn: u64,
    slice: Box<[u8]>,
}

#[derive(Clone, Copy)]
struct Waiting {
    work: u64,
    number: u64,
}

/// A file that is being hashed, slice by slice.
struct Work {
    id: u64,
    fingerprint: Fingerprint,
    /// Whether every change since it was begun shows. Where it does not, the hash is for whoever asked, and for no other.
    settled: bool,
    /// `None` once all of it was hashed.
    file: Option<Arc<File>>,
    hasher: Sha256,
    at: u64,
}

impl Work {
    fn percent(&self) -> u8 {
        let percent = u128::from(self.at) * 100 / u128::from(self.fingerprint.length().max(1));
        u8::try_from(percent).unwrap_or(100)
    }

    /// Hashes the next slice; `None` while there are more.
    fn go_on(&mut self, slice: &mut [u8]) -> Option<Hashed> {
        let file = self.file.as_ref()?;
        let left = self.fingerprint.length() - self.at;
        let most = usize::try_from(left).map_or(slice.len(), |left| left.min(slice.len()));
        let read = match file.read_at(&mut slice[..most], self.at) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return None,
            Err(error) => return Some(Hashed::Failed(error.kind())),
            Ok(read) => read,
        };
        self.hasher.update(&slice[..read]);
        self.at += read as u64;
        if (read == 0 && most > 0) || !self.fingerprint.is_of(file) {
            return Some(Hashed::Changed);
        }
        (self.at == self.fingerprint.length()).then(|| Hashed::Whole(self.hasher.clone()))
    }
}

impl Digester {
    fn run(mut self) {
        loop {
            // All that was ordered, before a slice: whoever has left gets no answer any more.
            loop {
                let order = if self.next().is_some() {
                    self.orders.try_recv()
                } else {
                    self.orders.recv().map_err(|_| TryRecvError::Disconnected)
                };
                match order {
                    Ok(order) => self.obey(order),
                    Err(TryRecvError::Empty) => break,
                    Err(TryRecvError::Disconnected) => return,
                }
            }
            if let Some(index) = self.next() {
                self.hash_a_slice(index);
            }
        }
    }

    fn obey(&mut self, order: Order) {
        match order {
            Order::Hash {
                place,
                number,
                fingerprint,
                file,
            } => {
                let same = |work: &Work| work.settled && work.fingerprint == fingerprint;
                let index = self.works.iter().position(same).unwrap_or_else(|| {
                    self.begin(fingerprint, file);
                    self.works.len() - 1
                });
                let work = &self.works[index];
                self.percents.set(place, work.percent());
                self.waiting[place] = Some(Waiting {
                    work: work.id,
                    number,
                });
                if work.file.is_none() {
                    let hashed = Hashed::Whole(work.hasher.clone());
                    self.end(index, &hashed);
                }
            }
            Order::Leave { place } => {
                // Of another thread's place nothing is known here.
                if self.waiting[place].take().is_some() {
                    self.percents.set(place, NOT_HASHING);
                    self.forget_the_oldest();
                }
            }
        }
    }

    fn begin(&mut self, fingerprint: Fingerprint, file: Arc<File>) {
        self.begun += 1;
        self.works.push(Work {
            id: self.begun,
            settled: fingerprint.is_settled(),
            fingerprint,
            file: Some(file),
            hasher: Sha256::new(),
            at: 0,
        });
    }

    fn is_waited_for(&self, work: &Work) -> bool {
        self.waiting
            .iter()
            .flatten()
            .any(|waiting| waiting.work == work.id)
    }

    /// Keeps what is abandoned within its bound. What would be of use to nobody is no longer kept at all.
    fn forget_the_oldest(&mut self) {
        let abandoned = |digester: &Self, work: &Work| !digester.is_waited_for(work);
        let count = self.works.iter().filter(|work| abandoned(self, work)).count();
        let useless = |digester: &Self, work: &Work| abandoned(digester, work) && !work.settled;
        let found = match self.works.iter().position(|work| useless(self, work)) {
            None if count > ABANDONED_MAX => self.works.iter().position(|work| abandoned(self, work)),
            found => found,
        };
        if let Some(index) = found {
            self.works.remove(index);
        }
    }

    /// What is to be hashed next: of the files that somebody waits for one after the other; of the others only where there
    /// are none of those.
    fn next(&self) -> Option<usize> {
        let unfinished = || {
            self.works
                .iter()
                .enumerate()
                .filter(|(_, work)| work.file.is_some())
        };
        let waited_for = || unfinished().filter(|(_, work)| self.is_waited_for(work));
        let next = waited_for()
            .find(|(_, work)| work.id > self.turn)
            .or_else(|| waited_for().next())
            .or_else(|| unfinished().next());
        next.map(|(index, _)| index)
    }

    fn hash_a_slice(&mut self, index: usize) {
        let work = &mut self.works[index];
        self.turn = work.id;
        let hashed = work.go_on(&mut self.slice);
        let (id, percent) = (work.id, work.percent());
        for (place, waiting) in self.waiting.iter().enumerate() {
            if waiting.is_some_and(|waiting| waiting.work == id) {
                self.percents.set(place, percent);
            }
        }
        let Some(hashed) = hashed else {
            return;
        };
        if let Hashed::Whole(hasher) = &hashed
            && work.settled
        {
            self.folder
                .remember(&work.fingerprint, hasher.clone().finalize().into());
            self.folder.save_digests_when_due();
        }
        self.end(index, &hashed);
    }

    /// Answers to all that wait for the file. If nobody does, its hash is kept for whoever asks next.
    fn end(&mut self, index: usize, hashed: &Hashed) {
        let work = &mut self.works[index];
        let id = work.id;
        let mut answered = false;
        for (place, waiting) in self.waiting.iter_mut().enumerate() {
            let Some(Waiting { number, .. }) = waiting.take_if(|waiting| waiting.work == id) else {
                continue;
            };
            answered = true;
            self.percents.set(place, NOT_HASHING);
            let job = Job {
                place,
                call: Call::Hashed(number, hashed.clone()),
            };
            // The worker is gone only when nobody waits for an answer any more.
            let _ = self.workers[place % self.workers.len()].send(job);
        }
        if !answered && matches!(hashed, Hashed::Whole(_)) {
            work.file = None;
        } else {
            self.works.remove(index);
        }
    }
}
