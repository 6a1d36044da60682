//! The file in a store's folder that keeps its digests while R2 does not run.
//!
//! Behind a first line stand pairs of SHA-256s, 64 bytes each: the sum of a file's fingerprint (inode, length, times of
//! the last modification and change, name) and the digest of its content; behind them the SHA-256 of everything before.
//! A file that is not like that is ignored: what it may have known is computed again.

use std::io::{self, Read};
use std::ops::Deref;
use std::path::Path;

use r2_core::store::Digest;
use sha2::{Digest as _, Sha256};

use super::digests::{Digests, Known, ROW, ROWS};
use super::medium::open_regular;

/// Its name. No peer may ask for one that begins with a dot.
pub(super) const INDEX: &str = ".r2-digests";

/// The name of the next one until it is whole.
pub(super) const NEW_INDEX: &str = ".r2-digests.new";

/// Its first line.
const FIRST_LINE: &[u8] = b"R2 digests 1\n";

/// Bytes of a pair.
const PAIR: usize = 2 * size_of::<Digest>();

/// Rows of the table that are written at once.
const ROWS_AT_ONCE: usize = 128;

/// Bytes of them.
pub(super) const PIECE: usize = ROWS_AT_ONCE * ROW * PAIR;

/// The largest index: that of a table which is full.
const INDEX_MAX: usize = FIRST_LINE.len() + ROWS * ROW * PAIR + size_of::<Digest>();

const _: () = assert!(ROWS.is_multiple_of(ROWS_AT_ONCE));

/// Reads what the file at `path` knows into `digests`: nothing where it is missing, torn, too large, or no index.
pub(super) fn load(path: &Path, digests: &mut Digests) -> io::Result<()> {
    let mut bytes = Vec::new();
    let most = INDEX_MAX as u64 + 1;
    open_regular(path)?.take(most).read_to_end(&mut bytes)?;
    let Some(pairs) = pairs(&bytes) else {
        log::info!(
            "the digests in {} are not whole: they are computed again",
            path.display()
        );
        return Ok(());
    };
    // The youngest of a row were written first.
    for pair in pairs.iter().rev() {
        let (sum, digest) = pair.split_at(size_of::<Digest>());
        if let (Ok(sum), Ok(digest)) = (sum.try_into(), digest.try_into()) {
            digests.put(Known { sum, digest });
        }
    }
    Ok(())
}

fn pairs(bytes: &[u8]) -> Option<&[[u8; PAIR]]> {
    let (all, sum) = bytes.split_last_chunk::<{ size_of::<Digest>() }>()?;
    let (pairs, rest) = all.strip_prefix(FIRST_LINE)?.as_chunks();
    let whole = rest.is_empty() && bytes.len() <= INDEX_MAX && Digest::from(Sha256::digest(all)) == *sum;
    whole.then_some(pairs)
}

/// Writes what `digests` knows, piece by piece through `piece`, so that nobody waits long for the table: `write` puts
/// bytes behind so many others.
pub(super) fn write<D: Deref<Target = Digests>>(
    piece: &mut [u8],
    digests: impl Fn() -> D,
    write: impl Fn(&[u8], u64) -> io::Result<()>,
) -> io::Result<()> {
    let mut hasher = Sha256::new_with_prefix(FIRST_LINE);
    write(FIRST_LINE, 0)?;
    let mut at = FIRST_LINE.len() as u64;
    for first in (0..ROWS).step_by(ROWS_AT_ONCE) {
        let mut filled = 0;
        for Known { sum, digest } in digests().rows(first..first + ROWS_AT_ONCE) {
            for half in [sum, digest] {
                piece[filled..filled + half.len()].copy_from_slice(half);
                filled += half.len();
            }
        }
        if filled > 0 {
            hasher.update(&piece[..filled]);
            write(&piece[..filled], at)?;
            at += filled as u64;
        }
    }
    write(&hasher.finalize(), at)
}
