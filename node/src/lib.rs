//! R2's services on smoltcp.
#![no_std]
#![forbid(unsafe_code)]
