//! Calling somebody until he answers.

use std::net::{IpAddr, SocketAddr};

use r2_links::Link;
use r2_node::World;
use r2_node::node::{CallOutcome, Node};
use r2_node::service::Spec;
use r2_services::CHAT;
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{IpAddress, IpEndpoint};

/// How long a call waits before it is tried again.
const CALL_AGAIN_AFTER: Duration = Duration::from_secs(2);

/// Whether whoever calls `remote` reaches R2 itself, which peers reach at `addresses`. On a link whose addresses are this
/// machine's, only the ports of `services` that are offered there are R2's.
pub(super) fn is_own(
    remote: SocketAddr,
    addresses: &[IpAddr],
    link: &impl Link,
    services: impl Iterator<Item = Spec>,
) -> bool {
    let is_here = addresses.contains(&remote.ip());
    if link.addresses().is_none() {
        return is_here;
    }
    let is_here = is_here || remote.ip().is_unspecified();
    let mut ports = services.filter_map(|spec| link.tcp_port(spec.port));
    is_here && ports.any(|port| port == remote.port())
}

/// A call that is made until it is answered.
pub(super) struct Calling {
    remote: IpEndpoint,
    again_at: Option<Instant>,
    /// It was said once that nobody answers.
    told: bool,
    answered: bool,
}

impl Calling {
    pub(super) fn begin(remote: SocketAddr) -> Self {
        Self {
            remote: IpEndpoint::new(IpAddress::from(remote.ip()), remote.port()),
            again_at: Some(Instant::ZERO),
            told: false,
            answered: false,
        }
    }

    /// Calls, again and again until somebody answers, where it `may`. When to do so next; `None` while that is not
    /// known, and once it was answered.
    pub(super) fn go_on<W: World>(
        &mut self,
        node: &mut Node<'_, W>,
        now: Instant,
        may: bool,
    ) -> Option<Instant> {
        if self.answered {
            return None;
        }
        let failed = match node.take_call_outcome() {
            Some(CallOutcome::Answered) => {
                log::info!("{} answered the call", self.remote);
                self.answered = true;
                return None;
            }
            Some(CallOutcome::Refused) => Some("nobody answers"),
            Some(CallOutcome::Unreachable) => Some("that address is not on the link"),
            None => None,
        };
        if let Some(reason) = failed {
            if !self.told {
                let IpEndpoint { addr, port } = self.remote;
                log::warn!("cannot call {addr}:{port} yet: {reason}; start `nc -l -p {port}` there");
                self.told = true;
            }
            self.again_at = Some(now + CALL_AGAIN_AFTER);
        }
        if self.again_at.is_some_and(|at| at <= now) && may {
            let called = node
                .service_at(CHAT.port)
                .map(|chat| node.call(chat, self.remote, now));
            self.again_at = match called {
                Some(Ok(())) => None,
                error => {
                    log::debug!("call: {error:?}");
                    Some(now + CALL_AGAIN_AFTER)
                }
            };
            return Some(now);
        }
        self.again_at
    }
}
