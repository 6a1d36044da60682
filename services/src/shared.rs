//! What all sessions share.

use core::fmt::{self, Write};

use r2_core::chat::Room;
use r2_core::status::Report;
use r2_core::store::Store;
use r2_core::time::Instant;
use r2_node::{Counters, Reason, World};
use smoltcp::wire::IpAddress;

/// What the sessions of R2's services share: the chat room, the store, the counters, and what the status page tells of
/// the machine.
pub struct Shared<'a, S> {
    /// Where chat lines are.
    pub room: Room<'a>,
    /// Where files are.
    pub store: S,
    /// What was counted.
    pub counters: Counters,
    /// What does not change.
    pub about: About,
}

/// What the status page tells of the machine.
#[derive(Clone, Copy, Debug)]
pub struct About {
    /// The version of R2.
    pub version: &'static str,
    /// The board, or the kind of host.
    pub board: &'static str,
    /// The address that peers use.
    pub address: IpAddress,
    /// The most bytes of stack that were ever in use, on a machine that can tell.
    pub stack_high_water: Option<fn() -> usize>,
}

/// The lines that come before those of the services.
const GENERAL: usize = if cfg!(feature = "dhcp") { 10 } else { 9 };
const PER_SERVICE: usize = 4;

/// A line of the status page: two parts of its key, and what is behind it.
type Line = (&'static str, &'static str, Value);

enum Value {
    Text(&'static str),
    Address(IpAddress),
    Count(u64),
}

impl<S> World for Shared<'_, S> {
    fn counters(&mut self) -> &mut Counters {
        &mut self.counters
    }
}

impl<S: Store> Shared<'_, S> {
    fn line(&self, now: Instant, index: usize) -> Option<Line> {
        let Some(index) = index.checked_sub(GENERAL) else {
            return Some(self.general(now, index));
        };
        let services = self.counters.services().len().saturating_mul(PER_SERVICE);
        let counted = services.saturating_add(Reason::ALL.len());
        self.of_service(index)
            .or_else(|| self.of_drops(index.checked_sub(services)?))
            .or_else(|| self.of_machine(index.checked_sub(counted)?))
    }

    fn general(&self, now: Instant, index: usize) -> Line {
        let counters = &self.counters;
        let (key, value) = match index {
            0 => ("version", Value::Text(self.about.version)),
            1 => ("board", Value::Text(self.about.board)),
            2 => ("uptime_s", Value::Count(now.as_millis() / 1000)),
            3 => ("address", Value::Address(self.about.address)),
            4 => ("sessions_open", Value::Count(counters.sessions_open as u64)),
            5 => ("sessions_max", Value::Count(counters.sessions_max as u64)),
            6 => ("frames_in", Value::Count(counters.frames_in)),
            #[cfg(feature = "dhcp")]
            9 => (
                "sessions_readdressed",
                Value::Count(counters.sessions_readdressed),
            ),
            8 => ("capture_lost", Value::Count(counters.capture_lost)),
            _ => ("frames_out", Value::Count(counters.frames_out)),
        };
        ("", key, value)
    }

    fn of_service(&self, index: usize) -> Option<Line> {
        let service = self.counters.services().get(index / PER_SERVICE)?;
        let (key, count) = match index % PER_SERVICE {
            0 => ("_connections", service.connections),
            1 => ("_bytes_in", service.bytes_in),
            2 => ("_bytes_out", service.bytes_out),
            _ => ("_refused", service.refused),
        };
        Some((service.name, key, Value::Count(count)))
    }

    fn of_drops(&self, index: usize) -> Option<Line> {
        let reason = *Reason::ALL.get(index)?;
        let count = self.counters.dropped(reason);
        Some(("dropped_", reason.name(), Value::Count(count)))
    }

    fn of_machine(&self, index: usize) -> Option<Line> {
        let usage = self.store.usage();
        let (key, count) = match index {
            0 => ("store_files", usage.files),
            1 => ("store_bytes", usage.bytes),
            2 => ("store_unreadable", self.store.unreadable()),
            3 => ("stack_high_water", self.about.stack_high_water?() as u64),
            _ => return None,
        };
        Some(("", key, Value::Count(count)))
    }
}

impl<S: Store> Report for Shared<'_, S> {
    fn line(&self, now: Instant, index: usize, out: &mut dyn Write) -> Result<bool, fmt::Error> {
        let Some((before, key, value)) = self.line(now, index) else {
            return Ok(false);
        };
        for part in [before, key, ": "] {
            out.write_str(part)?;
        }
        match value {
            Value::Text(text) => out.write_str(text)?,
            Value::Address(address) => write!(out, "{address}")?,
            Value::Count(count) => write!(out, "{count}")?,
        }
        Ok(true)
    }
}
