//! How many instructions R2 takes for what it receives, counted with the core's timer under QEMU's `-icount`.
//!
//! A peer in the same memory, with a TCP of its own, uploads to one service after the other, over a cable that holds a
//! frame in each direction: no network, no host's clock, no chance. Only R2's turns are counted.

use core::mem;

use cortex_m::peripheral::SYST;
use r2_node::{Node, World};
use smoltcp::iface::{Config, Interface, SocketSet, SocketStorage};
use smoltcp::phy::{self, Device, DeviceCapabilities};
use smoltcp::socket::tcp::{Socket, SocketBuffer, State};
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{EthernetAddress, IpCidr, Ipv4Address};

use crate::frame::{self, Received};
use crate::start::ADDRESS;
use crate::{clock, exit};

const PEER_MAC: EthernetAddress = EthernetAddress([2, 0, 0, 0, 0, 100]);
const PEER: Ipv4Address = Ipv4Address::new(192, 168, 69, 100);

/// The services that take uploads, and their ports.
const SERVICES: [(&str, u16); 4] = [("discard", 9), ("echo", 7), ("secret", 5010), ("drop", 5020)];

/// What each of them receives: as much as the smallest store has room for.
const KIB: usize = 8;

/// The text that is uploaded, over and over.
const LINE: &[u8] = b"123Ted 32is 343SECRET cool\n";

/// How many milliseconds an upload may take.
const PATIENCE: u32 = 100_000;

/// The instructions of the loop that says how long one is.
const KNOWN: u32 = 100_000;

/// The timer's 24 bits. No single turn of R2's lasts longer.
const TIMER: u32 = 0xFF_FFFF;

/// The peer's memory: its buffers, and the frames on the cable.
pub struct Memory<const MTU: usize> {
    to_r2: Frame<MTU>,
    to_peer: Frame<MTU>,
    receive: [u8; MTU],
    transmit: [u8; MTU],
}

impl<const MTU: usize> Memory<MTU> {
    /// Nothing is on the cable.
    pub const EMPTY: Self = Self {
        to_r2: Frame::EMPTY,
        to_peer: Frame::EMPTY,
        receive: [0; MTU],
        transmit: [0; MTU],
    };
}

/// Room for a frame; it is free when `len` is 0.
struct Frame<const MTU: usize> {
    bytes: [u8; MTU],
    len: usize,
}

impl<const MTU: usize> Frame<MTU> {
    const EMPTY: Self = Self {
        bytes: [0; MTU],
        len: 0,
    };
}

/// An end of the cable.
struct End<'c, const MTU: usize> {
    arriving: &'c mut Frame<MTU>,
    leaving: &'c mut Frame<MTU>,
}

impl<const MTU: usize> Device for End<'_, MTU> {
    type RxToken<'a>
        = Received<'a>
    where
        Self: 'a;
    type TxToken<'a>
        = Leaving<'a, MTU>
    where
        Self: 'a;

    fn receive(&mut self, _: Instant) -> Option<(Received<'_>, Leaving<'_, MTU>)> {
        if self.arriving.len == 0 || self.leaving.len != 0 {
            return None;
        }
        let len = mem::take(&mut self.arriving.len);
        Some((Received(self.arriving.bytes.get(..len)?), Leaving(self.leaving)))
    }

    fn transmit(&mut self, _: Instant) -> Option<Leaving<'_, MTU>> {
        (self.leaving.len == 0).then_some(Leaving(self.leaving))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        frame::capabilities(MTU, None)
    }
}

struct Leaving<'a, const MTU: usize>(&'a mut Frame<MTU>);

impl<const MTU: usize> phy::TxToken for Leaving<'_, MTU> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        self.0.len = len;
        f(&mut self.0.bytes[..len])
    }
}

/// Uploads to every service, logs what R2 has taken for each, and ends the run. It has the timer to itself: the board's
/// clock stands still.
pub fn run<W: World, const MTU: usize>(node: &mut Node<'static, W>, world: &mut W, memory: &mut Memory<MTU>) {
    let mut now = clock::now();
    let known = u64::from(ticks_of_known_instructions());
    for (name, port) in SERVICES {
        let Some(ticks) = upload(node, world, memory, port, &mut now) else {
            defmt::error!("{=str} does not take its upload", name);
            exit::failure();
        };
        let instructions = ticks * u64::from(KNOWN) / (known * KIB as u64);
        defmt::info!("{=str} {=u64} instructions/KiB", name, instructions);
    }
    exit::success();
}

/// Takes the timer, and measures [`KNOWN`] instructions. Ends the run where one is shorter than a tick.
fn ticks_of_known_instructions() -> u32 {
    // SAFETY: nobody else reads or writes the timer's registers from here on: its interrupt, the clock's, is off.
    let mut timer = unsafe { cortex_m::Peripherals::steal() }.SYST;
    timer.disable_interrupt();
    timer.set_reload(TIMER);
    timer.clear_current();
    // Two instructions a round; what comes before and behind the loop cancels out.
    let (short, ()) = ticks_of(|| cortex_m::asm::delay(KNOWN / 2));
    let (long, ()) = ticks_of(|| cortex_m::asm::delay(KNOWN));
    let ticks = long.saturating_sub(short);
    if ticks < KNOWN {
        defmt::error!("an instruction is shorter than a tick: run QEMU with -icount shift=6");
        exit::failure();
    }
    ticks
}

fn ticks_of<T>(work: impl FnOnce() -> T) -> (u32, T) {
    let before = SYST::get_current();
    let result = work();
    (before.wrapping_sub(SYST::get_current()) & TIMER, result)
}

/// The ticks of R2's turns from the first byte of an upload until both sides have closed; `None` when that does not
/// come, or the connection broke.
#[inline(never)]
fn upload<W: World, const MTU: usize>(
    node: &mut Node<'static, W>,
    world: &mut W,
    memory: &mut Memory<MTU>,
    port: u16,
    now: &mut Instant,
) -> Option<u64> {
    let Memory {
        to_r2,
        to_peer,
        receive,
        transmit,
    } = memory;
    let mut end = End {
        arriving: to_peer,
        leaving: to_r2,
    };
    let mut interface = Interface::new(Config::new(PEER_MAC.into()), &mut end, *now);
    interface.update_ip_addrs(|addresses| {
        let _ = addresses.push(IpCidr::new(PEER.into(), 24));
    });
    let mut storage = [SocketStorage::EMPTY];
    let mut sockets = SocketSet::new(&mut storage[..]);
    let mut socket = Socket::new(
        SocketBuffer::new(&mut receive[..]),
        SocketBuffer::new(&mut transmit[..]),
    );
    // Each upload has a port of its own: the one before may still rest at R2.
    let to = (ADDRESS.address(), port);
    socket.connect(interface.context(), to, 40_000 + port).ok()?;
    let peer = sockets.add(socket);
    let (mut sent, mut ticks, mut next) = (0, 0, None);
    for _ in 0..PATIENCE {
        let mut end = End {
            arriving: to_peer,
            leaving: to_r2,
        };
        interface.poll(*now, &mut end, &mut sockets);
        let socket = sockets.get_mut::<Socket<'_>>(peer);
        let begun = sent > 0;
        while sent < KIB * 1024 && socket.can_send() {
            let rest = LINE.get(sent % LINE.len()..)?;
            let rest = rest.get(..KIB * 1024 - sent).unwrap_or(rest);
            sent += socket.send_slice(rest).ok()?;
        }
        if sent == KIB * 1024 {
            socket.close();
        }
        while socket.can_recv() {
            socket.recv(|bytes| (bytes.len(), ())).ok()?;
        }
        match socket.state() {
            State::TimeWait => return Some(ticks),
            State::Closed => return None,
            _ => {}
        }
        let has_frame = to_r2.len != 0;
        if has_frame || next.is_some_and(|at| at <= *now) {
            let mut end = End {
                arriving: to_r2,
                leaving: to_peer,
            };
            let (turn, then) = ticks_of(|| node.poll(*now, &mut end, world));
            next = then;
            ticks += if begun { u64::from(turn) } else { 0 };
        }
        *now += Duration::from_millis(1);
    }
    None
}
