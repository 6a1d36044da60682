//! Datagrams to R2: each is a frame, and nothing is remembered of it. R2's answer names its client, and the door that the
//! question came in by.

use std::io::{IoSlice, IoSliceMut};
use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::os::fd::{AsRawFd, RawFd};

use mio::net::UdpSocket;
use nix::cmsg_space;
use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, SockaddrIn, SockaddrIn6, SockaddrStorage, recvmsg, sendmsg,
};
use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{EthernetAddress, EthernetProtocol, IpAddress, IpProtocol, IpRepr, UdpPacket, UdpRepr};

use super::addresses::is_of_one_link;
use super::interface::GatewayInterface;
use super::lane::{Lane, MTU};
use super::r2_at;

/// The largest datagram that there is over IPv4 on this wire; over IPv6 it is smaller by [`LONGER`].
pub(super) const LARGEST: usize = MTU - 20 - 8;

/// By how much IPv6's header is longer than IPv4's.
const LONGER: usize = 40 - 20;

/// Addresses of this machine at which datagrams came lately, each with the socket that they came to. R2 answers a
/// datagram before it takes the next, so few are enough; a machine has as many by itself where one network is told from
/// another, or a program asks at all of 127.0.0.0/8.
const DOORS: usize = 256;

/// Where a datagram came in, and its answer goes out.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Door {
    /// The service.
    pub(super) service: usize,
    /// Which of its sockets.
    pub(super) socket: usize,
    /// The address that was asked.
    at: IpAddr,
    /// The interface, for an address that is of one link alone.
    interface: u32,
}

/// The doors that are known. On the wire each is an Ethernet address of the gateway's: R2 answers to the one that a
/// question came from.
pub(super) struct Doors {
    known: Vec<Door>,
    /// The one that is forgotten next, once there are [`DOORS`].
    oldest: usize,
    /// Room for what the kernel says of a datagram.
    control: Vec<u8>,
    /// Room for the datagram.
    room: Box<[u8]>,
}

/// What all doors' Ethernet addresses begin with: locally administered, `R`, `G`, and more than the gateway's own.
const DOOR: [u8; 4] = [0x02, 0x52, 0x47, 1];

impl Doors {
    /// Takes the memory.
    pub(super) fn new() -> Self {
        Self {
            known: Vec::with_capacity(DOORS),
            oldest: 0,
            control: cmsg_space!(libc::in_pktinfo, libc::in6_pktinfo),
            room: vec![1; LARGEST].into_boxed_slice(),
        }
    }

    fn ethernet_address(&mut self, door: Door) -> EthernetAddress {
        let known = self.known.iter().position(|other| *other == door);
        let index = known.unwrap_or_else(|| {
            if self.known.len() < DOORS {
                self.known.push(door);
                return self.known.len() - 1;
            }
            let index = self.oldest;
            self.known[index] = door;
            self.oldest = (index + 1) % DOORS;
            index
        });
        let [.., high, low] = index.to_be_bytes();
        let [a, b, c, d] = DOOR;
        EthernetAddress([a, b, c, d, high, low])
    }

    /// The door that has this Ethernet address.
    pub(super) fn behind(&self, EthernetAddress([a, b, c, d, high, low]): EthernetAddress) -> Option<Door> {
        let index = usize::from(u16::from_be_bytes([high, low]));
        self.known.get(index).copied().filter(|_| [a, b, c, d] == DOOR)
    }

    /// Carries one datagram from `socket`, the one of `place`, to `port` of R2; whether there may be more.
    pub(super) fn carry(
        &mut self,
        socket: &UdpSocket,
        [service, place]: [usize; 2],
        port: u16,
        end: &GatewayInterface,
        to_r2: &mut Lane,
    ) -> bool {
        let arrived = match receive(socket.as_raw_fd(), &mut self.room, &mut self.control) {
            Ok(Some(arrived)) => arrived,
            Ok(None) => return true,
            // An error of an answer that found nobody there is told here, and there may be more behind it.
            Err(error) => return error != Errno::EWOULDBLOCK,
        };
        let Arrived { from, to, .. } = arrived;
        let from_door = self.ethernet_address(Door {
            service,
            socket: place,
            at: arrived.at,
            interface: arrived.interface,
        });
        let udp = UdpRepr {
            src_port: from.port(),
            dst_port: port,
        };
        let source: IpAddress = from.ip().into();
        // What was not sent to this machine alone is not sent to R2 alone.
        let destination = if to == arrived.at {
            r2_at(source)
        } else {
            to.into()
        };
        let payload = &self.room[..arrived.length];
        let length = udp.header_len() + payload.len();
        let ip = IpRepr::new(source, destination, IpProtocol::Udp, length, 64);
        // Over IPv6 no datagram goes without a checksum (RFC 8200, section 8.1).
        let (kind, checksum) = match source {
            IpAddress::Ipv4(_) => (EthernetProtocol::Ipv4, None),
            IpAddress::Ipv6(_) => (EthernetProtocol::Ipv6, Some(ChecksumCapabilities::default())),
        };
        end.send_frame(to_r2, from_door, kind, ip.buffer_len(), |packet, wire| {
            ip.emit(&mut *packet, &wire.checksum);
            udp.emit(
                &mut UdpPacket::new_unchecked(&mut packet[ip.header_len()..]),
                &source,
                &destination,
                payload.len(),
                |room| room.copy_from_slice(payload),
                checksum.as_ref().unwrap_or(&wire.checksum),
            );
        });
        true
    }
}

/// A datagram that has come.
struct Arrived {
    length: usize,
    from: SocketAddr,
    /// What its header says: not always one machine's.
    to: IpAddr,
    /// The address of this machine that it reached.
    at: IpAddr,
    interface: u32,
}

/// Takes a datagram from the kernel. `None`: one that does not fit on the wire.
fn receive(socket: RawFd, room: &mut [u8], control: &mut [u8]) -> nix::Result<Option<Arrived>> {
    let mut pieces = [IoSliceMut::new(room)];
    let message = recvmsg::<SockaddrStorage>(socket, &mut pieces, Some(control), MsgFlags::empty())?;
    let (length, cut) = (message.bytes, message.flags.contains(MsgFlags::MSG_TRUNC));
    let Some(sender) = message.address else {
        return Ok(None);
    };
    let told = message.cmsgs()?.find_map(|told| match told {
        ControlMessageOwned::Ipv4PacketInfo(info) => {
            let address = |address: libc::in_addr| IpAddr::from(address.s_addr.to_ne_bytes());
            Some((address(info.ipi_addr), address(info.ipi_spec_dst), 0))
        }
        ControlMessageOwned::Ipv6PacketInfo(info) => {
            let to = IpAddr::from(info.ipi6_addr.s6_addr);
            // A group has no address of this machine beside it.
            let at = if to.is_multicast() {
                Ipv6Addr::UNSPECIFIED.into()
            } else {
                to
            };
            // On Linux an interface's number is unsigned, elsewhere it is not.
            #[allow(clippy::unnecessary_cast, clippy::cast_sign_loss, reason = "it is positive")]
            Some((to, at, info.ipi6_ifindex as u32))
        }
        _ => None,
    });
    let from = sender
        .as_sockaddr_in()
        .map(|from| SocketAddr::from((from.ip(), from.port())))
        .or_else(|| {
            sender
                .as_sockaddr_in6()
                .map(|from| SocketAddr::from((from.ip(), from.port())))
        });
    let (Some(from), Some((to, at, interface))) = (from, told) else {
        return Ok(None);
    };
    let longest = LARGEST - if from.is_ipv6() { LONGER } else { 0 };
    let arrived = Arrived {
        length,
        from,
        to,
        at,
        // Elsewhere the way back is the routing table's to choose.
        interface: if is_of_one_link(at) { interface } else { 0 },
    };
    Ok(Some(arrived).filter(|_| !cut && length <= longest))
}

/// Hands an answer of R2's to the kernel, which sends it from the address that was asked, or loses it.
pub(super) fn send(socket: &UdpSocket, door: Door, to: SocketAddr, payload: &[u8]) -> nix::Result<usize> {
    let (socket, pieces) = (socket.as_raw_fd(), [IoSlice::new(payload)]);
    match (door.at, to) {
        (IpAddr::V4(at), SocketAddr::V4(to)) => {
            let at = libc::in_addr {
                s_addr: u32::from_ne_bytes(at.octets()),
            };
            let from = libc::in_pktinfo {
                ipi_ifindex: 0,
                ipi_spec_dst: at,
                ipi_addr: at,
            };
            let from = [ControlMessage::Ipv4PacketInfo(&from)];
            sendmsg(
                socket,
                &pieces,
                &from,
                MsgFlags::empty(),
                Some(&SockaddrIn::from(to)),
            )
        }
        (IpAddr::V6(at), SocketAddr::V6(to)) => {
            let from = libc::in6_pktinfo {
                ipi6_addr: libc::in6_addr { s6_addr: at.octets() },
                #[allow(clippy::unnecessary_cast, clippy::cast_possible_wrap, reason = "it came so")]
                ipi6_ifindex: door.interface as _,
            };
            let from = [ControlMessage::Ipv6PacketInfo(&from)];
            let to = SocketAddrV6::new(*to.ip(), to.port(), 0, door.interface);
            sendmsg(
                socket,
                &pieces,
                &from,
                MsgFlags::empty(),
                Some(&SockaddrIn6::from(to)),
            )
        }
        // R2 answers in the family in which it was asked.
        _ => Err(Errno::EAFNOSUPPORT),
    }
}
