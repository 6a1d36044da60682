//! Peers that mean harm: after each of them a fresh netcat is served at once, every slot is free again, nothing has
//! panicked, and R2 holds the memory that it held.

mod chat;
mod files;
mod floods;
mod packets;
mod tcp;
