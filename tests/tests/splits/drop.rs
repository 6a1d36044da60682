//! An upload and its receipt.

use r2_core::drop::Deposit;
use r2_core::limits::RAM_BLOCK;
use r2_core::store::ram::{Block, File, RamStore};
use r2_tests::splits::{Script, same_for_every_driver};

/// The examples of FIPS 180-2 for SHA-256, and no byte at all.
const EXAMPLES: [(&str, &str); 3] = [
    (
        "abc",
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    ),
    (
        "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
    ),
    (
        "",
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    ),
];

#[cfg_attr(test, test)]
pub(crate) fn every_upload_gets_its_receipt() {
    let script = EXAMPLES
        .iter()
        .enumerate()
        .fold(Script::new(), |script, (peer, (bytes, _))| {
            script.opens(peer).sends(peer, bytes).finishes(peer)
        });
    let seen = same_for_every_driver(&script, 120, |driver| {
        let mut blocks = [Block::EMPTY; 1024 / RAM_BLOCK];
        let mut files = [const { File::EMPTY }; 4];
        let mut store = RamStore::new(&mut blocks, &mut files, u64::MAX);
        driver.play(&script, &mut store, |_| Deposit::new())
    });
    for (number, ((bytes, sha256), seen)) in EXAMPLES.iter().zip(&seen).enumerate() {
        let (number, length) = (number + 1, bytes.len());
        let receipt = format!("stored drop-{number:04} {length} bytes sha256 {sha256}\n");
        assert_eq!(seen.text(), receipt);
        assert!(seen.fin);
    }
}
