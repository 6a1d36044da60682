//! Frames for those who read along: each goes from the device straight into the transmit buffers of the open capture
//! connections, where it has room there whole, and is counted as lost where not. Nothing else holds it.

#[cfg(not(feature = "capture"))]
#[path = "nobody.rs"]
mod tap;
#[cfg(feature = "capture")]
mod tap;

use r2_core::capture::{RECORD_HEADER, record_header};
use smoltcp::time::Instant;
#[cfg(feature = "ipv6")]
use smoltcp::wire::Ipv6Packet;
use smoltcp::wire::{EthernetFrame, EthernetProtocol, IpAddress, IpProtocol, Ipv4Packet, checksum};

#[cfg(feature = "capture")]
pub(crate) use self::tap::{Captured, Recording};
pub(crate) use self::tap::{Captures, Way};

/// A frame as it stands in a pcap file.
///
/// On a link that leaves TCP's and UDP's checksums to somebody else it is recorded with the whole ones, so that a
/// reader who verifies them finds them correct. A super-frame of up to 64 KiB is recorded as it passed, in one piece:
/// that is what R2 received or sent, its IP length is true, and all bytes are there.
pub struct Record<'f> {
    header: [u8; RECORD_HEADER],
    before: &'f [u8],
    checksum: Option<[u8; 2]>,
    behind: &'f [u8],
}

impl<'f> Record<'f> {
    /// `frame`, which passed at `at`, on a link whose frames have whole checksums or not.
    pub fn new(at: Instant, frame: &'f [u8], whole_checksums: bool) -> Self {
        let length = u32::try_from(frame.len()).unwrap_or(u32::MAX);
        let mut record = Self {
            header: record_header(at.total_micros().unsigned_abs(), length),
            before: frame,
            checksum: None,
            behind: &[],
        };
        if !whole_checksums
            && let Some((at, checksum)) = Transport::of(frame).and_then(|transport| transport.checksum())
            && let Some((before, rest)) = frame.split_at_checked(at)
            && let Some((_, behind)) = rest.split_at_checked(checksum.len())
        {
            (record.before, record.checksum, record.behind) = (before, Some(checksum), behind);
        }
        record
    }

    /// The bytes of the record, in pieces.
    pub fn pieces(&self) -> [&[u8]; 4] {
        let checksum = self.checksum.as_ref().map_or(&[][..], |bytes| bytes);
        [&self.header, self.before, checksum, self.behind]
    }
}

/// A TCP segment or UDP datagram in a frame.
struct Transport<'f> {
    protocol: IpProtocol,
    /// Where it begins, in bytes from the beginning of the frame.
    start: usize,
    bytes: &'f [u8],
    source: IpAddress,
    destination: IpAddress,
}

impl<'f> Transport<'f> {
    /// `None` where there is none: another protocol, a fragment, or not well-formed.
    fn of(frame: &'f [u8]) -> Option<Self> {
        let ethernet = EthernetFrame::new_checked(frame).ok()?;
        let start = EthernetFrame::<&[u8]>::header_len();
        let transport = match ethernet.ethertype() {
            EthernetProtocol::Ipv4 => {
                let ip = Ipv4Packet::new_checked(ethernet.payload()).ok()?;
                if ip.more_frags() || ip.frag_offset() > 0 {
                    return None;
                }
                Self {
                    protocol: ip.next_header(),
                    start: start.saturating_add(ip.header_len().into()),
                    bytes: ip.payload(),
                    source: ip.src_addr().into(),
                    destination: ip.dst_addr().into(),
                }
            }
            #[cfg(feature = "ipv6")]
            EthernetProtocol::Ipv6 => {
                let ip = Ipv6Packet::new_checked(ethernet.payload()).ok()?;
                Self {
                    protocol: ip.next_header(),
                    start: start.saturating_add(ip.header_len()),
                    bytes: ip.payload(),
                    source: ip.src_addr().into(),
                    destination: ip.dst_addr().into(),
                }
            }
            _ => return None,
        };
        matches!(transport.protocol, IpProtocol::Tcp | IpProtocol::Udp).then_some(transport)
    }

    /// The whole checksum, and where it stands in the frame. `None` for a datagram that has none, and for what is too
    /// short to have one.
    fn checksum(&self) -> Option<(usize, [u8; 2])> {
        let at = match self.protocol {
            IpProtocol::Tcp => 16,
            _ => 6,
        };
        let (before, rest) = self.bytes.split_at_checked(at)?;
        let (partial, behind) = rest.split_first_chunk::<2>()?;
        if self.protocol == IpProtocol::Udp && *partial == [0; 2] {
            return None;
        }
        let length = u32::try_from(self.bytes.len()).ok()?;
        let sum = !checksum::combine(&[
            checksum::pseudo_header(&self.source, &self.destination, self.protocol, length),
            checksum::data(before),
            checksum::data(behind),
        ]);
        // A datagram's 0 would say that it has none (RFC 768).
        let sum = if sum == 0 { u16::MAX } else { sum };
        Some((self.start.saturating_add(at), sum.to_be_bytes()))
    }
}
