//! [`Local`]: R2 on a wire in memory, and a gateway at its other end that offers R2's ports on this host.
//!
//! ```text
//! netcat ── kernel ── gateway ══ wire ══ R2's node
//! ```
//!
//! The gateway is to a client what a TAP would be: its address and port are those on the wire, what one side does not
//! take closes the other's window, FIN and RST pass as they are. Of the clients that R2 has no slot for one waits in R2's
//! backlog, which makes R2 look for room; the others wait here and come in the same order, the newest first. Only that
//! they wait is told otherwise: the kernel connects a client before anybody is asked.

mod accept;
mod addresses;
mod datagram;
mod fin;
mod flow;
mod from_r2;
mod gateway;
mod interface;
mod lane;
mod ports;
mod resolve;
mod unacknowledged;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};

use nix::poll::PollFlags;
use r2_node::config::Size;
use r2_node::service::Spec;
use smoltcp::phy::{Device, DeviceCapabilities};
use smoltcp::time::Instant;
use smoltcp::wire::{IpAddress, IpCidr, Ipv4Address, Ipv4Cidr, Ipv6Address, Ipv6Cidr};
use thiserror::Error;

use self::addresses::reached_at;
use self::gateway::Gateway;
use self::interface::GatewayInterface;
use self::lane::{Lane, LaneRx, LaneTx};
pub use self::ports::{Ports, Refused};
use super::{Link, ethernet_address};

/// R2's IPv4 address on the wire, and the network of all peers. No machine has it (IANA's dummy address, RFC 7600, section
/// 4.8), so no peer comes from it.
pub const R2_V4: Ipv4Cidr = Ipv4Cidr::new(Ipv4Address::new(192, 0, 0, 8), 0);

/// The same over IPv6 (of the dummy prefix, RFC 9780, section 8).
pub const R2_V6: Ipv6Cidr = Ipv6Cidr::new(Ipv6Address::new(0x100, 0, 0, 1, 0, 0, 0, 8), 0);

/// R2's address on the wire for this peer.
const fn r2_at(peer: IpAddress) -> IpAddress {
    match peer {
        IpAddress::Ipv4(_) => IpAddress::Ipv4(R2_V4.address()),
        IpAddress::Ipv6(_) => IpAddress::Ipv6(R2_V6.address()),
    }
}

/// At how many addresses R2 listens at most. Each costs two descriptors for every service.
pub const LISTEN_MAX: usize = 16;

/// The virtual wire with the gateway at its other end.
pub struct Local {
    to_r2: Lane,
    from_r2: Lane,
    capabilities: DeviceCapabilities,
    gateway: Gateway,
    addresses: Vec<IpAddr>,
}

impl Local {
    /// Offers the ports of `offers` at the addresses `listen`, whose ports are 0, to everybody who reaches them, or to those
    /// at an address of `allow` where there is one. The ports that could not be had are returned beside it; when that is all
    /// of them, it is an error.
    pub fn open(
        listen: &[SocketAddr],
        ports: Ports,
        allow: &[IpCidr],
        offers: &[(Spec, Size)],
    ) -> Result<(Self, Vec<Refused>), LocalError> {
        let listen = addresses::distinct(listen);
        if listen.len() > LISTEN_MAX {
            return Err(LocalError::TooMany);
        }
        for at in &listen {
            if let Some(error) = ports::unavailable(*at) {
                return Err(match error.kind() {
                    io::ErrorKind::AddrNotAvailable => LocalError::Absent(at.ip()),
                    _ => LocalError::Unusable(at.ip(), error),
                });
            }
        }
        let capabilities = lane::capabilities();
        let (mut to_r2, from_r2) = (Lane::new(), Lane::new());
        let end = GatewayInterface::new(&capabilities, ethernet_address(R2_V4.address()), &mut to_r2);
        let (gateway, refused) = Gateway::open(end, &listen, offers, ports, allow)?;
        let has_any = gateway
            .offered
            .iter()
            .any(|o| !(o.tcp.is_empty() && o.udp.is_empty()));
        if !has_any && !offers.is_empty() {
            return Err(match refused.into_iter().find(|refused| !refused.is_taken()) {
                Some(refused) => LocalError::NoPort(refused),
                None => LocalError::AllTaken(addresses::list(&listen)),
            });
        }
        let local = Self {
            to_r2,
            from_r2,
            capabilities,
            gateway,
            addresses: reached_at(&listen),
        };
        Ok((local, refused))
    }
}

impl Link for Local {
    fn name(&self) -> &'static str {
        "local"
    }

    fn addresses(&self) -> Option<&[IpAddr]> {
        Some(&self.addresses)
    }

    fn tcp_port(&self, port: u16) -> Option<u16> {
        let offered = self.gateway.offered.iter().find(|offered| offered.port == port)?;
        offered.tcp.first().map(|bound| bound.port)
    }

    fn udp_port(&self, port: u16) -> Option<u16> {
        let offered = self.gateway.offered.iter().find(|offered| offered.port == port)?;
        offered.udp.first().map(|bound| bound.port)
    }

    fn wanted(&self) -> PollFlags {
        PollFlags::POLLIN
    }

    fn work(&mut self, now: Instant) -> Option<Instant> {
        self.gateway.work(now, &mut self.from_r2, &mut self.to_r2)
    }

    /// Memory does not break.
    fn take_error(&mut self) -> Option<io::Error> {
        None
    }
}

impl AsFd for Local {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.gateway.poll.registry().as_fd()
    }
}

impl Device for Local {
    type RxToken<'a> = LaneRx<'a>;
    type TxToken<'a> = LaneTx<'a>;

    fn receive(&mut self, _: Instant) -> Option<(LaneRx<'_>, LaneTx<'_>)> {
        // A frame in may be answered by a frame out: none comes in while there is no room for it.
        if self.to_r2.is_empty() || !self.from_r2.has_room() {
            return None;
        }
        Some((LaneRx(&mut self.to_r2), LaneTx(&mut self.from_r2)))
    }

    fn transmit(&mut self, _: Instant) -> Option<LaneTx<'_>> {
        self.from_r2.has_room().then_some(LaneTx(&mut self.from_r2))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        self.capabilities.clone()
    }
}

/// Why there is no local link. Its text is one line.
#[derive(Debug, Error)]
pub enum LocalError {
    /// Other programs have all of R2's ports.
    #[error("another server has every port of R2 on {0}: stop it, or serve on a TAP with --link tap:NAME")]
    AllTaken(String),
    /// None of R2's ports could be had.
    #[error("{0}")]
    NoPort(Refused),
    /// The address is another machine's, or nobody's.
    #[error(
        "this machine does not have the address {0}: listen at one that it has, or at 0.0.0.0 or :: for all of them"
    )]
    Absent(IpAddr),
    /// The machine has no IPv6, say.
    #[error("this machine cannot listen at {0}: {1}")]
    Unusable(IpAddr, io::Error),
    /// There are more addresses than [`LISTEN_MAX`].
    #[error("R2 listens at {LISTEN_MAX} addresses at most: listen at 0.0.0.0 or :: for all of them")]
    TooMany,
    /// The kernel has no more descriptors, say.
    #[error("cannot serve on this machine: {0}")]
    Other(#[from] io::Error),
}
