//! The clients: the other end of each service, sessions as well.

pub mod chat;
pub mod drop;
pub mod exchange;
pub mod get;
pub mod list;
pub mod remove;
pub mod secret;
pub mod send;

#[cfg(test)]
mod tests;
