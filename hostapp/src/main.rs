//! The host program.

use std::process::ExitCode;

use clap::Parser;
use hostapp::cli::Cli;

fn main() -> ExitCode {
    hostapp::run(Cli::parse())
}
