//! The flash chip (2 MiB, sectors of 4 KiB, pages of 256 bytes) and its commands.

use std::collections::VecDeque;

/// Bytes of the chip.
pub(crate) const SIZE: usize = 2 * 1024 * 1024;
/// Bytes that are erased together.
pub(crate) const SECTOR: usize = 4096;
/// Bytes that are written together.
pub(crate) const PAGE: usize = 256;

/// The chip's number. Its last five bytes make the board's Ethernet address that of the boards in QEMU.
const UNIQUE_ID: [u8; 8] = [0xe4, 0x63, 0x10, 0x00, 0xc0, 0xa8, 0x45, 0x01];

/// Commands: W25Q16JV data sheet, section 8.1.
const WRITE_STATUS: u8 = 0x01;
const READ_STATUS: u8 = 0x05;
const WRITE_ENABLE: u8 = 0x06;
const READ_STATUS_2: u8 = 0x35;
const READ_UNIQUE_ID: u8 = 0x4b;

/// The chip.
#[derive(Debug)]
pub(crate) struct Flash {
    pub(crate) bytes: Vec<u8>,
    /// The pieces that have changed since they were last asked for: where, and how long.
    pub(crate) changed: Vec<(usize, usize)>,
    status_2: u8,
    /// Sectors erased, and pages written.
    pub(crate) erased: u64,
    pub(crate) written: u64,
}

impl Flash {
    pub(crate) fn new() -> Self {
        Self {
            bytes: vec![0xff; SIZE],
            changed: Vec::new(),
            status_2: 0,
            erased: 0,
            written: 0,
        }
    }

    /// Exchanges `sent` and then `more` bytes by single SPI; `None` where the command is none that it knows.
    pub(crate) fn exchange(&mut self, sent: &[u8], more: usize) -> Option<VecDeque<u8>> {
        let length = sent.len() + more;
        let answer = match *sent.first()? {
            READ_STATUS_2 => vec![self.status_2; length],
            WRITE_STATUS => {
                self.status_2 = sent.get(2).copied().unwrap_or(self.status_2);
                vec![0; length]
            }
            // Four bytes of nothing come first.
            READ_UNIQUE_ID => [0; 5]
                .into_iter()
                .chain(UNIQUE_ID.into_iter().cycle())
                .take(length)
                .collect(),
            READ_STATUS | WRITE_ENABLE => vec![0; length],
            _ => return None,
        };
        Some(answer.into())
    }

    /// Erases sectors; false: they are no whole ones, or not in the chip.
    pub(crate) fn erase(&mut self, at: usize, length: usize) -> bool {
        let whole = at.is_multiple_of(SECTOR) && length.is_multiple_of(SECTOR);
        let Some(sectors) = self
            .bytes
            .get_mut(at..at.saturating_add(length))
            .filter(|_| whole)
        else {
            return false;
        };
        sectors.fill(0xff);
        self.changed.push((at, length));
        self.erased += (length / SECTOR) as u64;
        true
    }

    /// Writes pages, which takes ones away and brings none; false: they are no whole ones, or not in the chip.
    pub(crate) fn write(&mut self, at: usize, bytes: &[u8]) -> bool {
        let whole = at.is_multiple_of(PAGE) && bytes.len().is_multiple_of(PAGE);
        let Some(pages) = self
            .bytes
            .get_mut(at..at.saturating_add(bytes.len()))
            .filter(|_| whole)
        else {
            return false;
        };
        for (to, from) in pages.iter_mut().zip(bytes) {
            *to &= from;
        }
        self.changed.push((at, bytes.len()));
        self.written += (bytes.len() / PAGE) as u64;
        true
    }
}
