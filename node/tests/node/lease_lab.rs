//! A node that finds its IPv4 address by itself, alone on its wire, and the answers of a DHCP server, byte by byte.

use r2_core::diag::echo::Echo;
use r2_node::service::{Registry, Spec, never, whole};
use r2_node::storage::Leaked;
use r2_node::{Config, Counters, Node, Size};
use r2_sim::stranger::{ADDRESS, datagram_to};
use r2_sim::wire::{Frame, Wire};
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{
    ArpOperation, ArpPacket, ArpRepr, EthernetAddress, EthernetFrame, EthernetProtocol, Ipv4Address,
    Ipv4Packet,
};

pub(super) static ECHO: Spec = Spec::new("echo", 7);
pub(super) const OURS: EthernetAddress = EthernetAddress([0x02, 0x52, 0x32, 1, 2, 3]);
pub(super) const LEASED: Ipv4Address = Ipv4Address::new(192, 168, 69, 50);
pub(super) const EVERYBODY: Ipv4Address = Ipv4Address::BROADCAST;
pub(super) const NOBODY: Ipv4Address = Ipv4Address::UNSPECIFIED;

pub(super) const DISCOVER: u8 = 1;
pub(super) const OFFER: u8 = 2;
pub(super) const REQUEST: u8 = 3;
pub(super) const DECLINE: u8 = 4;
pub(super) const ACK: u8 = 5;
pub(super) const NAK: u8 = 6;

/// What a client has said: its kind, number, and own address; and where it was sent.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) at: Instant,
    pub(super) kind: u8,
    pub(super) number: [u8; 4],
    pub(super) own: Ipv4Address,
    pub(super) from: Ipv4Address,
    pub(super) to: Ipv4Address,
    pub(super) to_mac: EthernetAddress,
    pub(super) bytes: Vec<u8>,
}

impl Asked {
    pub(super) fn read(at: Instant, frame: &[u8]) -> Option<Self> {
        let ethernet = EthernetFrame::new_checked(frame).ok()?;
        if ethernet.ethertype() != EthernetProtocol::Ipv4 {
            return None;
        }
        let ip = Ipv4Packet::new_checked(ethernet.payload()).ok()?;
        let bytes = ip.payload().strip_prefix(&[0, 68, 0, 67])?.get(4..)?.to_vec();
        assert!(ip.verify_checksum() && bytes[..4] == [1, 1, 6, 0]);
        assert_eq!(&bytes[28..34], OURS.as_bytes());
        assert_eq!(&bytes[236..243], [99, 130, 83, 99, 53, 1, bytes[242]]);
        Some(Self {
            at,
            kind: bytes[242],
            number: bytes[4..8].try_into().unwrap(),
            own: Ipv4Address::from(<[u8; 4]>::try_from(&bytes[12..16]).unwrap()),
            from: ip.src_addr(),
            to: ip.dst_addr(),
            to_mac: ethernet.dst_addr(),
            bytes,
        })
    }

    pub(super) fn option(&self, option: u8) -> Option<&[u8]> {
        let mut options = &self.bytes[240..];
        while options[0] != 255 {
            let (value, rest) = options[2..].split_at(options[1].into());
            if options[0] == option {
                return Some(value);
            }
            options = rest;
        }
        None
    }
}

/// An answer, as a server puts it together.
#[derive(Clone)]
pub(super) struct Answer {
    pub(super) number: [u8; 4],
    pub(super) yours: Ipv4Address,
    pub(super) client: EthernetAddress,
    pub(super) options: Vec<(u8, Vec<u8>)>,
}

impl Answer {
    /// 192.168.69.50/24 with the router 192.168.69.66, for so many seconds.
    pub(super) fn new(kind: u8, number: [u8; 4], seconds: u32) -> Self {
        Self {
            number,
            yours: LEASED,
            client: OURS,
            options: vec![
                (53, vec![kind]),
                (54, ADDRESS.octets().to_vec()),
                (1, vec![255, 255, 255, 0]),
                (3, ADDRESS.octets().to_vec()),
                (51, seconds.to_be_bytes().to_vec()),
            ],
        }
    }

    pub(super) fn with(mut self, option: u8, value: &[u8]) -> Self {
        self.options.retain(|(other, _)| *other != option);
        if !value.is_empty() {
            self.options.push((option, value.to_vec()));
        }
        self
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![0; 236];
        bytes[..4].copy_from_slice(&[2, 1, 6, 0]);
        bytes[4..8].copy_from_slice(&self.number);
        bytes[16..20].copy_from_slice(&self.yours.octets());
        bytes[28..34].copy_from_slice(self.client.as_bytes());
        bytes.extend([99, 130, 83, 99]);
        for (option, value) in &self.options {
            bytes.extend([*option, value.len().try_into().unwrap()]);
            bytes.extend(value);
        }
        bytes.push(255);
        bytes
    }

    pub(super) fn frame(&self) -> Frame {
        datagram_to(OURS, self.yours, 67, 68, &self.bytes())
    }
}

pub(super) fn arp(
    operation: ArpOperation,
    mac: EthernetAddress,
    from: Ipv4Address,
    about: Ipv4Address,
) -> Frame {
    let arp = ArpRepr::EthernetIpv4 {
        operation,
        source_hardware_addr: mac,
        source_protocol_addr: from,
        target_hardware_addr: EthernetAddress([0; 6]),
        target_protocol_addr: about,
    };
    let mut frame = vec![0; 14 + arp.buffer_len()];
    let mut ethernet = EthernetFrame::new_unchecked(&mut frame);
    ethernet.set_src_addr(mac);
    ethernet.set_dst_addr(EthernetAddress::BROADCAST);
    ethernet.set_ethertype(EthernetProtocol::Arp);
    arp.emit(&mut ArpPacket::new_unchecked(ethernet.payload_mut()));
    frame
}

/// The node alone on its wire.
pub(super) struct Lab {
    pub(super) now: Instant,
    pub(super) node: Node<'static, Counters>,
    pub(super) world: Counters,
    pub(super) wire: Wire,
    pub(super) asked: Vec<Asked>,
    /// The questions of ARP: when, from whom, for which address.
    pub(super) arp: Vec<(Instant, Ipv4Address, Ipv4Address)>,
    pub(super) other: Vec<Frame>,
}

impl Lab {
    pub(super) fn new() -> Self {
        Self::with(|config| config.dhcp = Some("r2"))
    }

    pub(super) fn with(change: impl FnOnce(&mut Config<'static>)) -> Self {
        let mut config = Config::new(OURS, &[], [7; 16]);
        change(&mut config);
        let (mut wire, mut world, mut memory) = (Wire::default(), Counters::default(), Leaked);
        let mut registry = Registry::new(&mut memory);
        let size = Size {
            connections: 4,
            receive: 2048,
            transmit: 2048,
        };
        registry.serve(&ECHO, size, Echo::new, whole, never).unwrap();
        Self {
            now: Instant::ZERO,
            node: Node::new(registry, &config, &mut wire, &mut world, Instant::ZERO),
            world,
            wire,
            asked: Vec::new(),
            arp: Vec::new(),
            other: Vec::new(),
        }
    }

    pub(super) fn turn(&mut self) -> Option<Instant> {
        let next = self.node.poll(self.now, &mut self.wire, &mut self.world);
        for frame in self.wire.leaving.drain(..) {
            let ethernet = EthernetFrame::new_unchecked(&frame);
            assert_eq!(ethernet.src_addr(), OURS);
            if let Some(asked) = Asked::read(self.now, &frame) {
                self.asked.push(asked);
            } else if ethernet.ethertype() == EthernetProtocol::Arp {
                let packet = ArpPacket::new_checked(ethernet.payload()).unwrap();
                let ArpRepr::EthernetIpv4 {
                    operation: ArpOperation::Request,
                    source_protocol_addr: from,
                    target_protocol_addr: about,
                    ..
                } = ArpRepr::parse(&packet).unwrap()
                else {
                    continue;
                };
                self.arp.push((self.now, from, about));
            } else {
                self.other.push(frame);
            }
        }
        next
    }

    /// Lets time pass until `done`, for so many seconds at most; whether it was.
    pub(super) fn until(&mut self, seconds: u64, mut done: impl FnMut(&Self) -> bool) -> bool {
        let end = self.now + Duration::from_secs(seconds);
        for _ in 0..100_000 {
            let next = self.turn();
            if done(self) {
                return true;
            }
            if self.now >= end {
                return false;
            }
            let wanted = next.unwrap_or(end);
            assert!(wanted >= self.now || next == Some(self.now), "no time goes back");
            self.now = wanted.clamp(self.now + Duration::from_micros(1), end);
        }
        panic!("no end of events");
    }

    pub(super) fn pass(&mut self, seconds: u64) {
        self.until(seconds, |_| false);
    }

    /// The next message, of this kind.
    pub(super) fn hears(&mut self, kind: u8) -> Asked {
        let heard = self.asked.len();
        assert!(
            self.until(600, |lab| lab.asked.len() > heard),
            "waiting for message {kind}"
        );
        let asked = self.asked[heard].clone();
        assert_eq!(asked.kind, kind, "{asked:?}");
        asked
    }

    pub(super) fn put(&mut self, frame: Frame) {
        self.wire.arriving.push_back(frame);
        self.turn();
    }

    pub(super) fn address(&self) -> Option<String> {
        let v4 = self.node.addresses().first().map(ToString::to_string);
        v4.filter(|address| !address.starts_with("fe80"))
    }

    /// Leases the address for so many seconds, and waits until the node has it.
    pub(super) fn lease(&mut self, seconds: u32) {
        let number = self.hears(DISCOVER).number;
        self.put(Answer::new(OFFER, number, seconds).frame());
        if self.asked.last().is_none_or(|asked| asked.kind != REQUEST) {
            self.hears(REQUEST);
        }
        self.put(Answer::new(ACK, number, seconds).frame());
        assert!(self.until(8, |lab| lab.address().is_some()));
        assert_eq!(self.address().unwrap(), "192.168.69.50/24");
    }
}

pub(super) fn seconds(from: Instant, to: Instant) -> f64 {
    f64::from(u32::try_from((to - from).total_millis()).unwrap()) / 1000.0
}
