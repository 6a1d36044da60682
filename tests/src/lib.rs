//! What the tests share.

pub mod carrier;
pub mod slow;
pub mod store_suite;
