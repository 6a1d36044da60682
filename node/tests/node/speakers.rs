//! Who may speak for a connection: whoever knows where it stands (RFC 5961, section 5.2), from where somebody may be.

use r2_node::Reason;
use r2_sim::simulation::{R2_ADDRESS, Simulation, plan};
use r2_sim::stranger::{ADDRESS, FIRST, Heard, MAC, Said, arp, tampered};
use smoltcp::time::Duration;
use smoltcp::wire::{ArpOperation, EthernetAddress, EthernetFrame, TcpControl};

use super::talk::{OPEN, Talk, acknowledged, bare, bytes, last, text};

/// Somebody who sees nothing of what others send.
const FORGER: EthernetAddress = EthernetAddress([2, 0, 0, 0, 0, 67]);

fn from_forger(mut frame: Vec<u8>) -> Vec<u8> {
    EthernetFrame::new_unchecked(&mut frame[..]).set_src_addr(FORGER);
    frame
}

/// Segments of the forger's inside the window, with acknowledgements that are not the current one.
fn forge(talk: &mut Talk) {
    let ack = talk.ack;
    for wrong in [
        0,
        1 << 31,
        ack.wrapping_sub(1 << 30),
        ack.wrapping_sub(u32::from(OPEN) + 1),
        ack.wrapping_add(1),
        ack.wrapping_add(1 << 30),
    ] {
        talk.ack = wrong;
        let (empty, keep_alive, end) = (bare(1), bare(0), last(1, b""));
        for piece in [empty, keep_alive, end] {
            let frame = from_forger(talk.frame(piece));
            talk.lab.put(frame);
        }
    }
    // As old as a segment of the stranger's own may be.
    for old in [1, u32::from(OPEN)] {
        talk.ack = ack.wrapping_sub(old);
        for piece in [bare(1), bare(0)] {
            let frame = from_forger(talk.frame(piece));
            talk.lab.put(frame);
        }
    }
    talk.ack = ack;
    talk.heard();
}

#[test]
fn answers_go_to_whoever_knows_what_was_sent() {
    for ipv6 in [false, true] {
        let mut talk = Talk::with(7, ipv6);
        talk.says([bare(1)]);
        forge(&mut talk);
        talk.lab.pass(Duration::from_secs(20));
        let heard = talk.heard();
        assert_eq!(heard.len(), 1, "a keep-alive, to the stranger, {heard:?}");
        let heard = talk.says([bytes(1, b"hello")]);
        assert_eq!(text(&heard), "hello");
        talk.lab.everybody_leaves();
    }
}

/// A router that takes over from another has an address of its own.
#[test]
fn answers_follow_a_peer_to_its_new_address() {
    let mut talk = Talk::to(7);
    talk.says([bare(1)]);
    let frame = from_forger(talk.frame(bytes(1, b"hello")));
    talk.lab.put(frame);
    assert_eq!(talk.heard().len(), 0);
    let heard = talk.says([bytes(6, b"world")]);
    assert!(text(&heard).ends_with("world"));
    talk.lab.everybody_leaves();
}

#[test]
fn a_dead_peer_is_given_up_whatever_others_say_in_its_name() {
    let mut talk = Talk::to(7);
    talk.says([bare(1)]);
    for _ in 0..12 {
        forge(&mut talk);
        talk.lab.pass(Duration::from_secs(8));
    }
    assert_eq!(talk.lab.world.counters.sessions_open, 0);
    talk.lab.everybody_leaves();
}

/// Only the acknowledgement says whether a peer knows the connection.
#[test]
fn bytes_and_fin_with_an_acknowledgement_from_nowhere_are_not_taken() {
    let mut talk = Talk::to(5020);
    talk.says([bytes(1, b"hello")]);
    let ack = talk.ack;
    for wrong in [
        0,
        1 << 31,
        ack.wrapping_sub(u32::from(OPEN) + 1),
        ack.wrapping_add(1),
    ] {
        talk.ack = wrong;
        talk.says([bytes(6, b"WORLD"), last(6, b"!")]);
    }
    talk.ack = ack;
    // What has no acknowledgement at all.
    let frame = tampered(talk.frame(last(6, b"?")), |ip| ip[33] &= !0x10);
    talk.lab.put(frame);
    assert!(talk.lab.dropped(Reason::Challenged) >= 8);
    assert!(text(&talk.says([last(6, b"")])).starts_with("stored drop-0001 5 bytes"));
    talk.lab.everybody_leaves();
}

/// A SYN that is repeated says nothing new.
#[test]
fn a_half_open_connection_is_answered_where_it_came_from() {
    let mut lab = Simulation::new(&plan(1));
    let syn = Said {
        from: 1000,
        to: 7,
        control: TcpControl::Syn,
        seq: 0,
        ack: None,
        payload: b"",
    };
    lab.say(&syn);
    lab.put(from_forger(syn.frame()));
    lab.heard();
    lab.pass(Duration::from_secs(3));
    assert!(!lab.heard().is_empty(), "SYN is acknowledged again");
    lab.everybody_leaves();
}

/// Who acknowledges something else in the middle of a handshake is answered with an RST of that number (RFC 9293, section
/// 3.10.7.4), and R2 goes on from its own.
#[test]
fn a_forged_acknowledgement_of_syn_harms_no_handshake() {
    for ahead in [1, 1 << 29, 1 << 31] {
        let mut talk = Talk::to(7);
        let right = talk.ack;
        talk.ack = right.wrapping_add(ahead);
        assert!(talk.says([bare(1)]).iter().all(|it| it.rst));
        talk.ack = right;
        let heard = talk.says([bytes(1, b"hello")]);
        assert_eq!((text(&heard).as_str(), heard[0].seq), ("hello", right));
        talk.ack = heard.last().expect("an echo").end();
        let heard = talk.says([bytes(6, b"world")]);
        assert_eq!(text(&heard), "world");
        assert_eq!(heard.last().map(Heard::end), Some(talk.ack.wrapping_add(5)));
        talk.lab.everybody_leaves();
    }
}

/// RFC 1122, section 3.2.1.3, and RFC 4291, section 2.5.3: addresses that no sender on a wire has.
#[test]
fn nobody_is_at_an_address_that_is_nobodys() {
    let syn = Talk::to(7).frame(bare(1));
    for source in [
        [127, 0, 0, 1],
        [127, 255, 255, 254],
        [0, 0, 0, 0],
        [0, 1, 2, 3],
        [240, 0, 0, 1],
        [255, 255, 255, 255],
        [224, 0, 0, 1],
        [239, 255, 255, 255],
        [192, 168, 69, 255],
        R2_ADDRESS.octets(),
    ] {
        let mut lab = Simulation::new(&plan(1));
        lab.put(tampered(syn.clone(), |ip| {
            ip[12..16].copy_from_slice(&source);
            ip[33] = 0x02;
        }));
        assert_eq!(lab.dropped(Reason::NotUnicast), 1, "{source:?}");
        assert_eq!(lab.heard().len(), 0);
        let kali = lab.connect(7);
        assert!(lab.is_open(kali), "its slot is free");
        lab.everybody_leaves();
    }
}

#[test]
fn nor_at_one_of_ipv6() {
    let syn = Talk::with(7, true).frame(bare(1));
    let loopback = 1_u128.to_be_bytes();
    let mapped = (0xffff_7f00_0001_u128).to_be_bytes();
    let mut multicast = [0; 16];
    multicast[..2].copy_from_slice(&[0xff, 2]);
    multicast[15] = 1;
    for source in [[0; 16], loopback, mapped, multicast] {
        let mut lab = Simulation::new(&plan(1));
        let mut frame = syn.clone();
        frame[22..38].copy_from_slice(&source);
        frame[14 + 40 + 13] = 0x02;
        frame[14 + 40 + 16..14 + 40 + 18].copy_from_slice(&[0, 0]);
        let mut sum = smoltcp::wire::TcpPacket::new_unchecked(&mut frame[54..]);
        let r2 = r2_sim::simulation::R2_ADDRESS6;
        sum.fill_checksum(&smoltcp::wire::Ipv6Address::from(source).into(), &r2.into());
        lab.put(frame);
        assert_eq!(lab.dropped(Reason::NotUnicast), 1, "{source:?}");
        let kali = lab.connect(7);
        assert!(lab.is_open(kali), "its slot is free");
        lab.everybody_leaves();
    }
}

/// R2 calls the stranger; its device takes nothing yet.
fn called(full: bool) -> Simulation {
    let mut lab = Simulation::new(&plan(1));
    lab.call((ADDRESS, 5000).into());
    lab.full = full;
    lab.put(arp(ArpOperation::Reply, MAC, ADDRESS));
    lab
}

fn callee(to: u16, control: TcpControl, ack: Option<u32>) -> Said<'static> {
    Said {
        from: 5000,
        to,
        control,
        seq: 0,
        ack,
        payload: b"",
    }
}

/// RFC 9293, section 3.5: both may open at once. smoltcp subtracts a window that was never shown.
#[test]
fn a_syn_that_crosses_one_that_has_not_left_waits() {
    let mut lab = called(true);
    let syn = callee(49_152, TcpControl::Syn, None);
    lab.say(&syn);
    lab.pass(Duration::from_millis(100));
    lab.full = false;
    lab.pass(Duration::from_millis(100));
    let ours = lab.heard().pop().expect("R2's SYN");
    assert!(ours.syn && !ours.rst);
    lab.say(&syn);
    let crossed = lab.heard().pop().expect("R2's SYN, acknowledged");
    assert!(crossed.syn && crossed.ack == FIRST.wrapping_add(1));
    lab.say(&Said {
        seq: 1,
        ..callee(ours.to.max(49_152), TcpControl::None, Some(crossed.end()))
    });
    assert_eq!(lab.world.counters.sessions_open, 1);
    lab.everybody_leaves();
}

#[test]
fn nothing_that_comes_before_the_own_syn_has_left_is_believed() {
    for (control, ack) in [
        (TcpControl::Syn, Some(7)),
        (TcpControl::None, Some(7)),
        (TcpControl::Fin, Some(0)),
        (TcpControl::Rst, Some(0)),
        (TcpControl::Rst, None),
    ] {
        let mut lab = called(true);
        lab.say(&callee(49_152, control, ack));
        lab.pass(Duration::from_millis(100));
        lab.full = false;
        lab.pass(Duration::from_millis(100));
        let ours = lab.heard().pop().expect("R2's SYN");
        assert!(ours.syn && !ours.rst, "{control:?}");
        lab.say(&callee(49_152, TcpControl::Syn, Some(ours.end())));
        assert_eq!(lab.world.counters.sessions_open, 1, "{control:?}");
        lab.everybody_leaves();
    }
}

/// smoltcp takes the acknowledgement of SYN for that of a FIN which it never sends.
#[test]
fn a_connection_that_is_half_open_when_r2_stops_hears_of_it() {
    let mut lab = Simulation::new(&plan(1));
    let syn = Said {
        from: 1000,
        to: 5000,
        control: TcpControl::Syn,
        seq: 0,
        ack: None,
        payload: b"",
    };
    lab.say(&syn);
    // One more has no slot.
    lab.say(&Said { from: 1001, ..syn });
    let ours = lab.heard().pop().expect("R2 answers SYN").end();
    lab.stop();
    let mut heard = lab.heard();
    lab.say(&Said {
        seq: 1,
        control: TcpControl::Psh,
        ack: Some(ours),
        payload: b"hello\n",
        ..syn
    });
    heard.extend(lab.heard());
    for port in [1000, 1001] {
        let told = heard.iter().any(|it| it.to == port && (it.rst || it.fin));
        assert!(told, "{port}: {heard:?}");
    }
    assert!(lab.is_stopped());
}

/// RST in the same segment as FIN: RST is looked at first (RFC 9293, section 3.10.7.4).
#[test]
fn an_rst_with_another_flag_is_an_rst() {
    for flags in [0x14 | 0x01, 0x14 | 0x08, 0x14 | 0x09, 0x04 | 0x01] {
        let mut talk = Talk::to(5020);
        talk.says([bytes(1, b"hello")]);
        let frame = tampered(talk.frame(bare(6)), |ip| ip[33] = flags);
        talk.lab.put(frame);
        assert_eq!(talk.lab.world.counters.sessions_open, 0, "{flags:#x}");
        assert_eq!(talk.lab.stored(), ["drop-0001.partial 5"]);
        talk.lab.everybody_leaves();
    }
    // It ends nothing with another number than the expected one.
    let mut talk = Talk::to(5020);
    talk.says([bytes(1, b"hello")]);
    let frame = tampered(talk.frame(bare(7)), |ip| ip[33] = 0x15);
    talk.lab.put(frame);
    assert_eq!(talk.lab.world.counters.sessions_open, 1);
    assert_eq!(acknowledged(&talk.heard()), Some(6));
    talk.lab.everybody_leaves();
}
