//! Chat: one room, every line on every terminal, labelled by its sender.
//!
//! The [`Room`] is the world that all [`Peer`]s share: the names that are taken, and one ring of the last lines,
//! labelled and ready to send. A peer holds its place in that ring and the one line that it is being sent, so a
//! line costs one write whatever the number of peers, and a peer that does not read misses lines instead of
//! holding memory.

mod command;
mod incoming;
mod lines;
mod nick;
mod outgoing;
mod peer;
mod room;
mod roster;
#[cfg(test)]
mod tests;

pub use nick::Nick;
pub use peer::Peer;
pub use room::{Room, RoomError};
pub use roster::Seat;
