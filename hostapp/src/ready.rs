//! What `serve` says when it is up.

use std::fmt;
use std::net::IpAddr;

/// One line that a user may wait for, and a table of the services with the netcat line that works.
pub struct Ready<'a> {
    /// R2's address.
    pub address: IpAddr,
    /// Its second one.
    pub address6: Option<IpAddr>,
    /// The link's name.
    pub link: &'a str,
}

/// Service, port, and the command: `R2` stands for the address.
const SERVICES: [(&str, &str, &str); 9] = [
    ("chat", "5000/tcp", "nc R2 5000"),
    (
        "secret",
        "5010/tcp",
        "printf 'Ted is SECRET cool\\n' | nc -N R2 5010",
    ),
    ("", "5010/udp", "printf 'Ted is SECRET cool' | nc -u -W 1 R2 5010"),
    ("drop", "5020/tcp", "nc -N R2 5020 < FILE"),
    ("files", "5030/tcp", "printf 'LIST\\n' | nc -N R2 5030"),
    ("status", "5040/tcp", "nc R2 5040 < /dev/null"),
    ("echo", "7/tcp udp", "nc R2 7"),
    ("discard", "9/tcp udp", "nc -N R2 9 < FILE"),
    ("chargen", "19/tcp udp", "nc R2 19 | head -c 1000"),
];

impl fmt::Display for Ready<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "R2 ready at {} on {}", self.address, self.link)?;
        if let Some(address6) = self.address6 {
            writeln!(f, "  also at {address6}")?;
        }
        let address = self.address.to_string();
        for (service, port, command) in SERVICES {
            let command = command.replace("R2", &address);
            writeln!(f, "  {service:<8} {port:<10}  {command}")?;
        }
        writeln!(
            f,
            "  (nc is OpenBSD's; traditional: -q 1 for -N; ncat needs none; socat - TCP:{address}:PORT with -t 60)"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_says_where_and_every_row_has_a_command() {
        let ready = Ready {
            address: "192.168.69.1".parse().unwrap(),
            address6: Some("fd00::1".parse().unwrap()),
            link: "tap0",
        };
        let text = ready.to_string();
        assert!(text.starts_with("R2 ready at 192.168.69.1 on tap0\n  also at fd00::1\n"));
        assert!(
            text.contains("  drop     5020/tcp    nc -N 192.168.69.1 5020 < FILE\n"),
            "{text}"
        );
        assert!(text.lines().all(|line| line.len() <= 110), "{text}");
    }
}
