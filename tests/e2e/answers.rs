//! What a client says of whom it finds: R2 by each of its names, or somebody else.

use std::fs;

use r2_tests::lab::Lab;
use r2_tests::namespace::Namespace;
use r2_tests::program::{Ended, Program};

/// Every command that talks to the files service.
const FILES: [&str; 4] = [
    "send 127.0.0.1 f",
    "get 127.0.0.1 f -o got",
    "ls 127.0.0.1",
    "rm 127.0.0.1 f",
];

/// KALI without R2.
struct Alone {
    namespace: Namespace,
    folder: tempfile::TempDir,
}

impl Alone {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("f"), "hello").unwrap();
        Self {
            namespace: Namespace::new(),
            folder,
        }
    }

    /// A listener on `port` that says what `says` prints, and closes when that ends.
    fn listener(&self, says: &str, port: u16) -> Program {
        let listener = self
            .namespace
            .start(&format!("{says} | exec nc.openbsd -N -v -l 127.0.0.1 {port}"));
        listener.complains("Listening on ");
        listener
    }

    fn client(&self, line: &str) -> Ended {
        let program = r2_tests::lab::hostapp();
        self.namespace
            .start(&format!(
                "cd {}; exec {} {line} < /dev/null",
                self.folder.path().display(),
                program.display()
            ))
            .wait()
    }
}

/// One line that names each of `words`, a status of 1, and no promise.
fn assert_told(ended: &Ended, words: &[&str]) {
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    assert_eq!(ended.stderr.lines().count(), 1, "{ended:?}");
    for word in words {
        assert!(ended.stderr.contains(word), "{word:?} is not in {ended:?}");
    }
    assert!(!ended.stderr.contains("goes on"), "{ended:?}");
}

#[test]
fn a_listener_that_is_no_r2_is_told_by_what_it_answered() {
    let alone = Alone::new();
    for command in FILES {
        let listener = alone.listener(":", 5030);
        assert_told(
            &alone.client(command),
            &["127.0.0.1:5030 closed without an answer"],
        );
        drop(listener);
        for (said, shown) in [
            (r"SSH-2.0-OpenSSH_9.2\r\n", "SSH-2.0-OpenSSH_9.2"),
            // Not a whole line, and nothing that drives a terminal.
            (r"\033[2Jlogin: ", "\"[2Jlogin: \""),
            ("END OF IT\n", "END OF IT"),
            // It begins as what R2 says of its progress.
            (r"* OK IMAP4rev1 ready\r\n", "* OK IMAP4rev1 ready"),
        ] {
            let listener = alone.listener(&format!("printf '{said}'"), 5030);
            assert_told(&alone.client(command), &["127.0.0.1:5030 answered", shown]);
            drop(listener);
        }
    }
    let listener = alone.listener(":", 5010);
    assert_told(
        &alone.client("secret 127.0.0.1 x"),
        &["127.0.0.1:5010 closed without an answer"],
    );
    drop(listener);
}

#[test]
fn bytes_without_an_end_of_line_end_a_client() {
    let alone = Alone::new();
    let endless = |byte: &str| format!("tr '\\0' '{byte}' < /dev/zero");
    for byte in ["x", "\\0", "\\377"] {
        for command in FILES {
            let _listener = alone.listener(&endless(byte), 5030);
            assert_told(&alone.client(command), &["127.0.0.1:5030 answered"]);
        }
    }
    for byte in ["x", "\\0"] {
        let _listener = alone.listener(&endless(byte), 5010);
        assert_told(&alone.client("secret 127.0.0.1 x"), &["127.0.0.1:5010"]);
        let _listener = alone.listener(&endless(byte), 5000);
        assert_told(&alone.client("chat 127.0.0.1"), &["127.0.0.1:5000 answered"]);
    }
}

#[test]
fn only_what_r2_keeps_is_promised() {
    let alone = Alone::new();
    let hash = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
    for (command, said, told) in [
        (
            "send 127.0.0.1 f",
            "SEND 0\n".to_owned(),
            "try again, it goes on where it was",
        ),
        (
            "get 127.0.0.1 f -o got",
            format!("FILE f 5 {hash}\nhel"),
            "try again, it goes on where it was",
        ),
        (
            "get 127.0.0.1 f -o -",
            format!("FILE f 5 {hash}\nhel"),
            "what was written is a part of it",
        ),
        (
            "get 127.0.0.1 f -o got",
            "* progress every 5 s\n* hashing 12 %%\n".to_owned(),
            "the connection broke before the end: try again",
        ),
        (
            "send 127.0.0.1 f",
            "* progress every 5 s\n* waiting\n".to_owned(),
            "the connection broke before the end: try again",
        ),
        (
            "ls 127.0.0.1",
            format!("f 5 {hash}\n"),
            "the list is not complete",
        ),
    ] {
        let _listener = alone.listener(&format!("printf '{said}'"), 5030);
        let ended = alone.client(command);
        assert_eq!(ended.status.code(), Some(1), "{ended:?}");
        assert_eq!(ended.stderr.lines().count(), 1, "{ended:?}");
        assert!(ended.stderr.contains(told), "{ended:?}");
    }
}

#[test]
fn a_host_is_found_by_name_at_each_of_its_addresses() {
    let lab = Lab::local("");
    let hosts = lab.path("hosts");
    fs::write(&hosts, "127.0.0.1 localhost\n::1 r2.local\n127.0.0.1 r2.local\n").unwrap();
    let named = |line: &str| {
        lab.kali_tries(&format!(
            "unshare -m sh -c 'mount --bind {} /etc/hosts && exec {line}'",
            hosts.display()
        ))
    };
    for host in [
        "localhost",
        "localhost:5030",
        "r2.local",
        "r2.local:5030",
        "127.0.0.1:5030",
    ] {
        let ended = named(&format!("hostapp ls {host}"));
        assert_eq!(ended.status.code(), Some(0), "{host}: {ended:?}");
    }
    let asked = named("hostapp secret localhost SECRET 7");
    assert!(
        asked.stdout.ends_with("Received: Digits: 7 Count: 1\n"),
        "{asked:?}"
    );
    // Where the first address answers, too, and by its own name.
    let _six = lab.start_kali("exec socat TCP6-LISTEN:5030,ipv6only=1,fork,reuseaddr TCP4:127.0.0.1:5030");
    for host in ["[::1]:5030", "::1", "r2.local:5030"] {
        let mut attempts = 0;
        // Until socat listens.
        while named(&format!("hostapp ls {host}")).status.code() != Some(0) {
            attempts += 1;
            assert!(attempts < 100, "{host}");
        }
    }
    for (host, words) in [
        ("nobody.invalid", "cannot find nobody.invalid"),
        (
            "r2.local:1",
            "[::1]:1: Connection refused, 127.0.0.1:1: Connection refused",
        ),
    ] {
        let ended = named(&format!("hostapp ls {host}"));
        assert_eq!(ended.status.code(), Some(2), "{ended:?}");
        assert_eq!(ended.stderr.lines().count(), 1, "{ended:?}");
        assert!(ended.stderr.contains(words), "{ended:?}");
    }
}
