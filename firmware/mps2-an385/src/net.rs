//! The LAN9118 Ethernet controller (data sheet DS00002266) as a smoltcp device.
//!
//! It has a FIFO for the frames of each direction and one for what is to be said of them, each behind one register, so
//! a frame is copied once: into the one receive buffer, out of the one transmit buffer. What has not been read stays
//! in the controller, which drops frames when it is full. It filters by our address, broadcast, and a hash of the
//! multicast groups that IPv6 needs.

use r2_node::config::link_local;
use r2_support::frame::{self, Received};
use r2_support::register::Register;
use r2_support::sleep::Idle;
use smoltcp::phy::{self, Device, DeviceCapabilities};
use smoltcp::time::Instant;
use smoltcp::wire::{EthernetAddress, Ipv6Address};

use crate::sizes::MTU;

const fn register(offset: usize) -> Register {
    // SAFETY: the registers of the controller (AN385, table 3-1; data sheet, section 5.3): FIFOs and flags, no memory.
    unsafe { Register::at(0x4020_0000 + offset) }
}
const RECEIVED_DATA: Register = register(0x00);
const LEAVING_DATA: Register = register(0x20);
const RECEIVED_STATUS: Register = register(0x40);
const LEFT_STATUS: Register = register(0x48);
const INTERRUPT_CONFIGURATION: Register = register(0x54);
const INTERRUPTS: Register = register(0x58);
const INTERRUPT_ENABLE: Register = register(0x5C);
const BYTE_TEST: Register = register(0x64);
const FIFO_LEVELS: Register = register(0x68);
const RECEIVE_CONFIGURATION: Register = register(0x6C);
const TRANSMIT_CONFIGURATION: Register = register(0x70);
const HARDWARE_CONFIGURATION: Register = register(0x74);
const RECEIVED_INFO: Register = register(0x7C);
const LEAVING_INFO: Register = register(0x80);
const MAC_COMMAND: Register = register(0xA4);
const MAC_DATA: Register = register(0xA8);

/// A frame's status is in its FIFO.
const RECEIVED: u32 = 1 << 3;
/// What the controller says of a frame that did not arrive whole.
const RECEIVE_ERROR: u32 = 1 << 15;
/// Bytes of the frame check sequence behind a received frame.
const CHECK: usize = 4;
/// The two words before a frame that leaves.
const COMMANDS: usize = 8;

/// Registers of the controller's MAC, which are behind two others (section 5.4).
#[derive(Clone, Copy)]
#[repr(u32)]
enum Mac {
    Control = 1,
    AddressHigh = 2,
    AddressLow = 3,
    HashHigh = 4,
    HashLow = 5,
    PhyAccess = 6,
    PhyData = 7,
}

impl Mac {
    const BUSY: u32 = 1 << 31;
    const READ: u32 = 1 << 30;

    fn read(self) -> u32 {
        MAC_COMMAND.write(Self::BUSY | Self::READ | self as u32);
        while MAC_COMMAND.read() & Self::BUSY != 0 {}
        MAC_DATA.read()
    }

    fn write(self, value: u32) {
        MAC_DATA.write(value);
        MAC_COMMAND.write(Self::BUSY | self as u32);
        while MAC_COMMAND.read() & Self::BUSY != 0 {}
    }
}

/// The controller, and a frame in each direction.
pub(crate) struct Ethernet {
    received: Frame,
    leaving: Frame,
}

impl Ethernet {
    /// Starts the controller to receive what is for it and, in IPv6, for `ours` and its link-local address. Returns the address as well, which the
    /// board's maker has put into an EEPROM that the controller has read.
    pub(crate) fn start(ours: Ipv6Address) -> (Self, EthernetAddress) {
        const SOFT_RESET: u32 = 1;
        // What must be 1, and 5 KiB for what leaves.
        const SIZES: u32 = 1 << 20 | 5 << 16;
        const ENABLE_ACTIVE_HIGH: u32 = 1 << 8 | 1 << 4 | 1;
        // Statuses of sent frames may be lost, and sending goes on.
        const ON: u32 = 1 << 1 | 1 << 2;
        const HASH_MULTICAST: u32 = 1 << 13;
        const FULL_DUPLEX: u32 = 1 << 20;
        const SEND_AND_RECEIVE: u32 = 1 << 3 | 1 << 2;
        HARDWARE_CONFIGURATION.write(SOFT_RESET);
        while HARDWARE_CONFIGURATION.read() & SOFT_RESET != 0 || BYTE_TEST.read() != 0x8765_4321 {}
        HARDWARE_CONFIGURATION.write(SIZES);
        // Received frames begin at a word; an interrupt when there is more than none.
        RECEIVE_CONFIGURATION.write(0);
        FIFO_LEVELS.write(0);
        INTERRUPT_CONFIGURATION.write(ENABLE_ACTIVE_HIGH);
        negotiate();
        let low = Mac::AddressLow.read().to_le_bytes();
        let high = Mac::AddressHigh.read().to_le_bytes();
        let address = EthernetAddress([low[0], low[1], low[2], low[3], high[0], high[1]]);
        let groups = [
            solicited_node(ours),
            solicited_node(link_local(address)),
            EthernetAddress([0x33, 0x33, 0, 0, 0, 1]),
        ];
        let hash = groups
            .iter()
            .fold(0_u64, |hash, group| hash | 1 << bucket(*group));
        let [l0, l1, l2, l3, h0, h1, h2, h3] = hash.to_le_bytes();
        Mac::HashLow.write(u32::from_le_bytes([l0, l1, l2, l3]));
        Mac::HashHigh.write(u32::from_le_bytes([h0, h1, h2, h3]));
        TRANSMIT_CONFIGURATION.write(ON);
        Mac::Control.write(HASH_MULTICAST | FULL_DUPLEX | SEND_AND_RECEIVE);
        INTERRUPT_ENABLE.write(RECEIVED);
        let ethernet = Self {
            received: Frame::EMPTY,
            leaving: Frame::EMPTY,
        };
        (ethernet, address)
    }
}

/// Lets the PHY agree with the other end of the cable on the speed.
fn negotiate() {
    const BASIC_CONTROL: u32 = 0;
    const NEGOTIATE_AGAIN: u32 = 1 << 12 | 1 << 9;
    const PHY: u32 = 1 << 11;
    const WRITE: u32 = 1 << 1;
    const BUSY: u32 = 1;
    Mac::PhyData.write(NEGOTIATE_AGAIN);
    Mac::PhyAccess.write(PHY | BASIC_CONTROL << 6 | WRITE | BUSY);
    while Mac::PhyAccess.read() & BUSY != 0 {}
}

/// The Ethernet address of the group that asks for `address` (RFC 4291, section 2.7.1; RFC 2464, section 7).
fn solicited_node(address: Ipv6Address) -> EthernetAddress {
    let [.., d, e, f] = address.octets();
    EthernetAddress([0x33, 0x33, 0xff, d, e, f])
}

/// Where a group is in the hash filter: the upper six bits of its CRC (section 3.6.1).
fn bucket(group: EthernetAddress) -> u32 {
    let mut crc = u32::MAX;
    for byte in group.0 {
        for bit in 0..8 {
            let differs = (crc >> 31) ^ u32::from(byte >> bit & 1);
            crc = (crc << 1) ^ (0x04C1_1DB7 * differs);
        }
    }
    crc >> 26
}

/// Takes the interrupt back: frames are counted in a register of their own.
pub(crate) fn quiet() {
    INTERRUPTS.write(RECEIVED);
}

impl Idle for Ethernet {
    fn has_frame(&self) -> bool {
        RECEIVED_INFO.read() >> 16 & 0xff != 0
    }
}

impl Device for Ethernet {
    type RxToken<'a> = Received<'a>;
    type TxToken<'a> = Leaving<'a>;

    fn receive(&mut self, now: Instant) -> Option<(Received<'_>, Leaving<'_>)> {
        while self.has_frame() && self.transmit(now).is_some() {
            if self.received.read() {
                return Some((Received(self.received.frame()), Leaving(&mut self.leaving)));
            }
        }
        None
    }

    fn transmit(&mut self, _: Instant) -> Option<Leaving<'_>> {
        let info = LEAVING_INFO.read();
        for _ in 0..info >> 16 & 0xff {
            LEFT_STATUS.read();
        }
        let has_room = (info & 0xffff) as usize >= COMMANDS + MTU.next_multiple_of(4);
        has_room.then_some(Leaving(&mut self.leaving))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        // Its FIFO holds five frames.
        frame::capabilities(MTU, Some(4))
    }
}

/// A frame, in words as the FIFOs have it.
struct Frame {
    words: [[u8; 4]; MTU.div_ceil(4)],
    /// Bytes of the frame.
    len: usize,
}

impl Frame {
    const EMPTY: Self = Self {
        words: [[0; 4]; MTU.div_ceil(4)],
        len: 0,
    };

    /// Takes the next frame out of the FIFOs; whether it arrived whole. One that is longer than any of ours is cut,
    /// and contradicts its own headers.
    fn read(&mut self) -> bool {
        let status = RECEIVED_STATUS.read();
        let total = (status >> 16 & 0x3fff) as usize;
        let mut words = self.words.iter_mut();
        for _ in 0..total.div_ceil(4) {
            let next = RECEIVED_DATA.read().to_le_bytes();
            if let Some(word) = words.next() {
                *word = next;
            }
        }
        self.len = total.saturating_sub(CHECK).min(MTU);
        status & RECEIVE_ERROR == 0
    }

    fn frame(&self) -> &[u8] {
        self.words.as_flattened().get(..self.len).unwrap_or_default()
    }

    /// Writes the frame into the FIFO, which has room for it: the controller sends it when it has all of it.
    fn send(&self) {
        const FIRST_AND_LAST: u32 = 1 << 13 | 1 << 12;
        #[allow(clippy::cast_possible_truncation, reason = "a frame is at most MTU bytes")]
        let len = self.len as u32;
        LEAVING_DATA.write(FIRST_AND_LAST | len);
        LEAVING_DATA.write(len);
        for word in self.words.iter().take(self.len.div_ceil(4)) {
            LEAVING_DATA.write(u32::from_le_bytes(*word));
        }
    }
}

/// Room for one frame.
pub(crate) struct Leaving<'a>(&'a mut Frame);

impl phy::TxToken for Leaving<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        self.0.len = len.min(MTU);
        let result = f(self.0.words.as_flattened_mut().get_mut(..len).unwrap_or_default());
        self.0.send();
        result
    }
}
