//! KALI's end, whatever wire it is on: the socket calls that the experiments make.

use std::io;
use std::time::Duration;

use super::diary::NotedCall;
use super::packet::Frame;

/// What KALI's socket is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wishes {
    /// Small segments wait for the acknowledgement of those before (RFC 896); off is `TCP_NODELAY`.
    pub(super) nagle: bool,
    /// Acknowledgements wait for something to travel with (RFC 1122, 4.2.3.2); off is `TCP_QUICKACK`.
    pub(super) delayed_ack: bool,
}

/// A connection of KALI's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ConnectionId(pub(super) usize);

/// What is true of the wire and of KALI's end.
#[derive(Clone, Debug)]
pub(super) struct Setting {
    /// What it is called in a sentence: `the wire in memory`, `tap0`.
    pub(super) wire: String,
    /// Whose TCP KALI has.
    pub(super) kali: &'static str,
    /// How long a frame is on its way.
    pub(super) one_way: Duration,
    /// How many of a hundred frames are lost.
    pub(super) loss: u8,
    /// For how long KALI delays an acknowledgement where she does.
    pub(super) ack_delay: Duration,
    /// Whether the frames show what the wire has lost.
    pub(super) in_memory: bool,
}

impl Setting {
    /// The wire and its delay.
    pub(super) fn described(&self) -> String {
        if self.one_way.is_zero() {
            return self.wire.clone();
        }
        format!(
            "{} with a round trip of {}",
            self.wire,
            super::ms(self.one_way * 2)
        )
    }
}

/// KALI's socket calls. Each returns when it has done what it says, or fails after a time that is far longer than that
/// takes.
pub(super) trait Kali {
    fn setting(&self) -> &Setting;

    /// The time on the clock that stamps the frames.
    fn now(&self) -> Duration;

    /// Sets how many of a hundred frames are lost from now on, on a wire that can lose any.
    fn lose(&mut self, percent: u8);

    fn connect(&mut self, port: u16, wishes: Wishes) -> io::Result<ConnectionId>;

    /// The port of KALI's end.
    fn port(&self, connection: ConnectionId) -> u16;

    /// Writes all of `bytes` with one call.
    fn write(&mut self, connection: ConnectionId, bytes: &[u8]) -> io::Result<()>;

    /// Writes all of `bytes`, which fit, and says that more of the message follows at once (`MSG_MORE`).
    fn write_more(&mut self, connection: ConnectionId, bytes: &[u8]) -> io::Result<()>;

    /// Reads until `count` bytes have come.
    fn read(&mut self, connection: ConnectionId, count: usize) -> io::Result<Vec<u8>>;

    /// Half-closes, and reads to the end.
    fn close(&mut self, connection: ConnectionId) -> io::Result<Vec<u8>>;

    /// Sends a datagram to `port` and waits for an answer, for a time; `None`: none came.
    fn ask(&mut self, port: u16, datagram: &[u8], within: Duration) -> io::Result<Option<Vec<u8>>>;

    /// Switches both ends off, when what is on its way has arrived: all frames that were on the wire, and what R2's
    /// sessions were asked to do.
    fn finish(self: Box<Self>) -> io::Result<(Vec<Frame>, Vec<NotedCall>)>;
}
