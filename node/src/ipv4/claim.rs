//! An address that is asked for, and then held (RFC 5227).

use r2_core::time::{Duration, Instant};
use smoltcp::wire::{Ipv4Address, Ipv4Cidr};

use super::Random;

/// How long the first probe waits at most, so that machines that are switched on together do not ask at once. This and
/// what follows are the times and numbers of RFC 5227, section 1.1.
pub(super) const PROBE_WAIT: Duration = Duration::from_secs(1);

/// How often it is asked whether somebody has the address.
const PROBES: u8 = 3;

/// The time between two probes: from the least on, less than twice that.
const PROBE_EVERY: Duration = Duration::from_secs(1);

/// How long an answer to the last probe is waited for.
const ANSWERED_WITHIN: Duration = Duration::from_secs(2);

/// How often others are told where the address is.
const ANNOUNCEMENTS: u8 = 2;

/// The time between two announcements.
const ANNOUNCE_EVERY: Duration = Duration::from_secs(2);

/// An address is defended once in so long: who insists on it more often gets it.
pub(super) const DEFENDED_FOR: Duration = Duration::from_secs(10);

/// An address that is asked for or held.
pub(super) struct Claim {
    pub(super) cidr: Ipv4Cidr,
    stage: Stage,
    /// When the next packet is due.
    next_at: Option<Instant>,
    defended_at: Option<Instant>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// So many probes are left to be sent; with none, it is waited for an answer to the last.
    Probing(u8),
    /// It is held, and so many announcements are left.
    Held(u8),
}

impl Claim {
    /// Asks for an address, from `at` on.
    pub(super) fn begin(cidr: Ipv4Cidr, at: Instant) -> Self {
        Self {
            cidr,
            stage: Stage::Probing(PROBES),
            next_at: Some(at),
            defended_at: None,
        }
    }

    /// An address that is held from the beginning.
    pub(super) fn given(cidr: Ipv4Cidr) -> Self {
        Self {
            cidr,
            stage: Stage::Held(0),
            next_at: None,
            defended_at: None,
        }
    }

    /// Whether nobody else has the address.
    pub(super) fn is_held(&self) -> bool {
        matches!(self.stage, Stage::Held(_))
    }

    /// When [`turn`](Self::turn) has something to do.
    pub(super) fn poll_at(&self) -> Option<Instant> {
        self.next_at
    }

    /// Somebody else claims the address; whether it is lost. What is held is defended, unless it was just now (RFC 5227,
    /// section 2.4 (b)).
    pub(super) fn hear(&mut self, now: Instant) -> bool {
        let defended_just_now = self.defended_at.is_some_and(|at| now < at + DEFENDED_FOR);
        if !self.is_held() || defended_just_now {
            return true;
        }
        self.defended_at = Some(now);
        self.stage = Stage::Held(1);
        self.next_at = Some(now);
        false
    }

    /// Goes on. Where a question for the address is to be sent: from which address.
    pub(super) fn turn(&mut self, now: Instant, random: &mut Random) -> Option<Ipv4Address> {
        self.next_at.filter(|at| *at <= now)?;
        if self.stage == Stage::Probing(0) {
            self.stage = Stage::Held(ANNOUNCEMENTS);
        }
        match self.stage {
            Stage::Probing(left) => {
                let left = left.saturating_sub(1);
                self.stage = Stage::Probing(left);
                let after = if left == 0 {
                    ANSWERED_WITHIN
                } else {
                    Duration::from_millis(
                        PROBE_EVERY
                            .as_millis()
                            .saturating_add(random.up_to(PROBE_EVERY).as_millis()),
                    )
                };
                self.next_at = Some(now + after);
                Some(Ipv4Address::UNSPECIFIED)
            }
            Stage::Held(left) => {
                let left = left.saturating_sub(1);
                self.stage = Stage::Held(left);
                self.next_at = (left > 0).then(|| now + ANNOUNCE_EVERY);
                Some(self.cidr.address())
            }
        }
    }
}
