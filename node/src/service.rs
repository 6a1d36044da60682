//! The services of a node: which session a port opens, how many, with which buffers.

use core::fmt;
#[cfg(feature = "multicast")]
use core::net::{Ipv4Addr, Ipv6Addr};

use r2_core::bug;
#[cfg(feature = "multicast")]
use r2_core::group::Group;
use r2_core::session::{Part, Session};
use r2_core::time::Duration;
#[cfg(feature = "multicast")]
use smoltcp::wire::{EthernetAddress, IpAddress};

use crate::capture::Capture;
use crate::config::Size;
#[cfg(all(feature = "multicast", feature = "ipv6"))]
use crate::gate::ethernet_group;
use crate::limits::{ACK_DELAY, SERVICES_MAX};
#[cfg(feature = "multicast")]
use crate::node::Member;
use crate::storage::Storage;

/// What a service does with a datagram.
#[derive(Clone, Copy)]
pub enum Datagrams {
    /// Takes it and says nothing.
    Take,
    /// Writes the answer to it into the second slice and returns its length, which may be 0. `None`: it gets none.
    Answer(fn(&[u8], &mut [u8]) -> Option<usize>),
}

/// A multicast group of the link: of each family of addresses, and a port.
#[cfg(feature = "multicast")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupAddress {
    /// Of the link (RFC 5771, section 4).
    pub v4: Ipv4Addr,
    /// Of the link (RFC 4291, section 2.7); nobody's without the feature `ipv6`.
    pub v6: Ipv6Addr,
    /// The port of all who are in it.
    pub port: u16,
}

#[cfg(feature = "multicast")]
impl GroupAddress {
    /// The addresses of the group, each with its Ethernet address (RFC 1112, section 6.4; RFC 2464, section 7).
    pub(crate) fn of_each_family(self) -> impl Iterator<Item = (IpAddress, EthernetAddress)> {
        let [_, a, b, c] = self.v4.octets();
        let v4 = (
            self.v4.into(),
            EthernetAddress([0x01, 0x00, 0x5e, a & 0x7f, b, c]),
        );
        #[cfg(feature = "ipv6")]
        let families = [v4, (self.v6.into(), ethernet_group(self.v6))];
        #[cfg(not(feature = "ipv6"))]
        let families = [v4];
        families.into_iter()
    }
}

/// What a service is, for the node.
#[derive(Clone, Copy)]
pub struct Spec {
    /// Its name, in the status page and the log.
    pub name: &'static str,
    /// Its port, for TCP and, where it answers datagrams, UDP.
    pub port: u16,
    /// What is done with datagrams to the port; `None`: the port is unreachable by UDP. From a port whose service answers
    /// them, no other service answers any.
    pub datagram: Option<Datagrams>,
    /// After how long a silent, dead peer is given up; `None`: after [`Limits::silent_after`](crate::Limits).
    pub silent_after: Option<Duration>,
    /// Whether small segments leave at once (no Nagle, RFC 896, and no delayed acknowledgements).
    pub interactive: bool,
    /// Whether an idle connection gives way to a SYN that waits.
    pub gives_way: bool,
}

impl Spec {
    /// A service of small requests on `port`: interactive, gives way, the node's patience with a silent peer, no
    /// datagrams.
    pub const fn new(name: &'static str, port: u16) -> Self {
        Self {
            name,
            port,
            datagram: None,
            silent_after: None,
            interactive: true,
            gives_way: true,
        }
    }

    /// With acknowledgements delayed by [`ACK_DELAY`] and full segments preferred (Nagle, RFC 896). Measured on a TAP,
    /// neither changes how fast a transfer is; on a slow network they spare it small segments.
    pub const fn bulk(mut self) -> Self {
        self.interactive = false;
        self
    }

    pub(crate) const fn ack_delay(&self) -> Option<smoltcp::time::Duration> {
        if self.interactive {
            None
        } else {
            Some(smoltcp::time::Duration::from_millis(ACK_DELAY.as_millis()))
        }
    }
}

/// A service with the memory of its sessions, whatever their type.
pub(crate) trait Service<W> {
    fn spec(&self) -> &'static Spec;
    fn size(&self) -> Size;
    /// A number that changes when the world has news for every session of the service.
    fn revision(&self, world: &W) -> u32;
    /// Puts a new session in place `index`.
    fn renew(&mut self, index: usize);
    /// The session in place `index`.
    fn session(&mut self, index: usize) -> Option<&mut dyn Session<W>>;
}

/// The services of a node, in the order of their registration.
pub(crate) type Services<'a, W> = heapless::Vec<&'a mut dyn Service<W>, SERVICES_MAX>;

/// The sessions of one service, and how they are made. Every function is a type of its own, so that each service's
/// code is its own: no call goes through a pointer, and a session is made in its place.
struct Pool<'a, P: ?Sized, S, New, F, Revision> {
    spec: &'static Spec,
    size: Size,
    sessions: &'a mut [Part<P, S, F>],
    new: New,
    revision: Revision,
}

impl<W, P, S, New, F, Revision> Service<W> for Pool<'_, P, S, New, F, Revision>
where
    P: ?Sized,
    S: Session<P>,
    New: Fn() -> S,
    F: Fn(&mut W) -> &mut P,
    Revision: Fn(&W) -> u32,
{
    fn spec(&self) -> &'static Spec {
        self.spec
    }

    fn size(&self) -> Size {
        self.size
    }

    fn revision(&self, world: &W) -> u32 {
        (self.revision)(world)
    }

    fn renew(&mut self, index: usize) {
        if let Some(place) = self.sessions.get_mut(index) {
            place.session = (self.new)();
        }
    }

    fn session(&mut self, index: usize) -> Option<&mut dyn Session<W>> {
        self.sessions
            .get_mut(index)
            .map(|place| place as &mut dyn Session<W>)
    }
}

/// One of the services of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServiceId(pub(crate) usize);

/// Why a service is not offered. Both are the caller's to mend, before the node is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum ServeError {
    /// The node has [`SERVICES_MAX`] services already.
    Full,
    /// Another service has the port, or it is 0, which nobody can reach.
    PortTaken,
}

impl fmt::Display for ServeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "a node has at most 12 services",
            Self::PortTaken => "the port is taken by another service, or it is 0",
        })
    }
}

impl core::error::Error for ServeError {}

const _: () = assert!(SERVICES_MAX == 12, "the text above says so");

/// Collects the services of a node, each with its memory. [`Node::new`](crate::Node::new) takes it.
pub struct Registry<'a, 'm, W, M> {
    pub(crate) services: Services<'a, W>,
    pub(crate) capture: Option<ServiceId>,
    pub(crate) storage: &'m mut M,
    #[cfg(feature = "multicast")]
    pub(crate) member: Option<Member<'a>>,
}

impl<'a, 'm, W: 'a, M: Storage<'a>> Registry<'a, 'm, W, M> {
    /// No service yet; the memory of those to come is taken from `storage`.
    pub const fn new(storage: &'m mut M) -> Self {
        Self {
            services: heapless::Vec::new(),
            capture: None,
            storage,
            #[cfg(feature = "multicast")]
            member: None,
        }
    }

    /// Has `service` take part in a multicast group: it is given the datagrams to the group, and those to its port at one of
    /// the node's addresses, from machines in the node's own networks. A node is in one group: of two, in the last.
    #[cfg(feature = "multicast")]
    pub fn join(&mut self, group: GroupAddress, service: &'a mut dyn Group) {
        self.member = Some(Member::new(group, service));
    }

    /// What is offered so far, in the order of registration.
    pub fn offers(&self) -> impl Iterator<Item = (Spec, Size)> {
        self.services
            .iter()
            .map(|service| (*service.spec(), service.size()))
    }

    /// Offers a service: `new` makes the session of a new connection, `part` is what sessions share, `revision`
    /// a number that changes when that has news for all of them (a constant where it never has).
    ///
    /// With a size of 0 connections it answers datagrams only, and a SYN gets RST.
    pub fn serve<P: ?Sized + 'a, S: Session<P> + 'a>(
        &mut self,
        spec: &'static Spec,
        size: Size,
        new: impl Fn() -> S + Copy + 'a,
        part: impl Fn(&mut W) -> &mut P + Copy + 'a,
        revision: impl Fn(&W) -> u32 + 'a,
    ) -> Result<ServiceId, ServeError> {
        if spec.port == 0
            || self
                .services
                .iter()
                .any(|service| service.spec().port == spec.port)
        {
            return Err(ServeError::PortTaken);
        }
        if self.services.is_full() {
            return Err(ServeError::Full);
        }
        let id = ServiceId(self.services.len());
        let sessions = self.storage.slice(size.connections, |_| Part::new(new(), part));
        let mut pool = Some(Pool {
            spec,
            size,
            sessions,
            new,
            revision,
        });
        for pool in self.storage.slice(1, |_| pool.take()).iter_mut().flatten() {
            if self.services.push(pool).is_err() {
                bug!("there is room: looked at above");
            }
        }
        Ok(id)
    }

    /// Offers a capture: every connection gets a pcap file of the frames that pass from then on, those of captures
    /// excepted. The transmit buffer is what waits for a slow reader; a frame that has no room there whole is lost and
    /// counted. A node has one such service: a second is [`ServeError::PortTaken`].
    pub fn serve_capture(&mut self, spec: &'static Spec, size: Size) -> Result<ServiceId, ServeError> {
        if self.capture.is_some() {
            return Err(ServeError::PortTaken);
        }
        let id = self.serve(spec, size, Capture::new, whole, never)?;
        self.capture = Some(id);
        Ok(id)
    }
}

/// The part of the world for sessions that share nothing, or report on everything: all of it.
pub fn whole<W>(world: &mut W) -> &mut W {
    world
}

/// The revision of a world that never has news for every session of a service.
pub fn never<W>(_: &W) -> u32 {
    0
}
