//! The scoreboard: what was sent and is not acknowledged, piece by piece (RFC 6675, section 3).

use crate::gate::is_after;

/// Bytes that left at one time, as far as nothing is known that parts them. They begin where the piece before ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Piece {
    /// The sequence number behind them.
    pub(super) end: u32,
    /// When they left last, in microseconds.
    pub(super) sent_at: i64,
    /// The peer says that it has them.
    pub(super) sacked: bool,
    /// They are taken for lost, and were not repeated since.
    pub(super) lost: bool,
    /// They are to be repeated.
    pub(super) wanted: bool,
    /// They were repeated: nobody knows which of both an acknowledgement is for (Karn; RFC 6298, section 3).
    pub(super) repeated: bool,
}

/// A list of pieces in the order of their sequence numbers, without gaps, in borrowed memory.
///
/// Where it is full, a piece that is new becomes part of the one before it, and an edge that would part a piece is left
/// out: less is known then, and more is repeated.
#[derive(Debug, Default)]
pub(super) struct Scoreboard<'a> {
    pieces: &'a mut [Piece],
    len: usize,
    /// Where the first piece begins: SND.UNA.
    start: u32,
}

impl<'a> Scoreboard<'a> {
    pub(super) fn new(pieces: &'a mut [Piece]) -> Self {
        Self {
            pieces,
            len: 0,
            start: 0,
        }
    }

    /// Whether it has no memory at all.
    pub(super) fn is_nothing(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Whether nothing is under way.
    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Forgets everything; what is sent next begins at `start`.
    pub(super) fn begin(&mut self, start: u32) {
        (self.len, self.start) = (0, start);
    }

    pub(super) fn start(&self) -> u32 {
        self.start
    }

    /// The sequence number behind all that was sent.
    pub(super) fn end(&self) -> u32 {
        self.pieces().last().map_or(self.start, |piece| piece.end)
    }

    pub(super) fn pieces(&self) -> &[Piece] {
        self.pieces.get(..self.len).unwrap_or_default()
    }

    pub(super) fn pieces_mut(&mut self) -> &mut [Piece] {
        self.pieces.get_mut(..self.len).unwrap_or_default()
    }

    /// Notes that everything up to `end` has left at `sent_at`.
    pub(super) fn push(&mut self, end: u32, sent_at: i64) {
        let piece = Piece {
            end,
            sent_at,
            ..Piece::default()
        };
        if let Some(place) = self.pieces.get_mut(self.len) {
            *place = piece;
            self.len = self.len.saturating_add(1);
        } else if let Some(last) = self.pieces.last_mut() {
            *last = Piece {
                wanted: last.wanted,
                repeated: last.repeated,
                ..piece
            };
        }
    }

    /// Takes off what lies before `ack`, and gives `see` each piece of it that the peer had not said that it has.
    pub(super) fn acknowledge(&mut self, ack: u32, mut see: impl FnMut(&Piece)) {
        if !is_after(ack, self.start) {
            return;
        }
        self.start = ack;
        let mut gone = 0_usize;
        for piece in self.pieces() {
            let is_whole = !is_after(piece.end, ack);
            if !piece.sacked {
                let end = if is_whole { piece.end } else { ack };
                see(&Piece { end, ..*piece });
            }
            if !is_whole {
                break;
            }
            gone = gone.saturating_add(1);
            if piece.end == ack {
                break;
            }
        }
        let left = self.len.saturating_sub(gone);
        if gone > 0 {
            for to in 0..left {
                self.copy(to.saturating_add(gone), to);
            }
        }
        self.len = left;
    }

    /// Notes that the peer says that it has what lies from `left` to `right`, and gives `see` each piece of it of which it
    /// had not said so.
    pub(super) fn sack(&mut self, left: u32, right: u32, mut see: impl FnMut(&Piece)) {
        if !is_after(right, left) || !is_after(right, self.start) || is_after(right, self.end()) {
            return;
        }
        self.split(left);
        self.split(right);
        let mut start = self.start;
        for piece in self.pieces_mut() {
            if is_after(piece.end, right) {
                break;
            }
            let is_inside = !is_after(left, start);
            start = piece.end;
            if is_inside && !piece.sacked {
                see(piece);
                (piece.sacked, piece.lost, piece.wanted) = (true, false, false);
            }
        }
    }

    /// Forgets what the peer has said that it has (RFC 2018, section 8).
    pub(super) fn forget_sacks(&mut self) {
        for piece in self.pieces_mut() {
            piece.sacked = false;
        }
    }

    /// How many bytes the peer has said that it has.
    pub(super) fn sacked(&self) -> u32 {
        let mut start = self.start;
        let mut sacked = 0_u32;
        for piece in self.pieces() {
            if piece.sacked {
                sacked = sacked.saturating_add(piece.end.wrapping_sub(start));
            }
            start = piece.end;
        }
        sacked
    }

    /// Wants the last `length` bytes again that the peer has not said that it has.
    pub(super) fn want_last(&mut self, length: u32) {
        let Some((_, piece)) = self.last_missing() else {
            return;
        };
        self.split(piece.end.wrapping_sub(length));
        if let Some((index, _)) = self.last_missing()
            && let Some(piece) = self.pieces_mut().get_mut(index)
        {
            piece.wanted = true;
        }
    }

    fn last_missing(&self) -> Option<(usize, Piece)> {
        let (mut last, mut index) = (None, 0_usize);
        for piece in self.pieces() {
            if !piece.sacked {
                last = Some((index, *piece));
            }
            index = index.saturating_add(1);
        }
        last
    }

    /// Takes the first `length` bytes for lost.
    pub(super) fn lose_first(&mut self, length: u32) {
        self.split(self.start.wrapping_add(length));
        if let Some(first) = self.pieces_mut().first_mut() {
            (first.lost, first.wanted) = (true, true);
        }
    }

    /// Takes everything for lost that the peer has not said that it has.
    pub(super) fn lose_all(&mut self) {
        for piece in self.pieces_mut() {
            if !piece.sacked {
                (piece.lost, piece.wanted) = (true, true);
            }
        }
    }

    /// Notes that what lies from `left` to `right` leaves once more at `sent_at`, if any of it is wanted; whether it is.
    pub(super) fn repeat(&mut self, left: u32, right: u32, sent_at: i64) -> bool {
        let mut start = self.start;
        let mut is_wanted = false;
        for piece in self.pieces_mut() {
            if !is_after(right, start) {
                break;
            }
            start = piece.end;
            if piece.wanted && is_after(piece.end, left) {
                is_wanted = true;
                (piece.sent_at, piece.repeated, piece.lost) = (sent_at, true, false);
                piece.wanted = is_after(piece.end, right);
            }
        }
        is_wanted
    }

    /// Parts the piece that lies on both sides of `seq`, if one does, and there is room for one more.
    fn split(&mut self, seq: u32) {
        let mut start = self.start;
        let (mut found, mut index) = (None, 0_usize);
        for piece in self.pieces() {
            if is_after(piece.end, seq) {
                found = is_after(seq, start).then_some(index);
                break;
            }
            start = piece.end;
            index = index.saturating_add(1);
        }
        let Some(index) = found.filter(|_| self.len < self.pieces.len()) else {
            return;
        };
        let mut from = self.len;
        self.len = self.len.saturating_add(1);
        while from > index {
            from = from.saturating_sub(1);
            self.copy(from, from.saturating_add(1));
        }
        if let Some(piece) = self.pieces_mut().get_mut(index) {
            piece.end = seq;
        }
    }

    fn copy(&mut self, from: usize, to: usize) {
        if let Some(piece) = self.pieces.get(from).copied()
            && let Some(place) = self.pieces.get_mut(to)
        {
            *place = piece;
        }
    }
}
