//! R2 on a host.
// What is written with these ends the program where nobody reads it: `stdio::say` does not.
#![warn(clippy::print_stdout, clippy::print_stderr)]

use std::process::ExitCode;

pub mod cli;
pub mod client;
pub mod console;
pub mod demo;
pub mod host;
pub mod lab;
pub mod lookup;
pub mod man_pages;
pub mod plan;
#[cfg(target_os = "linux")]
pub mod privileges;
pub mod serve;
pub mod service_table;
pub mod services;
pub mod signals;
pub mod stdio;

/// Does what the command line says; what it returns is the exit status of the program.
pub fn run(cli: cli::Cli) -> ExitCode {
    start_log(&cli);
    match cli.command {
        cli::Command::Serve(options) => serve::run(&(*options).into(), cli.quiet),
        cli::Command::Demo => demo::run(),
        cli::Command::Lab { experiment } => lab::run(&experiment),
        cli::Command::Docs { folder } => man_pages::run(&folder, cli.quiet),
        command => client::run(command, cli.quiet),
    }
}

/// Log lines go to standard error, from `info` on unless the user wants more or less.
fn start_log(cli: &cli::Cli) {
    let level = match (cli.quiet, cli.verbose) {
        (true, _) => "error",
        // It tells itself what happens.
        (false, 0) if matches!(cli.command, cli::Command::Demo | cli::Command::Lab { .. }) => "warn",
        // Who comes and goes is on the console already.
        (false, 0) => "info,r2_core::chat=warn",
        (false, 1) => "debug",
        (false, _) => "trace",
    };
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or(level))
        .target(env_logger::Target::Pipe(Box::new(console::Notes)))
        .format(|out, record| {
            use std::io::Write;
            writeln!(
                out,
                "{}: {}",
                record.level().as_str().to_ascii_lowercase(),
                record.args()
            )
        })
        .init();
}
