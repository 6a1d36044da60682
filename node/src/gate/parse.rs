//! From a frame to what it is.

use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{
    EthernetAddress, EthernetFrame, EthernetProtocol, IpAddress, IpCidr, IpProtocol, Ipv4Cidr, Ipv4Packet,
    TcpOption, TcpPacket, UdpPacket,
};
#[cfg(feature = "ipv6")]
use smoltcp::wire::{Ipv6Cidr, Ipv6Packet};

use super::Flow;
use crate::config::Config;
use crate::counters::Reason;

/// Who we are, who may talk to us, and which checksums the link leaves to us.
pub(crate) struct Border<'a> {
    mac: EthernetAddress,
    ipv4: Ipv4Cidr,
    #[cfg(feature = "ipv6")]
    ipv6: Option<Ipv6Cidr>,
    allow: &'a [IpCidr],
    checksum: ChecksumCapabilities,
}

/// What a frame is, for R2.
pub(crate) enum Parsed<'f> {
    /// A TCP segment to one of our addresses.
    Tcp(Segment<'f>),
    /// A UDP datagram to one of our addresses.
    Udp(Datagram<'f>),
    /// ARP, NDP, ICMP: for the plain interface.
    Plain,
}

/// A TCP segment, and the packet that it came in.
pub(crate) struct Segment<'f> {
    pub(crate) flow: Flow,
    /// The Ethernet address of the sender, or of its router.
    pub(crate) from: EthernetAddress,
    /// The IP packet: what smoltcp is given.
    pub(crate) packet: &'f [u8],
    pub(crate) seq: u32,
    /// Bytes of sequence space: the payload, SYN and FIN.
    pub(crate) len: u32,
    pub(crate) window: u16,
    /// Where in `packet` the segment begins.
    pub(crate) tcp_at: usize,
    pub(crate) syn: bool,
    pub(crate) ack: Option<u32>,
    pub(crate) fin: bool,
    pub(crate) rst: bool,
    /// How many bytes of `packet` are headers: all there is to a SYN.
    pub(crate) headers: usize,
}

/// Bytes of a TCP header without options (RFC 9293, section 3.1).
const TCP_HEADER: usize = 20;

impl Segment<'_> {
    /// The sequence number behind the segment.
    pub(crate) fn end(&self) -> u32 {
        self.seq.wrapping_add(self.len)
    }

    /// Bytes of the payload.
    pub(crate) fn payload(&self) -> usize {
        self.packet.len().saturating_sub(self.headers)
    }

    /// The options of its header.
    pub(crate) fn options(&self) -> &[u8] {
        let begin = self.tcp_at.saturating_add(TCP_HEADER);
        self.packet.get(begin..self.headers).unwrap_or_default()
    }
}

/// A UDP datagram.
pub(crate) struct Datagram<'f> {
    pub(crate) flow: Flow,
    pub(crate) from: EthernetAddress,
    pub(crate) payload: &'f [u8],
}

struct Packet<'f> {
    bytes: &'f [u8],
    source: IpAddress,
    destination: IpAddress,
    protocol: IpProtocol,
    payload: &'f [u8],
    fragment: bool,
}

impl<'a> Border<'a> {
    pub(crate) fn new(config: &Config<'a>, checksum: ChecksumCapabilities) -> Self {
        Self {
            mac: config.mac,
            ipv4: config.ipv4,
            #[cfg(feature = "ipv6")]
            ipv6: config.ipv6,
            allow: config.allow,
            checksum,
        }
    }

    /// Says what `frame` is, or why it is dropped.
    pub(crate) fn inspect<'f>(&self, frame: &'f [u8]) -> Result<Parsed<'f>, Reason> {
        let ethernet = EthernetFrame::new_checked(frame).map_err(|_| Reason::Malformed)?;
        let to = ethernet.dst_addr();
        if to != self.mac && !to.is_broadcast() && !to.is_multicast() {
            return Err(Reason::NotForUs);
        }
        let packet = match ethernet.ethertype() {
            EthernetProtocol::Ipv4 => self.ipv4(ethernet.payload())?,
            #[cfg(feature = "ipv6")]
            EthernetProtocol::Ipv6 => ipv6(ethernet.payload())?,
            EthernetProtocol::Arp => return Ok(Parsed::Plain),
            _ => return Err(Reason::NotForUs),
        };
        // An unspecified or link-local IPv6 source is a neighbour finding its addresses (RFC 4861).
        let may_talk =
            self.allow.is_empty() || self.allow.iter().any(|cidr| cidr.contains_addr(&packet.source));
        if !may_talk && !is_neighbor_discovery(&packet) {
            return Err(Reason::NotAllowed);
        }
        match packet.protocol {
            IpProtocol::Tcp | IpProtocol::Udp => {}
            #[cfg(feature = "ipv6")]
            IpProtocol::Ipv6Frag => return Err(Reason::Fragment),
            _ => return Ok(Parsed::Plain),
        }
        if packet.fragment {
            return Err(Reason::Fragment);
        }
        if to != self.mac || !self.is_unicast(packet.source) {
            return Err(Reason::NotUnicast);
        }
        if !self.is_ours(packet.destination) {
            let elsewhere = packet.destination.is_multicast() || self.is_broadcast(packet.destination);
            return Err(if elsewhere {
                Reason::NotUnicast
            } else {
                Reason::NotForUs
            });
        }
        match packet.protocol {
            IpProtocol::Tcp => self.tcp(&packet, ethernet.src_addr()).map(Parsed::Tcp),
            _ => self.udp(&packet, ethernet.src_addr()).map(Parsed::Udp),
        }
    }

    /// Reads the SYN `packet` again, which was found good when it came from the Ethernet address `from`.
    pub(crate) fn inspect_held<'f>(
        &self,
        packet: &'f [u8],
        from: EthernetAddress,
    ) -> Result<Segment<'f>, Reason> {
        let packet = match packet.first().map(|byte| byte >> 4) {
            #[cfg(feature = "ipv6")]
            Some(6) => ipv6(packet),
            _ => self.ipv4(packet),
        };
        self.tcp(&packet?, from)
    }

    fn ipv4<'f>(&self, bytes: &'f [u8]) -> Result<Packet<'f>, Reason> {
        let packet = Ipv4Packet::new_checked(bytes).map_err(|_| Reason::Malformed)?;
        if packet.version() != 4 {
            return Err(Reason::Malformed);
        }
        if self.checksum.ipv4.rx() && !packet.verify_checksum() {
            return Err(Reason::Checksum);
        }
        Ok(Packet {
            bytes: bytes.get(..packet.total_len().into()).ok_or(Reason::Malformed)?,
            source: packet.src_addr().into(),
            destination: packet.dst_addr().into(),
            protocol: packet.next_header(),
            payload: packet.payload(),
            fragment: packet.more_frags() || packet.frag_offset() > 0,
        })
    }

    fn tcp<'f>(&self, packet: &Packet<'f>, from: EthernetAddress) -> Result<Segment<'f>, Reason> {
        let tcp = TcpPacket::new_checked(packet.payload).map_err(|_| Reason::Malformed)?;
        if tcp.src_port() == 0 || tcp.dst_port() == 0 {
            return Err(Reason::Malformed);
        }
        if self.checksum.tcp.rx() && !tcp.verify_checksum(&packet.source, &packet.destination) {
            return Err(Reason::Checksum);
        }
        // RST is looked at before FIN (RFC 9293, section 3.10.7.4).
        let (syn, rst) = (tcp.syn(), tcp.rst());
        let fin = tcp.fin() && !rst;
        // SYN with another has no meaning, and smoltcp would throw the segment away when a slot is taken for it.
        if (syn && (tcp.fin() || rst)) || !are_whole(tcp.options()) {
            return Err(Reason::Malformed);
        }
        let len = tcp.payload().len().saturating_add((syn || fin).into());
        let tcp_at = packet.bytes.len().saturating_sub(packet.payload.len());
        Ok(Segment {
            flow: flow(packet, tcp.src_port(), tcp.dst_port()),
            from,
            packet: packet.bytes,
            seq: tcp.seq_number().0.cast_unsigned(),
            len: u32::try_from(len).map_err(|_| Reason::Malformed)?,
            window: tcp.window_len(),
            tcp_at,
            syn,
            ack: tcp.ack().then(|| tcp.ack_number().0.cast_unsigned()),
            fin,
            rst,
            headers: packet.bytes.len().saturating_sub(tcp.payload().len()),
        })
    }

    fn udp<'f>(&self, packet: &Packet<'f>, from: EthernetAddress) -> Result<Datagram<'f>, Reason> {
        let udp = UdpPacket::new_checked(packet.payload).map_err(|_| Reason::Malformed)?;
        if udp.src_port() == 0 || udp.dst_port() == 0 {
            return Err(Reason::Malformed);
        }
        if self.checksum.udp.rx() && !udp.verify_checksum(&packet.source, &packet.destination) {
            return Err(Reason::Checksum);
        }
        Ok(Datagram {
            flow: flow(packet, udp.src_port(), udp.dst_port()),
            from,
            payload: udp.payload(),
        })
    }

    fn is_ours(&self, address: IpAddress) -> bool {
        match address {
            IpAddress::Ipv4(address) => address == self.ipv4.address(),
            #[cfg(feature = "ipv6")]
            IpAddress::Ipv6(address) => self.ipv6.is_some_and(|ours| ours.address() == address),
        }
    }

    /// Whether one machine, and not this one, may have sent from there.
    fn is_unicast(&self, address: IpAddress) -> bool {
        address.is_unicast() && !is_nobodys(address) && !self.is_broadcast(address) && !self.is_ours(address)
    }

    fn is_broadcast(&self, address: IpAddress) -> bool {
        match address {
            IpAddress::Ipv4(address) => address.is_broadcast() || self.ipv4.broadcast() == Some(address),
            #[cfg(feature = "ipv6")]
            IpAddress::Ipv6(_) => false,
        }
    }
}

/// Whether no machine on a wire has that address: IPv4's of this host, of loopback and of class E (RFC 1122, section
/// 3.2.1.3; RFC 1112, section 4), IPv6's of loopback, and those of IPv4 inside it (RFC 4291, sections 2.5.3 and 2.5.5).
fn is_nobodys(address: IpAddress) -> bool {
    match address {
        IpAddress::Ipv4(address) => matches!(address.octets(), [0 | 127 | 240.., ..]),
        #[cfg(feature = "ipv6")]
        IpAddress::Ipv6(address) => address.is_loopback() || address.to_ipv4().is_some(),
    }
}

#[cfg(feature = "ipv6")]
fn ipv6(bytes: &[u8]) -> Result<Packet<'_>, Reason> {
    let packet = Ipv6Packet::new_checked(bytes).map_err(|_| Reason::Malformed)?;
    if packet.version() != 6 {
        return Err(Reason::Malformed);
    }
    Ok(Packet {
        bytes: bytes.get(..packet.total_len()).ok_or(Reason::Malformed)?,
        source: packet.src_addr().into(),
        destination: packet.dst_addr().into(),
        protocol: packet.next_header(),
        payload: packet.payload(),
        // What is in pieces has a protocol of its own.
        fragment: false,
    })
}

/// Whether every TCP option has the length that it says.
fn are_whole(mut options: &[u8]) -> bool {
    while !options.is_empty() {
        match TcpOption::parse(options) {
            Ok((_, TcpOption::EndOfList)) => return true,
            Ok((rest, _)) => options = rest,
            Err(_) => return false,
        }
    }
    true
}

fn is_neighbor_discovery(packet: &Packet<'_>) -> bool {
    // Types 133 to 137 (RFC 4861, section 4).
    packet.protocol == IpProtocol::Icmpv6 && matches!(packet.payload.first(), Some(133..=137))
}

fn flow(packet: &Packet<'_>, from: u16, to: u16) -> Flow {
    Flow {
        remote: (packet.source, from).into(),
        local: (packet.destination, to).into(),
    }
}
