//! Where R2 keeps its files in a run, and what is left of them when the power goes.

use std::path::Path;

use bumpalo::Bump;
use fastrand::Rng;
use r2_core::limits::STORE_TICKETS;
use r2_core::store::flash::{File, FlashStore, Sector};
use r2_disk::{DiskStore, Limits};
use r2_node::Storage;
use r2_tests::nor::Nor;
use r2_tests::power_loss::{Disk, Unsynced};
use tempfile::TempDir;

use super::check;
use super::settled::Settled;

/// Where R2 keeps its files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shelf {
    /// In RAM.
    Ram,
    /// On a disk that loses its power after so many operations.
    Disk(usize),
    /// On flash that loses its power after so many writes and erasures.
    Flash(u64),
}

/// The tickets of the host's store: each is half a megabyte.
const TICKETS_ON_DISK: u16 = 3;

/// Words of 16 bytes and small sectors: a page has many places to be torn at, a file many sectors.
type Chip = Nor<16, 1024>;

/// Sectors of the chip: peers that upload the largest files find it full.
const SECTORS: usize = 48;

/// Files on the chip.
const FILES: usize = 10;

/// Memory for as long as a run.
pub(super) struct Arena<'a>(pub(super) &'a Bump);

impl<'a> Storage<'a> for Arena<'a> {
    fn slice<T: 'a>(&mut self, len: usize, make: impl FnMut(usize) -> T) -> &'a mut [T] {
        self.0.alloc_slice_fill_with(len, make)
    }
}

/// What may lose its power.
pub(super) enum Power {
    /// Nothing.
    Safe,
    /// A disk, and where it is.
    OfDisk { disk: Disk, _folder: TempDir },
    /// A flash chip.
    OfChip(Chip),
}

impl Power {
    /// Whether it is gone.
    pub(super) fn is_off(&self) -> bool {
        match self {
            Self::Safe => false,
            Self::OfDisk { disk, .. } => disk.is_off(),
            Self::OfChip(chip) => chip.is_off(),
        }
    }

    /// Whether the store takes memory of its own while it works.
    pub(super) fn allocates(&self) -> bool {
        matches!(self, Self::OfDisk { .. })
    }

    /// How many sessions its store serves at once.
    pub(super) fn tickets(&self) -> usize {
        match self {
            Self::OfDisk { .. } => TICKETS_ON_DISK.into(),
            Self::Safe | Self::OfChip(_) => STORE_TICKETS,
        }
    }

    /// The files that are found when it is back.
    pub(super) fn survivors(&self, rng: &mut Rng) -> Vec<(String, Vec<u8>)> {
        match self {
            Self::Safe => unreachable!("nothing was lost"),
            Self::OfDisk { disk, .. } => {
                let after = TempDir::with_prefix_in("r2-sim-", folder()).expect("a temporary folder");
                disk.survives(Unsynced::Torn(rng.u64(..)), after.path());
                check::files_in(after.path())
            }
            Self::OfChip(chip) => check::files_of(&mut mount(&chip.copy(), &Bump::new())),
        }
    }
}

/// A disk with the host's store on it.
pub(super) fn disk(crash: usize, syncs_are_lies: bool) -> (Settled, Power) {
    let folder = TempDir::with_prefix_in("r2-sim-", folder()).expect("a temporary folder");
    let disk = Disk::over(folder.path());
    if syncs_are_lies {
        disk.lie_about_syncs();
    }
    let limits = Limits {
        tickets: TICKETS_ON_DISK,
        ..Limits::default()
    };
    let store = DiskStore::open_on(Box::new(disk.clone()), folder.path(), limits);
    let store = Settled(store.expect("a folder"));
    disk.crash_after(crash);
    (
        store,
        Power::OfDisk {
            disk,
            _folder: folder,
        },
    )
}

/// A new chip with a board's store on it.
pub(super) fn flash<'a>(cut: u64, memory: &'a Bump, rng: &mut Rng) -> (FlashStore<'a, Chip>, Power) {
    let chip = Chip::new(SECTORS);
    let store = mount(&chip, memory);
    chip.cut_after(cut, rng.u64(..));
    (store, Power::OfChip(chip))
}

fn mount<'a>(chip: &Chip, memory: &'a Bump) -> FlashStore<'a, Chip> {
    let sectors = Arena(memory).slice(SECTORS, |_| Sector::EMPTY);
    let files = Arena(memory).slice(FILES, |_| File::EMPTY);
    FlashStore::mount(chip.clone(), sectors, files, u64::MAX).expect("a chip of the right size")
}

/// Where files cost least.
fn folder() -> &'static Path {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() {
        memory
    } else {
        Path::new("/tmp")
    }
}
