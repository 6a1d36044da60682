//! A board that QEMU emulates.

use std::net::TcpStream;

use r2_core::time::Duration;
use tempfile::TempDir;

use super::Service;
use super::sockets::{Server, Sockets};
use crate::board::Board;
use crate::lab::R2;
use crate::namespace::Namespace;

/// The firmware on a board of its own, in real time, with an empty store.
pub struct Booted {
    /// It runs for as long as its console is held.
    _board: Board,
    namespace: Namespace,
    /// The place of its flash.
    _folder: TempDir,
}

impl Booted {
    /// Boots the image of `board` and waits until it is ready.
    pub fn on(board: &str) -> Sockets<Self> {
        let namespace = Namespace::new();
        let folder = TempDir::with_prefix("r2-board-").expect("a temporary folder");
        Sockets::new(Self {
            _board: Board::start(board, &namespace, folder.path()),
            namespace,
            _folder: folder,
        })
    }
}

impl Server for Booted {
    fn connect(&self, service: Service) -> TcpStream {
        self.namespace
            .connect(&format!("{R2}:{}", service.port()))
            .expect("R2 listens")
    }

    fn turn(&mut self) {}

    fn pass(&mut self, _: Duration) {}
}
