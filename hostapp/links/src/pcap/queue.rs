//! [`Queue`]: whole records on their way from the loop that serves, which never waits, to the thread that writes them.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::output::record_ends;

/// Bytes of records that wait; as many again may be on their way to the file. A disk that stands still for a while
/// loses nothing, and neither does a reader that is started a moment after R2.
const CAPACITY: usize = 16 * 1024 * 1024;

/// What is gathered before the writer is woken though R2 is busy.
const GATHERED: usize = 256 * 1024;

/// How long the last records may stand still at the end.
const STANDSTILL: Duration = Duration::from_secs(1);

/// How often a pipe without room is looked at: it tells of its first free page only.
const LOOK: Duration = Duration::from_millis(5);

/// Records between two threads.
#[derive(Default)]
pub(super) struct Queue {
    state: Mutex<Queued>,
    changed: Condvar,
    /// Frames that are not in the file, and were not counted yet.
    lost: AtomicU64,
}

#[derive(Default)]
struct Queued {
    records: Vec<u8>,
    stage: Stage,
    error: Option<io::Error>,
    /// How often the file took something.
    steps: u64,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Stage {
    /// Its file is not open yet.
    #[default]
    Waiting,
    /// Records come.
    Open,
    /// No more come; those that are there are written.
    Ending,
    /// Nothing is written any more: what comes is lost.
    Over,
}

impl Queue {
    /// Puts a record in, given in pieces, or loses it.
    pub(super) fn put(&self, pieces: &[&[u8]]) {
        let length: usize = pieces.iter().map(|piece| piece.len()).sum();
        let mut state = self.lock();
        let is_over = matches!(state.stage, Stage::Ending | Stage::Over);
        if is_over || state.records.len() + length > CAPACITY {
            self.lost.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let rest = CAPACITY - state.records.len();
        state.records.reserve_exact(rest);
        for piece in pieces {
            state.records.extend_from_slice(piece);
        }
        if state.records.len() >= GATHERED {
            self.changed.notify_all();
        }
    }

    /// Lets the writer have what was gathered.
    pub(super) fn pass_on(&self) {
        if !self.lock().records.is_empty() {
            self.changed.notify_all();
        }
    }

    /// These records will never be in the file.
    pub(super) fn lose(&self, records: &[u8]) {
        self.lost
            .fetch_add(record_ends(records).count() as u64, Ordering::Relaxed);
    }

    /// How many frames were lost since this was asked last.
    pub(super) fn take_lost(&self) -> u64 {
        self.lost.swap(0, Ordering::Relaxed)
    }

    /// What ended the file, once.
    pub(super) fn take_error(&self) -> Option<io::Error> {
        self.lock().error.take()
    }

    /// Lets the last records be written, as long as the file takes them; whether all were.
    pub(super) fn end(&self) -> bool {
        let mut state = self.lock();
        if state.stage == Stage::Waiting {
            state.stage = Stage::Over;
            return state.records.is_empty();
        }
        if state.stage == Stage::Open {
            state.stage = Stage::Ending;
        }
        self.changed.notify_all();
        let (mut steps, mut moved) = (state.steps, Instant::now());
        while state.stage != Stage::Over {
            if state.steps != steps {
                (steps, moved) = (state.steps, Instant::now());
            }
            let left = STANDSTILL.saturating_sub(moved.elapsed());
            if left.is_zero() {
                state.stage = Stage::Over;
                return false;
            }
            state = self
                .changed
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        true
    }

    /// The writer's file is open.
    pub(super) fn opened(&self) {
        let mut state = self.lock();
        if state.stage == Stage::Waiting {
            state.stage = Stage::Open;
        }
    }

    /// Exchanges `written`, which is empty, for the records that wait, and waits for some; whether there are any.
    pub(super) fn take(&self, written: &mut Vec<u8>) -> bool {
        let state = self.lock();
        let mut state = self
            .changed
            .wait_while(state, |state| {
                state.records.is_empty() && state.stage == Stage::Open
            })
            .unwrap_or_else(PoisonError::into_inner);
        std::mem::swap(&mut state.records, written);
        !written.is_empty() && state.stage != Stage::Over
    }

    /// The file took something.
    pub(super) fn progressed(&self) {
        self.lock().steps += 1;
        self.changed.notify_all();
    }

    /// Whether nobody waits for the file any more.
    pub(super) fn is_given_up(&self) -> bool {
        self.lock().stage == Stage::Over
    }

    /// Waits a moment for whoever empties the pipe.
    pub(super) fn wait_for_reader(&self) {
        // On a condition of the queue's, so that the end of the server is not waited for.
        drop(self.changed.wait_timeout(self.lock(), LOOK));
    }

    /// The writer has ended, in order or with an error.
    pub(super) fn close(&self, error: Option<io::Error>) {
        let mut state = self.lock();
        state.stage = Stage::Over;
        self.lose(&std::mem::take(&mut state.records));
        state.error = error;
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Queued> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The header of a record of no bytes, and one of a record of four.
    const RECORDS: [&[u8]; 2] = [
        &[0; 16],
        &[0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 7, 7, 7, 7],
    ];

    #[test]
    fn what_waits_when_the_file_ends_and_what_comes_afterwards_is_lost() {
        let queue = Queue::default();
        queue.opened();
        for record in RECORDS {
            queue.put(&[record]);
        }
        assert_eq!(queue.take_lost(), 0);
        queue.close(Some(io::ErrorKind::StorageFull.into()));
        assert_eq!(queue.take_lost(), 2);
        for _ in 0..3 {
            queue.put(&RECORDS);
        }
        assert_eq!(queue.take_lost(), 3);
        assert!(queue.take_error().is_some());
        assert!(queue.take_error().is_none(), "told once");
    }
}
