//! R2 on a host.

pub mod socket;
