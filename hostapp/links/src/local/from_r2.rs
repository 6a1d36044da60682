//! What becomes of a frame of R2's.

use std::net::{IpAddr, SocketAddr};

use mio::net::TcpStream;
use smoltcp::iface::SocketSet;
use smoltcp::time::Instant;
use smoltcp::wire::{
    ArpOperation, ArpPacket, ArpRepr, EthernetFrame, EthernetProtocol, IpEndpoint, IpProtocol, Ipv4Packet,
    TcpPacket, UdpPacket,
};

use super::flow::Key;
use super::gateway::Gateway;
use super::interface::{GATEWAY, GatewayInterface};
use super::lane::Lane;

impl Gateway {
    /// Takes every frame off the wire that R2 has sent.
    pub(super) fn take_frames(&mut self, now: Instant, from_r2: &mut Lane, to_r2: &mut Lane) {
        while let Some(frame) = from_r2.front_mut() {
            let mut ethernet = EthernetFrame::new_unchecked(frame);
            match ethernet.ethertype() {
                EthernetProtocol::Arp => answer_arp(ethernet.payload_mut(), &self.end, to_r2),
                EthernetProtocol::Ipv4 => self.take_packet(now, ethernet.payload_mut(), to_r2),
                // R2 has no other address on this wire.
                _ => {}
            }
            from_r2.pop();
        }
    }

    fn take_packet(&mut self, now: Instant, packet: &mut [u8], to_r2: &mut Lane) {
        let Ok(ip) = Ipv4Packet::new_checked(&*packet) else {
            return;
        };
        let (protocol, client) = (ip.next_header(), ip.dst_addr());
        match protocol {
            IpProtocol::Udp => {
                if let Ok(udp) = UdpPacket::new_checked(ip.payload()) {
                    let to = SocketAddr::from((client, udp.dst_port()));
                    self.send_datagram(udp.src_port(), to, udp.payload());
                }
            }
            IpProtocol::Tcp => {
                let Ok(tcp) = TcpPacket::new_checked(ip.payload()) else {
                    return;
                };
                let key = Key {
                    client: IpEndpoint::new(client.into(), tcp.dst_port()),
                    r2_port: tcp.src_port(),
                };
                let (calls, resets) = (tcp.syn() && !tcp.ack(), tcp.rst());
                match self.by_key.get(&key) {
                    Some(&index) => {
                        let flow = &mut self.flows[index];
                        if flow.call.is_none() {
                            flow.deliver(now, packet, &mut self.end, to_r2);
                            self.touch(index);
                        } else if resets {
                            self.free(index);
                        }
                    }
                    None if calls => self.call(now, key, packet, to_r2),
                    None => self.refuse(now, packet, to_r2),
                }
            }
            // Nobody asked R2 for an echo, and what it says of datagrams has no use here.
            _ => {}
        }
    }

    /// Answers RST: nobody has that connection.
    fn refuse(&mut self, now: Instant, packet: &[u8], to_r2: &mut Lane) {
        self.end
            .take_in(now, packet, &mut SocketSet::new(&mut [][..]), to_r2);
    }

    /// Hands a datagram of R2's service at `port` to the kernel, which may lose it.
    fn send_datagram(&self, port: u16, to: SocketAddr, payload: &[u8]) {
        let offered = self.offered.iter().find(|offered| offered.port == port);
        if let Some(udp) = offered.and_then(|offered| offered.udp.as_ref()) {
            let _ = udp.socket.send_to(payload, to);
        }
    }
}

/// R2 calls.
impl Gateway {
    /// Connects where R2 wants to, and holds its SYN until the other side has answered.
    fn call(&mut self, now: Instant, key: Key, syn: &[u8], to_r2: &mut Lane) {
        let to = SocketAddr::new(IpAddr::from(key.client.addr), key.client.port);
        let Some(index) = self.calls.pop() else {
            return self.refuse(now, syn, to_r2);
        };
        let begun = TcpStream::connect(to).and_then(|mut stream| {
            self.watch(index, &mut stream)?;
            Ok(self.flows[index].expect(key, stream, syn))
        });
        if begun.is_ok_and(|begun| begun) {
            self.by_key.insert(key, index);
        } else {
            self.free(index);
            self.refuse(now, syn, to_r2);
        }
    }

    /// Looks whether the other side has answered; if it has, R2's SYN goes on its way. Whether the flow is to be served.
    pub(super) fn go_on_calling(&mut self, index: usize, now: Instant, to_r2: &mut Lane) -> bool {
        let flow = &mut self.flows[index];
        let (true, Some(stream)) = (flow.writable, &flow.stream) else {
            return false;
        };
        let answered = stream.take_error().is_ok_and(|error| error.is_none()) && stream.peer_addr().is_ok();
        let Some(mut syn) = flow.call.take() else {
            return true;
        };
        if answered {
            // A line is sent when it was typed.
            let _ = stream.set_nodelay(true);
            flow.deliver(now, &mut syn, &mut self.end, to_r2);
            return true;
        }
        self.free(index);
        self.refuse(now, &syn, to_r2);
        false
    }
}

/// Every address that R2 asks for is the gateway's.
fn answer_arp(packet: &mut [u8], end: &GatewayInterface, to_r2: &mut Lane) {
    let asked = ArpPacket::new_checked(&*packet).and_then(|arp| ArpRepr::parse(&arp));
    let Ok(ArpRepr::EthernetIpv4 {
        operation: ArpOperation::Request,
        source_hardware_addr,
        source_protocol_addr,
        target_protocol_addr,
        ..
    }) = asked
    else {
        return;
    };
    if source_protocol_addr == target_protocol_addr {
        // R2 announces itself.
        return;
    }
    let answer = ArpRepr::EthernetIpv4 {
        operation: ArpOperation::Reply,
        source_hardware_addr: GATEWAY,
        source_protocol_addr: target_protocol_addr,
        target_hardware_addr: source_hardware_addr,
        target_protocol_addr: source_protocol_addr,
    };
    end.send_frame(to_r2, EthernetProtocol::Arp, answer.buffer_len(), |room, _| {
        answer.emit(&mut ArpPacket::new_unchecked(room));
    });
}
