//! What becomes of a frame of R2's.

use std::net::{IpAddr, SocketAddr};

use mio::net::TcpStream;
use r2_node::transport::Transport;
use smoltcp::iface::SocketSet;
use smoltcp::time::Instant;
use smoltcp::wire::{
    EthernetAddress, EthernetFrame, EthernetProtocol, IpEndpoint, IpProtocol, TcpPacket, UdpPacket,
};

use super::datagram;
use super::flow::Key;
use super::gateway::Gateway;
use super::lane::{ETHERNET_HEADER, Lane};
use super::resolve::{answer_arp, answer_solicitation};

impl Gateway {
    /// Takes every frame off the wire that R2 has sent.
    pub(super) fn take_frames(&mut self, now: Instant, from_r2: &mut Lane, to_r2: &mut Lane) {
        while let Some(frame) = from_r2.front_mut() {
            self.take_frame(now, frame, to_r2);
            from_r2.pop();
        }
    }

    fn take_frame(&mut self, now: Instant, frame: &mut [u8], to_r2: &mut Lane) {
        let ethernet = EthernetFrame::new_unchecked(&*frame);
        let (kind, to) = (ethernet.ethertype(), ethernet.dst_addr());
        match Transport::of(frame) {
            Some(segment) if segment.protocol == IpProtocol::Tcp => {
                let Ok(tcp) = TcpPacket::new_checked(segment.bytes) else {
                    return;
                };
                let key = Key {
                    client: IpEndpoint::new(segment.destination, tcp.dst_port()),
                    r2_port: tcp.src_port(),
                };
                let (calls, resets) = (tcp.syn() && !tcp.ack(), tcp.rst());
                let packet = &mut frame[ETHERNET_HEADER..];
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
            Some(datagram) => {
                if let Ok(udp) = UdpPacket::new_checked(datagram.bytes) {
                    let client = SocketAddr::new(datagram.destination.into(), udp.dst_port());
                    self.send_datagram(to, client, udp.payload());
                }
            }
            // Nobody asked R2 for an echo, and what it says of datagrams has no use here.
            None => match kind {
                EthernetProtocol::Arp => answer_arp(&frame[ETHERNET_HEADER..], &self.end, to_r2),
                EthernetProtocol::Ipv6 => answer_solicitation(&frame[ETHERNET_HEADER..], &self.end, to_r2),
                _ => {}
            },
        }
    }

    /// Answers RST: nobody has that connection.
    fn refuse(&mut self, now: Instant, packet: &[u8], to_r2: &mut Lane) {
        self.end
            .take_in(now, packet, &mut SocketSet::new(&mut [][..]), to_r2);
    }

    /// Hands R2's answer to the kernel, which may lose it.
    fn send_datagram(&self, door: EthernetAddress, to: SocketAddr, payload: &[u8]) {
        let Some(door) = self.doors.behind(door) else {
            return;
        };
        let offered = self.offered.get(door.service);
        if let Some(udp) = offered.and_then(|offered| offered.udp.get(door.socket))
            && let Err(error) = datagram::send(&udp.socket, door, to, payload)
        {
            log::debug!("{to}: {error}");
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
