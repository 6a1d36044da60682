//! The client commands of the real program against the core's sessions on kernel sockets and a folder.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use r2_core::files::Files;
use r2_core::io::Pump;
use r2_core::secret::Secret;
use r2_core::session::Session;
use r2_core::time::Instant;
use r2_disk::{DiskStore, Limits};
use r2_links::socket::Socket;
use std::os::fd::AsFd;
use tempfile::TempDir;

/// A server of one service; it ends when it is dropped.
struct Server {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    fn start<S: Session<DiskStore> + 'static>(folder: &Path, session: fn() -> S) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let mut store = DiskStore::open(folder, Limits::default()).unwrap();
        let thread = std::thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                if stopped.load(Ordering::Relaxed) {
                    return;
                }
                serve(Pump::new(Socket::new(stream).unwrap(), session()), &mut store);
            }
        });
        Self {
            address,
            stop,
            thread: Some(thread),
        }
    }

    fn hostapp(&self, command: &str, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_hostapp"))
            .arg(command)
            .arg(self.address.to_string())
            .args(arguments)
            .output()
            .unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = std::net::TcpStream::connect(self.address);
        let served = self.thread.take().unwrap().join();
        assert!(served.is_ok() || std::thread::panicking());
    }
}

fn serve<S: Session<DiskStore>>(mut pump: Pump<Socket, S, 4096>, store: &mut DiskStore) {
    let start = std::time::Instant::now();
    while pump.over().is_none() {
        store.poll_completions();
        let now = Instant::from_millis(u64::try_from(start.elapsed().as_millis()).unwrap());
        let _ = pump.step(now, store);
        let Some(socket) = pump.connection().descriptor() else {
            return;
        };
        let mut events = PollFlags::empty();
        events.set(PollFlags::POLLIN, !pump.connection().peer_finished());
        events.set(PollFlags::POLLOUT, pump.wants_to_write());
        let mut fds = [
            PollFd::new(socket, events),
            PollFd::new(store.as_fd(), PollFlags::POLLIN),
        ];
        poll(&mut fds, PollTimeout::from(20u8)).unwrap();
    }
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn noise(length: usize) -> Vec<u8> {
    (0u64..)
        .map(|i| i.wrapping_mul(6_364_136_223_846_793_005).to_le_bytes()[5])
        .take(length)
        .collect()
}

#[test]
fn secret_prints_question_and_answer_exactly() {
    let dir = TempDir::new().unwrap();
    let server = Server::start(dir.path(), Secret::new);
    let out = server.hostapp("secret", &["123Ted", "32is", "343SECRET", "cool"]);
    assert_eq!(
        text(&out.stdout),
        "\nSent: 123Ted 32is 343SECRET cool\n\nReceived: Digits: 12332343 Count: 8\n"
    );
    assert_eq!((out.status.code(), text(&out.stderr)), (Some(0), ""));
    let out = server.hostapp("secret", &["sfdsd Ted is cool23432"]);
    assert!(text(&out.stdout).ends_with("\nReceived: Secret code not found.\n"));
}

#[test]
fn files_of_every_size_go_there_and_come_back() {
    let (store, here) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let server = Server::start(store.path(), Files::new);
    let (file, back) = (here.path().join("file"), here.path().join("back"));
    let (file_text, back_text) = (file.to_str().unwrap(), back.to_str().unwrap());
    for length in [0, 1, 65_535, 3_000_000] {
        let bytes = noise(length);
        std::fs::write(&file, &bytes).unwrap();
        let out = server.hostapp("send", &[file_text, "--as", "x"]);
        let line = text(&out.stderr);
        assert_eq!(out.status.code(), Some(0), "{line}");
        assert!(
            line.starts_with(&format!("Sent {file_text}: {length} bytes, sha256 ")),
            "{line}"
        );
        assert!(line.ends_with(", stored as x\n"), "{line}");
        assert_eq!(std::fs::read(store.path().join("x")).unwrap(), bytes);
        let out = server.hostapp("get", &["x", "--force", "-o", back_text]);
        assert_eq!(out.status.code(), Some(0), "{}", text(&out.stderr));
        assert_eq!(std::fs::read(&back).unwrap(), bytes);
        let out = server.hostapp("get", &["x", "-o", "-"]);
        assert_eq!((out.status.code(), out.stdout), (Some(0), bytes));
    }
    let mut left: Vec<_> = std::fs::read_dir(here.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    left.sort();
    assert_eq!(left, ["back", "file"], "no part stays");
    let out = server.hostapp("ls", &[]);
    let line = text(&out.stdout);
    assert!(
        line.starts_with("x 3000000 ") && line.len() == "x 3000000 \n".len() + 64,
        "{line}"
    );
    assert_eq!(server.hostapp("rm", &["x"]).status.code(), Some(0));
    assert_eq!(server.hostapp("ls", &[]).stdout, b"");
}

#[test]
fn what_was_broken_off_goes_on_where_it_was() {
    let (store, here) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let bytes = noise(1_000_000);
    std::fs::write(store.path().join("x"), &bytes).unwrap();
    let server = Server::start(store.path(), Files::new);
    let back = here.path().join("x");
    let part = here.path().join("x.part");
    for (what, here_already) in [
        ("a part", &bytes[..400_000]),
        ("all of it", &bytes[..]),
        ("other bytes", &noise(7)[1..]),
        ("too much", &[&bytes[..], b"more"].concat()),
    ] {
        std::fs::write(&part, here_already).unwrap();
        let out = server.hostapp("get", &["x", "-o", back.to_str().unwrap()]);
        assert_eq!(out.status.code(), Some(0), "{what}: {}", text(&out.stderr));
        assert_eq!(std::fs::read(&back).unwrap(), bytes, "{what}");
        assert!(!part.exists());
    }
}

#[test]
fn scripts_get_json_and_the_quiet_hear_nothing() {
    let (store, here) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let sha256 = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
    let file = here.path().join("file");
    let file = file.to_str().unwrap();
    std::fs::write(file, "hello").unwrap();
    let server = Server::start(store.path(), Files::new);
    let entry = format!(r#""bytes":5,"file":"{file}","name":"x","sha256":"{sha256}""#);
    for (command, arguments, line) in [
        ("send", vec![file, "--as", "x"], format!("{{{entry}}}\n")),
        (
            "ls",
            vec![],
            format!("{{\"bytes\":5,\"name\":\"x\",\"sha256\":\"{sha256}\"}}\n"),
        ),
        ("get", vec!["x", "-o", file], format!("{{{entry}}}\n")),
        ("rm", vec!["x"], "{\"name\":\"x\"}\n".to_owned()),
    ] {
        let out = server.hostapp(command, &[&arguments[..], &["--json", "--quiet"]].concat());
        assert_eq!(
            (out.status.code(), text(&out.stdout), text(&out.stderr)),
            (Some(0), &*line, ""),
            "{command}"
        );
    }
    let out = server.hostapp("rm", &["x", "--json", "--quiet"]);
    assert_eq!((out.status.code(), text(&out.stdout)), (Some(1), ""));
    assert_eq!(text(&out.stderr).lines().count(), 1, "errors are told");
    let out = server.hostapp("get", &["x", "--json", "-o", "-"]);
    assert_eq!(
        (out.status.code(), text(&out.stderr).lines().count()),
        (Some(2), 1)
    );
    drop(server);
    let server = Server::start(store.path(), Secret::new);
    let out = server.hostapp("secret", &["--json", "1 \"SECRET\""]);
    assert_eq!(
        text(&out.stdout),
        "{\"received\":\"Digits: 1 Count: 1\",\"sent\":\"1 \\\"SECRET\\\"\"}\n"
    );
}

#[test]
fn a_refusal_is_one_line_and_status_1() {
    let (store, here) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let server = Server::start(store.path(), Files::new);
    let target = here.path().join("x");
    for (command, arguments) in [
        ("get", vec!["x", "-o", target.to_str().unwrap()]),
        ("rm", vec!["x"]),
    ] {
        let out = server.hostapp(command, &arguments);
        assert_eq!(out.status.code(), Some(1));
        assert_eq!(
            text(&out.stderr),
            "R2 refused: no such file; hostapp ls shows what there is\n"
        );
    }
    assert!(
        std::fs::read_dir(here.path()).unwrap().next().is_none(),
        "nothing stays here"
    );
}

#[test]
fn what_cannot_work_is_one_line_and_status_2() {
    // Bound and dropped: a port that refuses.
    let nobody = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .to_string();
    let run = |arguments: &[&str]| {
        let out = Command::new(env!("CARGO_BIN_EXE_hostapp"))
            .args(arguments)
            .output()
            .unwrap();
        (out.status.code(), text(&out.stderr).to_owned())
    };
    for arguments in [
        vec!["secret", &nobody, "x"],
        vec!["chat", &nobody],
        vec!["ls", &nobody],
        vec!["rm", &nobody, "x"],
        vec!["send", &nobody, "/etc/hostname"],
    ] {
        let line = format!("cannot reach {nobody}: Connection refused; is hostapp serve running there?\n");
        assert_eq!(run(&arguments), (Some(2), line), "{arguments:?}");
    }
    for file in ["/nowhere/x", "/etc", "/etc/.pwd.lock"] {
        let (status, line) = run(&["send", &nobody, file]);
        assert_eq!((status, line.lines().count()), (Some(2), 1), "{line}");
    }
}
