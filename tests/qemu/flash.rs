//! Boards with a flash: the lab's talk, and files that outlive a killed emulator.

use std::fs;
use std::io::{Read, Write};

use r2_tests::board::Board;
use r2_tests::namespace::Namespace;
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

/// A board's namespace, and the folder that its flash and KALI's files are in.
struct Place {
    board: &'static str,
    namespace: Namespace,
    folder: TempDir,
}

impl Place {
    fn of(board: &'static str) -> Self {
        Self {
            board,
            namespace: Namespace::new(),
            folder: TempDir::new().expect("a temporary folder"),
        }
    }

    fn start(&self) -> Board {
        Board::start(self.board, &self.namespace, self.folder.path())
    }

    /// Runs a command line of KALI's in the folder; what it printed.
    fn kali(&self, line: &str) -> String {
        let line = format!("cd {}; {line}", self.folder.path().display());
        self.namespace.start(&line).prints()
    }

    fn file(&self, name: &str, bytes: &[u8]) {
        fs::write(self.folder.path().join(name), bytes).expect("a file of KALI's");
    }

    /// What R2 has under `name`, less the line before it.
    fn get(&self, name: &str) -> Vec<u8> {
        let mut connection = self.namespace.connect("192.168.69.1:5030").expect("files");
        connection
            .write_all(format!("GET {name}\n").as_bytes())
            .expect("a request");
        connection.shutdown(std::net::Shutdown::Write).expect("FIN");
        let mut answer = Vec::new();
        connection.read_to_end(&mut answer).expect("an answer");
        let end = answer.iter().position(|byte| *byte == b'\n').expect("a line");
        answer.split_off(end + 1)
    }
}

fn random(seed: u64, len: usize) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut bytes = vec![0; len];
    random.fill(&mut bytes);
    bytes
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;

    Sha256::digest(bytes)
        .iter()
        .fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}

fn the_lab_works_and_its_file_is_there_after_a_kill(board: &'static str) {
    let place = Place::of(board);
    let mut board = place.start();
    let mut kali = place.namespace.start("exec nc.openbsd 192.168.69.1 5000");
    board.console.sees("* KALI joined\n");
    board.console.types("Hi, my name is R2\n");
    kali.sees("R2: Hi, my name is R2\n");
    kali.types("Hi R2, my name is KALI. Nice to meet you.\n");
    kali.sees("KALI: Hi R2, my name is KALI. Nice to meet you.\n");
    board
        .console
        .sees("KALI: Hi R2, my name is KALI. Nice to meet you.\n");
    let question = "printf '123Ted 32is 343SECRET cool\\n' | nc.openbsd -N 192.168.69.1 5010";
    assert_eq!(place.kali(question), "Digits: 12332343 Count: 8\n");

    let bytes = random(1, 1024 * 1024);
    place.file("big", &bytes);
    let receipt = place.kali("nc.openbsd -N 192.168.69.1 5020 < big");
    let expected = format!("stored drop-0001 1048576 bytes sha256 {}\n", hex(&bytes));
    assert_eq!(receipt, expected);
    board.cut_the_power();

    let board = place.start();
    let list = place.kali("printf 'LIST\\n' | nc.openbsd -N 192.168.69.1 5030");
    // Killed right behind the receipt: R2 may not have heard that it arrived.
    let digest = hex(&bytes);
    let names = ["drop-0001", "drop-0001.unconfirmed"];
    assert!(
        names
            .map(|name| format!("{name} 1048576 {digest}\nEND\n"))
            .contains(&list),
        "{list}"
    );
    assert_eq!(place.get("drop-0001"), bytes);
    place.file("small", b"hello");
    let receipt = place.kali("nc.openbsd -N 192.168.69.1 5020 < small");
    assert!(receipt.starts_with("stored drop-0002 5 bytes"), "{receipt}");
    board.cut_the_power();
}

fn a_kill_in_the_middle_of_an_upload_leaves_the_old_file_or_the_new(board: &'static str) {
    let place = Place::of(board);
    let mut old = random(2, 300_000);
    place.file("old", &old);
    let board = place.start();
    let stored = place.kali("(echo PUT a 300000; cat old) | nc.openbsd -N 192.168.69.1 5030");
    assert_eq!(stored, format!("SEND 0\nSTORED a 300000 {}\n", hex(&old)));
    board.cut_the_power();
    for (round, sent) in [(0, 1), (1, 100_000), (2, 299_999), (3, 300_000)] {
        let board = place.start();
        let new = random(10 + round, 300_000);
        let mut upload = place.namespace.connect("192.168.69.1:5030").expect("files");
        let request = format!("PUT a {} {}\n", new.len(), hex(&new));
        upload.write_all(request.as_bytes()).expect("a request");
        upload.write_all(&new[..sent]).expect("its bytes");
        board.cut_the_power();

        let board = place.start();
        let found = place.get("a");
        assert!(
            found == old || (sent == new.len() && found == new),
            "round {round}"
        );
        if found == old {
            // What has arrived goes on from there.
            let mut upload = place.namespace.connect("192.168.69.1:5030").expect("files");
            upload.write_all(request.as_bytes()).expect("a request");
            let mut line = String::new();
            while !line.ends_with('\n') {
                let mut byte = [0];
                upload.read_exact(&mut byte).expect("an answer");
                line.push(char::from(byte[0]));
            }
            let offset = line.trim().strip_prefix("SEND ").expect("SEND").parse::<usize>();
            let offset = offset.expect("a number");
            assert!(offset <= sent, "{offset} of {sent} bytes");
            upload.write_all(&new[offset..]).expect("the rest");
            upload.shutdown(std::net::Shutdown::Write).expect("FIN");
            let mut answer = String::new();
            upload.read_to_string(&mut answer).expect("an answer");
            assert_eq!(
                answer,
                format!("STORED a 300000 {}\n", hex(&new)),
                "round {round}"
            );
        }
        assert_eq!(place.get("a"), new, "round {round}");
        old = new;
        board.cut_the_power();
    }
}

macro_rules! boards {
    ($($board:ident $name:literal),* $(,)?) => {
        $(mod $board {
            #[test]
            fn the_lab_works_and_its_file_is_there_after_a_kill() {
                super::the_lab_works_and_its_file_is_there_after_a_kill($name);
            }
            #[test]
            fn a_kill_in_the_middle_of_an_upload_leaves_the_old_file_or_the_new() {
                super::a_kill_in_the_middle_of_an_upload_leaves_the_old_file_or_the_new($name);
            }
        })*
    };
}

boards! {
    mps2_an385 "mps2-an385",
    w5500_evb_pico "w5500-evb-pico",
}
