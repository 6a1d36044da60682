//! Clients that come, and those that wait.

use std::io;
use std::net::SocketAddr;

use mio::net::TcpStream;
use nix::sys::socket::{setsockopt, sockopt};
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{IpCidr, IpEndpoint};

use super::flow::Key;
use super::gateway::Gateway;
use crate::BACKLOG;
use crate::socket::close_with_reset;

/// How long a kernel that has no more descriptors or memory is left alone.
const ACCEPT_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// A client that is connected, as the kernel says, and not yet with R2.
pub(super) struct WaitingClient {
    stream: TcpStream,
    address: SocketAddr,
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
            while let Some((index, client)) = self.offered[pool].take_waiting() {
                let address = client.address;
                if let Err(error) = self.begin(pool, index, client) {
                    log::debug!("{address}: {error}");
                    self.free(index);
                }
            }
        }
    }

    /// Accepts clients until there are none, or too many wait. An error is the kernel's.
    fn accept_ready(&mut self) -> io::Result<()> {
        let mut waiting: usize = self.offered.iter().map(|offered| offered.waiting.len()).sum();
        for offered in &mut self.offered {
            let Some(bound) = &mut offered.tcp else { continue };
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
        Ok(())
    }

    fn begin(&mut self, pool: usize, index: usize, client: WaitingClient) -> io::Result<()> {
        let WaitingClient { mut stream, address } = client;
        stream.set_nodelay(true)?;
        // What the kernel takes of R2's bytes is no more than R2 itself would keep for the client.
        setsockopt(&stream, sockopt::SndBuf, &self.flows[index].send_buffer())?;
        self.watch(index, &mut stream)?;
        let key = Key {
            client: IpEndpoint::new(address.ip().into(), address.port()),
            r2_port: self.offered[pool].port,
        };
        let r2 = IpEndpoint::new(self.r2.into(), key.r2_port);
        if !self.flows[index].connect(key, r2, stream, &mut self.end) {
            return Err(io::ErrorKind::AddrNotAvailable.into());
        }
        self.by_key.insert(key, index);
        self.touch(index);
        Ok(())
    }
}

fn may_talk(allow: &[IpCidr], peer: SocketAddr) -> bool {
    allow.is_empty() || allow.iter().any(|cidr| cidr.contains_addr(&peer.ip().into()))
}
