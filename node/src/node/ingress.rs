//! What becomes of a frame.

use smoltcp::phy::{Device, TxToken};
use smoltcp::time::Instant;
use smoltcp::wire::EthernetAddress;

use super::{Node, flow_of, interface};
use crate::answer::icmp::Fault;
use crate::counters::{Reason, add};
use crate::gate::{Bare, Closed, Flow, Parsed, Segment, Sent};
#[cfg(feature = "ipv6")]
use crate::limits::ETHERNET_FRAME;
use crate::service::ServiceId;
use crate::slot::{Taken, Taking, to_core};
use crate::wire::{Header, Inward, Outgoing};
use crate::world::World;

impl<W: World> Node<'_, W> {
    /// Takes in one frame.
    pub(super) fn take_in(&mut self, frame: &[u8], answer: impl TxToken, now: Instant, world: &mut W) {
        let parsed = self.border.inspect(frame);
        let port = match &parsed {
            Ok(Parsed::Tcp(segment)) => segment.flow.local.port,
            #[cfg(feature = "ipv6")]
            Ok(Parsed::Extended(segment)) => segment.flow.local.port,
            _ => NO_PORT,
        };
        self.captures.tap(self.slots, port).record(frame);
        match parsed {
            Err(reason) => world.counters().drop(reason),
            Ok(Parsed::Tcp(segment)) => self.take_segment(&segment, answer, now, world),
            #[cfg(feature = "ipv6")]
            Ok(Parsed::Extended(segment)) => self.take_extended(&segment, answer, now, world),
            Ok(Parsed::Udp(datagram)) => self.take_datagram(&datagram, answer, now, world),
            #[cfg(feature = "multicast")]
            Ok(Parsed::Grouped(datagram)) => self.take_grouped(&datagram, answer, now, world),
            Ok(Parsed::Echo(request)) => self.answer_echo(&request, answer, world),
            Ok(Parsed::Unknown(asked)) => {
                self.answer_error(Fault::Protocol, &asked, answer, now, world);
            }
            Ok(Parsed::Arp(asker, address)) => {
                self.answer_arp(&asker, address, answer, world);
                #[cfg(feature = "dhcp")]
                self.take_claim(&asker, now, world);
            }
            #[cfg(feature = "dhcp")]
            Ok(Parsed::Claim(other)) => {
                world.counters().drop(Reason::NoAnswer);
                self.take_claim(&other, now, world);
            }
            #[cfg(feature = "dhcp")]
            Ok(Parsed::Dhcp(answer)) => self.take_dhcp(&answer, now, world),
            #[cfg(feature = "ipv6")]
            Ok(Parsed::Solicitation(asker, address)) => self.answer_ndp(&asker, address, answer, world),
            #[cfg(feature = "call")]
            Ok(Parsed::Neighbor(neighbor)) if self.caller.learn(&neighbor) => {}
            Ok(Parsed::Neighbor(_)) => world.counters().drop(Reason::NoAnswer),
        }
    }

    /// Takes in a segment behind extension headers, which are taken off: smoltcp knows some of them only.
    // Its room is on the stack while such a segment is taken in, and at no other time.
    #[cfg(feature = "ipv6")]
    #[inline(never)]
    fn take_extended(&mut self, segment: &Segment<'_>, answer: impl TxToken, now: Instant, world: &mut W) {
        let mut room = [0; ETHERNET_FRAME];
        match self.border.unextended(segment, &mut room) {
            Ok(segment) => self.take_segment(&segment, answer, now, world),
            Err(reason) => world.counters().drop(reason),
        }
    }

    fn take_segment(&mut self, segment: &Segment<'_>, answer: impl TxToken, now: Instant, world: &mut W) {
        if let Some(slot) = self.flows.find(&segment.flow, |slot| flow_of(self.slots, slot)) {
            self.deliver(slot, segment, answer, now, world);
        } else if segment.rst {
            self.backlog.forget(&segment.flow);
        } else if segment.syn
            && segment.ack.is_none()
            && let Some(service) = self.open_at(segment.flow.local.port)
        {
            self.take_syn(segment, service, answer, now, world);
        } else if let Some(closed) = self.time_wait.find(&segment.flow, &self.secret, to_core(now)) {
            if segment.len > 0 {
                let frames_out = &mut world.counters().frames_out;
                self.acknowledge(&closed, segment.from, answer, frames_out);
            }
        } else {
            self.refuse(segment, answer, now, &mut world.counters().frames_out);
        }
    }

    /// The service that a SYN to `port` may have a connection of.
    fn open_at(&self, port: u16) -> Option<usize> {
        let ServiceId(index) = self.service_at(port).filter(|_| self.stop_by.is_none())?;
        self.pools.get(index).filter(|pool| pool.len > 0)?;
        Some(index)
    }

    /// Gives a segment to the slot of its connection.
    fn deliver(
        &mut self,
        index: usize,
        segment: &Segment<'_>,
        answer: impl TxToken,
        now: Instant,
        world: &mut W,
    ) {
        let Some((slot, tap)) = self.captures.beside(self.slots, index) else {
            world.counters().bug("a flow has a slot");
            return;
        };
        let taken = slot.take(
            segment,
            Taking {
                interface: &mut self.steered,
                answer: tap.on(answer),
                capabilities: &self.steered_capabilities,
                ours: self.ours,
                fill_checksum: self.capabilities.checksum.tcp.tx(),
                scratch: self.scratch,
                now,
                frames_out: &mut world.counters().frames_out,
            },
        );
        match taken {
            Taken::In => {}
            Taken::Answered(reason) => world.counters().drop(reason),
            Taken::Dropped(reason) => return world.counters().drop(reason),
        }
        self.touch(index);
    }

    /// Gives a SYN a slot of its service, or holds it.
    fn take_syn(
        &mut self,
        segment: &Segment<'_>,
        service: usize,
        answer: impl TxToken,
        now: Instant,
        world: &mut W,
    ) {
        self.time_wait.forget(&segment.flow, &self.secret);
        let Some(index) = self.take_free(service) else {
            if let Some(given_up) = self.backlog.hold(segment, service, to_core(now)) {
                world.counters().drop(Reason::Backlog);
                world
                    .counters()
                    .service(given_up, |count| add(&mut count.refused, 1));
            }
            self.search_at.get_or_insert(now);
            return;
        };
        self.backlog.forget(&segment.flow);
        self.begin(index, segment, now, world);
        self.deliver(index, segment, answer, now, world);
    }

    /// Prepares a free slot for the SYN `segment`.
    fn begin(&mut self, index: usize, segment: &Segment<'_>, now: Instant, world: &mut W) {
        self.reseed(&segment.flow, now);
        let Some(slot) = self.slots.get_mut(index) else {
            world.counters().bug("a free slot is there");
            return;
        };
        slot.begin(
            segment.flow,
            segment.from,
            segment.seq.wrapping_add(1),
            to_core(now),
        );
        if let Some(service) = self.services.get_mut(slot.service) {
            service.renew(slot.place);
        }
        self.flows.insert(&segment.flow, index);
    }

    /// Gives free slots to SYNs that wait for one, or tells their senders that the node stops.
    pub(super) fn admit_held<D: Device + ?Sized>(&mut self, now: Instant, device: &mut D, world: &mut W) {
        if self.backlog.is_empty() {
            return;
        }
        for service in 0..self.services.len() {
            let stopping = self.stop_by.is_some();
            // A SYN is taken when there is room for its answer: where the device has none, it waits on.
            while (stopping || self.has_free(service))
                && let Some(answer) = device.transmit(now)
                && let Some(held) = self.backlog.take(service)
            {
                // The packet was inspected when it came.
                let Ok(segment) = self.border.inspect_held(held.packet(), held.from) else {
                    world.counters().bug("the packet was inspected when it came");
                    continue;
                };
                #[cfg(feature = "dhcp")]
                if !self.border.is_ours(segment.flow.local.addr) {
                    world.counters().drop(Reason::NotForUs);
                    continue;
                }
                if stopping {
                    self.refuse(&segment, answer, now, &mut world.counters().frames_out);
                    continue;
                }
                self.take_syn(&segment, service, answer, now, world);
            }
        }
    }

    /// Makes the next initial sequence number one that only the holder of the secret can foretell, different for
    /// every connection and moment (RFC 6528). smoltcp draws it from a generator that starts at the seed.
    pub(super) fn reseed(&mut self, flow: &Flow, now: Instant) {
        let seed = flow
            .keyed_hash(&self.secret)
            .wrapping_add(now.total_micros().cast_unsigned());
        self.steered = interface(seed, &self.steered_capabilities, now);
    }

    /// Answers RST: nobody serves that connection.
    fn refuse(&mut self, segment: &Segment<'_>, answer: impl TxToken, now: Instant, frames_out: &mut u64) {
        let tap = self.captures.tap(self.slots, segment.flow.local.port);
        let mut inward = Inward {
            received: Some(segment.packet),
            answer: Some(tap.on(answer)),
            header: Some(Header {
                ours: self.ours,
                peer: segment.from,
                fill_checksum: self.capabilities.checksum.tcp.tx(),
                sent: &mut Sent::default(),
            }),
            frames_out,
            capabilities: &self.steered_capabilities,
        };
        self.steered
            .poll_ingress_single(now, &mut inward, &mut self.no_sockets);
    }

    /// Acknowledges what a peer repeats of a connection that is closed: it did not hear the last one.
    fn acknowledge(
        &mut self,
        closed: &Closed,
        to: EthernetAddress,
        answer: impl TxToken,
        frames_out: &mut u64,
    ) {
        let Flow { remote, local } = closed.flow;
        let bare = Bare::new(local, remote, closed.seq, closed.ack);
        let tap = self.captures.tap(self.slots, closed.flow.local.port);
        let outgoing = Outgoing {
            token: tap.on(answer),
            header: Some(Header {
                ours: self.ours,
                peer: to,
                fill_checksum: self.capabilities.checksum.tcp.tx(),
                sent: &mut Sent::at(closed.seq),
            }),
            frames_out,
        };
        outgoing.consume(bare.len(), |packet| {
            bare.write(packet, &self.steered_capabilities);
        });
    }
}

/// The port of what is no TCP segment.
pub(super) const NO_PORT: u16 = 0;
