//! A machine without a TCP of its own: every segment that it sends is written by the test.

use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{
    ArpOperation, ArpPacket, ArpRepr, EthernetAddress, EthernetFrame, EthernetProtocol, IpAddress,
    IpProtocol, IpRepr, Ipv4Address, Ipv4Packet, Ipv6Address, Ipv6Packet, TcpControl, TcpPacket, TcpRepr,
    TcpSeqNumber, UdpPacket, UdpRepr,
};

use crate::simulation::{R2_ADDRESS, R2_ADDRESS6, R2_MAC};
use crate::wire::Frame;

/// The stranger's Ethernet address.
pub const MAC: EthernetAddress = EthernetAddress([2, 0, 0, 0, 0, 66]);

/// The stranger's IP address.
pub const ADDRESS: Ipv4Address = Ipv4Address::new(192, 168, 69, 66);

/// The stranger's other IP address.
pub const ADDRESS6: Ipv6Address = Ipv6Address::new(0xfd69, 0, 0, 0, 0, 0, 0, 0x66);

/// The sequence number of the stranger's SYN, chosen so that it wraps soon.
pub const FIRST: u32 = u32::MAX - 5;

const ETHERNET_HEADER: usize = 14;

/// A segment of the stranger's.
#[derive(Clone, Copy, Debug)]
pub struct Said<'a> {
    /// The stranger's port.
    pub from: u16,
    /// R2's port.
    pub to: u16,
    /// SYN, FIN, RST or none.
    pub control: TcpControl,
    /// The sequence number, counted from [`FIRST`].
    pub seq: u32,
    /// The acknowledgement, where there is one.
    pub ack: Option<u32>,
    /// What it carries.
    pub payload: &'a [u8],
}

impl Said<'_> {
    /// The frame, with an open window.
    pub fn frame(&self) -> Frame {
        self.frame_to(R2_MAC, R2_ADDRESS)
    }

    /// The frame, to another Ethernet or IP address than R2's.
    pub fn frame_to(&self, mac: EthernetAddress, address: Ipv4Address) -> Frame {
        self.write(mac, address, |_| {})
    }

    /// The frame, with something in its TCP header that this type has no name for.
    pub fn frame_with(&self, change: impl FnOnce(&mut TcpRepr)) -> Frame {
        self.write(R2_MAC, R2_ADDRESS, change)
    }

    fn write(&self, mac: EthernetAddress, address: Ipv4Address, change: impl FnOnce(&mut TcpRepr)) -> Frame {
        let signed = |number: u32| TcpSeqNumber(number.cast_signed());
        let mut tcp = TcpRepr {
            src_port: self.from,
            dst_port: self.to,
            control: self.control,
            seq_number: signed(FIRST.wrapping_add(self.seq)),
            ack_number: self.ack.map(signed),
            window_len: 8192,
            window_scale: None,
            max_seg_size: None,
            sack_permitted: false,
            sack_ranges: [None; 3],
            timestamp: None,
            payload: self.payload,
        };
        change(&mut tcp);
        let (source, destination): (IpAddress, IpAddress) = (ADDRESS.into(), address.into());
        packet(mac, address, IpProtocol::Tcp, tcp.buffer_len(), |bytes| {
            let checksums = ChecksumCapabilities::default();
            tcp.emit(
                &mut TcpPacket::new_unchecked(bytes),
                &source,
                &destination,
                &checksums,
            );
        })
    }
}

/// A datagram from the stranger's port `from` to R2's port `to`.
pub fn datagram(from: u16, to: u16, payload: &[u8]) -> Frame {
    datagram_to(R2_MAC, R2_ADDRESS, from, to, payload)
}

/// The same, to another Ethernet and IP address than R2's.
pub fn datagram_to(mac: EthernetAddress, address: Ipv4Address, from: u16, to: u16, payload: &[u8]) -> Frame {
    let udp = UdpRepr {
        src_port: from,
        dst_port: to,
    };
    let (source, destination): (IpAddress, IpAddress) = (ADDRESS.into(), address.into());
    let length = udp.header_len() + payload.len();
    packet(mac, address, IpProtocol::Udp, length, |bytes| {
        let checksums = ChecksumCapabilities::default();
        let mut packet = UdpPacket::new_unchecked(bytes);
        let write = |room: &mut [u8]| room.copy_from_slice(payload);
        udp.emit(
            &mut packet,
            &source,
            &destination,
            payload.len(),
            write,
            &checksums,
        );
    })
}

/// An ARP frame to R2 that says who has the stranger's neighbour `ip`: a question or an answer, true or not.
pub fn arp(operation: ArpOperation, mac: EthernetAddress, ip: Ipv4Address) -> Frame {
    let arp = ArpRepr::EthernetIpv4 {
        operation,
        source_hardware_addr: mac,
        source_protocol_addr: ip,
        target_hardware_addr: R2_MAC,
        target_protocol_addr: R2_ADDRESS,
    };
    let mut frame = vec![0; ETHERNET_HEADER + arp.buffer_len()];
    let mut ethernet = EthernetFrame::new_unchecked(&mut frame);
    ethernet.set_src_addr(MAC);
    ethernet.set_dst_addr(R2_MAC);
    ethernet.set_ethertype(EthernetProtocol::Arp);
    arp.emit(&mut ArpPacket::new_unchecked(ethernet.payload_mut()));
    frame
}

/// Changes the IP packet in `frame` and makes its checksums right again, where its headers still say where they are.
pub fn tampered(mut frame: Frame, change: impl FnOnce(&mut Vec<u8>)) -> Frame {
    let mut ip = frame.split_off(ETHERNET_HEADER);
    change(&mut ip);
    seal(&mut ip);
    frame.extend(ip);
    frame
}

fn seal(bytes: &mut [u8]) {
    let Ok(mut ip) = Ipv4Packet::new_checked(bytes) else {
        return;
    };
    ip.fill_checksum();
    let (from, to): (IpAddress, IpAddress) = (ip.src_addr().into(), ip.dst_addr().into());
    let is_tcp = ip.next_header() == IpProtocol::Tcp;
    if let (true, Ok(mut tcp)) = (is_tcp, TcpPacket::new_checked(ip.payload_mut())) {
        tcp.fill_checksum(&from, &to);
    }
}

/// The TCP segment in `frame`, between the IPv6 addresses of the two.
pub fn over_ipv6(frame: &Frame) -> Frame {
    let mut segment = frame[ETHERNET_HEADER + 20..].to_vec();
    let (source, destination) = (ADDRESS6.into(), R2_ADDRESS6.into());
    TcpPacket::new_unchecked(&mut segment[..]).fill_checksum(&source, &destination);
    let ip = IpRepr::new(source, destination, IpProtocol::Tcp, segment.len(), 64);
    let mut packet = frame[..ETHERNET_HEADER].to_vec();
    packet.resize(ETHERNET_HEADER + ip.header_len(), 0);
    packet[12..ETHERNET_HEADER].copy_from_slice(&u16::from(EthernetProtocol::Ipv6).to_be_bytes());
    ip.emit(&mut packet[ETHERNET_HEADER..], &ChecksumCapabilities::default());
    packet.extend(segment);
    packet
}

/// The TCP segment in `frame` with these options, padded to the next word.
pub fn with_options(frame: Frame, options: &[u8]) -> Frame {
    const BEGIN: usize = 40;
    tampered(frame, |ip| {
        let length = options.len().next_multiple_of(4);
        let mut padded = options.to_vec();
        padded.resize(length, 0);
        let behind = BEGIN..usize::from(ip[32] >> 4) * 4 + 20;
        ip.splice(behind, padded);
        let words = u8::try_from(5 + length / 4).expect("40 bytes of options");
        ip[32] = words << 4 | ip[32] & 0x0f;
        let total = u16::try_from(ip.len()).expect("a short packet");
        ip[2..4].copy_from_slice(&total.to_be_bytes());
    })
}

fn packet(
    mac: EthernetAddress,
    address: Ipv4Address,
    protocol: IpProtocol,
    length: usize,
    write: impl FnOnce(&mut [u8]),
) -> Frame {
    let ip = IpRepr::new(ADDRESS.into(), address.into(), protocol, length, 64);
    let mut frame = vec![0; ETHERNET_HEADER + ip.buffer_len()];
    let mut ethernet = EthernetFrame::new_unchecked(&mut frame);
    ethernet.set_src_addr(MAC);
    ethernet.set_dst_addr(mac);
    ethernet.set_ethertype(EthernetProtocol::Ipv4);
    ip.emit(&mut *ethernet.payload_mut(), &ChecksumCapabilities::default());
    write(&mut ethernet.payload_mut()[ip.header_len()..]);
    frame
}

/// A segment of R2's.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields of a TCP header")]
pub struct Heard {
    pub to: u16,
    pub seq: u32,
    pub ack: u32,
    pub window: u16,
    pub syn: bool,
    pub fin: bool,
    pub rst: bool,
    pub payload: Vec<u8>,
}

impl Heard {
    /// The segment in `frame`, if there is one. Its checksums must be right.
    pub fn read(frame: &[u8]) -> Option<Self> {
        let (protocol, segment, from, to) = ipv6(frame).or_else(|| {
            let (ip, from, to) = ipv4(frame)?;
            assert!(ip.verify_checksum());
            let segment = &frame[ETHERNET_HEADER + usize::from(ip.header_len())..];
            Some((ip.next_header(), segment, from, to))
        })?;
        if protocol != IpProtocol::Tcp {
            return None;
        }
        let tcp = TcpPacket::new_checked(segment).expect("R2 sends whole headers");
        assert!(tcp.verify_checksum(&from, &to));
        Some(Self::of(&tcp))
    }

    /// The segment in `frame`, if there is a whole one for the stranger. Where a card is to fill checksums, they are
    /// not there yet.
    pub fn captured(frame: &[u8]) -> Option<Self> {
        let ethernet = EthernetFrame::new_checked(frame).ok()?;
        if ethernet.dst_addr() != MAC || ethernet.ethertype() != EthernetProtocol::Ipv4 {
            return None;
        }
        let ip = Ipv4Packet::new_checked(ethernet.payload()).ok()?;
        if ip.next_header() != IpProtocol::Tcp {
            return None;
        }
        Some(Self::of(&TcpPacket::new_checked(ip.payload()).ok()?))
    }

    fn of(tcp: &TcpPacket<&[u8]>) -> Self {
        Self {
            to: tcp.dst_port(),
            seq: tcp.seq_number().0.cast_unsigned(),
            ack: tcp.ack_number().0.cast_unsigned(),
            window: tcp.window_len(),
            syn: tcp.syn(),
            fin: tcp.fin(),
            rst: tcp.rst(),
            payload: tcp.payload().to_vec(),
        }
    }

    /// The sequence number behind the segment.
    pub fn end(&self) -> u32 {
        let length = u32::try_from(self.payload.len()).expect("a short segment");
        self.seq
            .wrapping_add(length + u32::from(self.syn) + u32::from(self.fin))
    }
}

/// Where the UDP datagram in `frame` goes and what it carries, if there is one. Its checksums must be right.
pub fn heard_datagram(frame: &[u8]) -> Option<(u16, Vec<u8>)> {
    let (ip, from, to) = ipv4(frame)?;
    if ip.next_header() != IpProtocol::Udp {
        return None;
    }
    let udp = UdpPacket::new_checked(ip.payload()).expect("R2 sends whole headers");
    assert!(ip.verify_checksum() && udp.verify_checksum(&from, &to));
    Some((udp.dst_port(), udp.payload().to_vec()))
}

fn ipv4(frame: &[u8]) -> Option<(Ipv4Packet<&[u8]>, IpAddress, IpAddress)> {
    let ethernet = EthernetFrame::new_checked(frame).expect("R2 sends whole headers");
    if ethernet.ethertype() != EthernetProtocol::Ipv4 {
        return None;
    }
    let ip = Ipv4Packet::new_checked(ethernet.payload()).expect("R2 sends whole headers");
    let (from, to) = (ip.src_addr().into(), ip.dst_addr().into());
    Some((ip, from, to))
}

fn ipv6(frame: &[u8]) -> Option<(IpProtocol, &[u8], IpAddress, IpAddress)> {
    let ethernet = EthernetFrame::new_checked(frame).expect("R2 sends whole headers");
    if ethernet.ethertype() != EthernetProtocol::Ipv6 {
        return None;
    }
    let ip = Ipv6Packet::new_checked(ethernet.payload()).expect("R2 sends whole headers");
    let (from, to) = (ip.src_addr().into(), ip.dst_addr().into());
    Some((
        ip.next_header(),
        &frame[ETHERNET_HEADER + ip.header_len()..],
        from,
        to,
    ))
}
