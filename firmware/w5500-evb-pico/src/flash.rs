//! The flash that the store is on: the chip that the program is in, behind the program.

use cortex_m::peripheral::SYST;
use embassy_rp::Peri;
use embassy_rp::clocks::clk_sys_freq;
use embassy_rp::flash::{Blocking, ERASE_SIZE, Error, Flash as Chip, READ_SIZE, WRITE_SIZE};
use embassy_rp::peripherals::FLASH;
use embedded_storage::nor_flash::{ErrorType, NorFlash, ReadNorFlash};
use r2_support::clock;
use r2_support::register::Register;

const CHIP: usize = 2 * 1024 * 1024;

/// Where the store begins: memory.x ends the program there.
const FILES_AT: u32 = 512 * 1024;

/// Bytes of the store.
pub(crate) const SIZE: usize = CHIP - FILES_AT as usize;

/// Bytes of a sector.
pub(crate) const SECTOR: usize = ERASE_SIZE;

/// The part of the chip behind the program. While it is erased or written (a sector takes 45 ms) nothing else runs,
/// interrupts included, since the program is in the same chip.
pub(crate) struct Flash(Chip<'static, FLASH, Blocking, CHIP>);

impl Flash {
    /// The chip's part.
    pub(crate) fn new(chip: Peri<'static, FLASH>) -> Self {
        Self(Chip::new_blocking(chip))
    }

    /// The number that the maker has given to the chip.
    pub(crate) fn unique_id(&mut self) -> [u8; 8] {
        let mut id = [0; 8];
        if self.0.blocking_unique_id(&mut id).is_err() {
            defmt::warn!(
                "the flash does not tell its number: two such boards would share an Ethernet address"
            );
        }
        id
    }
}

/// The low word of the chip's timer, which counts microseconds whether interrupts are on or off.
// SAFETY: RP2040 data sheet section 4.6.5: TIMERAWL is only read, which touches no memory.
const MICROS: Register = unsafe { Register::at(0x4005_4028) };

/// Does `work`, which turns interrupts off, and tells the clock how many of its ticks were lost meanwhile: all but one,
/// which stays pending.
fn keeping_time<T>(work: impl FnOnce() -> T) -> T {
    let cycles_a_tick = clk_sys_freq() / 1000;
    // Since the last tick; the core's timer counts down.
    let since = cycles_a_tick.saturating_sub(SYST::get_current()) / (cycles_a_tick / 1000);
    let begun = MICROS.read();
    let done = work();
    let ticks = MICROS.read().wrapping_sub(begun).saturating_add(since) / 1000;
    clock::missed(ticks.saturating_sub(1));
    done
}

impl ErrorType for Flash {
    type Error = Error;
}

impl ReadNorFlash for Flash {
    const READ_SIZE: usize = READ_SIZE;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Error> {
        self.0.blocking_read(FILES_AT.saturating_add(offset), bytes)
    }

    fn capacity(&self) -> usize {
        SIZE
    }
}

impl NorFlash for Flash {
    const WRITE_SIZE: usize = WRITE_SIZE;
    const ERASE_SIZE: usize = SECTOR;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), Error> {
        let (from, to) = (FILES_AT.saturating_add(from), FILES_AT.saturating_add(to));
        keeping_time(|| self.0.blocking_erase(from, to))
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Error> {
        keeping_time(|| self.0.blocking_write(FILES_AT.saturating_add(offset), bytes))
    }
}
