//! A service in a multicast group of the link: what it hears, and what it says to all.

use core::net::{IpAddr, SocketAddr};

use r2_core::group::Group;
use smoltcp::phy::{Device, TxToken};
use smoltcp::time::Instant;
use smoltcp::wire::IpAddress;

use super::Node;
use super::ingress::NO_PORT;
use crate::answer::{ON_LINK, Way, udp};
use crate::capture::Recording;
use crate::config::Addresses;
use crate::counters::{Reason, add};
use crate::gate::{Datagram, Flow};
use crate::limits::{ADDRESSES_MAX, ANSWER_TIMES};
use crate::service::GroupAddress;
use crate::slot::{to_core, to_smoltcp};
use crate::world::World;

/// A service, and its group.
pub(crate) struct Member<'a> {
    pub(crate) address: GroupAddress,
    service: &'a mut dyn Group,
    /// The addresses of the node that it was told.
    told: Addresses,
}

impl<'a> Member<'a> {
    pub(crate) fn new(address: GroupAddress, service: &'a mut dyn Group) -> Self {
        Self {
            address,
            service,
            told: Addresses::new(),
        }
    }
}

impl<W: World> Node<'_, W> {
    /// Gives a datagram to the service of the group that has its port: one to the group, or to this node alone. Who is not
    /// on this link is not answered: a router lets neither by.
    pub(super) fn take_grouped(
        &mut self,
        datagram: &Datagram<'_>,
        answer: impl TxToken,
        now: Instant,
        world: &mut W,
    ) {
        let Datagram { flow, asked, payload } = datagram;
        let local = self.border.address_beside(asked.source, asked.destination);
        let (Some(member), Some(local)) = (&mut self.member, local) else {
            return world.counters().drop(Reason::NoAnswer);
        };
        let from = SocketAddr::new(std_address(flow.remote.addr), flow.remote.port);
        let Some(length) = member.service.receive(to_core(now), from, payload, self.scratch) else {
            return;
        };
        let headers = asked.bytes.len().saturating_sub(payload.len());
        let fair = asked.bytes.len().saturating_mul(ANSWER_TIMES);
        let is_fair = headers.saturating_add(length) <= fair || self.may_send_more(asked.source, now);
        if !is_fair || flow.remote.port == NO_PORT {
            return world.counters().drop(Reason::RateLimited);
        }
        let way = Way {
            ours: self.ours,
            peer: asked.from,
            source: local,
            destination: asked.source,
        };
        let answer = self.captures.tap(self.slots, NO_PORT).on(answer);
        let mtu = self.capabilities.max_transmission_unit;
        let said = self.scratch.get(..length).unwrap_or_default();
        if udp::send(&way, flow, said, ON_LINK, mtu, answer) {
            add(&mut world.counters().frames_out, 1);
        } else {
            world.counters().drop(Reason::NoAnswer);
        }
    }

    /// Sends what the service has to say to its group, over each family of addresses that the node has; when it is next to
    /// be asked. What the device has no room for is lost, as it may be on every wire.
    pub(super) fn speak_to_group<D: Device + ?Sized>(
        &mut self,
        now: Instant,
        device: &mut D,
        world: &mut W,
    ) -> Option<Instant> {
        let member = self.member.as_mut()?;
        if member.told != self.border.addresses {
            member.told.clone_from(&self.border.addresses);
            let addresses = member.told.iter().map(|cidr| std_address(cidr.address()));
            let addresses: heapless::Vec<_, { ADDRESSES_MAX + 1 }> = addresses.collect();
            member.service.moved(to_core(now), &addresses);
        }
        if member.service.poll_at().is_none_or(|at| at > to_core(now)) {
            return member.service.poll_at().map(to_smoltcp);
        }
        if let Some(length) = member.service.transmit(to_core(now), self.scratch) {
            let to = member.address;
            let said = self.scratch.get(..length).unwrap_or_default();
            let mtu = self.capabilities.max_transmission_unit;
            for (group, at) in to.of_each_family() {
                let Some(source) = self.border.address_in(group) else {
                    continue;
                };
                let recording = &mut Recording {
                    device: &mut *device,
                    tap: self.captures.tap(self.slots, NO_PORT),
                };
                let Some(token) = recording.transmit(now) else {
                    world.counters().drop(Reason::DeviceBusy);
                    continue;
                };
                let way = Way {
                    ours: self.ours,
                    peer: at,
                    source,
                    destination: group,
                };
                let flow = Flow {
                    local: (source, to.port).into(),
                    remote: (group, to.port).into(),
                };
                if udp::send(&way, &flow, said, ON_LINK, mtu, token) {
                    add(&mut world.counters().frames_out, 1);
                }
            }
        }
        self.member.as_ref()?.service.poll_at().map(to_smoltcp)
    }

    /// Whether the service has said the last.
    pub(super) fn has_left_group(&self) -> bool {
        self.member
            .as_ref()
            .is_none_or(|member| member.service.poll_at().is_none())
    }

    /// Has the service say the last.
    pub(super) fn leave_group(&mut self, now: Instant) {
        if let Some(member) = &mut self.member {
            member.service.stop(to_core(now));
        }
    }
}

fn std_address(address: IpAddress) -> IpAddr {
    match address {
        IpAddress::Ipv4(address) => IpAddr::V4(address),
        #[cfg(feature = "ipv6")]
        IpAddress::Ipv6(address) => IpAddr::V6(address),
    }
}
