//! Conversations played at every split of input and every size of output room.
//!
//! TCP promises bytes in order, not pieces of any size: whatever the pieces, a session must say the same. A
//! [`Script`] is what the peers do; a [`Driver`] is one way to cut it; [`same_for_every_driver`] plays the script
//! with all of them and fails where the words differ.

use std::fmt;
use std::string::String;
use std::vec::Vec;

use r2_core::session::{Over, Session, Wants};
use r2_core::time::{Duration, Instant};

/// What the peers do, in order. After each step everybody comes to rest, so that the order among peers is fixed.
#[derive(Clone, Debug, Default)]
pub struct Script {
    steps: Vec<(usize, Act)>,
}

#[derive(Clone, Debug)]
enum Act {
    Open,
    Send(Vec<u8>),
    Finish,
    End(Over),
    Read(usize),
    Wait(Duration),
}

impl Script {
    /// Nobody does anything.
    pub fn new() -> Self {
        Self::default()
    }

    fn then(mut self, peer: usize, act: Act) -> Self {
        self.steps.push((peer, act));
        self
    }

    /// The peer connects. Peers are counted from 0.
    pub fn opens(self, peer: usize) -> Self {
        self.then(peer, Act::Open)
    }

    /// The peer sends bytes; these are what is split.
    pub fn sends(self, peer: usize, bytes: impl AsRef<[u8]>) -> Self {
        self.then(peer, Act::Send(bytes.as_ref().to_vec()))
    }

    /// The peer half-closes.
    pub fn finishes(self, peer: usize) -> Self {
        self.then(peer, Act::Finish)
    }

    /// The connection is over, in that way. Bytes that the session has not taken are lost.
    pub fn ends(self, peer: usize, how: Over) -> Self {
        self.then(peer, Act::End(how))
    }

    /// The peer reads no further than its first `total` bytes, until this is said again. For a session that sends
    /// for ever it must be said before the peer opens.
    pub fn reads_only(self, peer: usize, total: usize) -> Self {
        self.then(peer, Act::Read(total))
    }

    /// Time passes, for all.
    pub fn waits(self, length: Duration) -> Self {
        self.then(0, Act::Wait(length))
    }

    fn peers(&self) -> usize {
        self.steps.iter().map(|(peer, _)| peer + 1).max().unwrap_or(0)
    }

    fn longest_send(&self) -> usize {
        let lengths = self.steps.iter().map(|(_, act)| match act {
            Act::Send(bytes) => bytes.len(),
            _ => 0,
        });
        lengths.max().unwrap_or(0)
    }
}

/// One way to cut a conversation.
#[derive(Clone, Copy, Debug)]
pub struct Driver {
    /// How large the pieces are that arrive.
    pub input: Pieces,
    /// How much room for output a call has.
    pub room: usize,
    /// Whether everybody comes to rest after each piece, or gets one call.
    pub rests: bool,
}

/// The sizes of pieces.
#[derive(Clone, Copy, Debug)]
pub enum Pieces {
    /// All of the same size.
    Of(usize),
    /// Of sizes that follow from a seed, small ones mostly.
    Random(u64),
}

impl Driver {
    /// Everything at once.
    pub const WHOLE: Self = Self {
        input: Pieces::Of(usize::MAX),
        room: 1 << 16,
        rests: true,
    };

    /// Every size of input for `script`, every room up to `rooms`, and some of both.
    pub fn all(script: &Script, rooms: usize) -> impl Iterator<Item = Self> {
        let whole = Self::WHOLE;
        let lazy = Self {
            rests: false,
            ..whole
        };
        let sizes = (1..=script.longest_send()).map(Pieces::Of);
        let inputs = sizes
            .chain((1..16).map(Pieces::Random))
            .flat_map(move |input| [Self { input, ..whole }, Self { input, ..lazy }]);
        let rooms_of_whole =
            (1..=rooms).flat_map(move |room| [Self { room, ..whole }, Self { room, ..lazy }]);
        let both = (1..=8).flat_map(move |room| {
            (1..=8).map(move |size| Self {
                input: Pieces::Of(size),
                room,
                ..lazy
            })
        });
        inputs.chain(rooms_of_whole).chain(both)
    }

    /// Plays `script` with one session for each of its peers, and returns what each of them saw.
    ///
    /// # Panics
    ///
    /// Where a session breaks the order that [`Session`] promises.
    pub fn play<W: ?Sized, S: Session<W>>(
        &self,
        script: &Script,
        world: &mut W,
        session: impl Fn(usize) -> S,
    ) -> Vec<Seen> {
        let mut stage = Stage {
            driver: *self,
            now: Instant::default(),
            ends: (0..script.peers()).map(|peer| End::new(session(peer))).collect(),
        };
        for (peer, act) in &script.steps {
            stage.act(*peer, act, world);
            stage.rest(world);
        }
        let now = stage.now;
        for end in &mut stage.ends {
            end.end(now, Over::Stopped, world);
        }
        stage.ends.into_iter().map(|end| end.seen).collect()
    }
}

/// What a peer saw.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// All bytes.
    pub bytes: Vec<u8>,
    /// Whether FIN came behind them.
    pub fin: bool,
    /// Whether RST came.
    pub reset: bool,
}

impl fmt::Debug for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fin = if self.fin { " FIN" } else { "" };
        let reset = if self.reset { " RST" } else { "" };
        write!(f, "{:?}{fin}{reset}", self.text())
    }
}

impl Seen {
    /// The bytes as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
}

/// Plays `script` with every driver and returns what the peers saw, which must always be the same. `play` makes a
/// world of its own and calls [`Driver::play`]. `rooms` is the largest room that is tried one by one.
///
/// # Panics
///
/// Where the words differ: it names the driver.
pub fn same_for_every_driver(
    script: &Script,
    rooms: usize,
    play: impl Fn(&Driver) -> Vec<Seen>,
) -> Vec<Seen> {
    let expected = play(&Driver::WHOLE);
    for driver in Driver::all(script, rooms) {
        let seen = play(&driver);
        assert!(seen == expected, "{driver:?}\n saw {seen:?}\nnot {expected:?}");
    }
    expected
}

/// All connections of a conversation.
struct Stage<S> {
    driver: Driver,
    now: Instant,
    ends: Vec<End<S>>,
}

impl<S> Stage<S> {
    fn act<W: ?Sized>(&mut self, peer: usize, act: &Act, world: &mut W)
    where
        S: Session<W>,
    {
        let (now, driver) = (self.now, self.driver);
        if let Act::Wait(length) = act {
            return self.wait_until(now + *length, world);
        }
        let end = self.ends.get_mut(peer).expect("a script counts its peers");
        match act {
            Act::Open => {
                end.phase = Phase::Open;
                end.session.opened(now, world);
            }
            Act::Send(bytes) => {
                let mut rest = &bytes[..];
                let mut sizes = Sizes(driver.input);
                while !rest.is_empty() {
                    let (piece, behind) = rest.split_at(sizes.next().min(rest.len()));
                    rest = behind;
                    self.ends[peer].arrived.extend_from_slice(piece);
                    if driver.rests {
                        self.rest(world);
                    } else {
                        self.ends[peer].step(now, driver.room, world);
                    }
                }
            }
            Act::Finish => end.peer_finished = true,
            Act::End(how) => end.end(now, *how, world),
            Act::Read(total) => end.reads = *total,
            Act::Wait(_) => {}
        }
    }

    /// Calls everybody until nothing moves.
    fn rest<W: ?Sized>(&mut self, world: &mut W)
    where
        S: Session<W>,
    {
        let mut moved = true;
        while moved {
            moved = false;
            for end in &mut self.ends {
                moved |= end.step(self.now, self.driver.room, world);
            }
        }
    }

    /// Moves the clock from deadline to deadline.
    fn wait_until<W: ?Sized>(&mut self, until: Instant, world: &mut W)
    where
        S: Session<W>,
    {
        loop {
            let next = self
                .ends
                .iter()
                .filter(|end| end.phase == Phase::Open)
                .filter_map(|end| end.session.poll_at());
            match next.filter(|at| *at > self.now && *at <= until).min() {
                Some(at) => self.now = at,
                None => break,
            }
            self.rest(world);
        }
        self.now = until;
        self.rest(world);
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    New,
    Open,
    Over,
}

/// One connection: its session, and the peer at the other end.
struct End<S> {
    session: S,
    phase: Phase,
    arrived: Vec<u8>,
    reads: usize,
    peer_finished: bool,
    told_finished: bool,
    seen: Seen,
}

impl<S> End<S> {
    fn new(session: S) -> Self {
        Self {
            session,
            phase: Phase::New,
            arrived: Vec::new(),
            reads: usize::MAX,
            peer_finished: false,
            told_finished: false,
            seen: Seen::default(),
        }
    }

    /// One round of calls; whether anything moved.
    fn step<W: ?Sized>(&mut self, now: Instant, room: usize, world: &mut W) -> bool
    where
        S: Session<W>,
    {
        if self.phase != Phase::Open {
            return false;
        }
        let mut moved = false;
        if !self.arrived.is_empty() {
            let taken = self.session.receive(now, &self.arrived, world);
            assert!(taken <= self.arrived.len(), "took more than it was offered");
            self.arrived.drain(..taken);
            moved |= taken > 0;
        } else if self.peer_finished && !self.told_finished {
            self.told_finished = true;
            self.session.finished(now, world);
            moved = true;
        }
        let room = room.min(self.reads.saturating_sub(self.seen.bytes.len()));
        let mut tx = vec![0; room];
        let filled = self.session.transmit(now, &mut tx, world);
        assert!(filled <= room, "filled more than it was given");
        assert!(!self.seen.fin || filled == 0, "sent bytes behind its FIN");
        self.seen.bytes.extend_from_slice(&tx[..filled]);
        moved |= filled > 0;
        match self.session.wants() {
            Wants::Nothing => assert!(!self.seen.fin, "took its FIN back"),
            Wants::Close => self.seen.fin = true,
            Wants::Abort => {
                self.seen.reset = true;
                self.end(now, Over::Stopped, world);
            }
        }
        moved
    }

    fn end<W: ?Sized>(&mut self, now: Instant, how: Over, world: &mut W)
    where
        S: Session<W>,
    {
        if self.phase == Phase::Open {
            self.phase = Phase::Over;
            self.session.over(now, how, world);
        }
    }
}

/// The sizes of the pieces to come.
struct Sizes(Pieces);

impl Sizes {
    fn next(&mut self) -> usize {
        match &mut self.0 {
            Pieces::Of(size) => *size,
            Pieces::Random(state) => {
                // Knuth's LCG: any numbers do, as long as the seed gives the same again.
                *state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                let bits = *state >> 33;
                if bits % 16 == 0 {
                    1 + (bits >> 4) as usize % 1500
                } else {
                    1 + (bits >> 4) as usize % 7
                }
            }
        }
    }
}
