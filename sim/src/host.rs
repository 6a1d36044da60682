//! A machine with a TCP/IP stack of its own, smoltcp's: KALI, and the simulator's peers.

use smoltcp::iface::{Config, Interface, PollResult, SocketHandle, SocketSet};
use smoltcp::socket::tcp::{ConnectError, Socket};
use smoltcp::time::Instant;
use smoltcp::wire::{EthernetAddress, IpCidr, IpEndpoint};

use crate::wire::Wire;

/// The first port of its connections (RFC 6335, section 6, the dynamic ones).
pub const FIRST_PORT: u16 = 49_152;

/// A machine at one end of a wire.
pub struct Host {
    /// Its end of the wire.
    pub wire: Wire,
    /// Its sockets.
    pub sockets: SocketSet<'static>,
    interface: Interface,
    next_port: u16,
}

impl Host {
    /// A machine with these addresses; `random_seed` is for its sequence numbers.
    pub fn new(mac: EthernetAddress, addresses: &[IpCidr], random_seed: u64) -> Self {
        let mut wire = Wire::default();
        let mut config = Config::new(mac.into());
        config.random_seed = random_seed;
        let mut host = Self {
            interface: Interface::new(config, &mut wire, Instant::ZERO),
            wire,
            sockets: SocketSet::new(Vec::new()),
            next_port: FIRST_PORT,
        };
        host.set_addresses(addresses);
        host
    }

    /// Gives it these addresses and no others: two at most.
    pub fn set_addresses(&mut self, addresses: &[IpCidr]) {
        self.interface.update_ip_addrs(|its| {
            its.clear();
            its.extend_from_slice(addresses).expect("room for two addresses");
        });
    }

    /// A port that it has not used yet, or not for long.
    pub fn take_port(&mut self) -> u16 {
        let port = self.next_port;
        self.next_port = port.checked_add(1).unwrap_or(FIRST_PORT);
        port
    }

    /// Connects a socket that is closed from a port of its own, which is returned. SYN leaves at the next poll.
    pub fn connect(&mut self, socket: SocketHandle, to: impl Into<IpEndpoint>) -> Result<u16, ConnectError> {
        let port = self.take_port();
        let socket = self.sockets.get_mut::<Socket>(socket);
        socket.connect(self.interface.context(), to.into(), port)?;
        Ok(port)
    }

    /// Works through what has arrived and what its sockets want to send. Returns whether a socket has changed or a frame
    /// leaves.
    pub fn poll(&mut self, now: Instant) -> bool {
        let changed = self.interface.poll(now, &mut self.wire, &mut self.sockets);
        changed == PollResult::SocketStateChanged || !self.wire.leaving.is_empty()
    }

    /// When it wants to be polled again.
    pub fn poll_at(&mut self, now: Instant) -> Option<Instant> {
        self.interface.poll_at(now, &self.sockets)
    }
}
