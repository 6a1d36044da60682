//! NDP (RFC 4861).

use smoltcp::phy::TxToken;
use smoltcp::wire::{EthernetAddress, Ipv6Address};

use super::{ON_LINK, Way};
use crate::gate::{ALL_NODES, Neighbor, ethernet_group};

/// Type and code of a neighbour advertisement (RFC 4861, section 4.4).
const ADVERTISEMENT: [u8; 2] = [136, 0];

/// What it says: that it was asked for, and that it overrides what was known.
const SOLICITED: u8 = 0x40;
const OVERRIDE: u8 = 0x20;

/// The option with the Ethernet address of who is advertised: its type and its length in units of 8 bytes.
const TARGET_ADDRESS: [u8; 2] = [2, 1];

/// What is behind the checksum: flags, the address, and the option.
const BODY: usize = 4 + 16 + 8;

/// Tells `asker` that `address` is at `ours`; tells all nodes where the asker has no address yet (RFC 4861, section
/// 7.2.4).
pub(crate) fn advertise(
    asker: &Neighbor<Ipv6Address>,
    address: Ipv6Address,
    ours: EthernetAddress,
    token: impl TxToken,
) {
    let (flags, destination, peer) = if asker.address.is_unspecified() {
        (OVERRIDE, ALL_NODES, ethernet_group(ALL_NODES))
    } else {
        (SOLICITED | OVERRIDE, asker.address, asker.at)
    };
    let way = Way {
        ours,
        peer,
        source: address.into(),
        destination: destination.into(),
    };
    let mut body = [0; BODY];
    let said = [flags, 0, 0, 0].into_iter().chain(address.octets());
    let said = said.chain(TARGET_ADDRESS).chain(ours.0);
    for (to, from) in body.iter_mut().zip(said) {
        *to = from;
    }
    way.send_icmp(ADVERTISEMENT, [&body, &[]], ON_LINK, token);
}
