//! The memory of a node on a board: one static, given out once.

use core::mem::{MaybeUninit, align_of, size_of};
use core::slice;

use r2_node::Storage;

use crate::exit;

/// Gives out pieces of a static, from its front.
pub struct Arena {
    free: &'static mut [MaybeUninit<u8>],
}

impl Arena {
    /// All of `memory` is free. How much of it is needed shows in [`left`](Self::left).
    pub const fn new(memory: &'static mut [MaybeUninit<u8>]) -> Self {
        Self { free: memory }
    }

    /// How many bytes nobody has taken.
    pub const fn left(&self) -> usize {
        self.free.len()
    }

    /// The first `len` free bytes at a multiple of `align`. Ends the run where there are none: the board's table of
    /// sizes and its arena do not fit each other, which shows at the first start.
    fn take(&mut self, len: usize, align: usize) -> &'static mut [MaybeUninit<u8>] {
        let free = core::mem::take(&mut self.free);
        let padding = free.as_ptr().align_offset(align);
        let piece = free
            .split_at_mut_checked(padding)
            .and_then(|(_, aligned)| aligned.split_at_mut_checked(len));
        let Some((piece, rest)) = piece else {
            defmt::error!("the arena is too small: {=usize} bytes more are needed", len);
            exit::failure();
        };
        self.free = rest;
        piece
    }
}

impl Storage<'static> for Arena {
    // Not inlined: each kind of value is as large on the stack as its own, not all together.
    #[inline(never)]
    fn slice<T: 'static>(&mut self, len: usize, mut make: impl FnMut(usize) -> T) -> &'static mut [T] {
        let first = self
            .take(len.saturating_mul(size_of::<T>()), align_of::<T>())
            .as_mut_ptr()
            .cast::<T>();
        for index in 0..len {
            // SAFETY: `take` returned room for `len` values of T, aligned for T, and `index` is below `len`.
            unsafe { first.add(index).write(make(index)) };
        }
        // SAFETY: the `len` values were written just now; nobody else has this piece of the static, for ever.
        unsafe { slice::from_raw_parts_mut(first, len) }
    }
}
