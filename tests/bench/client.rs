//! The client: the same code for R2 and for what it is compared with.
//!
//! It writes and reads in pieces of a megabyte, as smoltcp's own benchmark does, and compares every byte that it
//! receives.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use r2_sim::payload;
use r2_tests::program::PATIENCE;
use rustix::time::{ClockId, clock_gettime};

use crate::measure::rate;

/// What the secret service is asked, and what it must answer.
const QUESTION: &[u8] = b"SECRET 1\n";
const ANSWER: &[u8] = b"Digits: 1 Count: 1\n";

/// How much is written or read at once.
const PIECE: usize = 1_000_000;

/// How much is written at once where somebody else waits for the processor: the kernel may not be interrupted before.
const POLITE: u64 = 64 * 1024;

/// How much is compared at once: pattern and bytes stay in the processor's cache.
const COMPARED: usize = 64 * 1024;

/// After how many bytes a random pattern repeats: a prime, so that no lost, doubled or displaced piece of a
/// transfer goes unnoticed.
const RANDOM_PERIOD: usize = 250_007;

/// Bytes that repeat: what a transfer sends, or must receive.
pub(crate) struct Pattern {
    /// The period, and a piece more of its repetition.
    bytes: Vec<u8>,
    period: usize,
}

impl Pattern {
    /// RFC 864: lines of 72 printable characters and CRLF, each line one character further.
    pub(crate) fn chargen() -> Self {
        let ring = || (b'!'..=b'~').chain([b' ']).cycle();
        let line = |number| ring().skip(number).take(72).chain(*b"\r\n");
        Self::repeating((0..95).flat_map(line).collect())
    }

    /// Random bytes, always the same.
    pub(crate) fn random() -> Self {
        Self::repeating(payload::random(RANDOM_PERIOD, 1))
    }

    fn repeating(once: Vec<u8>) -> Self {
        let period = once.len();
        let bytes = once.into_iter().cycle().take(period + PIECE).collect();
        Self { bytes, period }
    }

    /// At most a piece of it, from `position` on.
    pub(crate) fn at(&self, position: u64, length: u64) -> &[u8] {
        let start = usize::try_from(position % self.period as u64).expect("less than the period");
        let length = usize::try_from(length).map_or(PIECE, |length| length.min(PIECE));
        &self.bytes[start..start + length]
    }

    /// The SHA-256 of so many bytes of it.
    pub(crate) fn sha256(&self, length: u64) -> String {
        let endless = Endless {
            pattern: self,
            position: 0,
        };
        payload::sha256(endless.take(length))
    }

    /// Panics where `bytes` are not those of the pattern from `position` on.
    fn compare(&self, position: u64, bytes: &[u8]) {
        let mut position = position;
        for bytes in bytes.chunks(COMPARED) {
            let expected = self.at(position, bytes.len() as u64);
            if bytes != expected {
                let wrong = bytes.iter().zip(expected).take_while(|(a, b)| a == b).count();
                panic!("the byte at {} is wrong", position + wrong as u64);
            }
            position += bytes.len() as u64;
        }
    }
}

/// A pattern, read from its beginning.
struct Endless<'a> {
    pattern: &'a Pattern,
    position: u64,
}

impl Read for Endless<'_> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let bytes = self.pattern.at(self.position, room.len() as u64);
        room[..bytes.len()].copy_from_slice(bytes);
        self.position += bytes.len() as u64;
        Ok(bytes.len())
    }
}

/// Sends so many bytes and FIN, and reads to the end: how long that took, and what the server said.
pub(crate) fn upload(mut server: TcpStream, pattern: &Pattern, bytes: u64) -> (Duration, String) {
    let start = Instant::now();
    let mut sent = 0;
    while sent < bytes {
        let count = server.write(pattern.at(sent, bytes - sent));
        sent += count.expect("the server takes it") as u64;
    }
    server.shutdown(Shutdown::Write).expect("FIN");
    let mut answer = String::new();
    server.read_to_string(&mut answer).expect("the server's FIN");
    (start.elapsed(), answer)
}

/// Reads so many bytes of a server or a file, all of the pattern; how long that took.
pub(crate) fn download(mut server: impl Read, pattern: &Pattern, bytes: u64) -> Duration {
    let mut piece = vec![0; PIECE];
    let start = Instant::now();
    let mut got = 0;
    while got < bytes {
        let most = usize::try_from(bytes - got).map_or(PIECE, |left| left.min(PIECE));
        let count = server.read(&mut piece[..most]).expect("the server sends");
        assert!(count > 0, "the server closed after {got} of {bytes} bytes");
        pattern.compare(got, &piece[..count]);
        got += count as u64;
    }
    start.elapsed()
}

/// Sends until it is enough, and RST: the server is to have something to do meanwhile.
pub(crate) fn upload_until(mut server: &TcpStream, pattern: &Pattern, enough: &AtomicBool) {
    let mut sent = 0;
    while !enough.load(Ordering::Relaxed) {
        let count = server.write(pattern.at(sent, POLITE));
        sent += count.expect("the server takes it") as u64;
    }
}

/// Sends a byte and waits for it, so often: requests a second.
pub(crate) fn echo_rate(server: &mut TcpStream, requests: usize) -> f64 {
    server.set_nodelay(true).expect("a TCP socket");
    let start = Instant::now();
    for byte in (0..=u8::MAX).cycle().take(requests) {
        let mut answer = [0];
        server.write_all(&[byte]).expect("the server reads");
        server.read_exact(&mut answer).expect("an answer");
        assert_eq!(answer, [byte]);
    }
    rate(requests as u64, start.elapsed())
}

/// Asks the secret service so many questions, one after the other: the time of each answer in µs.
pub(crate) fn answer_times(server: &mut TcpStream, questions: usize) -> Vec<f64> {
    server.set_nodelay(true).expect("a TCP socket");
    let mut answer = [0; ANSWER.len()];
    let time = |_| {
        let start = Instant::now();
        server.write_all(QUESTION).expect("the server reads");
        server.read_exact(&mut answer).expect("an answer");
        let time = start.elapsed();
        assert_eq!(answer, ANSWER);
        time.as_secs_f64() * 1e6
    };
    (0..questions).map(time).collect()
}

/// Opens `at_once` × `each` connections to the secret service, so many at a time; each asks, half-closes, and reads
/// to the end, as `nc -N` does. Connections a second, and the share of one processor that this took, in percent.
pub(crate) fn connections(address: &str, at_once: usize, each: usize) -> (f64, f64) {
    let (start, before) = (Instant::now(), processor_time());
    thread::scope(|scope| {
        for _ in 0..at_once {
            scope.spawn(|| {
                for _ in 0..each {
                    let mut server = TcpStream::connect(address).expect("a connection");
                    server.set_read_timeout(Some(PATIENCE)).expect("a time");
                    server.write_all(QUESTION).expect("the server reads");
                    server.shutdown(Shutdown::Write).expect("FIN");
                    let mut answer = Vec::with_capacity(2 * ANSWER.len());
                    server.read_to_end(&mut answer).expect("the server's FIN");
                    assert_eq!(answer, ANSWER);
                }
            });
        }
    });
    let time = start.elapsed();
    let busy = processor_time().saturating_sub(before).as_secs_f64() / time.as_secs_f64();
    (rate((at_once * each) as u64, time), busy * 100.0)
}

/// The processor time of this process so far.
fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::try_from(time).expect("a process has not used less than nothing")
}

/// Reads one line, with its ending.
pub(crate) fn read_line(mut server: &TcpStream) -> String {
    let mut line = Vec::new();
    while !line.ends_with(b"\n") {
        let mut byte = [0];
        server.read_exact(&mut byte).expect("a line");
        line.extend(byte);
    }
    String::from_utf8(line).expect("a line of text")
}
