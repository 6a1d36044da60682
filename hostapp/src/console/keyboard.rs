//! [`Keyboard`]: the input of a terminal, read and set only while this process is in its foreground.
//!
//! A job in the background that reads its terminal, or changes its settings, is stopped by the system, or takes from the
//! shell what is typed to it. So the editor of lines has a pseudoterminal of its own, whose settings are its affair; what is
//! typed is carried there by a thread, and nobody else touches the terminal.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::sys::termios::{
    ControlFlags, InputFlags, LocalFlags, SetArg, SpecialCharacterIndices as Special, Termios, tcgetattr,
    tcsetattr,
};
use nix::unistd::{Pid, getpgrp, tcgetpgrp};
use signal_hook::consts::SIGCONT;
use signal_hook::low_level::pipe;

/// How often a job in the background looks whether it is in the foreground: a shell need not tell it.
const LOOK: Duration = Duration::from_millis(200);

/// What is typed at a terminal.
pub(super) struct Keyboard {
    terminal: Terminal,
    /// Readable when this process was stopped and goes on.
    continued: UnixStream,
    /// Somebody else had the terminal since it was read last.
    was_away: bool,
}

/// A terminal, and what its settings were before this process changed them. All copies are of the same.
#[derive(Clone)]
pub(super) struct Terminal {
    input: Arc<OwnedFd>,
    settings: Arc<Mutex<Settings>>,
}

struct Settings {
    /// Keys are wanted as they are pressed, not lines.
    keys: bool,
    before: Option<Termios>,
}

/// What became of a look at the keyboard.
enum Typed {
    Bytes(usize),
    /// Nothing yet, but the terminal is this process's again.
    Back,
    /// The terminal is gone.
    End,
}

impl Keyboard {
    /// The terminal that is standard input: for `keys`, or for lines.
    pub(super) fn open(keys: bool) -> io::Result<Self> {
        let (continued, teller) = UnixStream::pair()?;
        continued.set_nonblocking(true)?;
        pipe::register(SIGCONT, teller)?;
        let input = Arc::new(io::stdin().as_fd().try_clone_to_owned()?);
        let settings = Arc::new(Mutex::new(Settings { keys, before: None }));
        Ok(Self {
            terminal: Terminal { input, settings },
            continued,
            was_away: false,
        })
    }

    /// The terminal, to be given back.
    pub(super) fn terminal(&self) -> Terminal {
        self.terminal.clone()
    }

    /// Carries every key to `editor`, until the terminal is gone. The key that stops a job stops this one. When the
    /// terminal is this process's again, the editor is to `draw_again`.
    pub(super) fn carry_to(mut self, mut editor: File, mut draw_again: impl FnMut() -> io::Result<()>) {
        let mut bytes = [0; 1024];
        loop {
            let done = match self.look(&mut bytes) {
                Ok(Typed::Bytes(typed)) => self.carry(&bytes[..typed], &mut editor),
                Ok(Typed::Back) => draw_again(),
                Ok(Typed::End) | Err(_) => return,
            };
            if done.is_err() {
                return;
            }
        }
    }

    fn carry(&mut self, typed: &[u8], editor: &mut File) -> io::Result<()> {
        let stops = self.terminal.stopping_key();
        for piece in typed.split_inclusive(|byte| Some(*byte) == stops) {
            match piece.split_last() {
                Some((last, before)) if Some(*last) == stops => {
                    editor.write_all(before)?;
                    self.stop();
                }
                _ => editor.write_all(piece)?,
            }
        }
        Ok(())
    }

    /// Stops this job, as the terminal does where it is asked for lines, and gives the terminal back first.
    fn stop(&mut self) {
        self.terminal.give_back();
        self.was_away = true;
        // Every process of the job. Where no shell is there to continue it, the system does not stop it.
        if kill(Pid::from_raw(0), Signal::SIGTSTP).is_ok() {
            // The thread that stops first need not be this one.
            self.wait_until_continued();
        }
    }

    /// Waits until somebody has typed something, or the terminal is this process's again.
    fn look(&mut self, into: &mut [u8]) -> io::Result<Typed> {
        loop {
            match self.terminal.take() {
                Ok(true) => {}
                Ok(false) => {
                    self.was_away = true;
                    self.wait_until_continued();
                    continue;
                }
                Err(_) => return Ok(Typed::End),
            }
            if std::mem::take(&mut self.was_away) {
                return Ok(Typed::Back);
            }
            let mut fds = [
                PollFd::new(self.continued.as_fd(), PollFlags::POLLIN),
                PollFd::new(self.terminal.input.as_fd(), PollFlags::POLLIN),
            ];
            match poll(&mut fds, PollTimeout::NONE) {
                Ok(_) | Err(Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
            let [continued, typed] = fds.map(|fd| fd.any() == Some(true));
            if continued {
                self.was_away = true;
                self.wait_until_continued();
            } else if typed {
                match nix::unistd::read(&self.terminal.input, into) {
                    Ok(0) => return Ok(Typed::End),
                    Ok(read) => return Ok(Typed::Bytes(read)),
                    Err(Errno::EINTR) => {}
                    // Stopped and continued in the background since the look: SIGTTIN is blocked.
                    Err(Errno::EIO) if !self.terminal.is_ours().unwrap_or(true) => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
    }

    /// Waits a moment for news of the shell.
    fn wait_until_continued(&mut self) {
        let look = PollTimeout::try_from(LOOK).unwrap_or(PollTimeout::ZERO);
        let _ = poll(
            &mut [PollFd::new(self.continued.as_fd(), PollFlags::POLLIN)],
            look,
        );
        while matches!(self.continued.read(&mut [0; 8]), Ok(1..)) {}
    }
}

/// The lines of a terminal whose lines are not edited; not read while the process is in the background.
impl Read for Keyboard {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.look(into)? {
                Typed::Bytes(read) => return Ok(read),
                Typed::Back => {}
                Typed::End => return Ok(0),
            }
        }
    }
}

impl Terminal {
    /// Whether this process is in the foreground; so it is where the terminal controls no jobs.
    fn is_ours(&self) -> nix::Result<bool> {
        match tcgetpgrp(&self.input) {
            Ok(group) => Ok(group == getpgrp()),
            Err(Errno::ENOTTY) => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// Sets the terminal as it is wanted, if this process is in the foreground; whether it is.
    fn take(&self) -> nix::Result<bool> {
        let mut settings = self.lock();
        if !self.is_ours()? {
            return Ok(false);
        }
        if !settings.keys {
            return Ok(true);
        }
        let found = tcgetattr(&self.input)?;
        // A shell that continues a job may have set the terminal as it found it when the job was stopped.
        if found.local_flags.contains(LocalFlags::ICANON) {
            tcsetattr(&self.input, SetArg::TCSANOW, &keys_of(&found))?;
            settings.before = Some(found);
        }
        Ok(true)
    }

    /// Gives the terminal its settings back: at the end of the server somebody may be in the middle of a line. In the
    /// background they are the shell's.
    pub(super) fn give_back(&self) {
        let mut settings = self.lock();
        if let Some(before) = settings.before.take()
            && self.is_ours() == Ok(true)
        {
            // A terminal that is gone needs nothing.
            let _ = tcsetattr(&self.input, SetArg::TCSANOW, &before);
        }
    }

    /// The same for good.
    pub(super) fn leave(&self) {
        self.lock().keys = false;
        self.give_back();
    }

    /// The key that stops a job, where one does.
    fn stopping_key(&self) -> Option<u8> {
        /// The setting of a key that is none.
        const NONE: u8 = 0;
        let settings = self.lock();
        let key = settings.before.as_ref()?.control_chars[Special::VSUSP as usize];
        (key != NONE).then_some(key)
    }

    fn lock(&self) -> MutexGuard<'_, Settings> {
        self.settings.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// These settings, but for keys: each as it is pressed, none with a meaning, none shown.
fn keys_of(lines: &Termios) -> Termios {
    let mut keys = lines.clone();
    keys.input_flags &=
        !(InputFlags::BRKINT | InputFlags::ICRNL | InputFlags::INPCK | InputFlags::ISTRIP | InputFlags::IXON);
    keys.control_flags |= ControlFlags::CS8;
    keys.local_flags &= !(LocalFlags::ECHO | LocalFlags::ICANON | LocalFlags::IEXTEN | LocalFlags::ISIG);
    keys.control_chars[Special::VMIN as usize] = 1;
    keys.control_chars[Special::VTIME as usize] = 0;
    keys
}

/// Puts a pseudoterminal in the place of standard input, for an editor of lines, and returns its other end.
pub(super) fn stand_in() -> io::Result<File> {
    let pair = nix::pty::openpty(None, None)?;
    let mut settings = keys_of(&tcgetattr(&pair.slave)?);
    settings.control_chars[Special::VSUSP as usize] = 0;
    tcsetattr(&pair.slave, SetArg::TCSANOW, &settings)?;
    nix::unistd::dup2_stdin(&pair.slave)?;
    Ok(File::from(pair.master))
}
