//! Connecting, and moving a session's bytes until it is done.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::time::{Duration, Instant as Clock};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{setsockopt, sockopt};
use r2_core::io::Pump;
use r2_core::limits::PROGRESS_EVERY;
use r2_core::session::Session;
use r2_core::time::Instant;
use r2_links::socket::Socket;

use super::Trouble;
use crate::console::Console;
use crate::host::Host;

/// How long a server may take to accept.
const CONNECT: Duration = Duration::from_secs(10);

/// How long a server that owes something may be silent, and how long one that is gone may not acknowledge.
const SILENCE: Duration = Duration::from_mins(1);

/// Probes of a connection on which nothing comes, spread over [`SILENCE`]. The kernel ends one that answers none of them.
const PROBES: u32 = 6;

const _: () = assert!(
    SILENCE.as_millis() > 2 * PROGRESS_EVERY.as_millis() as u128,
    "one line that is late is no silence"
);

/// Bytes between a session and its socket.
const TX: usize = 64 * 1024;

/// What a session waits for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// Nothing: it is done.
    Done,
    /// Bytes, within a minute.
    Soon,
    /// Bytes, however late: as long as the other side is there.
    Anytime,
}

/// A session on a socket.
pub(super) struct Client<S> {
    pump: Pump<Socket, S, TX>,
    server: SocketAddr,
    started: Clock,
}

impl<S> Client<S> {
    /// Connects to the service of `host` whose port is `port`: to the first of its addresses that accepts.
    pub(super) fn connect(host: &Host, port: u16, session: S) -> Result<Box<Self>, Trouble> {
        let found = host.service(port).map_err(|error| {
            Trouble::usage(format!(
                "cannot find {host}: {}; write its address, or a name that this machine knows",
                reason(&error)
            ))
        })?;
        let mut refused = Vec::new();
        let mut connected = found.into_iter().filter_map(|server| {
            match TcpStream::connect_timeout(&server, CONNECT).and_then(probed) {
                Ok(socket) => Some((server, socket)),
                Err(error) => {
                    refused.push(format!("{server}: {}", reason(&error)));
                    None
                }
            }
        });
        let connected = connected.next();
        let (server, socket) = connected.ok_or_else(|| {
            Trouble::usage(format!(
                "cannot reach {}; is hostapp serve running there?",
                refused.join(", ")
            ))
        })?;
        // Boxed, as the pump holds its buffer.
        Ok(Box::new(Self {
            pump: Pump::new(socket, session),
            server,
            started: Clock::now(),
        }))
    }

    /// Whom it is connected to.
    pub(super) fn server(&self) -> SocketAddr {
        self.server
    }

    pub(super) fn session(&self) -> &S {
        self.pump.session()
    }

    /// Moves bytes until the session is done or the connection over; how that was is the session's to know. `next` says
    /// what it waits for: a server that is silent for a minute is given up where it owes something soon.
    pub(super) fn drive<W: ?Sized>(
        &mut self,
        world: &mut W,
        keyboard: impl Fn(&W) -> Option<&Console>,
        next: impl Fn(&S) -> Next,
    ) -> Result<(), Trouble>
    where
        S: Session<W>,
    {
        let mut heard = Clock::now();
        loop {
            if let Some(keyboard) = keyboard(world) {
                keyboard.clear();
            }
            let began = Clock::now();
            let stepped = self.pump.step(self.now(), world);
            // The time in which this side reads or writes a file is no silence of the server's.
            heard += began.elapsed();
            let waits = next(self.pump.session());
            if waits == Next::Done {
                return Ok(());
            }
            let due = stepped.map_err(|error| self.broken(&reason(&error)))?;
            let Some(socket) = self.pump.connection().descriptor() else {
                return Ok(());
            };
            if self.pump.over().is_some() {
                return Ok(());
            }
            let mut events = PollFlags::empty();
            events.set(PollFlags::POLLIN, !self.pump.connection().peer_finished());
            events.set(PollFlags::POLLOUT, self.pump.wants_to_write());
            let mut fds = vec![PollFd::new(socket, events)];
            let keyboard = keyboard(world);
            // The kernel probes no connection on which something is under way.
            let patient = keyboard.is_some() || waits == Next::Anytime && !self.pump.wants_to_write();
            fds.extend(keyboard.map(|keyboard| PollFd::new(keyboard.as_fd(), PollFlags::POLLIN)));
            let silence = (!patient).then(|| SILENCE.saturating_sub(heard.elapsed()));
            let due = due.map(|at| Duration::from_millis(at.since(self.now()).as_millis()));
            match poll(&mut fds, timeout(silence.into_iter().chain(due).min())) {
                Ok(0) if !patient && heard.elapsed() >= SILENCE => {
                    return Err(self.broken("it is silent for a minute"));
                }
                Ok(0) | Err(Errno::EINTR) => {}
                Ok(_) => heard = Clock::now(),
                Err(error) => {
                    return Err(Trouble::failed(format!(
                        "cannot wait for the connection: {error}"
                    )));
                }
            }
        }
    }

    pub(super) fn broken(&self, how: &str) -> Trouble {
        Trouble::failed(format!(
            "the connection to {} broke: {how}; try again",
            self.server
        ))
    }

    fn now(&self) -> Instant {
        Instant::from_millis(u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX))
    }
}

/// A socket whose other end is probed while it is silent: what acknowledges is there.
fn probed(stream: TcpStream) -> io::Result<Socket> {
    let apart = u32::try_from(SILENCE.as_secs()).unwrap_or(u32::MAX) / PROBES;
    setsockopt(&stream, sockopt::KeepAlive, &true)?;
    #[cfg(target_os = "linux")]
    {
        setsockopt(&stream, sockopt::TcpKeepIdle, &apart)?;
        setsockopt(&stream, sockopt::TcpKeepInterval, &apart)?;
        setsockopt(&stream, sockopt::TcpKeepCount, &(PROBES - 1))?;
    }
    Socket::new(stream)
}

/// No keyboard: the session goes on by itself.
pub(super) fn none<W: ?Sized>(_: &W) -> Option<&Console> {
    None
}

fn timeout(length: Option<Duration>) -> PollTimeout {
    // One millisecond more, so that the time has come when the poll ends.
    length.map_or(PollTimeout::NONE, |length| {
        let ms = i32::try_from(length.as_millis()).unwrap_or(i32::MAX - 1) + 1;
        PollTimeout::try_from(ms).unwrap_or(PollTimeout::MAX)
    })
}

/// The reason without the number that the system gives it.
fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    match text.split_once(" (os error") {
        Some((text, _)) => text.to_owned(),
        None => text,
    }
}
