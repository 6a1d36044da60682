//! The loop: frames, lines, and sleep.

use r2_core::chat::Peer;
use r2_core::io::Pump;
use r2_core::store::Store;
use r2_node::Node;
use r2_services::Shared;
use smoltcp::phy::Device;
use smoltcp::time::Instant;

use crate::clock;
use crate::console::{Console, Uart};
use crate::exit;
use crate::start::ADDRESS;

/// Bytes of the console that wait for its transmit FIFO.
const WAITING: usize = 64;

/// R2's seat in the chat room, at its UART.
pub type Operator<U> = Pump<Console<U>, Peer, WAITING>;

/// What may wake a board.
pub trait Idle {
    /// Whether a frame has arrived. Called with interrupts off: one that comes later must raise its interrupt.
    fn has_frame(&self) -> bool;
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
    loop {
        let idle = cortex_m::interrupt::free(|_| {
            let due = next.is_some_and(|at| at <= clock::now());
            let idle = !due && !device.has_frame() && !operator.connection().has_typed();
            if idle {
                // Whatever interrupt comes ends it, and is served behind this section.
                cortex_m::asm::wfi();
            }
            idle
        });
        if !idle || operator.wants_to_write() {
            return;
        }
    }
}

fn to_core(at: Instant) -> r2_core::time::Instant {
    r2_core::time::Instant::from_millis(at.total_millis().unsigned_abs())
}
