//! A network of the test's own.

use std::fs;
use std::net::{TcpStream, UdpSocket};
use std::os::fd::AsFd;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::{io, process, thread};

use rustix::process::{Pid, Signal, kill_process};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::program::{PATIENCE, Program};

/// Where iproute2 keeps the names of namespaces.
const NAMES: &str = "/run/netns";

/// Where the kernel keeps the range of the ports that it chooses by itself: by default too few for a client that
/// opens thousands of connections a second, since each rests for a minute when it is closed.
const PORTS: &str = "/proc/sys/net/ipv4/ip_local_port_range";

/// Ports that the kernel does not choose: R2 answers no datagram from a port that would answer the answer.
const NOBODYS: &str = "/proc/sys/net/ipv4/ip_local_reserved_ports";

/// The address of the near end of a cable between two namespaces.
pub const NEAR: &str = "192.168.70.100";

/// The address of the far end of a cable between two namespaces.
pub const FAR: &str = "192.168.70.1";

/// What KALI's side of the TAP is called and how it is reached. The IPv6 address skips duplicate detection: it
/// would be unusable for a second.
const SETUP: &[&str] = &[
    "link set lo up",
    "tuntap add name tap0 mode tap",
    "link set tap0 up",
    "addr add 192.168.69.100/24 dev tap0",
    "addr add fd69::100/64 dev tap0 nodad",
];

/// A network namespace with a persistent `tap0`, KALI's end of it at 192.168.69.100 and `fd69::100`. It is
/// removed,
/// with every process still in it, when the value is dropped.
pub struct Namespace {
    pub(crate) name: String,
}

impl Namespace {
    /// Makes a new one, and removes those that killed test runs have left behind. Panics without root.
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        remove_leftovers();
        let name = format!("r2-{}-{}", process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        ip(&format!("netns add {name}"))
            .expect("a network namespace of the test's own needs root and iproute2");
        let namespace = Self { name };
        namespace.inside(|| {
            fs::write(PORTS, "1024 65535").expect("ports for KALI");
            fs::write(NOBODYS, "5010").expect("a port that is not for KALI");
        });
        for step in SETUP {
            namespace.ip(step);
        }
        namespace
    }

    /// The namespace's name alone, for work that needs what is in it mutably.
    pub fn handle(&self) -> Inside {
        Inside(fs::File::open(Path::new(NAMES).join(&self.name)).expect("the namespace has a name"))
    }

    /// Runs `ip` inside, and panics where it fails.
    pub fn ip(&self, arguments: &str) {
        ip(&format!("-n {} {arguments}", self.name))
            .unwrap_or_else(|error| panic!("ip {arguments}: {error}"));
    }

    /// Lays an Ethernet cable to another namespace: `veth0` at both ends, the near one at [`NEAR`], the far one at
    /// [`FAR`].
    pub fn cable_to(&self, far: &Self) {
        self.ip(&format!(
            "link add veth0 type veth peer name veth0 netns {}",
            far.name
        ));
        for (end, address) in [(self, NEAR), (far, FAR)] {
            end.ip(&format!("addr add {address}/24 dev veth0"));
            end.ip("link set veth0 up");
        }
    }

    /// Does `work` inside the namespace: sockets that it opens and programs that it starts belong there.
    pub fn inside<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        self.handle().inside(work)
    }

    /// Starts a shell command line inside.
    pub fn start(&self, line: &str) -> Program {
        self.inside(|| Program::start(line))
    }

    /// Opens a kernel connection to `address`, whose reads and writes fail when a test's patience is over.
    pub fn connect(&self, address: &str) -> io::Result<TcpStream> {
        let stream = self.inside(|| TcpStream::connect(address))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(stream)
    }

    /// Binds a kernel UDP socket inside, whose reads fail when a test's patience is over.
    pub fn udp(&self, address: &str) -> UdpSocket {
        let socket = self.inside(|| UdpSocket::bind(address)).expect("a free UDP port");
        socket
            .set_read_timeout(Some(PATIENCE))
            .expect("a time that is not 0");
        socket
    }
}

/// A way into a namespace.
pub struct Inside(fs::File);

impl Inside {
    /// Does `work` inside the namespace: sockets that it opens and programs that it starts belong there.
    pub fn inside<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        thread::scope(|scope| {
            let worker = scope.spawn(|| {
                move_into_link_name_space(self.0.as_fd(), Some(LinkNameSpaceType::Network)).expect("setns");
                work()
            });
            worker
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }
}

impl Default for Namespace {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        remove(&self.name);
    }
}

/// Runs `ip`; what it printed, or what it complained about.
fn ip(arguments: &str) -> io::Result<String> {
    let output = Command::new("ip").args(arguments.split(' ')).output()?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(io::Error::other(
            String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        ))
    }
}

/// Ends every process in the namespace and takes its name away. Errors mean that somebody else did it already.
fn remove(name: &str) {
    let pids = ip(&format!("netns pids {name}")).unwrap_or_default();
    for pid in pids
        .lines()
        .filter_map(|pid| pid.parse().ok())
        .filter_map(Pid::from_raw)
    {
        let _ = kill_process(pid, Signal::KILL);
    }
    let _ = ip(&format!("netns del {name}"));
}

/// Removes the namespaces of test processes that no longer live.
fn remove_leftovers() {
    for entry in fs::read_dir(NAMES).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let owner = name.strip_prefix("r2-").and_then(|rest| rest.split('-').next());
        if owner.is_some_and(|pid| pid.parse::<u32>().is_ok() && !Path::new("/proc").join(pid).exists()) {
            remove(&name);
        }
    }
}
