//! The README and the pages in docs/ say what the real programs print: each of their console blocks is run, and the
//! picture drawn, again.
//!
//! `R2_README=write tests/ci.sh e2e` (or this test alone) writes what it finds instead of comparing.

use std::env;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use r2_tests::lab::hostapp;
use r2_tests::namespace::Namespace;
use r2_tests::program::Program;
use r2_tests::terminal::Terminal;
use tempfile::TempDir;

/// The command that starts R2. Its block is what R2 says; the commands below it are KALI's.
const SERVE: &str = "cargo run --release -- serve";

/// A machine without a TAP, an empty folder, and netcat as `nc`.
struct Machine {
    namespace: Namespace,
    folder: TempDir,
}

impl Machine {
    fn new() -> Self {
        let folder = TempDir::with_prefix("r2-readme-").unwrap();
        let namespace = Namespace::new();
        namespace.ip("link del tap0");
        let programs = folder.path().join("bin");
        fs::create_dir(&programs).unwrap();
        symlink(hostapp(), programs.join("hostapp")).unwrap();
        symlink("/bin/nc.openbsd", programs.join("nc")).unwrap();
        fs::create_dir(folder.path().join("home")).unwrap();
        Self { namespace, folder }
    }

    /// A command line, in the folder.
    fn line(&self, command: &str) -> String {
        let folder = self.folder.path().display();
        format!("export PATH={folder}/bin:$PATH; cd {folder}/home; {command}")
    }

    fn start(&self, command: &str) -> Program {
        self.namespace.start(&self.line(command))
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Compares a file of the project with what it is to be, or writes it.
fn is_up_to_date(path: &str, text: &str) {
    let path = root().join(path);
    if env::var_os("R2_README").is_some_and(|wish| wish == "write") {
        fs::write(&path, text).unwrap();
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    if found != text {
        let (found, wanted): (Vec<_>, Vec<_>) = (found.lines().collect(), text.lines().collect());
        let at = found.iter().zip(&wanted).take_while(|(a, b)| a == b).count();
        panic!(
            "{} line {}: {:?} should be {:?}; R2_README=write writes it",
            path.display(),
            at + 1,
            found.get(at),
            wanted.get(at)
        );
    }
}

#[test]
fn every_command_of_the_readme_prints_what_stands_below_it() {
    let started = prints_what_stands_below("README.md");
    assert!(started, "the README starts R2 with `{SERVE}`");
}

#[test]
fn every_command_of_how_it_works_prints_what_stands_below_it() {
    prints_what_stands_below("docs/how-it-works.md");
}

#[test]
fn every_command_of_the_page_for_scripts_prints_what_stands_below_it() {
    let started = prints_what_stands_below("docs/scripts.md");
    assert!(started, "its clients need R2");
}

/// Runs every command of a page of the project; whether it starts R2.
fn prints_what_stands_below(page: &str) -> bool {
    let machine = Machine::new();
    let mut r2 = None;
    let mut text = String::new();
    let found = fs::read_to_string(root().join(page)).unwrap();
    let mut lines = found.lines();
    while let Some(line) = lines.next() {
        writeln!(text, "{line}").unwrap();
        if line == "```console" {
            let block: Vec<_> = lines.by_ref().take_while(|line| *line != "```").collect();
            for command in block.iter().filter_map(|line| line.strip_prefix("$ ")) {
                writeln!(text, "$ {command}").unwrap();
                text.push_str(&print(&machine, &mut r2, command));
            }
            writeln!(text, "```").unwrap();
        }
    }
    is_up_to_date(page, &text);
    r2.is_some()
}

/// What `command` prints.
fn print(machine: &Machine, r2: &mut Option<Program>, command: &str) -> String {
    if command == SERVE {
        let started = machine.start("exec hostapp serve");
        started.complains("(nc is OpenBSD's;");
        started.complains("-t 60)\n");
        let said = started.stderr.text();
        *r2 = Some(started);
        return said;
    }
    let ended = machine.start(&format!("{{ {command}\n}} 2>&1")).finish();
    assert!(ended.status.success(), "`{command}`: {ended:?}");
    ended.stdout
}

#[test]
fn the_picture_is_of_a_real_terminal() {
    let machine = Machine::new();
    let serve = machine.line(r"printf '$ hostapp serve\n'; exec hostapp serve");
    let r2 = Terminal::sized(&machine.namespace, &serve, (112, 26));
    r2.shows("the table", |screen| {
        screen.last().is_some_and(|line| line.ends_with("-t 60)"))
    });
    let mut kali = machine.start("exec nc -N 127.0.0.1 5000");
    r2.shows_line("* KALI joined");
    let r2_says = |line: &str, kali: &Program| {
        r2.types(line);
        r2.presses("Enter");
        kali.sees(&format!("R2: {line}\n"));
        r2.shows_line(&format!("R2: {line}"));
    };
    let kali_says = |line: &str, kali: &mut Program| {
        kali.types(format!("{line}\n"));
        r2.shows_line(&format!("KALI: {line}"));
    };
    r2_says("Hi, my name is R2", &kali);
    kali_says("Hi R2, my name is KALI. Nice to meet you.", &mut kali);
    let _second = machine.start("exec nc -N 127.0.0.1 5000");
    r2.shows_line("* KALI-2 joined");
    kali_says("R2: I am R2, honestly", &mut kali);
    r2.types("Nobody can for");
    let screen = r2.shows_in_color("a half-written line", |screen| screen.ends_with("Nobody can for"));
    let picture = anstyle_svg::Term::new().render_svg(&screen);
    is_up_to_date(
        "tests/expected/terminal.svg",
        &format!("{}\n", picture.trim_end()),
    );
}
