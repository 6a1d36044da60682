//! What a peer is shown: the lines of the room, and the answers to its own commands.

use core::fmt::Write;

use super::lines::{Found, Place, length_of};
use super::room::Room;
use super::roster::Speaker;
use crate::bug::OrBug;
use crate::limits::{CHAT_OUT_MAX, LABEL_MAX};
use crate::outbox::Outbox;

/// Everything that is on its way to one peer.
///
/// The line under way is copied out of the room, so that it is whole however slowly it leaves.
pub(super) struct Outgoing {
    outbox: Outbox<CHAT_OUT_MAX>,
    /// Which line of the room comes next.
    next: Place,
    /// Where the lines end that the peer is to see; `None` while it is here.
    end: Option<Place>,
    /// Where the answer that waits belongs: behind the lines that were there when its command came.
    due: Option<Place>,
    /// How far the answer to `/who` has come.
    listing: Option<Listing>,
    /// What is said last, behind the last line.
    farewell: Option<[&'static str; 2]>,
}

#[derive(Clone, Copy)]
enum Listing {
    Begins,
    /// The seats from this one on are still to be named.
    Seats(usize),
}

impl Outgoing {
    pub(super) const fn new(next: Place) -> Self {
        Self {
            outbox: Outbox::new(),
            next,
            end: None,
            due: None,
            listing: None,
            farewell: None,
        }
    }

    /// The peer sees no line that comes after those of now.
    pub(super) fn end_here(&mut self, room: &Room<'_>) {
        self.end = Some(room.end());
    }

    /// The peer sees no other line than this one, which `parts` are together.
    pub(super) fn end_with(&mut self, room: &Room<'_>, parts: [&'static str; 2]) {
        self.next = room.end();
        self.end_here(room);
        self.farewell = Some(parts);
    }

    /// Which line of the room is the first that was not sent.
    pub(super) fn next(&self) -> Place {
        self.next
    }

    /// Whether all that the peer is to see before its end has left.
    pub(super) fn is_done(&self) -> bool {
        self.end.is_some_and(|end| end.line <= self.next.line)
            && self.outbox.is_empty()
            && !self.is_listing()
            && self.farewell.is_none()
    }

    /// Whether the answer to `/who` has not been written yet. No other command is answered meanwhile.
    pub(super) fn is_listing(&self) -> bool {
        self.listing.is_some()
    }

    /// Places the answer that `parts` are together; `false`, and nothing placed, as long as it has no room or
    /// lines that belong before it have not left.
    pub(super) fn answer(&mut self, room: &Room<'_>, parts: &[&str]) -> bool {
        let length = length_of(parts);
        if !self.is_turn(room) || length > self.outbox.room() {
            return false;
        }
        for part in parts {
            self.outbox.push(part.as_bytes());
        }
        true
    }

    /// Begins the answer to `/who`; `false` as in [`answer`](Self::answer).
    pub(super) fn list(&mut self, room: &Room<'_>) -> bool {
        let begins = self.is_turn(room);
        if begins {
            self.listing = Some(Listing::Begins);
        }
        begins
    }

    /// The command is done: the next one's answer belongs somewhere else.
    pub(super) fn done_with_command(&mut self) {
        self.due = None;
    }

    /// Fills the front of `tx`; 0 when there is nothing to show, or no room.
    pub(super) fn transmit(&mut self, tx: &mut [u8], room: &Room<'_>) -> usize {
        let mut filled = 0;
        loop {
            let behind = tx
                .get_mut(filled..)
                .or_bug("no more is filled than there is room");
            filled = filled.saturating_add(self.outbox.drain_into(behind));
            if !self.outbox.is_empty() || !self.refill(room) {
                return filled;
            }
        }
    }

    fn is_turn(&mut self, room: &Room<'_>) -> bool {
        let due = *self.due.get_or_insert(room.end());
        !self.is_listing() && due.line <= self.next.line
    }

    /// Puts the next line, or a piece of the list, into the empty outbox; `false` when there is none.
    fn refill(&mut self, room: &Room<'_>) -> bool {
        if let Some(listing) = self.listing {
            self.list_on(listing, room);
            return true;
        }
        match room.line_at(self.next, self.end.unwrap_or(room.end())) {
            Found::End => self.farewell.take().is_some_and(|parts| {
                for part in parts {
                    self.outbox.push(part.as_bytes());
                }
                true
            }),
            Found::Line([first, second], next) => {
                self.outbox.push(first);
                self.outbox.push(second);
                self.next = next;
                true
            }
            Found::Gone(lines, next) => {
                writeln!(self.outbox, "* {lines} lines skipped")
                    .or_bug("the outbox is empty, and the number has at most 20 digits");
                self.next = next;
                true
            }
        }
    }

    fn list_on(&mut self, listing: Listing, room: &Room<'_>) {
        let mut seat = match listing {
            Listing::Seats(seat) => seat,
            Listing::Begins => {
                self.outbox.push(b"* here: ");
                self.outbox.push(room.label(Speaker::Host).as_bytes());
                0
            }
        };
        while let Some(taken) = room.seated_from(seat) {
            if self.outbox.room() < " ".len() + LABEL_MAX + "\n".len() {
                self.listing = Some(Listing::Seats(taken));
                return;
            }
            self.outbox.push(b" ");
            self.outbox.push(room.label(Speaker::Seat(taken)).as_bytes());
            seat = taken.saturating_add(1);
        }
        self.outbox.push(b"\n");
        self.listing = None;
    }
}
