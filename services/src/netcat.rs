//! How a netcat talks to each service.

/// The command lines that talk to a service: OpenBSD's netcat, with `R2` for the address and `PORT` for the port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Netcat {
    /// Over TCP.
    pub tcp: &'static str,
    /// Over UDP, where it is another line; empty: the same with `-u`.
    pub udp: &'static str,
}

impl Netcat {
    /// The line over TCP, and with `-u` over UDP.
    pub const fn new(tcp: &'static str) -> Self {
        Self { tcp, udp: "" }
    }

    /// The lines of R2's service of that name, if it has one.
    pub fn of(service: &str) -> Option<Self> {
        Some(match service {
            "chat" | "echo" => Self::new("nc R2 PORT"),
            "secret" => Self {
                tcp: "printf 'Ted is SECRET cool\\n' | nc -N R2 PORT",
                udp: "printf 'Ted is SECRET cool' | nc -u -W 1 R2 PORT",
            },
            "drop" | "discard" => Self::new("nc -N R2 PORT < FILE"),
            "files" => Self::new("printf 'LIST\\n' | nc -N R2 PORT"),
            "status" => Self::new("nc R2 PORT < /dev/null"),
            "chargen" => Self::new("nc R2 PORT | head -c 1000"),
            "capture" => Self::new("nc R2 PORT > r2.pcap"),
            _ => return None,
        })
    }
}
