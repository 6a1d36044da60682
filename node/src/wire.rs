//! A device with its Ethernet header taken off: what the steered interface sees of it.

#[cfg(feature = "segmentation-offload")]
use core::num::NonZeroUsize;

use smoltcp::phy::{Checksum, Device, DeviceCapabilities, Medium, PacketMeta, RxToken, TxToken};
use smoltcp::time::Instant;
#[cfg(feature = "ipv6")]
use smoltcp::wire::Ipv6Packet;
use smoltcp::wire::{
    EthernetAddress, EthernetFrame, EthernetProtocol, IpAddress, IpProtocol, Ipv4Packet, TcpPacket,
    TcpSeqNumber,
};

use crate::counters::add;
use crate::gate::Sent;

/// Bytes of an Ethernet header.
pub(crate) const ETHERNET_HEADER: usize = 14;

/// What the steered interface believes of its device: IP packets, their checksums looked at by the gate, and TCP's done
/// elsewhere.
pub(crate) fn steered_capabilities(device: &DeviceCapabilities) -> DeviceCapabilities {
    let mut capabilities = device.clone();
    capabilities.medium = Medium::Ip;
    capabilities.max_transmission_unit = device.max_transmission_unit.saturating_sub(ETHERNET_HEADER);
    capabilities.checksum.tcp = Checksum::None;
    capabilities.checksum.ipv4 = Checksum::Tx;
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

/// The same of a device that cuts nothing.
#[cfg(feature = "recovery")]
#[cfg_attr(
    not(feature = "segmentation-offload"),
    allow(unused_mut, reason = "no device cuts anything")
)]
pub(crate) fn without_super_frames(capabilities: &DeviceCapabilities) -> DeviceCapabilities {
    let mut capabilities = capabilities.clone();
    #[cfg(feature = "segmentation-offload")]
    {
        (capabilities.segmentation.tcpv4, capabilities.segmentation.tcpv6) = (None, None);
    }
    capabilities
}

/// The longest frame that a device brings or takes.
pub(crate) fn longest_frame(device: &DeviceCapabilities) -> usize {
    let longest = device.max_transmission_unit;
    #[cfg(feature = "segmentation-offload")]
    let longest = longest.max(device.segmentation.tcpv4.map_or(0, NonZeroUsize::get));
    longest
}

/// Who the packets of the steered interface go to, who sends them, and what is noted of them on the way out.
pub(crate) struct Header<'s> {
    pub(crate) ours: EthernetAddress,
    pub(crate) peer: EthernetAddress,
    /// Whether the device leaves the TCP checksum to us.
    pub(crate) fill_checksum: bool,
    pub(crate) sent: &'s mut Sent,
}

impl Header<'_> {
    /// The same for one packet.
    fn reborrow(&mut self) -> Header<'_> {
        Header {
            ours: self.ours,
            peer: self.peer,
            fill_checksum: self.fill_checksum,
            sent: &mut *self.sent,
        }
    }

    /// Puts the Ethernet header before an IP packet, and the checksum into its TCP segment.
    fn complete(self, frame: &mut [u8]) {
        let mut ethernet = EthernetFrame::new_unchecked(frame);
        let version = ethernet.payload_mut().first().map(|byte| byte >> 4);
        ethernet.set_ethertype(match version {
            #[cfg(feature = "ipv6")]
            Some(6) => EthernetProtocol::Ipv6,
            _ => EthernetProtocol::Ipv4,
        });
        ethernet.set_src_addr(self.ours);
        ethernet.set_dst_addr(self.peer);
        if let Some((segment, source, destination)) = tcp_of(ethernet.payload_mut()) {
            let tcp = TcpPacket::new_unchecked(&*segment);
            let (seq, window) = self.sent.pass(&tcp);
            let mut tcp = TcpPacket::new_unchecked(segment);
            tcp.set_seq_number(TcpSeqNumber(seq.cast_signed()));
            tcp.set_window_len(window);
            if self.fill_checksum {
                tcp.fill_checksum(&source, &destination);
            }
        }
    }
}

/// A packet that was received, once, and the token for an immediate answer. With neither, no device at all but what one
/// can do, for [`Interface::new`](smoltcp::iface::Interface::new).
pub(crate) struct Inward<'f, 'h, 's, T> {
    pub(crate) received: Option<&'f [u8]>,
    pub(crate) answer: Option<T>,
    /// None where there is no device.
    pub(crate) header: Option<Header<'s>>,
    pub(crate) frames_out: &'h mut u64,
    pub(crate) capabilities: &'h DeviceCapabilities,
}

impl<T: TxToken> Device for Inward<'_, '_, '_, T> {
    type RxToken<'a>
        = Packet<'a>
    where
        Self: 'a;
    type TxToken<'a>
        = Outgoing<'a, T>
    where
        Self: 'a;

    fn receive(&mut self, _: Instant) -> Option<(Packet<'_>, Outgoing<'_, T>)> {
        let received = Packet(self.received.take()?);
        Some((
            received,
            Outgoing {
                token: self.answer.take()?,
                header: self.header.as_mut().map(Header::reborrow),
                frames_out: self.frames_out,
            },
        ))
    }

    fn transmit(&mut self, _: Instant) -> Option<Outgoing<'_, T>> {
        None
    }

    fn capabilities(&self) -> DeviceCapabilities {
        self.capabilities.clone()
    }
}

/// A device to send one segment on. There is room for it: smoltcp forgets a segment that it was to repeat at once where
/// it finds none.
pub(crate) struct Outward<'h, 's, T> {
    pub(crate) token: Option<T>,
    pub(crate) header: Header<'s>,
    pub(crate) frames_out: &'h mut u64,
    pub(crate) capabilities: &'h DeviceCapabilities,
}

impl<T: TxToken> Device for Outward<'_, '_, T> {
    type RxToken<'a>
        = Packet<'a>
    where
        Self: 'a;
    type TxToken<'a>
        = Outgoing<'a, T>
    where
        Self: 'a;

    fn receive(&mut self, _: Instant) -> Option<(Packet<'_>, Outgoing<'_, T>)> {
        None
    }

    fn transmit(&mut self, _: Instant) -> Option<Outgoing<'_, T>> {
        Some(Outgoing {
            token: self.token.take()?,
            header: Some(self.header.reborrow()),
            frames_out: self.frames_out,
        })
    }

    fn capabilities(&self) -> DeviceCapabilities {
        self.capabilities.clone()
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

/// Room for a frame that is counted, or for a packet that becomes one.
pub(crate) struct Outgoing<'h, T> {
    pub(crate) token: T,
    pub(crate) header: Option<Header<'h>>,
    pub(crate) frames_out: &'h mut u64,
}

impl<T: TxToken> TxToken for Outgoing<'_, T> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        add(self.frames_out, 1);
        let start = if self.header.is_some() { ETHERNET_HEADER } else { 0 };
        self.token.consume(start.saturating_add(len), |frame| {
            let result = f(frame.get_mut(start..).unwrap_or_default());
            if let Some(header) = self.header {
                header.complete(frame);
            }
            result
        })
    }

    fn set_meta(&mut self, meta: PacketMeta) {
        self.token.set_meta(meta);
    }
}

/// The TCP segment in a packet that smoltcp has just written, and its addresses.
pub(crate) fn tcp_of(packet: &mut [u8]) -> Option<(&mut [u8], IpAddress, IpAddress)> {
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
