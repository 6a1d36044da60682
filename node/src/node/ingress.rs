//! What becomes of a frame.

use r2_core::bytes;
use smoltcp::phy::{Device, DeviceCapabilities, TxToken};
use smoltcp::time::Instant;
use smoltcp::wire::{
    EthernetAddress, IpEndpoint, IpProtocol, IpRepr, TcpControl, TcpPacket, TcpRepr, TcpSeqNumber,
};

use super::{Node, flow_of, interface};
use crate::answer::icmp::Fault;
use crate::counters::{Reason, add};
use crate::gate::{Closed, Flow, Parsed, Segment, Sent};
#[cfg(feature = "ipv6")]
use crate::limits::ETHERNET_FRAME;
use crate::service::ServiceId;
use crate::slot::{Verdict, to_core};
use crate::wire::{Header, Inward, Outgoing};
use crate::world::World;

impl<'a, W: World> Node<'a, W> {
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
            Ok(Parsed::Echo(request)) => self.answer_echo(&request, answer, world),
            Ok(Parsed::Unknown(asked)) => {
                self.answer_error(Fault::Protocol, &asked, answer, now, world);
            }
            Ok(Parsed::Arp(asker, address)) => self.answer_arp(&asker, address, answer, world),
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
            return;
        };
        let mut question = [0; BARE_MAX];
        let packet = match slot.judge(segment) {
            Verdict::Pass => {
                let newer_window = slot.before(segment, to_core(now));
                if slot.sent.overruns(segment) && !segment.rst {
                    world.counters().drop(Reason::BeyondWindow);
                    return;
                }
                newer_window
                    .and_then(|window| with_window(window, segment, self.scratch))
                    .unwrap_or(segment.packet)
            }
            verdict => {
                world.counters().drop(Reason::Challenged);
                if verdict == Verdict::Drop {
                    return;
                }
                // To an acknowledgement of what was never sent smoltcp answers with the challenge ACK, once a second
                // at most (RFC 5961, section 7).
                let Sent { next, ack, .. } = slot.sent;
                let (remote, local) = (segment.flow.remote, segment.flow.local);
                let unsent = next.wrapping_add(1 << 30);
                Bare::new(remote, local, ack, unsent).write(&mut question, &self.steered_capabilities)
            }
        };
        let mut sent = slot.sent;
        let mut inward = Inward {
            received: Some(packet),
            answer: Some(tap.on(answer)),
            header: Some(Header {
                ours: self.ours,
                peer: slot.peer,
                fill_checksum: self.capabilities.checksum.tcp.tx(),
                sent: &mut sent,
            }),
            frames_out: &mut world.counters().frames_out,
            capabilities: &self.steered_capabilities,
        };
        self.steered.poll_ingress_single(now, &mut inward, slot.sockets());
        drop(inward);
        slot.sent = sent;
        slot.behind(segment);
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
        self.begin(index, segment, now);
        self.deliver(index, segment, answer, now, world);
    }

    /// Prepares a free slot for the SYN `segment`.
    fn begin(&mut self, index: usize, segment: &Segment<'_>, now: Instant) {
        self.reseed(&segment.flow, now);
        let Some(slot) = self.slots.get_mut(index) else {
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

    /// Gives free slots to SYNs that wait for one.
    pub(super) fn admit_held<D: Device + ?Sized>(&mut self, now: Instant, device: &mut D, world: &mut W) {
        if self.backlog.is_empty() {
            return;
        }
        for service in 0..self.services.len() {
            // A SYN is taken when there is room for its answer: where the device has none, it waits on.
            while self.has_free(service)
                && let Some(answer) = device.transmit(now)
                && let Some(held) = self.backlog.take(service)
            {
                // The packet was inspected when it came.
                let Ok(segment) = self.border.inspect_held(held.packet(), held.from) else {
                    continue;
                };
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
        let bare = Bare::new(closed.flow.local, closed.flow.remote, closed.seq, closed.ack);
        let tap = self.captures.tap(self.slots, closed.flow.local.port);
        let outgoing = Outgoing {
            token: tap.on(answer),
            header: Some(Header {
                ours: self.ours,
                peer: to,
                fill_checksum: self.capabilities.checksum.tcp.tx(),
                sent: &mut Sent::default(),
            }),
            frames_out,
        };
        outgoing.consume(bare.ip.buffer_len(), |packet| {
            bare.write(packet, &self.steered_capabilities);
        });
    }
}

/// Writes the packet of `segment` to the front of `room`, with another window, and returns it; `None` where it has no
/// room. Its checksum was looked at, and nobody looks again.
fn with_window<'r>(window: u16, segment: &Segment<'_>, room: &'r mut [u8]) -> Option<&'r [u8]> {
    let room = room.get_mut(..segment.packet.len())?;
    bytes::copy(room, segment.packet);
    *room.get_mut(segment.window_at..)?.first_chunk_mut()? = window.to_be_bytes();
    Some(room)
}

/// The port of what is no TCP segment.
pub(super) const NO_PORT: u16 = 0;

/// Bytes of a bare segment over IPv6, the longer.
const BARE_MAX: usize = 40 + 20;

/// An acknowledgement and nothing else.
struct Bare {
    ip: IpRepr,
    tcp: TcpRepr<'static>,
}

impl Bare {
    fn new(from: IpEndpoint, to: IpEndpoint, seq: u32, ack: u32) -> Self {
        let tcp = TcpRepr {
            src_port: from.port,
            dst_port: to.port,
            control: TcpControl::None,
            seq_number: TcpSeqNumber(seq.cast_signed()),
            ack_number: Some(TcpSeqNumber(ack.cast_signed())),
            window_len: 0,
            window_scale: None,
            max_seg_size: None,
            sack_permitted: false,
            sack_ranges: [None; 3],
            timestamp: None,
            payload: &[],
        };
        let ip = IpRepr::new(from.addr, to.addr, IpProtocol::Tcp, tcp.buffer_len(), 64);
        Self { ip, tcp }
    }

    /// Writes the packet to the front of `room`, and returns it.
    fn write<'r>(&self, room: &'r mut [u8], capabilities: &DeviceCapabilities) -> &'r [u8] {
        let checksum = &capabilities.checksum;
        self.ip.emit(&mut *room, checksum);
        if let Some(segment) = room.get_mut(self.ip.header_len()..) {
            let mut segment = TcpPacket::new_unchecked(segment);
            let (from, to) = (self.ip.src_addr(), self.ip.dst_addr());
            self.tcp.emit(&mut segment, &from, &to, checksum);
        }
        room.get(..self.ip.buffer_len()).unwrap_or_default()
    }
}
