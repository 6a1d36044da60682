//! From a frame to what it is.

use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{
    EthernetAddress, EthernetFrame, EthernetProtocol, IpAddress, IpCidr, IpProtocol, Ipv4Address, Ipv4Packet,
    TcpOption, TcpPacket, UdpPacket,
};
#[cfg(feature = "ipv6")]
use smoltcp::wire::{Ipv6Address, Ipv6Packet};

#[cfg(feature = "dhcp")]
use super::dhcp::{DhcpAnswer, is_dhcp};
use super::headers::behind_ethernet;
#[cfg(feature = "ipv6")]
use super::headers::{carried, without_extensions};
use super::{Flow, Neighbor};
use crate::config::{Addresses, Config};
use crate::counters::Reason;
#[cfg(feature = "multicast")]
use crate::service::GroupAddress;

/// Who we are, who may talk to us, and which checksums the link leaves to us.
pub(crate) struct Border<'a> {
    pub(super) mac: EthernetAddress,
    pub(crate) addresses: Addresses,
    #[cfg(feature = "multicast")]
    pub(super) group: Option<GroupAddress>,
    allow: &'a [IpCidr],
    pub(super) checksum: ChecksumCapabilities,
    /// An address that the node asks for, and does not have yet.
    #[cfg(feature = "dhcp")]
    pub(crate) candidate: Option<Ipv4Address>,
    /// Whether the node asks DHCP.
    #[cfg(feature = "dhcp")]
    asks_dhcp: bool,
}

/// What a frame is, for R2.
pub(crate) enum Parsed<'f> {
    /// A TCP segment to one of our addresses.
    Tcp(Segment<'f>),
    /// The same behind extension headers, which have to be taken off.
    #[cfg(feature = "ipv6")]
    Extended(Segment<'f>),
    /// A UDP datagram to one of our addresses.
    Udp(Datagram<'f>),
    /// A UDP datagram to the group of this node's service, or to its port at one of our addresses.
    #[cfg(feature = "multicast")]
    Grouped(Datagram<'f>),
    /// A request for an echo to one of our addresses: what is behind its checksum.
    Echo(Asked<'f>),
    /// A packet of a protocol that R2 does not speak, to one of our addresses.
    Unknown(Asked<'f>),
    /// Somebody asks who has our IPv4 address.
    Arp(Neighbor<Ipv4Address>, Ipv4Address),
    /// Somebody asks who has this IPv6 address of ours.
    #[cfg(feature = "ipv6")]
    Solicitation(Neighbor<Ipv6Address>, Ipv6Address),
    /// Somebody else says that it has an address of ours, or has or asks for the one that we ask for.
    #[cfg(feature = "dhcp")]
    Claim(Neighbor<Ipv4Address>),
    /// A DHCP server says something to a client.
    #[cfg(feature = "dhcp")]
    Dhcp(DhcpAnswer<'f>),
    /// Somebody says who it is.
    #[cfg_attr(not(feature = "call"), allow(dead_code, reason = "nobody asks"))]
    Neighbor(Neighbor<IpAddress>),
}

/// What came from one machine to us, and no connection has it.
#[derive(Clone, Copy)]
pub(crate) struct Asked<'f> {
    pub(crate) from: EthernetAddress,
    pub(crate) source: IpAddress,
    pub(crate) destination: IpAddress,
    pub(crate) bytes: &'f [u8],
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

    /// The sequence number behind SYN: that of the first byte.
    pub(crate) fn first(&self) -> u32 {
        self.seq.wrapping_add(1)
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
    /// The whole packet, and whom it came from.
    pub(crate) asked: Asked<'f>,
    pub(crate) payload: &'f [u8],
}

pub(super) struct Packet<'f> {
    pub(super) bytes: &'f [u8],
    pub(super) source: IpAddress,
    pub(super) destination: IpAddress,
    pub(super) protocol: IpProtocol,
    pub(super) payload: &'f [u8],
    pub(super) fragment: bool,
    /// Whether extension headers stand before the payload.
    #[cfg(feature = "ipv6")]
    extended: bool,
}

impl<'f> Packet<'f> {
    /// The packet, or a part of it, as somebody's question.
    pub(super) fn asked(&self, from: EthernetAddress, bytes: &'f [u8]) -> Asked<'f> {
        let Self {
            source, destination, ..
        } = *self;
        Asked {
            from,
            source,
            destination,
            bytes,
        }
    }
}

impl<'a> Border<'a> {
    pub(crate) fn new(
        config: &Config<'a>,
        checksum: ChecksumCapabilities,
        #[cfg(feature = "multicast")] group: Option<GroupAddress>,
    ) -> Self {
        Self {
            mac: config.mac,
            addresses: config.all_addresses(),
            #[cfg(feature = "multicast")]
            group,
            allow: config.allow,
            checksum,
            #[cfg(feature = "dhcp")]
            candidate: None,
            #[cfg(feature = "dhcp")]
            asks_dhcp: config.dhcp.is_some(),
        }
    }

    /// Says what `frame` is, or why it is dropped.
    pub(crate) fn inspect<'f>(&self, frame: &'f [u8]) -> Result<Parsed<'f>, Reason> {
        let ethernet = EthernetFrame::new_checked(frame).map_err(|_| Reason::Malformed)?;
        let (from, to) = (ethernet.src_addr(), ethernet.dst_addr());
        if to != self.mac && !to.is_broadcast() && !to.is_multicast() {
            return Err(Reason::NotForUs);
        }
        // An answer to it would be everybody's.
        if !from.is_unicast() {
            return Err(Reason::NotUnicast);
        }
        let (kind, start) = behind_ethernet(&ethernet);
        let bytes = frame.get(start..).unwrap_or_default();
        let packet = match kind {
            EthernetProtocol::Ipv4 => self.ipv4(bytes)?,
            #[cfg(feature = "ipv6")]
            EthernetProtocol::Ipv6 => ipv6(bytes)?,
            EthernetProtocol::Arp => return self.arp(bytes),
            _ => return Err(Reason::NotForUs),
        };
        // Neighbours find each other before anybody may talk; an unspecified or link-local source is one of them.
        #[cfg(feature = "ipv6")]
        if is_neighbor_discovery(&packet) {
            return self.ndp(&packet, from);
        }
        #[cfg(feature = "dhcp")]
        if self.asks_dhcp && is_dhcp(&packet) {
            return self.dhcp(&packet, from);
        }
        if !self.allow.is_empty() && !self.allow.iter().any(|cidr| cidr.contains_addr(&packet.source)) {
            return Err(Reason::NotAllowed);
        }
        if packet.fragment {
            return Err(Reason::Fragment);
        }
        #[cfg(feature = "multicast")]
        if self.is_to_group(&packet, to) {
            let datagram = self.udp(&packet, from)?;
            return self.grouped(datagram).map_err(|_| Reason::NotUnicast);
        }
        if to != self.mac || !self.is_host(packet.source) {
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
            #[cfg(feature = "ipv6")]
            IpProtocol::Tcp if packet.extended => self.tcp(&packet, from).map(Parsed::Extended),
            IpProtocol::Tcp => self.tcp(&packet, from).map(Parsed::Tcp),
            #[cfg(feature = "multicast")]
            IpProtocol::Udp => {
                let grouped = self.grouped(self.udp(&packet, from)?);
                Ok(grouped.unwrap_or_else(Parsed::Udp))
            }
            #[cfg(not(feature = "multicast"))]
            IpProtocol::Udp => self.udp(&packet, from).map(Parsed::Udp),
            _ => self.other(&packet, from),
        }
    }

    /// Reads the TCP segment `segment` again, without the extension headers before it, from `room`.
    #[cfg(feature = "ipv6")]
    pub(crate) fn unextended<'r>(
        &self,
        segment: &Segment<'_>,
        room: &'r mut [u8],
    ) -> Result<Segment<'r>, Reason> {
        let first = Ipv6Packet::new_unchecked(segment.packet).next_header();
        let carried = carried(segment.packet, first)?;
        let packet = without_extensions(segment.packet, &carried, room).ok_or(Reason::Extension)?;
        self.inspect_held(packet, segment.from)
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
            #[cfg(feature = "ipv6")]
            extended: false,
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

    pub(super) fn udp<'f>(&self, packet: &Packet<'f>, from: EthernetAddress) -> Result<Datagram<'f>, Reason> {
        let udp = UdpPacket::new_checked(packet.payload).map_err(|_| Reason::Malformed)?;
        // From port 0 comes what wants no answer (RFC 768).
        if udp.dst_port() == 0 {
            return Err(Reason::Malformed);
        }
        // Over IPv4 a datagram may go without a checksum, over IPv6 it may not (RFC 8200, section 8.1).
        let (has_one, may_go_without) = (udp.checksum() != 0, matches!(packet.source, IpAddress::Ipv4(_)));
        if !(has_one || may_go_without)
            || self.checksum.udp.rx() && !udp.verify_checksum(&packet.source, &packet.destination)
        {
            return Err(Reason::Checksum);
        }
        Ok(Datagram {
            flow: flow(packet, udp.src_port(), udp.dst_port()),
            asked: packet.asked(from, packet.bytes),
            payload: udp.payload(),
        })
    }

    pub(crate) fn is_ours(&self, address: IpAddress) -> bool {
        self.addresses.iter().any(|ours| ours.address() == address)
    }

    /// Whether one machine, and not this one, may have sent from there. At an address that is nobody's somebody may be in
    /// our own network only: a wire inside one machine, whose network is everything.
    pub(crate) fn is_host(&self, address: IpAddress) -> bool {
        address.is_unicast()
            && !self.is_broadcast(address)
            && !self.is_ours(address)
            && (!is_nobodys(address) || self.addresses.iter().any(|ours| ours.contains_addr(&address)))
    }

    fn is_broadcast(&self, address: IpAddress) -> bool {
        match address {
            IpAddress::Ipv4(address) => address.is_broadcast() || self.is_broadcast_of_ours(address),
            #[cfg(feature = "ipv6")]
            IpAddress::Ipv6(_) => false,
        }
    }

    fn is_broadcast_of_ours(&self, address: Ipv4Address) -> bool {
        self.addresses.iter().any(|ours| match ours {
            IpCidr::Ipv4(ours) => ours.broadcast() == Some(address),
            #[cfg(feature = "ipv6")]
            IpCidr::Ipv6(_) => false,
        })
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
    let bytes = bytes.get(..packet.total_len()).ok_or(Reason::Malformed)?;
    let carried = carried(bytes, packet.next_header())?;
    let payload = bytes.get(carried.start..).ok_or(Reason::Malformed)?;
    Ok(Packet {
        bytes,
        source: packet.src_addr().into(),
        destination: packet.dst_addr().into(),
        protocol: carried.protocol,
        payload,
        // What is in pieces has a header that says so.
        fragment: false,
        extended: payload.len() != packet.payload().len(),
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

#[cfg(feature = "ipv6")]
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
