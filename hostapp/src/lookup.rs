//! Names of the link that the system's resolver does not know, and the R2s that are on it: asked for by multicast DNS
//! (RFC 6762, section 5.1), without a daemon.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6, UdpSocket};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::ifaddrs::getifaddrs;
use nix::net::if_::{InterfaceFlags, if_nametoindex};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use r2_core::mdns::{
    self, A, AAAA, DnsMessage, DnsRecord, DomainName, GROUP_V4, GROUP_V6, MESSAGE_MAX, PORT, SRV, TXT,
};
use socket2::SockRef;

/// How long an answer for a name is waited for: three questions' time.
const PATIENCE: Duration = Duration::from_secs(3);

/// How often a question is asked again: it may be lost, as its answer.
const ASKED_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// An R2 in the network.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Its name: `r2.local`.
    pub name: String,
    /// Its addresses, those of one link with that.
    pub addresses: Vec<SocketAddr>,
    /// Its services and their ports.
    pub ports: Vec<(String, u16)>,
}

/// The addresses of `name`, which ends in `.local`, with `port`; the first answer has them all. An error where nobody
/// answers.
pub fn resolve(name: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    let (id, mut room) = (any_number()?, [0; MESSAGE_MAX]);
    let length = mdns::ask_for_address(name, id, &mut room).ok_or(io::ErrorKind::InvalidInput)?;
    let labels = || name.trim_end_matches('.').split('.').map(str::as_bytes);
    let mut found = Vec::new();
    ask(&room[..length], PATIENCE, |message, link| {
        if message.id != id {
            return false;
        }
        let of_name = message.records().filter(|record| record.name.is(labels()));
        found.extend(of_name.filter_map(|record| address(&record, link, port)));
        !found.is_empty()
    })?;
    if found.is_empty() {
        return Err(io::Error::new(
            io::ErrorKind::NotFound,
            "nobody on this link has that name",
        ));
    }
    Ok(in_order(found))
}

/// All R2s that answer within that time, in the order of their names.
pub fn find(patience: Duration) -> io::Result<Vec<Found>> {
    let (id, mut room) = (any_number()?, [0; MESSAGE_MAX]);
    let length = mdns::ask_for_all(id, &mut room).ok_or(io::ErrorKind::InvalidInput)?;
    let mut found = BTreeMap::<String, Found>::new();
    ask(&room[..length], patience, |message, link| {
        let services = message
            .records()
            .filter(|record| record.kind == SRV && message.id == id);
        for srv in services {
            let Some(host) = srv.target() else { continue };
            let records = || message.records();
            let of_host = records().filter(|record| record.name.is(host.labels()));
            let ports = records().filter(|record| record.kind == TXT);
            let ports = ports.filter(|record| record.name.is(srv.name.labels()));
            let one = found.entry(text(host)).or_default();
            one.name = text(host);
            one.addresses
                .extend(of_host.filter_map(|record| address(&record, link, 0)));
            one.addresses = in_order(std::mem::take(&mut one.addresses));
            one.ports = ports.flat_map(|record| entries(record.data)).collect();
        }
        false
    })?;
    Ok(found.into_values().collect())
}

/// A number that whoever does not hear the question cannot know.
fn any_number() -> io::Result<u16> {
    let [a, b, ..] = getrandom::u32()
        .map_err(|error| io::Error::other(error.to_string()))?
        .to_be_bytes();
    Ok(u16::from_be_bytes([a, b]))
}

/// Asks on every link for so long, or until `heard`, which is given the answers and the number of their link, has heard
/// enough.
fn ask(
    question: &[u8],
    patience: Duration,
    mut heard: impl FnMut(&DnsMessage<'_>, u32) -> bool,
) -> io::Result<()> {
    let links = links()?;
    let (begin, mut asked) = (Instant::now(), None);
    while let Some(left) = patience.checked_sub(begin.elapsed()) {
        if asked.is_none_or(|at: Instant| at.elapsed() >= ASKED_AGAIN_AFTER) {
            asked = Some(Instant::now());
            for link in &links {
                // A link that takes nothing answers nothing.
                let _ = link.socket.send_to(question, link.group);
            }
        }
        let mut fds: Vec<_> = links
            .iter()
            .map(|link| PollFd::new(link.socket.as_fd(), PollFlags::POLLIN))
            .collect();
        let wait = left.min(ASKED_AGAIN_AFTER).as_millis() + 1;
        let wait = u16::try_from(wait).map_or(PollTimeout::MAX, PollTimeout::from);
        let ready = poll(&mut fds, wait);
        if ready.is_err_and(|error| error != nix::errno::Errno::EINTR) {
            return Err(io::Error::last_os_error());
        }
        for link in &links {
            let mut room = [0; MESSAGE_MAX];
            while let Ok((length, from)) = link.socket.recv_from(&mut room) {
                let message = DnsMessage::parse(&room[..length]).filter(|_| from.port() == PORT);
                if message.is_some_and(|message| message.is_response() && heard(&message, link.number)) {
                    return Ok(());
                }
            }
        }
    }
    Ok(())
}

/// A way to everybody on a link, over one family of addresses.
struct Link {
    socket: UdpSocket,
    group: SocketAddr,
    number: u32,
}

/// The links of this machine, once for each of its addresses there. Those that cannot be had are left out.
fn links() -> io::Result<Vec<Link>> {
    let interfaces = getifaddrs()?.filter(|interface| {
        interface
            .flags
            .contains(InterfaceFlags::IFF_UP | InterfaceFlags::IFF_MULTICAST)
    });
    let links = interfaces.filter_map(|interface| {
        let storage = interface.address?;
        let number = if_nametoindex(interface.interface_name.as_str()).ok()?;
        if let Some(at) = storage.as_sockaddr_in() {
            return on_v4(at.ip(), number).ok();
        }
        let at = storage.as_sockaddr_in6()?.ip();
        at.is_unicast_link_local().then(|| on_v6(at, number).ok())?
    });
    Ok(links.collect())
}

fn on_v4(own: Ipv4Addr, number: u32) -> io::Result<Link> {
    let socket = UdpSocket::bind((own, 0))?;
    SockRef::from(&socket).set_multicast_if_v4(&own)?;
    socket.set_nonblocking(true)?;
    let group = SocketAddrV4::new(GROUP_V4, PORT).into();
    Ok(Link {
        socket,
        group,
        number,
    })
}

fn on_v6(own: Ipv6Addr, number: u32) -> io::Result<Link> {
    let socket = UdpSocket::bind(SocketAddrV6::new(own, 0, 0, number))?;
    SockRef::from(&socket).set_multicast_if_v6(number)?;
    socket.set_nonblocking(true)?;
    let group = SocketAddrV6::new(GROUP_V6, PORT, 0, number).into();
    Ok(Link {
        socket,
        group,
        number,
    })
}

/// What a record says where something is, and on which link.
fn address(record: &DnsRecord<'_>, link: u32, port: u16) -> Option<SocketAddr> {
    match record.kind {
        A => Some((<[u8; 4]>::try_from(record.data).ok()?, port).into()),
        AAAA => {
            let at = Ipv6Addr::from(<[u8; 16]>::try_from(record.data).ok()?);
            let link = if at.is_unicast_link_local() { link } else { 0 };
            Some(SocketAddrV6::new(at, port, 0, link).into())
        }
        _ => None,
    }
}

/// Each once: IPv4's first, and last what is of one link.
fn in_order(mut addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let is_of_one_link = |at: &SocketAddr| matches!(at.ip(), IpAddr::V6(at) if at.is_unicast_link_local());
    addresses.sort_by_key(|at| (is_of_one_link(at), *at));
    addresses.dedup();
    addresses
}

/// A name with its labels apart. What would do harm on a terminal is left out.
fn text(name: DomainName<'_>) -> String {
    let labels: Vec<_> = name.labels().map(String::from_utf8_lossy).collect();
    labels.join(".").chars().filter(char::is_ascii_graphic).collect()
}

/// The services of a TXT record: `chat=5000` and so on, each behind its length.
fn entries(mut data: &[u8]) -> Vec<(String, u16)> {
    let mut services = Vec::new();
    while let [length, rest @ ..] = data {
        let Some((entry, rest)) = rest.split_at_checked(usize::from(*length)) else {
            break;
        };
        data = rest;
        let service = std::str::from_utf8(entry)
            .ok()
            .and_then(|entry| entry.split_once('='));
        let service = service.and_then(|(service, port)| Some((service, port.parse().ok()?)));
        if let Some((service, port)) = service.filter(|(name, _)| name.bytes().all(|b| b.is_ascii_graphic()))
        {
            services.push((service.to_owned(), port));
        }
    }
    services
}
