//! Threads that work for the loop that serves: they have their stack from the start, and wake the loop with [`Wake`].

mod wake;

use std::io;
use std::thread::{self, JoinHandle};

pub use self::wake::Wake;

/// What a thread has of its stack from the start: several times what the deepest of them uses.
const STACK: usize = 64 * 1024;

/// Starts a thread that has its stack from the start.
pub fn spawn<T: Send + 'static>(
    name: impl Into<String>,
    run: impl FnOnce() -> T + Send + 'static,
) -> io::Result<JoinHandle<T>> {
    thread::Builder::new().name(name.into()).spawn(|| {
        take_stack();
        run()
    })
}

/// Writes every byte of this thread's stack that will be needed: the kernel gives a page when it is first written.
#[allow(clippy::large_stack_arrays, reason = "that is what it is for")]
#[inline(never)]
pub fn take_stack() {
    std::hint::black_box(&mut [1_u8; STACK]);
}
