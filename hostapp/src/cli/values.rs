//! What is written on a command line: addresses, networks, names.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs};
use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use r2_core::limits::NICK_MAX;
use r2_core::name::Name;
use r2_links::stdio::is_standard_output;
use smoltcp::wire::{IpCidr, Ipv4Cidr, Ipv6Cidr};

use crate::host::is_ipv6;
use crate::serve::{Ipv4Choice, LinkChoice};
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
pub(crate) fn is_interface_name(name: &str) -> bool {
    (1..=15).contains(&name.len())
        && !matches!(name, "." | "..")
        && name
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'/' | b':' | b'%'))
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

/// R2's IPv4 address, or who gives it one.
pub(super) fn ipv4_choice(text: &str) -> Result<Ipv4Choice, String> {
    if text == "dhcp" {
        return Ok(Ipv4Choice::Dhcp);
    }
    host_v4(text)
        .map(Ipv4Choice::Given)
        .map_err(|wrong| format!("{wrong}, or dhcp"))
}

/// A label of the DNS (RFC 1123, section 2.1).
pub(super) fn hostname(text: &str) -> Result<String, &'static str> {
    let fits = (1..=63).contains(&text.len());
    let clean = text
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if fits && clean && !text.starts_with('-') && !text.ends_with('-') {
        Ok(text.to_owned())
    } else {
        Err("a host name has 1 to 63 of A-Z a-z 0-9 - and a dash neither first nor last")
    }
}

pub(super) fn host_v6(text: &str) -> Result<Ipv6Cidr, &'static str> {
    let cidr: Ipv6Cidr = text.parse().map_err(|()| "ADDRESS/LENGTH, as in fd00::1/64")?;
    let address = cidr.address();
    if address.is_unspecified() || address.is_multicast() || address.is_loopback() {
        return Err("no address of a single host");
    }
    Ok(cidr)
}

/// An address of this machine, or all of a family; with the interface behind `%` where it is of one link alone. Its port
/// is 0.
pub(super) fn listen_address(text: &str) -> Result<SocketAddr, &'static str> {
    const WRONG: &str = "an address of this machine, as in 192.168.1.20, or 0.0.0.0 or :: for all of them";
    let address = match text.parse::<IpAddr>() {
        Ok(address) => SocketAddr::new(address.to_canonical(), 0),
        Err(_) if is_ipv6(text) => (text, 0)
            .to_socket_addrs()
            .ok()
            .and_then(|mut found| found.next())
            .ok_or("this machine has no such interface")?,
        Err(_) => return Err(WRONG),
    };
    let is_group = address.ip().is_multicast() || address.ip() == IpAddr::V4(Ipv4Addr::BROADCAST);
    if is_group { Err(WRONG) } else { Ok(address) }
}

/// Where somebody may wait for a call.
pub(super) fn callee(text: &str) -> Result<SocketAddr, &'static str> {
    let callee: Option<SocketAddr> = text.parse().ok();
    callee
        .filter(|callee| callee.port() != 0)
        .ok_or("IP:PORT with a port from 1 on, as in 192.168.69.100:4000")
}

/// A file for frames, beside the text about them.
pub(super) fn pcap_file(text: &str) -> Result<PathBuf, &'static str> {
    let path = PathBuf::from(text);
    if is_standard_output(&path) {
        return Err("the text goes to standard output: name a file for the frames");
    }
    Ok(path)
}

/// A number of bytes, or of the powers of 1024 that K, M, G and T stand for.
pub(super) fn bytes(text: &str) -> Result<u64, &'static str> {
    const BYTES: &str =
        "a number of bytes, or of KiB, MiB, GiB or TiB with K, M, G or T behind it, as in 10M";
    let digits = text.trim_end_matches(|last: char| last.is_ascii_alphabetic());
    let power = match &text[digits.len()..] {
        "" => 0,
        "K" | "k" => 10,
        "M" | "m" => 20,
        "G" | "g" => 30,
        "T" | "t" => 40,
        _ => return Err(BYTES),
    };
    let number: u64 = digits.parse().map_err(|_| BYTES)?;
    number
        .checked_mul(1 << power)
        .ok_or("there is no file as large as that")
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
