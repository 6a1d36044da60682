//! How to serve.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use smoltcp::wire::{IpCidr, Ipv4Address, Ipv4Cidr, Ipv6Cidr};

/// How to serve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// What carries the frames.
    pub link: LinkChoice,
    /// On the local link: where R2 listens, each with port 0; 127.0.0.1 where nothing was chosen.
    pub listen: Vec<SocketAddr>,
    /// Where R2's IPv4 address comes from; `None` where nothing was chosen. See [`ipv4`](Self::ipv4).
    pub ip: Option<Ipv4Choice>,
    /// R2's name in the network, without `.local`; a DHCP server hears it, too.
    pub hostname: String,
    /// R2's IPv6 address and its network, beside the link-local one.
    pub ip6: Option<Ipv6Cidr>,
    /// The router to what lies beyond that network.
    pub gateway: Option<IpAddr>,
    /// The folder of files.
    pub store: PathBuf,
    /// R2's name in the chat.
    pub name: String,
    /// The name of the first peer in the chat.
    pub peer_name: String,
    /// Where somebody waits for a call.
    pub call: Option<SocketAddr>,
    /// The file for every frame.
    pub pcap: Option<PathBuf>,
    /// Connections of each service with small buffers.
    pub sessions: u16,
    /// The networks whose peers are served; none for all.
    pub allow: Vec<IpCidr>,
    /// The names of the services that are served when they are asked for.
    pub with: Vec<String>,
    /// The largest file to store, in bytes.
    pub max_file: Option<u64>,
    /// The most bytes to store.
    pub max_store: Option<u64>,
}

/// What carries the frames.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkChoice {
    /// The TAP interface tap0 where it is to be had, and this host's own ports where it is not.
    Auto,
    /// No privileges at all, every port on this host.
    Local,
    /// A TAP interface of that name.
    Tap(String),
}

/// Where R2's IPv4 address comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ipv4Choice {
    /// A DHCP server, or, where none answers, nobody: it is link-local then.
    Dhcp,
    /// The user: this address in this network.
    Given(Ipv4Cidr),
}

impl Options {
    /// The lab's R2, on this host's own ports, with its files in `store`.
    pub fn local(store: impl Into<PathBuf>) -> Self {
        Self {
            link: LinkChoice::Local,
            listen: Vec::new(),
            ip: None,
            hostname: "r2".into(),
            ip6: None,
            gateway: None,
            store: store.into(),
            name: "R2".into(),
            peer_name: "KALI".into(),
            call: None,
            pcap: None,
            sessions: 256,
            allow: Vec::new(),
            with: Vec::new(),
            max_file: None,
            max_store: None,
        }
    }

    /// R2's IPv4 address and its network: the lab's where nothing was chosen, `None` where R2 finds it by itself.
    pub fn ipv4(&self) -> Option<Ipv4Cidr> {
        const LAB: Ipv4Cidr = Ipv4Cidr::new(Ipv4Address::new(192, 168, 69, 1), 24);
        match self.ip {
            None => Some(LAB),
            Some(Ipv4Choice::Given(cidr)) => Some(cidr),
            Some(Ipv4Choice::Dhcp) => None,
        }
    }
}
