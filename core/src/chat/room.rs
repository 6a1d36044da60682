//! The room: who is in it, and what was said last.

use super::incoming::Labels;
use super::lines::{Found, Lines, Place};
use super::nick::Nick;
use super::roster::{Label, Renamed, Roster, Seat, Speaker};
use crate::bug::OrBug;
use crate::limits::{CHAT_RING_MIN, CHAT_SEATS_MAX};

/// Why no room can be made. Each is the operator's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum RoomError {
    /// The host's name is none: 1–16 of `A-Z a-z 0-9 _ -`.
    HostName,
    /// The peers' name is none.
    PeerName,
    /// Host and peers have the same name, but for its case.
    SameName,
    /// The ring has fewer than [`CHAT_RING_MIN`] bytes.
    RingTooSmall,
    /// There is no seat.
    NoSeats,
    /// There are more than [`CHAT_SEATS_MAX`] seats.
    TooManySeats,
}

/// What all chat sessions share: the names, and one ring of the last lines.
pub struct Room<'a> {
    lines: Lines<'a>,
    roster: Roster<'a>,
    host_quit: bool,
}

impl<'a> Room<'a> {
    /// An empty room for one peer a seat. `host` labels R2's own lines, `peer` is the name of the first peer and
    /// the stem of the next ones' (`KALI-2`).
    ///
    /// The ring bounds how far a peer may lag before it misses lines; what the seats held before is forgotten.
    pub fn new(ring: &'a mut [u8], seats: &'a mut [Seat], host: &str, peer: &str) -> Result<Self, RoomError> {
        let host = Nick::parse(host).ok_or(RoomError::HostName)?;
        let peer = Nick::parse(peer).ok_or(RoomError::PeerName)?;
        if host == peer {
            return Err(RoomError::SameName);
        }
        if ring.len() < CHAT_RING_MIN {
            return Err(RoomError::RingTooSmall);
        }
        if seats.is_empty() {
            return Err(RoomError::NoSeats);
        }
        if seats.len() > CHAT_SEATS_MAX {
            return Err(RoomError::TooManySeats);
        }
        Ok(Self {
            lines: Lines::new(ring),
            roster: Roster::new(host, peer, seats),
            host_quit: false,
        })
    }

    /// A number that changes with every line: then every chat session has something to transmit.
    pub fn revision(&self) -> u32 {
        // The low half: a number that changes is all that is promised.
        u32::try_from(self.lines.end().line & u64::from(u32::MAX)).or_bug("32 bits of it")
    }

    /// Whether R2's operator typed `/quit`.
    pub fn host_quit(&self) -> bool {
        self.host_quit
    }

    /// Seats a peer and tells those who are here; `None` when the room is full.
    pub(super) fn join(&mut self) -> Option<usize> {
        let seat = self.roster.join()?;
        let label = self.label(Speaker::Seat(seat));
        info!("chat: {} joined", label.as_str());
        self.lines.push(&["* ", &label, " joined\n"]);
        Some(seat)
    }

    /// Frees a seat and tells those who stay.
    pub(super) fn leave(&mut self, seat: usize) {
        let label = self.label(Speaker::Seat(seat));
        info!("chat: {} left", label.as_str());
        self.lines.push(&["* ", &label, " left\n"]);
        self.roster.leave(seat);
    }

    /// Shows `text` to everybody, labelled. It is clean and has at most
    /// [`CHAT_LINE_MAX`](crate::limits::CHAT_LINE_MAX) bytes.
    pub(super) fn say(&mut self, who: Speaker, text: &str) {
        let label = self.label(who);
        self.lines.push(&[&label, ": ", text, "\n"]);
    }

    /// Renames a peer, and shows that to everybody.
    pub(super) fn rename(&mut self, seat: usize, wish: &Nick) -> Renamed {
        let renamed = self.roster.rename(seat, wish);
        if let Renamed::From(old) = &renamed {
            debug!("chat: {} is now {}", old.as_str(), &**wish);
            self.lines.push(&["* ", old, " is now ", wish, "\n"]);
        }
        renamed
    }

    pub(super) fn quit_host(&mut self) {
        self.host_quit = true;
    }

    pub(super) fn label(&self, who: Speaker) -> Label {
        self.roster.label(who)
    }

    /// The names that `who` may put before its lines.
    pub(super) fn labels(&self, who: Speaker) -> Labels {
        Labels {
            own: self.roster.label(who),
            first: self.roster.first_label(who),
        }
    }

    /// The first peer on seat `seat` or behind it.
    pub(super) fn seated_from(&self, seat: usize) -> Option<usize> {
        self.roster.taken_from(seat)
    }

    /// The place behind the last line.
    pub(super) fn end(&self) -> Place {
        self.lines.end()
    }

    /// What stands at `place`, for a peer that is to see the lines before `end`.
    pub(super) fn line_at(&self, place: Place, end: Place) -> Found<'_> {
        self.lines.at(place, end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_room_needs_two_names_a_ring_and_seats() {
        let mut ring = [0; CHAT_RING_MIN];
        let mut seats = [Seat::default()];
        let mut make = |host, peer, bytes: usize, count: usize| {
            Room::new(&mut ring[..bytes], &mut seats[..count], host, peer).err()
        };
        let enough = CHAT_RING_MIN;
        assert_eq!(make("R2", "KALI", enough, 1), None);
        assert_eq!(make("R 2", "KALI", enough, 1), Some(RoomError::HostName));
        assert_eq!(make("R2", "", enough, 1), Some(RoomError::PeerName));
        assert_eq!(make("kali", "KALI", enough, 1), Some(RoomError::SameName));
        assert_eq!(make("R2", "KALI", enough - 1, 1), Some(RoomError::RingTooSmall));
        assert_eq!(make("R2", "KALI", enough, 0), Some(RoomError::NoSeats));
    }
}
