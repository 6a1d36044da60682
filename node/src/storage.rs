//! Where a node's memory comes from: taken once, when it is made, and never given back.

/// Hands out slices that live as long as the node: leaked vectors on a host, a static arena on a board.
pub trait Storage<'a> {
    /// `len` values, the one of each index made by `make`. Running out of memory is the provider's to report:
    /// how much a node takes is known from the [`Size`](crate::Size) of each service.
    fn slice<T: 'a>(&mut self, len: usize, make: impl FnMut(usize) -> T) -> &'a mut [T];

    /// `len` bytes of 0. Large, and many: a provider with lazily committed memory may leave them untouched.
    fn bytes(&mut self, len: usize) -> &'a mut [u8] {
        self.slice(len, |_| 0)
    }
}

/// Memory of the global allocator that is never given back: for a host, where a node lives as long as its process.
#[cfg(any(feature = "alloc", test))]
pub struct Leaked;

#[cfg(any(feature = "alloc", test))]
impl<'a> Storage<'a> for Leaked {
    fn slice<T: 'a>(&mut self, len: usize, make: impl FnMut(usize) -> T) -> &'a mut [T] {
        (0..len).map(make).collect::<alloc::vec::Vec<_>>().leak()
    }
}
