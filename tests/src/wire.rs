//! Wires that lose, repeat, cut and change, by rules of nftables.

use crate::lab::Lab;

/// R2 and KALI on a TAP with a rule for each direction. No super-frame leaves KALI: losing one would be losing many.
pub fn wire(from_r2: &str, from_kali: &str) -> Lab {
    let lab = Lab::new();
    lab.namespace.ip("link set tap0 gso_max_segs 1");
    rule(
        &lab,
        &format!(
            "table netdev wire {{ \
             chain from_r2 {{ type filter hook ingress device tap0 priority 0; {from_r2}; }}; \
             chain from_kali {{ type filter hook egress device tap0 priority 0; {from_kali}; }}; }}"
        ),
    );
    lab
}

/// Gives nftables one more command.
pub fn rule(lab: &Lab, rules: &str) {
    lab.kali(&format!("PATH=$PATH:/usr/sbin nft '{rules}'"));
}
