//! No carrier at all: slices, handed to the session.

use std::collections::VecDeque;

use r2_core::session::{Over, Session, Wants};
use r2_core::time::{Duration, Instant};

use super::inside::{AnySession, World};
use super::{Carrier, End, Inside, Peer, Service};

/// What a peer has room for that does not read: chargen owes it for ever.
const WINDOW: usize = 256 * 1024;

/// Sessions in memory, offered pieces of a set size and rooms of a set size.
pub struct Memory {
    world: World,
    now: Instant,
    split: usize,
    room: usize,
    links: Vec<Link>,
}

struct Link {
    session: AnySession,
    said: VecDeque<u8>,
    heard: VecDeque<u8>,
    peer_finished: bool,
    told: bool,
    ours: Option<End>,
    over: bool,
}

impl Memory {
    /// An empty R2, which is offered `split` bytes at a time and given `room` for answers.
    pub fn new(split: usize, room: usize) -> Self {
        Self {
            world: World::new(),
            now: Instant::default(),
            split,
            room,
            links: Vec::new(),
        }
    }

    /// Lets everything happen that can happen now.
    fn settle(&mut self) {
        loop {
            let revision = self.world.revision();
            let mut moved = false;
            for link in &mut self.links {
                moved |= link.step(self.now, self.split, self.room, &mut self.world);
            }
            if !moved && revision == self.world.revision() {
                return;
            }
        }
    }
}

impl Link {
    fn step(&mut self, now: Instant, split: usize, room: usize, world: &mut World) -> bool {
        if self.over {
            return false;
        }
        let rx: Vec<u8> = self.said.iter().copied().take(split).collect();
        let taken = if rx.is_empty() {
            0
        } else {
            self.session.receive(now, &rx, world)
        };
        self.said.drain(..taken);
        let finishes = self.said.is_empty() && self.peer_finished && !self.told;
        if finishes {
            self.told = true;
            self.session.finished(now, world);
        }
        let mut tx = vec![0; room.min(WINDOW - self.heard.len())];
        let count = self.session.transmit(now, &mut tx, world);
        assert!(count == 0 || self.ours.is_none(), "bytes behind FIN");
        self.heard.extend(&tx[..count]);
        match self.session.wants() {
            Wants::Nothing => {}
            Wants::Close => self.ours = Some(End::Fin),
            Wants::Abort => {
                self.ours = Some(End::Reset);
                self.end(now, Over::Stopped, world);
            }
        }
        taken + count > 0 || finishes
    }

    fn end(&mut self, now: Instant, how: Over, world: &mut World) {
        if !self.over {
            self.over = true;
            self.session.over(now, how, world);
        }
    }
}

impl Carrier for Memory {
    fn connect(&mut self, service: Service) -> Peer {
        let mut session = AnySession::of(service);
        session.opened(self.now, &mut self.world);
        self.links.push(Link {
            session,
            said: VecDeque::new(),
            heard: VecDeque::new(),
            peer_finished: false,
            told: false,
            ours: None,
            over: false,
        });
        Peer(self.links.len() - 1)
    }

    fn send(&mut self, peer: Peer, bytes: &[u8]) {
        self.links[peer.0].said.extend(bytes);
        self.settle();
    }

    fn half_close(&mut self, peer: Peer) {
        self.links[peer.0].peer_finished = true;
        self.settle();
    }

    fn reset(&mut self, peer: Peer) {
        self.links[peer.0].end(self.now, Over::Reset, &mut self.world);
        self.settle();
    }

    fn read(&mut self, peer: Peer, count: usize) -> Vec<u8> {
        self.settle();
        let heard = &mut self.links[peer.0].heard;
        assert!(
            heard.len() >= count,
            "R2 said only {:?}",
            String::from_utf8_lossy(heard.make_contiguous())
        );
        heard.drain(..count).collect()
    }

    /// Reading R2's FIN acknowledges it.
    fn read_to_end(&mut self, peer: Peer) -> (Vec<u8>, End) {
        self.settle();
        let link = &mut self.links[peer.0];
        let end = link.ours.expect("R2 has not closed");
        if link.told {
            link.end(self.now, Over::Delivered, &mut self.world);
        }
        (link.heard.drain(..).collect(), end)
    }

    fn pass(&mut self, time: Duration) {
        self.now = self.now + time;
        self.settle();
    }
}

impl Inside for Memory {
    fn stall(&mut self, stalled: bool) {
        self.world.store.stall(stalled);
        self.settle();
    }

    fn is_silent(&mut self, peer: Peer) -> bool {
        self.settle();
        self.links[peer.0].heard.is_empty()
    }
}
