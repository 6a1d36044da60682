//! [`Host`]: where a client finds R2.

use std::fmt;
use std::io;
use std::net::{Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::str::FromStr;

use crate::cli::is_interface_name;
use crate::lookup;

/// Where R2 is, as the user said it: an address or a name, perhaps with a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    name: String,
    port: Option<u16>,
}

impl Host {
    /// The addresses to connect to, in this order, for the service whose port is `default`. A name is looked up; one of
    /// the link that the system does not know is asked for by multicast DNS, for 3 s at most.
    pub fn service(&self, default: u16) -> io::Result<Vec<SocketAddr>> {
        let port = self.port.unwrap_or(default);
        match (self.name.as_str(), port).to_socket_addrs() {
            Ok(found) => Ok(found.collect()),
            // The system knows no names of the link without a daemon and a module of its resolver.
            Err(_) if is_of_the_link(&self.name) => lookup::resolve(&self.name, port),
            Err(error) => Err(error),
        }
    }
}

impl FromStr for Host {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, port) = match text.strip_prefix('[').and_then(|text| text.split_once(']')) {
            Some((address, port)) if is_ipv6(address) => (address, port.strip_prefix(':').or(no_port(port)?)),
            Some(_) => return Err(HOST),
            None if is_ipv6(text) => (text, None),
            None => match text.split_once(':') {
                Some((name, port)) => (name, Some(port)),
                None => (text, None),
            },
        };
        let is_name = (1..=253).contains(&name.len())
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
        if !is_name && !is_ipv6(name) {
            return Err(HOST);
        }
        let port = match port.map(str::parse) {
            None => None,
            Some(Ok(0) | Err(_)) => return Err("a port is a number from 1 to 65535"),
            Some(Ok(port)) => Some(port),
        };
        Ok(Self {
            name: name.to_owned(),
            port,
        })
    }
}

const HOST: &str =
    "ADDRESS or NAME, with or without :PORT, as in 192.168.69.1, r2.local:5010 or [fd00::1]:5010";

/// Whether `name` ends in `.local` (RFC 6762, section 3).
fn is_of_the_link(name: &str) -> bool {
    let last = name.trim_end_matches('.').rsplit('.').next();
    last.is_some_and(|last| last.eq_ignore_ascii_case("local"))
}

/// Whether `text` is an IPv6 address, perhaps with the interface behind `%` that it is on.
pub(crate) fn is_ipv6(text: &str) -> bool {
    let (address, zone) = text.split_once('%').unwrap_or((text, "0"));
    address.parse::<Ipv6Addr>().is_ok() && is_interface_name(zone)
}

/// Nothing behind an address in brackets is no port; anything else is a mistake.
fn no_port(text: &str) -> Result<Option<&str>, &'static str> {
    if text.is_empty() || text.starts_with(':') {
        Ok(None)
    } else {
        Err(HOST)
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) if is_ipv6(&self.name) => write!(f, "[{}]:{port}", self.name),
            Some(port) => write!(f, "{}:{port}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_an_address_or_a_name_perhaps_with_a_port() {
        let service = |text: &str| {
            let host: Host = text.parse().unwrap();
            host.service(5010).unwrap()[0].to_string()
        };
        assert_eq!(service("192.168.69.1"), "192.168.69.1:5010");
        assert_eq!(service("192.168.69.1:6000"), "192.168.69.1:6000");
        assert_eq!(service("fd00::1"), "[fd00::1]:5010");
        assert_eq!(service("[fd00::1]"), "[fd00::1]:5010");
        assert_eq!(service("[fd00::1]:6000"), "[fd00::1]:6000");
        assert_eq!(service("fe80::1%2"), "[fe80::1%2]:5010");
        for (text, name, port) in [
            ("localhost", "localhost", None),
            ("localhost:5030", "localhost", Some(5030)),
            ("r2.local:65535", "r2.local", Some(65535)),
            ("fe80::1%tap0", "fe80::1%tap0", None),
            ("[fe80::1%tap0]:80", "fe80::1%tap0", Some(80)),
        ] {
            let host: Host = text.parse().unwrap();
            assert_eq!((host.name.as_str(), host.port), (name, port));
            assert_eq!(host.to_string(), text);
        }
    }
}
