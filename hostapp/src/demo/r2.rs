//! R2, serving in a thread, and its operator.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender, TryRecvError};
use std::thread::{self, JoinHandle};

use r2_core::chat::Peer;
use r2_core::session::Session;
use r2_links::Link;
use r2_links::local::{Local, Ports};
use r2_links::server::{OPERATOR, Operator, Server};
use r2_threads::Wake;
use smoltcp::time::Instant;

use super::PATIENCE;
use crate::serve::{self, Options, R2};

/// R2 on the virtual wire, with its ports wherever there are free ones.
pub(super) struct Running {
    /// R2's ports and where they are on this machine: TCP, UDP.
    ports: BTreeMap<u16, [u16; 2]>,
    keyboard: TypedLines,
    shown: Receiver<String>,
    screen: String,
    thread: JoinHandle<()>,
}

/// What the operator types. When it is gone, R2 ends.
struct TypedLines {
    typed: Sender<String>,
    wake: Arc<Wake>,
}

impl Running {
    /// Starts R2 with its files in `store`.
    pub(super) fn start(store: &Path) -> io::Result<Self> {
        let options = Options {
            sessions: 4,
            ..Options::local(store)
        };
        let options = serve::on_the_wire(&options).map_err(io::Error::other)?;
        let (typed, typing) = mpsc::channel();
        let (show, shown) = mpsc::channel();
        let (found, ports) = mpsc::channel();
        let wake = Arc::new(Wake::new()?);
        let woken = wake.clone();
        let thread = thread::Builder::new().name("r2".into()).spawn(move || {
            let r2 = R2::start(&options, |offers| {
                serve::open_local(&options, Ports::Free, offers)
            });
            match r2 {
                Ok(mut r2) => {
                    let _ = found.send(Ok(ports_of(&r2)));
                    // A virtual wire is never gone.
                    let _ = r2.run(&mut Script::new(typing, woken, show));
                }
                Err(refusal) => {
                    let _ = found.send(Err(io::Error::other(refusal)));
                }
            }
        })?;
        let ports = ports.recv().map_err(io::Error::other)??;
        Ok(Self {
            ports,
            keyboard: TypedLines { typed, wake },
            shown,
            screen: String::new(),
            thread,
        })
    }

    /// Where R2's `port` is on this machine.
    pub(super) fn at(&self, port: u16) -> SocketAddr {
        self.find(port, 0)
    }

    /// Where R2's UDP `port` is.
    pub(super) fn udp_at(&self, port: u16) -> SocketAddr {
        self.find(port, 1)
    }

    fn find(&self, port: u16, protocol: usize) -> SocketAddr {
        let found = self.ports.get(&port).map_or(0, |ports| ports[protocol]);
        (Ipv4Addr::LOCALHOST, found).into()
    }

    pub(super) fn types(&self, line: &str) {
        // Should R2 have ended, the next wait for its screen tells.
        let _ = self.keyboard.typed.send(format!("{line}\n"));
        self.keyboard.wake.wake();
    }

    /// Waits until `text` is on the operator's screen.
    pub(super) fn sees(&mut self, text: &str) -> io::Result<()> {
        while !self.screen.contains(text) {
            match self.shown.recv_timeout(PATIENCE) {
                Ok(more) => self.screen.push_str(&more),
                Err(RecvTimeoutError::Timeout) => return Err(io::ErrorKind::TimedOut.into()),
                Err(RecvTimeoutError::Disconnected) => return Err(io::Error::other("R2 has ended")),
            }
        }
        Ok(())
    }

    pub(super) fn screen(&self) -> &str {
        &self.screen
    }

    /// Ends R2 in order.
    pub(super) fn stop(self) {
        let TypedLines { typed, wake } = self.keyboard;
        drop(typed);
        wake.wake();
        // It ends by itself, and a panic has told about itself.
        let _ = self.thread.join();
    }
}

fn ports_of(r2: &Server<R2, Local>) -> BTreeMap<u16, [u16; 2]> {
    let found = |port| {
        [
            r2.link().tcp_port(port).unwrap_or(0),
            r2.link().udp_port(port).unwrap_or(0),
        ]
    };
    r2.served
        .services()
        .map(|spec| (spec.port, found(spec.port)))
        .collect()
}

/// The operator's end of the keyboard and the screen, and the operator's session.
struct Script {
    typing: Receiver<String>,
    woken: Arc<Wake>,
    show: Sender<String>,
    /// `None` before the first turn.
    session: Option<Peer>,
    /// Nobody can type any more.
    hung_up: bool,
}

impl Script {
    fn new(typing: Receiver<String>, woken: Arc<Wake>, show: Sender<String>) -> Self {
        Self {
            typing,
            woken,
            show,
            session: None,
            hung_up: false,
        }
    }
}

impl Operator<R2> for Script {
    fn descriptors(&self) -> [Option<BorrowedFd<'_>>; OPERATOR] {
        [Some(self.woken.as_fd()), None]
    }

    fn woken(&mut self, _: [bool; OPERATOR]) {
        self.woken.clear();
    }

    fn turn(&mut self, now: Instant, r2: &mut R2) -> Option<Instant> {
        let (at, room) = (serve::core_time(now), &mut r2.world.room);
        let session = self.session.get_or_insert_with(|| {
            let mut session = Peer::host();
            session.opened(at, room);
            session
        });
        let mut next = None;
        loop {
            match self.typing.try_recv() {
                Ok(line) => {
                    session.receive(at, line.as_bytes(), room);
                    next = Some(now);
                }
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => {
                    self.hung_up = true;
                    break;
                }
            }
        }
        let mut bytes = [0; 1024];
        loop {
            let shown = session.transmit(at, &mut bytes, room);
            if shown == 0 {
                return next;
            }
            let _ = self
                .show
                .send(String::from_utf8_lossy(&bytes[..shown]).into_owned());
        }
    }

    fn ends(&self, _: &R2) -> bool {
        self.hung_up
    }
}
