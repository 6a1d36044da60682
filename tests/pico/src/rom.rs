//! The boot ROM (data sheet, section 2.8): a table of functions, which the emulator does itself when the core comes to them.

use crate::MILLISECOND;
use crate::core::{Bus as _, LR, PC};
use crate::flash::{PAGE, SECTOR};
use crate::rp2040::Chip;

/// Bytes of the ROM.
const SIZE: u32 = 0x4000;
/// The functions by their two letters, four bytes a function from [`CODE`] on.
const FUNCTIONS: [[u8; 2]; 10] = [
    *b"MC", *b"C4", *b"MS", *b"S4", *b"IF", *b"EX", *b"RE", *b"RP", *b"FC", *b"CX",
];
const CODE: u16 = 0x1000;
/// Where their table is, and the function that looks into it.
const TABLE: u16 = 0x200;
const LOOK_UP: u16 = 0x0f00;
/// How long a sector and a page typically take: W25Q16JV data sheet, section 9.6.
const ERASE: u64 = 45 * MILLISECOND;
const WRITE: u64 = 2 * MILLISECOND / 5;
/// Cycles of a call.
const CALL: u64 = 20;

/// The ROM's bytes: magic, version, and the tables.
pub(crate) fn image() -> Vec<u8> {
    let mut rom = vec![0; SIZE as usize];
    let mut put = |at: u16, bytes: &[u8]| rom[usize::from(at)..][..bytes.len()].copy_from_slice(bytes);
    put(0x10, b"Mu\x01\x03");
    put(0x14, &TABLE.to_le_bytes());
    put(0x16, &0x0300_u16.to_le_bytes());
    put(0x18, &(LOOK_UP | 1).to_le_bytes());
    for (i, name) in (0..).zip(FUNCTIONS) {
        put(TABLE + 4 * i, &name);
        put(TABLE + 4 * i + 2, &(CODE + 4 * i + 1).to_le_bytes());
    }
    rom
}

/// Whether the core is in the ROM.
pub(crate) fn holds(pc: u32) -> bool {
    pc < SIZE
}

/// Does what is called, and returns.
pub(crate) fn call(chip: &mut Chip, r: &mut [u32; 16]) {
    if r[PC] == u32::from(LOOK_UP) {
        look_up(chip, r);
    } else {
        let number = r[PC].wrapping_sub(CODE.into()) / 4;
        match FUNCTIONS.get(number as usize) {
            Some(name) => function(chip, *name, r[0], r[1], r[2]),
            None => chip.misused(format!("a call of {:#010x} in the ROM", r[PC])),
        }
    }
    r[PC] = r[LR] & !1;
    chip.now += CALL;
}

fn look_up(chip: &mut Chip, r: &mut [u32; 16]) {
    let wanted = r[1].to_le_bytes();
    let found = (0..).zip(FUNCTIONS).find(|(_, name)| name[..] == wanted[..2]);
    match found {
        Some((i, _)) => r[0] = u32::from(CODE) + 4 * i + 1,
        None => chip.misused(format!("the ROM has no function {wanted:02x?}")),
    }
}

fn function(chip: &mut Chip, name: [u8; 2], a: u32, b: u32, length: u32) {
    match &name {
        b"MC" | b"C4" => {
            for i in 0..length {
                let byte = chip.read(b.wrapping_add(i), 1);
                chip.write(a.wrapping_add(i), 1, byte);
            }
        }
        b"MS" | b"S4" => (0..length).for_each(|i| chip.write(a.wrapping_add(i), 1, b)),
        b"IF" => chip.xip = false,
        b"EX" => chip.talk_to_flash(),
        b"RE" => erase(chip, a as usize, b as usize),
        b"RP" => write(chip, a as usize, b, length),
        // FC empties the cache, and CX goes back to slow reads, which boot2 makes fast.
        _ => {}
    }
}

fn erase(chip: &mut Chip, at: usize, length: usize) {
    if chip.xip || !chip.flash.erase(at, length) {
        return chip.misused(format!("{length} bytes of flash are erased at {at:#x}"));
    }
    chip.now += (length / SECTOR) as u64 * ERASE;
}

fn write(chip: &mut Chip, at: usize, from: u32, length: u32) {
    let bytes: Vec<u8> = (0..length)
        .map(|i| chip.read(from.wrapping_add(i), 1).to_le_bytes()[0])
        .collect();
    if chip.xip || !chip.flash.write(at, &bytes) {
        return chip.misused(format!("{length} bytes of flash are written at {at:#x}"));
    }
    chip.now += (bytes.len() / PAGE) as u64 * WRITE;
}
