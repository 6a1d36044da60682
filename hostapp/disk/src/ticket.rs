//! The serving thread's side of a ticket, and its channel to the worker.

use std::sync::mpsc::SyncSender;

use r2_core::name::Name;

use super::chunks::{Reading, Uploading};
use super::worker::{Answer, Call, Job};
use super::{CHUNK, CHUNKS, Chunk};

/// What the serving thread knows of a ticket.
pub(super) struct TicketState {
    pub(super) phase: Phase,
    /// The name under which it uploads, from the question on until it was given back.
    pub(super) name: Option<Name>,
    pub(super) free: Vec<Chunk>,
    /// A call is with the worker, or its answer here.
    pub(super) asked: bool,
    pub(super) answer: Option<Answer>,
}

/// What it does with its ticket.
pub(super) enum Phase {
    Free,
    /// Held, with no file.
    Idle,
    Uploading(Uploading),
    Sealed,
    Reading(Reading),
    /// Given back; the worker has not heard of it yet.
    Leaving,
}

impl TicketState {
    pub(super) fn new() -> Self {
        // Filled with something else than zero, so that the memory is taken now and not when bytes come.
        let chunk = || vec![1; CHUNK].into_boxed_slice();
        Self {
            phase: Phase::Free,
            name: None,
            free: std::iter::repeat_with(chunk).take(CHUNKS).collect(),
            asked: false,
            answer: None,
        }
    }

    /// Whether a chunk is with the worker.
    pub(super) fn is_working(&self) -> bool {
        let here = match &self.phase {
            Phase::Uploading(uploading) => uploading.here(),
            Phase::Reading(reading) => reading.here(),
            Phase::Free | Phase::Idle | Phase::Sealed | Phase::Leaving => 0,
        };
        self.free.len() + here < CHUNKS
    }

    pub(super) fn change(&mut self, phase: Phase) {
        match std::mem::replace(&mut self.phase, phase) {
            Phase::Uploading(uploading) => uploading.put_back(&mut self.free),
            Phase::Reading(reading) => reading.put_back(&mut self.free),
            Phase::Free | Phase::Idle | Phase::Sealed | Phase::Leaving => {}
        }
    }

    pub(super) fn heard(&mut self, answer: Answer) {
        match answer {
            Answer::Released => {
                debug_assert_eq!(self.free.len(), CHUNKS, "every chunk has come home");
                self.phase = Phase::Free;
                self.name = None;
            }
            Answer::Written(chunk, result) => {
                self.free.push(chunk);
                if let (Phase::Uploading(uploading), Err((error, fitted))) = (&mut self.phase, result) {
                    uploading.fail(error, fitted);
                }
            }
            Answer::Read(chunk, result) => match &mut self.phase {
                Phase::Reading(reading) => reading.arrived(chunk, result, &mut self.free),
                _ => self.free.push(chunk),
            },
            // The answer to a call that was forgotten.
            _ if matches!(self.phase, Phase::Leaving) => {}
            answer => self.answer = Some(answer),
        }
    }
}

/// The way from a ticket to its worker.
pub(super) struct WorkerChannel<'a> {
    pub(super) jobs: &'a SyncSender<Job>,
    pub(super) place: usize,
}

impl WorkerChannel<'_> {
    pub(super) fn send(&self, call: Call) {
        let job = Job {
            place: self.place,
            call,
        };
        // Never waits: the channel has room for all that the tickets can have under way.
        if self.jobs.send(job).is_err() {
            log::error!("a thread of the store is gone");
        }
    }
}
