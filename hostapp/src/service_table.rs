//! What `serve` says when it is up.

use std::fmt;
use std::net::IpAddr;

use r2_links::Link;
use r2_node::service::Spec;
use smoltcp::wire::IpCidr;

use crate::services;

/// The services of R2 on a link.
pub struct ServiceTable {
    /// Whom R2 serves, where it has this machine's addresses.
    open_to: Option<String>,
    link: String,
    rows: Vec<Row>,
}

/// One line that a user may wait for, and the table with the netcat lines that work at these addresses.
struct Ready<'a> {
    table: &'a ServiceTable,
    address: IpAddr,
    also: Vec<IpAddr>,
}

/// A service over one protocol, or over both where they are talked to alike.
struct Row {
    service: &'static str,
    port: String,
    /// With `R2` for its address.
    command: String,
}

impl ServiceTable {
    /// These services on `link`, for the networks of `allow` or for everybody.
    pub fn new(allow: &[IpCidr], link: &impl Link, specs: impl Iterator<Item = Spec>) -> Self {
        let mut rows = Vec::new();
        for spec in specs {
            let Some(netcat) = services::netcat(spec.name) else {
                continue;
            };
            let (tcp, udp) = (link.tcp_port(spec.port), link.udp_port(spec.port));
            let alike = spec.datagram.is_some() && netcat.udp.is_empty() && udp == tcp;
            let protocol = if alike { "tcp udp" } else { "tcp" };
            rows.push(Row::new(spec.name, spec.port, tcp, protocol, netcat.tcp));
            if spec.datagram.is_some() && !alike {
                let own = netcat.udp;
                let with_u = netcat.tcp.replacen("nc ", "nc -u ", 1);
                let line = if own.is_empty() { &with_u } else { own };
                rows.push(Row::new("", spec.port, udp, "udp", line));
            }
        }
        Self {
            open_to: link.addresses().is_some().then(|| peers(allow)),
            link: link.name().to_owned(),
            rows,
        }
    }

    /// What is said when R2 is reached at `addresses`. There is one.
    pub fn at(&self, addresses: &[IpAddr]) -> impl fmt::Display {
        let shown = shown(addresses);
        Ready {
            table: self,
            address: shown[0],
            also: shown[1..].to_vec(),
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
    fn new(service: &'static str, port: u16, offered: Option<u16>, protocol: &str, netcat: &str) -> Self {
        let command = match offered {
            Some(offered) => netcat.replace("PORT", &offered.to_string()),
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
        let Self { table, address, also } = self;
        writeln!(f, "R2 ready at {address} on {}", table.link)?;
        for also in also {
            writeln!(f, "  also at {also}")?;
        }
        if let Some(peers) = table.open_to.as_ref().filter(|_| !address.is_loopback()) {
            writeln!(
                f,
                "  open to {peers}: there is no password, so whoever reaches R2 can chat, and read, write and delete its files"
            )?;
        }
        let width = table
            .rows
            .iter()
            .map(|row| row.port.len())
            .max()
            .unwrap_or_default();
        for Row {
            service,
            port,
            command,
        } in &table.rows
        {
            let command = command.replace("R2", &address.to_string());
            writeln!(f, "  {service:<8} {port:<width$}  {command}")?;
        }
        write!(
            f,
            "  (nc is OpenBSD's; traditional: -q 1 for -N; ncat needs none; socat - TCP:{address}:PORT with -t 60)"
        )
    }
}
