//! The addresses at which R2 listens, and those at which others reach it.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use nix::ifaddrs::getifaddrs;
use nix::net::if_::InterfaceFlags;

/// The addresses of `listen`, each once; those that an unspecified one means already are left out.
pub(super) fn distinct(listen: &[SocketAddr]) -> Vec<SocketAddr> {
    let mut distinct: Vec<SocketAddr> = Vec::new();
    for at in listen {
        let is_meant = |other: &SocketAddr| other.ip().is_unspecified() && other.is_ipv4() == at.is_ipv4();
        let is_covered = !at.ip().is_unspecified() && listen.iter().any(is_meant);
        if !is_covered && !distinct.contains(at) {
            distinct.push(*at);
        }
    }
    distinct
}

/// The addresses of `listen`, for a sentence.
pub(super) fn list(listen: &[SocketAddr]) -> String {
    let listen: Vec<_> = listen.iter().map(|at| at.ip().to_string()).collect();
    listen.join(" and ")
}

/// The addresses that reach a socket at one of `listen`: for an unspecified one, all that this machine has now. First come
/// those that other machines use.
pub(super) fn reached_at(listen: &[SocketAddr]) -> Vec<IpAddr> {
    let mut reached = Vec::new();
    for at in listen.iter().map(SocketAddr::ip) {
        if at.is_unspecified() {
            reached.extend(own_addresses().filter(|own| own.is_ipv4() == at.is_ipv4()));
        } else {
            reached.push(at);
        }
    }
    // `sort_by_key` keeps the order of those that are alike.
    reached.sort_by_key(|at| (at.is_loopback(), is_of_one_link(*at)));
    reached
}

/// The addresses of the interfaces that are up.
fn own_addresses() -> impl Iterator<Item = IpAddr> {
    let interfaces = getifaddrs().into_iter().flatten();
    interfaces.filter_map(|interface| {
        let storage = interface.address?;
        let v4 = storage.as_sockaddr_in().map(|at| IpAddr::from(at.ip()));
        let address = v4.or_else(|| storage.as_sockaddr_in6().map(|at| IpAddr::from(at.ip())))?;
        interface
            .flags
            .contains(InterfaceFlags::IFF_UP)
            .then_some(address)
    })
}

/// Whether the address means something on one link alone (RFC 4291, section 2.5.6).
pub(super) fn is_of_one_link(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(address) if Ipv6Addr::is_unicast_link_local(&address))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listen(addresses: &[&str]) -> Vec<SocketAddr> {
        addresses
            .iter()
            .map(|at| SocketAddr::new(at.parse().unwrap(), 0))
            .collect()
    }

    #[test]
    fn an_address_is_listened_at_once() {
        for (given, kept) in [
            (&["127.0.0.1", "127.0.0.1"][..], &["127.0.0.1"][..]),
            (&["127.0.0.1", "0.0.0.0", "::1"], &["0.0.0.0", "::1"]),
            (&["::", "10.0.0.1", "fd00::1", "::"], &["::", "10.0.0.1"]),
            (&["0.0.0.0", "::"], &["0.0.0.0", "::"]),
        ] {
            assert_eq!(distinct(&listen(given)), listen(kept));
        }
    }

    #[test]
    fn what_others_use_comes_before_loopback() {
        let reached = reached_at(&listen(&["127.0.0.1", "fe80::1", "10.0.0.1", "::1"]));
        let order = ["10.0.0.1", "fe80::1", "127.0.0.1", "::1"];
        assert_eq!(reached, order.map(|at| at.parse::<IpAddr>().unwrap()));
        assert!(reached_at(&listen(&["0.0.0.0"])).contains(&IpAddr::from([127, 0, 0, 1])));
    }
}
