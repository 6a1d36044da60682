//! The node on a wire in memory, minute by minute and segment by segment.

mod node {
    mod acks;
    mod backlog;
    mod calls;
    mod capture;
    mod closing;
    mod counting;
    mod crowd;
    mod crowded;
    mod datagrams;
    mod extensions;
    mod fins;
    mod forged;
    mod forged_leases;
    mod icmp;
    mod lease_lab;
    mod leases;
    mod losses;
    mod neighbors;
    mod news;
    mod nonsense;
    mod segments;
    mod services;
    mod silence;
    mod speakers;
    mod states;
    mod successor;
    mod talk;
    mod windows;
}
