//! Our own clients: each command of the host program is a session too.

pub mod exchange;
pub mod get;
pub mod list;
pub mod remove;
pub mod send;

#[cfg(test)]
mod tests;
