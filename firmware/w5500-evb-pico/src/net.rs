//! The W5500 Ethernet controller (data sheet v1.1.0) as a smoltcp device: raw frames (MACRAW) through its socket 0.
//!
//! Its own TCP is not used. A frame is copied once by SPI: into the one receive buffer, out of the one transmit buffer.
//! What has not been read stays in the controller's 16 KiB, which drops frames when they are full. It filters by our
//! address and broadcast; multicast, which IPv6 needs, it takes all or none.

use embassy_rp::gpio::{Input, Output};
use embassy_rp::peripherals::SPI0;
use embassy_rp::spi::{self, Spi};
use embedded_hal_bus::spi::{ExclusiveDevice, NoDelay};
use r2_support::frame::{self, Received};
use r2_support::register::Register;
use r2_support::sleep::Idle;
use smoltcp::phy::{self, Device, DeviceCapabilities};
use smoltcp::time::Instant;
use smoltcp::wire::EthernetAddress;
use w5500_ll::eh1::vdm::W5500;
use w5500_ll::net::Eui48Addr;
use w5500_ll::{
    BufferSize, Protocol, Registers, SOCKETS, Sn, SocketCommand, SocketInterrupt, SocketInterruptMask,
    SocketMode,
};

use crate::sizes::MTU;

/// Which interrupts of pins 16 to 23 reach the core.
// SAFETY: a register of the pins, RP2040 data sheet section 2.19.6.1: it touches no memory.
const PIN_INTERRUPTS: Register = unsafe { Register::at(0x4001_4108) };
/// The interrupt of pin 21, the controller's, while it is low.
const PIN_21_LOW: u32 = 1 << ((21 - 16) * 4);

/// Bytes of the length before a received frame.
const LENGTH: u16 = 2;

/// How often a SEND looks whether the frame before has left. A look takes 1.28 us of the bus, all of them 1.3 ms: longer
/// than the largest frame takes at 10 Mbit/s.
const LOOKS: usize = 1024;

type Bus = ExclusiveDevice<Spi<'static, SPI0, spi::Blocking>, Output<'static>, NoDelay>;
type Chip = W5500<Bus>;
type Failure = <Chip as Registers>::Error;

/// The controller, and a frame in each direction.
pub(crate) struct Ethernet {
    chip: Chip,
    /// Low while the controller wants something.
    wants: Input<'static>,
    /// A frame was taken, and the controller's memory was not seen to be empty since. The pin need not say that another
    /// one waits: the data sheet does not promise an interrupt for what came before the last one was cleared.
    more: bool,
    received: Frame,
    leaving: Frame,
}

struct Frame {
    bytes: [u8; MTU],
    len: usize,
}

impl Frame {
    const EMPTY: Self = Self {
        bytes: [0; MTU],
        len: 0,
    };

    fn frame(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

impl Ethernet {
    /// Starts the controller, which was reset, to receive what is for `address`.
    pub(crate) fn start(bus: Bus, wants: Input<'static>, address: EthernetAddress) -> Result<Self, Failure> {
        let mut chip = W5500::new(bus);
        chip.set_shar(&Eui48Addr { octets: address.0 })?;
        // All of its memory is for the one socket that can send and receive frames.
        for socket in SOCKETS {
            let size = if socket == Sn::Sn0 {
                BufferSize::KB16
            } else {
                BufferSize::KB0
            };
            chip.set_sn_rxbuf_size(socket, size)?;
            chip.set_sn_txbuf_size(socket, size)?;
        }
        open(&mut chip)?;
        chip.set_sn_imr(Sn::Sn0, SocketInterruptMask::ALL_MASKED.unmask_recv())?;
        chip.set_simr(1)?;
        Ok(Self {
            chip,
            wants,
            more: false,
            received: Frame::EMPTY,
            leaving: Frame::EMPTY,
        })
    }

    /// Takes the next frame; whether there was one.
    fn take(&mut self) -> Result<bool, Failure> {
        if self.chip.sn_rx_rsr(Sn::Sn0)? <= LENGTH {
            self.chip.set_sn_ir(Sn::Sn0, SocketInterrupt::RECV_MASK)?;
            // One that came meanwhile has lost its interrupt.
            if self.chip.sn_rx_rsr(Sn::Sn0)? <= LENGTH {
                self.more = false;
                return Ok(false);
            }
        }
        self.more = true;
        let start = self.chip.sn_rx_rd(Sn::Sn0)?;
        let mut length = [0; LENGTH as usize];
        self.chip.sn_rx_buf(Sn::Sn0, start, &mut length)?;
        let length = u16::from_be_bytes(length);
        self.received.len = usize::from(length.saturating_sub(LENGTH));
        if length <= LENGTH || self.received.len > MTU {
            // The controller takes no such frame: what it says of its memory is wrong.
            defmt::warn!("the Ethernet controller has lost its place");
            open(&mut self.chip)?;
            return Ok(false);
        }
        let room = self
            .received
            .bytes
            .get_mut(..self.received.len)
            .unwrap_or_default();
        self.chip.sn_rx_buf(Sn::Sn0, start.wrapping_add(LENGTH), room)?;
        self.chip.set_sn_rx_rd(Sn::Sn0, start.wrapping_add(length))?;
        command(&mut self.chip, SocketCommand::Recv)?;
        Ok(true)
    }

    fn send(chip: &mut Chip, frame: &[u8]) -> Result<(), Failure> {
        #[allow(clippy::cast_possible_truncation, reason = "a frame is at most MTU bytes")]
        let len = frame.len() as u16;
        let start = chip.sn_tx_wr(Sn::Sn0)?;
        chip.set_sn_tx_buf(Sn::Sn0, start, frame)?;
        chip.set_sn_tx_wr(Sn::Sn0, start.wrapping_add(len))?;
        // On 100 Mbit/s the frame before has left long ago. The data sheet does not say what a SEND does while one still
        // leaves; where that never ends, there is no cable, and this frame is lost like the one before.
        for _ in 0..LOOKS {
            if chip.sn_tx_rd(Sn::Sn0)? == start {
                break;
            }
        }
        command(chip, SocketCommand::Send)
    }
}

/// Opens socket 0 for raw frames, with nothing in its memory.
fn open(chip: &mut Chip) -> Result<(), Failure> {
    command(chip, SocketCommand::Close)?;
    let mode = SocketMode::DEFAULT.set_protocol(Protocol::Macraw).enable_mfen();
    chip.set_sn_mr(Sn::Sn0, mode)?;
    command(chip, SocketCommand::Open)
}

/// Gives a command to socket 0 and waits until it was taken, which is a matter of clock cycles.
fn command(chip: &mut Chip, command: SocketCommand) -> Result<(), Failure> {
    chip.set_sn_cr(Sn::Sn0, command)?;
    while chip.sn_cr(Sn::Sn0)? != 0 {}
    Ok(())
}

impl Idle for Ethernet {
    fn has_frame(&self) -> bool {
        let has = self.more || self.wants.is_low();
        if !has {
            // The interrupt handler of the pins lets each interrupt come once.
            PIN_INTERRUPTS.set(PIN_21_LOW);
        }
        has
    }
}

impl Device for Ethernet {
    type RxToken<'a> = Received<'a>;
    type TxToken<'a> = Leaving<'a>;

    fn receive(&mut self, now: Instant) -> Option<(Received<'_>, Leaving<'_>)> {
        if !self.has_frame() || self.transmit(now).is_none() {
            return None;
        }
        match self.take() {
            Ok(true) => Some((
                Received(self.received.frame()),
                Leaving {
                    chip: &mut self.chip,
                    frame: &mut self.leaving,
                },
            )),
            _ => None,
        }
    }

    fn transmit(&mut self, _: Instant) -> Option<Leaving<'_>> {
        let room = self.chip.sn_tx_fsr(Sn::Sn0).map_or(0, usize::from);
        (room >= MTU).then_some(Leaving {
            chip: &mut self.chip,
            frame: &mut self.leaving,
        })
    }

    fn capabilities(&self) -> DeviceCapabilities {
        // Its memory holds ten frames.
        frame::capabilities(MTU, Some(8))
    }
}

/// Room for one frame.
pub(crate) struct Leaving<'a> {
    chip: &'a mut Chip,
    frame: &'a mut Frame,
}

impl phy::TxToken for Leaving<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        self.frame.len = len.min(MTU);
        let result = f(self.frame.bytes.get_mut(..len).unwrap_or_default());
        if Ethernet::send(self.chip, self.frame.frame()).is_err() {
            defmt::warn!("a frame is lost: the Ethernet controller does not answer");
        }
        result
    }
}
