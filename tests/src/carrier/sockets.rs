//! Kernel sockets: R2's sessions on them through `Pump`, or an R2 that runs elsewhere.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::time::{Duration as Wall, Instant as WallClock};

use r2_core::io::Pump;
use r2_core::time::{Duration, Instant};
use r2_links::socket::Socket;

use super::inside::{AnySession, MAX_STORE, World};
use super::{Carrier, End, Inside, Peer, Service};
use crate::lab::Lab;

/// How long a peer waits for what must come.
const PATIENCE: Wall = Wall::from_secs(30);

/// How long one look at a socket may take before R2 has its turn again.
const LOOK: Wall = Wall::from_millis(1);

/// Where R2 is, and who lets it run.
pub trait Server {
    /// Opens a connection to a service.
    fn connect(&self, service: Service) -> TcpStream;

    /// Lets R2 do all that it can do now, where nobody else does.
    fn turn(&mut self);

    /// Lets time pass for R2, where it does not do so by itself.
    fn pass(&mut self, time: Duration);
}

/// Peers on kernel sockets.
pub struct Sockets<S> {
    server: S,
    peers: Vec<Option<TcpStream>>,
}

impl<S: Server> Sockets<S> {
    /// Peers of `server`.
    pub const fn new(server: S) -> Self {
        Self {
            server,
            peers: Vec::new(),
        }
    }

    fn stream(&mut self, peer: Peer) -> &mut TcpStream {
        self.peers[peer.0].as_mut().expect("the peer has not reset")
    }

    /// One piece of what R2 says; empty at its FIN.
    fn piece(&mut self, peer: Peer, most: usize) -> Result<Vec<u8>, ErrorKind> {
        let begun = WallClock::now();
        let mut piece = vec![0; most.min(64 * 1024)];
        loop {
            self.server.turn();
            match self.stream(peer).read(&mut piece) {
                Ok(count) => {
                    piece.truncate(count);
                    return Ok(piece);
                }
                Err(e) if is_not_yet(e.kind()) => {
                    assert!(begun.elapsed() < PATIENCE, "R2 says nothing more");
                }
                Err(e) => return Err(e.kind()),
            }
        }
    }
}

fn is_not_yet(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
    )
}

impl<S: Server> Carrier for Sockets<S> {
    fn connect(&mut self, service: Service) -> Peer {
        let stream = self.server.connect(service);
        stream
            .set_read_timeout(Some(LOOK))
            .expect("a socket has timeouts");
        stream
            .set_write_timeout(Some(LOOK))
            .expect("a socket has timeouts");
        self.peers.push(Some(stream));
        self.server.turn();
        Peer(self.peers.len() - 1)
    }

    fn send(&mut self, peer: Peer, bytes: &[u8]) {
        let begun = WallClock::now();
        let mut rest = bytes;
        while !rest.is_empty() {
            match self.stream(peer).write(rest) {
                Ok(count) => rest = &rest[count..],
                Err(e) if is_not_yet(e.kind()) => {
                    assert!(begun.elapsed() < PATIENCE, "R2 takes nothing more");
                }
                Err(e) => panic!("R2 broke the connection: {e}"),
            }
            self.server.turn();
        }
    }

    fn half_close(&mut self, peer: Peer) {
        self.stream(peer)
            .shutdown(Shutdown::Write)
            .expect("the connection stands");
        self.server.turn();
    }

    fn reset(&mut self, peer: Peer) {
        let stream = self.peers[peer.0].take().expect("the peer has not reset");
        let mut socket = Socket::new(stream).expect("a socket");
        r2_core::io::Connection::abort(&mut socket);
        self.server.turn();
    }

    fn read(&mut self, peer: Peer, count: usize) -> Vec<u8> {
        let mut all = Vec::new();
        while all.len() < count {
            let piece = self
                .piece(peer, count - all.len())
                .expect("the connection stands");
            assert!(
                !piece.is_empty(),
                "R2 closed after {:?}",
                String::from_utf8_lossy(&all)
            );
            all.extend(piece);
        }
        all
    }

    fn read_to_end(&mut self, peer: Peer) -> (Vec<u8>, End) {
        let mut all = Vec::new();
        loop {
            match self.piece(peer, usize::MAX) {
                Ok(piece) if piece.is_empty() => {
                    self.server.turn();
                    return (all, End::Fin);
                }
                Ok(piece) => all.extend(piece),
                Err(ErrorKind::ConnectionReset) => return (all, End::Reset),
                Err(kind) => panic!("the connection failed: {kind}"),
            }
        }
    }

    fn pass(&mut self, time: Duration) {
        self.server.pass(time);
    }
}

/// An R2 that runs elsewhere, in real time: `hostapp serve`, in a network of its own, with a store that holds
/// [`MAX_STORE`] bytes.
pub struct Running(Lab);

impl Running {
    /// On a TAP.
    pub fn on_tap() -> Sockets<Self> {
        Sockets::new(Self(Lab::with(&format!("--max-store {MAX_STORE}"))))
    }

    /// On the clients' own host, without any privilege.
    pub fn on_local() -> Sockets<Self> {
        Sockets::new(Self(Lab::local(&format!("--max-store {MAX_STORE}"))))
    }
}

impl Server for Running {
    fn connect(&self, service: Service) -> TcpStream {
        self.0.connect(service.port())
    }

    fn turn(&mut self) {}

    fn pass(&mut self, _: Duration) {}
}

/// R2's sessions on the kernel's TCP, each driven by a `Pump`. Only its clock is not the kernel's.
pub struct Kernel {
    world: World,
    now: Instant,
    listeners: Vec<(Service, TcpListener)>,
    pumps: Vec<Pump<Socket, AnySession, 2048>>,
}

impl Kernel {
    /// An empty R2 on loopback.
    ///
    /// # Panics
    /// When the kernel has no port for it.
    pub fn start() -> Sockets<Self> {
        let listeners = Service::OF_SESSIONS.map(|service| {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
            listener
                .set_nonblocking(true)
                .expect("a listener may be non-blocking");
            (service, listener)
        });
        Sockets::new(Self {
            world: World::new(),
            now: Instant::default(),
            listeners: listeners.into(),
            pumps: Vec::new(),
        })
    }
}

impl Server for Kernel {
    fn connect(&self, service: Service) -> TcpStream {
        let listener = self.listeners.iter().find(|(other, _)| *other == service);
        let address = listener.expect("a service of sessions").1.local_addr();
        TcpStream::connect(address.expect("a bound listener")).expect("R2 listens")
    }

    fn turn(&mut self) {
        for (service, listener) in &self.listeners {
            while let Ok((stream, _)) = listener.accept() {
                let socket = Socket::new(stream).expect("a socket");
                self.pumps.push(Pump::new(socket, AnySession::of(*service)));
            }
        }
        loop {
            let revision = self.world.revision();
            for pump in &mut self.pumps {
                // The session has heard of it.
                let _ = pump.step(self.now, &mut self.world);
            }
            self.pumps.retain(|pump| pump.over().is_none());
            if revision == self.world.revision() {
                return;
            }
        }
    }

    fn pass(&mut self, time: Duration) {
        self.now = self.now + time;
        self.turn();
    }
}

impl Inside for Sockets<Kernel> {
    fn stall(&mut self, stalled: bool) {
        self.server.world.store.stall(stalled);
        self.server.turn();
    }

    fn is_silent(&mut self, peer: Peer) -> bool {
        self.server.turn();
        let mut one = [0];
        self.stream(peer)
            .peek(&mut one)
            .is_err_and(|e| is_not_yet(e.kind()))
    }
}
