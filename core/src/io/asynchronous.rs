//! The pump of executors: for embassy-net's `TcpSocket`, esp-hal, or any socket of a host.

use core::cell::RefCell;
use core::future::{Future, pending, poll_fn};
use core::pin::pin;
use core::task::Poll;

use embedded_io_async::{Error as _, ErrorKind, Read, Write};

use super::{Between, Phase};
use crate::session::{Over, Session, Wants};
use crate::time::Instant;

/// A connection in two halves, and its ends. Both of embassy-net's `TcpSocket::split` are such halves.
///
/// A `read` or `write` that is dropped before it is ready must not have moved a byte: the pump waits for both at once,
/// and for the clock.
///
/// On embassy-net it is these lines:
///
/// ```text
/// struct Socket<'a>(TcpSocket<'a>);
///
/// impl AsyncConnection for Socket<'_> {
///     type Error = embassy_net::tcp::Error;
///
///     fn split(&mut self) -> (impl Read<Error = Self::Error>, impl Write<Error = Self::Error>) {
///         self.0.split()
///     }
///
///     async fn finish(&mut self) -> Result<(), Self::Error> {
///         self.0.close();
///         Ok(())
///     }
///
///     async fn abort(&mut self) {
///         self.0.abort();
///         let _ = self.0.flush().await; // until the RST has left
///     }
///
///     async fn ended(&mut self) -> Over {
///         let _ = self.0.flush().await; // until the FIN is acknowledged
///         if self.0.state() == State::TimeWait { Over::Delivered } else { Over::Unknown }
///     }
/// }
/// ```
#[allow(
    async_fn_in_trait,
    reason = "a pump runs where it is, so its future need not be sent anywhere"
)]
pub trait AsyncConnection {
    /// What goes wrong with either half.
    type Error: embedded_io_async::Error;

    /// The half that is read and the half that is written. `read` returns 0 when the peer's FIN is reached.
    fn split(&mut self) -> (impl Read<Error = Self::Error>, impl Write<Error = Self::Error>);

    /// Sends FIN behind everything that was written. Reading goes on.
    async fn finish(&mut self) -> Result<(), Self::Error>;

    /// Gives the connection up, with RST where it can.
    async fn abort(&mut self);

    /// Waits until what was written and the FIN behind it are acknowledged, and says how the connection ended;
    /// [`Over::Unknown`], at once, where it cannot tell. Called once both sides have sent FIN.
    async fn ended(&mut self) -> Over;
}

/// The time that a pump goes by.
#[allow(async_fn_in_trait, reason = "as for the connection")]
pub trait Timer {
    /// What time it is.
    fn now(&mut self) -> Instant;

    /// Waits until `until`, with `None` for ever, or until the world has news for the session: whichever comes first.
    /// To return too early costs a round. It is dropped when bytes come first, and called anew.
    async fn wait(&mut self, until: Option<Instant>);
}

/// A session on a connection of an executor: the twin of [`Pump`](super::Pump), which waits by itself.
///
/// `RX` and `TX` are the sizes in bytes of the buffers behind `read` and before `write`, neither of them 0.
///
/// # Calling order
///
/// [`run`](Self::run) drives the session to its end. If its future is dropped before, [`stop`](Self::stop) tells the
/// session so.
pub struct AsyncPump<C, S, const RX: usize, const TX: usize> {
    connection: C,
    session: S,
    received: Between<RX>,
    filled: Between<TX>,
    phase: Phase,
    peer: Peer,
}

/// How far the peer's side of the connection is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Peer {
    Open,
    /// Its FIN is reached; the session has not taken every byte before it.
    Finished,
    /// The session knows that.
    Told,
}

/// What a pump waited for.
enum Event<E> {
    Read(Result<usize, E>),
    Written(Result<usize, E>),
    Woken,
}

impl<C: AsyncConnection, S, const RX: usize, const TX: usize> AsyncPump<C, S, RX, TX> {
    /// Puts `session` on `connection`, which must be established.
    pub const fn new(connection: C, session: S) -> Self {
        const { assert!(RX > 0 && TX > 0, "a pump needs room for a byte each way") };
        Self {
            connection,
            session,
            received: Between::new(),
            filled: Between::new(),
            phase: Phase::New,
            peer: Peer::Open,
        }
    }

    /// Drives the session until the connection is over, and returns how it ended. Called again after that, it returns
    /// the same at once.
    ///
    /// The world is borrowed during a call of the session and never while the pump waits, so that any number of pumps
    /// share one. When the peer keeps its side open after R2's FIN, this waits for as long as the connection lives: its
    /// time-out is the socket's.
    ///
    /// A reset and a time-out are ends. The session hears of any other error as [`Over::Unknown`], the connection is
    /// aborted, and the error is returned once.
    pub async fn run<W: ?Sized>(
        &mut self,
        timer: &mut impl Timer,
        world: &RefCell<W>,
    ) -> Result<Over, C::Error>
    where
        S: Session<W>,
    {
        loop {
            if let Phase::Over(how) = self.phase {
                return Ok(how);
            }
            if let Err(error) = self.round(timer, world).await {
                let how = match error.kind() {
                    ErrorKind::ConnectionReset => Over::Reset,
                    ErrorKind::TimedOut => Over::TimedOut,
                    _ => Over::Unknown,
                };
                self.connection.abort().await;
                self.end(timer.now(), how, world);
                if how == Over::Unknown {
                    return Err(error);
                }
            }
        }
    }

    /// Gives the connection up: the session hears [`Over::Stopped`].
    pub async fn stop<W: ?Sized>(&mut self, now: Instant, world: &RefCell<W>)
    where
        S: Session<W>,
    {
        if matches!(self.phase, Phase::Open | Phase::Closing) {
            self.connection.abort().await;
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

    fn end<W: ?Sized>(&mut self, now: Instant, how: Over, world: &RefCell<W>)
    where
        S: Session<W>,
    {
        self.phase = Phase::Over(how);
        if let Ok(mut world) = world.try_borrow_mut() {
            self.session.over(now, how, &mut world);
        } else {
            bug!("the world is borrowed while a pump runs");
        }
    }

    /// Does what needs no waiting, obeys the session, then waits for what comes next.
    async fn round<W: ?Sized>(&mut self, timer: &mut impl Timer, world: &RefCell<W>) -> Result<(), C::Error>
    where
        S: Session<W>,
    {
        let now = timer.now();
        let wants = if let Ok(mut world) = world.try_borrow_mut() {
            self.exchange(now, &mut *world)
        } else {
            bug!("the world is borrowed while a pump runs");
            Wants::Abort
        };
        match (wants, self.phase) {
            (Wants::Abort, _) => {
                self.connection.abort().await;
                self.end(timer.now(), Over::Stopped, world);
                return Ok(());
            }
            (Wants::Close, Phase::Open) if self.filled.waiting().is_empty() => {
                self.connection.finish().await?;
                self.phase = Phase::Closing;
            }
            _ => {}
        }
        if self.phase == Phase::Closing && self.peer == Peer::Told {
            let how = self.connection.ended().await;
            self.end(timer.now(), how, world);
            return Ok(());
        }
        self.wait(timer, self.session.poll_at()).await
    }

    /// Hands over what there is, until neither side takes more.
    fn exchange<W: ?Sized>(&mut self, now: Instant, world: &mut W) -> Wants
    where
        S: Session<W>,
    {
        if self.phase == Phase::New {
            self.phase = Phase::Open;
            self.session.opened(now, world);
        }
        loop {
            let rx = self.received.waiting();
            let taken = if rx.is_empty() {
                0
            } else {
                self.session.receive(now, rx, world).min(rx.len())
            };
            self.received.leave(taken);
            if self.peer == Peer::Finished && self.received.waiting().is_empty() {
                self.peer = Peer::Told;
                self.session.finished(now, world);
            }
            let room = self.filled.room();
            let filled = self.session.transmit(now, room, world).min(room.len());
            self.filled.fill(filled);
            let wants = self.session.wants();
            if wants == Wants::Abort || (taken, filled) == (0, 0) {
                return wants;
            }
        }
    }

    /// Waits until bytes came or went, or the timer wakes the session.
    async fn wait(&mut self, timer: &mut impl Timer, until: Option<Instant>) -> Result<(), C::Error> {
        let event = {
            let (mut reader, mut writer) = self.connection.split();
            let room = self.received.room();
            let reads = self.peer == Peer::Open && !room.is_empty();
            let waiting = self.filled.waiting();
            let mut read = pin!(async {
                if reads {
                    reader.read(room).await
                } else {
                    pending().await
                }
            });
            let mut write = pin!(async {
                if waiting.is_empty() {
                    pending().await
                } else {
                    writer.write(waiting).await
                }
            });
            let mut wake = pin!(timer.wait(until));
            poll_fn(|context| {
                if let Poll::Ready(written) = write.as_mut().poll(context) {
                    return Poll::Ready(Event::Written(written));
                }
                if let Poll::Ready(read) = read.as_mut().poll(context) {
                    return Poll::Ready(Event::Read(read));
                }
                wake.as_mut().poll(context).map(|()| Event::Woken)
            })
            .await
        };
        match event {
            Event::Written(count) => self.filled.leave(count?),
            Event::Read(count) => match count? {
                0 => self.peer = Peer::Finished,
                count => self.received.fill(count),
            },
            Event::Woken => {}
        }
        Ok(())
    }
}
