//! The slots of each service: who is free, who gives way.

use core::ops::Range;

use r2_core::bug;
use r2_core::session::Over;
use smoltcp::iface::SocketStorage;
use smoltcp::socket::tcp::State;
use smoltcp::time::Instant;

use super::{Node, millis};
use crate::config::{Limits, Size};
use crate::counters::{Reason, add};
use crate::gate::Flow;
#[cfg(feature = "recovery")]
use crate::limits::{BYTES_PER_PIECE, PIECES_MIN};
use crate::limits::{CROWD, SEARCH_IDLE_EVERY, SERVICES_MAX};
use crate::service::{Services, Spec};
use crate::slot::{Phase, Slot, to_core};
#[cfg(feature = "recovery")]
use crate::slot::{Piece, Recovery};
use crate::storage::Storage;
use crate::world::World;

/// The slots of one service.
pub(super) struct Pool {
    pub(super) first: usize,
    pub(super) len: usize,
    /// The first of the free ones, which are a list.
    free: Option<u32>,
    pub(super) revision: u32,
}

impl Pool {
    pub(super) fn slots(&self) -> Range<usize> {
        self.first..self.first.saturating_add(self.len)
    }
}

/// Slots that wait for their turn, linked through [`Slot::next`].
#[derive(Default)]
pub(super) struct Queue {
    pub(super) first: Option<u32>,
    pub(super) last: Option<u32>,
    pub(super) len: usize,
}

/// What a slot would be that belongs to no service. There is none.
static NOBODYS: Spec = Spec::new("", 0);

/// What the slots of one service that are still to be made share: a socket each, and equal parts of the buffers.
struct Memory<'a> {
    sockets: &'a mut [SocketStorage<'a>],
    receive: &'a mut [u8],
    transmit: &'a mut [u8],
    #[cfg(feature = "recovery")]
    pieces: &'a mut [Piece],
}

impl<'a> Memory<'a> {
    /// Takes what the next slot has. `None` when there is no other.
    fn of_a_slot(&mut self) -> Option<(&'a mut [SocketStorage<'a>], &'a mut [u8], &'a mut [u8])> {
        let slots = self.sockets.len();
        let receive = self.receive.len().checked_div(slots)?;
        let transmit = self.transmit.len().checked_div(slots)?;
        Some((
            self.sockets.split_off_mut(..1)?,
            self.receive.split_off_mut(..receive)?,
            self.transmit.split_off_mut(..transmit)?,
        ))
    }

    /// Takes what the scoreboard of the next slot has, of those that have not had theirs.
    #[cfg(feature = "recovery")]
    fn of_a_scoreboard(&mut self, pieces: usize) -> Option<&'a mut [Piece]> {
        self.pieces.split_off_mut(..pieces)
    }
}

/// Makes the slots of all services, each with its buffers.
#[allow(
    clippy::cast_possible_truncation,
    reason = "slots are counted in u32 throughout the node"
)]
pub(super) fn make<'a, W>(
    services: &Services<'a, W>,
    limits: &Limits,
    storage: &mut impl Storage<'a>,
) -> (heapless::Vec<Pool, SERVICES_MAX>, &'a mut [Slot<'a>]) {
    let mut pools = heapless::Vec::new();
    let mut memories = heapless::Vec::<Memory<'a>, SERVICES_MAX>::new();
    let mut first = 0;
    for service in services {
        let Size {
            connections: len,
            receive,
            transmit,
        } = service.size();
        let (receive, transmit) = (receive.max(1), transmit.max(1));
        let memory = Memory {
            sockets: storage.slice(len, |_| SocketStorage::EMPTY),
            receive: storage.bytes(len.saturating_mul(receive)),
            transmit: storage.bytes(len.saturating_mul(transmit)),
            #[cfg(feature = "recovery")]
            pieces: storage.slice(len.saturating_mul(pieces(transmit)), |_| Piece::default()),
        };
        let pool = Pool {
            first,
            len,
            free: (len > 0).then_some(first as u32),
            revision: 0,
        };
        if memories.push(memory).is_err() || pools.push(pool).is_err() {
            bug!("there are no more of both than services, which have the same bound");
        }
        first = first.saturating_add(len);
    }
    let slots = storage.slice(first, |index| {
        let holds = |pool: &Pool| pool.slots().contains(&index);
        let service = pools.iter().position(holds).unwrap_or(0);
        let (pool, spec) = (
            pools.get(service),
            services.get(service).map_or(&NOBODYS, |s| s.spec()),
        );
        let (place, last) = pool.map_or((0, true), |pool| {
            let place = index.saturating_sub(pool.first);
            (place, place.saturating_add(1) == pool.len)
        });
        let memory = memories.get_mut(service).and_then(Memory::of_a_slot);
        let (sockets, receive, transmit) = memory.unwrap_or_default();
        let mut slot = Slot::new(service, place, (spec, limits), sockets, receive, transmit);
        #[cfg(feature = "recovery")]
        if let Some(memory) = memories.get_mut(service)
            && let Some(service) = services.get(service)
            && let Some(pieces) = memory.of_a_scoreboard(pieces(service.size().transmit))
        {
            slot.recovery = Recovery::new(pieces);
        }
        slot.next = if last {
            None
        } else {
            Some((index as u32).saturating_add(1))
        };
        slot
    });
    (pools, slots)
}

/// How many pieces the scoreboard of a connection has, which may have so many bytes under way.
#[cfg(feature = "recovery")]
const fn pieces(transmit: usize) -> usize {
    transmit.div_ceil(BYTES_PER_PIECE).saturating_add(PIECES_MIN)
}

impl<'a, W: World> Node<'a, W> {
    pub(super) fn has_free(&self, service: usize) -> bool {
        self.pools.get(service).is_some_and(|pool| pool.free.is_some())
    }

    /// Takes a free slot of `service` out of the list.
    pub(super) fn take_free(&mut self, service: usize) -> Option<usize> {
        let pool = self.pools.get_mut(service)?;
        let index = pool.free? as usize;
        pool.free = self.slots.get_mut(index)?.next.take();
        Some(index)
    }

    /// Lets a slot listen, and puts it into the list of those that are free. It must not be queued for a turn.
    #[allow(
        clippy::cast_possible_truncation,
        reason = "slots are counted in u32 throughout the node"
    )]
    pub(super) fn give_back(&mut self, index: usize, world: &mut W) {
        let Some(slot) = self.slots.get_mut(index) else {
            world.counters().bug("a slot that was taken is there");
            return;
        };
        let Some(service) = self.services.get(slot.service) else {
            world.counters().bug("a slot belongs to a service");
            return;
        };
        let Some(pool) = self.pools.get_mut(slot.service) else {
            world.counters().bug("a service has a pool");
            return;
        };
        slot.listen(service.spec());
        slot.next = pool.free.replace(index as u32);
    }

    /// While SYNs wait: takes back what is half-open or half-closed, and closes the longest-idle connection of
    /// each service that they wait for.
    pub(super) fn make_room(&mut self, now: Instant, world: &mut W) {
        if self.search_at.is_none_or(|at| at > now) {
            return;
        }
        while let Some(service) = self.backlog.expire(to_core(now)) {
            world.counters().drop(Reason::Backlog);
            world
                .counters()
                .service(service, |count| add(&mut count.refused, 1));
        }
        self.search_at = (!self.backlog.is_empty()).then(|| now + millis(SEARCH_IDLE_EVERY));
        for service in 0..self.services.len() {
            if self.backlog.waits(service) && !self.has_free(service) {
                self.make_room_in(service, now, world);
            }
        }
    }

    fn make_room_in(&mut self, index: usize, now: Instant, world: &mut W) {
        let (Some(pool), Some(service)) = (self.pools.get(index), self.services.get(index)) else {
            world.counters().bug("a service that is waited for is there");
            return;
        };
        let (range, gives_way) = (pool.slots(), service.spec().gives_way);
        let (limits, core_now) = (self.limits, to_core(now));
        let patience = if self.is_crowded_out(index, pool, core_now) {
            limits.crowd_gives_way_after
        } else {
            limits.idle_gives_way_after
        };
        let mut idle = None;
        for place in range {
            let Some(slot) = self.slots.get(place) else {
                world.counters().bug("the slots of a pool are there");
                return;
            };
            match slot.phase {
                Phase::Opening if slot.moved + limits.half_open_gives_way_after <= core_now => {
                    self.end_slot(place, now, world, Ending::Abort);
                }
                _ if slot.state() == State::FinWait2
                    && slot.moved + limits.half_open_gives_way_after <= core_now =>
                {
                    self.end_slot(place, now, world, Ending::Abort);
                }
                Phase::Ended { .. } if slot.moved + limits.closed_gives_way_after <= core_now => {
                    self.end_slot(place, now, world, Ending::Abort);
                }
                Phase::Open { .. }
                    if gives_way
                        && slot.moved + patience <= core_now
                        && idle.is_none_or(|(moved, _)| slot.moved < moved) =>
                {
                    idle = Some((slot.moved, place));
                }
                _ => {}
            }
        }
        if let Some((_, place)) = idle {
            world
                .counters()
                .service(index, |count| add(&mut count.refused, 1));
            self.end_slot(place, now, world, Ending::InOrder);
        }
    }

    /// Whether one address has every connection of a service, a crowd of them, and another address waits; and none of
    /// them was closed for it just now.
    fn is_crowded_out(&self, index: usize, pool: &Pool, now: r2_core::time::Instant) -> bool {
        let slots = self.slots.get(pool.slots()).unwrap_or_default();
        let Some(Flow { remote, .. }) = slots.first().and_then(|slot| slot.flow) else {
            return false;
        };
        let stays = |slot: &Slot<'a>| {
            let leaves = matches!(slot.phase, Phase::Ended { .. })
                && slot.moved + self.limits.half_open_gives_way_after > now;
            slot.flow.is_some_and(|flow| flow.remote.addr == remote.addr) && !leaves
        };
        pool.len >= CROWD && self.backlog.waits_beside(index, remote.addr) && slots.iter().all(stays)
    }

    pub(super) fn end_slot(&mut self, index: usize, now: Instant, world: &mut W, ending: Ending) {
        let Some(slot) = self.slots.get_mut(index) else {
            world.counters().bug("a slot that gives way is there");
            return;
        };
        let Some(session) = self
            .services
            .get_mut(slot.service)
            .and_then(|s| s.session(slot.place))
        else {
            world.counters().bug("a slot has a session");
            return;
        };
        match ending {
            Ending::Abort => slot.give_up(session, to_core(now), world),
            Ending::InOrder => slot.end(session, Over::TimedOut, to_core(now), world),
        }
        self.touch(index);
    }
}

/// How a connection is made to give way.
#[derive(Clone, Copy)]
pub(super) enum Ending {
    /// With RST.
    Abort,
    /// What is under way, then FIN.
    InOrder,
}
