//! R2's chat console on a UART.

use core::convert::Infallible;

use embedded_io::{BufRead, ErrorType, Read, ReadReady, Write, WriteReady};
use r2_core::bytes;
use r2_core::io::Connection;
use r2_core::session::Over;

use crate::uart::Uart;

/// What was typed and not yet taken: a receive FIFO's worth.
const TYPED: usize = 16;

/// A UART as a connection of the chat session. It never ends. The Enter of a terminal, CR, ends a line.
pub struct Console<U> {
    uart: U,
    typed: [u8; TYPED],
    start: usize,
    end: usize,
}

impl<U: Uart> Console<U> {
    /// A console on `uart`.
    pub const fn new(uart: U) -> Self {
        Self {
            uart,
            typed: [0; TYPED],
            start: 0,
            end: 0,
        }
    }

    /// Whether something was typed.
    pub fn has_typed(&self) -> bool {
        self.start < self.end || self.uart.has_byte()
    }

    fn waiting(&self) -> &[u8] {
        self.typed.get(self.start..self.end).unwrap_or_default()
    }
}

impl<U> ErrorType for Console<U> {
    type Error = Infallible;
}

impl<U: Uart> ReadReady for Console<U> {
    fn read_ready(&mut self) -> Result<bool, Infallible> {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
        while let Some(place) = self.typed.get_mut(self.end)
            && let Some(byte) = self.uart.read()
        {
            *place = if byte == b'\r' { b'\n' } else { byte };
            self.end += 1;
        }
        Ok(self.start < self.end)
    }
}

impl<U: Uart> Read for Console<U> {
    fn read(&mut self, into: &mut [u8]) -> Result<usize, Infallible> {
        let taken = bytes::copy(into, self.fill_buf()?);
        self.consume(taken);
        Ok(taken)
    }
}

impl<U: Uart> BufRead for Console<U> {
    fn fill_buf(&mut self) -> Result<&[u8], Infallible> {
        while !self.read_ready()? {}
        Ok(self.waiting())
    }

    fn consume(&mut self, count: usize) {
        self.start = self.end.min(self.start.saturating_add(count));
    }
}

impl<U: Uart> WriteReady for Console<U> {
    fn write_ready(&mut self) -> Result<bool, Infallible> {
        Ok(self.uart.has_room())
    }
}

impl<U: Uart> Write for Console<U> {
    /// Writes what the transmit FIFO has room for.
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        let mut written = 0;
        for byte in bytes {
            if !self.uart.has_room() {
                break;
            }
            self.uart.write(*byte);
            written += 1;
        }
        Ok(written)
    }

    /// Returns at once: what was written leaves by itself.
    fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

impl<U: Uart> Connection for Console<U> {
    fn finish(&mut self) -> Result<(), Infallible> {
        Ok(())
    }

    fn abort(&mut self) {}

    fn ended(&mut self) -> Option<Over> {
        None
    }
}
