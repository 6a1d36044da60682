use clap::error::ErrorKind;

use super::*;
use crate::serve::Options;

fn parse(line: &str) -> Result<Command, clap::Error> {
    Cli::try_parse_from(line.split(' ')).map(|cli| cli.command)
}

fn serve(line: &str) -> Options {
    match parse(line) {
        Ok(Command::Serve(serve)) => (*serve).into(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn serve_without_options_is_the_lab() {
    let serve = serve("hostapp serve");
    let lab = Options {
        link: LinkChoice::Auto,
        ..Options::local("r2-store")
    };
    assert_eq!(serve, lab);
    assert_eq!(serve.ipv4().unwrap().to_string(), "192.168.69.1/24");
    assert_eq!(serve.hostname, "r2");
}

#[test]
fn serve_takes_every_option() {
    let serve = serve(
        "hostapp serve --link tap:tapq --ip 10.0.0.2/8 --ip6 fd00::2/64 --gateway 10.0.0.1 --store /x --name D2 \
         --peer-name Bob --call 10.0.0.3:4000 --pcap f.pcap --sessions 10000 --allow 10.0.0.0/8 --allow fd00::/64 \
         --allow 1.2.3.4 --max-file 5 --max-store 6",
    );
    assert_eq!(serve.link, LinkChoice::Tap("tapq".into()));
    assert_eq!(serve.ip6.unwrap().to_string(), "fd00::2/64");
    let allow: Vec<_> = serve.allow.iter().map(ToString::to_string).collect();
    assert_eq!(allow, ["10.0.0.0/8", "fd00::/64", "1.2.3.4/32"]);
    assert_eq!(
        (serve.sessions, serve.max_file, serve.max_store),
        (10_000, Some(5), Some(6))
    );
}

#[test]
fn an_address_is_given_or_asked_for() {
    let asks = serve("hostapp serve --ip dhcp --hostname lab-7");
    assert_eq!((asks.ipv4(), asks.hostname.as_str()), (None, "lab-7"));
    let given = serve("hostapp serve --ip 10.0.0.2/8");
    assert_eq!(given.ipv4().unwrap().to_string(), "10.0.0.2/8");
}

#[test]
fn sizes_are_bytes_or_powers_of_1024() {
    for (text, bytes) in [
        ("0", 0),
        ("1000", 1000),
        ("1K", 1 << 10),
        ("10m", 10 << 20),
        ("3G", 3 << 30),
        ("2T", 2 << 40),
        ("18446744073709551615", u64::MAX),
    ] {
        let line = format!("hostapp serve --max-file {text} --max-store {text}");
        let serve = serve(&line);
        assert_eq!(
            (serve.max_file, serve.max_store),
            (Some(bytes), Some(bytes)),
            "{text}"
        );
    }
    for text in [
        "",
        "K",
        "1KB",
        "1.5M",
        "-1",
        "1 K",
        "M1",
        "1E",
        "99999999T",
        "1é",
        "18446744073709551616",
    ] {
        let words = ["hostapp", "serve", "--max-file", text];
        assert!(Cli::try_parse_from(words).is_err(), "{text}");
    }
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
        "hostapp serve --ip DHCP",
        "hostapp serve --hostname ",
        "hostapp serve --hostname r2.local",
        "hostapp serve --hostname -r2",
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
