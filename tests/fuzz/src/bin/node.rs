//! The node and its gate: frames that are anything, and segments of connections that answer what R2 has said.
#![no_main]

use std::collections::VecDeque;

use bumpalo::Bump;
use libfuzzer_sys::fuzz_target;
use r2_fuzz::{Choices, Memory, R2, world};
use r2_node::service::Registry;
use r2_node::{Config, Limits, Node, Size};
use r2_services::{Plan, register};
use smoltcp::phy::{ChecksumCapabilities, Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{
    EthernetAddress, EthernetFrame, EthernetProtocol, Icmpv4Packet, Icmpv6Packet, IpAddress, IpCidr,
    IpProtocol, IpRepr, Ipv4Address, Ipv4Cidr, Ipv4Packet, Ipv6Address, Ipv6Cidr, Ipv6Packet, TcpPacket,
    UdpPacket,
};

const MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];
const R2_V6: Ipv6Address = Ipv6Address::new(0xfd69, 0, 0, 0, 0, 0, 0, 1);
const PEER: Ipv4Address = Ipv4Address::new(192, 168, 69, 66);
const PORTS: [u16; 9] = [7, 9, 19, 5000, 5010, 5020, 5030, 5040, 4444];
/// What a SYN with this flag, which TCP keeps for congestion (ECE), asks for: to read all of it along.
const CAPTURE: (u8, u16) = (0x40, 5050);
/// How many passes it may take until nothing is left to be done at once.
const PASSES: usize = 64;
/// How many deadlines may come until the last silent connection is over.
const DEADLINES: usize = 10_000;
/// Ethernet, IPv4 and TCP.
const HEADERS: usize = 14 + 20 + 20;

fuzz_target!(|input: &[u8]| {
    let bump = Bump::new();
    let size = Size {
        connections: 2,
        receive: 512,
        transmit: 512,
    };
    let plan = Plan {
        chat: size,
        secret: size,
        drop: size,
        files: size,
        status: size,
        echo: size,
        discard: size,
        chargen: size,
        capture: size,
        backlog: 2,
        time_wait: 2,
    };
    let config = Config {
        mac: EthernetAddress(MAC),
        addresses: &[
            IpCidr::Ipv4(Ipv4Cidr::new(R2, 24)),
            IpCidr::Ipv6(Ipv6Cidr::new(R2_V6, 64)),
        ],
        gateway: None,
        allow: &[],
        secret: [7; 16],
        started_at: Instant::ZERO,
        backlog: plan.backlog,
        time_wait: plan.time_wait,
        limits: Limits::DEFAULT,
    };
    let (mut choices, mut world, mut wire) = (Choices(input), world(&bump), Wire::default());
    let mut now = Instant::ZERO;
    let mut memory = Memory(&bump);
    let mut registry = Registry::new(&mut memory);
    register(&mut registry, &plan).expect("room for R2's services");
    let mut node = Node::new(registry, &config, &mut wire, &mut world, now);
    let mut peers = [Peer::default(); 4];
    while !choices.is_over() {
        let choice = choices.byte();
        match choice % 4 {
            0 => {
                let mut frame = [&MAC[..], &[2, 0, 0, 0, 0, 66]].concat();
                frame.extend(choices.piece());
                if choice & 4 != 0 {
                    fill_in_checksums(&mut frame);
                }
                wire.arriving.push_back(frame);
            }
            1 => now += Duration::from_millis(choices.short().into()),
            _ => {
                let number = usize::from(choice >> 2) % peers.len();
                let frame = peers[number].segment(number, &mut choices);
                wire.arriving.push_back(frame);
            }
        }
        // A node does bounded work in a pass; what it has to do at once it does in a few.
        let rests = (0..PASSES).any(|_| {
            let next = node.poll(now, &mut wire, &mut world);
            wire.arriving.is_empty() && next.is_none_or(|at| at > now)
        });
        assert!(rests, "it never comes to rest");
        for frame in wire.leaving.drain(..) {
            for (number, peer) in peers.iter_mut().enumerate() {
                peer.hears(number, &frame);
            }
        }
    }
    // Nobody says anything any more: every slot is free again, and then R2 has nothing to do.
    for _ in 0..DEADLINES {
        let Some(next) = node.poll(now, &mut wire, &mut world) else {
            break;
        };
        now = next.max(now);
        wire.leaving.clear();
    }
    assert_eq!(world.counters.sessions_open, 0, "a slot was not given back");
});

/// Where a connection of the stranger's stands.
#[derive(Clone, Copy, Default)]
struct Peer {
    port: u16,
    seq: u32,
    ack: u32,
}

impl Peer {
    const fn own_port(number: usize) -> u16 {
        [1001, 1002, 1003, 1004][number]
    }

    /// A segment: what should come next, but for what the fuzzer wants otherwise.
    fn segment(&mut self, number: usize, choices: &mut Choices<'_>) -> Vec<u8> {
        let flags = choices.byte();
        let odd = choices.byte();
        if flags & 2 != 0 {
            *self = Self {
                port: match CAPTURE {
                    (flag, port) if flags & flag != 0 => port,
                    _ => PORTS[usize::from(odd) % PORTS.len()],
                },
                seq: 0xffff_fff0,
                ack: 0,
            };
        }
        let wrong = |bit: u8, choices: &mut Choices<'_>| match odd & bit {
            0 => 0,
            _ => i32::from(choices.short().cast_signed()),
        };
        let seq = self.seq.wrapping_add_signed(wrong(0x40, choices));
        let ack = self.ack.wrapping_add_signed(wrong(0x80, choices));
        let window = if odd & 0x20 == 0 { 8192 } else { choices.short() };
        let options = if odd & 0x10 == 0 { &[] } else { choices.piece() };
        let options = &options[..options.len().min(40) & !3];
        let payload = if odd & 8 == 0 { &[] } else { choices.piece() };
        let length = u32::try_from(payload.len()).expect("a byte's worth");
        self.seq = self
            .seq
            .wrapping_add(length + u32::from(flags & 1) + u32::from(flags >> 1 & 1));
        let mut frame = vec![0; HEADERS];
        frame[..6].copy_from_slice(&MAC);
        frame[6..12].copy_from_slice(&[2, 0, 0, 0, 0, 66]);
        frame[12] = 8;
        let tcp = 20 + options.len() + payload.len();
        let ip = IpRepr::new(PEER.into(), R2.into(), IpProtocol::Tcp, tcp, 64);
        ip.emit(&mut frame[14..34], &ChecksumCapabilities::default());
        frame[34..36].copy_from_slice(&Self::own_port(number).to_be_bytes());
        frame[36..38].copy_from_slice(&self.port.to_be_bytes());
        frame[38..42].copy_from_slice(&seq.to_be_bytes());
        frame[42..46].copy_from_slice(&ack.to_be_bytes());
        frame[46] = u8::try_from(5 + options.len() / 4).expect("40 bytes of options") << 4;
        frame[47] = flags;
        frame[48..50].copy_from_slice(&window.to_be_bytes());
        frame.extend(options);
        frame.extend(payload);
        let (from, to): (IpAddress, IpAddress) = (PEER.into(), R2.into());
        TcpPacket::new_unchecked(&mut frame[34..]).fill_checksum(&from, &to);
        frame
    }

    fn hears(&mut self, number: usize, frame: &[u8]) {
        let Some(tcp) = frame.get(34..).and_then(|tcp| TcpPacket::new_checked(tcp).ok()) else {
            return;
        };
        if frame[23] == 6 && tcp.dst_port() == Self::own_port(number) && !tcp.rst() {
            let length = u32::try_from(tcp.segment_len()).expect("a short segment");
            self.ack = tcp.seq_number().0.cast_unsigned().wrapping_add(length);
        }
    }
}

/// Makes every checksum of a packet right, as far as it can be taken apart: behind a wrong one, nothing is looked at.
fn fill_in_checksums(frame: &mut [u8]) {
    let Ok(mut frame) = EthernetFrame::new_checked(frame) else {
        return;
    };
    match frame.ethertype() {
        EthernetProtocol::Ipv4 => {
            let Ok(mut packet) = Ipv4Packet::new_checked(frame.payload_mut()) else {
                return;
            };
            packet.fill_checksum();
            let (from, to, protocol) = (packet.src_addr(), packet.dst_addr(), packet.next_header());
            fill_in(from.into(), to.into(), protocol, packet.payload_mut());
        }
        EthernetProtocol::Ipv6 => {
            let Ok(mut packet) = Ipv6Packet::new_checked(frame.payload_mut()) else {
                return;
            };
            let (from, to, protocol) = (packet.src_addr(), packet.dst_addr(), packet.next_header());
            fill_in(from.into(), to.into(), protocol, packet.payload_mut());
        }
        _ => {}
    }
}

fn fill_in(from: IpAddress, to: IpAddress, protocol: IpProtocol, payload: &mut [u8]) {
    match (protocol, from, to) {
        (IpProtocol::Tcp, ..) => {
            if let Ok(mut tcp) = TcpPacket::new_checked(payload) {
                tcp.fill_checksum(&from, &to);
            }
        }
        (IpProtocol::Udp, ..) => {
            if let Ok(mut udp) = UdpPacket::new_checked(payload) {
                udp.fill_checksum(&from, &to);
            }
        }
        (IpProtocol::Icmp, ..) => {
            if let Ok(mut icmp) = Icmpv4Packet::new_checked(payload) {
                icmp.fill_checksum();
            }
        }
        (IpProtocol::Icmpv6, IpAddress::Ipv6(from), IpAddress::Ipv6(to)) => {
            if let Ok(mut icmp) = Icmpv6Packet::new_checked(payload) {
                icmp.fill_checksum(&from, &to);
            }
        }
        _ => {}
    }
}

#[derive(Default)]
struct Wire {
    arriving: VecDeque<Vec<u8>>,
    leaving: VecDeque<Vec<u8>>,
}

impl Device for Wire {
    type RxToken<'a> = Arrived;
    type TxToken<'a> = Leaving<'a>;

    fn receive(&mut self, _: Instant) -> Option<(Arrived, Leaving<'_>)> {
        Some((Arrived(self.arriving.pop_front()?), Leaving(&mut self.leaving)))
    }

    fn transmit(&mut self, _: Instant) -> Option<Leaving<'_>> {
        Some(Leaving(&mut self.leaving))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = 590;
        capabilities
    }
}

struct Arrived(Vec<u8>);

impl RxToken for Arrived {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(&self.0)
    }
}

struct Leaving<'w>(&'w mut VecDeque<Vec<u8>>);

impl TxToken for Leaving<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let mut frame = vec![0; len];
        let result = f(&mut frame);
        self.0.push_back(frame);
        result
    }
}
