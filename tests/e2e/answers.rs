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

    /// A chat whose user does not type, and does not leave either.
    fn chat(&self) -> Ended {
        let program = r2_tests::lab::hostapp();
        self.namespace
            .start(&format!("exec {} chat 127.0.0.1", program.display()))
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
fn an_answer_that_r2_s_secret_service_does_not_give_is_told() {
    let alone = Alone::new();
    for (asked, said) in [
        ("SECRET 7", "ok"),
        ("SECRET 7", "Secret code not found."),
        ("SECRET 7", "Digits: 7 Count: 2"),
        ("SECRET 7", "SECRET 7"),
        ("SECRET", "Digits:  Count: 0"),
        ("7", "Digits: 7 Count: 1"),
        ("7", "Line too long: at most 1024 bytes."),
        ("7", "KALI: 7"),
        ("GET / HTTP/1.1", "HTTP/1.1 400 Bad Request"),
    ] {
        for json in ["", " --json"] {
            let _listener = alone.listener(&format!("printf '{said}\\n'"), 5010);
            let ended = alone.client(&format!("secret{json} 127.0.0.1 '{asked}'"));
            assert_told(&ended, &["127.0.0.1:5010 answered", said, "secret codes"]);
            assert_eq!(ended.stdout, "");
        }
    }
    // Also where it is right by chance.
    for (asked, said) in [
        ("SECRET 7", "Digits: 7 Count: 1"),
        ("7", "Secret code not found."),
    ] {
        let _listener = alone.listener(&format!("printf '{said}\\r\\n'"), 5010);
        let ended = alone.client(&format!("secret 127.0.0.1 '{asked}'"));
        assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    }
}

#[test]
fn r2_s_own_answers_are_believed_whatever_was_asked() {
    let lab = Lab::local("");
    for asked in [
        "''",
        "'GET / HTTP/1.1'",
        "\"$(printf '12 SECRET\\r')\"",
        "\"$(seq 500 | tr -d '\\n')\"",
        "é",
    ] {
        for port in ["", ":5010"] {
            let ended = lab.kali_tries(&format!("hostapp secret 127.0.0.1{port} {asked}"));
            assert_eq!(ended.status.code(), Some(0), "{asked}: {ended:?}");
        }
    }
    // R2's other services are no secret service.
    for port in [5000, 5020, 5030, 5040, 10007] {
        let ended = lab.kali_tries(&format!("hostapp secret 127.0.0.1:{port} SECRET 1"));
        assert_told(&ended, &[&format!("127.0.0.1:{port} "), "secret codes"]);
    }
}

#[test]
fn a_port_that_is_no_chat_is_told_by_what_it_says() {
    let alone = Alone::new();
    for (said, shown) in [
        (r"SSH-2.0-OpenSSH_9.2\r\n", "SSH-2.0-OpenSSH_9.2"),
        ("220 mail.example ESMTP\\n", "220 mail.example ESMTP"),
        (r"HTTP/1.1 400 Bad Request\r\n\r\n", "HTTP/1.1 400 Bad Request"),
        ("* OK\\n", ""),
        (r"\033[2Jlogin: ", "[2Jlogin: "),
        ("hi", "hi"),
    ] {
        let _listener = alone.listener(&format!("printf '{said}'"), 5000);
        let ended = alone.chat();
        if shown.is_empty() {
            // A line that R2 may say.
            assert_eq!(
                (ended.status.code(), &*ended.stdout),
                (Some(0), "* OK\n"),
                "{ended:?}"
            );
        } else {
            assert_told(&ended, &["127.0.0.1:5000 answered", shown, "chat"]);
            assert_eq!(ended.stdout, "");
        }
    }
    let _listener = alone.listener(":", 5000);
    assert_told(&alone.chat(), &["127.0.0.1:5000 closed without an answer"]);
}

#[test]
fn a_status_page_is_no_chat() {
    let lab = Lab::local("");
    for (name, input) in [("", ""), ("", " < /dev/null"), (" --name Bob", " < /dev/null")] {
        let ended = lab
            .start_kali(&format!("exec hostapp chat 127.0.0.1:5040{name}{input}"))
            .wait();
        assert_told(&ended, &["127.0.0.1:5040 is R2's status page"]);
        assert!(ended.stdout.starts_with("version: "), "{ended:?}");
    }
}

#[test]
fn a_server_that_does_not_tell_how_far_it_is_is_probed_instead() {
    let alone = Alone::new();
    // R2 hashes nothing for `rm`, which does not ask how far it is.
    for command in FILES.iter().filter(|command| !command.starts_with("rm")) {
        let listener = alone.listener("printf 'ERROR bad-request no such command\\n'; cat", 5030);
        let mut client = alone.namespace.start(&format!(
            "cd {}; exec {} {command}",
            alone.folder.path().display(),
            r2_tests::lab::hostapp().display()
        ));
        let probed = || {
            let sockets = alone
                .namespace
                .start("ss -Htno state established dport = 5030")
                .finish();
            sockets.stdout.contains("timer:(keepalive,")
        };
        let deadline = std::time::Instant::now() + r2_tests::program::PATIENCE;
        while !probed() {
            assert!(std::time::Instant::now() < deadline, "{command}");
        }
        drop(listener);
        assert_eq!(client.wait().status.code(), Some(1), "{command}");
    }
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
        assert_told(&alone.chat(), &["127.0.0.1:5000 answered"]);
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
