//! The secret that keys hash tables and initial sequence numbers, on boards that have no source of randomness.

use r2_core::bytes;
use r2_core::store::sha256;

/// Mixes what there is: in QEMU 32 bytes of the host's randomness, except where runs are to be equal; on hardware only `own`, what the board knows of
/// itself (its address, the state of its counters), which a neighbour can guess.
pub fn mix(own: &[u8]) -> [u8; 16] {
    #[cfg(all(feature = "semihosting", not(feature = "count")))]
    let digest = sha256(&mut [own, &of_host()].into_iter());
    #[cfg(not(all(feature = "semihosting", not(feature = "count"))))]
    let digest = sha256(&mut [own].into_iter());
    let mut secret = [0; 16];
    bytes::copy(&mut secret, &digest);
    secret
}

#[cfg(all(feature = "semihosting", not(feature = "count")))]
fn of_host() -> [u8; 32] {
    use semihosting::io::Read;

    let mut random = [0; 32];
    let read = semihosting::fs::File::open(c"/dev/urandom").and_then(|mut file| file.read_exact(&mut random));
    if read.is_err() {
        defmt::warn!("the host gives no random numbers: sequence numbers can be guessed");
    }
    random
}
