//! Files that come and go, and some that stay.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use r2_sim::payload::{sha256_of, write_random};

use crate::Soak;

/// Lengths in turn, around what is moved at once; the last is many windows.
const LENGTHS: [u64; 7] = [1, 1000, 1460, 65_536, 262_145, 524_288, 3_000_000];

/// One file of so many stays in the store. Prime, so that every length is among them.
const STAYS: u64 = 11;

/// A file of KALI's, and its SHA-256.
fn file(soak: &Soak, name: &str, number: u64) -> (PathBuf, u64, String) {
    let path = soak.lab.path(name);
    let length = LENGTHS[usize::try_from(number).expect("a round") % LENGTHS.len()];
    write_random(&path, length, number);
    let sha256 = sha256_of(&path);
    (path, length, sha256)
}

fn remove(path: &Path) {
    fs::remove_file(path).expect("a file of KALI's");
}

/// Removes `name` from the store, or keeps it to the end.
fn leave(soak: &Soak, number: u64, name: &str, sha256: String) {
    if number.is_multiple_of(STAYS) {
        let mut kept = soak.kept.lock().expect("no client has panicked");
        assert_eq!(kept.insert(name.to_owned(), sha256), None, "{name} twice");
    } else {
        soak.lab.kali(&format!("hostapp rm 192.168.69.1 {name}"));
    }
}

/// The receipt is right, and what is stored under the final name is what was sent.
pub(crate) fn dropped(soak: &Soak, number: u64) -> u64 {
    let (path, length, sha256) = file(soak, &format!("drop-{number}"), number);
    let said = soak
        .lab
        .kali(&format!("nc.openbsd -N 192.168.69.1 5020 < {}", path.display()));
    let (hints, receipts): (Vec<_>, Vec<_>) = said
        .split_inclusive('\n')
        .partition(|line| line.starts_with("waiting: "));
    soak.hints.fetch_add(hints.len() as u64, Ordering::Relaxed);
    let receipt = receipts.concat();
    let name = receipt.split(' ').nth(1).unwrap_or_default().to_owned();
    assert_eq!(receipt, format!("stored {name} {length} bytes sha256 {sha256}\n"));
    let stored = soak.lab.store.file(&name);
    soak.lab
        .store
        .wait_until(&format!("{name}, confirmed"), |_| stored.exists());
    assert_eq!(sha256_of(&stored), sha256);
    leave(soak, number, &name, sha256);
    remove(&path);
    length
}

/// What was sent is listed, and comes back.
pub(crate) fn sent_and_got(soak: &Soak, number: u64) -> u64 {
    let name = format!("soak-{number}");
    let (path, length, sha256) = file(soak, &name, number);
    let back = path.with_extension("back");
    let sent = soak
        .lab
        .kali(&format!("hostapp send 192.168.69.1 {} 2>&1", path.display()));
    assert!(
        sent.ends_with(&format!(": {length} bytes, sha256 {sha256}, stored as {name}\n")),
        "{sent}"
    );
    let listed = soak.lab.kali("hostapp ls 192.168.69.1");
    assert!(listed.contains(&sha256), "{name} is not in {listed}");
    soak.lab
        .kali(&format!("hostapp get 192.168.69.1 {name} -o {}", back.display()));
    assert_eq!(sha256_of(&back), sha256);
    leave(soak, number, &name, sha256);
    remove(&path);
    remove(&back);
    2 * length
}
