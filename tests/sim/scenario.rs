//! What happens in a run: drawn from its seed.

use fastrand::Rng;
use r2_core::hex::Hex;
use r2_node::Size;
use r2_services::Plan;
use r2_sim::simulation::plan_of;
use r2_tests::store_suite::digest;
use smoltcp::time::{Duration, Instant};

use super::datagrams::Question;
use super::net::Weather;
use super::peer::{Peer, Step};
use super::shelf::Shelf;
use super::stranger::{self, Throw};
use super::twist::Narrow;

/// SYNs that wait, and closed connections that are remembered: few, so that runs reach the end of both.
pub(super) const HELD: usize = 8;

/// The names of the files service that peers use.
const NAMES: [&str; 3] = ["a", "b.txt", "c-3"];

/// What a peer came for, and what it sends for that.
pub(super) enum Role {
    /// Says these lines.
    Chat(Vec<String>),
    /// Asks these strings.
    Secret(Vec<String>),
    /// Drops these bytes.
    Drop(Vec<u8>),
    /// Stores these bytes under a name.
    Put(&'static str, Vec<u8>),
    /// Fetches the file of that name.
    Get(&'static str),
    /// Wants these bytes back.
    Echo(Vec<u8>),
    /// Asks for the list of files, and deletes one first or does not.
    List(Option<&'static str>),
    /// Asks how R2 is.
    Status,
    /// Wants no byte back.
    Discard,
    /// Calls where nobody serves.
    Nobody,
}

/// A run before it begins.
pub(super) struct Scenario {
    pub(super) plan: Plan,
    pub(super) shelf: Shelf,
    pub(super) weather: Weather,
    /// When the store stops to answer, and answers again, in turn.
    pub(super) stalls: Vec<Instant>,
    /// Peers see a larger window than R2 shows.
    pub(super) greedy: bool,
    /// Peers' segments are twisted on their way to R2.
    pub(super) twisted: bool,
    /// The windows that peers show.
    pub(super) narrow: Vec<Option<Narrow>>,
    pub(super) roles: Vec<Role>,
    pub(super) peers: Vec<Peer>,
    /// What R2's operator types, and when.
    pub(super) typed: Vec<(Instant, String)>,
    /// What a stranger throws, and when.
    pub(super) thrown: Vec<(Instant, Throw)>,
    /// What it asks in datagrams, which are among what is thrown.
    pub(super) asked: Vec<Question>,
}

impl Scenario {
    /// The scenario of a seed.
    pub(super) fn of(rng: &mut Rng) -> Self {
        let size = Size {
            connections: rng.usize(1..4),
            receive: *rng.choice([1024, 2048, 6 * 1024].iter()).expect("one of them"),
            transmit: *rng.choice([1024, 4 * 1024].iter()).expect("one of them"),
        };
        let plan = plan_of(size, HELD);
        let shelf = if rng.u32(0..4) == 0 {
            Shelf::Disk(rng.usize(0..24))
        } else {
            Shelf::Ram
        };
        let lying = rng.u32(0..10) == 0;
        let weather = weather(rng, lying);
        let greedy = rng.u32(0..3) == 0;
        let mut stalls: Vec<_> = (0..2 * rng.usize(0..3))
            .map(|_| Instant::from_millis(rng.i64(0..4_000)))
            .collect();
        stalls.sort_unstable();
        let mut scenario = Self {
            plan,
            shelf,
            weather,
            stalls,
            greedy,
            twisted: false,
            narrow: Vec::new(),
            roles: Vec::new(),
            peers: Vec::new(),
            typed: Vec::new(),
            thrown: Vec::new(),
            asked: Vec::new(),
        };
        for index in 0..rng.usize(2..7) {
            scenario.add_peer(index, lying, rng);
            scenario.narrow.push(None);
        }
        for number in 0..rng.usize(0..4) {
            let at = moment(rng);
            scenario.typed.push((at, format!("it is {at} [r2.{number}]")));
        }
        scenario.typed.sort_by_key(|(at, _)| *at);
        scenario
    }

    /// Adds what scenarios have from their second version on.
    pub(super) fn widen(&mut self, rng: &mut Rng) {
        if self.shelf != Shelf::Ram && rng.bool() {
            self.shelf = Shelf::Flash(rng.u64(0..160));
        }
        for (number, peer) in (1..).zip(&mut self.peers) {
            if rng.u32(0..4) == 0 {
                peer.speak_ipv6(number);
            }
        }
        self.twisted = rng.bool();
        self.weather.shuffled = rng.bool();
        self.weather.held = if rng.u32(0..4) == 0 { 150 } else { 0 };
        if rng.bool() {
            self.add_stranger(rng);
        }
    }

    /// Adds what scenarios have from their third version on.
    pub(super) fn narrow(&mut self, rng: &mut Rng) {
        if rng.bool() {
            for narrow in &mut self.narrow {
                *narrow = (rng.u32(0..3) == 0).then(|| Narrow::draw(rng));
            }
        }
    }

    fn add_stranger(&mut self, rng: &mut Rng) {
        let mut thrown = Vec::new();
        for number in 0..rng.u16(0..20) {
            let question = Question::draw(number, rng);
            thrown.push((moment(rng), Throw::Frame(question.frame())));
            self.asked.push(question);
        }
        for _ in 0..rng.usize(0..40) {
            let at = moment(rng);
            let throws = stranger::throws(self.peers.len(), rng);
            thrown.extend(throws.into_iter().map(|throw| (at, throw)));
        }
        thrown.sort_by_key(|(at, _)| *at);
        self.thrown = thrown;
    }

    fn add_peer(&mut self, index: usize, lying: bool, rng: &mut Rng) {
        let kind = if self.shelf == Shelf::Ram && !lying {
            rng.u32(0..12)
        } else {
            // A disk is about files, a lying wire about sums.
            [3, 5, 6][rng.usize(0..3)]
        };
        let (port, role, mut script) = match kind {
            _ if lying => put(true, rng),
            0..3 => chat(index, rng),
            3 | 4 => drop_file(rng),
            5..8 => put(rng.bool(), rng),
            8 => get(rng),
            9 => secret(index, rng),
            10 => echo(rng),
            _ => other(rng),
        };
        // Some never come to the end of what they wanted.
        match rng.u32(0..12) {
            0 => cut_short(&mut script, Step::Abort, rng),
            1 => cut_short(&mut script, Step::Vanish, rng),
            _ => {}
        }
        let begins = Instant::from_millis(rng.i64(0..3_000));
        let buffer = *rng.choice([1024, 4096, 16 * 1024].iter()).expect("one of them");
        self.peers.push(Peer::new(index, port, buffer, begins, script));
        self.roles.push(role);
    }
}

fn moment(rng: &mut Rng) -> Instant {
    Instant::from_millis(rng.i64(0..5_000))
}

fn weather(rng: &mut Rng, lying: bool) -> Weather {
    let mut weather = Weather {
        delay: Duration::from_micros(rng.u64(0..50_000)),
        lies: if lying { 100 } else { 0 },
        ..Weather::default()
    };
    if rng.bool() {
        weather.jitter = Duration::from_micros(rng.u64(0..20_000));
    }
    // Half of the wires are good ones.
    if rng.bool() {
        weather.lost = *rng.choice([0, 10, 50, 200].iter()).expect("one of them");
        weather.doubled = *rng.choice([0, 20, 100].iter()).expect("one of them");
        weather.damaged = *rng.choice([0, 20, 100].iter()).expect("one of them");
    }
    weather
}

fn cut_short(script: &mut Vec<Step>, end: Step, rng: &mut Rng) {
    let at = rng.usize(0..=script.len());
    script.truncate(at);
    script.push(Step::Pause(Duration::from_millis(rng.u64(0..2_000))));
    script.push(end);
}

fn pause(rng: &mut Rng) -> Step {
    Step::Pause(Duration::from_millis(rng.u64(0..800)))
}

fn bytes(rng: &mut Rng) -> Vec<u8> {
    let mut bytes = vec![0; rng.usize(0..9_000)];
    rng.fill(&mut bytes);
    bytes
}

type Act = (u16, Role, Vec<Step>);

fn chat(index: usize, rng: &mut Rng) -> Act {
    let (mut lines, mut script) = (Vec::new(), Vec::new());
    // A few say so much that a deaf one misses lines.
    let flood = rng.u32(0..8) == 0;
    if rng.u32(0..4) == 0 {
        script.push(Step::Deaf(Duration::from_millis(rng.u64(0..6_000))));
    }
    for number in 0..if flood { 80 } else { rng.usize(0..8) } {
        let forged = ["", "", "R2: ", "KALI-9: ", "* ", "KALI left "][rng.usize(0..6)];
        let filling = "x".repeat(if flood { 350 } else { rng.usize(0..60) });
        let line = format!("{forged}hello {filling}[{index}.{number}]");
        script.push(Step::Send(format!("{line}\n").into_bytes()));
        lines.push(line);
        if !flood {
            script.push(pause(rng));
        }
    }
    script.extend([pause(rng), Step::Fin, Step::ToEnd]);
    (5000, Role::Chat(lines), script)
}

fn secret(index: usize, rng: &mut Rng) -> Act {
    let mut asked = Vec::new();
    // A first line of its own fits one segment: its string never rests unterminated.
    let mut script = Vec::new();
    for number in 0..rng.usize(1..12) {
        let word = ["SECRET", "secret", ""][rng.usize(0..3)];
        let line = format!("{index}x{number} {word} {}", rng.u64(..));
        script.push(Step::Send(format!("{line}\n").into_bytes()));
        if number == 0 {
            script.push(Step::Line);
        }
        asked.push(line);
    }
    script.extend([Step::Fin, Step::ToEnd]);
    (5010, Role::Secret(asked), script)
}

fn drop_file(rng: &mut Rng) -> Act {
    let bytes = bytes(rng);
    let (first, rest) = bytes.split_at(rng.usize(0..=bytes.len()));
    let script = vec![
        Step::Send(first.to_vec()),
        pause(rng),
        Step::Send(rest.to_vec()),
        Step::Fin,
        Step::ToEnd,
    ];
    (5020, Role::Drop(bytes), script)
}

fn put(verified: bool, rng: &mut Rng) -> Act {
    let bytes = bytes(rng);
    let name = NAMES[rng.usize(0..NAMES.len())];
    let sum = if verified {
        format!(" {}", Hex(&digest(&bytes)))
    } else {
        String::new()
    };
    let ask = || {
        let line = format!("PUT {name} {}{sum}\n", bytes.len());
        [Step::Send(line.into_bytes()), Step::Line]
    };
    let upload = |most| Step::Upload(bytes.clone(), most);
    let mut script: Vec<_> = ask().into();
    script.extend([upload(bytes.len()), Step::Line]);
    if rng.u32(0..3) == 0 {
        // The same file once more needs no byte.
        script.extend(ask());
        script.extend([upload(bytes.len()), Step::Line]);
    }
    script.extend([Step::Fin, Step::ToEnd]);
    (5030, Role::Put(name, bytes), script)
}

fn get(rng: &mut Rng) -> Act {
    let name = NAMES[rng.usize(0..NAMES.len())];
    let script = vec![
        pause(rng),
        Step::Send(format!("GET {name}\n").into_bytes()),
        Step::Fin,
        Step::ToEnd,
    ];
    (5030, Role::Get(name), script)
}

fn echo(rng: &mut Rng) -> Act {
    let bytes = bytes(rng);
    let script = vec![Step::Send(bytes.clone()), Step::Fin, Step::ToEnd];
    (7, Role::Echo(bytes), script)
}

fn other(rng: &mut Rng) -> Act {
    let asks = |text: &str| Step::Send(text.as_bytes().to_vec());
    let (port, role, first) = match rng.u32(0..5) {
        0 => (5030, Role::List(None), asks("LIST\n")),
        1 => (5030, Role::List(Some("a")), asks("DEL a\nLIST\n")),
        2 => (5040, Role::Status, pause(rng)),
        3 => (9, Role::Discard, Step::Send(bytes(rng))),
        _ => (4999, Role::Nobody, pause(rng)),
    };
    (port, role, vec![first, Step::Fin, Step::ToEnd])
}
