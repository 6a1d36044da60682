//! The kernel's TCP and smoltcp's over one TAP.

use super::*;

#[test]
fn the_kernel_and_smoltcp_exchange_a_megabyte_both_ways() {
    enter_own_network();
    add_tap0();
    for plain in [false, true] {
        let mut tap = if plain {
            open_plain("tap0")
        } else {
            open_free("tap0")
        };
        assert_eq!(tap.offload, !plain);
        exchange_a_megabyte(&mut tap);
    }
}

fn exchange_a_megabyte(tap: &mut Tap) {
    let address = HardwareAddress::Ethernet(ethernet_address(Ipv4Addr::new(192, 168, 69, 1)));
    let mut interface = Interface::new(Config::new(address), tap, Instant::ZERO);
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
        interface.poll(now, tap, &mut sockets);
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
        interface.poll(now, tap, &mut sockets);
        poll(
            &mut [PollFd::new(tap.as_fd(), tap.wanted())],
            PollTimeout::from(5u8),
        )
        .unwrap();
        assert!(tap.take_error().is_none());
    }
    assert!(client.join().unwrap(), "every byte came back");
}
