//! A run: R2's node with all its services, the wires and the peers, under a clock that jumps from event to event.

mod begin;
mod frames;

use std::collections::VecDeque;

use bumpalo::Bump;
use fastrand::Rng;
use r2_core::chat;
use r2_core::session::Session;
use r2_core::store::Store;
use r2_node::Node;
use r2_services::Shared;
use r2_sim::event_loop::EventLoop;
use r2_sim::simulation::ram_store;
use r2_sim::wire::Frame;
use r2_tests::slow::Slow;
use smoltcp::time::{Duration, Instant};

use super::check::{self, Found};
use super::datagrams::{self, Question};
use super::kept;
use super::memory::Uncounted;
use super::net::Net;
use super::peer::Peer;
use super::planted::Bug;
use super::rest::Watch;
use super::scenario::{Role, Scenario};
use super::shelf::{self, Arena, Power, Shelf};
use super::stranger::Throw;
use super::twist::{Narrow, twisted};

/// How long a run may take, of its own time: many of the longest time-outs, one after the other.
const RUN: Duration = Duration::from_secs(3_600);

/// How long peers that are done still acknowledge: their TIME-WAIT, and a little.
const LINGERS: Duration = Duration::from_secs(12);

/// How long R2 keeps a connection whose peer is gone, and a little.
const FORGETS: Duration = Duration::from_secs(200);

/// What is to be seen of a run from outside.
pub(super) struct Outcome {
    /// What was carried, and when: equal for equal runs.
    pub(super) digest: u64,
    /// What R2 did wrong; empty is right.
    pub(super) wrong: Vec<String>,
    /// When the last peer was done.
    pub(super) done: Instant,
}

/// Lives the run of a seed, with a bug or without.
pub(super) fn run(seed: u64, bug: Option<Bug>) -> Outcome {
    let mut rng = Rng::with_seed(seed);
    let mut scenario = Scenario::of(&mut rng);
    if kept::scenarios_of(seed) >= 2 {
        scenario.widen(&mut Rng::with_seed(!seed));
    }
    if kept::scenarios_of(seed) >= 3 {
        scenario.narrow(&mut Rng::with_seed(seed.swap_bytes()));
    }
    live(scenario, rng, bug)
}

/// Lives a scenario.
pub(super) fn live(scenario: Scenario, mut rng: Rng, bug: Option<Bug>) -> Outcome {
    let memory = Bump::new();
    match scenario.shelf {
        Shelf::Ram => {
            let store = ram_store(128 * 1024, 32, &mut Arena(&memory));
            Run::begin(scenario, rng, bug, store, Power::Safe, &memory).live()
        }
        Shelf::Disk(crash) => {
            let (store, power) = shelf::disk(crash, bug == Some(Bug::SyncSkipped));
            Run::begin(scenario, rng, bug, store, power, &memory).live()
        }
        Shelf::Flash(cut) => {
            let (store, power) = shelf::flash(cut, &memory, &mut rng);
            Run::begin(scenario, rng, bug, store, power, &memory).live()
        }
    }
}

struct Run<'a, S: Store> {
    now: Instant,
    node: Node<'a, Shared<'a, Slow<S>>>,
    world: Shared<'a, Slow<S>>,
    r2: Uncounted,
    node_next: Option<Instant>,
    net: Net,
    peers: Vec<Peer>,
    roles: Vec<Role>,
    greedy: bool,
    twisted: bool,
    narrow: Vec<Option<Narrow>>,
    bug: Option<Bug>,
    /// The end of the window that R2 has shown to each peer, and of what it has sent it.
    edges: Vec<Option<(u32, u32)>>,
    watches: Vec<Watch>,
    operator: chat::Peer,
    console: Vec<u8>,
    typed: VecDeque<(Instant, String)>,
    thrown: VecDeque<(Instant, Throw)>,
    asked: Vec<Question>,
    /// What R2 has sent to the stranger, who hears nothing of it.
    to_stranger: Vec<Frame>,
    stalls: VecDeque<Instant>,
    stalled: bool,
    power: Power,
    rng: Rng,
    /// What the node has allocated since its start.
    allocations: u64,
    /// What R2 has done wrong so far.
    wrong: Vec<String>,
}

impl<'a, S: Store + 'a> Run<'a, S> {
    fn live(mut self) -> Outcome {
        self.pass(RUN, true);
        let done = self.now;
        self.pass(LINGERS, false);
        for (index, peer) in self.peers.iter().enumerate() {
            if !peer.is_done() && !self.power.is_off() && !self.greedy {
                self.wrong.push(format!("peer {index} waits for ever"));
            }
        }
        // Everybody is gone.
        for peer in &mut self.peers {
            peer.unplugged = true;
        }
        self.pass(FORGETS, false);
        // The host's store and the bugs take memory of their own.
        if self.allocations > 0 && !self.power.allocates() && self.bug.is_none() {
            self.wrong
                .push(format!("the node has allocated {} times", self.allocations));
        }
        let crashed = self.power.is_off();
        let files = if crashed {
            self.power.survivors(&mut self.rng)
        } else {
            self.close()
        };
        let found = Found {
            files,
            crashed,
            calm: self.net.weather.lost == 0 && self.net.weather.damaged == 0,
            shrunk: self.greedy,
            gave_way: self.world.counters.services().iter().any(|it| it.refused > 0),
            console: &self.console,
        };
        check::all(&self.roles, &self.peers, &found, &mut self.wrong);
        datagrams::all(
            &self.asked,
            &self.to_stranger,
            &self.net.weather,
            !crashed,
            &mut self.wrong,
        );
        Outcome {
            digest: self.net.digest,
            wrong: self.wrong,
            done,
        }
    }

    /// Whatever R2 has held for its peers must be free. The files that it keeps.
    fn close(&mut self) -> Vec<(String, Vec<u8>)> {
        if self.world.counters.sessions_open > 0 {
            self.wrong
                .push(format!("{} sessions are open", self.world.counters.sessions_open));
        }
        self.node.stop(self.now, &mut self.world);
        if !self.node.is_stopped(self.now) {
            self.wrong.push("a slot is taken for ever".into());
        }
        let files = check::files_of(&mut self.world.store);
        let tickets = std::iter::from_fn(|| self.world.store.claim()).count();
        let all = self.power.tickets();
        if tickets != all {
            self.wrong.push(format!("{tickets} of {all} tickets came back"));
        }
        files
    }

    /// Lets so much time pass, or less where `until_done` and nobody has anything left to do, or the power goes off.
    fn pass(&mut self, time: Duration, until_done: bool) {
        let passed = self.run_until(self.now + time, |run| {
            run.power.is_off() || until_done && run.peers.iter().all(Peer::is_done)
        });
        if let Err(endless) = passed {
            self.wrong.push(endless.to_string());
        }
    }

    /// Lets each peer do what it can do now; whether anything moved.
    fn turn_of_peers(&mut self) -> bool {
        let mut moved = false;
        for (peer, narrow) in self.peers.iter_mut().zip(&self.narrow) {
            moved |= peer.turn(self.now);
            while let Some(mut frame) = peer.host.wire.leaving.pop_front() {
                if let Some(narrow) = narrow {
                    frame = narrow.narrowed(self.now, frame);
                }
                if self.twisted {
                    for frame in twisted(frame, &mut self.rng) {
                        self.net.send(self.now, frame);
                    }
                } else {
                    self.net.send(self.now, frame);
                }
            }
        }
        moved
    }

    /// Looks for connections in which nothing goes on though R2 owes something, and the peer is there to take it.
    fn look_for_rest(&mut self) {
        for (index, (watch, peer)) in self.watches.iter_mut().zip(&self.peers).enumerate() {
            if watch.rests(self.now) && !peer.unplugged && !peer.broke_off {
                self.wrong.push(format!(
                    "R2 owes peer {index} something, and rests at {}",
                    self.now
                ));
                *watch = Watch::new();
            }
        }
    }

    /// What the scenario lets happen now.
    fn turn_of_the_clock(&mut self) -> bool {
        let mut moved = false;
        while self.stalls.front().is_some_and(|at| *at <= self.now) {
            self.stalls.pop_front();
            self.stalled = !self.stalled;
            self.world.store.stall(self.stalled);
            moved = true;
        }
        while let Some((_, line)) = self.typed.front().filter(|it| it.0 <= self.now) {
            let line = format!("{line}\n");
            let now = r2_core::time::Instant::default();
            self.operator.receive(now, line.as_bytes(), &mut self.world.room);
            self.typed.pop_front();
            moved = true;
        }
        if moved {
            self.poll_node();
        }
        while self.thrown.front().is_some_and(|it| it.0 <= self.now) {
            let throw = self.thrown.pop_front();
            self.throw(throw.expect("one is at the front").1);
            moved = true;
        }
        moved
    }
}

impl<'a, S: Store + 'a> EventLoop for Run<'a, S> {
    fn clock(&mut self) -> &mut Instant {
        &mut self.now
    }

    fn turn(&mut self) -> bool {
        let mut moved = self.turn_of_the_clock();
        while let Some(frame) = self.net.arrived(self.now) {
            self.arrives(frame);
            moved = true;
        }
        if self.node_next.is_some_and(|at| at <= self.now) {
            self.poll_node();
            moved = true;
        }
        moved |= self.turn_of_peers();
        moved && !self.power.is_off()
    }

    fn next_event(&mut self) -> Option<Instant> {
        if self.power.is_off() {
            return None;
        }
        self.look_for_rest();
        let now = self.now;
        let peers = self.peers.iter_mut().filter_map(|peer| peer.poll_at(now)).min();
        let own = [
            self.stalls.front().copied(),
            self.typed.front().map(|it| it.0),
            self.thrown.front().map(|it| it.0),
        ];
        [self.net.poll_at(), self.node_next, peers]
            .into_iter()
            .chain(own)
            .flatten()
            .min()
    }
}
