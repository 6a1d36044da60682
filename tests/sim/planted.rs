//! Bugs that the simulator must find: each does from outside what R2 would do without one of its precautions.

use r2_core::chat;
use r2_core::session::{Over, Session, Wants};
use r2_core::time::Instant;
use r2_links::memory::Frame;
use smoltcp::wire::{Ipv4Packet, TcpPacket};

use super::net::change_segment;

/// A bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bug {
    /// A segment is cut at the window's edge, its FIN is accepted, as smoltcp does it without the gate's guard.
    GuardOff,
    /// The store's syncs do nothing.
    SyncSkipped,
    /// Who begins a line with R2's label speaks as R2.
    LabelUnchecked,
}

/// Bytes of an Ethernet header.
const ETHERNET: usize = 14;

/// What smoltcp makes of a segment beyond `edge`, the end of the window: shorter, FIN and all.
pub(super) fn cut_at(edge: u32, frame: &mut Frame) {
    let Ok(ip) = Ipv4Packet::new_checked(&frame[ETHERNET..]) else {
        return;
    };
    let Ok(tcp) = TcpPacket::new_checked(ip.payload()) else {
        return;
    };
    let begin = tcp.seq_number().0.cast_unsigned();
    let data = tcp.payload().len();
    // FIN takes the last place in the window.
    let fits = edge.wrapping_sub(begin).wrapping_sub(1) as usize;
    if !tcp.fin() || tcp.syn() || fits >= data {
        return;
    }
    let headers = usize::from(ip.header_len()) + usize::from(tcp.header_len());
    let length = headers + fits;
    frame.truncate(ETHERNET + length);
    let mut ip = Ipv4Packet::new_unchecked(&mut frame[ETHERNET..]);
    ip.set_total_len(u16::try_from(length).expect("shorter than before"));
    ip.fill_checksum();
    change_segment(frame, |_| ());
}

/// A chat session that takes a peer's word for its label.
#[derive(Default)]
pub(super) struct Trusting(chat::Peer);

const FORGED: &[u8] = b": R2: ";

impl<'r> Session<chat::Room<'r>> for Trusting {
    fn opened(&mut self, now: Instant, room: &mut chat::Room<'r>) {
        self.0.opened(now, room);
    }

    fn receive(&mut self, now: Instant, rx: &[u8], room: &mut chat::Room<'r>) -> usize {
        self.0.receive(now, rx, room)
    }

    fn transmit(&mut self, now: Instant, tx: &mut [u8], room: &mut chat::Room<'r>) -> usize {
        let filled = self.0.transmit(now, tx, room);
        let said = tx[..filled].to_vec();
        let Some(at) = said.windows(FORGED.len()).position(|it| it == FORGED) else {
            return filled;
        };
        let line = said[..at]
            .iter()
            .rposition(|it| *it == b'\n')
            .map_or(0, |end| end + 1);
        let kept = [&said[..line], &said[at + 2..]].concat();
        tx[..kept.len()].copy_from_slice(&kept);
        kept.len()
    }

    fn finished(&mut self, now: Instant, room: &mut chat::Room<'r>) {
        self.0.finished(now, room);
    }

    fn over(&mut self, now: Instant, how: Over, room: &mut chat::Room<'r>) {
        self.0.over(now, how, room);
    }

    fn poll_at(&self) -> Option<Instant> {
        self.0.poll_at()
    }

    fn wants(&self) -> Wants {
        self.0.wants()
    }
}
