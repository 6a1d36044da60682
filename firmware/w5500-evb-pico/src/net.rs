//! The W5500 Ethernet controller (data sheet v1.1.0) as a smoltcp device: raw frames (MACRAW) through its socket 0.
//!
//! Its own TCP is not used. A frame is copied once by SPI: into the one receive buffer, out of the one transmit buffer.
//! What has not been read stays in the controller's 16 KiB, which drops frames when they are full. It filters by our
//! address and broadcast; multicast, which IPv6 needs, it takes all or none.

use core::convert::Infallible;

use embassy_rp::clocks::clk_sys_freq;
use embassy_rp::gpio::{Input, Output};
use embassy_rp::peripherals::SPI0;
use embassy_rp::spi::{self, Spi};
use embedded_hal_bus::spi::{DeviceError, ExclusiveDevice, NoDelay};
use r2_support::clock;
use r2_support::frame::{self, Received};
use r2_support::register::Register;
use r2_support::sleep::Idle;
use smoltcp::phy::{self, Device, DeviceCapabilities};
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::EthernetAddress;
use w5500_ll::eh1::vdm::W5500;
use w5500_ll::net::Eui48Addr;
use w5500_ll::{
    BufferSize, Protocol, Registers, SOCKETS, Sn, SocketCommand, SocketInterrupt, SocketInterruptMask,
    SocketMode, SocketStatus, VERSION,
};

use crate::sizes::MTU;

/// Which interrupts of pins 16 to 23 reach the core.
// SAFETY: a register of the pins, RP2040 data sheet section 2.19.6.1: it touches no memory.
const PIN_INTERRUPTS: Register = unsafe { Register::at(0x4001_4108) };
/// The interrupt of pin 21, the controller's, while it is low.
const PIN_21_LOW: u32 = 1 << ((21 - 16) * 4);

/// Bytes of the length before a received frame.
const LENGTH: u16 = 2;

/// How often it is looked at whether the controller still works: it may lose its power or its mind without the board.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// How often a command looks whether it was taken, which is a matter of clock cycles: a register is read in more of them.
const TAKEN_WITHIN: usize = 64;

/// How often a SEND looks whether the frame before has left. A look takes 1.28 us of the bus, all of them 1.3 ms: longer
/// than the largest frame takes at 10 Mbit/s.
const LOOKS: usize = 1024;

type Bus = ExclusiveDevice<Spi<'static, SPI0, spi::Blocking>, Output<'static>, NoDelay>;
type Chip = W5500<Bus>;

/// The controller does not do what it is told. The bus knows no errors: it reads zeros or ones where nobody answers.
struct Dead;

impl From<DeviceError<spi::Error, Infallible>> for Dead {
    fn from(_: DeviceError<spi::Error, Infallible>) -> Self {
        Self
    }
}

/// The controller, and a frame in each direction.
pub(crate) struct Ethernet {
    chip: Chip,
    /// Low while the controller is reset.
    reset: Output<'static>,
    /// Low while the controller wants something.
    wants: Input<'static>,
    address: EthernetAddress,
    /// It answered, and did what it was told.
    alive: bool,
    /// When it is looked at next.
    look_at: Instant,
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
    /// Starts the controller to receive what is for `address`. One that does not answer is said to be dead, and tried
    /// again as long as the board runs.
    pub(crate) fn start(
        bus: Bus,
        reset: Output<'static>,
        wants: Input<'static>,
        address: EthernetAddress,
    ) -> Self {
        let mut ethernet = Self {
            chip: W5500::new(bus),
            reset,
            wants,
            address,
            alive: true,
            look_at: Instant::ZERO,
            more: false,
            received: Frame::EMPTY,
            leaving: Frame::EMPTY,
        };
        ethernet.restart();
        ethernet
    }

    /// Looks, once in a while, whether the controller is what [`start`](Self::start) has made of it. One that was dead,
    /// or has forgotten what it was told, is reset.
    fn look(&mut self, now: Instant) {
        if now < self.look_at {
            return;
        }
        self.look_at = now + LOOK_EVERY;
        let fit = self.alive && matches!(self.remembers(), Ok(true));
        if !fit {
            self.lose("the Ethernet controller does not answer as it should: it is reset");
            self.restart();
        }
    }

    /// Does without the controller until it is reset, and says so, once.
    fn lose(&mut self, why: &'static str) {
        if self.alive {
            defmt::error!("{=str}", why);
        }
        self.alive = false;
    }

    /// Resets and configures it.
    fn restart(&mut self) {
        let was_alive = self.alive;
        reset(&mut self.reset);
        self.more = false;
        self.alive = true;
        match configure(&mut self.chip, self.address) {
            Ok(()) if !was_alive => defmt::info!("the Ethernet controller answers again"),
            Ok(()) => {}
            Err(Dead) => {
                self.alive = was_alive;
                self.lose("the Ethernet controller does not answer");
            }
        }
    }

    /// Whether it is there, has our address, and takes raw frames.
    fn remembers(&mut self) -> Result<bool, Dead> {
        Ok(self.chip.version()? == VERSION
            && self.chip.shar()?.octets == self.address.0
            && self.chip.sn_sr(Sn::Sn0)? == Ok(SocketStatus::Macraw))
    }

    /// Takes the next frame; whether there was one.
    fn take(&mut self) -> Result<bool, Dead> {
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

    fn send(chip: &mut Chip, frame: &[u8]) -> Result<(), Dead> {
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

/// Resets the W5500, which takes 0.5 ms, and gives its clock the 1 ms to settle (data sheet, section 5.5.1).
fn reset(pin: &mut Output<'static>) {
    let millisecond = clk_sys_freq() / 1000;
    pin.set_low();
    cortex_m::asm::delay(millisecond);
    pin.set_high();
    cortex_m::asm::delay(2 * millisecond);
}

/// Makes the controller, which was reset, receive what is for `address`.
fn configure(chip: &mut Chip, address: EthernetAddress) -> Result<(), Dead> {
    if chip.version()? != VERSION {
        return Err(Dead);
    }
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
    open(chip)?;
    chip.set_sn_imr(Sn::Sn0, SocketInterruptMask::ALL_MASKED.unmask_recv())?;
    chip.set_simr(1)?;
    Ok(())
}

/// Opens socket 0 for raw frames, with nothing in its memory.
fn open(chip: &mut Chip) -> Result<(), Dead> {
    command(chip, SocketCommand::Close)?;
    let mode = SocketMode::DEFAULT.set_protocol(Protocol::Macraw).enable_mfen();
    chip.set_sn_mr(Sn::Sn0, mode)?;
    command(chip, SocketCommand::Open)
}

/// Gives a command to socket 0 and waits until it was taken.
fn command(chip: &mut Chip, command: SocketCommand) -> Result<(), Dead> {
    chip.set_sn_cr(Sn::Sn0, command)?;
    for _ in 0..TAKEN_WITHIN {
        if chip.sn_cr(Sn::Sn0)? == 0 {
            return Ok(());
        }
    }
    Err(Dead)
}

impl Idle for Ethernet {
    fn has_frame(&self) -> bool {
        let has = self.alive && (self.more || self.wants.is_low());
        if self.alive && !has {
            // The interrupt handler of the pins lets each interrupt come once.
            PIN_INTERRUPTS.set(PIN_21_LOW);
        }
        has || clock::now() >= self.look_at
    }
}

impl Device for Ethernet {
    type RxToken<'a> = Received<'a>;
    type TxToken<'a> = Leaving<'a>;

    fn receive(&mut self, now: Instant) -> Option<(Received<'_>, Leaving<'_>)> {
        self.look(now);
        if !self.alive || !self.has_frame() || self.transmit(now).is_none() {
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
            Ok(false) => None,
            Err(Dead) => {
                self.lose("the Ethernet controller does not answer");
                None
            }
        }
    }

    fn transmit(&mut self, _: Instant) -> Option<Leaving<'_>> {
        if !self.alive {
            return None;
        }
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
