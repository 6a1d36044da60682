//! The Stellaris Ethernet controller (data sheet chapter 15) as a smoltcp device.
//!
//! Its FIFOs are read and written a word at a time through one register, so a frame is copied once: into the one
//! receive buffer, out of the one transmit buffer. What has not been read stays in the controller, which drops frames
//! when it is full. It filters by our address and broadcast; multicast, which IPv6 needs, it takes all or none.

use r2_support::frame::{self, Received};
use r2_support::register::Register;
use r2_support::sleep::Idle;
use smoltcp::phy::{self, Device, DeviceCapabilities};
use smoltcp::time::Instant;
use smoltcp::wire::EthernetAddress;

use crate::sizes::MTU;

const fn register(offset: usize) -> Register {
    // SAFETY: the registers of the Ethernet controller, data sheet section 15.5: FIFOs and flags, no memory.
    unsafe { Register::at(0x4004_8000 + offset) }
}
const INTERRUPTS: Register = register(0x000);
const INTERRUPT_MASK: Register = register(0x004);
const RECEIVE_CONTROL: Register = register(0x008);
const TRANSMIT_CONTROL: Register = register(0x00C);
const DATA: Register = register(0x010);
const ADDRESS_LOW: Register = register(0x014);
const ADDRESS_HIGH: Register = register(0x018);
const FRAMES: Register = register(0x034);
const TRANSMISSION: Register = register(0x038);

const RECEIVED: u32 = 1;
const ENABLED: u32 = 1;
const NEW_TRANSMISSION: u32 = 1;

/// Bytes of the length before a frame.
const LENGTH: usize = 2;

/// Bytes of the frame check sequence behind a received frame.
const CHECK: usize = 4;

const HEADER: usize = 14;

/// How many frames the controller's FIFO of 2 KiB holds: what may come while the core does something else.
pub const HELD: usize = 2048 / (LENGTH + MTU + CHECK);

/// Words of a frame with its length.
const WORDS: usize = (LENGTH + MTU).div_ceil(4);

/// The controller, and a frame in each direction.
pub struct Ethernet {
    received: Frame,
    leaving: Frame,
}

impl Ethernet {
    /// Starts the controller, whose clock is on, to receive what is for `address`.
    pub fn start(address: EthernetAddress) -> Self {
        const ALL_MULTICAST: u32 = 1 << 1;
        const REJECT_BAD_CHECK: u32 = 1 << 3;
        const RESET_FIFO: u32 = 1 << 4;
        const PAD: u32 = 1 << 1;
        const ADD_CHECK: u32 = 1 << 2;
        const FULL_DUPLEX: u32 = 1 << 4;
        let [low @ .., e, f] = address.0;
        INTERRUPT_MASK.write(0);
        ADDRESS_LOW.write(u32::from_le_bytes(low));
        ADDRESS_HIGH.write(u32::from_le_bytes([e, f, 0, 0]));
        TRANSMIT_CONTROL.write(FULL_DUPLEX | ADD_CHECK | PAD | ENABLED);
        RECEIVE_CONTROL.write(RESET_FIFO);
        RECEIVE_CONTROL.write(REJECT_BAD_CHECK | ALL_MULTICAST | ENABLED);
        INTERRUPT_MASK.write(RECEIVED);
        Self {
            received: Frame::EMPTY,
            leaving: Frame::EMPTY,
        }
    }
}

/// Takes the interrupt back: frames are counted in a register of their own.
pub fn quiet() {
    INTERRUPTS.write(INTERRUPTS.read());
}

impl Idle for Ethernet {
    fn has_frame(&self) -> bool {
        FRAMES.read() != 0
    }
}

impl Device for Ethernet {
    type RxToken<'a> = Received<'a>;
    type TxToken<'a> = Leaving<'a>;

    fn receive(&mut self, now: Instant) -> Option<(Received<'_>, Leaving<'_>)> {
        if !self.has_frame() || self.transmit(now).is_none() {
            return None;
        }
        self.received.read();
        Some((Received(self.received.frame()), Leaving(&mut self.leaving)))
    }

    fn transmit(&mut self, _: Instant) -> Option<Leaving<'_>> {
        let idle = TRANSMISSION.read() & NEW_TRANSMISSION == 0;
        idle.then_some(Leaving(&mut self.leaving))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        frame::capabilities(MTU, Some(HELD))
    }
}

/// A frame behind its length, as the FIFOs have it: in words, so that the frame begins in the middle of one.
#[repr(C, align(4))]
struct Frame {
    bytes: [u8; 4 * WORDS],
    /// Bytes of the frame.
    len: usize,
}

impl Frame {
    const EMPTY: Self = Self {
        bytes: [0; 4 * WORDS],
        len: 0,
    };

    /// Reads the next frame out of the FIFO. One that is longer than any of ours is cut, and contradicts its own
    /// headers.
    fn read(&mut self) {
        let (words, _) = self.bytes.as_chunks_mut::<4>();
        let mut words = words.iter_mut();
        let first = DATA.read().to_le_bytes();
        let total = usize::from(u16::from_le_bytes([first[0], first[1]]));
        if let Some(word) = words.next() {
            *word = first;
        }
        for _ in 1..total.div_ceil(4) {
            let next = DATA.read().to_le_bytes();
            if let Some(word) = words.next() {
                *word = next;
            }
        }
        self.len = total.saturating_sub(LENGTH + CHECK).min(MTU);
    }

    fn frame(&self) -> &[u8] {
        self.bytes.get(LENGTH..LENGTH + self.len).unwrap_or_default()
    }

    /// Writes the frame into the FIFO and sends it.
    fn send(&self) {
        let (words, _) = self.bytes.as_chunks::<4>();
        for word in words.iter().take((LENGTH + self.len).div_ceil(4)) {
            DATA.write(u32::from_le_bytes(*word));
        }
        TRANSMISSION.write(NEW_TRANSMISSION);
    }
}

/// Room for one frame.
pub struct Leaving<'a>(&'a mut Frame);

impl phy::TxToken for Leaving<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        self.0.len = len.min(MTU);
        let payload = self.0.len.saturating_sub(HEADER);
        if let Some((length, frame)) = self.0.bytes.split_first_chunk_mut::<LENGTH>() {
            #[allow(clippy::cast_possible_truncation, reason = "a frame is at most MTU bytes")]
            length.copy_from_slice(&(payload as u16).to_le_bytes());
            let result = f(frame.get_mut(..len).unwrap_or_default());
            self.0.send();
            return result;
        }
        f(&mut [])
    }
}
