//! What only the board for the hand has, in its emulator: a flash that stops its clock, a controller that can die, a probe
//! that is slow, and a cable of 10 Mbit/s. Time is the board's; nothing here waits.
#![allow(missing_docs)]

use std::io::Write as _;
use std::process::{Command, Stdio};

use r2_pico::MILLISECOND;
use r2_pico::board::{Board, Ran};
use r2_pico::image::Image;
use r2_pico::w5500::{Dead, Speed};
use r2_tests::board;

const BOARD: &str = "w5500-evb-pico";
/// A turn of the board, in instructions.
const TURN: u64 = 1000;
const SECOND: u64 = 1000 * MILLISECOND;

/// The board, its log, and the frames that it has sent.
struct Running {
    board: Board,
    log: Vec<u8>,
    sent: usize,
}

impl Running {
    fn start() -> Self {
        let elf = std::fs::read(board::image(BOARD)).expect("tests/ci.sh firmware builds the image");
        let mut board = Board::new(Image::read(&elf).expect("an image"));
        board.start().expect("boot2");
        Self {
            board,
            log: Vec::new(),
            sent: 0,
        }
    }

    /// Runs for so many cycles, or until the board has reset itself, which is what it returns.
    fn run(&mut self, cycles: u64) -> bool {
        let until = self.board.now() + cycles;
        while self.board.now() < until {
            let ran = self.board.run(until, TURN).expect("a run without a fault");
            self.log.extend(self.board.take_log());
            self.sent += self.board.take_sent().len();
            if ran == Ran::Restarted {
                return true;
            }
        }
        false
    }

    /// Runs until the log says `wanted`, for so many cycles at most; the cycles that it took.
    fn says(&mut self, wanted: &str, cycles: u64) -> u64 {
        let (begun, mut looked_at) = (self.board.now(), 0);
        // The decoder takes longer than the board: it is asked where there is something new.
        while self.log.len() == looked_at || !self.logged().contains(wanted) {
            looked_at = self.log.len();
            let over = self.board.now() >= begun + cycles || self.run(10 * MILLISECOND);
            assert!(!over, "no `{wanted}` in\n{}", self.logged());
        }
        self.board.now() - begun
    }

    fn up() -> Self {
        let mut running = Self::start();
        running.says("R2 ready", SECOND);
        running
    }

    /// The log as text.
    fn logged(&self) -> String {
        let path = format!(
            "{}/../target/tools/bin:{}",
            env!("CARGO_MANIFEST_DIR"),
            std::env::var("PATH").expect("PATH")
        );
        let mut decoder = Command::new("defmt-print")
            .env("PATH", path)
            .arg("-e")
            .arg(board::image(BOARD))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("defmt-print: tests/ci.sh firmware installs it");
        decoder
            .stdin
            .take()
            .expect("a pipe")
            .write_all(&self.log)
            .expect("the log");
        let output = decoder.wait_with_output().expect("its end");
        String::from_utf8(output.stdout).expect("text")
    }

    /// A question that R2 answers with one frame: who has its address.
    fn asks(&mut self) {
        let mut frame = vec![0xff; 6];
        frame.extend([2, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 8, 6, 0, 1, 8, 0, 6, 4, 0, 1]);
        frame.extend([
            2, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 192, 168, 69, 100, 0, 0, 0, 0, 0, 0, 192, 168, 69, 1,
        ]);
        self.board.receive(frame);
    }

    /// An ICMP echo request with so many bytes, which come back.
    fn pings(&mut self, bytes: u16) {
        let mut frame = vec![2, 0, 0xc0, 0xa8, 0x45, 1, 2, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 8, 0];
        let mut header = vec![0x45, 0];
        header.extend((28 + bytes).to_be_bytes());
        header.extend([0, 0, 0, 0, 64, 1, 0, 0, 192, 168, 69, 100, 192, 168, 69, 1]);
        let checksum = checksum(&header);
        header[10..12].copy_from_slice(&checksum);
        frame.extend(header);
        // Type 8 and nothing but zeros: the checksum is their complement.
        frame.extend([8, 0, 0xf7, 0xff]);
        frame.resize(frame.len() + 4 + usize::from(bytes), 0);
        self.board.receive(frame);
    }
}

/// The Internet checksum (RFC 1071).
fn checksum(header: &[u8]) -> [u8; 2] {
    let sum: u32 = header
        .chunks(2)
        .map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1]))
        .sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    let [_, _, high, low] = (!folded).to_be_bytes();
    [high, low]
}

#[test]
fn bursts_leave_no_frame_lying() {
    let mut running = Running::up();
    let mut random = fastrand::Rng::with_seed(18);
    let mut asked = 0;
    for burst in 0..2000 {
        let speed = if burst % 2 == 0 {
            Speed::Hundred
        } else {
            Speed::Gigabit
        };
        running.board.set_speed(speed);
        // The others come while the first one is answered, or when the driver looks for the last time.
        running.asks();
        running.run(random.u64(0..25_000));
        let others = random.usize(1..5);
        (0..others).for_each(|_| running.asks());
        asked += 1 + others;
        running.run(MILLISECOND + random.u64(0..MILLISECOND));
        assert_eq!(running.sent, asked, "answers, burst {burst}");
    }
    assert_eq!(running.board.hidden(), 0);
    assert_eq!(running.board.counts().misused, 0);
}

#[test]
fn at_ten_megabits_no_frame_is_sent_before_the_last_has_left() {
    let mut running = Running::up();
    for _ in 0..200 {
        // They wait in the controller together, as behind an erasure; their answers leave one by one.
        running.board.set_speed(Speed::Hundred);
        running.asks();
        running.pings(1000);
        running.asks();
        running.board.set_speed(Speed::Ten);
        running.run(5 * MILLISECOND);
    }
    let counts = running.board.counts();
    assert_eq!((counts.sent, counts.early, counts.misused), (600, 0, 0));
}

#[test]
fn a_controller_that_dies_is_named_within_a_second_and_serves_again() {
    for dead in [Dead::Low, Dead::High] {
        let mut running = Running::up();
        running.board.set_dead(Some(dead));
        let took = running.says("the Ethernet controller does not answer", 2 * SECOND);
        assert!(took <= SECOND, "{dead:?}: {took} cycles");
        running.board.set_dead(None);
        running.says("answers again", 2 * SECOND);
        running.asks();
        running.run(10 * MILLISECOND);
        assert_eq!(running.sent, 1, "{dead:?}");
    }
}

#[test]
fn a_controller_that_is_dead_at_the_start_is_named_and_serves_later() {
    for dead in [Dead::Low, Dead::High] {
        let mut running = Running::start();
        running.board.set_dead(Some(dead));
        running.says("the Ethernet controller does not answer", SECOND);
        running.board.set_dead(None);
        running.says("answers again", 2 * SECOND);
        running.asks();
        running.run(10 * MILLISECOND);
        assert_eq!(running.sent, 1, "{dead:?}");
    }
}

#[test]
fn a_controller_that_has_forgotten_its_address_is_reset() {
    let mut running = Running::up();
    // Its power was away for a moment.
    running.board.set_dead(None);
    running.says("answers again", SECOND);
    running.asks();
    running.run(10 * MILLISECOND);
    assert_eq!(running.sent, 1);
}

#[test]
fn a_probe_that_looks_every_fifty_milliseconds_sees_the_last_line() {
    let mut running = Running::start();
    running.board.slow_probe(50);
    running.says("R2 ready", SECOND);
    running.board.type_in(b"/quit\n");
    assert!(running.run(10 * SECOND), "the board restarts");
    assert!(
        running.logged().ends_with("R2 has quit\n"),
        "{}",
        running.logged()
    );
}

#[test]
fn the_clock_keeps_time_while_the_flash_is_erased() {
    // The start erases a sector for the record of the mount; a clock that stands meanwhile is 44 ms behind from then on.
    let running = Running::up();
    let before = running.board.clock_behind().expect("the clock's symbol");
    assert!(before <= 15, "{before} ms");
}
