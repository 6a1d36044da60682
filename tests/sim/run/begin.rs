//! The beginning of a run: R2 is switched on, with a bug or without.

use bumpalo::Bump;
use fastrand::Rng;
use r2_core::chat;
use r2_core::session::Session;
use r2_core::store::Store;
use r2_node::service::Registry;
use r2_node::{ServeError, Size};
use r2_services::{CHAT, Plan, Shared, register};
use r2_sim::simulation::boot;
use r2_tests::slow::Slow;
use smoltcp::time::Instant;

use super::super::memory::Uncounted;
use super::super::net::Net;
use super::super::planted::{self, Bug};
use super::super::rest::Watch;
use super::super::scenario::Scenario;
use super::super::shelf::{Arena, Power};
use super::Run;

/// The bytes of the chat's ring: what comes from all peers at one moment fits, so that R2's operator misses nothing.
const RING: usize = 64 * 1024;

impl<'a, S: Store + 'a> Run<'a, S> {
    pub(super) fn begin(
        scenario: Scenario,
        mut rng: Rng,
        bug: Option<Bug>,
        store: S,
        power: Power,
        memory: &'a Bump,
    ) -> Self {
        let mut r2 = Uncounted::default();
        let plan = scenario.plan;
        let mut secret = [0; 16];
        rng.fill(&mut secret);
        let (node, mut world) = boot(
            &plan,
            secret,
            &mut r2,
            RING,
            Slow::new(store),
            &mut Arena(memory),
            |registry| serve(registry, &plan, bug),
        );
        let mut operator = chat::Peer::host();
        operator.opened(r2_core::time::Instant::default(), &mut world.room);
        Self {
            now: Instant::ZERO,
            node,
            world,
            r2,
            node_next: None,
            net: Net::new(scenario.weather, rng.fork()),
            edges: vec![None; scenario.peers.len()],
            watches: scenario.peers.iter().map(|_| Watch::new()).collect(),
            peers: scenario.peers,
            roles: scenario.roles,
            greedy: scenario.greedy,
            twisted: scenario.twisted,
            narrow: scenario.narrow,
            bug,
            operator,
            console: Vec::new(),
            typed: scenario.typed.into(),
            thrown: scenario.thrown.into(),
            asked: scenario.asked,
            to_stranger: Vec::new(),
            stalls: scenario.stalls.into(),
            stalled: false,
            power,
            rng,
            allocations: 0,
            wrong: Vec::new(),
        }
    }
}

/// R2's services; with the bug, a chat that believes every label.
fn serve<'a, S: Store + 'a>(
    registry: &mut Registry<'a, '_, Shared<'a, S>, Arena<'a>>,
    plan: &Plan,
    bug: Option<Bug>,
) -> Result<(), ServeError> {
    if bug != Some(Bug::LabelUnchecked) {
        return register(registry, plan);
    }
    registry.serve(
        &CHAT,
        plan.chat,
        planted::Trusting::default,
        |world| &mut world.room,
        |world| world.room.revision(),
    )?;
    let chat = Size {
        connections: 0,
        ..plan.chat
    };
    register(registry, &Plan { chat, ..*plan })
}
