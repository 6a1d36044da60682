//! Holds the location of every panic that `r2-node` can reach, whatever frames come: none of its own, those of smoltcp.
//!
//! As in `core_image.rs`, the optimiser knows nothing of frames, device, plan and state. smoltcp's parsers check a
//! packet's lengths once and index afterwards, of which the optimiser does not see that it is safe.
#![no_std]
#![no_main]

mod panic;

use core::hint::black_box;

use r2_core::chat::{Room, Seat};
use r2_core::store::ram::{Block, File, RamStore};
use r2_node::service::Registry;
use r2_node::{Config, Counters, Limits, Node, Size, Storage};
use r2_services::{About, CHAT, Plan, Shared, register};
use smoltcp::phy::{Device, DeviceCapabilities, RxToken, TxToken};
use smoltcp::time::Instant;
use smoltcp::wire::{EthernetAddress, IpAddress, IpEndpoint, Ipv4Address};

struct Wire;

/// A frame of any content.
struct Frame;

impl Device for Wire {
    type RxToken<'a> = Frame;
    type TxToken<'a> = Frame;

    fn receive(&mut self, now: Instant) -> Option<(Frame, Frame)> {
        black_box(now);
        black_box(Some((Frame, Frame)))
    }

    fn transmit(&mut self, now: Instant) -> Option<Frame> {
        black_box(now);
        black_box(Some(Frame))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        black_box(DeviceCapabilities::default())
    }
}

impl RxToken for Frame {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(black_box(&[]))
    }
}

impl TxToken for Frame {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        loop {
            let memory: &mut [u8] = black_box(&mut []);
            if let Some(frame) = memory.get_mut(..len) {
                return f(frame);
            }
        }
    }
}

/// Memory in which anything stands.
struct Memory;

impl<'a> Storage<'a> for Memory {
    fn slice<T: 'a>(&mut self, len: usize, mut make: impl FnMut(usize) -> T) -> &'a mut [T] {
        black_box(len);
        black_box(make(black_box(0)));
        black_box(&mut [])
    }
}

const SIZE: Size = Size {
    connections: 1,
    receive: 1,
    transmit: 1,
};

fn now() -> Instant {
    Instant::from_micros(black_box(0_i64))
}

fn world<'a>() -> Option<Shared<'a, RamStore<'a>>> {
    let seats: &mut [Seat] = black_box(&mut []);
    let blocks: &mut [Block] = black_box(&mut []);
    let files: &mut [File] = black_box(&mut []);
    Some(Shared {
        room: Room::new(black_box(&mut []), seats, black_box(""), black_box("")).ok()?,
        store: RamStore::new(blocks, files, black_box(0)),
        counters: Counters::default(),
        about: About {
            version: "",
            board: "",
            address: IpAddress::Ipv4(Ipv4Address::UNSPECIFIED),
            stack_high_water: Some(|| black_box(0)),
        },
    })
}

fn node<'a>(world: &mut Shared<'a, RamStore<'a>>) -> Option<Node<'a, Shared<'a, RamStore<'a>>>> {
    let plan = Plan {
        chat: SIZE,
        secret: SIZE,
        drop: SIZE,
        files: SIZE,
        status: SIZE,
        echo: SIZE,
        discard: SIZE,
        chargen: SIZE,
        capture: SIZE,
        backlog: 1,
        time_wait: 1,
    };
    let config = Config {
        mac: EthernetAddress([0; 6]),
        addresses: black_box(&[]),
        dhcp: black_box(Some("r2")),
        gateway: None,
        allow: &[],
        secret: [0; 16],
        started_at: now(),
        backlog: 1,
        time_wait: 1,
        limits: Limits::DEFAULT,
    };
    let (config, plan) = (black_box(config), black_box(plan));
    let mut memory = Memory;
    let mut registry = Registry::new(&mut memory);
    register(&mut registry, &plan).ok()?;
    Some(Node::new(registry, &config, &mut Wire, world, now()))
}

/// The entry; nobody calls it.
#[unsafe(no_mangle)]
extern "C" fn _start() {
    let Some(world) = world() else { return };
    let mut world = black_box(world);
    let Some(node) = node(&mut world) else { return };
    let mut node = black_box(node);
    match black_box(0) {
        0 => {
            black_box(node.poll(now(), &mut Wire, &mut world));
        }
        1 => node.stop(now(), &mut world),
        2 => {
            black_box(node.is_stopped(now()));
        }
        3 => {
            let remote = black_box(IpEndpoint::new(IpAddress::Ipv4(Ipv4Address::UNSPECIFIED), 0));
            let Some(chat) = node.service_at(black_box(CHAT.port)) else {
                return;
            };
            let _ = black_box(node.call(chat, remote, now()));
        }
        _ => {
            black_box(node.take_call_outcome());
        }
    }
    black_box((node, world));
}
