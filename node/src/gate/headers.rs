//! The headers that may stand between Ethernet's and TCP, UDP or ICMP: a VLAN tag, and IPv6's extension headers.

#[cfg(feature = "ipv6")]
use smoltcp::wire::IpProtocol;
use smoltcp::wire::{EthernetFrame, EthernetProtocol};

#[cfg(feature = "ipv6")]
use crate::counters::Reason;
#[cfg(feature = "ipv6")]
use crate::limits::EXTENSION_HEADERS_MAX;
use crate::wire::ETHERNET_HEADER;

/// The type of a frame with a tag (IEEE 802.1Q, section 9.4).
const TAGGED: u16 = 0x8100;

/// Bytes of a tag: what it says, and the type of what follows.
const TAG: usize = 4;

/// Of what a tag says, the bits that name a VLAN. In VLAN 0 the tag gives the frame a priority, and no more.
const VLAN: u16 = 0x0fff;

/// What is behind the Ethernet header, and where in the frame that begins. A tag of VLAN 0 is skipped; with another one,
/// or a second one, the frame is of the type [`TAGGED`].
pub(crate) fn behind_ethernet(frame: &EthernetFrame<&[u8]>) -> (EthernetProtocol, usize) {
    let tagged = frame.ethertype() == EthernetProtocol::from(TAGGED);
    match frame.payload().first_chunk::<TAG>() {
        Some(&[a, b, c, d]) if tagged && u16::from_be_bytes([a, b]) & VLAN == 0 => {
            let kind = u16::from_be_bytes([c, d]).into();
            (kind, ETHERNET_HEADER.saturating_add(TAG))
        }
        _ => (frame.ethertype(), ETHERNET_HEADER),
    }
}

/// What an IPv6 packet carries behind its extension headers.
#[cfg(feature = "ipv6")]
pub(crate) struct Carried {
    pub(crate) protocol: IpProtocol,
    /// Where that begins, in bytes from the beginning of the packet.
    pub(crate) start: usize,
    /// Where in the packet the protocol is named.
    pub(crate) named_at: usize,
}

/// Bytes of the IPv6 header, and where in it the next header is named.
#[cfg(feature = "ipv6")]
const IPV6_HEADER: usize = 40;
#[cfg(feature = "ipv6")]
const NEXT_HEADER_AT: usize = 6;

/// Extension headers count their length in these, without the first.
#[cfg(feature = "ipv6")]
const UNIT: usize = 8;

/// Follows the extension headers of `packet`, an IPv6 header whose next header is `first` and all that it carries, to
/// what they lead to (RFC 8200, section 4). Hop-by-hop and destination options are skipped where each of them may be, a
/// routing header at the end of its way, and a fragment header of a packet that is whole (RFC 6946). With anything else
/// R2 could do nothing but let go of the packet.
#[cfg(feature = "ipv6")]
pub(crate) fn carried(packet: &[u8], first: IpProtocol) -> Result<Carried, Reason> {
    let mut carried = Carried {
        protocol: first,
        start: IPV6_HEADER,
        named_at: NEXT_HEADER_AT,
    };
    for _ in 0..=EXTENSION_HEADERS_MAX {
        let header = packet.get(carried.start..).unwrap_or_default();
        let length = match carried.protocol {
            IpProtocol::HopByHop if carried.start == IPV6_HEADER => options(header)?,
            IpProtocol::Ipv6Opts => options(header)?,
            IpProtocol::Ipv6Route => match *header {
                // The fourth byte: how many more machines the packet is to visit.
                [_, _, _, 0, ..] => length_of(header)?,
                _ => return Err(Reason::Extension),
            },
            IpProtocol::Ipv6Frag => match *header {
                // Where the piece belongs is 0, and no more of them follow.
                [_, _, 0, rest, ..] if rest & 0xf9 == 0 => UNIT,
                _ => return Err(Reason::Fragment),
            },
            IpProtocol::HopByHop | IpProtocol::IpSecAh => return Err(Reason::Extension),
            _ => return Ok(carried),
        };
        let next_header = header.get(..length).and_then(<[u8]>::first);
        carried = Carried {
            protocol: (*next_header.ok_or(Reason::Malformed)?).into(),
            start: carried.start.saturating_add(length),
            named_at: carried.start,
        };
    }
    Err(Reason::Extension)
}

/// Where in `packet` the protocol is named that it carries.
#[cfg(feature = "ipv6")]
pub(crate) fn protocol_named_at(packet: &[u8]) -> u16 {
    let first = packet.get(NEXT_HEADER_AT).map(|&first| first.into());
    let carried = first.and_then(|first| carried(packet, first).ok());
    carried
        .and_then(|carried| carried.named_at.try_into().ok())
        .unwrap_or(0)
}

/// The length of an extension header.
#[cfg(feature = "ipv6")]
fn length_of(header: &[u8]) -> Result<usize, Reason> {
    let units = *header.get(1).ok_or(Reason::Malformed)?;
    Ok(usize::from(units).saturating_add(1).saturating_mul(UNIT))
}

/// The length of a header of options, each of which a node that does not know it may skip (RFC 8200, section 4.2).
#[cfg(feature = "ipv6")]
fn options(header: &[u8]) -> Result<usize, Reason> {
    let length = length_of(header)?;
    let mut options = header.get(2..length).ok_or(Reason::Malformed)?;
    while let Some((&kind, rest)) = options.split_first() {
        // The highest two bits: what a node does that does not know the option.
        if kind & 0xc0 != 0 {
            return Err(Reason::Extension);
        }
        options = match (kind, rest.split_first()) {
            // Pad1 has no length.
            (0, _) => rest,
            (_, Some((&length, rest))) => rest.get(length.into()..).ok_or(Reason::Malformed)?,
            (_, None) => return Err(Reason::Malformed),
        };
    }
    Ok(length)
}

/// Writes `packet` without its extension headers to the front of `room`, and returns it; `None` where it has no room.
/// The checksum of what it carries holds, since it does not cover them (RFC 8200, section 8.1).
#[cfg(feature = "ipv6")]
pub(crate) fn without_extensions<'r>(
    packet: &[u8],
    carried: &Carried,
    room: &'r mut [u8],
) -> Option<&'r [u8]> {
    let (header, payload) = (packet.get(..IPV6_HEADER)?, packet.get(carried.start..)?);
    let room = room.get_mut(..IPV6_HEADER.saturating_add(payload.len()))?;
    for (to, from) in room.iter_mut().zip(header.iter().chain(payload)) {
        *to = *from;
    }
    let length = u16::try_from(payload.len()).ok()?.to_be_bytes();
    *room.get_mut(4..)?.first_chunk_mut()? = length;
    *room.get_mut(NEXT_HEADER_AT)? = carried.protocol.into();
    Some(room)
}
