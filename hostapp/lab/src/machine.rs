//! R2's end: a node with the services that the experiments talk to.

use std::time::Duration as Time;

use r2_core::drop::Deposit;
use r2_core::limits::RAM_BLOCK;
use r2_core::outbox::Outbox;
use r2_core::secret::Secret;
use r2_core::session::{Session, Wants};
use r2_core::store::Store as _;
use r2_core::store::ram::{Block, File, RamStore};
use r2_core::time::Instant as CoreInstant;
use r2_links::server::Served;
use r2_links::{Leaked, ethernet_address};
use r2_node::service::{Registry, ServeError, Spec, never, whole};
use r2_node::{Config, Counters, Node, Size, Storage as _, World};
use r2_services::{DROP, SECRET};
use smoltcp::phy::Device;
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::Ipv4Cidr;

use super::diary::{Diary, Noted, NotedCall};

/// Answers each line with `ok`; acknowledges at once, no Nagle.
pub(super) const READER: Spec = Spec::new("reader", 6001);
/// The same; delays acknowledgements.
pub(super) const DELAYING_READER: Spec = Spec::new("delaying-reader", 6002).bulk();
/// Answers each line with a message in two writes, without Nagle.
pub(super) const WRITER: Spec = Spec::new("writer", 6003);
/// The same with Nagle.
pub(super) const NAGLE_WRITER: Spec = Spec::new("nagle-writer", 6004).bulk();
/// Answers each line with a message in one write, with Nagle.
pub(super) const WHOLE_WRITER: Spec = Spec::new("whole-writer", 6005).bulk();
/// Answers each line with a message in two writes between which nothing is sent, with Nagle.
pub(super) const HOLDING_WRITER: Spec = Spec::new("holding-writer", 6006).bulk();

/// For how long R2 delays an acknowledgement where it does.
pub(super) const ACK_DELAY: Duration = Duration::from_millis(r2_node::limits::ACK_DELAY.as_millis());

/// The two parts of a message: a header, and a body that ends its line.
pub(super) const HEAD: [u8; 8] = *b"length=9";
pub(super) const BODY: [u8; 9] = *b" 12345678";
/// What a reader answers to a line.
pub(super) const OK: &[u8] = b"ok\n";

/// Connections of each service: an experiment has one at a time, and a few whose end was lost.
const SIZE: Size = Size {
    connections: 16,
    receive: 6 * 1024,
    transmit: 4 * 1024,
};

/// Bytes that R2 stores: more than the file of an experiment.
const STORE: usize = 16 * 1024;

/// What the sessions of the experiments share: a store that keeps a diary.
struct Observed {
    store: Diary,
    counters: Counters,
}

impl World for Observed {
    fn counters(&mut self) -> &mut Counters {
        &mut self.counters
    }
}

/// R2, and what its sessions share.
pub(super) struct Machine {
    node: Node<'static, Observed>,
    world: Observed,
}

impl Machine {
    /// R2 at `ip` on `device`. `secret` keys its sequence numbers; `clock` makes of the node's time that on the clock
    /// that
    /// stamps the frames.
    pub(super) fn new(
        ip: Ipv4Cidr,
        secret: [u8; 16],
        clock: fn(Time) -> Time,
        device: &mut impl Device,
    ) -> Self {
        let addresses = Leaked.slice(1, |_| ip.into());
        let config = Config {
            backlog: 16,
            time_wait: 64,
            ..Config::new(ethernet_address(ip.address()), addresses, secret)
        };
        let store = RamStore::new(
            Leaked.slice(STORE / RAM_BLOCK + 1, |_| Block::EMPTY),
            Leaked.slice(1, |_| File::EMPTY),
            STORE as u64,
        );
        let mut world = Observed {
            store: Diary::new(store, clock),
            counters: Counters::default(),
        };
        let mut memory = Leaked;
        let mut registry = Registry::new(&mut memory);
        register(&mut registry)
            .unwrap_or_else(|error| unreachable!("{error}: eight services, each with its port"));
        let node = Node::new(registry, &config, device, &mut world, Instant::ZERO);
        Self { node, world }
    }

    /// What its sessions were asked to do since it began.
    pub(super) fn calls(self) -> Vec<NotedCall> {
        self.world.store.calls()
    }
}

impl Served for Machine {
    fn poll(&mut self, now: Instant, device: &mut impl Device) -> Option<Instant> {
        self.world
            .store
            .turn(Time::from_micros(now.total_micros().unsigned_abs()));
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

    fn stood_still(&mut self, time: Time) {
        self.node.stood_still(time.into());
    }
}

/// Those of R2's services that the experiments talk to, and their own.
fn register(registry: &mut Registry<'static, '_, Observed, Leaked>) -> Result<(), ServeError> {
    registry.serve(
        &SECRET,
        SIZE,
        || Noted::new(Secret::new(), SECRET.port),
        |world| &mut world.store,
        never,
    )?;
    registry.serve(
        &DROP,
        SIZE,
        || Noted::new(Deposit::new(), DROP.port),
        |world| &mut world.store,
        |world| world.store.revision(),
    )?;
    registry.serve(&READER, SIZE, Reader::default, whole, never)?;
    registry.serve(&DELAYING_READER, SIZE, Reader::default, whole, never)?;
    registry.serve(&WRITER, SIZE, MessageWriter::in_two, whole, never)?;
    registry.serve(&NAGLE_WRITER, SIZE, MessageWriter::in_two, whole, never)?;
    registry.serve(&WHOLE_WRITER, SIZE, MessageWriter::in_one, whole, never)?;
    registry.serve(&HOLDING_WRITER, SIZE, MessageWriter::held, whole, never)?;
    Ok(())
}

/// Answers each line with [`OK`].
#[derive(Default)]
struct Reader {
    owed: usize,
    answer: Outbox<8>,
    finished: bool,
}

impl<W: ?Sized> Session<W> for Reader {
    fn receive(&mut self, _: CoreInstant, rx: &[u8], _: &mut W) -> usize {
        self.owed += rx.split(|byte| *byte == b'\n').count() - 1;
        rx.len()
    }

    fn transmit(&mut self, _: CoreInstant, tx: &mut [u8], _: &mut W) -> usize {
        if self.answer.is_empty() && self.owed > 0 {
            self.owed -= 1;
            self.answer.push(OK);
        }
        self.answer.drain_into(tx)
    }

    fn finished(&mut self, _: CoreInstant, _: &mut W) {
        self.finished = true;
    }

    fn wants(&self) -> Wants {
        Wants::close_if(self.finished && self.owed == 0 && self.answer.is_empty())
    }
}

/// Answers each line with [`HEAD`] and [`BODY`].
struct MessageWriter {
    /// The writes of a message that are still to be made, and whether the last one has just been.
    writes: &'static [&'static [u8]],
    left: &'static [&'static [u8]],
    /// Whether the stack has its turn to send after each.
    pauses: bool,
    paused: bool,
    answer: Outbox<64>,
    finished: bool,
}

impl MessageWriter {
    fn of(writes: &'static [&'static [u8]]) -> Self {
        Self {
            writes,
            left: &[],
            pauses: true,
            paused: false,
            answer: Outbox::new(),
            finished: false,
        }
    }

    fn in_two() -> Self {
        Self::of(&[&HEAD, &BODY])
    }

    fn held() -> Self {
        Self {
            pauses: false,
            ..Self::in_two()
        }
    }

    fn in_one() -> Self {
        Self::of(&[b"length=9 12345678"])
    }
}

impl<W: ?Sized> Session<W> for MessageWriter {
    fn receive(&mut self, _: CoreInstant, rx: &[u8], _: &mut W) -> usize {
        if rx.contains(&b'\n') {
            self.left = self.writes;
        }
        rx.len()
    }

    /// Each write is a call of its own.
    fn transmit(&mut self, _: CoreInstant, tx: &mut [u8], _: &mut W) -> usize {
        if std::mem::take(&mut self.paused) {
            return 0;
        }
        if self.answer.is_empty()
            && let Some((next, left)) = self.left.split_first()
        {
            self.answer.push(next);
            self.left = left;
        }
        let filled = self.answer.drain_into(tx);
        self.paused = self.pauses && filled > 0 && self.answer.is_empty();
        filled
    }

    fn finished(&mut self, _: CoreInstant, _: &mut W) {
        self.finished = true;
    }

    fn wants(&self) -> Wants {
        Wants::close_if(self.finished && self.left.is_empty() && self.answer.is_empty())
    }
}
