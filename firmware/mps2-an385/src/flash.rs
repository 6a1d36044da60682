//! The flash that the store is on: NOR flash, as QEMU's board has none.
//!
//! The chip is modelled in the board's PSRAM. What it holds outlives the board in a file of the host, `flash.img` in
//! the folder where QEMU was started: read at start, and written, page by page, in the same call that writes the page
//! here. So QEMU may be killed at any moment, as the power of a board may be cut.

use embedded_storage::nor_flash::{
    ErrorType, NorFlash, NorFlashErrorKind, ReadNorFlash, check_erase, check_write,
};
use semihosting::fs::File;
use semihosting::io::{Read, Seek, SeekFrom, Write};

/// Bytes of the chip.
pub(crate) const SIZE: usize = 8 * 1024 * 1024;

/// Bytes of a sector, as most NOR flash has them.
pub(crate) const SECTOR: usize = 4096;

const IMAGE: &core::ffi::CStr = c"flash.img";

/// The chip.
pub(crate) struct Flash {
    cells: &'static mut [u8],
    image: File,
}

/// Why there is no chip.
#[derive(Debug, defmt::Format)]
pub(crate) enum OpenError {
    /// The host gives no file to keep it in.
    NoImage,
    /// The file has another size: it is something else.
    NotAnImage,
}

impl Flash {
    /// Takes the PSRAM as the chip, with what the host's file holds; a new chip where there is no such file.
    ///
    /// # Safety
    ///
    /// Called once.
    pub(crate) unsafe fn open() -> Result<Self, OpenError> {
        let psram = core::ptr::with_exposed_provenance_mut::<u8>(0x2100_0000);
        // SAFETY: the board has 16 MiB of memory there (AN385, table 3-1), memory.x gives it to nobody, and the caller
        // vouches for this being the only call. Bytes of any value are valid.
        let cells = unsafe { core::slice::from_raw_parts_mut(psram, SIZE) };
        if let Ok(mut image) = File::options().read(true).write(true).open(IMAGE) {
            let is_one = image.metadata().is_ok_and(|file| file.len() == SIZE as u64);
            let read = is_one && image.read_exact(cells).is_ok();
            return if read {
                Ok(Self { cells, image })
            } else {
                Err(OpenError::NotAnImage)
            };
        }
        cells.fill(0xff);
        let mut options = File::options();
        let created = options
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(IMAGE);
        let mut image = created.map_err(|_| OpenError::NoImage)?;
        image.write_all(cells).map_err(|_| OpenError::NoImage)?;
        Ok(Self { cells, image })
    }

    /// Changes some cells, here and in the file.
    fn change(
        &mut self,
        from: usize,
        to: usize,
        change: impl FnOnce(&mut [u8]),
    ) -> Result<(), NorFlashErrorKind> {
        let cells = self
            .cells
            .get_mut(from..to)
            .ok_or(NorFlashErrorKind::OutOfBounds)?;
        change(cells);
        let kept = self
            .image
            .seek(SeekFrom::Start(from as u64))
            .and_then(|_| self.image.write_all(cells));
        kept.map_err(|_| NorFlashErrorKind::Other)
    }
}

impl ErrorType for Flash {
    type Error = NorFlashErrorKind;
}

impl ReadNorFlash for Flash {
    const READ_SIZE: usize = 1;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), NorFlashErrorKind> {
        let from = offset as usize;
        let cells = self.cells.get(from..from.saturating_add(bytes.len()));
        bytes.copy_from_slice(cells.ok_or(NorFlashErrorKind::OutOfBounds)?);
        Ok(())
    }

    fn capacity(&self) -> usize {
        self.cells.len()
    }
}

impl NorFlash for Flash {
    const WRITE_SIZE: usize = 1;
    const ERASE_SIZE: usize = SECTOR;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), NorFlashErrorKind> {
        check_erase(self, from, to)?;
        self.change(from as usize, to as usize, |cells| cells.fill(0xff))
    }

    /// Clears bits; none can be set but by erasing.
    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), NorFlashErrorKind> {
        check_write(self, offset, bytes.len())?;
        let from = offset as usize;
        self.change(from, from + bytes.len(), |cells| {
            for (cell, byte) in cells.iter_mut().zip(bytes) {
                *cell &= byte;
            }
        })
    }
}
