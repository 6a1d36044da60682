//! The gateway's end of the wire, as its smoltcp interface sees it: IP packets, one in at a time.

use smoltcp::iface::{Interface, PollResult, SocketSet};
use smoltcp::phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::time::Instant;
use smoltcp::wire::{EthernetAddress, EthernetFrame, EthernetProtocol, IpVersion};

use super::lane::{ETHERNET_HEADER, Lane};

/// The gateway's Ethernet address: locally administered, `R`, `G`.
pub(super) const GATEWAY: EthernetAddress = EthernetAddress([0x02, 0x52, 0x47, 0, 0, 1]);

/// An interface with all TCP of the gateway, one socket at a time, and the way to R2.
pub(super) struct GatewayInterface {
    pub(super) interface: Interface,
    capabilities: DeviceCapabilities,
    r2: EthernetAddress,
}

impl GatewayInterface {
    /// The other end of a wire that is as `wire` says and leads to `r2`.
    pub(super) fn new(wire: &DeviceCapabilities, r2: EthernetAddress, to_r2: &mut Lane) -> Self {
        let mut capabilities = wire.clone();
        capabilities.medium = Medium::Ip;
        capabilities.max_transmission_unit -= ETHERNET_HEADER;
        let config = smoltcp::iface::Config::new(smoltcp::wire::HardwareAddress::Ip);
        let mut nothing = OnePacket {
            arrived: None,
            to_r2,
            capabilities: &capabilities,
            r2,
        };
        let mut interface = Interface::new(config, &mut nothing, Instant::ZERO);
        // It speaks for every client, whatever the address.
        interface.set_any_ip(true);
        Self {
            interface,
            capabilities,
            r2,
        }
    }

    /// Hands `packet` to the socket in `sockets`. What it answers at once and there is no room for is lost.
    pub(super) fn take_in(
        &mut self,
        now: Instant,
        packet: &[u8],
        sockets: &mut SocketSet<'_>,
        to_r2: &mut Lane,
    ) {
        let mut device = OnePacket {
            arrived: Some(packet),
            to_r2,
            capabilities: &self.capabilities,
            r2: self.r2,
        };
        self.interface.poll_ingress_single(now, &mut device, sockets);
    }

    /// Sends a segment of the socket in `sockets`; whether there was one, and room for it.
    pub(super) fn send(&mut self, now: Instant, sockets: &mut SocketSet<'_>, to_r2: &mut Lane) -> bool {
        let mut device = OnePacket {
            arrived: None,
            to_r2,
            capabilities: &self.capabilities,
            r2: self.r2,
        };
        self.interface.poll_egress(now, &mut device, sockets) == PollResult::SocketStateChanged
    }

    /// Sends an Ethernet frame from `source`, whose payload has `length` bytes and is written by `fill`.
    pub(super) fn send_frame(
        &self,
        to_r2: &mut Lane,
        source: EthernetAddress,
        kind: EthernetProtocol,
        length: usize,
        fill: impl FnOnce(&mut [u8], &DeviceCapabilities),
    ) {
        to_r2.push(ETHERNET_HEADER + length, |frame| {
            fill(&mut frame[ETHERNET_HEADER..], &self.capabilities);
            write_header(frame, source, self.r2, kind);
        });
    }
}

fn write_header(frame: &mut [u8], source: EthernetAddress, r2: EthernetAddress, kind: EthernetProtocol) {
    let mut header = EthernetFrame::new_unchecked(frame);
    header.set_src_addr(source);
    header.set_dst_addr(r2);
    header.set_ethertype(kind);
}

/// A device that receives one packet, or none.
struct OnePacket<'p> {
    arrived: Option<&'p [u8]>,
    to_r2: &'p mut Lane,
    capabilities: &'p DeviceCapabilities,
    r2: EthernetAddress,
}

impl Device for OnePacket<'_> {
    type RxToken<'a>
        = Bytes<'a>
    where
        Self: 'a;
    type TxToken<'a>
        = Framed<'a>
    where
        Self: 'a;

    fn receive(&mut self, _: Instant) -> Option<(Bytes<'_>, Framed<'_>)> {
        let packet = Bytes(self.arrived.take()?);
        Some((packet, Framed(self.to_r2, self.r2)))
    }

    fn transmit(&mut self, _: Instant) -> Option<Framed<'_>> {
        let room = self.to_r2.has_room();
        room.then_some(Framed(self.to_r2, self.r2))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        self.capabilities.clone()
    }
}

struct Bytes<'a>(&'a [u8]);

impl RxToken for Bytes<'_> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(self.0)
    }
}

/// Puts the Ethernet header before a packet.
struct Framed<'a>(&'a mut Lane, EthernetAddress);

impl TxToken for Framed<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, f: F) -> R {
        self.0.push(ETHERNET_HEADER + length, |frame| {
            let result = f(&mut frame[ETHERNET_HEADER..]);
            let kind = match IpVersion::of_packet(&frame[ETHERNET_HEADER..]) {
                Ok(IpVersion::Ipv6) => EthernetProtocol::Ipv6,
                _ => EthernetProtocol::Ipv4,
            };
            write_header(frame, GATEWAY, self.1, kind);
            result
        })
    }
}
