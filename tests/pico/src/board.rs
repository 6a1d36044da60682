//! The board: core, chip, controller, and a probe that reads the log.

use crate::core::{Core, PC, SP};
use crate::image::Image;
use crate::rp2040::Chip;
use crate::stop::Stop;
use crate::w5500::{Counts, Dead, Speed};
use crate::{MILLISECOND, flash, rom};

/// Where the boot ROM puts boot2, and how long it is with its checksum.
const BOOT2: usize = 0x0004_1f00;
const BOOT2_ADDRESS: u32 = 0x2004_1f00;
const BOOT2_BYTES: usize = 256;
/// RTT's block: its mark, its buffer's address and size, how far it is written and read, and what its writer does when it is full.
const RTT_BUFFER: u32 = 28;
const RTT_SIZE: u32 = 32;
const RTT_WRITTEN: u32 = 36;
const RTT_READ: u32 = 40;
const RTT_MODE: u32 = 44;
/// The first letter of the mark: the block is there.
const RTT_MARK: u8 = b'S';
/// The writer waits for the probe.
const RTT_WAITS: u8 = 2;

/// What a run of the board came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ran {
    /// So long as it was asked for, and there is more to do.
    Busy,
    /// It sleeps until a frame, a byte or its clock.
    Asleep,
    /// It has reset itself, which ends what R2 does.
    Restarted,
}

/// A board.
#[derive(Debug)]
pub struct Board {
    core: Core,
    chip: Chip,
    image: Image,
    /// When the probe looks at the log next, and how often it does.
    probe_at: u64,
    probe_every: u64,
    /// Turns to sleep while a frame waited.
    hidden: u64,
    started: u64,
}

impl Board {
    /// A board with nothing in its flash but `image`.
    pub fn new(image: Image) -> Self {
        let mut chip = Chip::new();
        for (at, bytes) in &image.segments {
            for (to, from) in chip.flash.bytes.iter_mut().skip(*at).zip(bytes) {
                *to = *from;
            }
        }
        Self {
            core: Core::default(),
            chip,
            image,
            probe_at: 0,
            probe_every: 0,
            hidden: 0,
            started: 0,
        }
    }

    /// Puts what the flash held before it lost power behind the image. Bytes of another length are none of this board's.
    pub fn set_flash(&mut self, bytes: &[u8]) -> bool {
        let same = bytes.len() == flash::SIZE;
        if same {
            self.chip.flash.bytes.copy_from_slice(bytes);
            for (at, piece) in &self.image.segments {
                self.chip.flash.bytes[*at..*at + piece.len()].copy_from_slice(piece);
            }
        }
        same
    }

    /// The whole flash.
    pub fn flash(&self) -> &[u8] {
        &self.chip.flash.bytes
    }

    /// What has changed in the flash since the last call: where, and how long.
    pub fn take_changed(&mut self) -> Vec<(usize, usize)> {
        std::mem::take(&mut self.chip.flash.changed)
    }

    /// The probe looks at the log once in so many milliseconds, and has its writer wait until it is read.
    pub fn slow_probe(&mut self, milliseconds: u64) {
        self.probe_every = milliseconds * MILLISECOND;
    }

    /// The cable's speed.
    pub fn set_speed(&mut self, speed: Speed) {
        self.chip.w5500.speed = speed;
    }

    /// The controller is dead, or answers again, without its configuration.
    pub fn set_dead(&mut self, dead: Option<Dead>) {
        self.chip.w5500.dead = dead;
        self.chip.w5500.reset();
        self.chip.changed = true;
    }

    /// Starts as the boot ROM does: with boot2, whose checksum must be right, in RAM.
    pub fn start(&mut self) -> Result<(), Stop> {
        self.core = Core::default();
        self.chip.reset_core();
        let (boot2, checksum) = self.chip.flash.bytes[..BOOT2_BYTES].split_at(BOOT2_BYTES - 4);
        if crc(boot2).to_le_bytes() != checksum {
            return Err(Stop::Misuse("the checksum of boot2 is wrong".to_owned()));
        }
        self.chip.ram[BOOT2..BOOT2 + BOOT2_BYTES].copy_from_slice(&self.chip.flash.bytes[..BOOT2_BYTES]);
        self.core.r[SP] = BOOT2_ADDRESS;
        self.core.r[PC] = BOOT2_ADDRESS;
        self.started = self.chip.now;
        Ok(())
    }

    /// Runs until the cycle `until`, or for so many instructions.
    pub fn run(&mut self, until: u64, instructions: u64) -> Result<Ran, Stop> {
        let mut next = self.chip.next();
        for _ in 0..instructions {
            let chip = &mut self.chip;
            if chip.now >= next || chip.changed {
                if chip.now >= next {
                    chip.advance();
                }
                chip.changed = false;
                next = chip.next();
                self.core.look = true;
            }
            if self.core.look {
                self.core.serve(chip)?;
            }
            if self.core.waiting {
                self.hidden += u64::from(chip.w5500.hides_a_frame());
                if chip.now >= until {
                    return Ok(Ran::Asleep);
                }
                chip.now = chip.now.max(next.min(until));
                continue;
            }
            if rom::holds(self.core.r[PC]) {
                rom::call(chip, &mut self.core.r);
            } else {
                let cycles = self.core.step(chip)?;
                chip.now += u64::from(cycles);
            }
            if let Some(stop) = chip.stop.take() {
                return Err(stop);
            }
            if chip.restart {
                return Ok(Ran::Restarted);
            }
        }
        Ok(Ran::Busy)
    }

    /// Cycles since the power came.
    pub fn now(&self) -> u64 {
        self.chip.now
    }

    /// By how many milliseconds the firmware's clock is behind the board's time since its start; `None` where the image has no
    /// symbol for it.
    pub fn clock_behind(&self) -> Option<u64> {
        let clock = self.chip.word(self.image.clock?);
        Some(((self.chip.now - self.started) / MILLISECOND).saturating_sub(clock.into()))
    }

    /// Turns to sleep while a frame waited and no interrupt said so.
    pub fn hidden(&self) -> u64 {
        self.hidden
    }

    /// What the controller has counted.
    pub fn counts(&self) -> Counts {
        self.chip.w5500.counts
    }

    /// A frame comes by the cable, behind those that are on it.
    pub fn receive(&mut self, mut frame: Vec<u8>) {
        let chip = &mut self.chip;
        frame.resize(frame.len().max(60), 0);
        let free_at = chip.cable.back().map_or(0, |(at, _)| *at).max(chip.now);
        let at = free_at + chip.w5500.speed.cycles(frame.len());
        chip.cable.push_back((at, frame));
        chip.changed = true;
    }

    /// Frames that have left by the cable.
    pub fn take_sent(&mut self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.chip.w5500.left)
    }

    /// Bytes are typed at the console.
    pub fn type_in(&mut self, bytes: &[u8]) {
        self.chip.type_in(bytes);
    }

    /// What the console has shown.
    pub fn take_shown(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.chip.screen)
    }

    /// What the probe has read of the log: nothing before its time.
    pub fn take_log(&mut self) -> Vec<u8> {
        let block = self.image.log;
        let start = (block & 0xff_ffff) as usize;
        if self.chip.now < self.probe_at || self.chip.ram.get(start) != Some(&RTT_MARK) {
            return Vec::new();
        }
        self.probe_at = self.chip.now + self.probe_every;
        if self.probe_every > 0 {
            self.chip.ram[start + RTT_MODE as usize] = RTT_WAITS;
        }
        let word = |at: u32| self.chip.word(block + at) as usize;
        let (from, size) = (word(RTT_BUFFER) & 0xff_ffff, word(RTT_SIZE));
        let (written, read) = (word(RTT_WRITTEN), word(RTT_READ));
        let Some(buffer) = self.chip.ram.get(from..from + size) else {
            return Vec::new();
        };
        let log = if read <= written {
            buffer.get(read..written).unwrap_or_default().to_vec()
        } else {
            [buffer.get(read..), buffer.get(..written)]
                .map(Option::unwrap_or_default)
                .concat()
        };
        let written = start + RTT_WRITTEN as usize;
        self.chip
            .ram
            .copy_within(written..written + 4, start + RTT_READ as usize);
        log
    }
}

/// The checksum of boot2: CRC-32, not reflected, not inverted (data sheet, section 2.8.1.3.1).
fn crc(bytes: &[u8]) -> u32 {
    bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte) << 24, |crc, _| {
            crc << 1 ^ if crc >> 31 == 0 { 0 } else { 0x04c1_1db7 }
        })
    })
}
