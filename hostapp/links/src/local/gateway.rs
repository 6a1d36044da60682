//! The gateway: R2's ports on this host, each connection carried to R2 over the wire and back.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::io;
use std::net::SocketAddr;

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use r2_node::Storage;
use r2_node::config::Size;
use r2_node::service::Spec;
use smoltcp::iface::SocketStorage;
use smoltcp::time::Instant;
use smoltcp::wire::{IpAddress, IpCidr};

use super::datagram::Doors;
use super::flow::{After, Flow, Key};
use super::interface::GatewayInterface;
use super::lane::Lane;
use super::ports::{FIRST_FLOW, Offered, Ports, Refused};
use crate::{BACKLOG, Leaked};

/// Connections of a service beyond those that R2 has: this one waits in R2's backlog, so that R2 knows that it has to
/// make room.
const WAITING: usize = 1;

/// Connections that R2 opens: one at a time, and one that is still closing.
const CALLS: usize = 2;

/// Buffers of a call: it is a chat connection.
const CALL_BUFFER: usize = 8 * 1024;

/// Events taken from the kernel at once.
const EVENTS: usize = 1024;

/// Datagrams taken from one socket before others have their turn.
const DATAGRAMS_PER_PASS: usize = 64;

/// Descriptors that the rest of the process needs: the store, the console, the signals.
const OTHER_DESCRIPTORS: usize = 256;

/// The gateway's end of the wire, and the kernel's sockets.
pub(super) struct Gateway {
    pub(super) poll: Poll,
    events: Events,
    pub(super) end: GatewayInterface,
    pub(super) offered: Vec<Offered>,
    pub(super) doors: Doors,
    pub(super) flows: Vec<Flow>,
    pub(super) by_key: HashMap<Key, usize>,
    /// How many flows of a service an address has, where it has any.
    pub(super) by_address: HashMap<(usize, IpAddress), usize>,
    /// Flows to be served, each once, in the order in which they were touched.
    touched: VecDeque<usize>,
    deadlines: BTreeSet<(Instant, usize)>,
    /// Flows that wait for R2 to call.
    pub(super) calls: Vec<usize>,
    pub(super) allow: Vec<IpCidr>,
    pub(super) accept_again_at: Option<Instant>,
}

impl Gateway {
    /// Binds the ports of `offers`, and takes all memory. What could not be had is named.
    pub(super) fn open(
        end: GatewayInterface,
        listen: &[SocketAddr],
        offers: &[(Spec, Size)],
        ports: Ports,
        allow: &[IpCidr],
    ) -> io::Result<(Self, Vec<Refused>)> {
        let poll = Poll::new()?;
        let mut refused = Vec::new();
        let mut offered: Vec<_> = offers
            .iter()
            .enumerate()
            .map(|(index, (spec, _))| {
                Offered::bind((index, spec), listen, ports, poll.registry(), &mut refused)
            })
            .collect();
        let mut flows = Vec::new();
        for (pool, ((_, size), offered)) in offers.iter().zip(&mut offered).enumerate() {
            if !offered.tcp.is_empty() {
                let first = flows.len();
                take_flows(
                    &mut flows,
                    pool,
                    size.connections + WAITING,
                    size.transmit,
                    size.receive,
                );
                offered.free = (first..flows.len()).rev().collect();
            }
        }
        let first_call = flows.len();
        take_flows(&mut flows, offers.len(), CALLS, CALL_BUFFER, CALL_BUFFER);
        allow_descriptors(flows.len() + usize::from(BACKLOG) + FIRST_FLOW + OTHER_DESCRIPTORS);
        let gateway = Self {
            poll,
            events: Events::with_capacity(EVENTS),
            end,
            offered,
            doors: Doors::new(),
            by_key: HashMap::with_capacity(flows.len()),
            by_address: HashMap::with_capacity(flows.len()),
            touched: VecDeque::with_capacity(flows.len()),
            deadlines: BTreeSet::new(),
            calls: (first_call..flows.len()).collect(),
            flows,
            allow: allow.to_vec(),
            accept_again_at: None,
        };
        Ok((gateway, refused))
    }

    /// Moves everything that can be moved now, within bounds, and returns when to do so again.
    pub(super) fn work(&mut self, now: Instant, from_r2: &mut Lane, to_r2: &mut Lane) -> Option<Instant> {
        self.hear_kernel();
        self.take_frames(now, from_r2, to_r2);
        self.accept_all(now);
        self.take_datagrams(to_r2);
        while let Some((_, index)) = self.deadlines.first().copied().filter(|(at, _)| *at <= now) {
            self.set_deadline(index, None);
            self.touch(index);
        }
        for _ in 0..self.touched.len() {
            let Some(index) = self.touched.pop_front() else {
                break;
            };
            self.flows[index].queued = false;
            self.serve(index, now, to_r2);
        }
        if !self.touched.is_empty() || !to_r2.is_empty() {
            return Some(now);
        }
        let first = self.deadlines.first().map(|(at, _)| *at);
        [first, self.accept_again_at].into_iter().flatten().min()
    }

    fn hear_kernel(&mut self) {
        // Interrupted: nothing was lost, and the next pass asks again.
        if self
            .poll
            .poll(&mut self.events, Some(std::time::Duration::ZERO))
            .is_err()
        {
            return;
        }
        for event in &self.events {
            let Token(token) = event.token();
            if let Some(index) = token.checked_sub(FIRST_FLOW) {
                let flow = &mut self.flows[index];
                flow.readable |= event.is_readable() || event.is_read_closed() || event.is_error();
                flow.writable |= event.is_writable() || event.is_write_closed();
                if !flow.queued {
                    flow.queued = true;
                    self.touched.push_back(index);
                }
            } else if let Some(offered) = self.offered.get_mut(Offered::service(Token(token))) {
                offered.wake(Token(token));
            }
        }
    }

    /// Gives a flow its turn.
    fn serve(&mut self, index: usize, now: Instant, to_r2: &mut Lane) {
        if self.flows[index].key.is_none() {
            return;
        }
        if self.flows[index].call.is_some() && !self.go_on_calling(index, now, to_r2) {
            return;
        }
        match self.flows[index].serve(now, &mut self.end, to_r2) {
            After::Again => self.touch(index),
            After::Wait(at) => self.set_deadline(index, at),
            After::Over => self.free(index),
        }
    }

    /// Lets a flow wait for the next connection.
    pub(super) fn free(&mut self, index: usize) {
        self.set_deadline(index, None);
        let flow = &mut self.flows[index];
        flow.stream = None;
        flow.call = None;
        if let Some(key) = flow.key.take() {
            self.by_key.remove(&key);
            let of_address = (flow.pool, key.client.addr);
            if let Some(count) = self.by_address.get_mut(&of_address) {
                *count -= 1;
                if *count == 0 {
                    self.by_address.remove(&of_address);
                }
            }
        }
        match self.offered.get_mut(flow.pool) {
            Some(offered) => offered.free.push(index),
            None => self.calls.push(index),
        }
    }

    pub(super) fn touch(&mut self, index: usize) {
        let flow = &mut self.flows[index];
        if !flow.queued {
            flow.queued = true;
            self.touched.push_back(index);
        }
    }

    fn set_deadline(&mut self, index: usize, at: Option<Instant>) {
        let flow = &mut self.flows[index];
        if flow.at == at {
            return;
        }
        if let Some(before) = std::mem::replace(&mut flow.at, at) {
            self.deadlines.remove(&(before, index));
        }
        if let Some(at) = at {
            self.deadlines.insert((at, index));
        }
    }

    /// Registers the stream of a call.
    pub(super) fn watch(&self, index: usize, stream: &mut TcpStream) -> io::Result<()> {
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.poll
            .registry()
            .register(stream, Token(FIRST_FLOW + index), interest)
    }

    fn take_datagrams(&mut self, to_r2: &mut Lane) {
        for (service, offered) in self.offered.iter_mut().enumerate() {
            for (place, udp) in offered.udp.iter_mut().enumerate() {
                for _ in 0..DATAGRAMS_PER_PASS {
                    if !udp.ready || !to_r2.has_room() {
                        break;
                    }
                    let (port, sockets) = (offered.port, [service, place]);
                    udp.ready = self.doors.carry(&udp.socket, sockets, port, &self.end, to_r2);
                }
            }
        }
    }
}

fn take_flows(flows: &mut Vec<Flow>, pool: usize, count: usize, receive: usize, transmit: usize) {
    let storage = Leaked.slice(count, |_| SocketStorage::EMPTY).chunks_exact_mut(1);
    let receive = Leaked.bytes(count * receive).chunks_exact_mut(receive);
    let transmit = Leaked.bytes(count * transmit).chunks_exact_mut(transmit);
    flows.extend(
        storage
            .zip(receive.zip(transmit))
            .map(|(storage, (receive, transmit))| Flow::new(pool, storage, receive, transmit)),
    );
}

/// Lets this process have as many descriptors as connections need, or as many as it may.
fn allow_descriptors(needed: usize) {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else {
        return;
    };
    let needed = u64::try_from(needed).unwrap_or(u64::MAX);
    if soft >= needed {
        return;
    }
    let got = setrlimit(Resource::RLIMIT_NOFILE, needed.min(hard), hard).is_ok();
    if !got || hard < needed {
        let most = if got { hard } else { soft };
        log::warn!(
            "this user may have {most} open files, so fewer than --sessions connections at a time: raise `ulimit -Hn`"
        );
    }
}
