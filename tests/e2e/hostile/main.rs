//! Peers that mean harm: after each of them a fresh netcat is served at once, every slot is free again, nothing has
//! panicked, and R2 holds the memory that it held.

mod chat;
mod closed_windows;
mod files;
mod floods;
mod packets;
mod tcp;

use std::time::Duration;

use r2_tests::aftermath::Before;
use r2_tests::card::Card;
use r2_tests::lab::Lab;

/// Lets `harm` come over R2, from a card of its own, and asserts that nothing is left of it.
fn survives(options: &str, fresh: Duration, slots: Duration, harm: impl FnOnce(&mut Lab, &mut Card) + Send) {
    let mut lab = Lab::with(options);
    // As many frames as any of these peers sends fit into the cable.
    lab.namespace.ip("link set tap0 txqueuelen 50000");
    let before = Before::of(&lab);
    let namespace = lab.namespace.handle();
    namespace.inside(|| harm(&mut lab, &mut Card::on("tap0")));
    before.is_back(&lab, fresh, slots);
}
