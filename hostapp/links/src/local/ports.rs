//! R2's ports on this host: where they are, and who has them.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use mio::net::{TcpListener, UdpSocket};
use mio::{Interest, Registry, Token};
use nix::sys::socket::{Backlog, listen};
use r2_node::service::Spec;
use thiserror::Error;

use super::accept::WaitingClient;
use crate::BACKLOG;

/// Where R2's ports are offered on 127.0.0.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ports {
    /// Each at its own number; those that need privileges (below 1024) 10,000 higher.
    Fixed,
    /// Wherever there is a free one: for a server beside others.
    Free,
}

/// What is added to a port below [`FIRST_UNPRIVILEGED`].
const ABOVE: u16 = 10_000;

/// The first port that anybody may have.
const FIRST_UNPRIVILEGED: u16 = 1024;

impl Ports {
    /// What to bind for R2's `port`; 0 for any.
    const fn of(self, port: u16) -> u16 {
        match self {
            Self::Free => 0,
            Self::Fixed if port < FIRST_UNPRIVILEGED => port + ABOVE,
            Self::Fixed => port,
        }
    }
}

/// A service's kernel sockets on 127.0.0.1, each where it could be had.
pub(super) struct Offered {
    /// R2's own port.
    pub(super) port: u16,
    pub(super) tcp: Option<Bound<TcpListener>>,
    pub(super) udp: Option<Bound<UdpSocket>>,
    /// Flows that wait for a connection.
    pub(super) free: Vec<usize>,
    /// Clients that wait for a flow, the newest last.
    pub(super) waiting: Vec<WaitingClient>,
}

/// A socket that waits for peers.
pub(super) struct Bound<S> {
    pub(super) socket: S,
    pub(super) port: u16,
    /// Something may have come since it last said that there was nothing.
    pub(super) ready: bool,
}

impl Offered {
    /// Offers `spec` and waits for its peers under `tcp` and `udp`. What cannot be had is named in `refused`.
    pub(super) fn bind(
        spec: &Spec,
        ports: Ports,
        registry: &Registry,
        [tcp, udp]: [Token; 2],
        refused: &mut Vec<Refused>,
    ) -> Self {
        let at = SocketAddr::from((Ipv4Addr::LOCALHOST, ports.of(spec.port)));
        let mut refuse = |protocol, error| {
            refused.push(Refused::new(spec.name, at.port(), protocol, error));
        };
        let tcp = bind_tcp(at, registry, tcp).map_err(|error| refuse("tcp", error));
        let tcp = tcp.ok();
        let udp = spec.datagram.and_then(|_| {
            // Where any port will do, the same one for both.
            let at = match (ports, &tcp) {
                (Ports::Free, Some(tcp)) => SocketAddr::new(at.ip(), tcp.port),
                _ => at,
            };
            bind_udp(at, registry, udp)
                .map_err(|error| refuse("udp", error))
                .ok()
        });
        Self {
            port: spec.port,
            tcp,
            udp,
            free: Vec::new(),
            waiting: Vec::new(),
        }
    }

    /// Takes a client that waits and a flow for it, where there are both.
    pub(super) fn take_waiting(&mut self) -> Option<(usize, WaitingClient)> {
        let index = *self.free.last()?;
        let client = self.waiting.pop()?;
        self.free.pop();
        Some((index, client))
    }
}

fn bind_tcp(at: SocketAddr, registry: &Registry, token: Token) -> io::Result<Bound<TcpListener>> {
    let mut socket = TcpListener::bind(at)?;
    // As many as R2 holds SYNs for; the kernel holds further SYNs back, and their senders repeat them.
    listen(&socket, Backlog::new(BACKLOG)?)?;
    registry.register(&mut socket, token, Interest::READABLE)?;
    let port = socket.local_addr()?.port();
    Ok(Bound {
        socket,
        port,
        ready: true,
    })
}

fn bind_udp(at: SocketAddr, registry: &Registry, token: Token) -> io::Result<Bound<UdpSocket>> {
    let mut socket = UdpSocket::bind(at)?;
    registry.register(&mut socket, token, Interest::READABLE)?;
    let port = socket.local_addr()?.port();
    Ok(Bound {
        socket,
        port,
        ready: true,
    })
}

/// A port that could not be had. Its text is one line.
#[derive(Debug, Error)]
pub enum Refused {
    /// Another program has the port.
    #[error(
        "another program has 127.0.0.1:{port}/{protocol}: {service} is not offered there; end that program and start again"
    )]
    Taken {
        /// Who was to be found there.
        service: &'static str,
        /// The port.
        port: u16,
        /// `tcp` or `udp`.
        protocol: &'static str,
    },
    /// The kernel does not give the port.
    #[error("127.0.0.1:{port}/{protocol} cannot be had for {service}: {error}")]
    Denied {
        /// Who was to be found there.
        service: &'static str,
        /// The port.
        port: u16,
        /// `tcp` or `udp`.
        protocol: &'static str,
        /// Why.
        error: io::Error,
    },
}

impl Refused {
    fn new(service: &'static str, port: u16, protocol: &'static str, error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::AddrInUse {
            Self::Taken {
                service,
                port,
                protocol,
            }
        } else {
            Self::Denied {
                service,
                port,
                protocol,
                error,
            }
        }
    }

    /// Whether another program has the port.
    pub(super) fn is_taken(&self) -> bool {
        matches!(self, Self::Taken { .. })
    }
}
