//! Messages of the DNS (RFC 1035, section 4), as multicast DNS has them (RFC 6762, section 18).

use core::cmp::Ordering;

use crate::bytes::copy;

/// Bytes before the first question.
pub(super) const HEADER: usize = 12;

// Types of records (RFC 1035, section 3.2.2; RFC 3596; RFC 2782; RFC 4034), and the one of a question for all of them.
/// The type of an IPv4 address.
pub const A: u16 = 1;
pub(super) const PTR: u16 = 12;
/// The type of words about a service.
pub const TXT: u16 = 16;
/// The type of an IPv6 address.
pub const AAAA: u16 = 28;
/// The type of where a service is.
pub const SRV: u16 = 33;
pub(super) const NSEC: u16 = 47;
pub(super) const ANY: u16 = 255;

/// The class of everything, and the bit above it: in a question, that the answer may go to its sender alone; in a record,
/// that it takes the place of all others of its name and type (RFC 6762, sections 5.4 and 10.2).
const INTERNET: u16 = 1;
const ABOVE_CLASS: u16 = 0x8000;

/// Flags of the header: a response, by the machine that owns the names; more known answers follow.
const RESPONSE: u16 = 0x8000;
const AUTHORITATIVE: u16 = 0x0400;
const TRUNCATED: u16 = 0x0200;
/// What is 0 in every message: the kind of question, and the code of an error (sections 18.3 and 18.11).
const OPCODE_AND_ERROR: u16 = 0x780f;

/// Bytes of the longest name (RFC 1035, section 2.3.4).
const NAME_MAX: usize = 255;

/// A message whose header was read. What follows is read as it is asked for, and ends where it makes no sense.
#[derive(Clone, Copy)]
pub struct DnsMessage<'m> {
    bytes: &'m [u8],
    /// The number that an answer to a machine that knows no multicast DNS repeats.
    pub id: u16,
    flags: u16,
    questions: u16,
    /// How many records are in each section: answers, authorities, additional ones.
    records: [u16; 3],
}

/// A question.
#[derive(Clone, Copy)]
pub(super) struct DnsQuestion<'m> {
    pub(super) name: DomainName<'m>,
    pub(super) kind: u16,
    /// The answer may go to its sender alone.
    pub(super) unicast: bool,
    /// Where in the message it ends.
    end: usize,
}

/// The sections of a message in which records are.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Section {
    Answer,
    Authority,
    Additional,
}

/// A record.
#[derive(Clone, Copy)]
pub struct DnsRecord<'m> {
    /// What it is about.
    pub name: DomainName<'m>,
    /// Its type.
    pub kind: u16,
    /// For how many seconds it is good.
    pub ttl: u32,
    /// What it says.
    pub data: &'m [u8],
    pub(super) section: Section,
    message: &'m [u8],
    data_at: usize,
}

impl<'m> DnsMessage<'m> {
    /// Reads the header; `None` where it is none, or one of an error or of another kind of question.
    pub fn parse(bytes: &'m [u8]) -> Option<Self> {
        let short = |at: usize| read_short(bytes, at);
        let (flags, questions) = (short(2)?, short(4)?);
        (flags & OPCODE_AND_ERROR == 0).then_some(())?;
        let records = [short(6)?, short(8)?, short(10)?];
        let id = short(0)?;
        Some(Self {
            bytes,
            id,
            flags,
            questions,
            records,
        })
    }

    /// Whether it answers.
    pub fn is_response(&self) -> bool {
        self.flags & RESPONSE != 0
    }

    pub(super) fn is_truncated(&self) -> bool {
        self.flags & TRUNCATED != 0
    }

    /// The questions, as many as can be read.
    pub(super) fn questions(&self) -> impl Iterator<Item = DnsQuestion<'m>> + use<'m> {
        let (bytes, mut at) = (self.bytes, HEADER);
        let read = move |_| {
            let (name, behind) = read_name(bytes, at)?;
            let (kind, class) = (
                read_short(bytes, behind)?,
                read_short(bytes, behind.saturating_add(2))?,
            );
            at = behind.saturating_add(4);
            let unicast = class & ABOVE_CLASS != 0;
            // A class that is not the Internet's is nobody's: a question for a type that does not exist.
            let is_known = matches!(class & !ABOVE_CLASS, INTERNET | ANY);
            Some(DnsQuestion {
                name,
                kind: if is_known { kind } else { 0 },
                unicast,
                end: at,
            })
        };
        (0..self.questions).map_while(read)
    }

    /// What stands between the header and the first record, where all of the questions can be read.
    pub(super) fn all_questions(&self) -> Option<(u16, &'m [u8])> {
        let read = self.questions().fold((0_u16, HEADER), |(count, _), question| {
            (count.saturating_add(1), question.end)
        });
        let (count, end) = read;
        let questions = self.bytes.get(HEADER..end)?;
        (count == self.questions).then_some((count, questions))
    }

    /// The records of all sections, as many as can be read. Those of another class than the Internet's are left out.
    pub(super) fn all_records(&self) -> impl Iterator<Item = DnsRecord<'m>> + use<'m> {
        let bytes = self.bytes;
        let begin = self.all_questions();
        let mut at = begin.map_or(bytes.len(), |(_, questions)| {
            HEADER.saturating_add(questions.len())
        });
        let [answers, authorities, additional] = self.records;
        let section = |section, count| (0..count).map(move |_| section);
        let sections = section(Section::Answer, answers)
            .chain(section(Section::Authority, authorities))
            .chain(section(Section::Additional, additional));
        let records = sections.map_while(move |section| {
            let (class, record, behind) = read_record(bytes, at, section)?;
            at = behind;
            Some((class, record))
        });
        records
            .filter(|(class, _)| class & !ABOVE_CLASS == INTERNET)
            .map(|(_, record)| record)
    }

    /// What a response says, whatever the section.
    pub fn records(&self) -> impl Iterator<Item = DnsRecord<'m>> + use<'m> {
        self.all_records()
            .filter(|record| record.section != Section::Authority)
    }
}

impl<'m> DnsRecord<'m> {
    /// The name that it leads to: of a service's instance, or of the machine that has it, whose port stands before.
    pub fn target(&self) -> Option<DomainName<'m>> {
        let before = match self.kind {
            PTR => 0,
            SRV => SRV_BEFORE_TARGET,
            _ => return None,
        };
        let (name, _) = read_name(self.message, self.data_at.saturating_add(before))?;
        Some(name)
    }

    /// Whether the other one says the same, in whatever case and however compressed.
    pub(super) fn says_the_same(&self, other: &DnsRecord<'_>) -> bool {
        let (before, target) = self.parts();
        let (other_before, other_target) = other.parts();
        let targets = match (target, other_target) {
            (Some(one), Some(other)) => one.is(other.labels()),
            (one, other) => one.is_none() && other.is_none(),
        };
        self.kind == other.kind && before == other_before && targets
    }

    /// The order of records (RFC 6762, section 8.2): by type, and then by what they say, without compression.
    pub(super) fn order(&self, other: &DnsRecord<'_>) -> Ordering {
        let by_data = || self.written().cmp(other.written());
        self.kind.cmp(&other.kind).then_with(by_data)
    }

    /// What it says: bytes, and the name behind them.
    fn parts(&self) -> (&'m [u8], Option<DomainName<'m>>) {
        match self.target() {
            Some(target) if self.kind == SRV => (
                self.data.get(..SRV_BEFORE_TARGET).unwrap_or_default(),
                Some(target),
            ),
            Some(target) => (&[], Some(target)),
            None => (self.data, None),
        }
    }

    fn written(&self) -> impl Iterator<Item = u8> + use<'m> {
        let (before, target) = self.parts();
        let labels = target.into_iter().flat_map(DomainName::labels);
        let written = labels.flat_map(|label| [length_of(label)].into_iter().chain(label.iter().copied()));
        let end = target.map(|_| 0);
        before.iter().copied().chain(written).chain(end)
    }
}

/// Bytes before the name in a SRV record: priority, weight and port (RFC 2782).
pub(super) const SRV_BEFORE_TARGET: usize = 6;

/// A name in a message.
#[derive(Clone, Copy)]
pub struct DomainName<'m> {
    message: &'m [u8],
    at: usize,
}

impl<'m> DomainName<'m> {
    /// Its labels, the first one first, without the root.
    pub fn labels(self) -> impl Iterator<Item = &'m [u8]> + use<'m> {
        let (message, mut at) = (self.message, self.at);
        (0..NAME_MAX).map_while(move |_| {
            let (label, behind) = read_label(message, at)?;
            at = behind;
            (!label.is_empty()).then_some(label)
        })
    }

    /// Whether it has these labels, in whatever case (RFC 6762, section 16).
    pub fn is<'l>(self, labels: impl IntoIterator<Item = &'l [u8]>) -> bool {
        let (mut own, mut other) = (self.labels(), labels.into_iter());
        loop {
            match (own.next(), other.next()) {
                (None, None) => return true,
                (Some(one), Some(other)) if one.eq_ignore_ascii_case(other) => {}
                _ => return false,
            }
        }
    }
}

/// Reads the name at `start`; also where what is behind it begins. A pointer leads to what stands before everything that
/// was read of the name, so that no name is endless.
fn read_name(message: &[u8], start: usize) -> Option<(DomainName<'_>, usize)> {
    let name = DomainName { message, at: start };
    let (mut at, mut lowest, mut end, mut length) = (start, start, None, 0_usize);
    while length < NAME_MAX {
        match *message.get(at)? {
            0 => return Some((name, end.unwrap_or(at.saturating_add(1)))),
            label @ 1..=LABEL_MAX => {
                length = length.saturating_add(label.into()).saturating_add(1);
                at = at.saturating_add(label.into()).saturating_add(1);
            }
            POINTER.. => {
                end.get_or_insert(at.saturating_add(2));
                at = usize::from(read_short(message, at)? & POINTS_TO);
                (at < lowest).then_some(())?;
                lowest = at;
            }
            _ => return None,
        }
    }
    None
}

/// Bytes of the longest label, the two bits of a pointer, and where in the message it leads.
pub(super) const LABEL_MAX: u8 = 63;
const POINTER: u8 = 0xc0;
const POINTS_TO: u16 = 0x3fff;

/// Reads the label at `at`, behind pointers, which is empty at the end of the name; also where the next one begins.
fn read_label(message: &[u8], mut at: usize) -> Option<(&[u8], usize)> {
    // Every pointer leads further to the front.
    while *message.get(at)? >= POINTER {
        let to = usize::from(read_short(message, at)? & POINTS_TO);
        (to < at).then_some(())?;
        at = to;
    }
    let begin = at.saturating_add(1);
    let end = begin.saturating_add((*message.get(at)?).into());
    Some((message.get(begin..end)?, end))
}

fn read_record(message: &[u8], at: usize, section: Section) -> Option<(u16, DnsRecord<'_>, usize)> {
    let (name, at) = read_name(message, at)?;
    let (fixed, _) = message.get(at..)?.split_first_chunk::<10>()?;
    let [k0, k1, c0, c1, t0, t1, t2, t3, l0, l1] = *fixed;
    let data_at = at.saturating_add(fixed.len());
    let end = data_at.saturating_add(u16::from_be_bytes([l0, l1]).into());
    let record = DnsRecord {
        name,
        kind: u16::from_be_bytes([k0, k1]),
        ttl: u32::from_be_bytes([t0, t1, t2, t3]),
        data: message.get(data_at..end)?,
        section,
        message,
        data_at,
    };
    Some((u16::from_be_bytes([c0, c1]), record, end))
}

fn read_short(bytes: &[u8], at: usize) -> Option<u16> {
    let (short, _) = bytes.get(at..)?.split_first_chunk()?;
    Some(u16::from_be_bytes(*short))
}

fn length_of(label: &[u8]) -> u8 {
    u8::try_from(label.len()).unwrap_or(LABEL_MAX)
}

/// A message that is being written, without compression.
pub(super) struct DnsWriter<'r> {
    room: &'r mut [u8],
    len: usize,
    /// How many questions, answers, authorities and additional records there are.
    counts: [u16; 4],
}

/// How a record is written.
#[derive(Clone, Copy)]
pub(super) struct Written {
    pub(super) section: Section,
    /// It takes the place of all others of its name and type.
    pub(super) unique: bool,
    pub(super) ttl: u32,
}

impl<'r> DnsWriter<'r> {
    pub(super) fn new(room: &'r mut [u8]) -> Self {
        Self {
            room,
            len: HEADER,
            counts: [0; 4],
        }
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        // What does not fit is counted all the same: `finish` tells.
        copy(self.room.get_mut(self.len..).unwrap_or_default(), bytes);
        self.len = self.len.saturating_add(bytes.len());
    }

    pub(super) fn short(&mut self, short: u16) {
        self.bytes(&short.to_be_bytes());
    }

    pub(super) fn name<'l>(&mut self, labels: impl IntoIterator<Item = &'l [u8]>) {
        for label in labels {
            self.bytes(&[length_of(label)]);
            self.bytes(label);
        }
        self.bytes(&[0]);
    }

    pub(super) fn question<'l>(
        &mut self,
        labels: impl IntoIterator<Item = &'l [u8]>,
        kind: u16,
        unicast: bool,
    ) {
        self.name(labels);
        self.short(kind);
        self.short(if unicast { ABOVE_CLASS | INTERNET } else { INTERNET });
        self.count(0);
    }

    /// Repeats the questions of another message.
    pub(super) fn questions(&mut self, (count, questions): (u16, &[u8])) {
        self.bytes(questions);
        self.counts[0] = count;
    }

    pub(super) fn record<'l>(
        &mut self,
        labels: impl IntoIterator<Item = &'l [u8]>,
        kind: u16,
        how: Written,
        data: impl FnOnce(&mut Self),
    ) {
        self.name(labels);
        self.short(kind);
        self.short(if how.unique {
            ABOVE_CLASS | INTERNET
        } else {
            INTERNET
        });
        self.bytes(&how.ttl.to_be_bytes());
        let length_at = self.len;
        self.short(0);
        let begin = self.len;
        data(self);
        let length = u16::try_from(self.len.saturating_sub(begin)).unwrap_or(u16::MAX);
        copy(
            self.room.get_mut(length_at..).unwrap_or_default(),
            &length.to_be_bytes(),
        );
        self.count(match how.section {
            Section::Answer => 1,
            Section::Authority => 2,
            Section::Additional => 3,
        });
    }

    fn count(&mut self, section: usize) {
        if let Some(count) = self.counts.get_mut(section) {
            *count = count.saturating_add(1);
        }
    }

    /// Whether nothing is in it.
    pub(super) fn is_empty(&self) -> bool {
        self.len == HEADER
    }

    /// Writes the header; the length of the message, `None` where it does not fit.
    pub(super) fn finish(self, id: u16, response: bool) -> Option<usize> {
        let flags = if response { RESPONSE | AUTHORITATIVE } else { 0 };
        let [a, b, c, d] = self.counts;
        let header = [id, flags, a, b, c, d];
        let mut room = self.room.get_mut(..self.len)?;
        for short in header {
            let (to, rest) = room.split_first_chunk_mut()?;
            *to = short.to_be_bytes();
            room = rest;
        }
        Some(self.len)
    }
}
