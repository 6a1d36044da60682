//! What makes a board R2: the world, and the loop of frames, lines and sleep.

use r2_core::chat::{Peer, Room, Seat};
use r2_core::io::Pump;
use r2_core::store::Store;
use r2_node::{Counters, Node};
use r2_services::{About, Shared};
use smoltcp::phy::Device;
use smoltcp::time::Instant;
use static_cell::StaticCell;

use crate::console::Console;
use crate::sleep::{self, Idle};
use crate::start::ADDRESS;
use crate::uart::Uart;
use crate::{clock, exit, stack};

/// Bytes of the console that wait for its transmit FIFO.
const WAITING: usize = 64;

/// R2's seat in the chat room, at its UART.
pub type Operator<U> = Pump<Console<U>, Peer, WAITING>;

/// Makes the world, in `place`, with a chat room that keeps its last lines in `lines`.
#[inline(never)]
pub fn world<S: Store>(
    place: &'static StaticCell<Shared<'static, S>>,
    board: &'static str,
    lines: &'static mut [u8],
    seats: &'static mut [Seat],
    store: impl FnOnce() -> S,
) -> &'static mut Shared<'static, S> {
    let Ok(room) = Room::new(lines, seats, "R2", "KALI") else {
        defmt::error!("the chat room's ring is too small");
        exit::failure();
    };
    let about = About {
        version: env!("CARGO_PKG_VERSION"),
        board,
        address: ADDRESS.address().into(),
        stack_high_water: Some(stack::high_water),
    };
    place.init_with(|| Shared {
        room,
        store: store(),
        counters: Counters::default(),
        about,
    })
}

/// R2's operator at `uart`.
pub fn operator<U: Uart>(uart: U) -> Operator<U> {
    Pump::new(Console::new(uart), Peer::host())
}

/// Says where R2 is and what it serves there, and serves until the operator quits on the console.
pub fn run<D: Device + Idle, U: Uart, S: Store>(
    node: &mut Node<'static, Shared<'static, S>>,
    world: &mut Shared<'static, S>,
    device: &mut D,
    operator: &mut Operator<U>,
) -> ! {
    let [a, b, c, d] = ADDRESS.address().octets();
    let board = world.about.board;
    defmt::info!("R2 ready at {=u8}.{=u8}.{=u8}.{=u8} on {=str}", a, b, c, d, board);
    for spec in node.services() {
        let udp = if spec.datagram.is_some() { " udp" } else { "" };
        defmt::info!("  {=str} {=u16}/tcp{=str}", spec.name, spec.port, udp);
    }
    let mut stopping = false;
    loop {
        let now = clock::now();
        let mut next = node.poll(now, device, world);
        let heard = world.room.revision();
        // A console has no errors.
        let Ok(_) = operator.step(to_core(now), &mut world.room);
        if world.room.revision() != heard {
            // The node has not heard what was typed meanwhile.
            next = Some(now);
        }
        if world.room.host_quit() && !stopping {
            stopping = true;
            node.stop(now, world);
            next = Some(now);
        }
        if node.is_stopped(now) {
            defmt::info!("R2 has quit");
            exit::success();
        }
        sleep(next, device, operator);
    }
}

/// Sleeps until a frame or a typed byte has come, or it is `next`. What waits for the UART's FIFO looks again at
/// every tick.
fn sleep<D: Idle, U: Uart>(next: Option<Instant>, device: &D, operator: &Operator<U>) {
    let come = || device.has_frame() || operator.connection().has_typed();
    while sleep::once(next, come) && !operator.wants_to_write() {}
}

fn to_core(at: Instant) -> r2_core::time::Instant {
    r2_core::time::Instant::from_millis(at.total_millis().unsigned_abs())
}
