//! The command line.

mod serve;
mod values;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use r2_core::name::Name;
use smoltcp::wire::Ipv4Cidr;

pub use self::serve::Serve;
use self::values::{file_name, host_v4, link_choice, nick, pcap_file};
pub(crate) use self::values::{is_interface_name, upload_name};
use crate::host::Host;
use crate::serve::LinkChoice;

const EXIT_STATUS: &str = "\
Exit status: 0 success; 1 R2 refused, or a transfer failed; 2 wrong usage, no connection, or no port to serve on.
`hostapp help COMMAND` lists the options of a command.";

/// A network server whose client is netcat, and its clients.
#[derive(Debug, Parser)]
#[command(version, after_help = EXIT_STATUS)]
pub struct Cli {
    /// Log more to standard error; -vv logs everything. `RUST_LOG` overrides it.
    #[arg(short, long, action = clap::ArgAction::Count, global = true)]
    pub verbose: u8,

    /// Print only errors, and show no progress.
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,

    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run R2. Its chat is on standard input and output, everything else on standard error.
    Serve(Box<Serve>),
    /// Join the chat.
    Chat {
        /// Where R2 is: an address or a name, with or without :PORT.
        host: Host,
        /// The name to go by.
        #[arg(long, default_value = "KALI", value_parser = nick)]
        name: String,
    },
    /// Ask whether a string contains the secret code, and which digits.
    Secret {
        /// Where R2 is: an address or a name, with or without :PORT.
        host: Host,
        /// The string; several are joined with single spaces.
        #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
        strings: Vec<String>,
        /// Print question and answer as a line of JSON.
        #[arg(long)]
        json: bool,
    },
    /// Send bytes without a name, and FIN, to R2's drop service or to any program that listens; print the receipt.
    ///
    /// The exit status is 1 where the receipt tells of other bytes than were sent. A program that is no R2 gives no
    /// receipt: compare what is there.
    Drop {
        /// Where R2, or another listener, is: an address or a name, with or without :PORT.
        host: Host,
        /// The file; `-` is standard input.
        file: PathBuf,
        /// Print what was sent as a line of JSON.
        #[arg(long)]
        json: bool,
    },
    /// Send a file; an interrupted transfer resumes where it stopped.
    Send {
        /// Where R2 is: an address or a name, with or without :PORT.
        host: Host,
        /// The file.
        file: PathBuf,
        /// What to call it there.
        #[arg(long = "as", value_name = "NAME", value_parser = upload_name)]
        name: Option<Name>,
        /// Print what was sent as a line of JSON.
        #[arg(long)]
        json: bool,
    },
    /// Get a file; an interrupted transfer resumes where it stopped.
    Get {
        /// Where R2 is: an address or a name, with or without :PORT.
        host: Host,
        /// What it is called there.
        #[arg(value_parser = file_name)]
        name: Name,
        /// Where to put it; `-` is standard output.
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
        /// Replace a file that is there already and is another one.
        #[arg(short, long)]
        force: bool,
        /// Print what was got as a line of JSON.
        #[arg(long)]
        json: bool,
    },
    /// List the R2s in this network: name, addresses, ports. They are asked by multicast DNS, on every interface.
    Find {
        /// How long to wait for answers.
        #[arg(long = "for", default_value_t = 2, value_name = "SECONDS", value_parser = clap::value_parser!(u16).range(1..=3600))]
        seconds: u16,
        /// Print each R2 as a line of JSON.
        #[arg(long)]
        json: bool,
    },
    /// List the files: name, length, SHA-256.
    Ls {
        /// Where R2 is: an address or a name, with or without :PORT.
        host: Host,
        /// Print each file as a line of JSON.
        #[arg(long)]
        json: bool,
    },
    /// Delete a file.
    Rm {
        /// Where R2 is: an address or a name, with or without :PORT.
        host: Host,
        /// What it is called there.
        #[arg(value_parser = file_name)]
        name: Name,
        /// Print what was deleted as a line of JSON.
        #[arg(long)]
        json: bool,
    },
    /// Play the lab's parts 1 to 3 in this process and print a transcript; needs no netcat and no free port 5000.
    Demo,
    /// Answer the lab's questions 4a to 4g by experiment: tables, packet diagrams ("ladders"), and the captured frames.
    Lab {
        /// What to measure.
        #[command(subcommand)]
        experiment: Experiment,
    },
    /// Write the man pages, and the completions for bash, zsh and fish, into a folder.
    Docs {
        /// The folder.
        folder: PathBuf,
    },
}

/// What to measure.
#[derive(Clone, Debug, Subcommand)]
pub enum Experiment {
    /// (4e) The urgent message: UDP, a new TCP connection, and one kept open; what a round trip and a lost packet cost.
    Rtt(Bench),
    /// (4f) What Nagle's algorithm does to one, two and ten small writes.
    Nagle(Bench),
    /// (4g) Where Nagle's algorithm and delayed acknowledgements wait for each other, and what helps.
    DelayedAck(Bench),
    /// (4a) Which port of the client the server sends to, who chose it and when; a connection from beginning to end.
    Ports(Bench),
    /// (4b) How a byte of a question and of a file travels: every frame on the wire, and every call inside R2.
    Journey(Bench),
    /// (4c, 4d) A server and a client on this machine's sockets, call by call, and the same steps in smoltcp.
    Syscalls {
        /// Print what was measured as a line of JSON.
        #[arg(long)]
        json: bool,
    },
    /// The lab's submission: parts 1 to 3, all experiments and the code, as one page of HTML and as PDF.
    Report {
        /// The folder for the report and its captures.
        #[arg(short, long, default_value = "lab-report", value_name = "FOLDER")]
        output: PathBuf,
        /// Whose submission it is: the name stands below the title.
        #[arg(long, value_name = "NAME")]
        author: Option<String>,
        /// Where to measure.
        #[command(flatten)]
        wire: BenchWire,
    },
}

/// How to measure.
#[derive(Clone, Debug, Args)]
pub struct Bench {
    /// Where to measure.
    #[command(flatten)]
    pub wire: BenchWire,

    /// Print what was measured as a line of JSON.
    #[arg(long)]
    pub json: bool,

    /// Print one part by itself, such as `question-frames` of `journey`; a wrong name is answered with a list of them.
    #[arg(long, value_name = "NAME", conflicts_with = "json")]
    pub part: Option<String>,

    /// Write the frames, whose numbers the text names, into a pcap file.
    #[arg(long, value_name = "FILE", value_parser = pcap_file)]
    pub pcap: Option<PathBuf>,
}

/// Where to measure.
#[derive(Clone, Debug, Args)]
pub struct BenchWire {
    /// The wire: `local` is in memory, with a clock of its own; on a TAP, KALI's end is this machine's kernel.
    #[arg(long, default_value = "local", value_name = "local|tap:NAME", value_parser = link_choice)]
    pub link: LinkChoice,

    /// R2's IPv4 address and its network.
    #[arg(long, default_value = "192.168.69.1/24", value_name = "ADDR/LEN", value_parser = host_v4)]
    pub ip: Ipv4Cidr,

    /// Round-trip time of the wire in memory, in milliseconds [default: delayed-ack 1, the others 50].
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u16).range(0..=10_000))]
    pub rtt: Option<u16>,

    /// Packet loss of the wire in memory, in percent [default: 0; rtt tries 0, 1, 2, 5 and 10].
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(0..=50))]
    pub loss: Option<u8>,

    /// Chooses which packets are lost; the same seed gives the same output.
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub seed: u64,
}

#[cfg(test)]
mod tests;
