//! Chat: one room, every line on every terminal, labelled by its sender.
//!
//! The [`Room`] is the world that all [`Peer`]s share: the names that are taken, and one ring of the last lines,
//! labelled and ready to send. A peer holds its place in that ring and the one line that it is being sent, so a
//! line costs one write whatever the number of peers, and a peer that does not read misses lines instead of
//! holding memory.
//!
//! ```
//! use r2_core::chat::{Peer, Room, Seat};
//! use r2_core::session::Session;
//! use r2_core::time::Instant;
//!
//! let (mut ring, mut seats) = ([0; 4096], [Seat::default(), Seat::default()]);
//! let room = &mut Room::new(&mut ring, &mut seats, "R2", "KALI").unwrap();
//! let now = Instant::from_millis(0);
//! let (mut r2, mut kali) = (Peer::host(), Peer::new());
//! r2.opened(now, room);
//! kali.opened(now, room);
//! kali.receive(now, b"R2: I am R2, honestly\n", room);
//!
//! let mut screen = [0; 128];
//! let shown = r2.transmit(now, &mut screen, room);
//! assert_eq!(&screen[..shown], b"* KALI joined\nKALI: R2: I am R2, honestly\n");
//! ```

mod command;
mod incoming;
mod lines;
mod nick;
mod outgoing;
mod peer;
mod repeats;
mod room;
mod roster;
mod telnet;
#[cfg(test)]
mod tests;

pub use nick::Nick;
pub use peer::Peer;
pub use room::{Room, RoomError};
pub use roster::Seat;
