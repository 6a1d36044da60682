//! Whose Ethernet address an IP address is: asked for by ARP (RFC 826) or NDP (RFC 4861) when R2 calls.
//!
//! Answers need none of this: they go to the Ethernet address that the question came from.

#[cfg(feature = "ipv6")]
mod ndp;

use smoltcp::phy::Device;
use smoltcp::time::Instant;
use smoltcp::wire::{EthernetAddress, IpAddress, IpCidr, Ipv4Address};

use crate::answer::arp;
use crate::config::Config;
use crate::gate::Neighbor;
use crate::limits::RESOLVE_EVERY;

/// Asks for one address at a time.
pub(crate) struct Resolver {
    ours: EthernetAddress,
    gateway: Option<Ipv4Address>,
    asked: Option<Asked>,
}

struct Asked {
    /// The address itself, or the router's that leads there.
    next_hop: IpAddress,
    local: IpAddress,
    next_at: Instant,
    found: Option<EthernetAddress>,
}

impl Resolver {
    pub(crate) fn new(config: &Config<'_>) -> Self {
        Self {
            ours: config.mac,
            gateway: config.gateway,
            asked: None,
        }
    }

    #[cfg(feature = "dhcp")]
    pub(crate) fn set_gateway(&mut self, gateway: Option<Ipv4Address>) {
        self.gateway = gateway;
    }

    /// Begins to ask for `address`, from our address `local`.
    pub(crate) fn ask(&mut self, address: IpAddress, local: IpCidr, now: Instant) {
        let next_hop = match self.gateway {
            Some(gateway) if !local.contains_addr(&address) && matches!(address, IpAddress::Ipv4(_)) => {
                gateway.into()
            }
            _ => address,
        };
        self.asked = Some(Asked {
            next_hop,
            local: local.address(),
            next_at: now,
            found: None,
        });
    }

    pub(crate) fn stop(&mut self) {
        self.asked = None;
    }

    /// The Ethernet address that was asked for.
    pub(crate) fn found(&self) -> Option<EthernetAddress> {
        self.asked.as_ref()?.found
    }

    /// When the next question is due.
    pub(crate) fn poll_at(&self) -> Option<Instant> {
        self.asked
            .as_ref()
            .filter(|asked| asked.found.is_none())
            .map(|asked| asked.next_at)
    }

    /// Sends the question if it is due; whether it was sent.
    pub(crate) fn send<D: Device + ?Sized>(&mut self, now: Instant, device: &mut D) -> bool {
        let Some(asked) = self
            .asked
            .as_mut()
            .filter(|asked| asked.found.is_none() && asked.next_at <= now)
        else {
            return false;
        };
        let Some(token) = device.transmit(now) else {
            return false;
        };
        asked.next_at = now + smoltcp::time::Duration::from_millis(RESOLVE_EVERY.as_millis());
        match (asked.next_hop, asked.local) {
            (IpAddress::Ipv4(target), IpAddress::Ipv4(local)) => arp::ask(local, target, self.ours, token),
            #[cfg(feature = "ipv6")]
            (IpAddress::Ipv6(target), IpAddress::Ipv6(local)) => ndp::send(token, self.ours, local, target),
            #[cfg(feature = "ipv6")]
            _ => return false,
        }
        true
    }

    /// Learns where `neighbor` is, if it was asked for; whether it was.
    pub(crate) fn learn(&mut self, neighbor: &Neighbor<IpAddress>) -> bool {
        let Some(asked) = self
            .asked
            .as_mut()
            .filter(|asked| asked.next_hop == neighbor.address)
        else {
            return false;
        };
        asked.found.get_or_insert(neighbor.at);
        true
    }
}
