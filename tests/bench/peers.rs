//! What R2 is compared with.

use std::env;
use std::io;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use r2_tests::namespace::{FAR, Namespace};
use r2_tests::program::{PATIENCE, Program};

/// Two kernels, joined by a cable: the client is at the near end, what R2 is compared with at the far one.
pub(crate) struct Cable {
    pub(crate) near: Namespace,
    far: Namespace,
}

impl Cable {
    pub(crate) fn new() -> Self {
        let (near, far) = (Namespace::new(), Namespace::new());
        near.cable_to(&far);
        Self { near, far }
    }

    /// Starts a server at the far end.
    pub(crate) fn serve(&self, line: &str) -> Program {
        self.far.start(line)
    }

    /// Starts Python's socketserver at the far end.
    pub(crate) fn socketserver(&self) -> Program {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("bench/server.py");
        let server = self.serve(&format!("exec /usr/bin/python3 {} {FAR}", script.display()));
        server.sees("ready\n");
        server
    }

    /// Starts the echo server on epoll at the far end.
    pub(crate) fn epoll_echo(&self, port: u16) -> Program {
        let own = env::current_exe().expect("a program has a path");
        self.serve(&format!("exec {} echo-server {FAR}:{port}", own.display()))
    }

    /// Connects to a server at the far end.
    pub(crate) fn connect(&self, port: u16) -> TcpStream {
        self.near
            .connect(&format!("{FAR}:{port}"))
            .unwrap_or_else(|error| panic!("connecting to {port} over the cable: {error}"))
    }

    /// Connects to a server at the far end as soon as it listens. It has to be asked: a netcat does not say so.
    pub(crate) fn connect_to_new(&self, server: &Program, port: u16) -> TcpStream {
        let begun = Instant::now();
        loop {
            match self.near.connect(&format!("{FAR}:{port}")) {
                Ok(stream) => return stream,
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
                Err(error) => panic!("connecting to {port} over the cable: {error}"),
            }
            assert!(
                begun.elapsed() < PATIENCE,
                "nobody listens at {port}: {}",
                server.stderr.end_of_text()
            );
        }
    }
}

/// How often smoltcp's benchmark is started for one figure.
const BENCHMARK_TRIES: usize = 10;

/// How long it may take to move its gigabyte.
const BENCHMARK_PATIENCE: Duration = Duration::from_secs(60);

/// What smoltcp's own benchmark says of one direction, in Gbit/s: `writer` is from the kernel to smoltcp, `reader`
/// the other. It brings its own client, which writes and reads a megabyte at a time and compares nothing.
pub(crate) fn smoltcp_benchmark(direction: &str) -> f64 {
    let benchmark = built("target/peers/release/examples/benchmark");
    // Its client does not wait for its server to listen: where it comes too early, both are started again.
    for _ in 0..BENCHMARK_TRIES {
        let namespace = Namespace::new();
        let program = namespace.start(&format!("{} --tap tap0 {direction} 2>&1", benchmark.display()));
        let told = program.stdout.wait(BENCHMARK_PATIENCE, |text, ended| {
            ended || text.contains("Gbps") || text.contains("panicked")
        });
        assert!(told, "smoltcp's benchmark says nothing");
        let printed = program.stdout.text();
        if let Some(rate) = printed.split("throughput: ").nth(1) {
            let rate = rate.split(' ').next().and_then(|rate| rate.parse().ok());
            return rate.unwrap_or_else(|| panic!("no throughput in {printed:?}"));
        }
    }
    panic!("smoltcp's benchmark does not start");
}

fn built(path: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    path.canonicalize()
        .unwrap_or_else(|_| panic!("{} is not built: tests/ci.sh bench builds it", path.display()))
}
