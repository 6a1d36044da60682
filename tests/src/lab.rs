//! R2 and KALI, joined by a TAP or on one host.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read};
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::time::Instant;
use std::{env, thread};

use rustix::process::Signal;
use socket2::{Domain, SockAddr, Socket, Type};
use tempfile::TempDir;

use crate::namespace::Namespace;
use crate::program::{Ended, PATIENCE, Program};
use crate::store::Store;
use r2_sim::payload;

/// R2's address on every test's TAP.
pub const R2: &str = "192.168.69.1";

/// What joins R2 and KALI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// A TAP: R2 is at [`R2`].
    Tap,
    /// Both are on one host, and R2 serves there without any privilege: root's without a capability.
    Local,
}

impl Link {
    /// Where a service of R2 is found.
    fn address(self, port: u16) -> SocketAddr {
        match self {
            Self::Tap => SocketAddr::new(R2.parse().expect("an address"), port),
            Self::Local if port < 1024 => SocketAddr::from((Ipv4Addr::LOCALHOST, port + 10_000)),
            Self::Local => SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
        }
    }

    /// The command line that serves.
    fn serve(self, store: &Path, options: &str) -> String {
        match self {
            Self::Tap => serve(store, options),
            Self::Local => serve(store, options)
                .replace(
                    "exec ",
                    "exec setpriv --bounding-set=-all --inh-caps=-all --no-new-privs ",
                )
                .replace("--link tap:tap0", "--link local"),
        }
    }

    /// The line that says that R2 serves.
    const fn ready(self) -> &'static str {
        match self {
            Self::Tap => "R2 ready at 192.168.69.1 on tap0\n",
            Self::Local => "R2 ready at 127.0.0.1 on local\n",
        }
    }
}

/// What of R2 is in memory, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// All of it.
    pub resident: u64,
    /// What R2 took: heap, stacks, variables. The rest are pages of its program and libraries, read when they are
    /// first run.
    pub own: u64,
}

/// R2 serving in a network of its own, a store that is removed afterwards, and KALI at the other end.
pub struct Lab {
    /// The server: what is typed to it is R2's side of the chat.
    pub r2: Program,
    /// The network between the two.
    pub namespace: Namespace,
    /// Where R2 keeps its files.
    pub store: Store,
    link: Link,
    folder: TempDir,
}

impl Lab {
    /// Starts R2 and waits until it is ready.
    pub fn new() -> Self {
        Self::with("")
    }

    /// The same, with more options for `serve`.
    pub fn with(options: &str) -> Self {
        Self::joining(Namespace::new(), options)
    }

    /// The same, in a namespace where KALI has begun already.
    pub fn joining(namespace: Namespace, options: &str) -> Self {
        let folder = own_folder();
        let store = folder.path().join("store");
        Self::start(Link::Tap, namespace, folder, &store, options)
    }

    /// The same, with a store that was there before and stays.
    pub fn on(store: &Path, options: &str) -> Self {
        Self::start(Link::Tap, Namespace::new(), own_folder(), store, options)
    }

    /// The same as [`with`](Self::with), on KALI's own host.
    pub fn local(options: &str) -> Self {
        let folder = own_folder();
        let store = folder.path().join("store");
        Self::start(Link::Local, Namespace::new(), folder, &store, options)
    }

    /// The same, with a store that was there before and stays.
    pub fn local_on(store: &Path, options: &str) -> Self {
        Self::start(Link::Local, Namespace::new(), own_folder(), store, options)
    }

    /// The same as [`new`](Self::new), with R2 started by `tracer`, which is told where the store is.
    pub fn traced_by(tracer: impl FnOnce(&Path) -> String) -> Self {
        let folder = own_folder();
        let store = Store::at(folder.path().join("store"));
        let line = Link::Tap
            .serve(store.path(), "")
            .replace("exec ", &format!("exec {} ", tracer(store.path())));
        Self::started(&line, Link::Tap, Namespace::new(), folder, store)
    }

    /// The same as [`joining`](Self::joining), with a command line of the test's own, whose store is in `folder`.
    pub fn started_by(line: &str, namespace: Namespace, folder: TempDir) -> Self {
        let store = Store::at(folder.path().to_owned());
        Self::started(line, Link::Tap, namespace, folder, store)
    }

    fn start(link: Link, namespace: Namespace, folder: TempDir, store: &Path, options: &str) -> Self {
        let store = Store::at(store.to_owned());
        let line = link.serve(store.path(), options);
        Self::started(&line, link, namespace, folder, store)
    }

    fn started(line: &str, link: Link, namespace: Namespace, folder: TempDir, store: Store) -> Self {
        let r2 = namespace.start(line);
        let lab = Self {
            r2,
            namespace,
            store,
            link,
            folder,
        };
        lab.r2.complains(link.ready());
        lab
    }

    /// Starts a command line of KALI's; `hostapp` in it is the program under test.
    pub fn start_kali(&self, line: &str) -> Program {
        self.namespace.start(&format!(
            "PATH={}:$PATH; {line}",
            hostapp().parent().expect("a folder").display()
        ))
    }

    /// Runs a command line of KALI's to its end, with nothing as its input, and returns what it printed. Panics where it fails.
    pub fn kali(&self, line: &str) -> String {
        self.start_kali(line).prints()
    }

    /// Runs a command line of KALI's to its end, however it ends.
    pub fn kali_tries(&self, line: &str) -> Ended {
        self.start_kali(line).finish()
    }

    /// Opens a kernel connection to a service of R2.
    pub fn connect(&self, port: u16) -> TcpStream {
        self.try_connect(port)
            .unwrap_or_else(|error| panic!("connecting to {port}: {error}"))
    }

    /// Opens a kernel connection to a port of R2 that may be closed.
    pub fn try_connect(&self, port: u16) -> io::Result<TcpStream> {
        self.namespace.connect(&self.link.address(port).to_string())
    }

    /// Opens a kernel connection from another address of KALI's.
    pub fn connect_from(&self, address: &str, port: u16) -> TcpStream {
        let socket = self
            .namespace
            .inside(|| Socket::new(Domain::IPV4, Type::STREAM, None))
            .expect("a socket");
        let at = |address: &str| SockAddr::from(address.parse::<SocketAddr>().expect("an address"));
        socket
            .bind(&at(&format!("{address}:0")))
            .expect("an address of the namespace");
        socket
            .connect(&self.link.address(port).into())
            .unwrap_or_else(|error| panic!("connecting to {port}: {error}"));
        socket.into()
    }

    /// Opens a UDP socket of KALI's at `port` (0: any), connected to `to` of R2.
    pub fn udp(&self, port: u16, to: u16) -> UdpSocket {
        let socket = self.namespace.udp(&format!("0.0.0.0:{port}"));
        socket.connect(self.link.address(to)).expect("an address");
        socket
    }

    /// A place for a file of KALI's.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Makes a file of `length` random bytes on KALI and returns its path.
    pub fn file(&self, name: &str, length: u64) -> PathBuf {
        let path = self.path(name);
        payload::write_random(&path, length, length ^ 0x5eed);
        path
    }

    /// R2's status page.
    pub fn status(&self) -> BTreeMap<String, String> {
        let mut page = String::new();
        self.connect(5040)
            .read_to_string(&mut page)
            .expect("the status page");
        page.lines()
            .map(|line| {
                line.split_once(": ")
                    .unwrap_or_else(|| panic!("no `key: value`: {line:?}"))
            })
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect()
    }

    /// Waits until no connection is open but the one that asks.
    pub fn wait_until_alone(&self) {
        let deadline = Instant::now() + PATIENCE;
        while self.status()["sessions_open"] != "1" {
            assert!(
                Instant::now() < deadline,
                "waited {PATIENCE:?} for the last connection's end"
            );
        }
    }

    /// The memory that R2 holds. Counted page by page: what the kernel adds up as it goes (`VmRSS`) may be hundreds of KiB behind.
    pub fn memory(&self) -> Memory {
        let path = format!("/proc/{}/smaps_rollup", self.r2.pid().as_raw_nonzero());
        let counted = fs::read_to_string(path).expect("R2 lives");
        let of = |key: &str| {
            let kilobytes = counted
                .lines()
                .find_map(|line| line.strip_prefix(key)?.strip_suffix("kB"));
            kilobytes
                .and_then(|number| number.trim().parse::<u64>().ok())
                .unwrap_or_else(|| panic!("no {key} in kB in\n{counted}"))
                * 1024
        };
        Memory {
            resident: of("Rss:"),
            own: of("Anonymous:"),
        }
    }

    /// The processor time that R2 has used, in hundredths of a second.
    pub fn processor_time(&self) -> u64 {
        let path = format!("/proc/{}/stat", self.r2.pid().as_raw_nonzero());
        let stat = fs::read_to_string(path).expect("R2 lives");
        // proc(5): utime and stime are the 14th and 15th field, and the name before them may hold spaces.
        let (_, fields) = stat.rsplit_once(')').expect("a name in brackets");
        let times = fields.split_whitespace().skip(11).take(2);
        times.map(|ticks| ticks.parse::<u64>().expect("ticks")).sum()
    }

    /// Asks R2 to end, and waits until it has.
    pub fn stop(&mut self) -> Ended {
        self.r2.signal(Signal::TERM);
        self.r2.wait()
    }
}

impl Default for Lab {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if thread::panicking() {
            let (errors, console) = (self.r2.stderr.end_of_text(), self.r2.stdout.end_of_text());
            eprintln!("--- R2's standard error\n{errors}\n--- R2's console\n{console}\n---");
        }
    }
}

/// The command line that starts R2 on `tap0`. The shell becomes R2, so that its process id is R2's.
pub fn serve(store: &Path, options: &str) -> String {
    format!(
        "exec {} serve --link tap:tap0 --store {} {options}",
        hostapp().display(),
        store.display()
    )
}

/// The program under test: `R2_HOSTAPP`, or the workspace's release build.
pub fn hostapp() -> PathBuf {
    let built = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/release/hostapp");
    let path = env::var_os("R2_HOSTAPP").map_or_else(built, PathBuf::from);
    path.canonicalize()
        .unwrap_or_else(|_| panic!("{} is not built", path.display()))
}

fn own_folder() -> TempDir {
    TempDir::with_prefix("r2-lab-").expect("a temporary folder")
}
