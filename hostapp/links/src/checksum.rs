//! TCP and UDP checksums of a whole Ethernet frame (RFC 9293, section 3.1, and RFC 768).
//!
//! On a link that leaves them to the kernel, frames pass with half a checksum, or none: see
//! [`Tap`](super::tap::Tap).

use r2_node::transport::Transport;
use smoltcp::wire::{IpProtocol, TcpPacket, UdpPacket, checksum};

/// Where a TCP segment has its checksum, in bytes from its beginning.
const IN_TCP: usize = 16;

/// Whether `frame` carries a TCP segment or UDP datagram whose checksum is wrong. Of anything else this says
/// nothing: a fragment has no checksum of its own, and what is malformed is for the gate to refuse.
pub(super) fn is_wrong(frame: &[u8]) -> bool {
    let Some(transport) = Transport::of(frame) else {
        return false;
    };
    let Transport {
        protocol,
        bytes,
        source,
        destination,
        ..
    } = transport;
    let holds = match protocol {
        IpProtocol::Tcp => {
            TcpPacket::new_checked(bytes).map(|tcp| tcp.verify_checksum(&source, &destination))
        }
        _ => UdpPacket::new_checked(bytes).map(|udp| udp.verify_checksum(&source, &destination)),
    };
    holds == Ok(false)
}

/// What the kernel is told of a TCP segment whose checksum it completes. In bytes.
pub(super) struct Begun {
    /// Where in the frame the sum begins.
    pub(super) start: usize,
    /// Where behind that the checksum stands.
    pub(super) offset: usize,
    /// The length of the TCP header.
    pub(super) header: usize,
}

/// Writes the sum over the pseudo-header, not complemented, into the checksum of the TCP segment in `frame`, for
/// somebody else to go on from. `None`: there is no TCP segment.
pub(super) fn begin(frame: &mut [u8]) -> Option<Begun> {
    let transport = Transport::of(frame).filter(|transport| transport.protocol == IpProtocol::Tcp)?;
    let (start, length) = (transport.start, transport.bytes.len());
    let sum = checksum::pseudo_header(
        &transport.source,
        &transport.destination,
        IpProtocol::Tcp,
        u32::try_from(length).ok()?,
    );
    let mut tcp = TcpPacket::new_checked(&mut frame[start..start + length]).ok()?;
    tcp.set_checksum(sum);
    Some(Begun {
        start,
        offset: IN_TCP,
        header: tcp.header_len().into(),
    })
}

/// `frame` with the checksum that is recorded of it.
#[cfg(test)]
pub(super) fn filled(frame: &[u8]) -> Vec<u8> {
    let record = r2_node::capture::Record::new(smoltcp::time::Instant::ZERO, frame, false);
    let [_, pieces @ ..] = record.pieces();
    pieces.concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A frame from 192.168.69.100 to .1 with `payload` behind the IPv4 header.
    fn ipv4(protocol: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = vec![2; 12];
        frame.extend([8, 0, 0x45, 0]);
        frame.extend(u16::try_from(20 + payload.len()).unwrap().to_be_bytes());
        frame.extend([
            0, 0, 0x40, 0, 64, protocol, 0, 0, 192, 168, 69, 100, 192, 168, 69, 1,
        ]);
        frame.extend(payload);
        frame
    }

    /// The same over IPv6, from `fd69::100` to `fd69::1`.
    fn ipv6(protocol: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = vec![2; 12];
        frame.extend([0x86, 0xdd, 0x60, 0, 0, 0]);
        frame.extend(u16::try_from(payload.len()).unwrap().to_be_bytes());
        frame.extend([protocol, 64]);
        for last in [[1, 0], [0, 1]] {
            frame.extend([0xfd, 0x69, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
            frame.extend(last);
        }
        frame.extend(payload);
        frame
    }

    /// Ports 40,000 and 5,010, no options, ACK, and three bytes: an odd length.
    fn segment() -> Vec<u8> {
        let mut segment = vec![
            0x9c, 0x40, 0x13, 0x92, 0, 0, 0, 1, 0, 0, 0, 2, 0x50, 0x10, 1, 0, 0, 0, 0, 0,
        ];
        segment.extend(b"hey");
        segment
    }

    fn datagram(checksum: u16) -> Vec<u8> {
        let mut datagram = vec![0x9c, 0x40, 0, 7, 0, 11];
        datagram.extend(checksum.to_be_bytes());
        datagram.extend(b"hey");
        datagram
    }

    #[test]
    fn a_filled_checksum_holds_until_a_bit_is_turned() {
        for mut frame in [
            ipv4(6, &segment()),
            ipv6(6, &segment()),
            ipv4(17, &datagram(1)),
            ipv6(17, &datagram(1)),
        ] {
            assert!(is_wrong(&frame));
            frame = filled(&frame);
            assert!(!is_wrong(&frame));
            for bit in 0..8 * 3 {
                let at = frame.len() - 3 + bit / 8;
                frame[at] ^= 1 << (bit % 8);
                assert!(is_wrong(&frame));
                frame[at] ^= 1 << (bit % 8);
            }
        }
    }

    /// What the gate reads through is verified as well: a tag of VLAN 0, and extension headers.
    #[test]
    fn a_checksum_is_found_behind_other_headers() {
        let mut tagged = filled(&ipv4(6, &segment()));
        tagged.splice(12..12, [0x81, 0, 0xe0, 0]);
        let mut extended = filled(&ipv6(17, &datagram(1)));
        extended.splice(54..54, [17, 0, 1, 4, 0, 0, 0, 0]);
        extended[19] += 8;
        extended[20] = 60;
        for mut frame in [tagged, extended] {
            assert!(Transport::of(&frame).is_some() && !is_wrong(&frame));
            *frame.last_mut().unwrap() ^= 1;
            assert!(is_wrong(&frame));
        }
    }

    #[test]
    fn whoever_completes_what_was_begun_gets_the_whole_checksum() {
        for mut frame in [ipv4(6, &segment()), ipv6(6, &segment())] {
            let begun = begin(&mut frame).unwrap();
            assert_eq!(begun.header, 20);
            // As the kernel does: the sum from there on, complemented, goes there.
            let sum = !checksum::data(&frame[begun.start..]);
            frame[begun.start + begun.offset..][..2].copy_from_slice(&sum.to_be_bytes());
            assert!(!is_wrong(&frame));
        }
    }

    #[test]
    fn what_has_no_checksum_is_not_wrong_and_stays_as_it_is() {
        let mut fragment = ipv4(6, &segment());
        fragment[20] = 0x20;
        let mut cut = ipv4(6, &segment());
        cut.truncate(40);
        let mut arp = ipv4(6, &segment());
        arp[13] = 6;
        for mut frame in [
            ipv4(17, &datagram(0)),
            ipv4(1, &segment()),
            fragment,
            cut,
            arp,
            vec![0; 9],
        ] {
            let before = frame.clone();
            assert!(!is_wrong(&frame), "{frame:?}");
            assert_eq!(filled(&frame), before);
            assert_eq!(begin(&mut frame).map(|begun| begun.start), None);
            assert_eq!(frame, before);
        }
    }
}
