//! Who is in the room, and under which name.

use core::fmt::Write;

use heapless::String;

use super::nick::Nick;
use crate::limits::LABEL_MAX;

/// A name as it stands in front of a line.
pub(super) type Label = String<LABEL_MAX>;

/// The place of one peer in a [`Room`](super::Room).
///
/// The slice of seats also holds two bitmaps, a word of each in every seat: of the seats that are taken, and of
/// the numbers. So the lowest free one is found with one look at every 32nd.
#[derive(Clone, Debug, Default)]
pub struct Seat {
    name: Option<Name>,
    seats_taken: u32,
    numbers_taken: u32,
}

#[derive(Clone, Debug)]
enum Name {
    /// The peers' name, and from 2 on `-` and the number behind it.
    Numbered(usize),
    /// What the peer chose. It may look like a numbered name: then that number is taken.
    Chosen(Nick),
}

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Speaker {
    /// R2's operator.
    Host,
    /// The peer on that seat.
    Seat(usize),
}

/// What became of a wish for another name.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Renamed {
    /// The peer has it, and gave this one up.
    From(Label),
    /// It has it already.
    Same,
    /// Somebody else has it.
    Taken,
}

const WORD: usize = u32::BITS as usize;

/// The seats, and the two names that everybody's is made of.
pub(super) struct Roster<'a> {
    host: Nick,
    peer: Nick,
    seats: &'a mut [Seat],
}

impl<'a> Roster<'a> {
    pub(super) fn new(host: Nick, peer: Nick, seats: &'a mut [Seat]) -> Self {
        seats.fill(Seat::default());
        let mut roster = Self { host, peer, seats };
        if let Some(number) = roster.number_of(&roster.host) {
            roster.mark_number(number, true);
        }
        roster
    }

    /// Takes a seat and the lowest free number; `None` when all seats are taken.
    pub(super) fn join(&mut self) -> Option<usize> {
        let seat = lowest_free(self.seats, |seat| seat.seats_taken)?;
        // Never runs out: a word of 32 numbers for each seat, and each seat and the host hold at most one.
        let number = lowest_free(self.seats, |seat| seat.numbers_taken)?.saturating_add(1);
        self.seats.get_mut(seat)?.name = Some(Name::Numbered(number));
        self.mark_number(number, true);
        self.mark_seat(seat, true);
        Some(seat)
    }

    /// Gives a seat back, and its number.
    pub(super) fn leave(&mut self, seat: usize) {
        if let Some(number) = self.number_on(seat) {
            self.mark_number(number, false);
        }
        if let Some(left) = self.seats.get_mut(seat) {
            left.name = None;
            self.mark_seat(seat, false);
        }
    }

    /// Gives the peer on `seat` another name, if nobody else has it.
    pub(super) fn rename(&mut self, seat: usize, wish: &Nick) -> Renamed {
        let own = self.label(Speaker::Seat(seat));
        if own == **wish {
            return Renamed::Same;
        }
        let (had, wants) = (self.number_on(seat), self.number_of(wish));
        let is_own = own.eq_ignore_ascii_case(wish);
        if !is_own && (*wish == self.host || self.is_taken(wish, wants)) {
            return Renamed::Taken;
        }
        if let Some(number) = had {
            self.mark_number(number, false);
        }
        if let Some(number) = wants {
            self.mark_number(number, true);
        }
        if let Some(renamed) = self.seats.get_mut(seat) {
            renamed.name = Some(Name::Chosen(wish.clone()));
        }
        Renamed::From(own)
    }

    /// The name of a speaker; empty for a seat that is not taken.
    pub(super) fn label(&self, who: Speaker) -> Label {
        let mut label = Label::new();
        let name = match who {
            Speaker::Host => return String::try_from(&*self.host).unwrap_or(label),
            Speaker::Seat(seat) => self.seats.get(seat).and_then(|seat| seat.name.as_ref()),
        };
        let (name, number) = match name {
            None => return label,
            Some(Name::Chosen(nick)) => (nick, None),
            Some(Name::Numbered(1)) => (&self.peer, None),
            Some(Name::Numbered(number)) => (&self.peer, Some(number)),
        };
        let written = match number {
            None => label.push_str(name).is_ok(),
            Some(number) => write!(label, "{name}-{number}").is_ok(),
        };
        if !written {
            bug!("LABEL_MAX is the longest name with the largest number");
        }
        label
    }

    /// The name of the first peer, where `who` is another that has that name with a number; empty where not.
    pub(super) fn first_label(&self, who: Speaker) -> Label {
        let is_another = match who {
            Speaker::Host => false,
            Speaker::Seat(seat) => {
                let name = self.seats.get(seat).and_then(|seat| seat.name.as_ref());
                matches!(name, Some(Name::Numbered(2..)))
            }
        };
        let mut label = Label::new();
        if is_another && label.push_str(&self.peer).is_err() {
            bug!("LABEL_MAX is more than the longest name");
        }
        label
    }

    /// The first seat that is taken, from `seat` on.
    pub(super) fn taken_from(&self, seat: usize) -> Option<usize> {
        let behind = self.seats.get(seat..)?;
        behind
            .iter()
            .position(|seat| seat.name.is_some())
            .map(|free| seat.saturating_add(free))
    }

    fn is_taken(&self, wish: &Nick, number: Option<usize>) -> bool {
        match number {
            Some(number) => self.is_number_taken(number),
            None => self
                .seats
                .iter()
                .any(|seat| matches!(&seat.name, Some(Name::Chosen(nick)) if nick == wish)),
        }
    }

    /// The number whose name `name` is, in any case; `None` for other names, and for numbers that are never given.
    fn number_of(&self, name: &str) -> Option<usize> {
        let (stem, number) = name.split_at_checked(self.peer.len())?;
        if !stem.eq_ignore_ascii_case(&self.peer) {
            return None;
        }
        if number.is_empty() {
            return Some(1);
        }
        let digits = number.strip_prefix('-')?;
        let is_number = digits.bytes().all(|byte| byte.is_ascii_digit()) && !digits.starts_with('0');
        let number: usize = digits.parse().ok().filter(|_| is_number)?;
        (2..=self.seats.len().saturating_mul(WORD))
            .contains(&number)
            .then_some(number)
    }

    fn number_on(&self, seat: usize) -> Option<usize> {
        match self.seats.get(seat)?.name.as_ref()? {
            Name::Numbered(number) => Some(*number),
            Name::Chosen(nick) => self.number_of(nick),
        }
    }

    fn is_number_taken(&self, number: usize) -> bool {
        let (word, bit) = place_of(number.saturating_sub(1));
        self.seats
            .get(word)
            .is_some_and(|seat| seat.numbers_taken & bit != 0)
    }

    fn mark_number(&mut self, number: usize, taken: bool) {
        let (word, bit) = place_of(number.saturating_sub(1));
        if let Some(seat) = self.seats.get_mut(word) {
            mark(&mut seat.numbers_taken, bit, taken);
        }
    }

    fn mark_seat(&mut self, index: usize, taken: bool) {
        let (word, bit) = place_of(index);
        if let Some(seat) = self.seats.get_mut(word) {
            mark(&mut seat.seats_taken, bit, taken);
        }
    }
}

/// The word and the bit of one of the bitmaps.
fn place_of(index: usize) -> (usize, u32) {
    (index / WORD, 1 << (index % WORD))
}

fn mark(word: &mut u32, bit: u32, taken: bool) {
    if taken {
        *word |= bit;
    } else {
        *word &= !bit;
    }
}

fn lowest_free(seats: &[Seat], word: impl Fn(&Seat) -> u32) -> Option<usize> {
    let index = seats.iter().position(|seat| word(seat) != u32::MAX)?;
    let bit = word(seats.get(index)?).trailing_ones() as usize;
    Some(index.saturating_mul(WORD).saturating_add(bit))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::{String, ToString};
    use std::vec;
    use std::vec::Vec;

    fn nick(name: &str) -> Nick {
        Nick::parse(name).unwrap()
    }

    fn roster(seats: &mut [Seat]) -> Roster<'_> {
        Roster::new(nick("R2"), nick("KALI"), seats)
    }

    fn joined(roster: &mut Roster<'_>) -> String {
        let seat = roster.join().unwrap();
        roster.label(Speaker::Seat(seat)).to_string()
    }

    #[test]
    fn peers_get_the_lowest_free_number() {
        let mut seats = vec![Seat::default(); 70];
        let mut roster = roster(&mut seats);
        let on: Vec<_> = (0..70).map(|_| roster.join().unwrap()).collect();
        assert_eq!(&*roster.label(Speaker::Seat(on[0])), "KALI");
        assert_eq!(&*roster.label(Speaker::Seat(on[69])), "KALI-70");
        assert_eq!(roster.join(), None, "all seats are taken");
        roster.leave(on[40]);
        roster.leave(on[2]);
        for name in ["KALI-3", "KALI-41"] {
            assert_eq!(joined(&mut roster), name);
        }
    }

    #[test]
    fn a_chosen_name_that_looks_numbered_takes_the_number() {
        let mut seats = vec![Seat::default(); 4];
        let mut roster = roster(&mut seats);
        let first = roster.join().unwrap();
        assert!(matches!(roster.rename(first, &nick("kali-2")), Renamed::From(old) if &*old == "KALI"));
        assert_eq!([joined(&mut roster), joined(&mut roster)], ["KALI", "KALI-3"]);
        roster.leave(first);
        assert_eq!(joined(&mut roster), "KALI-2");
    }

    #[test]
    fn a_number_is_written_in_one_way_only() {
        let mut seats = vec![Seat::default(); 4];
        let mut roster = roster(&mut seats);
        let (first, second) = (roster.join().unwrap(), roster.join().unwrap());
        assert_eq!(&*roster.label(Speaker::Seat(second)), "KALI-2");
        for other in ["KALI-02", "KALI-0", "KALI-1", "KALI--2", "KALI2", "KALI-"] {
            assert!(
                matches!(roster.rename(first, &nick(other)), Renamed::From(_)),
                "{other}"
            );
        }
        assert_eq!(roster.rename(first, &nick("KALI-2")), Renamed::Taken);
    }

    #[test]
    fn a_name_belongs_to_one_whatever_its_case() {
        let mut seats = vec![Seat::default(); 4];
        let mut roster = roster(&mut seats);
        let (a, b) = (roster.join().unwrap(), roster.join().unwrap());
        assert!(matches!(roster.rename(a, &nick("Bob")), Renamed::From(_)));
        for taken in ["bob", "r2"] {
            assert_eq!(roster.rename(b, &nick(taken)), Renamed::Taken, "{taken}");
        }
        assert_eq!(roster.rename(a, &nick("Bob")), Renamed::Same);
        assert!(matches!(roster.rename(a, &nick("BOB")), Renamed::From(old) if &*old == "Bob"));
        assert_eq!(roster.rename(a, &nick("kali-2")), Renamed::Taken);
    }

    #[test]
    fn a_host_whose_name_looks_numbered_keeps_it() {
        let mut seats = vec![Seat::default(); 2];
        let mut roster = Roster::new(nick("kali-2"), nick("KALI"), &mut seats);
        assert_eq!([joined(&mut roster), joined(&mut roster)], ["KALI", "KALI-3"]);
    }

    #[test]
    fn who_is_here_is_found_seat_by_seat() {
        let mut seats = vec![Seat::default(); 4];
        let mut roster = roster(&mut seats);
        let _ = (roster.join(), roster.join(), roster.join());
        roster.leave(1);
        assert_eq!(roster.taken_from(0), Some(0));
        assert_eq!(roster.taken_from(1), Some(2));
        assert_eq!(roster.taken_from(3), None);
        assert_eq!(roster.taken_from(9), None);
    }
}
