//! Calls: connections that this side opens.

use smoltcp::phy::Device;
use smoltcp::time::Instant;
#[cfg(feature = "dhcp")]
use smoltcp::wire::Ipv4Address;
use smoltcp::wire::{IpAddress, IpCidr, IpEndpoint};

use super::ingress::NO_PORT;
use super::{Node, flow_of, millis};
use crate::capture::Recording;
use crate::config::Config;
use crate::counters::add;
use crate::gate::{Flow, Neighbor};
use crate::neighbor::Resolver;
use crate::service::ServiceId;
use crate::slot::{Phase, to_core};
use crate::world::World;

/// The first port that calls are made from (RFC 6335, section 6: dynamic ports).
const FIRST_DYNAMIC_PORT: u16 = 49_152;

/// Who is being called, and what became of it.
pub(super) struct Caller {
    resolver: Resolver,
    call: Option<Call>,
    outcome: Option<CallOutcome>,
    next_port: u16,
}

impl Caller {
    pub(super) fn new(config: &Config<'_>) -> Self {
        Self {
            resolver: Resolver::new(config),
            call: None,
            outcome: None,
            next_port: FIRST_DYNAMIC_PORT,
        }
    }

    /// When the called address is to be asked for again.
    pub(super) fn poll_at(&self) -> Option<Instant> {
        self.resolver.poll_at()
    }

    /// Learns where `neighbor` is, if it is the called one; whether it is.
    pub(super) fn learn(&mut self, neighbor: &Neighbor<IpAddress>) -> bool {
        self.resolver.learn(neighbor)
    }

    /// The router to other networks.
    #[cfg(feature = "dhcp")]
    pub(super) fn set_gateway(&mut self, gateway: Option<Ipv4Address>) {
        self.resolver.set_gateway(gateway);
    }

    /// Something has become of the connection in `slot`: if that was the call, it ends so.
    pub(super) fn hear(&mut self, slot: usize, outcome: CallOutcome) {
        if self.call.as_ref().is_some_and(|call| call.slot == slot) {
            self.end(outcome);
        }
    }

    fn end(&mut self, outcome: CallOutcome) {
        self.call = None;
        self.outcome = Some(outcome);
        self.resolver.stop();
    }
}

/// A call that is being made.
struct Call {
    slot: usize,
    remote: IpEndpoint,
    local: IpCidr,
    give_up_at: Instant,
}

/// Why a call was not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum CallError {
    /// Every connection of the service is taken, or another call is under way: try again later. Or the node stops.
    Busy,
    /// The node has no address of that family, or the address or port is none that can be called.
    Unaddressable,
}

/// What became of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum CallOutcome {
    /// Somebody answered, and the session is open.
    Answered,
    /// Nobody listens there, or nobody answered within [`Limits::establish_within`](crate::Limits).
    Refused,
    /// The address did not answer ARP or NDP within that time.
    Unreachable,
}

impl<W: World> Node<'_, W> {
    /// Calls `remote` and opens a session of `service` there, as if it had connected. What becomes of it is told by
    /// [`take_call_outcome`](Self::take_call_outcome).
    pub fn call(
        &mut self,
        ServiceId(service): ServiceId,
        remote: IpEndpoint,
        now: Instant,
    ) -> Result<(), CallError> {
        if self.caller.call.is_some() || self.stop_by.is_some() {
            return Err(CallError::Busy);
        }
        let local = self
            .address_towards(remote.addr)
            .ok_or(CallError::Unaddressable)?;
        if remote.port == 0 || !self.border.is_host(remote.addr) {
            return Err(CallError::Unaddressable);
        }
        let slot = self.take_free(service).ok_or(CallError::Busy)?;
        let give_up_at = now + millis(self.limits.establish_within);
        self.caller.call = Some(Call {
            slot,
            remote,
            local,
            give_up_at,
        });
        self.caller.resolver.ask(remote.addr, local, now);
        Ok(())
    }

    /// Our address of the family of `remote`, of its network where there is one.
    fn address_towards(&self, remote: IpAddress) -> Option<IpCidr> {
        let same_family = |cidr: &&IpCidr| cidr.address().version() == remote.version();
        let ours = self.border.addresses.iter().filter(same_family);
        ours.min_by_key(|cidr| !cidr.contains_addr(&remote)).copied()
    }

    /// What became of the last call: once for each, `None` until it is known.
    pub fn take_call_outcome(&mut self) -> Option<CallOutcome> {
        self.caller.outcome.take()
    }

    /// Gives up a call whose SYN has not left: nobody has heard of it.
    pub(super) fn stop_calling(&mut self, world: &mut W) {
        self.end_unsent_call(|_| true, CallOutcome::Refused, world);
    }

    /// Ends the call, if it is such a one and its SYN has not left; one whose SYN has is ended with its slot.
    fn end_unsent_call(&mut self, is_such: impl Fn(&Call) -> bool, outcome: CallOutcome, world: &mut W) {
        let call = self.caller.call.as_ref().filter(|call| is_such(call));
        let Some(slot) = call.map(|call| call.slot) else {
            return;
        };
        if self.slots.get(slot).is_some_and(|slot| slot.phase == Phase::Free) {
            self.give_back(slot, world);
            self.caller.end(outcome);
        }
    }

    /// Asks for the Ethernet address of whoever is called, and sends the SYN once it is known.
    pub(super) fn go_on_calling<D: Device + ?Sized>(&mut self, now: Instant, device: &mut D, world: &mut W) {
        let Some(&Call {
            slot,
            remote,
            local,
            give_up_at,
        }) = self.caller.call.as_ref()
        else {
            return;
        };
        if self.slots.get(slot).is_none_or(|slot| slot.phase != Phase::Free) {
            return;
        }
        let Some(peer) = self.caller.resolver.found() else {
            let device = &mut Recording {
                device,
                tap: self.captures.tap(self.slots, NO_PORT),
            };
            if now >= give_up_at {
                self.give_back(slot, world);
                self.caller.end(CallOutcome::Unreachable);
            } else if self.caller.resolver.send(now, device) {
                add(&mut world.counters().frames_out, 1);
            }
            return;
        };
        let flow = Flow {
            remote,
            local: (local.address(), self.free_port(remote, local)).into(),
        };
        self.reseed(&flow, now);
        let Some(caller) = self.slots.get_mut(slot) else {
            world.counters().bug("the slot of a call was taken for it");
            return;
        };
        if !caller.connect(flow, peer, &mut self.steered, to_core(now)) {
            self.give_back(slot, world);
            self.caller.end(CallOutcome::Unreachable);
            return;
        }
        let service = caller.service;
        let place = caller.place;
        if let Some(service) = self.services.get_mut(service) {
            service.renew(place);
        }
        self.flows.insert(&flow, slot);
        self.touch(slot);
    }

    /// The node no longer has the address `local`: a call from there that nobody has answered is over.
    #[cfg(feature = "dhcp")]
    pub(super) fn end_call_from(&mut self, local: IpAddress, world: &mut W) {
        let is_from = |call: &Call| call.local.address() == local;
        self.end_unsent_call(is_from, CallOutcome::Unreachable, world);
    }

    /// A dynamic port from which `remote` is not being talked to.
    fn free_port(&mut self, remote: IpEndpoint, local: IpCidr) -> u16 {
        for _ in 0..=u16::MAX - FIRST_DYNAMIC_PORT {
            let port = self.caller.next_port;
            self.caller.next_port = port.checked_add(1).unwrap_or(FIRST_DYNAMIC_PORT);
            let flow = Flow {
                remote,
                local: (local.address(), port).into(),
            };
            if self.flows.find(&flow, |slot| flow_of(self.slots, slot)).is_none() {
                return port;
            }
        }
        self.caller.next_port
    }
}
