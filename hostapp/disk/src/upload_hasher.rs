//! The thread that hashes what a worker has written, while the worker writes on.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, SyncSender};

use r2_threads::Wake;
use sha2::{Digest as _, Sha256};

use super::worker::{Answer, Done};
use super::{CHUNKS, Chunk};

/// What a worker asks of that thread.
enum HashOrder {
    /// Goes on with the hash of that place, or with this one, and sends the chunk home.
    Update(usize, Option<Sha256>, Chunk, usize),
    /// Hands the hash of that place back.
    Finish(usize),
}

/// The worker's end. The thread ends with it.
pub(super) struct UploadHasher {
    orders: SyncSender<HashOrder>,
    finished: Receiver<Sha256>,
}

impl UploadHasher {
    /// Starts the thread, for so many places.
    pub(super) fn start(
        name: String,
        places: usize,
        done: SyncSender<Done>,
        wake: Arc<Wake>,
    ) -> io::Result<Self> {
        let (orders, taken) = mpsc::sync_channel(places * CHUNKS + 1);
        let (finish, finished) = mpsc::sync_channel(1);
        let hashers = std::iter::repeat_with(Sha256::new).take(places).collect();
        r2_threads::spawn(name, move || run(&taken, hashers, &done, &finish, &wake))?;
        Ok(Self { orders, finished })
    }

    /// Hashes the first `filled` bytes of `chunk` behind what was hashed for `place`, or behind `hasher` where it
    /// begins; then the chunk goes home. Never waits: there is room for every chunk.
    pub(super) fn update(&self, place: usize, hasher: Option<Sha256>, chunk: Chunk, filled: usize) {
        if self
            .orders
            .send(HashOrder::Update(place, hasher, chunk, filled))
            .is_err()
        {
            log::error!("a thread of the store is gone");
        }
    }

    /// Waits until every chunk of `place` has gone home; the hash of all of them. `None`: the thread is gone.
    pub(super) fn finish(&self, place: usize) -> Option<Sha256> {
        self.orders.send(HashOrder::Finish(place)).ok()?;
        self.finished.recv().ok()
    }
}

fn run(
    orders: &Receiver<HashOrder>,
    mut hashers: Vec<Sha256>,
    done: &SyncSender<Done>,
    finish: &SyncSender<Sha256>,
    wake: &Wake,
) {
    while let Ok(order) = orders.recv() {
        match order {
            HashOrder::Update(place, begun, chunk, filled) => {
                if let Some(begun) = begun {
                    hashers[place] = begun;
                }
                hashers[place].update(&chunk[..filled]);
                // The store is gone only when nobody waits for an answer any more.
                let _ = done.send(Done {
                    place,
                    answer: Answer::Written(chunk, Ok(())),
                });
                wake.wake();
            }
            HashOrder::Finish(place) => {
                // Who asked waits for it.
                let _ = finish.send(std::mem::take(&mut hashers[place]));
            }
        }
    }
}
