//! R2's name in the network of its TAP.

use r2_core::mdns::{GROUP_V4, GROUP_V6, PORT, Responder};
use r2_node::Size;
use r2_node::service::{GroupAddress, Spec};

use super::Refusal;

/// Everybody who speaks multicast DNS.
pub(super) const GROUP: GroupAddress = GroupAddress {
    v4: GROUP_V4,
    v6: GROUP_V6,
    port: PORT,
};

/// The machine that wishes to be called `hostname`, and offers this. It lives as long as the process.
pub(super) fn responder(
    hostname: &str,
    offers: &[(Spec, Size)],
) -> Result<&'static mut Responder<'static>, Refusal> {
    let random = getrandom::u32()
        .map_err(|error| Refusal::at_start(format!("the system gives no random numbers: {error}")))?;
    let ports: Vec<_> = offers.iter().map(|(spec, _)| (spec.name, spec.port)).collect();
    let hostname: &str = hostname.to_owned().leak();
    Ok(Box::leak(Box::new(Responder::new(
        hostname,
        ports.leak(),
        random,
    ))))
}
