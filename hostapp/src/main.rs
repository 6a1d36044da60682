//! The host program.

use std::process::ExitCode;

use clap::Parser;
use hostapp::cli::Cli;

fn main() -> ExitCode {
    match Cli::try_parse() {
        Ok(cli) => hostapp::run(cli),
        Err(error) => hostapp::cli::refuse(&error),
    }
}
