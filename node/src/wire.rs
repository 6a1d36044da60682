//! A device with its Ethernet header taken off: what the steered interface sees of it.

#[cfg(feature = "segmentation-offload")]
use core::num::NonZeroUsize;

use smoltcp::phy::{Checksum, Device, DeviceCapabilities, Medium, PacketMeta, RxToken, TxToken};
use smoltcp::time::Instant;
#[cfg(feature = "ipv6")]
use smoltcp::wire::Ipv6Packet;
use smoltcp::wire::{
    EthernetAddress, EthernetFrame, EthernetProtocol, IpAddress, IpProtocol, Ipv4Packet, TcpPacket,
};

use crate::counters::add;
use crate::gate::Sent;

/// Bytes of an Ethernet header.
pub(crate) const ETHERNET_HEADER: usize = 14;

/// What the steered interface believes of its device: IP packets, TCP checksums done elsewhere.
pub(crate) fn steered_capabilities(device: &DeviceCapabilities) -> DeviceCapabilities {
    let mut capabilities = device.clone();
    capabilities.medium = Medium::Ip;
    capabilities.max_transmission_unit = device.max_transmission_unit.saturating_sub(ETHERNET_HEADER);
    capabilities.checksum.tcp = Checksum::None;
    #[cfg(feature = "segmentation-offload")]
    for largest in [
        &mut capabilities.segmentation.tcpv4,
        &mut capabilities.segmentation.tcpv6,
    ] {
        *largest =
            largest.and_then(|largest| NonZeroUsize::new(largest.get().saturating_sub(ETHERNET_HEADER)));
    }
    capabilities
}

/// Who a packet goes to, who sends it, and what is noted of it on the way out.
pub(crate) struct Header<'s> {
    pub(crate) ours: EthernetAddress,
    pub(crate) peer: EthernetAddress,
    /// Whether the device leaves the TCP checksum to us.
    pub(crate) fill_checksum: bool,
    pub(crate) sent: &'s mut Sent,
    pub(crate) frames_out: &'s mut u64,
}

impl Header<'_> {
    /// The same for one packet.
    fn reborrow(&mut self) -> Header<'_> {
        Header {
            ours: self.ours,
            peer: self.peer,
            fill_checksum: self.fill_checksum,
            sent: &mut *self.sent,
            frames_out: &mut *self.frames_out,
        }
    }

    /// Sends an IP packet of `len` bytes, written by `f`.
    pub(crate) fn send(self, token: impl TxToken, len: usize, f: impl FnOnce(&mut [u8])) {
        Framed { token, header: self }.consume(len, f);
    }
}

/// One received packet, and the token for an immediate answer.
pub(crate) struct Inward<'f, 'h, 's, T> {
    pub(crate) packet: Option<&'f [u8]>,
    pub(crate) answer: Option<T>,
    pub(crate) header: &'h mut Header<'s>,
    pub(crate) capabilities: &'h DeviceCapabilities,
}

impl<T: TxToken> Device for Inward<'_, '_, '_, T> {
    type RxToken<'a>
        = Packet<'a>
    where
        Self: 'a;
    type TxToken<'a>
        = Framed<'a, T>
    where
        Self: 'a;

    fn receive(&mut self, _: Instant) -> Option<(Packet<'_>, Framed<'_, T>)> {
        let packet = Packet(self.packet.take()?);
        Some((
            packet,
            Framed {
                token: self.answer.take()?,
                header: self.header.reborrow(),
            },
        ))
    }

    fn transmit(&mut self, _: Instant) -> Option<Framed<'_, T>> {
        None
    }

    fn capabilities(&self) -> DeviceCapabilities {
        self.capabilities.clone()
    }
}

/// A device to send on.
pub(crate) struct Outward<'d, 'h, 's, D: ?Sized> {
    pub(crate) device: &'d mut D,
    pub(crate) header: &'h mut Header<'s>,
    pub(crate) capabilities: &'h DeviceCapabilities,
    /// Set when the device had no room.
    pub(crate) exhausted: bool,
}

impl<D: Device + ?Sized> Device for Outward<'_, '_, '_, D> {
    type RxToken<'a>
        = Packet<'a>
    where
        Self: 'a;
    type TxToken<'a>
        = Framed<'a, D::TxToken<'a>>
    where
        Self: 'a;

    fn receive(&mut self, _: Instant) -> Option<(Packet<'_>, Framed<'_, D::TxToken<'_>>)> {
        None
    }

    fn transmit(&mut self, now: Instant) -> Option<Framed<'_, D::TxToken<'_>>> {
        let Some(token) = self.device.transmit(now) else {
            self.exhausted = true;
            return None;
        };
        Some(Framed {
            token,
            header: self.header.reborrow(),
        })
    }

    fn capabilities(&self) -> DeviceCapabilities {
        self.capabilities.clone()
    }
}

/// A frame and the token for its answer, for the plain interface; with neither, no device at all but what one can
/// do, for [`Interface::new`](smoltcp::iface::Interface::new).
pub(crate) struct Once<'f, 'c, T> {
    pub(crate) frame: Option<&'f [u8]>,
    pub(crate) answer: Option<T>,
    pub(crate) capabilities: &'c DeviceCapabilities,
}

impl<T: TxToken> Device for Once<'_, '_, T> {
    type RxToken<'a>
        = Packet<'a>
    where
        Self: 'a;
    type TxToken<'a>
        = T
    where
        Self: 'a;

    fn receive(&mut self, _: Instant) -> Option<(Packet<'_>, T)> {
        Some((Packet(self.frame.take()?), self.answer.take()?))
    }

    fn transmit(&mut self, _: Instant) -> Option<T> {
        None
    }

    fn capabilities(&self) -> DeviceCapabilities {
        self.capabilities.clone()
    }
}

/// A token that counts its frame.
pub(crate) struct Counted<'c, T> {
    pub(crate) token: T,
    pub(crate) frames_out: &'c mut u64,
}

impl<T: TxToken> TxToken for Counted<'_, T> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        add(self.frames_out, 1);
        self.token.consume(len, f)
    }

    fn set_meta(&mut self, meta: PacketMeta) {
        self.token.set_meta(meta);
    }
}

/// The token of a device that sends nothing.
pub(crate) enum Nowhere {}

impl TxToken for Nowhere {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, _: usize, _: F) -> R {
        match self {}
    }
}

/// Bytes that were received.
pub(crate) struct Packet<'a>(&'a [u8]);

impl RxToken for Packet<'_> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(self.0)
    }
}

/// Puts the Ethernet header before an IP packet, and the checksum into its TCP segment.
pub(crate) struct Framed<'h, T> {
    token: T,
    header: Header<'h>,
}

impl<T: TxToken> TxToken for Framed<'_, T> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let header = self.header;
        add(header.frames_out, 1);
        self.token.consume(ETHERNET_HEADER.saturating_add(len), |frame| {
            let mut ethernet = EthernetFrame::new_unchecked(frame);
            let result = f(ethernet.payload_mut());
            let version = ethernet.payload_mut().first().map(|byte| byte >> 4);
            ethernet.set_ethertype(match version {
                #[cfg(feature = "ipv6")]
                Some(6) => EthernetProtocol::Ipv6,
                _ => EthernetProtocol::Ipv4,
            });
            ethernet.set_src_addr(header.ours);
            ethernet.set_dst_addr(header.peer);
            if let Some((segment, source, destination)) = tcp_of(ethernet.payload_mut()) {
                let tcp = TcpPacket::new_unchecked(&*segment);
                header.sent.note(&tcp);
                let window = header.sent.shown(&tcp);
                let mut tcp = TcpPacket::new_unchecked(segment);
                tcp.set_window_len(window);
                if header.fill_checksum {
                    tcp.fill_checksum(&source, &destination);
                }
            }
            result
        })
    }

    fn set_meta(&mut self, meta: PacketMeta) {
        self.token.set_meta(meta);
    }
}

/// The TCP segment in a packet that smoltcp has just written, and its addresses.
fn tcp_of(packet: &mut [u8]) -> Option<(&mut [u8], IpAddress, IpAddress)> {
    let (start, protocol, source, destination): (usize, _, IpAddress, IpAddress) = match packet.first()? >> 4
    {
        #[cfg(feature = "ipv6")]
        6 => {
            let ip = Ipv6Packet::new_checked(&*packet).ok()?;
            (
                ip.header_len(),
                ip.next_header(),
                ip.src_addr().into(),
                ip.dst_addr().into(),
            )
        }
        _ => {
            let ip = Ipv4Packet::new_checked(&*packet).ok()?;
            (
                ip.header_len().into(),
                ip.next_header(),
                ip.src_addr().into(),
                ip.dst_addr().into(),
            )
        }
    };
    let segment = packet.get_mut(start..).filter(|_| protocol == IpProtocol::Tcp)?;
    TcpPacket::new_checked(&*segment).ok()?;
    Some((segment, source, destination))
}
