//! Proves that no code of `r2-core` can panic, whatever a peer sends and whatever the world answers.
//!
//! Every session, store and public function of the core is called once, on values of which the optimiser knows
//! nothing but their type: sessions in any state, slices of any length and content, worlds that answer anything, even
//! what they must not. Where it cannot tell that a panic is out of reach, the panic handler stays in the image, and
//! the function that it calls does not exist.
//!
//! `tests/firmware/no_panic.rs` links the image and, where that fails, says which line can panic.
#![no_std]
#![no_main]

mod opaque;
mod panic;
mod pieces;
mod sessions;
mod stores;

/// The entry; nobody calls it.
#[unsafe(no_mangle)]
extern "C" fn _start() {
    sessions::all();
    stores::all();
    pieces::all();
    #[cfg(feature = "canary")]
    core::hint::black_box(opaque::bytes()[core::hint::black_box(0)]);
}
