//! R2 on a host.
