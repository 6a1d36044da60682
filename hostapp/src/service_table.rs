//! What `serve` says when it is up.

use std::fmt;
use std::net::IpAddr;

use r2_links::Link;
use r2_node::service::Spec;

use crate::services;
/// One line that a user may wait for, and a table of the services with the netcat line that works.
pub struct Ready<'a> {
    address: IpAddr,
    address6: Option<IpAddr>,
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
    /// R2 at `address`, and perhaps `address6`, with these services on `link`.
    pub fn new(
        address: IpAddr,
        address6: Option<IpAddr>,
        link: &'a impl Link,
        specs: impl Iterator<Item = Spec>,
    ) -> Self {
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
            address6,
            link: link.name(),
            rows,
        }
    }
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
        if let Some(address6) = self.address6 {
            writeln!(f, "  also at {address6}")?;
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
