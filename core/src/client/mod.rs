//! The clients: the other end of each service, sessions as well.

pub mod chat;
pub mod secret;
