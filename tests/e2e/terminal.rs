//! The chat on a terminal: what is typed, what arrives meanwhile, and where no terminal is.

use std::fs;

use r2_tests::lab::{Lab, hostapp, serve};
use r2_tests::namespace::Namespace;
use r2_tests::program::Program;
use r2_tests::terminal::Terminal;
use tempfile::TempDir;

const NC: &str = "nc.openbsd -N 192.168.69.1 5000";

/// R2 serving on a terminal.
struct Console {
    terminal: Terminal,
    namespace: Namespace,
    _store: TempDir,
}

impl Console {
    fn new() -> Self {
        Self::with("")
    }

    /// With `environment` in front of the command.
    fn with(environment: &str) -> Self {
        let store = TempDir::with_prefix("r2-terminal-").unwrap();
        let namespace = Namespace::new();
        let line = serve(store.path(), "").replacen("exec", &format!("exec env {environment}"), 1);
        let terminal = Terminal::start(&namespace, &line);
        terminal.shows_line("R2 ready at 192.168.69.1 on tap0");
        Self {
            terminal,
            namespace,
            _store: store,
        }
    }

    fn join(&self, name: &str) -> Program {
        let peer = self.namespace.start(NC);
        self.terminal.shows_line(&format!("* {name} joined"));
        peer
    }
}

/// Ten lines come while somebody has typed half of one, with the cursor in the middle of it.
fn a_half_written_line_survives(terminal: &Terminal, lines: &[String], say: impl FnOnce()) {
    terminal.types("this is half a lin");
    terminal.presses("Left");
    terminal.presses("Left");
    terminal.shows("half a line", |screen| {
        screen.last() == Some(&"this is half a lin")
    });
    say();
    terminal.shows("ten lines above half a line", |screen| {
        let Some((half, above)) = screen.split_last() else {
            return false;
        };
        above.ends_with(&lines.iter().map(String::as_str).collect::<Vec<_>>())
            && *half == "this is half a lin"
    });
    assert_eq!(terminal.cursor_column(), "this is half a l".len());
    terminal.presses("End");
    terminal.types("e");
    terminal.presses("Enter");
}

#[test]
fn a_half_written_line_on_r2s_console_survives_ten_incoming_lines() {
    let console = Console::new();
    let mut kali = console.join("KALI");
    let lines: Vec<_> = (1..=10).map(|number| format!("KALI: line {number}")).collect();
    a_half_written_line_survives(&console.terminal, &lines, || {
        for number in 1..=10 {
            kali.types(format!("line {number}\n"));
            kali.sees(&format!("KALI: line {number}\n"));
        }
    });
    kali.sees("R2: this is half a line\n");
    let screen = console.terminal.shows("the line with its label", |screen| {
        screen.last() == Some(&"R2: this is half a line")
    });
    assert_eq!(screen.matches("half a lin").count(), 1, "{screen}");
}

#[test]
fn a_half_written_line_of_hostapp_chat_survives_ten_incoming_lines() {
    let mut lab = Lab::new();
    let chat = format!("{} chat 192.168.69.1", hostapp().display());
    let terminal = Terminal::start(&lab.namespace, &chat);
    lab.r2.sees("* KALI joined\n");
    let lines: Vec<_> = (1..=10).map(|number| format!("R2: line {number}")).collect();
    a_half_written_line_survives(&terminal, &lines, || {
        for number in 1..=10 {
            lab.r2.types(format!("line {number}\n"));
            lab.r2.sees(&format!("R2: line {number}\n"));
        }
    });
    lab.r2.sees("KALI: this is half a line\n");
    terminal.shows_line("KALI: this is half a line");
    terminal.presses("C-d");
    terminal.shows_line("the chat is over");
    terminal.shows_line("the program has ended: 0");
}

#[test]
fn a_log_line_does_not_break_the_line_being_typed() {
    let store = TempDir::with_prefix("r2-terminal-").unwrap();
    let namespace = Namespace::new();
    let terminal = Terminal::start(&namespace, &serve(store.path(), "--call 192.168.69.100:6000"));
    terminal.shows("that nobody answers", |screen| {
        screen.iter().any(|line| line.starts_with("warn: cannot call"))
    });
    terminal.types("half");
    terminal.shows("half a line", |screen| screen.last() == Some(&"half"));
    let _listener = namespace.start("nc.openbsd -n -l 6000");
    terminal.shows("two lines above half a line", |screen| {
        let mut last = screen.last_chunk().copied().unwrap_or([""; 3]);
        last[..2].sort_unstable();
        last == [
            "* KALI joined",
            "info: 192.168.69.100:6000 answered the call",
            "half",
        ]
    });
}

#[test]
fn history_and_help_are_there() {
    let console = Console::new();
    let mut kali = console.join("KALI");
    console.terminal.types("once more");
    console.terminal.presses("Enter");
    kali.sees("R2: once more\n");
    console.terminal.presses("Up");
    console.terminal.shows("the line from the history", |screen| {
        screen.last() == Some(&"once more")
    });
    console.terminal.presses("Enter");
    kali.sees("R2: once more\nR2: once more\n");
    console.terminal.types("/help");
    console.terminal.presses("Enter");
    console
        .terminal
        .shows_line("* commands: /who, /help, /quit (ends R2)");
    kali.types("/help\n");
    kali.sees("* commands: /nick NAME, /who, /quit, /help\n");
}

#[test]
fn a_line_longer_than_the_terminal_is_wide_is_replaced_by_its_copy() {
    let console = Console::new();
    let kali = console.join("KALI");
    let long = "0123456789".repeat(20);
    console.terminal.types(&long);
    console.terminal.presses("Home");
    console.terminal.presses("Enter");
    kali.sees(&format!("R2: {long}\n"));
    let labelled = format!("R2: {long}");
    console.terminal.shows("the long line once", |screen| {
        screen.concat().ends_with(&format!("* KALI joined{labelled}"))
    });
}

#[test]
fn every_sender_has_a_color_where_the_terminal_has_them_and_the_user_wants_them() {
    for (environment, colored) in [("", true), ("NO_COLOR=1", false), ("TERM=dumb", false)] {
        let console = Console::with(environment);
        let mut kali = console.join("KALI");
        kali.types("Hi\n");
        let screen = console
            .terminal
            .shows_in_color("KALI's line", |screen| screen.ends_with(": Hi"));
        let line = screen.lines().last().unwrap();
        if colored {
            console.terminal.types("Hi KALI");
            console.terminal.presses("Enter");
            let screen = console
                .terminal
                .shows_in_color("R2's line", |screen| screen.ends_with(": Hi KALI"));
            let [kali, r2] = *screen.lines().collect::<Vec<_>>().last_chunk().unwrap();
            let color = |line: &str| line[..line.find(char::is_uppercase).unwrap()].to_owned();
            assert!(
                color(kali).starts_with('\u{1b}') && color(kali) != color(r2),
                "{screen:?}"
            );
        } else {
            assert_eq!(line, "KALI: Hi", "{environment}");
        }
    }
}

#[test]
fn what_goes_to_a_pipe_has_no_escape_codes() {
    let mut lab = Lab::new();
    let mut kali = lab.start_kali("CLICOLOR_FORCE=1 TERM=xterm hostapp chat 192.168.69.1");
    lab.r2.sees("* KALI joined\n");
    lab.r2.types("Hi\n");
    kali.sees("R2: Hi\n");
    let ended = kali.finish();
    lab.r2.sees("* KALI left\n");
    let r2 = lab.stop();
    for text in [ended.stdout, ended.stderr, r2.stdout, r2.stderr] {
        assert!(!text.contains('\u{1b}'), "{text:?}");
    }
}

#[test]
fn a_killed_chat_leaves_the_terminal_as_it_was() {
    let lab = Lab::new();
    let folder = TempDir::with_prefix("r2-terminal-").unwrap();
    let chat = format!(
        "cd {}; stty -g >before; sh -c 'echo $$ >pid; exec {} chat 192.168.69.1'; \
         echo $? >status; stty -g >after; echo over",
        folder.path().display(),
        hostapp().display()
    );
    let terminal = Terminal::start(&lab.namespace, &chat);
    lab.r2.sees("* KALI joined\n");
    terminal.types("Hi");
    terminal.presses("Enter");
    terminal.shows_line("KALI: Hi");
    terminal.types("half a line");
    terminal.shows_line("half a line");
    let kept = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
    lab.kali(&format!("kill {}", kept("pid").trim()));
    terminal.shows("the end", |screen| {
        screen.iter().any(|line| line.ends_with("over"))
    });
    assert_eq!(kept("status"), "143\n");
    assert_eq!(kept("after"), kept("before"));
}

#[test]
fn a_transfer_shows_on_a_terminal_how_far_it_is() {
    let folder = TempDir::with_prefix("r2-terminal-").unwrap();
    let namespace = Namespace::new();
    let get = format!(
        "cd {} && {} get 127.0.0.1 big",
        folder.path().display(),
        hostapp().display()
    );
    let announced = format!("FILE big 2048000 {}\n", "0".repeat(64));
    let serve = || {
        let server = namespace.start("nc.openbsd -v -l 127.0.0.1 5030");
        server.complains("Listening on ");
        server
    };

    let mut server = serve();
    let terminal = Terminal::start(&namespace, &get);
    server.sees("GET big\n");
    server.types(&announced);
    server.types(vec![0; 1_024_000]);
    terminal.shows("a bar, a rate and a time", |screen| {
        screen.iter().any(|line| {
            line.starts_with("big [===")
                && line.contains("] 1000.00 KiB/1.95 MiB ")
                && line.ends_with(" left")
        })
    });
    drop(server);
    terminal.shows_line("the program has ended: 1");
    terminal.shows("the bar gone", |screen| {
        screen[..]
            == [
                "the connection broke before the end: try again, it goes on where it was",
                "the program has ended: 1",
            ]
    });

    let mut server = serve();
    server.types(&announced);
    let mut piped = namespace.start(&get);
    server.sees("GET big 1024000\n");
    drop(server);
    assert_eq!(
        piped.finish().stderr,
        "the connection broke before the end: try again, it goes on where it was\n"
    );
}

#[test]
fn what_r2_hashes_first_is_shown_on_a_terminal_and_not_in_a_pipe() {
    let folder = TempDir::with_prefix("r2-terminal-").unwrap();
    fs::write(folder.path().join("big"), "hello").unwrap();
    let namespace = Namespace::new();
    let told = "the connection broke before the end: try again";
    for (command, name) in [
        ("get 127.0.0.1 big -o got", "big"),
        ("send 127.0.0.1 big", "big"),
        ("ls 127.0.0.1", "the list"),
    ] {
        let line = format!(
            "cd {} && {} {command}",
            folder.path().display(),
            hostapp().display()
        );
        let serve = || {
            let server = namespace.start("nc.openbsd -v -l 127.0.0.1 5030");
            server.complains("Listening on ");
            server
        };
        let mut server = serve();
        let terminal = Terminal::start(&namespace, &line);
        server.sees("PROGRESS\n");
        server.types("* progress every 5 s\n");
        for percent in ["12", "50"] {
            server.types(format!("* hashing {percent} %\n"));
            terminal.shows("how far R2 is", |screen| {
                let begins = format!("{name}: R2 is hashing [==");
                let ends = format!("] {percent} %");
                screen
                    .iter()
                    .any(|line| line.starts_with(&begins) && line.ends_with(&ends))
            });
        }
        server.types("* waiting\n");
        terminal.shows("that no more", |screen| {
            !screen.iter().any(|line| line.contains("hashing"))
        });
        server.types("* hashing 51 %\n");
        terminal.shows("it again", |screen| {
            screen.iter().any(|line| line.ends_with("] 51 %"))
        });
        drop(server);
        terminal.shows_line("the program has ended: 1");
        terminal.shows("the bar gone", |screen| {
            screen[..] == [told, "the program has ended: 1"]
        });

        let mut server = serve();
        let mut piped = namespace.start(&line);
        server.sees("PROGRESS\n");
        server.types("* progress every 5 s\n* hashing 12 %\n");
        server.ends_input();
        drop(server);
        let ended = piped.finish();
        assert!(!ended.stderr.contains("hashing"), "{ended:?}");
    }
}
