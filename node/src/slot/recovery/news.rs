//! What an acknowledgement brings.

use smoltcp::wire::TcpOption;

use super::Piece;
use crate::gate::is_after;

/// What an acknowledgement says has arrived.
#[derive(Default)]
pub(super) struct News {
    /// The piece that left last.
    pub(super) newest: Option<Piece>,
    /// When the one left of those sent once that left last.
    pub(super) sample: Option<i64>,
    /// Behind the lowest of those sent once, and behind the highest.
    pub(super) lowest: Option<u32>,
    pub(super) highest: Option<u32>,
}

impl News {
    pub(super) fn see(&mut self, piece: &Piece) {
        let at = (piece.sent_at, piece.end);
        if self
            .newest
            .is_none_or(|newest| is_later(at, (newest.sent_at, newest.end)))
        {
            self.newest = Some(*piece);
        }
        if self.highest.is_none_or(|highest| is_after(piece.end, highest)) {
            self.highest = Some(piece.end);
        }
        if !piece.repeated {
            self.sample = self.sample.max(Some(piece.sent_at));
            if self.lowest.is_none_or(|lowest| is_after(lowest, piece.end)) {
                self.lowest = Some(piece.end);
            }
        }
    }
}

/// The SACK blocks of a header.
pub(super) fn blocks(mut options: &[u8]) -> [Option<(u32, u32)>; 3] {
    while let Ok((rest, option)) = TcpOption::parse(options) {
        match option {
            TcpOption::SackRange(blocks) => return blocks,
            TcpOption::EndOfList => break,
            _ => options = rest,
        }
    }
    [None; 3]
}

/// Whether what left at the first time and ends at its sequence number left after the other: pieces of one super-frame left
/// at one time, in the order of their numbers (RFC 8985, section 6.2).
pub(super) fn is_later((at, end): (i64, u32), (other_at, other_end): (i64, u32)) -> bool {
    at > other_at || (at == other_at && is_after(end, other_end))
}
