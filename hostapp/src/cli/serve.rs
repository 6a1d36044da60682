//! `hostapp serve`.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use clap::Args;
use smoltcp::wire::{IpCidr, Ipv6Cidr};

use super::values::{
    bytes, callee, host_v6, hostname, ipv4_choice, link_choice, listen_address, network, nick, own_services,
};
use crate::serve::{Ipv4Choice, LinkChoice, Options};

/// How to serve.
#[derive(Clone, Debug, Args)]
pub struct Serve {
    /// The wire: `tap:NAME`, `local`, or `auto` for tap0.
    #[arg(long, default_value = "auto", value_name = "auto|local|tap:NAME", value_parser = link_choice)]
    pub link: LinkChoice,

    /// On the local link: an address of this machine at which R2 listens [default: 127.0.0.1]; 0.0.0.0 is all of IPv4, :: all
    /// of IPv6. May be repeated.
    #[arg(long, value_name = "ADDR", value_parser = listen_address)]
    pub listen: Vec<SocketAddr>,

    /// R2's IPv4 address and its network, 192.168.69.1/24 where none is given; or dhcp, and R2 asks the network's server for
    /// one, and takes one of 169.254.0.0/16 as long as none answers.
    #[arg(long, value_name = "dhcp|ADDR/LEN", value_parser = ipv4_choice)]
    pub ip: Option<Ipv4Choice>,

    /// R2's name in the network of its TAP: r2 is found as r2.local, or as r2-2.local and so on where another machine has that
    /// name. With --ip dhcp the server hears it, too.
    #[arg(long, default_value = "r2", value_name = "NAME", value_parser = hostname)]
    pub hostname: String,

    /// R2's IPv6 address and its network. On a TAP it has a link-local one in any case.
    #[arg(long, value_name = "ADDR/LEN", value_parser = host_v6)]
    pub ip6: Option<Ipv6Cidr>,

    /// R2's default gateway: the router to all other networks. With --ip dhcp, and without this, the server names it.
    #[arg(long, value_name = "IP")]
    pub gateway: Option<IpAddr>,

    /// The folder in which R2 keeps its files.
    #[arg(long, default_value = "r2-store", value_name = "DIR")]
    pub store: PathBuf,

    /// R2's name in the chat.
    #[arg(long, default_value = "R2", value_parser = nick)]
    pub name: String,

    /// The name of the first peer in the chat; the next ones are NAME-2, NAME-3, ….
    #[arg(long, default_value = "KALI", value_name = "NAME", value_parser = nick)]
    pub peer_name: String,

    /// Bring the `nc -l -p PORT` that waits at this address into the chat.
    #[arg(long, value_name = "IP:PORT", value_parser = callee)]
    pub call: Option<SocketAddr>,

    /// Write every frame into a pcap file; with `-` to standard output, and the chat goes to standard error.
    #[arg(long, value_name = "FILE")]
    pub pcap: Option<PathBuf>,

    /// Most simultaneous connections of each service with small buffers (chat, secret, status, echo); further ones wait.
    #[arg(long, default_value_t = 256, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=10_000))]
    pub sessions: u16,

    /// Serve only peers of this network. May be repeated.
    #[arg(long, value_name = "CIDR", value_parser = network)]
    pub allow: Vec<IpCidr>,

    /// Serve this service too, beside R2's own. May be repeated.
    #[arg(long, value_name = "SERVICE", value_parser = own_services())]
    pub with: Vec<String>,

    /// The largest file to store, in bytes, or with K, M or G as in 10M.
    #[arg(long, value_name = "BYTES", value_parser = bytes)]
    pub max_file: Option<u64>,

    /// The most bytes to store, or with K, M or G as in 10G.
    #[arg(long, value_name = "BYTES", value_parser = bytes)]
    pub max_store: Option<u64>,
}

impl From<Serve> for Options {
    fn from(serve: Serve) -> Self {
        Self {
            link: serve.link,
            listen: serve.listen,
            ip: serve.ip,
            hostname: serve.hostname,
            ip6: serve.ip6,
            gateway: serve.gateway,
            store: serve.store,
            name: serve.name,
            peer_name: serve.peer_name,
            call: serve.call,
            pcap: serve.pcap,
            sessions: serve.sessions,
            allow: serve.allow,
            with: serve.with,
            max_file: serve.max_file,
            max_store: serve.max_store,
        }
    }
}
