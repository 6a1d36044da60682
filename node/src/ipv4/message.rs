//! The messages of DHCP (RFC 2131, section 2) and their options (RFC 2132).

use smoltcp::wire::{EthernetAddress, IpAddress, Ipv4Address, Ipv4Cidr};

/// Bytes of a message that is sent: the fixed part, and its options with the longest host name.
pub(crate) const MESSAGE: usize = FIXED + 4 + 108;

/// Bytes before the cookie: the fixed part of BOOTP (RFC 951).
const FIXED: usize = 236;

/// Where the names of server and file stand in it, between hardware address and cookie.
const NAMES: usize = 10 + 64 + 128;

/// The longest host name: a label of the DNS (RFC 1035, section 2.3.4).
const HOST_NAME_MAX: usize = 63;

const REQUEST: u8 = 1;
const REPLY: u8 = 2;
/// Ethernet, and the length of its addresses.
const ETHERNET: [u8; 2] = [1, 6];
const COOKIE: [u8; 4] = [99, 130, 83, 99];

const PAD: u8 = 0;
const MASK: u8 = 1;
const ROUTER: u8 = 3;
const HOST_NAME: u8 = 12;
const REQUESTED: u8 = 50;
const LEASE: u8 = 51;
const KIND: u8 = 53;
const SERVER: u8 = 54;
const WANTED: u8 = 55;
const LONGEST: u8 = 57;
const T1: u8 = 58;
const T2: u8 = 59;
const CLIENT: u8 = 61;
const END: u8 = 255;

/// The server's port.
pub(crate) const SERVER_PORT: u16 = 67;

/// The client's port.
pub(crate) const CLIENT_PORT: u16 = 68;

/// Whether a UDP datagram, from its header on, is a server's for a client.
pub(crate) fn is_answer(datagram: &[u8]) -> bool {
    datagram.starts_with(&SERVER_PORT.to_be_bytes()) && datagram.get(2..4) == Some(&CLIENT_PORT.to_be_bytes())
}

/// What a server answers.
#[derive(Clone, Copy)]
pub(super) struct Answer {
    pub(super) transaction: u32,
    /// By which address the server is told from others.
    pub(super) server: Ipv4Address,
    pub(super) kind: Kind,
}

#[derive(Clone, Copy)]
pub(super) enum Kind {
    Offer(Terms),
    Ack(Terms),
    Nak,
}

/// What a server lets the client have.
#[derive(Clone, Copy)]
pub(super) struct Terms {
    pub(super) cidr: Ipv4Cidr,
    pub(super) router: Option<Ipv4Address>,
    pub(super) seconds: u32,
    pub(super) t1_t2: [Option<u32>; 2],
}

/// The options that a client looks at.
#[derive(Default)]
struct Options {
    kind: Option<u8>,
    server: Option<Ipv4Address>,
    mask: Option<Ipv4Address>,
    /// The first of the routers.
    router: Option<Ipv4Address>,
    lease: Option<u32>,
    t1_t2: [Option<u32>; 2],
}

impl Answer {
    /// Reads an answer to the machine at `mac`. `None` where it is none, where it is for another machine, and where its
    /// terms make no sense: a machine at that address would not be in its network, or the router would not.
    pub(super) fn read(bytes: &[u8], mac: EthernetAddress) -> Option<Self> {
        let (fixed, rest) = bytes.split_first_chunk::<FIXED>()?;
        let (cookie, options) = rest.split_first_chunk()?;
        let (&[reply, hardware, length, _], behind) = fixed.split_first_chunk()?;
        let (transaction, behind) = behind.split_first_chunk()?;
        // Seconds, flags and the client's own address.
        let (yours, behind) = behind.get(8..)?.split_first_chunk::<4>()?;
        // The addresses of the next server and of the relay.
        let client = behind.get(8..)?.first_chunk::<6>()?;
        let is_ours = reply == REPLY && [hardware, length] == ETHERNET && *client == mac.0;
        if !is_ours || *cookie != COOKIE {
            return None;
        }
        let options = Options::read(options)?;
        let server = options.server.filter(|server| is_somebodys(*server))?;
        let kind = match options.kind? {
            2 => Kind::Offer(options.terms((*yours).into())?),
            5 => Kind::Ack(options.terms((*yours).into())?),
            6 => Kind::Nak,
            _ => return None,
        };
        Some(Self {
            transaction: u32::from_be_bytes(*transaction),
            server,
            kind,
        })
    }
}

impl Options {
    /// Reads options up to their end; `None` where one is longer than what is there.
    fn read(mut bytes: &[u8]) -> Option<Self> {
        let mut options = Self::default();
        while let [option, rest @ ..] = bytes {
            bytes = rest;
            match *option {
                PAD => continue,
                END => break,
                _ => {}
            }
            let (length, rest) = bytes.split_first()?;
            let (value, rest) = rest.split_at_checked((*length).into())?;
            bytes = rest;
            let four = value.first_chunk::<4>();
            let address = four.map(|bytes| Ipv4Address::from(*bytes));
            let number = four.map(|bytes| u32::from_be_bytes(*bytes));
            let [t1, t2] = &mut options.t1_t2;
            match *option {
                KIND => options.kind = value.first().copied(),
                SERVER => options.server = address,
                MASK => options.mask = address,
                ROUTER => options.router = address,
                LEASE => options.lease = number,
                T1 => *t1 = number,
                T2 => *t2 = number,
                _ => {}
            }
        }
        Some(options)
    }

    /// The terms for `address`, where they make sense.
    fn terms(&self, address: Ipv4Address) -> Option<Terms> {
        let length = IpAddress::Ipv4(self.mask?).prefix_len()?;
        // A network of no machine but this one has no router, and one of half the Internet is nobody's.
        if !(8..=30).contains(&length) || !is_somebodys(address) || address.is_link_local() {
            return None;
        }
        let cidr = Ipv4Cidr::new(address, length);
        let is_machine = |address: Ipv4Address| {
            cidr.contains_addr(&address)
                && address != cidr.network().address()
                && Some(address) != cidr.broadcast()
        };
        let router = self.router.filter(|router| !router.is_unspecified());
        if !is_machine(address) || router.is_some_and(|router| !is_machine(router) || router == address) {
            return None;
        }
        Some(Terms {
            cidr,
            router,
            seconds: self.lease.filter(|seconds| *seconds > 0)?,
            t1_t2: self.t1_t2,
        })
    }
}

/// Whether a machine on a wire can have that address: none of this host, of loopback, of a group, or of class E.
fn is_somebodys(address: Ipv4Address) -> bool {
    matches!(address.octets(), [1..=126 | 128..=223, ..])
}

/// What the client says.
#[derive(Clone, Copy)]
pub(super) enum Said {
    /// Is there a server?
    Discover,
    /// That offer, please.
    Request {
        address: Ipv4Address,
        server: Ipv4Address,
    },
    /// More time, please: of that server, which is there, or of any.
    Renew {
        address: Ipv4Address,
        to: Option<(Ipv4Address, EthernetAddress)>,
    },
    /// Somebody else has that address.
    Decline {
        address: Ipv4Address,
        server: Ipv4Address,
    },
}

/// A message that is to be sent.
#[derive(Clone, Copy)]
pub(crate) struct Outgoing {
    pub(super) transaction: u32,
    pub(super) said: Said,
}

impl Outgoing {
    /// From which address it goes, to which, and to which Ethernet address.
    pub(crate) fn way(&self) -> (Ipv4Address, Ipv4Address, EthernetAddress) {
        let to_all = (Ipv4Address::BROADCAST, EthernetAddress::BROADCAST);
        match self.said {
            Said::Renew { address, to } => {
                let (to, at) = to.unwrap_or(to_all);
                (address, to, at)
            }
            _ => (Ipv4Address::UNSPECIFIED, to_all.0, to_all.1),
        }
    }

    /// Writes the message of the machine at `mac` into `room`, with at most [`HOST_NAME_MAX`] bytes of its name.
    pub(super) fn write<'r>(
        &self,
        mac: EthernetAddress,
        host_name: &str,
        room: &'r mut [u8; MESSAGE],
    ) -> &'r [u8] {
        let (kind, own, requested, server) = match self.said {
            Said::Discover => (1, None, None, None),
            Said::Request { address, server } => (3, None, Some(address), Some(server)),
            Said::Renew { address, .. } => (3, Some(address), None, None),
            Said::Decline { address, server } => (4, None, Some(address), Some(server)),
        };
        let own = own.unwrap_or(Ipv4Address::UNSPECIFIED);
        let host_name = host_name.as_bytes();
        let host_name = host_name.get(..HOST_NAME_MAX).unwrap_or(host_name);
        // Seconds, flags; the client's own address; that which it is given, and those of server and relay.
        let fixed = [REQUEST, ETHERNET[0], ETHERNET[1], 0]
            .into_iter()
            .chain(self.transaction.to_be_bytes())
            .chain([0; 4])
            .chain(own.octets())
            .chain([0; 12])
            .chain(mac.0)
            .chain(core::iter::repeat_n(0, NAMES))
            .chain(COOKIE);
        let address = |option, address: Option<Ipv4Address>| {
            address
                .into_iter()
                .flat_map(move |address| [option, 4].into_iter().chain(address.octets()))
        };
        #[allow(clippy::cast_possible_truncation, reason = "the name was cut")]
        let name_option = (!host_name.is_empty()).then_some([HOST_NAME, host_name.len() as u8]);
        // 576 bytes are what every machine takes.
        let options = [KIND, 1, kind, CLIENT, 7, ETHERNET[0]]
            .into_iter()
            .chain(mac.0)
            .chain(address(REQUESTED, requested))
            .chain(address(SERVER, server))
            .chain([LONGEST, 2, 2, 64, WANTED, 4, MASK, ROUTER, T1, T2])
            .chain(name_option.into_iter().flatten())
            .chain(host_name.iter().copied())
            .chain([END]);
        for (to, from) in room.iter_mut().zip(fixed.chain(options)) {
            *to = from;
        }
        room.as_slice()
    }
}
