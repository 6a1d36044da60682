//! Addresses that come, change and go.

use smoltcp::phy::Device;
use smoltcp::time::Instant;
use smoltcp::wire::{IpAddress, IpCidr, Ipv4Address};

use super::Node;
use super::ingress::NO_PORT;
use super::pool::Ending;
use crate::answer::{HOP_LIMIT, Way, arp, udp};
use crate::counters::{Reason, add};
use crate::gate::{DhcpAnswer, Flow, Neighbor};
use crate::ipv4::{CLIENT_PORT, Found, Heard, MESSAGE, Packet, SERVER_PORT};
use crate::slot::to_core;
use crate::world::World;

/// How many packets the search for an address sends in a turn: a message and a question at most, and what they lead to.
const PACKETS_PER_TURN: usize = 4;

impl<W: World> Node<'_, W> {
    /// The addresses that the node has now, that of IPv4 first. Those of [`Config`](crate::Config) stay; the one that it
    /// finds by itself comes once nobody else has it, and may change or go again: every connection to it is reset then,
    /// and counted in [`Counters::sessions_readdressed`](crate::Counters).
    pub fn addresses(&self) -> &[IpCidr] {
        &self.border.addresses
    }

    /// Takes what a DHCP server has sent.
    pub(super) fn take_dhcp(&mut self, answer: &DhcpAnswer<'_>, now: Instant, world: &mut W) {
        if !self.ipv4.hear(answer.message, answer.from, to_core(now)) {
            world.counters().drop(Reason::NoAnswer);
        }
        self.readdress(now, world);
    }

    /// Somebody else says that it has an address of ours, or one that is asked for.
    pub(super) fn take_claim(&mut self, other: &Neighbor<Ipv4Address>, now: Instant, world: &mut W) {
        if other.at == self.ours {
            return;
        }
        let heard = self.ipv4.hear_claim(other, to_core(now));
        #[cfg(feature = "log")]
        match heard {
            Heard::First => log::warn!(
                "{} is also the address of the machine at {}: give one of the two another address",
                other.address,
                other.at
            ),
            Heard::Lost => log::warn!(
                "{} is the address of the machine at {}: R2 looks for another one",
                other.address,
                other.at
            ),
            Heard::Nothing => {}
        }
        if heard == Heard::Lost {
            self.readdress(now, world);
        }
    }

    /// Goes on with the search for an address.
    pub(super) fn go_on_searching<D: Device + ?Sized>(
        &mut self,
        now: Instant,
        device: &mut D,
        world: &mut W,
    ) {
        for _ in 0..PACKETS_PER_TURN {
            let ipv4 = &mut self.ipv4;
            if ipv4.poll_at().is_none_or(|at| at > to_core(now)) {
                break;
            }
            let Some(token) = device.transmit(now) else {
                break;
            };
            let Some(packet) = ipv4.turn(to_core(now)) else {
                continue;
            };
            add(&mut world.counters().frames_out, 1);
            let token = self.captures.tap(self.slots, NO_PORT).on(token);
            match packet {
                Packet::Arp { from, address } => arp::ask(from, address, self.ours, token),
                Packet::Dhcp(said) => {
                    let (source, destination, peer) = said.way();
                    let way = Way {
                        ours: self.ours,
                        peer,
                        source: source.into(),
                        destination: destination.into(),
                    };
                    let flow = Flow {
                        remote: (destination, SERVER_PORT).into(),
                        local: (source, CLIENT_PORT).into(),
                    };
                    let mut room = [0; MESSAGE];
                    let message = ipv4.write(&said, &mut room);
                    udp::send(&way, &flow, message, HOP_LIMIT, usize::MAX, token);
                }
            }
        }
        self.readdress(now, world);
    }

    /// Gives the node the IPv4 address that was found, and takes the one that was lost.
    fn readdress(&mut self, now: Instant, world: &mut W) {
        self.border.candidate = self.ipv4.candidate();
        let found = self.ipv4.found();
        if found == self.found {
            return;
        }
        let lost = core::mem::replace(&mut self.found, found);
        let addresses = &mut self.border.addresses;
        if let Some(Found { address, .. }) = lost {
            addresses.retain(|cidr| *cidr != IpCidr::Ipv4(address));
        }
        if let Some(Found { address, .. }) = found
            && addresses.insert(0, address.into()).is_err()
        {
            world
                .counters()
                .bug("there is room for an address of each family");
        }
        #[cfg(feature = "call")]
        self.caller.set_gateway(found.and_then(|found| found.router));
        let address = |found: Option<Found>| found.map(|found| IpAddress::from(found.address.address()));
        if let Some(lost) = address(lost).filter(|lost| address(found) != Some(*lost)) {
            self.end_at(lost, now, world);
        }
    }

    /// Resets every connection to an address that the node no longer has.
    fn end_at(&mut self, lost: IpAddress, now: Instant, world: &mut W) {
        let mut reset = 0_u64;
        for index in 0..self.slots.len() {
            let Some(slot) = self.slots.get(index) else { break };
            if slot.flow.is_some_and(|flow| flow.local.addr == lost) {
                add(&mut reset, slot.phase.is_open().into());
                self.end_slot(index, now, world, Ending::Abort);
            }
        }
        #[cfg(feature = "call")]
        self.end_call_from(lost, world);
        add(&mut world.counters().sessions_readdressed, reset);
        #[cfg(feature = "log")]
        log::warn!("R2 no longer has the address {lost}: {reset} connections to it were reset");
    }
}
