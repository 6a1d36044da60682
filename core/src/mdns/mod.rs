//! R2's name in its network: multicast DNS (RFC 6762), and that there is an R2 (DNS-SD, RFC 6763).
//!
//! [`Responder`] is `r2.local` on its link: it asks whether anybody has that name, takes `r2-2.local` where somebody has,
//! announces its addresses and ports, answers, and says goodbye. [`ask_for_address`], [`ask_for_all`] and [`DnsMessage`] are
//! the other end: what a client asks once, and what it is answered.
//!
//! There is no secret in it: whoever is on the link can answer for any name, and can make R2 take another one.

mod probe;
mod records;
mod responder;
#[cfg(test)]
mod tests;
mod wire;

use core::net::{Ipv4Addr, Ipv6Addr};

use self::records::SERVICE;
use self::wire::DnsWriter;

pub use self::records::ADDRESSES_MAX;
pub use self::responder::Responder;
pub use self::wire::{A, AAAA, DnsMessage, DnsRecord, DomainName, SRV, TXT};

/// The groups of everybody who speaks multicast DNS, and their port (RFC 6762, section 3).
pub const GROUP_V4: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 251);
/// See [`GROUP_V4`].
pub const GROUP_V6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0xfb);
/// See [`GROUP_V4`].
pub const PORT: u16 = 5353;

/// Bytes of the longest message that is taken or written: what Ethernet carries whole.
pub const MESSAGE_MAX: usize = 1500 - 40 - 8;

/// Writes a question for the addresses of `name`, `r2.local` for one, to the front of `room`; its length, `None` where it
/// does not fit or a label is empty or longer than 63 bytes. From another port than [`PORT`], everybody answers the sender
/// alone (RFC 6762, section 6.7).
pub fn ask_for_address(name: &str, id: u16, room: &mut [u8]) -> Option<usize> {
    let name = name.as_bytes();
    let name = name.strip_suffix(b".").unwrap_or(name);
    // Of bytes: nothing is left of a panic, as there is of a search in text.
    let labels = || name.split(|byte| *byte == b'.');
    let is_label = |label: &[u8]| (1..=wire::LABEL_MAX.into()).contains(&label.len());
    if !labels().all(is_label) {
        return None;
    }
    let mut question = DnsWriter::new(room);
    for kind in [A, AAAA] {
        question.question(labels(), kind, false);
    }
    question.finish(id, false)
}

/// Writes a question for every R2 to the front of `room`; its length, `None` where it does not fit.
pub fn ask_for_all(id: u16, room: &mut [u8]) -> Option<usize> {
    let mut question = DnsWriter::new(room);
    question.question(SERVICE, wire::PTR, false);
    question.finish(id, false)
}
