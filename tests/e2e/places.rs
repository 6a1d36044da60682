//! Where a client's file may be: devices, pipes, links, standard input and output, folders that take no other file.

use std::fs;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use r2_sim::payload::{sha256, sha256_of};
use r2_tests::lab::{Lab, hostapp};
use r2_tests::program::Ended;
use r2_tests::tmpfs::Tmpfs;

const SIZE: u64 = 300_000;

/// R2 with a file, and a folder of KALI's where devices may be.
struct Places {
    lab: Lab,
    folder: Tmpfs,
    hash: String,
}

impl Places {
    fn new() -> Self {
        let lab = Lab::new();
        let file = lab.file("f", SIZE);
        lab.kali(&format!("hostapp send 192.168.69.1 {}", file.display()));
        let hash = sha256_of(&file);
        Self {
            lab,
            folder: Tmpfs::new(64 << 20),
            hash,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs `line` in the folder.
    fn tries(&self, line: &str) -> Ended {
        self.lab
            .kali_tries(&format!("cd {}; {line}", self.folder.path().display()))
    }

    fn does(&self, line: &str) -> String {
        let ended = self.tries(line);
        assert_eq!(ended.status.code(), Some(0), "{line}: {ended:?}");
        ended.stdout
    }

    fn is(&self, name: &str, test: impl Fn(&fs::FileType) -> bool) {
        let found = fs::symlink_metadata(self.path(name)).expect(name).file_type();
        assert!(test(&found), "{name} is a {found:?}");
    }

    fn holds(&self, name: &str) {
        assert_eq!(sha256_of(&self.path(name)), self.hash, "{name}");
    }

    fn has_no_parts(&self) {
        let found = fs::read_dir(self.folder.path()).unwrap();
        let paths = found.map(|entry| entry.unwrap().path());
        let parts = paths.filter(|path| path.extension().is_some_and(|extension| extension == "part"));
        assert_eq!(parts.count(), 0);
    }
}

/// One line, and this status.
fn assert_refused(ended: &Ended, status: i32, word: &str) {
    assert_eq!(ended.status.code(), Some(status), "{ended:?}");
    assert_eq!(ended.stderr.lines().count(), 1, "{ended:?}");
    assert!(ended.stderr.contains(word), "{word:?} is not in {ended:?}");
}

#[test]
fn a_device_is_written_through_and_stays_one() {
    let places = Places::new();
    places.does("mknod null c 1 3 && mknod full c 1 7 && ln -s null link");
    places.does("hostapp get 192.168.69.1 f -o null");
    places.does("hostapp get 192.168.69.1 f -o link");
    assert_refused(
        &places.tries("hostapp get 192.168.69.1 f -o full"),
        1,
        "full: No space",
    );
    places.does("mv null f && hostapp get 192.168.69.1 f");
    for device in ["f", "full"] {
        places.is(device, fs::FileType::is_char_device);
    }
    places.is("link", fs::FileType::is_symlink);
    places.has_no_parts();
}

#[test]
fn a_pipe_is_written_through_as_soon_as_somebody_reads_it() {
    let places = Places::new();
    places.does("mkfifo pipe");
    let pipe = places.path("pipe");
    let mut get = places
        .lab
        .start_kali(&format!("exec hostapp get 192.168.69.1 f -o {}", pipe.display()));
    get.complains("waiting until somebody reads ");
    places.does("cat pipe > got");
    assert_eq!(get.wait().status.code(), Some(0));
    places.holds("got");
    // A reader that is there already, and one that leaves.
    places.does("cat pipe > again & hostapp get 192.168.69.1 f -o pipe && wait");
    places.holds("again");
    let left = places.tries("head -c 1 pipe > /dev/null & hostapp get 192.168.69.1 f -o pipe");
    // Where the reader comes second, R2's client has said that it waits.
    assert_eq!(left.status.code(), Some(1), "{left:?}");
    let last = left.stderr.lines().last().unwrap_or_default();
    assert!(last.contains("Broken pipe"), "{left:?}");
    places.is("pipe", fs::FileType::is_fifo);
    places.has_no_parts();
}

#[test]
fn a_link_is_followed_and_stays_one() {
    let places = Places::new();
    places.does("mkdir there && echo old > there/file");
    for (link, to) in [
        ("there/link", "file"),
        ("dangling", "there/new"),
        ("far", "there/link"),
    ] {
        places.does(&format!(
            "ln -s {to} {link} && hostapp get 192.168.69.1 f --force -o {link}"
        ));
        places.is(link, fs::FileType::is_symlink);
        places.holds(link);
    }
    for file in ["there/file", "there/new"] {
        places.is(file, fs::FileType::is_file);
        places.holds(file);
    }
    places.does("ln -s there folder && hostapp get 192.168.69.1 f -o folder");
    places.holds("there/f");
    places.does("ln -s loop loop");
    assert_refused(&places.tries("hostapp get 192.168.69.1 f -o loop"), 1, "loop");
    assert_refused(&places.tries("hostapp get 192.168.69.1 f -o ''"), 2, "--output");
    // A file that has lost its name is still a file.
    places.does("exec 3<>gone && rm gone && hostapp get 192.168.69.1 f -o /dev/fd/3 && cat /dev/fd/3 > kept");
    places.holds("kept");
    places.has_no_parts();
}

#[test]
fn another_file_is_replaced_by_force_alone() {
    let places = Places::new();
    // As long, and of another content; shorter; and through a link.
    places.does("head -c 300000 /dev/zero > f && echo mine > g && ln -s g link");
    for (line, name) in [("", "f"), ("-o f", "f"), ("-o g", "g"), ("-o link", "link")] {
        let before = fs::read(places.path(name)).unwrap();
        let ended = places.tries(&format!("hostapp get 192.168.69.1 f {line}"));
        assert_refused(&ended, 1, "is here already, and is another file: --force");
        assert_eq!(fs::read(places.path(name)).unwrap(), before, "{line}");
        places.has_no_parts();
        places.does(&format!("hostapp get 192.168.69.1 f --force {line}"));
        places.holds(name);
        // It is its own download now.
        places.does(&format!("hostapp get 192.168.69.1 f {line}"));
        places.does("echo mine > g && head -c 300000 /dev/zero > f");
    }
    // There is nothing in it.
    places.does(": > empty && hostapp get 192.168.69.1 f -o empty");
    places.holds("empty");
    places.is("link", fs::FileType::is_symlink);
}

#[test]
fn what_is_in_the_way_of_the_part_is_left_alone() {
    let places = Places::new();
    places.does(
        "mkfifo a.part && mkdir b.part && ln -s victim c.part && mknod d.part c 1 3 && echo mine > victim",
    );
    for name in ["a", "b", "c", "d"] {
        let ended = places.tries(&format!("hostapp get 192.168.69.1 f -o {name}"));
        assert_refused(&ended, 1, &format!("{name}.part is no regular file"));
        assert!(!places.path(name).exists());
    }
    places.is("a.part", fs::FileType::is_fifo);
    places.is("d.part", fs::FileType::is_char_device);
    assert_eq!(fs::read(places.path("victim")).unwrap(), b"mine\n");
    places.does("python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind(\"s\")'");
    assert_refused(&places.tries("hostapp get 192.168.69.1 f -o s"), 1, "socket");
}

#[test]
fn a_file_whose_folder_takes_no_other_is_written_in_place() {
    let places = Places::new();
    let program = places.path("hostapp");
    fs::copy(hostapp(), &program).unwrap();
    places.does(
        "chmod 755 . && mkdir shut && echo old > shut/file && chmod 666 shut/file && chmod a+rx hostapp",
    );
    let nobody = "setpriv --reuid=65534 --regid=65534 --clear-groups ./hostapp get 192.168.69.1 f";
    assert_refused(&places.tries(&format!("{nobody} -o shut/file")), 1, "--force");
    assert_eq!(fs::read(places.path("shut/file")).unwrap(), b"old\n");
    places.does(&format!("{nobody} --force -o shut/file"));
    places.holds("shut/file");
    assert_refused(
        &places.tries(&format!("{nobody} -o shut/new")),
        1,
        "Permission denied",
    );
    // A file that another is mounted on cannot be renamed over.
    places.does("echo old > outer && echo old > inner");
    places.does("unshare -m sh -c 'mount --bind inner outer && hostapp get 192.168.69.1 f --force -o outer'");
    places.holds("inner");
    assert_eq!(fs::read(places.path("outer")).unwrap(), b"old\n");
    places.has_no_parts();
}

#[test]
fn standard_output_is_what_it_is_by_each_of_its_names() {
    let places = Places::new();
    for name in ["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"] {
        places.does(&format!(
            "echo before > out && hostapp get 192.168.69.1 f -o {name} >> out"
        ));
        let out = fs::read(places.path("out")).unwrap();
        assert_eq!(
            sha256(out.strip_prefix(b"before\n").expect("what was there")),
            places.hash
        );
        places.does(&format!("hostapp get 192.168.69.1 f -o {name} | cat > piped"));
        places.holds("piped");
        let ended = places.tries(&format!("hostapp get 192.168.69.1 f --json -o {name}"));
        assert_refused(&ended, 2, "--json");
    }
    places.has_no_parts();
}

/// A log that somebody else writes too, by each of its names.
#[test]
fn an_open_file_is_written_on_where_it_stands() {
    let places = Places::new();
    places.does("ln -s /dev/stderr to-stderr; ln -s /proc/self/fd/5 to-five");
    for (name, number) in [
        ("/dev/stderr", 2),
        ("/dev/fd/2", 2),
        ("/proc/self/fd/2", 2),
        ("to-stderr", 2),
        ("/dev/stdout", 1),
        ("/dev/fd/5", 5),
        ("/proc/self/fd/5", 5),
        ("to-five", 5),
    ] {
        for open in [">", ">>"] {
            places.does(&format!(
                "echo before > log; (echo first >&{number}; \
                 hostapp -q get 192.168.69.1 f -o {name}) {number}{open} log"
            ));
            let log = fs::read(places.path("log")).unwrap();
            let before = if open == ">" { "" } else { "before\n" };
            let front = format!("{before}first\n");
            let rest = log.strip_prefix(front.as_bytes());
            let rest = rest.unwrap_or_else(|| panic!("{name} {open} has lost what was there"));
            assert_eq!(sha256(rest), places.hash, "{name} {open}");
        }
    }
    // What others write behind it stays behind it.
    places.does("(hostapp -q get 192.168.69.1 f -o /dev/stderr; echo last >&2) 2> log");
    let log = fs::read(places.path("log")).unwrap();
    assert_eq!(sha256(log.strip_suffix(b"last\n").expect("the end")), places.hash);
    // It is open for reading alone.
    places.does("echo mine > input");
    assert_refused(
        &places.tries("hostapp get 192.168.69.1 f -o /dev/stdin < input"),
        1,
        "/dev/stdin: Bad file descriptor",
    );
    assert_eq!(fs::read(places.path("input")).unwrap(), b"mine\n");
    assert_refused(
        &places.tries("hostapp get 192.168.69.1 f -o /dev/fd/77"),
        1,
        "/dev/fd/77: No such file",
    );
    places.has_no_parts();
}

#[test]
fn a_stream_is_sent_when_its_end_is_known() {
    let places = Places::new();
    let source = places.lab.path("f").display().to_string();
    let stored = |name: &str| {
        assert_eq!(sha256_of(&places.lab.store.file(name)), places.hash, "{name}");
    };
    places.does(&format!(
        "mkfifo pipe; cat {source} > pipe & hostapp send 192.168.69.1 pipe --as one"
    ));
    stored("one");
    places.does(&format!("cat {source} | hostapp send 192.168.69.1 - --as two"));
    stored("two");
    places.does(&format!(
        "cat {source} | hostapp send 192.168.69.1 /dev/stdin --as three"
    ));
    stored("three");
    places.does(&format!("hostapp send 192.168.69.1 - --as four < {source}"));
    stored("four");
    // Nobody writes yet: it says so, and waits.
    let pipe = places.path("pipe");
    let mut send = places
        .lab
        .start_kali(&format!("exec hostapp send 192.168.69.1 {}", pipe.display()));
    send.complains("pipe has no length: it is read to its end first\n");
    places.does(&format!("cat {source} > pipe"));
    assert_eq!(send.wait().status.code(), Some(0));
    stored("pipe");
    // A file of the kernel's has no length before it is read.
    places.does("hostapp send 192.168.69.1 /proc/version");
    assert_eq!(
        fs::read(places.lab.store.file("version")).unwrap(),
        fs::read("/proc/version").unwrap()
    );
    places.does(": > nothing; hostapp send 192.168.69.1 nothing");
    assert_eq!(fs::read(places.lab.store.file("nothing")).unwrap(), b"");
}

#[test]
fn what_has_no_end_is_refused_at_once() {
    let places = Places::new();
    places.does("mknod zero c 1 5; mkdir folder; python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind(\"s\")'");
    for (what, word) in [
        ("zero", "device"),
        ("- --as x < zero", "device"),
        ("folder", "folder"),
        (".", "cannot be its name"),
        ("s", "socket"),
        ("-", "--as NAME"),
    ] {
        assert_refused(
            &places.tries(&format!("hostapp send 192.168.69.1 {what}")),
            2,
            word,
        );
    }
    places.lab.store.holds(&["f"]);
}

#[test]
fn a_file_that_changes_while_it_is_sent_is_sent_as_it_was_or_told() {
    let lab = Lab::new();
    let file = lab.path("changing");
    let send = |grown: bool| {
        fs::write(&file, b"hello").unwrap();
        let mut server = lab.namespace.start("exec nc.openbsd -v -l 127.0.0.1 5030");
        server.complains("Listening on ");
        let client = lab.start_kali(&format!("hostapp send 127.0.0.1 {}", file.display()));
        let hash = sha256(&b"hello"[..]);
        server.sees(&format!("PUT changing 5 {hash} resume\n"));
        change(&file, grown);
        server.types("SEND 0\n");
        (server, client, hash)
    };
    let (mut server, mut client, hash) = send(true);
    server.sees("hello");
    server.types(format!("STORED changing 5 {hash}\n"));
    assert_eq!(client.wait().status.code(), Some(0));
    assert!(
        server.stdout.text().ends_with("\nhello"),
        "{}",
        server.stdout.text()
    );
    drop(server);
    let (_server, mut client, _) = send(false);
    assert_refused(&client.wait(), 1, "became shorter while it was sent");
}

fn change(file: &Path, grown: bool) {
    fs::write(file, if grown { &b"hello, world"[..] } else { b"he" }).unwrap();
}
