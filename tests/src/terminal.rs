//! A terminal that a test types at and looks at: tmux, told what to do and heard through its control mode.

use std::cell::RefCell;
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::namespace::Namespace;
use crate::program::{PATIENCE, Program};

/// Columns of the terminal: those of the oldest ones.
const WIDTH: usize = 80;

/// Its rows.
const HEIGHT: usize = 24;

/// A program in a terminal of 80 by 24. Both end when the value is dropped.
pub struct Terminal {
    /// The client in control mode: commands go in, their answers and the news of the terminal come out.
    tmux: RefCell<Program>,
    socket: String,
}

impl Terminal {
    /// Starts `line` in a terminal in `namespace`, `TERM=tmux-256color` and without `NO_COLOR`.
    pub fn start(namespace: &Namespace, line: &str) -> Self {
        Self::sized(namespace, line, (WIDTH, HEIGHT))
    }

    /// The same, of so many columns and rows.
    pub fn sized(namespace: &Namespace, line: &str, (width, height): (usize, usize)) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let socket = format!("r2-{}-{}", process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let tmux = namespace.start(&format!(
            "unset TMUX NO_COLOR CLICOLOR CLICOLOR_FORCE; \
             exec tmux -L {socket} -f /dev/null -u -C new-session -x {width} -y {height} {}",
            quoted(&format!("{line}; echo the program has ended: $?; cat"))
        ));
        let terminal = Self {
            tmux: RefCell::new(tmux),
            socket,
        };
        // The answer to `new-session`, or why it was not made.
        let begun = terminal
            .tmux
            .borrow()
            .stdout
            .wait(PATIENCE, |text, _| !answers_in(text).is_empty());
        assert!(
            begun,
            "tmux does not begin: {}",
            terminal.tmux.borrow().stderr.end_of_text()
        );
        terminal.tell("set-option -g status off");
        terminal.tell(&format!("refresh-client -C {width}x{height}"));
        terminal
    }

    /// Types `text`.
    pub fn types(&self, text: &str) {
        self.tell(&format!("send-keys -l -- {}", quoted(text)));
    }

    /// Presses a key, called as tmux calls it: `Enter`, `Up`, `C-c`.
    pub fn presses(&self, key: &str) {
        self.tell(&format!("send-keys {key}"));
    }

    /// Waits until `seen` says so of the screen's lines, without the spaces at their ends and the empty lines at
    /// the bottom, and returns them.
    pub fn shows(&self, what: &str, seen: impl Fn(&[&str]) -> bool) -> String {
        self.wait(what, "", |screen| seen(&screen.lines().collect::<Vec<_>>()))
    }

    /// Waits until a line of the screen is `line`.
    pub fn shows_line(&self, line: &str) {
        self.shows(&format!("the line {line:?}"), |screen| screen.contains(&line));
    }

    /// The same as [`shows`](Self::shows), with colours and all as escape codes.
    pub fn shows_in_color(&self, what: &str, seen: impl Fn(&str) -> bool) -> String {
        self.wait(what, "-e", seen)
    }

    /// The column in which the cursor is, from 0 on.
    pub fn cursor_column(&self) -> usize {
        let answer = self.tell("display-message -p '#{cursor_x}'");
        answer.trim().parse().expect("a number of columns")
    }

    /// Looks at the screen again whenever the terminal has news.
    fn wait(&self, what: &str, how: &str, seen: impl Fn(&str) -> bool) -> String {
        loop {
            let before = self.news();
            let screen = self.tell(&format!("capture-pane -p {how}"));
            let screen = screen.trim_end();
            if seen(screen) {
                return screen.to_owned();
            }
            let more = |text: &str, _| news_in(text) > before;
            assert!(
                self.tmux.borrow().stdout.wait(PATIENCE, more),
                "waited {PATIENCE:?} for {what}; the screen is\n{screen}"
            );
        }
    }

    /// How often the terminal has told that its program wrote something.
    fn news(&self) -> usize {
        news_in(&self.tmux.borrow().stdout.text())
    }

    /// Gives tmux a command and returns what it answers.
    fn tell(&self, command: &str) -> String {
        let mut tmux = self.tmux.borrow_mut();
        // Control mode answers in the order of the commands.
        let answered = answers_in(&tmux.stdout.text()).len();
        tmux.types(format!("{command}\n"));
        let came = tmux
            .stdout
            .wait(PATIENCE, |text, _| answers_in(text).len() > answered);
        assert!(
            came,
            "tmux does not answer `{command}`: {}",
            tmux.stdout.end_of_text()
        );
        let text = tmux.stdout.text();
        let answer = answers_in(&text).pop().expect("an answer");
        answer
            .unwrap_or_else(|error| panic!("`{command}`: {error}"))
            .to_owned()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // The server is no child of the client: it ends when it is told to.
        let _ = process::Command::new("tmux")
            .args(["-L", &self.socket, "kill-server"])
            .output();
    }
}

/// The answers that control mode has given so far, those of failed commands as errors: each stands between
/// `%begin TIME NUMBER FLAGS` and `%end` or `%error` with the same words.
fn answers_in(text: &str) -> Vec<Result<&str, &str>> {
    let mut answers = Vec::new();
    let mut rest = text;
    while let Some((_, begun)) = rest.split_once("%begin ") {
        let Some((words, body)) = begun.split_once('\n') else {
            break;
        };
        let ends = [
            (format!("%end {words}\n"), true),
            (format!("%error {words}\n"), false),
        ];
        let Some((at, end, good)) = ends
            .into_iter()
            .find_map(|(end, good)| body.find(&end).map(|at| (at, end, good)))
        else {
            break;
        };
        answers.push(if good { Ok(&body[..at]) } else { Err(&body[..at]) });
        rest = &body[at + end.len()..];
    }
    answers
}

fn news_in(text: &str) -> usize {
    text.matches("\n%output ").count()
}

/// `text` as one word of a shell's or of tmux's.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}
