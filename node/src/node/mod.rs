//! The whole loop: frames in, slots served, frames out.

#[cfg(feature = "dhcp")]
mod addresses;
mod answers;
#[cfg(feature = "call")]
mod call;
#[cfg(feature = "multicast")]
mod group;
mod ingress;
mod pool;
mod turns;

use core::mem;
use core::ops::Range;

use r2_core::session::Over;
use smoltcp::iface::{self, Interface, SocketSet};
use smoltcp::phy::{Device, DeviceCapabilities, RxToken};
use smoltcp::time::Instant;
use smoltcp::wire::{EthernetAddress, HardwareAddress};

#[cfg(feature = "call")]
use self::call::Caller;
#[cfg(feature = "call")]
pub use self::call::{CallError, CallOutcome};
#[cfg(feature = "multicast")]
pub(crate) use self::group::Member;
use self::pool::{Pool, Queue};
use crate::bucket::Bucket;
use crate::capture::{Captured, Captures};
use crate::config::{Config, Limits};
use crate::counters::add;
use crate::deadline::{Deadlines, earlier};
use crate::gate::{Backlog, Border, Flow, Flows, TimeWait};
#[cfg(feature = "dhcp")]
use crate::ipv4::{Found, Ipv4};
use crate::limits::{ANSWER_BUCKETS, CONGESTED_FOR, ETHERNET_FRAME, FRAMES_PER_PASS, SERVICES_MAX};
use crate::service::{Registry, ServiceId, Services, Spec};
#[cfg(feature = "dhcp")]
use crate::slot::to_smoltcp;
use crate::slot::{Phase, Slot, to_core};
use crate::storage::Storage;
#[cfg(feature = "recovery")]
use crate::wire::without_super_frames;
use crate::wire::{Inward, Nowhere, longest_frame, steered_capabilities};
use crate::world::World;

/// A server on a network device: any sessions, behind a backlog, at a cost that does not grow with their number.
///
/// Call [`poll`](Self::poll) when a frame has arrived, when the world has news (a store finished something, the
/// operator typed a line), and when the time that it returned has come.
pub struct Node<'a, W> {
    ours: EthernetAddress,
    secret: [u8; 16],
    border: Border<'a>,
    capabilities: DeviceCapabilities,
    /// The capabilities that the steered interface sees.
    steered_capabilities: DeviceCapabilities,
    /// All TCP, one socket at a time.
    steered: Interface,
    /// The same for a device without super-frames: what is repeated is sent in segments.
    #[cfg(feature = "recovery")]
    whole: Interface,
    /// How many ICMP errors may leave.
    errors: Bucket,
    /// How many datagrams may leave that are much longer than what they answer, by a hash of whom they go to.
    long_answers: [Bucket; ANSWER_BUCKETS],
    no_sockets: SocketSet<'a>,
    /// Where the answer to a datagram is written before its length is known, and a segment that is to be changed.
    scratch: &'a mut [u8],
    limits: Limits,
    services: Services<'a, W>,
    pools: heapless::Vec<Pool, SERVICES_MAX>,
    slots: &'a mut [Slot<'a>],
    flows: Flows<'a>,
    backlog: Backlog<'a>,
    time_wait: TimeWait<'a>,
    deadlines: Deadlines<'a>,
    /// Slots to be served in this pass, in the order in which they were touched.
    touched: Queue,
    captures: Captures,
    #[cfg(feature = "call")]
    caller: Caller,
    #[cfg(feature = "dhcp")]
    ipv4: Ipv4<'a>,
    /// What of it the border knows.
    #[cfg(feature = "dhcp")]
    found: Option<Found>,
    #[cfg(feature = "multicast")]
    member: Option<Member<'a>>,
    search_at: Option<Instant>,
    stop_by: Option<Instant>,
}

impl<'a, W: World> Node<'a, W> {
    /// A node on `device` with the services of `registry` and the memory that they and `config` ask for. The services are
    /// registered in the counters of `world`, which is what every later call is given.
    pub fn new<M: Storage<'a>>(
        registry: Registry<'a, '_, W, M>,
        config: &Config<'a>,
        device: &mut (impl Device + ?Sized),
        world: &mut W,
        now: Instant,
    ) -> Self {
        let Registry {
            services,
            capture,
            storage,
            #[cfg(feature = "multicast")]
            member,
        } = registry;
        let (pools, slots) = pool::make(&services, &config.limits, storage);
        let counters = world.counters();
        counters.sessions_max = slots.len();
        for service in &services {
            counters.register(service.spec().name);
        }
        let capabilities = device.capabilities();
        let offered = capture.and_then(|ServiceId(index)| {
            let (service, pool) = (services.get(index)?, pools.get(index)?);
            Some((index, service.spec().port, pool.slots()))
        });
        let whole_checksums = capabilities.checksum.tcp.tx();
        let captures = Captures::new(offered, whole_checksums, config.started_at);
        let steered_capabilities = steered_capabilities(&capabilities);
        #[cfg(feature = "dhcp")]
        let ipv4 = Ipv4::new(config, to_core(now));
        let seed = u64::from_ne_bytes(*config.secret.first_chunk().unwrap_or(&[0; 8]));
        Self {
            ours: config.mac,
            secret: config.secret,
            border: Border::new(
                config,
                capabilities.checksum.clone(),
                #[cfg(feature = "multicast")]
                member.as_ref().map(|member| member.address),
            ),
            steered: interface(seed, &steered_capabilities, now),
            #[cfg(feature = "recovery")]
            whole: interface(seed, &without_super_frames(&steered_capabilities), now),
            errors: Bucket::default(),
            long_answers: [Bucket::default(); ANSWER_BUCKETS],
            no_sockets: SocketSet::new(&mut [][..]),
            scratch: storage.bytes(longest_frame(&capabilities)),
            flows: Flows::new(slots.len(), config.secret, storage),
            backlog: Backlog::new(config.backlog, storage),
            time_wait: TimeWait::new(config.time_wait, config.limits.time_wait, storage),
            deadlines: Deadlines::new(slots.len(), storage),
            #[cfg(feature = "call")]
            caller: Caller::new(config),
            #[cfg(feature = "multicast")]
            member,
            capabilities,
            steered_capabilities,
            limits: config.limits,
            services,
            pools,
            slots,
            touched: Queue::default(),
            captures,
            #[cfg(feature = "dhcp")]
            found: ipv4.found(),
            #[cfg(feature = "dhcp")]
            ipv4,
            search_at: None,
            stop_by: None,
        }
    }

    /// The service that has `port`, if any has.
    pub fn service_at(&self, port: u16) -> Option<ServiceId> {
        let place = self
            .services
            .iter()
            .position(|service| service.spec().port == port);
        place.map(ServiceId)
    }

    /// What it serves, in the order of registration.
    pub fn services(&self) -> impl Iterator<Item = &'static Spec> {
        self.services.iter().map(|service| service.spec())
    }

    /// Takes in what has arrived (a bounded number of frames), serves every slot that has something to do, sends
    /// what can be sent, and returns when it wants to be called again; `None`: when a frame or news come.
    pub fn poll<D: Device + ?Sized>(
        &mut self,
        now: Instant,
        device: &mut D,
        world: &mut W,
    ) -> Option<Instant> {
        if self.stop_by.is_some_and(|by| by <= now) {
            self.end_sessions(now, world, |_| true);
            self.reset_unended(now, world);
        }
        self.captures.pass_at(now);
        let mut frames = 0_usize;
        while frames < FRAMES_PER_PASS
            && let Some((frame, answer)) = device.receive(now)
        {
            add(&mut world.counters().frames_in, 1);
            frame.consume(|frame| {
                frames = frames.saturating_add(frame.len().div_ceil(ETHERNET_FRAME).max(1));
                self.take_in(frame, answer, now, world);
            });
        }
        #[cfg(feature = "dhcp")]
        self.go_on_searching(now, device, world);
        self.hear_news(world);
        while let Some(slot) = self.deadlines.take_due(now) {
            self.touch(slot);
        }
        self.make_room(now, world);
        let congested = self.serve_touched(now, device, world);
        self.admit_held(now, device, world);
        #[cfg(feature = "call")]
        self.go_on_calling(now, device, world);
        #[cfg(feature = "multicast")]
        let speaks_at = self.speak_to_group(now, device, world);
        // What a session has just said, others have not heard.
        self.hear_news(world);
        if frames >= FRAMES_PER_PASS || (self.touched.len > 0 && !congested) {
            return Some(now);
        }
        let mut next = congested.then(|| now + millis(CONGESTED_FOR));
        next = earlier(next, self.deadlines.next());
        next = earlier(next, self.search_at);
        next = earlier(next, self.stop_by.filter(|by| *by > now));
        #[cfg(feature = "call")]
        {
            next = earlier(next, self.caller.poll_at());
        }
        #[cfg(feature = "dhcp")]
        {
            // What is overdue waits for the device.
            let at = self.ipv4.poll_at().map(to_smoltcp);
            next = earlier(next, at.map(|at| at.max(now + millis(CONGESTED_FOR))));
        }
        #[cfg(feature = "multicast")]
        {
            next = earlier(next, speaks_at);
        }
        next
    }

    /// The caller's clock stood still for so long: frames are captured later than it says.
    pub fn stood_still(&mut self, time: smoltcp::time::Duration) {
        self.captures.stood_still(time);
    }

    /// Ends every connection in order: each session hears [`Over::Stopped`], each peer gets what it is owed and
    /// FIN, or RST where that does not fit into its window in time. Go on calling [`poll`](Self::poll) until
    /// [`is_stopped`](Self::is_stopped).
    pub fn stop(&mut self, now: Instant, world: &mut W) {
        self.stop_by = Some(now + millis(self.limits.stop_within));
        #[cfg(feature = "call")]
        self.stop_calling(world);
        // Who has been sent everything, FIN included, may still acknowledge it.
        self.end_sessions(now, world, |slot| !slot.is_closing());
        #[cfg(feature = "multicast")]
        self.leave_group(now);
    }

    /// Resets the connections whose FIN has not left in the time that it had: their peers have no room for what comes before
    /// it, and would wait for an end that nobody is left to send.
    fn reset_unended(&mut self, now: Instant, world: &mut W) {
        for index in 0..self.slots.len() {
            let unended =
                |slot: &&mut Slot<'a>| matches!(slot.phase, Phase::Ended { .. }) && !slot.sent.has_fin();
            let Some(slot) = self.slots.get_mut(index).filter(unended) else {
                continue;
            };
            let session = self
                .services
                .get_mut(slot.service)
                .and_then(|s| s.session(slot.place));
            if let Some(session) = session {
                slot.abort(session, Over::Stopped, to_core(now), world);
                self.touch(index);
            }
        }
    }

    /// Ends the sessions that are still alive in some of the slots.
    fn end_sessions(&mut self, now: Instant, world: &mut W, which: impl Fn(&Slot<'a>) -> bool) {
        for index in 0..self.slots.len() {
            let Some(slot) = self.slots.get_mut(index).filter(|slot| which(slot)) else {
                continue;
            };
            let session = self
                .services
                .get_mut(slot.service)
                .and_then(|s| s.session(slot.place));
            if let (Phase::Opening | Phase::Open { .. }, Some(session)) = (slot.phase, session) {
                slot.end(session, Over::Stopped, to_core(now), world);
                self.touch(index);
            }
        }
    }

    /// Whether every connection has ended since [`stop`](Self::stop), or had its time to.
    pub fn is_stopped(&self, now: Instant) -> bool {
        #[cfg(feature = "multicast")]
        let is_silent = self.has_left_group();
        #[cfg(not(feature = "multicast"))]
        let is_silent = true;
        let ended = || {
            is_silent && self.backlog.is_empty() && self.slots.iter().all(|slot| slot.phase == Phase::Free)
        };
        self.stop_by.is_some_and(|by| by <= now || ended())
    }

    /// Touches the slots of every service for whose sessions the world has news.
    fn hear_news(&mut self, world: &mut W) {
        while let Some(slots) = self.next_news(world) {
            for slot in slots {
                self.touch_open(slot);
            }
        }
        self.count_captured(world);
    }

    /// The slots of a service for whose sessions there is news; each news is told once.
    fn next_news(&mut self, world: &W) -> Option<Range<usize>> {
        let mut pools = self.services.iter().zip(self.pools.iter_mut());
        pools.find_map(|(service, pool)| {
            let revision = service.revision(world);
            let is_new = mem::replace(&mut pool.revision, revision) != revision;
            is_new.then(|| pool.slots())
        })
    }

    /// Counts what was recorded, and touches the capture connections, whose bytes they are.
    fn count_captured(&mut self, world: &mut W) {
        let Captured { bytes, lost } = mem::take(&mut self.captures.tally);
        let counters = world.counters();
        add(&mut counters.capture_lost, lost);
        if bytes == 0 {
            return;
        }
        counters.service(self.captures.service, |count| add(&mut count.bytes_out, bytes));
        for slot in self.captures.slots.clone() {
            self.touch_open(slot);
        }
    }
}

fn flow_of(slots: &[Slot<'_>], index: usize) -> Option<Flow> {
    slots.get(index)?.flow
}

fn millis(length: r2_core::time::Duration) -> smoltcp::time::Duration {
    smoltcp::time::Duration::from_millis(length.as_millis())
}

/// The interface of the steered side. It takes every packet for its own: the gate has looked whose it is.
fn interface(seed: u64, capabilities: &DeviceCapabilities, now: Instant) -> Interface {
    let mut config = iface::Config::new(HardwareAddress::Ip);
    config.random_seed = seed;
    let mut nowhere = Inward::<Nowhere> {
        received: None,
        answer: None,
        header: None,
        frames_out: &mut 0,
        capabilities,
    };
    let mut interface = Interface::new(config, &mut nowhere, now);
    interface.set_any_ip(true);
    interface
}
