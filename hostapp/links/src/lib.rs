//! Where frames come from and go to.
#![warn(clippy::print_stdout, clippy::print_stderr)]

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::AsFd;

use nix::poll::PollFlags;
use r2_node::Counters;
use smoltcp::phy::Device;
use smoltcp::time::Instant;
use smoltcp::wire::EthernetAddress;

#[cfg_attr(not(target_os = "linux"), allow(dead_code, reason = "a TAP needs most of it"))]
mod checksum;
mod clock;
mod leaked;
pub mod local;
pub mod pcap;
pub mod server;
pub mod socket;
pub mod stdio;
#[cfg(target_os = "linux")]
pub mod tap;
mod wait;

pub use self::leaked::Leaked;

/// SYNs held while a service is full: more than the connections of a service with large buffers, many times over.
pub const BACKLOG: u16 = 512;

/// A network card, and what a server that waits for it has to know.
///
/// Its descriptor is polled for [`wanted`](Self::wanted); then [`work`](Self::work) and the device have their turn.
pub trait Link: Device + AsFd {
    /// What it is called where R2 says that it is ready: `tap0`.
    fn name(&self) -> &str;

    /// The addresses at which peers reach R2 where these are not R2's own, but this machine's; those that other machines
    /// use come first.
    fn addresses(&self) -> Option<&[IpAddr]> {
        None
    }

    /// An Ethernet address for an R2 that has no IP address yet: the same as long as the link exists, and no other R2's.
    /// `None` where R2 always has an IP address.
    fn own_ethernet_address(&self) -> Option<EthernetAddress> {
        None
    }

    /// Where peers find R2's TCP `port`; `None` where it is not offered.
    fn tcp_port(&self, port: u16) -> Option<u16> {
        Some(port)
    }

    /// Where peers find R2's UDP `port`; `None` where it is not offered.
    fn udp_port(&self, port: u16) -> Option<u16> {
        Some(port)
    }

    /// What its descriptor is to be polled for: readability, and writability while a frame waits to leave.
    fn wanted(&self) -> PollFlags;

    /// Does what the link has to do by itself, without waiting: after every poll of the node, and before every wait.
    /// When it wants to again; `now` where frames wait for the node, `None` for not before its descriptor is ready.
    fn work(&mut self, now: Instant) -> Option<Instant> {
        let _ = now;
        None
    }

    /// Counts the frames that the link itself has dropped since the last time.
    fn count_drops(&mut self, counters: &mut Counters) {
        let _ = counters;
    }

    /// What made the link unusable, once. From then on no frame comes or goes.
    fn take_error(&mut self) -> Option<io::Error>;
}

/// R2's own Ethernet address where it has this IPv4 address: locally administered, `02:52:` ("R") `32` ("2"), and the last three bytes of its
/// IPv4 address. The same at every start, so that nobody's ARP cache goes stale; two R2s in one network differ
/// as their addresses do; a TAP's own is random, and its second and third byte would have to be these.
pub fn ethernet_address(ip: Ipv4Addr) -> EthernetAddress {
    let [_, a, b, c] = ip.octets();
    EthernetAddress([0x02, 0x52, 0x32, a, b, c])
}
