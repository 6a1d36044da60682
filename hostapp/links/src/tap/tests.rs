//! These need root: each test moves its thread into a network namespace of its own.

mod exchange;

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use smoltcp::iface::{Config, Interface, SocketSet, SocketStorage};
use smoltcp::socket::tcp;
use smoltcp::wire::{HardwareAddress, IpCidr, Ipv4Packet};

use super::*;
use crate::ethernet_address;

/// Moves this thread, and what it starts, into a network namespace of its own.
fn enter_own_network() {
    nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).expect("this test needs root");
    ip("link set lo up");
}

fn ip(arguments: &str) {
    ip_prints(arguments);
}

fn ip_prints(arguments: &str) -> String {
    let output = Command::new("ip").args(arguments.split(' ')).output().unwrap();
    assert!(output.status.success(), "ip {arguments}");
    String::from_utf8(output.stdout).unwrap()
}

/// Attaches as where the kernel carries no super-frames.
fn open_plain(name: &str) -> Tap {
    Tap::on(once_free(|| open::plain_frames(name)), name, false).unwrap()
}

/// Attaches to an interface that was open before.
fn open_free(name: &str) -> Tap {
    loop {
        match Tap::open(name) {
            Err(TapError::Held(_)) => std::thread::yield_now(),
            other => return other.unwrap(),
        }
    }
}

/// Attaches to an interface that somebody has just let go: a program that another test starts right now holds a copy
/// of every descriptor until its exec.
fn once_free<T>(open: impl Fn() -> io::Result<T>) -> T {
    loop {
        match open() {
            Err(error) if error.raw_os_error() == Some(libc::EBUSY) => std::thread::yield_now(),
            other => return other.unwrap(),
        }
    }
}

/// How many frames the kernel did not take since this was last asked.
fn lost(tap: &mut Tap) -> u64 {
    let mut counters = Counters::default();
    tap.count_drops(&mut counters);
    counters.dropped(Reason::DeviceBusy)
}

fn refused(name: &str) -> String {
    Tap::open(name).err().unwrap().to_string()
}

#[test]
fn a_tap_that_cannot_be_had_is_one_line_that_says_what_to_do() {
    enter_own_network();
    assert_eq!(
        refused("tap0"),
        "tap0 does not exist: run sudo ./tap-setup/tap-setup up"
    );
    assert_eq!(
        refused("r2"),
        "r2 does not exist: run sudo ./tap-setup/tap-setup up --name r2"
    );
    assert!(
        nix::net::if_::if_nametoindex("tap0").is_err(),
        "asking does not create it"
    );
    ip("tuntap add name tun7 mode tun");
    assert_eq!(
        refused("tun7"),
        "tun7 is no TAP interface: name another with --link tap:NAME"
    );
    assert_eq!(
        refused("lo"),
        "lo is no TAP interface: name another with --link tap:NAME"
    );
    ip("tuntap add name tap0 mode tap");
    let first = Tap::open("tap0").unwrap();
    let second = Tap::open("tap0").err().unwrap();
    assert!(matches!(second, TapError::Held(_)));
    assert_eq!(
        second.to_string(),
        "another server holds tap0: stop it, or name another TAP with --link"
    );
    drop(first);
    drop(open_free("tap0"));
}

#[test]
fn the_mtu_is_the_interfaces_own() {
    enter_own_network();
    ip("tuntap add name tap0 mode tap");
    ip("link set tap0 mtu 1280");
    let tap = Tap::open("tap0").unwrap();
    assert_eq!(
        (tap.mtu(), tap.capabilities().max_transmission_unit),
        (1280, 1294)
    );
}

#[test]
fn a_tap_that_is_down_loses_frames_and_comes_back() {
    enter_own_network();
    ip("tuntap add name tap0 mode tap");
    let mut tap = Tap::open("tap0").unwrap();
    let send = |tap: &mut Tap| {
        let token = tap.transmit(Instant::ZERO).unwrap();
        phy::TxToken::consume(token, 60, |frame| frame.fill(0xFF));
    };
    send(&mut tap);
    assert!(tap.receive(Instant::ZERO).is_none());
    assert_eq!((lost(&mut tap), tap.wanted()), (1, PollFlags::POLLIN));
    ip("link set tap0 up");
    send(&mut tap);
    assert_eq!(lost(&mut tap), 0);
    assert!(tap.take_error().is_none());
}

#[test]
fn a_tap_that_is_deleted_says_so_once() {
    enter_own_network();
    ip("tuntap add name tap0 mode tap");
    ip("link set tap0 up");
    let mut tap = Tap::open("tap0").unwrap();
    ip("link delete tap0");
    while tap.receive(Instant::ZERO).is_some() {}
    assert!(tap.transmit(Instant::ZERO).is_none());
    let error = tap.take_error().unwrap();
    assert_eq!(error.raw_os_error(), Some(libc::EBADFD), "{error}");
    assert!(tap.take_error().is_none());
}

/// A `tap0` to whose other end 192.168.69.1 is known, so that datagrams leave at once.
fn add_tap0() {
    ip("tuntap add name tap0 mode tap");
    ip("address add 192.168.69.100/24 dev tap0");
    ip("link set tap0 up");
    ip("neighbour add 192.168.69.1 lladdr 02:52:32:a8:45:01 dev tap0");
}

#[test]
fn whoever_opens_the_interface_next_gets_whole_frames() {
    enter_own_network();
    add_tap0();
    // What others do: they ask for nothing, and get what the last one asked for.
    let as_a_stranger = || {
        let iface = once_free(|| tun_tap::Iface::without_packet_info("tap0", tun_tap::Mode::Tap));
        let mut frame = vec![0; 2048];
        let seen = AtomicBool::new(false);
        std::thread::scope(|scope| {
            // The interface comes up a moment after it was opened, and loses until then what it is given.
            scope.spawn(|| {
                while !seen.load(Ordering::Relaxed) {
                    send_a_datagram();
                    std::thread::yield_now();
                }
            });
            loop {
                let length = iface.recv(&mut frame).unwrap();
                if frame[..length].ends_with(b"hello") {
                    seen.store(true, Ordering::Relaxed);
                    frame.truncate(length);
                    return frame;
                }
            }
        })
    };
    drop(once_free(|| open::super_frames("tap0")));
    assert!(checksum::is_wrong(&as_a_stranger()), "the interface remembers");
    drop(once_free(|| open::plain_frames("tap0")));
    assert!(!checksum::is_wrong(&as_a_stranger()));
    let tap = open_free("tap0");
    assert!(tap.offload);
    drop(tap);
    assert!(!checksum::is_wrong(&as_a_stranger()));
}

fn send_a_datagram() {
    let socket = UdpSocket::bind("192.168.69.100:0").unwrap();
    socket.send_to(b"hello", "192.168.69.1:7").unwrap();
}

#[test]
fn a_frame_that_the_kernel_does_not_take_now_is_kept_and_goes_first() {
    enter_own_network();
    add_tap0();
    let mut tap = Tap::open("tap0").unwrap();
    let (kernel, ours) = UnixDatagram::pair().unwrap();
    ours.set_nonblocking(true).unwrap();
    // In the interface's place a queue that can be full. Like a TAP it takes a whole frame or nothing.
    let interface = std::mem::replace(&mut tap.file, File::from(OwnedFd::from(ours)));
    let mut number = 0_u16;
    while tap.wanted() == PollFlags::POLLIN {
        number += 1;
        let token = tap.transmit(Instant::ZERO).unwrap();
        phy::TxToken::consume(token, 60, |frame| {
            frame[..2].copy_from_slice(&number.to_be_bytes());
        });
    }
    assert_eq!(tap.wanted(), PollFlags::POLLIN | PollFlags::POLLOUT);
    assert!(tap.transmit(Instant::ZERO).is_none() && tap.receive(Instant::ZERO).is_none());
    for expected in 1..=number {
        let mut bytes = [0; 100];
        assert_eq!(kernel.recv(&mut bytes).unwrap(), virtio::HEADER + 60);
        assert_eq!(bytes[virtio::HEADER..][..2], expected.to_be_bytes());
        assert!(tap.transmit(Instant::ZERO).is_some(), "there is room now");
    }
    assert_eq!((lost(&mut tap), tap.wanted()), (0, PollFlags::POLLIN));
    tap.file = interface;
}

/// `tap0`, opened, and `tap1` behind a bridge: frames on that are those of a real wire, with whole checksums and no longer
/// than the MTU.
fn add_a_wire() -> (File, Tap) {
    ip("link add br0 type bridge");
    for name in ["tap0", "tap1"] {
        ip(&format!("tuntap add name {name} mode tap"));
        ip(&format!("link set {name} master br0 up"));
    }
    ip("link set br0 up");
    let (wire, tap) = (open::plain_frames("tap1").unwrap(), Tap::open("tap0").unwrap());
    for name in ["tap0", "tap1"] {
        // The bridge hears a moment later that somebody holds the other end.
        while !ip_prints(&format!("-d link show {name}")).contains("state forwarding") {
            std::thread::yield_now();
        }
    }
    (wire, tap)
}

/// The next IPv4 frame on the wire; the kernels of both ends say a few things of their own.
fn next_on(mut wire: &File) -> Vec<u8> {
    let mut frame = vec![0; 70_000];
    loop {
        let mut fds = [PollFd::new(wire.as_fd(), PollFlags::POLLIN)];
        assert_eq!(
            poll(&mut fds, PollTimeout::from(10_000_u16)),
            Ok(1),
            "a frame comes"
        );
        let length = wire.read(&mut frame).unwrap();
        if frame[12..14] == [8, 0] && frame[23] == 6 {
            frame.truncate(length);
            return frame;
        }
    }
}

#[test]
fn on_a_wire_a_super_frame_is_segments_with_checksums() {
    enter_own_network();
    let (wire, mut tap) = add_a_wire();
    let payload: Vec<u8> = (0_u16..30_000).flat_map(u16::to_be_bytes).collect();
    let super_frame = segment_frame(&payload, 1000);
    let mut token = tap.transmit(Instant::ZERO).unwrap();
    let mut meta = PacketMeta::default();
    meta.segmentation_offload_size = NonZeroU16::new(1460);
    phy::TxToken::set_meta(&mut token, meta);
    phy::TxToken::consume(token, super_frame.len(), |frame| {
        frame.copy_from_slice(&super_frame);
    });
    assert_eq!(lost(&mut tap), 0);
    let mut seen = Vec::new();
    while seen.len() < payload.len() {
        let frame = next_on(&wire);
        assert!(frame.len() <= 1514 && !checksum::is_wrong(&frame));
        let sequence = u32::from_be_bytes(frame[38..42].try_into().unwrap());
        assert_eq!(sequence as usize, 1000 + seen.len());
        seen.extend_from_slice(&frame[54..]);
    }
    assert_eq!(seen, payload);
    // And one that needs no cutting.
    let token = tap.transmit(Instant::ZERO).unwrap();
    let small = segment_frame(b"hello", 5);
    phy::TxToken::consume(token, small.len(), |frame| frame.copy_from_slice(&small));
    let frame = next_on(&wire);
    assert!(frame.ends_with(b"hello") && !checksum::is_wrong(&frame));
}

#[test]
fn a_corrupt_frame_from_a_wire_is_dropped_and_counted() {
    enter_own_network();
    let (wire, mut tap) = add_a_wire();
    let good = checksum::filled(&segment_frame(b"whole", 5));
    let mut corrupt = good.clone();
    *corrupt.last_mut().unwrap() ^= 4;
    for frame in [&corrupt, &good] {
        assert_eq!((&wire).write(frame).unwrap(), frame.len());
    }
    let mut counters = Counters::default();
    loop {
        let mut fds = [PollFd::new(tap.as_fd(), PollFlags::POLLIN)];
        assert_eq!(
            poll(&mut fds, PollTimeout::from(10_000_u16)),
            Ok(1),
            "a frame comes"
        );
        let Some((token, _)) = tap.receive(Instant::ZERO) else {
            continue;
        };
        let frame = phy::RxToken::consume(token, <[u8]>::to_vec);
        assert!(frame != corrupt);
        if frame == good {
            break;
        }
    }
    tap.count_drops(&mut counters);
    assert_eq!(counters.dropped(Reason::Checksum), 1);
}

/// A TCP segment from R2 to anybody, without its checksum.
fn segment_frame(payload: &[u8], sequence: u32) -> Vec<u8> {
    let mut frame = vec![0xff; 6];
    frame.extend([0x02, 0x52, 0x32, 0xa8, 0x45, 0x01, 8, 0, 0x45, 0]);
    frame.extend(u16::try_from(40 + payload.len()).unwrap().to_be_bytes());
    frame.extend([0, 0, 0x40, 0, 64, 6, 0, 0, 192, 168, 69, 1, 192, 168, 69, 100]);
    Ipv4Packet::new_unchecked(&mut frame[14..]).fill_checksum();
    frame.extend([0, 7, 0x9c, 0x40]);
    frame.extend(sequence.to_be_bytes());
    frame.extend([0, 0, 0, 1, 0x50, 0x10, 0xff, 0xff, 0, 0, 0, 0]);
    frame.extend(payload);
    frame
}
