//! NOR flash that is as strict as the strictest chip, and loses its power when it is told to.

use std::cell::{Ref, RefCell};
use std::fmt;
use std::rc::Rc;

use embedded_storage::nor_flash::{ErrorType, NorFlash, NorFlashError, NorFlashErrorKind, ReadNorFlash};

/// NOR flash in memory that is written in words of `WRITE` bytes, once between two erasures, and erased in sectors of
/// `ERASE` bytes. What breaks its rules panics. Clones share the chip.
///
/// A write or an erasure in which the power is cut has happened in part: words before the cut are written, bits of the
/// word at the cut are anything between old and new; of the bits of a sector some are erased.
#[derive(Clone)]
pub struct Nor<const WRITE: usize, const ERASE: usize>(Rc<RefCell<Chip>>);

struct Chip {
    bytes: Vec<u8>,
    /// Whether a word may have been written since its sector was erased as a whole.
    written: Vec<bool>,
    erasures: Vec<u32>,
    operations: u64,
    cut_after: Option<u64>,
    is_off: bool,
    random: fastrand::Rng,
}

/// Why an operation failed.
#[derive(Debug)]
pub struct PowerIsOff;

impl fmt::Display for PowerIsOff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the power is off")
    }
}

impl NorFlashError for PowerIsOff {
    fn kind(&self) -> NorFlashErrorKind {
        NorFlashErrorKind::Other
    }
}

impl<const WRITE: usize, const ERASE: usize> Nor<WRITE, ERASE> {
    /// A chip as it comes from the factory: erased.
    pub fn new(sectors: usize) -> Self {
        Self(Rc::new(RefCell::new(Chip {
            bytes: vec![0xff; sectors * ERASE],
            written: vec![false; sectors * ERASE / WRITE],
            erasures: vec![0; sectors],
            operations: 0,
            cut_after: None,
            is_off: false,
            random: fastrand::Rng::with_seed(1),
        })))
    }

    /// Cuts the power in the middle of the write or erasure that follows `operations` more; what is left in its place
    /// is random, by `seed`.
    pub fn cut_after(&self, operations: u64, seed: u64) {
        let mut chip = self.0.borrow_mut();
        chip.cut_after = Some(chip.operations + operations);
        chip.random = fastrand::Rng::with_seed(seed);
    }

    /// Gives the power back, for good.
    pub fn power_on(&self) {
        let mut chip = self.0.borrow_mut();
        (chip.is_off, chip.cut_after) = (false, None);
    }

    /// Whether the power was cut.
    pub fn is_off(&self) -> bool {
        self.0.borrow().is_off
    }

    /// A copy of the chip, with its power on.
    pub fn copy(&self) -> Self {
        let chip = self.0.borrow();
        Self(Rc::new(RefCell::new(Chip {
            bytes: chip.bytes.clone(),
            written: chip.written.clone(),
            erasures: chip.erasures.clone(),
            operations: chip.operations,
            cut_after: None,
            is_off: false,
            random: fastrand::Rng::with_seed(1),
        })))
    }

    /// How many writes and erasures there were.
    pub fn operations(&self) -> u64 {
        self.0.borrow().operations
    }

    /// How often each sector was erased.
    pub fn erasures(&self) -> Vec<u32> {
        self.0.borrow().erasures.clone()
    }

    /// What is on it.
    pub fn bytes(&self) -> Ref<'_, [u8]> {
        Ref::map(self.0.borrow(), |chip| &*chip.bytes)
    }

    /// Puts something on it, past all rules.
    pub fn scribble(&self, change: impl FnOnce(&mut [u8])) {
        let mut chip = self.0.borrow_mut();
        change(&mut chip.bytes);
        chip.written.fill(true);
    }
}

impl Chip {
    /// Counts an operation; whether the power is cut in the middle of it.
    fn begin(&mut self) -> Result<bool, PowerIsOff> {
        if self.is_off {
            return Err(PowerIsOff);
        }
        self.is_off = self.cut_after == Some(self.operations);
        self.operations += 1;
        Ok(self.is_off)
    }
}

impl<const WRITE: usize, const ERASE: usize> ErrorType for Nor<WRITE, ERASE> {
    type Error = PowerIsOff;
}

impl<const WRITE: usize, const ERASE: usize> ReadNorFlash for Nor<WRITE, ERASE> {
    const READ_SIZE: usize = 1;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), PowerIsOff> {
        let chip = self.0.borrow();
        if chip.is_off {
            return Err(PowerIsOff);
        }
        let offset = offset as usize;
        bytes.copy_from_slice(&chip.bytes[offset..offset + bytes.len()]);
        Ok(())
    }

    fn capacity(&self) -> usize {
        self.0.borrow().bytes.len()
    }
}

impl<const WRITE: usize, const ERASE: usize> NorFlash for Nor<WRITE, ERASE> {
    const WRITE_SIZE: usize = WRITE;
    const ERASE_SIZE: usize = ERASE;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), PowerIsOff> {
        let chip = &mut *self.0.borrow_mut();
        let (from, to) = (from as usize, to as usize);
        assert!(
            from.is_multiple_of(ERASE) && to.is_multiple_of(ERASE) && from < to && to <= chip.bytes.len()
        );
        let is_cut = chip.begin()?;
        for erased in &mut chip.erasures[from / ERASE..to / ERASE] {
            *erased += 1;
        }
        let progress = chip.random.u8(0..4);
        for byte in &mut chip.bytes[from..to] {
            // From nothing at all to everything.
            *byte |= match progress {
                _ if !is_cut => 0xff,
                0 => 0,
                1 => chip.random.u8(..),
                2 => chip.random.u8(..) | chip.random.u8(..),
                _ => 0xff,
            };
        }
        chip.written[from / WRITE..to / WRITE].fill(is_cut);
        if is_cut { Err(PowerIsOff) } else { Ok(()) }
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), PowerIsOff> {
        let chip = &mut *self.0.borrow_mut();
        let offset = offset as usize;
        assert!(offset.is_multiple_of(WRITE) && bytes.len().is_multiple_of(WRITE) && !bytes.is_empty());
        let is_cut = chip.begin()?;
        let words = bytes.len() / WRITE;
        let whole = if is_cut {
            chip.random.usize(..=words)
        } else {
            words
        };
        for (index, word) in bytes.chunks_exact(WRITE).enumerate() {
            let at = offset + index * WRITE;
            assert!(
                !chip.written[at / WRITE],
                "a word is written twice between two erasures"
            );
            chip.written[at / WRITE] = true;
            for (to, from) in chip.bytes[at..at + WRITE].iter_mut().zip(word) {
                let not_yet = match index.cmp(&whole) {
                    std::cmp::Ordering::Less => 0,
                    std::cmp::Ordering::Equal => chip.random.u8(..),
                    std::cmp::Ordering::Greater => 0xff,
                };
                *to &= from | not_yet;
            }
        }
        if is_cut { Err(PowerIsOff) } else { Ok(()) }
    }
}
