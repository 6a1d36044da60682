//! What the targets share: choices out of a fuzzer's bytes, memory that is given back after every run, and services
//! with a world around them.

use bumpalo::Bump;
use r2_core::chat::{Room, Seat};
use r2_core::limits::CHAT_RING_MIN;
use r2_core::store::ram::{Block, File, RamStore};
use r2_node::{Counters, Storage};
use r2_services::{About, Shared};
use smoltcp::wire::Ipv4Address;

/// R2's address.
pub const R2: Ipv4Address = Ipv4Address::new(192, 168, 69, 1);

/// A fuzzer's bytes, read from the front as decisions.
pub struct Choices<'i>(pub &'i [u8]);

impl<'i> Choices<'i> {
    /// The next byte; 0 behind the end.
    pub fn byte(&mut self) -> u8 {
        let [first, rest @ ..] = self.0 else { return 0 };
        self.0 = rest;
        *first
    }

    /// The next two bytes.
    pub fn short(&mut self) -> u16 {
        u16::from_be_bytes([self.byte(), self.byte()])
    }

    /// The next bytes: as many as a byte says, or are left.
    pub fn piece(&mut self) -> &'i [u8] {
        let length = usize::from(self.byte()).min(self.0.len());
        let (piece, rest) = self.0.split_at(length);
        self.0 = rest;
        piece
    }

    /// Whether nothing is left.
    pub fn is_over(&self) -> bool {
        self.0.is_empty()
    }
}

/// Memory of one run.
pub struct Memory<'a>(pub &'a Bump);

impl<'a> Storage<'a> for Memory<'a> {
    fn slice<T: 'a>(&mut self, len: usize, make: impl FnMut(usize) -> T) -> &'a mut [T] {
        self.0.alloc_slice_fill_with(len, make)
    }
}

/// An empty world: a room of four, a store of 4 KiB and five files.
///
/// # Panics
///
/// Never: its names are names.
pub fn world(bump: &Bump) -> Shared<'_, RamStore<'_>> {
    let mut memory = Memory(bump);
    let seats = memory.slice(4, |_| Seat::default());
    let blocks = memory.slice(16, |_| Block::EMPTY);
    let files = memory.slice(5, |_| File::EMPTY);
    Shared {
        room: Room::new(memory.bytes(CHAT_RING_MIN), seats, "R2", "KALI").expect("two names"),
        store: RamStore::new(blocks, files, 3000),
        counters: Counters::default(),
        about: About {
            version: "1",
            board: "fuzz",
            address: R2.into(),
            stack_high_water: None,
        },
    }
}
