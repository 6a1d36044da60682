//! The command line.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

use clap::builder::PossibleValuesParser;
use clap::{Args, Parser, Subcommand};
use r2_core::limits::NICK_MAX;
use r2_core::name::Name;
use smoltcp::wire::{IpCidr, Ipv4Cidr, Ipv6Cidr};

use crate::host::Host;
use crate::services::OWN;
use crate::stdio::is_standard_output;

/// A network server whose client is netcat, and its clients.
#[derive(Debug, Parser)]
#[command(version)]
pub struct Cli {
    /// Say more on standard error; twice for everything. `RUST_LOG` rules where it is set.
    #[arg(short, long, action = clap::ArgAction::Count, global = true)]
    pub verbose: u8,

    /// Say only errors, and show no progress.
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,

    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve: chat on standard input and output, everything else on standard error.
    Serve(Box<Serve>),
    /// Join the chat.
    Chat {
        /// Where R2 is: an address or a name, with or without :PORT.
        host: Host,
        /// The name to go by.
        #[arg(long, default_value = "KALI", value_parser = nick)]
        name: String,
    },
    /// Ask whether a string holds the secret code.
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
    /// Send a file; what was broken off goes on where it was.
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
    /// Get a file; what was broken off goes on where it was.
    Get {
        /// Where R2 is: an address or a name, with or without :PORT.
        host: Host,
        /// What it is called there.
        #[arg(value_parser = file_name)]
        name: Name,
        /// Where to put it; `-` is standard output.
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
        /// Print what was got as a line of JSON.
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
    /// Play the lab in this process, chat, secret code and files, as a transcript: needs nothing and takes no ports.
    Demo,
    /// Measure what the lab asks about, on R2's own wire: tables, ladders of packets, and a capture of them.
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
    /// The urgent message: UDP, a new TCP connection, and one kept open; what a round trip and a lost packet cost.
    Rtt(Bench),
    /// What Nagle's algorithm does to one, two and ten small writes.
    Nagle(Bench),
    /// Where Nagle's algorithm and delayed acknowledgements wait for each other, and what helps.
    DelayedAck(Bench),
    /// Which port of the client the server sends to, who chose it and when; a connection from beginning to end.
    Ports(Bench),
    /// How a byte of a question and of a file travels: every frame on the wire, and every call inside R2.
    Journey(Bench),
    /// A server and a client on this machine's sockets, call by call, and the same steps in smoltcp.
    Syscalls {
        /// Print what was measured as a line of JSON.
        #[arg(long)]
        json: bool,
    },
    /// All of them, and the demo, as one page of HTML and as PDF.
    Report {
        /// The folder for the report and its captures.
        #[arg(short, long, default_value = "lab-report", value_name = "FOLDER")]
        output: PathBuf,
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

    /// Write the frames, whose numbers the text names, into a pcap file.
    #[arg(long, value_name = "FILE", value_parser = pcap_file)]
    pub pcap: Option<PathBuf>,
}

/// Where to measure.
#[derive(Clone, Debug, Args)]
pub struct BenchWire {
    /// The wire: `local` is in memory, with a clock of its own; on a TAP, KALI's end is this machine's kernel.
    #[arg(long, default_value = "local", value_name = "local|tap:NAME")]
    pub link: Link,

    /// R2's IPv4 address and its network.
    #[arg(long, default_value = "192.168.69.1/24", value_name = "ADDR/LEN", value_parser = host_v4)]
    pub ip: Ipv4Cidr,

    /// The round trip of the wire in memory, in milliseconds; each experiment has one that suits it.
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u16).range(0..=10_000))]
    pub rtt: Option<u16>,

    /// How many of a hundred packets the wire in memory loses.
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(0..=50))]
    pub loss: Option<u8>,

    /// Chooses which packets are lost: the same number, the same ones.
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub seed: u64,
}

/// How to serve.
#[derive(Clone, Debug, Args)]
pub struct Serve {
    /// The wire: `tap:NAME`, `local`, or `auto` for tap0.
    #[arg(long, default_value = "auto", value_name = "auto|local|tap:NAME")]
    pub link: Link,

    /// R2's IPv4 address and its network: 192.168.69.1/24 where none is given.
    #[arg(long, value_name = "ADDR/LEN", value_parser = host_v4)]
    pub ip: Option<Ipv4Cidr>,

    /// R2's IPv6 address and its network.
    #[arg(long, value_name = "ADDR/LEN", value_parser = host_v6)]
    pub ip6: Option<Ipv6Cidr>,

    /// The router to what lies beyond that network.
    #[arg(long, value_name = "IP")]
    pub gateway: Option<IpAddr>,

    /// The folder of files.
    #[arg(long, default_value = "r2-store", value_name = "DIR")]
    pub store: PathBuf,

    /// R2's name in the chat.
    #[arg(long, default_value = "R2", value_parser = nick)]
    pub name: String,

    /// The name of the first peer in the chat; the next ones are NAME-2, NAME-3, ….
    #[arg(long, default_value = "KALI", value_name = "NAME", value_parser = nick)]
    pub peer_name: String,

    /// Join the `nc -l -p PORT` that waits there.
    #[arg(long, value_name = "IP:PORT", value_parser = callee)]
    pub call: Option<SocketAddr>,

    /// Write every frame into a pcap file; `-` is standard output, and the chat is on standard error then.
    #[arg(long, value_name = "FILE")]
    pub pcap: Option<PathBuf>,

    /// Connections of each service with small buffers: chat, secret, status, echo.
    #[arg(long, default_value_t = 256, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=10_000))]
    pub sessions: u16,

    /// Serve only peers of this network; give it several times for several.
    #[arg(long, value_name = "CIDR", value_parser = network)]
    pub allow: Vec<IpCidr>,

    /// Serve this too, beside R2's own; give it several times for several.
    #[arg(long, value_name = "SERVICE", value_parser = own_services())]
    pub with: Vec<String>,

    /// The largest file to store.
    #[arg(long, value_name = "BYTES")]
    pub max_file: Option<u64>,

    /// The most bytes to store.
    #[arg(long, value_name = "BYTES")]
    pub max_store: Option<u64>,
}

impl Serve {
    /// R2's IPv4 address and its network.
    pub fn ipv4(&self) -> Ipv4Cidr {
        /// That of the lab.
        const LAB: Ipv4Cidr = Ipv4Cidr::new(Ipv4Addr::new(192, 168, 69, 1), 24);
        self.ip.unwrap_or(LAB)
    }
}

/// The wire that R2 is on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Link {
    /// The TAP interface tap0.
    Auto,
    /// No privileges at all, every port on this host.
    Local,
    /// A TAP interface of that name.
    Tap(String),
}

impl FromStr for Link {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "auto" => Ok(Self::Auto),
            "local" => Ok(Self::Local),
            _ => match text.strip_prefix("tap:") {
                Some(name) if is_interface_name(name) => Ok(Self::Tap(name.to_owned())),
                Some(_) => Err("an interface's name has 1 to 15 characters, no space and no slash"),
                None => Err("one of auto, local, tap:NAME"),
            },
        }
    }
}

/// What Linux takes as the name of an interface.
pub(crate) fn is_interface_name(name: &str) -> bool {
    (1..=15).contains(&name.len())
        && !matches!(name, "." | "..")
        && name
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'/' | b':' | b'%'))
}

fn nick(text: &str) -> Result<String, String> {
    let fits = (1..=NICK_MAX).contains(&text.len());
    let clean = text
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
    if fits && clean {
        Ok(text.to_owned())
    } else {
        Err(format!("a name has 1 to {NICK_MAX} of A-Z a-z 0-9 _ -"))
    }
}

fn file_name(text: &str) -> Result<Name, &'static str> {
    Name::parse(text).ok_or("a file's name has 1 to 64 of A-Z a-z 0-9 . _ - and does not begin with a dot")
}

/// A name that a peer may give a file.
pub(crate) fn upload_name(text: &str) -> Result<Name, &'static str> {
    let name = file_name(text)?;
    if name.is_reserved() {
        return Err("R2 alone gives the names drop-*, *.partial and *.unconfirmed");
    }
    Ok(name)
}

const CIDR: &str = "ADDRESS/LENGTH, as in 192.168.69.1/24";

fn host_v4(text: &str) -> Result<Ipv4Cidr, &'static str> {
    let cidr: Ipv4Cidr = text.parse().map_err(|()| CIDR)?;
    let address = cidr.address();
    let first_or_last =
        cidr.prefix_len() < 31 && (address == cidr.network().address() || Some(address) == cidr.broadcast());
    if address.is_unspecified() || address.is_multicast() || address.is_loopback() || first_or_last {
        return Err("no address of a single host in its network");
    }
    Ok(cidr)
}

fn host_v6(text: &str) -> Result<Ipv6Cidr, &'static str> {
    let cidr: Ipv6Cidr = text.parse().map_err(|()| "ADDRESS/LENGTH, as in fd00::1/64")?;
    let address = cidr.address();
    if address.is_unspecified() || address.is_multicast() || address.is_loopback() {
        return Err("no address of a single host");
    }
    Ok(cidr)
}

/// Where somebody may wait for a call.
fn callee(text: &str) -> Result<SocketAddr, &'static str> {
    let callee: Option<SocketAddr> = text.parse().ok();
    callee
        .filter(|callee| callee.port() != 0)
        .ok_or("IP:PORT with a port from 1 on, as in 192.168.69.100:4000")
}

/// A file for frames, beside the text about them.
fn pcap_file(text: &str) -> Result<PathBuf, &'static str> {
    let path = PathBuf::from(text);
    if is_standard_output(&path) {
        return Err("the text goes to standard output: name a file for the frames");
    }
    Ok(path)
}

/// The names of the services that are served when they are asked for.
fn own_services() -> PossibleValuesParser {
    OWN.iter().map(|own| own.spec.name).into()
}

/// A network, or a single address.
fn network(text: &str) -> Result<IpCidr, &'static str> {
    if let Ok(address) = text.parse::<IpAddr>() {
        let length = if address.is_ipv4() { 32 } else { 128 };
        return Ok(IpCidr::new(address.into(), length));
    }
    text.parse().map_err(|()| CIDR)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::error::ErrorKind;

    fn parse(line: &str) -> Result<Command, clap::Error> {
        Cli::try_parse_from(line.split(' ')).map(|cli| cli.command)
    }

    fn serve(line: &str) -> Serve {
        match parse(line) {
            Ok(Command::Serve(serve)) => *serve,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn serve_without_options_is_the_lab() {
        let serve = serve("hostapp serve");
        assert_eq!(serve.link, Link::Auto);
        assert_eq!(serve.ipv4().to_string(), "192.168.69.1/24");
        assert_eq!((serve.name.as_str(), serve.peer_name.as_str()), ("R2", "KALI"));
        assert_eq!((serve.sessions, serve.store), (256, PathBuf::from("r2-store")));
        assert!(serve.ip6.is_none() && serve.gateway.is_none() && serve.call.is_none());
        assert!(serve.allow.is_empty() && serve.max_file.is_none() && serve.max_store.is_none());
    }

    #[test]
    fn serve_takes_every_option() {
        let serve = serve(
            "hostapp serve --link tap:tapq --ip 10.0.0.2/8 --ip6 fd00::2/64 --gateway 10.0.0.1 --store /x --name D2 \
             --peer-name Bob --call 10.0.0.3:4000 --pcap f.pcap --sessions 10000 --allow 10.0.0.0/8 --allow fd00::/64 \
             --allow 1.2.3.4 --max-file 5 --max-store 6",
        );
        assert_eq!(serve.link, Link::Tap("tapq".into()));
        assert_eq!(serve.ip6.unwrap().to_string(), "fd00::2/64");
        let allow: Vec<_> = serve.allow.iter().map(ToString::to_string).collect();
        assert_eq!(allow, ["10.0.0.0/8", "fd00::/64", "1.2.3.4/32"]);
        assert_eq!(
            (serve.sessions, serve.max_file, serve.max_store),
            (10_000, Some(5), Some(6))
        );
    }

    #[test]
    fn what_makes_no_sense_is_a_usage_error() {
        for line in [
            "hostapp",
            "hostapp fly",
            "hostapp serve --link eth0",
            "hostapp serve --link tap:",
            "hostapp serve --link tap:a/b",
            "hostapp serve --link tap:tap%d",
            "hostapp serve --link tap:sixteencharacter",
            "hostapp serve --ip 192.168.69.1",
            "hostapp serve --ip 192.168.69.1/33",
            "hostapp serve --ip 192.168.69.0/24",
            "hostapp serve --ip 192.168.69.255/24",
            "hostapp serve --ip 224.0.0.1/24",
            "hostapp serve --ip6 ff02::1/64",
            "hostapp serve --sessions 0",
            "hostapp serve --sessions 10001",
            "hostapp serve --name R2:",
            "hostapp serve --name seventeencharact_",
            "hostapp serve --peer-name ",
            "hostapp serve --call 10.0.0.3",
            "hostapp serve --call 10.0.0.3:0",
            "hostapp serve --allow here",
            "hostapp chat",
            "hostapp chat no/name",
            "hostapp chat two..%names",
            "hostapp chat 10.0.0.1:0",
            "hostapp chat 10.0.0.1:",
            "hostapp chat :5000",
            "hostapp chat [fd00::1]5000",
            "hostapp chat [localhost]:5000",
            "hostapp chat fd00::1:z",
            "hostapp chat 10.0.0.1:99999",
            "hostapp secret 10.0.0.1",
            "hostapp send 10.0.0.1 f --as ../x",
            "hostapp send 10.0.0.1 f --as drop-1",
            "hostapp get 10.0.0.1 .x",
            "hostapp ls 10.0.0.1 --json --quiet --verbose",
            "hostapp lab rtt --pcap -",
            "hostapp lab rtt --pcap /dev/stdout",
        ] {
            let error = parse(line).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{line}");
            assert_ne!(error.kind(), ErrorKind::DisplayHelp, "{line}");
        }
    }

    #[test]
    fn the_strings_of_a_question_are_taken_as_they_are() {
        match parse("hostapp secret 10.0.0.1 123Ted -32is --SECRET cool -v").unwrap() {
            Command::Secret { strings, .. } => assert_eq!(strings.join(" "), "123Ted -32is --SECRET cool -v"),
            other => panic!("{other:?}"),
        }
    }
}
