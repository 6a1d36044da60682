//! What a capture connection is given.

use r2_node::capture::{FILE_HEADER, record_header};
use r2_sim::pcap;
use r2_sim::simulation::{BUFFER, Kali, Simulation, plan};
use r2_sim::stranger::{Said, datagram};
use smoltcp::time::Duration;
use smoltcp::wire::TcpControl;

/// What KALI reads until R2 falls silent.
fn read(lab: &mut Simulation, kali: Kali) -> Vec<u8> {
    let mut file = Vec::new();
    loop {
        match lab.read_bytes(kali) {
            more if more.is_empty() => return file,
            more => file.extend(more),
        }
    }
}

#[test]
fn frames_of_both_directions_are_there_to_the_byte() {
    let mut lab = Simulation::new(&plan(2));
    let kali = lab.connect(5050);
    lab.pass(Duration::from_millis(1_234));
    lab.put(datagram(4000, 7, b"four"));
    let answer = lab.to_stranger.pop().expect("an echo");
    let mut expected = FILE_HEADER.to_vec();
    for frame in [&datagram(4000, 7, b"four"), &answer] {
        expected.extend(record_header(1_234_000, u32::try_from(frame.len()).unwrap()));
        expected.extend(frame);
    }
    assert_eq!(read(&mut lab, kali), expected);
    assert_eq!(lab.world.counters.capture_lost, 0);
    let count = &lab.world.counters.services()[8];
    assert_eq!((count.name, count.bytes_out), ("capture", expected.len() as u64));
    lab.everybody_leaves();
}

#[test]
fn whatever_r2_says_is_there_but_to_capture_connections() {
    let mut lab = Simulation::new(&plan(1));
    let kali = lab.connect(5050);
    read(&mut lab, kali);
    // Waits: the only slot is taken.
    let other = lab.connect(5050);
    let echo = lab.connect(7);
    lab.send(echo, b"hello");
    assert_eq!(lab.read(echo), "hello");
    let said = |control, ack| Said {
        from: 4000,
        to: 4,
        control,
        seq: 0,
        ack,
        payload: b"",
    };
    // Nobody listens there.
    lab.say(&said(TcpControl::Syn, None));
    lab.say(&Said {
        to: 5050,
        ..said(TcpControl::None, Some(1))
    });
    assert_eq!(lab.to_stranger.len(), 2);
    let refusal = lab.to_stranger.swap_remove(0);
    let file = [&FILE_HEADER[..], &read(&mut lab, kali)].concat();
    let frames = pcap::frames(&file);
    assert_eq!(frames.iter().filter(|frame| frame.ends_with(b"hello")).count(), 2);
    assert!(frames.contains(&&*refusal), "RST from port 4");
    for frame in frames {
        let ports = &frame[34..38];
        assert!(
            !ports.chunks(2).any(|port| port == 5050_u16.to_be_bytes()),
            "{frame:?}"
        );
    }
    assert!(!lab.is_open(other));
    lab.everybody_leaves();
}

#[test]
fn a_reader_that_is_too_slow_loses_whole_frames() {
    let mut lab = Simulation::new(&plan(2));
    let (slow, quick) = (lab.connect(5050), lab.connect(5050));
    let mut all = Vec::new();
    for size in (0..400).map(|number| 1 + number * 7 % 501) {
        lab.put(datagram(4000, 7, &vec![b'x'; size]));
        all.extend(read(&mut lab, quick));
    }
    let lost = usize::try_from(lab.world.counters.capture_lost).unwrap();
    let caught = read(&mut lab, slow);
    assert!(caught.len() > BUFFER, "{}", caught.len());
    let (all, caught) = (pcap::frames(&all), pcap::frames(&caught));
    assert_eq!((all.len(), caught.len()), (800, 800 - lost));
    assert!(lost > 100);
    assert!(caught.iter().all(|frame| all.contains(frame)));
    // What comes now has room again.
    lab.put(datagram(4000, 9, b"last"));
    assert!(read(&mut lab, slow).ends_with(b"last"));
    lab.everybody_leaves();
}

#[test]
fn a_reader_whose_fin_has_come_reads_on_an_hour_later() {
    let mut lab = Simulation::new(&plan(1));
    let kali = lab.connect(5050);
    lab.half_close(kali);
    assert_eq!(lab.read_bytes(kali), FILE_HEADER);
    lab.pass(Duration::from_secs(3600));
    lab.put(datagram(4000, 9, b"late"));
    assert!(read(&mut lab, kali).ends_with(b"late"));
    lab.everybody_leaves();
}

#[test]
fn who_does_not_read_at_all_harms_nobody_and_is_gone_after_150_s() {
    let mut lab = Simulation::new(&plan(1));
    lab.connect(5050);
    let echo = lab.connect(7);
    for _ in 0..100 {
        lab.send(echo, &[b'x'; 1000]);
        assert_eq!(lab.read(echo).len(), 1000);
    }
    assert!(lab.world.counters.capture_lost > 0);
    assert_eq!(lab.world.counters.sessions_open, 2);
    lab.pass(Duration::from_secs(151));
    assert_eq!(lab.world.counters.sessions_open, 1);
    let again = lab.connect(5050);
    assert_eq!(lab.read_bytes(again), FILE_HEADER);
    lab.everybody_leaves();
}
