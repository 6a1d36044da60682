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
use r2_sim::simulation::ram_store;
use r2_sim::wire::Frame;
use r2_tests::slow::Slow;
use smoltcp::time::{Duration, Instant};

use super::KNOWN;
use super::check::{self, Found};
use super::datagrams::{self, Question};
use super::memory::Uncounted;
use super::net::Net;
use super::peer::Peer;
use super::planted::Bug;
use super::rest::Watch;
use super::scenario::{Role, Scenario};
use super::shelf::{self, Arena, Power, Shelf};
use super::stranger::Throw;
use super::twist::twisted;

/// How long a run may take, of its own time: many of the longest time-outs, one after the other.
const RUN: Duration = Duration::from_secs(3_600);

/// How long peers that are done still acknowledge: their TIME-WAIT, and a little.
const LINGERS: Duration = Duration::from_secs(12);

/// How long R2 keeps a connection whose peer is gone, and a little.
const FORGETS: Duration = Duration::from_secs(200);

/// What may happen at one moment before it is called endless.
const TURNS_AT_ONCE: usize = 20_000;

/// How many events a run may have before it is called endless.
const EVENTS: usize = 200_000;

/// The least that the clock moves.
const TICK: Duration = Duration::from_micros(1);

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
    if !KNOWN.contains(&seed) {
        scenario.widen(&mut Rng::with_seed(!seed));
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
}

impl<'a, S: Store + 'a> Run<'a, S> {
    fn live(mut self) -> Outcome {
        let mut wrong = Vec::new();
        self.pass(RUN, true, &mut wrong);
        let done = self.now;
        self.pass(LINGERS, false, &mut wrong);
        for (index, peer) in self.peers.iter().enumerate() {
            if !peer.is_done() && !self.power.is_off() && !self.greedy {
                wrong.push(format!("peer {index} waits for ever"));
            }
        }
        // Everybody is gone.
        for peer in &mut self.peers {
            peer.unplugged = true;
        }
        self.pass(FORGETS, false, &mut wrong);
        // The host's store and the bugs take memory of their own.
        if self.allocations > 0 && !self.power.allocates() && self.bug.is_none() {
            wrong.push(format!("the node has allocated {} times", self.allocations));
        }
        let crashed = self.power.is_off();
        let files = if crashed {
            self.power.survivors(&mut self.rng)
        } else {
            self.close(&mut wrong)
        };
        let found = Found {
            files,
            crashed,
            calm: self.net.weather.lost == 0 && self.net.weather.damaged == 0,
            shrunk: self.greedy,
            gave_way: self.world.counters.services().iter().any(|it| it.refused > 0),
            console: &self.console,
        };
        check::all(&self.roles, &self.peers, &found, &mut wrong);
        datagrams::all(
            &self.asked,
            &self.to_stranger,
            &self.net.weather,
            !crashed,
            &mut wrong,
        );
        Outcome {
            digest: self.net.digest,
            wrong,
            done,
        }
    }

    /// Whatever R2 has held for its peers must be free. The files that it keeps.
    fn close(&mut self, wrong: &mut Vec<String>) -> Vec<(String, Vec<u8>)> {
        if self.world.counters.sessions_open > 0 {
            wrong.push(format!("{} sessions are open", self.world.counters.sessions_open));
        }
        self.node.stop(self.now, &mut self.world);
        if !self.node.is_stopped(self.now) {
            wrong.push("a slot is taken for ever".into());
        }
        let files = check::files_of(&mut self.world.store);
        let tickets = std::iter::from_fn(|| self.world.store.claim()).count();
        let all = self.power.tickets();
        if tickets != all {
            wrong.push(format!("{tickets} of {all} tickets came back"));
        }
        files
    }

    /// Lets so much time pass, or less where `until_done` and nobody has anything left to do.
    fn pass(&mut self, time: Duration, until_done: bool, wrong: &mut Vec<String>) {
        let end = self.now + time;
        for _ in 0..EVENTS {
            let next = self.settle(wrong);
            let done = until_done && self.peers.iter().all(Peer::is_done);
            if done || self.power.is_off() || self.now >= end {
                return;
            }
            self.now = next.unwrap_or(end).max(self.now + TICK).min(end);
        }
        wrong.push(format!("too much happens until {}", self.now));
    }

    /// Lets everything happen that can happen now; when the next thing will.
    fn settle(&mut self, wrong: &mut Vec<String>) -> Option<Instant> {
        for _ in 0..TURNS_AT_ONCE {
            let mut moved = self.turn_of_the_clock();
            while let Some(frame) = self.net.arrived(self.now) {
                self.arrives(frame);
                moved = true;
            }
            if self.node_next.is_some_and(|at| at <= self.now) {
                self.poll_node();
                moved = true;
            }
            for index in 0..self.peers.len() {
                moved |= self.peers[index].turn(self.now);
                while let Some(frame) = self.peers[index].wire.leaving.pop_front() {
                    if self.twisted {
                        for frame in twisted(frame, &mut self.rng) {
                            self.net.send(self.now, frame);
                        }
                    } else {
                        self.net.send(self.now, frame);
                    }
                }
            }
            if !moved {
                self.look_for_rest(wrong);
                return self.next();
            }
            if self.power.is_off() {
                return None;
            }
        }
        wrong.push(format!("R2 and its peers never come to rest at {}", self.now));
        self.next()
    }

    /// Looks for connections in which nothing goes on though R2 owes something, and the peer is there to take it.
    fn look_for_rest(&mut self, wrong: &mut Vec<String>) {
        for (index, (watch, peer)) in self.watches.iter_mut().zip(&self.peers).enumerate() {
            if watch.rests(self.now) && !peer.unplugged && !peer.broke_off {
                wrong.push(format!(
                    "R2 owes peer {index} something, and rests at {}",
                    self.now
                ));
                *watch = Watch::new();
            }
        }
    }

    fn next(&mut self) -> Option<Instant> {
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
