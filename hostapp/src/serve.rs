//! Serving: the memory of a node, and the loop that drives it.

use std::process::ExitCode;

use crate::cli::Serve;

/// Serves until it is told to end.
pub fn run(options: &Serve) -> ExitCode {
    log::error!("{:?}: not built yet", options.link);
    ExitCode::from(2)
}
