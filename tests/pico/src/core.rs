//! A Cortex-M0+: its registers, its flags and its exceptions (ARMv6-M reference manual, part B). What it executes is in
//! `instructions`; the bus is the board's.

use crate::stop::Stop;

/// What the core reads, writes and is interrupted by.
pub(crate) trait Bus {
    /// Reads 1, 2 or 4 bytes.
    fn read(&mut self, address: u32, bytes: u32) -> u32;
    /// Writes 1, 2 or 4 bytes: the low ones of `value`.
    fn write(&mut self, address: u32, bytes: u32, value: u32);
    /// Reads half an instruction, or a whole one.
    fn fetch(&mut self, address: u32) -> u16;
    /// Makes the instruction that is executed a hard fault.
    fn fault(&mut self, why: String);
    /// What is wrong with the accesses since the last call.
    fn faulted(&mut self) -> Option<String>;
    /// The most urgent exception that is pending and enabled: its number and priority.
    fn pending(&self) -> Option<(u32, u8)>;
    /// The exception is taken.
    fn acknowledge(&mut self, exception: u32);
    /// The exception's priority: 0 is the most urgent one that can be set.
    fn priority(&self, exception: u32) -> u8;
    /// The address of the vectors.
    fn vectors(&self) -> u32;
}

pub(crate) const SP: usize = 13;
pub(crate) const LR: usize = 14;
pub(crate) const PC: usize = 15;

/// The number of the exception for faults.
const HARD_FAULT: u32 = 3;
/// Less urgent than any exception.
const THREAD: u8 = 4;
/// LR of a handler that goes back to a handler, or to the thread on the main stack.
const TO_HANDLER: u32 = 0xffff_fff1;
const TO_THREAD: u32 = 0xffff_fff9;
/// Branches to such addresses end an exception.
const RETURNS: u32 = 0xf000_0000;

/// The core. After reset, R0 to R15 are what the boot ROM makes of them.
#[derive(Debug, Default)]
pub(crate) struct Core {
    pub(crate) r: [u32; 16],
    pub(crate) negative: bool,
    pub(crate) zero: bool,
    pub(crate) carry: bool,
    pub(crate) overflow: bool,
    /// PRIMASK: no exception but a fault is taken.
    pub(crate) masked: bool,
    /// It sleeps until an exception is pending.
    pub(crate) waiting: bool,
    /// The exceptions that are being handled, innermost last.
    active: Vec<u32>,
    /// Something may have become pending, or more urgent than what is running.
    pub(crate) look: bool,
}

impl Core {
    /// The flags, the bit of the Thumb state, and the exception that is handled.
    pub(crate) fn psr(&self) -> u32 {
        u32::from(self.negative) << 31
            | u32::from(self.zero) << 30
            | u32::from(self.carry) << 29
            | u32::from(self.overflow) << 28
            | 1 << 24
            | self.active.last().copied().unwrap_or(0)
    }

    pub(crate) fn set_flags(&mut self, psr: u32) {
        self.negative = psr >> 31 & 1 != 0;
        self.zero = psr >> 30 & 1 != 0;
        self.carry = psr >> 29 & 1 != 0;
        self.overflow = psr >> 28 & 1 != 0;
    }

    /// Takes the exception that is due, if one is.
    pub(crate) fn serve(&mut self, bus: &mut impl Bus) -> Result<(), Stop> {
        self.look = false;
        let Some((exception, priority)) = bus.pending() else {
            return Ok(());
        };
        // It wakes the core even where it is masked.
        self.waiting = false;
        let handled = self.active.iter().map(|active| bus.priority(*active)).min();
        if self.masked || self.handles_a_fault() || priority >= handled.unwrap_or(THREAD) {
            return Ok(());
        }
        bus.acknowledge(exception);
        self.enter(bus, exception);
        self.fault(bus, self.r[PC])
    }

    /// Executes one instruction; returns the cycles that it takes.
    pub(crate) fn step(&mut self, bus: &mut impl Bus) -> Result<u32, Stop> {
        let at = self.r[PC];
        let cycles = self.execute(bus);
        self.fault(bus, at)?;
        Ok(cycles)
    }

    /// Makes a hard fault of what went wrong in the instruction at `at`, if something did.
    fn fault(&mut self, bus: &mut impl Bus, at: u32) -> Result<(), Stop> {
        let Some(why) = bus.faulted() else {
            return Ok(());
        };
        if self.handles_a_fault() {
            return Err(Stop::Lockup(format!("{why}, in the handler of a hard fault")));
        }
        self.r[PC] = at;
        self.enter(bus, HARD_FAULT);
        match bus.faulted() {
            None => Ok(()),
            Some(frame) => Err(Stop::Lockup(format!("{why}; {frame}, which is the stack"))),
        }
    }

    fn handles_a_fault(&self) -> bool {
        self.active.contains(&HARD_FAULT)
    }

    /// Pushes the frame and goes to the handler.
    fn enter(&mut self, bus: &mut impl Bus, exception: u32) {
        let padded = self.r[SP] & 4 != 0;
        let frame = self.r[SP].wrapping_sub(32) & !7;
        let psr = self.psr() | u32::from(padded) << 9;
        let [r0, r1, r2, r3, .., r12, _, lr, pc] = self.r;
        for (address, value) in (0..)
            .map(|i| frame.wrapping_add(4 * i))
            .zip([r0, r1, r2, r3, r12, lr, pc, psr])
        {
            bus.write(address, 4, value);
        }
        self.r[SP] = frame;
        self.r[LR] = if self.active.is_empty() {
            TO_THREAD
        } else {
            TO_HANDLER
        };
        self.active.push(exception);
        self.r[PC] = bus.read(bus.vectors().wrapping_add(4 * exception), 4) & !1;
    }

    /// Pops the frame of the innermost exception.
    fn leave(&mut self, bus: &mut impl Bus) {
        let frame = self.r[SP];
        for (i, to) in (0..).zip([0, 1, 2, 3, 12, LR, PC]) {
            self.r[to] = bus.read(frame.wrapping_add(4 * i), 4);
        }
        let psr = bus.read(frame.wrapping_add(28), 4);
        self.r[SP] = frame.wrapping_add(32) | (psr >> 9 & 1) << 2;
        self.set_flags(psr);
        self.active.pop();
        self.look = true;
    }

    /// Branches to an address of Thumb code, or back from an exception.
    pub(crate) fn branch(&mut self, bus: &mut impl Bus, to: u32) {
        if to >= RETURNS && !self.active.is_empty() {
            self.leave(bus);
        } else if to & 1 == 0 {
            bus.fault(format!("a branch to Arm code at {to:#010x}"));
        } else {
            self.r[PC] = to & !1;
        }
    }
}
