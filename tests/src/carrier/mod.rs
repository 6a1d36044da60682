//! What carries a peer's bytes to R2 and back: the same behaviour is asked of every carrier.

mod booted;
mod inside;
mod memory;
mod sockets;

use r2_core::time::Duration;

pub use booted::Booted;
pub use inside::MAX_STORE;
pub use memory::Memory;
pub use sockets::{Kernel, Running, Sockets};

/// A service of R2's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// 7
    Echo,
    /// 9
    Discard,
    /// 19
    Chargen,
    /// 5000
    Chat,
    /// 5010
    Secret,
    /// 5020
    Drop,
    /// 5030
    Files,
    /// 5040, of a node alone
    Status,
    /// 5050, of a node alone
    Capture,
}

impl Service {
    /// Those whose sessions need no node around them.
    pub const OF_SESSIONS: [Self; 7] = [
        Self::Echo,
        Self::Discard,
        Self::Chargen,
        Self::Chat,
        Self::Secret,
        Self::Drop,
        Self::Files,
    ];

    /// Its TCP port.
    pub const fn port(self) -> u16 {
        match self {
            Self::Echo => 7,
            Self::Discard => 9,
            Self::Chargen => 19,
            Self::Chat => 5000,
            Self::Secret => 5010,
            Self::Drop => 5020,
            Self::Files => 5030,
            Self::Status => 5040,
            Self::Capture => 5050,
        }
    }
}

/// A peer: one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer(pub(crate) usize);

/// How R2's side of a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// FIN.
    Fin,
    /// RST.
    Reset,
}

/// R2, and peers that talk with it. What a peer waits for must come: where it cannot, the call panics.
pub trait Carrier {
    /// Connects a new peer.
    fn connect(&mut self, service: Service) -> Peer;

    /// Sends all of `bytes`.
    fn send(&mut self, peer: Peer, bytes: &[u8]);

    /// Sends FIN; the peer goes on reading.
    fn half_close(&mut self, peer: Peer);

    /// Sends RST: the connection is gone.
    fn reset(&mut self, peer: Peer);

    /// Waits for `count` bytes.
    fn read(&mut self, peer: Peer, count: usize) -> Vec<u8>;

    /// Waits for R2's FIN or RST; the bytes before it.
    fn read_to_end(&mut self, peer: Peer) -> (Vec<u8>, End);

    /// Lets time pass before what is to come after it. In real time it passes while that is waited for.
    fn pass(&mut self, time: Duration);

    /// Waits for a line and returns it with its ending.
    fn line(&mut self, peer: Peer) -> String {
        let mut line = Vec::new();
        while !line.ends_with(b"\n") {
            line.extend(self.read(peer, 1));
        }
        String::from_utf8(line).expect("a line of text")
    }
}

/// A carrier that has R2's clock and store in its own hands. A server that runs elsewhere is none.
pub trait Inside: Carrier {
    /// From now on the store answers nothing, or answers again.
    fn stall(&mut self, stalled: bool);

    /// Whether R2 has said anything that the peer did not read yet.
    fn is_silent(&mut self, peer: Peer) -> bool;
}
