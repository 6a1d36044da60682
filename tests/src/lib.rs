//! What the tests share.

pub mod splits;
