//! Named files: by netcat and by hostapp's own commands, verified and resumable.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::Path;

use r2_sim::payload::{random, sha256, sha256_of};
use r2_tests::lab::Lab;
use rustix::process::Signal;

const NC: &str = "nc.openbsd -N 192.168.69.1 5030";
const HELLO: &str = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";

#[test]
fn netcat_puts_lists_gets_and_deletes() {
    let lab = Lab::new();
    assert_eq!(
        lab.kali(&format!("printf 'PUT notes.txt 5\\nhello' | {NC}")),
        format!("SEND 0\nSTORED notes.txt 5 {HELLO}\n")
    );
    assert_eq!(fs::read(lab.store.file("notes.txt")).unwrap(), b"hello");
    assert_eq!(
        lab.kali(&format!("echo LIST | {NC}")),
        format!("notes.txt 5 {HELLO}\nEND\n")
    );
    assert_eq!(
        lab.kali(&format!("echo GET notes.txt | {NC}")),
        format!("FILE notes.txt 5 {HELLO}\nhello")
    );
    assert_eq!(
        lab.kali(&format!("echo GET notes.txt 3 | {NC}")),
        format!("FILE notes.txt 5 {HELLO}\nlo")
    );
    assert_eq!(
        lab.kali(&format!("echo GET notes.txt 5 | {NC}")),
        format!("FILE notes.txt 5 {HELLO}\n")
    );
    assert_eq!(
        lab.kali(&format!("echo DEL notes.txt | {NC}")),
        "DELETED notes.txt\n"
    );
    assert_eq!(lab.kali(&format!("echo LIST | {NC}")), "END\n");
    lab.store.holds(&[]);
}

#[test]
fn several_commands_follow_on_one_connection() {
    let lab = Lab::new();
    let script = "PUT b 5\\nhelloPUT a 0\\nLIST\\r\\nGET b 1\\nDEL a\\nLIST";
    let empty = sha256(&b""[..]);
    assert_eq!(
        lab.kali(&format!("printf '{script}' | {NC}")),
        format!(
            "SEND 0\nSTORED b 5 {HELLO}\nSEND 0\nSTORED a 0 {empty}\na 0 {empty}\nb 5 {HELLO}\nEND\n\
             FILE b 5 {HELLO}\nelloDELETED a\nb 5 {HELLO}\nEND\n"
        )
    );
}

#[test]
fn anything_wrong_is_answered_with_its_code() {
    let lab = Lab::new();
    for (line, code) in [
        ("GET nothing", "not-found"),
        ("DEL nothing", "not-found"),
        ("GET ../etc/passwd", "bad-name"),
        ("GET .hidden", "bad-name"),
        ("PUT a/b 1", "bad-name"),
        ("PUT drop-0001 1", "bad-name"),
        ("PUT x.partial 1", "bad-name"),
        ("PUT x.unconfirmed 1", "bad-name"),
        ("PUT x", "bad-request"),
        ("PUT x -1", "bad-request"),
        ("PUT x 1 abc", "bad-request"),
        ("FROB x", "bad-request"),
    ] {
        let printed = lab.kali(&format!("printf '{line}\\n' | {NC}"));
        assert!(
            printed.starts_with(&format!("ERROR {code} ")) && printed.ends_with('\n'),
            "{line}: {printed:?}"
        );
    }
    let name = "n".repeat(65);
    assert!(
        lab.kali(&format!("echo PUT {name} 1 | {NC}"))
            .starts_with("ERROR bad-name ")
    );
    lab.store.holds(&[]);
}

#[test]
fn a_mismatch_stores_nothing_and_leaves_the_old_file() {
    let lab = Lab::new();
    lab.kali(&format!("printf 'PUT f 5\\nhello' | {NC}"));
    let printed = lab.kali(&format!("printf 'PUT f 5 {HELLO}\\nHELLO' | {NC}"));
    // The very file is there already, so R2 asks for nothing; another name makes it ask.
    assert!(
        printed.starts_with(&format!("SEND 5\nSTORED f 5 {HELLO}\n")),
        "{printed:?}"
    );
    let printed = lab.kali(&format!("printf 'PUT g 5 {HELLO}\\nHELLO' | {NC}"));
    assert!(printed.starts_with("SEND 0\nERROR mismatch "), "{printed:?}");
    lab.store.holds(&["f"]);
    let zeros = "0".repeat(64);
    let printed = lab.kali(&format!("printf 'PUT f 5 {zeros}\\nHELLO' | {NC}"));
    assert!(printed.starts_with("SEND 0\nERROR mismatch "), "{printed:?}");
    lab.store.holds(&["f"]);
    assert_eq!(fs::read(lab.store.file("f")).unwrap(), b"hello");
}

#[test]
fn an_upload_that_was_broken_off_goes_on_where_it_was() {
    let lab = Lab::new();
    let content = random(1_000_000, 3);
    let command = format!("PUT big 1000000 {}\n", sha256(&content[..]));
    {
        let mut first = lab.connect(5030);
        first.write_all(command.as_bytes()).unwrap();
        assert_eq!(read_line(&mut first), "SEND 0\n");
        first.write_all(&content[..600_000]).unwrap();
    }
    lab.store.wait_until("a partial upload", |store| {
        store.names().iter().any(|name| name.ends_with(".partial"))
    });
    let mut second = lab.connect(5030);
    second.write_all(command.as_bytes()).unwrap();
    let answer = read_line(&mut second);
    let offset: usize = answer.trim_end().strip_prefix("SEND ").unwrap().parse().unwrap();
    // The sender's FIN came after them all, and R2 asks for few of them again.
    assert!((599_936..=600_000).contains(&offset), "{offset}");
    second.write_all(&content[offset..]).unwrap();
    assert_eq!(
        read_line(&mut second),
        format!("STORED big 1000000 {}\n", sha256(&content[..]))
    );
    lab.store.holds(&["big"]);
    assert!(fs::read(lab.store.file("big")).unwrap() == content);
}

#[test]
fn hostapp_sends_lists_gets_and_removes() {
    let lab = Lab::new();
    for size in [0, 1, 1459, 1460, 1461, 65_535, 65_536, 10 << 20] {
        let file = lab.file("sent.bin", size);
        let hash = sha256_of(&file);
        let sent = lab.kali_tries(&format!("hostapp send 192.168.69.1 {}", file.display()));
        assert_eq!(sent.status.code(), Some(0), "{sent:?}");
        let last = format!("{size} bytes, sha256 {hash}, stored as sent.bin");
        assert!(
            sent.stdout.contains(&last) || sent.stderr.contains(&last),
            "{sent:?}"
        );
        assert_eq!(
            lab.kali(&format!("echo LIST | {NC}")),
            format!("sent.bin {size} {hash}\nEND\n")
        );
        assert!(lab.kali("hostapp ls 192.168.69.1").contains("sent.bin"));

        let got = lab.path("got.bin");
        lab.kali(&format!(
            "hostapp get 192.168.69.1 sent.bin --force -o {}",
            got.display()
        ));
        assert_eq!(sha256_of(&got), hash);
        lab.kali("hostapp rm 192.168.69.1 sent.bin");
        lab.store.holds(&[]);
    }
}

#[test]
fn hostapp_sends_under_another_name_and_gets_into_the_folder_it_is_in() {
    let lab = Lab::new();
    let file = lab.file("sent.bin", 5000);
    lab.kali(&format!(
        "hostapp send 192.168.69.1 {} --as other.bin",
        file.display()
    ));
    lab.kali(&format!(
        "mkdir {0} && cd {0} && hostapp get 192.168.69.1 other.bin",
        lab.path("here").display()
    ));
    assert_eq!(sha256_of(&lab.path("here").join("other.bin")), sha256_of(&file));
}

#[test]
fn hostapp_says_in_one_line_what_was_refused() {
    let lab = Lab::new();
    for (line, code) in [
        ("cd $(mktemp -d) && hostapp get 192.168.69.1 nothing", 1),
        ("hostapp rm 192.168.69.1 nothing", 1),
        ("hostapp send 192.168.69.1 /nowhere/file", 2),
        ("hostapp ls 192.168.69.1:5999", 2),
        ("hostapp ls not-an-address", 2),
    ] {
        let ended = lab.kali_tries(line);
        assert_eq!(ended.status.code(), Some(code), "{line}: {ended:?}");
        assert_eq!(ended.stderr.lines().count(), 1, "{line}: {ended:?}");
    }
}

#[test]
fn what_was_dropped_is_got_and_removed_by_the_receipts_name() {
    let lab = Lab::new();
    let file = lab.file("sent", 100_000);
    lab.kali(&format!("nc.openbsd -N 192.168.69.1 5020 < {}", file.display()));
    let got = lab.path("got");
    lab.kali(&format!(
        "hostapp get 192.168.69.1 drop-0001 -o {}",
        got.display()
    ));
    assert_eq!(sha256_of(&got), sha256_of(&file));
    assert_eq!(
        lab.kali(&format!("echo DEL drop-0001 | {NC}")),
        "DELETED drop-0001\n"
    );
    lab.store.holds(&[]);
}

#[test]
fn a_send_killed_at_half_resumes_where_it_was() {
    const SIZE: u64 = 256 << 20;
    let lab = Lab::new();
    let file = lab.file("big.bin", SIZE);
    let line = format!("hostapp send 192.168.69.1 {}", file.display());
    let bytes_in = || lab.status()["files_bytes_in"].parse::<u64>().unwrap();

    let mut killed = lab.start_kali(&line);
    lab.store
        .wait_until("half of the file", |store| store.bytes() >= SIZE / 2);
    killed.signal(Signal::KILL);
    killed.wait();
    lab.store.wait_until("a partial upload", |store| {
        store.names().iter().any(|name| name.ends_with(".partial"))
    });
    assert!(!lab.store.names().contains(&"big.bin".to_owned()));

    let before = bytes_in();
    lab.kali(&line);
    assert_same(&file, &lab.store.file("big.bin"));
    let sent_again = bytes_in() - before;
    assert!(
        sent_again <= SIZE / 2 + 1024,
        "{sent_again} of {SIZE} bytes were sent again"
    );
    lab.store.holds(&["big.bin"]);
}

fn assert_same(sent: &Path, stored: &Path) {
    assert_eq!(sha256_of(stored), sha256_of(sent));
}

/// Reads a line and nothing of what follows it.
fn read_line(peer: &mut TcpStream) -> String {
    let mut line = String::new();
    BufReader::with_capacity(1, peer)
        .read_line(&mut line)
        .expect("a line");
    line
}

#[test]
fn netcats_that_do_not_wait_send_the_same_file_again_and_no_line_of_it_is_obeyed() {
    let lab = Lab::new();
    let body = b"DEL other.txt\nLIST\n";
    let sha = sha256(&body[..]);
    let stored = format!("STORED n.txt {} {sha}\n", body.len());
    lab.kali(&format!("printf 'PUT other.txt 5\\nhello' | {NC}"));
    for netcat in [
        NC,
        "nc.traditional -q 1 192.168.69.1 5030",
        "ncat 192.168.69.1 5030",
        "socat -t 60 - TCP:192.168.69.1:5030",
    ] {
        for pause in ["", "sleep 0.2;"] {
            let again = format!(
                "(echo PUT n.txt {} {sha}; {pause} printf 'DEL other.txt\\nLIST\\n'; echo GET other.txt 5) | {netcat}",
                body.len()
            );
            let printed = lab.kali(&again);
            let file = format!("FILE other.txt 5 {HELLO}\n");
            assert!(printed.starts_with("SEND "), "{printed:?}");
            assert!(
                printed.ends_with(&format!("{stored}{file}")),
                "{netcat}: {printed:?}"
            );
        }
    }
    lab.store.holds(&["n.txt", "other.txt"]);
}
