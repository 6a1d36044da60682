//! [`Local`]: R2 on a wire in memory, and a gateway at its other end that offers R2's ports on 127.0.0.1.
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
mod datagram;
mod fin;
mod flow;
mod from_r2;
mod gateway;
mod interface;
mod lane;
mod ports;
mod unacknowledged;

use std::io;
use std::net::Ipv4Addr;
use std::os::fd::{AsFd, BorrowedFd};

use nix::poll::PollFlags;
use r2_node::config::Size;
use r2_node::service::Spec;
use smoltcp::phy::{Device, DeviceCapabilities};
use smoltcp::time::Instant;
use smoltcp::wire::IpCidr;
use thiserror::Error;

use self::gateway::Gateway;
use self::interface::GatewayInterface;
use self::lane::{Lane, LaneRx, LaneTx};
pub use self::ports::{Ports, Refused};
use super::{Link, ethernet_address};

/// The virtual wire with the gateway at its other end.
pub struct Local {
    to_r2: Lane,
    from_r2: Lane,
    capabilities: DeviceCapabilities,
    gateway: Gateway,
}

impl Local {
    /// Offers the ports of `offers` to this host's programs, or to those at an address of `allow` where there is one. `ip`
    /// is R2's address on the wire. The ports that could not be had are returned beside it; when that is all of them, it
    /// is an error.
    pub fn open(
        ip: Ipv4Addr,
        ports: Ports,
        allow: &[IpCidr],
        offers: &[(Spec, Size)],
    ) -> Result<(Self, Vec<Refused>), LocalError> {
        let capabilities = lane::capabilities();
        let (mut to_r2, from_r2) = (Lane::new(), Lane::new());
        let end = GatewayInterface::new(&capabilities, ethernet_address(ip), &mut to_r2);
        let (gateway, refused) = Gateway::open(end, ip, offers, ports, allow)?;
        let has_any = gateway.offered.iter().any(|o| o.tcp.is_some() || o.udp.is_some());
        if !has_any && !offers.is_empty() {
            return Err(match refused.into_iter().find(|refused| !refused.is_taken()) {
                Some(refused) => LocalError::NoPort(refused),
                None => LocalError::AllTaken,
            });
        }
        let local = Self {
            to_r2,
            from_r2,
            capabilities,
            gateway,
        };
        Ok((local, refused))
    }
}

impl Link for Local {
    fn name(&self) -> &'static str {
        "local"
    }

    fn address(&self) -> Option<Ipv4Addr> {
        Some(Ipv4Addr::LOCALHOST)
    }

    fn tcp_port(&self, port: u16) -> Option<u16> {
        let offered = self.gateway.offered.iter().find(|offered| offered.port == port)?;
        offered.tcp.as_ref().map(|bound| bound.port)
    }

    fn udp_port(&self, port: u16) -> Option<u16> {
        let offered = self.gateway.offered.iter().find(|offered| offered.port == port)?;
        offered.udp.as_ref().map(|bound| bound.port)
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
    #[error(
        "another server has every port of R2 on 127.0.0.1: stop it, or serve on a TAP with --link tap:NAME"
    )]
    AllTaken,
    /// None of R2's ports could be had.
    #[error("{0}")]
    NoPort(Refused),
    /// The kernel has no more descriptors, say.
    #[error("cannot serve on 127.0.0.1: {0}")]
    Other(#[from] io::Error),
}
