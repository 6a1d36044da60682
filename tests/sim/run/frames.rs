//! The frames of a run: what reaches R2, and what leaves it.

use r2_core::session::Session;
use r2_core::store::Store;
use r2_sim::simulation::R2_MAC;
use r2_sim::wire::Frame;
use smoltcp::time::Instant;
use smoltcp::wire::{EthernetFrame, Ipv4Packet, TcpPacket};

use super::super::memory::allocations;
use super::super::net::change_segment;
use super::super::peer::mac;
use super::super::planted::{self, Bug};
use super::super::stranger::{self, Throw};
use super::super::twist::parted;
use super::Run;

/// The window that peers see where wires are greedy, until the true one is smaller.
const GREED: u16 = 8_000;

/// Until when they see it.
const GREED_ENDS: Instant = Instant::from_micros_const(4_000_000);

impl<S: Store> Run<'_, S> {
    pub(super) fn throw(&mut self, throw: Throw) {
        let frame = match throw {
            Throw::Frame(frame) => Some(frame),
            Throw::Forged { peer, .. } => {
                self.edges[peer].and_then(|edges| stranger::forged(peer, &self.peers[peer], edges, &throw))
            }
        };
        if let Some(frame) = frame {
            self.net.send(self.now, frame);
        }
    }

    pub(super) fn arrives(&mut self, mut frame: Frame) {
        let Ok(ethernet) = EthernetFrame::new_checked(&*frame) else {
            self.r2.0.arriving.push_back(frame);
            return self.poll_node();
        };
        let (from, to) = (ethernet.src_addr(), ethernet.dst_addr());
        if to == R2_MAC || to.is_multicast() {
            let peer = (0..self.peers.len()).find(|index| mac(*index) == from);
            if self.bug == Some(Bug::GuardOff)
                && self.greedy
                && let Some((edge, _)) = peer.and_then(|peer| self.edges[peer])
            {
                planted::cut_at(edge, &mut frame);
            }
            if let Some(peer) = peer {
                self.watches[peer].received(&frame, self.now);
            }
            self.r2.0.arriving.push_back(frame);
            self.poll_node();
        } else if let Some(index) = (0..self.peers.len()).find(|index| mac(*index) == to) {
            self.peers[index].host.wire.arriving.push_back(frame);
        }
    }

    pub(super) fn poll_node(&mut self) {
        self.allocations += allocations(|| {
            self.node_next = self.node.poll(self.now, &mut self.r2, &mut self.world);
        });
        while let Some(mut frame) = self.r2.0.leaving.pop_front() {
            let to = EthernetFrame::new_unchecked(&*frame).dst_addr();
            if to == r2_sim::stranger::MAC {
                self.to_stranger.push(frame);
                continue;
            }
            if let Some(peer) = (0..self.peers.len()).find(|index| mac(*index) == to) {
                self.edges[peer] = edge(&frame).or(self.edges[peer]);
                self.watches[peer].sent(&frame, self.now);
            }
            if self.greedy && self.now < GREED_ENDS && self.rng.bool() {
                change_segment(&mut frame, |tcp| tcp.set_window_len(tcp.window_len().max(GREED)));
            }
            if self.twisted && self.net.weather.lost > 0 {
                frame = parted(frame, &mut self.rng);
            }
            self.net.send(self.now, frame);
        }
        let mut room = [0; 4096];
        loop {
            let now = r2_core::time::Instant::default();
            let filled = self.operator.transmit(now, &mut room, &mut self.world.room);
            if filled == 0 {
                return;
            }
            self.console.extend(&room[..filled]);
        }
    }
}

/// The end of the window that a segment shows, and its own.
fn edge(frame: &Frame) -> Option<(u32, u32)> {
    let ethernet = EthernetFrame::new_checked(&**frame).ok()?;
    let ip = Ipv4Packet::new_checked(ethernet.payload()).ok()?;
    let tcp = TcpPacket::new_checked(ip.payload()).ok()?;
    let ack = tcp.ack().then(|| tcp.ack_number().0.cast_unsigned())?;
    let end = tcp.seq_number() + tcp.segment_len();
    Some((ack.wrapping_add(tcp.window_len().into()), end.0.cast_unsigned()))
}
