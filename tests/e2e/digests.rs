//! What R2 knows of files that it did not receive: hashed once, told meanwhile, left out where it cannot be known.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::Path;

use r2_sim::payload::sha256;
use r2_tests::lab::{Lab, hostapp};
use r2_tests::namespace::Namespace;
use r2_tests::program::{Ended, PATIENCE, Program};
use r2_tests::tmpfs::Tmpfs;
use rustix::process::Signal;

const HELLO: &str = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
const NC: &str = "nc.openbsd -N 127.0.0.1";

/// A file that takes as long to hash as one that fills the disk, and takes no room.
fn sparse(path: &Path, bytes: u64) {
    File::create(path).unwrap().set_len(bytes).unwrap();
}

/// R2 as a user who owns the store, and a namespace around it.
struct OfNobody {
    r2: Program,
    namespace: Namespace,
    folder: tempfile::TempDir,
}

impl OfNobody {
    fn serving() -> Self {
        let namespace = Namespace::new();
        let folder = tempfile::tempdir().unwrap();
        let mut r2 = namespace.start(&format!(
            "cd {folder} && cp {hostapp} hostapp && mkdir store && chmod a+rx . && chmod a+rx hostapp && \
             chown nobody store && exec setpriv --reuid=nobody --regid=nogroup --clear-groups \
             ./hostapp serve --link local --store store",
            folder = folder.path().display(),
            hostapp = hostapp().display(),
        ));
        r2.complains("R2 ready at 127.0.0.1 on local\n");
        r2.ends_input();
        Self {
            r2,
            namespace,
            folder,
        }
    }

    fn kali(&self, line: &str) -> Ended {
        self.namespace.start(line).finish()
    }

    fn says(&self, lines: &str) -> String {
        self.kali(&format!("printf '{lines}' | {NC} 5030")).stdout
    }

    /// Puts a file into the store that root alone may read.
    fn forbid(&self, name: &str) {
        let path = self.folder.path().join("store").join(name);
        fs::write(&path, "secret").unwrap();
        self.kali(&format!("chmod 000 {}", path.display()));
    }

    fn unreadable(&self) -> String {
        let status = self.kali(&format!("{NC} 5040")).stdout;
        let mut lines = status.lines();
        let line = lines.find_map(|line| line.strip_prefix("store_unreadable: "));
        line.expect("a count").to_owned()
    }
}

#[test]
fn a_file_that_r2_may_not_read_is_left_out_of_lists_and_told_once() {
    let mut lab = OfNobody::serving();
    for name in ["a", "c"] {
        assert!(lab.says(&format!("PUT {name} 5\\nhello")).contains("STORED"));
    }
    assert_eq!(lab.unreadable(), "0");
    lab.forbid("b");
    lab.forbid("d.partial");
    let list = format!("a 5 {HELLO}\nc 5 {HELLO}\nEND\n");
    for _ in 0..3 {
        assert_eq!(lab.says("LIST\\n"), list);
    }
    let listed = lab.kali(&format!("{} ls 127.0.0.1", hostapp().display()));
    assert_eq!(listed.status.code(), Some(0), "{listed:?}");
    assert_eq!(listed.stdout.lines().count(), 2, "{listed:?}");
    assert_eq!(lab.unreadable(), "2");
    // One answer each, and the next command is heard.
    let said = lab.says("GET b\\nDEL b\\nGET a\\n");
    let (first, rest) = said.split_once('\n').unwrap();
    let (second, rest) = rest.split_once('\n').unwrap();
    assert!(
        first.starts_with("ERROR io ") && second.starts_with("ERROR io "),
        "{said}"
    );
    assert_eq!(rest, format!("FILE a 5 {HELLO}\nhello"));
    // It may be replaced: that needs no look at what it was.
    assert!(lab.says(&format!("PUT b 5 {HELLO}\\nhello")).contains("STORED"));
    assert_eq!(
        lab.says("LIST\\n"),
        format!("a 5 {HELLO}\nb 5 {HELLO}\nc 5 {HELLO}\nEND\n")
    );
    assert_eq!(lab.unreadable(), "1");
    lab.r2.signal(Signal::TERM);
    let ended = lab.r2.wait();
    assert_eq!(ended.status.code(), Some(0));
    for name in ["b", "d.partial"] {
        let told = format!("{name} cannot be read");
        assert_eq!(ended.stderr.matches(&told).count(), 1, "{}", ended.stderr);
    }
}

/// A connection to the files service on which `lines` were said.
fn asks(lab: &Lab, lines: &str) -> BufReader<TcpStream> {
    let mut stream = lab.connect(5030);
    // The first line of progress comes after seconds of work.
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(lines.as_bytes()).unwrap();
    BufReader::new(stream)
}

fn line(from: &mut BufReader<TcpStream>) -> String {
    let mut line = String::new();
    from.read_line(&mut line).expect("a line");
    line
}

fn percent(line: &str) -> u64 {
    let percent = line
        .strip_prefix("* hashing ")
        .and_then(|rest| rest.strip_suffix(" %\n"));
    percent
        .and_then(|percent| percent.parse().ok())
        .unwrap_or_else(|| panic!("{line:?}"))
}

#[test]
fn whoever_asks_hears_how_far_r2_is_and_whoever_asks_again_finds_it_further() {
    let lab = Lab::local("");
    fs::write(lab.store.file("a"), "hello").unwrap();
    sparse(&lab.store.file("b"), 256 << 30);
    let mut plain = asks(&lab, "LIST\n");
    assert_eq!(
        line(&mut plain),
        format!("a 5 {HELLO}\n"),
        "what is known is told at once"
    );
    let mut first = asks(&lab, "PROGRESS\nGET b\n");
    assert_eq!(line(&mut first), "* progress every 5 s\n");
    let heard = percent(&line(&mut first));
    drop(first);
    let mut again = asks(&lab, "PROGRESS\nLIST\n");
    assert_eq!(line(&mut again), "* progress every 5 s\n");
    assert_eq!(line(&mut again), format!("a 5 {HELLO}\n"));
    let further = percent(&line(&mut again));
    assert!(further >= heard, "{further} % after {heard} %");
    // Nobody else is told anything.
    plain.get_ref().set_nonblocking(true).unwrap();
    let more = plain.fill_buf();
    assert!(
        more.as_ref()
            .is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock),
        "{more:?}"
    );
    // At once: R2 would tell of an empty file too.
    let finished = lab.path("finished");
    fs::write(&finished, "hello").unwrap();
    fs::rename(&finished, lab.store.file("b")).unwrap();
    plain.get_ref().set_nonblocking(false).unwrap();
    for peer in [&mut plain, &mut again] {
        let mut last = line(peer);
        while last.starts_with("* ") {
            last = line(peer);
        }
        assert_eq!(
            last,
            format!("b 5 {HELLO}\n"),
            "what changed meanwhile is told as it is now"
        );
        assert_eq!(line(peer), "END\n");
    }
}

#[test]
fn a_list_is_printed_as_far_as_it_is_known() {
    let lab = Lab::local("");
    fs::write(lab.store.file("a"), "hello").unwrap();
    // It takes hours.
    sparse(&lab.store.file("b"), 1 << 42);
    let ls = lab.start_kali("exec hostapp ls 127.0.0.1");
    ls.sees(&format!("a 5 {HELLO}\n"));
    let json = lab.start_kali("exec hostapp ls 127.0.0.1 --json");
    json.sees(&format!("\"sha256\":\"{HELLO}\"}}\n"));
}

#[test]
fn a_restart_does_not_hash_again() {
    const LARGE: u64 = 2 << 30;
    let store = tempfile::tempdir().unwrap();
    fs::set_permissions(store.path(), std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    sparse(&store.path().join("large"), LARGE);
    // The bytes that R2 has read of whatever there is, from its first list on.
    let lists = |ends: Signal| {
        let mut lab = Lab::local_on(store.path(), "");
        let list = lab.kali("hostapp ls 127.0.0.1");
        let io = fs::read_to_string(format!("/proc/{}/io", lab.r2.pid().as_raw_nonzero())).unwrap();
        let read = io.lines().find_map(|line| line.strip_prefix("rchar: ")).unwrap();
        let read: u64 = read.parse().unwrap();
        lab.r2.signal(ends);
        lab.r2.wait();
        (list, read)
    };
    // Killed: what was expensive is kept at once.
    let (first, read) = lists(Signal::KILL);
    assert!(read >= LARGE, "{read}");
    let (second, read) = lists(Signal::TERM);
    assert_eq!(first, second);
    assert!(read < LARGE, "{read} bytes were read again");
    assert!(first.starts_with(&format!("large {LARGE} ")), "{first}");
}

#[test]
fn a_store_that_is_gone_is_told_once_and_takes_nothing() {
    let mut lab = Lab::local("");
    assert!(
        lab.kali(&format!("printf 'PUT kept 5\\nhello' | {NC} 5030"))
            .contains("STORED")
    );
    let mut upload = lab.connect(5020);
    upload.write_all(b"hello").unwrap();
    lab.store.wait_until("the bytes of an upload", |store| {
        fs::metadata(store.file("drop-0001.partial")).is_ok_and(|file| file.len() == 5)
    });
    let away = lab.path("away");
    fs::rename(lab.store.path(), &away).unwrap();
    upload.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(
        line(&mut BufReader::new(upload)),
        "failed drop-0001 the store is gone after 5 bytes\n"
    );
    fs::create_dir(lab.store.path()).unwrap();
    for said in ["PUT x 5\\nhello", "LIST\\n", "GET kept\\n", "DEL kept\\n"] {
        let answer = lab.kali(&format!("printf '{said}' | {NC} 5030"));
        assert_eq!(answer, "ERROR io the store is gone\n", "{said}");
    }
    let dropped = lab.kali(&format!("echo hello | {NC} 5020"));
    assert_eq!(dropped, "failed drop the store is gone after 0 bytes\n");
    assert!(lab.store.names().is_empty(), "another folder is not touched");
    fs::remove_dir(lab.store.path()).unwrap();
    fs::rename(&away, lab.store.path()).unwrap();
    let got = lab.kali(&format!("printf 'GET kept\\n' | {NC} 5030"));
    assert_eq!(got, format!("FILE kept 5 {}\nhello", sha256(&b"hello"[..])));
    lab.r2.signal(Signal::TERM);
    let ended = lab.r2.wait();
    assert_eq!(ended.stderr.matches(" is gone (").count(), 1, "{}", ended.stderr);
    assert_eq!(ended.stderr.matches(" is back").count(), 1, "{}", ended.stderr);
}

#[test]
fn a_store_that_takes_nothing_any_more_is_told_once_however_many_uploads_are_refused() {
    let disk = Tmpfs::new(8 << 20);
    let mut lab = Lab::local_on(disk.path(), "");
    let refused = |lab: &Lab| {
        for number in 0..5 {
            let put = lab.kali(&format!("printf 'PUT x{number} 5\\nhello' | {NC} 5030"));
            assert!(put.starts_with("ERROR io "), "{put}");
            let dropped = lab.kali(&format!("echo hello | {NC} 5020"));
            assert!(dropped.starts_with("failed "), "{dropped}");
            let deleted = lab.kali(&format!("printf 'DEL kept\\n' | {NC} 5030"));
            assert!(deleted.starts_with("ERROR io "), "{deleted}");
        }
    };
    let stored = |lab: &Lab| {
        let put = lab.kali(&format!("printf 'PUT kept 5\\nhello' | {NC} 5030"));
        assert!(put.contains("STORED kept "), "{put}");
    };
    stored(&lab);
    for _ in 0..2 {
        disk.make_read_only();
        refused(&lab);
        disk.make_writable();
        stored(&lab);
    }
    // A full disk is told to whoever sends, and to nobody else.
    for number in 0..5 {
        let put = lab.kali(&format!("printf 'PUT full{number} 99999999\\n' | {NC} 5030"));
        assert!(put.starts_with("ERROR no-space "), "{put}");
        let dropped = lab.kali(&format!("head -c 9000000 /dev/zero | {NC} 5020"));
        assert!(dropped.contains(" no space after "), "{dropped}");
    }
    // Something of somebody else's is where a file is to be: it is told as often as an operator needs.
    fs::create_dir(disk.path().join("taken")).unwrap();
    for _ in 0..20 {
        let put = lab.kali(&format!("printf 'PUT taken 5\\nhello' | {NC} 5030"));
        assert!(put.contains("ERROR "), "{put}");
        stored(&lab);
    }
    lab.r2.signal(Signal::TERM);
    let ended = lab.r2.wait();
    assert_eq!(
        ended.stderr.matches("Read-only file system").count(),
        2,
        "{}",
        ended.stderr
    );
    let warnings = ended.stderr.lines().filter(|line| line.starts_with("warn: "));
    assert!(warnings.count() <= 8, "{}", ended.stderr);
}
