//! What is answered in the turn that takes it, without a connection.

use smoltcp::phy::TxToken;
use smoltcp::time::Instant;
#[cfg(feature = "ipv6")]
use smoltcp::wire::Ipv6Address;
use smoltcp::wire::{IpAddress, IpEndpoint, Ipv4Address};

use super::Node;
use super::ingress::NO_PORT;
#[cfg(feature = "ipv6")]
use crate::answer::ndp;
use crate::answer::{HOP_LIMIT, Way, arp, icmp, udp};
use crate::counters::{Reason, add};
use crate::gate::{Asked, Datagram, Flow, Neighbor};
use crate::limits::{ANSWER_BUCKETS, ANSWER_TIMES};
use crate::service::{Datagrams, Spec};
use crate::slot::to_core;
use crate::world::World;

impl<W: World> Node<'_, W> {
    /// Answers an ARP request.
    pub(super) fn answer_arp(
        &mut self,
        asker: &Neighbor<Ipv4Address>,
        address: Ipv4Address,
        answer: impl TxToken,
        world: &mut W,
    ) {
        add(&mut world.counters().frames_out, 1);
        let answer = self.captures.tap(self.slots, NO_PORT).on(answer);
        arp::reply(asker, address, self.ours, answer);
    }

    /// Answers a neighbour solicitation.
    #[cfg(feature = "ipv6")]
    pub(super) fn answer_ndp(
        &mut self,
        asker: &Neighbor<Ipv6Address>,
        address: Ipv6Address,
        answer: impl TxToken,
        world: &mut W,
    ) {
        add(&mut world.counters().frames_out, 1);
        let answer = self.captures.tap(self.slots, NO_PORT).on(answer);
        ndp::advertise(asker, address, self.ours, answer);
    }

    /// Answers a request for an echo.
    pub(super) fn answer_echo(&mut self, request: &Asked<'_>, answer: impl TxToken, world: &mut W) {
        add(&mut world.counters().frames_out, 1);
        let way = self.way(request);
        let answer = self.captures.tap(self.slots, NO_PORT).on(answer);
        icmp::echo(&way, request.bytes, answer);
    }

    /// Says what is wrong with a packet, unless that was said too often of late. It was for us alone, and from one
    /// machine; no error is answered by an error (RFC 1122, section 3.2.2; RFC 4443, section 2.4).
    pub(super) fn answer_error(
        &mut self,
        fault: icmp::Fault,
        asked: &Asked<'_>,
        answer: impl TxToken,
        now: Instant,
        world: &mut W,
    ) {
        if !self.errors.take(to_core(now)) {
            return world.counters().drop(Reason::RateLimited);
        }
        add(&mut world.counters().frames_out, 1);
        let way = self.way(asked);
        let answer = self.captures.tap(self.slots, NO_PORT).on(answer);
        icmp::error(&way, fault, asked.bytes, answer);
    }

    /// Gives a datagram to the service at its port.
    pub(super) fn take_datagram(
        &mut self,
        datagram: &Datagram<'_>,
        answer: impl TxToken,
        now: Instant,
        world: &mut W,
    ) {
        let port = datagram.flow.local.port;
        let at_port = |spec: &Spec| spec.port == port && spec.datagram.is_some();
        let found = self.services.iter().position(|service| at_port(service.spec()));
        let datagrams = found.and_then(|index| self.services.get(index)?.spec().datagram);
        let (Some(index), Some(datagrams)) = (found, datagrams) else {
            return self.answer_error(icmp::Fault::Port, &datagram.asked, answer, now, world);
        };
        world.counters().service(index, |count| {
            add(&mut count.bytes_in, datagram.payload.len() as u64);
        });
        let Datagrams::Answer(write) = datagrams else {
            return;
        };
        match self.answer_datagram(datagram, write, answer, now) {
            Ok(length) => {
                add(&mut world.counters().frames_out, 1);
                world
                    .counters()
                    .service(index, |count| add(&mut count.bytes_out, length as u64));
            }
            Err(reason) => world.counters().drop(reason),
        }
    }

    /// Answers a datagram with what `write` says. The length of the answer, or why there is none.
    fn answer_datagram(
        &mut self,
        datagram: &Datagram<'_>,
        write: fn(&[u8], &mut [u8]) -> Option<usize>,
        answer: impl TxToken,
        now: Instant,
    ) -> Result<usize, Reason> {
        let Datagram { flow, asked, payload } = datagram;
        if self.is_answering(flow.remote.port) {
            return Err(Reason::NoAnswer);
        }
        let length = write(payload, self.scratch).ok_or(Reason::NoAnswer)?;
        let headers = asked.bytes.len().saturating_sub(payload.len());
        let fair = asked.bytes.len().saturating_mul(ANSWER_TIMES);
        if headers.saturating_add(length) > fair && !self.may_send_more(asked.source, now) {
            return Err(Reason::RateLimited);
        }
        let way = self.way(asked);
        let answer = self.captures.tap(self.slots, NO_PORT).on(answer);
        let said = self.scratch.get(..length).ok_or(Reason::NoAnswer)?;
        let mtu = self.capabilities.max_transmission_unit;
        if udp::send(&way, flow, said, HOP_LIMIT, mtu, answer) {
            Ok(length)
        } else {
            Err(Reason::NoAnswer)
        }
    }

    /// Whether whoever has that port answers every datagram: an answer to it would go back and forth for ever. They are
    /// echo, daytime, quote, chargen and time (RFC 862, 865, 867, 864 and 868), what answers at that port here, and port
    /// 0, which nobody has.
    fn is_answering(&self, port: u16) -> bool {
        matches!(port, 0 | 7 | 13 | 17 | 19 | 37)
            || self.services.iter().any(|service| {
                let spec = service.spec();
                spec.port == port && matches!(spec.datagram, Some(Datagrams::Answer(_)))
            })
    }

    /// Whether one more answer much longer than its question may go to `address`, which may be forged.
    pub(super) fn may_send_more(&mut self, address: IpAddress, now: Instant) -> bool {
        let nowhere = IpEndpoint::new(address, NO_PORT);
        let hash = Flow {
            remote: nowhere,
            local: nowhere,
        }
        .keyed_hash(&self.secret);
        #[allow(clippy::cast_possible_truncation, reason = "only the low bits name a bucket")]
        let bucket = self.long_answers.get_mut(hash as usize % ANSWER_BUCKETS);
        bucket.is_some_and(|bucket| bucket.take(to_core(now)))
    }

    /// The way back to who asked.
    fn way(&self, asked: &Asked<'_>) -> Way {
        Way {
            ours: self.ours,
            peer: asked.from,
            source: asked.destination,
            destination: asked.source,
        }
    }
}
