//! R2, serving in a thread, and its operator.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender, TryRecvError};
use std::thread::{self, JoinHandle};

use clap::Parser;
use r2_core::chat::Peer;
use r2_core::session::Session;
use r2_disk::wake::Wake;
use r2_links::Link;
use r2_links::local::{Local, Ports};

use super::PATIENCE;
use crate::cli::{Cli, Command, Serve};
use crate::serve::{self, R2};

/// R2 on the virtual wire, with its ports wherever there are free ones.
pub(super) struct Running {
    /// R2's ports and where they are on this machine: TCP, UDP.
    ports: BTreeMap<u16, [u16; 2]>,
    keyboard: Keyboard,
    shown: Receiver<String>,
    screen: String,
    thread: JoinHandle<()>,
}

/// What the operator types. When it is gone, R2 ends.
struct Keyboard {
    typed: Sender<String>,
    wake: Arc<Wake>,
}

impl Running {
    /// Starts R2 with its files in `store`.
    pub(super) fn start(store: &Path) -> io::Result<Self> {
        let options = options(store)?;
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
                Ok(r2) => {
                    let _ = found.send(Ok(ports_of(&r2)));
                    serve_until_hung_up(r2, &typing, &woken, &show);
                }
                Err(refusal) => {
                    let _ = found.send(Err(io::Error::other(refusal.to_string())));
                }
            }
        })?;
        let ports = ports.recv().map_err(io::Error::other)??;
        Ok(Self {
            ports,
            keyboard: Keyboard { typed, wake },
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
        let Keyboard { typed, wake } = self.keyboard;
        drop(typed);
        wake.wake();
        // It ends by itself, and a panic has told about itself.
        let _ = self.thread.join();
    }
}

fn options(store: &Path) -> io::Result<Serve> {
    let line = [
        "hostapp",
        "serve",
        "--link",
        "local",
        "--sessions",
        "4",
        "--store",
    ];
    let line = line.map(AsRef::as_ref).into_iter().chain([store.as_os_str()]);
    match Cli::try_parse_from(line).map_err(io::Error::other)?.command {
        Command::Serve(options) => {
            serve::on_the_wire(&options).map_err(|refusal| io::Error::other(refusal.to_string()))
        }
        _ => Err(io::ErrorKind::InvalidInput.into()),
    }
}

fn ports_of(r2: &R2<Local>) -> BTreeMap<u16, [u16; 2]> {
    let found = |port| {
        [
            r2.link().tcp_port(port).unwrap_or(0),
            r2.link().udp_port(port).unwrap_or(0),
        ]
    };
    r2.services().map(|spec| (spec.port, found(spec.port))).collect()
}

/// Drives R2, its operator's session beside it, until nobody can type any more.
fn serve_until_hung_up(mut r2: R2<Local>, typing: &Receiver<String>, woken: &Wake, show: &Sender<String>) {
    let mut operator = Peer::host();
    let mut stopping = false;
    let mut bytes = [0; 1024];
    operator.opened(r2_core::time::Instant::default(), &mut r2.world.room);
    loop {
        let now = r2.now();
        let mut next = r2.pass(now);
        let core_now = r2_core::time::Instant::from_millis(now.total_millis().unsigned_abs());
        woken.clear();
        loop {
            match typing.try_recv() {
                Ok(line) => {
                    operator.receive(core_now, line.as_bytes(), &mut r2.world.room);
                    next = Some(now);
                }
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => {
                    if !stopping {
                        stopping = true;
                        r2.stop(now);
                        next = Some(now);
                    }
                    break;
                }
            }
        }
        loop {
            let shown = operator.transmit(core_now, &mut bytes, &mut r2.world.room);
            if shown == 0 {
                break;
            }
            let _ = show.send(String::from_utf8_lossy(&bytes[..shown]).into_owned());
        }
        if stopping && r2.is_stopped(now) {
            return;
        }
        r2.wait(now, next, [woken.as_fd()]);
    }
}
