//! What all sessions share.

use core::fmt::{self, Write};

use r2_core::chat::Room;
use r2_core::status::Report;
use r2_core::store::Store;
use r2_core::time::Instant;
use smoltcp::wire::IpAddress;

use crate::counters::{Counters, Reason};

/// The chat room, the store, the counters, and what the status page tells of the machine.
pub struct World<'a, S> {
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

const GENERAL: usize = 8;
const PER_SERVICE: usize = 4;

impl<S: Store> World<'_, S> {
    fn general(&self, now: Instant, index: usize, out: &mut dyn Write) -> fmt::Result {
        let Counters {
            frames_in,
            frames_out,
            sessions_open,
            sessions_max,
            ..
        } = self.counters;
        match index {
            0 => write!(out, "version: {}", self.about.version),
            1 => write!(out, "board: {}", self.about.board),
            2 => write!(out, "uptime_s: {}", now.as_millis() / 1000),
            3 => write!(out, "address: {}", self.about.address),
            4 => write!(out, "sessions_open: {sessions_open}"),
            5 => write!(out, "sessions_max: {sessions_max}"),
            6 => write!(out, "frames_in: {frames_in}"),
            _ => write!(out, "frames_out: {frames_out}"),
        }
    }

    fn of_service(&self, index: usize, out: &mut dyn Write) -> Option<fmt::Result> {
        let service = self.counters.services().get(index / PER_SERVICE)?;
        let (key, count) = match index % PER_SERVICE {
            0 => ("connections", service.connections),
            1 => ("bytes_in", service.bytes_in),
            2 => ("bytes_out", service.bytes_out),
            _ => ("refused", service.refused),
        };
        Some(write!(out, "{}_{key}: {count}", service.name))
    }

    fn of_drops(&self, index: usize, out: &mut dyn Write) -> Option<fmt::Result> {
        let reason = *Reason::ALL.get(index)?;
        Some(write!(
            out,
            "dropped_{}: {}",
            reason.name(),
            self.counters.dropped(reason)
        ))
    }

    fn of_machine(&self, index: usize, out: &mut dyn Write) -> Option<fmt::Result> {
        let usage = self.store.usage();
        match index {
            0 => Some(write!(out, "store_files: {}", usage.files)),
            1 => Some(write!(out, "store_bytes: {}", usage.bytes)),
            2 => self
                .about
                .stack_high_water
                .map(|bytes| write!(out, "stack_high_water: {}", bytes())),
            _ => None,
        }
    }
}

impl<S: Store> Report for World<'_, S> {
    fn line(&self, now: Instant, index: usize, out: &mut dyn Write) -> Result<bool, fmt::Error> {
        let services = self.counters.services().len().saturating_mul(PER_SERVICE);
        let counted = services.saturating_add(Reason::ALL.len());
        let Some(index) = index.checked_sub(GENERAL) else {
            return self.general(now, index, out).map(|()| true);
        };
        let line = self
            .of_service(index, out)
            .or_else(|| self.of_drops(index.checked_sub(services)?, out))
            .or_else(|| self.of_machine(index.checked_sub(counted)?, out));
        line.transpose().map(|line| line.is_some())
    }
}
