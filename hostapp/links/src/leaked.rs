//! Memory of a node: taken at start, never given back.

use r2_node::Storage;

/// Leaks: what it hands out lives as long as the process. It is made once.
pub struct Leaked;

impl Storage<'static> for Leaked {
    fn slice<T: 'static>(&mut self, len: usize, make: impl FnMut(usize) -> T) -> &'static mut [T] {
        (0..len).map(make).collect::<Vec<_>>().leak()
    }

    /// Writes every byte once, so that the memory is there from the start and does not grow with what is served.
    fn bytes(&mut self, len: usize) -> &'static mut [u8] {
        let bytes = vec![0; len].leak();
        // The compiler knows that they are 0 and would leave the writing out.
        std::hint::black_box(&mut *bytes).fill(0);
        bytes
    }
}
