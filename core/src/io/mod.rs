//! [`Pump`]: any connection with the `embedded-io` traits drives a session; with the feature `async`, `AsyncPump` does
//! it over those of `embedded-io-async`.

#[cfg(feature = "async")]
mod asynchronous;
mod between;

#[cfg(feature = "async")]
pub use asynchronous::{AsyncConnection, AsyncPump, Timer};
use between::Between;
use embedded_io::{BufRead, ReadReady, Write, WriteReady};

use crate::session::{Over, Session, Wants};
use crate::time::Instant;

/// What a connection must do beyond the `embedded-io` traits.
///
/// `fill_buf` returning an empty slice means that the peer's FIN was reached. It is called only after
/// `read_ready` said `true`, and `write` only after `write_ready` did, so neither ever blocks.
pub trait Connection: BufRead + Write + ReadReady + WriteReady {
    /// Sends FIN behind everything that was written. Reading goes on.
    fn finish(&mut self) -> Result<(), Self::Error>;

    /// Gives the connection up at once, with RST where the carrier has one.
    fn abort(&mut self);

    /// How the connection ended; `None` while it has not.
    fn ended(&mut self) -> Option<Over>;
}

/// A session on a connection: moves bytes between the two, never waits.
///
/// `TX` is the size in bytes of the buffer between the session and `write`: one call of `write` carries at most
/// that. It must not be 0.
pub struct Pump<C, S, const TX: usize> {
    connection: C,
    session: S,
    filled: Between<TX>,
    phase: Phase,
    peer_finished: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    New,
    Open,
    Closing,
    Over(Over),
}

impl<C: Connection, S, const TX: usize> Pump<C, S, TX> {
    /// Puts `session` on `connection`, which must be established.
    pub fn new(connection: C, session: S) -> Self {
        const { assert!(TX > 0, "a pump needs room for at least one byte") };
        Self {
            connection,
            session,
            filled: Between::new(),
            phase: Phase::New,
            peer_finished: false,
        }
    }

    /// Moves every byte that can be moved without waiting, and returns when it wants to be called again though
    /// the connection stays quiet; `None` for never. Call it when the connection is readable or writable, when
    /// the world has news, and when that time comes.
    ///
    /// An error of the connection ends it: the session hears [`Over::Unknown`], unless the connection knows
    /// better, and the error is returned once. After the end it does nothing.
    pub fn step<W: ?Sized>(&mut self, now: Instant, world: &mut W) -> Result<Option<Instant>, C::Error>
    where
        S: Session<W>,
    {
        if let Phase::Over(_) = self.phase {
            return Ok(None);
        }
        if self.phase == Phase::New {
            self.phase = Phase::Open;
            self.session.opened(now, world);
        }
        let moved = self.move_bytes(now, world);
        if let Some(how) = self.connection.ended() {
            self.end(now, how, world);
        } else if moved.is_err() {
            self.connection.abort();
            self.end(now, Over::Unknown, world);
        }
        moved?;
        Ok(if self.over().is_some() {
            None
        } else {
            self.session.poll_at()
        })
    }

    /// How the connection ended; `None` while it has not.
    pub fn over(&self) -> Option<Over> {
        match self.phase {
            Phase::Over(how) => Some(how),
            _ => None,
        }
    }

    /// Whether bytes wait for the connection to become writable.
    pub fn wants_to_write(&self) -> bool {
        !self.filled.waiting().is_empty()
    }

    /// Gives the connection up: the session hears [`Over::Stopped`].
    pub fn stop<W: ?Sized>(&mut self, now: Instant, world: &mut W)
    where
        S: Session<W>,
    {
        if matches!(self.phase, Phase::Open | Phase::Closing) {
            self.connection.abort();
            self.end(now, Over::Stopped, world);
        }
    }

    /// The session.
    pub fn session(&self) -> &S {
        &self.session
    }

    /// The connection.
    pub fn connection(&self) -> &C {
        &self.connection
    }

    fn end<W: ?Sized>(&mut self, now: Instant, how: Over, world: &mut W)
    where
        S: Session<W>,
    {
        self.phase = Phase::Over(how);
        self.session.over(now, how, world);
    }

    fn move_bytes<W: ?Sized>(&mut self, now: Instant, world: &mut W) -> Result<(), C::Error>
    where
        S: Session<W>,
    {
        loop {
            let received = self.receive(now, world)?;
            let sent = self.transmit(now, world)?;
            match self.session.wants() {
                Wants::Abort => {
                    self.connection.abort();
                    self.end(now, Over::Stopped, world);
                    return Ok(());
                }
                Wants::Close if self.phase == Phase::Open && self.filled.waiting().is_empty() => {
                    self.phase = Phase::Closing;
                    self.connection.finish()?;
                }
                Wants::Close | Wants::Nothing => {}
            }
            if !(received || sent) {
                return Ok(());
            }
        }
    }

    /// Offers what has arrived; whether anything was taken.
    fn receive<W: ?Sized>(&mut self, now: Instant, world: &mut W) -> Result<bool, C::Error>
    where
        S: Session<W>,
    {
        if self.peer_finished || !self.connection.read_ready()? {
            return Ok(false);
        }
        let rx = self.connection.fill_buf()?;
        if rx.is_empty() {
            self.peer_finished = true;
            self.session.finished(now, world);
            return Ok(true);
        }
        let taken = self.session.receive(now, rx, world).min(rx.len());
        self.connection.consume(taken);
        Ok(taken > 0)
    }

    /// Asks the session for bytes and writes what the connection takes; whether anything moved.
    fn transmit<W: ?Sized>(&mut self, now: Instant, world: &mut W) -> Result<bool, C::Error>
    where
        S: Session<W>,
    {
        let room = self.filled.room();
        let filled = self.session.transmit(now, room, world).min(room.len());
        self.filled.fill(filled);
        let mut moved = filled > 0;
        while !self.filled.waiting().is_empty() && self.connection.write_ready()? {
            let written = self.connection.write(self.filled.waiting())?;
            if written == 0 {
                break;
            }
            self.filled.leave(written);
            moved = true;
        }
        Ok(moved)
    }
}

#[cfg(test)]
mod tests;
