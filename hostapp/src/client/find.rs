//! `hostapp find`.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::json;

use super::Trouble;
use crate::lookup::{self, Found};

/// Prints the R2s that answer within that time, a line each.
pub(super) fn run(patience: Duration, as_json: bool) -> Result<(), Trouble> {
    let found = lookup::find(patience)
        .map_err(|error| Trouble::usage(format!("cannot ask the network: {error}; is it up?")))?;
    if found.is_empty() {
        return Err(Trouble::failed(format!(
            "no R2 has answered within {} s: is hostapp serve running on a TAP of this network?",
            patience.as_secs()
        )));
    }
    let mut out = io::stdout().lock();
    let lines = found
        .iter()
        .map(|found| if as_json { in_json(found) } else { in_words(found) });
    let written = lines.into_iter().try_for_each(|line| writeln!(out, "{line}"));
    written.and_then(|()| out.flush()).map_err(|error| {
        Trouble::failed(format!(
            "standard output: {error}; ask again where there is room for the list"
        ))
    })
}

fn in_words(found: &Found) -> String {
    let addresses: Vec<_> = found.addresses.iter().map(address).collect();
    let ports: Vec<_> = found
        .ports
        .iter()
        .map(|(service, port)| format!("{service}={port}"))
        .collect();
    format!("{}  {}  {}", found.name, addresses.join(" "), ports.join(" "))
}

fn in_json(found: &Found) -> String {
    let addresses: Vec<_> = found.addresses.iter().map(address).collect();
    let ports: serde_json::Map<_, _> = found
        .ports
        .iter()
        .map(|(service, port)| (service.clone(), json!(port)))
        .collect();
    json!({ "name": found.name, "addresses": addresses, "ports": ports }).to_string()
}

/// The address as a command takes it: that of one link with the link.
fn address(at: &SocketAddr) -> String {
    match at {
        SocketAddr::V6(at) if at.scope_id() != 0 => format!("{}%{}", at.ip(), at.scope_id()),
        at => at.ip().to_string(),
    }
}
