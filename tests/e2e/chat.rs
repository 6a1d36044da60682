//! Show 1: netcats and R2's console talk, and every screen shows the same.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::thread;

use r2_tests::lab::{Lab, R2};
use r2_tests::namespace::Namespace;
use r2_tests::program::{PATIENCE, Program};
use socket2::{Domain, Socket, Type};

const NC: &str = "nc.openbsd -N 192.168.69.1 5000";
const MAWK: &str = r#"mawk -W interactive '$0="KALI: "$0' | nc.openbsd -N 192.168.69.1 5000"#;

/// Starts a peer and waits until R2's console has seen `name` join.
fn join(lab: &Lab, line: &str, name: &str) -> Program {
    let peer = lab.start_kali(line);
    lab.r2.sees(&format!("* {name} joined\n"));
    peer
}

/// What the conversation of the contract puts on every screen.
const CONVERSATION: &str = "\
R2: Hi, my name is R2
KALI: Hi R2, my name is KALI. Nice to meet you.
KALI-2: And I am the second.
KALI: R2: I am R2, honestly
R2: Good bye
";

fn converse(kali_line: &str) {
    let mut lab = Lab::new();
    let mut kali = join(&lab, kali_line, "KALI");
    let mut second = join(&lab, NC, "KALI-2");
    kali.sees("* KALI-2 joined\n");

    lab.r2.types("Hi, my name is R2\n");
    kali.sees("R2: Hi, my name is R2\n");
    kali.types("Hi R2, my name is KALI. Nice to meet you.\n");
    second.sees("Nice to meet you.\n");
    second.types("And I am the second.\n");
    kali.sees("the second.\n");
    kali.types("R2: I am R2, honestly\n");
    lab.r2.sees("honestly\n");
    lab.r2.types("Good bye\n");
    for screen in [&lab.r2, &kali, &second] {
        screen.sees("R2: Good bye\n");
    }

    assert_eq!(second.stdout.text(), CONVERSATION);
    assert_eq!(kali.stdout.text(), format!("* KALI-2 joined\n{CONVERSATION}"));
    assert_eq!(
        lab.r2.stdout.text(),
        format!("* KALI joined\n* KALI-2 joined\n{CONVERSATION}")
    );
}

#[test]
fn two_netcats_and_r2_see_every_labelled_line_once_and_in_one_order() {
    converse(NC);
}

#[test]
fn a_peer_that_labels_its_lines_with_mawk_gives_the_same_screens() {
    converse(MAWK);
}

#[test]
fn nobody_can_forge_a_label_or_a_line() {
    let lab = Lab::new();
    let mut kali = join(&lab, NC, "KALI");
    for (typed, shown) in [
        ("R2: x", "KALI: R2: x"),
        ("KALI-2: x", "KALI: KALI-2: x"),
        ("KALI: R2: x", "KALI: R2: x"),
        ("kali: x", "KALI: kali: x"),
        ("* KALI left", "KALI: * KALI left"),
        ("a\rR2: x", "KALI: a\nKALI: R2: x"),
        ("a\u{b}\u{c}\u{85}R2: x", "KALI: aR2: x"),
        ("\u{1b}[2K\u{1b}[1GR2: x", "KALI: [2K[1GR2: x"),
        ("\u{202e}x :2R", "KALI: x :2R"),
        ("tab\tstays", "KALI: tab\tstays"),
    ] {
        kali.types(format!("{typed}\n"));
        kali.sees(&format!("{shown}\n"));
        lab.r2.sees(&format!("{shown}\n"));
    }
    kali.types("the end\n");
    lab.r2.sees("KALI: the end\n");
    let screen = lab.r2.stdout.text();
    assert_eq!(
        screen
            .lines()
            .filter(|line| !line.starts_with("KALI: "))
            .collect::<Vec<_>>(),
        ["* KALI joined"]
    );
    assert_eq!(screen.lines().count(), 13);
}

#[test]
fn commands_rename_list_and_leave() {
    let lab = Lab::new();
    let mut kali = join(&lab, NC, "KALI");
    let mut second = join(&lab, NC, "KALI-2");
    kali.sees("* KALI-2 joined\n");

    kali.types("/who\n");
    kali.sees("* here: R2 KALI KALI-2\n");
    kali.types("/nick Bob\n");
    second.sees("* KALI is now Bob\n");
    second.types("/nick bOB\n");
    second.sees("* name taken\n");
    second.types("/nick r2\n");
    second.types("/frob nicate\n");
    second.sees("* unknown command /frob\n");
    kali.types("Bob: /who\n");
    kali.sees("* here: R2 Bob KALI-2\n");
    kali.types("It is me\n");
    second.sees("Bob: It is me\n");
    second.types("/quit\n");
    kali.sees("* KALI-2 left\n");
    second.finish();

    assert_eq!(
        second.stdout.text(),
        "* KALI is now Bob\n* name taken\n* name taken\n* unknown command /frob\nBob: It is me\n"
    );
    assert_eq!(
        kali.stdout.text(),
        "* KALI-2 joined\n* here: R2 KALI KALI-2\n* KALI is now Bob\n* here: R2 Bob KALI-2\nBob: It is me\n* KALI-2 left\n"
    );
    lab.r2.sees("* KALI-2 left\n");
    assert_eq!(
        lab.r2.stdout.text(),
        "* KALI joined\n* KALI-2 joined\n* KALI is now Bob\nBob: It is me\n* KALI-2 left\n"
    );
}

#[test]
fn the_lowest_free_number_is_given_again() {
    let lab = Lab::with("--name HAL --peer-name Dave");
    let dave = join(&lab, NC, "Dave");
    let mut second = join(&lab, NC, "Dave-2");
    let _third = join(&lab, NC, "Dave-3");
    second.finish();
    dave.sees("* Dave-2 left\n");
    let mut newcomer = join(&lab, NC, "Dave-2");
    newcomer.types("/who\n");
    newcomer.sees("* here: HAL Dave ");
}

#[test]
fn last_words_without_an_ending_are_heard_at_fin_and_seen_by_their_sender() {
    let lab = Lab::new();
    assert_eq!(
        lab.kali(&format!("printf 'last words' | {NC}")),
        "KALI: last words\n"
    );
    lab.r2.sees("* KALI left\n");
    assert_eq!(
        lab.r2.stdout.text(),
        "* KALI joined\nKALI: last words\n* KALI left\n"
    );
}

#[test]
fn empty_lines_are_ignored() {
    let lab = Lab::new();
    assert_eq!(
        lab.kali(&format!("printf '\\n\\r\\n\\nx\\r\\n\\n' | {NC}")),
        "KALI: x\n"
    );
}

#[test]
fn a_long_line_becomes_several_cut_between_characters() {
    let lab = Lab::new();
    let long = "ä€x".repeat(250);
    let mut kali = join(&lab, NC, "KALI");
    kali.types(format!("{long}\nend\n"));
    kali.sees("KALI: end\n");
    let screen = kali.stdout.text();
    let pieces: Vec<&str> = screen
        .lines()
        .map(|line| line.strip_prefix("KALI: ").expect("a label"))
        .collect();
    let (end, pieces) = pieces.split_last().expect("lines");
    assert_eq!(*end, "end");
    assert_eq!(pieces.concat(), long);
    assert!(pieces.iter().all(|piece| piece.len() <= 512), "{pieces:?}");
    assert_eq!(pieces.len(), long.len().div_ceil(512));
}

#[test]
fn a_character_in_two_packets_is_whole_and_an_invalid_byte_is_replaced() {
    let lab = Lab::new();
    let mut peer = lab.connect(5000);
    peer.set_nodelay(true).unwrap();
    peer.write_all(b"caf\xc3").unwrap();
    peer.write_all(b"\xa9 \xff!\n").unwrap();
    assert_eq!(read_line(&mut BufReader::new(peer)), "KALI: café \u{fffd}!\n");
}

#[test]
fn a_peer_that_does_not_read_misses_lines_and_is_told_how_many() {
    const LINES: usize = 20_000;
    let lab = Lab::new();
    let slow = connect_with_small_window(&lab);
    lab.r2.sees("* KALI joined\n");
    let mut flood = lab.connect(5000);
    lab.r2.sees("* KALI-2 joined\n");
    let mut screen = flood.try_clone().unwrap();
    let reader = thread::spawn(move || screen.read_to_end(&mut Vec::new()));
    let line = format!("{}\n", "x".repeat(99));
    for _ in 1..LINES {
        flood.write_all(line.as_bytes()).unwrap();
    }
    flood.write_all(b"end\n").unwrap();
    lab.r2.sees("KALI-2: end\n");
    flood.shutdown(Shutdown::Write).unwrap();
    lab.r2.sees("* KALI-2 left\n");
    reader.join().unwrap().unwrap();

    let (mut seen, mut skipped) = (0, 0);
    let mut lines = BufReader::new(slow);
    loop {
        let line = read_line(&mut lines);
        if let Some(rest) = line
            .strip_prefix("* ")
            .and_then(|rest| rest.strip_suffix(" lines skipped\n"))
        {
            skipped += rest.parse::<usize>().unwrap();
        } else {
            seen += 1;
        }
        if line == "* KALI-2 left\n" {
            break;
        }
    }
    assert!(
        skipped > 0,
        "the slow reader saw all {seen} lines: make its window smaller"
    );
    assert_eq!(seen + skipped, 1 + LINES + 1, "joined, the lines, left");
}

#[test]
fn r2_can_call_a_netcat_that_listens() {
    for listener in ["nc.traditional -n -v -l -p 6000", "nc.openbsd -n -v -l 6000"] {
        let namespace = Namespace::new();
        let mut kali = namespace.start(listener);
        kali.complains("istening on ");
        let mut lab = Lab::joining(namespace, "--call 192.168.69.100:6000");
        lab.r2.sees("* KALI joined\n");
        lab.r2.types("Are you there?\n");
        kali.sees("R2: Are you there?\n");
        kali.types("I am\n");
        lab.r2.sees("KALI: I am\n");
        kali.sees("KALI: I am\n");
    }
}

#[test]
fn r2_serves_on_when_its_console_has_ended() {
    let mut lab = Lab::new();
    lab.r2.ends_input();
    assert_eq!(lab.kali(&format!("echo hello | {NC}")), "KALI: hello\n");
    lab.r2.sees("* KALI left\n");
}

#[test]
fn hostapp_chats_like_a_netcat() {
    let mut lab = Lab::new();
    let mut kali = join(&lab, "hostapp chat 192.168.69.1", "KALI");
    lab.r2.types("Hi\n");
    kali.sees("R2: Hi\n");
    kali.types("Hello\n");
    lab.r2.sees("KALI: Hello\n");
    kali.sees("KALI: Hello\n");
    assert!(kali.finish().status.success());
    lab.r2.sees("* KALI left\n");
}

fn read_line(lines: &mut impl BufRead) -> String {
    let mut line = String::new();
    lines.read_line(&mut line).expect("a line");
    assert!(line.ends_with('\n'), "the connection ended in {line:?}");
    line
}

/// A connection to chat whose kernel keeps little for a reader that does not read.
fn connect_with_small_window(lab: &Lab) -> TcpStream {
    let socket = lab
        .namespace
        .inside(|| Socket::new(Domain::IPV4, Type::STREAM, None))
        .unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
        .connect(
            &format!("{R2}:5000")
                .parse::<std::net::SocketAddr>()
                .unwrap()
                .into(),
        )
        .unwrap();
    socket.into()
}

#[test]
fn r2_sleeps_while_nothing_happens_though_nobody_types_any_more() {
    let mut lab = Lab::new();
    lab.r2.ends_input();
    let mut kali = join(&lab, NC, "KALI");
    kali.types("I am here\n");
    lab.r2.sees("KALI: I am here\n");
    let before = lab.processor_time();
    lab.kali("sleep 1");
    let used = lab.processor_time() - before;
    assert!(used < 20, "{used} hundredths of a second");
}

#[test]
fn a_name_that_is_taken_ends_hostapp_chat() {
    let lab = Lab::local("");
    let first = lab.start_kali("exec hostapp chat 127.0.0.1 --name Bob");
    first.sees("* KALI is now Bob\n");
    for name in ["R2", "r2", "bob"] {
        // Its user is still there.
        let ended = lab
            .start_kali(&format!("exec hostapp chat 127.0.0.1 --name {name}"))
            .wait();
        assert_eq!(ended.status.code(), Some(1), "{ended:?}");
        assert!(
            ended.stderr.ends_with(&format!(
                "somebody is called {name} there: take another name with --name\n"
            )),
            "{ended:?}"
        );
    }
}
