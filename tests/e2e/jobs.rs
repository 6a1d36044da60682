//! R2 as a shell's job: stopped, in the background, in the foreground again, and without its terminal.

use std::fs;
use std::io::Read;
use std::time::Duration;

use r2_tests::lab::{Lab, hostapp, serve};
use r2_tests::namespace::Namespace;
use r2_tests::program::{PATIENCE, Program};
use r2_tests::terminal::Terminal;
use rustix::process::Signal;
use tempfile::TempDir;

/// A job has stopped, and the shell waits for a command.
fn stopped(screen: &[&str]) -> bool {
    screen.iter().any(|line| line.contains("Stopped")) && screen.last() == Some(&"shell>")
}

/// A shell in a terminal.
struct Shell {
    terminal: Terminal,
    namespace: Namespace,
    folder: TempDir,
}

impl Shell {
    /// With `environment`, and a prompt of its own.
    fn new(environment: &str) -> Self {
        let folder = TempDir::with_prefix("r2-jobs-").unwrap();
        let namespace = Namespace::new();
        let line = format!(
            "cd {}; env {environment} PS1='shell> ' bash --norc --noprofile -i",
            folder.path().display()
        );
        let terminal = Terminal::start(&namespace, &line);
        terminal.shows("a prompt", |screen| screen.last() == Some(&"shell>"));
        Self {
            terminal,
            namespace,
            folder,
        }
    }

    fn enters(&self, line: &str) {
        self.terminal.types(line);
        self.terminal.presses("Enter");
    }

    /// The command line that serves, as a shell's job.
    fn serve(&self) -> String {
        serve(&self.folder.path().join("store"), "").replace("exec ", "")
    }

    fn is_ready(&self) {
        self.shows("R2 ready at 192.168.69.1 on tap0");
    }

    /// Ctrl-Z.
    fn stops_it(&self) {
        self.terminal.presses("C-z");
        self.has_stopped();
    }

    fn has_stopped(&self) {
        self.terminal.shows("a stopped job and a prompt", stopped);
    }

    /// Waits until a line of the screen has `text` in it.
    fn shows(&self, text: &str) {
        self.terminal
            .shows(text, |screen| screen.iter().any(|line| line.contains(text)));
    }

    /// R2's operator says `line` to `kali`. What is typed while the shell still has the terminal, which does not tell when it
    /// no longer does, is not a line for others: so it is typed until it arrives.
    fn says(&self, line: &str, kali: &Program) {
        const TRIES: usize = 15;
        let said = format!("R2: {line}\n");
        let heard = (0..TRIES).any(|_| {
            self.enters(line);
            kali.stdout
                .wait(Duration::from_secs(2), |text, _| text.contains(&said))
        });
        assert!(heard, "KALI does not see {said:?}");
    }

    fn answers(&self) {
        let ask = "echo SECRET 1 | nc.openbsd -N -w 10 192.168.69.1 5010";
        assert_eq!(self.namespace.start(ask).prints(), "Digits: 1 Count: 1\n");
    }

    fn join(&self) -> Program {
        self.namespace.start("nc.openbsd -N 192.168.69.1 5000")
    }

    /// The shell reads what is typed, the terminal is set as the shell left it, and R2 answers all the while.
    fn has_the_terminal(&self, number: u32) {
        self.enters(&format!(
            "stty -g > settings; echo the shell has {number}$((1 + 1))"
        ));
        self.shows(&format!("the shell has {number}2"));
        self.answers();
        self.enters(&format!("echo still {number}$((1 + 1))"));
        self.shows(&format!("still {number}2"));
        let settings = |name: &str| fs::read_to_string(self.folder.path().join(name)).unwrap();
        assert_eq!(settings("settings"), settings("before"));
    }

    /// Ctrl-C ends R2 in order, and the shell goes on.
    fn ends_it(&self) {
        self.terminal.presses("C-c");
        self.terminal
            .shows("a prompt", |screen| screen.last() == Some(&"shell>"));
        self.enters("echo status $?; stty -g > settings");
        self.terminal.shows_line("status 0");
    }
}

#[test]
fn a_server_that_is_stopped_serves_in_the_background_and_has_its_console_in_the_foreground() {
    // With an editor of lines, and without.
    for environment in ["TERM=tmux-256color", "TERM=dumb"] {
        let shell = Shell::new(environment);
        // Whoever writes to the terminal in the background would be stopped, too.
        shell.enters("stty tostop; stty -g > before");
        shell.enters(&shell.serve());
        shell.is_ready();
        let mut kali = shell.join();
        shell.terminal.shows_line("* KALI joined");
        for round in 1..=2 {
            shell.stops_it();
            shell.enters("bg");
            shell.has_the_terminal(round);
            kali.types(format!("round {round}\n"));
            kali.sees(&format!("KALI: round {round}\n"));
            shell.has_the_terminal(round + 10);
            shell.enters("fg");
            shell.says(&format!("back {round}"), &kali);
        }
        shell.ends_it();
        kali.finish();
    }
}

#[test]
fn a_server_that_begins_in_the_background_reads_what_is_typed_once_it_is_in_the_foreground() {
    for environment in ["TERM=tmux-256color", "TERM=dumb"] {
        let shell = Shell::new(environment);
        shell.enters("stty -g > before");
        shell.enters(&format!("{} &", shell.serve()));
        shell.is_ready();
        shell.has_the_terminal(1);
        let kali = shell.join();
        shell.shows("* KALI joined");
        shell.enters("fg");
        shell.says("typed in the foreground", &kali);
        shell.ends_it();
    }
}

#[test]
fn half_a_line_is_there_again_in_the_foreground() {
    let shell = Shell::new("TERM=tmux-256color");
    shell.enters(&shell.serve());
    shell.is_ready();
    let kali = shell.join();
    shell.terminal.shows_line("* KALI joined");
    shell.terminal.types("half a ");
    shell
        .terminal
        .shows("half a line", |screen| screen.last() == Some(&"half a"));
    shell.stops_it();
    shell.enters("fg");
    shell.terminal.shows("half a line below the shell's", |screen| {
        screen.len() > 2 && screen.last() == Some(&"half a")
    });
    shell.terminal.types("line");
    shell.terminal.presses("Enter");
    kali.sees("R2: half a line\n");
    shell.ends_it();
}

#[test]
fn a_server_that_another_program_stopped_goes_on_in_the_background() {
    let shell = Shell::new("TERM=tmux-256color");
    shell.enters("stty -g > before");
    shell.enters(&format!("sh -c 'echo $$ > pid; exec {}'", shell.serve()));
    shell.is_ready();
    let pid = fs::read_to_string(shell.folder.path().join("pid")).unwrap();
    shell.namespace.start(&format!("kill -STOP {pid}")).prints();
    shell.has_stopped();
    shell.enters("bg");
    shell.has_the_terminal(1);
    let kali = shell.join();
    shell.enters("fg");
    shell.says("here", &kali);
    shell.ends_it();
}

#[test]
fn a_chat_goes_on_in_the_background() {
    let mut lab = Lab::new();
    let terminal = Terminal::start(&lab.namespace, "env PS1='shell> ' bash --norc --noprofile -i");
    terminal.shows("a prompt", |screen| screen.last() == Some(&"shell>"));
    terminal.types(&format!("{} chat 192.168.69.1", hostapp().display()));
    terminal.presses("Enter");
    lab.r2.sees("* KALI joined\n");
    terminal.presses("C-z");
    terminal.shows("a stopped job and a prompt", stopped);
    terminal.types("bg");
    terminal.presses("Enter");
    terminal.types("echo the shell has $((1 + 1))");
    terminal.presses("Enter");
    terminal.shows_line("the shell has 2");
    lab.r2.types("in the background\n");
    terminal.shows("R2's line", |screen| {
        screen.iter().any(|line| line.contains("R2: in the background"))
    });
    terminal.types("fg");
    terminal.presses("Enter");
    terminal.types("in the foreground");
    terminal.presses("Enter");
    lab.r2.sees("KALI: in the foreground\n");
    terminal.presses("C-d");
    terminal.shows("the end", |screen| {
        screen.iter().any(|line| line.contains("the chat is over"))
    });
}

#[test]
fn a_terminal_that_is_closed_ends_the_server_in_order() {
    let shell = Shell::new("TERM=tmux-256color");
    shell.enters(&shell.serve());
    shell.is_ready();
    let mut peer = shell.namespace.connect("192.168.69.1:5010").unwrap();
    shell.answers();
    drop(shell.terminal);
    let mut last = Vec::new();
    peer.read_to_end(&mut last).expect("a FIN, not a reset");
    assert_eq!(last, b"");
}

#[test]
fn a_server_whose_hangup_is_ignored_survives_its_terminal() {
    let namespace = Namespace::new();
    let store = TempDir::with_prefix("r2-jobs-").unwrap();
    let r2 = namespace.start(&format!("trap '' HUP; {}", serve(store.path(), "")));
    r2.complains("R2 ready at 192.168.69.1 on tap0\n");
    r2.signal(Signal::HUP);
    let ask = "echo SECRET 1 | nc.openbsd -N 192.168.69.1 5010";
    assert_eq!(namespace.start(ask).prints(), "Digits: 1 Count: 1\n");
    r2.signal(Signal::TERM);
    assert_eq!(r2.patiently(PATIENCE).wait().status.code(), Some(0));
}
