//! The secret that keys hash tables and initial sequence numbers, for boards that have no source of randomness.

use r2_core::bytes;

/// In QEMU the host's randomness, except where runs are to be equal. On hardware `own`, what the board knows of itself
/// (its address), which a neighbour can guess.
pub fn of(own: &[u8]) -> [u8; 16] {
    let mut secret = [0; 16];
    bytes::copy(&mut secret, own);
    #[cfg(all(feature = "semihosting", not(feature = "count")))]
    of_host(&mut secret);
    secret
}

#[cfg(all(feature = "semihosting", not(feature = "count")))]
fn of_host(secret: &mut [u8]) {
    use semihosting::io::Read;

    let read = semihosting::fs::File::open(c"/dev/urandom").and_then(|mut file| file.read_exact(secret));
    if read.is_err() {
        defmt::warn!("the host gives no random numbers: sequence numbers can be guessed");
    }
}
