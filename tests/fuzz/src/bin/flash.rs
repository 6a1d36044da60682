//! The store on flash: any calls, any power cut, and flash that holds anything when it is mounted.
#![no_main]

use std::task::Poll;

use bumpalo::Bump;
use embedded_storage::nor_flash::{ErrorType, NorFlash, NorFlashErrorKind, ReadNorFlash};
use libfuzzer_sys::fuzz_target;
use r2_core::name::Name;
use r2_core::store::flash::{File, FlashStore, Sector};
use r2_core::store::{Store, Ticket, Upload};
use r2_fuzz::{Choices, Memory};
use r2_node::Storage as _;

const SECTOR: usize = 1024;
const SECTORS: usize = 24;
const FILES: usize = 4;

fuzz_target!(|input: &[u8]| {
    let mut choices = Choices(input);
    let mut chip = vec![0xff; SECTOR * SECTORS];
    for _ in 0..choices.byte() % 8 {
        let at = usize::from(choices.short()) % chip.len();
        for (place, byte) in chip[at..].iter_mut().zip(choices.piece()) {
            *place = *byte;
        }
    }
    for _ in 0..3 {
        let bump = Bump::new();
        let mut memory = Memory(&bump);
        let (sectors, files) = (
            memory.slice(SECTORS, |_| Sector::EMPTY),
            memory.slice(FILES, |_| File::EMPTY),
        );
        let power = match choices.byte() {
            255 => usize::MAX,
            operations => operations.into(),
        };
        let flash = Flash {
            bytes: &mut chip,
            power,
        };
        let Ok(mut store) = FlashStore::mount(flash, sectors, files, 3000) else {
            continue;
        };
        play(&mut store, &mut choices);
    }
});

fn play(store: &mut impl Store, choices: &mut Choices<'_>) {
    let mut tickets: Vec<Ticket> = Vec::new();
    let names = ["a", "bb", "c.txt", "drop-0001"].map(|name| Name::parse(name).expect("a name"));
    for _ in 0..choices.byte() {
        let choice = choices.byte();
        let name = &names[usize::from(choice >> 6)];
        if tickets.len() < 3 && choice % 10 < 3 {
            let Some(ticket) = store.claim() else { continue };
            let upload = match choice % 10 {
                0 => Upload::Numbered,
                1 => Upload::Named {
                    name,
                    length: choices.short().into(),
                    sha256: None,
                },
                _ => Upload::Named {
                    name,
                    length: 4,
                    sha256: Some([choices.byte() % 2; 32]),
                },
            };
            if settle(|| store.create(&ticket, upload)).is_ok() {
                tickets.push(ticket);
            } else {
                store.release(ticket);
            }
            continue;
        }
        let Some(ticket) = tickets.last() else { continue };
        match choice % 10 {
            0..4 => {
                let piece = choices.piece().repeat(usize::from(choices.byte() % 8));
                if !piece.is_empty()
                    && let Ok(taken) = settle(|| store.append(ticket, &piece))
                {
                    assert!((1..=piece.len()).contains(&taken));
                }
            }
            4 => {
                let _ = settle(|| store.seal(ticket));
            }
            5 => tickets.pop().into_iter().for_each(|ticket| store.confirm(ticket)),
            6 => tickets.pop().into_iter().for_each(|ticket| store.release(ticket)),
            7 => {
                let _ = settle(|| store.delete(ticket, name));
            }
            8 => list(store, ticket),
            _ => tickets.rotate_left(1),
        }
    }
    if let Some(ticket) = store.claim() {
        list(store, &ticket);
        for name in &names {
            if let Ok(entry) = settle(|| store.open(&ticket, name)) {
                let (mut at, mut room) = (0, [0; 100]);
                while let Ok(count @ 1..) = settle(|| store.read(&ticket, at, &mut room)) {
                    at += count as u64;
                }
                assert!(at <= entry.length);
            }
        }
    }
}

fn list(store: &mut impl Store, ticket: &Ticket) {
    let mut after: Option<Name> = None;
    while let Ok(Some(entry)) = settle(|| store.next(ticket, after.as_ref())) {
        assert!(
            after.as_ref().is_none_or(|after| *after < entry.name),
            "out of order"
        );
        after = Some(entry.name);
    }
}

fn settle<T>(mut ask: impl FnMut() -> Poll<T>) -> T {
    for _ in 0..10_000 {
        if let Poll::Ready(answer) = ask() {
            return answer;
        }
    }
    panic!("the store never answers");
}

/// Flash that loses its power after so many operations: in the middle of the last.
struct Flash<'c> {
    bytes: &'c mut [u8],
    power: usize,
}

impl Flash<'_> {
    fn operate(
        &mut self,
        range: std::ops::Range<usize>,
        work: impl Fn(usize, &mut u8),
    ) -> Result<(), NorFlashErrorKind> {
        let half = range.len() / 2;
        let length = match self.power {
            0 => return Err(NorFlashErrorKind::Other),
            1 => half,
            _ => range.len(),
        };
        self.power -= 1;
        for (at, byte) in self.bytes[range].iter_mut().enumerate().take(length) {
            work(at, byte);
        }
        if self.power == 0 {
            Err(NorFlashErrorKind::Other)
        } else {
            Ok(())
        }
    }
}

impl ErrorType for Flash<'_> {
    type Error = NorFlashErrorKind;
}

impl ReadNorFlash for Flash<'_> {
    const READ_SIZE: usize = 1;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), NorFlashErrorKind> {
        let at = offset as usize;
        bytes.copy_from_slice(&self.bytes[at..at + bytes.len()]);
        Ok(())
    }

    fn capacity(&self) -> usize {
        self.bytes.len()
    }
}

impl NorFlash for Flash<'_> {
    const WRITE_SIZE: usize = 4;
    const ERASE_SIZE: usize = SECTOR;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), NorFlashErrorKind> {
        self.operate(from as usize..to as usize, |_, byte| *byte = 0xff)
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), NorFlashErrorKind> {
        let at = offset as usize;
        self.operate(at..at + bytes.len(), |place, byte| *byte &= bytes[place])
    }
}
