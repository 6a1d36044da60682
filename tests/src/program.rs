//! A running program: its keyboard, its screen, its end.

use std::io::{self, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};

/// How long a test waits for an event that should come at once: a busy machine takes a while, a hang takes for ever.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A shell command line that runs in a process group of its own. It is killed when the value is dropped.
pub struct Program {
    line: String,
    child: Child,
    keyboard: Option<ChildStdin>,
    /// What it writes to standard output.
    pub stdout: Screen,
    /// What it writes to standard error.
    pub stderr: Screen,
    patience: Duration,
}

/// How a program ended.
#[derive(Debug)]
pub struct Ended {
    /// Its exit status.
    pub status: ExitStatus,
    /// All that it wrote to standard output.
    pub stdout: String,
    /// All that it wrote to standard error.
    pub stderr: String,
}

impl Program {
    /// Starts `line` in a shell, with what is typed at [`types`](Self::types) as its standard input.
    pub fn start(line: &str) -> Self {
        // Tests that run under nohup would hand on that SIGHUP is ignored.
        let mut child = Command::new("env")
            .args(["--default-signal=HUP", "sh", "-c", line])
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("`{line}` does not start: {error}"));
        let stdout = child.stdout.take().expect("stdout is a pipe");
        let stderr = child.stderr.take().expect("stderr is a pipe");
        Self {
            line: line.to_owned(),
            keyboard: child.stdin.take(),
            child,
            stdout: Screen::of(stdout),
            stderr: Screen::of(stderr),
            patience: PATIENCE,
        }
    }

    /// Lets everything that waits for this program wait for so long.
    #[must_use]
    pub fn patiently(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Types `text` to the program. Panics where it no longer reads.
    pub fn types(&mut self, text: impl AsRef<[u8]>) {
        self.try_types(text)
            .unwrap_or_else(|error| panic!("`{}` does not read: {error}", self.line));
    }

    /// Types `text` to a program that may have ended.
    pub fn try_types(&mut self, text: impl AsRef<[u8]>) -> io::Result<()> {
        self.keyboard
            .as_mut()
            .expect("its input is still open")
            .write_all(text.as_ref())
    }

    /// Ends the program's input: Ctrl-D.
    pub fn ends_input(&mut self) {
        self.keyboard = None;
    }

    /// Waits until `text` is on the program's standard output.
    pub fn sees(&self, text: &str) {
        self.wait_on(&self.stdout, &format!("{text:?} on its screen"), |shown, _| {
            shown.contains(text)
        });
    }

    /// Waits until `text` is on the program's standard error.
    pub fn complains(&self, text: &str) {
        self.wait_on(
            &self.stderr,
            &format!("{text:?} on standard error"),
            |shown, _| shown.contains(text),
        );
    }

    /// Sends a signal to the program and to what it started.
    pub fn signal(&self, signal: Signal) {
        kill_process_group(self.pid(), signal).unwrap_or_else(|error| panic!("`{}`: {error}", self.line));
    }

    /// Waits for the end of the program, without ending its input.
    pub fn wait(&mut self) -> Ended {
        let pidfd = pidfd_open(self.pid(), PidfdFlags::empty()).expect("a child that was not waited for");
        let mut events = [PollFd::new(&pidfd, PollFlags::IN)];
        let timeout = Timespec::try_from(self.patience).expect("a patience of seconds");
        if poll(&mut events, Some(&timeout)).expect("poll") == 0 {
            self.despair("its end");
        }
        let status = self.child.wait().expect("a child that was not waited for");
        self.wait_on(&self.stdout, "the end of its output", |_, ended| ended);
        self.wait_on(&self.stderr, "the end of its errors", |_, ended| ended);
        Ended {
            status,
            stdout: self.stdout.text(),
            stderr: self.stderr.text(),
        }
    }

    /// Ends the program's input and waits for its end.
    pub fn finish(&mut self) -> Ended {
        self.ends_input();
        self.wait()
    }

    /// Ends the program's input, waits for its end, and returns what it printed. Panics where it failed.
    pub fn prints(&mut self) -> String {
        let ended = self.finish();
        assert!(ended.status.success(), "`{}` failed: {ended:?}", self.line);
        ended.stdout
    }

    /// The process id: the shell's, or the program's where the line begins with `exec`.
    pub fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    fn wait_on(&self, screen: &Screen, what: &str, done: impl Fn(&str, bool) -> bool) {
        if !screen.wait(self.patience, done) {
            self.despair(what);
        }
    }

    fn despair(&self, what: &str) -> ! {
        panic!(
            "`{}`: waited {:?} for {what}\n--- stdout\n{}\n--- stderr\n{}\n---",
            self.line,
            self.patience,
            self.stdout.end_of_text(),
            self.stderr.end_of_text()
        )
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = kill_process_group(self.pid(), Signal::KILL);
            let _ = self.child.wait();
        }
    }
}

/// What a program has written to one of its outputs so far.
pub struct Screen {
    shared: Arc<(Mutex<Shown>, Condvar)>,
}

#[derive(Default)]
struct Shown {
    bytes: Vec<u8>,
    ended: bool,
}

impl Screen {
    fn of(mut pipe: impl Read + Send + 'static) -> Self {
        let shared = Arc::new((Mutex::new(Shown::default()), Condvar::new()));
        let writer = Arc::clone(&shared);
        thread::spawn(move || {
            let mut buffer = vec![0; 64 * 1024];
            loop {
                let count = pipe.read(&mut buffer).unwrap_or(0);
                let mut shown = writer.0.lock().expect("no reader panics with the lock");
                shown.bytes.extend_from_slice(&buffer[..count]);
                shown.ended = count == 0;
                writer.1.notify_all();
                if shown.ended {
                    return;
                }
            }
        });
        Self { shared }
    }

    /// All of it so far, as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.lock().bytes).into_owned()
    }

    /// The last lines of it, for a message.
    pub fn end_of_text(&self) -> String {
        const LINES: usize = 40;
        let text = self.text();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(LINES)..].join("\n")
    }

    /// Waits until `done` says so of the text and of whether the output has ended; `false` if it never does.
    pub fn wait(&self, patience: Duration, done: impl Fn(&str, bool) -> bool) -> bool {
        let deadline = Instant::now() + patience;
        let mut shown = self.lock();
        loop {
            if done(&String::from_utf8_lossy(&shown.bytes), shown.ended) {
                return true;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if shown.ended || left.is_zero() {
                return false;
            }
            shown = self
                .shared
                .1
                .wait_timeout(shown, left)
                .expect("no writer panics with the lock")
                .0;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Shown> {
        self.shared.0.lock().expect("no holder panics with the lock")
    }
}
