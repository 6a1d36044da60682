//! [`R2`]: a node and its world, without a link and without anybody who types.

use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::AsFd;
use std::path::Path;
use std::time::{Duration, SystemTime};

use r2_core::chat::{Room, Seat};
use r2_disk::{DiskStore, Limits};
use r2_links::pcap::{Tee, unix_time};
use r2_links::server::{Served, Server, Workers};
use r2_links::{Leaked, Link, ethernet_address};
use r2_node::node::Node;
use r2_node::service::{Registry, Spec};
use r2_node::{Config, Counters, Limits as Times, Size, Storage};
use r2_services::{About, Plan, Shared};
use smoltcp::phy::Device;
use smoltcp::time::Instant;
use smoltcp::wire::IpCidr;

use super::{Options, Refusal, name};
use crate::plan::plan;
use crate::services;

/// Bytes of the last chat lines: hundreds of them, for peers that lag.
const ROOM: usize = 256 * 1024;

/// A node that serves all that R2 has, and the world of its sessions: a room for chat, a store on a folder.
pub struct R2 {
    /// What all sessions share.
    pub world: Shared<'static, DiskStore>,
    pub(super) node: Node<'static, Shared<'static, DiskStore>>,
}

impl R2 {
    /// Opens everything that can be refused, the link for these services first, and takes all memory.
    pub fn start<L: Link>(
        options: &Options,
        open: impl FnOnce(&[(Spec, Size)]) -> Result<L, Refusal>,
    ) -> Result<Server<Self, L>, Refusal> {
        let plan = plan(options.sessions.into());
        let mut memory = Leaked;
        let mut registry = Registry::new(&mut memory);
        // As small as R2's own services of questions and answers.
        r2_services::register(&mut registry, &plan)
            .and_then(|()| services::register(&mut registry, &options.with, plan.secret))
            .map_err(Refusal::at_start)?;
        let offers: Vec<_> = registry.offers().collect();
        let link = open(&offers)?;
        if link.addresses().is_none() {
            registry.join(name::GROUP, name::responder(&options.hostname, &offers)?);
        }
        let limits = Limits {
            file: options.max_file.unwrap_or(u64::MAX),
            store: options.max_store.unwrap_or(u64::MAX),
            ..Limits::default()
        };
        let store = DiskStore::open(&options.store, limits).map_err(Refusal::at_start)?;
        let hosts = link.addresses().and_then(|hosts| hosts.first());
        let address = hosts
            .copied()
            .or(options.ipv4().map(|cidr| cidr.address().into()));
        let link = tee(link, options.pcap.as_deref())?;
        Server::start(link, |link| {
            let config = config(options, &plan, link.device(), SystemTime::now())?;
            let seats = Leaked.slice(plan.chat.connections, |_| Seat::default());
            let room = Room::new(Leaked.bytes(ROOM), seats, &options.name, &options.peer_name)
                .map_err(|_| Refusal::at_start("--name and --peer-name must be different names"))?;
            let about = About {
                version: env!("CARGO_PKG_VERSION"),
                board: "host",
                address: address.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)).into(),
                stack_high_water: None,
            };
            let mut world = Shared {
                room,
                store,
                counters: Counters::default(),
                about,
            };
            let node = Node::new(registry, &config, link, &mut world, Instant::ZERO);
            Ok(Self { world, node })
        })
    }

    /// What it serves.
    pub fn services(&self) -> impl Iterator<Item = Spec> {
        self.node.services().copied()
    }
}

impl Served for R2 {
    fn poll(&mut self, now: Instant, device: &mut impl Device) -> Option<Instant> {
        self.node.poll(now, device, &mut self.world)
    }

    fn counters(&mut self) -> &mut Counters {
        &mut self.world.counters
    }

    fn stop(&mut self, now: Instant) {
        self.node.stop(now, &mut self.world);
    }

    fn is_stopped(&self, now: Instant) -> bool {
        self.node.is_stopped(now)
    }

    fn stood_still(&mut self, time: Duration) {
        self.node.stood_still(time.into());
    }

    fn workers(&self) -> Workers<'_> {
        let store = &self.world.store;
        Workers {
            news: Some(store.as_fd()),
            working: store.is_working(),
            gathered: store.has_gathered(),
        }
    }

    fn take_work(&mut self, quiet: bool) {
        if quiet {
            self.world.store.flush();
        }
        self.world.store.poll_completions();
    }
}

/// `link`, and a capture of it where one is wished.
fn tee<L: Link>(link: L, pcap: Option<&Path>) -> Result<Tee<L>, Refusal> {
    Tee::new(link, pcap).map_err(|error| {
        let path = pcap.unwrap_or("the pcap file".as_ref()).display();
        Refusal::at_start(format!(
            "cannot write {path}: {error}; choose another with --pcap"
        ))
    })
}

/// The node's addresses and secrets.
fn config(
    options: &Options,
    plan: &Plan,
    link: &impl Link,
    started_at: SystemTime,
) -> Result<Config<'static>, Refusal> {
    let mut secret = [0; 16];
    getrandom::fill(&mut secret)
        .map_err(|error| Refusal::at_start(format!("the system gives no random numbers: {error}")))?;
    let gateway = match options.gateway {
        None => None,
        Some(IpAddr::V4(gateway)) => Some(gateway),
        Some(IpAddr::V6(_)) => return Err(Refusal::at_start("--gateway takes an IPv4 address")),
    };
    let allow: &'static [IpCidr] = options.allow.clone().leak();
    let ipv4 = options.ipv4();
    let addresses = [ipv4.map(IpCidr::from), options.ip6.map(IpCidr::from)];
    let addresses: &'static [IpCidr] = addresses.into_iter().flatten().collect::<Vec<_>>().leak();
    let mac = ipv4.map_or_else(
        || link.own_ethernet_address(),
        |cidr| Some(ethernet_address(cidr.address())),
    );
    let hostname: &'static str = options.hostname.clone().leak();
    Ok(Config {
        mac: mac.ok_or_else(|| Refusal::at_start("--ip dhcp needs a TAP: use --link tap:NAME"))?,
        addresses,
        dhcp: ipv4.is_none().then_some(hostname),
        gateway,
        allow,
        secret,
        started_at: unix_time(started_at),
        backlog: plan.backlog,
        time_wait: plan.time_wait,
        limits: Times::DEFAULT,
    })
}
