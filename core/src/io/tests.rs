use super::*;
use crate::diag::{discard::Discard, echo::Echo};
use embedded_io::{ErrorKind, ErrorType, Read};
use std::vec::Vec;

/// A connection whose peer has said everything already, and which takes so many bytes a write.
struct Wire {
    said: Vec<u8>,
    /// How much of `said` has arrived, and how much one look at it shows.
    arrived: usize,
    piece: usize,
    fin: bool,
    room: usize,
    writable: bool,
    broken: bool,
    heard: Vec<u8>,
    finishes: usize,
    aborts: usize,
    ended: Option<Over>,
}

fn wire(said: &[u8], piece: usize, room: usize) -> Wire {
    Wire {
        said: said.to_vec(),
        arrived: said.len(),
        piece,
        fin: true,
        room,
        writable: true,
        broken: false,
        heard: Vec::new(),
        finishes: 0,
        aborts: 0,
        ended: None,
    }
}

impl ErrorType for Wire {
    type Error = ErrorKind;
}

impl Read for Wire {
    fn read(&mut self, _: &mut [u8]) -> Result<usize, ErrorKind> {
        unreachable!("a pump reads from the buffer")
    }
}

impl BufRead for Wire {
    fn fill_buf(&mut self) -> Result<&[u8], ErrorKind> {
        assert!(self.arrived > 0 || self.fin, "this read would block");
        Ok(&self.said[..self.piece.min(self.arrived)])
    }

    fn consume(&mut self, count: usize) {
        self.said.drain(..count);
        self.arrived -= count;
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, ErrorKind> {
        assert!(self.writable && !bytes.is_empty() && self.finishes == 0);
        if self.broken {
            return Err(ErrorKind::BrokenPipe);
        }
        let taken = bytes.len().min(self.room);
        self.heard.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> Result<(), ErrorKind> {
        Ok(())
    }
}

impl ReadReady for Wire {
    fn read_ready(&mut self) -> Result<bool, ErrorKind> {
        Ok(self.arrived > 0 || (self.fin && self.said.is_empty()))
    }
}

impl WriteReady for Wire {
    fn write_ready(&mut self) -> Result<bool, ErrorKind> {
        Ok(self.writable)
    }
}

impl Connection for Wire {
    fn finish(&mut self) -> Result<(), ErrorKind> {
        self.finishes += 1;
        Ok(())
    }

    fn abort(&mut self) {
        self.aborts += 1;
    }

    fn ended(&mut self) -> Option<Over> {
        self.ended
    }
}

/// Echoes, and writes into its world what it hears of the connection.
#[derive(Default)]
struct Witness {
    echo: Echo,
    wants_to_abort: bool,
}

#[derive(Debug, PartialEq, Eq)]
enum Heard {
    Opened,
    Finished,
    Over(Over),
}

impl Session<Vec<Heard>> for Witness {
    fn opened(&mut self, _: Instant, world: &mut Vec<Heard>) {
        world.push(Heard::Opened);
    }

    fn receive(&mut self, now: Instant, rx: &[u8], _: &mut Vec<Heard>) -> usize {
        assert!(!rx.is_empty());
        self.echo.receive(now, rx, &mut ())
    }

    fn transmit(&mut self, now: Instant, tx: &mut [u8], _: &mut Vec<Heard>) -> usize {
        self.echo.transmit(now, tx, &mut ())
    }

    fn finished(&mut self, now: Instant, world: &mut Vec<Heard>) {
        world.push(Heard::Finished);
        Session::<()>::finished(&mut self.echo, now, &mut ());
    }

    fn over(&mut self, _: Instant, how: Over, world: &mut Vec<Heard>) {
        world.push(Heard::Over(how));
    }

    fn poll_at(&self) -> Option<Instant> {
        Some(LATER)
    }

    fn wants(&self) -> Wants {
        if self.wants_to_abort {
            return Wants::Abort;
        }
        Session::<()>::wants(&self.echo)
    }
}

const NOW: Instant = Instant::from_millis(1);
const LATER: Instant = Instant::from_millis(1000);

type Pumped = Pump<Wire, Witness, 7>;

fn pump(wire: Wire) -> Pumped {
    Pump::new(wire, Witness::default())
}

#[test]
fn one_step_moves_all_that_can_be_moved_whatever_the_pieces() {
    let said: Vec<u8> = (0..=255).cycle().take(2000).collect();
    for piece in [1, 6, 7, 8, 100, 2000] {
        for room in [1, 6, 7, 8, 100] {
            let (mut pump, mut world) = (pump(wire(&said, piece, room)), Vec::new());
            assert_eq!(pump.step(NOW, &mut world), Ok(Some(LATER)));
            assert_eq!(
                pump.connection().heard,
                said,
                "pieces of {piece}, rooms of {room}"
            );
            assert_eq!(pump.connection().finishes, 1, "FIN behind the last byte");
            assert!(!pump.wants_to_write());
            // A quiet connection changes nothing: no second FIN.
            assert_eq!(pump.step(NOW, &mut world), Ok(Some(LATER)));
            assert_eq!(pump.connection().finishes, 1);
            assert_eq!(world, [Heard::Opened, Heard::Finished]);
            assert_eq!(pump.over(), None);
        }
    }
}

#[test]
fn what_is_not_answered_is_taken_in_one_step_too() {
    let mut pump = Pump::<_, _, 7>::new(wire(&[7; 100], 9, 100), Discard::new());
    assert_eq!(pump.step(NOW, &mut ()), Ok(None));
    assert_eq!((pump.connection().arrived, pump.connection().finishes), (0, 1));
}

#[test]
fn what_the_session_does_not_take_stays_with_the_connection() {
    let (mut pump, mut world) = (pump(wire(&[7; 2000], 100, 100)), Vec::new());
    pump.connection.writable = false;
    for _ in 0..3 {
        assert_eq!(pump.step(NOW, &mut world), Ok(Some(LATER)));
        assert!(pump.connection().arrived > 1000);
    }
    pump.connection.writable = true;
    assert_eq!(pump.step(NOW, &mut world), Ok(Some(LATER)));
    assert_eq!(pump.connection().heard, [7; 2000]);
}

#[test]
fn what_the_connection_does_not_take_waits_and_then_leaves() {
    let (mut pump, mut world) = (pump(wire(b"hello, world", 100, 100)), Vec::new());
    pump.connection.writable = false;
    for _ in 0..3 {
        assert_eq!(pump.step(NOW, &mut world), Ok(Some(LATER)));
        assert!(pump.wants_to_write());
        assert_eq!(pump.connection().finishes, 0, "bytes wait in front of FIN");
    }
    // Writable, but without room: nothing is lost, and the pump does not wait for it.
    (pump.connection.writable, pump.connection.room) = (true, 0);
    assert_eq!(pump.step(NOW, &mut world), Ok(Some(LATER)));
    pump.connection.room = 100;
    assert_eq!(pump.step(NOW, &mut world), Ok(Some(LATER)));
    assert_eq!(pump.connection().heard, b"hello, world");
    assert_eq!((pump.connection().finishes, pump.wants_to_write()), (1, false));
}

#[test]
fn bytes_that_come_later_are_moved_later() {
    let (mut pump, mut world) = (pump(wire(b"hello", 100, 100)), Vec::new());
    for arrived in 0..=5 {
        pump.connection.arrived = arrived - pump.connection.heard.len();
        assert_eq!(pump.step(NOW, &mut world), Ok(Some(LATER)));
        assert_eq!(pump.connection().heard, b"hello"[..arrived]);
    }
    assert_eq!(world, [Heard::Opened, Heard::Finished]);
}

#[test]
fn the_session_hears_once_how_the_connection_ended() {
    let (mut pump, mut world) = (pump(wire(b"hello", 100, 100)), Vec::new());
    pump.connection.ended = Some(Over::Delivered);
    for _ in 0..2 {
        assert_eq!(pump.step(NOW, &mut world), Ok(None));
        assert_eq!(pump.over(), Some(Over::Delivered));
    }
    pump.stop(NOW, &mut world);
    let heard = [Heard::Opened, Heard::Finished, Heard::Over(Over::Delivered)];
    assert_eq!(world, heard);
    assert_eq!(pump.connection().aborts, 0);
}

#[test]
fn an_error_of_the_connection_is_its_end() {
    for (ended, how) in [(None, Over::Unknown), (Some(Over::Reset), Over::Reset)] {
        let (mut pump, mut world) = (pump(wire(b"hello", 100, 100)), Vec::new());
        (pump.connection.broken, pump.connection.ended) = (true, ended);
        assert_eq!(pump.step(NOW, &mut world), Err(ErrorKind::BrokenPipe));
        assert_eq!(pump.step(NOW, &mut world), Ok(None));
        assert_eq!(pump.over(), Some(how));
        assert_eq!(world, [Heard::Opened, Heard::Over(how)]);
        assert_eq!(pump.connection().aborts, usize::from(ended.is_none()));
    }
}

#[test]
fn a_session_that_gives_up_resets_the_connection() {
    let (mut pump, mut world) = (pump(wire(b"", 100, 100)), Vec::new());
    pump.connection.fin = false;
    pump.connection.said.push(b'x');
    assert_eq!(pump.step(NOW, &mut world), Ok(Some(LATER)));
    pump.session.wants_to_abort = true;
    assert_eq!(pump.step(NOW, &mut world), Ok(None));
    assert_eq!(pump.over(), Some(Over::Stopped));
    assert_eq!((pump.connection().aborts, pump.connection().finishes), (1, 0));
    assert_eq!(world, [Heard::Opened, Heard::Over(Over::Stopped)]);
}

#[test]
fn an_open_connection_that_is_stopped_is_reset() {
    let (mut pump, mut world) = (pump(wire(b"hello", 100, 100)), Vec::new());
    pump.stop(NOW, &mut world);
    assert_eq!(world, [], "a session that was not opened is not over either");
    assert_eq!(pump.step(NOW, &mut world), Ok(Some(LATER)));
    pump.stop(NOW, &mut world);
    assert_eq!((pump.connection().aborts, pump.over()), (1, Some(Over::Stopped)));
    assert_eq!(world.last(), Some(&Heard::Over(Over::Stopped)));
    assert_eq!(pump.step(NOW, &mut world), Ok(None));
}
