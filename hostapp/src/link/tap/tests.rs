//! These need root: each test moves its thread into a network namespace of its own.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::process::Command;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use smoltcp::iface::{Config, Interface, SocketSet, SocketStorage};
use smoltcp::socket::tcp;
use smoltcp::wire::{HardwareAddress, IpCidr};

use super::*;
use crate::link::ethernet_address;

/// Moves this thread, and what it starts, into a network namespace of its own.
fn enter_own_network() {
    nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).expect("this test needs root");
    ip("link set lo up");
}

fn ip(arguments: &str) {
    let status = Command::new("ip").args(arguments.split(' ')).status().unwrap();
    assert!(status.success(), "ip {arguments}");
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
    assert!(second.is_held());
    assert_eq!(
        second.to_string(),
        "another server holds tap0: stop it, or name another TAP with --link"
    );
    drop(first);
    // A program that another test starts right now holds a copy of every descriptor until its exec.
    let again = loop {
        match Tap::open("tap0") {
            Err(error) if error.is_held() => std::thread::yield_now(),
            other => break other,
        }
    };
    again.unwrap();
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
    assert_eq!((tap.lost(), tap.wanted()), (1, PollFlags::POLLIN));
    ip("link set tap0 up");
    send(&mut tap);
    assert_eq!(tap.lost(), 1);
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

#[test]
fn the_kernel_and_smoltcp_exchange_a_megabyte_both_ways() {
    enter_own_network();
    ip("tuntap add name tap0 mode tap");
    ip("address add 192.168.69.100/24 dev tap0");
    ip("link set tap0 up");
    let mut tap = Tap::open("tap0").unwrap();
    let address = HardwareAddress::Ethernet(ethernet_address(Ipv4Addr::new(192, 168, 69, 1)));
    let mut interface = Interface::new(Config::new(address), &mut tap, Instant::ZERO);
    interface.update_ip_addrs(|addresses| {
        let _ = addresses.push("192.168.69.1/24".parse::<IpCidr>().unwrap());
    });
    let (mut rx, mut tx) = (vec![0; 65_535], vec![0; 65_535]);
    let mut storage = [SocketStorage::EMPTY];
    let mut sockets = SocketSet::new(&mut storage[..]);
    let socket = sockets.add(tcp::Socket::new(
        tcp::SocketBuffer::new(&mut rx[..]),
        tcp::SocketBuffer::new(&mut tx[..]),
    ));
    sockets.get_mut::<tcp::Socket>(socket).listen(7).unwrap();
    // The thread is in our network because it is started from it.
    let client = std::thread::spawn(|| {
        let bytes: Vec<u8> = (0u32..262_144).flat_map(u32::to_le_bytes).collect();
        let mut stream = TcpStream::connect("192.168.69.1:7").unwrap();
        let mut sender = stream.try_clone().unwrap();
        let sent = bytes.clone();
        let writer = std::thread::spawn(move || {
            sender.write_all(&sent).unwrap();
            sender.shutdown(std::net::Shutdown::Write).unwrap();
        });
        let mut echoed = Vec::new();
        stream.read_to_end(&mut echoed).unwrap();
        writer.join().unwrap();
        echoed == bytes
    });
    let start = std::time::Instant::now();
    while !client.is_finished() {
        assert!(start.elapsed() < Duration::from_secs(20), "the echo stands still");
        let now = Instant::from_micros(i64::try_from(start.elapsed().as_micros()).unwrap());
        interface.poll(now, &mut tap, &mut sockets);
        let socket = sockets.get_mut::<tcp::Socket>(socket);
        while socket.can_recv() && socket.can_send() {
            let mut piece = [0; 4096];
            let room = (socket.send_capacity() - socket.send_queue()).min(piece.len());
            let taken = socket.recv_slice(&mut piece[..room]).unwrap();
            assert_eq!(socket.send_slice(&piece[..taken]), Ok(taken));
        }
        if !socket.may_recv() && !socket.can_recv() && socket.state() == tcp::State::CloseWait {
            socket.close();
        }
        interface.poll(now, &mut tap, &mut sockets);
        poll(
            &mut [PollFd::new(tap.as_fd(), tap.wanted())],
            PollTimeout::from(5u8),
        )
        .unwrap();
        assert!(tap.take_error().is_none());
    }
    assert!(client.join().unwrap(), "every byte came back");
}
