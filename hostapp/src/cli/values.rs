//! What is written on a command line: addresses, networks, names.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::str::FromStr;

use clap::builder::PossibleValuesParser;
use r2_core::limits::NICK_MAX;
use r2_core::name::Name;
use smoltcp::wire::{IpCidr, Ipv4Cidr, Ipv6Cidr};

use crate::serve::LinkChoice;
use crate::services::OWN;

/// The wire that R2 is on.
pub(super) fn link_choice(text: &str) -> Result<LinkChoice, &'static str> {
    match text {
        "auto" => Ok(LinkChoice::Auto),
        "local" => Ok(LinkChoice::Local),
        _ => match text.strip_prefix("tap:") {
            Some(name) if is_interface_name(name) => Ok(LinkChoice::Tap(name.to_owned())),
            Some(_) => Err("an interface's name has 1 to 15 characters, no space and no slash"),
            None => Err("one of auto, local, tap:NAME"),
        },
    }
}

/// What Linux takes as the name of an interface.
fn is_interface_name(name: &str) -> bool {
    (1..=15).contains(&name.len())
        && !matches!(name, "." | "..")
        && name
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'/' | b':' | b'%'))
}

/// Where R2 is, as the user said it: an address, perhaps with a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Host {
    address: IpAddr,
    port: Option<u16>,
}

impl Host {
    /// The address to connect to for the service whose port is `default`.
    pub fn service(self, default: u16) -> SocketAddr {
        SocketAddr::new(self.address, self.port.unwrap_or(default))
    }
}

impl FromStr for Host {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Ok(with_port) = text.parse::<SocketAddr>() {
            return Ok(Self {
                address: with_port.ip(),
                port: Some(with_port.port()),
            });
        }
        let bare = text
            .strip_prefix('[')
            .and_then(|text| text.strip_suffix(']'))
            .unwrap_or(text);
        // `localhost` is no address, but everybody's name for one.
        let address = if bare == "localhost" {
            Ok(IpAddr::from(Ipv4Addr::LOCALHOST))
        } else {
            bare.parse()
        };
        match address {
            Ok(address) => Ok(Self { address, port: None }),
            Err(_) => Err("ADDRESS or ADDRESS:PORT, as in 192.168.69.1 or [fd00::1]:5010"),
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) => SocketAddr::new(self.address, port).fmt(f),
            None => self.address.fmt(f),
        }
    }
}

pub(super) fn nick(text: &str) -> Result<String, String> {
    let fits = (1..=NICK_MAX).contains(&text.len());
    let clean = text
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
    if fits && clean {
        Ok(text.to_owned())
    } else {
        Err(format!("a name has 1 to {NICK_MAX} of A-Z a-z 0-9 _ -"))
    }
}

pub(super) fn file_name(text: &str) -> Result<Name, &'static str> {
    Name::parse(text).ok_or("a file's name has 1 to 64 of A-Z a-z 0-9 . _ - and does not begin with a dot")
}

/// A name that a peer may give a file.
pub(crate) fn upload_name(text: &str) -> Result<Name, &'static str> {
    let name = file_name(text)?;
    if name.is_reserved() {
        return Err("R2 alone gives the names drop-*, *.partial and *.unconfirmed");
    }
    Ok(name)
}

const CIDR: &str = "ADDRESS/LENGTH, as in 192.168.69.1/24";

pub(super) fn host_v4(text: &str) -> Result<Ipv4Cidr, &'static str> {
    let cidr: Ipv4Cidr = text.parse().map_err(|()| CIDR)?;
    let address = cidr.address();
    let first_or_last =
        cidr.prefix_len() < 31 && (address == cidr.network().address() || Some(address) == cidr.broadcast());
    if address.is_unspecified() || address.is_multicast() || address.is_loopback() || first_or_last {
        return Err("no address of a single host in its network");
    }
    Ok(cidr)
}

pub(super) fn host_v6(text: &str) -> Result<Ipv6Cidr, &'static str> {
    let cidr: Ipv6Cidr = text.parse().map_err(|()| "ADDRESS/LENGTH, as in fd00::1/64")?;
    let address = cidr.address();
    if address.is_unspecified() || address.is_multicast() || address.is_loopback() {
        return Err("no address of a single host");
    }
    Ok(cidr)
}

/// Where somebody may wait for a call.
pub(super) fn callee(text: &str) -> Result<SocketAddr, &'static str> {
    let callee: Option<SocketAddr> = text.parse().ok();
    callee
        .filter(|callee| callee.port() != 0)
        .ok_or("IP:PORT with a port from 1 on, as in 192.168.69.100:4000")
}

/// The names of the services that are served when they are asked for.
pub(super) fn own_services() -> PossibleValuesParser {
    OWN.iter().map(|own| own.spec.name).into()
}

/// A network, or a single address.
pub(super) fn network(text: &str) -> Result<IpCidr, &'static str> {
    if let Ok(address) = text.parse::<IpAddr>() {
        let length = if address.is_ipv4() { 32 } else { 128 };
        return Ok(IpCidr::new(address.into(), length));
    }
    text.parse().map_err(|()| CIDR)
}
