//! [`Digests`]: what is known of the content of resting files, in memory that is taken at start.

use std::ops::Range;

use r2_core::store::Digest;

/// Rows of the table; the sum of a file's fingerprint says in which of them its digest may be. All are 8.5 MB.
pub(super) const ROWS: usize = 16_384;

/// Digests in a row. With 100,000 files, one in thirty finds its row full: what that forgets is computed again.
pub(super) const ROW: usize = 8;

/// The digest of the content of a file, found by the sum of its fingerprint.
#[derive(Clone, Copy)]
pub(super) struct Known {
    pub(super) sum: Digest,
    pub(super) digest: Digest,
}

/// A table of fixed size. A row has its youngest in front, and nothing behind the first empty place.
pub(super) struct Digests {
    rows: Box<[[Option<Known>; ROW]]>,
    /// Bytes that were hashed for what is here and not in the folder's index.
    unsaved: u64,
}

impl Digests {
    /// Writes to every row, so that the memory is there from the start and does not grow with what is stored.
    pub(super) fn new() -> Self {
        Self {
            rows: vec![[None; ROW]; ROWS].into_boxed_slice(),
            unsaved: 0,
        }
    }

    /// The digest of the file whose fingerprint has this sum; `None` where it is not known, or no longer.
    pub(super) fn get(&self, sum: &Digest) -> Option<Digest> {
        let mut known = self.rows[row_of(sum)].iter().flatten();
        known.find(|known| known.sum == *sum).map(|known| known.digest)
    }

    /// Remembers the digest of `bytes` bytes. A row that is full forgets its oldest.
    pub(super) fn insert(&mut self, sum: Digest, digest: Digest, bytes: u64) {
        self.put(Known { sum, digest });
        // An empty file is news too.
        self.unsaved = self.unsaved.saturating_add(bytes.max(1));
    }

    /// Remembers what the folder's index knows.
    pub(super) fn put(&mut self, known: Known) {
        self.remove(&known.sum);
        let row = &mut self.rows[row_of(&known.sum)];
        row.rotate_right(1);
        row[0] = Some(known);
    }

    /// What these rows know, the youngest of each first.
    pub(super) fn rows(&self, rows: Range<usize>) -> impl Iterator<Item = &Known> {
        self.rows[rows].iter().flatten().flatten()
    }

    /// How many bytes would have to be hashed again, were this lost.
    pub(super) fn unsaved(&self) -> u64 {
        self.unsaved
    }

    /// The index is about to be written. What is remembered from now on may not be in it.
    pub(super) fn begin_to_save(&mut self) {
        self.unsaved = 0;
    }

    /// Forgets a digest, if it is known.
    pub(super) fn remove(&mut self, sum: &Digest) {
        let row = &mut self.rows[row_of(sum)];
        let known = |place: &Option<Known>| place.is_some_and(|known| known.sum == *sum);
        if let Some(at) = row.iter().position(known) {
            row[at] = None;
            row[at..].rotate_left(1);
        }
    }
}

/// Any part of a sum is as good as another.
fn row_of(sum: &Digest) -> usize {
    usize::from(u16::from_le_bytes([sum[0], sum[1]])) % ROWS
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A sum in the same row as every other one of this function.
    const fn sum(number: u8) -> Digest {
        let mut sum = [0; 32];
        sum[31] = number;
        sum
    }

    #[test]
    fn a_digest_is_known_until_it_is_removed_or_replaced() {
        let mut digests = Digests::new();
        assert_eq!(digests.get(&sum(1)), None);
        for number in [1, 2, 3] {
            digests.insert(sum(number), [number; 32], 1);
        }
        digests.insert(sum(2), [4; 32], 1);
        digests.remove(&sum(3));
        digests.remove(&sum(5));
        assert_eq!(
            [1, 2, 3].map(|number| digests.get(&sum(number))),
            [Some([1; 32]), Some([4; 32]), None]
        );
    }

    #[test]
    fn a_row_that_is_full_forgets_its_oldest() {
        let mut digests = Digests::new();
        for number in 0..=8 {
            digests.insert(sum(number), [number; 32], 1);
        }
        assert_eq!(digests.get(&sum(0)), None);
        for number in 1..=8 {
            assert_eq!(digests.get(&sum(number)), Some([number; 32]));
        }
    }
}
