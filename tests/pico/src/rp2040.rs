//! The RP2040 around its core (data sheet of 2024): memory, the registers that the image touches, and what is at its pins.
//!
//! A register that has no effect here reads as it was written.

use std::collections::{BTreeMap, VecDeque};

use crate::core::Bus;
use crate::flash::Flash;
use crate::stop::Stop;
use crate::w5500::W5500;
use crate::{MILLISECOND, rom};

/// Bytes of RAM.
const RAM: usize = 264 * 1024;
/// Cycles of a character at 115,200 baud.
const CHARACTER: u64 = 10_850;
/// Cycles of the timer's tick.
const MICROSECOND: u64 = MILLISECOND / 1000;
/// Characters of the UART's transmit FIFO.
const UART_FIFO: u64 = 32;

/// Registers, by address.
const SSI_CONTROL: u32 = 0x1800_0000;
const SSI_MORE: u32 = 0x1800_0004;
const SSI_ENABLE: u32 = 0x1800_0008;
const SSI_STATUS: u32 = 0x1800_0028;
const SSI_DATA: u32 = 0x1800_0060;
const SSI_XIP: u32 = 0x1800_00f4;
const CLOCK_REF: u32 = 0x4000_8030;
const CLOCK_REF_SELECTED: u32 = 0x4000_8038;
const CLOCK_SYS: u32 = 0x4000_803c;
const CLOCK_SYS_SELECTED: u32 = 0x4000_8044;
const RESETS: u32 = 0x4000_c000;
const RESETS_DONE: u32 = 0x4000_c008;
const PSM_ON: u32 = 0x4001_0000;
const PSM_OFF: u32 = 0x4001_0004;
const PSM_DONE: u32 = 0x4001_000c;
/// The function of a pin, eight bytes a pin.
const PIN_FUNCTION: u32 = 0x4001_4004;
const PIN_INTERRUPTS: u32 = 0x4001_4108;
const PIN_INTERRUPTS_NOW: u32 = 0x4001_4128;
const XOSC_STATUS: u32 = 0x4002_4004;
const PLL_SYS: u32 = 0x4002_8000;
const PLL_USB: u32 = 0x4002_c000;
const UART_DATA: u32 = 0x4003_4000;
const UART_FLAGS: u32 = 0x4003_4018;
const UART_MASK: u32 = 0x4003_4038;
const UART_CLEAR: u32 = 0x4003_4044;
const SPI_CONTROL: u32 = 0x4003_c000;
const SPI_DATA: u32 = 0x4003_c008;
const SPI_STATUS: u32 = 0x4003_c00c;
const SPI_PRESCALE: u32 = 0x4003_c010;
const TIMER_HIGH: u32 = 0x4005_4008;
const TIMER_LOW: u32 = 0x4005_400c;
const TIMER_RAW_HIGH: u32 = 0x4005_4024;
const TIMER_RAW_LOW: u32 = 0x4005_4028;
const ROSC_STATUS: u32 = 0x4006_0018;
const ROSC_RANDOM: u32 = 0x4006_001c;
const VREG: u32 = 0x4006_4000;
const GPIO_IN: u32 = 0xd000_0004;
const GPIO_OUT: u32 = 0xd000_0010;
const GPIO_OUT_SET: u32 = 0xd000_0014;
const GPIO_OUT_CLEAR: u32 = 0xd000_0018;
const GPIO_OUT_TURN: u32 = 0xd000_001c;
const GPIO_DRIVEN_SET: u32 = 0xd000_0024;
const GPIO_DRIVEN_CLEAR: u32 = 0xd000_0028;
const SYSTICK: u32 = 0xe000_e010;
const SYSTICK_RELOAD: u32 = 0xe000_e014;
const SYSTICK_NOW: u32 = 0xe000_e018;
const NVIC_ENABLE: u32 = 0xe000_e100;
const NVIC_DISABLE: u32 = 0xe000_e180;
const NVIC_PRIORITY: u32 = 0xe000_e400;
const VECTORS: u32 = 0xe000_ed08;
const RESET_CONTROL: u32 = 0xe000_ed0c;
const SYSTICK_PRIORITY: u32 = 0xe000_ed20;

/// The W5500's pins.
const SELECT: u32 = 17;
const RESET: u32 = 20;
const INTERRUPT: u32 = 21;
/// Low level of pin 21, among the interrupts of pins 16 to 23.
const INTERRUPT_LOW: u32 = 1 << ((INTERRUPT - 16) * 4);
/// Interrupt numbers.
const PINS_IRQ: u32 = 13;
const UART_IRQ: u32 = 20;
/// The UART's interrupt of a character that has come.
const UART_CAME: u32 = 1 << 4;
/// The exception of the core's timer.
const SYSTICK_EXCEPTION: u32 = 15;

/// Chip and controller.
#[derive(Debug)]
pub(crate) struct Chip {
    /// Cycles since the start.
    pub(crate) now: u64,
    pub(crate) ram: Vec<u8>,
    rom: Vec<u8>,
    pub(crate) flash: Flash,
    pub(crate) w5500: W5500,
    /// The flash is where code is read from; not while it is told commands.
    pub(crate) xip: bool,
    registers: BTreeMap<u32, u32>,
    ssi_sent: Vec<u32>,
    ssi_received: VecDeque<u8>,
    spi_received: VecDeque<u8>,
    random: u64,
    systick_at: u64,
    systick_pending: bool,
    enabled: u32,
    out: u32,
    driven: u32,
    typed: VecDeque<u8>,
    uart_raised: u32,
    uart_busy: u64,
    /// What the console has shown.
    pub(crate) screen: Vec<u8>,
    /// Frames on the cable: when each has come.
    pub(crate) cable: VecDeque<(u64, Vec<u8>)>,
    /// The image has reset the core.
    pub(crate) restart: bool,
    /// Interrupts may have changed.
    pub(crate) changed: bool,
    faulted: Option<String>,
    pub(crate) stop: Option<Stop>,
}

impl Chip {
    pub(crate) fn new() -> Self {
        Self {
            now: 0,
            ram: vec![0; RAM],
            rom: rom::image(),
            flash: Flash::new(),
            w5500: W5500::new(),
            xip: false,
            registers: BTreeMap::new(),
            ssi_sent: Vec::new(),
            ssi_received: VecDeque::new(),
            spi_received: VecDeque::new(),
            random: 0x9e37_79b9_7f4a_7c15,
            systick_at: u64::MAX,
            systick_pending: false,
            enabled: 0,
            out: 0,
            driven: 0,
            typed: VecDeque::new(),
            uart_raised: 0,
            uart_busy: 0,
            screen: Vec::new(),
            cable: VecDeque::new(),
            restart: false,
            changed: false,
            faulted: None,
            stop: None,
        }
    }

    /// Resets what the core's reset resets: the rest stays as it is.
    pub(crate) fn reset_core(&mut self) {
        self.restart = false;
        self.enabled = 0;
        self.systick_at = u64::MAX;
        self.systick_pending = false;
        self.registers.insert(SYSTICK, 0);
        self.talk_to_flash();
    }

    /// Ends the run.
    pub(crate) fn misused(&mut self, what: String) {
        self.stop.get_or_insert(Stop::Misuse(what));
    }

    pub(crate) fn register(&self, at: u32) -> u32 {
        self.registers.get(&at).copied().unwrap_or(0)
    }

    /// A word of RAM; 0 where there is none.
    pub(crate) fn word(&self, address: u32) -> u32 {
        let at = (address & 0xff_ffff) as usize;
        let bytes = self.ram.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
        u32::from_le_bytes(bytes.unwrap_or_default())
    }

    /// Bytes are typed at the console.
    pub(crate) fn type_in(&mut self, bytes: &[u8]) {
        self.typed.extend(bytes);
        self.uart_raised |= UART_CAME;
        self.changed = true;
    }

    /// When something happens by itself next.
    pub(crate) fn next(&self) -> u64 {
        let cable = self.cable.front().map_or(u64::MAX, |(at, _)| *at);
        self.systick_at.min(self.w5500.next()).min(cable)
    }

    /// Does what is due.
    pub(crate) fn advance(&mut self) {
        if self.systick_at <= self.now {
            // However many ticks went by, one is pending.
            let period = u64::from(self.register(SYSTICK_RELOAD)) + 1;
            self.systick_at += (self.now - self.systick_at) / period * period + period;
            self.systick_pending |= self.register(SYSTICK) & 2 != 0;
        }
        self.w5500.advance(self.now);
        while self.cable.front().is_some_and(|(at, _)| *at <= self.now) {
            let Some((_, frame)) = self.cable.pop_front() else {
                break;
            };
            self.w5500.receive(&frame);
        }
        self.changed = true;
    }

    /// Lets the flash hear commands by single SPI: code cannot be read from it.
    pub(crate) fn talk_to_flash(&mut self) {
        self.registers.insert(SSI_CONTROL, 7 << 16);
        self.registers.insert(SSI_ENABLE, 1);
        self.xip = false;
    }

    /// Has the flash answer what was sent.
    fn settle(&mut self) {
        let sent = std::mem::take(&mut self.ssi_sent);
        if sent.is_empty() {
            return;
        }
        let control = self.register(SSI_CONTROL);
        if control >> 16 & 31 == 31 {
            // boot2's first read in quad mode, with what makes the flash go on in it.
            self.ssi_received.push_back(0);
            return;
        }
        let bytes: Vec<u8> = sent.iter().map(|word| word.to_le_bytes()[0]).collect();
        let reads_behind = control >> 8 & 3 == 3;
        let more = if reads_behind {
            self.register(SSI_MORE) as usize + 1
        } else {
            0
        };
        let Some(mut answer) = self.flash.exchange(&bytes, more) else {
            return self.misused(format!("a command that the flash does not know: {bytes:02x?}"));
        };
        if reads_behind {
            answer.drain(..bytes.len());
        }
        self.ssi_received.extend(answer);
    }

    /// The levels of the pins.
    fn pins(&self) -> u32 {
        let interrupt = u32::from(!self.w5500.interrupts_now()) << INTERRUPT;
        self.out & self.driven | interrupt
    }

    fn drive(&mut self, at: u32, value: u32) {
        match at {
            GPIO_OUT => self.out = value,
            GPIO_OUT_SET => self.out |= value,
            GPIO_OUT_CLEAR => self.out &= !value,
            GPIO_OUT_TURN => self.out ^= value,
            GPIO_DRIVEN_SET => self.driven |= value,
            _ => self.driven &= !value,
        }
        let low = |pin: u32| (self.driven & !self.out) >> pin & 1 != 0;
        let (select, reset) = (low(SELECT), low(RESET));
        self.w5500.select(select);
        self.w5500.set_reset(reset, self.now);
    }

    /// A byte to the W5500, and one from it.
    fn exchange(&mut self, byte: u8) {
        let control = self.register(SPI_CONTROL);
        let divisor = u64::from(self.register(SPI_PRESCALE)) * u64::from(1 + (control >> 8 & 255));
        let connected = [16, 18, 19]
            .iter()
            .all(|pin| self.register(PIN_FUNCTION + 8 * pin) & 31 == 1);
        if divisor < 4 || control & 0xff != 7 || !connected {
            self.misused("SPI faster than 33 MHz, not in mode 0, or not at its pins".to_owned());
        }
        // Some of it passes while the driver asks for it.
        self.now += (8 * divisor).saturating_sub(12);
        let answer = self.w5500.exchange(byte, self.now);
        self.spi_received.push_back(answer);
    }

    fn read_device(&mut self, at: u32) -> u32 {
        match at {
            SSI_STATUS => {
                self.settle();
                6 | u32::from(!self.ssi_received.is_empty()) << 3
            }
            SSI_DATA => {
                self.settle();
                self.ssi_received.pop_front().unwrap_or(0).into()
            }
            CLOCK_REF_SELECTED => 1 << (self.register(CLOCK_REF) & 3),
            CLOCK_SYS_SELECTED => 1 << (self.register(CLOCK_SYS) & 1),
            RESETS_DONE => !self.register(RESETS) & 0x01ff_ffff,
            PSM_DONE => 0x1_ffff & !self.register(PSM_OFF) | self.register(PSM_ON),
            PIN_INTERRUPTS_NOW => {
                let low = self.pins() >> INTERRUPT & 1 == 0;
                self.register(PIN_INTERRUPTS) & if low { INTERRUPT_LOW } else { 0 }
            }
            XOSC_STATUS | ROSC_STATUS => 0x8000_1000,
            PLL_SYS | PLL_USB => self.register(at) | 1 << 31,
            UART_DATA => self.typed.pop_front().unwrap_or(0).into(),
            UART_FLAGS => {
                let waiting = self.uart_busy.saturating_sub(self.now).div_ceil(CHARACTER);
                u32::from(self.typed.is_empty()) << 4
                    | u32::from(waiting >= UART_FIFO) << 5
                    | u32::from(waiting == 0) << 7
            }
            SPI_DATA => self.spi_received.pop_front().unwrap_or(0).into(),
            SPI_STATUS => 3 | u32::from(!self.spi_received.is_empty()) << 2,
            TIMER_HIGH | TIMER_RAW_HIGH => low_word((self.now / MICROSECOND) >> 32),
            TIMER_LOW | TIMER_RAW_LOW => low_word(self.now / MICROSECOND),
            ROSC_RANDOM => {
                self.random ^= self.random << 13;
                self.random ^= self.random >> 7;
                self.random ^= self.random << 17;
                low_word(self.random) & 1
            }
            VREG => 0xb1,
            GPIO_IN => self.pins(),
            GPIO_OUT => self.out,
            SYSTICK => self.register(at) | u32::from(self.systick_pending) << 16,
            SYSTICK_NOW if self.systick_at == u64::MAX => 0,
            SYSTICK_NOW => low_word(self.systick_at.saturating_sub(self.now)),
            RESET_CONTROL => 0xfa05_0000,
            _ => self.register(at),
        }
    }

    fn write_device(&mut self, at: u32, value: u32) {
        self.changed = true;
        match at {
            SSI_DATA => self.ssi_sent.push(value),
            SSI_ENABLE => {
                self.registers.insert(at, value);
                self.ssi_sent.clear();
                self.ssi_received.clear();
                let (control, xip) = (self.register(SSI_CONTROL), self.register(SSI_XIP));
                let quad = control >> 21 & 3 == 2 && control >> 16 & 31 == 31 && control >> 8 & 3 == 3;
                self.xip = value & 1 != 0 && quad && (xip >> 8).trailing_zeros() >= 2 && xip >> 24 == 0xa0;
            }
            UART_DATA => {
                self.uart_busy = self.uart_busy.max(self.now) + CHARACTER;
                self.screen.push(value.to_le_bytes()[0]);
            }
            UART_CLEAR => self.uart_raised &= !value,
            SPI_DATA => self.exchange(value.to_le_bytes()[0]),
            GPIO_OUT | GPIO_OUT_SET | GPIO_OUT_CLEAR | GPIO_OUT_TURN | GPIO_DRIVEN_SET
            | GPIO_DRIVEN_CLEAR => {
                self.drive(at, value);
            }
            SYSTICK => {
                let ran = self.register(at) & 1 != 0;
                self.registers.insert(at, value & 7);
                if value & 1 != 0 && !ran {
                    self.systick_at = self.now + u64::from(self.register(SYSTICK_RELOAD)) + 1;
                }
            }
            NVIC_ENABLE => self.enabled |= value,
            NVIC_DISABLE => self.enabled &= !value,
            RESET_CONTROL => self.restart = value >> 16 == 0x05fa && value & 4 != 0,
            _ => {
                self.registers.insert(at, value);
            }
        }
    }

    /// The interrupts that are raised.
    fn raised(&self) -> u32 {
        let pin = self.w5500.interrupts_now() && self.register(PIN_INTERRUPTS) & INTERRUPT_LOW != 0;
        let uart = self.uart_raised & self.register(UART_MASK) != 0;
        u32::from(pin) << PINS_IRQ | u32::from(uart) << UART_IRQ
    }

    /// The memory at an address, and where in it.
    fn memory(&mut self, address: u32) -> Option<(&[u8], usize)> {
        let at = (address & 0xff_ffff) as usize;
        match address >> 24 {
            0x20 => Some((&self.ram, at)),
            0x10..=0x13 if self.xip => Some((&self.flash.bytes, at)),
            0x10..=0x13 => {
                self.misused(format!("the flash is read at {address:#010x} while it is busy"));
                Some((&self.flash.bytes, at))
            }
            0 => Some((&self.rom, at)),
            _ => None,
        }
    }
}

#[allow(
    clippy::cast_possible_truncation,
    reason = "the low word is what is asked for"
)]
fn low_word(value: u64) -> u32 {
    value as u32
}

/// Whether a device may be there: the flash's controllers, and what is behind the memories. Below RAM, where a stack goes
/// that is too deep, there is none.
fn is_device(address: u32) -> bool {
    matches!(address >> 24, 0x14..=0x18 | 0x40..)
}

/// Where their registers have no aliases that set, clear and turn bits.
const PLAIN: u32 = 0xd000_0000;
/// Cycles of an access to a device.
const DEVICE: u64 = 2;

impl Bus for Chip {
    fn read(&mut self, address: u32, bytes: u32) -> u32 {
        if !address.is_multiple_of(bytes) {
            self.fault(format!("an unaligned read at {address:#010x}"));
            return 0;
        }
        if let Some((memory, at)) = self.memory(address) {
            let read = match (memory.get(at..), bytes) {
                (Some([byte, ..]), 1) => Some(u32::from(*byte)),
                (Some([a, b, ..]), 2) => Some(u32::from(u16::from_le_bytes([*a, *b]))),
                (Some([a, b, c, d, ..]), 4) => Some(u32::from_le_bytes([*a, *b, *c, *d])),
                _ => None,
            };
            if read.is_none() {
                self.fault(format!("a read at {address:#010x}"));
            }
            return read.unwrap_or(0);
        }
        if !is_device(address) {
            self.fault(format!("a read at {address:#010x}"));
            return 0;
        }
        self.now += DEVICE;
        let at = if address < PLAIN {
            address & !0x3003
        } else {
            address & !3
        };
        let value = self.read_device(at) >> (8 * (address & 3));
        match bytes {
            1 => value & 0xff,
            2 => value & 0xffff,
            _ => value,
        }
    }

    fn write(&mut self, address: u32, bytes: u32, value: u32) {
        let in_ram = address >> 24 == 0x20;
        if !address.is_multiple_of(bytes) || !in_ram && !is_device(address) {
            self.fault(format!("a write at {address:#010x}"));
            return;
        }
        if in_ram {
            let at = (address & 0xff_ffff) as usize;
            match self.ram.get_mut(at..at + bytes as usize) {
                Some(to) => to.copy_from_slice(&value.to_le_bytes()[..bytes as usize]),
                None => self.fault(format!("a write at {address:#010x}")),
            }
            return;
        }
        self.now += DEVICE;
        // A narrow write comes on all lanes.
        let value = match bytes {
            1 => (value & 0xff) * 0x0101_0101,
            2 => (value & 0xffff) * 0x0001_0001,
            _ => value,
        };
        if address >= PLAIN {
            return self.write_device(address & !3, value);
        }
        let at = address & !0x3003;
        let was = self.register(at);
        let value = match address >> 12 & 3 {
            0 => value,
            1 => was ^ value,
            2 => was | value,
            _ => was & !value,
        };
        self.write_device(at, value);
    }

    fn fetch(&mut self, address: u32) -> u16 {
        let at = (address & 0xff_ffff) as usize;
        let memory = match address >> 24 {
            0x10 if self.xip => &self.flash.bytes,
            0x20 => &self.ram,
            0x10 => {
                self.misused(format!("code is read at {address:#010x} while the flash is busy"));
                return 0xbf00;
            }
            _ => {
                self.fault(format!("no code is at {address:#010x}"));
                return 0xbf00;
            }
        };
        if let Some(&[low, high]) = memory.get(at..at + 2) {
            return u16::from_le_bytes([low, high]);
        }
        self.fault(format!("no code is at {address:#010x}"));
        0xbf00
    }

    fn fault(&mut self, why: String) {
        self.faulted.get_or_insert(why);
    }

    fn faulted(&mut self) -> Option<String> {
        self.faulted.take()
    }

    fn pending(&self) -> Option<(u32, u8)> {
        let lines = self.raised() & self.enabled;
        let tick = self.systick_pending.then_some(SYSTICK_EXCEPTION);
        let raised = [PINS_IRQ, UART_IRQ]
            .into_iter()
            .filter(|irq| lines >> irq & 1 != 0)
            .map(|irq| 16 + irq);
        tick.into_iter()
            .chain(raised)
            .map(|exception| (exception, self.priority(exception)))
            .min_by_key(|(_, priority)| *priority)
    }

    fn acknowledge(&mut self, exception: u32) {
        if exception == SYSTICK_EXCEPTION {
            self.systick_pending = false;
        }
    }

    fn priority(&self, exception: u32) -> u8 {
        let word = match exception {
            SYSTICK_EXCEPTION => self.register(SYSTICK_PRIORITY) >> 24,
            16.. => self.register(NVIC_PRIORITY + ((exception - 16) & !3)) >> (8 * (exception & 3)),
            _ => 0,
        };
        (word >> 6 & 3) as u8
    }

    fn vectors(&self) -> u32 {
        self.register(VECTORS)
    }
}
