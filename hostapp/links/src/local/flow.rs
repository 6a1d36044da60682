//! One connection: a client's kernel socket on one side, R2 on the other.

use std::io::{self, Read, Write};
use std::net::Shutdown;

use mio::net::TcpStream;
use r2_node::Limits;
use smoltcp::iface::{SocketHandle, SocketSet, SocketStorage};
use smoltcp::socket::tcp::{Socket, SocketBuffer, State};
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::IpEndpoint;

use super::fin::{HEADERS, HeldFin};
use super::interface::GatewayInterface;
use super::lane::Lane;
use super::r2_at;
use super::unacknowledged::{silent_for, unacknowledged};
use crate::socket::close_with_reset;

/// How often bytes are moved in one turn before others have theirs.
const ROUNDS_PER_TURN: usize = 16;

/// How often R2 hears that the client lives while the client has not acknowledged R2's last bytes: well within the
/// shortest time after which R2 gives a silent peer up.
const ALIVE_EVERY: Duration = Duration::from_secs(5);

/// A client that does not take R2's last bytes is looked at again after a fraction of the time that it has taken
/// already, within these bounds. On Linux an event tells sooner.
const LOOK_AGAIN: (Duration, Duration) = (Duration::from_millis(1), Duration::from_secs(1));

/// How many probes a client may leave unanswered; as many as R2 sends.
pub(super) const PROBES: u32 = 5;

/// Which connection a segment belongs to: R2 is one end, so this is all that differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    /// The client, or whom R2 calls.
    pub(super) client: IpEndpoint,
    /// The port at R2's end.
    pub(super) r2_port: u16,
}

/// A place for one connection. What the client sends goes to R2 and back, byte by byte in smoltcp's ring, so that
/// either side's window is closed by the other's.
pub(super) struct Flow {
    sockets: SocketSet<'static>,
    handle: SocketHandle,
    pub(super) pool: usize,
    pub(super) key: Option<Key>,
    pub(super) stream: Option<TcpStream>,
    pub(super) readable: bool,
    pub(super) writable: bool,
    /// The client's FIN was reached, and passed on.
    client_finished: bool,
    /// R2's FIN was passed on.
    r2_finished: bool,
    /// What R2 sends is received up to here: the next sequence number, less what smoltcp's ring holds.
    next_from_r2: u32,
    pub(super) fin: HeldFin,
    /// What the client has not acknowledged, and since when it is as much.
    unmoved: Option<(usize, Instant)>,
    /// How often it is looked whether the client lives, and when next. R2's own probes come as often when nothing else does.
    probed: Option<(Duration, Instant)>,
    /// R2 calls, and the SYN that it sent waits for the other side to answer.
    pub(super) call: Option<Vec<u8>>,
    /// When it wants its turn though nothing happens.
    pub(super) at: Option<Instant>,
    pub(super) queued: bool,
}

/// What is next for a flow after its turn.
pub(super) enum After {
    /// There is more to do at once.
    Again,
    /// Nothing before that time, if any.
    Wait(Option<Instant>),
    /// The connection is over.
    Over,
}

impl Flow {
    pub(super) fn new(
        pool: usize,
        storage: &'static mut [SocketStorage<'static>],
        receive: &'static mut [u8],
        transmit: &'static mut [u8],
    ) -> Self {
        let mut socket = Socket::new(SocketBuffer::new(receive), SocketBuffer::new(transmit));
        // What the client's kernel has gathered is not gathered again.
        socket.set_nagle_enabled(false);
        socket.set_ack_delay(None);
        let mut sockets = SocketSet::new(storage);
        let handle = sockets.add(socket);
        Self {
            sockets,
            handle,
            pool,
            key: None,
            stream: None,
            readable: false,
            writable: false,
            client_finished: false,
            r2_finished: false,
            next_from_r2: 0,
            fin: HeldFin::None,
            unmoved: None,
            probed: None,
            call: None,
            at: None,
            queued: false,
        }
    }

    fn socket(&mut self) -> &mut Socket<'static> {
        self.sockets.get_mut(self.handle)
    }

    fn begin(&mut self, key: Key, stream: TcpStream) {
        self.socket().abort();
        self.socket().set_keep_alive(None);
        (self.key, self.stream) = (Some(key), Some(stream));
        (self.readable, self.writable) = (true, true);
        (self.client_finished, self.r2_finished) = (false, false);
        (self.fin, self.unmoved, self.call, self.probed) = (HeldFin::None, None, None, None);
    }

    /// How many of R2's bytes it keeps for the client.
    pub(super) fn send_buffer(&self) -> usize {
        self.sockets.get::<Socket<'_>>(self.handle).recv_capacity()
    }

    /// Connects the client of `stream`, which the kernel probes `every` so often, to R2; whether smoltcp could.
    pub(super) fn connect(
        &mut self,
        key: Key,
        stream: TcpStream,
        every: Duration,
        end: &mut GatewayInterface,
    ) -> bool {
        let r2 = IpEndpoint::new(r2_at(key.client.addr), key.r2_port);
        self.begin(key, stream);
        self.probed = Some((every, Instant::ZERO));
        let connected =
            self.sockets
                .get_mut::<Socket<'_>>(self.handle)
                .connect(end.interface.context(), r2, key.client);
        connected.is_ok()
    }

    /// Waits until `stream` is connected, then for R2, whose SYN is the packet `syn`; whether smoltcp could.
    pub(super) fn expect(&mut self, key: Key, stream: TcpStream, syn: &[u8]) -> bool {
        self.begin(key, stream);
        // Not before the kernel says that it is connected.
        self.writable = false;
        self.call = Some(syn.to_vec());
        self.socket().listen(key.client).is_ok()
    }

    /// Takes a packet of R2's in. Its FIN is held back.
    pub(super) fn deliver(
        &mut self,
        now: Instant,
        packet: &mut [u8],
        end: &mut GatewayInterface,
        to_r2: &mut Lane,
    ) {
        let segment = self.fin.hold(packet);
        if let Some(first) = segment.syn {
            self.next_from_r2 = first;
        }
        end.take_in(now, packet, &mut self.sockets, to_r2);
    }

    /// Gives the flow its turn: bytes both ways, both FINs, segments to R2.
    pub(super) fn serve(&mut self, now: Instant, end: &mut GatewayInterface, to_r2: &mut Lane) -> After {
        if self.client_is_dead(now) {
            self.give_up();
        }
        let mut more = false;
        for _ in 0..ROUNDS_PER_TURN {
            let moved = match self.exchange() {
                Ok(moved) => moved,
                Err(error) => {
                    log::debug!("{:?}: {error}", self.key);
                    self.give_up();
                    true
                }
            };
            let released = self.release_fin(now, end, to_r2);
            let mut sent = false;
            while end.send(now, &mut self.sockets, to_r2) {
                sent = true;
            }
            more = moved || released || sent;
            if !more || !to_r2.has_room() {
                break;
            }
        }
        if self.is_over(to_r2) {
            return After::Over;
        }
        if more {
            return After::Again;
        }
        let socket_at = end.interface.poll_at(now, &self.sockets);
        After::Wait([socket_at, self.look_again_at(now)].into_iter().flatten().min())
    }

    /// Whether R2 has not yet answered the client's SYN.
    pub(super) fn waits(&self) -> bool {
        self.sockets.get::<Socket<'_>>(self.handle).state() == State::SynSent
    }

    /// Whether the client has left as many probes unanswered as it may. While something that was sent to it waits for its
    /// acknowledgement, the kernel does not count them.
    fn client_is_dead(&mut self, now: Instant) -> bool {
        let (Some((every, at)), Some(stream)) = (&mut self.probed, &self.stream) else {
            return false;
        };
        if *at > now {
            return false;
        }
        *at = now + *every;
        let patience = *every * (PROBES - 1);
        silent_for(stream).is_ok_and(|silent| silent >= patience.into())
    }

    /// Gives the connection up: RST to R2. The client's socket has failed, or is of no use.
    pub(super) fn give_up(&mut self) {
        self.stream = None;
        self.fin = HeldFin::None;
        self.socket().abort();
    }

    /// Moves bytes both ways; whether any moved. An error is the client's: its connection is gone.
    fn exchange(&mut self) -> io::Result<bool> {
        let Some(stream) = &mut self.stream else {
            return Ok(false);
        };
        let socket = self.sockets.get_mut::<Socket<'_>>(self.handle);
        if socket.state() == State::Listen {
            return Ok(false);
        }
        let mut moved = false;
        while self.readable && !self.client_finished && socket.can_send() {
            match socket
                .send(|room| count(stream.read(room)))
                .map_err(io::Error::other)?
            {
                Ok(0) => {
                    self.client_finished = true;
                    socket.close();
                }
                Ok(_) => {}
                Err(error) if is_not_yet(&error) => {
                    self.readable = false;
                    break;
                }
                Err(error) => return Err(error),
            }
            moved = true;
        }
        while self.writable && socket.can_recv() {
            match socket
                .recv(|bytes| count(stream.write(bytes)))
                .map_err(io::Error::other)?
            {
                Ok(written) => {
                    #[allow(clippy::cast_possible_truncation, reason = "a ring is smaller than 4 GiB")]
                    let written = written as u32;
                    self.next_from_r2 = self.next_from_r2.wrapping_add(written);
                }
                Err(error) if is_not_yet(&error) => {
                    self.writable = false;
                    break;
                }
                Err(error) => return Err(error),
            }
            moved = true;
        }
        if !self.r2_finished && socket.recv_queue() == 0 && self.fin.is_next(self.next_from_r2) {
            stream.shutdown(Shutdown::Write)?;
            self.r2_finished = true;
            moved = true;
        }
        Ok(moved)
    }
}

/// The count that smoltcp wants to hear, and the result with it.
fn count(result: io::Result<usize>) -> (usize, io::Result<usize>) {
    (*result.as_ref().unwrap_or(&0), result)
}

fn is_not_yet(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
    )
}

/// How the connection ends.
impl Flow {
    /// Acknowledges R2's FIN once the client has acknowledged everything, that FIN included; whether it has now.
    ///
    /// R2 counts an upload as confirmed when its FIN is acknowledged. The kernel takes R2's last bytes long before a
    /// client does, and a client that is killed meanwhile never does: its RST is seen here first.
    fn release_fin(&mut self, now: Instant, end: &mut GatewayInterface, to_r2: &mut Lane) -> bool {
        if !self.r2_finished || !self.fin.is_held() {
            return false;
        }
        let (Some(stream), Some(key)) = (&self.stream, self.key) else {
            return false;
        };
        let left = match stream.take_error() {
            Ok(None) => unacknowledged(stream),
            Ok(Some(error)) | Err(error) => Err(error),
        };
        match left {
            Ok(0) => {
                self.unmoved = None;
                if let Some(packet) = self.fin.release(key, &mut [0; HEADERS]) {
                    end.take_in(now, packet, &mut self.sockets, to_r2);
                }
                true
            }
            Ok(left) => {
                let same = self.unmoved.filter(|(before, _)| *before == left);
                if same.is_some_and(|(_, since)| now - since > closed_window_for()) {
                    self.reset_client();
                    self.give_up();
                    return true;
                }
                if self.unmoved.is_none() {
                    self.socket().set_keep_alive(Some(ALIVE_EVERY));
                }
                self.unmoved = same.or(Some((left, now)));
                false
            }
            Err(error) => {
                log::debug!("{key:?}: {error}");
                self.give_up();
                true
            }
        }
    }

    fn look_again_at(&self, now: Instant) -> Option<Instant> {
        let (_, since) = self.unmoved?;
        let (soon, late) = LOOK_AGAIN;
        Some(now + ((now - since) / 4).clamp(soon, late))
    }

    /// Whether both ends are through. Where R2 has broken off, so does the client's connection.
    fn is_over(&mut self, to_r2: &Lane) -> bool {
        let socket = self.sockets.get::<Socket<'_>>(self.handle);
        match socket.state() {
            // With a peer still, its RST has not left yet.
            State::Closed if socket.remote_endpoint().is_some() => false,
            State::Closed => {
                if !(self.client_finished && self.r2_finished) {
                    self.reset_client();
                }
                true
            }
            // The acknowledgement of R2's FIN has left if there was room for it.
            State::TimeWait => to_r2.has_room(),
            _ => false,
        }
    }

    fn reset_client(&mut self) {
        if let Some(stream) = self.stream.take() {
            close_with_reset(stream);
        }
    }
}

fn closed_window_for() -> Duration {
    Duration::from_millis(Limits::DEFAULT.closed_window_for.as_millis())
}
