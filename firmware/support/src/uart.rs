//! What a UART can do.

/// A UART with FIFOs, which never waits.
pub trait Uart {
    /// Whether the receive FIFO holds a byte. Called with interrupts off: one that comes later must raise its
    /// interrupt.
    fn has_byte(&self) -> bool;

    /// Takes a byte out of the receive FIFO; `None` when it is empty.
    fn read(&mut self) -> Option<u8>;

    /// Whether the transmit FIFO has room.
    fn has_room(&self) -> bool;

    /// Puts a byte into the transmit FIFO, which has room.
    fn write(&mut self, byte: u8);
}
