//! Bytes between the loop that serves, which never waits, and a thread that does.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// A bounded queue of bytes. One end waits, the other only tries.
pub(super) struct Ring {
    state: Mutex<State>,
    changed: Condvar,
    capacity: usize,
}

struct State {
    bytes: VecDeque<u8>,
    /// No more bytes come in.
    ended: bool,
    /// Nobody takes bytes out any more: whatever comes is dropped.
    gone: bool,
}

impl Ring {
    pub(super) fn new(capacity: usize) -> Self {
        // Filled once, so that its memory is there from the start and does not grow with what passes.
        let mut bytes = VecDeque::from(vec![1; capacity]);
        bytes.clear();
        let state = State {
            bytes,
            ended: false,
            gone: false,
        };
        Self {
            state: Mutex::new(state),
            changed: Condvar::new(),
            capacity,
        }
    }

    /// Puts in what there is room for and returns how many bytes that is.
    pub(super) fn try_put(&self, bytes: &[u8]) -> usize {
        let mut state = self.lock();
        if state.gone || state.ended {
            return bytes.len();
        }
        let put = bytes.len().min(self.capacity - state.bytes.len());
        state.bytes.extend(&bytes[..put]);
        self.changed.notify_all();
        put
    }

    /// Puts all in, waiting for room; whether anybody may still take it.
    pub(super) fn put(&self, mut bytes: &[u8]) -> bool {
        let mut state = self.lock();
        while !bytes.is_empty() && !state.gone {
            let put = bytes.len().min(self.capacity - state.bytes.len());
            state.bytes.extend(&bytes[..put]);
            bytes = &bytes[put..];
            if !bytes.is_empty() {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
        }
        !state.gone
    }

    /// Takes what is there, up to `into.len()` bytes, and returns how many bytes that is.
    pub(super) fn try_take(&self, into: &mut [u8]) -> usize {
        let mut state = self.lock();
        let taken = into.len().min(state.bytes.len());
        for (to, from) in into.iter_mut().zip(state.bytes.drain(..taken)) {
            *to = from;
        }
        self.changed.notify_all();
        taken
    }

    /// Takes what is there, waiting for it; 0 when no more will come.
    pub(super) fn take(&self, into: &mut [u8]) -> usize {
        let mut state = self.lock();
        while state.bytes.is_empty() && !state.ended {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        drop(state);
        self.try_take(into)
    }

    pub(super) fn room(&self) -> usize {
        let state = self.lock();
        if state.gone {
            self.capacity
        } else {
            self.capacity - state.bytes.len()
        }
    }

    /// No more bytes will be put in.
    pub(super) fn end(&self) {
        self.lock().ended = true;
        self.changed.notify_all();
    }

    /// No more bytes will be taken out.
    pub(super) fn abandon(&self) {
        let mut state = self.lock();
        state.gone = true;
        state.bytes.clear();
        drop(state);
        self.changed.notify_all();
    }

    /// Whether it has ended and all was taken.
    pub(super) fn is_over(&self) -> bool {
        let state = self.lock();
        state.ended && state.bytes.is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
