//! How much is measured.

/// The sizes of one run.
pub(crate) struct Sizes {
    /// How often each side of a ratio is measured.
    pub(crate) rounds: usize,
    /// Bytes into discard and out of chargen.
    pub(crate) bulk: u64,
    /// Bytes of a file that is dropped or fetched.
    pub(crate) file: u64,
    /// Bytes to echo and back, one after the other; a quarter as many questions to secret.
    pub(crate) requests: usize,
    /// New connections, one question each.
    pub(crate) connections: usize,
    /// Bytes that move while system calls are counted.
    pub(crate) traced: u64,
    /// Bytes that move while instructions are counted.
    pub(crate) replayed: u64,
    /// Connections that do nothing.
    pub(crate) idle: usize,
    /// Whether a ratio out of its bound fails the run.
    pub(crate) judge: bool,
}

/// What the figures of the README come from.
pub(crate) const FULL: Sizes = Sizes {
    rounds: 7,
    bulk: 1_000_000_000,
    file: 1 << 30,
    requests: 20_000,
    connections: 2_000,
    traced: 256 << 20,
    replayed: 16 << 20,
    idle: 10_000,
    judge: true,
};

/// The same code, in a minute: that it runs, not how fast.
pub(crate) const SMOKE: Sizes = Sizes {
    rounds: 1,
    bulk: 16_000_000,
    file: 16 << 20,
    requests: 400,
    connections: 160,
    traced: 16 << 20,
    replayed: 1 << 20,
    idle: 200,
    judge: false,
};
