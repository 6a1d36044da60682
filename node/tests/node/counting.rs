//! What the status page says.

use std::collections::BTreeMap;

use r2_node::Reason;
use r2_sim::simulation::{Simulation, plan};
use r2_sim::stranger::datagram;

fn page(lab: &mut Simulation) -> BTreeMap<String, String> {
    let kali = lab.connect(5040);
    lab.half_close(kali);
    let text = lab.read(kali);
    assert!(text.ends_with('\n'));
    text.lines()
        .map(|line| line.split_once(": ").expect("key: value"))
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

#[test]
fn the_counters_add_up() {
    let mut lab = Simulation::new(&plan(2));
    let (echo, secret) = (lab.connect(7), lab.connect(5010));
    lab.send(echo, &[b'x'; 3000]);
    assert_eq!(lab.read(echo).len(), 3000);
    lab.send(secret, b"SECRET 1\nno\n");
    assert_eq!(lab.read(secret), "Digits: 1 Count: 1\nSecret code not found.\n");
    lab.put(datagram(4000, 7, b"four"));
    lab.half_close(secret);
    let drop = lab.connect(5020);
    lab.send(drop, b"hello");
    lab.half_close(drop);

    let page = page(&mut lab);
    for (key, value) in [
        ("echo_connections", 1),
        ("echo_bytes_in", 3004),
        ("echo_bytes_out", 3004),
        ("secret_connections", 1),
        ("secret_bytes_in", 12),
        ("secret_bytes_out", 42),
        ("secret_refused", 0),
        ("drop_connections", 1),
        ("drop_bytes_in", 5),
        ("status_connections", 1),
        // Echo, and the page itself.
        ("sessions_open", 2),
        ("sessions_max", 18),
        ("store_files", 1),
        ("store_bytes", 5),
    ] {
        assert_eq!(page[key], value.to_string(), "{key}");
    }
    for reason in Reason::ALL {
        assert_eq!(page[&format!("dropped_{}", reason.name())], "0");
    }
    let counters = &lab.world.counters;
    assert_eq!((counters.frames_in, counters.frames_out), lab.carried);
    lab.everybody_leaves();
}

#[test]
fn every_dropped_frame_has_a_reason() {
    let mut lab = Simulation::new(&plan(1));
    let good = datagram(4000, 7, b"four");
    let broken = |at: usize, byte: u8| {
        let mut frame = good.clone();
        frame[at] = byte;
        frame
    };
    lab.put(good[..13].to_vec());
    // A header length of 0 words, a wrong header checksum, a wrong payload, another protocol above Ethernet.
    lab.put(broken(14, 0x40));
    lab.put(broken(24, 0xab));
    lab.put(broken(good.len() - 1, b'!'));
    lab.put(broken(12, 0x99));
    assert_eq!(lab.dropped(Reason::Malformed), 2);
    assert_eq!(lab.dropped(Reason::Checksum), 2);
    assert_eq!(lab.dropped(Reason::NotForUs), 1);
    assert_eq!(lab.to_stranger.len(), 0);
    lab.everybody_leaves();
}
