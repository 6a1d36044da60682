//! Every store, whatever it holds: each of its calls.

use core::hint::black_box;

use r2_core::store::flash::{self, FlashStore, Sector};
use r2_core::store::ram::{self, Block, RamStore};
use r2_core::store::{Store, StoreError, Ticket, Upload};

use crate::opaque::{Flash, bytes, name, room};

pub(crate) fn all() {
    let blocks: &mut [Block] = black_box(&mut []);
    let files: &mut [ram::File] = black_box(&mut []);
    drive(RamStore::new(blocks, files, black_box(0)));
    let sectors: &mut [Sector] = black_box(&mut []);
    let files: &mut [flash::File] = black_box(&mut []);
    if let Ok(store) = FlashStore::mount(Flash, sectors, files, black_box(0)) {
        drive(store);
    }
    let why = black_box(StoreError::Io);
    black_box((why.code(), why.text()));
}

#[inline(never)]
fn drive(store: impl Store) {
    let mut store = black_box(store);
    let ticket = black_box(Ticket::new(0));
    match black_box(0) {
        0 => {
            black_box(store.claim());
        }
        1 => {
            let _ = black_box(store.create(&ticket, Upload::Numbered));
        }
        2 => {
            let upload = Upload::Named {
                name: &name(),
                length: 0,
                sha256: None,
            };
            let _ = black_box(store.create(&ticket, black_box(upload)));
        }
        3 => {
            let _ = black_box(store.append(&ticket, bytes()));
        }
        4 => {
            black_box(store.written(&ticket));
        }
        5 => {
            let _ = black_box(store.seal(&ticket));
        }
        6 => store.confirm(ticket),
        7 => store.release(ticket),
        8 => {
            let _ = black_box(store.open(&ticket, &name()));
        }
        9 => {
            let _ = black_box(store.read(&ticket, black_box(0), room()));
        }
        10 => {
            let _ = black_box(store.next(&ticket, black_box(Some(&name()))));
        }
        11 => {
            let _ = black_box(store.delete(&ticket, &name()));
        }
        12 => {
            black_box(store.usage());
        }
        _ => {
            black_box(store.revision());
        }
    }
    black_box(store);
}
