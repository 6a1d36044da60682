//! R2's ports on this host: where they are, and who has them.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use mio::net::{TcpListener, UdpSocket};
use mio::{Interest, Registry, Token};
use nix::sys::socket::{setsockopt, sockopt};
use r2_node::Limits;
use r2_node::limits::SERVICES_MAX;
use r2_node::service::Spec;
use smoltcp::wire::IpAddress;
use socket2::{Domain, Socket, Type};
use thiserror::Error;

use super::LISTEN_MAX;
use super::accept::WaitingClient;
use crate::BACKLOG;

/// Which numbers R2's ports have on this host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ports {
    /// Each its own; those that need privileges (below 1024) 10,000 more.
    Fixed,
    /// Whatever is free: for a server beside others.
    Free,
}

/// What is added to a port below [`FIRST_UNPRIVILEGED`].
const ABOVE: u16 = 10_000;

/// The first port that anybody may have.
const FIRST_UNPRIVILEGED: u16 = 1024;

/// Tokens below are those of the sockets that wait for peers: two of each service at each address.
pub(super) const FIRST_FLOW: usize = 2 * SERVICES_MAX * LISTEN_MAX;

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

/// A service's kernel sockets, at each address where they could be had.
pub(super) struct Offered {
    /// R2's own port.
    pub(super) port: u16,
    /// After how long a silent client that does not live is given up.
    pub(super) silent_after: Duration,
    pub(super) tcp: Vec<Bound<TcpListener>>,
    pub(super) udp: Vec<Bound<UdpSocket>>,
    /// Flows that wait for a connection.
    pub(super) free: Vec<usize>,
    /// Clients that wait for a flow, the newest last.
    pub(super) waiting: Vec<WaitingClient>,
    /// The flow that was taken last.
    pub(super) taken: Option<usize>,
}

/// A socket that waits for peers.
pub(super) struct Bound<S> {
    pub(super) socket: S,
    pub(super) port: u16,
    token: Token,
    /// Something may have come since it last said that there was nothing.
    pub(super) ready: bool,
}

impl Offered {
    /// Offers `spec`, the service `index`, at every address of `listen`. What cannot be had is named in `refused`.
    pub(super) fn bind(
        (index, spec): (usize, &Spec),
        listen: &[SocketAddr],
        ports: Ports,
        registry: &Registry,
        refused: &mut Vec<Refused>,
    ) -> Self {
        let silent_after = spec.silent_after.unwrap_or(Limits::DEFAULT.silent_after);
        let mut offered = Self {
            port: spec.port,
            silent_after: Duration::from_millis(silent_after.as_millis()),
            tcp: Vec::new(),
            udp: Vec::new(),
            free: Vec::new(),
            waiting: Vec::new(),
            taken: None,
        };
        for (place, address) in listen.iter().enumerate() {
            let first = 2 * (place * SERVICES_MAX + index);
            let mut at = *address;
            at.set_port(ports.of(spec.port));
            let mut refuse = |at, protocol, error| refused.push(Refused::new(spec.name, at, protocol, error));
            match bind_tcp(at, registry, Token(first)) {
                Ok(bound) => {
                    // Where any port will do, the same one for both.
                    at.set_port(bound.port);
                    offered.tcp.push(bound);
                }
                Err(error) => refuse(at, "tcp", error),
            }
            if spec.datagram.is_some() {
                match bind_udp(at, registry, Token(first + 1)) {
                    Ok(bound) => offered.udp.push(bound),
                    Err(error) => refuse(at, "udp", error),
                }
            }
        }
        offered
    }

    /// Which service has the socket of `token`.
    pub(super) const fn service(Token(token): Token) -> usize {
        token / 2 % SERVICES_MAX
    }

    /// Something may have come to the socket of `token`.
    pub(super) fn wake(&mut self, token: Token) {
        let tcp = self.tcp.iter_mut().map(|bound| (bound.token, &mut bound.ready));
        let udp = self.udp.iter_mut().map(|bound| (bound.token, &mut bound.ready));
        if let Some((_, ready)) = tcp.chain(udp).find(|(other, _)| *other == token) {
            *ready = true;
        }
    }

    /// Takes a client that waits and a flow for it, where there are both: of an address that `is_new`, if one waits, and
    /// of those the newest.
    pub(super) fn take_waiting(
        &mut self,
        is_new: impl Fn(IpAddress) -> bool,
    ) -> Option<(usize, WaitingClient)> {
        let index = *self.free.last()?;
        let newest = self.waiting.len().checked_sub(1)?;
        let client = self.waiting.remove(self.newest_waiting(is_new).unwrap_or(newest));
        self.free.pop();
        self.taken = Some(index);
        Some((index, client))
    }

    /// Where the newest client that waits at an address that `is_new` stands.
    pub(super) fn newest_waiting(&self, is_new: impl Fn(IpAddress) -> bool) -> Option<usize> {
        self.waiting
            .iter()
            .rposition(|client| is_new(client.address.ip().into()))
    }
}

fn bind_tcp(at: SocketAddr, registry: &Registry, token: Token) -> io::Result<Bound<TcpListener>> {
    let socket = open(at, Type::STREAM)?;
    // Connections of an earlier server that have just ended are no reason to refuse the port.
    socket.set_reuse_address(true)?;
    socket.bind(&at.into())?;
    // As many as R2 holds SYNs for; the kernel holds further SYNs back, and their senders repeat them.
    socket.listen(BACKLOG.into())?;
    let mut socket = TcpListener::from_std(socket.into());
    registry.register(&mut socket, token, Interest::READABLE)?;
    let port = socket.local_addr()?.port();
    Ok(Bound {
        socket,
        port,
        token,
        ready: true,
    })
}

fn bind_udp(at: SocketAddr, registry: &Registry, token: Token) -> io::Result<Bound<UdpSocket>> {
    let socket = open(at, Type::DGRAM)?;
    // An answer leaves from the address that was asked, which a socket of all addresses does not know by itself.
    if at.is_ipv4() {
        setsockopt(&socket, sockopt::Ipv4PacketInfo, &true)?;
    } else {
        setsockopt(&socket, sockopt::Ipv6RecvPacketInfo, &true)?;
    }
    socket.bind(&at.into())?;
    let mut socket = UdpSocket::from_std(socket.into());
    registry.register(&mut socket, token, Interest::READABLE)?;
    let port = socket.local_addr()?.port();
    Ok(Bound {
        socket,
        port,
        token,
        ready: true,
    })
}

/// A socket of the family of `at`, and of that one alone: `::` is every IPv6 address, and IPv4 has sockets of its own.
fn open(at: SocketAddr, kind: Type) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(at), kind, None)?;
    if at.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// Why this machine cannot listen at `at`, whose port is 0; `None` where it can.
pub(super) fn unavailable(at: SocketAddr) -> Option<io::Error> {
    open(at, Type::DGRAM)
        .and_then(|socket| socket.bind(&at.into()))
        .err()
}

/// A port that could not be had. Its text is one line.
#[derive(Debug, Error)]
pub enum Refused {
    /// Another program has the port.
    #[error(
        "another program has {at}/{protocol}: {service} is not offered there; end that program and start again"
    )]
    Taken {
        /// Who was to be found there.
        service: &'static str,
        /// Where.
        at: SocketAddr,
        /// `tcp` or `udp`.
        protocol: &'static str,
    },
    /// The kernel does not give the port.
    #[error("{at}/{protocol} cannot be had for {service}: {error}")]
    Denied {
        /// Who was to be found there.
        service: &'static str,
        /// Where.
        at: SocketAddr,
        /// `tcp` or `udp`.
        protocol: &'static str,
        /// Why.
        error: io::Error,
    },
}

impl Refused {
    fn new(service: &'static str, at: SocketAddr, protocol: &'static str, error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::AddrInUse {
            Self::Taken {
                service,
                at,
                protocol,
            }
        } else {
            Self::Denied {
                service,
                at,
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
