//! R2 on a host.

pub mod disk;
pub(crate) mod hex;
