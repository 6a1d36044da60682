//! A network card without a kernel behind it: whole frames, right ones and wrong ones.

use std::os::fd::AsRawFd;
use std::time::Instant;

use smoltcp::phy::{Device, Medium, RawSocket, RxToken, TxToken, wait};
use smoltcp::time;
use smoltcp::wire::TcpControl;

use crate::program::PATIENCE;
use r2_sim::stranger::{Heard, Said};

/// How long the card listens for something that ought not to come.
const QUIET: time::Duration = time::Duration::from_millis(50);

/// The stranger's card on an interface of the namespace that the thread is in.
pub struct Card(RawSocket);

impl Card {
    /// Opens it. Panics without root.
    pub fn on(interface: &str) -> Self {
        Self(RawSocket::new(interface, Medium::Ethernet).expect("raw frames need root"))
    }

    /// Sends a frame. The interface's queue must have room for it.
    pub fn puts(&mut self, frame: &[u8]) {
        let room = self.0.transmit(time::Instant::ZERO).expect("a raw socket");
        room.consume(frame.len(), |bytes| bytes.copy_from_slice(frame));
    }

    /// Sends a segment, with a window so small that every answer is a single frame.
    pub fn says(&mut self, said: &Said<'_>) {
        self.puts(&said.frame_with(|tcp| tcp.window_len = 1000));
    }

    /// A frame that has come, if there is one.
    pub fn frame(&mut self) -> Option<Vec<u8>> {
        let (frame, _) = self.0.receive(time::Instant::ZERO)?;
        Some(frame.consume(<[u8]>::to_vec))
    }

    /// Waits for a segment to the stranger's port that `is_it`; what came before is lost.
    pub fn hears(&mut self, port: u16, what: &str, is_it: impl Fn(&Heard) -> bool) -> Heard {
        let deadline = Instant::now() + PATIENCE;
        loop {
            while let Some(frame) = self.frame() {
                let heard = Heard::captured(&frame).filter(|heard| heard.to == port && is_it(heard));
                if let Some(heard) = heard {
                    return heard;
                }
            }
            assert!(
                Instant::now() < deadline,
                "waited {PATIENCE:?} for {what} to {port}"
            );
            self.waits();
        }
    }

    /// Waits for a frame, not for long.
    pub fn waits(&mut self) {
        wait(self.0.as_raw_fd(), Some(QUIET)).expect("select");
    }

    /// Asks R2's port `to` for a connection from `from`, and has it: what is said next begins so.
    pub fn opens(&mut self, from: u16, to: u16) -> Said<'static> {
        let syn = syn(from, to);
        self.says(&syn);
        let answer = self.hears(from, "SYN and ACK", |heard| heard.syn);
        let open = Said {
            control: TcpControl::None,
            seq: 1,
            ack: Some(answer.end()),
            ..syn
        };
        self.says(&open);
        open
    }
}

/// The SYN of a connection from the stranger's port `from` to R2's port `to`.
pub const fn syn(from: u16, to: u16) -> Said<'static> {
    Said {
        from,
        to,
        control: TcpControl::Syn,
        seq: 0,
        ack: None,
        payload: b"",
    }
}
