//! `hostapp drop`: raw bytes to R2, which gives a receipt, and to listeners that give none.

use std::path::Path;
use std::time::Instant;

use r2_sim::payload::sha256_of;
use r2_tests::lab::Lab;
use r2_tests::program::{Ended, PATIENCE, Program};
use r2_tests::tmpfs::Tmpfs;

const SIZE: u64 = 3_000_000;

/// R2, a file of KALI's, and its SHA-256.
fn with_file() -> (Lab, String, String) {
    let lab = Lab::local("");
    let file = lab.file("f", SIZE);
    let hash = sha256_of(&file);
    (lab, file.display().to_string(), hash)
}

fn drops(lab: &Lab, line: &str) -> Ended {
    lab.start_kali(&format!("exec hostapp drop {line}")).wait()
}

/// One line on standard error that holds each of `words`, and this status.
fn assert_told(ended: &Ended, status: i32, words: &[&str]) {
    assert_eq!(ended.status.code(), Some(status), "{ended:?}");
    assert_eq!(ended.stderr.lines().count(), 1, "{ended:?}");
    for word in words {
        assert!(ended.stderr.contains(word), "{word:?} is not in {ended:?}");
    }
}

#[test]
fn the_receipt_is_printed_and_is_about_what_was_sent() {
    let (lab, file, hash) = with_file();
    let receipt = |number: u32| format!("stored drop-000{number} {SIZE} bytes sha256 {hash}\n");
    let sent = format!("{SIZE} bytes, sha256 {hash}, stored as drop-000");
    for (number, line) in [
        (1, format!("127.0.0.1 {file}")),
        (2, format!("localhost:5020 - < {file}")),
        (3, format!("127.0.0.1 /dev/stdin < {file}")),
    ] {
        let ended = drops(&lab, &line);
        assert_told(&ended, 0, &["Sent ", &format!("{sent}{number}")]);
        assert_eq!(ended.stdout, receipt(number));
    }
    let piped = lab.kali_tries(&format!("cat {file} | hostapp -q drop 127.0.0.1 -"));
    assert_eq!((&*piped.stdout, &*piped.stderr), (&*receipt(4), ""));
    let json = drops(&lab, &format!("127.0.0.1 {file} --json"));
    let name = "\"name\":\"drop-0005\"";
    assert!(
        json.stdout.contains(name) && json.stdout.contains(&hash),
        "{json:?}"
    );
    lab.kali(&format!(": > {file}"));
    assert_told(&drops(&lab, &format!("127.0.0.1 {file}")), 0, &[": 0 bytes"]);
    // Each was confirmed: R2 has heard that its receipt was read.
    let numbers = 1..=6;
    let names: Vec<_> = numbers.map(|number| format!("drop-000{number}")).collect();
    lab.store
        .holds(&names.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(sha256_of(&lab.store.file("drop-0004")), hash);
}

#[test]
fn what_a_stream_brings_is_sent_as_it_comes() {
    let (lab, ..) = with_file();
    let mut drop = lab.start_kali("exec hostapp drop 127.0.0.1 -");
    drop.types("hello, ");
    let deadline = Instant::now() + PATIENCE;
    while lab.status()["drop_bytes_in"] != "7" {
        assert!(Instant::now() < deadline, "nothing came: {}", drop.stderr.text());
    }
    drop.types("world");
    let ended = drop.finish();
    assert!(
        ended.stdout.starts_with("stored drop-0001 12 bytes "),
        "{ended:?}"
    );
    assert_eq!(ended.status.code(), Some(0));
}

#[test]
fn a_store_that_refuses_is_told() {
    let lab = Lab::local("--max-file 1000000");
    let file = lab.file("f", SIZE);
    let ended = drops(&lab, &format!("127.0.0.1 {}", file.display()));
    assert_told(&ended, 1, &["R2 stored nothing as drop-0001: "]);
    assert_eq!(ended.stdout, "");
}

#[test]
fn what_is_no_file_and_who_does_not_listen_is_told() {
    let (lab, file, _) = with_file();
    let folder = Tmpfs::new(1 << 20);
    lab.kali(&format!("mknod {}/zero c 1 5", folder.path().display()));
    let zero = format!("127.0.0.1 {}/zero", folder.path().display());
    for (line, word) in [
        ("127.0.0.1 /nowhere", "/nowhere: No such file"),
        ("127.0.0.1 /", "folder"),
        (&*zero, "device"),
        (&*format!("127.0.0.1:1 {file}"), "Connection refused"),
    ] {
        assert_told(&drops(&lab, line), 2, &[word]);
    }
    lab.store.holds(&[]);
}

/// A listener of KALI's on port 6000 that writes what comes into `got`.
fn listener(lab: &Lab, line: &str) -> (Program, String) {
    let got = lab.path("got").display().to_string();
    let listener = lab.start_kali(&line.replace("GOT", &got));
    listener.complains("istening on");
    (listener, got)
}

#[test]
fn a_netcat_that_listens_has_the_bytes_and_sends_no_receipt() {
    let (lab, file, hash) = with_file();
    for (line, word) in [
        ("exec nc.openbsd -v -l 127.0.0.1 6000 > GOT", "sent no receipt"),
        (
            "exec nc.openbsd -v -N -l 127.0.0.1 6000 < /dev/null > GOT",
            "sent no receipt",
        ),
        (
            "exec nc.traditional -v -n -l -p 6000 < /dev/null > GOT",
            "sent no receipt",
        ),
        (
            "exec ncat -v -l 127.0.0.1 6000 < /dev/null > GOT",
            "sent no receipt",
        ),
        (
            "echo thanks | exec nc.openbsd -v -N -l 127.0.0.1 6000 > GOT",
            "answered \"thanks\", which is no receipt",
        ),
    ] {
        let (mut listener, got) = listener(&lab, line);
        let ended = drops(&lab, &format!("127.0.0.1:6000 {file}"));
        assert_told(&ended, 0, &["Sent ", &hash, "127.0.0.1:6000 ", word, "compare"]);
        assert_eq!(ended.stdout, "", "{line}");
        listener.ends_input();
        listener.wait();
        assert_eq!(sha256_of(Path::new(&got)), hash, "{line}");
    }
}

/// A student's server: it reads to the end, then says something, or not.
const SERVER: &str = "exec python3 -c '
import socketserver, sys
class Server(socketserver.StreamRequestHandler):
    def handle(self):
        open(\"GOT\", \"wb\").write(self.rfile.read())
        self.wfile.write(b\"SAYS\")
server = socketserver.TCPServer((\"127.0.0.1\", 6000), Server)
print(\"listening on\", file=sys.stderr, flush=True)
server.handle_request()'";

#[test]
fn a_students_server_has_the_bytes_and_what_it_says_is_compared_where_it_is_a_receipt() {
    let (lab, file, hash) = with_file();
    let receipt = |length: u64, hash: &str| format!("stored mine {length} bytes sha256 {hash}\\n");
    let wrong = hash.replace(|digit: char| digit.is_ascii_digit(), "0");
    for (says, status, word) in [
        (String::new(), 0, "sent no receipt"),
        ("got it\\n".into(), 0, "answered \"got it\""),
        (receipt(SIZE, &hash), 0, "stored as mine"),
        (receipt(SIZE - 1, &hash), 1, "the receipt differs"),
        (receipt(SIZE, &wrong), 1, "the receipt differs"),
        (
            "failed mine no paper\\n".into(),
            1,
            "stored nothing as mine: no paper",
        ),
    ] {
        let (_server, got) = listener(&lab, &SERVER.replace("SAYS", &says));
        let ended = drops(&lab, &format!("127.0.0.1:6000 {file}"));
        assert_told(&ended, status, &[word]);
        assert_eq!(sha256_of(Path::new(&got)), hash, "{says}");
    }
}

#[test]
fn a_listener_that_leaves_or_never_ends_is_told() {
    let (lab, file, _) = with_file();
    let leaves = SERVER.replace("read()", "read(1)").replace("SAYS", "");
    let (_server, _) = listener(&lab, &leaves);
    let ended = drops(&lab, &format!("127.0.0.1:6000 {file}"));
    assert_told(&ended, 1, &["127.0.0.1:6000 broke"]);
    // Chargen.
    let ended = drops(&lab, "127.0.0.1:10019 /etc/hostname");
    assert_told(
        &ended,
        1,
        &["127.0.0.1:10019 answered with a line that does not end"],
    );
}
