//! The exit status says what became of the command, whatever became of the lines about it.

use std::fs::File;
use std::io::pipe;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use r2_tests::lab::{Lab, hostapp, serve};
use r2_tests::namespace::Namespace;
use r2_tests::program::PATIENCE;
use r2_tests::tmpfs::Tmpfs;
use rustix::process::{Pid, Signal, kill_process};

/// What standard output and standard error may be when nobody has anything of them.
#[derive(Clone, Copy, Debug)]
enum Lost {
    ClosedPipe,
    FullDevice,
    Closed,
}

const ALL: [Lost; 3] = [Lost::ClosedPipe, Lost::FullDevice, Lost::Closed];

impl Lost {
    /// Starts `line` with both outputs lost.
    fn start(self, namespace: &Namespace, line: &str) -> Child {
        let output = || match self {
            // Its reader is dropped.
            Self::ClosedPipe => Stdio::from(pipe().expect("a pipe").1),
            Self::FullDevice => {
                Stdio::from(File::options().write(true).open("/dev/full").expect("/dev/full"))
            }
            Self::Closed => Stdio::null(),
        };
        let closed = if matches!(self, Self::Closed) {
            ">&- 2>&-"
        } else {
            ""
        };
        namespace.inside(|| {
            Command::new("sh")
                .args(["-c", &format!("exec {line} {closed}")])
                .process_group(0)
                .stdin(Stdio::null())
                .stdout(output())
                .stderr(output())
                .spawn()
                .expect("a shell")
        })
    }

    fn status(self, namespace: &Namespace, line: &str) -> Option<i32> {
        self.start(namespace, line).wait().expect("its end").code()
    }
}

#[test]
fn what_was_done_is_done_though_nobody_reads_of_it() {
    let lab = Lab::new();
    let file = lab.file("f", 100_000);
    let program = hostapp().display().to_string();
    for lost in ALL {
        let does = |line: &str, status: i32| {
            let found = lost.status(&lab.namespace, &format!("{program} {line}"));
            assert_eq!(found, Some(status), "{lost:?}: {line}");
        };
        does(&format!("send 192.168.69.1 {}", file.display()), 0);
        lab.store.holds(&["f"]);
        does(&format!("get 192.168.69.1 f -o {}", lab.path("got").display()), 0);
        does("rm 192.168.69.1 f", 0);
        lab.store.holds(&[]);
        does("rm 192.168.69.1 f", 1);
        does("ls 192.168.69.1:1", 2);
        does("ls nobody.invalid", 2);
        does("get 192.168.69.1 f --json -o -", 2);
        does("chat 192.168.69.1", 0);
        does(&format!("docs {}", lab.path("docs").display()), 0);
    }
}

#[test]
fn no_command_ends_with_another_status_than_0_1_or_2() {
    let lab = Lab::new();
    let program = hostapp().display().to_string();
    for lost in ALL {
        for line in [
            "",
            "--help",
            "--version",
            "help send",
            "fly",
            "serve --frob",
            "serve --link tap:nothing",
            "secret",
            "secret 192.168.69.1 SECRET 1",
            "secret 192.168.69.1 SECRET 1 --json",
            "ls 192.168.69.1",
            "ls 192.168.69.1 --json",
            "send 192.168.69.1 /nowhere",
            "get 192.168.69.1 nothing -o -",
            "docs /proc/nowhere",
            "demo",
            "lab ports",
            "lab ports --json",
            "lab syscalls",
            "lab report -o /proc/nowhere",
        ] {
            let status = lost.status(&lab.namespace, &format!("{program} {line}"));
            assert!(
                matches!(status, Some(0..=2)),
                "{lost:?}: hostapp {line}: {status:?}"
            );
        }
    }
}

#[test]
fn pages_and_completions_on_a_full_disk_are_told() {
    let namespace = Namespace::new();
    for kilobytes in [8, 16, 32, 64] {
        let disk = Tmpfs::new(kilobytes << 10);
        let line = format!("exec {} docs {}", hostapp().display(), disk.path().display());
        let ended = namespace.start(&line).wait();
        assert_eq!(ended.status.code(), Some(1), "{ended:?}");
        assert_eq!(ended.stderr.lines().count(), 1, "{ended:?}");
        assert!(ended.stderr.contains("No space left"), "{ended:?}");
    }
}

#[test]
fn a_server_that_nobody_reads_serves_and_ends_in_order() {
    for lost in ALL {
        let namespace = Namespace::new();
        let store = tempfile::tempdir().unwrap();
        let mut r2 = lost.start(&namespace, &serve(store.path(), "").replace("exec ", ""));
        let deadline = Instant::now() + PATIENCE;
        let ask = "echo SECRET 1 | nc.openbsd -N -w 5 192.168.69.1 5010";
        while namespace.start(ask).finish().stdout != "Digits: 1 Count: 1\n" {
            assert!(Instant::now() < deadline, "{lost:?}: R2 does not answer");
            assert_eq!(r2.try_wait().unwrap(), None, "{lost:?}: R2 has ended");
        }
        namespace
            .start("printf 'Hi\\n' | nc.openbsd -N 192.168.69.1 5000")
            .prints();
        kill_process(Pid::from_child(&r2), Signal::TERM).unwrap();
        assert_eq!(r2.wait().unwrap().code(), Some(0), "{lost:?}");
    }
}
