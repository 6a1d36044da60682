//! Slots that have something to do: each has its turn, in the order in which they were touched.

#[cfg(feature = "log")]
use core::net::SocketAddr;

use smoltcp::phy::Device;
use smoltcp::time::Instant;

#[cfg(feature = "call")]
use super::CallOutcome;
use super::{Node, flow_of};
use crate::capture::Recording;
#[cfg(feature = "log")]
use crate::gate::Flow;
use crate::gate::{Closed, Sent};
use crate::slot::{After, Phase, Tally, Turn, to_core};
use crate::world::World;

impl<W: World> Node<'_, W> {
    /// Touches a slot whose session is alive.
    pub(super) fn touch_open(&mut self, index: usize) {
        if self.slots.get(index).is_some_and(|slot| slot.phase.is_open()) {
            self.touch(index);
        }
    }

    /// Serves each slot that was touched once; whether the device had no more room.
    pub(super) fn serve_touched<D: Device + ?Sized>(
        &mut self,
        now: Instant,
        device: &mut D,
        world: &mut W,
    ) -> bool {
        for _ in 0..self.touched.len {
            let Some(index) = self.next_touched() else { break };
            if self.serve(index, now, device, world) {
                self.touch(index);
                return true;
            }
        }
        false
    }

    /// Gives a slot its turn; whether the device had no more room.
    fn serve<D: Device + ?Sized>(
        &mut self,
        index: usize,
        now: Instant,
        device: &mut D,
        world: &mut W,
    ) -> bool {
        let Some((slot, tap)) = self.captures.beside(self.slots, index) else {
            world.counters().bug("a slot that was touched is there");
            return false;
        };
        if slot.phase == Phase::Free {
            return false;
        }
        let service = slot.service;
        #[cfg(feature = "log")]
        let name = self
            .services
            .get(service)
            .map_or("", |service| service.spec().name);
        let Some(session) = self.services.get_mut(service).and_then(|s| s.session(slot.place)) else {
            world.counters().bug("a slot has a session");
            return false;
        };
        let opened = slot.open(session, to_core(now), world);
        if opened {
            world.counters().open(service);
            #[cfg(feature = "log")]
            if let Some(Flow { remote, .. }) = slot.flow {
                log::debug!(
                    "{name}: {} is connected",
                    SocketAddr::new(remote.addr.into(), remote.port)
                );
            }
        }
        let device = &mut Recording { device, tap };
        let mut turn = Turn {
            interface: &mut self.steered,
            #[cfg(feature = "recovery")]
            whole: &mut self.whole,
            #[cfg(feature = "recovery")]
            scratch: &mut *self.scratch,
            device,
            capabilities: &self.steered_capabilities,
            limits: &self.limits,
            ours: self.ours,
            fill_checksum: self.capabilities.checksum.tcp.tx(),
            now,
            world,
            tally: Tally::default(),
        };
        let after = slot.serve(session, &mut turn);
        let tally = turn.tally;
        world.counters().tally(service, &tally);
        if opened {
            self.captures.opened(index);
            #[cfg(feature = "call")]
            self.caller.hear(index, CallOutcome::Answered);
        }
        match after {
            // Served again as soon as the device has room.
            After::Wait(_) if tally.congested => self.deadlines.set(index, None),
            After::Wait(at) => self.deadlines.set(index, at),
            After::Again => self.touch(index),
            After::Free { time_wait } => self.free(index, time_wait, now, world),
        }
        tally.congested
    }

    /// Lets a slot listen again.
    fn free(&mut self, index: usize, time_wait: bool, now: Instant, world: &mut W) {
        let Some(slot) = self.slots.get(index) else {
            world.counters().bug("a slot that was served is there");
            return;
        };
        let open = &mut world.counters().sessions_open;
        *open = open.saturating_sub(slot.phase.was_open().into());
        if slot.phase.was_open() {
            self.captures.closed(index);
        }
        if let Some(flow) = slot.flow {
            if time_wait {
                let Sent { next: seq, ack, .. } = slot.sent;
                let since = to_core(now);
                let closed = Closed {
                    flow,
                    seq,
                    ack,
                    since,
                };
                self.time_wait.remember(closed, &self.secret);
            }
            self.flows.remove(&flow, index, |slot| flow_of(self.slots, slot));
        }
        #[cfg(feature = "call")]
        self.caller.hear(index, CallOutcome::Refused);
        self.deadlines.set(index, None);
        self.give_back(index, world);
    }

    /// Puts a slot into the queue of those to be served, once.
    #[allow(
        clippy::cast_possible_truncation,
        reason = "slots are counted in u32 throughout the node"
    )]
    pub(super) fn touch(&mut self, index: usize) {
        match self.slots.get_mut(index) {
            Some(slot) if !slot.queued => (slot.queued, slot.next) = (true, None),
            _ => return,
        }
        let place = Some(index as u32);
        match self
            .touched
            .last
            .and_then(|last| self.slots.get_mut(last as usize))
        {
            Some(last) => last.next = place,
            None => self.touched.first = place,
        }
        self.touched.last = place;
        self.touched.len = self.touched.len.saturating_add(1);
    }

    fn next_touched(&mut self) -> Option<usize> {
        let first = self.touched.first? as usize;
        let slot = self.slots.get_mut(first)?;
        slot.queued = false;
        self.touched.first = slot.next.take();
        if self.touched.first.is_none() {
            self.touched.last = None;
        }
        self.touched.len = self.touched.len.saturating_sub(1);
        Some(first)
    }
}
