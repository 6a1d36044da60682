//! What every MAC's device has in common: frames that wait in a buffer, and what smoltcp is told of them.

use smoltcp::phy::{DeviceCapabilities, Medium, RxToken};

/// A frame that has arrived, in its device's buffer.
pub struct Received<'a>(pub &'a [u8]);

impl RxToken for Received<'_> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(self.0)
    }
}

/// Ethernet frames of at most `mtu` bytes, of which the controller holds at least `burst`; `None`: it does not say.
pub fn capabilities(mtu: usize, burst: Option<usize>) -> DeviceCapabilities {
    let mut capabilities = DeviceCapabilities::default();
    capabilities.medium = Medium::Ethernet;
    capabilities.max_transmission_unit = mtu;
    capabilities.max_burst_size = burst;
    capabilities
}
