//! What a session is: the protocol of one connection, without the connection.

use core::marker::PhantomData;

use crate::time::Instant;

/// The protocol of one connection: it is handed bytes and says how many it took, it is handed room and says
/// how much of it it filled. It never waits, never reads a clock, never allocates.
///
/// `W` is the world that the session shares with others: the chat room, the store, or `()` where it needs
/// nothing. It is passed in at every call; a session keeps no reference to it.
///
/// # Calling order
///
/// 1. [`opened`](Self::opened), once.
/// 2. [`receive`](Self::receive), [`transmit`](Self::transmit) as often as there are bytes, room, news of the
///    world, or [`poll_at`](Self::poll_at) has come. [`finished`](Self::finished) at most once, when the peer's
///    FIN is reached and every byte before it was taken.
/// 3. [`over`](Self::over), once, the last call: after it the value is dropped or replaced.
///
/// After every round of calls the driver asks [`wants`](Self::wants).
pub trait Session<W: ?Sized> {
    /// The connection is established. Nothing has been received yet.
    fn opened(&mut self, now: Instant, world: &mut W) {
        let _ = (now, world);
    }

    /// Takes bytes of the peer, from the front of `rx`, and returns how many (at most `rx.len()`).
    ///
    /// Taken means placed: the bytes are answered, stored, or kept in the session's own bounded memory. What is
    /// not taken is offered again, in front of what follows; meanwhile the peer's window closes, and that is the
    /// whole backpressure. `rx` is never empty. Once the session wants [`Wants::Close`] it still takes, and
    /// discards, what the peer goes on sending.
    fn receive(&mut self, now: Instant, rx: &[u8], world: &mut W) -> usize;

    /// Fills the front of `tx` with bytes for the peer and returns how many; 0 when there is nothing to say.
    ///
    /// `tx` may be of any size. It may be empty: the driver calls with what room there is, also when only the
    /// clock ([`poll_at`](Self::poll_at)) or the world has moved, so this is where a session looks at both.
    fn transmit(&mut self, now: Instant, tx: &mut [u8], world: &mut W) -> usize;

    /// The peer has half-closed: its FIN came, and every byte before it was taken. It may still be reading.
    ///
    /// Without a default: a session that ignores this keeps its connection until the peer resets it or falls silent.
    fn finished(&mut self, now: Instant, world: &mut W);

    /// The connection is over. The last call, exactly once for every [`opened`](Self::opened).
    ///
    /// Does nothing by default, for a session that leaves nothing behind in the world.
    fn over(&mut self, now: Instant, how: Over, world: &mut W) {
        let _ = (now, how, world);
    }

    /// When the session wants [`transmit`](Self::transmit) to be called though nothing else happens; `None` for
    /// never, the default. A time that has passed means now.
    fn poll_at(&self) -> Option<Instant> {
        None
    }

    /// What the session wants of its driver now.
    fn wants(&self) -> Wants;
}

/// What a session wants of its driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Wants {
    /// Go on.
    Nothing,
    /// Everything that is to be sent was filled in: send FIN behind it. Bytes of the peer are still offered.
    Close,
    /// Send RST now; whatever was not delivered is lost. [`Session::over`] follows with [`Over::Stopped`].
    Abort,
}

impl Wants {
    /// [`Close`](Self::Close) if everything is said, [`Nothing`](Self::Nothing) before.
    pub const fn close_if(everything_is_said: bool) -> Self {
        if everything_is_said {
            Self::Close
        } else {
            Self::Nothing
        }
    }
}

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Over {
    /// Everything that was sent, and the FIN behind it, was acknowledged by a live peer.
    Delivered,
    /// The peer sent RST.
    Reset,
    /// The peer fell silent.
    TimedOut,
    /// This side gave the connection up: it wanted to abort, or the server is going down.
    Stopped,
    /// The carrier cannot tell.
    Unknown,
}

/// A session that is handed its part of the world: a session whose world is `P` becomes one whose world is `W`, for
/// every `W` that `F` finds a `P` in.
///
/// `F` is a type parameter, so that each part has code of its own and no call goes through a pointer.
///
/// ```
/// use r2_core::chat::{Peer, Room};
/// use r2_core::session::{Part, Session, Wants};
///
/// struct World<'a> {
///     room: Room<'a>,
/// }
/// fn peer<'a>() -> impl Session<World<'a>> {
///     Part::new(Peer::new(), |world: &mut World<'a>| &mut world.room)
/// }
/// assert_eq!(peer().wants(), Wants::Nothing);
/// ```
pub struct Part<P: ?Sized, S, F> {
    /// The session.
    pub session: S,
    find: F,
    of: PhantomData<fn(&mut P)>,
}

impl<P: ?Sized, S, F> Part<P, S, F> {
    /// Hands `session` what `find` finds in the world.
    pub const fn new<W: ?Sized>(session: S, find: F) -> Self
    where
        F: Fn(&mut W) -> &mut P,
    {
        Self {
            session,
            find,
            of: PhantomData,
        }
    }
}

impl<W: ?Sized, P: ?Sized, S, F> Session<W> for Part<P, S, F>
where
    S: Session<P>,
    F: Fn(&mut W) -> &mut P,
{
    fn opened(&mut self, now: Instant, world: &mut W) {
        self.session.opened(now, (self.find)(world));
    }

    fn receive(&mut self, now: Instant, rx: &[u8], world: &mut W) -> usize {
        self.session.receive(now, rx, (self.find)(world))
    }

    fn transmit(&mut self, now: Instant, tx: &mut [u8], world: &mut W) -> usize {
        self.session.transmit(now, tx, (self.find)(world))
    }

    fn finished(&mut self, now: Instant, world: &mut W) {
        self.session.finished(now, (self.find)(world));
    }

    fn over(&mut self, now: Instant, how: Over, world: &mut W) {
        self.session.over(now, how, (self.find)(world));
    }

    fn poll_at(&self) -> Option<Instant> {
        self.session.poll_at()
    }

    fn wants(&self) -> Wants {
        self.session.wants()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    /// Answers every call with something else than a default, and writes it into its world.
    struct Told;

    const LATER: Instant = Instant::from_millis(7);

    impl Session<Vec<&'static str>> for Told {
        fn opened(&mut self, _: Instant, told: &mut Vec<&'static str>) {
            told.push("opened");
        }

        fn receive(&mut self, _: Instant, rx: &[u8], told: &mut Vec<&'static str>) -> usize {
            told.push("receive");
            rx.len()
        }

        fn transmit(&mut self, _: Instant, tx: &mut [u8], told: &mut Vec<&'static str>) -> usize {
            told.push("transmit");
            tx.len()
        }

        fn finished(&mut self, _: Instant, told: &mut Vec<&'static str>) {
            told.push("finished");
        }

        fn over(&mut self, _: Instant, how: Over, told: &mut Vec<&'static str>) {
            assert_eq!(how, Over::Reset);
            told.push("over");
        }

        fn poll_at(&self) -> Option<Instant> {
            Some(LATER)
        }

        fn wants(&self) -> Wants {
            Wants::Close
        }
    }

    #[test]
    fn every_call_of_a_part_is_one_of_its_session() {
        let mut world = (1, Vec::new());
        let mut part = Part::new(Told, |world: &mut (u8, Vec<&'static str>)| &mut world.1);
        part.opened(LATER, &mut world);
        assert_eq!(part.receive(LATER, b"abc", &mut world), 3);
        assert_eq!(part.transmit(LATER, &mut [0; 5], &mut world), 5);
        part.finished(LATER, &mut world);
        part.over(LATER, Over::Reset, &mut world);
        assert_eq!((part.poll_at(), part.wants()), (Some(LATER), Wants::Close));
        assert_eq!(world.1, ["opened", "receive", "transmit", "finished", "over"]);
    }
}
