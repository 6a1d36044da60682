//! The bytes that tests send.

use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::path::Path;

use sha2::{Digest, Sha256};

/// `length` bytes that no compressor and no accident can repeat; the same for the same seed.
pub fn random(length: usize, seed: u64) -> Vec<u8> {
    let mut bytes = vec![0; length];
    fastrand::Rng::with_seed(seed).fill(&mut bytes);
    bytes
}

/// Writes such bytes to `path`, a piece at a time.
pub fn write_random(path: &Path, length: u64, seed: u64) {
    const PIECE: usize = 1 << 20;
    let mut file = File::create(path).expect("a folder of the test's own");
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut piece = vec![0; PIECE];
    let mut left = length;
    while left > 0 {
        rng.fill(&mut piece);
        let count = usize::try_from(left).map_or(PIECE, |left| left.min(PIECE));
        file.write_all(&piece[..count]).expect("room for the test's file");
        left -= count as u64;
    }
}

/// The SHA-256 of what `reader` yields, as 64 hex digits.
pub fn sha256(reader: impl Read) -> String {
    let mut hash = Sha256::new();
    io::copy(&mut BufReader::with_capacity(1 << 16, reader), &mut hash).expect("a readable file");
    format!("{:x}", hash.finalize())
}

/// The SHA-256 of a file, as 64 hex digits.
pub fn sha256_of(path: &Path) -> String {
    sha256(File::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
}
