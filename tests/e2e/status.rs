//! The status page counts what happened.

use r2_tests::lab::Lab;

const SERVICES: [&str; 9] = [
    "chat", "secret", "drop", "files", "status", "echo", "discard", "chargen", "capture",
];

#[test]
fn every_line_is_a_key_in_lower_case_and_a_value() {
    let lab = Lab::new();
    let page = lab.kali("nc.openbsd -N 192.168.69.1 5040");
    assert!(page.ends_with('\n'));
    let status = lab.status();
    for key in [
        "version",
        "board",
        "uptime_s",
        "address",
        "sessions_open",
        "sessions_max",
        "frames_in",
        "frames_out",
        "capture_lost",
    ] {
        assert!(status.contains_key(key), "no {key} in {status:?}");
    }
    for key in ["store_files", "store_bytes"] {
        assert_eq!(status[key], "0", "{key}");
    }
    for service in SERVICES {
        for what in ["connections", "bytes_in", "bytes_out", "refused"] {
            let key = format!("{service}_{what}");
            assert!(
                status.get(&key).is_some_and(|count| count.parse::<u64>().is_ok()),
                "no {key} in {status:?}"
            );
        }
    }
    assert!(status["address"].starts_with("192.168.69.1"));
    assert!(status.keys().any(|key| key.starts_with("dropped_")));
    assert!(status.keys().all(|key| {
        key.bytes()
            .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'))
    }));
}

#[test]
fn bytes_and_files_are_counted() {
    let lab = Lab::new();
    lab.kali("printf 'SECRET 1\\n' | nc.openbsd -N 192.168.69.1 5010");
    lab.kali("printf 'SECRET 2\\n' | nc.openbsd -N 192.168.69.1 5010");
    lab.kali("head -c 5000 /dev/zero | nc.openbsd -N 192.168.69.1 5020");
    lab.store.holds(&["drop-0001"]);
    let status = lab.status();
    assert_eq!(status["secret_bytes_in"], "18");
    assert_eq!(status["secret_bytes_out"], "38");
    assert_eq!(status["drop_bytes_in"], "5000");
    assert_eq!(status["store_files"], "1");
    assert_eq!(status["store_bytes"], "5000");
}

#[test]
fn echo_discard_and_chargen_do_what_their_rfcs_say() {
    let lab = Lab::new();
    assert_eq!(
        lab.kali("seq 10000 | nc.openbsd -N 192.168.69.1 7 | sha256sum"),
        lab.kali("seq 10000 | sha256sum")
    );
    assert_eq!(
        lab.kali("echo hello | nc.openbsd -u -W 1 192.168.69.1 7"),
        "hello\n"
    );
    assert_eq!(lab.kali("seq 10000 | nc.openbsd -N 192.168.69.1 9"), "");
    let lines = lab.kali("nc.openbsd 192.168.69.1 19 </dev/null | head -n 96");
    // 72 characters of the ring of all printing ones; each line begins one further on.
    let first = lines.bytes().next().unwrap();
    for (line, number) in lines.lines().zip(usize::from(first - b' ')..) {
        let expected: Vec<u8> = (b' '..=b'~').cycle().skip(number % 95).take(72).collect();
        assert_eq!(line.trim_end_matches('\r').as_bytes(), expected, "{line}");
    }
    assert_eq!(lines.lines().count(), 96);
}
