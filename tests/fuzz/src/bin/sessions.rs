//! Every session, with a peer's bytes and its driver's decisions: up to three connections to one service.
#![no_main]

use bumpalo::Bump;
use libfuzzer_sys::fuzz_target;
use r2_core::chat::Peer;
use r2_core::diag::{chargen::Chargen, discard::Discard, echo::Echo};
use r2_core::drop::Deposit;
use r2_core::files::Files;
use r2_core::secret::Secret;
use r2_core::session::{Over, Session, Wants};
use r2_core::store::Store;
use r2_core::time::{Duration, Instant};
use r2_fuzz::{Choices, world};

fuzz_target!(|input: &[u8]| {
    let (bump, mut choices) = (Bump::new(), Choices(input));
    let mut world = world(&bump);
    match choices.byte() % 7 {
        0 => play(&mut choices, &mut world.room, Peer::new),
        1 => play(&mut choices, &mut (), Secret::new),
        2 => play(&mut choices, &mut world.store, Deposit::new),
        3 => play(&mut choices, &mut world.store, Files::new),
        4 => play(&mut choices, &mut (), Echo::new),
        5 => play(&mut choices, &mut (), Discard::new),
        _ => play(&mut choices, &mut (), Chargen::new),
    }
    assert!(world.store.claim().is_some(), "a ticket was not given back");
});

struct Connection<S> {
    session: S,
    is_open: bool,
    finished: bool,
    closing: bool,
    waiting: Vec<u8>,
}

fn play<W: ?Sized, S: Session<W>>(choices: &mut Choices<'_>, world: &mut W, new: impl Fn() -> S) {
    let mut now = Instant::default();
    let mut connections: Vec<_> = (0..3)
        .map(|_| Connection {
            session: new(),
            is_open: false,
            finished: false,
            closing: false,
            waiting: Vec::new(),
        })
        .collect();
    while !choices.is_over() {
        let choice = choices.byte();
        let connection = &mut connections[usize::from(choice >> 6).min(2)];
        let act = choice % 8;
        if !connection.is_open {
            if act == 0 {
                *connection = Connection {
                    session: new(),
                    is_open: true,
                    finished: false,
                    closing: false,
                    waiting: Vec::new(),
                };
                connection.session.opened(now, world);
            }
            continue;
        }
        match act {
            0 => now = now + Duration::from_millis(u64::from(choices.short())),
            1 | 2 if !connection.finished => {
                connection.waiting.extend(choices.piece());
                connection.receive(now, world);
            }
            3 | 4 => connection.transmit(choices.byte().into(), now, world),
            5 => connection.transmit(4096, now, world),
            6 if !connection.finished => {
                for _ in 0..64 {
                    connection.receive(now, world);
                    connection.transmit(4096, now, world);
                }
                if connection.is_open && connection.waiting.is_empty() {
                    connection.finished = true;
                    connection.session.finished(now, world);
                }
            }
            7 => {
                let ends = [
                    Over::Delivered,
                    Over::Reset,
                    Over::TimedOut,
                    Over::Stopped,
                    Over::Unknown,
                ];
                connection.end(ends[usize::from(choices.byte()) % ends.len()], now, world);
            }
            _ => {}
        }
    }
    for connection in &mut connections {
        connection.end(Over::Stopped, now, world);
    }
}

impl<S> Connection<S> {
    fn receive<W: ?Sized>(&mut self, now: Instant, world: &mut W)
    where
        S: Session<W>,
    {
        if self.is_open && !self.waiting.is_empty() {
            let taken = self.session.receive(now, &self.waiting, world);
            assert!(taken <= self.waiting.len(), "took more than it was offered");
            self.waiting.drain(..taken);
            self.look(now, world);
        }
    }

    fn transmit<W: ?Sized>(&mut self, room: usize, now: Instant, world: &mut W)
    where
        S: Session<W>,
    {
        if self.is_open {
            let mut room = [0; 4096][..room].to_vec();
            let filled = self.session.transmit(now, &mut room, world);
            assert!(filled <= room.len(), "filled more than it was given");
            assert!(!self.closing || filled == 0, "sent bytes behind its FIN");
            self.look(now, world);
        }
    }

    fn look<W: ?Sized>(&mut self, now: Instant, world: &mut W)
    where
        S: Session<W>,
    {
        let _ = self.session.poll_at();
        match self.session.wants() {
            Wants::Nothing => assert!(!self.closing, "took its FIN back"),
            Wants::Close => self.closing = true,
            Wants::Abort => self.end(Over::Stopped, now, world),
        }
    }

    fn end<W: ?Sized>(&mut self, how: Over, now: Instant, world: &mut W)
    where
        S: Session<W>,
    {
        if std::mem::take(&mut self.is_open) {
            self.session.over(now, how, world);
        }
    }
}
