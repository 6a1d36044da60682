//! The image: where its bytes are in flash, and where its log and its clock are in RAM.

use object::read::elf::{ElfFile32, ProgramHeader as _};
use object::{Endianness, Object as _, ObjectSymbol as _};
use thiserror::Error;

use crate::flash::SIZE;

/// The address of the flash.
const FLASH: u32 = 0x1000_0000;

/// Why an image is none of this board.
#[derive(Debug, Error)]
pub enum ImageError {
    /// It is no ELF file of a 32-bit core.
    #[error("the image is not to be read: {0}")]
    Elf(#[from] object::Error),
    /// A segment is outside the flash.
    #[error("the image has bytes at {0:#010x}, which is not in the flash")]
    Outside(u32),
    /// There is no symbol of RTT's block.
    #[error("the image has no log: _SEGGER_RTT is missing")]
    NoLog,
}

/// What is known of an image.
#[derive(Debug)]
pub struct Image {
    /// Its bytes: where each piece begins in the flash.
    pub segments: Vec<(usize, Vec<u8>)>,
    /// The address of RTT's block.
    pub log: u32,
    /// The address of the millisecond counter of the firmware's clock.
    pub clock: Option<u32>,
}

impl Image {
    /// Reads an ELF file.
    pub fn read(elf: &[u8]) -> Result<Self, ImageError> {
        let file = ElfFile32::<Endianness>::parse(elf)?;
        let endian = file.endian();
        let mut segments = Vec::new();
        for header in file.elf_program_headers() {
            let at = header.p_paddr.get(endian);
            let bytes = header.data(endian, elf).map_err(|()| ImageError::Outside(at))?;
            if header.p_type.get(endian) != object::elf::PT_LOAD || bytes.is_empty() {
                continue;
            }
            let from = at.checked_sub(FLASH).ok_or(ImageError::Outside(at))? as usize;
            if from + bytes.len() > SIZE {
                return Err(ImageError::Outside(at));
            }
            segments.push((from, bytes.to_vec()));
        }
        let find = |wanted: &dyn Fn(&str) -> bool| {
            let mut symbols = file.symbols();
            symbols
                .find(|symbol| symbol.name().is_ok_and(wanted))
                .and_then(|symbol| u32::try_from(symbol.address()).ok())
        };
        Ok(Self {
            segments,
            log: find(&|name| name == "_SEGGER_RTT").ok_or(ImageError::NoLog)?,
            clock: find(&|name| name.contains("clock") && name.contains("MILLIS")),
        })
    }
}
