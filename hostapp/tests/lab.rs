//! `hostapp lab` on the wire in memory: without privileges, and the same at every run.

use std::process::Command;

use serde_json::Value;

fn lab(arguments: &str) -> String {
    let out = Command::new(env!("CARGO_BIN_EXE_hostapp"))
        .arg("lab")
        .args(arguments.split(' '))
        .env_clear()
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    assert_eq!((out.status.code(), text(out.stderr)), (Some(0), String::new()));
    text(out.stdout)
}

#[test]
fn delayed_ack_tells_the_stall_and_its_cures() {
    insta::assert_snapshot!(lab("delayed-ack"));
}

#[test]
fn nagle_tells_what_rfc_896_predicts() {
    insta::assert_snapshot!(lab("nagle"));
}

#[test]
fn ports_tells_who_chose_them_and_a_connection_from_beginning_to_end() {
    insta::assert_snapshot!(lab("ports"));
}

#[test]
fn syscalls_tells_what_each_call_returned() {
    let told: Value = serde_json::from_str(&lab("syscalls --json")).unwrap();
    let calls = told["calls"].as_array().unwrap();
    let names = calls
        .iter()
        .map(|call| call["call"].as_str().unwrap().split('(').next().unwrap());
    let names: Vec<_> = names.collect();
    assert_eq!(
        names[..6],
        ["socket", "bind", "listen", "socket", "connect", "accept"]
    );
    let errors = told["errors"].as_array().unwrap();
    let returned: Vec<_> = errors
        .iter()
        .map(|call| call["returned"].as_str().unwrap())
        .collect();
    assert_eq!(
        returned[..3],
        ["-1: EPROTONOSUPPORT", "-1: EADDRINUSE", "-1: ECONNREFUSED"]
    );
    assert!(["-1: EACCES", "0"].contains(&returned[3]), "{returned:?}");
    let descriptors = told["descriptors"].as_array().unwrap();
    let [first, second, closed, again] = &descriptors[..] else {
        panic!("{descriptors:?}")
    };
    assert_ne!(first["returned"], second["returned"]);
    assert_eq!(closed["returned"], "0");
    assert_eq!(first["returned"], again["returned"], "the lowest free one");
    let [bound, connected] = &told["bound_client"].as_array().unwrap()[..] else {
        panic!("{told}")
    };
    let port = bound["call"].as_str().unwrap().trim_end_matches(')');
    let port = port.rsplit(' ').next().unwrap();
    assert_eq!(bound["returned"], "0");
    assert_eq!(connected["returned"], format!("0: from port {port}"));
}

#[test]
fn the_report_has_every_answer_as_a_page_and_on_paper() {
    let here = tempfile::TempDir::new().unwrap();
    let folder = here.path().join("report");
    let said = lab(&format!("report --author Ted --output {}", folder.display()));
    assert_eq!(said.lines().count(), 1, "{said}");
    let page = std::fs::read_to_string(folder.join("report.html")).unwrap();
    let paper = std::fs::read(folder.join("report.pdf")).unwrap();
    assert!(paper.starts_with(b"%PDF-"));
    let paper = String::from_utf8_lossy(&paper);
    for answer in [
        "Parts 1 to 3",
        "4a",
        "4b, parts 2 and 3 on the wire",
        "4c and 4d",
        "4e",
        "4f",
        "4g",
    ] {
        assert!(page.contains(&format!("<h2>{answer}: ")), "{answer}");
        assert!(paper.contains(&format!("({answer}: ")), "{answer}");
    }
    // All figures are there: what the terminal shows of the same run.
    for cell in ["1025.000", "bytes for one", "12.000", "on, 40 ms"] {
        assert!(page.contains(cell) && paper.contains(cell), "{cell}");
    }
    assert!(page.contains("<p>Ted, 20") && paper.contains("(Ted, 20"));
    // A quote that is copied from the paper is the one that a shell knows; and a reader lists the contents.
    assert!(paper.contains("/Encoding/WinAnsiEncoding") || paper.contains("/Encoding /WinAnsiEncoding"));
    assert!(paper.contains("/Outlines") && paper.contains("/Title"));
    for item in [
        "R2: Hi, my name is R2\nKALI: Hi R2",
        "\nSent: 123Ted 32is 343SECRET cool\n\nReceived: Digits: 12332343 Count: 8",
        "\nSent: sfdsd Ted is cool23432\n\nReceived: Secret code not found.",
        "$ cat letter.txt\nDear R2,",
        "$ cat r2-store/drop-0001\nDear R2,",
        "fn conclude(&amp;mut self)",
        "impl&lt;S: Store&gt; Session&lt;S&gt; for Deposit {",
        "ephemeral",
        "file descriptor",
    ] {
        let text = page
            .replace("<b class=\"r2\">", "")
            .replace("<b class=\"kali\">", "")
            .replace("</b>", "");
        assert!(text.contains(item), "{item}");
    }
    assert!(!page.contains("Try next"));
    for outside in ["http:", "https:", "<script", "<link", "<img"] {
        assert!(!page.contains(outside), "{outside}");
    }
    for capture in ["ports", "journey", "rtt", "nagle", "delayed-ack"] {
        assert!(folder.join(format!("{capture}.pcap")).exists(), "{capture}");
    }
}

#[test]
fn rtt_tells_the_same_for_the_same_seed() {
    let told = lab("rtt --rtt 50");
    assert_eq!(told, lab("rtt --rtt 50"));
    assert_ne!(told, lab("rtt --rtt 50 --seed 2"));
    insta::assert_snapshot!(told);
}

#[test]
fn a_datagram_takes_half_a_round_trip_and_a_new_connection_one_and_a_half() {
    for rtt in [8, 50, 300] {
        let told: Value = serde_json::from_str(&lab(&format!("rtt --rtt {rtt} --json"))).unwrap();
        let trips = |index: usize| told["cases"][index]["round_trips"].clone();
        assert_eq!(told["cases"][0]["loss_percent"], 0);
        assert_eq!(trips(0), serde_json::json!([0.5, 1.0]), "UDP");
        assert_eq!(trips(1), serde_json::json!([1.5, 2.0]), "a new connection");
        assert_eq!(
            trips(2),
            serde_json::json!([0.5, 1.0]),
            "a connection that is open"
        );
    }
}

#[test]
fn what_cannot_be_measured_is_told_in_one_line() {
    let out = Command::new(env!("CARGO_BIN_EXE_hostapp"))
        .args(["lab", "rtt", "--link", "tap:tap0", "--rtt", "5"])
        .output()
        .unwrap();
    assert_eq!(out.status.code(), Some(2));
    let line = String::from_utf8(out.stderr).unwrap();
    assert!(
        line.contains("leave --rtt and --loss out") && line.lines().count() == 1,
        "{line}"
    );
}
