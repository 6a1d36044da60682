//! Why a run is over.

use thiserror::Error;

/// What ended a run, other than the image's own end. Its text is one line.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Stop {
    /// A hard fault came where none can be handled: in the handler of one, or where the stack is no memory. The core
    /// stands still until it is reset (ARMv6-M, section B1.5.15).
    #[error("lockup: {0}")]
    Lockup(String),
    /// The image does what the board has no part for, or what a data sheet forbids.
    #[error("{0}")]
    Misuse(String),
}
