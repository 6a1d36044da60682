//! A device register.

/// A 32-bit register at an address.
#[derive(Clone, Copy)]
pub struct Register(*mut u32);

impl Register {
    /// The register at `address`.
    ///
    /// # Safety
    ///
    /// At `address` there is a device register, and whatever reading or writing it sets in motion touches no memory
    /// that Rust knows of.
    pub const unsafe fn at(address: usize) -> Self {
        Self(core::ptr::with_exposed_provenance_mut(address))
    }

    /// Reads it.
    pub fn read(self) -> u32 {
        // SAFETY: the maker vouched for the address.
        unsafe { self.0.read_volatile() }
    }

    /// Writes it.
    pub fn write(self, value: u32) {
        // SAFETY: the maker vouched for the address.
        unsafe { self.0.write_volatile(value) }
    }

    /// Sets the bits of `mask` and leaves the others.
    pub fn set(self, mask: u32) {
        self.write(self.read() | mask);
    }

    /// Clears the bits of `mask` and leaves the others.
    pub fn clear(self, mask: u32) {
        self.write(self.read() & !mask);
    }
}
