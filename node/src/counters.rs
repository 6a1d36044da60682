//! What a node counts: frames, bytes, and every drop by its reason.

use r2_core::bug;

use crate::limits::SERVICES_MAX;
use crate::slot::Tally;

/// Why a frame was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[repr(usize)]
pub enum Reason {
    /// Headers that contradict each other or do not fit into the frame.
    Malformed,
    /// A wrong checksum of IPv4, ICMP, TCP or UDP, or none where there has to be one.
    Checksum,
    /// Addressed to somebody else.
    NotForUs,
    /// To a broadcast or multicast address (RFC 9293, MUST-57), or from one, or from an address that no machine has.
    NotUnicast,
    /// A fragment of a packet: R2 does not reassemble.
    Fragment,
    /// The sender is not among those allowed.
    NotAllowed,
    /// What gets no answer: a datagram from a port that would answer the answer, or whose answer does not fit; ICMP that
    /// is no request for an echo, and ARP and NDP that is no question for us.
    NoAnswer,
    /// IPv6 extension headers that R2 does not follow, or too many of them.
    Extension,
    /// What would be answered by an ICMP error, or by a datagram much longer than itself, once more than R2 sends.
    RateLimited,
    /// An RST or SYN that the peer of an open connection need not have sent: answered with a challenge ACK at most
    /// (RFC 5961, sections 3.2 and 4.2).
    Challenged,
    /// A segment past the right edge of the window that smoltcp would cut (and accept its FIN).
    BeyondWindow,
    /// A held SYN that was overwritten by a newer one, or grew too old.
    Backlog,
    /// A frame that the device did not take.
    DeviceBusy,
    /// What cannot happen has happened: by a fault of the node itself it left out a frame, or a turn of a connection. A
    /// debug build panics instead.
    Bug,
}

impl Reason {
    /// Every reason, in the order of its number.
    pub const ALL: [Self; 14] = [
        Self::Malformed,
        Self::Checksum,
        Self::NotForUs,
        Self::NotUnicast,
        Self::Fragment,
        Self::NotAllowed,
        Self::NoAnswer,
        Self::Extension,
        Self::RateLimited,
        Self::Challenged,
        Self::BeyondWindow,
        Self::Backlog,
        Self::DeviceBusy,
        Self::Bug,
    ];

    /// The name in the status page, behind `dropped_`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Checksum => "checksum",
            Self::NotForUs => "not_for_us",
            Self::NotUnicast => "not_unicast",
            Self::Fragment => "fragment",
            Self::NotAllowed => "not_allowed",
            Self::NoAnswer => "no_answer",
            Self::Extension => "extension",
            Self::RateLimited => "rate_limited",
            Self::Challenged => "challenged",
            Self::BeyondWindow => "beyond_window",
            Self::Backlog => "backlog",
            Self::DeviceBusy => "device_busy",
            Self::Bug => "bug",
        }
    }
}

/// The counters of one service, since the start.
#[derive(Clone, Copy, Debug, Default)]
pub struct ServiceCounters {
    /// The service's name.
    pub name: &'static str,
    /// Connections that were established.
    pub connections: u64,
    /// Bytes that sessions took, and bytes of datagrams.
    pub bytes_in: u64,
    /// Bytes that sessions sent, and bytes of answers to datagrams.
    pub bytes_out: u64,
    /// SYNs that were given up, and connections that gave way to one.
    pub refused: u64,
}

/// Counts `more`. A counter stops at its end instead of wrapping.
// On a board, where it is called in so many places, it is one function.
#[cfg_attr(target_os = "none", inline(never))]
pub(crate) fn add(counter: &mut u64, more: u64) {
    *counter = counter.saturating_add(more);
}

/// All counters of a node.
#[derive(Clone, Debug, Default)]
pub struct Counters {
    /// Frames received.
    pub frames_in: u64,
    /// Frames sent.
    pub frames_out: u64,
    /// Connections that are open now.
    pub sessions_open: usize,
    /// Connections that can be open at a time.
    pub sessions_max: usize,
    /// Connections that were reset because the node no longer had the address that they were to.
    #[cfg(feature = "dhcp")]
    pub sessions_readdressed: u64,
    /// Frames that a capture connection had no room for, each as often as there were such connections.
    pub capture_lost: u64,
    dropped: [u64; Reason::ALL.len()],
    services: heapless::Vec<ServiceCounters, SERVICES_MAX>,
}

impl Counters {
    /// Counts a dropped frame.
    pub fn drop(&mut self, reason: Reason) {
        self.drop_several(reason, 1);
    }

    /// Counts so many dropped frames.
    pub fn drop_several(&mut self, reason: Reason, frames: u64) {
        if let Some(count) = self.dropped.get_mut(reason as usize) {
            add(count, frames);
        }
    }

    /// What cannot happen has happened: a debug build panics and says `why`; a release build counts it, and goes on
    /// behind the call.
    #[cfg_attr(debug_assertions, track_caller)]
    pub(crate) fn bug(&mut self, why: &str) {
        bug!("{why}");
        self.drop(Reason::Bug);
    }

    /// How many frames were dropped for `reason`.
    pub fn dropped(&self, reason: Reason) -> u64 {
        self.dropped.get(reason as usize).copied().unwrap_or(0)
    }

    /// The counters of every service, in the order of their registration.
    pub fn services(&self) -> &[ServiceCounters] {
        &self.services
    }

    pub(crate) fn register(&mut self, name: &'static str) {
        let counters = ServiceCounters {
            name,
            ..ServiceCounters::default()
        };
        if self.services.push(counters).is_err() {
            self.bug("a node has at most SERVICES_MAX services, and its world counts for no other");
        }
    }

    /// Counts a connection that was established.
    pub(crate) fn open(&mut self, service: usize) {
        self.sessions_open = self.sessions_open.saturating_add(1);
        self.service(service, |count| add(&mut count.connections, 1));
    }

    /// Counts what a turn of one of the service's connections moved.
    pub(crate) fn tally(&mut self, service: usize, tally: &Tally) {
        add(&mut self.frames_out, tally.frames_out);
        self.service(service, |count| {
            add(&mut count.bytes_in, tally.bytes_in);
            add(&mut count.bytes_out, tally.bytes_out);
        });
    }

    pub(crate) fn service(&mut self, index: usize, count: impl FnOnce(&mut ServiceCounters)) {
        if let Some(service) = self.services.get_mut(index) {
            count(service);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    #[test]
    fn a_bug_panics_in_a_debug_build_and_is_counted_in_release() {
        let mut counters = Counters::default();
        let went_on = catch_unwind(AssertUnwindSafe(|| counters.bug("there is a slot")));
        assert_eq!(went_on.is_ok(), cfg!(not(debug_assertions)));
        assert_eq!(counters.dropped(Reason::Bug), went_on.is_ok().into());
    }

    #[test]
    fn a_service_too_many_is_a_bug() {
        let mut counters = Counters::default();
        (0..SERVICES_MAX).for_each(|_| counters.register("one"));
        let went_on = catch_unwind(AssertUnwindSafe(|| counters.register("too many")));
        assert_eq!(went_on.is_ok(), cfg!(not(debug_assertions)));
        assert_eq!(counters.dropped(Reason::Bug), went_on.is_ok().into());
        assert_eq!(counters.services().len(), SERVICES_MAX);
    }

    #[test]
    fn every_reason_has_its_number_and_a_name_of_its_own() {
        for (number, reason) in Reason::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, number);
            let named = Reason::ALL.iter().filter(|other| other.name() == reason.name());
            assert_eq!(named.count(), 1, "{}", reason.name());
        }
    }
}
