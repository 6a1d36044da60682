//! The pump of executors, over real sockets of the kernel's: whole conversations, whatever the sizes of its buffers.

use std::cell::RefCell;
use std::future::Future;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::pin::pin;
use std::task::{Context, Waker};
use std::thread;
use std::time::Instant as StdInstant;

use async_io::Async;
use embedded_io_async::{ErrorType, Read as AsyncRead, Write as AsyncWrite};
use r2_core::drop::Deposit;
use r2_core::io::{AsyncConnection, AsyncPump, Timer};
use r2_core::secret::Secret;
use r2_core::session::{Over, Session, Wants};
use r2_core::store::ram::{Block, File, RamStore};
use r2_core::time::Instant;

/// A socket of the kernel's.
struct Socket(Async<TcpStream>);

struct Half<'a>(&'a Async<TcpStream>);

impl ErrorType for Half<'_> {
    type Error = std::io::Error;
}

impl AsyncRead for Half<'_> {
    async fn read(&mut self, into: &mut [u8]) -> Result<usize, Self::Error> {
        self.0.read_with(|mut socket| socket.read(into)).await
    }
}

impl AsyncWrite for Half<'_> {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, Self::Error> {
        self.0.write_with(|mut socket| socket.write(bytes)).await
    }

    async fn flush(&mut self) -> Result<(), Self::Error> {
        Ok(())
    }
}

impl AsyncConnection for Socket {
    type Error = std::io::Error;

    fn split(
        &mut self,
    ) -> (
        impl AsyncRead<Error = Self::Error>,
        impl AsyncWrite<Error = Self::Error>,
    ) {
        (Half(&self.0), Half(&self.0))
    }

    async fn finish(&mut self) -> Result<(), Self::Error> {
        self.0.get_ref().shutdown(Shutdown::Write)
    }

    async fn abort(&mut self) {
        // Closes both sides; this test sees no RST.
        let _ = self.0.get_ref().shutdown(Shutdown::Both);
    }

    async fn ended(&mut self) -> Over {
        Over::Unknown
    }
}

/// Real time.
struct Clock(StdInstant);

impl Timer for Clock {
    fn now(&mut self) -> Instant {
        Instant::from_millis(self.0.elapsed().as_millis().try_into().expect("a test is short"))
    }

    async fn wait(&mut self, until: Option<Instant>) {
        match until {
            None => std::future::pending().await,
            Some(until) => {
                let left = until.since(self.now()).as_millis();
                async_io::Timer::after(std::time::Duration::from_millis(left)).await;
            }
        }
    }
}

/// Runs `session` with `peer` at the other end of its connection: how the connection ended, and what the peer returns.
fn converse<W, S: Session<W>, T: Send, const RX: usize, const TX: usize>(
    session: S,
    world: &RefCell<W>,
    peer: impl FnOnce(TcpStream) -> T + Send,
) -> (std::io::Result<Over>, T) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
    let address = listener.local_addr().expect("it is bound");
    thread::scope(|scope| {
        let peer = scope.spawn(move || peer(TcpStream::connect(address).expect("somebody listens")));
        let (socket, _) = listener.accept().expect("the peer connects");
        let socket = Socket(Async::new(socket).expect("a socket can be polled"));
        let mut pump = AsyncPump::<_, _, RX, TX>::new(socket, session);
        let over = async_io::block_on(pump.run(&mut Clock(StdInstant::now()), world));
        // The peer may wait for the end of the connection.
        drop(pump);
        (over, peer.join().expect("the peer is well"))
    })
}

/// Runs a test with buffers of several sizes: one byte, some, and more than is ever said.
macro_rules! at_several_sizes {
    ($test:ident) => {
        $test::<1, 1>();
        $test::<1, 64>();
        $test::<7, 3>();
        $test::<2048, 2048>();
    };
}

fn rest_of(mut peer: TcpStream) -> String {
    let mut heard = String::new();
    peer.read_to_string(&mut heard).expect("the pump sends FIN");
    heard
}

const QUESTIONS: &[u8] =
    b"sfdsd Ted is cool23432\nTed is SECRET cool\r\n123Ted 32is 343SECRET cool\nSECRET 1";
const ANSWERS: &str =
    "Secret code not found.\nDigits: Count: 0\nDigits: 12332343 Count: 8\nDigits: 1 Count: 1\n";

#[test]
fn questions_are_answered_and_the_fin_behind_them_with_a_fin() {
    fn conversation<const RX: usize, const TX: usize>() {
        for piece in [1, 5, QUESTIONS.len()] {
            let (over, heard) = converse::<_, _, _, RX, TX>(Secret::new(), &RefCell::new(()), |mut peer| {
                peer.set_nodelay(true).expect("TCP");
                for piece in QUESTIONS.chunks(piece) {
                    peer.write_all(piece).expect("the pump reads");
                }
                peer.shutdown(Shutdown::Write).expect("it is open");
                rest_of(peer)
            });
            assert_eq!((over.expect("no error"), &*heard), (Over::Unknown, ANSWERS));
        }
    }
    at_several_sizes!(conversation);
}

#[test]
fn a_string_without_an_end_is_answered_when_the_timer_says_that_it_has_rested() {
    fn conversation<const RX: usize, const TX: usize>() {
        let (over, heard) = converse::<_, _, _, RX, TX>(Secret::new(), &RefCell::new(()), |mut peer| {
            peer.write_all(b"Ted 7 is SECRET").expect("the pump reads");
            let mut answer = [0; b"Digits: 7 Count: 1\n".len()];
            peer.read_exact(&mut answer)
                .expect("the answer comes though no FIN does");
            peer.shutdown(Shutdown::Write).expect("it is open");
            (answer, rest_of(peer))
        });
        over.expect("no error");
        assert_eq!(heard, (*b"Digits: 7 Count: 1\n", String::new()));
    }
    thread::scope(|scope| {
        scope.spawn(conversation::<1, 1>);
        scope.spawn(conversation::<7, 3>);
        scope.spawn(conversation::<2048, 2048>);
    });
}

#[test]
fn an_upload_ends_with_its_fin_and_gets_its_receipt() {
    fn conversation<const RX: usize, const TX: usize>() {
        let (mut blocks, mut files) = (
            (0..64).map(|_| Block::EMPTY).collect::<Vec<_>>(),
            [File::EMPTY, File::EMPTY],
        );
        let store = RefCell::new(RamStore::new(&mut blocks, &mut files, u64::MAX));
        let (over, receipt) = converse::<_, _, _, RX, TX>(Deposit::new(), &store, |mut peer| {
            peer.write_all(&[b'x'; 10_000]).expect("the pump reads");
            peer.shutdown(Shutdown::Write).expect("it is open");
            rest_of(peer)
        });
        over.expect("no error");
        assert!(
            receipt.starts_with("stored drop-0001 10000 bytes sha256 "),
            "{receipt}"
        );
    }
    at_several_sizes!(conversation);
}

/// Closes with an answer unread, for which the kernel sends RST.
fn reset(peer: TcpStream) {
    peer.peek(&mut [0]).expect("an answer comes");
    drop(peer);
}

#[test]
fn a_peer_that_resets_is_an_end_and_no_error() {
    fn conversation<const RX: usize, const TX: usize>() {
        let (over, ()) = converse::<_, _, _, RX, TX>(Secret::new(), &RefCell::new(()), |mut peer| {
            peer.write_all(b"one\n").expect("the pump reads");
            reset(peer);
        });
        assert_eq!(over.expect("no error"), Over::Reset);
    }
    at_several_sizes!(conversation);
}

/// Speaks first, wants to abort when it hears a byte, and writes into its world what it is told.
#[derive(Default)]
struct Curt {
    heard: bool,
    greeted: bool,
}

impl Session<Vec<String>> for Curt {
    fn opened(&mut self, _: Instant, told: &mut Vec<String>) {
        told.push("opened".into());
    }

    fn receive(&mut self, _: Instant, rx: &[u8], _: &mut Vec<String>) -> usize {
        self.heard = true;
        rx.len()
    }

    fn transmit(&mut self, _: Instant, tx: &mut [u8], _: &mut Vec<String>) -> usize {
        let greeting = &b"?"[usize::from(self.greeted)..];
        let filled = r2_core::bytes::copy(tx, greeting);
        self.greeted |= filled > 0;
        filled
    }

    fn finished(&mut self, _: Instant, told: &mut Vec<String>) {
        told.push("finished".into());
    }

    fn over(&mut self, _: Instant, how: Over, told: &mut Vec<String>) {
        told.push(format!("{how:?}"));
    }

    fn wants(&self) -> Wants {
        if self.heard { Wants::Abort } else { Wants::Nothing }
    }
}

#[test]
fn a_session_that_wants_to_abort_is_over_and_hears_it_once() {
    let told = RefCell::new(Vec::new());
    let (over, heard) = converse::<_, _, _, 8, 8>(Curt::default(), &told, |mut peer| {
        let mut greeting = [0];
        peer.read_exact(&mut greeting).expect("the session speaks first");
        peer.write_all(b"!").expect("the pump reads");
        peer.read_to_string(&mut String::new()).map_or(0, |count| count)
    });
    assert_eq!((over.expect("no error"), heard), (Over::Stopped, 0));
    assert_eq!(told.into_inner(), ["opened", "Stopped"]);
}

#[test]
fn a_pump_that_is_stopped_tells_its_session_once_and_its_peer() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
    let address = listener.local_addr().expect("it is bound");
    let peer = TcpStream::connect(address).expect("somebody listens");
    let (socket, _) = listener.accept().expect("the peer connects");
    let socket = Socket(Async::new(socket).expect("a socket can be polled"));
    let (told, mut clock) = (RefCell::new(Vec::new()), Clock(StdInstant::now()));
    let mut pump = AsyncPump::<_, _, 8, 8>::new(socket, Curt::default());
    let mut context = Context::from_waker(Waker::noop());
    let polled = pin!(pump.run(&mut clock, &told)).poll(&mut context);
    assert!(polled.is_pending(), "nobody has said anything");
    async_io::block_on(pump.stop(clock.now(), &told));
    async_io::block_on(pump.stop(clock.now(), &told));
    let over = async_io::block_on(pump.run(&mut clock, &told));
    assert_eq!(over.expect("no error"), Over::Stopped);
    assert_eq!(rest_of(peer), "?", "what was said before, and the end");
    assert_eq!(told.into_inner(), ["opened", "Stopped"]);
}
