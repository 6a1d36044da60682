//! The client of DHCP: asks for an address, and keeps it as long as it may (RFC 2131, section 4.4).

use r2_core::time::{Duration, Instant};
use smoltcp::wire::{EthernetAddress, Ipv4Address, Ipv4Cidr};

use super::Random;
use super::message::{Answer, Kind, Outgoing, Said};

/// After how long a message is sent again for the first time; doubled from time to time (RFC 2131, section 4.1).
const AGAIN_AFTER: Duration = Duration::from_secs(4);

/// How often that time is doubled: up to 64 s.
const DOUBLED: u8 = 4;

/// How many requests for what a server has offered, before another search.
const REQUESTS: u8 = 4;

/// The least time between two requests for a lease that is held (RFC 2131, section 4.4.5).
const RENEWED_EVERY: Duration = Duration::from_secs(60);

/// How long nothing is asked of a server that has refused: less, and the two would keep each other busy.
const REFUSED_FOR: Duration = Duration::from_secs(1);

/// How long nothing is asked of a server whose address was somebody else's (RFC 2131, section 3.1.5).
pub(super) const DECLINED_FOR: Duration = Duration::from_secs(10);

/// The lease that never ends, in seconds (RFC 2131, section 3.3).
const FOR_EVER: u32 = u32::MAX;

pub(super) struct Client {
    state: State,
    /// The number of what is asked, which the answer repeats.
    transaction: u32,
    /// How often it was asked; 0: nothing is asked, and no answer believed.
    asked: u8,
    asked_at: Instant,
    /// When something is to be done; never for a lease without end.
    next_at: Option<Instant>,
}

enum State {
    /// A server is searched for.
    Selecting,
    /// What a server has offered is asked for.
    Requesting(Offer),
    /// There is an address.
    Bound(Lease),
    /// A server is told that its address is somebody else's.
    Declining(Offer),
}

#[derive(Clone, Copy)]
struct Offer {
    address: Ipv4Address,
    server: Ipv4Address,
}

/// An address, and how long it is the node's.
pub(super) struct Lease {
    pub(super) cidr: Ipv4Cidr,
    pub(super) router: Option<Ipv4Address>,
    server: Ipv4Address,
    /// The Ethernet address of the server, or of the router that leads there.
    server_at: EthernetAddress,
    /// Without them it never ends.
    times: Option<Times>,
}

/// T1, T2 and the end (RFC 2131, section 4.4.5).
#[derive(Clone, Copy)]
struct Times {
    renewal: Instant,
    rebinding: Instant,
    end: Instant,
}

impl Client {
    pub(super) fn new(now: Instant, random: &mut Random) -> Self {
        Self {
            state: State::Selecting,
            transaction: random.number(),
            asked: 0,
            asked_at: now,
            next_at: Some(now),
        }
    }

    /// The lease that is held.
    pub(super) fn lease(&self) -> Option<&Lease> {
        match &self.state {
            State::Bound(lease) => Some(lease),
            _ => None,
        }
    }

    /// When [`turn`](Self::turn) has something to do.
    pub(super) fn poll_at(&self) -> Option<Instant> {
        self.next_at
    }

    fn become_at(&mut self, state: State, at: Instant) {
        self.state = state;
        self.asked = 0;
        self.next_at = Some(at);
    }

    /// The address is somebody else's: the server is told, and asked for another one later.
    pub(super) fn decline(&mut self, now: Instant) {
        if let State::Bound(Lease { cidr, server, .. }) = self.state {
            let address = cidr.address();
            self.become_at(State::Declining(Offer { address, server }), now);
        }
    }

    /// Gives up a lease whose time is over; whether it is.
    pub(super) fn expire(&mut self, now: Instant) -> bool {
        let times = self.lease().and_then(|lease| lease.times);
        let is_over = times.is_some_and(|times| times.end <= now);
        if is_over {
            self.become_at(State::Selecting, now);
        }
        is_over
    }

    /// Takes an answer; whether it is one to what was asked, from whom it can come.
    pub(super) fn hear(&mut self, answer: &Answer, from: EthernetAddress, now: Instant) -> bool {
        if self.asked == 0 || answer.transaction != self.transaction {
            return false;
        }
        let (address, is_from) = match &self.state {
            State::Selecting => (None, None),
            State::Requesting(offer) => (Some(offer.address), Some(offer.server)),
            State::Bound(lease) => {
                // Once nobody has answered, every server may (RFC 2131, section 4.4.5).
                let rebinding = lease.times.is_some_and(|times| now >= times.rebinding);
                (Some(lease.cidr.address()), (!rebinding).then_some(lease.server))
            }
            State::Declining(_) => return false,
        };
        if is_from.is_some_and(|server| server != answer.server) {
            return false;
        }
        match (answer.kind, address) {
            (Kind::Offer(terms), None) => {
                let (address, server) = (terms.cidr.address(), answer.server);
                self.become_at(State::Requesting(Offer { address, server }), now);
                true
            }
            (Kind::Ack(terms), Some(address)) if terms.cidr.address() == address => {
                let times = (terms.seconds != FOR_EVER).then(|| self.times(terms.seconds, terms.t1_t2));
                self.asked = 0;
                self.next_at = times.map(|times| times.renewal.max(now));
                self.state = State::Bound(Lease {
                    cidr: terms.cidr,
                    router: terms.router,
                    server: answer.server,
                    server_at: from,
                    times,
                });
                true
            }
            (Kind::Nak, Some(_)) => {
                self.become_at(State::Selecting, now + REFUSED_FOR);
                true
            }
            _ => false,
        }
    }

    /// The times of a lease of so many seconds since it was asked for, T1 and T2 as the server wants them, or as RFC 2131
    /// does where they are in no order.
    fn times(&self, seconds: u32, t1_t2: [Option<u32>; 2]) -> Times {
        let length = u64::from(seconds).saturating_mul(1000);
        let of = |seconds: u32| u64::from(seconds).saturating_mul(1000);
        let (renew, rebind) = match t1_t2.map(|seconds| seconds.map(of)) {
            [Some(renew), Some(rebind)] if 0 < renew && renew < rebind && rebind < length => (renew, rebind),
            _ => (length / 2, length / 8 * 7),
        };
        let at = |after| self.asked_at + Duration::from_millis(after);
        Times {
            renewal: at(renew),
            rebinding: at(rebind),
            end: at(length),
        }
    }

    /// Says what is to be sent now, if anything is.
    pub(super) fn turn(&mut self, now: Instant, random: &mut Random) -> Option<Outgoing> {
        self.next_at.filter(|at| *at <= now)?;
        if matches!(self.state, State::Requesting(_)) && self.asked >= REQUESTS {
            self.become_at(State::Selecting, now);
        }
        // The request for what was offered has the number of the offer.
        if !matches!(self.state, State::Requesting(_)) && (self.asked == 0 || self.lease().is_some()) {
            self.transaction = random.number();
        }
        let (said, next_at) = match &self.state {
            State::Selecting => (Said::Discover, now + backoff(self.asked, random)),
            State::Requesting(Offer { address, server }) => {
                let said = Said::Request {
                    address: *address,
                    server: *server,
                };
                (said, now + backoff(self.asked, random))
            }
            State::Bound(lease) => renew(lease, now)?,
            State::Declining(Offer { address, server }) => {
                let said = Said::Decline {
                    address: *address,
                    server: *server,
                };
                (said, now + DECLINED_FOR)
            }
        };
        if matches!(said, Said::Decline { .. }) {
            self.become_at(State::Selecting, next_at);
        } else {
            self.asked = self.asked.saturating_add(1);
            self.asked_at = now;
            self.next_at = Some(next_at);
        }
        Some(Outgoing {
            transaction: self.transaction,
            said,
        })
    }
}

/// The request for more time, and when the next one is due: half of what is left until the server need not be the same, or
/// until the end (RFC 2131, section 4.4.5).
fn renew(lease: &Lease, now: Instant) -> Option<(Said, Instant)> {
    let times = lease.times?;
    let rebinding = now >= times.rebinding;
    let until = if rebinding { times.end } else { times.rebinding };
    let half = Duration::from_millis(until.since(now).as_millis() / 2).max(RENEWED_EVERY);
    let said = Said::Renew {
        address: lease.cidr.address(),
        to: (!rebinding).then_some((lease.server, lease.server_at)),
    };
    Some((said, until.min(now + half)))
}

/// How long the answer to a message is waited for that was sent so often before: up to a second more or less than 4, 8, 16,
/// 32 or 64 s (RFC 2131, section 4.1).
fn backoff(asked: u8, random: &mut Random) -> Duration {
    const LESS: u64 = 1000;
    let doubled = AGAIN_AFTER
        .as_millis()
        .checked_shl(asked.min(DOUBLED).into())
        .unwrap_or(AGAIN_AFTER.as_millis());
    let spread = random.up_to(Duration::from_millis(2 * LESS)).as_millis();
    Duration::from_millis(doubled.saturating_sub(LESS).saturating_add(spread))
}
