//! Memory in blocks of one size, chained into files.

use crate::bug::OrBug;
use crate::bytes;
use crate::limits::RAM_BLOCK;
use crate::store::directory::Bytes;

/// A piece of memory that a file grows by.
#[derive(Debug)]
pub struct Block {
    bytes: [u8; RAM_BLOCK],
    next: Option<u16>,
}

impl Block {
    /// A block that holds nothing.
    pub const EMPTY: Self = Self {
        bytes: [0; RAM_BLOCK],
        next: None,
    };
}

/// The blocks of one file, in order. It is no owner: what is not given back is lost.
#[derive(Clone, Copy, Debug, Default)]
pub struct Chain {
    first: Option<u16>,
    last: Option<u16>,
    length: usize,
}

impl Bytes for Chain {
    const EMPTY: Self = Self {
        first: None,
        last: None,
        length: 0,
    };

    fn length(&self) -> u64 {
        self.length as u64
    }
}

/// All blocks: those of files and those that are free.
pub(super) struct Blocks<'a> {
    all: &'a mut [Block],
    first_free: Option<u16>,
    free: usize,
}

impl<'a> Blocks<'a> {
    /// Everything is free. Blocks beyond what a `u16` can count are not used.
    pub(super) fn new(blocks: &'a mut [Block]) -> Self {
        let mut first_free = None;
        for (block, index) in blocks.iter_mut().zip(0..u16::MAX) {
            block.next = first_free;
            first_free = Some(index);
        }
        Self {
            free: blocks.len().min(u16::MAX.into()),
            all: blocks,
            first_free,
        }
    }

    /// How many more bytes a file of its own could hold.
    pub(super) const fn free_bytes(&self) -> usize {
        self.free.saturating_mul(RAM_BLOCK)
    }

    /// Appends the front of `bytes` and returns how many; fewer than all when no block is free.
    pub(super) fn append(&mut self, chain: &mut Chain, bytes: &[u8]) -> usize {
        let mut rest = bytes;
        while !rest.is_empty() {
            let used = chain.length % RAM_BLOCK;
            if used == 0 && self.grow(chain).is_none() {
                break;
            }
            let Some(block) = self.block_mut(chain.last) else {
                break;
            };
            let room = block
                .bytes
                .get_mut(used..)
                .or_bug("less than a block of the last one is used");
            let copied = bytes::copy(room, rest);
            chain.length = chain.length.saturating_add(copied);
            rest = rest.get(copied..).or_bug("no more is copied than there is");
        }
        bytes.len().saturating_sub(rest.len())
    }

    /// Copies from byte `offset` on into the front of `into` and returns how many bytes; 0 at the end.
    pub(super) fn read(&self, chain: &Chain, offset: usize, into: &mut [u8]) -> usize {
        let mut skip = offset % RAM_BLOCK;
        let mut copied = 0;
        for piece in self.pieces(chain).skip(offset / RAM_BLOCK) {
            let piece = piece.get(skip..).unwrap_or_default();
            let room = into
                .get_mut(copied..)
                .or_bug("no more is copied than there is room");
            copied = copied.saturating_add(bytes::copy(room, piece));
            skip = 0;
            if copied == into.len() {
                break;
            }
        }
        copied
    }

    /// The bytes of a file, piece by piece.
    pub(super) fn pieces(&self, chain: &Chain) -> impl Iterator<Item = &[u8]> {
        let mut at = chain.first;
        let mut left = chain.length;
        core::iter::from_fn(move || {
            let block = self.block(at)?;
            let piece = block.bytes.get(..left.min(RAM_BLOCK))?;
            at = block.next;
            left = left.saturating_sub(piece.len());
            (!piece.is_empty()).then_some(piece)
        })
    }

    /// Frees the blocks of a file.
    pub(super) fn give_back(&mut self, chain: Chain) {
        let first_free = self.first_free;
        if let Some(last) = self.block_mut(chain.last) {
            last.next = first_free;
            self.first_free = chain.first;
            self.free = self.free.saturating_add(chain.length.div_ceil(RAM_BLOCK));
        }
    }

    fn grow(&mut self, chain: &mut Chain) -> Option<()> {
        let index = self.first_free?;
        let block = self.block_mut(Some(index))?;
        self.first_free = block.next.take();
        self.free = self.free.saturating_sub(1);
        if let Some(last) = self.block_mut(chain.last) {
            last.next = Some(index);
        } else {
            chain.first = Some(index);
        }
        chain.last = Some(index);
        Some(())
    }

    fn block(&self, index: Option<u16>) -> Option<&Block> {
        self.all.get(usize::from(index?))
    }

    fn block_mut(&mut self, index: Option<u16>) -> Option<&mut Block> {
        self.all.get_mut(usize::from(index?))
    }
}
