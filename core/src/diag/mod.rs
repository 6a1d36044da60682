//! The small services that every stack is tried with: echo, discard, chargen.

pub mod chargen;
pub mod discard;
pub mod echo;
