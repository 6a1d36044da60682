//! What a service of a multicast group is: it takes datagrams, and speaks by itself when its time has come.

use core::net::{IpAddr, SocketAddr};

use crate::time::Instant;

/// A service in a multicast group of the link. It is handed datagrams and room, and never waits.
///
/// # Calling order
///
/// 1. [`moved`](Self::moved) with the addresses of the machine, before everything else and whenever they change.
/// 2. [`receive`](Self::receive) for every datagram, [`transmit`](Self::transmit) when [`poll_at`](Self::poll_at) has come.
/// 3. [`stop`](Self::stop), then [`transmit`](Self::transmit) until [`poll_at`](Self::poll_at) is `None`.
pub trait Group {
    /// The addresses of this machine are `addresses` from now on; none where it has lost them.
    fn moved(&mut self, now: Instant, addresses: &[IpAddr]);

    /// Takes a datagram that came from `from`, another machine on this link. An answer to that machine alone is written to
    /// the front of `room`, and its length returned; `None`: it gets none. What stood in `room` is lost in any case.
    fn receive(&mut self, now: Instant, from: SocketAddr, datagram: &[u8], room: &mut [u8]) -> Option<usize>;

    /// Writes what the whole group is to hear to the front of `room`, and returns its length; `None`: nothing now.
    fn transmit(&mut self, now: Instant, room: &mut [u8]) -> Option<usize>;

    /// When [`transmit`](Self::transmit) is to be called; `None`: not before the next datagram. A time that has passed means
    /// now.
    fn poll_at(&self) -> Option<Instant>;

    /// This machine is about to be gone.
    fn stop(&mut self, now: Instant);
}
