//! Tells the linker where the memory.x of mps2-an385 is: the board with memory for the conversations.

fn main() {
    let board = concat!(env!("CARGO_MANIFEST_DIR"), "/../mps2-an385");
    println!("cargo::rustc-link-search={board}");
    println!("cargo::rerun-if-changed={board}/memory.x");
}
