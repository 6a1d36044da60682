//! Machines on one Ethernet.

use crate::namespace::Namespace;

/// Machines, each a network namespace, whose `eth0` are joined by a bridge in one more: at 10.7.0.1, 10.7.0.2 and so on, and
/// at `fd07::1`, `fd07::2` and so on.
pub struct Lan<const N: usize> {
    /// The machines.
    pub machines: [Namespace; N],
    /// The namespace of the bridge, `br0`, with `port0`, `port1` and so on.
    pub switch: Namespace,
}

impl<const N: usize> Lan<N> {
    /// Makes them, and joins them.
    pub fn new() -> Self {
        let switch = Namespace::new();
        switch.ip("link add br0 type bridge");
        switch.ip("link set br0 up");
        let machines = std::array::from_fn(|index| {
            let machine = Namespace::new();
            machine.ip("link del tap0");
            let (port, number) = (format!("port{index}"), index + 1);
            machine.ip(&format!(
                "link add eth0 type veth peer name {port} netns {}",
                switch.name
            ));
            machine.ip(&format!("addr add 10.7.0.{number}/24 brd + dev eth0"));
            machine.ip(&format!("addr add fd07::{number}/64 dev eth0 nodad"));
            machine.ip("link set eth0 up");
            switch.ip(&format!("link set {port} master br0"));
            switch.ip(&format!("link set {port} up"));
            machine
        });
        Self { machines, switch }
    }
}

impl<const N: usize> Default for Lan<N> {
    fn default() -> Self {
        Self::new()
    }
}
