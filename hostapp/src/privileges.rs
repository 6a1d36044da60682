//! Giving up what serving does not need.

use std::io;

use rustix::thread::{CapabilitySet, CapabilitySets, set_capabilities, set_no_new_privs};

/// Gives up every capability (capabilities(7)) for good: no program that is executed brings one back. What root has
/// left is what belongs to root.
///
/// That is a matter of each thread: call it before there is a second one, and after everything is open that only
/// root may open.
pub fn give_up() -> io::Result<()> {
    let none = CapabilitySet::empty();
    set_no_new_privs(true)?;
    set_capabilities(
        None,
        CapabilitySets {
            effective: none,
            permitted: none,
            inheritable: none,
        },
    )?;
    Ok(())
}
