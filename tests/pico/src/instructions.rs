//! The instructions of ARMv6-M (reference manual, part A), and the cycles that a Cortex-M0+ takes for each.

use crate::core::{Bus, Core, LR, PC, SP};

/// The three bits of a low register's number, from `shift` on.
fn low(op: u16, shift: u16) -> usize {
    usize::from(op >> shift & 7)
}

/// The numbers of the low registers in a list.
fn listed(op: u16) -> impl Iterator<Item = usize> {
    (0..8).filter(move |number| op >> number & 1 != 0)
}

fn sign_of_byte(value: u32) -> u32 {
    (value << 24).cast_signed().wrapping_shr(24).cast_unsigned()
}

fn sign_of_half(value: u32) -> u32 {
    (value << 16).cast_signed().wrapping_shr(16).cast_unsigned()
}

/// What a shift does.
#[derive(Clone, Copy)]
enum Shift {
    Left,
    Right,
    Arithmetic,
    Rotate,
}

impl Core {
    /// Executes the instruction at PC.
    pub(crate) fn execute(&mut self, bus: &mut impl Bus) -> u32 {
        let at = self.r[PC];
        let op = bus.fetch(at);
        self.r[PC] = at.wrapping_add(2);
        let immediate = u32::from(op & 0xff);
        let (register, pc) = (low(op, 8), at.wrapping_add(4));
        match op >> 11 {
            0..=3 => self.shift_or_add(op),
            4..=7 => self.with_immediate(op),
            8 if op & 0x400 == 0 => self.with_registers(op),
            8 => self.with_high_registers(bus, op, at),
            9 => {
                self.r[register] = bus.read((pc & !3).wrapping_add(4 * immediate), 4);
                2
            }
            10 | 11 => self.at_register(bus, op),
            12..=17 => self.at_offset(bus, op),
            18 => {
                bus.write(self.r[SP].wrapping_add(4 * immediate), 4, self.r[register]);
                2
            }
            19 => {
                self.r[register] = bus.read(self.r[SP].wrapping_add(4 * immediate), 4);
                2
            }
            20 | 21 => {
                let base = if op >> 11 == 20 { pc & !3 } else { self.r[SP] };
                self.r[register] = base.wrapping_add(4 * immediate);
                1
            }
            22 | 23 => self.miscellaneous(bus, op),
            24 | 25 => self.several(bus, op),
            26 | 27 if op >> 8 & 15 < 14 => {
                let taken = self.holds(op >> 8 & 15);
                if taken {
                    self.r[PC] = pc.wrapping_add(sign_of_byte(immediate).wrapping_mul(2));
                }
                1 + u32::from(taken)
            }
            28 => {
                let offset = (u32::from(op) << 21)
                    .cast_signed()
                    .wrapping_shr(20)
                    .cast_unsigned();
                self.r[PC] = pc.wrapping_add(offset);
                2
            }
            30 => {
                let second = bus.fetch(at.wrapping_add(2));
                self.r[PC] = pc;
                self.wide(bus, op, second)
            }
            _ => undefined(bus, op),
        }
    }

    pub(crate) fn nz(&mut self, value: u32) -> u32 {
        self.negative = value >> 31 != 0;
        self.zero = value == 0;
        value
    }

    /// Adds, with all four flags; a subtraction is the addition of the complement, with a carry.
    fn add(&mut self, a: u32, b: u32, carry: bool) -> u32 {
        let (sum, first) = a.overflowing_add(b);
        let (sum, second) = sum.overflowing_add(u32::from(carry));
        self.carry = first || second;
        self.overflow = (!(a ^ b) & (a ^ sum)) >> 31 != 0;
        self.nz(sum)
    }

    /// Shifts; the carry is the last bit that was shifted out, and stays as it is where none was.
    fn shift(&mut self, kind: Shift, value: u32, by: u32) -> u32 {
        if by == 0 {
            return self.nz(value);
        }
        let signed = value.cast_signed();
        let (result, carry) = match (kind, by) {
            (Shift::Left, 1..32) => (value << by, value >> (32 - by) & 1),
            (Shift::Left, 32) => (0, value & 1),
            (Shift::Right, 1..32) => (value >> by, value >> (by - 1) & 1),
            (Shift::Right, 32) => (0, value >> 31),
            (Shift::Left | Shift::Right, _) => (0, 0),
            (Shift::Arithmetic, 1..32) => (signed.wrapping_shr(by).cast_unsigned(), value >> (by - 1) & 1),
            (Shift::Arithmetic, _) => (signed.wrapping_shr(31).cast_unsigned(), value >> 31),
            (Shift::Rotate, _) => {
                let turned = value.rotate_right(by & 31);
                (turned, turned >> 31)
            }
        };
        self.carry = carry != 0;
        self.nz(result)
    }

    /// Whether the condition of a branch holds.
    fn holds(&self, condition: u16) -> bool {
        let base = match condition >> 1 {
            0 => self.zero,
            1 => self.carry,
            2 => self.negative,
            3 => self.overflow,
            4 => self.carry && !self.zero,
            5 => self.negative == self.overflow,
            _ => self.negative == self.overflow && !self.zero,
        };
        base != (condition & 1 != 0)
    }

    fn shift_or_add(&mut self, op: u16) -> u32 {
        let (to, from) = (low(op, 0), self.r[low(op, 3)]);
        let by = u32::from(op >> 6 & 31);
        let at_least_one = if by == 0 { 32 } else { by };
        self.r[to] = match op >> 11 {
            0 => self.shift(Shift::Left, from, by),
            1 => self.shift(Shift::Right, from, at_least_one),
            2 => self.shift(Shift::Arithmetic, from, at_least_one),
            _ => {
                let other = if op & 0x400 == 0 {
                    self.r[low(op, 6)]
                } else {
                    by & 7
                };
                if op & 0x200 == 0 {
                    self.add(from, other, false)
                } else {
                    self.add(from, !other, true)
                }
            }
        };
        1
    }

    fn with_immediate(&mut self, op: u16) -> u32 {
        let (register, immediate) = (low(op, 8), u32::from(op & 0xff));
        let value = self.r[register];
        match op >> 11 {
            4 => self.r[register] = self.nz(immediate),
            5 => _ = self.add(value, !immediate, true),
            6 => self.r[register] = self.add(value, immediate, false),
            _ => self.r[register] = self.add(value, !immediate, true),
        }
        1
    }

    fn with_registers(&mut self, op: u16) -> u32 {
        let (d, m) = (low(op, 0), self.r[low(op, 3)]);
        let a = self.r[d];
        let result = match op >> 6 & 15 {
            0 | 8 => self.nz(a & m),
            1 => self.nz(a ^ m),
            2 => self.shift(Shift::Left, a, m & 255),
            3 => self.shift(Shift::Right, a, m & 255),
            4 => self.shift(Shift::Arithmetic, a, m & 255),
            5 => self.add(a, m, self.carry),
            6 => self.add(a, !m, self.carry),
            7 => self.shift(Shift::Rotate, a, m & 255),
            9 => self.add(!m, 0, true),
            10 => self.add(a, !m, true),
            11 => self.add(a, m, false),
            12 => self.nz(a | m),
            13 => self.nz(a.wrapping_mul(m)),
            14 => self.nz(a & !m),
            _ => self.nz(!m),
        };
        // TST, CMP and CMN keep the flags only.
        if !matches!(op >> 6 & 15, 8 | 10 | 11) {
            self.r[d] = result;
        }
        1
    }

    fn with_high_registers(&mut self, bus: &mut impl Bus, op: u16, at: u32) -> u32 {
        let pc = at.wrapping_add(4);
        let (d, m) = (usize::from(op & 7 | op >> 4 & 8), usize::from(op >> 3 & 15));
        let value = if m == PC { pc } else { self.r[m] };
        match op >> 8 & 3 {
            1 => {
                self.add(self.r[d], !value, true);
                1
            }
            3 => {
                if op & 0x80 != 0 {
                    self.r[LR] = at.wrapping_add(2) | 1;
                }
                self.branch(bus, value);
                2
            }
            kind => {
                let base = if d == PC { pc } else { self.r[d] };
                let result = if kind == 0 {
                    base.wrapping_add(value)
                } else {
                    value
                };
                self.r[d] = match d {
                    PC => result & !1,
                    SP => result & !3,
                    _ => result,
                };
                1 + u32::from(d == PC)
            }
        }
    }

    fn at_register(&mut self, bus: &mut impl Bus, op: u16) -> u32 {
        let address = self.r[low(op, 3)].wrapping_add(self.r[low(op, 6)]);
        let t = low(op, 0);
        match op >> 9 & 7 {
            0 => bus.write(address, 4, self.r[t]),
            1 => bus.write(address, 2, self.r[t]),
            2 => bus.write(address, 1, self.r[t]),
            3 => self.r[t] = sign_of_byte(bus.read(address, 1)),
            4 => self.r[t] = bus.read(address, 4),
            5 => self.r[t] = bus.read(address, 2),
            6 => self.r[t] = bus.read(address, 1),
            _ => self.r[t] = sign_of_half(bus.read(address, 2)),
        }
        2
    }

    fn at_offset(&mut self, bus: &mut impl Bus, op: u16) -> u32 {
        let bytes = match op >> 12 {
            6 => 4,
            7 => 1,
            _ => 2,
        };
        let address = self.r[low(op, 3)].wrapping_add(u32::from(op >> 6 & 31) * bytes);
        if op & 0x800 == 0 {
            bus.write(address, bytes, self.r[low(op, 0)]);
        } else {
            self.r[low(op, 0)] = bus.read(address, bytes);
        }
        2
    }

    /// STM and LDM.
    fn several(&mut self, bus: &mut impl Bus, op: u16) -> u32 {
        let (base, loads) = (low(op, 8), op & 0x800 != 0);
        let mut address = self.r[base];
        for number in listed(op) {
            if loads {
                self.r[number] = bus.read(address, 4);
            } else {
                bus.write(address, 4, self.r[number]);
            }
            address = address.wrapping_add(4);
        }
        if !loads || op >> base & 1 == 0 {
            self.r[base] = address;
        }
        1 + (op & 255).count_ones()
    }

    fn miscellaneous(&mut self, bus: &mut impl Bus, op: u16) -> u32 {
        let (d, m) = (low(op, 0), self.r[low(op, 3)]);
        match op >> 8 & 15 {
            0 => {
                let by = u32::from(op & 127) * 4;
                let sp = self.r[SP];
                self.r[SP] = if op & 0x80 == 0 {
                    sp.wrapping_add(by)
                } else {
                    sp.wrapping_sub(by)
                };
                1
            }
            2 => {
                self.r[d] = match op >> 6 & 3 {
                    0 => sign_of_half(m),
                    1 => sign_of_byte(m),
                    2 => m & 0xffff,
                    _ => m & 0xff,
                };
                1
            }
            4 | 5 => self.push(bus, op),
            6 => {
                self.masked = op & 0x10 != 0;
                self.look = true;
                1
            }
            10 if op >> 6 & 3 != 2 => {
                self.r[d] = match op >> 6 & 3 {
                    0 => m.swap_bytes(),
                    1 => m.swap_bytes().rotate_left(16),
                    _ => sign_of_half(m.swap_bytes() >> 16),
                };
                1
            }
            12 | 13 => self.pop(bus, op),
            15 => {
                // WFE and WFI; NOP, YIELD and SEV do nothing.
                if matches!(op >> 4 & 15, 2 | 3) {
                    self.waiting = true;
                    self.look = true;
                }
                1
            }
            _ => undefined(bus, op),
        }
    }

    fn push(&mut self, bus: &mut impl Bus, op: u16) -> u32 {
        let count = (op & 0x1ff).count_ones();
        self.r[SP] = self.r[SP].wrapping_sub(4 * count);
        let mut address = self.r[SP];
        for number in listed(op).chain((op & 0x100 != 0).then_some(LR)) {
            bus.write(address, 4, self.r[number]);
            address = address.wrapping_add(4);
        }
        1 + count
    }

    fn pop(&mut self, bus: &mut impl Bus, op: u16) -> u32 {
        let count = (op & 0x1ff).count_ones();
        let mut address = self.r[SP];
        for number in listed(op) {
            self.r[number] = bus.read(address, 4);
            address = address.wrapping_add(4);
        }
        if op & 0x100 == 0 {
            self.r[SP] = address;
            return 1 + count;
        }
        let to = bus.read(address, 4);
        self.r[SP] = address.wrapping_add(4);
        self.branch(bus, to);
        3 + count
    }

    /// The instructions of 32 bits: BL, barriers, MSR and MRS.
    fn wide(&mut self, bus: &mut impl Bus, op: u16, second: u16) -> u32 {
        if second & 0xd000 == 0xd000 {
            self.branch_with_link(op, second);
            return 3;
        }
        let register = usize::from(second >> 8 & 15);
        match op & 0xfff0 {
            0xf3b0 => {}
            0xf380 => self.set_special(bus, second & 255, self.r[usize::from(op & 15)]),
            0xf3e0 => {
                self.r[register] = match second & 255 {
                    0 => self.psr() & 0xf000_0000,
                    3 => self.psr() & !(1 << 24),
                    5 => self.psr() & 63,
                    8 => self.r[SP],
                    16 => u32::from(self.masked),
                    _ => 0,
                };
            }
            _ => return undefined(bus, op),
        }
        4
    }

    fn branch_with_link(&mut self, op: u16, second: u16) {
        let sign = u32::from(op >> 10 & 1);
        let j1 = !(u32::from(second >> 13 & 1) ^ sign) & 1;
        let j2 = !(u32::from(second >> 11 & 1) ^ sign) & 1;
        let offset =
            sign << 24 | j1 << 23 | j2 << 22 | u32::from(op & 0x3ff) << 12 | u32::from(second & 0x7ff) << 1;
        let next = self.r[PC];
        self.r[LR] = next | 1;
        self.r[PC] = next.wrapping_add((offset << 7).cast_signed().wrapping_shr(7).cast_unsigned());
    }

    fn set_special(&mut self, bus: &mut impl Bus, which: u16, value: u32) {
        match which {
            0..=3 => self.set_flags(value),
            8 => self.r[SP] = value & !3,
            16 => {
                self.masked = value & 1 != 0;
                self.look = true;
            }
            20 if value & 2 != 0 => bus.fault("the process stack is not emulated".to_owned()),
            _ => {}
        }
    }
}

fn undefined(bus: &mut impl Bus, op: u16) -> u32 {
    bus.fault(format!("an instruction that is not there, {op:#06x}"));
    1
}
