//! What a captured frame says.

use std::collections::HashMap;
use std::time::Duration;

use serde::{Serialize, Serializer};
use smoltcp::wire::{
    EthernetAddress, EthernetFrame, EthernetProtocol, IpProtocol, Ipv4Address, Ipv4Packet, TcpOption,
    TcpPacket, UdpPacket,
};

/// A frame on the wire.
#[derive(Clone, Debug)]
pub(super) struct Frame {
    /// When it was seen: where it was sent on the wire in memory, at R2's end on a TAP.
    pub(super) at: Duration,
    pub(super) bytes: Vec<u8>,
    /// The wire has lost it.
    pub(super) lost: bool,
}

/// A frame that was read.
#[derive(Clone, Debug)]
pub(super) struct Packet {
    /// Its number in the capture, the first is 1.
    pub(super) number: usize,
    pub(super) at: Duration,
    pub(super) lost: bool,
    pub(super) from_r2: bool,
    /// The IPv4 addresses of its sender and of its receiver; unspecified where there are none.
    pub(super) addresses: [Ipv4Address; 2],
    /// KALI's port and R2's; 0 where there are none.
    pub(super) kali: u16,
    pub(super) r2: u16,
    pub(super) payload: Vec<u8>,
    /// Bytes of the frame, its Ethernet header included.
    pub(super) length: usize,
    pub(super) carries: Carries,
}

/// What is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Carries {
    Tcp {
        syn: bool,
        fin: bool,
        rst: bool,
        push: bool,
        /// Counted from the SYN of its direction.
        seq: u32,
        /// Counted from the SYN of the other direction.
        ack: Option<u32>,
        /// How many bytes more its sender has room for.
        window: u32,
        /// The most bytes of a segment that its sender takes, as its SYN says.
        mss: Option<u16>,
    },
    Udp,
    Arp,
    Other,
}

/// Findings name a frame by its number in the capture.
impl Serialize for Packet {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.number.serialize(to)
    }
}

impl Packet {
    /// Whether it is of the TCP connection whose KALI's end has `port`.
    pub(super) fn is_of(&self, port: u16) -> bool {
        self.kali == port && matches!(self.carries, Carries::Tcp { .. })
    }

    /// Whether it carries bytes of a TCP stream.
    pub(super) fn is_data(&self) -> bool {
        matches!(self.carries, Carries::Tcp { .. }) && !self.payload.is_empty()
    }

    /// What it acknowledges.
    pub(super) fn ack(&self) -> Option<u32> {
        match self.carries {
            Carries::Tcp { ack, .. } => ack,
            _ => None,
        }
    }

    /// How many bytes more its sender has room for.
    pub(super) fn window(&self) -> u32 {
        match self.carries {
            Carries::Tcp { window, .. } => window,
            _ => 0,
        }
    }

    pub(super) fn is_syn(&self) -> bool {
        matches!(self.carries, Carries::Tcp { syn: true, .. })
    }

    pub(super) fn is_fin(&self) -> bool {
        matches!(self.carries, Carries::Tcp { fin: true, .. })
    }

    /// The sequence number behind its payload.
    pub(super) fn end(&self) -> u32 {
        let length = u32::try_from(self.payload.len()).unwrap_or(u32::MAX);
        match self.carries {
            Carries::Tcp { seq, .. } => seq.wrapping_add(length),
            _ => 0,
        }
    }
}

/// Says what the frame numbers are, and what the first frames were.
pub(super) fn about_numbers(packets: &[Packet]) -> String {
    let arp = packets.iter().take_while(|packet| packet.carries == Carries::Arp);
    let first = match arp.count() {
        0 => String::new(),
        1 => " Frame 1 is ARP (RFC 826), which finds the Ethernet address of an IP address.".into(),
        2 => " Frames 1 and 2 are ARP (RFC 826): KALI asks for the Ethernet address of R2's IP address, and R2 answers.".into(),
        count => format!(" Frames 1 to {count} are ARP (RFC 826), which finds the Ethernet address of an IP address."),
    };
    format!(
        "The frames are numbered as in the capture, in which each ladder leaves out those of other connections.{first}"
    )
}

/// Reads frames, of a network in which R2 has the Ethernet address `r2`.
pub(super) fn read(frames: &[Frame], r2: EthernetAddress) -> Vec<Packet> {
    let mut first = HashMap::new();
    let numbered = frames.iter().zip(1..);
    numbered
        .filter_map(|(frame, number)| read_one(frame, number, r2, &mut first))
        .collect()
}

/// What the SYN of each direction of each connection says: its sequence number, and by how many bits windows are
/// shifted (RFC 7323) if the other one says so, too.
type First = HashMap<(u16, u16, bool), (u32, Option<u8>)>;

fn read_one(frame: &Frame, number: usize, r2: EthernetAddress, first: &mut First) -> Option<Packet> {
    let ethernet = EthernetFrame::new_checked(&*frame.bytes).ok()?;
    let mut packet = Packet {
        number,
        at: frame.at,
        lost: frame.lost,
        from_r2: ethernet.src_addr() == r2,
        addresses: [Ipv4Address::UNSPECIFIED; 2],
        kali: 0,
        r2: 0,
        payload: Vec::new(),
        length: frame.bytes.len(),
        carries: Carries::Other,
    };
    match ethernet.ethertype() {
        EthernetProtocol::Arp => packet.carries = Carries::Arp,
        EthernetProtocol::Ipv4 => {
            if let Ok(ip) = Ipv4Packet::new_checked(ethernet.payload()) {
                packet.addresses = [ip.src_addr(), ip.dst_addr()];
                match ip.next_header() {
                    IpProtocol::Tcp => packet.read_tcp(ip.payload(), first),
                    IpProtocol::Udp => packet.read_udp(ip.payload()),
                    _ => {}
                }
            }
        }
        _ => {}
    }
    Some(packet)
}

impl Packet {
    fn set_ports(&mut self, source: u16, destination: u16) {
        (self.r2, self.kali) = if self.from_r2 {
            (source, destination)
        } else {
            (destination, source)
        };
    }

    fn read_udp(&mut self, bytes: &[u8]) {
        let Ok(udp) = UdpPacket::new_checked(bytes) else {
            return;
        };
        self.set_ports(udp.src_port(), udp.dst_port());
        self.payload = udp.payload().to_vec();
        self.carries = Carries::Udp;
    }

    fn read_tcp(&mut self, bytes: &[u8], first: &mut First) {
        let Ok(tcp) = TcpPacket::new_checked(bytes) else {
            return;
        };
        self.set_ports(tcp.src_port(), tcp.dst_port());
        self.payload = tcp.payload().to_vec();
        let number = |number: smoltcp::wire::TcpSeqNumber| u32::from_ne_bytes(number.0.to_ne_bytes());
        let (seq, ack) = (number(tcp.seq_number()), number(tcp.ack_number()));
        let (own, other) = (
            (self.kali, self.r2, self.from_r2),
            (self.kali, self.r2, !self.from_r2),
        );
        let (mss, shift) = options(&tcp);
        if tcp.syn() {
            first.insert(own, (seq, shift));
        }
        let of = |key| first.get(key).copied().unwrap_or_default();
        let from = |number: u32, key| number.wrapping_sub(of(key).0);
        let shift = match (of(&own).1, of(&other).1) {
            (Some(shift), Some(_)) if !tcp.syn() => shift.min(14),
            _ => 0,
        };
        self.carries = Carries::Tcp {
            syn: tcp.syn(),
            fin: tcp.fin(),
            rst: tcp.rst(),
            push: tcp.psh(),
            seq: from(seq, &own),
            ack: tcp.ack().then(|| from(ack, &other)),
            window: u32::from(tcp.window_len()) << shift,
            mss,
        };
    }
}

/// The largest segment and the shift of windows that a SYN announces.
fn options(tcp: &TcpPacket<&[u8]>) -> (Option<u16>, Option<u8>) {
    let (mut mss, mut shift) = (None, None);
    let mut rest = tcp.options();
    while let Ok((behind, option)) = TcpOption::parse(rest) {
        match option {
            TcpOption::EndOfList => break,
            TcpOption::MaxSegmentSize(size) => mss = Some(size),
            TcpOption::WindowScale(by) => shift = Some(by),
            _ => {}
        }
        rest = behind;
    }
    (mss, shift)
}
