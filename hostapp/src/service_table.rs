//! What `serve` says when it is up.

use std::fmt;
use std::net::IpAddr;

use r2_links::Link;
use r2_node::service::Spec;
use smoltcp::wire::IpCidr;

use crate::services;
/// One line that a user may wait for, and a table of the services with the netcat line that works.
pub struct Ready<'a> {
    address: IpAddr,
    also: Vec<IpAddr>,
    /// Whom R2 serves, where others than this machine's users reach it.
    open_to: Option<String>,
    link: &'a str,
    rows: Vec<Row>,
}

/// A service over one protocol, or over both where they are talked to alike.
struct Row {
    service: &'static str,
    port: String,
    command: String,
}

impl<'a> Ready<'a> {
    /// R2 at `addresses`, with these services on `link`, for the networks of `allow` or for everybody.
    pub fn new(
        addresses: &[IpAddr],
        allow: &[IpCidr],
        link: &'a impl Link,
        specs: impl Iterator<Item = Spec>,
    ) -> Self {
        let shown = shown(addresses);
        let (address, also) = (shown[0], shown[1..].to_vec());
        let is_open = link.addresses().is_some() && !address.is_loopback();
        let mut rows = Vec::new();
        for spec in specs {
            let Some(netcat) = services::netcat(spec.name) else {
                continue;
            };
            let (tcp, udp) = (link.tcp_port(spec.port), link.udp_port(spec.port));
            let alike = spec.datagram.is_some() && netcat.udp.is_empty() && udp == tcp;
            let protocol = if alike { "tcp udp" } else { "tcp" };
            rows.push(Row::new(spec.name, spec.port, tcp, protocol, netcat.tcp, address));
            if spec.datagram.is_some() && !alike {
                let own = netcat.udp;
                let with_u = netcat.tcp.replacen("nc ", "nc -u ", 1);
                let line = if own.is_empty() { &with_u } else { own };
                rows.push(Row::new("", spec.port, udp, "udp", line, address));
            }
        }
        Self {
            address,
            also,
            open_to: is_open.then(|| peers(allow)),
            link: link.name(),
            rows,
        }
    }
}

/// Those of R2's addresses that its peers use: those of this machine alone only where there are no others. There is one.
fn shown(addresses: &[IpAddr]) -> Vec<IpAddr> {
    let others = addresses.iter().filter(|address| !address.is_loopback());
    let others: Vec<_> = others.copied().collect();
    if others.is_empty() {
        addresses.to_vec()
    } else {
        others
    }
}

/// Whom R2 serves, in words.
fn peers(allow: &[IpCidr]) -> String {
    if allow.is_empty() {
        return "the network, every machine that reaches it (--allow narrows that)".to_owned();
    }
    let networks: Vec<_> = allow.iter().map(ToString::to_string).collect();
    networks.join(" and ")
}

impl Row {
    fn new(
        service: &'static str,
        port: u16,
        offered: Option<u16>,
        protocol: &str,
        netcat: &str,
        at: IpAddr,
    ) -> Self {
        let command = match offered {
            Some(offered) => netcat
                .replace("R2", &at.to_string())
                .replace("PORT", &offered.to_string()),
            None => "not offered: another program has that port".to_owned(),
        };
        let port = format!("{}/{protocol}", offered.unwrap_or(port));
        Self {
            service,
            port,
            command,
        }
    }
}

impl fmt::Display for Ready<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "R2 ready at {} on {}", self.address, self.link)?;
        for also in &self.also {
            writeln!(f, "  also at {also}")?;
        }
        if let Some(peers) = &self.open_to {
            writeln!(
                f,
                "  open to {peers}: there is no password, so whoever reaches R2 can chat, and read, write and delete its files"
            )?;
        }
        let width = self
            .rows
            .iter()
            .map(|row| row.port.len())
            .max()
            .unwrap_or_default();
        for Row {
            service,
            port,
            command,
        } in &self.rows
        {
            writeln!(f, "  {service:<8} {port:<width$}  {command}")?;
        }
        write!(
            f,
            "  (nc is OpenBSD's; traditional: -q 1 for -N; ncat needs none; socat - TCP:{}:PORT with -t 60)",
            self.address
        )
    }
}
