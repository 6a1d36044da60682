//! Clients that come, and those that wait.

use std::io;
use std::net::SocketAddr;

use mio::net::TcpStream;
use nix::sys::socket::{setsockopt, sockopt};
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{IpCidr, IpEndpoint};
use socket2::{SockRef, TcpKeepalive};

use super::flow::{Key, PROBES};
use super::gateway::Gateway;
use crate::BACKLOG;
use crate::socket::close_with_reset;

/// How long a kernel that has no more descriptors or memory is left alone.
const ACCEPT_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// A client that is connected, as the kernel says, and not yet with R2.
pub(super) struct WaitingClient {
    stream: TcpStream,
    pub(super) address: SocketAddr,
}

impl Gateway {
    /// Accepts clients, as many as may wait, and gives those the flows that are free. As in R2's backlog the newest goes
    /// first: an old one may have given up.
    pub(super) fn accept_all(&mut self, now: Instant) {
        if self.accept_again_at.is_none_or(|at| at <= now) {
            self.accept_again_at = self.accept_ready().err().map(|error| {
                log::warn!("cannot accept a connection: {error}; trying again in a second");
                now + ACCEPT_AGAIN_AFTER
            });
        }
        for pool in 0..self.offered.len() {
            while let Some((index, client)) = self.take_waiting(pool) {
                let address = client.address;
                if let Err(error) = self.begin(pool, index, client) {
                    log::debug!("{address}: {error}");
                    self.free(index);
                }
            }
            self.show_r2_another_address(pool);
        }
    }

    fn take_waiting(&mut self, pool: usize) -> Option<(usize, WaitingClient)> {
        let by_address = &self.by_address;
        self.offered[pool].take_waiting(|address| !by_address.contains_key(&(pool, address)))
    }

    /// Accepts clients until there are none, or too many wait. An error is the kernel's.
    fn accept_ready(&mut self) -> io::Result<()> {
        let mut waiting: usize = self.offered.iter().map(|offered| offered.waiting.len()).sum();
        for offered in &mut self.offered {
            for bound in &mut offered.tcp {
                while bound.ready && waiting < usize::from(BACKLOG) + offered.free.len() {
                    match bound.socket.accept() {
                        Ok((stream, address)) if !may_talk(&self.allow, address) => close_with_reset(stream),
                        Ok((stream, address)) => {
                            offered.waiting.push(WaitingClient { stream, address });
                            waiting += 1;
                        }
                        Err(error) => match error.kind() {
                            io::ErrorKind::WouldBlock => bound.ready = false,
                            // The client was gone before it was accepted.
                            io::ErrorKind::ConnectionAborted | io::ErrorKind::Interrupted => {}
                            _ => return Err(error),
                        },
                    }
                }
            }
        }
        Ok(())
    }

    fn begin(&mut self, pool: usize, index: usize, client: WaitingClient) -> io::Result<()> {
        let WaitingClient { mut stream, address } = client;
        let offered = &self.offered[pool];
        let key = Key {
            client: IpEndpoint::new(address.ip().into(), address.port()),
            r2_port: offered.port,
        };
        if self.by_key.contains_key(&key) {
            // It has connected from one port to two addresses of this machine, which on the wire are one.
            close_with_reset(stream);
            return Err(io::ErrorKind::AddrInUse.into());
        }
        stream.set_nodelay(true)?;
        let every = offered.silent_after / PROBES;
        probe(&stream, every)?;
        // What the kernel takes of R2's bytes is no more than R2 itself would keep for the client.
        setsockopt(&stream, sockopt::SndBuf, &self.flows[index].send_buffer())?;
        self.watch(index, &mut stream)?;
        self.by_key.insert(key, index);
        *self.by_address.entry((pool, key.client.addr)).or_default() += 1;
        if !self.flows[index].connect(key, stream, every.into(), &mut self.end) {
            return Err(io::ErrorKind::AddrNotAvailable.into());
        }
        self.touch(index);
        Ok(())
    }

    /// Lets R2 see that another address waits. R2 has a place for one client that waits; where an address that is served
    /// already has it, it goes to one that has no connection yet. So a crowd from one address gives way as it does where
    /// R2 sees every SYN.
    fn show_r2_another_address(&mut self, pool: usize) {
        let offered = &mut self.offered[pool];
        let (true, Some(index)) = (offered.free.is_empty(), offered.taken) else {
            return;
        };
        let flow = &mut self.flows[index];
        let (true, Some(key)) = (flow.waits(), flow.key) else {
            return;
        };
        let by_address = &self.by_address;
        let has_others = by_address
            .get(&(pool, key.client.addr))
            .is_some_and(|count| *count > 1);
        let is_new = |address| !by_address.contains_key(&(pool, address));
        if !has_others || offered.newest_waiting(is_new).is_none() {
            return;
        }
        let Some(mut stream) = flow.stream.take() else {
            return;
        };
        // R2 forgets its SYN, and it waits here.
        flow.give_up();
        if self.poll.registry().deregister(&mut stream).is_ok() {
            let address = SocketAddr::new(key.client.addr.into(), key.client.port);
            offered.waiting.push(WaitingClient { stream, address });
        }
        self.touch(index);
    }
}

/// Lets the kernel probe a silent client `every` so often, and give it up where it does not answer: what R2 sends to probe
/// a client, the gateway answers.
fn probe(stream: &TcpStream, every: std::time::Duration) -> io::Result<()> {
    let probes = TcpKeepalive::new()
        .with_time(every)
        .with_interval(every)
        .with_retries(PROBES - 1);
    SockRef::from(stream).set_tcp_keepalive(&probes)
}

fn may_talk(allow: &[IpCidr], peer: SocketAddr) -> bool {
    allow.is_empty() || allow.iter().any(|cidr| cidr.contains_addr(&peer.ip().into()))
}
