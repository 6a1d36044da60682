//! What R2 says of itself: its name and addresses, and that it is an R2, with these ports (RFC 6763).

use core::fmt::Write;
use core::net::IpAddr;

use super::wire::{A, AAAA, ANY, DnsMessage, DnsQuestion, DnsRecord, DnsWriter, DomainName, LABEL_MAX, NSEC};
use super::wire::{PTR, SRV, Section, TXT, Written};

/// How many addresses of a machine are told.
pub const ADDRESSES_MAX: usize = 8;

/// For how many seconds records are good that hold as long as the machine is where it is, and all others (RFC 6762,
/// section 10).
const OF_THE_MACHINE: u32 = 120;
const OF_THE_SERVICE: u32 = 4500;

/// For how many seconds an answer is good at most to who knows no multicast DNS (section 6.7).
const LEGACY_TTL_MAX: u32 = 10;

/// The kind of service that R2 is.
pub(super) const SERVICE: [&[u8]; 3] = [b"_r2", b"_tcp", LOCAL];
/// Where machines are asked for all the kinds of services that they have (RFC 6763, section 9).
const TYPES: [&[u8]; 4] = [b"_services", b"_dns-sd", b"_udp", LOCAL];
const LOCAL: &[u8] = b"local";

/// The kinds of records that R2 has.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Own {
    V4,
    V6,
    /// That the machine has no records of other types than these (RFC 6762, section 6.1).
    Nsec,
    Txt,
    Srv,
    Service,
    Types,
}

impl Own {
    pub(super) const ALL: [Self; 7] = [
        Self::V4,
        Self::V6,
        Self::Nsec,
        Self::Txt,
        Self::Srv,
        Self::Service,
        Self::Types,
    ];

    /// Whether R2 alone may have a record of that name and type.
    const fn is_unique(self) -> bool {
        !matches!(self, Self::Service | Self::Types)
    }

    const fn ttl(self) -> u32 {
        match self {
            Self::V4 | Self::V6 | Self::Nsec | Self::Srv => OF_THE_MACHINE,
            Self::Txt | Self::Service | Self::Types => OF_THE_SERVICE,
        }
    }
}

/// Some of R2's records.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Set(u8);

impl Set {
    pub(super) const NONE: Self = Self(0);
    /// What tells everything. That there is nothing else is told who asks for it.
    pub(super) const ANNOUNCED: Self =
        Self::of(&[Own::V4, Own::V6, Own::Txt, Own::Srv, Own::Service, Own::Types]);
    /// What R2 asks for before it says that it is its own.
    pub(super) const PROBED: Self = Self::of(&[Own::V4, Own::V6, Own::Txt, Own::Srv]);

    pub(super) const fn of(records: &[Own]) -> Self {
        match records {
            [] => Self::NONE,
            [first, rest @ ..] => Self(1 << *first as u8 | Self::of(rest).0),
        }
    }

    pub(super) const fn has(self, own: Own) -> bool {
        self.0 & (1 << own as u8) != 0
    }

    pub(super) const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(super) const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    pub(super) const fn both(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    pub(super) fn each(self) -> impl Iterator<Item = Own> {
        Own::ALL.into_iter().filter(move |own| self.has(*own))
    }

    /// Those for which `which` says so.
    pub(super) fn filter(self, which: impl Fn(Own) -> bool) -> Self {
        self.each()
            .filter(|own| which(*own))
            .fold(Self::NONE, |set, own| set.with(Self::of(&[own])))
    }

    /// Whether others may have such records as well.
    pub(super) fn is_shared(self) -> bool {
        self.each().any(|own| !own.is_unique())
    }

    /// What who asks for these will ask for next (RFC 6763, section 12).
    pub(super) fn beside(self) -> Self {
        let has = |own: &[Own]| self.both(Self::of(own)) != Self::NONE;
        let mut beside = Self::NONE;
        if has(&[Own::Service]) {
            beside = beside.with(Self::of(&[Own::Srv, Own::Txt]));
        }
        if has(&[Own::Service, Own::Srv, Own::V4, Own::V6]) {
            beside = beside.with(Self::of(&[Own::V4, Own::V6]));
        }
        beside.without(self)
    }
}

/// How records leave.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Manner {
    /// As they are.
    Good,
    /// They are no longer good (RFC 6762, section 10.1).
    Goodbye,
    /// For who knows no multicast DNS.
    Legacy,
}

/// The records, as far as they differ from one R2 to the other.
pub(super) struct Records<'a> {
    /// The first label of its names.
    pub(super) label: heapless::String<{ LABEL_MAX as usize }>,
    /// Its services and their ports.
    pub(super) ports: &'a [(&'a str, u16)],
    pub(super) addresses: heapless::Vec<IpAddr, ADDRESSES_MAX>,
}

impl Records<'_> {
    /// `r2.local`.
    pub(super) fn host(&self) -> [&[u8]; 2] {
        [self.label.as_bytes(), LOCAL]
    }

    /// `r2._r2._tcp.local`.
    pub(super) fn instance(&self) -> [&[u8]; 4] {
        let [service, tcp, local] = SERVICE;
        [self.label.as_bytes(), service, tcp, local]
    }

    /// Whether nobody else may have that name.
    pub(super) fn is_mine(&self, name: DomainName<'_>) -> bool {
        name.is(self.host()) || name.is(self.instance())
    }

    /// Which record that is, if it is of a name and a type that R2 has.
    pub(super) fn which(&self, record: &DnsRecord<'_>) -> Option<Own> {
        let name = record.name;
        let own = match record.kind {
            A if name.is(self.host()) => Own::V4,
            AAAA if name.is(self.host()) => Own::V6,
            NSEC if name.is(self.host()) => Own::Nsec,
            TXT if name.is(self.instance()) => Own::Txt,
            SRV if name.is(self.instance()) => Own::Srv,
            PTR if name.is(SERVICE) => Own::Service,
            PTR if name.is(TYPES) => Own::Types,
            _ => return None,
        };
        Some(own)
    }

    /// What answers `question`.
    pub(super) fn answers(&self, question: &DnsQuestion<'_>) -> Set {
        let is_for = |kind: u16| question.kind == kind || question.kind == ANY;
        let some = |kinds: &[(u16, Own)]| {
            let of = |set: Set, (kind, own): &(u16, Own)| {
                if is_for(*kind) {
                    set.with(Set::of(&[*own]))
                } else {
                    set
                }
            };
            kinds.iter().fold(Set::NONE, of)
        };
        if question.name.is(self.host()) {
            let found = some(&[(A, Own::V4), (AAAA, Own::V6)]).filter(|own| self.is_there(own));
            return if found == Set::NONE {
                Set::of(&[Own::Nsec])
            } else {
                found
            };
        }
        if question.name.is(self.instance()) {
            return some(&[(TXT, Own::Txt), (SRV, Own::Srv)]);
        }
        if question.name.is(SERVICE) {
            return some(&[(PTR, Own::Service)]);
        }
        if question.name.is(TYPES) {
            some(&[(PTR, Own::Types)])
        } else {
            Set::NONE
        }
    }

    /// Whether there is anything of that kind.
    fn is_there(&self, own: Own) -> bool {
        match own {
            Own::V4 => self.addresses.iter().any(IpAddr::is_ipv4),
            Own::V6 => self.addresses.iter().any(IpAddr::is_ipv6),
            _ => true,
        }
    }

    /// Writes the records of `set` into a section.
    pub(super) fn write(&self, set: Set, section: Section, manner: Manner, to: &mut DnsWriter<'_>) {
        for own in set.each() {
            let how = Written {
                section,
                // A probe says nothing yet, and who knows no multicast DNS takes the bit for a part of the class.
                unique: own.is_unique() && manner != Manner::Legacy && section != Section::Authority,
                ttl: match manner {
                    Manner::Good => own.ttl(),
                    Manner::Goodbye => 0,
                    Manner::Legacy => own.ttl().min(LEGACY_TTL_MAX),
                },
            };
            self.write_one(own, how, to);
        }
    }

    fn write_one(&self, own: Own, how: Written, to: &mut DnsWriter<'_>) {
        match own {
            Own::V4 | Own::V6 => self.write_addresses(own, how, to),
            Own::Nsec => to.record(self.host(), NSEC, how, |to| {
                to.name(self.host());
                to.bytes(&self.types());
            }),
            Own::Txt => to.record(self.instance(), TXT, how, |to| self.write_ports(to)),
            Own::Srv => to.record(self.instance(), SRV, how, |to| {
                // The first service stands for all of them: neither priority nor weight.
                let port = self.ports.first().map_or(0, |(_, port)| *port);
                for short in [0, 0, port] {
                    to.short(short);
                }
                to.name(self.host());
            }),
            Own::Service => to.record(SERVICE, PTR, how, |to| to.name(self.instance())),
            Own::Types => to.record(TYPES, PTR, how, |to| to.name(SERVICE)),
        }
    }

    fn write_addresses(&self, own: Own, how: Written, to: &mut DnsWriter<'_>) {
        for address in &self.addresses {
            match (own, address) {
                (Own::V4, IpAddr::V4(v4)) => to.record(self.host(), A, how, |to| to.bytes(&v4.octets())),
                (Own::V6, IpAddr::V6(v6)) => to.record(self.host(), AAAA, how, |to| to.bytes(&v6.octets())),
                _ => {}
            }
        }
    }

    /// The types of the machine's records, a bit each (RFC 4034, section 4.1.2): the block, its length, its bits.
    fn types(&self) -> [u8; 6] {
        let bit = |own, bit| if self.is_there(own) { bit } else { 0 };
        [0, 4, bit(Own::V4, 0x40), 0, 0, bit(Own::V6, 0x08)]
    }

    /// `chat=5000` and so on, each behind its length (RFC 6763, section 6).
    fn write_ports(&self, to: &mut DnsWriter<'_>) {
        if self.ports.is_empty() {
            to.bytes(&[0]);
        }
        for (service, port) in self.ports {
            // Five digits and the sign have room beside every name of a service.
            let mut text = heapless::String::<{ LABEL_MAX as usize }>::new();
            if write!(text, "{service}={port}").is_ok() {
                to.bytes(&[u8::try_from(text.len()).unwrap_or(LABEL_MAX)]);
                to.bytes(text.as_bytes());
            }
        }
    }
}

/// All the records that R2 probes for, announces, and knows again.
pub(super) fn own_message<'r>(records: &Records<'_>, room: &'r mut [u8]) -> Option<DnsMessage<'r>> {
    let mut own = DnsWriter::new(room);
    let all = Set::ANNOUNCED.with(Set::of(&[Own::Nsec]));
    records.write(all, Section::Answer, Manner::Good, &mut own);
    let length = own.finish(0, true)?;
    DnsMessage::parse(room.get(..length)?)
}
