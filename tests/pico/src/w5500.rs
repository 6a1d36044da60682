//! Wiznet's W5500 (data sheet v1.1.0), as much as one socket in MACRAW mode needs.

use std::collections::VecDeque;

/// Common registers.
const MAC: usize = 0x09;
const SIR: usize = 0x17;
const SIMR: usize = 0x18;
const VERSIONR: usize = 0x39;
/// Registers of a socket.
const MR: usize = 0x00;
const CR: usize = 0x01;
const IR: usize = 0x02;
const SR: usize = 0x03;
const RX_SIZE: usize = 0x1e;
const TX_SIZE: usize = 0x1f;
const TX_FREE: usize = 0x20;
const TX_READ: usize = 0x22;
const TX_WRITTEN: usize = 0x24;
const RX_WAITING: usize = 0x26;
const RX_READ: usize = 0x28;
const RX_WRITTEN: usize = 0x2a;
const IMR: usize = 0x2c;
/// Commands.
const OPEN: u8 = 0x01;
const CLOSE: u8 = 0x10;
const SEND: u8 = 0x20;
const RECEIVE: u8 = 0x40;
/// The state of a socket that is open for raw frames.
const MACRAW: u8 = 0x42;
/// Interrupts.
const SENT: u8 = 1 << 4;
const RECEIVED: u8 = 1 << 2;

/// Bytes of a header: address and control.
const HEADER: usize = 3;
/// Bytes of memory in either direction.
const MEMORY: usize = 16 * 1024;
/// The largest frame and the smallest one, without checksum.
const LARGEST: u16 = 1514;
const SMALLEST: usize = 60;
/// Cycles that a command takes: what was seen elsewhere is less than 1 us.
const COMMAND: u64 = 50;
/// Cycles that reset must be low (500 us), and that the clock takes to settle (1 ms): section 5.5.1.
const RESET: u64 = 62_500;
const SETTLE: u64 = 125_000;

/// How fast the cable is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Speed {
    /// 10 Mbit/s.
    Ten,
    /// 100 Mbit/s.
    #[default]
    Hundred,
    /// More than the controller can: brings two frames between two looks of a driver, for which a real cable is a
    /// microsecond too slow.
    Gigabit,
}

impl Speed {
    /// Cycles that a frame is on the wire, with preamble, checksum and gap.
    pub fn cycles(self, bytes: usize) -> u64 {
        let bytes = (8 + bytes.max(SMALLEST) + 4 + 12) as u64;
        match self {
            Self::Ten => bytes * 100,
            Self::Hundred => bytes * 10,
            Self::Gigabit => bytes,
        }
    }
}

/// What has happened in a controller, by number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Frames that it has sent.
    pub sent: u64,
    /// Frames that it has taken.
    pub received: u64,
    /// Frames that are for others, or that the image has filtered.
    pub filtered: u64,
    /// Frames for which it had no room.
    pub full: u64,
    /// Frames that came while its socket was closed.
    pub closed: u64,
    /// SEND while the frame before was still leaving.
    pub early: u64,
    /// What a driver must not do: a command that cannot be or comes before the last was taken, too short a reset, a byte before the
    /// clock is stable, a write to what is read only.
    pub misused: u64,
}

/// What it reads as while it is dead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dead {
    /// Zeros.
    Low,
    /// Ones.
    High,
}

/// The controller.
#[derive(Debug)]
pub(crate) struct W5500 {
    pub(crate) counts: Counts,
    pub(crate) speed: Speed,
    /// RECV raises its interrupt again where data remain: the data sheet does not say.
    pub(crate) raises_again: bool,
    pub(crate) dead: Option<Dead>,
    common: [u8; 0x40],
    sockets: [[u8; 0x30]; 8],
    transmit: Box<[u8; MEMORY]>,
    receive: Box<[u8; MEMORY]>,
    selected: bool,
    reset_since: Option<u64>,
    ready_at: u64,
    header: [u8; HEADER],
    headed: usize,
    address: u16,
    /// What `RX_READ` was when RECEIVE was last commanded; what `TX_WRITTEN` was at the last SEND.
    taken: u16,
    given: u16,
    sending_until: u64,
    command_until: u64,
    /// Frames on their way out: when each has left, and what `TX_READ` is then.
    leaving: VecDeque<(u64, u16, Vec<u8>)>,
    /// Frames that have left.
    pub(crate) left: Vec<Vec<u8>>,
}

impl W5500 {
    pub(crate) fn new() -> Self {
        let mut chip = Self {
            counts: Counts::default(),
            speed: Speed::default(),
            raises_again: false,
            dead: None,
            common: [0; 0x40],
            sockets: [[0; 0x30]; 8],
            transmit: Box::new([0; MEMORY]),
            receive: Box::new([0; MEMORY]),
            selected: false,
            reset_since: None,
            ready_at: 0,
            header: [0; HEADER],
            headed: 0,
            address: 0,
            taken: 0,
            given: 0,
            sending_until: 0,
            command_until: 0,
            leaving: VecDeque::new(),
            left: Vec::new(),
        };
        chip.reset();
        chip
    }

    /// Forgets what it was told.
    pub(crate) fn reset(&mut self) {
        self.common = [0; 0x40];
        self.common[VERSIONR] = 4;
        for socket in &mut self.sockets {
            *socket = [0; 0x30];
            socket[RX_SIZE] = 2;
            socket[TX_SIZE] = 2;
            socket[IMR] = 0xff;
        }
        (self.taken, self.given) = (0, 0);
        self.leaving.clear();
    }

    /// Its pin `RSTn`.
    pub(crate) fn set_reset(&mut self, low: bool, now: u64) {
        if low {
            self.reset_since.get_or_insert(now);
        } else if let Some(since) = self.reset_since.take() {
            self.counts.misused += u64::from(now - since < RESET);
            self.ready_at = now + SETTLE;
            self.reset();
        }
    }

    /// Its pin `SCSn`: each time that it is low begins with a header.
    pub(crate) fn select(&mut self, low: bool) {
        if self.selected != low {
            self.selected = low;
            self.headed = 0;
        }
    }

    /// Exchanges a byte by SPI.
    pub(crate) fn exchange(&mut self, byte: u8, now: u64) -> u8 {
        match self.dead {
            Some(Dead::Low) => return 0,
            Some(Dead::High) => return 0xff,
            None => {}
        }
        if !self.selected || self.reset_since.is_some() || now < self.ready_at {
            self.counts.misused += 1;
            return 0;
        }
        if let Some(to) = self.header.get_mut(self.headed) {
            *to = byte;
            self.headed += 1;
            self.address = u16::from_be_bytes([self.header[0], self.header[1]]);
            return 0;
        }
        let (block, at) = (self.header[2] >> 3, usize::from(self.address));
        self.address = self.address.wrapping_add(1);
        if self.header[2] & 4 == 0 {
            self.read(block, at, now)
        } else {
            self.write(block, at, byte, now);
            0
        }
    }

    fn half(&self, at: usize) -> u16 {
        u16::from_be_bytes([self.sockets[0][at], self.sockets[0][at + 1]])
    }

    fn set_half(&mut self, at: usize, value: u16) {
        self.sockets[0][at..at + 2].copy_from_slice(&value.to_be_bytes());
    }

    /// Bytes of socket 0's memory in a direction.
    fn size(&self, of: usize) -> usize {
        (usize::from(self.sockets[0][of]) * 1024).clamp(1, MEMORY)
    }

    fn read(&mut self, block: u8, at: usize, now: u64) -> u8 {
        let number = usize::from(block >> 2);
        match block & 3 {
            0 if at == SIR => self.interrupts(),
            0 => self.common.get(at).copied().unwrap_or(0),
            1 => {
                if at == CR && now >= self.command_until {
                    return 0;
                }
                if number == 0 {
                    let used = self.half(TX_WRITTEN).wrapping_sub(self.half(TX_READ));
                    let size = u16::from(self.sockets[0][TX_SIZE]).wrapping_mul(1024);
                    self.set_half(TX_FREE, size.wrapping_sub(used));
                    self.set_half(RX_WAITING, self.half(RX_WRITTEN).wrapping_sub(self.taken));
                }
                self.sockets[number].get(at).copied().unwrap_or(0)
            }
            2 => self.transmit[at % self.size(TX_SIZE)],
            _ => self.receive[at % self.size(RX_SIZE)],
        }
    }

    fn write(&mut self, block: u8, at: usize, byte: u8, now: u64) {
        let number = usize::from(block >> 2);
        match (block & 3, at) {
            (0, 0) if byte & 0x80 != 0 => self.reset(),
            (0, SIR | VERSIONR) | (1, SR | 0x20..=0x23 | 0x26..=0x27 | 0x2a..=0x2b) | (3, _) => {
                self.counts.misused += 1;
            }
            (0, _) => {
                if let Some(to) = self.common.get_mut(at) {
                    *to = byte;
                }
            }
            (1, IR) => self.sockets[number][IR] &= !byte,
            (1, CR) => self.command(number, byte, now),
            (1, _) => {
                if let Some(to) = self.sockets[number].get_mut(at) {
                    *to = byte;
                }
            }
            _ => {
                let size = self.size(TX_SIZE);
                self.transmit[at % size] = byte;
            }
        }
    }

    fn command(&mut self, number: usize, command: u8, now: u64) {
        self.counts.misused += u64::from(now < self.command_until);
        self.sockets[number][CR] = command;
        self.command_until = now + COMMAND;
        match (number, command) {
            (0, OPEN) => self.open(),
            (0, CLOSE) => self.sockets[0][SR] = 0,
            (0, SEND) => self.send(now),
            (0, RECEIVE) => {
                self.taken = self.half(RX_READ);
                if self.raises_again && self.taken != self.half(RX_WRITTEN) {
                    self.sockets[0][IR] |= RECEIVED;
                }
            }
            _ => self.counts.misused += 1,
        }
    }

    fn open(&mut self) {
        let all = |at: usize| {
            self.sockets
                .iter()
                .map(|socket| u32::from(socket[at]))
                .sum::<u32>()
        };
        if all(RX_SIZE) > 16 || all(TX_SIZE) > 16 || self.sockets[0][MR] & 15 != 4 {
            self.counts.misused += 1;
        }
        for at in [TX_READ, TX_WRITTEN, RX_READ, RX_WRITTEN] {
            self.set_half(at, 0);
        }
        (self.taken, self.given) = (0, 0);
        self.sockets[0][SR] = MACRAW;
    }

    fn send(&mut self, now: u64) {
        let (from, to) = (self.given, self.half(TX_WRITTEN));
        let length = to.wrapping_sub(from);
        if self.sockets[0][SR] != MACRAW || length == 0 || length > LARGEST {
            self.counts.misused += 1;
            return;
        }
        self.counts.early += u64::from(now < self.sending_until);
        let size = self.size(TX_SIZE);
        let byte = |i: u16| self.transmit[usize::from(from.wrapping_add(i)) % size];
        let mut frame: Vec<u8> = (0..length).map(byte).collect();
        frame.resize(frame.len().max(SMALLEST), 0);
        self.given = to;
        self.sending_until = now.max(self.sending_until) + self.speed.cycles(frame.len());
        self.leaving.push_back((self.sending_until, to, frame));
        self.counts.sent += 1;
    }

    /// When it does something by itself next.
    pub(crate) fn next(&self) -> u64 {
        self.leaving.front().map_or(u64::MAX, |(at, ..)| *at)
    }

    /// Does what is due.
    pub(crate) fn advance(&mut self, now: u64) {
        while self.next() <= now {
            let Some((_, to, frame)) = self.leaving.pop_front() else {
                break;
            };
            self.set_half(TX_READ, to);
            self.sockets[0][IR] |= SENT;
            self.left.push(frame);
        }
    }

    /// A frame comes by the cable.
    pub(crate) fn receive(&mut self, frame: &[u8]) {
        let mode = self.sockets[0][MR];
        let Some((to, _)) = frame.split_first_chunk::<6>() else {
            return;
        };
        let (group, broadcast) = (to[0] & 1 != 0, *to == [0xff; 6]);
        let others = mode & 0x80 != 0 && !group && to[..] != self.common[MAC..MAC + 6];
        let barred = mode & 0x20 != 0 && group && !broadcast;
        if self.sockets[0][SR] != MACRAW || self.dead.is_some() {
            self.counts.closed += 1;
        } else if others || barred || frame.len() > LARGEST.into() {
            self.counts.filtered += 1;
        } else {
            self.keep(frame);
        }
    }

    fn keep(&mut self, frame: &[u8]) {
        let (at, size) = (self.half(RX_WRITTEN), self.size(RX_SIZE));
        let Ok(length) = u16::try_from(frame.len() + 2) else {
            return;
        };
        if usize::from(at.wrapping_sub(self.taken)) + usize::from(length) > size {
            self.counts.full += 1;
            return;
        }
        for (i, byte) in length.to_be_bytes().iter().chain(frame).enumerate() {
            self.receive[(usize::from(at) + i) % size] = *byte;
        }
        self.set_half(RX_WRITTEN, at.wrapping_add(length));
        self.sockets[0][IR] |= RECEIVED;
        self.counts.received += 1;
    }

    fn interrupts(&self) -> u8 {
        let raised = |socket: &[u8; 0x30]| u8::from(socket[IR] & socket[IMR] != 0);
        self.sockets
            .iter()
            .rev()
            .fold(0, |all, socket| all << 1 | raised(socket))
    }

    /// Whether `INTn` is low.
    pub(crate) fn interrupts_now(&self) -> bool {
        self.dead.is_none() && self.interrupts() & self.common[SIMR] != 0
    }

    /// A frame waits, and `INTn` does not say so.
    pub(crate) fn hides_a_frame(&self) -> bool {
        !self.interrupts_now() && self.sockets[0][SR] == MACRAW && self.half(RX_WRITTEN) != self.taken
    }
}
